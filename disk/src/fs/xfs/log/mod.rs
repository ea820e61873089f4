//! The log: was the filesystem unmounted, or is there something in it that has not been written in its place?
//!
//! ```text
//! … older record | newest record | blocks of the cycle before …        each block starts with the number of its cycle
//!                header (magic number, cycle …), then operations: a last one says "unmounted"
//! ```
//!
//! Source: "XFS Algorithms & Data Structures", section "Journaling Log".

use std::sync::Arc;

use super::superblock::Superblock;
use crate::bytes::Fields;
use crate::{Context, Error, ReadAt, Result};

/// Size of a block of the log in bytes.
const BLOCK: usize = 512;
/// [`BLOCK`] as a shift.
const BLOCK_LOG: u32 = 9;
/// What the header of a record starts with. Its cycle comes next; all other blocks start with their cycle.
const MAGIC: u32 = 0xFEED_BABE;
/// How far before the end of the newest record its header can lie, in blocks: 256 KiB of operations, and headers.
const MAX_RECORD: u64 = 512 + 8;
/// Where the number of operations of a record lies in its header.
const OPERATIONS: usize = 40;
/// Where the size of the buffer lies from which records of this log were written.
const SIZE: usize = 320;
/// How many bytes of operations a block of headers is for.
const HEADER_COVERS: u64 = 32 << 10;
/// The most blocks of headers.
const MAX_HEADERS: u64 = 8;
/// Where the flags of an operation lie in its header.
const FLAGS: usize = 9;
/// Flag of the operation that says "unmounted".
const UNMOUNT: u8 = 0x20;

/// What a replay of the log makes of `source`; `None` if it has nothing that is not in its place.
pub(super) fn recover(source: &Arc<dyn ReadAt>, superblock: &Superblock) -> Result<Option<Arc<dyn ReadAt>>> {
    let log = Log::new(source, superblock)?;
    if log.is_clean().context(|| "in the XFS log".to_owned())? {
        return Ok(None);
    }
    Err(Error::unsupported("an XFS filesystem that was not unmounted"))
}

/// The blocks of the log.
struct Log<'a> {
    source: &'a dyn ReadAt,
    start: u64,
    blocks: u64,
}

impl<'a> Log<'a> {
    fn new(source: &'a dyn ReadAt, sb: &Superblock) -> Result<Self> {
        let start = sb.offset(sb.log_start, sb.log_blocks.into())?;
        let len = u64::from(sb.log_blocks).wrapping_shl(sb.block_log.into());
        let blocks = len.wrapping_shr(BLOCK_LOG);
        if blocks == 0 {
            return Err(Error::corrupt("an XFS log without a block"));
        }
        Ok(Log { source, start, blocks })
    }

    /// Block `nr` of the log, which is a ring.
    fn block(&self, nr: u64) -> Result<[u8; BLOCK]> {
        let nr = nr.checked_rem(self.blocks).unwrap_or_default();
        let mut block = [0; BLOCK];
        self.source.read_at(self.start.saturating_add(nr.wrapping_shl(BLOCK_LOG)), &mut block)?;
        Ok(block)
    }

    fn cycle(&self, nr: u64) -> Result<u32> {
        let block = self.block(nr)?;
        let first = block.be32(0)?;
        if first == MAGIC { block.be32(4) } else { Ok(first) }
    }

    /// The block after the newest record, by its cycle: blocks before it have the newest, those from it on an older one.
    fn head(&self) -> Result<u64> {
        let newest = self.cycle(0)?;
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = low.midpoint(high);
            if self.cycle(middle)? == newest { low = middle.saturating_add(1) } else { high = middle }
        }
        Ok(low)
    }

    /// Does the newest record say "unmounted", or has the log never been written to?
    fn is_clean(&self) -> Result<bool> {
        let head = self.head()?.saturating_add(self.blocks);
        for back in 1..=MAX_RECORD.min(self.blocks) {
            let nr = head.saturating_sub(back);
            let header = self.block(nr)?;
            if header.be32(0)? != MAGIC {
                continue;
            }
            // Each header block has the cycles of 32 KiB of operations.
            let headers = u64::from(header.be32(SIZE)?).div_ceil(HEADER_COVERS).clamp(1, MAX_HEADERS);
            let operation = self.block(nr.saturating_add(headers))?;
            return Ok(header.be32(OPERATIONS)? == 1 && operation.u8(FLAGS)? & UNMOUNT != 0);
        }
        Err(Error::corrupt("no record before its end"))
    }
}
