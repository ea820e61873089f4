//! Maps of partitions: what kind of partitions a logical volume has, and what these need to be read.
//!
//! Sources: ECMA-167, 3/10.5 and 3/10.7; OSTA UDF 2.60, 2.2.8 to 2.2.14.

use std::collections::BTreeMap;

use super::entry::{Entry, METADATA, METADATA_MIRROR, VIRTUAL_TABLE};
use super::extents::Extent;
use super::file::Content;
use super::partition::{Kind, Partition, Place, Space};
use super::tag::{Crc, Medium, SPARING_TABLE};
use super::volume::Unallocated;
use crate::bytes::{Fields, index};
use crate::{Error, ErrorKind, Result};

/// Where maps begin in the descriptor of a logical volume, and how many bytes those of the two types have.
const FIRST: usize = 440;
const TYPE_1: (u8, u8) = (1, 6);
const TYPE_2: (u8, u8) = (2, 64);
/// Most maps that a volume can have: UDF allows two, and a block of 4096 bytes has room for 609 of the short ones.
const MAX_MAPS: u32 = 64;
/// Names of the types that UDF adds.
const VIRTUAL: &[u8] = b"*UDF Virtual Partition";
const SPARABLE: &[u8] = b"*UDF Sparable Partition";
const METADATA_MAP: &[u8] = b"*UDF Metadata Partition";
/// Name that a table of moved packets has, most tables, where its entries begin, and from which number on they say nothing.
const SPARING: &[u8] = b"*UDF Sparing Table";
const MAX_TABLES: u8 = 4;
const ENTRIES: usize = 56;
const UNUSED: u32 = 0xFFFF_FFF0;
/// The revision from which on a virtual partition's table has a header, and not only an end, of so many bytes.
const WITH_HEADER: u16 = 0x0200;
const OLD_END: usize = 36;
const OLD_NAME: &[u8] = b"*UDF Virtual Alloc Tbl";
/// The type of the file that has the table: any, or one of its own.
const OLD_TABLE: u8 = 0;
/// Largest table in bytes: 4 million blocks.
const MAX_TABLE: u32 = 16 << 20;
/// In how many blocks before the last one such a table is looked for.
const TABLE_SEARCH: u32 = 3;

/// Name of whoever a logical volume complies with, flags of such a name, and those of the domain.
const DOMAIN: &[u8] = b"*OSTA UDF Compliant";
const PROTECTED: u8 = 0x03;
/// Names of a partition's content that may be written.
const CONTENTS: [&[u8]; 2] = [b"+NSR02\0", b"+NSR03\0"];
/// Ways in which a partition is accessed that can't be written: pseudo-overwritable, read-only, once.
const READ_ONLY: [u32; 3] = [0, 1, 2];

/// A map.
#[derive(Debug)]
pub(super) struct Map {
    /// The partition's number.
    pub(super) number: u16,
    kind: MapKind,
}

#[derive(Debug)]
enum MapKind {
    Physical,
    Sparable { packet: u32, tables: Vec<u32> },
    Virtual { has_header: bool },
    Metadata { files: [u32; 2] },
}

/// The maps in the descriptor of a logical volume.
pub(super) fn read(medium: &Medium, bytes: &[u8]) -> Result<Vec<Map>> {
    let (len, count) = (index(bytes.le32(264)?), bytes.le32(268)?);
    let mut rest = bytes.slice(FIRST, len)?;
    if count == 0 || count > MAX_MAPS {
        return Err(Error::unsupported(format!("a logical volume with {count} partitions")));
    }
    let mut maps = Vec::new();
    for _ in 0..count {
        let (kind, len) = (rest.u8(0)?, rest.u8(1)?);
        let map = rest.slice(0, len.into())?;
        maps.push(match (kind, len) {
            TYPE_1 => Map { number: map.le16(4)?, kind: MapKind::Physical },
            TYPE_2 => Map { number: map.le16(38)?, kind: MapKind::read(map, medium)? },
            _ => return Err(Error::corrupt(format!("a map of type {kind} and {len} bytes"))),
        });
        rest = rest.get(len.into()..).unwrap_or_default();
    }
    Ok(maps)
}

impl MapKind {
    fn read(map: &[u8], medium: &Medium) -> Result<Self> {
        let name = map.slice(5, 23)?;
        if name.starts_with(VIRTUAL) {
            return Ok(MapKind::Virtual { has_header: map.le16(28)? >= WITH_HEADER });
        }
        if name.starts_with(METADATA_MAP) {
            return Ok(MapKind::Metadata { files: [map.le32(40)?, map.le32(44)?] });
        }
        if !name.starts_with(SPARABLE) {
            return Err(Error::unsupported(format!("a partition of type \"{}\"", name.escape_ascii())));
        }
        let (packet, count, size) = (u32::from(map.le16(40)?), map.u8(42)?, map.le32(44)?);
        if !packet.is_power_of_two() || count > MAX_TABLES {
            let what = format!("packets of {packet} blocks, with {count} tables of moved ones");
            return Err(Error::corrupt(what));
        }
        if size > medium.block_size {
            return Err(Error::unsupported(format!("a table of moved packets of {size} bytes")));
        }
        let tables = (0..usize::from(count)).map(|nr| map.le32(48usize.saturating_add(nr.saturating_mul(4))));
        Ok(MapKind::Sparable { packet, tables: tables.collect::<Result<_>>()? })
    }
}

impl Map {
    /// Is it a partition of the medium, and not one within another?
    pub(super) fn is_base(&self) -> bool {
        matches!(self.kind, MapKind::Physical | MapKind::Sparable { .. })
    }

    /// How blocks of a partition of the medium are found.
    pub(super) fn kind(&self, medium: &Medium) -> Result<Kind> {
        match &self.kind {
            MapKind::Sparable { packet, tables } => {
                Ok(Kind::Sparable { packet: *packet, moved: moved(medium, tables)? })
            }
            _ => Ok(Kind::Physical),
        }
    }

    /// How blocks of a partition within that of number `within` are found.
    pub(super) fn kind_within(&self, space: &Space, within: u16) -> Result<Kind> {
        match &self.kind {
            MapKind::Virtual { has_header } => {
                let table = virtual_table(space, within, *has_header)?;
                Ok(Kind::Virtual { table, within })
            }
            MapKind::Metadata { files: [main, mirror] } => {
                let main = metadata(space, Place { block: *main, partition: within }, METADATA);
                let mirror = metadata(space, Place { block: *mirror, partition: within }, METADATA_MIRROR);
                // One of them does, as long as it has what is looked for.
                let files = match (main, mirror) {
                    (Ok(main), mirror) => [main, mirror.unwrap_or_default()],
                    (Err(_), Ok(mirror)) => [mirror, Vec::new()],
                    (Err(error), Err(_)) => return Err(error),
                };
                Ok(Kind::Metadata { files, within })
            }
            _ => Ok(Kind::Missing),
        }
    }
}

/// Where packets were moved to: what the first table says that is right.
fn moved(medium: &Medium, tables: &[u32]) -> Result<BTreeMap<u32, u32>> {
    let mut last_error = None;
    for number in tables {
        match table(medium, *number) {
            Ok(moved) => return Ok(moved),
            Err(error) if error.kind() == ErrorKind::Corrupt => last_error = Some(error),
            Err(error) => return Err(error),
        }
    }
    last_error.map_or_else(|| Ok(BTreeMap::new()), Err)
}

fn table(medium: &Medium, number: u32) -> Result<BTreeMap<u32, u32>> {
    let found = medium.descriptor(number, number, Crc::Checked)?;
    let bytes = found.bytes.as_slice();
    if found.id != SPARING_TABLE || !bytes.slice(17, 23)?.starts_with(SPARING) {
        return Err(Error::corrupt(format!("block {number} is no table of moved packets")));
    }
    let len = usize::from(bytes.le16(48)?).saturating_mul(8);
    let mut moved = BTreeMap::new();
    for entry in bytes.slice(ENTRIES, len)?.as_chunks::<8>().0 {
        let (from, to) = (entry.le32(0)?, entry.le32(4)?);
        if from >= UNUSED {
            break;
        }
        if moved.last_key_value().is_some_and(|(last, _)| *last >= from) {
            return Err(Error::corrupt("a table of moved packets that is not in order"));
        }
        moved.insert(from, to);
    }
    Ok(moved)
}

/// The blocks of the metadata file, or of its mirror, whose entry is at `place`.
fn metadata(space: &Space, place: Place, kind: u8) -> Result<Vec<Extent>> {
    let entry = Entry::read(space, place)?;
    if entry.kind != kind || !entry.is_short() {
        return Err(Error::corrupt(format!("a file of type {} where metadata should be", entry.kind)));
    }
    match entry.content(space)? {
        Content::Extents(extents) => Ok(extents),
        Content::Embedded(_) => Err(Error::corrupt("metadata in a file entry")),
    }
}

/// The table of a virtual partition within that of number `within`. Its file entry is in the last block that was written.
fn virtual_table(space: &Space, within: u16, has_header: bool) -> Result<Vec<u32>> {
    let start = space.partition(within)?.start;
    let last = u32::try_from(space.medium.blocks().saturating_sub(1)).unwrap_or(u32::MAX);
    let mut first_error = None;
    for back in 0..=TABLE_SEARCH {
        let Some(block) = last.checked_sub(back).and_then(|number| number.checked_sub(start)) else { break };
        let table = Entry::read(space, Place { block, partition: within });
        match table.and_then(|entry| parse_table(space, &entry, has_header)) {
            Ok(table) => return Ok(table),
            Err(error) if error.kind() == ErrorKind::Corrupt => first_error = first_error.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    let error = first_error.unwrap_or_else(|| Error::corrupt("nothing is in the partition"));
    Err(error.context("looking for the table of a virtual partition in the last blocks"))
}

fn parse_table(space: &Space, entry: &Entry, has_header: bool) -> Result<Vec<u32>> {
    if entry.kind != if has_header { VIRTUAL_TABLE } else { OLD_TABLE } {
        return Err(Error::corrupt(format!("a file of type {} where a table should be", entry.kind)));
    }
    let Some(bytes) = entry.open(space)?.read_all(MAX_TABLE)? else {
        return Err(Error::unsupported(format!("a virtual partition with a table of {} bytes", entry.size)));
    };
    let entries = if has_header {
        bytes.get(usize::from(bytes.le16(0)?)..).unwrap_or_default()
    } else {
        let end = bytes.len().checked_sub(OLD_END);
        let Some((entries, end)) = end.and_then(|at| bytes.split_at_checked(at)) else {
            return Err(Error::corrupt(format!("a table of {} bytes", bytes.len())));
        };
        if !end.slice(1, 23)?.starts_with(OLD_NAME) {
            return Err(Error::corrupt("a table of a virtual partition without its name"));
        }
        entries
    };
    Ok(entries.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry)).collect())
}

impl Partition {
    /// One of which nothing is known yet.
    pub(super) fn missing() -> Self {
        Partition { start: 0, len: 0, kind: Kind::Missing }
    }
}

/// May Linux write to a logical volume with this identifier of its domain?
pub(super) fn is_writable(domain: &[u8]) -> Result<bool> {
    let is_right = domain.slice(1, 23)?.starts_with(DOMAIN) && domain.u8(0)? & 1 == 0;
    Ok(is_right && domain.u8(26)? & PROTECTED == 0)
}

/// May Linux write to the partition with this descriptor?
pub(super) fn can_be_written(bytes: &[u8]) -> Result<bool> {
    let name = bytes.slice(25, 23)?;
    let [table, bitmap, _, freed_table, freed_bitmap] = [56, 64, 72, 80, 88].map(|at| bytes.le32(at));
    let (table, bitmap) = (table? != 0, bitmap? != 0);
    let is_freed = freed_table? != 0 || freed_bitmap? != 0;
    let access = bytes.le32(184)?;
    Ok(!READ_ONLY.contains(&access)
        && CONTENTS.iter().any(|contents| name.starts_with(contents))
        && table != bitmap
        && !is_freed)
}

/// Where the descriptor of a partition says that its unallocated space is told.
pub(super) fn unallocated(bytes: &[u8]) -> Result<Unallocated> {
    let told = |at: usize| -> Result<Option<u32>> {
        let block = bytes.le32(at.saturating_add(4))?;
        Ok((bytes.le32(at)? != 0).then_some(block))
    };
    Ok(Unallocated { table: told(56)?, bitmap: told(64)? })
}
