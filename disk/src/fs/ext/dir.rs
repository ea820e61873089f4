//! Directories: blocks (or inline areas) full of entries, and the search for a name among them.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Directory Entries".

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Ext;
use super::blocks::Check;
use super::features::{compat, incompat};
use super::inode::{Inode, flags};
use super::map::{Map, Place, Segment};
use super::{casefold, htree};
use crate::bytes::Fields;
use crate::fs::{DirEntry, FileType, InodeId};
use crate::{Context, Error, Result};

/// Size of an entry without its name in bytes.
const ENTRY: usize = 8;
/// The smallest entry: with a name of 1 to 4 bytes.
const MIN_ENTRY: usize = 12;
/// The longest name in bytes.
pub(super) const MAX_NAME: usize = 255;
/// Size in bytes of the last entry of a block with a checksum, which holds it.
const TAIL: usize = 12;
/// The "file type" of that entry.
const TAIL_TYPE: u8 = 0xDE;
/// The file type of a directory.
pub(super) const DIRECTORY: u8 = 2;
/// The only block size whose entries can be longer than 16 bits say.
const HUGE_BLOCK: usize = 64 << 10;
/// Most blocks of a directory that are gone through: 1 GiB of the smallest, 20 million names of 40 bytes. A hostile block
/// map can have 2^32 blocks, made of a few.
const MAX_BLOCKS: u64 = 1 << 20;
/// The same in bytes: 4 GiB, what such a number of ordinary blocks is.
const MAX_BYTES: u64 = MAX_BLOCKS << 12;

/// The bytes of a block of entries that its checksum covers, and the checksum.
pub(super) fn checksummed(block: &[u8]) -> Result<(&[u8], u32)> {
    let tail = block.len().saturating_sub(TAIL);
    let marks = (block.le32(tail)?, block.le16(tail.saturating_add(4))?, block.le16(tail.saturating_add(6))?);
    if marks != (0, 12, u16::from_be_bytes([TAIL_TYPE, 0])) {
        return Err(Error::corrupt("a directory block without room for its checksum"));
    }
    Ok((block.slice(0, tail)?, block.le32(tail.saturating_add(8))?))
}

/// The length of an entry from its `rec_len`.
pub(super) fn entry_len(stored: u16, block_len: usize) -> usize {
    if block_len == HUGE_BLOCK && (stored == 0 || stored == u16::MAX) { HUGE_BLOCK } else { stored.into() }
}

/// An entry in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) inode: u32,
    pub(super) name: &'a [u8],
    pub(super) kind: u8,
}

impl Ext {
    /// Calls `each` for the entries in `area`, a block or an area of inline data.
    pub(super) fn entries<'a>(
        &self,
        area: &'a [u8],
        mut each: impl FnMut(Entry<'a>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut rest = area;
        while !rest.is_empty() {
            let inode = rest.le32(0)?;
            let len = entry_len(rest.le16(4)?, area.len());
            let name_len = usize::from(rest.u8(6)?);
            let right = len >= MIN_ENTRY
                && len.is_multiple_of(4)
                && len >= ENTRY.saturating_add(name_len)
                && len <= rest.len()
                && inode <= self.superblock.inodes;
            if !right {
                return Err(Error::corrupt(format!(
                    "a directory entry of {len} bytes at byte {} with a name of {name_len} bytes for inode {inode}",
                    area.len().saturating_sub(rest.len())
                )));
            }
            if inode != 0 {
                let name = rest.slice(ENTRY, name_len)?;
                if each(Entry { inode, name, kind: rest.u8(7)? }).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            rest = rest.get(len..).unwrap_or_default();
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Calls `each` for every entry of directory `dir`, `.` and `..` included, in stored order.
    pub(super) fn all_entries(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        dir.need_directory()?;
        let doing = || format!("in directory {}", dir.number);
        if let Some((block, attribute)) = self.inline_areas(dir)? {
            let parent = block.le32(0)?;
            for (name, inode) in [(&b"."[..], dir.number), (b"..", parent)] {
                if each(Entry { inode, name, kind: DIRECTORY }).is_break() {
                    return Ok(());
                }
            }
            for area in [block.get(4..).unwrap_or_default(), attribute] {
                if self.entries(area, &mut *each).context(doing)?.is_break() {
                    return Ok(());
                }
            }
            return Ok(());
        }
        let mut blocks = DirBlocks::new(self, dir);
        while let Some(block) = blocks.next().context(doing)? {
            if self.entries(&block, &mut *each).context(doing)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What `read_dir` of the trait does.
    pub(super) fn visible_entries(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let typed = self.superblock.has_incompat(incompat::FILETYPE);
        let mut bad = None;
        self.ordered_entries(dir, &mut |entry| {
            if matches!(entry.name, b"." | b"..") {
                return ControlFlow::Continue(());
            }
            if entry.name.is_empty() || entry.name.iter().any(|c| matches!(c, 0 | b'/')) {
                bad = Some(Error::corrupt(format!("directory {} has a name that cannot be", dir.number)));
                return ControlFlow::Break(());
            }
            let file_type = if typed { file_type(entry.kind) } else { None };
            let number = entry.inode.into();
            each(DirEntry { name: entry.name, inode: InodeId::new(number), number, file_type })
        })?;
        bad.map_or(Ok(()), Err)
    }

    /// What `lookup` of the trait does.
    pub(super) fn find(&self, dir: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
        dir.need_directory()?;
        if name.is_empty() || name.len() > MAX_NAME {
            return Ok(None);
        }
        if dir.has(flags::CASEFOLD) {
            return casefold::find(self, dir, name);
        }
        // Block 0 of an indexed directory has the names "." and ".." and the root of the index.
        if self.is_indexed(dir)
            && !matches!(name, b"." | b"..")
            && let Some(found) = htree::find(self, dir, name)?
        {
            return Ok(found);
        }
        let mut found = None;
        self.all_entries(dir, &mut |entry| {
            if entry.name == name {
                found = Some(InodeId::new(entry.inode.into()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Does `dir` have a hash index?
    pub(super) fn is_indexed(&self, dir: &Inode) -> bool {
        dir.has(flags::INDEX) && !dir.has(flags::INLINE_DATA) && self.superblock.has_compat(compat::DIR_INDEX)
    }
}

/// The blocks of a directory one after the other, holes left out, each checked as what it is.
pub(super) struct DirBlocks<'a> {
    ext: &'a Ext,
    dir: &'a Inode,
    segment: Segment,
    next: u64,
    end: u64,
    /// How many more blocks may be gone through.
    left: u64,
}

impl<'a> DirBlocks<'a> {
    pub(super) fn new(ext: &'a Ext, dir: &'a Inode) -> Self {
        let (whole, rest) = ext.split(dir.size);
        let end = whole.saturating_add(u64::from(rest != 0));
        let (most, _) = ext.split(MAX_BYTES);
        DirBlocks { ext, dir, segment: Segment::new(0), next: 0, end, left: most.min(MAX_BLOCKS) }
    }

    fn next(&mut self) -> Result<Option<Arc<[u8]>>> {
        while self.next < self.end {
            self.count()?;
            let nr = self.next;
            let run = Map::new(self.ext, self.dir).run(nr, &mut self.segment)?;
            let Place::Data(at) = run.place else {
                self.next = run.blocks.end;
                continue;
            };
            self.next = nr.saturating_add(1);
            return self.load(nr, at).map(Some);
        }
        Ok(None)
    }

    /// Counts a block, or a hole.
    pub(super) fn count(&mut self) -> Result<()> {
        let too_large = || Error::unsupported("a directory of more blocks than are gone through");
        self.left = self.left.checked_sub(1).ok_or_else(too_large)?;
        Ok(())
    }

    /// Block `nr` of the directory.
    pub(super) fn block(&mut self, nr: u64, check: Check) -> Result<Arc<[u8]>> {
        if nr < self.end
            && let Place::Data(at) = Map::new(self.ext, self.dir).run(nr, &mut self.segment)?.place
        {
            return self.ext.blocks.get(at, check);
        }
        Err(Error::corrupt(format!("block {nr} of a directory is missing")))
    }

    fn load(&self, nr: u64, at: u64) -> Result<Arc<[u8]>> {
        let seed = self.dir.seed;
        if !self.ext.is_indexed(self.dir) || !self.ext.superblock.metadata_csum() {
            return self.ext.blocks.get(at, Check::DirLeaf { seed });
        }
        // Block 0 is the root of the index; other nodes are blocks of one unused entry.
        let is_node = nr == 0 || {
            let block = self.ext.blocks.get(at, Check::None)?;
            block.le32(0)? == 0 && entry_len(block.le16(4)?, block.len()) == block.len()
        };
        self.ext.blocks.get(at, if is_node { Check::DirIndex { seed } } else { Check::DirLeaf { seed } })
    }
}

/// The file type of a directory entry.
fn file_type(kind: u8) -> Option<FileType> {
    Some(match kind {
        1 => FileType::Regular,
        DIRECTORY => FileType::Directory,
        3 => FileType::CharDevice,
        4 => FileType::BlockDevice,
        5 => FileType::Fifo,
        6 => FileType::Socket,
        7 => FileType::Symlink,
        _ => return None,
    })
}
