//! Btrfs: subvolumes, and the devices of a filesystem.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::BtrfsSubvolume;

use super::wire;
use crate::Guestfsd;
use crate::engine::Subvolumes;
use crate::error::At;

/// Number of the top subvolume (`BTRFS_FS_TREE_OBJECTID`).
const TOP: u64 = 5;

impl Guestfsd {
    /// The subvolumes of a filesystem that is given by a mountable or by a path where it is mounted.
    fn subvolumes(&mut self, fs: &BStr) -> Result<Subvolumes> {
        if fs.starts_with(b"/") && !fs.starts_with(b"/dev/") {
            return self.tree().subvolumes(fs).at(fs);
        }
        let mountable = self.mountable(fs)?;
        self.engine.subvolumes(&mountable).at(fs)
    }

    /// As btrfs(8) lists them: the path of a subvolume below the one that `fs` is in begins there, that of any other at the
    /// top.
    pub(crate) fn btrfs_subvolume_list(&mut self, fs: &BStr) -> Result<Vec<BtrfsSubvolume>> {
        let subvolumes = self.subvolumes(fs)?;
        let here = subvolumes.list.iter().find(|s| s.id == subvolumes.here && s.id != TOP);
        let below = here.map(|s| BString::from([s.path.as_slice(), b"/"].concat()));
        let shown = |path: &BString| {
            let rest = below.as_ref().and_then(|below| path.strip_prefix(below.as_slice()));
            rest.map_or_else(|| path.clone(), BString::from)
        };
        let entry = |s: &disk::fs::Subvolume| BtrfsSubvolume {
            btrfssubvolume_id: s.id,
            btrfssubvolume_top_level_id: s.parent,
            btrfssubvolume_path: shown(&s.path),
        };
        Ok(subvolumes.list.iter().map(entry).collect())
    }

    pub(crate) fn btrfs_subvolume_get_default(&mut self, fs: &BStr) -> Result<i64> {
        Ok(wire(self.subvolumes(fs)?.default))
    }

    pub(crate) fn btrfs_filesystem_show(&mut self, device: &BStr) -> Result<Vec<BString>> {
        let device = self.device(device)?;
        // What is no btrfs, or lacks a device, is refused in the words of what is wrong with it.
        self.engine.subvolumes(&crate::engine::Mountable::Device(device.clone())).at(&device)?;
        self.engine.devices_of_filesystem(device.as_bstr()).at(&device)
    }
}
