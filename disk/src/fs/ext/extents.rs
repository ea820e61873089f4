//! Extent trees.
//!
//! ```text
//! i_block: header, up to 4 entries ─► block: header, entries, checksum ─► … at most 5 levels ─► leaf: extents
//! ```
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Extent Tree".

use super::Ext;
use super::blocks::Check;
use super::inode::Inode;
use super::map::{MAX_BLOCKS, Place, Segment};
use crate::bytes::Fields;
use crate::{Error, Result};

/// What each node starts with.
const MAGIC: u16 = 0xF30A;
/// Size of a node's header, and of each entry after it, in bytes.
const ENTRY: usize = 12;
/// The deepest tree: enough for 2^32 blocks of 1 KiB.
pub(super) const MAX_DEPTH: u16 = 5;
/// An extent longer than this was never written; its length is what is over.
const MAX_WRITTEN: u16 = 1 << 15;

/// The bytes of a node that its checksum covers, and the checksum.
pub(super) fn checksummed(block: &[u8]) -> Result<(&[u8], u32)> {
    let max = usize::from(block.le16(4)?);
    let end = max.saturating_add(1).saturating_mul(ENTRY);
    Ok((block.slice(0, end)?, block.le32(end)?))
}

/// A node: its depth (0 for a leaf) and its entries.
pub(super) struct Node<'a> {
    pub(super) depth: u16,
    pub(super) entries: &'a [[u8; ENTRY]],
}

impl<'a> Node<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (magic, count, max, depth) = (bytes.le16(0)?, bytes.le16(2)?, bytes.le16(4)?, bytes.le16(6)?);
        if magic != MAGIC {
            return Err(Error::corrupt(format!(
                "an extent node with magic number {magic:#06x}, not {MAGIC:#06x}"
            )));
        }
        if count > max || max == 0 {
            return Err(Error::corrupt(format!("an extent node with {count} of {max} entries")));
        }
        if depth > 0 && count == 0 {
            return Err(Error::corrupt("an extent index node without entries"));
        }
        let (chunks, _) = bytes.slice(ENTRY, bytes.len().saturating_sub(ENTRY))?.as_chunks();
        let entries = chunks
            .get(..count.into())
            .filter(|_| usize::from(max) <= chunks.len())
            .ok_or_else(|| Error::corrupt(format!("an extent node with room for {max} entries")))?;
        Ok(Node { depth, entries })
    }
}

/// An entry of a leaf: first block of the file, number of blocks, and whether they were never written.
pub(super) fn extent(entry: &[u8]) -> Result<(u64, u16, bool)> {
    let stored_len = entry.le16(4)?;
    let (len, unwritten) = match stored_len.checked_sub(MAX_WRITTEN) {
        Some(over @ 1..) => (over, true),
        _ => (stored_len, false),
    };
    Ok((entry.le32(0)?.into(), len, unwritten))
}

/// The block of the node below an entry of an index node.
pub(super) fn child(entry: &[u8]) -> Result<u64> {
    Ok(u64::from(entry.le32(4)?) | (u64::from(entry.le16(8)?) << 32))
}

impl Ext {
    /// What the leaf for `block` says.
    pub(super) fn extent_segment(&self, inode: &Inode, block: u64) -> Result<Segment> {
        let root = Node::parse(inode.block()?)?;
        if root.depth > MAX_DEPTH {
            return Err(Error::corrupt(format!("an extent tree of depth {}", root.depth)));
        }
        let mut range = 0..MAX_BLOCKS;
        let mut depth = root.depth;
        let Some(mut child) = self.descend(&root, block, &mut range)? else {
            return self.leaf(&root, range.start, range.end);
        };
        loop {
            let bytes = self.blocks.get(child, Check::Extents { seed: inode.seed })?;
            let node = Node::parse(&bytes)?;
            depth = depth.saturating_sub(1);
            if node.depth != depth {
                return Err(Error::corrupt(format!(
                    "an extent node of depth {} at depth {depth}",
                    node.depth
                )));
            }
            match self.descend(&node, block, &mut range)? {
                Some(next) => child = next,
                None => return self.leaf(&node, range.start, range.end),
            }
        }
    }

    /// The child of an index node for `block`, or `None` if `node` is a leaf. Narrows `range` to what the child maps.
    fn descend(&self, node: &Node<'_>, block: u64, range: &mut std::ops::Range<u64>) -> Result<Option<u64>> {
        if node.depth == 0 {
            return Ok(None);
        }
        let mut child = None;
        let mut last = None;
        for entry in node.entries {
            let start = u64::from(entry.le32(0)?);
            if last.is_some_and(|last| start <= last) {
                return Err(Error::corrupt("extent index entries out of order"));
            }
            last = Some(start);
            if child.is_some() && start > block {
                range.end = range.end.min(start);
                break;
            }
            // The first child also has what comes before its first entry: a hole.
            if child.is_some() {
                range.start = range.start.max(start);
            }
            child = Some(self::child(entry)?);
        }
        let child = child.ok_or_else(|| Error::corrupt("an extent index node without entries"))?;
        self.check_blocks(child, 1)?;
        Ok(Some(child))
    }

    fn leaf(&self, node: &Node<'_>, start: u64, end: u64) -> Result<Segment> {
        let mut segment = Segment::new(start);
        for entry in node.entries {
            let (first, len, unwritten) = extent(entry)?;
            let at = u64::from(entry.le32(8)?) | (u64::from(entry.le16(6)?) << 32);
            let extent_end = first.saturating_add(len.into());
            if len == 0 || first < segment.end() || extent_end > end {
                return Err(Error::corrupt(format!("an extent of {len} blocks at {first} out of order")));
            }
            self.check_blocks(at, len.into())?;
            segment.push(first, Place::Hole);
            segment.push(extent_end, if unwritten { Place::Unwritten } else { Place::Data(at) });
        }
        segment.push(end, Place::Hole);
        Ok(segment)
    }
}
