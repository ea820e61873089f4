//! ext2, ext3 and ext4: read as the kernel reads them, from every version and set of features that mke2fs has made.
//!
//! ```text
//! Ext ── superblock, group ── inode ─┬─ map ── extents, indirect ── file, link
//!         blocks (checked, cached)   ├─ inline
//!                                    ├─ xattr ── acl
//!                                    └─ dir ── order ── htree ── hash, casefold
//! ```
//!
//! All checksums that the filesystem keeps are verified; what is wrong is `Corrupt`. Feature bits that are not known
//! are `Unsupported`, as are encrypted names and contents.

mod acl;
mod blocks;
mod casefold;
mod checksum;
mod dir;
mod extents;
mod features;
mod file;
mod group;
mod hash;
mod htree;
mod indirect;
mod inline;
mod inode;
mod journal;
mod link;
mod map;
mod order;
mod orphans;
mod recover;
mod stats;
mod superblock;
mod xattr;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;

use self::blocks::Blocks;
use self::file::File;
use self::orphans::Orphans;
use self::superblock::Superblock;
use super::{DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::bytes::Fields;
use crate::{Error, ErrorKind, ReadAt, Result};

/// An ext2, ext3 or ext4 filesystem.
#[derive(Debug)]
pub struct Ext {
    superblock: Superblock,
    blocks: Blocks,
    orphans: Orphans,
}

impl Ext {
    /// Does `source` have an ext superblock?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut bytes = [0; superblock::SIZE];
        let end = superblock::OFFSET.saturating_add(u64::try_from(superblock::SIZE).unwrap_or(u64::MAX));
        if source.len() < end {
            return Ok(false);
        }
        source.read_at(superblock::OFFSET, &mut bytes)?;
        Ok(bytes.le16(superblock::MAGIC_OFFSET)? == superblock::MAGIC)
    }

    /// Opens the filesystem on `source`. What a journal has that was not yet written in its place is read from there.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let ext = Ext::as_written(source)?.recovered()?;
        let root = ext.any_inode(inode::ROOT)?;
        if root.file_type != FileType::Directory {
            return Err(Error::corrupt("the root of an ext filesystem is not a directory"));
        }
        Ok(ext)
    }

    /// The filesystem as it is on `source`, whatever its journal has.
    fn as_written(source: Arc<dyn ReadAt>) -> Result<Self> {
        let superblock = Superblock::read(&source)?;
        let blocks = Blocks::new(source, &superblock);
        Ok(Ext { superblock, blocks, orphans: Orphans::default() })
    }
}

impl Filesystem for Ext {
    fn kind(&self) -> &'static str {
        self.superblock.kind()
    }

    fn root(&self) -> InodeId {
        InodeId::new(inode::ROOT.into())
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
        let inode = self.inode(inode)?;
        if inode.file_type != FileType::Regular {
            let what = format!("inode {} is not a regular file", inode.number);
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        inode.refuse_encrypted()?;
        Ok(Box::new(File::new(self, inode)?))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        self.link_target(&self.inode(inode)?)
    }

    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        self.inode_xattrs(&self.inode(inode)?)
    }

    fn stat_fs(&self) -> Result<FsStats> {
        self.stats()
    }
}
