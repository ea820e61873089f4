//! Tree blocks: the nodes and leaves of all trees.
//!
//! ```text
//! header │ key ptr │ key ptr │ …                             a node: where its children are
//! header │ item │ item │ …          free        … │ data │ data    a leaf: keys, and data from the end backwards
//! ```
//!
//! Invariants of a parsed block: its checksum is right; it lies where it says, in this filesystem; keys ascend; the data of
//! each item lies within the leaf, behind all items, and follows that of the next one.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_header`, `btrfs_item`, `btrfs_key_ptr`.

use super::checksum::{self, Checksum};
use super::key::{self, Key};
use super::superblock::{MAX_LEVELS, Uuid};
use crate::bytes::{Fields, index};
use crate::{Error, Result};

/// Sizes of the header, of an item, and of a pointer to a child, in bytes.
const HEADER: usize = 101;
const ITEM: usize = 25;
const POINTER: usize = 33;
/// Header flag: the block was written.
const WRITTEN: u64 = 1;

/// What all blocks of a filesystem have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Bytes of a block.
    pub(super) node_size: usize,
    pub(super) checksum: Checksum,
    /// The UUID in its header.
    pub(super) fsid: Uuid,
}

/// A tree block, checked as far as it can be by itself.
#[derive(Debug)]
pub(super) struct Node {
    bytes: Box<[u8]>,
    /// 0: a leaf.
    pub(super) level: u8,
    /// How many items or children.
    pub(super) count: usize,
    pub(super) generation: u64,
    /// The tree that it was made for.
    pub(super) owner: u64,
}

/// Checks the block at logical address `address`: checksum, place, filesystem.
pub(super) fn check(bytes: &[u8], address: u64, format: &Format) -> Result<()> {
    let bad = |what: &str| Error::corrupt(format!("the tree block at {address}: {what}"));
    let summed = bytes.get(checksum::ROOM..).unwrap_or_default();
    if !format.checksum.matches(bytes, summed) {
        return Err(bad("its checksum is wrong"));
    }
    if bytes.le64(48)? != address {
        return Err(bad("it belongs elsewhere"));
    }
    if bytes.array::<16>(32)? != format.fsid {
        return Err(bad("it belongs to another filesystem"));
    }
    if bytes.le64(56)? & WRITTEN == 0 {
        return Err(bad("it was never written"));
    }
    Ok(())
}

impl Node {
    /// Parses a block that [`check`] found right.
    pub(super) fn parse(bytes: Box<[u8]>, address: u64) -> Result<Self> {
        let count = index(bytes.le32(96)?);
        let level = bytes.u8(100)?;
        let node = Node { level, count, generation: bytes.le64(80)?, owner: bytes.le64(88)?, bytes };
        let bad = |what: &str| Error::corrupt(format!("the tree block at {address}: {what}"));
        let room = node.bytes.len().saturating_sub(HEADER);
        if level >= MAX_LEVELS || count > room.checked_div(node.entry()).unwrap_or_default() {
            return Err(bad("its header is wrong"));
        }
        if level > 0 && count == 0 {
            return Err(bad("it has no children"));
        }
        let mut before = None;
        let mut end = room;
        let items_end = count.saturating_mul(node.entry());
        for at in 0..count {
            let key = node.key(at)?;
            if before.is_some_and(|before| before >= key) {
                return Err(bad("its keys do not ascend"));
            }
            before = Some(key);
            if level == 0 {
                let (start, size) = node.extent(at)?;
                if start < items_end || start.checked_add(size) != Some(end) {
                    return Err(bad("its items overlap"));
                }
                end = start;
            }
        }
        Ok(node)
    }

    /// Bytes of an entry after the header.
    fn entry(&self) -> usize {
        if self.level == 0 { ITEM } else { POINTER }
    }

    /// Where entry `at` begins.
    fn start(&self, at: usize) -> usize {
        HEADER.saturating_add(at.saturating_mul(self.entry()))
    }

    /// The key of entry `at`.
    pub(super) fn key(&self, at: usize) -> Result<Key> {
        Key::read(&self.bytes, self.start(at))
    }

    /// Where the data of item `at` lies from the end of the header on, and its size.
    fn extent(&self, at: usize) -> Result<(usize, usize)> {
        let fields = self.start(at).saturating_add(key::SIZE);
        Ok((index(self.bytes.le32(fields)?), index(self.bytes.le32(fields.saturating_add(4))?)))
    }

    /// The data of item `at` of a leaf.
    pub(super) fn data(&self, at: usize) -> Result<&[u8]> {
        let (start, size) = self.extent(at)?;
        self.bytes.slice(HEADER.saturating_add(start), size)
    }

    /// Logical address and generation of child `at` of a node.
    pub(super) fn child(&self, at: usize) -> Result<(u64, u64)> {
        let fields = self.start(at).saturating_add(key::SIZE);
        Ok((self.bytes.le64(fields)?, self.bytes.le64(fields.saturating_add(8))?))
    }

    /// How many entries have keys for which `before` holds, which come first.
    pub(super) fn partition(&self, before: impl Fn(Key) -> bool) -> Result<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if before(self.key(middle)?) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Bytes in memory.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len().saturating_add(size_of::<Self>())
    }
}

/// Checks that the block at `address` is of the transaction that its parent has for it.
pub(super) fn check_generation(bytes: &[u8], address: u64, generation: u64) -> Result<()> {
    let found = bytes.le64(80)?;
    if found != generation {
        let what =
            format!("the tree block at {address}: of generation {found}, where {generation} should be");
        return Err(Error::corrupt(what));
    }
    Ok(())
}
