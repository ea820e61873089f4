//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, EXIT_STATUS, KEYS, LIBVIRT, Manual, OLD_STYLE, Section, WINDOWS};

/// The manual of virt-cat.
pub const MANUAL: Manual = Manual {
    synopsis: &["virt-cat [OPTIONS] -a DISK [-a DISK]... FILE..."],
    description: "\
virt-cat prints files of a virtual machine, from its disk images. The operating system on the disks is found and its \
filesystems are put together as the guest has them; with -m, filesystems are chosen by hand instead. Nothing is \
started, mounted or written for it: the disks are read by a locked-down child process, and the virtual machine may be \
running.

Files are given by their full paths in the guest, beginning with a slash. Symbolic links are followed as the guest \
would follow them, and never lead out of it. Several files are printed one after the other, byte for byte.",
    sections: &[LIBVIRT, WINDOWS, KEYS, EXAMPLES, OLD_STYLE, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-ls", 1), ("guestfish", 1), ("guestfs", 3)],
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
A file of a guest:

    virt-cat -a guest.qcow2 /etc/fstab

The last lines of a log, from a guest with two disks:

    virt-cat -a system.img -a data.img /var/log/syslog | tail

A file on a partition of a disk without an operating system:

    virt-cat -a data.img -m /dev/sda1 /notes.txt",
};
