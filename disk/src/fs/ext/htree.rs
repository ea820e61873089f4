//! Directory indexes: trees by hash of name, kept in blocks of the directory that look like empty ones.
//!
//! ```text
//! block 0: ".", "..", root ─► nodes (0 to 2 levels) ─► blocks of entries with hashes from here on
//! ```
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Hash Tree Directories".

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Ext;
use super::blocks::Check;
use super::dir::{DirBlocks, entry_len};
use super::features::incompat;
use super::hash::{self, Algorithm};
use super::inode::Inode;
use crate::bytes::Fields;
use crate::fs::InodeId;
use crate::{Error, Result};

/// Size of the entry "." in the root.
const DOT: usize = 12;
/// Where the root's information lies: after the entries "." and "..".
const ROOT_INFO: usize = 24;
/// Its size.
const ROOT_INFO_LEN: u8 = 8;
/// The highest hash version that it may have: TEA. Only a superblock may say more.
const MAX_VERSION: u8 = 2;
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
        DOT => Ok(ROOT_INFO.saturating_add(block.u8(ROOT_INFO.saturating_add(5))?.into())),
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
    // Only blocks that go on with the hash before them can have the same.
    if !entries.is_sorted_by(|(a, _), (b, _)| a < b || a == b && a & 1 == 1) {
        return Err(Error::corrupt("directory index entries out of order"));
    }
    Ok(entries)
}

/// A place in the index of a directory: a block of entries, and the way to it.
pub(super) struct Cursor<'a> {
    blocks: DirBlocks<'a>,
    seed: u32,
    root: Vec<(u32, u32)>,
    levels: u8,
    /// `hash_version` of the root.
    pub(super) version: u8,
    /// The inodes of "." and "..", which only the root has.
    pub(super) dots: [u32; 2],
    /// From the root down: the entries of each node, and the place among them.
    path: Vec<(Vec<(u32, u32)>, usize)>,
}

impl<'a> Cursor<'a> {
    /// Reads the root of the index of `dir`; [`seek`](Self::seek) comes next. `None` if the index is of a kind that
    /// cannot be used: the kernel goes through all blocks then.
    pub(super) fn new(ext: &'a Ext, dir: &'a Inode) -> Result<Option<Self>> {
        let mut blocks = DirBlocks::new(ext, dir);
        let root = blocks.block(0, Check::DirIndex { seed: dir.seed })?;
        let info = root.slice(ROOT_INFO, ROOT_INFO_LEN.into())?;
        let (version, info_len, levels, unused_flags) = (info.u8(4)?, info.u8(5)?, info.u8(6)?, info.u8(7)?);
        let max_levels = if ext.superblock.has_incompat(incompat::LARGEDIR) { 2 } else { 1 };
        if version > MAX_VERSION || levels > max_levels || info_len != ROOT_INFO_LEN || unused_flags & 1 != 0
        {
            return Ok(None);
        }
        let start = ROOT_INFO.saturating_add(ROOT_INFO_LEN.into());
        let (limit, count) = (root.le16(start)?, root.le16(start.saturating_add(2))?);
        let tail = if ext.superblock.metadata_csum() { ENTRY } else { 0 };
        let room = root.len().saturating_sub(start).saturating_sub(tail) / ENTRY;
        if usize::from(limit) != room || count == 0 || count > limit {
            return Ok(None);
        }
        let dots = [root.le32(0)?, root.le32(DOT)?];
        let root = entries(&root)?;
        Ok(Some(Cursor { blocks, seed: dir.seed, root, levels, version, dots, path: Vec::new() }))
    }

    /// Goes to the first block of entries that may have names of the hash `wanted`.
    pub(super) fn seek(&mut self, wanted: u32) -> Result<()> {
        self.path.clear();
        let mut node = self.root.clone();
        loop {
            let place = node.partition_point(|(hash, _)| *hash <= wanted).saturating_sub(1);
            let below = node.get(place).map_or(0, |(_, block)| *block);
            self.path.push((node, place));
            if self.path.len() > usize::from(self.levels) {
                return Ok(());
            }
            node = self.node(below)?;
        }
    }

    fn node(&mut self, block: u32) -> Result<Vec<(u32, u32)>> {
        entries(&self.blocks.block(block.into(), Check::DirIndex { seed: self.seed })?)
    }

    /// The block of entries here.
    pub(super) fn leaf(&mut self) -> Result<Arc<[u8]>> {
        let block =
            self.path.last().and_then(|(node, place)| node.get(*place)).map_or(0, |(_, block)| *block);
        self.blocks.block(block.into(), Check::DirLeaf { seed: self.seed })
    }

    /// The lowest level that has an entry after the one that was followed.
    fn turn(&self) -> Option<usize> {
        self.path.iter().rposition(|(node, place)| place.saturating_add(1) < node.len())
    }

    /// The hash from which the next block has names, `None` at the last one. Its lowest bit is set if the block goes on
    /// with names of the hash below, which the block here has, too.
    pub(super) fn next_hash(&self) -> Option<u32> {
        let (node, place) = self.path.get(self.turn()?)?;
        node.get(place.saturating_add(1)).map(|(hash, _)| *hash)
    }

    /// Goes on to the next block, if there is one.
    pub(super) fn advance(&mut self) -> Result<()> {
        let Some(level) = self.turn() else { return Ok(()) };
        self.blocks.count()?;
        self.path.truncate(level.saturating_add(1));
        let Some((node, place)) = self.path.last_mut() else { return Ok(()) };
        *place = place.saturating_add(1);
        let mut below = node.get(*place).map_or(0, |(_, block)| *block);
        while self.path.len() <= usize::from(self.levels) {
            let node = self.node(below)?;
            below = node.first().map_or(0, |(_, block)| *block);
            self.path.push((node, 0));
        }
        Ok(())
    }
}

/// Looks for `name` by the index. `None` if the index is of a kind that this code cannot use: search all blocks then.
#[expect(clippy::option_option, reason = "no index, or no such name")]
pub(super) fn find(ext: &Ext, dir: &Inode, name: &[u8]) -> Result<Option<Option<InodeId>>> {
    let Some(mut cursor) = Cursor::new(ext, dir)? else { return Ok(None) };
    let Some(algorithm) = Algorithm::new(cursor.version, ext.superblock.hash_signed) else { return Ok(None) };
    let wanted = hash::of(name, algorithm, ext.superblock.hash_seed).major;
    cursor.seek(wanted)?;
    for _ in 0..MAX_COLLISIONS {
        let leaf = cursor.leaf()?;
        let mut found = None;
        let _ = ext.entries(&leaf, |entry| {
            if entry.name == name {
                found = Some(InodeId::new(entry.inode.into()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if found.is_some() || cursor.next_hash() != Some(wanted | 1) {
            return Ok(Some(found));
        }
        cursor.advance()?;
    }
    Err(Error::corrupt(format!("directory {} has more names of one hash than can be", dir.number)))
}
