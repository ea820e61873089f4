//! The devices of a filesystem: which there must be, and which of those given they are.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_dev_item`.

use std::sync::Arc;

use super::superblock::{self, Superblock, Uuid};
use crate::bytes::Fields;
use crate::{Error, ErrorKind, ReadAt, Result};

/// Size of a device item in bytes.
pub(super) const ITEM_SIZE: usize = 98;
/// Most devices that a filesystem can have here: an array of more disks than that is not one guest's.
pub(super) const MAX_DEVICES: usize = 1024;

/// What the chunk tree or a superblock says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) devid: u64,
    /// Size in bytes that the filesystem uses.
    pub(super) total_bytes: u64,
    /// Bytes that chunks take.
    pub(super) bytes_used: u64,
    pub(super) uuid: Uuid,
    /// The filesystem that it was made for: another one's is a seed.
    pub(super) fsid: Uuid,
}

impl Item {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        Ok(Item {
            devid: bytes.le64(0)?,
            total_bytes: bytes.le64(8)?,
            bytes_used: bytes.le64(16)?,
            uuid: bytes.array(66)?,
            fsid: bytes.array(82)?,
        })
    }
}

/// What a device says of the filesystem that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// UUID of the filesystem.
    pub fsid: [u8; 16],
    /// UUID of the device.
    pub uuid: [u8; 16],
    /// Number of the device within the filesystem.
    pub devid: u64,
    /// How many devices the filesystem has.
    pub num_devices: u64,
    /// The transaction that last wrote the superblock.
    pub generation: u64,
}

/// What `source` says of the btrfs filesystem that it belongs to, or `None` if there is no whole superblock.
///
/// # Errors
/// `Unsupported` if this code does not understand it, `Io` if the source cannot be read.
pub fn device_info(source: &dyn ReadAt) -> Result<Option<DeviceInfo>> {
    if !superblock::is_on(source)? {
        return Ok(None);
    }
    let superblock = match Superblock::parse(&superblock::raw(source)?) {
        Ok(superblock) => superblock,
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(DeviceInfo {
        fsid: superblock.fsid,
        uuid: superblock.device.uuid,
        devid: superblock.device.devid,
        num_devices: superblock.num_devices,
        generation: superblock.generation,
    }))
}

/// A device that is there.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) item: Item,
    pub(super) source: Arc<dyn ReadAt>,
}

/// The devices that are there, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Devices(Vec<Device>);

impl Devices {
    /// Those among `source` and `members` that belong to the filesystem on `source`, and the newest of their
    /// superblocks, which is the one that the kernel goes by.
    pub(super) fn gather(
        source: &Arc<dyn ReadAt>,
        members: &[Arc<dyn ReadAt>],
    ) -> Result<(Self, Superblock)> {
        let bytes = superblock::raw(source)?;
        let mut newest = Superblock::parse(&bytes)?;
        let fsid = newest.fsid;
        let mut raw = vec![bytes];
        let mut devices = vec![Device { item: newest.device, source: Arc::clone(source) }];
        // Copies of a filesystem on one device can lie side by side: each is read by itself.
        let members = if newest.num_devices > 1 { members } else { &[] };
        for member in members {
            if !superblock::is_on(member)? {
                continue;
            }
            let bytes = superblock::raw(member)?;
            // What is damaged, or of another filesystem, is no member; that one is missing is told later.
            let Ok(superblock) = Superblock::parse(&bytes) else { continue };
            if superblock.fsid != fsid || raw.contains(&bytes) {
                continue;
            }
            let devid = superblock.device.devid;
            if devices.iter().any(|device| device.item.devid == devid) {
                let what = format!("two different devices are device {devid} of one btrfs filesystem");
                return Err(Error::unsupported(what));
            }
            if devices.len() >= MAX_DEVICES {
                return Err(Error::unsupported(format!("a btrfs filesystem of over {MAX_DEVICES} devices")));
            }
            devices.push(Device { item: superblock.device, source: Arc::clone(member) });
            raw.push(bytes);
            if superblock.generation > newest.generation {
                newest = superblock;
            }
        }
        devices.sort_by_key(|device| device.item.devid);
        Ok((Devices(devices), newest))
    }

    /// The device of that number.
    pub(super) fn get(&self, devid: u64) -> Option<&Device> {
        let at = self.0.binary_search_by_key(&devid, |device| device.item.devid).ok()?;
        self.0.get(at)
    }

    /// Checks a device that the chunk tree has, and keeps what that says of it.
    pub(super) fn confirm(&mut self, item: Item, fsid: &Uuid) -> Result<()> {
        let devid = item.devid;
        if item.fsid != *fsid {
            return Err(Error::unsupported(format!("device {devid} of the btrfs filesystem is a seed")));
        }
        let at = self.0.binary_search_by_key(&devid, |device| device.item.devid);
        let found = at.ok().and_then(|at| self.0.get_mut(at)).filter(|device| device.item.uuid == item.uuid);
        let Some(device) = found else {
            let uuid = crate::guid::uuid(&item.uuid);
            return Err(Error::unsupported(format!(
                "device {devid} (UUID {uuid}) of the btrfs filesystem is missing"
            )));
        };
        if item.total_bytes > device.source.len() {
            return Err(Error::corrupt(format!(
                "device {devid} of the btrfs filesystem should have {} bytes and has {}",
                item.total_bytes,
                device.source.len()
            )));
        }
        device.item = item;
        Ok(())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Device> {
        self.0.iter()
    }
}
