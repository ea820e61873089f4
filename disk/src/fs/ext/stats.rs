//! The numbers of `statvfs`, computed as the kernel does when it mounts.
//!
//! Blocks are those that files can take: metadata at fixed places and the journal are left out. Available blocks also
//! leave out what is reserved for root, and what the kernel keeps back so that writing into unwritten extents cannot
//! fail. Source: kernel.org, "ext4 Data Structures and Algorithms", "Layout"; mount options `minixdf` and
//! `reserved_clusters` in the kernel's ext4 documentation.

use std::collections::BTreeSet;

use super::Ext;
use super::blocks::Check;
use super::dir::MAX_NAME;
use super::features::{compat, incompat, ro_compat};
use super::map::{Map, Place, Segment};
use crate::bytes::Fields;
use crate::fs::FsStats;
use crate::{Context, Error, Result};

/// What the kernel keeps back: one cluster in 50, but at most this many.
const MAX_KEPT_CLUSTERS: u64 = 4096;
/// One cluster in how many.
const KEPT_SHARE: u64 = 50;
/// The most groups whose descriptors are added up: 256 TiB in groups of 128 MiB, 128 MiB of descriptors.
const MAX_GROUPS: u64 = 1 << 21;
/// The most clusters of metadata that are told apart under `bigalloc` without a count in the superblock.
const MAX_METADATA_CLUSTERS: usize = 1 << 20;
/// The most that are looked at for it: groups can share clusters.
const MAX_CLUSTERS_SEEN: u64 = 1 << 22;
/// What a journal's superblock starts with, big-endian.
const JOURNAL_MAGIC: u32 = 0xC03B_3998;

impl Ext {
    /// What `statvfs` shows.
    pub(super) fn stats(&self) -> Result<FsStats> {
        let sb = &self.superblock;
        if sb.groups > MAX_GROUPS {
            return Err(Error::unsupported(format!("an ext filesystem of {} block groups", sb.groups)));
        }
        let (mut free_clusters, mut free_inodes) = (0_u64, 0_u64);
        for group in 0..sb.groups {
            let group = self.group(group)?;
            free_clusters = free_clusters.saturating_add(group.free_clusters.into());
            free_inodes = free_inodes.saturating_add(group.free_inodes.into());
        }
        // Orphans have whole clusters.
        let orphaned = self.orphans.blocks.checked_div(sb.cluster_blocks.into()).unwrap_or_default();
        free_clusters = free_clusters.saturating_add(orphaned);
        free_inodes = free_inodes.saturating_add(self.orphans.inodes);
        let to_blocks = |clusters: u64| clusters.saturating_mul(sb.cluster_blocks.into());
        let overhead = if sb.mounts_with("minixdf") { 0 } else { to_blocks(self.overhead()?) };
        let kept = if sb.has_incompat(incompat::EXTENTS) {
            let clusters = sb.blocks.checked_div(sb.cluster_blocks.into()).unwrap_or_default();
            to_blocks((clusters / KEPT_SHARE).min(MAX_KEPT_CLUSTERS))
        } else {
            0
        };
        let blocks_free = to_blocks(free_clusters);
        Ok(FsStats {
            block_size: sb.block_size.into(),
            fragment_size: sb.block_size.into(),
            blocks: sb.blocks.saturating_sub(overhead),
            blocks_free,
            blocks_available: blocks_free.saturating_sub(sb.reserved_blocks.saturating_add(kept)),
            files: sb.inodes.into(),
            files_free: free_inodes,
            id: self.id()?,
            name_max: u64::try_from(MAX_NAME).unwrap_or(u64::MAX),
        })
    }

    /// Both halves of the UUID, one upon the other.
    fn id(&self) -> Result<u64> {
        let uuid: &[u8] = &self.superblock.uuid;
        Ok(uuid.le64(0)? ^ uuid.le64(8)?)
    }

    /// How many clusters metadata and journal take.
    fn overhead(&self) -> Result<u64> {
        let sb = &self.superblock;
        let bigalloc = sb.has_ro_compat(ro_compat::BIGALLOC);
        let stored = u64::from(sb.overhead_clusters);
        if bigalloc && stored != 0 && stored <= sb.blocks {
            return Ok(stored);
        }
        let mut overhead = u64::from(sb.first_data_block);
        if bigalloc {
            overhead = overhead.saturating_add(self.metadata_clusters()?);
        } else {
            for group in 0..sb.groups {
                let reserved =
                    if sb.group_has_superblock(group) { 1 + u64::from(sb.reserved_gdt_blocks) } else { 0 };
                overhead = overhead
                    .saturating_add(reserved)
                    .saturating_add(sb.group_descriptor_blocks(group))
                    .saturating_add(sb.inode_table_blocks())
                    // Both bitmaps.
                    .saturating_add(2);
            }
        }
        let journal = self.journal_blocks()?.checked_div(sb.cluster_blocks.into()).unwrap_or_default();
        Ok(overhead.saturating_add(journal))
    }

    /// How many clusters hold metadata under `bigalloc`, where a cluster may hold several kinds. As in the kernel, an
    /// inode table counts only if it lies within one group.
    fn metadata_clusters(&self) -> Result<u64> {
        let sb = &self.superblock;
        let cluster = |block: u64| {
            block
                .saturating_sub(sb.first_data_block.into())
                .checked_div(sb.cluster_blocks.into())
                .unwrap_or_default()
        };
        let group_of = |block: u64| {
            block
                .saturating_sub(sb.first_data_block.into())
                .checked_div(sb.blocks_per_group.into())
                .unwrap_or_default()
        };
        let mut clusters = BTreeSet::new();
        let mut seen = 0_u64;
        for nr in 0..sb.groups {
            let group = self.group(nr)?;
            let start = sb.group_start(nr);
            let backups =
                sb.group_descriptor_blocks(nr).saturating_add(u64::from(sb.group_has_superblock(nr)));
            let table_end = group.inode_table.saturating_add(sb.inode_table_blocks());
            let table = if group_of(table_end) == group_of(group.inode_table) { table_end } else { 0 };
            for (start, end) in [
                (start, start.saturating_add(backups)),
                (group.block_bitmap, group.block_bitmap.saturating_add(1)),
                (group.inode_bitmap, group.inode_bitmap.saturating_add(1)),
                (group.inode_table, table),
            ] {
                let Some(last) = end.checked_sub(1).filter(|last| *last >= start) else { continue };
                let covered = cluster(start)..=cluster(last);
                seen = seen.saturating_add(covered.end().saturating_sub(*covered.start()));
                if seen > MAX_CLUSTERS_SEEN || clusters.len() > MAX_METADATA_CLUSTERS {
                    return Err(Error::unsupported(
                        "a bigalloc filesystem of this size that does not record its overhead",
                    ));
                }
                clusters.extend(covered);
            }
        }
        Ok(u64::try_from(clusters.len()).unwrap_or(u64::MAX))
    }

    /// How many blocks an internal journal has: as its inode and its superblock say.
    fn journal_blocks(&self) -> Result<u64> {
        let sb = &self.superblock;
        if !sb.has_compat(compat::HAS_JOURNAL) || sb.journal_inode == 0 {
            return Ok(0);
        }
        let inode = self.any_inode(sb.journal_inode).context(|| "reading the journal's inode".to_owned())?;
        let (blocks, _) = self.split(inode.size);
        let run = Map::new(self, &inode).run(0, &mut Segment::new(0))?;
        let Place::Data(at) = run.place else { return Err(Error::corrupt("the journal has no first block")) };
        let journal = self.blocks.get(at, Check::None)?;
        if journal.be32(0)? != JOURNAL_MAGIC {
            return Err(Error::corrupt("the journal has no superblock"));
        }
        Ok(blocks.min(journal.be32(16)?.into()))
    }
}
