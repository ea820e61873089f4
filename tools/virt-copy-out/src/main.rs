//! The program virt-copy-out.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_copy_out::command(), virt_copy_out::run)
}
