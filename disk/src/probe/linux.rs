//! Filesystems of Linux beside ext2/3/4: XFS, btrfs, F2FS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::{Fields, index};
use crate::crc::{crc32, crc32c};

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("xfs", Usage::Filesystem, &[magic(0, b"XFSB")], xfs),
    Prober::new("btrfs", Usage::Filesystem, &[magic(0x10040, b"_BHRfS_M")], btrfs),
    Prober::new("f2fs", Usage::Filesystem, &[magic(1024, b"\x10\x20\xf5\xf2")], f2fs),
];

/// Where an XFS superblock (XFS Algorithms & Data Structures, chapter 13) has its checksum, in version 5.
const XFS_CRC: usize = 224;

fn xfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(0, 512)?;
    let block_size = superblock.be32(4)?;
    let version = superblock.be16(100)? & 0xf;
    let sector_size = u32::from(superblock.be16(102)?);
    let inode_size = superblock.be16(104)?;
    let sane = superblock.be64(8)? > 0
        && superblock.be32(84)? > 0
        && superblock.be32(88)? > 0
        && (512..=32768).contains(&sector_size)
        && 1u32.checked_shl(u32::from(superblock.u8(121)?)) == Some(sector_size)
        && (512..=65536).contains(&block_size)
        && 1u32.checked_shl(u32::from(superblock.u8(120)?)) == Some(block_size)
        && (256..=2048).contains(&inode_size)
        && superblock.u8(127)? <= 100;
    if !sane {
        return Ok(None);
    }
    if version == 5 {
        let mut sector = reader.bytes(0, index(sector_size))?;
        let stored = sector.le32(XFS_CRC)?;
        if let Some(field) = sector.get_mut(XFS_CRC..).and_then(|rest| rest.get_mut(..4)) {
            field.fill(0);
        }
        if !crc32c(!0, &sector) != stored {
            return Ok(None);
        }
    }
    Ok(Some(Details {
        label: label(superblock.slice(108, 12)?),
        uuid: uuid(&superblock, 32)?,
        block_size: Some(sector_size),
        ..Details::default()
    }))
}

/// Where btrfs has its first superblock, and its size (bytes).
const BTRFS_SUPERBLOCK: (u64, usize) = (0x10000, 4096);
/// What the checksum at its start covers starts here.
const BTRFS_SUMMED_FROM: usize = 0x20;
/// Value of `csum_type` for CRC-32C; libblkid does not verify the others.
const BTRFS_CRC32C: u16 = 0;

fn btrfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(BTRFS_SUPERBLOCK.0, BTRFS_SUPERBLOCK.1)?;
    let summed = superblock.get(BTRFS_SUMMED_FROM..).unwrap_or_default();
    if superblock.le16(0xc4)? == BTRFS_CRC32C && !crc32c(!0, summed) != superblock.le32(0)? {
        return Ok(None);
    }
    Ok(Some(Details {
        label: label(superblock.slice(0x12b, 256)?),
        uuid: uuid(&superblock, 0x20)?,
        uuid_sub: uuid(&superblock, 0x10b)?,
        block_size: Some(superblock.le32(0x90)?),
        ..Details::default()
    }))
}

/// Where F2FS has its first superblock (Linux's `include/linux/f2fs_fs.h`), and how much of it is read (bytes).
const F2FS_SUPERBLOCK: (u64, usize) = (1024, 3072);
/// Its magic number, from which its checksum (CRC-32) starts.
const F2FS_MAGIC: u32 = 0xf2f5_2010;

fn f2fs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(F2FS_SUPERBLOCK.0, F2FS_SUPERBLOCK.1)?;
    let (major, minor) = (superblock.le16(4)?, superblock.le16(6)?);
    let version = Some(format!("{major}.{minor}"));
    if (major, minor) == (1, 0) {
        // The layout of this version is not known for sure.
        return Ok(Some(Details { version, ..Details::default() }));
    }
    let checksum_at = index(superblock.le32(32)?);
    if checksum_at != 0
        && crc32(F2FS_MAGIC, superblock.slice(0, checksum_at)?) != superblock.le32(checksum_at)?
    {
        return Ok(None);
    }
    let name = super::utf16(superblock.slice(124, 1024)?, u16::from_le_bytes);
    Ok(Some(Details {
        label: label(name.as_bytes()),
        uuid: uuid(&superblock, 108)?,
        version,
        block_size: 1u32.checked_shl(superblock.le32(16)?),
        ..Details::default()
    }))
}
