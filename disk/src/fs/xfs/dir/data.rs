//! Blocks of directory entries.
//!
//! ```text
//! header | entry or free space, each a multiple of 8 bytes long | in a directory of one block: hashes, counts
//! entry:  inode, length of name, name, kind … place in the block      free:  0xFFFF, length … place in the block
//! ```

use std::ops::ControlFlow;
use std::sync::Arc;

use super::file_type;
use super::short::check_name;
use crate::bytes::{Fields, index};
use crate::fs::FileType;
use crate::fs::xfs::Xfs;
use crate::fs::xfs::blocks::{Key, Which};
use crate::fs::xfs::checksum;
use crate::fs::xfs::extents::{Place, Segment};
use crate::fs::xfs::inode::Inode;
use crate::fs::xfs::tree::{ENTRY, hash_of};
use crate::{Context, Error, Result};

/// What the only block of a directory starts with, in version 4 and in version 5.
const MAGIC_BLOCK: [[u8; 4]; 2] = [*b"XD2B", *b"XDB3"];
/// What one of several starts with.
const MAGIC_DATA: [[u8; 4]; 2] = [*b"XD2D", *b"XDD3"];
/// Size of the header in version 4, and in version 5.
const HEADER: usize = 16;
/// See [`HEADER`].
const HEADER_V5: usize = 64;
/// Where the checksum lies in version 5.
const CRC_OFFSET: usize = 4;
/// What free space starts with.
const FREE: u16 = 0xFFFF;
/// Entries and free space begin at multiples of so many bytes.
const ALIGN: usize = 8;
/// An entry's fields before the name, in bytes: inode and length.
const BEFORE_NAME: usize = 9;
/// Size of the place at the end of each entry.
const PLACE: usize = 2;
/// Size of the counts at the end of a directory's only block.
const COUNTS: usize = 8;
/// How much of a directory is read at a time when it is listed, in bytes.
const AHEAD: usize = 64 << 10;

/// A name and what is with it.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u64,
    pub(super) file_type: Option<FileType>,
}

/// Who reads: one that will go on to the next block, or one that wants no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    InOrder,
    One,
}

/// A block of entries, checked.
pub(super) struct DataBlock {
    bytes: Arc<[u8]>,
    header: usize,
    has_file_type: bool,
}

impl DataBlock {
    /// Where entries end, and the hashes after them if this is a directory's only block.
    fn parts(&self) -> Result<(usize, &[[u8; ENTRY]])> {
        parts(&self.bytes)
    }

    /// The hashes of a directory of one block.
    pub(super) fn hashes(&self) -> Result<&[[u8; ENTRY]]> {
        Ok(self.parts()?.1)
    }

    /// The entry at byte `at`, and its length.
    fn entry(&self, at: usize, end: usize) -> Result<(Entry<'_>, usize)> {
        let entry = self.bytes.slice(at, end.saturating_sub(at))?;
        let len = usize::from(entry.u8(8)?);
        let name = entry.slice(BEFORE_NAME, len)?;
        check_name(name)?;
        let after_name = BEFORE_NAME.saturating_add(len);
        let used = after_name.saturating_add(usize::from(self.has_file_type)).saturating_add(PLACE);
        let size = used.next_multiple_of(ALIGN);
        let place = entry.be16(size.saturating_sub(PLACE))?;
        if usize::from(place) != at {
            return Err(Error::corrupt(format!("a directory entry of byte {place} at byte {at}")));
        }
        let file_type = if self.has_file_type { file_type(entry.u8(after_name)?) } else { None };
        Ok((Entry { name, inode: entry.be64(0)?, file_type }, size))
    }

    /// Calls `each` for every entry.
    pub(super) fn walk(&self, each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let (end, _) = self.parts()?;
        let mut at = self.header;
        while at < end {
            if self.bytes.be16(at)? == FREE {
                let len = usize::from(self.bytes.be16(at.saturating_add(2))?);
                if len == 0 || !len.is_multiple_of(ALIGN) || len > end.saturating_sub(at) {
                    return Err(Error::corrupt(format!(
                        "{len} free bytes at byte {at} of a directory block"
                    )));
                }
                at = at.saturating_add(len);
                continue;
            }
            let (entry, size) = self.entry(at, end)?;
            if each(entry).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = at.saturating_add(size);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The inode of the entry at byte `at`, if it has the name `name`.
    pub(super) fn named(&self, at: u64, name: &[u8]) -> Result<Option<u64>> {
        // Deleted.
        if at == 0 {
            return Ok(None);
        }
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let (end, _) = self.parts()?;
        if at < self.header || at >= end {
            return Err(Error::corrupt(format!("a hash of an entry at byte {at} of a directory block")));
        }
        let (entry, _) = self.entry(at, end)?;
        Ok((entry.name == name).then_some(entry.inode))
    }
}

fn parts(bytes: &[u8]) -> Result<(usize, &[[u8; ENTRY]])> {
    let magic: [u8; 4] = bytes.array(0)?;
    if !MAGIC_BLOCK.contains(&magic) {
        return Ok((bytes.len(), &[]));
    }
    let counts = bytes.len().saturating_sub(COUNTS);
    let count = index(bytes.be32(counts)?);
    let start = count.checked_mul(ENTRY).and_then(|len| counts.checked_sub(len));
    let start = start.ok_or_else(|| Error::corrupt(format!("a directory block of {count} hashes")))?;
    let hashes = bytes.get(start..counts).unwrap_or_default();
    Ok((start, hashes.as_chunks().0))
}

impl Xfs {
    /// The block of entries of directory `dir` that starts at `block` of its data.
    pub(super) fn dir_data(
        &self,
        dir: &Inode,
        block: u64,
        segment: &mut Segment,
        reading: Reading,
    ) -> Result<DataBlock> {
        let key = Key::DirData { owner: dir.number, block };
        let bytes = match self.blocks.cached(key) {
            Some(bytes) => bytes,
            None => match reading {
                Reading::InOrder => self.read_ahead(dir, block, segment)?,
                Reading::One => self.blocks.get(key, || self.read_data(dir, block, segment))?,
            },
        };
        let header = if self.superblock.v5 { HEADER_V5 } else { HEADER };
        Ok(DataBlock { bytes, header, has_file_type: self.superblock.has_file_type() })
    }

    fn read_data(&self, dir: &Inode, block: u64, segment: &mut Segment) -> Result<Vec<u8>> {
        let (bytes, offset) = self.named_block(dir, Which::Data, block, segment)?;
        self.check_data(&bytes, block, offset, dir.number)
            .context(|| format!("in block {block} of a directory"))?;
        Ok(bytes)
    }

    /// The block at `block`; keeps those that lie right behind it, too.
    fn read_ahead(&self, dir: &Inode, block: u64, segment: &mut Segment) -> Result<Arc<[u8]>> {
        let sb = &self.superblock;
        let step = 1_u64.wrapping_shl(sb.dir_block_log.into());
        let size = index(sb.block_size).wrapping_shl(sb.dir_block_log.into());
        let run = self.run(dir, Which::Data, block, segment)?;
        let together = run.blocks.end.saturating_sub(block).checked_div(step).unwrap_or_default();
        let most = AHEAD.checked_div(size).unwrap_or_default().max(1);
        let count = usize::try_from(together).unwrap_or(usize::MAX).min(most);
        let Place::Data(fsblock) = run.place else {
            return Err(Error::corrupt(format!("block {block} of a directory was never written")));
        };
        if count <= 1 {
            let bytes = self.read_data(dir, block, segment)?.into();
            self.blocks.keep(Key::DirData { owner: dir.number, block }, &bytes);
            return Ok(bytes);
        }
        let offset = sb.offset(fsblock, together.saturating_mul(step))?;
        let bytes = self.blocks.read(offset, size.saturating_mul(count))?;
        let mut first = None;
        let (mut block, mut offset) = (block, offset);
        for bytes in bytes.chunks_exact(size) {
            let checked = self.check_data(bytes, block, offset, dir.number);
            match (&first, checked) {
                (None, checked) => checked.context(|| format!("in block {block} of a directory"))?,
                (Some(_), Ok(())) => {}
                // It is read again, and refused, when its turn comes.
                (Some(_), Err(_)) => break,
            }
            let bytes: Arc<[u8]> = bytes.into();
            self.blocks.keep(Key::DirData { owner: dir.number, block }, &bytes);
            first.get_or_insert(bytes);
            block = block.saturating_add(step);
            offset = offset.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
        }
        first.ok_or_else(|| Error::corrupt("a directory block of no size"))
    }

    fn check_data(&self, bytes: &[u8], block: u64, offset: u64, owner: u64) -> Result<()> {
        let version = usize::from(self.superblock.v5);
        let magic: [u8; 4] = bytes.array(0)?;
        let is = |kind: [[u8; 4]; 2]| kind.get(version) == Some(&magic);
        // Only the first can be the only one.
        let right = is(MAGIC_DATA) || (is(MAGIC_BLOCK) && block == 0);
        if !right {
            return Err(Error::corrupt(format!("a directory block that starts with {magic:02x?}")));
        }
        if self.superblock.v5 {
            checksum::verify(bytes, CRC_OFFSET, "directory block")?;
            self.check_owner(bytes, [8, 24, 40], offset, owner)?;
        }
        if !parts(bytes)?.1.is_sorted_by_key(hash_of) {
            return Err(Error::corrupt("hashes out of order in a directory block"));
        }
        Ok(())
    }
}
