//! Which blocks of a fork are where: lists and trees of extents.
//!
//! ```text
//! fork: extents                                                            (Format::Extents)
//! fork: level, count, keys, pointers ─► node ─► … ─► leaf: extents         (Format::Btree)
//! ```
//!
//! Levels count down to the leaves, so a tree that contains itself is noticed. A leaf is decoded at once into a
//! [`Segment`], which callers keep for the blocks around.
//!
//! Source: "XFS Algorithms & Data Structures", sections "Data Extents" and "Extent List" / "B+tree Extent List".

use std::ops::Range;

use super::Xfs;
use super::blocks::{Key, Which};
use super::checksum;
use super::inode::{Format, Inode};
use crate::bytes::Fields;
use crate::{Context, Error, Result};

/// No fork has a block of this number or a higher one (54 bits).
pub(super) const MAX_BLOCK: u64 = 1 << 54;
/// What nodes start with in version 4, and in version 5.
const MAGIC: [u8; 4] = *b"BMAP";
/// See [`MAGIC`].
const MAGIC_V5: [u8; 4] = *b"BMA3";
/// Size of a node's header in version 4, and in version 5.
const HEADER: usize = 24;
/// See [`HEADER`].
const HEADER_V5: usize = 72;
/// Where the checksum lies in the header of version 5.
const CRC_OFFSET: usize = 64;
/// Size of the header of the root in a fork.
const ROOT_HEADER: usize = 4;
/// Size of a key and of a pointer.
const WORD: usize = 8;
/// Size of an extent, and of a key with its pointer.
const RECORD: usize = 16;
/// The highest level of a root. With the smallest nodes (15 of 30 entries, half full) it maps more than 2^54 blocks.
const MAX_LEVEL: u16 = 15;

/// Where blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere.
    Hole,
    /// Reserved, from this fsblock on.
    Unwritten(u64),
    /// From this fsblock on.
    Data(u64),
}

/// Blocks of a fork that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Blocks of the fork.
    pub(super) blocks: Range<u64>,
    /// Where the first of them is.
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Extent {
    blocks: Range<u64>,
    fsblock: u64,
    unwritten: bool,
}

impl Extent {
    /// Decodes a record: 1 bit "unwritten", 54 bits of the fork's block, 52 bits of the fsblock, 21 bits of length.
    fn decode(record: [u8; RECORD]) -> Self {
        let bits = u128::from_be_bytes(record);
        let field = |shift: u32, width: u32| {
            u64::try_from(bits.wrapping_shr(shift) & 1_u128.wrapping_shl(width).wrapping_sub(1))
                .unwrap_or_default()
        };
        let start = field(73, 54);
        Extent {
            blocks: start..start.saturating_add(field(0, 21)),
            fsblock: field(21, 52),
            unwritten: field(127, 1) == 1,
        }
    }
}

/// What is known about a range of a fork's blocks.
#[derive(Debug, Default)]
pub(super) struct Segment {
    covered: Range<u64>,
    /// Within `covered`, in order, not overlapping.
    extents: Vec<Extent>,
}

impl Segment {
    /// The rest of the run from `block` on, if this segment covers it. Runs that follow each other may lie together:
    /// they are joined if they are of one kind.
    fn run(&self, block: u64) -> Option<Run> {
        if !self.covered.contains(&block) {
            return None;
        }
        let at = self.extents.partition_point(|extent| extent.blocks.end <= block);
        let rest = self.extents.get(at..).unwrap_or_default();
        let Some(first) = rest.first() else {
            return Some(Run { blocks: block..self.covered.end, place: Place::Hole });
        };
        if first.blocks.start > block {
            return Some(Run { blocks: block..first.blocks.start, place: Place::Hole });
        }
        let mut last = first;
        for next in rest.iter().skip(1) {
            let len = last.blocks.end.saturating_sub(last.blocks.start);
            let joined = next.blocks.start == last.blocks.end
                && next.fsblock == last.fsblock.saturating_add(len)
                && next.unwritten == first.unwritten;
            if !joined {
                break;
            }
            last = next;
        }
        let fsblock = first.fsblock.saturating_add(block.saturating_sub(first.blocks.start));
        let place = if first.unwritten { Place::Unwritten(fsblock) } else { Place::Data(fsblock) };
        Some(Run { blocks: block..last.blocks.end, place })
    }
}

/// A node of a tree of extents: keys and pointers.
struct Node<'a> {
    keys: &'a [[u8; WORD]],
    pointers: &'a [[u8; WORD]],
}

impl<'a> Node<'a> {
    /// `count` entries in the `bytes` after a header, laid out as if there were as many as have room.
    fn parse(bytes: &'a [u8], count: u16) -> Result<Self> {
        let room = bytes.len().checked_div(RECORD).unwrap_or_default();
        let bad = || Error::corrupt(format!("an extent node with {count} of {room} entries"));
        if count == 0 {
            return Err(bad());
        }
        let (keys, pointers) = bytes.split_at_checked(room.saturating_mul(WORD)).ok_or_else(bad)?;
        let entries = |words: &'a [u8]| words.as_chunks().0.get(..count.into()).ok_or_else(bad);
        let node = Node { keys: entries(keys)?, pointers: entries(pointers)? };
        if !node.keys.is_sorted_by(|a, b| u64::from_be_bytes(*a) < u64::from_be_bytes(*b)) {
            return Err(Error::corrupt("extent node with keys out of order"));
        }
        Ok(node)
    }

    /// The child that maps `block`; narrows `covered` to what it maps.
    fn child(&self, block: u64, covered: &mut Range<u64>) -> Result<u64> {
        // The first child also has what comes before its first key: a hole.
        let after = self.keys.partition_point(|key| u64::from_be_bytes(*key) <= block).max(1);
        let at = after.saturating_sub(1);
        if let Some(next) = self.keys.get(after) {
            covered.end = covered.end.min(u64::from_be_bytes(*next));
        }
        if let Some(key) = self.keys.get(at).filter(|_| at > 0) {
            covered.start = covered.start.max(u64::from_be_bytes(*key));
        }
        let pointer =
            self.pointers.get(at).ok_or_else(|| Error::corrupt("an extent node without entries"))?;
        Ok(u64::from_be_bytes(*pointer))
    }
}

impl Xfs {
    /// The rest of the run from `block` of fork `which` on. `cached` is the segment of an earlier call for the same
    /// fork, or an empty one.
    pub(super) fn run(&self, inode: &Inode, which: Which, block: u64, cached: &mut Segment) -> Result<Run> {
        if let Some(run) = cached.run(block) {
            return Ok(run);
        }
        if block >= MAX_BLOCK {
            return Err(Error::corrupt(format!("block {block} of inode {}", inode.number)));
        }
        *cached = self
            .segment(inode, which, block)
            .context(|| format!("in the extents of XFS inode {}", inode.number))?;
        cached.run(block).ok_or_else(|| Error::corrupt(format!("block {block} has no place in its map")))
    }

    fn segment(&self, inode: &Inode, which: Which, block: u64) -> Result<Segment> {
        let whole = 0..MAX_BLOCK;
        let Some(fork) = inode.fork(which)? else {
            return Ok(Segment { covered: whole, extents: Vec::new() });
        };
        match fork.format {
            Format::Extents => {
                let count = usize::try_from(fork.extents).unwrap_or(usize::MAX);
                self.leaf(fork.bytes, count, whole, which)
            }
            Format::Btree => self.descend(inode, which, fork.bytes, block),
            Format::Local | Format::Device => Err(Error::corrupt("a fork without extents")),
        }
    }

    /// What the leaf for `block` says, below the root in `root`.
    fn descend(&self, inode: &Inode, which: Which, root: &[u8], block: u64) -> Result<Segment> {
        let (mut level, count) = (root.be16(0)?, root.be16(2)?);
        if level == 0 || level > MAX_LEVEL {
            return Err(Error::corrupt(format!("a tree of extents of {level} levels")));
        }
        let mut covered = 0..MAX_BLOCK;
        let root = Node::parse(root.get(ROOT_HEADER..).unwrap_or_default(), count)?;
        let mut child = root.child(block, &mut covered)?;
        let header = if self.superblock.v5 { HEADER_V5 } else { HEADER };
        loop {
            let node = self.extent_node(inode, child)?;
            level = level.saturating_sub(1);
            let (found, count) = (node.be16(4)?, node.be16(6)?);
            if found != level {
                return Err(Error::corrupt(format!("an extent node of level {found} at level {level}")));
            }
            let entries = node.get(header..).unwrap_or_default();
            if level == 0 {
                return self.leaf(entries, count.into(), covered, which);
            }
            child = Node::parse(entries, count)?.child(block, &mut covered)?;
        }
    }

    /// The node at fsblock `block` of the tree of extents of `inode`.
    fn extent_node(&self, inode: &Inode, block: u64) -> Result<std::sync::Arc<[u8]>> {
        let sb = &self.superblock;
        let key = Key::Extents { owner: inode.number, block };
        self.blocks.get(key, || {
            let offset = sb.offset(block, 1)?;
            let node = self.blocks.read(offset, crate::bytes::index(sb.block_size))?;
            let magic: [u8; 4] = node.array(0)?;
            let wanted = if sb.v5 { MAGIC_V5 } else { MAGIC };
            if magic != wanted {
                return Err(Error::corrupt(format!("an extent node that starts with {magic:02x?}")));
            }
            if sb.v5 {
                checksum::verify(&node, CRC_OFFSET, "extent node")?;
                self.check_owner(&node, [24, 40, 56], offset, inode.number)?;
            }
            Ok(node)
        })
    }

    /// Is metadata of version 5 what it should be? `fields` are the offsets of its own place (in sectors), of the
    /// UUID of the filesystem, and of the inode that it belongs to.
    pub(super) fn check_owner(
        &self,
        bytes: &[u8],
        fields: [usize; 3],
        offset: u64,
        owner: u64,
    ) -> Result<()> {
        let [place_at, uuid_at, owner_at] = fields;
        let (place, uuid, stored) =
            (bytes.be64(place_at)?, bytes.array::<16>(uuid_at)?, bytes.be64(owner_at)?);
        if place == offset >> 9 && uuid == self.superblock.meta_uuid && stored == owner {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "a block at sector {} that belongs to sector {place}, inode {stored} of filesystem {uuid:02x?}",
            offset >> 9
        )))
    }

    /// The first `count` records of `bytes`, which map what lies within `covered`.
    fn leaf(&self, bytes: &[u8], count: usize, covered: Range<u64>, which: Which) -> Result<Segment> {
        let records = bytes
            .as_chunks()
            .0
            .get(..count)
            .ok_or_else(|| Error::corrupt(format!("{count} extents in {} bytes", bytes.len())))?;
        let mut extents = Vec::with_capacity(count);
        let mut end = covered.start;
        for record in records {
            let extent = Extent::decode(*record);
            let blocks = extent.blocks.clone();
            if blocks.is_empty() || blocks.start < end || blocks.end > covered.end {
                return Err(Error::corrupt(format!("an extent of blocks {blocks:?} out of order")));
            }
            if extent.unwritten && which == Which::Attributes {
                return Err(Error::corrupt("an extent of attributes that was never written"));
            }
            self.superblock.offset(extent.fsblock, blocks.end.saturating_sub(blocks.start))?;
            end = blocks.end;
            extents.push(extent);
        }
        Ok(Segment { covered, extents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(blocks: Range<u64>, fsblock: u64, unwritten: bool) -> Extent {
        Extent { blocks, fsblock, unwritten }
    }

    #[test]
    fn a_record_is_four_fields() {
        let bits = (1_u128 << 127) | (0x12_3456_789A_u128 << 73) | (0xF_EDCB_A987_u128 << 21) | 0x1F_FFFF;
        let want = extent(0x12_3456_789A..0x12_3476_7899, 0xF_EDCB_A987, true);
        assert_eq!(Extent::decode(bits.to_be_bytes()), want);
    }

    #[test]
    fn the_first_child_also_has_what_comes_before_it() {
        let (keys, pointers) = ([10, 20, 30].map(u64::to_be_bytes), [100, 200, 300].map(u64::to_be_bytes));
        let node = Node { keys: &keys, pointers: &pointers };
        for (block, covered, child) in
            [(0, 0..20, 100), (10, 0..20, 100), (20, 20..30, 200), (29, 20..30, 200), (99, 30..1000, 300)]
        {
            let mut narrowed = 0..1000;
            assert_eq!(node.child(block, &mut narrowed).unwrap(), child, "{block}");
            assert_eq!(narrowed, covered, "{block}");
        }
    }

    #[test]
    fn runs_that_lie_together_are_one() {
        let extents = vec![
            extent(20..30, 100, false),
            extent(30..40, 110, false),
            extent(40..50, 120, true),
            extent(60..70, 300, false),
        ];
        let segment = Segment { covered: 10..80, extents };
        let run = |block| segment.run(block).map(|run| (run.blocks, run.place));
        assert_eq!(run(9), None);
        assert_eq!(run(12), Some((12..20, Place::Hole)));
        assert_eq!(run(25), Some((25..40, Place::Data(105))));
        assert_eq!(run(41), Some((41..50, Place::Unwritten(121))));
        assert_eq!(run(50), Some((50..60, Place::Hole)));
        assert_eq!(run(69), Some((69..70, Place::Data(309))));
        assert_eq!(run(70), Some((70..80, Place::Hole)));
        assert_eq!(run(80), None);
    }
}
