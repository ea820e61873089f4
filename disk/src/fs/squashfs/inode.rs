//! Inodes: a common head of 16 bytes, then what the type needs. Each type has a basic form and an extended one with more
//! room and attributes. An inode is named by its reference: its metadata block and its place there.

use super::Squashfs;
use super::blocks::Cursor;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, FileType, InodeId, Metadata, Timestamp};
use crate::{Context, Error, ErrorKind, Result};

/// A fragment block or set of attributes that is not there.
const NONE: u32 = u32::MAX;
/// Unit of [`Metadata::blocks`] as a shift.
const SECTOR_BITS: u32 = 9;
/// Types of the extended form: this much more than those of the basic one.
const EXTENDED: u16 = 7;
/// Bits of an inode's reference: 32 for the block (from the table's start), 16 for the place in it.
const MAX_REFERENCE: u64 = (1 << 48) - 1;
/// `st_blksize`: the kernel reads in units of 1 KiB, or of the device's sector if that is larger.
const UNIT: u32 = 1024;

/// Where to go on reading metadata: the block's byte of the source, and the byte in it.
pub(super) type Place = (u64, usize);

/// An inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) file_type: FileType,
    permissions: u16,
    uid: u16,
    gid: u16,
    modified: u32,
    links: u32,
    /// Size in bytes; for a directory that of its entries, and 3.
    pub(super) size: u64,
    /// Set of extended attributes.
    pub(super) xattrs: Option<u32>,
    pub(super) content: Content,
}

/// What an inode has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    File(FileContent),
    Directory(DirectoryContent),
    /// Where the target is stored.
    Link(Place),
    Device(DeviceNumber),
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileContent {
    /// Byte of the source of the first block.
    pub(super) start: u64,
    /// Bytes in holes, as the extended form records them.
    pub(super) sparse: u64,
    /// Where the end of the file lies: number of the fragment block, and byte of it.
    pub(super) fragment: Option<(u32, u32)>,
    /// Where the list of blocks is stored.
    pub(super) list: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectoryContent {
    /// First metadata block, from the start of the directories.
    pub(super) start: u32,
    /// Byte of it.
    pub(super) offset: u16,
    /// Entries of the index.
    pub(super) indexes: u16,
    /// Where the index is stored.
    pub(super) index: Place,
}

impl Squashfs {
    /// The inode that `id` refers to.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        if id.subvolume != 0 || id.number > MAX_REFERENCE {
            return Err(Error::corrupt(format!("reference {:#x} of a squashfs inode", id.number)));
        }
        let at = self.superblock.inode_table.saturating_add(id.number >> 16);
        let offset = usize::try_from(id.number & 0xFFFF).unwrap_or(usize::MAX);
        let mut cursor = self.blocks.cursor(at, offset);
        parse(&mut cursor).context(|| format!("reading the inode at {:#x}", id.number))
    }

    /// What `lstat` shows.
    pub(super) fn inode_metadata(&self, inode: &Inode) -> Result<Metadata> {
        let sectors = |bytes: u64| bytes.div_ceil(1 << SECTOR_BITS);
        let mut blocks = match inode.content {
            Content::File(file) => sectors(inode.size.saturating_sub(file.sparse)),
            _ => 0,
        };
        if let (Some(set), true) = (inode.xattrs, self.xattrs.is_some()) {
            blocks = blocks.saturating_add(sectors(self.xattr_set(set)?.bytes.into()));
        }
        // There is one time only, without sign.
        let time = Timestamp { seconds: inode.modified.into(), nanoseconds: 0 };
        Ok(Metadata {
            number: inode.number.into(),
            subvolume: 0,
            file_type: inode.file_type,
            permissions: inode.permissions,
            links: inode.links,
            uid: self.id(inode.uid)?,
            gid: self.id(inode.gid)?,
            device: match inode.content {
                Content::Device(device) => device,
                _ => DeviceNumber::default(),
            },
            size: inode.size,
            blocks,
            block_size: UNIT.max(self.sector_size),
            accessed: time,
            modified: time,
            changed: time,
            created: None,
        })
    }
}

/// The type with number `number` in its basic form.
pub(super) fn file_type(number: u16) -> Option<FileType> {
    Some(match number {
        1 => FileType::Directory,
        2 => FileType::Regular,
        3 => FileType::Symlink,
        4 => FileType::BlockDevice,
        5 => FileType::CharDevice,
        6 => FileType::Fifo,
        7 => FileType::Socket,
        _ => return None,
    })
}

fn parse(cursor: &mut Cursor<'_>) -> Result<Inode> {
    let head = cursor.array::<16>()?;
    let head: &[u8] = &head;
    let stored = head.le16(0)?;
    let extended = stored > EXTENDED;
    let number = if extended { stored.saturating_sub(EXTENDED) } else { stored };
    let file_type =
        file_type(number).ok_or_else(|| Error::corrupt(format!("squashfs inode of type {stored}")))?;
    let mut inode = Inode {
        number: head.le32(12)?,
        file_type,
        permissions: head.le16(2)? & 0o7777,
        uid: head.le16(4)?,
        gid: head.le16(6)?,
        modified: head.le32(8)?,
        links: 1,
        size: 0,
        xattrs: None,
        content: Content::None,
    };
    match file_type {
        FileType::Regular => inode.parse_file(cursor, extended)?,
        FileType::Directory => inode.parse_directory(cursor, extended)?,
        FileType::Symlink => {
            inode.links = cursor.le32()?;
            let size = cursor.le32()?;
            inode.size = size.into();
            inode.content = Content::Link(cursor.place());
            if extended {
                cursor.skip(crate::bytes::index(size))?;
                inode.set_xattrs(cursor.le32()?);
            }
        }
        FileType::BlockDevice | FileType::CharDevice => {
            inode.links = cursor.le32()?;
            inode.content = Content::Device(device(cursor.le32()?));
            if extended {
                inode.set_xattrs(cursor.le32()?);
            }
        }
        FileType::Fifo | FileType::Socket => {
            inode.links = cursor.le32()?;
            if extended {
                inode.set_xattrs(cursor.le32()?);
            }
        }
    }
    Ok(inode)
}

impl Inode {
    fn set_xattrs(&mut self, set: u32) {
        self.xattrs = Some(set).filter(|&set| set != NONE);
    }

    fn parse_file(&mut self, cursor: &mut Cursor<'_>, extended: bool) -> Result<()> {
        let (start, sparse, block, offset);
        if extended {
            let bytes = cursor.array::<40>()?;
            let bytes: &[u8] = &bytes;
            (start, self.size, sparse) = (bytes.le64(0)?, bytes.le64(8)?, bytes.le64(16)?);
            (self.links, block, offset) = (bytes.le32(24)?, bytes.le32(28)?, bytes.le32(32)?);
            self.set_xattrs(bytes.le32(36)?);
        } else {
            let bytes = cursor.array::<16>()?;
            let bytes: &[u8] = &bytes;
            (start, sparse) = (bytes.le32(0)?.into(), 0);
            (block, offset, self.size) = (bytes.le32(4)?, bytes.le32(8)?, bytes.le32(12)?.into());
        }
        if i64::try_from(self.size).is_err() || sparse > self.size {
            return Err(Error::corrupt(format!("a file of {} bytes with {sparse} in holes", self.size)));
        }
        let fragment = (block != NONE).then_some((block, offset));
        self.content = Content::File(FileContent { start, sparse, fragment, list: cursor.place() });
        Ok(())
    }

    fn parse_directory(&mut self, cursor: &mut Cursor<'_>, extended: bool) -> Result<()> {
        let (start, offset, indexes);
        if extended {
            let bytes = cursor.array::<24>()?;
            let bytes: &[u8] = &bytes;
            (self.links, self.size, start) = (bytes.le32(0)?, bytes.le32(4)?.into(), bytes.le32(8)?);
            // In between: number of the directory above.
            (indexes, offset) = (bytes.le16(16)?, bytes.le16(18)?);
            self.set_xattrs(bytes.le32(20)?);
        } else {
            let bytes = cursor.array::<16>()?;
            let bytes: &[u8] = &bytes;
            (start, self.links) = (bytes.le32(0)?, bytes.le32(4)?);
            (self.size, offset, indexes) = (bytes.le16(8)?.into(), bytes.le16(10)?, 0);
        }
        let index = cursor.place();
        self.content = Content::Directory(DirectoryContent { start, offset, indexes, index });
        Ok(())
    }

    /// Where the content of a directory is.
    pub(super) fn directory(&self) -> Result<DirectoryContent> {
        match self.content {
            Content::Directory(directory) => Ok(directory),
            _ => {
                Err(Error::new(ErrorKind::NotADirectory, format!("inode {} is not a directory", self.number)))
            }
        }
    }
}

/// A device number: 12 bits of the major from bit 8 on, 20 of the minor around them (Linux's `new_encode_dev`).
fn device(stored: u32) -> DeviceNumber {
    DeviceNumber { major: stored >> 8 & 0xFFF, minor: stored & 0xFF | stored >> 12 & 0xF_FF00 }
}
