//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, EXIT_STATUS, KEYS, LIBVIRT, Manual, Section, WINDOWS};

/// The manual of virt-copy-out.
pub const MANUAL: Manual = Manual {
    synopsis: &[
        "virt-copy-out [OPTIONS] -a DISK [-a DISK]... FILE|DIR... LOCALDIR",
        "virt-copy-out [OPTIONS] -a DISK [-a DISK]... FILE|DIR... - > ARCHIVE.tar",
    ],
    description: "\
virt-copy-out copies files and directories, with all that is in them, out of a virtual machine into a local directory, \
which must be there. The operating system on the disks is found and its filesystems are put together as the guest has \
them; with -m, filesystems are chosen by hand instead. Nothing is started, mounted or written for it: the disks are \
read by a locked-down child process, and the virtual machine may be running.

Files and directories are given by their full paths in the guest, beginning with a slash. Each is put into LOCALDIR \
under its last name; what is in the guest's root directory (/) goes directly into LOCALDIR. The last name may have \
wildcards: *, ? and [...]; of a Windows, they fit names in any case of letters. A path that is a symbolic link is copied as a link; with a slash after it, the directory \
that it leads to is.

If LOCALDIR is -, a tar archive of it all is written to standard output instead.",
    sections: &[KEPT, FAILURES, JSON, LIBVIRT, WINDOWS, KEYS, EXAMPLES, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-cat", 1), ("virt-ls", 1), ("guestfish", 1), ("guestfs", 3), ("tar", 1)],
};

const KEPT: Section = Section {
    title: "WHAT IS KEPT",
    text: "\
Content, with its holes; modes; times of last access and modification, to the nanosecond; symbolic links as they are; \
files with several names as such, among all that one command copies; named pipes. For root, owners and groups by their \
numbers, and device nodes. Extended attributes and ACLs with --xattrs. Sockets are left out.

Files in LOCALDIR that have the names of copied ones are replaced, directories are filled. No symbolic link in LOCALDIR \
is ever followed, so nothing is written elsewhere, whatever names and links the guest has.",
};

const FAILURES: Section = Section {
    title: "FAILURES",
    text: "\
What cannot be read or written does not end the copy: it is reported at the end, and the exit status is 1. A file that \
could not be read to its end is not left. If a signal ends the copy (ctrl-C), all files that are there are whole.

In an archive, zeros stand for what could not be read of a file that had begun.",
};

const JSON: Section = Section {
    title: "JSON",
    text: r#"With --json there is one JSON object on standard output when the copy has ended, on a line:

    {"schema":"virt-copy-out","version":1,"target":"homes",
     "sources":[{"path":"/home"},{"path":"/nope","error":"..."}],
     "entries":12,"bytes":34567,"failures":["..."],
     "further_failures":0,"left_out":["..."],
     "verified":false,"interrupted":false}

= schema, version
"virt-copy-out" and 1. The version changes when a program that reads the output could break. New keys may come without that.

= target
LOCALDIR as it was given.

= sources
One object for each FILE|DIR, in their order, or for each path that fits it as a wildcard: "path" in the guest, and "error" with a message if
it could not be copied at all. Those that were not begun because a signal came first are not there.

= entries, bytes
How many files, directories and other entries came, and how many bytes of data, holes not counted; with --verify,
what is read again is counted again.

= failures, further_failures
A message for each entry that could not be copied as it is, or with --verify is different, and how many more there are
than are listed (10000 are).

= left_out
A message for each entry that the local directory can't have, such as sockets.

= verified, interrupted
Whether --verify was given, and whether a signal ended the copy: true or false.

The copy is whole if no source has an "error", "failures" is empty and "interrupted" is false; the exit status is then 0. If
the guest can't be opened, there is no object, only a message on standard error.
A path that is not valid UTF-8 is there twice: under its key with U+FFFD for what is not UTF-8, and exactly under
"path_base64" ("target_base64"), as Base64 of its bytes."#,
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
The home directories of a guest:

    mkdir homes
    virt-copy-out -a guest.qcow2 /home homes

All logs but compressed ones, and compare them with the guest afterwards:

    virt-copy-out --verify --exclude '*.gz' -a guest.qcow2 /var/log .

A backup of the configuration with all attributes, compressed:

    virt-copy-out --xattrs -a guest.qcow2 /etc - | zstd > etc.tar.zst

A disk without an operating system:

    virt-copy-out -a data.img -m /dev/sda1 '/photos/2024*' .",
};
