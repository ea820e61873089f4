//! Directory indexes: trees by hash of name, kept in blocks of the directory that look like empty ones.
//!
//! ```text
//! block 0: ".", "..", root ─► nodes (0 to 2 levels) ─► blocks of entries with hashes from here on
//! ```
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Hash Tree Directories".

use std::ops::ControlFlow;

use super::Ext;
use super::blocks::Check;
use super::dir::{DirBlocks, entry_len};
use super::features::incompat;
use super::hash::{self, Algorithm};
use super::inode::Inode;
use crate::bytes::Fields;
use crate::fs::InodeId;
use crate::{Error, Result};

/// Where the root's information lies: after the entries "." and "..".
const ROOT_INFO: usize = 24;
/// Its size.
const ROOT_INFO_LEN: u8 = 8;
/// Where the entries of another node begin: after an unused entry.
const NODE_ENTRIES: usize = 8;
/// Size of an entry: hash and block. The first one has limit and count in place of a hash.
const ENTRY: usize = 8;
/// The low 28 bits of a block number; the others are reserved.
const BLOCK_MASK: u32 = 0x0FFF_FFFF;
/// How many blocks may have entries of one hash: more than a directory of 2^16 names of the same hash has.
const MAX_COLLISIONS: u32 = 1 << 12;

/// Where entries begin in a node: of the root if it starts with an entry of 12 bytes, as "." is.
fn entries_start(block: &[u8]) -> Result<usize> {
    match entry_len(block.le16(4)?, block.len()) {
        len if len == block.len() => Ok(NODE_ENTRIES),
        12 => Ok(ROOT_INFO.saturating_add(block.u8(ROOT_INFO.saturating_add(5))?.into())),
        len => {
            Err(Error::corrupt(format!("a directory index node that starts with an entry of {len} bytes")))
        }
    }
}

/// What the checksum of a node covers (a part of the node, 4 bytes after its entries, and 4 zeros), and the checksum.
pub(super) fn checksummed(block: &[u8]) -> Result<(&[u8], &[u8], u32)> {
    let start = entries_start(block)?;
    let (limit, count) = (usize::from(block.le16(start)?), usize::from(block.le16(start.saturating_add(2))?));
    let tail = start.saturating_add(limit.saturating_mul(ENTRY));
    let covered = block.slice(0, start.saturating_add(count.saturating_mul(ENTRY)))?;
    Ok((covered, block.slice(tail, 4)?, block.le32(tail.saturating_add(4))?))
}

/// The entries of a node as (hash from which it counts, block).
fn entries(block: &[u8]) -> Result<Vec<(u32, u32)>> {
    let start = entries_start(block)?;
    let (limit, count) = (usize::from(block.le16(start)?), usize::from(block.le16(start.saturating_add(2))?));
    if count == 0 || count > limit {
        return Err(Error::corrupt(format!("a directory index node with {count} of {limit} entries")));
    }
    let (chunks, _) = block.slice(start, count.saturating_mul(ENTRY))?.as_chunks::<ENTRY>();
    let mut entries = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let hash = if entries.is_empty() { 0 } else { chunk.le32(0)? };
        entries.push((hash, chunk.le32(4)? & BLOCK_MASK));
    }
    if !entries.is_sorted_by_key(|(hash, _)| *hash) {
        return Err(Error::corrupt("directory index entries out of order"));
    }
    Ok(entries)
}

/// Looks for `name` by the index. `None` if the index is of a kind that this code cannot use: search all blocks then.
#[expect(clippy::option_option, reason = "no index, or no such name")]
pub(super) fn find(ext: &Ext, dir: &Inode, name: &[u8]) -> Result<Option<Option<InodeId>>> {
    let mut blocks = DirBlocks::new(ext, dir);
    let check = Check::DirIndex { seed: dir.seed };
    let root = blocks.block(0, check)?;
    let (version, info_len) = (root.u8(ROOT_INFO.saturating_add(4))?, root.u8(ROOT_INFO.saturating_add(5))?);
    let (levels, unused_flags) =
        (root.u8(ROOT_INFO.saturating_add(6))?, root.u8(ROOT_INFO.saturating_add(7))?);
    let Some(algorithm) = Algorithm::new(version, ext.superblock.hash_signed) else { return Ok(None) };
    let max_levels = if ext.superblock.has_incompat(incompat::LARGEDIR) { 2 } else { 1 };
    if levels > max_levels || info_len != ROOT_INFO_LEN || unused_flags & 1 != 0 {
        // The kernel, too, searches all blocks then.
        return Ok(None);
    }
    let wanted = hash::of(name, algorithm, ext.superblock.hash_seed);

    // The entries that were followed, from the root down, each as the node's entries and the place among them.
    let mut path: Vec<(Vec<(u32, u32)>, usize)> = Vec::new();
    let mut node = entries(&root)?;
    loop {
        let place = node.partition_point(|(hash, _)| *hash <= wanted).saturating_sub(1);
        let below = node.get(place).map_or(0, |(_, block)| *block);
        path.push((node, place));
        if path.len() > usize::from(levels) {
            break;
        }
        node = entries(&blocks.block(below.into(), check)?)?;
    }

    for _ in 0..MAX_COLLISIONS {
        let block = path.last().and_then(|(node, place)| node.get(*place)).map_or(0, |(_, block)| *block);
        let leaf = blocks.block(block.into(), Check::DirLeaf { seed: dir.seed })?;
        let mut found = None;
        let _ = ext.entries(&leaf, |entry| {
            if entry.name == name {
                found = Some(InodeId(entry.inode.into()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if found.is_some() || !advance(&mut blocks, check, &mut path, wanted)? {
            return Ok(Some(found));
        }
    }
    Err(Error::corrupt(format!("directory {} has more names of one hash than can be", dir.number)))
}

/// Goes on to the next block if it has more entries of the hash `wanted`: then its own hash is that plus 1.
fn advance(
    blocks: &mut DirBlocks<'_>,
    check: Check,
    path: &mut [(Vec<(u32, u32)>, usize)],
    wanted: u32,
) -> Result<bool> {
    // The lowest node that has an entry after the one that was followed.
    let Some(level) = path.iter().rposition(|(node, place)| place.saturating_add(1) < node.len()) else {
        return Ok(false);
    };
    let (above, below) = path.split_at_mut(level.saturating_add(1));
    let Some((node, place)) = above.last_mut() else { return Ok(false) };
    *place = place.saturating_add(1);
    let Some((hash, mut block)) = node.get(*place).copied() else { return Ok(false) };
    if hash != wanted | 1 {
        return Ok(false);
    }
    for step in below {
        let node = entries(&blocks.block(block.into(), check)?)?;
        block = node.first().map_or(0, |(_, block)| *block);
        *step = (node, 0);
    }
    Ok(true)
}
