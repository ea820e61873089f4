//! Calls about the daemon itself.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;

use super::sandbox;
use crate::Guestfsd;
use crate::error::refused;

/// What `internal_feature_available` answers.
const AVAILABLE: i32 = 0;
const NOT_HERE: i32 = 1;
const UNKNOWN_GROUP: i32 = 2;

/// Optional groups of which the calls that read are here. Those that write need an appliance, as everywhere.
const HERE: [&str; 4] = ["btrfs", "linuxxattrs", "lvm2", "xfs"];

/// All optional groups of libguestfs 1.61.1.
const GROUPS: &[&str] = &[
    "acl",
    "blkdiscard",
    "blkdiscardzeroes",
    "btrfs",
    "clevisluks",
    "extlinux",
    "f2fs",
    "fstrim",
    "gdisk",
    "grub",
    "hivex",
    "inotify",
    "journal",
    "ldm",
    "libtsk",
    "libyara",
    "linuxcaps",
    "linuxfsuuid",
    "linuxmodules",
    "linuxxattrs",
    "luks",
    "lvm2",
    "mdadm",
    "mknod",
    "ntfs3g",
    "ntfsprogs",
    "rsync",
    "scrub",
    "selinux",
    "selinuxrelabel",
    "sleuthkit",
    "squashfs",
    "syslinux",
    "wipefs",
    "xfs",
    "xz",
    "zerofree",
];

/// Subcommands of `debug`.
const DEBUG_HELP: &str = "Commands supported: help last_error sandbox\n";

impl Guestfsd {
    pub(crate) fn ping_daemon(&mut self) -> Result<()> {
        Ok(())
    }

    /// Nothing is ever held back here.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if let Some(kernel) = self.engine.kernel() {
            kernel.sync();
        }
        Ok(())
    }

    pub(crate) fn internal_autosync(&mut self) -> Result<()> {
        self.umount_all()?;
        self.sync()
    }

    pub(crate) fn internal_feature_available(&mut self, group: &BStr) -> Result<i32> {
        Ok(if HERE.iter().any(|here| group == here) {
            AVAILABLE
        } else if GROUPS.iter().any(|known| group == known) {
            NOT_HERE
        } else {
            UNKNOWN_GROUP
        })
    }

    pub(crate) fn debug(&mut self, subcommand: &BStr, arguments: &[BString]) -> Result<BString> {
        match subcommand.as_bytes() {
            b"help" => Ok(DEBUG_HELP.into()),
            b"sandbox" => sandbox::attempt(arguments),
            b"last_error" => Ok(std::mem::take(&mut self.last_failure)),
            _ => Err(refused("unknown debug subcommand, try 'help'")),
        }
    }
}
