//! Directories: names by their hashes and in the order in which they came.
//!
//! A directory has each name twice: under the hash of the name (several names of one hash share an item), and under a number
//! that counts up. The kernel looks names up by the former and lists them by the latter.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_dir_item`.

use std::ops::ControlFlow;

use super::Btrfs;
use super::inode::{self, Inode};
use super::key::{self, Key, kind};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::fs::{DirEntry, FileType, InodeId};
use crate::{Context, Error, Result};

/// Longest name in bytes.
pub(super) const MAX_NAME: usize = 255;
/// Numbers of entries start here: `.` and `..`, which are not stored, have the first two.
const FIRST_INDEX: u64 = 2;

/// Size of an entry without its name and value in bytes.
const HEADER: usize = 30;
/// What the hash of names starts from.
const HASH_SEED: u32 = !1;

/// The hash of a name, as keys have it.
pub(super) fn hash(name: &[u8]) -> u64 {
    crc32c(HASH_SEED, name).into()
}

/// An entry: a name, and what it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Inode item, or root item of a subvolume.
    pub(super) target: Key,
    pub(super) kind: u8,
    pub(super) name: &'a [u8],
    /// The value, if this is an extended attribute.
    pub(super) value: &'a [u8],
}

/// The entries of an item, one after the other.
#[derive(Debug)]
pub(super) struct Entries<'a>(pub(super) &'a [u8]);

impl<'a> Entries<'a> {
    /// The next entry, `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'a>>> {
        let bytes = self.0;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (value_len, name_len) = (usize::from(bytes.le16(25)?), usize::from(bytes.le16(27)?));
        let name = bytes.slice(HEADER, name_len)?;
        let value = bytes.slice(HEADER.saturating_add(name_len), value_len)?;
        let kind = bytes.u8(key::SIZE.saturating_add(12))?;
        if name.is_empty() {
            return Err(Error::corrupt("a directory entry without a name"));
        }
        let len = HEADER.saturating_add(name_len).saturating_add(value_len);
        self.0 = bytes.get(len..).unwrap_or_default();
        Ok(Some(Entry { target: Key::read(bytes, 0)?, kind, name, value }))
    }
}

/// What `name` names in an item of entries.
pub(super) fn find_in_item(item: &[u8], name: &[u8]) -> Result<Option<Key>> {
    let mut entries = Entries(item);
    while let Some(entry) = entries.next()? {
        if entry.name == name {
            return Ok(Some(entry.target));
        }
    }
    Ok(None)
}

impl Btrfs {
    /// What an entry of directory `dir` names: an inode, or the root of a subvolume.
    fn target(&self, dir: &Inode, entry: &Entry<'_>) -> Result<InodeId> {
        let Key { object, kind, .. } = entry.target;
        match kind {
            kind::INODE_ITEM => Ok(InodeId { subvolume: dir.root.id, number: object }),
            // A snapshot has the entries of the subvolumes within what it is of, but not those subvolumes.
            kind::ROOT_ITEM if self.is_named(object, dir, entry.name)? => Ok(Btrfs::top_of(object)),
            kind::ROOT_ITEM => Ok(inode::empty_directory(dir)),
            _ => Err(Error::corrupt(format!("a directory entry for {}", entry.target))),
        }
    }

    /// What `lookup` of the trait does.
    pub(super) fn find(&self, dir: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
        dir.need_directory()?;
        if name.is_empty() || name.len() > MAX_NAME {
            return Ok(None);
        }
        let found = self.trees.get(dir.root, dir.key(kind::DIR_ITEM, hash(name)), |item| {
            let mut entries = Entries(item);
            while let Some(entry) = entries.next()? {
                if entry.name == name {
                    return self.target(dir, &entry).map(Some);
                }
            }
            Ok(None)
        });
        Ok(found.context(|| format!("in directory {}", dir.number))?.flatten())
    }

    /// What `read_dir` of the trait does.
    pub(super) fn entries(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        dir.need_directory()?;
        let doing = || format!("in directory {}", dir.number);
        let mut items = self.trees.search(dir.root, dir.key(kind::DIR_INDEX, FIRST_INDEX))?;
        while let Some((key, item)) = items.next().context(doing)? {
            if !key.is(dir.number, kind::DIR_INDEX) {
                break;
            }
            let entry = Entries(item).next().context(doing)?;
            let entry = entry.ok_or_else(|| Error::corrupt(format!("directory entry {key} is empty")))?;
            let name = entry.name;
            if name.len() > MAX_NAME
                || matches!(name, b"." | b"..")
                || name.iter().any(|c| matches!(c, 0 | b'/'))
            {
                return Err(Error::corrupt(format!("directory {} has a name that cannot be", dir.number)));
            }
            let inode = self.target(dir, &entry).context(doing)?;
            let entry =
                DirEntry { name, inode, number: entry.target.object, file_type: file_type(entry.kind) };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The file type of a directory entry.
fn file_type(kind: u8) -> Option<FileType> {
    Some(match kind {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_documentation() {
        // The names that every filesystem has in its root tree.
        assert_eq!(hash(b"default"), 2_378_154_706);
    }

    #[test]
    fn several_names_of_one_hash_share_an_item() {
        let mut item = Vec::new();
        for (object, name) in [(300_u64, &b"one"[..]), (301, b"another")] {
            item.extend(object.to_le_bytes());
            item.push(kind::INODE_ITEM);
            item.extend([0; 16]);
            item.extend(2_u16.to_le_bytes());
            item.extend((name.len() as u16).to_le_bytes());
            item.push(1);
            item.extend(name);
            item.extend(b"vv");
        }
        assert_eq!(find_in_item(&item, b"another").unwrap().unwrap().object, 301);
        assert_eq!(find_in_item(&item, b"third").unwrap(), None);
        item.pop();
        assert!(find_in_item(&item, b"another").is_err());
    }
}
