//! Filesystems: one read-only trait for all of them, and one module each.

pub mod btrfs;
mod calendar;
mod clusters;
pub mod erofs;
pub mod exfat;
pub mod ext;
pub mod fat;
pub mod iso9660;
pub mod ntfs;
pub mod squashfs;
pub mod udf;
pub mod xfs;

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bstr::BString;

use crate::{Error, ReadAt, Result};

/// Opens the filesystem on `source`, whatever it is.
///
/// # Errors
/// `Unsupported` if it is one that this crate does not read; `NotFound` if there is none that it knows; else as
/// everywhere.
pub fn open(source: Arc<dyn ReadAt>) -> Result<Arc<dyn Filesystem>> {
    open_with(source, &[])
}

/// Like [`open`], for a filesystem that may lie on several devices: `members` are all those that might belong to it, in
/// any order, `source` among them or not.
///
/// # Errors
/// As for [`open`]; `Unsupported` if a device is missing that must be there.
pub fn open_with(source: Arc<dyn ReadAt>, members: &[Arc<dyn ReadAt>]) -> Result<Arc<dyn Filesystem>> {
    if ext::Ext::is_on(&source)? {
        return Ok(Arc::new(ext::Ext::open(source)?));
    }
    if xfs::Xfs::is_on(&source)? {
        return Ok(Arc::new(xfs::Xfs::open(source)?));
    }
    if btrfs::Btrfs::is_on(&source)? {
        return Ok(Arc::new(btrfs::Btrfs::open(&source, members)?));
    }
    if squashfs::Squashfs::is_on(&source)? {
        return Ok(Arc::new(squashfs::Squashfs::open(source)?));
    }
    if exfat::Exfat::is_on(&source)? {
        return Ok(Arc::new(exfat::Exfat::open(source)?));
    }
    if ntfs::Ntfs::is_on(&source)? {
        return Ok(Arc::new(ntfs::Ntfs::open(source)?));
    }
    if iso9660::Iso9660::is_on(&source)? {
        return Ok(Arc::new(iso9660::Iso9660::open(source)?));
    }
    if fat::Fat::is_on(&source)? {
        return Ok(Arc::new(fat::Fat::open(source)?));
    }
    if erofs::Erofs::is_on(&source)? {
        return Ok(Arc::new(erofs::Erofs::open(source)?));
    }
    if udf::Udf::is_on(&source)? {
        return Ok(Arc::new(udf::Udf::open(source)?));
    }
    match foreign(&source)? {
        Some(kind) => Err(Error::unsupported(format!("a filesystem of type {kind}"))),
        None => Err(Error::new(crate::ErrorKind::NotFound, "no filesystem that is known here")),
    }
}

/// Names the filesystems that others must read, by what they start with.
fn foreign(source: &dyn ReadAt) -> Result<Option<&'static str>> {
    // Offsets and values in bytes, from each filesystem's specification (and as in file(1)'s and blkid's tables).
    const MAGIC: [(u64, &[u8], &str); 7] = [
        (0x400, &[0x10, 0x20, 0xF5, 0xF2], "f2fs"),
        (0x1_0034, b"ReIsEr", "reiserfs"),
        (0x8000, b"JFS1", "jfs"),
        (0xFF6, b"SWAPSPACE2", "swap"),
        (0, &[b'L', b'U', b'K', b'S', 0xBA, 0xBE], "crypto_LUKS"),
        (3, b"-FVE-FS-", "BitLocker"),
        (0x218, b"LVM2 001", "LVM2_member"),
    ];
    for (offset, magic, kind) in MAGIC {
        let mut bytes = vec![0; magic.len()];
        let end = offset.saturating_add(u64::try_from(magic.len()).unwrap_or(u64::MAX));
        if end <= source.len() {
            source.read_at(offset, &mut bytes)?;
            if bytes == magic {
                return Ok(Some(kind));
            }
        }
    }
    Ok(None)
}

/// Names an inode within one filesystem. It means something to that filesystem alone; the number that `stat` shows is
/// [`Metadata::number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId {
    /// Which subvolume it belongs to; 0 where there is only one.
    pub subvolume: u64,
    /// Which inode of it: often its number, else where its record is stored.
    pub number: u64,
}

impl InodeId {
    /// An inode of a filesystem without subvolumes.
    pub const fn new(number: u64) -> Self {
        InodeId { subvolume: 0, number }
    }
}

/// A tree of its own within a filesystem (btrfs): it can be mounted alone, and has inode numbers of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subvolume {
    /// Number, as `subvolid=` takes it.
    pub id: u64,
    /// Path from the filesystem's top, without a leading slash.
    pub path: BString,
    /// Number of the subvolume that it lies in.
    pub parent: u64,
    /// Generation in which it last changed.
    pub generation: u64,
    /// UUID of its own.
    pub uuid: Option<String>,
    /// The subvolume that it is a snapshot of.
    pub parent_uuid: Option<String>,
    /// Is it read-only?
    pub read_only: bool,
}

/// How a caller names a subvolume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubvolumeName<'a> {
    /// Path from the filesystem's top; a leading slash is ignored.
    Path(&'a [u8]),
    /// Number.
    Id(u64),
}

/// What kind of thing an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Block device node.
    BlockDevice,
    /// Character device node.
    CharDevice,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
}

/// A point in time, relative to 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after `seconds`. A damaged inode can have 1,000,000,000 or more, up to 2^30 - 1 in ext4 and all 32 bits in
    /// EROFS: the `stat` of Linux 6.1 shows them unchanged, and so does this.
    pub nanoseconds: u32,
}

/// Number of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceNumber {
    /// Driver.
    pub major: u32,
    /// Unit.
    pub minor: u32,
}

impl DeviceNumber {
    /// A number as Linux puts it together of two of 32 bits: it keeps 12 of them and 20, whatever spills over.
    const fn of_linux(major: u32, minor: u32) -> Self {
        const MINOR_BITS: u32 = 20;
        let number = major << MINOR_BITS | minor;
        DeviceNumber { major: number >> MINOR_BITS, minor: number & ((1 << MINOR_BITS) - 1) }
    }
}

/// What `lstat` shows of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Inode number (`st_ino`).
    pub number: u64,
    /// Which subvolume it belongs to; 0 where there is only one. `st_dev` is another in each.
    pub subvolume: u64,
    /// Kind.
    pub file_type: FileType,
    /// Permission bits with set-user-ID, set-group-ID and sticky: the low 12 bits of `st_mode`.
    pub permissions: u16,
    /// Number of names.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// For device nodes: which device. Otherwise 0:0.
    pub device: DeviceNumber,
    /// Size in bytes; for a symbolic link the length of its target.
    pub size: u64,
    /// Space taken, in units of 512 bytes (`st_blocks`).
    pub blocks: u64,
    /// Preferred I/O size in bytes (`st_blksize`).
    pub block_size: u32,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the inode.
    pub changed: Timestamp,
    /// Creation, where the filesystem records it.
    pub created: Option<Timestamp>,
}

/// One name of a directory.
#[derive(Debug, Clone, Copy)]
pub struct DirEntry<'a> {
    /// The name: any bytes but NUL and `/`, never empty, never `.` or `..`.
    pub name: &'a [u8],
    /// What it names.
    pub inode: InodeId,
    /// Its inode number (`d_ino`).
    pub number: u64,
    /// Its kind, where the directory records it.
    pub file_type: Option<FileType>,
}

/// An extended attribute as `getxattr` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Full name with its namespace, as `user.mime_type`.
    pub name: BString,
    /// Value.
    pub value: BString,
}

/// What `statvfs` shows of a mounted filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsStats {
    /// Preferred I/O size in bytes (`f_bsize`).
    pub block_size: u64,
    /// Unit of the block counts below in bytes (`f_frsize`).
    pub fragment_size: u64,
    /// Blocks in the filesystem.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for ordinary users.
    pub blocks_available: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Filesystem ID, as `statvfs` composes it from the kernel's `f_fsid`.
    pub id: u64,
    /// Longest name in bytes.
    pub name_max: u64,
}

/// The content of an open regular file. Extents are cached for as long as this lives.
pub trait FileData: Debug + Send {
    /// Size in bytes.
    fn len(&self) -> u64;

    /// Is the file empty?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` (bytes) into `buf` and returns how many bytes were read: less than `buf.len()` only at the
    /// end of the file. Holes and unwritten extents read as zeros.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported` where the mapping cannot be followed, `Io` where the source cannot be read.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// The next range (bytes) at or after `offset` with data, as `SEEK_DATA`/`SEEK_HOLE` find it; `None` if only a
    /// hole follows. In a file of very many pieces the range may end before the data does, or be a hole: no call looks
    /// at more than some thousands of pieces.
    ///
    /// # Errors
    /// As for [`read_at`](Self::read_at).
    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>>;
}

/// A read-only filesystem. Names are bytes. Nothing here follows symbolic links or crosses mounts: that is for the
/// caller, which also bounds walks (a corrupt directory tree can contain itself).
pub trait Filesystem: Debug + Send + Sync {
    /// Type as `blkid` and `mount -t` name it: `ext4`, `xfs`…
    fn kind(&self) -> &'static str;

    /// The root directory: of the default subvolume, if there are several.
    fn root(&self) -> InodeId;

    /// All subvolumes but the top, in the order of their numbers.
    ///
    /// # Errors
    /// As everywhere.
    fn subvolumes(&self) -> Result<Vec<Subvolume>> {
        Ok(Vec::new())
    }

    /// Number of the subvolume that is mounted if none is named, or `None` where there are no subvolumes.
    fn default_subvolume(&self) -> Option<u64> {
        None
    }

    /// The root directory of a subvolume.
    ///
    /// # Errors
    /// `NotFound` if there is nothing of that name; `InvalidInput` if it is something else; `Unsupported` where there are no subvolumes.
    fn subvolume_root(&self, _name: SubvolumeName<'_>) -> Result<InodeId> {
        Err(Error::unsupported(format!("{} has no subvolumes", self.kind())))
    }

    /// The inode that `name` names in directory `dir`, or `None`.
    ///
    /// # Errors
    /// `NotADirectory` if `dir` is something else; `Corrupt`, `Unsupported` or `Io` as everywhere.
    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>>;

    /// Calls `each` for every name of directory `dir` but `.` and `..`, in the order in which Linux lists them, until
    /// it says `Break`.
    ///
    /// # Errors
    /// As for [`lookup`](Self::lookup).
    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;

    /// What `lstat` shows of `inode`.
    ///
    /// # Errors
    /// `Corrupt` if no such inode is in use.
    fn metadata(&self, inode: InodeId) -> Result<Metadata>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a regular file.
    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>>;

    /// The target of a symbolic link: any bytes but NUL, as stored.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a symbolic link.
    fn read_link(&self, inode: InodeId) -> Result<BString>;

    /// The extended attributes that `listxattr` shows root, with their values, in the kernel's order.
    ///
    /// # Errors
    /// As everywhere.
    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>>;

    /// The value of an extended attribute that `listxattr` does not show, if the filesystem has one of that name.
    ///
    /// # Errors
    /// As everywhere.
    fn hidden_xattr(&self, inode: InodeId, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let _ = (inode, name);
        Ok(None)
    }

    /// The numbers that `statvfs` shows.
    ///
    /// # Errors
    /// As everywhere.
    fn stat_fs(&self) -> Result<FsStats>;

    /// What `statvfs` shows of a file: only where there are subvolumes does it matter of which.
    ///
    /// # Errors
    /// As everywhere.
    fn stat_fs_at(&self, _inode: InodeId) -> Result<FsStats> {
        self.stat_fs()
    }
}
