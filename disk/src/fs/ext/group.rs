//! Block groups: where their descriptors lie and what these say.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", sections "Block Group Descriptors" and "Meta Block
//! Groups".

use super::Ext;
use super::blocks::Check;
use super::checksum::crc16;
use super::features::{incompat, ro_compat};
use super::superblock::Superblock;
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Context, Error, Result};

/// Where the checksum lies in a descriptor; it covers what is before and after it.
const CHECKSUM_OFFSET: usize = 0x1E;
/// End of the 32-bit descriptor, where the high halves of 64-bit fields begin.
const SMALL_SIZE: usize = 0x20;

/// A group descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
    pub(super) free_clusters: u32,
    pub(super) free_inodes: u32,
}

impl Superblock {
    /// Group descriptors in a block, at least 1.
    pub(super) fn descriptors_per_block(&self) -> u64 {
        u64::from(self.block_size).checked_div(self.descriptor_size.into()).unwrap_or(1).max(1)
    }

    /// Blocks of group descriptors.
    pub(super) fn descriptor_blocks(&self) -> u64 {
        self.groups.div_ceil(self.descriptors_per_block())
    }

    /// Blocks of the inode table of one group.
    pub(super) fn inode_table_blocks(&self) -> u64 {
        let per_block = u64::from(self.block_size).checked_div(self.inode_size.into()).unwrap_or(1).max(1);
        // As the kernel: a last block that is not full does not count. mke2fs never makes one.
        u64::from(self.inodes_per_group).checked_div(per_block).unwrap_or_default()
    }

    /// First block of `group`.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        u64::from(self.first_data_block).saturating_add(group.saturating_mul(self.blocks_per_group.into()))
    }

    /// Does `group` start with a copy of the superblock?
    pub(super) fn group_has_superblock(&self, group: u64) -> bool {
        use super::features::compat::SPARSE_SUPER2;
        if group == 0 {
            return true;
        }
        if self.has_compat(SPARSE_SUPER2) {
            return self.backup_groups.iter().any(|backup| u64::from(*backup) == group);
        }
        group == 1
            || !self.has_ro_compat(ro_compat::SPARSE_SUPER)
            || [3, 5, 7].iter().any(|base| is_power_of(group, *base))
    }

    /// How many blocks of group descriptors, original or backup, `group` holds.
    pub(super) fn group_descriptor_blocks(&self, group: u64) -> u64 {
        let per_block = self.descriptors_per_block();
        let meta_group = group.checked_div(per_block).unwrap_or_default();
        if !self.has_incompat(incompat::META_BG) {
            return if self.group_has_superblock(group) { self.descriptor_blocks() } else { 0 };
        }
        if meta_group < self.first_meta_group.into() {
            return if self.group_has_superblock(group) { self.first_meta_group.into() } else { 0 };
        }
        // The first, second and last group of a meta group.
        let first = meta_group.saturating_mul(per_block);
        let place = group.saturating_sub(first);
        u64::from(place <= 1 || place == per_block.saturating_sub(1))
    }

    /// The block that holds block `nr` of the group descriptors.
    fn descriptor_block(&self, nr: u64) -> u64 {
        // The superblock takes a block of its own only where blocks are 1 KiB; else it lies within block 0.
        let small = self.block_size == 1024;
        if !self.has_incompat(incompat::META_BG) || nr < self.first_meta_group.into() {
            return nr.saturating_add(if small { 2 } else { 1 });
        }
        let group = nr.saturating_mul(self.descriptors_per_block());
        let after_superblock = u64::from(self.group_has_superblock(group));
        // A first group of 1 KiB blocks that starts with block 0 has the boot block before the superblock.
        let after_boot = u64::from(small && nr == 0 && self.first_data_block == 0);
        self.group_start(group).saturating_add(after_superblock).saturating_add(after_boot)
    }
}

/// Is `n` a power of `base`, 1 excepted?
fn is_power_of(n: u64, base: u64) -> bool {
    let mut power = base;
    while power < n {
        power = power.saturating_mul(base);
    }
    power == n
}

impl Ext {
    /// The descriptor of `group`, its checksum verified.
    pub(super) fn group(&self, group: u64) -> Result<Group> {
        let sb = &self.superblock;
        let per_block = sb.descriptors_per_block();
        let nr = group.checked_div(per_block).unwrap_or_default();
        let place = group.checked_rem(per_block).unwrap_or_default();
        let block = self.blocks.get(sb.descriptor_block(nr), Check::None)?;
        let size = usize::from(sb.descriptor_size);
        let at = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(size);
        self.parse_group(group, block.slice(at, size)?)
            .context(|| format!("in the descriptor of block group {group}"))
    }

    fn parse_group(&self, group: u64, bytes: &[u8]) -> Result<Group> {
        self.check_group(group, bytes)?;
        let wide = self.superblock.has_incompat(incompat::BIT64);
        let block = |low, high| -> Result<u64> {
            let high = if wide { bytes.le32(high)? } else { 0 };
            let block = u64::from(bytes.le32(low)?) | u64::from(high) << 32;
            // Bounds of the inode table's other blocks are checked where they are read.
            if block < self.superblock.first_data_block.into() || block >= self.superblock.blocks {
                return Err(Error::corrupt(format!("block {block} lies outside the filesystem")));
            }
            Ok(block)
        };
        let count = |low, high| -> Result<u32> {
            let high = if wide { bytes.le16(high)? } else { 0 };
            Ok(u32::from(bytes.le16(low)?) | u32::from(high).rotate_left(16))
        };
        Ok(Group {
            block_bitmap: block(0x0, 0x20)?,
            inode_bitmap: block(0x4, 0x24)?,
            inode_table: block(0x8, 0x28)?,
            free_clusters: count(0xC, 0x2C)?,
            free_inodes: count(0xE, 0x2E)?,
        })
    }

    fn check_group(&self, group: u64, bytes: &[u8]) -> Result<()> {
        let sb = &self.superblock;
        let group =
            u32::try_from(group).map_err(|_| Error::corrupt("a group number of more than 32 bits"))?;
        let before = bytes.slice(0, CHECKSUM_OFFSET)?;
        let after = bytes.get(SMALL_SIZE..).unwrap_or_default();
        let want = if sb.metadata_csum() {
            let crc = crc32c(crc32c(sb.checksum_seed, &group.to_le_bytes()), before);
            // Only 16 bits are stored.
            let [a, b, ..] = crc32c(crc32c(crc, &[0; 2]), after).to_le_bytes();
            u16::from_le_bytes([a, b])
        } else if sb.has_ro_compat(ro_compat::GDT_CSUM) {
            crc16(crc16(crc16(crc16(!0, &sb.uuid), &group.to_le_bytes()), before), after)
        } else {
            return Ok(());
        };
        let have = bytes.le16(CHECKSUM_OFFSET)?;
        if have == want {
            Ok(())
        } else {
            Err(Error::corrupt(format!("checksum {have:#06x}, not {want:#06x}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        for (n, base, is) in
            [(3, 3, true), (9, 3, true), (27, 3, true), (6, 3, false), (49, 7, true), (2, 5, false)]
        {
            assert_eq!(is_power_of(n, base), is, "{n} of {base}");
        }
    }
}
