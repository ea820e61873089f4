//! Journaling and log-structured filesystems of Linux and AIX: ReiserFS, Reiser4, JFS, NILFS2.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;
use crate::crc::crc32;

/// The places are in libblkid's order, before and after which it looks for other kinds.
pub(super) const PROBERS: &[Prober] = &[
    Prober::new("reiserfs", Usage::Filesystem, REISERFS, reiserfs).at_least(128 << 10),
    Prober::new("reiser4", Usage::Filesystem, &[magic(0x10000, b"ReIsEr4")], reiser4).at_least(128 << 10),
    Prober::new("jfs", Usage::Filesystem, &[magic(JFS, b"JFS1")], jfs).at_least(16 << 20),
];
pub(super) const NILFS2: &[Prober] =
    &[Prober::new("nilfs2", Usage::Filesystem, &[], nilfs2).at_least(1 << 20)];

/// Marks of ReiserFS 3.5, 3.6 and of either with a journal elsewhere. Where the superblock starts is [`REISERFS_MARK`]
/// before the mark, or less in the oldest.
const REISERFS: &[Magic] = &[
    magic(0x2000 + REISERFS_MARK, b"ReIsErFs"),
    magic(0x10000 + REISERFS_MARK, b"ReIsEr2Fs"),
    magic(0x10000 + REISERFS_MARK, b"ReIsEr3Fs"),
    magic(0x10000 + REISERFS_MARK, b"ReIsErFs"),
    magic(0x2000 + 20, b"ReIsErFs"),
];
const REISERFS_MARK: u64 = 0x34;

fn reiserfs(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    // Superblocks start at multiples of 4 KiB.
    let start = found.at & !0xfff;
    let superblock = reader.bytes(start, 116)?;
    let block_size = u32::from(superblock.le16(44)?);
    let journal = superblock.le32(12)?;
    let Some(block) = start.checked_div(1024).and_then(|kib| kib.checked_div(u64::from(block_size >> 9)))
    else {
        return Ok(None);
    };
    // A copy of a superblock within the journal.
    if block > u64::from(journal / 2) {
        return Ok(None);
    }
    let details = Details { block_size: Some(block_size), ..Details::default() };
    let version = match found.bytes {
        b"ReIsEr2Fs" => "3.6",
        b"ReIsEr3Fs" => "JR",
        _ => return Ok(Some(Details { version: Some("3.5".to_owned()), ..details })),
    };
    Ok(Some(Details {
        label: label(superblock.slice(100, 16)?),
        uuid: uuid(&superblock, 84)?,
        version: Some(version.to_owned()),
        ..details
    }))
}

fn reiser4(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(found.at, 60)?;
    Ok(Some(Details {
        label: label(superblock.slice(36, 16)?),
        uuid: uuid(&superblock, 20)?,
        version: Some("4".to_owned()),
        block_size: Some(u32::from(superblock.le16(18)?)),
        ..Details::default()
    }))
}

/// Where JFS has its first superblock (Linux's `fs/jfs/jfs_superblock.h`).
const JFS: u64 = 0x8000;

fn jfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(JFS, 184)?;
    let (block, block_log) = (superblock.le32(16)?, superblock.le16(20)?);
    let (sector, sector_log) = (superblock.le32(24)?, superblock.le16(28)?);
    let is_power = |size: u32, log: u16| 1u32.checked_shl(u32::from(log)) == Some(size);
    let valid = is_power(block, block_log)
        && is_power(sector, sector_log)
        && block_log.checked_sub(sector_log) == Some(superblock.le16(22)?);
    Ok(valid.then_some(Details {
        label: label(superblock.slice(152, 16)?),
        uuid: uuid(&superblock, 136)?,
        block_size: Some(block),
        ..Details::default()
    }))
}

/// Where NILFS2 has its superblock, and that's size; the second copy lies [`NILFS2_BACKUP`] sectors before the end.
const NILFS2_PRIMARY: u64 = 1024;
const NILFS2_LEN: usize = 1024;
const NILFS2_BACKUP: u64 = 8;
const NILFS2_MAGIC: u16 = 0x3434;
/// Where its checksum stands.
const NILFS2_SUM: usize = 16;

/// The newer valid one of both superblocks (Linux's `include/uapi/linux/nilfs2_ondisk.h`).
fn nilfs2(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let sectors = reader.len().checked_div(512).unwrap_or(0);
    let backup_at = sectors.saturating_sub(NILFS2_BACKUP).saturating_mul(512);
    let primary = reader.bytes(NILFS2_PRIMARY, NILFS2_LEN)?;
    let primary = is_nilfs2(&primary)?.then_some(primary);
    let backup = reader.bytes(backup_at, NILFS2_LEN)?;
    // The end of a disk may be that of its last partition, too.
    let backup = (is_nilfs2(&backup)? && backup.le64(32)? == reader.len()).then_some(backup);
    let checkpoint = |superblock: &[u8]| superblock.le64(56);
    let superblock = match (primary, backup) {
        (Some(primary), Some(backup)) => {
            if checkpoint(&primary)? > checkpoint(&backup)? {
                primary
            } else {
                backup
            }
        }
        (Some(superblock), None) | (None, Some(superblock)) => superblock,
        (None, None) => return Ok(None),
    };
    Ok(Some(Details {
        label: label(superblock.slice(168, 80)?),
        uuid: uuid(&superblock, 152)?,
        version: Some(superblock.le32(0)?.to_string()),
        block_size: 1024u32.checked_shl(superblock.le32(20)?),
        ..Details::default()
    }))
}

fn is_nilfs2(superblock: &[u8]) -> Result<bool> {
    if superblock.le16(6)? != NILFS2_MAGIC {
        return Ok(false);
    }
    let mut summed = superblock.slice(0, usize::from(superblock.le16(8)?))?.to_vec();
    let Some(sum) = summed.get_mut(NILFS2_SUM..).and_then(|rest| rest.get_mut(..4)) else { return Ok(false) };
    sum.fill(0);
    Ok(crc32(superblock.le32(12)?, &summed) == superblock.le32(NILFS2_SUM)?)
}
