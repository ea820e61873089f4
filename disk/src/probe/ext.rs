//! ext2, ext3, ext4 and external journals (Linux's `Documentation/filesystems/ext4/super.rst`).
//!
//! The superblock's checksum is not verified here, as libblkid 2.38 does not: what is damaged is still named, and
//! whoever opens it says what is wrong.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;

/// Where the superblock stands, and its size (bytes).
const SUPERBLOCK: (u64, usize) = (1024, 1024);
const MAGICS: &[Magic] = &[magic(1024 + 0x38, b"\x53\xef")];

/// In the compatible features.
const HAS_JOURNAL: u32 = 0x4;
/// In the incompatible features.
const FILETYPE: u32 = 0x2;
const RECOVER: u32 = 0x4;
const JOURNAL_DEV: u32 = 0x8;
const META_BG: u32 = 0x10;
/// Incompatible features that an ext2 or an ext3 may have.
const EXT2_INCOMPAT: u32 = FILETYPE | META_BG;
const EXT3_INCOMPAT: u32 = EXT2_INCOMPAT | RECOVER;
/// Read-only compatible features that both may have: sparse superblocks, large files, B-tree directories.
const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
/// In the flags: a filesystem to test development code with.
const TEST_FILESYSTEM: u32 = 0x4;

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("ext4dev", Usage::Filesystem, MAGICS, |reader, _| read(reader, Kind::Ext4Dev)),
    Prober::new("ext4", Usage::Filesystem, MAGICS, |reader, _| read(reader, Kind::Ext4)),
    Prober::new("ext3", Usage::Filesystem, MAGICS, |reader, _| read(reader, Kind::Ext3)),
    Prober::new("ext2", Usage::Filesystem, MAGICS, |reader, _| read(reader, Kind::Ext2)),
    Prober::new("jbd", Usage::Other, MAGICS, |reader, _| read(reader, Kind::Journal)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ext2,
    Ext3,
    Ext4,
    Ext4Dev,
    Journal,
}

/// The kind that features and flags make: each superblock is of exactly one.
fn kind(compat: u32, incompat: u32, ro_compat: u32, flags: u32) -> Kind {
    let journal = compat & HAS_JOURNAL != 0;
    if incompat & JOURNAL_DEV != 0 {
        Kind::Journal
    } else if flags & TEST_FILESYSTEM != 0 {
        Kind::Ext4Dev
    } else if ro_compat & !EXT3_RO_COMPAT != 0 || incompat & !EXT3_INCOMPAT != 0 {
        Kind::Ext4
    } else if journal {
        Kind::Ext3
    } else if incompat & !EXT2_INCOMPAT == 0 {
        Kind::Ext2
    } else {
        Kind::Ext4
    }
}

fn read(reader: &mut Reader<'_>, wanted: Kind) -> Result<Option<Details>> {
    let superblock = reader.bytes(SUPERBLOCK.0, SUPERBLOCK.1)?;
    let (compat, incompat) = (superblock.le32(0x5c)?, superblock.le32(0x60)?);
    let (ro_compat, flags) = (superblock.le32(0x64)?, superblock.le32(0x160)?);
    if kind(compat, incompat, ro_compat, flags) != wanted {
        return Ok(None);
    }
    let also_ext2 = wanted != Kind::Ext2 && wanted != Kind::Journal && incompat & !EXT2_INCOMPAT == 0;
    Ok(Some(Details {
        label: label(superblock.slice(0x78, 16)?),
        uuid: uuid(&superblock, 0x68)?,
        version: Some(format!("{}.{}", superblock.le32(0x4c)?, superblock.le16(0x3e)?)),
        block_size: 1024u32.checked_shl(superblock.le32(0x18)?).filter(|&size| size != 0),
        sec_type: also_ext2.then_some("ext2"),
        ..Details::default()
    }))
}
