//! The content of regular files: blocks one behind the other, each compressed by itself, and an end that may lie in a
//! fragment block with those of other files.
//!
//! The list of blocks has the stored length of each block (0: a hole), so that where a block lies is the sum of all
//! lengths before. [`List`] keeps some of it, and the sum at every [`WINDOW`]th block that it came by.

use std::ops::Range;
use std::sync::Arc;

use super::Squashfs;
use super::blocks::Stored;
use super::inode::{Content, FileContent, Inode, Place};
use crate::fs::FileData;
use crate::{Context, Error, ErrorKind, Result};

/// Blocks of the list that are decoded at once: a metadata block's worth.
const WINDOW: u64 = 2048;
/// Most blocks of a file that is read: 2 TiB of the usual size, 64 MB of list.
const MAX_BLOCKS: u64 = 1 << 24;
/// Most blocks that one search for data looks at.
const MAX_SEARCH: u64 = 1 << 16;

/// An open regular file.
#[derive(Debug)]
pub(super) struct File<'a> {
    fs: &'a Squashfs,
    number: u32,
    size: u64,
    content: FileContent,
    list: List,
    /// The fragment block that the end lies in, once it was needed.
    end: Option<Arc<[u8]>>,
    /// A block of which only a part was wanted, and its number.
    part: Option<(u64, Vec<u8>)>,
}

impl<'a> File<'a> {
    pub(super) fn new(fs: &'a Squashfs, inode: &Inode) -> Result<Self> {
        let Content::File(content) = inode.content else {
            let what = format!("inode {} is not a regular file", inode.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        };
        let mut file = File {
            fs,
            number: inode.number,
            size: inode.size,
            content,
            list: List::new(&content),
            end: None,
            part: None,
        };
        if file.blocks() > MAX_BLOCKS {
            return Err(Error::unsupported(format!("a squashfs file of {} blocks", file.blocks())));
        }
        // A file without a block of its own is known whole from here on.
        if file.blocks() == 0 {
            file.fragment()?;
        }
        Ok(file)
    }

    fn block_size(&self) -> u64 {
        self.fs.superblock.block_size.into()
    }

    /// How many blocks the list has.
    fn blocks(&self) -> u64 {
        let size = self.block_size();
        match self.content.fragment {
            Some(_) => self.size.checked_div(size).unwrap_or_default(),
            None => self.size.div_ceil(size),
        }
    }

    /// The part of block `index` that lies within the file, as a range of the file.
    fn range(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.block_size());
        start..start.saturating_add(self.block_size()).min(self.size)
    }

    /// The bytes of the fragment block from the file's end on.
    fn fragment(&mut self) -> Result<&[u8]> {
        let Some((block, offset)) = self.content.fragment else { return Ok(&[]) };
        let bytes = match self.end.take() {
            Some(bytes) => bytes,
            None => self.fs.blocks.fragment(self.fs.fragment_block(block)?)?,
        };
        let bytes = self.end.insert(bytes);
        Ok(bytes.get(crate::bytes::index(offset)..).unwrap_or_default())
    }

    /// Copies the bytes from byte `within` of block `index` on to `to`, which does not reach past the block.
    fn copy(&mut self, index: u64, within: usize, to: &mut [u8]) -> Result<()> {
        let wanted = within.saturating_add(to.len());
        if index >= self.blocks() {
            let number = self.number;
            let bytes = self.fragment().context(|| format!("reading the end of inode {number}"))?;
            to.copy_from_slice(bytes.get(within..wanted).ok_or_else(too_short)?);
            return Ok(());
        }
        if let Some((_, bytes)) = self.part.as_ref().filter(|(have, _)| *have == index) {
            to.copy_from_slice(bytes.get(within..wanted).ok_or_else(too_short)?);
            return Ok(());
        }
        let Some(stored) = self.list.block(self.fs, index, self.blocks())? else {
            to.fill(0);
            return Ok(());
        };
        // Directly to where it is wanted, if all of it is.
        if to.len() == self.fs.blocks.block_size() {
            let count = self.fs.blocks.read(stored, to)?;
            return if count == to.len() { Ok(()) } else { Err(too_short()) };
        }
        let (_, mut bytes) = self.part.take().unwrap_or_default();
        bytes.resize(self.fs.blocks.block_size(), 0);
        let count = self.fs.blocks.read(stored, &mut bytes)?;
        bytes.truncate(count);
        to.copy_from_slice(bytes.get(within..wanted).ok_or_else(too_short)?);
        self.part = Some((index, bytes));
        Ok(())
    }

    /// Is block `index` (or the end, in a fragment block) a hole?
    fn is_hole(&mut self, index: u64) -> Result<bool> {
        let blocks = self.blocks();
        Ok(index < blocks && self.list.block(self.fs, index, blocks)?.is_none())
    }
}

#[cold]
fn too_short() -> Error {
    Error::corrupt("a squashfs block is shorter than its file")
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let index = at.checked_div(self.block_size()).unwrap_or_default();
            let range = self.range(index);
            let count = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_mut(count);
            let within = usize::try_from(at.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let number = self.number;
            self.copy(index, within, part)
                .context(|| format!("reading {count} bytes at byte {at} of inode {number}"))?;
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        if offset >= self.size {
            return Ok(None);
        }
        let first = offset.checked_div(self.block_size()).unwrap_or_default();
        let mut data: Option<Range<u64>> = None;
        for index in first.. {
            let range = self.range(index);
            if range.is_empty() {
                break;
            }
            let start = range.start.max(offset);
            let hole = self.is_hole(index)?;
            let last = index.saturating_sub(first) >= MAX_SEARCH;
            match &mut data {
                Some(_) if hole => break,
                Some(data) => data.end = range.end,
                // So much for a search: what is here may be read, and the next call goes on behind it.
                None if !hole || last => data = Some(start..range.end),
                None => {}
            }
            if last {
                break;
            }
        }
        Ok(data)
    }
}

/// The list of blocks of an open file.
#[derive(Debug)]
struct List {
    /// Number of the first block that is decoded here.
    first: u64,
    /// Where each block lies; `None` for a hole.
    blocks: Vec<Option<Stored>>,
    /// For every [`WINDOW`]th block up to the farthest that was decoded: where the list goes on, and where the block lies.
    marks: Vec<(Place, u64)>,
}

impl List {
    fn new(content: &FileContent) -> Self {
        List { first: 0, blocks: Vec::new(), marks: vec![(content.list, content.start)] }
    }

    /// Where block `index` of `count` lies.
    fn block(&mut self, fs: &Squashfs, index: u64, count: u64) -> Result<Option<Stored>> {
        loop {
            let known =
                index.checked_sub(self.first).and_then(|at| self.blocks.get(usize::try_from(at).ok()?));
            if let Some(block) = known {
                return Ok(*block);
            }
            let known = u64::try_from(self.marks.len()).unwrap_or(u64::MAX).saturating_sub(1);
            self.decode(fs, (index / WINDOW).min(known), count)?;
        }
    }

    /// Decodes window `window`, whose mark is known.
    fn decode(&mut self, fs: &Squashfs, window: u64, count: u64) -> Result<()> {
        let place = usize::try_from(window).unwrap_or(usize::MAX);
        let Some(&((block, offset), start)) = self.marks.get(place) else {
            return Err(Error::corrupt("a list of blocks that goes nowhere"));
        };
        self.first = window.saturating_mul(WINDOW);
        self.blocks.clear();
        let mut cursor = fs.blocks.cursor(block, offset);
        let mut at = start;
        for _ in self.first..count.min(self.first.saturating_add(WINDOW)) {
            let word = cursor.le32()?;
            let stored = if word == 0 { None } else { Some(Stored::new(at, word)?) };
            at = at.saturating_add(stored.map_or(0, |stored| stored.len.into()));
            self.blocks.push(stored);
        }
        if self.marks.len() == place.saturating_add(1) {
            self.marks.push((cursor.place(), at));
        }
        Ok(())
    }
}
