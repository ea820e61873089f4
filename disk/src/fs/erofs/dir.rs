//! Directories: blocks of entries, sorted by name within a block and from block to block. `.` and `..` are among them.

use std::ops::ControlFlow;

use super::Erofs;
use super::file::File;
use super::inode::Inode;
use crate::bytes::Fields;
use crate::fs::{DirEntry, FileData, FileType, InodeId};
use crate::{Context, Error, Result};

/// Size of an entry without its name in bytes.
const ENTRY: usize = 12;
/// The longest name in bytes.
pub(super) const MAX_NAME: usize = 255;

/// A block of a directory.
struct Block<'a> {
    bytes: &'a [u8],
    count: usize,
}

/// One name.
struct Entry<'a> {
    name: &'a [u8],
    inode: u64,
    file_type: u8,
}

impl<'a> Block<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        // Names start behind the last entry.
        let names = usize::from(bytes.le16(8)?);
        let count = names.checked_div(ENTRY).unwrap_or_default();
        if count == 0 || names % ENTRY != 0 || names >= bytes.len() {
            return Err(Error::corrupt(format!("names from byte {names} of a directory block on")));
        }
        Ok(Block { bytes, count })
    }

    fn entry(&self, index: usize) -> Result<Entry<'a>> {
        let at = index.saturating_mul(ENTRY);
        let start = usize::from(self.bytes.le16(at.saturating_add(8))?);
        let last = index.saturating_add(1) >= self.count;
        let end = if last {
            self.bytes.len()
        } else {
            self.bytes.le16(at.saturating_add(ENTRY).saturating_add(8))?.into()
        };
        let mut name = self.bytes.get(start..end).unwrap_or_default();
        if last {
            name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        }
        if name.is_empty() || name.len() > MAX_NAME || name.iter().any(|&byte| byte == 0 || byte == b'/') {
            return Err(Error::corrupt(format!(
                "a name from byte {start} to byte {end} of a directory block"
            )));
        }
        let file_type = self.bytes.u8(at.saturating_add(10))?;
        Ok(Entry { name, inode: self.bytes.le64(at)?, file_type })
    }
}

impl Erofs {
    /// Calls `each` for every name but `.` and `..`, in the order in which they are stored, until it says `Break`.
    pub(super) fn visible_entries(
        &self,
        inode: Inode,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        inode.check_directory()?;
        let number = inode.number;
        let mut file = File::new(self, inode)?;
        let mut buffer = vec![0; usize::try_from(self.superblock.block_size()).unwrap_or_default()];
        let mut at = 0;
        let mut list = || -> Result<()> {
            while at < file.len() {
                let count = file.read_at(at, &mut buffer)?;
                let block = Block::new(buffer.get(..count).unwrap_or_default())?;
                for index in 0..block.count {
                    let entry = block.entry(index)?;
                    if matches!(entry.name, b"." | b"..") {
                        continue;
                    }
                    let shown = DirEntry {
                        name: entry.name,
                        inode: InodeId::new(entry.inode),
                        number: entry.inode,
                        file_type: file_type(entry.file_type),
                    };
                    if each(shown).is_break() {
                        return Ok(());
                    }
                }
                at = at.saturating_add(self.superblock.block_size());
            }
            Ok(())
        };
        list().context(|| format!("in directory {number}"))
    }

    /// The inode that `name` names.
    pub(super) fn find(&self, inode: Inode, name: &[u8]) -> Result<Option<InodeId>> {
        inode.check_directory()?;
        if matches!(name, b"" | b"." | b"..") || name.len() > MAX_NAME {
            return Ok(None);
        }
        let number = inode.number;
        let mut file = File::new(self, inode)?;
        self.search(&mut file, name).context(|| format!("in directory {number}"))
    }

    fn search(&self, file: &mut File<'_>, name: &[u8]) -> Result<Option<InodeId>> {
        let size = self.superblock.block_size();
        let mut buffer = vec![0; usize::try_from(size).unwrap_or_default()];
        // The last block whose first name is not behind `name`.
        let (mut low, mut high) = (0, file.len().div_ceil(size));
        while low < high {
            let middle = low.midpoint(high);
            let count = file.read_at(middle.saturating_mul(size), &mut buffer)?;
            let block = Block::new(buffer.get(..count).unwrap_or_default())?;
            if block.entry(0)?.name > name {
                high = middle;
                continue;
            }
            if block.entry(block.count.saturating_sub(1))?.name < name {
                low = middle.saturating_add(1);
                continue;
            }
            return block.search(name);
        }
        Ok(None)
    }
}

impl Block<'_> {
    fn search(&self, name: &[u8]) -> Result<Option<InodeId>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.entry(middle)?;
            match entry.name.cmp(name) {
                std::cmp::Ordering::Equal => return Ok(Some(InodeId::new(entry.inode))),
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

fn file_type(number: u8) -> Option<FileType> {
    Some(match number {
        1 => FileType::Regular,
        2 => FileType::Directory,
        3 => FileType::CharDevice,
        4 => FileType::BlockDevice,
        5 => FileType::Fifo,
        6 => FileType::Socket,
        7 => FileType::Symlink,
        _ => return None,
    })
}
