//! Extended attributes: in the inode, in a block of their own, values also in inodes of their own.
//!
//! Listed as the kernel lists them to root: those of the inode first, then those of the block, each in stored order;
//! attributes that only the filesystem uses (`system.data`, encryption contexts) are not shown.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Extended Attributes".

use bstr::BString;

use super::Ext;
use super::acl;
use super::blocks::Check;
use super::features::incompat;
use super::file::File;
use super::inode::{Inode, flags};
use crate::bytes::{Fields, index};
use crate::crc::crc32c;
use crate::fs::{FileData, FileType, Xattr};
use crate::{Context, Error, Result};

/// What a block of attributes starts with.
const MAGIC: u32 = 0xEA02_0000;
/// Size of a block's header in bytes.
const HEADER: usize = 32;
/// Where the checksum lies in a block's header.
const CHECKSUM_OFFSET: usize = 0x10;
/// Size of an entry without its name in bytes.
const ENTRY: usize = 16;
/// The longest value that the kernel hands out (`XATTR_SIZE_MAX`), in bytes.
const MAX_VALUE: u32 = 64 << 10;
/// How many bytes of values one inode may have here. Real ones have some hundred.
const MAX_VALUES: usize = 4 << 20;

/// `e_name_index`: what the name begins with, and what is done with the value.
mod name_index {
    pub(super) const POSIX_ACL_ACCESS: u8 = 2;
    pub(super) const POSIX_ACL_DEFAULT: u8 = 3;
    pub(super) const SYSTEM: u8 = 7;
}

/// The bytes of a block that its checksum covers before and after the checksum, and the checksum.
pub(super) fn checksummed(block: &[u8]) -> Result<(&[u8], &[u8], u32)> {
    let after = CHECKSUM_OFFSET.saturating_add(4);
    let rest = block.len().saturating_sub(after);
    Ok((block.slice(0, CHECKSUM_OFFSET)?, block.slice(after, rest)?, block.le32(CHECKSUM_OFFSET)?))
}

/// One attribute as it is stored.
struct Entry<'a> {
    name_index: u8,
    name: &'a [u8],
    value_offset: usize,
    value_inode: u32,
    value_len: u32,
    hash: u32,
}

impl Entry<'_> {
    /// The value within `area`, to whose start its offset counts. `None` if it lies in another inode.
    fn value<'a>(&self, area: &'a [u8], entries_end: usize) -> Result<Option<&'a [u8]>> {
        if self.value_inode != 0 {
            return Ok(None);
        }
        if self.value_len == 0 {
            return Ok(Some(&[]));
        }
        if self.value_offset < entries_end {
            return Err(Error::corrupt("the value of an extended attribute lies among the names"));
        }
        area.slice(self.value_offset, index(self.value_len)).map(Some)
    }
}

/// The entries from byte `start` of `area` on, and where they end.
fn entries(area: &[u8], start: usize) -> Result<(Vec<Entry<'_>>, usize)> {
    let mut entries = Vec::new();
    let mut at = start;
    // Each entry takes 16 bytes or more, so that an area of 64 KiB ends this.
    while area.le32(at)? != 0 {
        let name_len = usize::from(area.u8(at)?);
        entries.push(Entry {
            name_index: area.u8(at.saturating_add(1))?,
            value_offset: area.le16(at.saturating_add(2))?.into(),
            value_inode: area.le32(at.saturating_add(4))?,
            value_len: area.le32(at.saturating_add(8))?,
            hash: area.le32(at.saturating_add(12))?,
            name: area.slice(at.saturating_add(ENTRY), name_len)?,
        });
        at = at.saturating_add(ENTRY).saturating_add(name_len.next_multiple_of(4));
    }
    Ok((entries, at.saturating_add(4)))
}

/// The value of `system.data` among the attributes in an inode.
pub(super) fn inline_value(area: &[u8]) -> Result<Option<&[u8]>> {
    if area.is_empty() {
        return Ok(None);
    }
    let (entries, end) = entries(area, 0)?;
    match entries.iter().find(|e| e.name_index == name_index::SYSTEM && e.name == b"data") {
        Some(entry) => entry.value(area, end),
        None => Ok(None),
    }
}

impl Ext {
    /// The attributes of `inode` as root sees them.
    pub(super) fn inode_xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>> {
        let doing = || format!("in the extended attributes of inode {}", inode.number);
        let mut xattrs = Shown { ext: self, values: 0, xattrs: Vec::new() };
        if let Some(area) = inode.xattr_area()? {
            xattrs.add(area, 0).context(doing)?;
        }
        if inode.xattr_block != 0 {
            self.check_blocks(inode.xattr_block, 1).context(doing)?;
            let block = self.blocks.get(inode.xattr_block, Check::Xattr).context(doing)?;
            let (magic, count) = (block.le32(0)?, block.le32(8)?);
            if magic != MAGIC || count != 1 {
                return Err(Error::corrupt(format!(
                    "the extended attributes of inode {} have magic number {magic:#010x} and {count} blocks",
                    inode.number
                )));
            }
            xattrs.add(&block, HEADER).context(doing)?;
        }
        Ok(xattrs.xattrs)
    }

    /// The value of an attribute that lies in inode `entry.value_inode`.
    fn value_of_inode(&self, entry: &Entry<'_>) -> Result<Vec<u8>> {
        let number = entry.value_inode;
        if !self.superblock.has_incompat(incompat::EA_INODE) {
            return Err(Error::corrupt("an attribute value in an inode, without the feature ea_inode"));
        }
        let inode = self.any_inode(number)?;
        if !inode.has(flags::EA_INODE)
            || inode.file_type != FileType::Regular
            || inode.size != u64::from(entry.value_len)
            || inode.has(flags::INLINE_DATA)
        {
            return Err(Error::corrupt(format!(
                "inode {number} is not the attribute value that it should be"
            )));
        }
        // The value's hash is kept in the access time.
        let [a, b, c, d, ..] = inode.accessed.seconds.to_le_bytes();
        let stored_hash = u32::from_le_bytes([a, b, c, d]);
        let mut value = vec![0; index(entry.value_len)];
        File::new(self, inode)?.read_at(0, &mut value)?;
        let hash = crc32c(self.superblock.checksum_seed, &value);
        if hash != stored_hash
            || (entry.hash != entry_hash(entry.name, hash)
                && entry.hash != entry_hash_signed(entry.name, hash))
        {
            return Err(Error::corrupt(format!("the attribute value in inode {number} has the wrong hash")));
        }
        Ok(value)
    }
}

/// The hash of a name and the hash of a value.
fn entry_hash(name: &[u8], value_hash: u32) -> u32 {
    name.iter().fold(0_u32, |hash, c| hash.rotate_left(5) ^ u32::from(*c)).rotate_left(16) ^ value_hash
}

/// The same by a kernel whose characters are signed.
fn entry_hash_signed(name: &[u8], value_hash: u32) -> u32 {
    let signed = |c: &u8| i32::from(c.cast_signed()).cast_unsigned();
    name.iter().fold(0_u32, |hash, c| hash.rotate_left(5) ^ signed(c)).rotate_left(16) ^ value_hash
}

/// Collects what is shown.
struct Shown<'a> {
    ext: &'a Ext,
    /// Bytes of all values.
    values: usize,
    xattrs: Vec<Xattr>,
}

impl Shown<'_> {
    /// Adds the attributes whose entries lie from byte `start` of `area` on.
    fn add(&mut self, area: &[u8], start: usize) -> Result<()> {
        let (entries, end) = entries(area, start)?;
        for entry in entries {
            let is_acl =
                matches!(entry.name_index, name_index::POSIX_ACL_ACCESS | name_index::POSIX_ACL_DEFAULT);
            let prefix: &[u8] = match entry.name_index {
                1 => b"user.",
                name_index::POSIX_ACL_ACCESS => b"system.posix_acl_access",
                name_index::POSIX_ACL_DEFAULT => b"system.posix_acl_default",
                4 => b"trusted.",
                6 => b"security.",
                10 => b"gnu.",
                // 5 (Lustre), 7 (system.data), 8 (richacl) and 9 (encryption) have no handler that shows them.
                _ => continue,
            };
            if is_acl && self.ext.superblock.mounts_with("noacl") {
                continue;
            }
            if entry.value_len > MAX_VALUE {
                return Err(Error::unsupported(format!("an attribute value of {} bytes", entry.value_len)));
            }
            self.values = self.values.saturating_add(index(entry.value_len));
            if self.values > MAX_VALUES {
                return Err(Error::unsupported(format!("attribute values of more than {MAX_VALUES} bytes")));
            }
            let stored;
            let value = match entry.value(area, end)? {
                Some(value) => value,
                None => {
                    stored = self.ext.value_of_inode(&entry)?;
                    &stored
                }
            };
            let value = if is_acl { acl::to_xattr(value)? } else { BString::from(value) };
            self.xattrs.push(Xattr { name: [prefix, entry.name].concat().into(), value });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_names_differ_by_the_sign_of_characters() {
        assert_eq!(entry_hash(b"a", 0), 0x61_0000);
        assert_eq!(entry_hash(b"ab", 5), ((0x61 << 5) ^ 0x62) << 16 ^ 5);
        assert_eq!(entry_hash(b"ab", 5), entry_hash_signed(b"ab", 5));
        assert_eq!(entry_hash_signed(b"\xFF", 0), 0xFFFF_FFFF);
    }

    #[test]
    fn entries_outside_their_area_are_refused() {
        let mut area = vec![0; 64];
        area[..16].copy_from_slice(&[4, 7, 60, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        area[16..20].copy_from_slice(b"data");
        assert_eq!(inline_value(&area).unwrap(), Some(&[0; 4][..]));
        area[8] = 5;
        inline_value(&area).unwrap_err();
        (area[2], area[8]) = (19, 4);
        inline_value(&area).unwrap_err();
        area[0] = 200;
        inline_value(&area).unwrap_err();
    }
}
