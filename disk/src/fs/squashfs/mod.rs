//! SquashFS 4.0: the compressed, read-only filesystem of live media, containers and firmware.
//!
//! ```text
//! Squashfs ── superblock ── inode ─┬─ file ── fragments ─┐
//!             table (owners, …)    ├─ dir                ├─ blocks (cached) ── compress ── codec
//!                                  └─ xattr ─────────────┘
//! ```
//!
//! Data has no checksums here, so damage shows only where a decompressor or a rule of the format notices it.
//! An [`InodeId`] is an inode's reference, which says where it is stored.

mod blocks;
mod compress;
mod dir;
mod file;
mod inode;
mod superblock;
mod table;
mod xattr;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;

use self::blocks::Blocks;
use self::file::File;
use self::inode::Content;
use self::superblock::Superblock;
use self::table::XattrTable;
use super::{DirEntry, FileData, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// The longest target of a symbolic link in bytes: a memory page, as in the kernel.
const MAX_LINK: u64 = 4096;

/// A SquashFS filesystem.
#[derive(Debug)]
pub struct Squashfs {
    superblock: Superblock,
    blocks: Blocks,
    /// Owners and groups, by their numbers in inodes.
    ids: Vec<u32>,
    xattrs: Option<XattrTable>,
    sector_size: u32,
}

impl Squashfs {
    /// Does `source` start as a SquashFS does, of any version and byte order?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut bytes = [0; superblock::SIZE];
        if source.len() < u64::try_from(superblock::SIZE).unwrap_or(u64::MAX) {
            return Ok(false);
        }
        source.read_at(0, &mut bytes)?;
        Ok(bytes.starts_with(&superblock::MAGIC_LITTLE) || bytes.starts_with(&superblock::MAGIC_BIG))
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let superblock = Superblock::read(&source)?;
        let sector_size = source.sector_size();
        let blocks = Blocks::new(source, &superblock);
        let mut fs = Squashfs { superblock, blocks, ids: Vec::new(), xattrs: None, sector_size };
        fs.ids = fs.read_ids()?;
        fs.xattrs = fs.read_xattr_table()?;
        fs.inode(fs.root())?
            .directory()
            .map_err(|_| Error::corrupt("the root of a squashfs is not a directory"))?;
        Ok(fs)
    }
}

impl Filesystem for Squashfs {
    fn kind(&self) -> &'static str {
        "squashfs"
    }

    fn root(&self) -> InodeId {
        InodeId::new(self.superblock.root)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        self.find(&self.inode(dir)?, name)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.visible_entries(&self.inode(dir)?, each)
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        self.inode_metadata(&self.inode(inode)?)
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        Ok(Box::new(File::new(self, &self.inode(inode)?)?))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        let inode = self.inode(inode)?;
        let Content::Link((at, offset)) = inode.content else {
            let what = format!("inode {} is not a symbolic link", inode.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        };
        if inode.size > MAX_LINK {
            return Err(Error::corrupt(format!("symbolic link {} of {} bytes", inode.number, inode.size)));
        }
        let mut target = vec![0; usize::try_from(inode.size).unwrap_or_default()];
        let result = self.blocks.cursor(at, offset).read(&mut target);
        result.context(|| format!("reading symbolic link {}", inode.number))?;
        // As the kernel gives it: up to the first NUL byte.
        target.truncate(target.iter().position(|&byte| byte == 0).unwrap_or(target.len()));
        Ok(target.into())
    }

    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        self.inode_xattrs(&self.inode(inode)?)
    }

    fn stat_fs(&self) -> Result<FsStats> {
        let sb = &self.superblock;
        Ok(FsStats {
            block_size: sb.block_size.into(),
            fragment_size: sb.block_size.into(),
            blocks: sb.bytes.div_ceil(sb.block_size.into()),
            blocks_free: 0,
            blocks_available: 0,
            files: sb.inodes.into(),
            files_free: 0,
            // The kernel makes it of the device's number.
            id: 0,
            name_max: u64::try_from(dir::MAX_NAME).unwrap_or(u64::MAX),
        })
    }
}
