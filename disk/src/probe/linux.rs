//! Filesystems of Linux beside ext2/3/4: XFS, btrfs.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::{Fields, index};
use crate::crc::crc32c;

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("xfs", Usage::Filesystem, &[magic(0, b"XFSB")], xfs),
    Prober::new("btrfs", Usage::Filesystem, &[magic(0x10040, b"_BHRfS_M")], btrfs),
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
