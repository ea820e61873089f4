//! Extents: where the content of a file lies.
//!
//! Source: ECMA-167, 4/12 and 4/14.14; OSTA UDF 2.60, 2.3.10 to 2.3.12.

use std::collections::HashSet;

use super::partition::{Place, Space};
use super::tag::{ALLOCATION_EXTENT, Crc};
use crate::bytes::{Fields, index};
use crate::{Context, Error, Result};

/// Most descriptors that are kept of one file, after those that lie together have been put together: 24 MiB.
const MAX_EXTENTS: usize = 1 << 20;
/// Most blocks with descriptors that one file has. One block has room for 30 of them at least.
const MAX_CONTINUATIONS: usize = 1 << 16;
/// Where a continuation has the length of its descriptors, and where they begin.
const LENGTH: usize = 20;
const FIRST: usize = 24;
/// The length of an extent is in the low bits, its type in the others.
const LEN: u32 = 0x3FFF_FFFF;
const TYPE_SHIFT: u32 = 30;
/// Types of extents.
const RECORDED: u32 = 0;
const RESERVED: u32 = 1;
const HOLE: u32 = 2;

/// Forms of descriptors: with a block of the same partition, or with its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Short,
    Long,
}

impl Form {
    const fn size(self) -> usize {
        match self {
            Form::Short => 8,
            Form::Long => 16,
        }
    }
}

/// Bytes of a file that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where in the file.
    pub(super) start: u64,
    /// Bytes. All extents but the last of those within the size end with a block.
    pub(super) len: u32,
    /// Where they lie, unless nothing was recorded.
    pub(super) at: Option<Place>,
}

impl Extent {
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len.into())
    }

    /// Does the other one lie right behind it?
    fn is_before(&self, other: &Extent, block_size: u32) -> bool {
        let len = self.len.checked_add(other.len).is_some() && self.len.is_multiple_of(block_size);
        len && match (self.at, other.at) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                let blocks = self.len.checked_div(block_size).unwrap_or(0);
                a.partition == b.partition && a.block.checked_add(blocks) == Some(b.block)
            }
            _ => false,
        }
    }
}

/// The extents of the first `size` bytes of a file: `descriptors` are those in its entry, which is in `partition`.
pub(super) fn read(
    space: &Space,
    descriptors: &[u8],
    form: Form,
    partition: u16,
    size: u64,
) -> Result<Vec<Extent>> {
    let block_size = space.medium.block_size;
    let mut extents: Vec<Extent> = Vec::new();
    let mut seen = HashSet::new();
    let mut area = descriptors.to_vec();
    let mut start = 0u64;
    'areas: loop {
        let mut next = None;
        for descriptor in area.chunks_exact(form.size()) {
            let (length, block) = (descriptor.le32(0)?, descriptor.le32(4)?);
            if length == 0 || start >= size {
                break 'areas;
            }
            let place = match form {
                Form::Short => Place { block, partition },
                Form::Long => Place { block, partition: descriptor.le16(8)? },
            };
            let len = length & LEN;
            let at = match length >> TYPE_SHIFT {
                RECORDED => Some(place),
                RESERVED | HOLE => None,
                _ => {
                    next = Some(place);
                    break;
                }
            };
            let extent = Extent { start, len, at };
            start = extent.end();
            if !len.is_multiple_of(block_size) && start < size {
                let what = format!("an extent of {len} bytes before others");
                return Err(Error::unsupported(what));
            }
            if len == 0 {
                continue;
            }
            if let Some(last) = extents.last_mut().filter(|last| last.is_before(&extent, block_size)) {
                last.len = last.len.saturating_add(len);
                continue;
            }
            if extents.len() >= MAX_EXTENTS {
                return Err(Error::unsupported(format!("a file of more than {MAX_EXTENTS} extents")));
            }
            extents.push(extent);
        }
        let Some(place) = next else { break };
        if seen.len() >= MAX_CONTINUATIONS {
            return Err(Error::unsupported("a file with too many blocks of descriptors"));
        }
        if !seen.insert(place) {
            return Err(Error::corrupt("descriptors of a file that go round in a circle"));
        }
        area = continuation(space, place)
            .context(|| format!("in block {} of partition {}", place.block, place.partition))?;
    }
    Ok(extents)
}

/// The descriptors in the block at `place`.
fn continuation(space: &Space, place: Place) -> Result<Vec<u8>> {
    let found = space.descriptor(place, Crc::Checked)?;
    if found.id != ALLOCATION_EXTENT {
        return Err(Error::corrupt(format!("descriptor {} instead of those of extents", found.id)));
    }
    let len = index(found.bytes.le32(LENGTH)?);
    Ok(found.bytes.slice(FIRST, len)?.to_vec())
}
