//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, LIBVIRT, Manual, Section};

/// The manual of virt-df.
pub const MANUAL: Manual = Manual {
    synopsis: &[
        "virt-df [OPTIONS] -a DISK [-a DISK]...",
        "virt-df --separate [-P NR_THREADS] [OPTIONS] -a DISK...",
        "virt-df [OPTIONS] DISK...",
        "virt-df [OPTIONS] -d GUEST",
        "virt-df [-c URI] [--uuid] [-P NR_THREADS] [OPTIONS]",
    ],
    description: "\
virt-df shows how full the filesystems of virtual machines are, from their disk images: like df(1), but from outside. \
Nothing is started, mounted or written for it: the disks are read by a locked-down child process, and the virtual machine \
may be running.

All disks of a command line belong to one guest, or each is a guest of its own with --separate: any number of guests can \
be examined that way by one command, several at a time, and one that can't be examined does not keep the others from \
being shown. Without any disk, all guests of libvirt are.",
    sections: &[COLUMNS, LEFT_OUT, JSON, LIBVIRT, EXAMPLES, OLD_STYLE, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("df", 1), ("virt-ls", 1), ("guestfish", 1), ("guestfs", 3)],
};

const COLUMNS: Section = Section {
    title: "COLUMNS",
    text: "\
= Filesystem
Name of the guest, which is that in libvirt, or the file name of its first disk, with a plus sign for each further one, a colon, and the device \
that the filesystem is on, or another name by which it can be mounted (btrfsvol:/dev/sda1/home). With --csv these are two \
columns. A name that is too long has a line of its own, and the numbers follow on the next.

= 1K-blocks, Used, Available
Size of the filesystem, and what of it is used and is left for ordinary users, in units of 1024 bytes; with -h the first \
is called Size. These are the numbers of statvfs(3), as the guest itself would see them.

= Inodes, IUsed, IFree
The same, of inodes (-i).

= Use%, IUse%
What is used of the whole, in percent: rounded up, or with one digit after the point with --csv.",
};

const LEFT_OUT: Section = Section {
    title: "WHAT IS NOT SHOWN",
    text: "\
Swap areas, what has no known content, and parts of something larger (physical volumes, members of arrays, encrypted \
devices) have no free space that could be shown, so nothing is said of them. Encrypted devices \
(LUKS, BitLocker) are opened if --key or --keys-from-stdin gives their keys: their filesystems are then shown, as \
/dev/mapper/luks-UUID. Nobody is asked for a passphrase.

A filesystem that can't be read has no line in the table. Why it can't is reported on standard error (and with --json \
in the document), and the exit status is 1 at the end. So it is with an array of disks that can't be put together.",
};

const JSON: Section = Section {
    title: "JSON",
    text: r#"With --json the output is one JSON object:

    {"schema":"virt-df","version":1,"guests":[
    {"guest":"guest.qcow2","disks":[{"path":"guest.qcow2"}],
     "filesystems":[
    {"device":"/dev/sda1","type":"ext4","uuid":"5eaf00d5-...",
     "block_size":4096,"size":32493568,"used":57344,
     "free":32436224,"available":32100352,"inodes":512,
     "inodes_used":11,"inodes_free":501,"inodes_available":501},
    {"device":"/dev/sda2","type":"xfs","error":"..."}
    ]}
    ]}

= schema, version
"virt-df" and 1. The version changes when a program that reads the output could break. New keys may come without that.

= guests
One object for each guest, in the order of the command line: its name ("guest"), its disks ("disks", objects with the
key "path"), its filesystems, and "errors" with messages if it could not be examined, or not all of it.

= filesystems
One object for each: "device" (as in the column), "type" (as blkid(8) names it), "label" and "uuid" if it has any, sizes
in bytes ("size", "used", "free", "available" to ordinary users), the unit in which the filesystem counts them
("block_size"), and the numbers of its inodes ("inodes", "inodes_used", "inodes_free", "inodes_available"). One that can't
be read has "error", a message, and no numbers. One that was not left clean has "warnings", messages on what may be stale.

A name or path that is not valid UTF-8 is there twice: under its key with U+FFFD for what is not UTF-8, and exactly under
a second key that ends in "_base64" ("path_base64"), as Base64 of its bytes."#,
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
A guest with two disks:

    virt-df -h -a system.qcow2 -a data.qcow2

All guests of a directory:

    virt-df --separate /var/lib/libvirt/images/*.qcow2

Filesystems that are more than nine tenths full:

    virt-df --separate --json *.qcow2 |
        jq -r '.guests[] | .guest as $g | .filesystems[] |
               select(.used > .size * 0.9) | \"\\($g) \\(.device)\"'",
};

const OLD_STYLE: Section = Section {
    title: "OLD STYLE",
    text: "\
Without -a and -d, operands name disks: an operand with a slash in it, or the name of a file that exists, is a disk image; \
any other is a guest of libvirt.",
};

const EXIT_STATUS: Section = Section {
    title: "EXIT STATUS",
    text: "\
= 0
All that was asked for was shown. A reader of the output that goes away early (a broken pipe) is no failure.

= 1
Something failed: a guest could not be opened, or one of its filesystems could not be read. The others are shown.

= 2
The command line makes no sense.",
};
