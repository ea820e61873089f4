//! Devices: which there are, and how large.

use bstr::{BStr, BString};
use disk::volume::md::Array;
use disk::{ErrorKind, ReadAt};
use libguestfs_core::api::Hashtable;
use libguestfs_core::{Error, Result};

use super::wire;
use crate::Guestfsd;
use crate::error::{At, chain};

/// Unit of `blockdev --getsz` in bytes.
const SECTOR: u64 = 512;
/// Largest block size that Linux gives a block device by itself: a page (bytes).
const PAGE: u32 = 4096;

/// What is said of the parts of an array that is not understood.
const ARRAY: &str = "part of a RAID array";

/// Is this blkid's name for a part of an array that mdadm puts together?
pub(crate) fn is_array_member(kind: &BStr) -> bool {
    ["linux_raid_member", "ddf_raid_member", "isw_raid_member"].iter().any(|member| kind == member)
}

/// A part of an array which an appliance could put together, and this engine can't.
pub(super) struct ForeignMember {
    pub(super) device: BString,
    /// Blkid's name for it.
    pub(super) kind: &'static str,
    pub(super) why: String,
}

impl Guestfsd {
    pub(crate) fn list_devices(&mut self) -> Result<Vec<BString>> {
        Ok(self.engine.disks())
    }

    pub(crate) fn nr_devices(&mut self) -> Result<i32> {
        Ok(i32::try_from(self.engine.disks().len()).unwrap_or(i32::MAX))
    }

    /// Where an array may be that only a kernel can put together, a list without it would be wrong.
    pub(crate) fn list_md_devices(&mut self) -> Result<Vec<BString>> {
        match self.foreign_members()?.first() {
            Some(ForeignMember { device, why, .. }) => {
                Err(Error::needs_appliance(format_args!("{device}: {why}")))
            }
            None => self.engine.arrays().at("list_md_devices"),
        }
    }

    /// The parts of arrays that are left to a kernel.
    pub(super) fn foreign_members(&self) -> Result<Vec<ForeignMember>> {
        if self.engine.kernel().is_some() {
            return Ok(Vec::new());
        }
        let assembled = self.engine.assembled().at("list_md_devices")?;
        let mut members = Vec::new();
        for device in self.all_devices()? {
            // What can't be opened or looked at is told by the list of filesystems.
            let Ok(Some(probe)) = self.engine.probe(device.as_ref()) else { continue };
            if !is_array_member(probe.kind.into()) {
                continue;
            }
            let why = match assembled.of_member(device.as_ref()).map(Array::open) {
                None => ARRAY.to_owned(),
                Some(Err(error)) if error.kind() == ErrorKind::Unsupported => chain(&error),
                Some(_) => continue,
            };
            members.push(ForeignMember { device, kind: probe.kind, why });
        }
        Ok(members)
    }

    /// The device mapper's devices that are no logical volumes: there are none before something is unlocked.
    pub(crate) fn list_dm_devices(&mut self) -> Result<Vec<BString>> {
        self.mappings()
    }

    /// The device mapper's devices that are no logical volumes. Without a kernel, those are what dynamic disks have, and
    /// encrypted devices that are open.
    pub(super) fn mappings(&self) -> Result<Vec<BString>> {
        let mut list = match self.engine.kernel() {
            Some(kernel) => kernel.mappings(),
            None => {
                let mut list = self.dynamic_devices()?;
                list.extend(self.engine.unlocked().into_iter().map(|open| open.device));
                list
            }
        };
        list.sort();
        Ok(list)
    }

    pub(crate) fn list_disk_labels(&mut self) -> Result<Hashtable> {
        Ok(Hashtable(self.engine.disk_labels().at("list_disk_labels")?))
    }

    pub(crate) fn is_whole_device(&mut self, device: &BStr) -> Result<bool> {
        let device = self.device(device)?;
        Ok(self.engine.disks().contains(&device))
    }

    pub(crate) fn blockdev_getsize64(&mut self, device: &BStr) -> Result<i64> {
        let device = self.device(device)?;
        Ok(wire(self.engine.open_block(device.as_ref()).at(&device)?.len()))
    }

    pub(crate) fn blockdev_getsz(&mut self, device: &BStr) -> Result<i64> {
        let device = self.device(device)?;
        Ok(wire(self.engine.open_block(device.as_ref()).at(&device)?.len() / SECTOR))
    }

    pub(crate) fn blockdev_getss(&mut self, device: &BStr) -> Result<i32> {
        let device = self.device(device)?;
        let source = self.engine.open_block(device.as_ref()).at(&device)?;
        Ok(i32::try_from(source.sector_size()).unwrap_or(i32::MAX))
    }

    /// A filesystem's block size while it is mounted; otherwise what Linux chooses: the largest power of two up to a
    /// page that divides the size.
    pub(crate) fn blockdev_getbsz(&mut self, device: &BStr) -> Result<i32> {
        let device = self.device(device)?;
        if let Some(mount) = self.engine.mount_points().into_iter().find(|m| m.mountable == device) {
            let stats = self.tree().stat_fs(mount.path.as_ref()).at(&device)?.stats;
            return Ok(i32::try_from(stats.block_size).unwrap_or(i32::MAX));
        }
        let source = self.engine.open_block(device.as_ref()).at(&device)?;
        let mut size = source.sector_size();
        while size < PAGE && source.len() & u64::from(size) == 0 {
            size <<= 1;
        }
        Ok(i32::try_from(size).unwrap_or(i32::MAX))
    }

    /// The original puts a writable overlay over a drive that was added read-only, so its answer is always "no"; calls
    /// that write go to an appliance, which has that overlay.
    pub(crate) fn blockdev_getro(&mut self, device: &BStr) -> Result<bool> {
        let device = self.device(device)?;
        Ok(self.engine.kernel().is_some() && self.engine.is_read_only(device.as_ref()))
    }
}
