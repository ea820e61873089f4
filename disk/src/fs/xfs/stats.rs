//! The numbers of `statvfs`, as the kernel computes them for a filesystem that is mounted read-only.
//!
//! Free blocks leave out what the kernel keeps for the B-trees of free space: so many blocks a group, and those that
//! these trees have. It knows the latter of the groups whose headers it has read: when it mounts a filesystem that has
//! any of the newer B-trees it reads them all. Source: kernel.org, "XFS Self Describing Metadata"; fs/xfs's
//! documentation of `statfs` in xfs(5).

use super::Xfs;
use super::dir::MAX_NAME;
use super::features::ro_compat;
use crate::Result;
use crate::fs::FsStats;

/// Blocks of each group that are kept so that the B-trees of free space can be changed, and for its list of them.
const KEPT_PER_GROUP: u64 = 8;
/// The highest number that an inode can have, and so the most inodes.
const MAX_INODES: u64 = (1 << 56) - 1;
/// Inodes come in chunks of so many.
const CHUNK: u64 = 64;

/// The counters of the superblock.
struct Counters {
    inodes: u64,
    inodes_free: u64,
    blocks_free: u64,
}

impl Xfs {
    /// What `statvfs` shows.
    pub(super) fn stats(&self) -> Result<FsStats> {
        let sb = &self.superblock;
        let read_by_mount = ro_compat::FREE_INODE_BTREE | ro_compat::REVERSE_MAP | ro_compat::REFLINK;
        let trusted = self.unfinished.is_none()
            && sb.blocks_free <= sb.blocks
            && sb.inodes_free <= sb.inodes
            && sb.inodes <= MAX_INODES;
        let stored = Counters { inodes: sb.inodes, inodes_free: sb.inodes_free, blocks_free: sb.blocks_free };
        let mut counters = if trusted { stored } else { self.summed()? };
        if let Some(intents) = &self.unfinished {
            let freed = self.freed(intents)?;
            counters.blocks_free = counters.blocks_free.saturating_add(freed.blocks);
            counters.inodes = counters.inodes.saturating_sub(freed.gone);
            counters.inodes_free =
                counters.inodes_free.saturating_add(freed.inodes).saturating_sub(freed.gone);
        }
        let mut kept = u64::from(sb.ag_count).saturating_mul(KEPT_PER_GROUP);
        if !trusted || sb.has_ro_compat(read_by_mount) {
            kept = kept.saturating_add(self.free_space_btree_blocks()?);
        }
        let blocks_free = counters.blocks_free.saturating_sub(kept);
        let to_inodes = |blocks: u64| {
            let count = u128::from(blocks).wrapping_shl(sb.inodes_per_block_log.into());
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        let mut files = counters.inodes.saturating_add(to_inodes(blocks_free)).min(MAX_INODES);
        if sb.inode_max_percent != 0 {
            files = files.min(to_inodes(self.most_inode_blocks()));
        }
        files = files.max(counters.inodes);
        let used = counters.inodes.saturating_sub(counters.inodes_free);
        Ok(FsStats {
            block_size: sb.block_size.into(),
            fragment_size: sb.block_size.into(),
            blocks: sb.blocks.saturating_sub(sb.log_blocks.into()),
            blocks_free,
            blocks_available: blocks_free,
            files,
            files_free: files.saturating_sub(used),
            // The kernel makes it of the number of the device, which an image has not.
            id: 0,
            name_max: u64::try_from(MAX_NAME).unwrap_or(u64::MAX),
        })
    }

    /// How many blocks inodes may take, in whole chunks.
    fn most_inode_blocks(&self) -> u64 {
        let sb = &self.superblock;
        let blocks = u128::from(sb.blocks).saturating_mul(sb.inode_max_percent.into()) / 100;
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
        let chunk = CHUNK.wrapping_shr(sb.inodes_per_block_log.into()).max(1);
        blocks.saturating_sub(blocks.checked_rem(chunk).unwrap_or_default())
    }

    /// The counters as the groups have them.
    fn summed(&self) -> Result<Counters> {
        let mut sum = Counters { inodes: 0, inodes_free: 0, blocks_free: 0 };
        for ag in 0..self.superblock.ag_count {
            let (space, inodes) = (self.ag_space(ag)?, self.ag_inodes(ag)?);
            let free = space.free.saturating_add(space.kept).saturating_add(space.btree_blocks);
            sum.blocks_free = sum.blocks_free.saturating_add(free);
            sum.inodes = sum.inodes.saturating_add(inodes.allocated);
            sum.inodes_free = sum.inodes_free.saturating_add(inodes.free);
        }
        Ok(sum)
    }

    /// Blocks of the B-trees of free space, other than roots.
    fn free_space_btree_blocks(&self) -> Result<u64> {
        let mut sum = 0_u64;
        for ag in 0..self.superblock.ag_count {
            let space = self.ag_space(ag)?;
            let of_owners = space.owner_btree_blocks.saturating_sub(1);
            sum = sum.saturating_add(space.btree_blocks.saturating_sub(of_owners));
        }
        Ok(sum)
    }
}
