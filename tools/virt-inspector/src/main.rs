//! The program virt-inspector.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_inspector::command(), virt_inspector::run)
}
