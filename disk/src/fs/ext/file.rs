//! The content of regular files.

use std::ops::Range;

use super::Ext;
use super::inode::Inode;
use super::map::{Map, Place, Segment};
use crate::fs::FileData;
use crate::{Context, Result};

/// Most runs of blocks that one search for data goes through: a hostile block map can have 2^30 of them, made of a few
/// blocks. An ordinary file has tens, one badly fragmented thousands.
const MAX_RUNS: usize = 1 << 14;

/// An open regular file.
#[derive(Debug)]
pub(super) struct File<'a> {
    ext: &'a Ext,
    inode: Inode,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// In blocks; with what was last decoded of their map.
    Blocks(Segment),
    /// In the inode. What lies between its end and the file's size is zeros.
    Inline(Vec<u8>),
}

impl<'a> File<'a> {
    /// Opens `inode`, which is known to be a regular file (or another inode with content) and not encrypted.
    pub(super) fn new(ext: &'a Ext, inode: Inode) -> Result<Self> {
        let content = match ext.inline_data(&inode)? {
            Some(bytes) => Content::Inline(bytes),
            None => Content::Blocks(Segment::new(0)),
        };
        Ok(File { ext, inode, content })
    }

    /// The run of bytes (as a range of the file) from `offset` on, and where its data lies in the source.
    fn run(&mut self, offset: u64) -> Result<(Range<u64>, Option<u64>)> {
        let Content::Blocks(cached) = &mut self.content else { return Ok((offset..self.inode.size, None)) };
        let (block, within) = self.ext.split(offset);
        let run = Map::new(self.ext, &self.inode).run(block, cached)?;
        let end = run.blocks.end.saturating_mul(self.ext.superblock.block_size.into());
        let place = match run.place {
            Place::Data(at) => Some(self.ext.blocks.offset(at)?.saturating_add(within)),
            Place::Hole | Place::Unwritten => None,
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
        if let Content::Inline(bytes) = &self.content {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = bytes.get(start..).unwrap_or_default();
            let (data, zeros) = rest.split_at_mut(bytes.len().min(wanted));
            data.copy_from_slice(bytes.get(..data.len()).unwrap_or_default());
            zeros.fill(0);
            return Ok(wanted);
        }
        let mut at = offset;
        while !rest.is_empty() {
            let (range, place) = self.run(at)?;
            let count = bounded(&range, rest.len());
            let (part, after) = rest.split_at_mut(count);
            match place {
                Some(place) => self.ext.blocks.source().read_at(place, part).context(|| {
                    format!("reading {count} bytes at byte {at} of inode {}", self.inode.number)
                })?,
                None => part.fill(0),
            }
            rest = after;
            at = range.start.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        if let Content::Inline(bytes) = &self.content {
            let end = self.inode.size.min(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            return Ok((offset < end).then_some(offset..end));
        }
        let mut at = offset;
        let mut data: Option<Range<u64>> = None;
        for nr in 1..=MAX_RUNS {
            if at >= self.inode.size {
                break;
            }
            let (range, place) = self.run(at)?;
            match (&mut data, place) {
                (Some(data), Some(_)) => data.end = range.end,
                (Some(_), None) => break,
                (None, Some(_)) => data = Some(range.clone()),
                // So much for a search: what is here may be read, and the next call goes on behind it.
                (None, None) if nr == MAX_RUNS => data = Some(range.clone()),
                (None, None) => {}
            }
            at = range.end;
        }
        Ok(data)
    }
}
