//! Volumes: from the anchor over the sequence of volume descriptors to the partitions, as Linux does it.
//!
//! ```text
//! 32 KiB            recognition: "NSR02" or "NSR03"
//! 256, N, N - 256…  anchor ──> main and reserve sequence of descriptors, of which those with the highest number prevail:
//!                   primary ── logical volume (maps of partitions, place of the file set, integrity) ── partitions
//! ```
//!
//! Linux tries sizes of blocks from the disk's sectors on, and takes the reserve sequence if the main one has no primary
//! descriptor; here it is taken whenever the main one leads nowhere.
//!
//! Sources: ECMA-167, 2/8, 2/9, 3/8.4, 3/10; OSTA UDF 2.60, 2.2.

use std::collections::BTreeMap;

use super::integrity::{self, Integrity};
use super::maps::{self, Map};
use super::partition::{Kind, Partition, Place, Space};
use super::tag::{
    ANCHOR, Crc, Descriptor, INTEGRITY, LOGICAL, Medium, PARTITION, POINTER, PRIMARY, TERMINATING,
};
use crate::bytes::Fields;
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// Sizes of blocks that Linux tries.
const BLOCK_SIZES: [u32; 4] = [512, 1024, 2048, 4096];
/// Where recognition starts, least distance of its descriptors, and how far Linux looks (bytes).
const RECOGNITION: u64 = 32768;
const RECOGNITION_STEP: u64 = 2048;
const RECOGNITION_END: u64 = 0x80_0000;
/// Identifiers there, which goes on with these and ends with the others.
const VOLUMES: [&[u8]; 2] = [b"NSR02", b"NSR03"];
const OTHERS: [&[u8]; 4] = [b"BEA01", b"BOOT2", b"CD001", b"CDW02"];

/// The block of the anchor; and where it is on a medium that was not closed.
const FIRST_ANCHOR: u64 = 256;
const OPEN_ANCHOR: u64 = 512;
/// What may be the last block, counted from the last one that the device says it has: drives err.
const LAST: [u64; 5] = [0, 1, 2, 150, 152];

/// Most pointers to further descriptors that Linux follows, and most descriptors looked at in a sequence: all known
/// programs write 16 or 32.
const MAX_POINTERS: u32 = 64;
const MAX_SEQUENCE: u32 = 4096;

/// What the descriptors of a volume say.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) space: Space,
    pub(super) integrity: Option<Integrity>,
    /// Where the file set is.
    pub(super) file_set: Place,
    /// For each partition where its unallocated space is told, if Linux would look there.
    pub(super) unallocated: Vec<Unallocated>,
}

/// Where the unallocated space of a partition is told: in a bitmap, in a table.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Unallocated {
    pub(super) bitmap: Option<u32>,
    pub(super) table: Option<u32>,
}

impl Volume {
    /// Reads what is on the medium `source`.
    pub(super) fn read(source: &std::sync::Arc<dyn ReadAt>) -> Result<Self> {
        let mut first_error = None;
        for block_size in BLOCK_SIZES.into_iter().filter(|size| *size >= source.sector_size()) {
            let medium = || Medium { source: source.clone(), block_size };
            if !is_announced(&medium())? {
                continue;
            }
            for anchor in anchors(&medium())? {
                match sequences(&medium, &anchor) {
                    Ok(volume) => return Ok(volume),
                    Err(error) if error.kind() == ErrorKind::Io => return Err(error),
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        Err(first_error.unwrap_or_else(|| Error::corrupt("a UDF without an anchor")))
    }
}

/// Is there a descriptor that announces UDF?
fn is_announced(medium: &Medium) -> Result<bool> {
    let step = u64::from(medium.block_size).max(RECOGNITION_STEP);
    let mut at = RECOGNITION;
    while at < RECOGNITION_END && at.saturating_add(step) <= medium.source.len() {
        // Windows 10 writes them 2048 bytes apart even into blocks of 4096; the second one of those may be anything.
        let mut bytes = [0; 6];
        medium.source.read_at(at, &mut bytes)?;
        let id = bytes.slice(1, 5)?;
        if VOLUMES.contains(&id) {
            return Ok(true);
        }
        if !OTHERS.contains(&id) {
            return Ok(false);
        }
        if step > RECOGNITION_STEP {
            medium.source.read_at(at.saturating_add(RECOGNITION_STEP), &mut bytes)?;
            if VOLUMES.contains(&bytes.slice(1, 5)?) {
                return Ok(true);
            }
        }
        at = at.saturating_add(step);
    }
    Ok(false)
}

/// All anchors, in the order in which Linux looks for one.
fn anchors(medium: &Medium) -> Result<Vec<Descriptor>> {
    let blocks = medium.blocks();
    let mut places = vec![FIRST_ANCHOR];
    for back in LAST {
        let Some(last) = blocks.checked_sub(1).and_then(|last| last.checked_sub(back)) else { break };
        places.push(last);
        places.extend(last.checked_sub(FIRST_ANCHOR));
    }
    places.push(OPEN_ANCHOR);
    let mut found = Vec::new();
    for place in places {
        let Some(number) = u32::try_from(place).ok().filter(|_| place < blocks) else { continue };
        match medium.descriptor(number, number, Crc::Checked) {
            Ok(descriptor) if descriptor.id == ANCHOR => found.push(descriptor),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The volume of the main sequence of descriptors, or of that in reserve.
fn sequences(medium: &dyn Fn() -> Medium, anchor: &Descriptor) -> Result<Volume> {
    let sequence = |at: usize| -> Result<Volume> {
        let (len, first) = (anchor.bytes.le32(at)?, anchor.bytes.le32(at.saturating_add(4))?);
        volume(medium(), Prevailing::read(&medium(), first, len)?)
    };
    match sequence(16).context(|| "in the main sequence of volume descriptors".to_owned()) {
        Err(error) if error.kind() == ErrorKind::Corrupt => sequence(24).map_err(|_| error),
        found => found,
    }
}

/// The descriptors of a sequence that count.
#[derive(Debug, Default)]
struct Prevailing {
    /// With its number.
    primary: Option<u32>,
    logical: Option<(u32, Descriptor)>,
    /// By the numbers of the partitions.
    partitions: BTreeMap<u16, (u32, Descriptor)>,
}

impl Prevailing {
    /// Reads the sequence of `len` bytes from block `first` on. As in Linux it ends with the first block that holds no
    /// descriptor.
    fn read(medium: &Medium, first: u32, len: u32) -> Result<Self> {
        let mut found = Prevailing::default();
        let blocks = |len: u32| len.checked_div(medium.block_size).unwrap_or(0);
        let (mut next, mut left) = (first, blocks(len));
        let mut pointers = 0u32;
        for _ in 0..MAX_SEQUENCE {
            if left == 0 {
                return Ok(found);
            }
            let descriptor = match medium.descriptor(next, next, Crc::Checked) {
                Ok(descriptor) => descriptor,
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(found),
                Err(error) => return Err(error),
            };
            (next, left) = (next.saturating_add(1), left.saturating_sub(1));
            let number = descriptor.bytes.le32(16)?;
            match descriptor.id {
                TERMINATING => return Ok(found),
                POINTER if pointers < MAX_POINTERS => {
                    pointers = pointers.saturating_add(1);
                    (left, next) = (blocks(descriptor.bytes.le32(20)?), descriptor.bytes.le32(24)?);
                }
                POINTER => return Err(Error::corrupt("too many pointers to volume descriptors")),
                PRIMARY => found.primary = found.primary.max(Some(number)),
                LOGICAL if found.logical.as_ref().is_none_or(|old| old.0 <= number) => {
                    found.logical = Some((number, descriptor));
                }
                PARTITION => {
                    let partition = descriptor.bytes.le16(22)?;
                    if found.partitions.get(&partition).is_none_or(|old| old.0 <= number) {
                        found.partitions.insert(partition, (number, descriptor));
                    }
                }
                _ => {}
            }
        }
        Err(Error::unsupported(format!("more than {MAX_SEQUENCE} volume descriptors")))
    }
}

/// Puts a volume together.
fn volume(medium: Medium, prevailing: Prevailing) -> Result<Volume> {
    if prevailing.primary.is_none() {
        return Err(Error::corrupt("no primary volume descriptor"));
    }
    let Some((_, logical)) = prevailing.logical else {
        return Err(Error::corrupt("no descriptor of a logical volume"));
    };
    let bytes = logical.bytes.as_slice();
    let block_size = bytes.le32(212)?;
    if block_size != medium.block_size {
        let what = format!("logical blocks of {block_size} bytes in blocks of {}", medium.block_size);
        return Err(Error::unsupported(what));
    }
    let maps = maps::read(&medium, bytes)?;
    let integrity = integrity::read(&medium, bytes.le32(432)?, bytes.le32(436)?, INTEGRITY)?;
    // What Linux never writes to it does not read the unallocated space of.
    let mut is_writable = integrity.is_some() && maps::is_writable(bytes.slice(216, 32)?)?;
    let partitions = maps.iter().map(|_| Partition::missing()).collect();
    let mut volume = Volume {
        space: Space { medium, partitions },
        integrity,
        file_set: Place::read(bytes, 252)?,
        unallocated: vec![Unallocated::default(); maps.len()],
    };
    for (number, (_, descriptor)) in prevailing.partitions {
        volume.add(&maps, number, &descriptor, &mut is_writable)?;
    }
    if matches!(volume.space.partition(volume.file_set.partition)?.kind, Kind::Missing) {
        return Err(Error::corrupt("no descriptor of the partition that the files are in"));
    }
    Ok(volume)
}

impl Volume {
    /// Adds what the descriptor says of the partition `number`: of the first one with this number, and of the first one
    /// that lies in that.
    fn add(
        &mut self,
        maps: &[Map],
        number: u16,
        descriptor: &Descriptor,
        is_writable: &mut bool,
    ) -> Result<()> {
        let bytes = descriptor.bytes.as_slice();
        let (start, len) = (bytes.le32(188)?, bytes.le32(192)?);
        if start.checked_add(len).is_none() {
            return Err(Error::corrupt(format!("a partition of {len} blocks from block {start} on")));
        }
        let first =
            |is_base: bool| maps.iter().position(|map| map.number == number && map.is_base() == is_base);
        let Some(base) = first(true) else { return Ok(()) };
        let at = u16::try_from(base).unwrap_or(u16::MAX);
        *is_writable &= maps::can_be_written(bytes)?;
        let unallocated = if *is_writable { maps::unallocated(bytes)? } else { Unallocated::default() };
        if let (Some(partition), Some(map), Some(told)) =
            (self.space.partitions.get_mut(base), maps.get(base), self.unallocated.get_mut(base))
        {
            *partition = Partition { start, len, kind: map.kind(&self.space.medium)? };
            *told = unallocated;
        }
        let Some(upper) = first(false) else { return Ok(()) };
        *is_writable = false;
        if let Some(map) = maps.get(upper) {
            let kind = map.kind_within(&self.space, at)?;
            if let Some(partition) = self.space.partitions.get_mut(upper) {
                *partition = Partition { start, len, kind };
            }
        }
        Ok(())
    }
}
