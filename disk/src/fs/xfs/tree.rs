//! The hash trees of names: directories have one at a high offset of their data, attributes are one.
//!
//! ```text
//! node: (highest hash below, block) … ─► node … ─► leaf: entries by hash ─► next leaf
//! ```
//!
//! Levels count down to the leaves, so a tree that contains itself is noticed.
//!
//! Source: "XFS Algorithms & Data Structures", section "Common XFS Types" and "Directories" / "Node Directories".

use std::sync::Arc;

use super::Xfs;
use super::blocks::{Key, Which};
use super::checksum;
use super::extents::{Place, Segment};
use super::inode::Inode;
use crate::bytes::{Fields, index};
use crate::{Context, Error, Result};

/// What kind of block it is, in version 4 and in version 5.
mod magic {
    pub(super) const NODE: [u16; 2] = [0xFEBE, 0x3EBE];
    pub(super) const DIR_LEAF: [u16; 2] = [0xD2F1, 0x3DF1];
    pub(super) const DIR_LEAF_OF_NODES: [u16; 2] = [0xD2FF, 0x3DFF];
    pub(super) const ATTRIBUTE_LEAF: [u16; 2] = [0xFBEE, 0x3BEE];
}

/// Size of what all blocks start with in version 4, and in version 5.
const INFO: usize = 12;
/// See [`INFO`].
const INFO_V5: usize = 56;
/// Where the checksum lies in version 5.
const CRC_OFFSET: usize = 12;
/// The highest level of a node (`XFS_DA_NODE_MAXDEPTH`).
const MAX_LEVEL: u16 = 5;
/// Size of an entry of a node or of a directory leaf: hash and number.
pub(super) const ENTRY: usize = 8;

/// What a block of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Node,
    Leaf,
}

/// A block of a tree, checked.
#[derive(Debug, Clone)]
pub(super) struct TreeBlock {
    pub(super) bytes: Arc<[u8]>,
    kind: Kind,
    /// Size of what all blocks start with.
    info: usize,
}

impl TreeBlock {
    /// The next block of the same level, 0 if there is none.
    pub(super) fn next(&self) -> Result<u64> {
        Ok(self.bytes.be32(0)?.into())
    }

    /// Is it a leaf?
    pub(super) fn is_leaf(&self) -> bool {
        self.kind == Kind::Leaf
    }

    /// The field at byte `at` after what all blocks start with.
    pub(super) fn field(&self, at: usize) -> Result<u16> {
        self.bytes.be16(self.info.saturating_add(at))
    }

    /// The entries of a node or of a directory leaf. Both have their number first, and entries after a header of 4
    /// bytes in version 4, 8 in version 5.
    pub(super) fn entries(&self) -> Result<&[[u8; ENTRY]]> {
        entries(&self.bytes, self.info)
    }
}

fn entries(bytes: &[u8], info: usize) -> Result<&[[u8; ENTRY]]> {
    let header = if info == INFO { 4 } else { 8 };
    let count = bytes.be16(info)?;
    let rest = bytes.get(info.saturating_add(header)..).unwrap_or_default();
    rest.as_chunks().0.get(..count.into()).ok_or_else(|| Error::corrupt(format!("a block of {count} hashes")))
}

/// The hash of an entry.
pub(super) fn hash_of(entry: &[u8; ENTRY]) -> u32 {
    let [a, b, c, d, ..] = *entry;
    u32::from_be_bytes([a, b, c, d])
}

/// The number of an entry.
pub(super) fn number_of(entry: &[u8; ENTRY]) -> u32 {
    let [.., a, b, c, d] = *entry;
    u32::from_be_bytes([a, b, c, d])
}

/// The hash of a name: seven bits of rotation for each byte.
pub(super) fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0_u32, |hash, byte| hash.rotate_left(7) ^ u32::from(*byte))
}

impl Xfs {
    /// The leaf where entries of `hash` begin, if there are any; or else the one where they would be. `root` is the
    /// first block of the tree. `None` if all hashes are lower.
    pub(super) fn leaf_for(
        &self,
        inode: &Inode,
        which: Which,
        root: u64,
        hash: u32,
        segment: &mut Segment,
    ) -> Result<Option<TreeBlock>> {
        let mut block = self.tree_block(inode, which, root, segment)?;
        let mut above: Option<u16> = None;
        while block.kind == Kind::Node {
            let level = block.field(2)?;
            let right = match above {
                None => (1..=MAX_LEVEL).contains(&level),
                Some(above) => level > 0 && above.checked_sub(1) == Some(level),
            };
            if !right {
                return Err(Error::corrupt(format!("a node of hashes of level {level} below {above:?}")));
            }
            above = Some(level);
            let entries = block.entries()?;
            let Some(entry) = entries.get(entries.partition_point(|entry| hash_of(entry) < hash)) else {
                return Ok(None);
            };
            let child = u64::from(number_of(entry));
            block = self.tree_block(inode, which, child, segment)?;
        }
        if above.is_some_and(|level| level != 1) {
            return Err(Error::corrupt(format!("a leaf of hashes below a node of level {above:?}")));
        }
        Ok(Some(block))
    }

    /// Block `block` of the tree in fork `which`.
    pub(super) fn tree_block(
        &self,
        inode: &Inode,
        which: Which,
        block: u64,
        segment: &mut Segment,
    ) -> Result<TreeBlock> {
        let key = Key::Tree { owner: inode.number, which, block };
        let bytes = self
            .blocks
            .get(key, || {
                let (bytes, offset) = self.named_block(inode, which, block, segment)?;
                self.check_tree(&bytes, which, offset, inode.number)?;
                Ok(bytes)
            })
            .context(|| format!("in block {block} of the names of XFS inode {}", inode.number))?;
        let info = if self.superblock.v5 { INFO_V5 } else { INFO };
        let kind = if magic::NODE.contains(&bytes.be16(8)?) { Kind::Node } else { Kind::Leaf };
        Ok(TreeBlock { bytes, kind, info })
    }

    fn check_tree(&self, bytes: &[u8], which: Which, offset: u64, owner: u64) -> Result<()> {
        let version = usize::from(self.superblock.v5);
        let magic = bytes.be16(8)?;
        let is = |kind: [u16; 2]| kind.get(version) == Some(&magic);
        let is_leaf = match which {
            Which::Data => is(magic::DIR_LEAF) || is(magic::DIR_LEAF_OF_NODES),
            Which::Attributes => is(magic::ATTRIBUTE_LEAF),
        };
        if !is_leaf && !is(magic::NODE) {
            return Err(Error::corrupt(format!("a block of hashes of kind {magic:#06x}")));
        }
        if self.superblock.v5 {
            checksum::verify(bytes, CRC_OFFSET, "block of hashes")?;
            self.check_owner(bytes, [16, 32, 48], offset, owner)?;
        }
        // Leaves of attributes have more than hash and number in their headers: they are looked at by who reads them.
        if which == Which::Data || is(magic::NODE) {
            let info = if self.superblock.v5 { INFO_V5 } else { INFO };
            if !entries(bytes, info)?.is_sorted_by_key(hash_of) {
                return Err(Error::corrupt("hashes out of order"));
            }
        }
        Ok(())
    }

    /// The bytes of `block` of fork `which`, and where it begins in the filesystem (bytes). A block of a directory may
    /// consist of several blocks of the filesystem, not necessarily together.
    pub(super) fn named_block(
        &self,
        inode: &Inode,
        which: Which,
        block: u64,
        segment: &mut Segment,
    ) -> Result<(Vec<u8>, u64)> {
        let sb = &self.superblock;
        let count = match which {
            Which::Data => 1_u64.wrapping_shl(sb.dir_block_log.into()),
            Which::Attributes => 1,
        };
        let block_size = index(sb.block_size);
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(1).saturating_mul(block_size)];
        let mut start = None;
        let (mut at, end) = (block, block.saturating_add(count));
        let mut rest = bytes.as_mut_slice();
        while at < end {
            let run = self.run(inode, which, at, segment)?;
            let Place::Data(fsblock) = run.place else {
                return Err(Error::corrupt(format!("block {at} of XFS inode {} is not there", inode.number)));
            };
            let blocks = run.blocks.end.min(end).saturating_sub(at);
            let offset = sb.offset(fsblock, blocks)?;
            start.get_or_insert(offset);
            let len = usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(block_size);
            let (part, after) = rest.split_at_mut(len.min(rest.len()));
            self.blocks.source().read_at(offset, part)?;
            rest = after;
            at = at.saturating_add(blocks);
        }
        Ok((bytes, start.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that `xfs_db`'s command `hash` prints.
    #[test]
    fn hashes_of_names() {
        for (name, want) in
            [("", 0), (".", 0x2E), ("..", 0x172E), ("name", 0x0DD8_76E5), ("lost+found", 0x021A_A60C)]
        {
            assert_eq!(hash(name.as_bytes()), want, "{name}");
        }
    }
}
