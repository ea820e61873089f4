//! The parts of the manual page that the options do not say.

use virt_common::manual::{Manual, Section};

/// The manual of libguestfs-make-fixed-appliance.
pub const MANUAL: Manual = Manual {
    synopsis: &["libguestfs-make-fixed-appliance OUTPUTDIR", "libguestfs-make-fixed-appliance --xz"],
    description: "\
libguestfs-make-fixed-appliance makes an appliance, the small virtual machine in which guests' disks are worked on where a \
kernel is needed, as files that can be copied: to a machine without the programs it is made from, or where it should not \
change.

Nobody needs to run this to use the tools, which make an appliance when they need one, keep it, and make it anew when the \
system's packages change.",
    sections: &[FILES, USE, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("guestfish", 1), ("guestfs", 3), ("guestfs-internals", 1), ("xz", 1)],
};

const FILES: Section = Section {
    title: "FILES",
    text: "\
The directory is made if it does not exist. In it are then:

= kernel
The newest kernel of this system that can be read and has modules, without what unpacks it if it is of a kind that can be \
started so.

= initrd
The daemon, which is this program, modules of the kernel, and the programs that the daemon runs (those of lvm2, e2fsprogs, \
ntfs-3g and so on), as far as they are installed, with their libraries.

= root
A small disk. Nothing is on it; libguestfs looks at its UUID.

= README.fixed
A text, by which libguestfs knows the directory.",
};

const USE: Section = Section {
    title: "USING THE APPLIANCE",
    text: "\
Name the directory in LIBGUESTFS_PATH:

    libguestfs-make-fixed-appliance /usr/local/lib/guestfs/appliance
    export LIBGUESTFS_PATH=/usr/local/lib/guestfs/appliance
    guestfish -a guest.qcow2

The tools of this version use it, and so do the programs of libguestfs itself.

If you pass it on, you pass on copies of programs and of a kernel under their own licenses, such as the GNU General Public \
License, which may ask for their source code too.",
};

const EXIT_STATUS: Section = Section {
    title: "EXIT STATUS",
    text: "\
= 0
The appliance was made.

= 1
It could not be made.

= 2
The command line makes no sense.",
};

const ENVIRONMENT: Section = Section {
    title: "ENVIRONMENT",
    text: "\
= SUPERMIN_KERNEL, SUPERMIN_MODULES
The kernel to take, and the directory with its modules.

= LIBGUESTFS_TMPDIR, TMPDIR
Where the files are made that --xz packs.",
};
