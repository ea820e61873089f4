//! The content of regular files.

use std::ops::Range;

use super::Xfs;
use super::blocks::Which;
use super::extents::{MAX_BLOCK, Place, Segment};
use super::inode::Inode;
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// Most runs of blocks that one search for data goes through: a hostile tree of extents can have any number of them,
/// made of a few blocks. An ordinary file has tens, one badly fragmented thousands.
const MAX_RUNS: usize = 1 << 14;

/// An open regular file.
#[derive(Debug)]
pub(super) struct File<'a> {
    xfs: &'a Xfs,
    inode: Inode,
    /// What was last decoded of the extents.
    segment: Segment,
}

impl<'a> File<'a> {
    /// Opens `inode`, which is known to be a regular file.
    pub(super) fn new(xfs: &'a Xfs, inode: Inode) -> Result<Self> {
        inode.refuse_realtime()?;
        Ok(File { xfs, inode, segment: Segment::default() })
    }

    /// The run of bytes (as a range of the file) from `offset` on, and where its data lies in the source.
    fn run(&mut self, offset: u64) -> Result<(Range<u64>, Option<u64>)> {
        let sb = &self.xfs.superblock;
        let block = offset.wrapping_shr(sb.block_log.into());
        let within = offset.saturating_sub(block.wrapping_shl(sb.block_log.into()));
        // A size may reach beyond the last block that an extent can have: nothing is there.
        if block >= MAX_BLOCK {
            return Ok((offset..self.inode.size, None));
        }
        let run = self.xfs.run(&self.inode, Which::Data, block, &mut self.segment)?;
        let end = run.blocks.end.saturating_mul(sb.block_size.into());
        let place = match run.place {
            Place::Data(fsblock) => Some(sb.offset(fsblock, 1)?.saturating_add(within)),
            Place::Hole | Place::Unwritten(_) => None,
        };
        Ok((offset..end.min(self.inode.size), place))
    }
}

/// Length of a range that memory can hold, at most `max`.
fn bounded(range: &Range<u64>, max: usize) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(max)
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.inode.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let wanted = bounded(&(offset..self.inode.size), buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (range, place) = self.run(at)?;
            let count = bounded(&range, rest.len());
            if count == 0 {
                return Err(Error::corrupt(format!("no byte at {at} of inode {}", self.inode.number)));
            }
            let (part, after) = rest.split_at_mut(count);
            match place {
                Some(place) => self.xfs.blocks.source().read_at(place, part).context(|| {
                    format!("reading {count} bytes at byte {at} of inode {}", self.inode.number)
                })?,
                None => part.fill(0),
            }
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        let mut at = offset;
        let mut data: Option<Range<u64>> = None;
        for nr in 1..=MAX_RUNS {
            if at >= self.inode.size {
                break;
            }
            let (range, place) = self.run(at)?;
            at = range.end;
            match (&mut data, place) {
                (Some(data), Some(_)) => data.end = range.end,
                (Some(_), None) => break,
                (None, Some(_)) => data = Some(range),
                // So much for a search: what is here may be read, and the next call goes on behind it.
                (None, None) if nr == MAX_RUNS => data = Some(range),
                (None, None) => {}
            }
        }
        Ok(data)
    }
}
