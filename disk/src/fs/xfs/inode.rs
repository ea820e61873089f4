//! Inodes: what `lstat` shows, and the two forks, which map content and extended attributes.
//!
//! ```text
//! core (100 bytes, version 3: 176) | data fork | attribute fork, from forkoff * 8 bytes after the core on
//! ```
//!
//! Source: "XFS Algorithms & Data Structures", section "On-Disk Inode".

use std::sync::Arc;

use super::Xfs;
use super::blocks::Which;
use super::checksum;
use super::features::incompat;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, FileType, InodeId, Metadata, Timestamp};
use crate::{Context, Error, ErrorKind, Result};

/// What an inode starts with.
const MAGIC: u16 = 0x494E;
/// Where the checksum lies in version 3.
const CRC_OFFSET: usize = 100;
/// Size of the core before version 3, and with it.
const CORE: usize = 100;
/// See [`CORE`].
const CORE_V3: usize = 176;
/// `di_flags`: the content lies on the realtime device.
const FLAG_REALTIME: u16 = 0x1;
/// `di_flags2`: blocks may be shared with other files.
const FLAG2_REFLINK: u64 = 0x2;
/// `di_flags2`: times are nanoseconds in 64 bits.
const FLAG2_BIG_TIME: u64 = 0x8;
/// `di_flags2`: extents are counted in 64 and 32 bits.
const FLAG2_LARGE_EXTENT_COUNTS: u64 = 0x10;
/// `di_flags2`: an inode of the filesystem's own.
const FLAG2_METADATA: u64 = 0x20;
/// Where 64-bit times begin, in seconds from 1970.
const BIG_TIME_EPOCH: i64 = -(1 << 31);
/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;
/// `st_blksize` in bytes is at least the size of a page, and just that for device nodes.
const PAGE: u32 = 4096;
/// Size of an extent record in a fork.
const EXTENT: u64 = 16;

/// How a fork holds what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A device number.
    Device,
    /// The content itself.
    Local,
    /// A list of extents.
    Extents,
    /// The root of a tree of extents.
    Btree,
}

impl Format {
    fn parse(stored: u8) -> Result<Self> {
        match stored {
            0 => Ok(Format::Device),
            1 => Ok(Format::Local),
            2 => Ok(Format::Extents),
            3 => Ok(Format::Btree),
            _ => Err(Error::corrupt(format!("a fork of format {stored}"))),
        }
    }
}

/// One fork of an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fork<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) format: Format,
    /// Number of extents that the inode claims.
    pub(super) extents: u64,
}

/// An inode, checked.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) file_type: FileType,
    mode: u16,
    links: u32,
    uid: u32,
    gid: u32,
    pub(super) size: u64,
    /// Filesystem blocks taken.
    blocks: u64,
    flags: u16,
    shares: bool,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    created: Option<Timestamp>,
    data: ForkPlace,
    attributes: Option<ForkPlace>,
    window: Arc<[u8]>,
}

/// Where a fork lies in the window of inodes.
#[derive(Debug, Clone, Copy)]
struct ForkPlace {
    start: usize,
    len: usize,
    format: Format,
    extents: u64,
}

impl Inode {
    /// How many names it has.
    pub(super) fn links(&self) -> u32 {
        self.links
    }

    /// How many blocks of the filesystem it takes.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// May its blocks be shared with other files?
    pub(super) fn shares(&self) -> bool {
        self.shares
    }

    /// The fork `which`, if the inode has it: there is always one for data.
    pub(super) fn fork(&self, which: Which) -> Result<Option<Fork<'_>>> {
        let place = match which {
            Which::Data => Some(self.data),
            Which::Attributes => self.attributes,
        };
        let Some(place) = place else { return Ok(None) };
        let bytes = self.window.slice(place.start, place.len)?;
        Ok(Some(Fork { bytes, format: place.format, extents: place.extents }))
    }

    /// The data fork.
    pub(super) fn data(&self) -> Result<Fork<'_>> {
        self.fork(Which::Data)?.ok_or_else(|| Error::corrupt("an inode without a data fork"))
    }

    /// Refuses what is not a directory.
    pub(super) fn need_directory(&self) -> Result<()> {
        if self.file_type == FileType::Directory {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotADirectory, format!("inode {} is not a directory", self.number)))
    }

    /// Refuses content on the realtime device.
    pub(super) fn refuse_realtime(&self) -> Result<()> {
        if self.flags & FLAG_REALTIME == 0 {
            return Ok(());
        }
        Err(Error::unsupported(format!("inode {} has its content on a realtime device", self.number)))
    }

    /// The device that the inode is a node of.
    fn device(&self) -> Result<DeviceNumber> {
        if !matches!(self.file_type, FileType::BlockDevice | FileType::CharDevice) {
            return Ok(DeviceNumber::default());
        }
        // 14 bits of major and 18 of minor number.
        let number = self.data()?.bytes.be32(0)?;
        Ok(DeviceNumber { major: (number >> 18) & 0x3FFF, minor: number & 0x3_FFFF })
    }
}

impl Xfs {
    /// The inode that a directory entry or a caller names.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        let number = id.number;
        if self.superblock.private_inodes.contains(&number) {
            return Err(Error::corrupt(format!("inode {number} is not an ordinary one")));
        }
        self.read_inode(number).context(|| format!("in XFS inode {number}"))
    }

    fn read_inode(&self, number: u64) -> Result<Inode> {
        let (window, start) = self.inode_place(number)?;
        self.parse_inode(number, window, start)
    }

    /// All bytes of inode `number`, not checked.
    pub(super) fn raw_inode(&self, number: u64) -> Result<Vec<u8>> {
        let (window, start) = self.inode_place(number)?;
        Ok(window.slice(start, self.superblock.inode_size.into())?.to_vec())
    }

    /// The window of inodes that has inode `number`, and where.
    fn inode_place(&self, number: u64) -> Result<(Arc<[u8]>, usize)> {
        let sb = &self.superblock;
        let block = number.wrapping_shr(sb.inodes_per_block_log.into());
        let nr = number & 1_u64.wrapping_shl(sb.inodes_per_block_log.into()).wrapping_sub(1);
        let offset = sb.offset(block, 1)?.saturating_add(nr.wrapping_shl(sb.inode_log.into()));
        self.blocks.inodes(offset)
    }

    fn parse_inode(&self, number: u64, window: Arc<[u8]>, start: usize) -> Result<Inode> {
        let sb = &self.superblock;
        let inode_size = usize::from(sb.inode_size);
        let raw = window.slice(start, inode_size)?;
        let magic = raw.be16(0)?;
        if magic != MAGIC {
            return Err(Error::corrupt(format!("it starts with {magic:#06x}, not {MAGIC:#06x}")));
        }
        let version = raw.u8(4)?;
        let v3 = match version {
            1 | 2 if !sb.v5 => false,
            3 if sb.v5 => true,
            _ => return Err(Error::corrupt(format!("its version is {version}"))),
        };
        if v3 {
            checksum::verify(raw, CRC_OFFSET, "inode")?;
            let (stored, uuid) = (raw.be64(152)?, raw.array::<16>(160)?);
            if stored != number || uuid != sb.meta_uuid {
                return Err(Error::corrupt(format!("it is inode {stored} of a filesystem {uuid:02x?}")));
            }
        }
        let mode = raw.be16(2)?;
        if mode == 0 {
            return Err(Error::corrupt("it is not in use"));
        }
        let file_type = file_type(mode)?;
        let size = raw.be64(56)?;
        if i64::try_from(size).is_err() {
            return Err(Error::corrupt(format!("its size is {size}")));
        }
        let flags2 = if v3 { raw.be64(120)? } else { 0 };
        if flags2 & FLAG2_METADATA != 0 {
            return Err(Error::unsupported("it belongs to the filesystem itself"));
        }
        let (data, attributes) = forks(raw, v3, flags2, file_type, size)?;
        let (data, attributes) = (data.shifted(start), attributes.map(|fork| fork.shifted(start)));
        let blocks = raw.be64(64)?;
        let extents = data.extents.saturating_add(attributes.map_or(0, |fork| fork.extents));
        if extents > blocks || blocks > sb.blocks {
            return Err(Error::corrupt(format!("{extents} extents in {blocks} blocks")));
        }
        let big_time = flags2 & FLAG2_BIG_TIME != 0;
        if big_time && !sb.has_incompat(incompat::BIG_TIME) {
            return Err(Error::corrupt("64-bit times in a filesystem that has none"));
        }
        let time = |at| timestamp(raw, at, big_time);
        Ok(Inode {
            number,
            file_type,
            mode,
            links: if version == 1 { raw.be16(6)?.into() } else { raw.be32(16)? },
            uid: raw.be32(8)?,
            gid: raw.be32(12)?,
            size,
            blocks,
            flags: raw.be16(90)?,
            shares: flags2 & FLAG2_REFLINK != 0,
            accessed: time(32)?,
            modified: time(40)?,
            changed: time(48)?,
            created: if v3 { Some(time(144)?) } else { None },
            data,
            attributes,
            window,
        })
    }

    /// What `lstat` shows of `inode`.
    pub(super) fn inode_metadata(&self, inode: &Inode) -> Result<Metadata> {
        let sb = &self.superblock;
        let is_device = matches!(inode.file_type, FileType::BlockDevice | FileType::CharDevice);
        Ok(Metadata {
            number: inode.number,
            subvolume: 0,
            file_type: inode.file_type,
            permissions: inode.mode & 0o7777,
            links: inode.links,
            uid: inode.uid,
            gid: inode.gid,
            device: inode.device()?,
            size: inode.size,
            blocks: inode.blocks.saturating_mul(u64::from(sb.block_size >> 9)),
            block_size: if is_device { PAGE } else { sb.block_size.max(PAGE) },
            accessed: inode.accessed,
            modified: inode.modified,
            changed: inode.changed,
            created: inode.created,
        })
    }
}

impl ForkPlace {
    /// The same place `by` bytes further on.
    fn shifted(self, by: usize) -> Self {
        ForkPlace { start: self.start.saturating_add(by), ..self }
    }
}

/// Where the forks of the inode in `raw` lie, checked as the kernel does.
fn forks(
    raw: &[u8],
    v3: bool,
    flags2: u64,
    file_type: FileType,
    size: u64,
) -> Result<(ForkPlace, Option<ForkPlace>)> {
    let core = if v3 { CORE_V3 } else { CORE };
    let room = raw.len().saturating_sub(core);
    let (extents, attribute_extents) = if flags2 & FLAG2_LARGE_EXTENT_COUNTS != 0 {
        (raw.be64(24)?, raw.be32(76)?)
    } else {
        (raw.be32(76)?.into(), raw.be16(80)?.into())
    };
    let attributes_at = usize::from(raw.u8(82)?).saturating_mul(8);
    if attributes_at > room || (attributes_at == room && attributes_at != 0) {
        return Err(Error::corrupt(format!("attributes from byte {attributes_at} of {room} on")));
    }
    let data_len = if attributes_at == 0 { room } else { attributes_at };
    let data = ForkPlace { start: core, len: data_len, format: Format::parse(raw.u8(5)?)?, extents };
    let is_special = !matches!(file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
    let right_kind = match data.format {
        Format::Device => is_special,
        Format::Local => matches!(file_type, FileType::Directory | FileType::Symlink),
        Format::Extents | Format::Btree => !is_special,
    };
    if !right_kind {
        return Err(Error::corrupt(format!("a {file_type:?} with data of format {:?}", data.format)));
    }
    if data.format == Format::Local && usize::try_from(size).is_ok_and(|size| size > data_len) {
        return Err(Error::corrupt(format!("{size} bytes in a fork of {data_len}")));
    }
    data.check_count()?;
    if attributes_at == 0 {
        if attribute_extents != 0 {
            return Err(Error::corrupt(format!("{attribute_extents} extents of attributes, and no place")));
        }
        return Ok((data, None));
    }
    let attributes = ForkPlace {
        start: core.saturating_add(attributes_at),
        len: room.saturating_sub(attributes_at),
        format: Format::parse(raw.u8(83)?)?,
        extents: attribute_extents.into(),
    };
    if attributes.format == Format::Device {
        return Err(Error::corrupt("attributes of the format of a device number"));
    }
    attributes.check_count()?;
    Ok((data, Some(attributes)))
}

impl ForkPlace {
    /// Is the number of extents one that this format has?
    fn check_count(&self) -> Result<()> {
        let fit = u64::try_from(self.len).unwrap_or(u64::MAX).checked_div(EXTENT).unwrap_or_default();
        let right = match self.format {
            Format::Device | Format::Local => self.extents == 0,
            Format::Extents => self.extents <= fit,
            Format::Btree => self.extents > fit,
        };
        if right {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} extents in a fork of format {:?}", self.extents, self.format)))
    }
}

fn file_type(mode: u16) -> Result<FileType> {
    Ok(match mode & 0o17_0000 {
        0o01_0000 => FileType::Fifo,
        0o02_0000 => FileType::CharDevice,
        0o04_0000 => FileType::Directory,
        0o06_0000 => FileType::BlockDevice,
        0o10_0000 => FileType::Regular,
        0o12_0000 => FileType::Symlink,
        0o14_0000 => FileType::Socket,
        _ => return Err(Error::corrupt(format!("its mode is {mode:#o}"))),
    })
}

/// The time at byte `at` of an inode: seconds and nanoseconds in 32 bits each, or nanoseconds from a time before 1970.
fn timestamp(raw: &[u8], at: usize, big_time: bool) -> Result<Timestamp> {
    if !big_time {
        let seconds = i32::from_be_bytes(raw.array(at)?);
        return Ok(Timestamp { seconds: seconds.into(), nanoseconds: raw.be32(at.saturating_add(4))? });
    }
    let stored = raw.be64(at)?;
    let seconds = i64::try_from(stored / NANOSECONDS).unwrap_or(i64::MAX);
    Ok(Timestamp {
        seconds: seconds.saturating_add(BIG_TIME_EPOCH),
        nanoseconds: u32::try_from(stored % NANOSECONDS).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_kinds() {
        let old: &[u8] = &[0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 7];
        assert_eq!(timestamp(old, 0, false).unwrap(), Timestamp { seconds: -2, nanoseconds: 7 });
        let zero: &[u8] = &[0; 8];
        assert_eq!(timestamp(zero, 0, true).unwrap(), Timestamp { seconds: -(1 << 31), nanoseconds: 0 });
        let last: &[u8] = &[0xFF; 8];
        let want = Timestamp { seconds: 16_299_260_425, nanoseconds: 709_551_615 };
        assert_eq!(timestamp(last, 0, true).unwrap(), want);
    }
}
