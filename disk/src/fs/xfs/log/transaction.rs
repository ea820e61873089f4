//! Transactions, put together again from the operations of records.
//!
//! ```text
//! operations of a record, each with the number of its transaction:
//!   start │ region │ region… (goes on in the next record) ┃ …rest of it │ region │ commit
//! regions of a transaction: header │ item: format, data, data… │ item: format, …
//! ```
//!
//! The first region of an item is its format; it starts with the kind of the item and the number of its regions.
//! Several transactions may be under way in one record. What has no commit was never done.

use std::collections::HashMap;
use std::ops::Range;

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use super::record::Record;

/// Size of the head of an operation.
const OPERATION: usize = 12;
/// Who wrote an operation: a transaction, or the log itself.
const CLIENTS: [u8; 2] = [0x69, 0xAA];
/// Flags of an operation.
mod flags {
    pub(super) const START: u8 = 0x01;
    pub(super) const COMMIT: u8 = 0x02;
    /// The region goes on in another operation.
    pub(super) const CONTINUE: u8 = 0x04;
    /// It goes on here.
    pub(super) const WAS_CONTINUED: u8 = 0x08;
    pub(super) const END: u8 = 0x10;
    pub(super) const UNMOUNT: u8 = 0x20;
}
/// What the header of a transaction starts with: "TRAN" as a number, little-endian.
const TRANSACTION_MAGIC: u32 = 0x5452_414E;
/// Size of the header of a transaction.
const TRANSACTION_HEADER: usize = 16;
/// The most regions of an item: a bit of the map of a buffer of 64 KiB each, every other one, and the format.
const MAX_REGIONS: u16 = 257;
/// Bytes of all transactions that are under way. The kernel starts to write at 32 MiB and stops at twice that.
const MAX_BYTES: usize = 96 << 20;
/// Transactions that are under way. The kernel writes them nearly one after the other.
const MAX_TRANSACTIONS: usize = 1 << 12;
/// Regions of all transactions that are under way; each takes 8 bytes, and may be an item.
const MAX_PIECES: usize = 1 << 20;

/// A transaction with its items in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The record that it started in.
    pub(super) lsn: u64,
    header: Vec<u8>,
    header_done: bool,
    bytes: Vec<u8>,
    regions: Vec<Region>,
    items: Vec<Start>,
    /// Are the bytes of the last region left out?
    skipping: bool,
}

#[derive(Debug, Clone, Copy)]
struct Region {
    start: u32,
    len: u32,
}

/// Where an item starts among the regions, and how many it should have.
#[derive(Debug, Clone, Copy)]
struct Start {
    region: u32,
    total: u16,
}

/// One item of a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    bytes: &'a [u8],
    regions: &'a [Region],
}

impl<'a> Item<'a> {
    /// Region `nr`; 0 is the format.
    pub(super) fn region(&self, nr: usize) -> Result<&'a [u8]> {
        let missing = || Error::corrupt(format!("a log item without its region {nr}"));
        let region = self.regions.get(nr).ok_or_else(missing)?;
        self.bytes.slice(index(region.start), index(region.len))
    }

    /// The format.
    pub(super) fn format(&self) -> Result<&'a [u8]> {
        self.region(0)
    }

    /// What kind of item it is.
    pub(super) fn kind(&self) -> Result<u16> {
        self.format()?.le16(0)
    }

    /// How many regions there are.
    pub(super) fn len(&self) -> usize {
        self.regions.len()
    }
}

impl Transaction {
    /// How many items it has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Item `nr`.
    pub(super) fn item(&self, nr: usize) -> Option<Item<'_>> {
        let start = self.items.get(nr)?.region;
        let next = nr.checked_add(1).and_then(|nr| self.items.get(nr));
        let end = next.map_or(self.regions.len(), |next| index(next.region));
        Some(Item { bytes: &self.bytes, regions: self.regions.get(index(start)..end)? })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<Region> {
        let start = u32::try_from(self.bytes.len());
        let len = u32::try_from(bytes.len());
        let (Ok(start), Ok(len)) = (start, len) else {
            return Err(Error::unsupported("dirty log: a transaction of 4 GiB"));
        };
        self.bytes.extend_from_slice(bytes);
        Ok(Region { start, len })
    }

    /// A new region. With `formats_only` what is not a format is counted, but not kept.
    fn add(&mut self, bytes: &[u8], formats_only: bool) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.header_done {
            if bytes.le32(0)? != TRANSACTION_MAGIC || bytes.len() > TRANSACTION_HEADER {
                return Err(Error::corrupt("a transaction without its header"));
            }
            self.header = bytes.to_vec();
            self.header_done = bytes.len() == TRANSACTION_HEADER;
            return Ok(());
        }
        let here = u32::try_from(self.regions.len()).unwrap_or(u32::MAX);
        let count = |start: &Start| here.saturating_sub(start.region);
        let starts = self.items.last().is_none_or(|start| count(start) == u32::from(start.total));
        self.skipping = formats_only && !starts;
        if starts {
            let total = bytes.le16(2)?;
            if total == 0 || total > MAX_REGIONS {
                return Err(Error::corrupt(format!("a log item of {total} regions")));
            }
            self.items.push(Start { region: here, total });
        }
        let region = self.put(if self.skipping { &[] } else { bytes })?;
        self.regions.push(region);
        Ok(())
    }

    /// The rest of the last region.
    fn add_rest(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.header_done {
            // The kernel puts the end of the header at its end, whatever was there before.
            if self.header.len().saturating_add(bytes.len()) != TRANSACTION_HEADER {
                return Err(Error::corrupt("a transaction whose header is of another size"));
            }
            self.header_done = true;
            return Ok(());
        }
        if self.skipping {
            return Ok(());
        }
        let added = self.put(bytes)?;
        let last =
            self.regions.last_mut().ok_or_else(|| Error::corrupt("a rest of nothing in the XFS log"))?;
        last.len = last.len.saturating_add(added.len);
        Ok(())
    }
}

/// All transactions that are under way.
#[derive(Debug)]
pub(super) struct Transactions {
    open: HashMap<u32, Transaction>,
    formats_only: bool,
    uuid: [u8; 16],
    /// Bytes and regions of those in `open`.
    bytes: usize,
    pieces: usize,
}

impl Transactions {
    /// Transactions of the filesystem `uuid`. With `formats_only` just the formats of items are kept.
    pub(super) fn new(uuid: [u8; 16], formats_only: bool) -> Self {
        Transactions { open: HashMap::new(), formats_only, uuid, bytes: 0, pieces: 0 }
    }

    /// Takes the operations of `record` and calls `commit` for every transaction that ends there.
    pub(super) fn take(
        &mut self,
        record: &Record,
        data: &[u8],
        commit: &mut dyn FnMut(&Transaction) -> Result<()>,
    ) -> Result<()> {
        /// `h_fmt` of a log that was written on Linux by a little-endian machine.
        const LITTLE_ENDIAN: u32 = 1;
        if record.format != LITTLE_ENDIAN {
            return Err(Error::unsupported(format!("dirty log of format {}", record.format)));
        }
        if record.uuid != self.uuid {
            return Err(Error::corrupt("a log record of another filesystem"));
        }
        let mut at = 0_usize;
        for _ in 0..record.operations {
            if at >= data.len() {
                break;
            }
            let head = data.slice(at, OPERATION)?;
            let (transaction, len, client, flags) = (head.be32(0)?, head.be32(4)?, head.u8(8)?, head.u8(9)?);
            if !CLIENTS.contains(&client) {
                return Err(Error::corrupt(format!("a log operation of client {client:#04x}")));
            }
            at = at.saturating_add(OPERATION);
            let bytes = data.slice(at, index(len))?;
            at = at.saturating_add(index(len));
            self.operation(transaction, flags, bytes, record.lsn, commit)?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        number: u32,
        flags: u8,
        bytes: &[u8],
        lsn: u64,
        commit: &mut dyn FnMut(&Transaction) -> Result<()>,
    ) -> Result<()> {
        let Some(transaction) = self.open.get_mut(&number) else {
            // What does not start here started before the tail, and is not needed.
            if flags & flags::START != 0 {
                if self.open.len() >= MAX_TRANSACTIONS {
                    return Err(Error::unsupported(format!(
                        "dirty log: more than {MAX_TRANSACTIONS} transactions at once"
                    )));
                }
                self.open.insert(number, Transaction { lsn, ..Transaction::default() });
            }
            return Ok(());
        };
        let (had_bytes, had_pieces) = (transaction.bytes.len(), transaction.regions.len());
        let mut flags = flags & !flags::END;
        if flags & flags::WAS_CONTINUED != 0 {
            flags &= !flags::CONTINUE;
        }
        match flags {
            0 | flags::CONTINUE => transaction.add(bytes, self.formats_only)?,
            flags::WAS_CONTINUED => transaction.add_rest(bytes)?,
            flags::COMMIT | flags::UNMOUNT => {
                self.bytes = self.bytes.saturating_sub(had_bytes);
                self.pieces = self.pieces.saturating_sub(had_pieces);
                if let Some(done) = self.open.remove(&number)
                    && flags == flags::COMMIT
                {
                    commit(&done)?;
                }
                return Ok(());
            }
            _ => return Err(Error::corrupt(format!("a log operation with flags {flags:#04x}"))),
        }
        self.bytes = self.bytes.saturating_add(transaction.bytes.len().saturating_sub(had_bytes));
        self.pieces = self.pieces.saturating_add(transaction.regions.len().saturating_sub(had_pieces));
        if self.bytes > MAX_BYTES || self.pieces > MAX_PIECES {
            return Err(Error::unsupported(format!(
                "dirty log: {} bytes in {} pieces of transactions at once",
                self.bytes, self.pieces
            )));
        }
        Ok(())
    }
}

/// The order in which items are replayed: buffers and new inodes, all else, buffers of inodes (the last first), then
/// cancellations (the last first).
pub(super) fn order(transaction: &Transaction) -> Result<Vec<Item<'_>>> {
    let mut order = Vec::with_capacity(transaction.len());
    for nr in 0..transaction.len() {
        let Some(item) = transaction.item(nr) else { continue };
        order.push((class(&item)?, nr, item));
    }
    order.sort_by_key(|(class, nr, _)| {
        let reversed = matches!(class, Class::InodeBuffer | Class::Cancel);
        (*class, if reversed { usize::MAX.saturating_sub(*nr) } else { *nr })
    });
    Ok(order.into_iter().map(|(_, _, item)| item).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Buffer,
    Item,
    InodeBuffer,
    Cancel,
}

/// Kinds of items. The number after that of an intent is that of the item that says that it is done.
pub(super) mod kind {
    /// An intent to free extents, and that it is done.
    pub(in super::super) const FREE_INTENT: u16 = 0x1236;
    pub(in super::super) const FREE_DONE: u16 = 0x1237;
    pub(in super::super) const INODE: u16 = 0x123B;
    pub(in super::super) const BUFFER: u16 = 0x123C;
    pub(in super::super) const DQUOT: u16 = 0x123D;
    pub(in super::super) const QUOTA_OFF: u16 = 0x123E;
    /// New inodes.
    pub(in super::super) const INODE_CREATE: u16 = 0x123F;
    /// An intent to change the owners of blocks.
    pub(in super::super) const OWNER_INTENT: u16 = 0x1240;
    /// An intent to map or unmap blocks of a file.
    pub(in super::super) const MAP_INTENT: u16 = 0x1244;
    /// An intent to change an attribute.
    pub(in super::super) const ATTRIBUTE_INTENT: u16 = 0x1246;
    /// An intent to exchange the blocks of two files.
    pub(in super::super) const EXCHANGE_INTENT: u16 = 0x1248;
    pub(in super::super) const EXCHANGE_DONE: u16 = 0x1249;
    /// Intents of realtime devices (freeing, owners, sharing), and that they are done.
    pub(in super::super) const REALTIME: std::ops::RangeInclusive<u16> = 0x124A..=0x124F;
}

fn class(item: &Item<'_>) -> Result<Class> {
    use super::buffer::flag;
    Ok(match item.kind()? {
        kind::BUFFER => {
            let flags = item.format()?.le16(4)?;
            if flags & flag::CANCEL != 0 {
                Class::Cancel
            } else if flags & flag::INODES != 0 {
                Class::InodeBuffer
            } else {
                Class::Buffer
            }
        }
        kind::INODE_CREATE => Class::Buffer,
        kind::FREE_INTENT..=kind::FREE_DONE
        | kind::INODE
        | kind::DQUOT
        | kind::QUOTA_OFF
        | kind::OWNER_INTENT..=kind::EXCHANGE_DONE => Class::Item,
        other if kind::REALTIME.contains(&other) => {
            return Err(Error::unsupported("dirty log of a realtime device"));
        }
        other => return Err(Error::unsupported(format!("dirty log: an item of kind {other:#06x}"))),
    })
}

/// A range of something that lies within `len`.
pub(super) fn within(start: usize, count: usize, len: usize) -> Option<Range<usize>> {
    let end = start.checked_add(count)?;
    (end <= len).then_some(start..end)
}
