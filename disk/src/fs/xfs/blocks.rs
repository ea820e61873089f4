//! Metadata: read once, checked once, kept for a while.
//!
//! What is kept is kept under what it is *for* ([`Key`]): a hostile image may use one block as two things, and each
//! use is checked for itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::superblock::Superblock;
use crate::clock::Clock;
use crate::{Context, ReadAt, Result};

/// How many bytes of metadata are kept. Holds some 8,000 inodes of 512 bytes, or 1,000 directory blocks of 4 KiB.
const CACHE_BYTES: usize = 4 << 20;
/// Inodes are read in windows of so many bytes: 32 inodes of 512 bytes, which is how the kernel reads them, too.
const INODE_WINDOW: u64 = 16 << 10;

/// One of the two parts of an inode that map blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Which {
    /// Content.
    Data,
    /// Extended attributes.
    Attributes,
}

/// What a block is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The window of inodes that starts at this byte.
    Inodes(u64),
    /// A node of the tree of extents of inode `owner`, at fsblock `block`.
    Extents { owner: u64, block: u64 },
    /// A block of directory data, `block` in the directory of inode `owner`.
    DirData { owner: u64, block: u64 },
    /// A block of the hash tree of names or attributes, `block` in that part of inode `owner`.
    Tree { owner: u64, which: Which, block: u64 },
}

/// The metadata of one filesystem.
#[derive(Debug)]
pub(super) struct Blocks {
    source: Arc<dyn ReadAt>,
    /// Size of the filesystem in bytes.
    len: u64,
    cache: Mutex<Clock<Key, Arc<[u8]>>>,
}

impl Blocks {
    pub(super) fn new(source: Arc<dyn ReadAt>, superblock: &Superblock) -> Self {
        let len = superblock.blocks.saturating_mul(superblock.block_size.into());
        Blocks { source, len, cache: Mutex::new(Clock::new(CACHE_BYTES)) }
    }

    /// What lies below.
    pub(super) fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    fn lock(&self) -> MutexGuard<'_, Clock<Key, Arc<[u8]>>> {
        // Nothing panics while the lock is held, and a cache is whole after every statement.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under `key`.
    pub(super) fn cached(&self, key: Key) -> Option<Arc<[u8]>> {
        self.lock().get(&key).map(Arc::clone)
    }

    /// Keeps `bytes`, which have been checked, under `key`.
    pub(super) fn keep(&self, key: Key, bytes: &Arc<[u8]>) {
        self.lock().insert(key, Arc::clone(bytes), bytes.len());
    }

    /// What is kept under `key`, or else what `read` gives and checks.
    pub(super) fn get(&self, key: Key, read: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<[u8]>> {
        if let Some(bytes) = self.cached(key) {
            return Ok(bytes);
        }
        let bytes: Arc<[u8]> = read()?.into();
        self.keep(key, &bytes);
        Ok(bytes)
    }

    /// `len` bytes from byte `offset` on. `len` is the size of a block or a small number of them.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.source
            .read_at(offset, &mut bytes)
            .context(|| format!("reading {len} bytes at byte {offset} of an XFS filesystem"))?;
        Ok(bytes)
    }

    /// The window of inodes around byte `offset`, and where in it that byte lies.
    pub(super) fn inodes(&self, offset: u64) -> Result<(Arc<[u8]>, usize)> {
        let within = offset % INODE_WINDOW;
        let start = offset.saturating_sub(within);
        let len = INODE_WINDOW.min(self.len.saturating_sub(start));
        let to_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let window = self.get(Key::Inodes(start), || self.read(start, to_usize(len)))?;
        Ok((window, to_usize(within)))
    }
}
