//! Orphans: inodes that were deleted while open, or that were being truncated, when the filesystem stopped.
//!
//! A mount, read-only ones included, finishes their deletion or truncation. No name leads to a deleted one, so all that
//! shows are free blocks and inodes, and the blocks of what was truncated. These numbers are worked out here. One thing
//! is not as after a mount: a truncation also sets the times of change to the time of the mount, and here they stay
//! those of the last change that a user made.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", sections "Super Block" (`s_last_orphan`), "Orphan file",
//! "Extent Tree" and "Direct/Indirect Block Addressing"; observed behaviour of Linux 6.18.

use std::collections::{HashMap, HashSet};

use super::Ext;
use super::blocks::Check;
use super::extents::Node;
use super::features::{incompat, ro_compat};
use super::inode::{Inode, flags};
use super::map::{Map, Place, Segment};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::fs::FileType;
use crate::{Context, Error, Result};

/// Most orphans that are looked at.
const MAX_ORPHANS: usize = 1 << 16;
/// Most blocks of an orphan file, as in the kernel.
const MAX_ORPHAN_FILE_BLOCKS: u64 = 512;
/// Most nodes of block maps that are looked at for truncations; one in a block of more than 4 KiB counts as several.
const MAX_NODES: u32 = 1 << 16;
/// Last four bytes but four of a block of the orphan file.
const ORPHAN_BLOCK_MAGIC: u32 = 0x0B10_CA04;
/// Magic number and checksum at the end of a block of the orphan file.
const ORPHAN_TAIL: usize = 8;
/// Read-only compatible features known to leave the numbers of this file alone: what Linux 6.18 mounts writable.
const KNOWN_RO_COMPAT: u32 = 0x1_B77F;
/// Numbers of data blocks in an inode without extents.
const DIRECT: usize = 12;

/// What finishing the orphans changes.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Blocks that become free.
    pub(super) blocks: u64,
    /// Inodes that become free.
    pub(super) inodes: u64,
    /// Space taken by the truncated inodes, in units of 512 bytes, afterwards.
    sectors: HashMap<u32, u64>,
    /// References dropped from shared blocks of extended attributes.
    dropped: HashMap<u64, u32>,
    nodes: u32,
}

impl Orphans {
    /// Space taken by `inode` in units of 512 bytes.
    pub(super) fn sectors(&self, inode: &Inode) -> u64 {
        self.sectors.get(&inode.number).copied().unwrap_or(inode.sectors)
    }
}

impl Ext {
    /// Has the filesystem orphans to look for?
    pub(super) fn has_orphans(&self) -> bool {
        self.superblock.last_orphan != 0
            || self.superblock.orphan_file_inode != 0
                && self.superblock.has_ro_compat(ro_compat::ORPHAN_PRESENT)
    }

    /// Works out what finishing the orphans changes.
    pub(super) fn find_orphans(&self) -> Result<Orphans> {
        let unknown = self.superblock.ro_compat & !KNOWN_RO_COMPAT;
        if unknown != 0 {
            return Err(Error::unsupported(format!(
                "orphans with read-only compatible features {unknown:#x}"
            )));
        }
        let mut orphans = Orphans::default();
        let mut seen = HashSet::new();
        let mut next = self.superblock.last_orphan;
        while next != 0 {
            next = self.finish(next, &mut seen, &mut orphans)?;
        }
        if self.superblock.orphan_file_inode != 0 {
            for number in self.orphan_file()? {
                self.finish(number, &mut seen, &mut orphans)?;
            }
        }
        Ok(orphans)
    }

    /// The inode numbers in the orphan file.
    fn orphan_file(&self) -> Result<Vec<u32>> {
        let file = self.any_inode(self.superblock.orphan_file_inode)?;
        let size = u64::from(self.superblock.block_size);
        let blocks = file.size.checked_div(size).unwrap_or_default();
        if blocks > MAX_ORPHAN_FILE_BLOCKS || file.has(flags::INLINE_DATA) {
            return Err(Error::corrupt(format!("an orphan file of {blocks} blocks")));
        }
        let mut cached = Segment::new(0);
        let mut found = Vec::new();
        for block in 0..blocks {
            let Place::Data(place) = Map::new(self, &file).run(block, &mut cached)?.place else {
                return Err(Error::corrupt(format!("block {block} of the orphan file is a hole")));
            };
            let bytes = self.blocks.get(place, Check::None)?;
            let end = bytes.len().saturating_sub(ORPHAN_TAIL);
            let numbers = bytes.slice(0, end)?;
            let crc = crc32c(crc32c(file.seed, &place.to_le_bytes()), numbers);
            if bytes.le32(end)? != ORPHAN_BLOCK_MAGIC
                || self.superblock.metadata_csum() && bytes.le32(end.saturating_add(4))? != crc
            {
                return Err(Error::corrupt(format!("block {block} of the orphan file is damaged")));
            }
            let (numbers, _) = numbers.as_chunks::<4>();
            found.extend(numbers.iter().map(|n| u32::from_le_bytes(*n)).filter(|n| *n != 0));
        }
        Ok(found)
    }

    /// Notes what finishing orphan `number` changes, and gives the next one of its list.
    fn finish(&self, number: u32, seen: &mut HashSet<u32>, orphans: &mut Orphans) -> Result<u32> {
        if seen.len() >= MAX_ORPHANS {
            return Err(Error::unsupported(format!("more than {MAX_ORPHANS} orphans")));
        }
        if number < self.superblock.first_inode || !seen.insert(number) {
            return Err(Error::corrupt(format!("inode {number} in the list of orphans")));
        }
        let inode = self.orphan(number)?;
        if !self.inode_is_taken(number)? {
            return Err(Error::corrupt(format!("the orphan inode {number} is free")));
        }
        if inode.has(flags::EA_INODE)
            || self.superblock.has_incompat(incompat::EA_INODE) && inode.has_xattrs()
        {
            return Err(Error::unsupported(format!("orphan inode {number} with inodes as attributes")));
        }
        if inode.links == 0 { self.delete(&inode, orphans) } else { self.truncate(&inode, orphans) }
            .context(|| format!("finishing the orphan inode {number}"))?;
        inode.next_orphan()
    }

    /// Is inode `number` marked as taken in its bitmap?
    fn inode_is_taken(&self, number: u32) -> Result<bool> {
        let per_group = self.superblock.inodes_per_group;
        let place = number.saturating_sub(1);
        let group = self.group(place.checked_div(per_group).unwrap_or_default().into())?;
        let bit = place.checked_rem(per_group).unwrap_or_default();
        let bitmap = self.blocks.get(group.inode_bitmap, Check::None)?;
        let byte = bitmap.u8(crate::bytes::index(bit / 8))?;
        Ok(byte.wrapping_shr(bit % 8) & 1 == 1)
    }

    /// All of a deleted inode becomes free.
    fn delete(&self, inode: &Inode, orphans: &mut Orphans) -> Result<()> {
        let mut blocks = inode.sectors.checked_div(self.sectors_per_block()).unwrap_or_default();
        if inode.xattr_block != 0 {
            let block = self.blocks.get(inode.xattr_block, Check::Xattr)?;
            let dropped = orphans.dropped.entry(inode.xattr_block).or_default();
            *dropped = dropped.saturating_add(1);
            if block.le32(4)? > *dropped {
                // Other inodes still share it.
                blocks = blocks.saturating_sub(1);
            }
        }
        orphans.blocks = orphans.blocks.saturating_add(blocks);
        orphans.inodes = orphans.inodes.saturating_add(1);
        Ok(())
    }

    /// The blocks of a truncated inode that lie past its end become free.
    fn truncate(&self, inode: &Inode, orphans: &mut Orphans) -> Result<()> {
        let has_blocks = match inode.file_type {
            FileType::Regular | FileType::Directory => true,
            FileType::Symlink => inode.sectors != 0,
            _ => false,
        };
        if !has_blocks {
            return Err(Error::corrupt("it has no content to truncate"));
        }
        if inode.has(flags::INLINE_DATA | flags::ENCRYPT) || self.superblock.cluster_blocks != 1 {
            return Err(Error::unsupported("truncating a file of this kind"));
        }
        let keep = inode.size.div_ceil(self.superblock.block_size.into());
        let freed = if inode.has(flags::EXTENTS) {
            let root = inode.block()?;
            self.freed_by_extents(root, inode.seed, keep, None, &mut orphans.nodes)?.0
        } else {
            self.freed_by_numbers(inode.block()?, keep, &mut orphans.nodes)?
        };
        let sectors = inode.sectors.checked_sub(freed.saturating_mul(self.sectors_per_block()));
        let sectors = sectors.ok_or_else(|| Error::corrupt("it has more blocks than it counts"))?;
        orphans.blocks = orphans.blocks.saturating_add(freed);
        orphans.sectors.insert(inode.number, sectors);
        Ok(())
    }

    fn sectors_per_block(&self) -> u64 {
        u64::from(self.superblock.block_size / 512)
    }

    fn count_node(&self, nodes: &mut u32) -> Result<()> {
        *nodes = nodes.saturating_add((self.superblock.block_size >> 12).max(1));
        if *nodes > MAX_NODES {
            return Err(Error::unsupported("truncating files with very large block maps"));
        }
        Ok(())
    }

    /// How many blocks below a node of an extent tree become free if only the first `keep` blocks of the file stay,
    /// and whether any entry of the node stays.
    fn freed_by_extents(
        &self,
        bytes: &[u8],
        seed: u32,
        keep: u64,
        depth: Option<u16>,
        nodes: &mut u32,
    ) -> Result<(u64, bool)> {
        self.count_node(nodes)?;
        let node = Node::parse(bytes)?;
        if depth.is_some_and(|depth| depth != node.depth) || node.depth > super::extents::MAX_DEPTH {
            return Err(Error::corrupt(format!("an extent node of depth {}", node.depth)));
        }
        let (mut freed, mut stays) = (0u64, false);
        for (i, entry) in node.entries.iter().enumerate() {
            let start = u64::from(entry.le32(0)?);
            let Some(below) = node.depth.checked_sub(1) else {
                let (_, len, _) = super::extents::extent(entry)?;
                let len = u64::from(len);
                let kept = keep.saturating_sub(start).min(len);
                freed = freed.saturating_add(len.saturating_sub(kept));
                stays |= kept > 0;
                continue;
            };
            // A child that ends before the cut stays whole.
            let end = match node.entries.get(i.saturating_add(1)) {
                Some(next) => u64::from(next.le32(0)?),
                None => u64::MAX,
            };
            if end <= keep {
                stays = true;
                continue;
            }
            let child = super::extents::child(entry)?;
            self.check_blocks(child, 1)?;
            let bytes = self.blocks.get(child, Check::Extents { seed })?;
            let (freed_below, child_stays) = self.freed_by_extents(&bytes, seed, keep, Some(below), nodes)?;
            freed = freed.saturating_add(freed_below).saturating_add(u64::from(!child_stays));
            stays |= child_stays;
        }
        Ok((freed, stays))
    }

    /// The same for an inode's block numbers.
    fn freed_by_numbers(&self, numbers: &[u8], keep: u64, nodes: &mut u32) -> Result<u64> {
        let (numbers, _) = numbers.as_chunks::<4>();
        let mut freed = 0u64;
        let mut start = 0u64;
        for (i, number) in numbers.iter().enumerate() {
            let level = u32::try_from(i.saturating_sub(DIRECT.saturating_sub(1))).unwrap_or_default();
            let (below, _) = self.freed_below(u32::from_le_bytes(*number), level, start, keep, nodes)?;
            freed = freed.saturating_add(below);
            start = start.saturating_add(self.reach(level));
        }
        Ok(freed)
    }

    /// Data blocks that a number stands for which is `level` levels of indirect blocks above them.
    fn reach(&self, level: u32) -> u64 {
        u64::from(self.superblock.block_size / 4).saturating_pow(level)
    }

    /// How many blocks become free below (and with) the block `number`, `level` levels above the data, whose first
    /// data block is `start`; and whether it stays.
    fn freed_below(
        &self,
        number: u32,
        level: u32,
        start: u64,
        keep: u64,
        nodes: &mut u32,
    ) -> Result<(u64, bool)> {
        if number == 0 {
            return Ok((0, false));
        }
        if start.saturating_add(self.reach(level)) <= keep {
            return Ok((0, true));
        }
        let Some(below) = level.checked_sub(1) else { return Ok((1, false)) };
        self.count_node(nodes)?;
        self.check_blocks(number.into(), 1)?;
        let bytes = self.blocks.get(number.into(), Check::None)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        let (mut freed, mut stays) = (0u64, false);
        let mut at = start;
        for number in numbers {
            let (freed_here, stays_here) =
                self.freed_below(u32::from_le_bytes(*number), below, at, keep, nodes)?;
            freed = freed.saturating_add(freed_here);
            stays |= stays_here;
            at = at.saturating_add(self.reach(below));
        }
        Ok((freed.saturating_add(u64::from(!stays)), stays))
    }
}
