//! The second pass over the log: every item of every transaction, into the sectors that it changes.
//!
//! In version 5 a block says in which transaction it was last written, and the log does not change a block that is
//! newer. Transactions that started in the same record have the same number, so blocks get theirs only when a
//! transaction of another number ends.

use std::collections::BTreeMap;

use crate::{Error, Result};

use super::buffer::Stamp;
use super::cancelled::{Cancelled, Name};
use super::changes::{Buffer, Changes, SECTOR};
use super::create::Inodes;
use super::intents::Intents;
use super::transaction::{Transaction, kind, order};
use crate::bytes::index;
use crate::fs::xfs::superblock::Superblock;

/// The most buffers that one transaction changes.
const MAX_TO_STAMP: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Replay<'a> {
    pub(super) superblock: &'a Superblock,
    pub(super) inodes: Inodes,
    pub(super) cancelled: Cancelled,
    pub(super) changes: Changes,
    pub(super) intents: Intents,
    /// Buffers that were changed, and their content, by name.
    to_stamp: BTreeMap<Name, u16>,
    /// The transaction that they are from.
    lsn: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        superblock: &'a Superblock,
        inodes: Inodes,
        cancelled: Cancelled,
        changes: Changes,
    ) -> Self {
        let intents = Intents::default();
        Replay { superblock, inodes, cancelled, changes, intents, to_stamp: BTreeMap::new(), lsn: 0 }
    }

    /// Replays a transaction.
    pub(super) fn transaction(&mut self, transaction: &Transaction) -> Result<()> {
        if transaction.lsn != self.lsn {
            self.stamp()?;
            self.lsn = transaction.lsn;
        }
        for item in order(transaction)? {
            match item.kind()? {
                kind::BUFFER => self.buffer(&item, transaction.lsn)?,
                kind::INODE => self.inode(&item, transaction.lsn)?,
                kind::INODE_CREATE => self.create(&item)?,
                // Quotas are nothing that is read.
                kind::DQUOT | kind::QUOTA_OFF => {}
                _ => self.intents.take(&item)?,
            }
        }
        Ok(())
    }

    /// The buffer of `len` blocks of 512 bytes at `block`.
    pub(super) fn load(&self, block: u64, len: u32) -> Result<Buffer> {
        let offset =
            block.checked_mul(512).ok_or_else(|| Error::corrupt(format!("the log changes block {block}")))?;
        let end = offset.saturating_add(u64::from(len) << 9);
        let size = self.superblock.blocks.saturating_mul(self.superblock.block_size.into());
        if end > size {
            return Err(Error::corrupt(format!(
                "the log changes {len} blocks from {block} on, past the end"
            )));
        }
        self.changes.load(offset, index(len).saturating_mul(SECTOR))
    }

    /// Notes that a buffer is to get a number and a checksum.
    pub(super) fn stamp_later(&mut self, block: u64, len: u32, content: u16) -> Result<()> {
        if self.to_stamp.len() >= MAX_TO_STAMP {
            return Err(Error::unsupported(format!(
                "dirty log: a transaction of more than {MAX_TO_STAMP} buffers"
            )));
        }
        self.to_stamp.insert((block, len), content);
        Ok(())
    }

    /// Gives changed buffers the number of their transaction, and checksums.
    pub(super) fn stamp(&mut self) -> Result<()> {
        for ((block, len), content) in std::mem::take(&mut self.to_stamp) {
            let mut buffer = self.load(block, len)?;
            if let Some(stamp) = Stamp::of(content, buffer.bytes()) {
                stamp.put(&mut buffer, self.lsn)?;
                self.changes.store(&buffer)?;
            }
        }
        Ok(())
    }

    /// Size of a directory block in bytes.
    pub(super) fn dir_block_size(&self) -> usize {
        index(self.superblock.block_size.wrapping_shl(self.superblock.dir_block_log.into()))
    }
}
