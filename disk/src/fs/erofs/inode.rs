//! Inodes: compact ones of 32 bytes or extended ones of 64, in slots of 32 bytes that their numbers count. Extended
//! attributes follow, then the map of the content or its end.

use super::Erofs;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, FileType, InodeId, Metadata, Timestamp};
use crate::{Context, Error, ErrorKind, Result};

/// Size of a slot as a power of two.
const SLOT_BITS: u32 = 5;
/// Size of a compact inode in bytes, and of what is read of any before its form is known.
const COMPACT: usize = 32;
/// Size of an extended inode in bytes.
const EXTENDED: usize = 64;
/// `i_format`: extended form.
const FORMAT_EXTENDED: u16 = 1;
/// `i_format`: all bits that are known: the form, and three of how the content is stored.
const FORMAT_KNOWN: u16 = 0xF;
/// Size of the head of extended attributes in bytes.
pub(super) const XATTR_HEAD: u64 = 12;
/// Unit in which extended attributes are counted, in bytes.
const XATTR_UNIT: u64 = 4;
/// Unit of [`Metadata::blocks`] as a power of two.
const SECTOR_BITS: u32 = 9;

/// How content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks that follow each other.
    Plain,
    /// The same but for the last one, which follows the inode.
    Inline,
    /// In chunks, with a table of where they are.
    Chunks,
    /// Compressed, with an index of 8 bytes for each block of content.
    FullIndex,
    /// Compressed, with an index of 4 or 2 bytes for each block of content.
    CompactIndex,
}

/// An inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) file_type: FileType,
    permissions: u16,
    uid: u32,
    gid: u32,
    links: u32,
    pub(super) size: u64,
    modified: Timestamp,
    pub(super) layout: Layout,
    /// Meaning depends on type and layout: first block, blocks taken, form of chunks, device.
    pub(super) own: u32,
    /// Bytes of the source where extended attributes start and end.
    pub(super) xattrs: std::ops::Range<u64>,
}

impl Erofs {
    /// The inode with number `id`.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        let slot = id.number.checked_mul(1 << SLOT_BITS);
        let start =
            slot.and_then(|slot| slot.checked_add(self.superblock.offset(self.superblock.meta_block)));
        let Some(start) = start.filter(|_| id.subvolume == 0) else {
            return Err(Error::corrupt(format!("inode {}", id.number)));
        };
        self.parse(id.number, start).context(|| format!("reading inode {}", id.number))
    }

    fn parse(&self, number: u64, start: u64) -> Result<Inode> {
        let mut bytes = [0; EXTENDED];
        let (compact, rest) = bytes.split_at_mut(COMPACT);
        self.source.read_at(start, compact)?;
        let format = compact.le16(0)?;
        if format & !FORMAT_KNOWN != 0 {
            return Err(Error::unsupported(format!("an erofs inode of format {format:#x}")));
        }
        let extended = format & FORMAT_EXTENDED != 0;
        if extended {
            self.source.read_at(start.saturating_add(32), rest)?;
        }
        let layout = match format >> 1 {
            0 => Layout::Plain,
            1 => Layout::FullIndex,
            2 => Layout::Inline,
            3 => Layout::CompactIndex,
            4 => Layout::Chunks,
            layout => return Err(Error::unsupported(format!("erofs data layout {layout}"))),
        };
        let inode: &[u8] = &bytes;
        let mode = inode.le16(4)?;
        let file_type = match mode >> 12 {
            0o01 => FileType::Fifo,
            0o02 => FileType::CharDevice,
            0o04 => FileType::Directory,
            0o06 => FileType::BlockDevice,
            0o10 => FileType::Regular,
            0o12 => FileType::Symlink,
            0o14 => FileType::Socket,
            _ => return Err(Error::corrupt(format!("an inode of mode {mode:#o}"))),
        };
        let (size, links, uid, gid, modified, len);
        if extended {
            (size, links, uid, gid) = (inode.le64(8)?, inode.le32(44)?, inode.le32(24)?, inode.le32(28)?);
            modified = (inode.le64(32)?, inode.le32(40)?);
            len = EXTENDED;
        } else {
            (size, links) = (inode.le32(8)?.into(), inode.le16(6)?.into());
            (uid, gid) = (inode.le16(24)?.into(), inode.le16(26)?.into());
            // Seconds after those of the superblock: zero where they are not kept.
            let (seconds, nanoseconds) = self.superblock.time;
            modified = (seconds.wrapping_add(inode.le32(12)?.into()), nanoseconds);
            len = COMPACT;
        }
        if i64::try_from(size).is_err() {
            return Err(Error::corrupt(format!("an inode of {size} bytes")));
        }
        let xattrs = start.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let xattrs_len = match inode.le16(2)? {
            0 => 0,
            count => XATTR_HEAD.saturating_add(u64::from(count).saturating_sub(1).saturating_mul(XATTR_UNIT)),
        };
        Ok(Inode {
            number,
            file_type,
            permissions: mode & 0o7777,
            uid,
            gid,
            links,
            size,
            modified: Timestamp { seconds: modified.0.cast_signed(), nanoseconds: modified.1 },
            layout,
            own: inode.le32(16)?,
            xattrs: xattrs..xattrs.saturating_add(xattrs_len),
        })
    }

    /// What `lstat` shows.
    pub(super) fn inode_metadata(&self, inode: &Inode) -> Metadata {
        let sb = &self.superblock;
        let blocks = match inode.layout {
            Layout::FullIndex | Layout::CompactIndex => inode.own.into(),
            _ => inode.size.div_ceil(sb.block_size()),
        };
        let sectors = sb.block_size() >> SECTOR_BITS;
        let device = match inode.file_type {
            FileType::BlockDevice | FileType::CharDevice => device(inode.own),
            _ => DeviceNumber::default(),
        };
        Metadata {
            number: inode.number,
            subvolume: 0,
            file_type: inode.file_type,
            permissions: inode.permissions,
            links: inode.links,
            uid: inode.uid,
            gid: inode.gid,
            device,
            size: inode.size,
            blocks: blocks.saturating_mul(sectors),
            block_size: 1_u32.wrapping_shl(sb.block_bits.into()),
            accessed: inode.modified,
            modified: inode.modified,
            changed: inode.modified,
            created: None,
        }
    }
}

impl Inode {
    /// Fails if this is not a directory.
    pub(super) fn check_directory(&self) -> Result<()> {
        if self.file_type == FileType::Directory {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotADirectory, format!("inode {} is not a directory", self.number)))
    }
}

/// A device number: 12 bits of the major from bit 8 on, 20 of the minor around them (Linux's `new_encode_dev`).
fn device(stored: u32) -> DeviceNumber {
    DeviceNumber { major: stored >> 8 & 0xFFF, minor: stored & 0xFF | stored >> 12 & 0xF_FF00 }
}
