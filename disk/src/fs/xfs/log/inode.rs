//! Items that change inodes: the core as the kernel has it in memory, and the forks as they lie on the disk.
//!
//! ```text
//! format 56 | core, numbers of the machine's order | data fork, if it changed | attribute fork, if it changed
//! ```

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use super::buffer::{is_inode, stamp_inode};
use super::changes::{Buffer, SECTOR};
use super::replay::Replay;
use super::transaction::Item;
use crate::fs::xfs::features::incompat;

/// What of the inode an item has.
mod field {
    /// Content within the inode.
    pub(super) const DATA_LOCAL: u32 = 0x2;
    pub(super) const DATA_EXTENTS: u32 = 0x4;
    pub(super) const DATA_ROOT: u32 = 0x8;
    /// The number of a device.
    pub(super) const DEVICE: u32 = 0x10;
    pub(super) const DATA: u32 = DATA_LOCAL | DATA_EXTENTS | DATA_ROOT;
    pub(super) const ATTRIBUTES_LOCAL: u32 = 0x40;
    pub(super) const ATTRIBUTES_EXTENTS: u32 = 0x80;
    pub(super) const ATTRIBUTES_ROOT: u32 = 0x100;
    pub(super) const ATTRIBUTES: u32 = ATTRIBUTES_LOCAL | ATTRIBUTES_EXTENTS | ATTRIBUTES_ROOT;
    /// The blocks of a fork's tree belong to this inode now.
    pub(super) const OWNERS: u32 = 0x200 | 0x400;
}
/// Sizes of the format: as all machines write it, and as 32-bit ones did once.
const FORMAT: usize = 56;
/// See [`FORMAT`].
const FORMAT_32: usize = 52;
/// Size of the core before version 3, and with it.
const CORE: usize = 100;
/// See [`CORE`].
const CORE_V3: usize = 176;
/// Formats of forks.
const LOCAL: u8 = 1;
/// See [`LOCAL`].
const EXTENTS: u8 = 2;
/// See [`LOCAL`].
const TREE: u8 = 3;
/// `di_flags2`: times are one number of 64 bits.
const BIG_TIME: u64 = 0x8;
/// `di_flags2`: extents are counted in 64 and 32 bits.
const LARGE_EXTENT_COUNTS: u64 = 0x10;
/// The highest number of times that an inode was written before the count starts anew.
const MAX_FLUSHES: u16 = 0xFFFF;
/// Size of the header of a tree block in memory, without and with checksums.
const TREE_HEADER: usize = 24;
/// See [`TREE_HEADER`].
const TREE_HEADER_V5: usize = 72;
/// Size of the header of a root within an inode.
const ROOT_HEADER: usize = 4;
/// Size of a key and of a pointer of such a tree.
const KEY: usize = 8;

/// What an item says of its inode.
struct Format {
    fields: u32,
    number: u64,
    device: u32,
    /// Buffer of inodes: first block of 512 bytes, and how many.
    block: u64,
    len: u32,
    /// Where in this buffer the inode begins, in bytes.
    offset: usize,
}

impl Format {
    fn parse(format: &[u8]) -> Result<Self> {
        // The older form has no padding after the lengths.
        let shift: usize = match format.len() {
            FORMAT => 4,
            FORMAT_32 => 0,
            other => return Err(Error::corrupt(format!("an inode's log format of {other} bytes"))),
        };
        let at = |at: usize| at.saturating_add(shift);
        Ok(Format {
            fields: format.le32(4)?,
            number: format.le64(at(12))?,
            device: format.le32(at(20))?,
            block: format.le64(at(36))?,
            len: format.le32(at(44))?,
            offset: index(format.le32(at(48))?),
        })
    }
}

impl Replay<'_> {
    /// Replays an item that changes an inode.
    pub(super) fn inode(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        let format = Format::parse(item.format()?)?;
        if self.cancelled.has((format.block, format.len)) {
            return Ok(());
        }
        let inode_size = usize::from(self.superblock.inode_size);
        let end = format.offset.checked_add(inode_size);
        if end.is_none_or(|end| end > index(format.len).saturating_mul(SECTOR)) {
            return Err(Error::corrupt(format!(
                "inode {} at byte {} of a buffer",
                format.number, format.offset
            )));
        }
        // Just the sectors of the inode.
        let first = format.offset >> 9;
        let start = format.offset % SECTOR;
        let sectors = u32::try_from(start.saturating_add(inode_size).div_ceil(SECTOR)).unwrap_or(u32::MAX);
        let block = format.block.saturating_add(u64::try_from(first).unwrap_or(u64::MAX));
        let mut buffer = self.load(block, sectors)?;
        let old = buffer.bytes().slice(start, inode_size)?;
        let core = item.region(1)?;
        if !is_inode(old) || core.le16(0)? != 0x494E {
            return Err(Error::corrupt(format!("the log changes inode {}, which is none", format.number)));
        }
        let owners = format.fields & field::OWNERS != 0;
        if self.inode_is_newer(old, core, lsn)? {
            if owners && old.be16(2)? != 0 {
                return Err(exchanged());
            }
            return Ok(());
        }
        let new = self.new_core(&format, core, old, lsn)?;
        buffer.put(start, &new)?;
        self.forks(&format, item, &mut buffer, start)?;
        if owners && core.le16(2)? != 0 {
            return Err(exchanged());
        }
        stamp_inode(&mut buffer, start, inode_size)?;
        self.changes.store(&buffer)
    }

    /// Is the inode on the disk newer than the one in the log?
    fn inode_is_newer(&self, old: &[u8], core: &[u8], lsn: u64) -> Result<bool> {
        if self.superblock.v5 {
            let written = if old.u8(4)? >= 3 { old.be64(112)? } else { 0 };
            return Ok(written != 0 && written != u64::MAX && written > lsn);
        }
        let (on_disk, logged) = (old.be16(30)?, core.le16(30)?);
        Ok(logged < on_disk && !(on_disk == MAX_FLUSHES && logged < MAX_FLUSHES >> 1))
    }

    /// The core of the inode as it is to be on the disk.
    fn new_core(&self, format: &Format, core: &[u8], old: &[u8], lsn: u64) -> Result<Vec<u8>> {
        let wrong = |what: String| Error::corrupt(format!("in the log, inode {} {what}", format.number));
        let v3 = core.u8(4)? >= 3;
        if v3 != self.superblock.v5 {
            return Err(wrong(format!("is of version {}", core.u8(4)?)));
        }
        let size = if v3 { CORE_V3 } else { CORE };
        if core.len() > if self.superblock.v5 { CORE_V3 } else { CORE } {
            return Err(wrong(format!("has a core of {} bytes", core.len())));
        }
        let (kind, data_format) = (core.le16(2)? & 0o17_0000, core.u8(5)?);
        let right = match kind {
            0o10_0000 => matches!(data_format, EXTENTS | TREE),
            0o04_0000 => matches!(data_format, LOCAL | EXTENTS | TREE),
            _ => true,
        };
        if !right {
            return Err(wrong(format!("has data of format {data_format}")));
        }
        let flags2 = if v3 { core.le64(120)? } else { 0 };
        let large = flags2 & LARGE_EXTENT_COUNTS != 0;
        let extents = if large {
            if !self.superblock.has_incompat(incompat::LARGE_EXTENT_COUNTS) || core.le16(80)? != 0 {
                return Err(wrong("counts extents with more bits".to_owned()));
            }
            core.le64(24)?.saturating_add(core.le32(76)?.into())
        } else {
            if v3 && core.le64(24)? != 0 {
                return Err(wrong("has something where nothing is".to_owned()));
            }
            u64::from(core.le32(76)?).saturating_add(core.le16(80)?.into())
        };
        if extents > core.le64(64)? {
            return Err(wrong(format!("has {extents} extents in {} blocks", core.le64(64)?)));
        }
        if u16::from(core.u8(82)?) > self.superblock.inode_size {
            return Err(wrong(format!("has attributes from {} on", core.u8(82)?)));
        }

        let mut new = old.slice(0, size)?.to_vec();
        let mut copy = |at: usize, len: usize, reverse: bool| -> Result<()> {
            let place = super::transaction::within(at, len, new.len()).and_then(|range| new.get_mut(range));
            if let Some(place) = place {
                place.copy_from_slice(core.slice(at, len)?);
                if reverse {
                    place.reverse();
                }
            }
            Ok(())
        };
        // Where a number is, and its size. Version and format of both forks are bytes.
        const NUMBERS: [(usize, usize); 18] = [
            (0, 2),  // magic number
            (2, 2),  // mode
            (4, 1),  // version
            (5, 1),  // format of the data fork
            (8, 4),  // owner
            (12, 4), // group
            (16, 4), // links
            (20, 2), // project, low half
            (22, 2), // high half
            (56, 8), // size
            (64, 8), // blocks
            (72, 4), // hint for the size of extents
            (82, 1), // where attributes begin
            (83, 1), // format of the attribute fork
            (84, 4), // two fields of no use
            (88, 2),
            (90, 2), // flags
            (92, 4), // generation
        ];
        const NUMBERS_V3: [(usize, usize); 4] = [(104, 8), (120, 8), (128, 4), (152, 8)];
        for (at, len) in NUMBERS {
            copy(at, len, true)?;
        }
        let mut time = |at: usize| -> Result<()> {
            if flags2 & BIG_TIME != 0 {
                return copy(at, 8, true);
            }
            copy(at, 4, true)?;
            copy(at.saturating_add(4), 4, true)
        };
        for at in [32, 40, 48] {
            time(at)?;
        }
        if v3 {
            time(144)?;
            for (at, len) in NUMBERS_V3 {
                copy(at, len, true)?;
            }
            copy(160, 16, false)?;
        }
        if large {
            for (at, len) in [(24, 8), (76, 4), (80, 2)] {
                copy(at, len, true)?;
            }
        } else {
            for (at, len) in [(76, 4), (80, 2)] {
                copy(at, len, true)?;
            }
        }
        let mut fill = |at: usize, bytes: &[u8]| {
            let place =
                super::transaction::within(at, bytes.len(), new.len()).and_then(|range| new.get_mut(range));
            if let Some(place) = place {
                place.copy_from_slice(bytes);
            }
        };
        // The number of links of version 1 is of no use any more.
        fill(6, &[0; 2]);
        if v3 {
            fill(112, &lsn.to_be_bytes());
            fill(132, &[0; 12]);
        }
        if !large {
            // Padding; in version 2, also how often it was written, which starts anew.
            fill(24, &[0; 8]);
        }
        Ok(new)
    }

    /// The forks, into the inode that begins at byte `start` of `buffer` and has its new core.
    fn forks(&self, format: &Format, item: &Item<'_>, buffer: &mut Buffer, start: usize) -> Result<()> {
        let core_size = if self.superblock.v5 { CORE_V3 } else { CORE };
        let room = usize::from(self.superblock.inode_size).saturating_sub(core_size);
        let data = start.saturating_add(core_size);
        let split = usize::from(buffer.bytes().u8(start.saturating_add(82))?).saturating_mul(8);
        let data_room = if split == 0 { room } else { split.min(room) };
        if format.fields & field::DEVICE != 0 {
            buffer.put(data, &format.device.to_be_bytes())?;
        }
        if item.len() <= 2 {
            return Ok(());
        }
        let mut region = 2_usize;
        let (data_fields, attribute_fields) =
            (format.fields & field::DATA, format.fields & field::ATTRIBUTES);
        if data_fields != 0 {
            let bytes = item.region(region)?;
            region = 3;
            match data_fields {
                field::DATA_LOCAL | field::DATA_EXTENTS => put_fork(buffer, data, data_room, bytes)?,
                field::DATA_ROOT => self.put_root(buffer, data, data_room, bytes)?,
                other => return Err(Error::corrupt(format!("a data fork as {other:#x} in the log"))),
            }
        }
        if attribute_fields != 0 {
            let bytes = item.region(region)?;
            let attributes = data.saturating_add(split.min(room));
            let attribute_room = room.saturating_sub(split);
            match attribute_fields {
                field::ATTRIBUTES_LOCAL | field::ATTRIBUTES_EXTENTS => {
                    put_fork(buffer, attributes, attribute_room, bytes)?;
                }
                field::ATTRIBUTES_ROOT => self.put_root(buffer, attributes, attribute_room, bytes)?,
                other => return Err(Error::corrupt(format!("an attribute fork as {other:#x} in the log"))),
            }
        }
        Ok(())
    }

    /// A root of a tree of extents, which is a whole tree block in memory, into the `room` bytes at `at`.
    fn put_root(&self, buffer: &mut Buffer, at: usize, room: usize, block: &[u8]) -> Result<()> {
        let header = if self.superblock.v5 { TREE_HEADER_V5 } else { TREE_HEADER };
        let most = |len: usize, header: usize| len.saturating_sub(header) / (2 * KEY);
        let (level, count) = (block.array::<2>(4)?, block.be16(6)?);
        let (from_most, to_most) = (most(block.len(), header), most(room, ROOT_HEADER));
        let len = usize::from(count).saturating_mul(KEY);
        if count == 0 || usize::from(count) > from_most || usize::from(count) > to_most {
            return Err(Error::corrupt(format!(
                "a root of {count} entries in the log, of at most {to_most}"
            )));
        }
        buffer.put(at, &level)?;
        buffer.put(at.saturating_add(2), &count.to_be_bytes())?;
        let keys = at.saturating_add(ROOT_HEADER);
        buffer.put(keys, block.slice(header, len)?)?;
        let pointers = header.saturating_add(from_most.saturating_mul(KEY));
        buffer.put(keys.saturating_add(to_most.saturating_mul(KEY)), block.slice(pointers, len)?)
    }
}

/// The bytes of a fork, which the log pads to whole words, into the `room` bytes at `at`.
fn put_fork(buffer: &mut Buffer, at: usize, room: usize, bytes: &[u8]) -> Result<()> {
    if bytes.len() > room {
        return Err(Error::corrupt(format!("{} bytes of a fork of {room} in the log", bytes.len())));
    }
    buffer.put(at, bytes)
}

fn exchanged() -> Error {
    Error::unsupported("dirty log: files that exchanged their extents")
}
