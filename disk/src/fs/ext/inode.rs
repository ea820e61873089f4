//! Inodes: what `lstat` shows, and where content and extended attributes lie.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Index Nodes".

use std::sync::Arc;

use super::Ext;
use super::blocks::Check;
use super::features::{incompat, ro_compat};
use super::superblock::GOOD_OLD_INODE_SIZE;
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::fs::{DeviceNumber, FileType, InodeId, Metadata, Timestamp};
use crate::{Context, Error, ErrorKind, Result};

/// The root directory's inode.
pub(super) const ROOT: u32 = 2;

/// Inode flags (`i_flags`).
pub(super) mod flags {
    /// Content and names are encrypted.
    pub(in super::super) const ENCRYPT: u32 = 0x800;
    /// The directory has a hash index.
    pub(in super::super) const INDEX: u32 = 0x1000;
    /// `i_blocks` counts filesystem blocks.
    pub(in super::super) const HUGE_FILE: u32 = 0x4_0000;
    /// `i_block` holds an extent tree.
    pub(in super::super) const EXTENTS: u32 = 0x8_0000;
    /// The content is the value of an extended attribute.
    pub(in super::super) const EA_INODE: u32 = 0x20_0000;
    /// The content lies in the inode.
    pub(in super::super) const INLINE_DATA: u32 = 0x1000_0000;
    /// The directory ignores case.
    pub(in super::super) const CASEFOLD: u32 = 0x4000_0000;
}

/// Where the low half of the checksum lies.
const CHECKSUM_LOW: usize = 0x7C;
/// Where the high half of the checksum lies, if the inode is large enough.
const CHECKSUM_HIGH: usize = 0x82;
/// Where `i_block` lies, and its size.
const BLOCK_OFFSET: usize = 0x28;
/// Size of `i_block` in bytes.
pub(super) const BLOCK_SIZE: usize = 60;
/// The value of `i_extra_isize` that the kernel takes for one of 0: all fields that it knows.
const DEFAULT_EXTRA_SIZE: u16 = 32;
/// What extended attributes in the inode start with.
const XATTR_MAGIC: u32 = 0xEA02_0000;

/// An inode, checked.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) file_type: FileType,
    pub(super) mode: u16,
    pub(super) links: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// Space taken in units of 512 bytes.
    pub(super) sectors: u64,
    pub(super) flags: u32,
    /// The block of extended attributes, or 0.
    pub(super) xattr_block: u64,
    /// What the checksums of this inode's metadata blocks start from.
    pub(super) seed: u32,
    pub(super) accessed: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) created: Option<Timestamp>,
    table_block: Arc<[u8]>,
    /// Where the inode lies in `table_block`.
    start: usize,
    /// Size of the inode in bytes.
    inode_size: usize,
    /// Where extended attributes begin (after their magic number) within the inode, if there are any.
    xattrs: Option<usize>,
}

impl Inode {
    /// Is any of `flag` set?
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// All bytes of the inode.
    fn raw(&self) -> Result<&[u8]> {
        self.table_block.slice(self.start, self.inode_size)
    }

    /// `i_block`: block map, extent tree, target of a short symbolic link, device number or inline data.
    pub(super) fn block(&self) -> Result<&[u8]> {
        self.raw()?.slice(BLOCK_OFFSET, BLOCK_SIZE)
    }

    /// The extended attributes in the inode, from the first entry to the end of the inode.
    pub(super) fn xattr_area(&self) -> Result<Option<&[u8]>> {
        match self.xattrs {
            Some(start) => Ok(self.raw()?.get(start..)),
            None => Ok(None),
        }
    }

    /// Has the inode extended attributes, in itself or in a block?
    pub(super) fn has_xattrs(&self) -> bool {
        self.xattrs.is_some() || self.xattr_block != 0
    }

    /// The next inode of the list of orphans, 0 at its end: kept where the time of deletion goes later.
    pub(super) fn next_orphan(&self) -> Result<u32> {
        self.raw()?.le32(0x14)
    }

    /// Refuses an inode whose content is encrypted.
    pub(super) fn refuse_encrypted(&self) -> Result<()> {
        if self.has(flags::ENCRYPT) {
            return Err(Error::unsupported(format!("inode {} is encrypted", self.number)));
        }
        Ok(())
    }

    /// Refuses what is not a directory, or one with encrypted names.
    pub(super) fn need_directory(&self) -> Result<()> {
        if self.file_type != FileType::Directory {
            return Err(Error::new(
                ErrorKind::NotADirectory,
                format!("inode {} is not a directory", self.number),
            ));
        }
        self.refuse_encrypted()
    }

    /// The device that the inode is a node of.
    fn device(&self) -> Result<DeviceNumber> {
        if !matches!(self.file_type, FileType::BlockDevice | FileType::CharDevice) {
            return Ok(DeviceNumber::default());
        }
        let block = self.block()?;
        let old = block.le32(0)?;
        if old != 0 {
            // Eight bits each.
            return Ok(DeviceNumber { major: (old >> 8) & 0xFF, minor: old & 0xFF });
        }
        // Twelve bits of major number between the low 8 and the high 12 bits of the minor number.
        let new = block.le32(4)?;
        Ok(DeviceNumber { major: (new >> 8) & 0xFFF, minor: (new & 0xFF) | ((new >> 12) & 0xF_FF00) })
    }
}

impl Ext {
    /// The inode that a directory entry or a caller names.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        let sb = &self.superblock;
        let number = u32::try_from(id.number)
            .ok()
            .filter(|n| *n == ROOT || *n >= sb.first_inode && !sb.private_inodes.contains(n))
            .ok_or_else(|| Error::corrupt(format!("inode {} is not an ordinary one", id.number)))?;
        let inode = self.any_inode(number)?;
        if inode.has(flags::EA_INODE) {
            return Err(Error::corrupt(format!(
                "inode {number} is an attribute value and not an ordinary one"
            )));
        }
        Ok(inode)
    }

    /// Inode `number`, be it the filesystem's own.
    pub(super) fn any_inode(&self, number: u32) -> Result<Inode> {
        let inode = self.orphan(number)?;
        if inode.links == 0 {
            return Err(Error::corrupt(format!("inode {number} is not in use")));
        }
        Ok(inode)
    }

    /// Inode `number`, be it the filesystem's own, or deleted but not yet free.
    pub(super) fn orphan(&self, number: u32) -> Result<Inode> {
        self.read_inode(number).context(|| format!("in inode {number}"))
    }

    fn read_inode(&self, number: u32) -> Result<Inode> {
        let sb = &self.superblock;
        if number == 0 || number > sb.inodes {
            return Err(Error::corrupt(format!("it is not one of the {} that there are", sb.inodes)));
        }
        let place = number.wrapping_sub(1);
        let group = place.checked_div(sb.inodes_per_group).unwrap_or_default();
        let place = place.checked_rem(sb.inodes_per_group).unwrap_or_default();
        let at = u64::from(place).saturating_mul(sb.inode_size.into());
        let block = at.checked_div(sb.block_size.into()).unwrap_or_default();
        let start = at.checked_rem(sb.block_size.into()).unwrap_or_default();
        let table = self.group(group.into())?.inode_table;
        let table_block = self.blocks.get(table.saturating_add(block), Check::None)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.parse_inode(number, table_block, start)
    }

    fn parse_inode(&self, number: u32, table_block: Arc<[u8]>, start: usize) -> Result<Inode> {
        let sb = &self.superblock;
        let inode_size = usize::from(sb.inode_size);
        let raw = table_block.slice(start, inode_size)?;

        let large = sb.inode_size > GOOD_OLD_INODE_SIZE;
        let stored_extra = if large { raw.le16(0x80)? } else { 0 };
        let used = usize::from(GOOD_OLD_INODE_SIZE).saturating_add(stored_extra.into());
        if used > inode_size || !stored_extra.is_multiple_of(4) {
            return Err(Error::corrupt(format!("i_extra_isize is {stored_extra}")));
        }

        let generation = raw.le32(0x64)?;
        let seed = crc32c(crc32c(sb.checksum_seed, &number.to_le_bytes()), &generation.to_le_bytes());
        if sb.inode_checksums {
            check_inode(raw, used, seed)?;
        }

        let mode = raw.le16(0x0)?;
        let links = raw.le16(0x1A)?;
        let file_type = file_type(mode)?;
        let flags = raw.le32(0x20)?;

        let high_size = if file_type == FileType::Regular || sb.has_incompat(incompat::LARGEDIR) {
            raw.le32(0x6C)?
        } else {
            0
        };
        let size = wide(raw.le32(0x4)?, high_size);
        if i64::try_from(size).is_err() {
            return Err(Error::corrupt(format!("its size is {size}")));
        }

        let mut sectors = u64::from(raw.le32(0x1C)?);
        if sb.has_ro_compat(ro_compat::HUGE_FILE) {
            sectors |= u64::from(raw.le16(0x74)?) << 32;
            if flags & flags::HUGE_FILE != 0 {
                sectors = sectors.saturating_mul(u64::from(sb.block_size).wrapping_shr(9));
            }
        }

        let mut xattr_block = u64::from(raw.le32(0x68)?);
        if sb.has_incompat(incompat::BIT64) {
            xattr_block |= u64::from(raw.le16(0x76)?) << 32;
        }

        let (uid_high, gid_high) = if sb.uid16 { (0, 0) } else { (raw.le16(0x78)?, raw.le16(0x7A)?) };
        let owner = |low: u16, high: u16| u32::from(low) | (u32::from(high) << 16);

        // Fields after byte 128 are there if they lie within i_extra_isize. The kernel takes 0 as "all that it knows".
        let extra = if large && stored_extra == 0 { DEFAULT_EXTRA_SIZE } else { stored_extra };
        let extra_end = usize::from(GOOD_OLD_INODE_SIZE).saturating_add(extra.into()).min(inode_size);
        let extra_field =
            |at: usize| if at.saturating_add(4) <= extra_end { raw.le32(at).map(Some) } else { Ok(None) };
        let time = |low, high| -> Result<Timestamp> { Ok(timestamp(raw.le32(low)?, extra_field(high)?)) };
        let created = match extra_field(0x90)? {
            Some(seconds) => Some(timestamp(seconds, extra_field(0x94)?)),
            None => None,
        };

        let xattrs =
            if stored_extra != 0 && raw.get(used..).is_some_and(|r| r.le32(0).ok() == Some(XATTR_MAGIC)) {
                used.checked_add(4)
            } else {
                None
            };

        Ok(Inode {
            number,
            file_type,
            mode,
            links,
            uid: owner(raw.le16(0x2)?, uid_high),
            gid: owner(raw.le16(0x18)?, gid_high),
            size,
            sectors,
            flags,
            xattr_block,
            seed,
            accessed: time(0x8, 0x8C)?,
            modified: time(0x10, 0x88)?,
            changed: time(0xC, 0x84)?,
            created,
            table_block,
            start,
            inode_size,
            xattrs,
        })
    }

    /// What `lstat` shows.
    pub(super) fn inode_metadata(&self, inode: &Inode) -> Result<Metadata> {
        // A key may be needed to know how long the target is.
        if inode.file_type == FileType::Symlink {
            inode.refuse_encrypted()?;
        }
        let mut blocks = self.orphans.sectors(inode);
        if inode.file_type == FileType::Regular && inode.has(flags::INLINE_DATA) {
            // The kernel counts inline data of files so that programs do not take them for holes.
            blocks = blocks.saturating_add(inode.size.div_ceil(512));
        }
        Ok(Metadata {
            number: inode.number.into(),
            subvolume: 0,
            file_type: inode.file_type,
            permissions: inode.mode & 0o7777,
            links: inode.links.into(),
            uid: inode.uid,
            gid: inode.gid,
            device: inode.device()?,
            size: inode.size,
            blocks,
            block_size: self.superblock.block_size,
            accessed: inode.accessed,
            modified: inode.modified,
            changed: inode.changed,
            created: inode.created,
        })
    }

    /// Number of the first of the blocks that `offset` bytes lie in, and the offset in it.
    pub(super) fn split(&self, offset: u64) -> (u64, u64) {
        let size = u64::from(self.superblock.block_size);
        (offset.checked_div(size).unwrap_or_default(), offset.checked_rem(size).unwrap_or_default())
    }
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// `used`: how many bytes of the inode have fields, 128 or more.
fn check_inode(raw: &[u8], used: usize, seed: u32) -> Result<()> {
    let high_end = CHECKSUM_HIGH.saturating_add(2);
    let has_high = used >= high_end && raw.len() > usize::from(GOOD_OLD_INODE_SIZE);
    let small_end = usize::from(GOOD_OLD_INODE_SIZE).min(raw.len());
    let mut crc = crc32c(seed, raw.slice(0, CHECKSUM_LOW)?);
    crc = crc32c(crc, &[0; 2]);
    crc = crc32c(crc, raw.get(CHECKSUM_LOW.saturating_add(2)..small_end).unwrap_or_default());
    if has_high {
        crc = crc32c(crc, raw.get(small_end..CHECKSUM_HIGH).unwrap_or_default());
        crc = crc32c(crc, &[0; 2]);
        crc = crc32c(crc, raw.get(high_end..).unwrap_or_default());
    } else {
        crc = crc32c(crc, raw.get(small_end..).unwrap_or_default());
    }
    let low = raw.le16(CHECKSUM_LOW)?;
    let (have, want) = if has_high {
        (u32::from(low) | u32::from(raw.le16(CHECKSUM_HIGH)?).rotate_left(16), crc)
    } else {
        (u32::from(low), crc & 0xFFFF)
    };
    if have == want {
        Ok(())
    } else {
        Err(Error::corrupt(format!("its checksum is {have:#010x}, not {want:#010x}")))
    }
}

/// The type in a `st_mode`.
fn file_type(mode: u16) -> Result<FileType> {
    Ok(match mode >> 12 {
        0o01 => FileType::Fifo,
        0o02 => FileType::CharDevice,
        0o04 => FileType::Directory,
        0o06 => FileType::BlockDevice,
        0o10 => FileType::Regular,
        0o12 => FileType::Symlink,
        0o14 => FileType::Socket,
        _ => return Err(Error::corrupt(format!("its mode is {mode:#o}"))),
    })
}

/// A time of 32 signed bits, with two more bits of seconds and the nanoseconds in `extra`.
fn timestamp(seconds: u32, extra: Option<u32>) -> Timestamp {
    let seconds = i64::from(seconds.cast_signed());
    match extra {
        Some(extra) => Timestamp {
            seconds: seconds.saturating_add(i64::from(extra & 3).saturating_mul(1 << 32)),
            nanoseconds: extra >> 2,
        },
        None => Timestamp { seconds, nanoseconds: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_after_2038() {
        let at = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
        for (low, extra, want) in [
            (0, None, at(0, 0)),
            (0xFFFF_FFFF, None, at(-1, 0)),
            (0x8000_0000, Some(0), at(-0x8000_0000, 0)),
            (0x8000_0000, Some(1), at(0x8000_0000, 0)),
            (0x7FFF_FFFF, Some(3), at(0x3_7FFF_FFFF, 0)),
            (1, Some(999_999_999 << 2), at(1, 999_999_999)),
        ] {
            assert_eq!(timestamp(low, extra), want, "{low:#x} {extra:?}");
        }
    }
}
