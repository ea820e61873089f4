//! The B-trees of an allocation group: of free space, inodes, owners, sharing. Their leaves form a chain.
//!
//! ```text
//! node: header │ keys │ pointers ─► … ─► leaf: header │ records ─► next leaf ─► …
//! ```
//!
//! Source: "XFS Algorithms & Data Structures", section "Short Format B+trees".

use std::ops::ControlFlow;

use super::Xfs;
use super::checksum;
use crate::bytes::{Fields, index};
use crate::{Context, Error, Result};

/// Size of the header in version 4, and in version 5.
const HEADER: usize = 16;
/// See [`HEADER`].
const HEADER_V5: usize = 56;
/// Where a header has the group's block of the next one at its level.
const NEXT: usize = 12;
/// No block.
const NONE: u32 = u32::MAX;
/// Where the checksum lies in the header of version 5.
const CRC: usize = 52;
/// The most levels.
const MAX_LEVELS: u32 = 9;
/// Size of a pointer.
const POINTER: usize = 4;

/// A kind of B-tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// What its blocks start with in version 4, and in version 5.
    pub(super) magic: [[u8; 4]; 2],
    /// Sizes in bytes.
    pub(super) record: usize,
    pub(super) key: usize,
    /// Is the second word of a record what it is sorted by?
    pub(super) by_size: bool,
}

/// Of free space, by place and by size: first block, blocks.
pub(super) const BY_PLACE: Kind = Kind { magic: [*b"ABTB", *b"AB3B"], record: 8, key: 8, by_size: false };
/// See [`BY_PLACE`].
pub(super) const BY_SIZE: Kind = Kind { magic: [*b"ABTC", *b"AB3C"], record: 8, key: 8, by_size: true };
/// Of chunks of inodes: first inode, holes (16 bits) and counts, a bit for each inode that is free.
pub(super) const INODES: Kind = Kind { magic: [*b"IABT", *b"IAB3"], record: 16, key: 4, by_size: false };
/// See [`INODES`].
pub(super) const FREE_INODES: Kind = Kind { magic: [*b"FIBT", *b"FIB3"], record: 16, key: 4, by_size: false };
/// Of owners: first block, blocks, owner, where in it. Nodes have the lowest and the highest key of what is below.
pub(super) const OWNERS: Kind = Kind { magic: [*b"RMB3"; 2], record: 24, key: 40, by_size: false };
/// Of sharing: first block, blocks, how often they are used.
pub(super) const SHARING: Kind = Kind { magic: [*b"R3FC"; 2], record: 12, key: 4, by_size: false };

/// Takes a leaf: how many records it has, and these.
type EachLeaf<'a> = &'a mut dyn FnMut(u16, &[u8]) -> Result<ControlFlow<()>>;

/// A B-tree of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree {
    pub(super) kind: Kind,
    pub(super) ag: u32,
    pub(super) root: u32,
    pub(super) levels: u32,
}

impl Xfs {
    /// Calls `each` for every record of `tree`, in order, until it says `Break`.
    pub(super) fn records(
        &self,
        tree: &Tree,
        each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.leaves(tree, &mut |_, records| {
            for record in records.chunks_exact(tree.kind.record) {
                if each(record)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .context(|| format!("in a B-tree of XFS allocation group {}", tree.ag))
    }

    /// Calls `each` with the number of records of every leaf of `tree`, and these.
    pub(super) fn each_leaf(&self, tree: &Tree, each: &mut dyn FnMut(u16, &[u8])) -> Result<()> {
        self.leaves(tree, &mut |count, records| {
            each(count, records);
            Ok(ControlFlow::Continue(()))
        })
        .context(|| format!("in a B-tree of XFS allocation group {}", tree.ag))
    }

    /// How many records a leaf of `tree` holds at most.
    pub(super) fn most_records(&self, tree: &Tree) -> usize {
        let room = index(self.superblock.block_size).saturating_sub(self.short_header());
        room.checked_div(tree.kind.record).unwrap_or_default()
    }

    fn short_header(&self) -> usize {
        if self.superblock.v5 { HEADER_V5 } else { HEADER }
    }

    /// Calls `each` with the number of records and the records of every leaf.
    fn leaves(&self, tree: &Tree, each: EachLeaf<'_>) -> Result<()> {
        let header = self.short_header();
        if tree.levels == 0 || tree.levels > MAX_LEVELS {
            return Err(Error::corrupt(format!("{} levels", tree.levels)));
        }
        let mut block = tree.root;
        for level in (1..tree.levels).rev() {
            let bytes = self.short_block(tree, block, level)?;
            let room = bytes.len().saturating_sub(header);
            let most = room.checked_div(tree.kind.key.saturating_add(POINTER)).unwrap_or_default();
            block = bytes.be32(header.saturating_add(most.saturating_mul(tree.kind.key)))?;
        }
        for _ in 0..self.superblock.ag_len(tree.ag) {
            let bytes = self.short_block(tree, block, 0)?;
            let count = bytes.be16(6)?;
            let records = bytes.slice(header, usize::from(count).saturating_mul(tree.kind.record))?;
            if each(count, records)?.is_break() {
                return Ok(());
            }
            block = bytes.be32(NEXT)?;
            if block == NONE {
                return Ok(());
            }
        }
        Err(Error::corrupt("leaves that follow each other in a ring"))
    }

    fn short_block(&self, tree: &Tree, block: u32, level: u32) -> Result<Vec<u8>> {
        let sb = &self.superblock;
        let fsblock = u64::from(tree.ag).wrapping_shl(sb.ag_block_log.into()) | u64::from(block);
        if block >= sb.ag_len(tree.ag) {
            return Err(Error::corrupt(format!("block {block}, which the group has not")));
        }
        let bytes = self.blocks.read(sb.offset(fsblock, 1)?, index(sb.block_size))?;
        let magic: [u8; 4] = bytes.array(0)?;
        if tree.kind.magic.get(usize::from(sb.v5)) != Some(&magic) || u32::from(bytes.be16(4)?) != level {
            return Err(Error::corrupt(format!(
                "block {block} starts with {magic:02x?}, level {}",
                bytes.be16(4)?
            )));
        }
        if sb.v5 {
            checksum::verify(&bytes, CRC, "B-tree block")?;
        }
        Ok(bytes)
    }
}
