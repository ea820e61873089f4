//! Directories: names by their hashes and in the order in which they came.
//!
//! A directory has each name twice: under the hash of the name (several names of one hash share an item), and under a number
//! that counts up. The kernel looks names up by the former and lists them by the latter.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_dir_item`.

use super::key::{self, Key};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Error, Result};

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
