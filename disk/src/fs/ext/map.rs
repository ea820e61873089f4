//! Where the blocks of a file lie: runs of blocks, decoded a tree leaf at a time.
//!
//! Both ways of mapping, extent trees and indirect blocks, are decoded into a [`Segment`]: what one leaf of the tree
//! says. A [`Map`] keeps the last segment, so that reading through a file decodes each leaf once, in memory bounded by
//! the largest block (64 KiB, 16,384 runs).

use std::ops::Range;

use super::Ext;
use super::inode::{Inode, flags};
use crate::{Error, Result};

/// File blocks are numbered with 32 bits; this is the end of what a map can say anything about.
pub(super) const MAX_BLOCKS: u64 = 1 << 32;

/// What a run of blocks of a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing: zeros.
    Hole,
    /// Space that was reserved but never written: zeros.
    Unwritten,
    /// Data from this block of the filesystem on.
    Data(u64),
}

/// Blocks of a file that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Which blocks of the file.
    pub(super) blocks: Range<u64>,
    /// Where they lie.
    pub(super) place: Place,
}

/// Runs without gaps: every block from the first one's start to the last one's end is in one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    range: Range<u64>,
    runs: Vec<Run>,
}

impl Segment {
    /// A segment from `start` on that says nothing yet.
    pub(super) fn new(start: u64) -> Self {
        Segment { range: start..start, runs: Vec::new() }
    }

    /// A segment of one hole.
    pub(super) fn hole(range: Range<u64>) -> Self {
        let mut segment = Segment::new(range.start);
        segment.push(range.end, Place::Hole);
        segment
    }

    /// How far the segment reaches.
    pub(super) fn end(&self) -> u64 {
        self.range.end
    }

    /// Says where the blocks from the end of the segment up to `end` lie.
    pub(super) fn push(&mut self, end: u64, place: Place) {
        if end <= self.range.end {
            return;
        }
        let blocks = self.range.end..end;
        self.range.end = end;
        if let Some(last) = self.runs.last_mut() {
            let joins = match (last.place, place) {
                (Place::Data(before), Place::Data(at)) => {
                    before.checked_add(last.blocks.end.saturating_sub(last.blocks.start)) == Some(at)
                }
                (before, at) => before == at,
            };
            if joins {
                last.blocks.end = end;
                return;
            }
        }
        self.runs.push(Run { blocks, place });
    }

    /// The rest of the run from `block` on, if the segment covers it.
    fn run(&self, block: u64) -> Option<Run> {
        if !self.range.contains(&block) {
            return None;
        }
        let run = self.runs.get(self.runs.partition_point(|run| run.blocks.end <= block))?;
        let skipped = block.checked_sub(run.blocks.start)?;
        let place = match run.place {
            Place::Data(at) => Place::Data(at.saturating_add(skipped)),
            place => place,
        };
        Some(Run { blocks: block..run.blocks.end, place })
    }
}

/// The block map of one inode.
#[derive(Debug)]
pub(super) struct Map<'a> {
    ext: &'a Ext,
    inode: &'a Inode,
}

impl<'a> Map<'a> {
    /// The map of `inode`, whose content must not be in the inode itself.
    pub(super) fn new(ext: &'a Ext, inode: &'a Inode) -> Self {
        Map { ext, inode }
    }

    /// The rest of the run from `block` of the file on. `cached` is the segment of an earlier call, or any other.
    pub(super) fn run(&self, block: u64, cached: &mut Segment) -> Result<Run> {
        if let Some(run) = cached.run(block) {
            return Ok(run);
        }
        if block >= MAX_BLOCKS {
            return Err(Error::corrupt(format!("block {block} of inode {}", self.inode.number)));
        }
        *cached = if self.inode.has(flags::EXTENTS) {
            self.ext.extent_segment(self.inode, block)
        } else {
            self.ext.indirect_segment(self.inode, block)
        }
        .map_err(|e| e.context(format!("in the block map of inode {}", self.inode.number)))?;
        cached.run(block).ok_or_else(|| Error::corrupt(format!("block {block} has no place in its map")))
    }
}

impl Ext {
    /// Refuses blocks that do not lie within the filesystem.
    pub(super) fn check_blocks(&self, start: u64, count: u64) -> Result<()> {
        let first = u64::from(self.superblock.first_data_block);
        match start.checked_add(count) {
            Some(end) if start > first && end <= self.superblock.blocks => Ok(()),
            _ => Err(Error::corrupt(format!(
                "{count} blocks from block {start} on lie outside the filesystem"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_lie_together_are_one() {
        let mut segment = Segment::new(10);
        segment.push(20, Place::Data(100));
        segment.push(30, Place::Data(110));
        segment.push(30, Place::Hole);
        segment.push(35, Place::Hole);
        segment.push(40, Place::Hole);
        segment.push(50, Place::Data(120));
        let runs = [(10..30, Place::Data(100)), (30..40, Place::Hole), (40..50, Place::Data(120))];
        assert_eq!(segment.runs, runs.map(|(blocks, place)| Run { blocks, place }));
        assert_eq!(segment.run(25), Some(Run { blocks: 25..30, place: Place::Data(115) }));
        assert_eq!(segment.run(39), Some(Run { blocks: 39..40, place: Place::Hole }));
        assert_eq!(segment.run(9), None);
        assert_eq!(segment.run(50), None);
    }
}
