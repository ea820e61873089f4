//! How an XFS filesystem was made, as `xfs_info` shows it.
//!
//! Source: "XFS Algorithms & Data Structures", section "Superblocks"; xfs_info(8) for what its words mean.

use super::features::{features2, version};
use super::superblock::Superblock;
use crate::bytes::Fields;
use crate::{Context, ReadAt, Result};

/// Size of a log sector in bytes where the superblock does not say.
const LOG_SECTOR: u32 = 512;
/// `sb_versionnum`: files have attributes; the log has the second format.
const ATTRIBUTES: u16 = 0x0010;
const LOG_V2: u16 = 0x0400;
/// Bytes of the superblock with the fields that are read here.
const SIZE: usize = 256;

/// How an XFS filesystem was made. Sizes are in bytes, counts and stripes in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of xfs_info(8), by the names that libguestfs gives them"
)]
pub struct Geometry {
    pub inode_size: u32,
    pub ag_count: u32,
    pub ag_size: u32,
    pub sector_size: u32,
    pub attr: u32,
    pub block_size: u32,
    pub data_blocks: u64,
    pub inode_max_percent: u32,
    pub stripe_unit: u32,
    pub stripe_width: u32,
    pub dir_version: u32,
    pub dir_block_size: u32,
    pub ascii_ci: bool,
    pub log_blocks: u32,
    pub log_version: u32,
    pub log_sector_size: u32,
    pub log_stripe_unit: u32,
    pub lazy_count: bool,
    pub rt_extent_size: u32,
    pub rt_blocks: u64,
    pub rt_extents: u64,
}

/// Reads how the filesystem on `source` was made.
///
/// # Errors
/// As for opening it.
pub fn geometry(source: &dyn ReadAt) -> Result<Geometry> {
    let superblock = Superblock::read(source)?;
    let mut sb = [0; SIZE];
    source.read_at(0, &mut sb).context(|| "reading the XFS superblock".to_owned())?;
    let log_sector_size = match (sb.u8(193)?, sb.be16(194)?) {
        (0, _) | (_, 0) => LOG_SECTOR,
        (_, given) => given.into(),
    };
    let has = |bit| superblock.version_bits & bit != 0;
    let has_more = |bit| superblock.v5 || superblock.features2 & bit != 0;
    Ok(Geometry {
        inode_size: superblock.inode_size.into(),
        ag_count: superblock.ag_count,
        ag_size: superblock.ag_blocks,
        sector_size: superblock.sector_size,
        attr: if has_more(features2::ATTR2) { 2 } else { u32::from(has(ATTRIBUTES)) },
        block_size: superblock.block_size,
        data_blocks: superblock.blocks,
        inode_max_percent: superblock.inode_max_percent.into(),
        stripe_unit: sb.be32(184)?,
        stripe_width: sb.be32(188)?,
        dir_version: if superblock.v5 || has(version::DIRECTORY_V2) { 2 } else { 1 },
        dir_block_size: superblock.block_size.wrapping_shl(superblock.dir_block_log.into()),
        ascii_ci: has(version::ASCII_CI),
        log_blocks: superblock.log_blocks,
        log_version: if superblock.v5 || has(LOG_V2) { 2 } else { 1 },
        log_sector_size,
        log_stripe_unit: superblock.log_unit.checked_div(superblock.block_size).unwrap_or_default(),
        lazy_count: has_more(features2::LAZY_COUNT),
        rt_extent_size: sb.be32(80)?.wrapping_mul(superblock.block_size),
        rt_blocks: sb.be64(16)?,
        rt_extents: sb.be64(24)?,
    })
}
