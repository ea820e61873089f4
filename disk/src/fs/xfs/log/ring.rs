//! The log as a ring of basic blocks of 512 bytes.
//!
//! Every block starts with the number of the cycle in which it was written, the first block of a record with a magic
//! number and then the cycle; so the newest block can be found without any other structure.

use std::sync::Arc;

use crate::bytes::{Fields, index};
use crate::fs::xfs::superblock::Superblock;
use crate::{Context, Error, ReadAt, Result};

/// Size of a basic block in bytes, the unit of the log.
pub(super) const BLOCK: usize = 512;
/// What the first block of a record starts with.
pub(super) const RECORD_MAGIC: u32 = 0xFEED_BABE;
/// `sb_versionnum`: the log has records of version 2.
const LOG_V2: u16 = 0x0400;

/// The log of a filesystem.
#[derive(Debug)]
pub(super) struct Ring {
    source: Arc<dyn ReadAt>,
    /// Where it starts, in bytes.
    start: u64,
    /// How many blocks it has.
    pub(super) blocks: u32,
    /// May it have records of version 2?
    pub(super) v2: bool,
}

impl Ring {
    pub(super) fn new(source: &Arc<dyn ReadAt>, superblock: &Superblock) -> Result<Self> {
        let start = superblock.offset(superblock.log_start, superblock.log_blocks.into())?;
        let per_block = superblock.block_size >> 9;
        let blocks = superblock
            .log_blocks
            .checked_mul(per_block)
            .filter(|blocks| *blocks > 1 && *blocks <= u32::MAX >> 1)
            .ok_or_else(|| Error::corrupt(format!("an XFS log of {} blocks", superblock.log_blocks)))?;
        Ok(Ring { source: Arc::clone(source), start, blocks, v2: superblock.version_bits & LOG_V2 != 0 })
    }

    /// A ring of the whole of `source`.
    #[cfg(test)]
    pub(super) fn of(source: Arc<dyn ReadAt>) -> Self {
        let blocks = u32::try_from(source.len() / 512).unwrap();
        Ring { source, start: 0, blocks, v2: true }
    }

    /// Where the block `by` blocks after `block` is. Neither is more than the size of the ring.
    pub(super) fn after(&self, block: u32, by: u32) -> u32 {
        let block = block.saturating_add(by);
        block.checked_sub(self.blocks).unwrap_or(block)
    }

    /// Reads blocks from `block` on until `buf`, a whole number of blocks and not more than the ring, is full. After
    /// the last block comes the first.
    pub(super) fn read(&self, block: u32, buf: &mut [u8]) -> Result<()> {
        let before_end = index(self.blocks.saturating_sub(block)).saturating_mul(BLOCK);
        let (first, rest) = buf.split_at_mut(before_end.min(buf.len()));
        self.read_part(block, first)?;
        self.read_part(0, rest)
    }

    fn read_part(&self, block: u32, buf: &mut [u8]) -> Result<()> {
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let within = u64::from(block) << 9;
        if within.saturating_add(len) > u64::from(self.blocks) << 9 {
            return Err(Error::corrupt(format!("{len} bytes at block {block} lie outside the XFS log")));
        }
        self.source
            .read_at(self.start.saturating_add(within), buf)
            .context(|| format!("reading the XFS log at block {block}"))
    }

    /// The block `block`.
    pub(super) fn block(&self, block: u32) -> Result<[u8; BLOCK]> {
        let mut buf = [0; BLOCK];
        self.read_part(block, &mut buf)?;
        Ok(buf)
    }

    /// The cycle in which block `block` was written.
    pub(super) fn cycle(&self, block: u32) -> Result<u32> {
        cycle_of(&self.block(block)?)
    }

    /// The first block of `count` from `start` on for which `is` holds. They must not pass the end of the ring.
    pub(super) fn find(
        &self,
        start: u32,
        count: u32,
        mut is: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<Option<u32>> {
        const AT_ONCE: u32 = 256;
        let mut buf = vec![0; index(AT_ONCE).saturating_mul(BLOCK)];
        let end = start.saturating_add(count);
        let mut at = start;
        while at < end {
            let blocks = AT_ONCE.min(end.saturating_sub(at));
            let piece = buf.get_mut(..index(blocks).saturating_mul(BLOCK)).unwrap_or_default();
            self.read_part(at, piece)?;
            for (nr, block) in (at..end).zip(piece.chunks_exact(BLOCK)) {
                if is(block)? {
                    return Ok(Some(nr));
                }
            }
            at = at.saturating_add(blocks);
        }
        Ok(None)
    }

    /// The last block from `start` up to (without) `end` for which `is` holds.
    pub(super) fn find_back(
        &self,
        start: u32,
        end: u32,
        mut is: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<Option<u32>> {
        const AT_ONCE: u32 = 64;
        let mut buf = vec![0; index(AT_ONCE).saturating_mul(BLOCK)];
        let mut end = end;
        while end > start {
            let from = end.saturating_sub(AT_ONCE).max(start);
            let piece =
                buf.get_mut(..index(end.saturating_sub(from)).saturating_mul(BLOCK)).unwrap_or_default();
            self.read_part(from, piece)?;
            for (nr, block) in (from..end).rev().zip(piece.rchunks_exact(BLOCK)) {
                if is(block)? {
                    return Ok(Some(nr));
                }
            }
            end = from;
        }
        Ok(None)
    }
}

/// Is it the first block of a record?
pub(super) fn starts_record(block: &[u8]) -> Result<bool> {
    Ok(block.be32(0)? == RECORD_MAGIC)
}

/// The cycle in which a block was written.
pub(super) fn cycle_of(block: &[u8]) -> Result<u32> {
    let first = block.be32(0)?;
    if first == RECORD_MAGIC { block.be32(4) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemSource;

    fn ring() -> Ring {
        let bytes: Vec<u8> = (0..300_u32)
            .flat_map(|nr| {
                let mut block = [0; BLOCK];
                block[..4].copy_from_slice(&nr.to_be_bytes());
                block
            })
            .collect();
        Ring::of(Arc::new(MemSource::new(bytes)))
    }

    #[test]
    fn reads_go_on_at_the_start() {
        let ring = ring();
        let mut buf = vec![0; 3 * BLOCK];
        ring.read(298, &mut buf).unwrap();
        let nrs: Vec<_> = buf.chunks(BLOCK).map(|block| block.be32(0).unwrap()).collect();
        assert_eq!(nrs, [298, 299, 0]);
        assert_eq!((ring.after(298, 1), ring.after(298, 2), ring.after(298, 5)), (299, 0, 3));
        assert!(ring.block(300).is_err());
    }

    #[test]
    fn blocks_are_found_in_both_directions() {
        let ring = ring();
        let divides = |n: u32| move |block: &[u8]| Ok(block.be32(0)?.is_multiple_of(n));
        assert_eq!(ring.find(1, 299, divides(290)).unwrap(), Some(290));
        assert_eq!(ring.find(1, 289, divides(290)).unwrap(), None);
        assert_eq!(ring.find_back(1, 300, divides(7)).unwrap(), Some(294));
        assert_eq!(ring.find_back(1, 294, divides(7)).unwrap(), Some(287));
        assert_eq!(ring.find_back(1, 150, divides(150)).unwrap(), None);
        assert_eq!(ring.find_back(0, 150, divides(150)).unwrap(), Some(0));
    }
}
