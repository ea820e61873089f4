//! Directories: runs of names whose inodes lie in the same metadata block, sorted by name. Large ones have an index
//! with the first name of each of their metadata blocks.

use std::ops::ControlFlow;

use super::Squashfs;
use super::blocks::{Cursor, METADATA_SIZE};
use super::inode::{self, DirectoryContent, Inode};
use crate::bytes::Fields;
use crate::fs::{DirEntry, FileType, InodeId};
use crate::{Context, Error, Result};

/// What the size of a directory counts besides its entries: for `.` and `..`, which are not stored.
const NO_ENTRIES: u64 = 3;
/// Most names of a run.
const MAX_RUN: u32 = 256;
/// The longest name in bytes.
pub(super) const MAX_NAME: usize = 256;
/// Size of a run's head in bytes.
const HEAD: u64 = 12;
/// Size of an entry without its name in bytes.
const ENTRY: u64 = 8;

/// One name, as the callback of [`Squashfs::entries`] gets it.
struct Entry<'a> {
    name: &'a [u8],
    inode: InodeId,
    number: u32,
    file_type: FileType,
}

impl Squashfs {
    /// Calls `each` for every name, in the order in which they are stored, until it says `Break`.
    pub(super) fn visible_entries(
        &self,
        inode: &Inode,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let directory = inode.directory()?;
        self.entries(inode, self.directory_start(&directory), 0, |entry| {
            each(DirEntry {
                name: entry.name,
                inode: entry.inode,
                number: entry.number.into(),
                file_type: Some(entry.file_type),
            })
        })
    }

    /// The inode that `name` names.
    pub(super) fn find(&self, inode: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
        let directory = inode.directory()?;
        if name.len() > MAX_NAME {
            return Ok(None);
        }
        let (cursor, passed) = self.nearest(inode, &directory, name)?;
        let mut found = None;
        self.entries(inode, cursor, passed, |entry| {
            if entry.name == name {
                found = Some(entry.inode);
            }
            // As the kernel, which looks at the first byte alone.
            if found.is_some() || name.first() < entry.name.first() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(found)
    }

    fn directory_start(&self, directory: &DirectoryContent) -> Cursor<'_> {
        let at = self.superblock.directory_table.saturating_add(directory.start.into());
        self.blocks.cursor(at, directory.offset.into())
    }

    /// Where to search for `name`, by the index, and how many bytes of entries lie before.
    fn nearest(&self, inode: &Inode, directory: &DirectoryContent, name: &[u8]) -> Result<(Cursor<'_>, u64)> {
        let mut best = (self.directory_start(directory), 0);
        let mut cursor = self.blocks.cursor(directory.index.0, directory.index.1);
        for _ in 0..directory.indexes {
            let bytes = cursor.array::<12>()?;
            let bytes: &[u8] = &bytes;
            let (passed, block, len) = (bytes.le32(0)?, bytes.le32(4)?, name_len(bytes.le32(8)?)?);
            let mut first = [0; MAX_NAME];
            let first = first.get_mut(..len).unwrap_or_default();
            cursor.read(first)?;
            if &*first > name {
                break;
            }
            let at = self.superblock.directory_table.saturating_add(block.into());
            let offset = crate::bytes::index(passed).saturating_add(directory.offset.into());
            best = (self.blocks.cursor(at, offset % METADATA_SIZE), passed.into());
        }
        if best.1 > inode.size {
            return Err(Error::corrupt(format!(
                "the index of directory {} leads past its end",
                inode.number
            )));
        }
        Ok(best)
    }

    /// Calls `each` for the entries from `cursor` on, before which `passed` bytes of entries lie.
    fn entries(
        &self,
        inode: &Inode,
        cursor: Cursor<'_>,
        passed: u64,
        mut each: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut cursor = cursor;
        // 32 bits, so this ends.
        let end = inode.size;
        let mut passed = passed.saturating_add(NO_ENTRIES);
        let mut buffer = [0; MAX_NAME];
        while passed < end {
            let mut run = || -> Result<ControlFlow<()>> {
                let head = cursor.array::<12>()?;
                let head: &[u8] = &head;
                let (count, block, base) = (head.le32(0)?, head.le32(4)?, head.le32(8)?);
                passed = passed.saturating_add(HEAD);
                if count >= MAX_RUN {
                    return Err(Error::corrupt(format!("a run of {count} names")));
                }
                // As many as the number says, and one.
                for _ in 0..=count {
                    let head = cursor.array::<8>()?;
                    let head: &[u8] = &head;
                    let len = name_len(head.le16(6)?.into())?;
                    let name = buffer.get_mut(..len).unwrap_or_default();
                    cursor.read(name)?;
                    passed =
                        passed.saturating_add(ENTRY).saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
                    let file_type = inode::file_type(head.le16(4)?);
                    let Some(file_type) = file_type.filter(|_| is_name(name)) else {
                        return Err(Error::corrupt("a name that no file can have, or of no type"));
                    };
                    let difference = i16::from_le_bytes(head.array(2)?);
                    let inode = u64::from(block) << 16 | u64::from(head.le16(0)?);
                    let number = base.wrapping_add_signed(difference.into());
                    let entry = Entry { name, inode: InodeId::new(inode), number, file_type };
                    if each(entry).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            };
            if run().context(|| format!("in directory {}", inode.number))?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The length of a name, from the number that is stored: one less.
fn name_len(stored: u32) -> Result<usize> {
    let len = crate::bytes::index(stored).saturating_add(1);
    if len > MAX_NAME { Err(Error::corrupt(format!("a name of {len} bytes"))) } else { Ok(len) }
}

/// Can a file have this name?
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"." | b"..") && !name.iter().any(|&byte| byte == 0 || byte == b'/')
}
