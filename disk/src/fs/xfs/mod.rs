//! XFS, versions 4 and 5: read as the kernel reads it.
//!
//! ```text
//! Xfs ── superblock ── log ── blocks (checked, cached) ── inode ─┬─ extents ── file, link
//!         features             checksum                          ├─ dir ── tree
//!                                                                └─ attr ── tree
//!         ag ── stats                              geometry: what xfs_info shows
//! ```
//!
//! All checksums that the filesystem keeps are verified, and that a block belongs where it was found; what is wrong is
//! `Corrupt`. Feature bits that are not known are `Unsupported`, as are realtime devices, logs on other devices, and
//! names that ignore case. An inode that a directory names is taken as the kernel takes it: in use if its mode says so.

mod ag;
mod attr;
mod blocks;
mod checksum;
mod dir;
mod extents;
mod features;
mod file;
mod finish;
mod geometry;
mod inode;
mod link;
mod log;
mod short_tree;
mod stats;
mod steady;
mod superblock;
mod tree;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;

use self::blocks::Blocks;
use self::file::File;
pub use self::geometry::{Geometry, geometry};
use self::log::Intents;
use self::superblock::Superblock;
use super::{DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::{Error, ErrorKind, ReadAt, Result};

/// An XFS filesystem.
#[derive(Debug)]
pub struct Xfs {
    superblock: Superblock,
    blocks: Blocks,
    /// If there was something in the log that had not been written in its place: what the kernel would do next.
    unfinished: Option<Intents>,
}

impl Xfs {
    /// Does `source` have an XFS superblock?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut magic = [0; superblock::MAGIC.len()];
        if source.len() < u64::try_from(magic.len()).unwrap_or(u64::MAX) {
            return Ok(false);
        }
        source.read_at(0, &mut magic)?;
        Ok(magic == *superblock::MAGIC)
    }

    /// Opens the filesystem on `source`. What the log has that was not yet written in its place is read from there.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let mut superblock = Superblock::read(&source)?;
        let (source, unfinished) = match log::recover(&source, &superblock)? {
            None => (source, None),
            Some(recovered) => {
                superblock = Superblock::read(&recovered.source)?;
                (recovered.source, Some(recovered.unfinished))
            }
        };
        let blocks = Blocks::new(source, &superblock);
        let xfs = Xfs { superblock, blocks, unfinished };
        let root = xfs.inode(xfs.root())?;
        if root.file_type != FileType::Directory {
            return Err(Error::corrupt("the root of an XFS filesystem is not a directory"));
        }
        Ok(xfs)
    }
}

impl Filesystem for Xfs {
    fn kind(&self) -> &'static str {
        "xfs"
    }

    fn root(&self) -> InodeId {
        InodeId::new(self.superblock.root_inode)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        self.find(&self.inode(dir)?, name)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.list(&self.inode(dir)?, each)
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
