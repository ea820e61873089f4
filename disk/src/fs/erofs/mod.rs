//! EROFS: the read-only filesystem of Android, containers and some live media, plain or compressed.
//!
//! ```text
//! Erofs ── superblock ── inode ─┬─ file ─┬─ (plain, inline, chunks)
//!                               │        └─ compressed ── index, decompress
//!                               ├─ dir ── file
//!                               └─ xattr
//! ```
//!
//! Refused by name: several devices, and the 48-bit layout. Only the superblock has a checksum. Metadata is read through
//! the cache that lies below.

mod compressed;
mod decompress;
mod dir;
mod file;
mod index;
mod inode;
mod metadata;
mod superblock;
mod xattr;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;

use self::decompress::Shared;
use self::file::File;
use self::superblock::Superblock;
use self::xattr::Prefix;
use super::{DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::bytes::Fields;
use crate::{Error, ErrorKind, ReadAt, Result};

/// The longest target of a symbolic link in bytes: less than a memory page, as everywhere in Linux.
const MAX_LINK: u64 = 4095;

/// An EROFS filesystem.
#[derive(Debug)]
pub struct Erofs {
    superblock: Superblock,
    source: Arc<dyn ReadAt>,
    shared: Shared,
    /// Prefixes of attributes' names that the filesystem defines itself.
    prefixes: Vec<Prefix>,
}

impl Erofs {
    /// Does `source` have an EROFS superblock?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut bytes = [0; superblock::SIZE];
        if crate::source::check_range(source.len(), superblock::OFFSET, bytes.len()).is_err() {
            return Ok(false);
        }
        source.read_at(superblock::OFFSET, &mut bytes)?;
        Superblock::is_in(&bytes)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let superblock = Superblock::read(&source)?;
        let mut fs = Erofs { superblock, source, shared: Shared::default(), prefixes: Vec::new() };
        fs.prefixes = fs.read_prefixes()?;
        if fs.inode(fs.root())?.file_type != FileType::Directory {
            return Err(Error::corrupt("the root of an erofs is not a directory"));
        }
        Ok(fs)
    }
}

impl Filesystem for Erofs {
    fn kind(&self) -> &'static str {
        "erofs"
    }

    fn root(&self) -> InodeId {
        InodeId::new(self.superblock.root)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        self.find(self.inode(dir)?, name)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.visible_entries(self.inode(dir)?, each)
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        Ok(self.inode_metadata(&self.inode(inode)?))
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let inode = self.inode(inode)?;
        if inode.file_type != FileType::Regular {
            let what = format!("inode {} is not a regular file", inode.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(Box::new(File::new(self, inode)?))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        let inode = self.inode(inode)?;
        let what = format!("symbolic link {} of {} bytes", inode.number, inode.size);
        if inode.file_type != FileType::Symlink {
            return Err(Error::new(ErrorKind::InvalidInput, format!("not a {what}")));
        }
        if inode.size == 0 || inode.size > MAX_LINK {
            return Err(Error::corrupt(what));
        }
        let mut target = vec![0; usize::try_from(inode.size).unwrap_or_default()];
        File::new(self, inode)?.read_at(0, &mut target)?;
        if target.contains(&0) {
            return Err(Error::corrupt(what));
        }
        Ok(target.into())
    }

    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        self.inode_xattrs(&self.inode(inode)?)
    }

    fn stat_fs(&self) -> Result<FsStats> {
        let sb = &self.superblock;
        let uuid: &[u8] = &sb.uuid;
        Ok(FsStats {
            block_size: sb.block_size(),
            fragment_size: sb.block_size(),
            blocks: sb.blocks.into(),
            blocks_free: 0,
            blocks_available: 0,
            files: u64::MAX,
            files_free: u64::MAX.saturating_sub(sb.inodes),
            // Both halves of the UUID, one upon the other.
            id: uuid.le64(0)? ^ uuid.le64(8)?,
            name_max: u64::try_from(dir::MAX_NAME).unwrap_or(u64::MAX),
        })
    }
}
