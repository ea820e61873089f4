//! What the kernel does after it has replayed the log: it finishes intents, frees inodes that have no name any more,
//! and frees blocks that were set aside for changes of shared ones. None of it changes what is read, but how much is
//! free does change.
//!
//! What is freed is counted, not done. That is exact as long as no B-tree of a group gets or gives up a block meanwhile,
//! which takes or frees space, too: where one might, the count is refused ([`super::steady`]).
//!
//! ```text
//! unlinked inodes: group header ─► inode ─► inode ─► …    each with its blocks, or its part of shared ones
//! ```

use std::ops::{ControlFlow, Range};

use super::Xfs;
use super::blocks::Which;
use super::extents::{Place, Segment};
use super::features::ro_compat;
use super::inode::Inode;
use super::log::Intents;
use crate::bytes::Fields;
use crate::fs::InodeId;
use crate::{Context, Error, Result};

/// A record of sharing is of blocks that were set aside, not of shared ones.
const SET_ASIDE: u32 = 1 << 31;
/// The most inodes without a name. Each is a deleted file that a program had open.
const MAX_INODES: usize = 1 << 12;
/// The most pieces of deleted files.
const MAX_PIECES: usize = 1 << 14;
/// The most pieces that may be shared: for each, the tree of sharing is gone through.
const MAX_SHARED: usize = 1 << 12;
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

/// Blocks of a group.
pub(super) type Piece = (u32, Range<u32>);

/// What is about to be freed.
#[derive(Debug, Default)]
pub(super) struct Work {
    freed: Freed,
    /// What is freed, each piece by itself.
    pub(super) pieces: Vec<Piece>,
    /// How many further pieces there are at most, somewhere.
    pub(super) loose: u64,
    /// Inodes, as group and number in it.
    pub(super) inodes: Vec<(u32, u32)>,
    /// Shared pieces of unlinked files that lose a user.
    pub(super) unshared: Vec<Piece>,
    /// What was set aside.
    pub(super) aside: Vec<Piece>,
    /// How often sharing was looked for.
    searches: usize,
}

impl Work {
    fn free(&mut self, ag: u32, blocks: Range<u32>) -> Result<()> {
        if self.pieces.len() >= MAX_PIECES {
            return Err(Error::unsupported(format!("dirty log: {MAX_PIECES} pieces to be freed")));
        }
        self.freed.blocks = self.freed.blocks.saturating_add(blocks.end.saturating_sub(blocks.start).into());
        self.pieces.push((ag, blocks));
        Ok(())
    }
}

impl Xfs {
    /// What the kernel frees after the replay.
    pub(super) fn freed(&self, intents: &Intents) -> Result<Freed> {
        let mut work = Work::default();
        for (start, len) in intents.to_free()? {
            let (ag, blocks) = self.piece(start, len)?;
            work.free(ag, blocks)?;
        }
        for ag in 0..self.superblock.ag_count {
            self.find_unlinked(ag, &mut work)?;
        }
        let inodes = std::mem::take(&mut work.inodes);
        for (ag, number) in &inodes {
            self.free_file(*ag, *number, &mut work)
                .context(|| format!("in the unlinked XFS inode {ag}/{number}"))?;
        }
        work.inodes = inodes;
        if self.superblock.has_ro_compat(ro_compat::REFLINK) {
            for ag in 0..self.superblock.ag_count {
                self.set_aside(ag, &mut work)?;
            }
        }
        self.free_inodes(&mut work)?;
        self.need_same_trees(&work)?;
        Ok(work.freed)
    }

    /// Group and blocks in it of `len` blocks from fsblock `start` on.
    fn piece(&self, start: u64, len: u64) -> Result<Piece> {
        let sb = &self.superblock;
        sb.offset(start, len)?;
        let ag = u32::try_from(start.wrapping_shr(sb.ag_block_log.into())).unwrap_or(u32::MAX);
        let first = start & 1_u64.wrapping_shl(sb.ag_block_log.into()).wrapping_sub(1);
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        Ok((ag, first..first.saturating_add(u32::try_from(len).unwrap_or(u32::MAX))))
    }

    /// Notes the inodes of group `ag` that have no name.
    fn find_unlinked(&self, ag: u32, work: &mut Work) -> Result<()> {
        for head in self.ag_unlinked(ag)? {
            let mut next = Some(head);
            while let Some(number) = next {
                if work.inodes.len() >= MAX_INODES {
                    return Err(Error::unsupported(format!("dirty log: {MAX_INODES} inodes without a name")));
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
            return Err(Error::unsupported("dirty log: an inode that is and is not linked"));
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
        work.loose = work.loose.saturating_add(of_trees);
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
            let piece = self.piece(start, len)?;
            if inode.shares() && which == Which::Data {
                self.unshare(&piece, work)?;
            } else {
                work.free(piece.0, piece.1)?;
            }
        }
        Err(Error::unsupported(format!("dirty log: a deleted file of {MAX_PIECES} pieces")))
    }

    /// Frees what others do not use, too.
    fn unshare(&self, piece: &Piece, work: &mut Work) -> Result<()> {
        let (ag, mut wanted) = piece.clone();
        work.searches = work.searches.saturating_add(1);
        if work.searches > MAX_SHARED {
            return Err(Error::unsupported(format!(
                "dirty log: deleted files of {MAX_SHARED} pieces that may be shared"
            )));
        }
        self.records(&self.ag_trees(ag)?.sharing, &mut |record| {
            let start = record.be32(0)?;
            if start >= wanted.end {
                return Ok(ControlFlow::Break(()));
            }
            let both = start.max(wanted.start)..start.saturating_add(record.be32(4)?).min(wanted.end);
            if !both.is_empty() {
                if work.unshared.len() >= MAX_PIECES {
                    return Err(Error::unsupported(format!(
                        "dirty log: deleted files of {MAX_PIECES} shared pieces"
                    )));
                }
                if both.start > wanted.start {
                    work.free(ag, wanted.start..both.start)?;
                }
                wanted.start = both.end;
                work.unshared.push((ag, both));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if wanted.is_empty() { Ok(()) } else { work.free(ag, wanted) }
    }

    /// Frees what was set aside in group `ag`.
    fn set_aside(&self, ag: u32, work: &mut Work) -> Result<()> {
        self.records(&self.ag_trees(ag)?.sharing, &mut |record| {
            let start = record.be32(0)?;
            if start & SET_ASIDE != 0 {
                let start = start & !SET_ASIDE;
                let blocks = start..start.saturating_add(record.be32(4)?);
                work.aside.push((ag, blocks.clone()));
                work.free(ag, blocks)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Counts the inodes, and chunks that have none in use any more.
    fn free_inodes(&self, work: &mut Work) -> Result<()> {
        work.inodes.sort_unstable();
        let inodes = work.inodes.clone();
        let mut rest = inodes.as_slice();
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
                let holes = if trees.sparse { holes } else { 0 };
                self.free_chunk(ag, start, holes, work)?;
            }
        }
        Ok(())
    }

    /// Frees a chunk of inodes, of which each bit of `holes` stands for some that are not there.
    fn free_chunk(&self, ag: u32, start: u32, holes: u16, work: &mut Work) -> Result<()> {
        let per_block_log = u32::from(self.superblock.inodes_per_block_log);
        let mut parts: Vec<Range<u32>> = Vec::new();
        for bit in (0..u16::BITS).filter(|bit| holes.wrapping_shr(*bit) & 1 == 0) {
            work.freed.gone = work.freed.gone.saturating_add(INODES_PER_HOLE.into());
            let first = start.saturating_add(bit.saturating_mul(INODES_PER_HOLE));
            let end = first.saturating_add(INODES_PER_HOLE);
            match parts.last_mut() {
                Some(last) if last.end == first => last.end = end,
                _ => parts.push(first..end),
            }
        }
        for part in parts {
            work.free(ag, part.start.wrapping_shr(per_block_log)..part.end.wrapping_shr(per_block_log))?;
        }
        Ok(())
    }
}
