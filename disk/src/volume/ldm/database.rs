//! A disk's copy of the database of its group.
//!
//! ```text
//! sectors 1, 2, and third and second to last   TOCBLOCK: where "config" lies
//! config    VMDB    version, sequence numbers, how many records there are
//!           VBLKs   pieces of records, 128 bytes each: head of 16 bytes, then 112 of the record.
//!                   A record in several VBLKs has the same number in all of them; they may lie anywhere
//! ```
//!
//! A change writes new records first (VMDB in state 2), and then deletes old ones (state 3): which records are in effect is
//! told by the two states together. What is read is held against the numbers of records that the VMDB gives.
//! (Linux-NTFS's "LDM Documentation", pages TOCBLOCK, VMDB, VBLK.)

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use super::privhead::PrivHead;
use super::record::{Record, State};
use super::{Uuid, padded};
use crate::bytes::{Fields, index};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// First bytes of the structures.
const TOC_MAGIC: &[u8] = b"TOCBLOCK";
const VMDB_MAGIC: &[u8] = b"VMDB";
const VBLK_MAGIC: &[u8] = b"VBLK";
/// Bytes of a TOCBLOCK that are used.
const TOC_LEN: usize = 512;
/// Where in a TOCBLOCK its two entries stand; an entry: name, flags, first sector, sectors.
const TOC_ENTRIES: [usize; 2] = [0x24, 0x46];
const TOC_NAME: usize = 8;
/// The entry that leads to the records.
const CONFIG: &[u8] = b"config";
/// Most bytes of "config" that are read; Windows has 1481 sectors of 512 bytes.
const MAX_CONFIG: u64 = 8 << 20;
/// Bytes that are read at a time: what is asked for in small pieces is where damage is tried out.
const READ: usize = 32 << 10;
/// The only major version of a VMDB.
const MAJOR: u16 = 4;
/// Bytes of the head of a VBLK; of a whole VBLK, at most.
const VBLK_HEAD: usize = 16;
const MAX_VBLK: usize = 4096;
/// VBLKs that one record may take. Windows has two for disks with long names; a record has no fields for more than 3 KiB.
const MAX_FRAGMENTS: u16 = 64;

/// What the VMDB is in the midst of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Consistent,
    Creation,
    Deletion,
}

/// A copy of the database.
#[derive(Debug)]
pub(super) struct Database {
    /// Number of the last change.
    pub(super) sequence: u64,
    /// The records in effect: those of one VBLK in their order, then those of several.
    pub(super) records: Vec<Record>,
}

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    volumes: u32,
    components: u32,
    partitions: u32,
    disks: u32,
}

impl Counts {
    fn parse(vmdb: &[u8], at: usize) -> Result<Counts> {
        let mut number = (at..).step_by(4).map(|at| vmdb.be32(at));
        let mut next = || number.next().unwrap_or(Ok(0));
        Ok(Counts { volumes: next()?, components: next()?, partitions: next()?, disks: next()? })
    }

    fn of(records: &[Record]) -> Counts {
        let mut counts = Counts::default();
        for record in records {
            let count = match record {
                Record::Volume(_) => &mut counts.volumes,
                Record::Component(_) => &mut counts.components,
                Record::Partition(_) => &mut counts.partitions,
                Record::Disk(_) => &mut counts.disks,
                Record::Group(_) => continue,
            };
            *count = count.saturating_add(1);
        }
        counts
    }
}

impl Database {
    /// Reads the copy on `disk`.
    pub(super) fn read(disk: &dyn ReadAt, head: &PrivHead) -> Result<Database> {
        let unit = u64::from(disk.sector_size());
        let (start, sectors) = head.database;
        // Later copies stand in for earlier ones that are damaged.
        let mut first_error = None;
        let tocs = [2, 1, sectors.saturating_sub(3), sectors.saturating_sub(2)];
        for toc in tocs {
            let read =
                config(disk, start.saturating_add(toc).saturating_mul(unit)).and_then(|(first, count)| {
                    if first.checked_add(count).is_none_or(|end| end > sectors) {
                        return Err(Error::corrupt("a TOCBLOCK that leads out of the database"));
                    }
                    let at = start.saturating_add(first).saturating_mul(unit);
                    records(disk, at, count.saturating_mul(unit), head)
                });
            match read {
                Ok(database) => return Ok(database),
                Err(error) if error.kind() == ErrorKind::Io => return Err(error),
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
        Err(first_error.unwrap_or_else(|| Error::corrupt("no TOCBLOCK")))
    }
}

/// Where the records lie by the TOCBLOCK at byte `at`: first sector in the database, and sectors.
fn config(disk: &dyn ReadAt, at: u64) -> Result<(u64, u64)> {
    let mut toc = [0; TOC_LEN];
    disk.read_at(at, &mut toc)?;
    let toc = toc.as_slice();
    if !toc.starts_with(TOC_MAGIC) {
        return Err(Error::corrupt(format!("no TOCBLOCK at byte {at}")));
    }
    for entry in TOC_ENTRIES {
        if padded(toc.slice(entry, TOC_NAME)?) == CONFIG {
            let numbers = entry.saturating_add(TOC_NAME).saturating_add(2);
            return Ok((toc.be64(numbers)?, toc.be64(numbers.saturating_add(8))?));
        }
    }
    Err(Error::corrupt("a TOCBLOCK without \"config\""))
}

/// The records in the `len` bytes from byte `at` on.
fn records(disk: &dyn ReadAt, at: u64, len: u64, head: &PrivHead) -> Result<Database> {
    if len > MAX_CONFIG {
        return Err(Error::unsupported(format!("an LDM database of {len} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let mut place = at;
    for part in bytes.chunks_mut(READ) {
        disk.read_at(place, part)?;
        place = place.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    if !bytes.starts_with(VMDB_MAGIC) {
        return Err(Error::corrupt(format!("no VMDB at byte {at}")));
    }
    let (major, minor) = (bytes.be16(0x12)?, bytes.be16(0x14)?);
    if major != MAJOR {
        return Err(Error::unsupported(format!("LDM database of version {major}.{minor}")));
    }
    let group = Uuid::parse(padded(bytes.slice(0x35, 64)?))?;
    if group != head.group {
        return Err(Error::corrupt(format!(
            "the database of disk group {group} on a disk of {}",
            head.group
        )));
    }
    let (phase, sequence, counts) = match bytes.be16(0x10)? {
        // The committed number and counts; once old records are being deleted, the new ones are in effect.
        1 => (Phase::Consistent, bytes.be64(0x75)?, Counts::parse(&bytes, 0x85)?),
        2 => (Phase::Creation, bytes.be64(0x75)?, Counts::parse(&bytes, 0x85)?),
        3 => (Phase::Deletion, bytes.be64(0x7d)?, Counts::parse(&bytes, 0xa1)?),
        other => return Err(Error::unsupported(format!("LDM database in state {other}"))),
    };
    let (size, first) = (index(bytes.be32(8)?), index(bytes.be32(12)?));
    if size <= VBLK_HEAD || size > MAX_VBLK {
        return Err(Error::unsupported(format!("VBLKs of {size} bytes")));
    }
    // They are numbered as if the VMDB were the first ones.
    let end = index(bytes.be32(4)?).saturating_mul(size).min(bytes.len());
    let blocks = bytes.get(first..end).ok_or_else(|| Error::corrupt("VBLKs outside of their database"))?;

    let mut records = Vec::new();
    for (number, record) in joined(blocks, size)? {
        let parsed = Record::parse(&record).context(|| format!("LDM record {number}"))?;
        let Some((state, record)) = parsed else { continue };
        let in_effect = match state {
            State::Active => true,
            State::New => phase == Phase::Deletion,
            State::Old => phase != Phase::Deletion,
        };
        if in_effect {
            records.push(record);
        }
    }
    let found = Counts::of(&records);
    if found != counts {
        return Err(Error::corrupt(format!("an LDM database of {found:?} that says {counts:?}")));
    }
    Ok(Database { sequence, records })
}

/// A record of several VBLKs, as far as it was found.
#[derive(Debug)]
struct Pieces {
    fragments: Vec<Option<Vec<u8>>>,
}

/// The records with their numbers: those of one VBLK in their order, then those of several in the order of what was
/// found of them first.
fn joined(blocks: &[u8], size: usize) -> Result<Vec<(u32, Vec<u8>)>> {
    let mut whole = Vec::new();
    let mut order = Vec::new();
    let mut split: BTreeMap<u32, Pieces> = BTreeMap::new();
    for block in blocks.chunks_exact(size) {
        if !block.starts_with(VBLK_MAGIC) {
            return Err(Error::corrupt("a VBLK without its mark"));
        }
        let number = block.be32(8)?;
        let (fragment, count) = (block.be16(12)?, block.be16(14)?);
        let content = block.get(VBLK_HEAD..).unwrap_or_default();
        if count > 1 && number != 0 {
            if count > MAX_FRAGMENTS || fragment >= count {
                return Err(Error::corrupt(format!("VBLK {fragment} of {count} of LDM record {number}")));
            }
            let pieces = split.entry(number).or_insert_with(|| {
                order.push(number);
                Pieces { fragments: vec![None; usize::from(count)] }
            });
            let place = pieces.fragments.get_mut(usize::from(fragment));
            match place.filter(|place| place.is_none()) {
                Some(place) => *place = Some(content.to_vec()),
                None => {
                    return Err(Error::corrupt(format!("VBLK {fragment} of LDM record {number} twice")));
                }
            }
        } else if number != 0 {
            whole.push((number, content.to_vec()));
        }
    }
    for number in order {
        let pieces = split.remove(&number).map(|pieces| pieces.fragments).unwrap_or_default();
        let record: Option<Vec<Vec<u8>>> = pieces.into_iter().collect();
        let record =
            record.ok_or_else(|| Error::corrupt(format!("a part of LDM record {number} is not there")))?;
        whole.push((number, record.concat()));
    }
    Ok(whole)
}

/// The name in the group's own record, if there is one.
pub(super) fn group_name(records: &[Record]) -> Option<BString> {
    records.iter().find_map(|record| match record {
        Record::Group(name) => Some(name.as_bstr().to_owned()),
        _ => None,
    })
}
