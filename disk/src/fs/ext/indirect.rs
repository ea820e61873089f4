//! Block maps of ext2 and ext3: block numbers in the inode, and in up to three levels of indirect blocks.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Direct/Indirect Block Addressing".

use std::ops::Range;

use super::Ext;
use super::blocks::Check;
use super::inode::Inode;
use super::map::{Place, Segment};
use crate::bytes::Fields;
use crate::{Error, Result};

/// Numbers of data blocks in the inode; those of indirect blocks follow.
const DIRECT: u64 = 12;
/// Levels of indirect blocks.
const LEVELS: u32 = 3;
/// Size of a block number in bytes.
const NUMBER: usize = 4;

impl Ext {
    /// What the block of block numbers for `block` says.
    pub(super) fn indirect_segment(&self, inode: &Inode, block: u64) -> Result<Segment> {
        let numbers = inode.block()?;
        if block < DIRECT {
            let len = crate::bytes::index(12).saturating_mul(NUMBER);
            return self.numbers_segment(numbers.slice(0, len)?, 0, DIRECT);
        }
        let per_block = u64::from(self.superblock.block_size) / 4;
        let mut start = DIRECT;
        for level in 0..LEVELS {
            // How many data blocks the indirect block of this level reaches.
            let reach = per_block.saturating_pow(level.saturating_add(1));
            let end = start.saturating_add(reach);
            if block < end {
                let at = crate::bytes::index(level).saturating_add(12).saturating_mul(NUMBER);
                return self.below(numbers.le32(at)?, start..end, block);
            }
            start = end;
        }
        Err(Error::corrupt(format!("block {block} is beyond what indirect blocks reach")))
    }

    /// Goes down from the indirect block `pointer`, which maps `range`, to the one that has the number of `block`.
    fn below(&self, mut pointer: u32, mut range: Range<u64>, block: u64) -> Result<Segment> {
        let per_block = u64::from(self.superblock.block_size) / 4;
        loop {
            if pointer == 0 {
                return Ok(Segment::hole(range));
            }
            self.check_blocks(pointer.into(), 1)?;
            let numbers = self.blocks.get(pointer.into(), Check::None)?;
            // How many data blocks each number of this block stands for.
            let each = range.end.saturating_sub(range.start).checked_div(per_block).unwrap_or_default();
            if each <= 1 {
                return self.numbers_segment(&numbers, range.start, range.end);
            }
            let nr = block.saturating_sub(range.start).checked_div(each).unwrap_or_default();
            let start = range.start.saturating_add(nr.saturating_mul(each));
            range = start..start.saturating_add(each);
            pointer = numbers.le32(usize::try_from(nr).unwrap_or(usize::MAX).saturating_mul(NUMBER))?;
        }
    }

    /// Block numbers, one for each block from `start` up to `end`.
    fn numbers_segment(&self, numbers: &[u8], start: u64, end: u64) -> Result<Segment> {
        let mut segment = Segment::new(start);
        let (numbers, _) = numbers.as_chunks::<NUMBER>();
        for (block, number) in (start..end).zip(numbers) {
            let at = u64::from(u32::from_le_bytes(*number));
            if at != 0 {
                self.check_blocks(at, 1)?;
            }
            segment.push(block.saturating_add(1), if at == 0 { Place::Hole } else { Place::Data(at) });
        }
        Ok(segment)
    }
}
