//! Puts arrays together and activates logical volumes and those of dynamic disks, if the disks have any: programs are started
//! for that alone.

use bstr::{BString, ByteSlice};

use crate::engine::Engine;
use crate::engine::kernel::Kernel;
use crate::log;
use crate::modules::Modules;
use crate::program::Program;

/// Modules of the levels of arrays.
const LEVELS: [&str; 5] = ["raid0", "raid1", "raid10", "raid456", "linear"];

/// Modules of mirrors and RAID-5 on dynamic disks.
const DYNAMIC: [&str; 4] = ["dm_mod", "dm_raid", "raid1", "raid456"];

/// What is on the disks and arrays of the guest.
fn members(kernel: &Kernel) -> Vec<String> {
    let partitions = kernel.partitions().unwrap_or_default().into_iter().map(|p| p.name);
    let all: Vec<BString> =
        kernel.disks().into_iter().chain(partitions).chain(kernel.arrays().unwrap_or_default()).collect();
    let kind = |device: &BString| match kernel.probe(device.as_bstr()) {
        Ok(probe) => probe.map(|probe| probe.kind.to_owned()),
        Err(failure) => {
            log::debug(format_args!("guestfsd: {}", failure.at(device)));
            None
        }
    };
    all.iter().filter_map(kind).collect()
}

/// To be called once, when the disks are there. What fails is logged: the calls that need it say so.
pub(crate) fn activate(kernel: &Kernel) {
    let mut found = members(kernel);
    if found.iter().any(|kind| kind.ends_with("_raid_member")) {
        load("md_mod");
        for level in LEVELS {
            load(level);
        }
        // An array that lacks a disk is for the caller to start (md_create, debug sh).
        run(Program::new("mdadm").args(["--assemble", "--scan", "--auto=yes", "--no-degraded"]), "mdadm");
        found = members(kernel);
    }
    if found.iter().any(|kind| kind == "LVM2_member") {
        load("dm_mod");
        run(Program::new("lvm").args(["vgchange", "-aay", "--sysinit"]), "lvm");
    }
    match kernel.ldm() {
        Ok(disks) if disks.groups.is_empty() => {}
        Ok(_) => {
            for module in DYNAMIC {
                load(module);
            }
            run(Program::new("ldmtool").args(["create", "all"]), "ldmtool");
        }
        Err(failure) => log::debug(format_args!("guestfsd: {}", failure.at("ldm"))),
    }
}

fn run(program: Program, name: &str) {
    if let Err(e) = program.run(name) {
        log::line(format_args!("guestfsd: {e}"));
    }
}

/// A module may be built in.
fn load(module: &str) {
    let result = Modules::of_running_kernel().and_then(|modules| modules.load(module.as_bytes()));
    if let Err(e) = result {
        log::debug(format_args!("guestfsd: {e}"));
    }
}
