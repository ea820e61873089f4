//! Metadata blocks: read once, checked once, kept for a while.
//!
//! A block is kept together with what it was checked as ([`Check`]), so that a block which two structures of a hostile
//! image share is checked for each of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::superblock::Superblock;
use super::{dir, extents, htree, xattr};
use crate::crc::crc32c;
use crate::{Context, Error, ReadAt, Result};

/// How many bytes of metadata are kept. Holds the inode table of some 16,000 inodes or 1,000 directory blocks.
const CACHE_BYTES: usize = 4 << 20;

/// What a block is read as, and thereby which checksum must be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Check {
    /// Inode tables, group descriptors, indirect blocks, targets of symbolic links: no checksum over the block.
    None,
    /// A node of an extent tree. `seed`: of its inode.
    Extents { seed: u32 },
    /// A block of directory entries. `seed`: of its inode.
    DirLeaf { seed: u32 },
    /// A node of a directory index (not an empty leaf). `seed`: of its inode.
    DirIndex { seed: u32 },
    /// A block of extended attributes.
    Xattr,
}

/// The blocks of one filesystem.
#[derive(Debug)]
pub(super) struct Blocks {
    source: Arc<dyn ReadAt>,
    block_size: u32,
    count: u64,
    /// Checksum seed of the filesystem, if it has `metadata_csum`.
    seed: Option<u32>,
    cache: Mutex<Cache>,
}

/// First in, first out: what is read again soon is all that matters.
#[derive(Debug, Default)]
struct Cache {
    blocks: HashMap<(u64, Check), Arc<[u8]>>,
    order: VecDeque<(u64, Check)>,
}

impl Blocks {
    pub(super) fn new(source: Arc<dyn ReadAt>, superblock: &Superblock) -> Self {
        Blocks {
            source,
            block_size: superblock.block_size,
            count: superblock.blocks,
            seed: superblock.metadata_csum().then_some(superblock.checksum_seed),
            cache: Mutex::default(),
        }
    }

    /// Byte offset of `block`, which must be one of the filesystem.
    pub(super) fn offset(&self, block: u64) -> Result<u64> {
        if block >= self.count {
            return Err(Error::corrupt(format!(
                "block {block} lies outside the filesystem of {} blocks",
                self.count
            )));
        }
        Ok(block.saturating_mul(self.block_size.into()))
    }

    /// What lies below.
    pub(super) fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    /// The content of `block`, checked as `check`.
    pub(super) fn get(&self, block: u64, check: Check) -> Result<Arc<[u8]>> {
        let key = (block, check);
        if let Some(bytes) = self.lock().blocks.get(&key) {
            return Ok(Arc::clone(bytes));
        }
        let offset = self.offset(block)?;
        let mut bytes = vec![0; crate::bytes::index(self.block_size)];
        self.source.read_at(offset, &mut bytes).context(|| format!("reading block {block}"))?;
        if let Some(seed) = self.seed {
            self.check(block, check, seed, &bytes).context(|| format!("in block {block}"))?;
        }
        let bytes: Arc<[u8]> = bytes.into();
        let mut cache = self.lock();
        if cache.blocks.insert(key, Arc::clone(&bytes)).is_none() {
            cache.order.push_back(key);
        }
        while cache.order.len() > CACHE_BYTES.checked_div(bytes.len()).unwrap_or(1) {
            if let Some(oldest) = cache.order.pop_front() {
                cache.blocks.remove(&oldest);
            }
        }
        Ok(bytes)
    }

    fn check(&self, block: u64, check: Check, filesystem_seed: u32, bytes: &[u8]) -> Result<()> {
        let (what, have, want) = match check {
            Check::None => return Ok(()),
            Check::Extents { seed } => {
                let (covered, have) = extents::checksummed(bytes)?;
                ("extent block", have, crc32c(seed, covered))
            }
            Check::DirLeaf { seed } => {
                let (covered, have) = dir::checksummed(bytes)?;
                ("directory block", have, crc32c(seed, covered))
            }
            Check::DirIndex { seed } => {
                let (covered, reserved, have) = htree::checksummed(bytes)?;
                ("directory index block", have, crc32c(crc32c(crc32c(seed, covered), reserved), &[0; 4]))
            }
            Check::Xattr => {
                let (before, after, have) = xattr::checksummed(bytes)?;
                let start = crc32c(filesystem_seed, &block.to_le_bytes());
                ("extended attribute block", have, crc32c(crc32c(crc32c(start, before), &[0; 4]), after))
            }
        };
        if have == want {
            Ok(())
        } else {
            Err(Error::corrupt(format!("{what} checksum {have:#010x}, not {want:#010x}")))
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing panics while the lock is held, and a cache is whole after every statement.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
