//! The program libguestfs-make-fixed-appliance.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_common::main(libguestfs_make_fixed_appliance::command(), libguestfs_make_fixed_appliance::run)
}
