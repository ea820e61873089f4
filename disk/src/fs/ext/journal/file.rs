//! Where the blocks of a journal lie: the journal is a file of the filesystem, mapped by extents or indirect blocks.

use std::ops::Range;
use std::sync::Arc;

use crate::bytes::index;
use crate::{Error, ReadAt, Result};

/// Consecutive blocks of a journal that lie in consecutive blocks of the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs::ext) struct Run {
    /// First block of the journal.
    pub logical: u32,
    /// Block of the filesystem where that lies.
    pub physical: u64,
    /// Number of blocks.
    pub count: u32,
}

impl Run {
    fn physical_range(&self) -> Range<u64> {
        self.physical..self.physical.saturating_add(u64::from(self.count))
    }
}

/// A journal inode's blocks, read from the filesystem as it lies on the disk, before any replay.
#[derive(Debug)]
pub(in crate::fs::ext) struct JournalFile {
    source: Arc<dyn ReadAt>,
    block_size: u32,
    blocks: u32,
    /// By logical block.
    runs: Vec<Run>,
    /// The same by physical block.
    physical: Vec<Range<u64>>,
}

impl JournalFile {
    /// A journal of `blocks` blocks of `block_size` bytes (the filesystem's), mapped by `runs`. Blocks that no run
    /// maps are holes, which a journal must not have where the log is.
    pub(in crate::fs::ext) fn new(
        source: Arc<dyn ReadAt>,
        block_size: u32,
        blocks: u32,
        mut runs: Vec<Run>,
    ) -> Self {
        runs.sort_unstable_by_key(|run| run.logical);
        let mut physical: Vec<_> = runs.iter().map(Run::physical_range).collect();
        physical.sort_unstable_by_key(|range| range.start);
        JournalFile { source, block_size, blocks, runs, physical }
    }

    /// The source of the whole filesystem.
    pub(super) fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    /// Block size in bytes.
    pub(super) fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Length in blocks.
    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The block of the filesystem that holds block `n` of the journal.
    pub(super) fn physical(&self, n: u32) -> Result<u64> {
        let after = self.runs.partition_point(|run| run.logical <= n);
        after
            .checked_sub(1)
            .and_then(|i| self.runs.get(i))
            .and_then(|run| {
                let inside = n.checked_sub(run.logical).filter(|inside| *inside < run.count)?;
                run.physical.checked_add(u64::from(inside))
            })
            .ok_or_else(|| Error::corrupt(format!("block {n} of the journal is a hole")))
    }

    /// Is `block` of the filesystem a part of the journal?
    pub(super) fn contains_physical(&self, block: u64) -> bool {
        let after = self.physical.partition_point(|range| range.start <= block);
        after.checked_sub(1).and_then(|i| self.physical.get(i)).is_some_and(|range| range.contains(&block))
    }

    /// Reads block `n` of the journal into `block`, which takes its size.
    pub(super) fn read(&self, n: u32, block: &mut Vec<u8>) -> Result<()> {
        let offset = self
            .physical(n)?
            .checked_mul(u64::from(self.block_size))
            .ok_or_else(|| Error::corrupt(format!("block {n} of the journal lies past any disk")))?;
        block.resize(index(self.block_size), 0);
        self.source.read_at(offset, block)
    }
}
