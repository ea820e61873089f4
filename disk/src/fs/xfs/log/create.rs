//! Items that make new inodes: whole chunks of them, none in use yet.
//!
//! ```text
//! kind 2 | regions 2 | group 4 | first block in it 4 | inodes 4 | size of each 4 | blocks 4 | generation 4
//! ```
//!
//! The clusters of a chunk are buffers that may be given up later, with the inodes; whoever uses the blocks then need
//! not be in the log. So nothing is made where one of them is cancelled.

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use super::buffer::stamp_inode;
use super::replay::Replay;
use super::transaction::Item;
use crate::fs::xfs::features::incompat;
use crate::fs::xfs::superblock::Superblock;

/// Inodes come in chunks of so many.
const CHUNK: u32 = 64;
/// The kernel's buffers of inodes: bytes, for inodes of 256 bytes.
const CLUSTER: u32 = 8192;
/// The smallest inodes.
const SMALLEST_INODE: u32 = 256;
/// `sb_inoalignmt` and `sb_spino_align` in the superblock.
const ALIGNMENT: usize = 180;
/// See [`ALIGNMENT`].
const SPARSE_ALIGNMENT: usize = 228;
/// How much of the superblock they need.
pub(super) const SUPERBLOCK_PART: usize = 256;
/// What an inode starts with.
const MAGIC: [u8; 2] = *b"IN";
/// No inode, in the list of unlinked ones.
const NONE: [u8; 4] = [0xFF; 4];

/// How inodes come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inodes {
    /// Blocks of the filesystem in a buffer of inodes.
    cluster_blocks: u32,
    /// Blocks in a chunk.
    chunk_blocks: u32,
    /// Blocks in a part of a chunk.
    part_blocks: u32,
}

impl Inodes {
    /// By the start of the superblock.
    pub(super) fn new(superblock: &Superblock, raw: &[u8]) -> Result<Self> {
        let sb = superblock;
        let block_log = u32::from(sb.block_log);
        let alignment = raw.be32(ALIGNMENT)?;
        let mut cluster = CLUSTER;
        if sb.v5 {
            let scaled = CLUSTER.saturating_mul(u32::from(sb.inode_size) / SMALLEST_INODE);
            if alignment >= scaled.wrapping_shr(block_log) {
                cluster = scaled;
            }
        }
        let chunk_blocks = CHUNK.wrapping_shr(sb.inodes_per_block_log.into()).max(1);
        let sparse = if sb.has_incompat(incompat::SPARSE_INODES) { raw.be32(SPARSE_ALIGNMENT)? } else { 0 };
        Ok(Inodes {
            cluster_blocks: cluster.wrapping_shr(block_log).max(1),
            chunk_blocks,
            part_blocks: if sparse == 0 { chunk_blocks } else { sparse },
        })
    }
}

impl Replay<'_> {
    /// Replays an item that makes inodes.
    pub(super) fn create(&mut self, item: &Item<'_>) -> Result<()> {
        let format = item.format()?;
        let [ag, start, count, size, blocks]: [u32; 5] =
            [format.be32(4)?, format.be32(8)?, format.be32(12)?, format.be32(16)?, format.be32(20)?];
        let generation: [u8; 4] = format.array(24)?;
        let (sb, inodes) = (self.superblock, self.inodes);
        let right = format.le16(2)? == 1
            && ag < sb.ag_count
            && start != 0
            && size == u32::from(sb.inode_size)
            && (blocks == inodes.chunk_blocks || blocks == inodes.part_blocks)
            && blocks.checked_shl(sb.inodes_per_block_log.into()) == Some(count);
        if !right {
            return Err(Error::corrupt(format!(
                "the log makes {count} inodes of {size} bytes in {blocks} blocks from {ag}/{start} on"
            )));
        }
        let first = (u64::from(ag) << sb.ag_block_log) | u64::from(start);
        let offset = sb.offset(first, blocks.into())?;
        let per_cluster = inodes.cluster_blocks.wrapping_mul(sb.block_size >> 9);
        let clusters = blocks.checked_div(inodes.cluster_blocks).unwrap_or_default();
        let cluster = |nr: u32| {
            let further = u64::from(nr).saturating_mul(per_cluster.into());
            ((offset >> 9).saturating_add(further), per_cluster)
        };
        let cancelled = (0..clusters).filter(|nr| self.cancelled.has(cluster(*nr))).count();
        if cancelled > 0 {
            return Ok(());
        }
        let number = first.wrapping_shl(sb.inodes_per_block_log.into());
        let mut template = vec![0; index(size)];
        let v3 = sb.v5;
        fill(&mut template, 0, &MAGIC);
        fill(&mut template, 4, &[if v3 { 3 } else { 2 }]);
        fill(&mut template, 92, &generation);
        fill(&mut template, 96, &NONE);
        if v3 {
            fill(&mut template, 160, &sb.meta_uuid);
        }
        let per_block = sb.block_size >> 9;
        let in_block = 1_u64.wrapping_shl(sb.inodes_per_block_log.into());
        for nr in 0..u64::from(blocks) {
            let block = (offset >> 9).saturating_add(nr.saturating_mul(per_block.into()));
            let mut buffer = self.load(block, per_block)?;
            for slot in 0..in_block {
                let at = usize::try_from(slot).unwrap_or(usize::MAX).saturating_mul(index(size));
                if v3 {
                    let number = number.saturating_add(nr.saturating_mul(in_block)).saturating_add(slot);
                    fill(&mut template, 152, &number.to_be_bytes());
                }
                buffer.put(at, &template)?;
                stamp_inode(&mut buffer, at, index(size))?;
            }
            self.changes.store(&buffer)?;
        }
        Ok(())
    }
}

fn fill(template: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = at.checked_add(bytes.len()).and_then(|end| template.get_mut(at..end)) {
        place.copy_from_slice(bytes);
    }
}
