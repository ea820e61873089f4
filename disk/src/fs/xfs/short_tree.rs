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
}

/// Of sharing: first block, blocks, how often they are used.
pub(super) const SHARING: Kind = Kind { magic: [*b"R3FC"; 2], record: 12, key: 4 };

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
        self.leaves(tree, each).context(|| format!("in a B-tree of XFS allocation group {}", tree.ag))
    }

    fn leaves(&self, tree: &Tree, each: &mut dyn FnMut(&[u8]) -> Result<ControlFlow<()>>) -> Result<()> {
        let header = if self.superblock.v5 { HEADER_V5 } else { HEADER };
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
            let count = usize::from(bytes.be16(6)?);
            let records = bytes.slice(header, count.saturating_mul(tree.kind.record))?;
            for record in records.chunks_exact(tree.kind.record) {
                if each(record)?.is_break() {
                    return Ok(());
                }
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
