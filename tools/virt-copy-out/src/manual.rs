//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, EXIT_STATUS, Manual, Section};

/// The manual of virt-copy-out.
pub const MANUAL: Manual = Manual {
    synopsis: &["virt-copy-out [OPTIONS] -a DISK [-a DISK]... FILE|DIR... LOCALDIR"],
    description: "\
virt-copy-out copies files and directories, with all that is in them, out of a virtual machine into a local directory. \
The operating system on the disks is found and its filesystems are put together as the guest has them; with -m, \
filesystems are chosen by hand instead. Nothing is started, mounted or written for it: the disks are read by a \
locked-down child process, and the virtual machine may be running.",
    sections: &[EXAMPLES, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-cat", 1), ("virt-ls", 1), ("guestfish", 1), ("guestfs", 3)],
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
The home directories of a guest:

    mkdir homes
    virt-copy-out -a guest.qcow2 /home homes",
};
