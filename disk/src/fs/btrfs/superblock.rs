//! The superblock. Source: btrfs documentation, "On-disk Format", `btrfs_super_block`.
//!
//! There are copies at 64 MiB and 256 GiB, which are for repair: like the kernel's mount, this reads the first only.

use super::checksum::{self, Checksum};
use super::features::{compat_ro, flags, incompat};
use crate::bytes::{Fields, index};
use crate::{Context, Error, ReadAt, Result};

/// Where it lies, in bytes from the start of the device.
pub(super) const OFFSET: u64 = 0x1_0000;
/// Its size in bytes.
pub(super) const SIZE: usize = 4096;
/// Where the magic number lies, and what it is.
const MAGIC: (usize, &[u8]) = (0x40, b"_BHRfS_M");
/// Where a superblock's description of its own device lies, and its size.
const DEV_ITEM: (usize, usize) = (0xc9, super::device::ITEM_SIZE);
/// Where the chunks lie that the chunk tree is read through, and room for them.
const SYS_CHUNKS: (usize, usize) = (0x32b, 2048);
/// Sizes of sectors and tree blocks in bytes.
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 4096..=65536;
/// Number of levels that a tree can have.
pub(super) const MAX_LEVELS: u8 = 8;

/// A UUID as stored.
pub(super) type Uuid = [u8; 16];

/// A superblock, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// The filesystem's UUID.
    pub(super) fsid: Uuid,
    /// The UUID that blocks of metadata bear.
    pub(super) metadata_uuid: Uuid,
    /// The transaction that wrote it.
    pub(super) generation: u64,
    /// Where the root tree is: logical address and level; its generation is that of the superblock.
    pub(super) root: (u64, u8),
    /// Where the chunk tree is: logical address, level, generation.
    pub(super) chunk_root: (u64, u8, u64),
    /// Where the tree of log trees is, 0 if there is none: logical address and level.
    pub(super) log_root: (u64, u8),
    /// Size in bytes of all devices.
    pub(super) total_bytes: u64,
    pub(super) num_devices: u64,
    /// Unit of data in bytes.
    pub(super) sector_size: u32,
    /// Size of tree blocks in bytes.
    pub(super) node_size: u32,
    pub(super) incompat: u64,
    pub(super) compat_ro: u64,
    pub(super) checksum: Checksum,
    /// The chunks that the chunk tree is read through.
    pub(super) sys_chunks: Vec<u8>,
    /// The device that it was read from.
    pub(super) device: super::device::Item,
}

/// Is there the magic number of a superblock on `source`?
pub(super) fn is_on(source: &dyn ReadAt) -> Result<bool> {
    let (at, magic) = MAGIC;
    let mut found = [0; 8];
    let end = OFFSET.saturating_add(u64::try_from(SIZE).unwrap_or(u64::MAX));
    if source.len() < end {
        return Ok(false);
    }
    source.read_at(OFFSET.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)), &mut found)?;
    Ok(found == magic)
}

/// Reads the superblock of `source` as it is stored.
pub(super) fn raw(source: &dyn ReadAt) -> Result<Vec<u8>> {
    let mut bytes = vec![0; SIZE];
    source.read_at(OFFSET, &mut bytes).context(|| "reading the superblock".to_owned())?;
    Ok(bytes)
}

impl Superblock {
    /// Parses and checks a superblock.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let (at, magic) = MAGIC;
        if bytes.slice(at, magic.len())? != magic {
            return Err(Error::corrupt("no btrfs superblock"));
        }
        let checksum = Checksum::from_number(bytes.le16(0xc4)?)?;
        let summed = bytes.slice(checksum::ROOM, SIZE.saturating_sub(checksum::ROOM))?;
        if !checksum.matches(bytes, summed) {
            return Err(Error::corrupt("the checksum of the superblock is wrong"));
        }
        if bytes.le64(0x30)? != OFFSET {
            return Err(Error::corrupt("the superblock is a copy of that of another place"));
        }
        let incompat_bits = bytes.le64(0xbc)?;
        let fsid = bytes.array(0x20)?;
        let has_metadata_uuid = incompat_bits & incompat::METADATA_UUID != 0;
        let (dev_at, dev_size) = DEV_ITEM;
        let (sys_at, sys_room) = SYS_CHUNKS;
        let sys_size = index(bytes.le32(0xa0)?);
        if sys_size > sys_room {
            return Err(Error::corrupt(format!("{sys_size} bytes of system chunks in the superblock")));
        }
        let superblock = Superblock {
            fsid,
            metadata_uuid: if has_metadata_uuid { bytes.array(0x23b)? } else { fsid },
            generation: bytes.le64(0x48)?,
            root: (bytes.le64(0x50)?, bytes.u8(0xc6)?),
            chunk_root: (bytes.le64(0x58)?, bytes.u8(0xc7)?, bytes.le64(0xa4)?),
            log_root: (bytes.le64(0x60)?, bytes.u8(0xc8)?),
            total_bytes: bytes.le64(0x70)?,
            num_devices: bytes.le64(0x88)?,
            sector_size: bytes.le32(0x90)?,
            node_size: bytes.le32(0x94)?,
            incompat: incompat_bits,
            compat_ro: bytes.le64(0xb4)?,
            checksum,
            sys_chunks: bytes.slice(sys_at, sys_size)?.to_vec(),
            device: super::device::Item::parse(bytes.slice(dev_at, dev_size)?)?,
        };
        superblock.check()?;
        superblock.refuse_unknown(bytes.le64(0x38)?)?;
        Ok(superblock)
    }

    /// Refuses what the kernel does not mount as damaged.
    fn check(&self) -> Result<()> {
        for (what, size) in [("sectors", self.sector_size), ("tree blocks", self.node_size)] {
            if !size.is_power_of_two() || !BLOCK_SIZES.contains(&size) || size < self.sector_size {
                return Err(Error::corrupt(format!("{what} of {size} bytes")));
            }
        }
        let (root, chunk_root, log_root) = (self.root, self.chunk_root, self.log_root);
        for (tree, bytenr, level) in [
            ("root", root.0, root.1),
            ("chunk", chunk_root.0, chunk_root.1),
            ("log root", log_root.0, log_root.1),
        ] {
            if level >= MAX_LEVELS || !bytenr.is_multiple_of(self.sector_size.into()) {
                return Err(Error::corrupt(format!("a {tree} tree at {bytenr} with level {level}")));
            }
        }
        if self.num_devices == 0 || self.generation < self.chunk_root.2 {
            return Err(Error::corrupt("a superblock whose numbers contradict each other"));
        }
        if self.device.fsid != self.metadata_uuid {
            return Err(Error::corrupt("the superblock's device belongs to another filesystem"));
        }
        Ok(())
    }

    /// Refuses features and states that this code does not understand.
    fn refuse_unknown(&self, flag_bits: u64) -> Result<()> {
        let unknown = incompat::unknown(self.incompat);
        if unknown != 0 {
            return Err(Error::unsupported(format!("btrfs features: {}", incompat::names(unknown))));
        }
        let unknown = self.compat_ro & !compat_ro::KNOWN;
        if unknown != 0 && self.log_root.0 != 0 {
            let what = format!("a log to be replayed, with read-only compatible features {unknown:#x}");
            return Err(Error::unsupported(what));
        }
        if flag_bits & flags::METADUMP != 0 {
            return Err(Error::unsupported("a btrfs image without data (metadump)"));
        }
        // The kernel mounts it, but counts free space in it in another way.
        if flag_bits & flags::SEEDING != 0 {
            return Err(Error::unsupported("a btrfs filesystem that is a seed of others"));
        }
        let unknown = flag_bits & !flags::HARMLESS;
        if unknown != 0 {
            return Err(Error::unsupported(format!("btrfs superblock flags {unknown:#x}")));
        }
        Ok(())
    }
}
