//! What a superblock of either version says, and which of several on one device counts.

use std::fmt;

use bstr::BString;

use super::{v0, v1};
use crate::{ErrorKind, ReadAt, Result};

/// What marks a superblock.
pub(super) const MAGIC: u32 = 0xa92b_4efc;

/// Version of a superblock, which says where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// In the last 128 KiB.
    V0_90,
    /// In the last 12 KiB.
    V1_0,
    /// At the start.
    V1_1,
    /// 4 KiB after the start.
    V1_2,
}

/// As mdadm shows it.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V0_90 => "0.90",
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        })
    }
}

/// What a device is to its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has this place.
    Active(u32),
    /// It is being made the device of this place.
    Recovering(u32),
    /// It is to take over from the device of this place.
    Replacing(u32),
    /// It stands ready.
    Spare,
    /// It failed.
    Faulty,
    /// It has a journal of writes.
    Journal,
}

/// A superblock. Numbers of sectors are of 512 bytes.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub(super) version: Version,
    pub(super) uuid: [u8; 16],
    pub(super) name: BString,
    /// When the array was made: of two superblocks on a device, the newer array's counts.
    pub(super) created: u64,
    pub(super) level: i32,
    /// `None` if a RAID-0 does not say which it has.
    pub(super) layout: Option<u32>,
    /// Sectors of each member that are used, at levels above 0.
    pub(super) size: u64,
    /// Sectors.
    pub(super) chunk: u64,
    pub(super) raid_disks: u32,
    pub(super) events: u64,
    /// Were all writes finished? Otherwise checks and copies may not agree with data.
    pub(super) clean: bool,
    /// First sector of the data.
    pub(super) data_start: u64,
    /// Sectors of data that the member has.
    pub(super) data_len: u64,
    /// Number of this device.
    pub(super) number: u32,
    /// What each device is, by its number.
    pub(super) roles: Vec<Role>,
    /// What this device is.
    pub(super) role: Role,
    pub(super) write_mostly: bool,
    /// What keeps the array from being read as it is, if anything.
    pub(super) obstacle: Option<&'static str>,
    /// Has it a log of partial parity, which tells what checks were after an unclean stop?
    pub(super) has_partial_parity: bool,
    /// Runs of sectors, counted from the start of the device, that can't be read: first and number.
    pub(super) bad_blocks: Vec<(u64, u64)>,
}

impl Superblock {
    /// The superblock of a device; `None` if it has none.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Option<Superblock>> {
        let mut found: Option<Superblock> = None;
        let mut damage = None;
        let places = [v0::read(source)].into_iter().chain(v1::VERSIONS.map(|place| v1::read(source, place)));
        for read in places {
            match read {
                Ok(Some(superblock)) if found.as_ref().is_none_or(|f| f.created < superblock.created) => {
                    found = Some(superblock);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Io => return Err(error),
                Err(error) => _ = damage.get_or_insert(error),
            }
        }
        match (found, damage) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }
}
