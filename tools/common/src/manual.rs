//! Manual pages: what the definitions of the options do not say, as data. `cargo xtask man` makes pages of it.
//!
//! Texts are paragraphs with blank lines between. A paragraph whose lines begin with four spaces is shown as it is. One
//! that begins with `= TERM` and a line break describes that term.

/// The manual page of a tool. Name and options come from its command.
#[derive(Debug, Clone, Copy)]
pub struct Manual {
    /// Ways to call it, one a line.
    pub synopsis: &'static [&'static str],
    /// What it does.
    pub description: &'static str,
    /// Sections after the options, in order.
    pub sections: &'static [Section],
    /// Pages to see also: name and section.
    pub see_also: &'static [(&'static str, u8)],
}

/// A section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading.
    pub title: &'static str,
    /// Text.
    pub text: &'static str,
}

/// Naming disks without `-a`, in the tools that allow it.
pub const OLD_STYLE: Section = Section {
    title: "OLD STYLE",
    text: "\
Without -a and -d, all operands but the last name disks: an operand with a slash in it, or the name of a file that \
exists, is a disk image, any other is a guest of libvirt. Only one operand is then left for the guest. New scripts should \
use -a or -d.",
};

/// Guests of libvirt.
pub const LIBVIRT: Section = Section {
    title: "LIBVIRT GUESTS",
    text: "\
With -d, libvirt is asked for the disks of a guest: files, block devices and volumes of its pools, CD-ROMs and floppies \
among them, in its order, with their formats. Its program virsh has to be installed; the connection is that of -c, and \
read-only. The guest may be running. One with a disk on the network is refused, since it would be shown wrong without.

The user needs the right to read the images, which libvirt's own often give to root alone.",
};

/// Keys of encrypted devices.
pub const KEYS: Section = Section {
    title: "ENCRYPTED GUESTS",
    text: "\
Devices that are encrypted as a whole (LUKS, BitLocker) are opened before the operating system is looked for: partitions, \
logical volumes, arrays and whole disks, and those that lie in another one. Nothing is written to the disk.

LUKS (versions 1 and 2) needs nothing installed. How long a key takes is the device's choice: some seconds are usual, and \
up to 1.25 GiB of memory for that time. An appliance, see LIBGUESTFS_BACKEND below, opens BitLocker and what is rare in LUKS: \
dm-integrity, a change of keys that goes on, ciphers other than AES, Serpent and Twofish (in XTS or CBC), keys that take more \
than that memory or some minutes of work.

The keys of a device are those of --key that name it, in their order. If there is none, the passphrase is asked for on \
the terminal, or read from standard input with --keys-from-stdin; nothing typed leaves the device locked. If no key \
fits, the tool fails. Without a key and without a terminal the device stays locked, which is an error if no \
operating system is found without it.

    virt-cat -a guest.qcow2 --key /dev/sda2:file:/root/key /etc/fstab

With -m nothing is opened but with the keys that --key and --keys-from-stdin give; the name of an encrypted device then \
stands for what is in it.",
};

/// Paths of Windows guests, and what may be stale in their filesystems.
pub const WINDOWS: Section = Section {
    title: "WINDOWS GUESTS",
    text: r"In paths of a Windows guest, backslashes stand for slashes, upper and lower case are the same, and a path may begin with a
drive letter, which the guest's own table of drives explains: C:\Windows\win.ini, D:\data. A path without one is on the drive
that Windows is on. With -m, paths are those of the filesystems that are mounted, as they stand there.

A Windows that is hibernated, or was shut down in its fast way, and one that crashed, leave filesystems that are not up to date.
They are read as they are, and a warning says what may be stale.",
};

/// Status of the tools on exit.
pub const EXIT_STATUS: Section = Section {
    title: "EXIT STATUS",
    text: "\
= 0
All that was asked for was done. A reader of the output that goes away early (a broken pipe) is no failure.

= 1
Something failed: the guest could not be opened, or one of the operands could not be read. The other operands are \
still worked on.

= 2
The command line makes no sense.",
};

/// Environment variables that the tools look at.
pub const ENVIRONMENT: Section = Section {
    title: "ENVIRONMENT",
    text: "\
= LIBGUESTFS_BACKEND
How the disks are read. \"embedded\" reads them in a child process that is locked down: no privileges, no files, no \
network. It answers in milliseconds, and refuses what it does not fully understand. \"uml\" and \"direct\" start an \
appliance, a small Linux system that mounts the guest's filesystems: \"uml\" as a process (User-Mode Linux), \"direct\" \
in qemu. \"appliance\" takes the one that works best here. \"unix:PATH\" talks to a daemon that runs already. The \
default, \"auto\", is \"embedded\", and goes on in an appliance when that refuses.

= LIBGUESTFS_BACKEND_SETTINGS
Settings of the backend, with colons between. \"backing_dir=DIR\" allows images to name backing files below DIR; \
without it they must lie below the directory of the image itself. \"snapshot=NAME\" reads an internal snapshot of \
qcow2 images, by name or ID. \"memory_limit=MIB\" and \"cpu_limit=SECONDS\" change what the child process may use (512 MiB \
of address space, and 1.25 GiB more while a key is tried unless this is set; 4 hours). \"no_sandbox\" runs the child process without its locks, for systems that lack them: for \
images that you trust only.

For an appliance: \"force_tcg\" has qemu emulate the processor even where KVM works, \"force_kvm\" has it fail where KVM \
does not.

= LIBGUESTFS_HV, LIBGUESTFS_MEMSIZE, LIBGUESTFS_APPEND
The qemu program (or a script in its place), the memory in MiB, and words for the kernel's command line of an appliance.

= SUPERMIN_KERNEL, SUPERMIN_MODULES
The kernel and the directory of its modules that an appliance is made of, in place of the newest in /boot.

= LIBGUESTFS_PATH
Directories, with colons between, in which a fixed appliance is looked for; libguestfs-make-fixed-appliance(1) makes one. \
Without it an appliance is made from the programs and the kernel of this host, and kept.

= LIBGUESTFS_CACHEDIR, LIBGUESTFS_TMPDIR, TMPDIR
Where appliances are kept (default: /var/tmp), and where temporary files are made (default: /tmp).

= LIBGUESTFS_DEBUG, LIBGUESTFS_TRACE
1 does what -v and -x do.",
};
