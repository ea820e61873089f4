//! What the kernel does after it has replayed the log: it finishes intents, frees inodes that have no name any more,
//! and frees blocks that were set aside for changes of shared ones. None of it changes what is read, but how much is
//! free does change.
//!
//! What is freed is counted, not done. That is exact as long as no B-tree of a group gets or gives up a block meanwhile,
//! which takes or frees space, too: where one might, the count is refused. A tree of one block stays so as long as its
//! records fit; of larger ones every leaf must be far enough from full, and from half empty.
//!
//! ```text
//! unlinked inodes: group header ─► inode ─► inode ─► …    each with its blocks, or its part of shared ones
//! ```

use std::ops::{ControlFlow, Range};

use super::Xfs;
use super::ag::Trees;
use super::blocks::Which;
use super::extents::{Place, Segment};
use super::features::ro_compat;
use super::inode::Inode;
use super::log::Intents;
use super::short_tree::Tree;
use crate::bytes::Fields;
use crate::fs::InodeId;
use crate::{Context, Error, Result};

/// A record of sharing is of blocks that were set aside, not of shared ones.
const SET_ASIDE: u32 = 1 << 31;
/// The most inodes without a name, and the most pieces of files and of sharing that are looked at.
const MAX_INODES: usize = 1 << 20;
/// See [`MAX_INODES`].
const MAX_PIECES: usize = 1 << 20;
/// Inodes in a chunk.
const CHUNK: u32 = 64;
/// All inodes of a chunk are free.
const ALL_FREE: u64 = u64::MAX;
/// Bits of the map of holes in a chunk: each is of so many inodes.
const INODES_PER_HOLE: u32 = 4;

/// What there is more of after all is finished.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) blocks: u64,
    /// Free inodes.
    pub(super) inodes: u64,
    /// Inodes of chunks that are given up: fewer inodes, and fewer free ones.
    pub(super) gone: u64,
}

/// What is about to be freed.
#[derive(Debug, Default)]
struct Work {
    freed: Freed,
    /// Pieces that are freed, at most: each may become a record of the trees of free space.
    pieces: u64,
    /// Inodes, as group and number in it.
    inodes: Vec<(u32, u32)>,
    /// Shared pieces of unlinked files that lose a user: group, and blocks in it.
    unshared: Vec<(u32, Range<u32>)>,
}

impl Xfs {
    /// What the kernel frees after the replay.
    pub(super) fn freed(&self, intents: &Intents) -> Result<Freed> {
        let mut work = Work::default();
        for extent in intents.to_free()? {
            work.freed.blocks = work.freed.blocks.saturating_add(extent);
            work.pieces = work.pieces.saturating_add(1);
        }
        for ag in 0..self.superblock.ag_count {
            self.find_unlinked(ag, &mut work)?;
        }
        let mut asides = Vec::new();
        let inodes = std::mem::take(&mut work.inodes);
        for (ag, number) in &inodes {
            self.free_file(*ag, *number, &mut work)
                .context(|| format!("in the unlinked XFS inode {ag}/{number}"))?;
        }
        work.inodes = inodes;
        if self.superblock.has_ro_compat(ro_compat::REFLINK) {
            for ag in 0..self.superblock.ag_count {
                asides.push(self.set_aside(ag)?);
            }
        }
        for (blocks, pieces) in &asides {
            work.freed.blocks = work.freed.blocks.saturating_add(*blocks);
            work.pieces = work.pieces.saturating_add(*pieces);
        }
        self.free_inodes(&mut work)?;
        if work.pieces == 0 && work.inodes.is_empty() && work.unshared.is_empty() && intents.is_empty() {
            return Ok(Freed::default());
        }
        self.need_same_trees(&work, &asides)?;
        Ok(work.freed)
    }

    /// Notes the inodes of group `ag` that have no name.
    fn find_unlinked(&self, ag: u32, work: &mut Work) -> Result<()> {
        for head in self.ag_unlinked(ag)? {
            let mut next = Some(head);
            while let Some(number) = next {
                if work.inodes.len() >= MAX_INODES {
                    return Err(Error::unsupported(format!("{MAX_INODES} inodes without a name")));
                }
                work.inodes.push((ag, number));
                let raw = self.raw_inode(self.inode_number(ag, number))?;
                next = Some(raw.be32(96)?).filter(|next| *next != u32::MAX);
            }
        }
        Ok(())
    }

    fn inode_number(&self, ag: u32, number: u32) -> u64 {
        let sb = &self.superblock;
        let shift = u32::from(sb.ag_block_log).saturating_add(sb.inodes_per_block_log.into());
        u64::from(ag).wrapping_shl(shift) | u64::from(number)
    }

    /// Counts the blocks of an unlinked file.
    fn free_file(&self, ag: u32, number: u32, work: &mut Work) -> Result<()> {
        let number = self.inode_number(ag, number);
        let inode = self.inode(InodeId::new(number))?;
        if inode.links() != 0 {
            return Err(Error::unsupported("an inode that is and is not linked"));
        }
        inode.refuse_realtime()?;
        let mut mapped = 0_u64;
        for which in [Which::Data, Which::Attributes] {
            mapped = mapped.saturating_add(self.mapped(&inode, which, work)?);
        }
        // The rest are blocks of the trees of extents.
        let of_trees = inode.blocks().checked_sub(mapped);
        let of_trees =
            of_trees.ok_or_else(|| Error::corrupt(format!("{mapped} blocks of {}", inode.blocks())))?;
        work.pieces = work.pieces.saturating_add(of_trees);
        work.freed.blocks = work.freed.blocks.saturating_add(of_trees);
        Ok(())
    }

    /// Counts the blocks of a fork, of which those that are shared are not freed; gives how many it maps.
    fn mapped(&self, inode: &Inode, which: Which, work: &mut Work) -> Result<u64> {
        use super::inode::Format;
        let Some(fork) = inode.fork(which)? else { return Ok(0) };
        if !matches!(fork.format, Format::Extents | Format::Btree) {
            return Ok(0);
        }
        work.pieces = work.pieces.saturating_add(fork.extents);
        let (mut at, mut mapped, mut segment) = (0, 0_u64, Segment::default());
        for _ in 0..MAX_PIECES {
            if at >= super::extents::MAX_BLOCK {
                return Ok(mapped);
            }
            let run = self.run(inode, which, at, &mut segment)?;
            at = run.blocks.end.max(at.saturating_add(1));
            let (Place::Data(start) | Place::Unwritten(start)) = run.place else { continue };
            let len = run.blocks.end.saturating_sub(run.blocks.start);
            mapped = mapped.saturating_add(len);
            let shared =
                if inode.shares() && which == Which::Data { self.unshare(start, len, work)? } else { 0 };
            work.freed.blocks = work.freed.blocks.saturating_add(len.saturating_sub(shared));
        }
        Err(Error::unsupported(format!("a deleted file of {MAX_PIECES} pieces")))
    }

    /// How many of `len` blocks from fsblock `start` on others use, too.
    fn unshare(&self, start: u64, len: u64, work: &mut Work) -> Result<u64> {
        let sb = &self.superblock;
        sb.offset(start, len)?;
        let ag = u32::try_from(start.wrapping_shr(sb.ag_block_log.into())).unwrap_or(u32::MAX);
        let first = start & 1_u64.wrapping_shl(sb.ag_block_log.into()).wrapping_sub(1);
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        let wanted = first..first.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        let mut shared = 0_u64;
        self.records(&self.ag_trees(ag)?.sharing, &mut |record| {
            let start = record.be32(0)?;
            if start >= wanted.end {
                return Ok(ControlFlow::Break(()));
            }
            let both = start.max(wanted.start)..start.saturating_add(record.be32(4)?).min(wanted.end);
            if !both.is_empty() {
                shared = shared.saturating_add(both.end.saturating_sub(both.start).into());
                if work.unshared.len() >= MAX_PIECES {
                    return Err(Error::unsupported(format!("deleted files of {MAX_PIECES} shared pieces")));
                }
                work.unshared.push((ag, both));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(shared)
    }

    /// Blocks and pieces that were set aside in group `ag`.
    fn set_aside(&self, ag: u32) -> Result<(u64, u64)> {
        let (mut blocks, mut pieces) = (0_u64, 0_u64);
        self.records(&self.ag_trees(ag)?.sharing, &mut |record| {
            if record.be32(0)? & SET_ASIDE != 0 {
                blocks = blocks.saturating_add(record.be32(4)?.into());
                pieces = pieces.saturating_add(1);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((blocks, pieces))
    }

    /// Counts the inodes, and chunks that have none in use any more.
    fn free_inodes(&self, work: &mut Work) -> Result<()> {
        work.inodes.sort_unstable();
        let mut rest = work.inodes.as_slice();
        while let Some((ag, first)) = rest.first().copied() {
            let trees = self.ag_trees(ag)?;
            let mut chunk = None;
            self.records(&trees.inodes, &mut |record| {
                let start = record.be32(0)?;
                let found = first >= start && first < start.saturating_add(CHUNK);
                if found {
                    chunk = Some((start, record.be16(4)?, record.be64(8)?));
                }
                let passed = found || start > first;
                Ok(if passed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            let (start, holes, free) =
                chunk.ok_or_else(|| Error::corrupt(format!("inode {ag}/{first} without a chunk")))?;
            let here = rest.partition_point(|(a, n)| *a == ag && *n < start.saturating_add(CHUNK));
            let (these, others) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            rest = others;
            let mut after = free;
            for (_, number) in these {
                let bit = 1_u64.wrapping_shl(number.saturating_sub(start));
                if after & bit != 0 {
                    return Err(Error::corrupt(format!(
                        "inode {ag}/{number} twice without a name, or not in use"
                    )));
                }
                after |= bit;
            }
            let count = u64::try_from(these.len()).unwrap_or(u64::MAX);
            work.freed.inodes = work.freed.inodes.saturating_add(count);
            if after == ALL_FREE && u32::from(self.superblock.inodes_per_block_log) <= CHUNK.ilog2() {
                let holes = if trees.sparse { u32::from(holes).count_ones() } else { 0 };
                let there = CHUNK.saturating_sub(holes.saturating_mul(INODES_PER_HOLE));
                let blocks = there.wrapping_shr(self.superblock.inodes_per_block_log.into());
                work.freed.gone = work.freed.gone.saturating_add(there.into());
                work.freed.blocks = work.freed.blocks.saturating_add(blocks.into());
                // Holes can divide a chunk.
                work.pieces = work.pieces.saturating_add(if holes == 0 { 1 } else { 8 });
            }
        }
        Ok(())
    }

    /// Refuses where a tree may change its number of blocks.
    fn need_same_trees(&self, work: &Work, asides: &[(u64, u64)]) -> Result<()> {
        let mut unshared = work.unshared.iter().collect::<Vec<_>>();
        unshared.sort_unstable_by_key(|(ag, blocks)| (*ag, blocks.start));
        let twice = |pair: &[&(u32, Range<u32>)]| match pair {
            [(a, first), (b, second)] => a == b && second.start < first.end,
            _ => false,
        };
        if unshared.windows(2).any(twice) {
            return Err(Error::unsupported("dirty log: deleted files that share blocks with each other"));
        }
        let inodes = u64::try_from(work.inodes.len()).unwrap_or(u64::MAX);
        let unshared = u64::try_from(work.unshared.len()).unwrap_or(u64::MAX);
        for ag in 0..self.superblock.ag_count {
            let trees: Trees = self.ag_trees(ag)?;
            // Blocks kept for the trees of free space may be given back, each alone; those of the tree of owners get
            // there when it shrinks.
            let kept = u64::from(trees.kept);
            let owners = if self.superblock.has_ro_compat(ro_compat::REVERSE_MAP) { work.pieces } else { 0 };
            let more = work.pieces.saturating_add(kept).saturating_add(owners);
            let fewer = more.saturating_mul(2);
            self.need_same_tree(&trees.by_place, more, fewer)?;
            self.need_same_tree(&trees.by_size, more, fewer)?;
            self.need_same_tree(&trees.inodes, 0, inodes)?;
            if let Some(free_inodes) = &trees.free_inodes {
                self.need_same_tree(free_inodes, inodes, inodes)?;
            }
            if let Some((_, pieces)) = usize::try_from(ag).ok().and_then(|ag| asides.get(ag)) {
                let more = unshared.saturating_mul(2);
                self.need_same_tree(&trees.sharing, more, unshared.saturating_add(*pieces))?;
            }
        }
        Ok(())
    }

    /// Refuses a tree that may get or give up a block by `more` or `fewer` records.
    fn need_same_tree(&self, tree: &Tree, more: u64, fewer: u64) -> Result<()> {
        if more == 0 && fewer == 0 {
            return Ok(());
        }
        let most = u64::try_from(self.most_records(tree)).unwrap_or(u64::MAX);
        let least = if tree.levels > 1 { most / 2 } else { 0 };
        let mut same = true;
        self.each_leaf(tree, &mut |count| {
            let count = u64::from(count);
            same &= count.saturating_add(more) <= most
                && count >= least.saturating_add(if least > 0 { fewer } else { 0 });
        })?;
        if same {
            return Ok(());
        }
        Err(Error::unsupported("dirty log: what is free after it is finished depends on how B-trees change"))
    }
}
