//! The program virt-df.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(virt_df::command(), virt_df::run)
}
