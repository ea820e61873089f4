//! Windows dynamic disks (Logical Disk Manager): disks that form groups, and the volumes that lie across them.
//!
//! ```text
//! disk ─ privhead.rs ─► where the database lies ─ database.rs ─► records (record.rs) of the newest copy
//!                                                                       │
//!                  group.rs: volumes, partitions, disks by name ◄───────┘
//!                      │
//!                      └─► ../map.rs (simple, spanned, striped), ../redundant (mirrored, RAID-5): bytes
//! ```
//!
//! Every disk of a group has a copy of the group's whole database; the one with the highest number of a committed change
//! counts. A disk whose copy is older missed changes: copies of mirrors and columns of RAID-5 on it are passed over if there is
//! another way, the rest of it is read.
//!
//! [`scan`] never fails for what lies on one disk: damage is noted in [`DynamicDisks::problems`]. Names and kinds are as
//! ldmtool(1) gives them; unlike there, a volume that lacks a disk is listed too, and [`Volume::open`] says which disk.
//!
//! Facts about the format are from the Linux-NTFS project's "LDM Documentation" and libldm's data structures.

mod database;
mod group;
mod privhead;
mod record;

use std::fmt;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use self::database::Database;
use self::privhead::PrivHead;
use crate::{Error, ErrorKind, ReadAt, Result};

pub use self::group::{Disk, DiskGroup, Partition, Volume, VolumeKind};

/// The unit of the database's numbers (bytes), whatever the sectors of the disks are.
const SECTOR: u64 = 512;

/// Identifiers of groups, disks and volumes, in the order of bytes in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The form with hyphens.
    fn parse(text: &[u8]) -> Result<Uuid> {
        let raw = crate::guid::parse_uuid(text);
        raw.map(Uuid).ok_or_else(|| Error::corrupt(format!("LDM identifier {:?}", text.as_bstr())))
    }

    /// The same identifier with the bytes in the order that Windows has in memory and in its registry, where the first three
    /// groups are little-endian.
    #[must_use]
    pub fn swapped(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }
}

/// With hyphens, in lower case, as ldmtool shows it.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::guid::uuid(&self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that lies on some dynamic disks.
#[derive(Debug)]
pub struct DynamicDisks {
    /// In the order in which their first disks were found.
    pub groups: Vec<DiskGroup>,
    /// What was damaged, out of date or ambiguous, in words.
    pub problems: Vec<Error>,
}

impl DynamicDisks {
    /// The group with that identifier, as ldmtool shows it.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn group(&self, guid: &BStr) -> Result<&DiskGroup> {
        self.groups
            .iter()
            .find(|group| group.guid.to_string().as_bytes() == guid)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("No such disk group: {guid}")))
    }
}

/// A disk that is a member of a group.
#[derive(Debug)]
struct Found<'d> {
    name: &'d BStr,
    source: &'d Arc<dyn ReadAt>,
    head: PrivHead,
    /// Its copy of the database, unless that is damaged.
    database: Option<Database>,
}

/// Looks for dynamic disks among `disks` (name and content), and puts together what they form.
///
/// What is damaged, or cannot be read, is noted: see [`DynamicDisks::problems`].
pub fn scan(disks: &[(BString, Arc<dyn ReadAt>)]) -> DynamicDisks {
    let mut problems = Vec::new();
    let mut found: Vec<Found<'_>> = Vec::new();
    for (name, source) in disks {
        let mut note = |error: Error, what: &str| problems.push(error.context(format!("{name}: {what}")));
        let head = match PrivHead::read(source) {
            Ok(Some(head)) => head,
            Ok(None) => continue,
            Err(error) => {
                note(error, "damaged dynamic disk");
                continue;
            }
        };
        let database = match Database::read(source, &head) {
            Ok(database) => Some(database),
            Err(error) => {
                note(error, "damaged database of a dynamic disk");
                None
            }
        };
        found.push(Found { name: name.as_bstr(), source, head, database });
    }

    let mut groups: Vec<DiskGroup> = Vec::new();
    for first in &found {
        if groups.iter().any(|group| group.guid == first.head.group) {
            continue;
        }
        let members: Vec<&Found<'_>> = found.iter().filter(|f| f.head.group == first.head.group).collect();
        match group::assemble(&members, &mut problems) {
            Ok(group) => groups.push(group),
            Err(error) => {
                let guid = first.head.group;
                if problems.iter().all(|problem| problem.to_string() != group_name(guid)) {
                    problems.push(error.context(group_name(guid)));
                }
            }
        }
    }
    DynamicDisks { groups, problems }
}

/// What a group is called before its name is known.
fn group_name(guid: Uuid) -> String {
    format!("disk group {guid}")
}

/// The partitions of a dynamic disk with an MBR under Linux, which numbers them from 1 in the order of their starts: first
/// byte and length. `None` if `disk` is not one, or its database is not sound.
///
/// # Errors
/// `Io` if it cannot be read.
pub fn partitions(disk: &dyn ReadAt) -> Result<Option<Vec<(u64, u64)>>> {
    let sound = || -> Result<Option<Vec<(u64, u64)>>> {
        if !crate::partition::is_dynamic(disk)? {
            return Ok(None);
        }
        let Some(head) = PrivHead::read(disk)? else { return Ok(None) };
        let database = Database::read(disk, &head)?;
        Ok(Some(group::partitions_of(disk, &head, &database.records)))
    };
    match sound() {
        Err(error) if error.kind() != ErrorKind::Io => Ok(None),
        result => result,
    }
}

/// A field up to the zeros that fill it.
fn padded(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}
