//! The superblock: what kind of filesystem this is and where its parts lie.
//!
//! [`Superblock::read`] accepts only what the kernel would mount read-only: every number that other code divides by,
//! shifts by or multiplies with has been checked here. Source of all offsets: "XFS Algorithms & Data Structures",
//! section "Superblocks".
//!
//! ```text
//! inode number   AG number | block within AG (agblklog bits) | inode within block (inopblog bits)
//! fsblock        AG number | block within AG
//! ```

use super::checksum;
use super::features::{features2, incompat, version};
use crate::bytes::Fields;
use crate::{Context, Error, ReadAt, Result};

/// `sb_magicnum`, the first bytes.
pub(super) const MAGIC: &[u8; 4] = b"XFSB";
/// Sector sizes (bytes) that there are.
const SECTOR_LOG: std::ops::RangeInclusive<u8> = 9..=15;
/// Block sizes that there are.
const BLOCK_LOG: std::ops::RangeInclusive<u8> = 9..=16;
/// Inode sizes that there are.
const INODE_LOG: std::ops::RangeInclusive<u8> = 8..=11;
/// The largest directory block, as a shift.
const MAX_DIRECTORY_LOG: u8 = 16;
/// The smallest allocation group, in blocks.
const MIN_AG_BLOCKS: u32 = 64;
/// The longest unit of the log, in bytes.
const MAX_LOG_UNIT: u32 = 256 << 10;
/// The most allocation groups: their headers are gone through for `statvfs` after a crash. With groups of 1 TiB (the
/// largest) no device has as many; a hostile superblock may.
const MAX_AGS: u32 = 1 << 20;
/// Where `sb_crc` lies.
pub(super) const CRC_OFFSET: usize = 224;
/// Bytes of the superblock that are read first: what comes before the padding of its sector.
const SIZE: usize = 512;

/// The fields of the superblock that readers need, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// Is it version 5, with checksums?
    pub(super) v5: bool,
    /// `sb_versionnum`.
    pub(super) version_bits: u16,
    /// `sb_features2`, with what old kernels wrote beside it.
    pub(super) features2: u32,
    pub(super) ro_compat: u32,
    pub(super) incompat: u32,
    /// Features of the log that matter only while it is dirty.
    pub(super) log_incompat: u32,

    /// Bytes in a sector: a power of two from 512 to 32,768. Unit of the headers of allocation groups.
    pub(super) sector_size: u32,
    /// Bytes in a block: a power of two from 512 to 65,536.
    pub(super) block_size: u32,
    pub(super) block_log: u8,
    /// Blocks in the filesystem.
    pub(super) blocks: u64,
    /// Blocks in an allocation group, and in the last one at most.
    pub(super) ag_blocks: u32,
    /// Bits of a block number within an allocation group.
    pub(super) ag_block_log: u8,
    /// Allocation groups, at least 1.
    pub(super) ag_count: u32,
    /// Bytes in an inode: a power of two from 256 to 2048, at most the block size.
    pub(super) inode_size: u16,
    pub(super) inode_log: u8,
    /// Inodes in a block as a shift.
    pub(super) inodes_per_block_log: u8,
    /// Blocks in a directory block as a shift; the directory block has at most 65,536 bytes.
    pub(super) dir_block_log: u8,

    pub(super) root_inode: u64,
    /// Inodes of the filesystem's own: realtime bitmap and summary, quotas of users, groups and projects.
    pub(super) private_inodes: [u64; 5],

    /// First block (fsblock) of the log.
    pub(super) log_start: u64,
    /// Blocks in the log.
    pub(super) log_blocks: u32,
    /// Unit of log writes (bytes), 0 or 1 for none.
    pub(super) log_unit: u32,

    /// `sb_imax_pct`: how much of the space inodes may take, in percent, 0 for all.
    pub(super) inode_max_percent: u8,
    /// Inodes in allocated chunks.
    pub(super) inodes: u64,
    /// The free ones of them.
    pub(super) inodes_free: u64,
    pub(super) blocks_free: u64,

    pub(super) uuid: [u8; 16],
    /// The UUID in metadata blocks.
    pub(super) meta_uuid: [u8; 16],
    /// Log sequence number of the superblock's last write (version 5).
    pub(super) lsn: u64,
}

impl Superblock {
    /// Reads and checks the superblock of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let reading = || "reading the XFS superblock".to_owned();
        let mut first = [0; SIZE];
        source.read_at(0, &mut first).context(reading)?;
        // The sector size says how much the checksum covers.
        let sector_size = sector_size(&first)?;
        let mut sector = vec![0; crate::bytes::index(sector_size)];
        source.read_at(0, &mut sector).context(reading)?;
        Superblock::parse(&sector, source.len())
    }

    /// Parses and checks the superblock in `sb`, the first sector of a device of `device_len` bytes.
    pub(super) fn parse(sb: &[u8], device_len: u64) -> Result<Self> {
        let sector_size = sector_size(sb)?;
        let version_bits = sb.be16(100)?;
        let v5 = match version_bits & version::NUMBER {
            4 => false,
            5 => true,
            other => return Err(Error::unsupported(format!("XFS version {other}"))),
        };
        if v5 {
            checksum::verify(sb, CRC_OFFSET, "superblock")?;
        }
        if sb.u8(126)? != 0 {
            return Err(Error::corrupt("an XFS filesystem that is still being made"));
        }
        let features = Features::parse(sb, v5, version_bits)?;

        let (block_size, block_log) = power(sb.be32(4)?, sb.u8(120)?, BLOCK_LOG, "block")?;
        let (inode_size, inode_log) = power(sb.be16(104)?.into(), sb.u8(122)?, INODE_LOG, "inode")?;
        let inodes_per_block_log = sb.u8(123)?;
        if inode_log.checked_add(inodes_per_block_log) != Some(block_log)
            || u32::from(sb.be16(106)?) != block_size.wrapping_shr(inode_log.into())
        {
            return Err(Error::corrupt(format!("XFS blocks of {} inodes", sb.be16(106)?)));
        }
        let dir_block_log = sb.u8(192)?;
        if dir_block_log.checked_add(block_log).is_none_or(|log| log > MAX_DIRECTORY_LOG) {
            return Err(Error::corrupt(format!("XFS directory blocks of 2^{dir_block_log} blocks")));
        }

        let (blocks, ag_blocks, ag_count) = (sb.be64(8)?, sb.be32(84)?, sb.be32(88)?);
        let ag_block_log = sb.u8(124)?;
        // The last group may be shorter, but not shorter than any group.
        let full = u64::from(ag_count).checked_mul(ag_blocks.into());
        let least = full.and_then(|full| full.checked_sub(ag_blocks.into()));
        let right = ag_blocks >= MIN_AG_BLOCKS
            && u32::from(ag_block_log)
                == u32::BITS.saturating_sub(ag_blocks.saturating_sub(1).leading_zeros())
            && full.is_some_and(|full| blocks <= full)
            && least.is_some_and(|least| blocks >= least.saturating_add(MIN_AG_BLOCKS.into()));
        if !right {
            return Err(Error::corrupt(format!(
                "{blocks} XFS blocks in {ag_count} groups of {ag_blocks} (2^{ag_block_log})"
            )));
        }
        if ag_count > MAX_AGS {
            return Err(Error::unsupported(format!("an XFS filesystem of {ag_count} groups")));
        }
        // The number of each inode must fit the 64 bits that it has (in fact 56: what the kernel allows).
        if blocks.checked_shl(block_log.into()).is_none_or(|len| len > device_len) {
            return Err(Error::corrupt(format!(
                "an XFS filesystem of {blocks} blocks of {block_size} bytes on {device_len} bytes"
            )));
        }

        if sb.be64(16)? != 0 {
            return Err(Error::unsupported("an XFS filesystem with a realtime device"));
        }
        let (log_start, log_blocks) = (sb.be64(48)?, sb.be32(96)?);
        if log_start == 0 {
            return Err(Error::unsupported("an XFS filesystem with its log on another device"));
        }
        let log_unit = sb.be32(196)?;
        if log_unit > 1 && (log_unit > MAX_LOG_UNIT || log_unit.checked_rem(block_size) != Some(0)) {
            return Err(Error::corrupt(format!("an XFS log unit of {log_unit} bytes")));
        }
        let log_sector_log = sb.u8(193)?;
        if log_sector_log != 0 {
            power(sb.be16(194)?.into(), log_sector_log, SECTOR_LOG, "log sector")?;
        }
        let inode_max_percent = sb.u8(127)?;
        if inode_max_percent > 100 {
            return Err(Error::corrupt(format!("{inode_max_percent} percent of XFS space for inodes")));
        }

        let uuid: [u8; 16] = sb.array(32)?;
        let has_meta_uuid = features.incompat & incompat::META_UUID != 0;
        Ok(Superblock {
            v5,
            version_bits,
            features2: features.features2,
            ro_compat: features.ro_compat,
            incompat: features.incompat,
            log_incompat: features.log_incompat,
            sector_size,
            block_size,
            block_log,
            blocks,
            ag_blocks,
            ag_block_log,
            ag_count,
            inode_size: u16::try_from(inode_size).unwrap_or_default(),
            inode_log,
            inodes_per_block_log,
            dir_block_log,
            root_inode: sb.be64(56)?,
            private_inodes: [
                sb.be64(64)?,
                sb.be64(72)?,
                sb.be64(160)?,
                sb.be64(168)?,
                if v5 { sb.be64(232)? } else { 0 },
            ],
            log_start,
            log_blocks,
            log_unit,
            inode_max_percent,
            inodes: sb.be64(128)?,
            inodes_free: sb.be64(136)?,
            blocks_free: sb.be64(144)?,
            uuid,
            meta_uuid: if has_meta_uuid { sb.array(248)? } else { uuid },
            lsn: if v5 { sb.be64(240)? } else { 0 },
        })
    }

    /// Is any bit of `feature` set among the incompatible features?
    pub(super) fn has_incompat(&self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// Is any bit of `feature` set among the read-only compatible features?
    pub(super) fn has_ro_compat(&self, feature: u32) -> bool {
        self.ro_compat & feature != 0
    }

    /// Do directory entries say the kind of the inode?
    pub(super) fn has_file_type(&self) -> bool {
        if self.v5 {
            self.has_incompat(incompat::FILE_TYPE)
        } else {
            self.features2 & features2::FILE_TYPE != 0
        }
    }

    /// How many blocks allocation group `ag` has; 0 if there is no such group.
    pub(super) fn ag_len(&self, ag: u32) -> u32 {
        if ag >= self.ag_count {
            return 0;
        }
        let start = u64::from(ag).saturating_mul(self.ag_blocks.into());
        let rest = self.blocks.saturating_sub(start);
        u32::try_from(rest).unwrap_or(u32::MAX).min(self.ag_blocks)
    }

    /// Where `count` blocks from fsblock `start` on lie, in bytes from the start of the filesystem. They must lie
    /// within one allocation group.
    pub(super) fn offset(&self, start: u64, count: u64) -> Result<u64> {
        let ag = u32::try_from(start.wrapping_shr(self.ag_block_log.into())).unwrap_or(u32::MAX);
        let within = start & 1_u64.wrapping_shl(self.ag_block_log.into()).wrapping_sub(1);
        match within.checked_add(count) {
            Some(end) if end <= u64::from(self.ag_len(ag)) => {
                let block = u64::from(ag).saturating_mul(self.ag_blocks.into()).saturating_add(within);
                Ok(block.saturating_mul(self.block_size.into()))
            }
            _ => Err(Error::corrupt(format!(
                "{count} XFS blocks from {start:#x} on lie outside their allocation group"
            ))),
        }
    }
}

/// `sb_sectsize`, checked, of a superblock with the right magic number.
fn sector_size(sb: &[u8]) -> Result<u32> {
    let magic: [u8; 4] = sb.array(0)?;
    if magic != *MAGIC {
        return Err(Error::corrupt(format!("no XFS superblock: it starts with {magic:02x?}")));
    }
    Ok(power(sb.be16(102)?.into(), sb.u8(121)?, SECTOR_LOG, "sector")?.0)
}

/// A size that is stored both as such and as a shift.
fn power(size: u32, log: u8, range: std::ops::RangeInclusive<u8>, what: &str) -> Result<(u32, u8)> {
    if !range.contains(&log) || size != 1_u32.wrapping_shl(log.into()) {
        return Err(Error::corrupt(format!("an XFS {what} size of {size} bytes (2^{log})")));
    }
    Ok((size, log))
}

/// The feature words, checked.
struct Features {
    features2: u32,
    ro_compat: u32,
    incompat: u32,
    log_incompat: u32,
}

impl Features {
    fn parse(sb: &[u8], v5: bool, version_bits: u16) -> Result<Self> {
        if version_bits & version::ASCII_CI != 0 {
            return Err(Error::unsupported("an XFS filesystem whose names ignore case"));
        }
        let has_features2 = v5 || version_bits & version::MORE_BITS != 0;
        // Kernels before 2.6.26 put it 4 bytes too far on 64-bit machines; both places count.
        let (stored, misplaced) = (sb.be32(200)?, sb.be32(204)?);
        let features2 = if has_features2 { stored | misplaced } else { 0 };
        if v5 {
            let (ro_compat, incompat) = (sb.be32(212)?, sb.be32(216)?);
            let unknown = incompat & !incompat::KNOWN;
            if unknown != 0 {
                return Err(Error::unsupported(format!("XFS features {}", incompat::names(unknown))));
            }
            if incompat & incompat::NEEDS_REPAIR != 0 {
                return Err(Error::corrupt("an XFS filesystem that a broken-off repair left behind"));
            }
            return Ok(Features { features2, ro_compat, incompat, log_incompat: sb.be32(220)? });
        }
        if version_bits & version::DIRECTORY_V2 == 0 || version_bits & version::EXTENT_FLAG == 0 {
            return Err(Error::unsupported(format!("XFS version 4 without features {version_bits:#06x}")));
        }
        let unknown = features2 & !features2::KNOWN_V4;
        if unknown != 0 {
            return Err(Error::unsupported(format!("XFS version 4 with features {unknown:#x}")));
        }
        Ok(Features { features2, ro_compat: 0, incompat: 0, log_incompat: 0 })
    }
}
