//! Items that change buffers: pieces of 128 bytes, by a map of bits.
//!
//! ```text
//! kind 2 | regions 2 | flags 2 | length in blocks of 512 bytes 2 | first block 8 | words in the map 4 | map
//! ```
//!
//! In version 5 most blocks say when they were last written: one that is newer than the transaction is left alone,
//! since later changes that the log has no more may be in it.

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use super::changes::Buffer;
use super::replay::Replay;
use super::transaction::Item;
use crate::fs::xfs::checksum;
use crate::fs::xfs::superblock::Superblock;

/// Flags of such an item.
pub(super) mod flag {
    /// A buffer of inodes: what counts is only which inode follows in the list of unlinked ones.
    pub(in super::super) const INODES: u16 = 0x1;
    /// The buffer was given up: what the log has of it until here is not replayed.
    pub(in super::super) const CANCEL: u16 = 0x2;
    /// Quotas of users, projects, groups.
    pub(in super::super) const QUOTAS: u16 = 0x1C;
    /// How far the kind of the content is shifted.
    pub(in super::super) const CONTENT_SHIFT: u32 = 11;
}
/// Bytes that a bit of the map stands for, as a shift.
const PIECE_LOG: u32 = 7;
/// Where the map begins.
const MAP: usize = 20;
/// The most words of 32 bits in it: one for each 4 KiB of the largest buffer, and one more.
const MAX_WORDS: usize = 17;
/// Where an inode has the next one of the list of unlinked ones.
const NEXT_UNLINKED: usize = 96;
/// What an inode starts with.
const INODE_MAGIC: u16 = 0x494E;
/// Where the checksum of an inode lies, in version 3.
pub(super) const INODE_CRC: usize = 100;
/// A log sequence number that says nothing.
const NO_LSN: u64 = u64::MAX;

/// What an item says of its buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format<'a> {
    pub(super) flags: u16,
    /// Length in blocks of 512 bytes.
    pub(super) len: u32,
    /// First block of 512 bytes.
    pub(super) block: u64,
    map: &'a [u8],
}

impl<'a> Format<'a> {
    pub(super) fn parse(item: &Item<'a>) -> Result<Self> {
        let format = item.format()?;
        let words = index(format.le32(16)?);
        if words > MAX_WORDS {
            return Err(Error::corrupt(format!("a log item with a map of {words} words")));
        }
        Ok(Format {
            flags: format.le16(4)?,
            len: format.le16(6)?.into(),
            block: format.le64(8)?,
            map: format.slice(MAP, words.saturating_mul(4))?,
        })
    }

    fn bit(&self, nr: u32) -> bool {
        self.map.get(index(nr >> 3)).is_some_and(|byte| byte.wrapping_shr(nr & 7) & 1 == 1)
    }

    fn bits(&self) -> u32 {
        u32::try_from(self.map.len()).unwrap_or(u32::MAX).saturating_mul(8)
    }

    /// The first run of set bits from `from` on: where it starts, and how long it is.
    fn run(&self, from: u32) -> Option<(u32, u32)> {
        let start = (from..self.bits()).find(|bit| self.bit(*bit))?;
        let end = (start..self.bits()).find(|bit| !self.bit(*bit)).unwrap_or(self.bits());
        Some((start, end.saturating_sub(start)))
    }

    /// The pieces of the buffer that the item has, by where they belong.
    fn pieces(&self, item: &Item<'a>) -> Result<Vec<(usize, &'a [u8])>> {
        let mut pieces = Vec::new();
        let mut bit = 0;
        while let Some((start, count)) = self.run(bit) {
            let region = item.region(pieces.len().saturating_add(1))?;
            // A run that lies across memory pages comes in two regions.
            let count = count.min(u32::try_from(region.len()).unwrap_or(u32::MAX) >> PIECE_LOG);
            if count == 0 {
                return Err(Error::corrupt(format!("{} bytes as a piece of a buffer", region.len())));
            }
            pieces.push((index(start) << PIECE_LOG, region.slice(0, index(count) << PIECE_LOG)?));
            bit = start.saturating_add(count);
        }
        Ok(pieces)
    }
}

impl Replay<'_> {
    /// Replays an item that changes a buffer.
    pub(super) fn buffer(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        let format = Format::parse(item)?;
        let name = (format.block, format.len);
        if format.flags & flag::CANCEL != 0 {
            self.cancelled.done(name);
            return Ok(());
        }
        if self.cancelled.has(name) || format.flags & flag::QUOTAS != 0 {
            return Ok(());
        }
        let mut buffer = self.load(format.block, format.len)?;
        if self.superblock.v5
            && let Some(written) = written(self.superblock, buffer.bytes())
            && written != 0
            && written != NO_LSN
            && written >= lsn
        {
            return Ok(());
        }
        if format.flags & flag::INODES != 0 {
            self.unlinked(&format, item, &mut buffer)?;
            return self.changes.store(&buffer);
        }
        for (at, bytes) in format.pieces(item)? {
            buffer.put(at, bytes)?;
        }
        let content = format.flags.wrapping_shr(flag::CONTENT_SHIFT);
        if self.superblock.v5 {
            if content::IN_DIRECTORIES.contains(&content) && buffer.bytes().len() != self.dir_block_size() {
                return Err(Error::unsupported("dirty log: a directory block in several pieces"));
            }
            if Stamp::of(content, buffer.bytes()).is_some() {
                self.stamp_later(format.block, format.len, content)?;
            }
        }
        self.changes.store(&buffer)
    }

    /// Changes which inodes follow in the list of unlinked ones, and nothing else.
    fn unlinked(&self, format: &Format<'_>, item: &Item<'_>, buffer: &mut Buffer) -> Result<()> {
        let inode_size = usize::from(self.superblock.inode_size);
        let pieces = format.pieces(item)?;
        let count = buffer.bytes().len().checked_div(inode_size).unwrap_or_default();
        for nr in 0..count {
            let start = nr.saturating_mul(inode_size);
            let at = start.saturating_add(NEXT_UNLINKED);
            let logged =
                pieces.iter().find_map(|(from, bytes)| bytes.get(at.checked_sub(*from)?..)?.get(..4));
            let Some(logged) = logged else { continue };
            if *logged == [0; 4] {
                return Err(Error::corrupt("inode 0 in the list of unlinked ones"));
            }
            buffer.put(at, logged)?;
            stamp_inode(buffer, start, inode_size)?;
        }
        Ok(())
    }
}

/// Makes the checksum of the inode at byte `start` right, if it has one.
pub(super) fn stamp_inode(buffer: &mut Buffer, start: usize, inode_size: usize) -> Result<()> {
    let inode = buffer.bytes().slice(start, inode_size)?;
    if inode.u8(4)? >= 3 {
        let crc = checksum::computed(inode, INODE_CRC)?;
        buffer.put(start.saturating_add(INODE_CRC), &crc.to_le_bytes())?;
    }
    Ok(())
}

/// Kinds of content that items name.
mod content {
    pub(super) const BTREE: u16 = 4;
    pub(super) const SPACE: u16 = 5;
    pub(super) const SPACE_LIST: u16 = 6;
    pub(super) const INODES_HEADER: u16 = 7;
    pub(super) const SYMLINK: u16 = 9;
    pub(super) const DIR_BLOCK: u16 = 10;
    pub(super) const DIR_DATA: u16 = 11;
    pub(super) const DIR_FREE: u16 = 12;
    pub(super) const DIR_LEAF_1: u16 = 13;
    pub(super) const DIR_LEAF_N: u16 = 14;
    pub(super) const NODE: u16 = 15;
    pub(super) const ATTRIBUTE_LEAF: u16 = 16;
    pub(super) const ATTRIBUTE_REMOTE: u16 = 17;
    pub(super) const SUPERBLOCK: u16 = 18;
    pub(super) const IN_DIRECTORIES: std::ops::RangeInclusive<u16> = DIR_BLOCK..=DIR_LEAF_N;
}

/// Magic numbers of blocks with 32 bits; as text they are `AB3B`, `AB3C`, …
mod magic {
    /// B-trees of free space (by place, by size), of owners, of sharing, of inodes, of free inodes.
    pub(super) const SHORT_BTREES: [u32; 6] =
        [0x4142_3342, 0x4142_3343, 0x524D_4233, 0x5233_4643, 0x4941_4233, 0x4649_4233];
    /// Those of version 4, of which a stale block may be there.
    pub(super) const SHORT_BTREES_V4: [u32; 4] = [0x4142_5442, 0x4142_5443, 0x4941_4254, 0x4649_4254];
    /// The B-tree of extents.
    pub(super) const EXTENTS: u32 = 0x424D_4133;
    pub(super) const EXTENTS_V4: u32 = 0x424D_4150;
    pub(super) const SPACE: u32 = 0x5841_4746;
    pub(super) const SPACE_LIST: u32 = 0x5841_464C;
    pub(super) const INODES_HEADER: u32 = 0x5841_4749;
    pub(super) const SYMLINK: u32 = 0x5853_4C4D;
    pub(super) const DIR_BLOCK: u32 = 0x5844_4233;
    pub(super) const DIR_DATA: u32 = 0x5844_4433;
    pub(super) const DIR_FREE: u32 = 0x5844_4633;
    pub(super) const ATTRIBUTE_REMOTE: u32 = 0x5841_524D;
    pub(super) const SUPERBLOCK: u32 = 0x5846_5342;
    /// Those of 16 bits, at byte 8.
    pub(super) const DIR_LEAF_1: u16 = 0x3DF1;
    pub(super) const DIR_LEAF_N: u16 = 0x3DFF;
    pub(super) const NODE: u16 = 0x3EBE;
    pub(super) const ATTRIBUTE_LEAF: u16 = 0x3BEE;
}

/// Where a block of version 5 says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    crc: usize,
    lsn: usize,
    uuid: usize,
}

const SHORT_BTREE: Stamp = Stamp { crc: 52, lsn: 24, uuid: 32 };
const LONG_BTREE: Stamp = Stamp { crc: 64, lsn: 32, uuid: 40 };
const SPACE: Stamp = Stamp { crc: 216, lsn: 208, uuid: 64 };
const SPACE_LIST: Stamp = Stamp { crc: 32, lsn: 24, uuid: 8 };
const INODES_HEADER: Stamp = Stamp { crc: 312, lsn: 320, uuid: 296 };
/// Symbolic links and attributes of blocks of their own.
const REMOTE: Stamp = Stamp { crc: 12, lsn: 48, uuid: 16 };
const DIRECTORY: Stamp = Stamp { crc: 4, lsn: 16, uuid: 24 };
/// Nodes and leaves of hashes.
const HASHES: Stamp = Stamp { crc: 12, lsn: 24, uuid: 32 };
const SUPERBLOCK: Stamp = Stamp { crc: 224, lsn: 240, uuid: 32 };
/// Where the superblock has the UUID of metadata, if that is another.
const META_UUID: usize = 248;

impl Stamp {
    /// Where the block in `bytes` has its fields, if it is what `content` says.
    pub(super) fn of(content: u16, bytes: &[u8]) -> Option<Self> {
        let (magic, hashes) = (bytes.be32(0).ok()?, bytes.be16(8).ok()?);
        let found = match content {
            content::BTREE if magic::SHORT_BTREES.contains(&magic) => SHORT_BTREE,
            content::BTREE if magic == magic::EXTENTS => LONG_BTREE,
            content::SPACE if magic == magic::SPACE => SPACE,
            content::SPACE_LIST if magic == magic::SPACE_LIST => SPACE_LIST,
            content::INODES_HEADER if magic == magic::INODES_HEADER => INODES_HEADER,
            content::SYMLINK if magic == magic::SYMLINK => REMOTE,
            content::DIR_BLOCK if magic == magic::DIR_BLOCK => DIRECTORY,
            content::DIR_DATA if magic == magic::DIR_DATA => DIRECTORY,
            content::DIR_FREE if magic == magic::DIR_FREE => DIRECTORY,
            content::DIR_LEAF_1 if hashes == magic::DIR_LEAF_1 => HASHES,
            content::DIR_LEAF_N if hashes == magic::DIR_LEAF_N => HASHES,
            content::NODE if hashes == magic::NODE => HASHES,
            content::ATTRIBUTE_LEAF if hashes == magic::ATTRIBUTE_LEAF => HASHES,
            content::ATTRIBUTE_REMOTE if magic == magic::ATTRIBUTE_REMOTE => REMOTE,
            content::SUPERBLOCK if magic == magic::SUPERBLOCK => SUPERBLOCK,
            _ => return None,
        };
        Some(found)
    }

    /// Writes when the block was last written, and its checksum.
    pub(super) fn put(self, buffer: &mut Buffer, lsn: u64) -> Result<()> {
        buffer.put(self.lsn, &lsn.to_be_bytes())?;
        let crc = checksum::computed(buffer.bytes(), self.crc)?;
        buffer.put(self.crc, &crc.to_le_bytes())
    }
}

/// When the block in `bytes` was last written, if that can be told.
fn written(superblock: &Superblock, bytes: &[u8]) -> Option<u64> {
    use crate::fs::xfs::features::incompat;
    let magic32 = bytes.be32(0).ok()?;
    let stamp = match magic32 {
        m if magic::SHORT_BTREES.contains(&m) || magic::SHORT_BTREES_V4.contains(&m) => Some(SHORT_BTREE),
        magic::EXTENTS | magic::EXTENTS_V4 => Some(LONG_BTREE),
        magic::SPACE => Some(SPACE),
        magic::SPACE_LIST => Some(SPACE_LIST),
        magic::INODES_HEADER => Some(INODES_HEADER),
        magic::SYMLINK => Some(REMOTE),
        magic::DIR_BLOCK | magic::DIR_DATA | magic::DIR_FREE => Some(DIRECTORY),
        magic::ATTRIBUTE_REMOTE => return None,
        magic::SUPERBLOCK if superblock.has_incompat(incompat::META_UUID) => {
            Some(Stamp { uuid: META_UUID, ..SUPERBLOCK })
        }
        magic::SUPERBLOCK => Some(SUPERBLOCK),
        _ => None,
    };
    let by_hashes = || match bytes.be16(8).ok()? {
        magic::DIR_LEAF_1 | magic::DIR_LEAF_N | magic::NODE | magic::ATTRIBUTE_LEAF => Some(HASHES),
        _ => None,
    };
    let stamp = stamp.or_else(by_hashes)?;
    let uuid: [u8; 16] = bytes.array(stamp.uuid).ok()?;
    if uuid != superblock.meta_uuid {
        return None;
    }
    bytes.be64(stamp.lsn).ok()
}

/// Is `bytes` an inode?
pub(super) fn is_inode(bytes: &[u8]) -> bool {
    bytes.be16(0).is_ok_and(|magic| magic == INODE_MAGIC)
}
