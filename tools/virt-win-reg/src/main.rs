//! The program virt-win-reg.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_win_reg::command(), virt_win_reg::run)
}
