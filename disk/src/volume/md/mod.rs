//! Linux software RAID: devices that are members of arrays, and the arrays that they form.
//!
//! ```text
//! devices ─ superblock.rs (v0.rs, v1.rs) ─► one Superblock a member
//!                                              │
//!            assemble.rs: which members are current, and whether they suffice
//!                                              │
//!            content.rs ─► ../map.rs (linear, RAID-0), ../redundant (RAID-1, 4, 5, 6, 10): bytes
//! ```
//!
//! Every member has a superblock with the whole array's description and a count of events. The members with the highest count, or
//! one less, are current; what the newest of them says of the others counts. All others missed changes and are left out, as
//! `mdadm --assemble` leaves them out.
//!
//! [`scan`] never fails for what lies on one device: damage is noted in [`Arrays::problems`]. Each array that has a sound
//! superblock is listed, and [`Array::open`] says what keeps it from being read: members that are missing (`NotFound`), or
//! what only a kernel may carry on with (`Unsupported`): a reshape, a journal of writes.
//!
//! Facts about the format are from md(4), mdadm(8), and Linux's `include/uapi/linux/raid/md_p.h`.

mod assemble;
mod bad_blocks;
mod content;
mod superblock;
mod v0;
mod v1;

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use self::superblock::Superblock;
use super::refusal::Refusal;
use crate::{Error, ErrorKind, ReadAt, Result};

pub use self::superblock::{Role, Version};

/// The unit of the numbers in superblocks (bytes).
const SECTOR: u64 = 512;

/// Most members of one array that are looked at: superblocks of version 1 have places for 1920 (a page's worth).
const MAX_MEMBERS: usize = 1920;

/// Everything that software RAID makes of some devices.
#[derive(Debug)]
pub struct Arrays {
    /// In the order in which their first members were found.
    pub arrays: Vec<Array>,
    /// What was damaged, out of date or ambiguous, in words.
    pub problems: Vec<Error>,
}

/// An array.
#[derive(Debug)]
pub struct Array {
    /// Identifier, in the order of bytes in which mdadm shows it.
    pub uuid: [u8; 16],
    /// Name, with the host's name before it and a colon; empty if it has none.
    pub name: BString,
    /// Version of its superblocks.
    pub version: Version,
    /// Level: 0, 1, 4, 5, 6 or 10; -1 is linear.
    pub level: i32,
    /// Places for devices.
    pub raid_disks: u32,
    /// Its members that were found, those included that are not current.
    pub members: Vec<Member>,
    /// Is there a current member for each place?
    pub complete: bool,
    source: Result<Arc<dyn ReadAt>, Refusal>,
}

/// A member of an array.
#[derive(Debug)]
pub struct Member {
    /// Device that it was found on.
    pub device: BString,
    /// Number that it keeps, whatever its role is.
    pub number: u32,
    /// What it is to the array; `None` if it missed changes.
    pub role: Option<Role>,
    /// Is it only read when nothing else is there?
    pub write_mostly: bool,
}

impl Array {
    /// The array's bytes.
    ///
    /// # Errors
    /// `NotFound` if members are missing without which it can't be read, `Unsupported` if a kernel has to finish something first,
    /// `Corrupt` if the superblocks contradict themselves.
    pub fn open(&self) -> Result<Arc<dyn ReadAt>> {
        self.source.clone().map_err(Refusal::error)
    }

    /// The level's name, as mdadm gives it.
    #[must_use]
    pub fn level_name(&self) -> &'static str {
        content::level_name(self.level)
    }
}

/// A device with a superblock.
#[derive(Debug)]
struct Found<'d> {
    name: &'d BStr,
    source: &'d Arc<dyn ReadAt>,
    superblock: Superblock,
}

/// Looks for members of arrays among `devices` (name and content), and puts together what they form.
///
/// # Errors
/// `Io` if a device can't be read. All else is noted: see [`Arrays::problems`].
pub fn scan(devices: &[(BString, Arc<dyn ReadAt>)]) -> Result<Arrays> {
    let mut problems = Vec::new();
    let mut found: Vec<Found<'_>> = Vec::new();
    for (name, source) in devices {
        match Superblock::read(source) {
            Ok(Some(superblock)) => found.push(Found { name: name.as_bstr(), source, superblock }),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Io => return Err(error.context(format!("{name}"))),
            Err(error) => problems.push(error.context(format!("{name}: member of an array"))),
        }
    }
    let mut arrays: Vec<Array> = Vec::new();
    for first in &found {
        let uuid = first.superblock.uuid;
        if arrays.iter().any(|array| array.uuid == uuid) {
            continue;
        }
        let members: Vec<&Found<'_>> =
            found.iter().filter(|member| member.superblock.uuid == uuid).take(MAX_MEMBERS).collect();
        arrays.extend(assemble::assemble(&members, &mut problems));
    }
    Ok(Arrays { arrays, problems })
}
