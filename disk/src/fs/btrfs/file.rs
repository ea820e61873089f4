//! The content of regular files, and of symbolic links, whose targets are stored like it.

use std::ops::Range;

use super::Btrfs;
use super::data::Workspace;
use super::extents::{Extent, Map, Place, Segment};
use super::tree::Root;
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// Most extents that one search for data goes through: a file can have millions.
const MAX_EXTENTS: usize = 1 << 14;

/// What must be known of an inode to read its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    /// The subvolume.
    pub(super) root: Root,
    pub(super) inode: u64,
    /// Size in bytes.
    pub(super) size: u64,
    /// Are there checksums of its data? (The inode lacks the flag NODATASUM.)
    pub(super) checked: bool,
    /// Does its inode say that it has no holes: does it take as many bytes as it has, and was no space ever reserved for
    /// it? That can be wrong, for one, of a clone of a file for which space was reserved.
    pub(super) is_dense: bool,
}

/// An open file.
#[derive(Debug)]
pub(super) struct File<'a> {
    btrfs: &'a Btrfs,
    content: Content,
    segment: Segment,
    /// Memory for reading, from the first need on.
    workspace: Option<Box<Workspace>>,
}

impl<'a> File<'a> {
    /// Opens an inode with content.
    pub(super) fn new(btrfs: &'a Btrfs, content: Content) -> Self {
        File { btrfs, content, segment: Segment::default(), workspace: None }
    }

    /// What the file holds from `offset` on, up to its end at most.
    fn extent(&mut self, offset: u64) -> Result<Extent> {
        let mut found = self.segment.at(offset);
        if found.is_none() {
            let map = Map {
                trees: &self.btrfs.trees,
                root: self.content.root,
                inode: self.content.inode,
                sector_size: self.btrfs.superblock.sector_size,
            };
            self.segment = map.segment(offset)?;
            found = self.segment.at(offset);
        }
        let found = found.ok_or_else(|| Error::corrupt(format!("byte {offset} is in no extent")))?;
        Ok(Extent { end: found.end.min(self.content.size), ..found })
    }

    /// Reads what `place` holds into `buf`.
    fn read_place(&mut self, place: &Place, buf: &mut [u8]) -> Result<()> {
        let (btrfs, checked) = (self.btrfs, self.content.checked);
        let from = match place {
            Place::Hole => &[],
            Place::Inline(bytes) => bytes.as_ref(),
            Place::Plain(address) => {
                let workspace = self.workspace.get_or_insert_with(|| btrfs.data.workspace());
                return btrfs.data.read(&btrfs.trees, *address, checked, workspace, buf);
            }
            Place::Compressed(extent) => {
                let workspace = self.workspace.get_or_insert_with(|| btrfs.data.workspace());
                let bytes = btrfs.data.decompressed(&btrfs.trees, extent, checked, workspace)?;
                bytes.get(crate::bytes::index(extent.offset)..).unwrap_or_default()
            }
        };
        let (data, zeros) = buf.split_at_mut(from.len().min(buf.len()));
        data.copy_from_slice(from.get(..data.len()).unwrap_or_default());
        zeros.fill(0);
        Ok(())
    }
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        if let Some(workspace) = self.workspace.take() {
            self.btrfs.data.give_back(workspace);
        }
    }
}

/// Length of a range that memory can hold, at most `max`.
fn bounded(range: &Range<u64>, max: usize) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(max)
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.content.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let wanted = bounded(&(offset..self.content.size), buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let inode = self.content.inode;
            let extent = self.extent(at)?;
            let count = bounded(&(at..extent.end), rest.len());
            let (part, after) = rest.split_at_mut(count);
            self.read_place(&extent.place, part)
                .context(|| format!("reading {count} bytes at byte {at} of inode {inode}"))?;
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        let mut at = offset;
        let mut data: Option<Range<u64>> = None;
        for nr in 1..=MAX_EXTENTS {
            if at >= self.content.size {
                break;
            }
            let extent = self.extent(at)?;
            match (&mut data, extent.place == Place::Hole) {
                (Some(data), false) => data.end = extent.end,
                (Some(_), true) => break,
                // The kernel believes the inode, if asked for the next hole.
                (None, false) if self.content.is_dense => return Ok(Some(at..self.content.size)),
                (None, false) => data = Some(at..extent.end),
                // So much for a search: what is here may be read, and the next call goes on behind it.
                (None, true) if nr == MAX_EXTENTS => data = Some(at..extent.end),
                (None, true) => {}
            }
            at = extent.end;
        }
        Ok(data)
    }
}
