//! Btrfs: read as the kernel's read-only mount shows it, from one device or several.
//!
//! ```text
//! Btrfs ─┬─ inode, link                     ─┐
//!        ├─ file ── extents, data ── compress ├─ tree ─┬─ changes ── log
//!        ├─ dir ── xattr                      │        └─ node ── volumes ─┬─ chunk
//!        ├─ subvolume ── root                 │                            └─ device ── superblock
//!        └─ stats                            ─┘
//! ```
//!
//! What was fsynced after the last transaction is in a log, which is replayed in memory. All checksums are verified; what
//! is wrong on every copy is `Corrupt`. Feature bits that are not known are `Unsupported`, and so is a filesystem of which a
//! device is missing.

mod changes;
mod checksum;
mod chunk;
mod compress;
mod data;
mod device;
mod dir;
mod extents;
mod features;
mod file;
mod inode;
mod key;
mod link;
mod log;
mod node;
mod open;
mod root;
mod stats;
mod subvolume;
mod superblock;
mod tree;
mod volumes;
mod xattr;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use bstr::BString;

use self::data::Data;
pub use self::device::{DeviceInfo, device_info};
use self::file::File;
use self::key::object;
use self::root::RootItem;
use self::superblock::Superblock;
use self::tree::{Root, Trees};
use super::{
    DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Subvolume, SubvolumeName, Xattr,
};
use crate::clock::Clock;
use crate::{ReadAt, Result};

/// A btrfs filesystem.
#[derive(Debug)]
pub struct Btrfs {
    superblock: Superblock,
    trees: Trees,
    /// The tree of trees.
    roots: Root,
    default_subvolume: u64,
    data: Data,
    /// Root items of subvolumes that were used of late.
    kept_roots: Mutex<Clock<u64, RootItem>>,
}

impl Btrfs {
    /// Does `source` have a btrfs superblock?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        superblock::is_on(source)
    }

    /// Opens the filesystem on `source`, with those of `members` that belong to it.
    ///
    /// # Errors
    /// `Unsupported` if a device is missing; `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: &Arc<dyn ReadAt>, members: &[Arc<dyn ReadAt>]) -> Result<Self> {
        let (mut trees, superblock) = open::open(source, members)?;
        let roots = open::root_tree(&superblock);
        let default_subvolume = trees.default_subvolume(roots)?;
        let checksums = trees.system_root(roots, object::CSUM_TREE)?;
        let data = Data::new(&superblock, checksums);
        if superblock.log_root.0 != 0 {
            log::replay(&mut trees, &superblock, roots, checksums)?;
        }
        let kept_roots = Mutex::new(Clock::new(subvolume::KEPT_ROOTS));
        let btrfs = Btrfs { superblock, trees, roots, default_subvolume, kept_roots, data };
        btrfs.inode(btrfs.root())?.need_directory()?;
        Ok(btrfs)
    }
}

impl Filesystem for Btrfs {
    fn kind(&self) -> &'static str {
        "btrfs"
    }

    fn root(&self) -> InodeId {
        Btrfs::top_of(self.default_subvolume)
    }

    fn subvolumes(&self) -> Result<Vec<Subvolume>> {
        self.all_subvolumes()
    }

    fn default_subvolume(&self) -> Option<u64> {
        Some(self.default_subvolume)
    }

    fn subvolume_root(&self, name: SubvolumeName<'_>) -> Result<InodeId> {
        self.find_subvolume(name)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        if inode::is_empty_directory(dir) {
            return Ok(None);
        }
        self.find(&self.inode(dir)?, name)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        if inode::is_empty_directory(dir) {
            return Ok(());
        }
        self.entries(&self.inode(dir)?, each)
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        self.inode_metadata(inode)
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let inode = self.inode(inode)?;
        inode.need(FileType::Regular, "regular file")?;
        Ok(Box::new(File::new(self, inode.content())))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        self.link_target(&self.inode(inode)?)
    }

    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        if inode::is_empty_directory(inode) {
            return Ok(Vec::new());
        }
        self.inode_xattrs(&self.inode(inode)?)
    }

    fn stat_fs(&self) -> Result<FsStats> {
        self.stats_at(self.default_subvolume)
    }

    fn stat_fs_at(&self, inode: InodeId) -> Result<FsStats> {
        self.stats_at(inode.subvolume)
    }
}
