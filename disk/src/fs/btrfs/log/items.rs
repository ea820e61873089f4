//! Fields of items that a replay changes.
//!
//! Source: btrfs documentation, "On-disk Format": `btrfs_inode_item`, `btrfs_inode_ref`, `btrfs_inode_extref`,
//! `btrfs_dir_item`.

use crate::bytes::Fields;
use crate::{Error, Result};

/// Writes a number at `at` of an item.
fn set_le64(item: &mut [u8], at: usize, value: u64) -> Result<()> {
    let field = item.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>());
    *field.ok_or_else(|| Error::corrupt("an item that is too short"))? = value.to_le_bytes();
    Ok(())
}

/// Inode items.
pub(super) mod inode {
    use super::{Error, Fields, Result, set_le64};

    const GENERATION: usize = 0;
    const SIZE: usize = 16;
    const BYTES: usize = 24;
    const LINKS: usize = 40;
    const MODE: usize = 52;
    const TYPE_MASK: u32 = 0o170_000;
    const DIRECTORY: u32 = 0o040_000;
    const REGULAR: u32 = 0o100_000;

    pub(in super::super) fn generation(item: &[u8]) -> Result<u64> {
        item.le64(GENERATION)
    }
    pub(in super::super) fn size(item: &[u8]) -> Result<u64> {
        item.le64(SIZE)
    }
    pub(in super::super) fn bytes(item: &[u8]) -> Result<u64> {
        item.le64(BYTES)
    }
    pub(in super::super) fn links(item: &[u8]) -> Result<u32> {
        item.le32(LINKS)
    }
    pub(in super::super) fn is_directory(item: &[u8]) -> Result<bool> {
        Ok(item.le32(MODE)? & TYPE_MASK == DIRECTORY)
    }
    pub(in super::super) fn is_regular(item: &[u8]) -> Result<bool> {
        Ok(item.le32(MODE)? & TYPE_MASK == REGULAR)
    }
    /// The type as directory entries have it.
    pub(in super::super) fn entry_type(item: &[u8]) -> Result<u8> {
        Ok(match item.le32(MODE)? & TYPE_MASK {
            REGULAR => 1,
            DIRECTORY => 2,
            0o020_000 => 3,
            0o060_000 => 4,
            0o010_000 => 5,
            0o140_000 => 6,
            0o120_000 => 7,
            other => return Err(Error::corrupt(format!("an inode of type {other:o}"))),
        })
    }
    pub(in super::super) fn set_generation(item: &mut [u8], value: u64) -> Result<()> {
        set_le64(item, GENERATION, value)
    }
    pub(in super::super) fn set_size(item: &mut [u8], value: u64) -> Result<()> {
        set_le64(item, SIZE, value)
    }
    pub(in super::super) fn set_bytes(item: &mut [u8], value: u64) -> Result<()> {
        set_le64(item, BYTES, value)
    }
    pub(in super::super) fn set_links(item: &mut [u8], value: u32) -> Result<()> {
        let field = item.get_mut(LINKS..).and_then(|rest| rest.first_chunk_mut::<4>());
        *field.ok_or_else(|| Error::corrupt("an inode item that is too short"))? = value.to_le_bytes();
        Ok(())
    }
}

/// A reference from an inode to a name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The directory.
    pub(super) parent: u64,
    /// The number of the name in the directory.
    pub(super) index: u64,
    pub(super) name: Vec<u8>,
}

/// The references in an item under a key whose offset is the directory.
pub(super) fn references(parent: u64, item: &[u8]) -> Result<Vec<Reference>> {
    const HEADER: usize = 10;
    let mut found = Vec::new();
    let mut rest = item;
    while !rest.is_empty() {
        let name = rest.slice(HEADER, rest.le16(8)?.into())?.to_vec();
        let index = rest.le64(0)?;
        rest = rest.get(HEADER.saturating_add(name.len())..).unwrap_or_default();
        found.push(Reference { parent, index, name });
    }
    Ok(found)
}

/// The references in an item of the extended kind.
pub(super) fn extended_references(item: &[u8]) -> Result<Vec<Reference>> {
    const HEADER: usize = 18;
    let mut found = Vec::new();
    let mut rest = item;
    while !rest.is_empty() {
        let name = rest.slice(HEADER, rest.le16(16)?.into())?.to_vec();
        let (parent, index) = (rest.le64(0)?, rest.le64(8)?);
        rest = rest.get(HEADER.saturating_add(name.len())..).unwrap_or_default();
        found.push(Reference { parent, index, name });
    }
    Ok(found)
}

/// An item with these references.
pub(super) fn of_references(references: &[Reference], extended: bool) -> Result<Vec<u8>> {
    let mut item = Vec::new();
    for reference in references {
        if extended {
            item.extend(reference.parent.to_le_bytes());
        }
        item.extend(reference.index.to_le_bytes());
        item.extend(name_len(&reference.name)?.to_le_bytes());
        item.extend(&reference.name);
    }
    Ok(item)
}

/// An item with one name in a directory.
pub(super) fn of_entry(inode: u64, generation: u64, entry_type: u8, name: &[u8]) -> Result<Vec<u8>> {
    let mut item = Vec::new();
    item.extend(inode.to_le_bytes());
    item.push(super::kind::INODE_ITEM);
    item.extend(0_u64.to_le_bytes());
    item.extend(generation.to_le_bytes());
    // Length of the value, which only attributes have.
    item.extend(0_u16.to_le_bytes());
    item.extend(name_len(name)?.to_le_bytes());
    item.push(entry_type);
    item.extend(name);
    Ok(item)
}

/// `item` without the entry of that name.
pub(super) fn without_entry(item: &[u8], name: &[u8]) -> Result<Vec<u8>> {
    use crate::fs::btrfs::dir::Entries;
    let mut kept = Vec::new();
    let mut entries = Entries(item);
    let mut before = item;
    while let Some(entry) = entries.next()? {
        let taken = before.len().saturating_sub(entries.0.len());
        if entry.name != name {
            kept.extend(before.get(..taken).unwrap_or_default());
        }
        before = entries.0;
    }
    Ok(kept)
}

fn name_len(name: &[u8]) -> Result<u16> {
    u16::try_from(name.len()).map_err(|_| Error::corrupt("a name that is too long"))
}
