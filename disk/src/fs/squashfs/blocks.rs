//! Blocks of the source, decompressed; those of metadata and those that several files share are kept for a while.
//!
//! A metadata block is a 16-bit header (its stored length, and whether it is stored as it is) and up to 8 KiB of
//! content. Blocks follow each other, and what they hold runs on from one into the next: a [`Cursor`] reads it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compress::{Compression, Decoder};
use super::superblock::Superblock;
use crate::clock::Clock;
use crate::{Context, Error, ReadAt, Result};

/// Most bytes that a metadata block holds.
pub(super) const METADATA_SIZE: usize = 8192;
/// Length of its header in bytes.
const HEADER: usize = 2;
/// Bit of its header: stored as it is.
const STORED: u16 = 1 << 15;

/// How many bytes of metadata are kept: some 30,000 inodes or names.
const METADATA_CACHE: usize = 2 << 20;
/// How many bytes of fragment blocks are kept: 32 of the usual size, 4 of the largest. A walk in the order of names reads
/// each of them once, in a run.
const FRAGMENT_CACHE: usize = 4 << 20;
/// What an entry of a cache takes besides its content.
const OVERHEAD: usize = 128;
/// Most decoders kept for later: as many as work at once.
const MAX_DECODERS: usize = 4;

/// How a block of data or a fragment block is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Byte of the source.
    pub(super) at: u64,
    /// Bytes there.
    pub(super) len: u32,
    pub(super) compressed: bool,
}

impl Stored {
    /// From the word that lists of blocks and the fragment table have: a length, and bit 24 if it is not compressed.
    pub(super) fn new(at: u64, word: u32) -> Result<Self> {
        const UNCOMPRESSED: u32 = 1 << 24;
        if word >= UNCOMPRESSED << 1 {
            return Err(Error::corrupt(format!("length {word:#x} of a squashfs block")));
        }
        Ok(Stored { at, len: word & !UNCOMPRESSED, compressed: word & UNCOMPRESSED == 0 })
    }
}

/// A metadata block.
#[derive(Debug)]
struct Metadata {
    bytes: Box<[u8]>,
    /// Where the next one lies.
    next: u64,
}

/// Everything that is read of the source.
#[derive(Debug)]
pub(super) struct Blocks {
    source: Arc<dyn ReadAt>,
    /// Bytes of the source that belong to the filesystem.
    end: u64,
    compression: Compression,
    block_size: usize,
    metadata: Mutex<Clock<u64, Arc<Metadata>>>,
    fragments: Mutex<Clock<u64, Arc<[u8]>>>,
    decoders: Mutex<Vec<Decoder>>,
}

/// Nothing panics while these locks are held, and what they guard is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blocks {
    pub(super) fn new(source: Arc<dyn ReadAt>, superblock: &Superblock) -> Self {
        Blocks {
            source,
            end: superblock.bytes,
            compression: superblock.compression,
            block_size: crate::bytes::index(superblock.block_size),
            metadata: Mutex::new(Clock::new(METADATA_CACHE)),
            fragments: Mutex::new(Clock::new(FRAGMENT_CACHE)),
            decoders: Mutex::default(),
        }
    }

    /// Bytes in a data block.
    pub(super) fn block_size(&self) -> usize {
        self.block_size
    }

    /// The bytes at byte `at` of the source, which must be the filesystem's.
    pub(super) fn raw(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        crate::source::check_range(self.end, at, bytes.len())?;
        self.source.read_at(at, bytes)
    }

    /// Reads a block to the front of `output`, which is no smaller than the largest that may be there, and says how many
    /// bytes it has.
    pub(super) fn read(&self, block: Stored, output: &mut [u8]) -> Result<usize> {
        let len = crate::bytes::index(block.len);
        let Some(whole) = output.get_mut(..len) else {
            return Err(Error::corrupt(format!("a block stored in {len} bytes at byte {}", block.at)));
        };
        if !block.compressed {
            self.raw(block.at, whole)?;
            return Ok(len);
        }
        let spare = lock(&self.decoders).pop();
        let mut decoder = spare.unwrap_or_else(Decoder::new);
        decoder.input.resize(len, 0);
        let result = self
            .raw(block.at, &mut decoder.input)
            .and_then(|()| decoder.decompress(self.compression, output))
            .context(|| format!("in the block at byte {}", block.at));
        let mut decoders = lock(&self.decoders);
        if decoders.len() < MAX_DECODERS {
            decoders.push(decoder);
        }
        result
    }

    /// A block that several files have their ends in.
    pub(super) fn fragment(&self, block: Stored) -> Result<Arc<[u8]>> {
        if let Some(bytes) = lock(&self.fragments).get(&block.at) {
            return Ok(Arc::clone(bytes));
        }
        let mut bytes = vec![0; self.block_size];
        let len = self.read(block, &mut bytes)?;
        bytes.truncate(len);
        let bytes: Arc<[u8]> = bytes.into();
        let weight = bytes.len().saturating_add(OVERHEAD);
        lock(&self.fragments).insert(block.at, Arc::clone(&bytes), weight);
        Ok(bytes)
    }

    fn metadata(&self, at: u64) -> Result<Arc<Metadata>> {
        if let Some(block) = lock(&self.metadata).get(&at) {
            return Ok(Arc::clone(block));
        }
        let mut header = [0; HEADER];
        self.raw(at, &mut header).context(|| "reading squashfs metadata".to_owned())?;
        let header = u16::from_le_bytes(header);
        // A length of 0 is 32 KiB, which no block is.
        let len = header & !STORED;
        let start = at.saturating_add(2);
        let stored = Stored { at: start, len: len.into(), compressed: header & STORED == 0 };
        let mut bytes = [0; METADATA_SIZE];
        let count = if len == 0 {
            return Err(Error::corrupt(format!("a metadata block of 32 KiB at byte {at}")));
        } else {
            self.read(stored, &mut bytes)?
        };
        let bytes = bytes.get(..count).unwrap_or_default().into();
        let block = Arc::new(Metadata { bytes, next: start.saturating_add(len.into()) });
        lock(&self.metadata).insert(at, Arc::clone(&block), count.saturating_add(OVERHEAD));
        Ok(block)
    }

    /// What reads metadata from byte `offset` of the block at byte `at` on.
    pub(super) fn cursor(&self, at: u64, offset: usize) -> Cursor<'_> {
        Cursor { blocks: self, at, offset, block: None }
    }
}

/// Reads metadata from some place on.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    blocks: &'a Blocks,
    /// Where the present block lies.
    at: u64,
    /// Next byte in it.
    offset: usize,
    /// The present block, once it was needed.
    block: Option<Arc<Metadata>>,
}

impl Cursor<'_> {
    /// Where the next byte is: its block, and its place in that block.
    pub(super) fn place(&self) -> (u64, usize) {
        (self.at, self.offset)
    }

    /// The present block's bytes from the next one on, at least one.
    fn rest(&mut self) -> Result<&[u8]> {
        loop {
            let block = match &self.block {
                Some(block) => block,
                None => self.block.insert(self.blocks.metadata(self.at)?),
            };
            if self.offset < block.bytes.len() {
                break;
            }
            // A block without content leads nowhere.
            if self.offset > block.bytes.len() || block.bytes.is_empty() {
                let (at, offset) = (self.at, self.offset);
                return Err(Error::corrupt(format!("byte {offset} of the metadata block at byte {at}")));
            }
            self.at = block.next;
            self.offset = 0;
            self.block = None;
        }
        Ok(self.block.as_ref().and_then(|block| block.bytes.get(self.offset..)).unwrap_or_default())
    }

    /// Fills `bytes` with what comes next.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        let mut to = bytes;
        while !to.is_empty() {
            let rest = self.rest()?;
            let count = rest.len().min(to.len());
            let (part, after) = to.split_at_mut(count);
            part.copy_from_slice(rest.get(..count).unwrap_or_default());
            to = after;
            self.offset = self.offset.saturating_add(count);
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// The next 32-bit number.
    pub(super) fn le32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Passes over `count` bytes.
    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        let mut count = count;
        while count > 0 {
            let step = self.rest()?.len().min(count);
            self.offset = self.offset.saturating_add(step);
            count = count.saturating_sub(step);
        }
        Ok(())
    }
}
