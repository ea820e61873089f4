//! Where the content of a file lies: its extent items, decoded a segment at a time.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_file_extent_item`; what must be a multiple of the sector size, and
//! which numbers must fit which, is what the kernel checks in each leaf that it reads.

use super::compress::{Algorithm, Decompressor, MAX_UNCOMPRESSED};
use super::key::{Key, kind};
use super::tree::{Root, Trees};
use crate::bytes::Fields;
use crate::{Error, Result};

/// Size in bytes of what all items have, and of all of an item that is not inline.
const HEADER: usize = 21;
const SIZE: usize = 53;
/// Most extents that are kept of a file: 200 KB. The next ones cost another search.
const SEGMENT: usize = 4096;

/// What a part of a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Zeros: nothing was written, or there is only space for it.
    Hole,
    /// These bytes, and zeros after them.
    Inline(Box<[u8]>),
    /// What lies from this logical address on.
    Plain(u64),
    /// A part of what an extent gives when it is decompressed.
    Compressed(Compressed),
}

/// A compressed extent, and where in it a part of a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compressed {
    pub(super) algorithm: Algorithm,
    pub(super) address: u64,
    /// Bytes on disk, and after decompression.
    pub(super) stored: u32,
    pub(super) size: u32,
    /// Where the part begins in what decompression gives.
    pub(super) offset: u32,
}

/// A part of a file, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) place: Place,
}

impl Extent {
    /// The part from `offset` on, which lies within.
    fn from(&self, offset: u64) -> Self {
        let skipped = offset.saturating_sub(self.start);
        let place = match &self.place {
            Place::Plain(address) => Place::Plain(address.saturating_add(skipped)),
            Place::Compressed(whole) => {
                let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
                Place::Compressed(Compressed { offset: whole.offset.saturating_add(skipped), ..*whole })
            }
            Place::Inline(bytes) => {
                let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
                Place::Inline(bytes.get(skipped..).unwrap_or_default().into())
            }
            Place::Hole => Place::Hole,
        };
        Extent { start: offset, end: self.end, place }
    }
}

/// The extents of a file that were decoded last: without gaps, from one offset up to another.
#[derive(Debug, Default)]
pub(super) struct Segment {
    extents: Vec<Extent>,
}

impl Segment {
    /// What the file holds from `offset` on, if this segment covers it.
    pub(super) fn at(&self, offset: u64) -> Option<Extent> {
        let found = self.extents.get(self.extents.partition_point(|extent| extent.end <= offset))?;
        (found.start <= offset).then(|| found.from(offset))
    }

    /// Adds what comes next. Holes that lie together become one, as do extents that lie together on disk.
    fn push(&mut self, extent: Extent) {
        if extent.end <= extent.start {
            return;
        }
        if let Some(last) = self.extents.last_mut() {
            let joins = match (&last.place, &extent.place) {
                (Place::Hole, Place::Hole) => true,
                (Place::Plain(before), Place::Plain(address)) => {
                    before.checked_add(last.end.saturating_sub(last.start)) == Some(*address)
                }
                _ => false,
            };
            if joins {
                last.end = extent.end;
                return;
            }
        }
        self.extents.push(extent);
    }
}

/// What is needed to read the extent items of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map<'a> {
    pub(super) trees: &'a Trees,
    /// The subvolume.
    pub(super) root: Root,
    pub(super) inode: u64,
    pub(super) sector_size: u32,
}

impl Map<'_> {
    /// The extents from `offset` on: at least the one that `offset` lies in. After the last extent of the file there is a
    /// hole.
    pub(super) fn segment(&self, offset: u64) -> Result<Segment> {
        let mut segment = Segment::default();
        let mut reached = offset;
        let mut items = self.trees.search_back(self.root, Key::new(self.inode, kind::EXTENT_DATA, offset))?;
        while let Some((key, item)) = items.next()? {
            if (key.object, key.kind) < (self.inode, kind::EXTENT_DATA) {
                continue;
            }
            if !key.is(self.inode, kind::EXTENT_DATA) {
                break;
            }
            if segment.extents.len() >= SEGMENT {
                return Ok(segment);
            }
            let extent = self.parse(key.offset, item)?;
            if extent.end <= offset {
                continue;
            }
            if extent.start < reached && !segment.extents.is_empty() {
                return Err(self.bad(key.offset, "it overlaps the one before"));
            }
            segment.push(Extent { start: reached, end: extent.start, place: Place::Hole });
            reached = extent.end;
            segment.push(extent);
        }
        segment.push(Extent { start: reached, end: u64::MAX, place: Place::Hole });
        Ok(segment)
    }

    fn bad(&self, offset: u64, what: &str) -> Error {
        Error::corrupt(format!("the extent at byte {offset} of inode {}: {what}", self.inode))
    }

    /// The extent that an item describes.
    fn parse(&self, start: u64, item: &[u8]) -> Result<Extent> {
        let bad = |what| self.bad(start, what);
        let sector = u64::from(self.sector_size);
        let algorithm = Algorithm::new(item.u8(16)?)?;
        let (encryption, other_encoding) = (item.u8(17)?, item.le16(18)?);
        if encryption != 0 || other_encoding != 0 {
            return Err(Error::unsupported(format!(
                "the extent at byte {start} of inode {} with encryption {encryption} and encoding {other_encoding}",
                self.inode
            )));
        }
        if !start.is_multiple_of(sector) {
            return Err(bad("it does not begin with a sector"));
        }
        let is_prealloc = match item.u8(20)? {
            0 => return self.parse_inline(start, algorithm, item),
            1 => false,
            2 => true,
            _ => return Err(bad("its type")),
        };
        if item.len() != SIZE {
            return Err(bad("its size"));
        }
        let (address, stored) = (item.le64(21)?, item.le64(29)?);
        let (offset, len) = (item.le64(37)?, item.le64(45)?);
        if ![address, stored, offset, len].iter().all(|number| number.is_multiple_of(sector)) {
            return Err(bad("it is not made of sectors"));
        }
        let end = start.checked_add(len).filter(|end| *end > start).ok_or_else(|| bad("its length"))?;
        if address == 0 || is_prealloc {
            return Ok(Extent { start, end, place: Place::Hole });
        }
        let used = offset.checked_add(len).ok_or_else(|| bad("its offset"))?;
        let Some(algorithm) = algorithm else {
            if used > stored {
                return Err(bad("it is longer than what it is a part of"));
            }
            let address = address.checked_add(offset).ok_or_else(|| bad("its address"))?;
            return Ok(Extent { start, end, place: Place::Plain(address) });
        };
        let size = item.le64(8)?;
        if used > size || stored == 0 {
            return Err(bad("it is longer than what it is a part of"));
        }
        let small = |number: u64| u32::try_from(number).ok().filter(|number| *number <= MAX_UNCOMPRESSED);
        let (Some(stored), Some(size), Some(offset)) = (small(stored), small(size), small(offset)) else {
            return Err(Error::unsupported(format!(
                "the extent at byte {start} of inode {}: {stored} bytes that give {size}",
                self.inode
            )));
        };
        let place = Place::Compressed(Compressed { algorithm, address, stored, size, offset });
        Ok(Extent { start, end, place })
    }

    /// An extent whose bytes are in its item: it is the first, and takes one sector of the file.
    fn parse_inline(&self, start: u64, algorithm: Option<Algorithm>, item: &[u8]) -> Result<Extent> {
        let size = item.le64(8)?;
        let bytes = item.get(HEADER..).unwrap_or_default();
        if start != 0 || size > self.sector_size.into() {
            return Err(self.bad(start, "it is inline"));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let bytes = match algorithm {
            None if bytes.len() != size => return Err(self.bad(start, "its size")),
            None => bytes.into(),
            Some(algorithm) => {
                let mut output = vec![0; size];
                let count = Decompressor::new(self.sector_size).run(algorithm, bytes, &mut output)?;
                if count < size {
                    return Err(self.bad(start, "it gives too little"));
                }
                output.into()
            }
        };
        Ok(Extent { start, end: self.sector_size.into(), place: Place::Inline(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_together_is_one_extent() {
        let mut segment = Segment::default();
        let plain = Place::Plain;
        for (start, end, place) in [
            (4, 8, plain(100)),
            (8, 12, plain(104)),
            (12, 12, plain(999)),
            (12, 16, plain(112)),
            (16, 20, Place::Hole),
            (20, 24, Place::Hole),
        ] {
            segment.push(Extent { start, end, place });
        }
        let wanted = [(4, 12, plain(100)), (12, 16, plain(112)), (16, 24, Place::Hole)];
        assert_eq!(segment.extents, wanted.map(|(start, end, place)| Extent { start, end, place }));
        assert_eq!(segment.at(10), Some(Extent { start: 10, end: 12, place: plain(106) }));
        assert_eq!(segment.at(3), None);
        assert_eq!(segment.at(24), None);
    }
}
