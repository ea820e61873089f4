//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, EXIT_STATUS, KEYS, LIBVIRT, Manual, OLD_STYLE, Section, WINDOWS};

/// The manual of virt-ls.
pub const MANUAL: Manual = Manual {
    synopsis: &[
        "virt-ls [OPTIONS] -a DISK [-a DISK]... DIR...",
        "virt-ls -l [OPTIONS] -a DISK... DIR...",
        "virt-ls -R [OPTIONS] -a DISK... DIR...",
        "virt-ls -lR [OPTIONS] [-h | --csv | --json] -a DISK... DIR...",
    ],
    description: "\
virt-ls lists directories of a virtual machine, from its disk images. The operating system on the disks is found and \
its filesystems are put together as the guest has them; with -m, filesystems are chosen by hand instead. Nothing is \
started, mounted or written for it: the disks are read by a locked-down child process, and the virtual machine may be \
running.

Several directories are listed one after the other, with nothing between.",
    sections: &[MODES, RECORDS, JSON, LIBVIRT, WINDOWS, KEYS, EXAMPLES, OLD_STYLE, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-cat", 1), ("guestfish", 1), ("guestfs", 3)],
};

const MODES: Section = Section {
    title: "MODES",
    text: "\
= without -l and -R
The names in the directory, one a line, hidden ones included, sorted by their bytes.

= -l
What \"ls -la\" shows. Meant for people; the form may change with the guest's content.

= -R
The paths of all that is below the directory, one a line, sorted by their bytes.

= -lR
One record for the directory itself and for each entry below it; see RECORDS. Names are sorted in each directory, and a \
directory comes before what is in it.

Names are printed as they are in all of these. A name may hold any byte but a slash and NUL, line breaks and terminal \
controls included, so programs should read --csv or --json.",
};

const RECORDS: Section = Section {
    title: "RECORDS",
    text: "\
With -lR, a record has these fields, with spaces between. Options add some:

= type
- regular file, d directory, l symbolic link, c character device, b block device, p named pipe, s socket, u unknown.

= permissions
Four octal digits.

= size
In bytes, or with a unit (-h).

= uid, gid
Numbers of owner and group (--uids).

= atime, mtime, ctime
Last access, last modification, last change of status (--times and the options that imply it).

= device, inode, nlink, rdev, blocks
Device as MAJOR:MINOR, inode number, number of links, number of a special file as MAJOR:MINOR, allocated blocks of 512 \
bytes (--extra-stats).

= checksum
Of regular files only (--checksum). For other entries the field is left out, and empty with --csv. The same holds for \
a file whose content cannot be read, which is reported.

= path
Full path, beginning with DIR as it was given.

= target
Of symbolic links only: \"-> TARGET\", and just the target with --csv.",
};

const JSON: Section = Section {
    title: "JSON",
    text: r#"With --json the output is one JSON object:

    {"schema":"virt-ls","version":1,"mode":"records","directories":[
    {"directory":"/etc","entries":[
    {"path":"/etc/hostname","type":"regular","mode":"0644","size":7,
     "uid":0,"gid":0,"atime":1600000000,"atime_nsec":0,
     "mtime":1600000000,"mtime_nsec":0,"ctime":1600000000,
     "ctime_nsec":0,"inode":20,"nlink":1,"blocks":8,"device":[8,0]}
    ]}
    ]}

= schema, version
"virt-ls" and 1. The version changes when a program that reads the output could break. New keys may come without that.

= mode
"names", "long" (-l), "recursive" (-R) or "records" (-lR).

= directories
One object for each DIR: "directory" as it was given, "entries", and "error" with a message if it could not be listed.

= entries
With mode "names", objects with the key "name". With "recursive", with the key "path", relative to the directory. With
"long", what is in the directory, and with "records", the directory and all below it: "path" (full), "type"
("regular", "directory", "symlink", "char", "block", "fifo", "socket" or "unknown"), "mode" (four octal digits), "size"
(bytes), "uid", "gid", times in seconds since 1970 ("atime", "mtime", "ctime", negative before) with their nanoseconds
("atime_nsec"...), "inode", "nlink", "blocks" (of 512 bytes), "device" ([major, minor]); "rdev" of character and block
devices only; "checksum" of regular files with --checksum; "target" of symbolic links.

= warnings
What may be stale in what was listed, because a filesystem was not left clean: messages. Not there if there are none.

A name, path or target that is not valid UTF-8 is there twice: under its key with U+FFFD for what is not UTF-8, and
exactly under a second key that ends in "_base64" ("path_base64"), as Base64 of its bytes."#,
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
What is in the root directory of a guest:

    virt-ls -a guest.qcow2 /

All programs that run as another user or group:

    virt-ls -lR -a guest.qcow2 / | grep '^- [2467]'

Files of more than 10 MB in home directories:

    virt-ls -lR --json -a guest.qcow2 /home |
        jq -r '.directories[].entries[] | select(.size > 10000000) | .path'

SHA-256 of every file, for a spreadsheet:

    virt-ls -lR --csv --checksum=sha256 -a guest.qcow2 / > files.csv

A disk without an operating system:

    virt-ls -R -a data.img -m /dev/sda1 /",
};
