//! The indexes of compressed files: one for each block of content.
//!
//! An index starts an extent at some byte of its block, or it says how far back the one that did is. The full form has
//! 8 bytes each. The compact one packs 2 of them into 8 bytes or 16 into 32, with one block number at the end of each
//! pack: that of the first extent, from which those of the others follow. Source: kernel.org, "EROFS", and the on-disk
//! structures of `erofs_fs.h`.

use super::Erofs;
use super::inode::{Inode, Layout};
use super::metadata::Piece;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Where full indexes start behind the head of the map: it has 8 bytes, and 8 are not used.
const FULL_START: u64 = 16;
/// Size of a full index in bytes.
const FULL: u64 = 8;
/// Where compact ones start behind it.
const COMPACT_START: u64 = 8;
/// Packs of 16 begin at such places, so that none lies in two blocks.
const PACK_16: u64 = 32;
/// Distance that is none but a count of blocks.
const IS_COUNT: u16 = 1 << 11;
/// Full form: the data gives more than the extent has.
const PARTIAL: u16 = 1 << 15;
/// Full form: bits of the kind.
const KIND: u16 = 3;
/// The fewest bits for a place or distance in the compact form.
const MIN_LOW_BITS: u32 = 12;
/// The largest block as a power of two that compact indexes of 4 bytes can tell places in, and those of 2 bytes.
const MAX_BITS_4: u8 = 14;
const MAX_BITS_2: u8 = 12;

/// What an index does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Starts an extent that is not compressed.
    Plain,
    /// Starts one of the first compressor.
    First,
    /// Starts none.
    None,
    /// Starts one of the second compressor.
    Second,
}

impl Kind {
    fn of(bits: u16) -> Kind {
        match bits & KIND {
            0 => Kind::Plain,
            1 => Kind::First,
            2 => Kind::None,
            _ => Kind::Second,
        }
    }
}

/// An index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// Where in the block of content the extent starts.
    pub(super) start: u32,
    /// First block of its data.
    pub(super) block: u32,
    /// Gives that more than the extent has?
    pub(super) partial: bool,
    /// If it starts none: how many indexes back there may be one that does.
    pub(super) distance: u16,
    /// If it starts none: how many blocks the data of the extent has, if it says so.
    pub(super) blocks: Option<u32>,
    /// Byte of the source behind it, or its pack.
    pub(super) end: u64,
}

/// The indexes of a file.
#[derive(Debug)]
pub(super) struct Indexes {
    layout: Layout,
    /// Where they start.
    start: u64,
    count: u64,
    block_bits: u8,
    /// May data have more than one block?
    big: bool,
    /// How many of the compact form come first, with 4 bytes each, and how many then, with 2; the others have 4 again.
    four: u64,
    two: u64,
    piece: Piece,
}

/// One index of a pack: its kind, and the bits that say a place or distance.
type Bits = (Kind, u16);

impl Indexes {
    /// The indexes of `inode`, the head of whose map is at byte `head`.
    pub(super) fn new(inode: &Inode, block_bits: u8, head: u64, big: bool, two_bytes: bool) -> Self {
        let count = inode.size.div_ceil(1_u64.wrapping_shl(block_bits.into()));
        let full = inode.layout == Layout::FullIndex;
        let start = head.saturating_add(if full { FULL_START } else { COMPACT_START });
        // Up to the next place for a pack of 16.
        let four = (PACK_16.saturating_sub(start % PACK_16) / 4) % 8;
        let two = if two_bytes { (count.saturating_sub(four) / 16).saturating_mul(16) } else { 0 };
        Indexes { layout: inode.layout, start, count, block_bits, big, four, two, piece: Piece::default() }
    }

    /// Are they of the full form?
    pub(super) fn are_full(&self) -> bool {
        self.layout == Layout::FullIndex
    }

    /// Index `number`.
    pub(super) fn get(&mut self, fs: &Erofs, number: u64) -> Result<Index> {
        if number >= self.count {
            return Err(Error::corrupt(format!("index {number} of {}", self.count)));
        }
        let index = match self.layout {
            Layout::FullIndex => self.full(fs, number)?,
            _ => self.compact(fs, number)?,
        };
        if index.kind != Kind::None && index.start >= 1_u32.wrapping_shl(self.block_bits.into()) {
            return Err(Error::corrupt(format!("an extent from byte {} of a block on", index.start)));
        }
        if index.blocks.is_some() && !self.big {
            return Err(Error::corrupt("a count of blocks where all data has one"));
        }
        Ok(index)
    }

    fn full(&mut self, fs: &Erofs, number: u64) -> Result<Index> {
        let at = self.start.saturating_add(number.saturating_mul(FULL));
        let bytes = self.piece.get(fs, at, 8)?;
        let advice = bytes.le16(0)?;
        let kind = Kind::of(advice);
        let mut index = Index::new(number, kind, at.saturating_add(FULL));
        if kind == Kind::None {
            index.set_distance(bytes.le16(4)?);
        } else {
            index.start = bytes.le16(2)?.into();
            index.block = bytes.le32(4)?;
            index.partial = advice & PARTIAL != 0;
        }
        Ok(index)
    }

    fn compact(&mut self, fs: &Erofs, number: u64) -> Result<Index> {
        let after_two = self.four.saturating_add(self.two);
        let four_bytes = self.four.saturating_mul(4);
        // Where packs of this kind start, the number of the first index in them, bytes and indexes of a pack.
        let (start, first, len, count, max_bits) = if number < self.four {
            (0, 0, 8_u64, 2_u64, MAX_BITS_4)
        } else if number < after_two {
            (four_bytes, self.four, 32, 16, MAX_BITS_2)
        } else {
            (four_bytes.saturating_add(self.two.saturating_mul(2)), after_two, 8, 2, MAX_BITS_4)
        };
        if self.block_bits > max_bits {
            return Err(Error::unsupported(format!(
                "erofs blocks of 2^{} bytes with compact indexes",
                self.block_bits
            )));
        }
        // The first ones may begin in the middle of a pack, since places count from the start of the source.
        let each = len.checked_div(count).unwrap_or(1);
        let at = self
            .start
            .saturating_add(start)
            .saturating_add(number.saturating_sub(first).saturating_mul(each));
        let within = at.checked_rem(len).unwrap_or_default();
        let pack_at = at.saturating_sub(within);
        let low_bits = MIN_LOW_BITS.max(self.block_bits.into());
        let bytes = self.piece.get(fs, pack_at, usize::try_from(len).unwrap_or_default())?;
        let count = usize::try_from(count).unwrap_or_default();
        let pack = Pack { bytes, count, low_bits };
        let place = usize::try_from(within.checked_div(each).unwrap_or_default()).unwrap_or_default();
        let mut index = Index::new(number, Kind::None, pack_at.saturating_add(len));
        let (kind, low) = pack.get(place)?;
        index.kind = kind;
        if kind == Kind::None {
            index.set_distance(pack.distance(place, low)?);
        } else {
            index.start = low.into();
            index.block = pack.block(place, self.big)?;
        }
        Ok(index)
    }
}

impl Index {
    fn new(number: u64, kind: Kind, end: u64) -> Self {
        Index { number, kind, start: 0, block: 0, partial: false, distance: 0, blocks: None, end }
    }

    /// Sets what an index that starts no extent stores. One with a count of blocks is the first behind one that does.
    fn set_distance(&mut self, stored: u16) {
        if stored & IS_COUNT != 0 {
            self.blocks = Some((stored & !IS_COUNT).into());
            self.distance = 1;
        } else {
            self.distance = stored;
        }
    }
}

/// A pack of compact indexes.
struct Pack<'a> {
    bytes: &'a [u8],
    count: usize,
    /// Bits of a place or distance.
    low_bits: u32,
}

impl Pack<'_> {
    /// Index `place` of the pack.
    fn get(&self, place: usize) -> Result<Bits> {
        // All but the block number at the end is theirs in equal parts: 16 bits of 2, 14 of 16.
        let bits =
            self.bytes.len().saturating_sub(4).saturating_mul(8).checked_div(self.count).unwrap_or_default();
        let bit = place.saturating_mul(bits);
        let word = self.bytes.le32(bit / 8)? >> (bit % 8);
        let mask = 1_u32.wrapping_shl(self.low_bits).wrapping_sub(1);
        let kind = u16::try_from(word >> self.low_bits & u32::from(KIND)).unwrap_or_default();
        Ok((Kind::of(kind), u16::try_from(word & mask).unwrap_or_default()))
    }

    /// The distance (or count of blocks) of index `place`, which stores `low`. The last of a pack stores how far the next
    /// extent is instead: its own distance follows from the one before it.
    fn distance(&self, place: usize, low: u16) -> Result<u16> {
        if low & IS_COUNT != 0 || place.saturating_add(1) != self.count {
            return Ok(low);
        }
        let Some(before) = place.checked_sub(1) else { return Ok(1) };
        Ok(match self.get(before)? {
            (Kind::None, low) if low & IS_COUNT != 0 => 2,
            (Kind::None, low) => low.saturating_add(1),
            _ => 1,
        })
    }

    /// First block of the data of the extent that index `place` starts: the pack's own, and the blocks of all extents
    /// that start before in the pack.
    fn block(&self, place: usize, big: bool) -> Result<u32> {
        let mut place = place;
        // Where data has one block each, the pack's number is that of the extent before.
        let mut blocks = u32::from(!big);
        while let Some(before) = place.checked_sub(1) {
            place = before;
            let (kind, low) = self.get(place)?;
            if kind != Kind::None {
                blocks = blocks.saturating_add(1);
            } else if !big {
                // To the start of that extent, which counts if it is in this pack.
                let Some(start) = place.checked_sub(low.into()) else { break };
                place = start;
                blocks = blocks.saturating_add(1);
            } else if low & IS_COUNT != 0 {
                // It follows directly on the index that starts the extent.
                blocks = blocks.saturating_add((low & !IS_COUNT).into());
                place = place.saturating_sub(1);
            } else if let Some(back) = low.checked_sub(2).filter(|_| low > 1) {
                // To the index behind the one that starts the extent, which has the count.
                let Some(start) = place.checked_sub(back.into()) else { break };
                place = start;
            } else {
                return Err(Error::corrupt("an index without a count of blocks"));
            }
        }
        let last = self.bytes.len().saturating_sub(4);
        Ok(self.bytes.le32(last)?.wrapping_add(blocks))
    }
}
