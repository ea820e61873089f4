//! Optional groups of calls: which there are, and whether the programs and the kernel for them are here.

use bstr::{BStr, BString};
use libguestfs_core::Result;

use crate::Guestfsd;
use crate::engine::kernel::Kernel;
use crate::program::Program;

/// What `internal_feature_available` answers.
const AVAILABLE: i32 = 0;
const NOT_HERE: i32 = 1;
const UNKNOWN_GROUP: i32 = 2;

/// What the calls of a group need in an appliance.
#[derive(Debug, Clone, Copy)]
enum Needs {
    /// Nothing more.
    Nothing,
    /// Programs, all of them.
    Programs(&'static [&'static str]),
    /// A filesystem of the kernel, and programs.
    Filesystem(&'static str, &'static [&'static str]),
    /// Calls that this daemon does not have.
    More,
}

/// All optional groups of libguestfs 1.61.1, in the order of their names.
const GROUPS: &[(&str, Needs)] = &[
    ("acl", Needs::Nothing),
    ("blkdiscard", Needs::Programs(&["blkdiscard"])),
    ("blkdiscardzeroes", Needs::Nothing),
    ("btrfs", Needs::Filesystem("btrfs", &["btrfs", "btrfstune", "mkfs.btrfs"])),
    ("clevisluks", Needs::Programs(&["clevis"])),
    ("extlinux", Needs::Programs(&["extlinux"])),
    ("f2fs", Needs::Programs(&["resize.f2fs"])),
    ("fstrim", Needs::Programs(&["fstrim"])),
    ("gdisk", Needs::Programs(&["sgdisk"])),
    ("grub", Needs::Programs(&["grub-install"])),
    ("hivex", Needs::Nothing),
    ("inotify", Needs::Nothing),
    ("journal", Needs::More),
    ("ldm", Needs::Programs(&["ldmtool"])),
    ("libtsk", Needs::More),
    ("libyara", Needs::More),
    ("linuxcaps", Needs::Programs(&["getcap", "setcap"])),
    ("linuxfsuuid", Needs::Nothing),
    ("linuxmodules", Needs::Programs(&["modprobe"])),
    ("linuxxattrs", Needs::Nothing),
    ("luks", Needs::Programs(&["cryptsetup"])),
    ("lvm2", Needs::Programs(&["lvm"])),
    ("mdadm", Needs::Programs(&["mdadm"])),
    ("mknod", Needs::Nothing),
    ("ntfs3g", Needs::Programs(&["ntfs-3g", "ntfs-3g.probe"])),
    ("ntfsprogs", Needs::Programs(&["ntfsresize"])),
    ("rsync", Needs::Programs(&["rsync"])),
    ("scrub", Needs::Programs(&["scrub"])),
    ("selinux", Needs::Nothing),
    ("selinuxrelabel", Needs::Programs(&["setfiles"])),
    ("sleuthkit", Needs::More),
    ("squashfs", Needs::Programs(&["mksquashfs"])),
    ("syslinux", Needs::Programs(&["syslinux"])),
    ("wipefs", Needs::Programs(&["wipefs"])),
    ("xfs", Needs::Filesystem("xfs", &["mkfs.xfs", "xfs_repair"])),
    ("xz", Needs::Programs(&["xz"])),
    ("zerofree", Needs::Programs(&["zerofree"])),
];

/// Groups whose calls that read are answered without an appliance. Those that write need one, as everywhere.
const READ_HERE: [&str; 7] = ["btrfs", "hivex", "ldm", "linuxxattrs", "luks", "lvm2", "xfs"];

impl Needs {
    fn are_met(self, kernel: &Kernel) -> bool {
        let programs = |list: &[&str]| list.iter().all(|name| Program::exists(name));
        match self {
            Needs::Nothing => true,
            Needs::Programs(list) => programs(list),
            Needs::Filesystem(name, list) => programs(list) && super::machine::has_filesystem(kernel, name),
            Needs::More => false,
        }
    }
}

impl Guestfsd {
    pub(crate) fn internal_feature_available(&mut self, group: &BStr) -> Result<i32> {
        let Some((name, needs)) = GROUPS.iter().find(|(name, _)| group == name) else {
            return Ok(UNKNOWN_GROUP);
        };
        let here = match self.engine.kernel() {
            Some(kernel) => needs.are_met(kernel),
            None => READ_HERE.contains(name),
        };
        Ok(if here { AVAILABLE } else { NOT_HERE })
    }

    pub(crate) fn available_all_groups(&mut self) -> Result<Vec<BString>> {
        Ok(GROUPS.iter().map(|(name, _)| (*name).into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_group_of_a_call_is_known_and_groups_are_in_order() {
        assert!(GROUPS.is_sorted_by_key(|(name, _)| name));
        let known: BTreeSet<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        for call in libguestfs_core::api::calls() {
            assert!(call.group.is_none_or(|group| known.contains(group)), "{}", call.name);
        }
    }
}
