//! Inodes: what `lstat` shows.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_inode_item`.

use super::Btrfs;
use super::file::Content;
use super::key::{Key, kind, object};
use super::tree::Root;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, FileType, InodeId, Metadata, Timestamp};
use crate::{Error, ErrorKind, Result};

/// Size of an inode item in bytes.
const SIZE: usize = 160;
/// `st_ino` of the directory that stands for a subvolume which is not there.
const EMPTY_DIRECTORY: u64 = 2;
/// Bit of [`InodeId::number`] that says: the empty directory that is seen in that directory. Inodes get numbers one after the
/// other, so that none comes near it.
const EMPTY: u64 = 1 << 63;
/// Permissions of such a directory, as the kernel gives them.
const EMPTY_PERMISSIONS: u16 = 0o755;
/// How device numbers are stored: the minor number in the lower 20 bits of 32, as within the kernel.
const MINOR_BITS: u32 = 20;

/// Inode flag: the data has no checksums.
const NODATASUM: u64 = 1;
/// Inode flag: space was reserved for the file.
const PREALLOC: u64 = 1 << 4;

/// An inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    /// The tree of its subvolume.
    pub(super) root: Root,
    pub(super) number: u64,
    pub(super) file_type: FileType,
    pub(super) size: u64,
    flags: u64,
    permissions: u16,
    links: u32,
    uid: u32,
    gid: u32,
    device: u32,
    /// Bytes that its data takes.
    bytes: u64,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    created: Timestamp,
}

impl Inode {
    /// Parses the item of inode `number` in the tree `root`.
    fn parse(root: Root, number: u64, item: &[u8]) -> Result<Self> {
        let bad = |what: &str| Error::corrupt(format!("inode {number} of subvolume {}: {what}", root.id));
        if item.len() != SIZE {
            return Err(bad("the size of its item"));
        }
        let time = |at: usize| -> Result<Timestamp> {
            let seconds = i64::from_le_bytes(item.array(at)?);
            Ok(Timestamp { seconds, nanoseconds: item.le32(at.saturating_add(8))? })
        };
        let [low, high, ..] = item.le32(52)?.to_le_bytes();
        let mode = u16::from_le_bytes([low, high]);
        let [device @ .., _, _, _, _] = item.array::<8>(56)?;
        Ok(Inode {
            root,
            number,
            file_type: file_type(mode).ok_or_else(|| bad("its type"))?,
            size: item.le64(16)?,
            flags: item.le64(64)?,
            permissions: mode & 0o7777,
            links: item.le32(40)?,
            uid: item.le32(44)?,
            gid: item.le32(48)?,
            device: u32::from_le_bytes(device),
            bytes: item.le64(24)?,
            accessed: time(112)?,
            changed: time(124)?,
            modified: time(136)?,
            created: time(148)?,
        })
    }

    /// Refuses what is not a directory.
    pub(super) fn need_directory(&self) -> Result<()> {
        if self.file_type != FileType::Directory {
            let what = format!("inode {} is not a directory", self.number);
            return Err(Error::new(ErrorKind::NotADirectory, what));
        }
        Ok(())
    }

    /// Refuses what is not of that type, which `what` names.
    pub(super) fn need(&self, file_type: FileType, what: &str) -> Result<()> {
        if self.file_type != file_type {
            let what = format!("inode {} is not a {what}", self.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(())
    }

    /// What must be known of it to read its content.
    pub(super) fn content(&self) -> Content {
        let checked = self.flags & NODATASUM == 0;
        let is_dense = self.flags & PREALLOC == 0 && self.bytes == self.size;
        Content { root: self.root, inode: self.number, size: self.size, checked, is_dense }
    }

    /// The key of an item of this inode.
    pub(super) fn key(&self, kind: u8, offset: u64) -> Key {
        Key::new(self.number, kind, offset)
    }

    /// The device that it is a node of.
    fn device(&self) -> DeviceNumber {
        match self.file_type {
            FileType::BlockDevice | FileType::CharDevice => DeviceNumber {
                major: self.device >> MINOR_BITS,
                minor: self.device & ((1 << MINOR_BITS) - 1),
            },
            _ => DeviceNumber::default(),
        }
    }

    /// What `lstat` shows; data takes multiples of `sector_size`.
    fn metadata(&self, sector_size: u32) -> Metadata {
        let taken = self.bytes.checked_next_multiple_of(sector_size.into()).unwrap_or(self.bytes);
        Metadata {
            number: self.number,
            subvolume: self.root.id,
            file_type: self.file_type,
            permissions: self.permissions,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            device: self.device(),
            size: self.size,
            blocks: taken >> 9,
            block_size: sector_size,
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
            created: Some(self.created),
        }
    }
}

/// The type in the upper bits of a mode.
fn file_type(mode: u16) -> Option<FileType> {
    Some(match mode >> 12 {
        0o01 => FileType::Fifo,
        0o02 => FileType::CharDevice,
        0o04 => FileType::Directory,
        0o06 => FileType::BlockDevice,
        0o10 => FileType::Regular,
        0o12 => FileType::Symlink,
        0o14 => FileType::Socket,
        _ => return None,
    })
}

/// What stands for a subvolume that is not there, seen in directory `dir`.
pub(super) fn empty_directory(dir: &Inode) -> InodeId {
    InodeId { subvolume: dir.root.id, number: dir.number | EMPTY }
}

/// Is it the empty directory that stands for a subvolume which is not there?
pub(super) fn is_empty_directory(id: InodeId) -> bool {
    id.number & EMPTY != 0
}

impl Btrfs {
    /// An inode in use.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        let root = self.subvolume(id.subvolume)?.root;
        if !(object::FIRST_FREE..EMPTY).contains(&id.number) {
            return Err(Error::corrupt(format!("inode number {}", id.number)));
        }
        let key = Key::new(id.number, kind::INODE_ITEM, 0);
        let inode = self.trees.get(root, key, |item| Inode::parse(root, id.number, item))?;
        inode.ok_or_else(|| {
            Error::corrupt(format!("there is no inode {} in subvolume {}", id.number, id.subvolume))
        })
    }

    /// What `metadata` of the trait does.
    pub(super) fn inode_metadata(&self, id: InodeId) -> Result<Metadata> {
        let sector_size = self.superblock.sector_size;
        if !is_empty_directory(id) {
            return Ok(self.inode(id)?.metadata(sector_size));
        }
        // The kernel makes it up when it is looked at, with the time of then; here it is as old as its directory.
        let dir = self.inode(InodeId { number: id.number & !EMPTY, ..id })?;
        let dir = Inode { size: 0, bytes: 0, links: 1, permissions: EMPTY_PERMISSIONS, ..dir };
        let (changed, created) = (dir.modified, dir.modified);
        let empty = Inode { number: EMPTY_DIRECTORY, changed, created, ..dir };
        Ok(empty.metadata(sector_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_the_kernel_reads_them() {
        let root = Root { id: 5, address: 0, level: 0, generation: 1 };
        let mut item = vec![0; SIZE];
        item[24] = 1;
        item[52..56].copy_from_slice(&0o60660_u32.to_le_bytes());
        item[56..60].copy_from_slice(&(300_u32 << 20 | 70000).to_le_bytes());
        item[112..120].copy_from_slice(&(-1_i64).to_le_bytes());
        let metadata = Inode::parse(root, 257, &item).unwrap().metadata(4096);
        assert_eq!((metadata.file_type, metadata.permissions), (FileType::BlockDevice, 0o660));
        assert_eq!(metadata.device, DeviceNumber { major: 300, minor: 70000 });
        assert_eq!((metadata.blocks, metadata.accessed.seconds), (8, -1));
        item[52..56].copy_from_slice(&0o30660_u32.to_le_bytes());
        assert_eq!(Inode::parse(root, 257, &item).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(Inode::parse(root, 257, &item[1..]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
