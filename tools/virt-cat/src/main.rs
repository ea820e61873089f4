//! The program virt-cat.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_cat::command(), virt_cat::run)
}
