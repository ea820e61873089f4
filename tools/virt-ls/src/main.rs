//! The program virt-ls.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_ls::command(), virt_ls::run)
}
