//! Btrfs: read as the kernel's read-only mount shows it, from one device or several.
//!
//! ```text
//! Btrfs ── root ── tree ── node ── volumes ── chunk, device ── superblock
//!   └── file ── extents, data ── compress
//! ```
//!
//! All checksums are verified; what is wrong on every copy is `Corrupt`. Feature bits that are not known are `Unsupported`,
//! and so is a filesystem of which a device is missing.

mod checksum;
mod chunk;
mod compress;
mod data;
mod device;
mod dir;
mod extents;
mod features;
mod file;
mod key;
mod node;
mod open;
mod root;
mod superblock;
mod tree;
mod volumes;

use std::sync::Arc;

use self::data::Data;
pub use self::device::{DeviceInfo, device_info};
use self::key::object;
use self::superblock::Superblock;
use self::tree::{Root, Trees};
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
        let (trees, superblock) = open::open(source, members)?;
        let roots = open::root_tree(&superblock);
        let default_subvolume = trees.default_subvolume(roots)?;
        let checksums = trees.system_root(roots, object::CSUM_TREE)?;
        let data = Data::new(&superblock, checksums);
        Ok(Btrfs { superblock, trees, roots, default_subvolume, data })
    }
}
