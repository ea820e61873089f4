//! Directories, in all their forms.
//!
//! ```text
//! short   in the inode                                   entries
//! block   one block: entries, and their hashes           header | entries … | hashes | counts
//! leaf    blocks of entries; hashes in one block         data blocks from 0 on;  from 32 GiB on: leaf
//! node    blocks of entries; hashes in a tree            data blocks from 0 on;  from 32 GiB on: node, leaves …
//! ```
//!
//! Names are listed in the order in which they are stored, as the kernel lists them, and found by their hash.
//!
//! Source: "XFS Algorithms & Data Structures", section "Directories".

mod data;
mod short;

use std::ops::ControlFlow;

use self::data::Entry;
use super::Xfs;
use super::blocks::Which;
use super::extents::{Place, Segment};
use super::inode::{Format, Inode};
use super::tree::{ENTRY, hash, hash_of, number_of};
use crate::fs::{DirEntry, FileType, InodeId};
use crate::{Context, Error, Result};

/// The longest name in bytes.
pub(super) const MAX_NAME: usize = 255;
/// Where data ends and hashes begin, in bytes.
const HASHES: u64 = 32 << 30;
/// Unit of the places of entries in bytes, as a shift.
const PLACE_LOG: u32 = 3;
/// How many blocks in a row may have no name at all. The kernel gives back each block that has none, but for a first one.
const MAX_EMPTY: u32 = 1 << 10;
/// How many leaves may have one same hash. Each leaf has some 30 entries at least, of names that collide.
const MAX_SAME: usize = 1 << 10;

/// The kind in a directory entry (`XFS_DIR3_FT_*`); others, whiteouts among them, are none that a caller knows.
fn file_type(stored: u8) -> Option<FileType> {
    Some(match stored {
        1 => FileType::Regular,
        2 => FileType::Directory,
        3 => FileType::CharDevice,
        4 => FileType::BlockDevice,
        5 => FileType::Fifo,
        6 => FileType::Socket,
        7 => FileType::Symlink,
        _ => return None,
    })
}

impl Xfs {
    /// Calls `each` for every name but `.` and `..`.
    pub(super) fn list(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        dir.need_directory()?;
        let mut visible = |entry: Entry<'_>| {
            if matches!(entry.name, b"." | b"..") {
                return ControlFlow::Continue(());
            }
            each(DirEntry {
                name: entry.name,
                inode: InodeId::new(entry.inode),
                number: entry.inode,
                file_type: entry.file_type,
            })
        };
        let listed = if dir.data()?.format == Format::Local {
            self.walk_short(dir, &mut visible).map(|_| ())
        } else {
            self.list_blocks(dir, &mut visible)
        };
        listed.context(|| format!("in XFS directory {}", dir.number))
    }

    fn list_blocks(&self, dir: &Inode, each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) -> Result<()> {
        let end = HASHES.wrapping_shr(self.superblock.block_log.into());
        let step = 1_u64.wrapping_shl(self.superblock.dir_block_log.into());
        let mut segment = Segment::default();
        let mut empty = 0_u32;
        let mut at = 0_u64;
        while at < end {
            let run = self.run(dir, Which::Data, at, &mut segment)?;
            if run.place == Place::Hole {
                // A hole ends where a block begins.
                let next = run.blocks.end.checked_next_multiple_of(step).unwrap_or(end);
                if next != run.blocks.end {
                    return Err(Error::corrupt(format!("a hole of blocks {:?} in a directory", run.blocks)));
                }
                at = next;
                continue;
            }
            let block = self.dir_data(dir, at, &mut segment, data::Reading::InOrder)?;
            let mut names = 0_u32;
            let flow = block.walk(&mut |entry| {
                names = names.saturating_add(1);
                each(entry)
            })?;
            if flow.is_break() {
                return Ok(());
            }
            empty = if names == 0 { empty.saturating_add(1) } else { 0 };
            if empty > MAX_EMPTY {
                return Err(Error::corrupt(format!("{empty} blocks of a directory without a name")));
            }
            at = at.saturating_add(step);
        }
        Ok(())
    }

    /// The inode that `name` names in directory `dir`.
    pub(super) fn find(&self, dir: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
        dir.need_directory()?;
        if name.is_empty() || name.len() > MAX_NAME || matches!(name, b"." | b"..") {
            return Ok(None);
        }
        let found = if dir.data()?.format == Format::Local {
            let mut found = None;
            self.walk_short(dir, &mut |entry| {
                if entry.name == name {
                    found = Some(entry.inode);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .map(|_| found)
        } else {
            self.find_by_hash(dir, name)
        };
        Ok(found.context(|| format!("in XFS directory {}", dir.number))?.map(InodeId::new))
    }

    fn find_by_hash(&self, dir: &Inode, name: &[u8]) -> Result<Option<u64>> {
        let wanted = hash(name);
        let mut segment = Segment::default();
        let root = HASHES.wrapping_shr(self.superblock.block_log.into());
        if self.run(dir, Which::Data, root, &mut segment)?.place == Place::Hole {
            let block = self.dir_data(dir, 0, &mut segment, data::Reading::One)?;
            let entries = same_hash(block.hashes()?, wanted);
            for entry in entries {
                if let Some(inode) = block.named(within(entry), name)? {
                    return Ok(Some(inode));
                }
            }
            return Ok(None);
        }
        let mut leaf = self.leaf_for(dir, Which::Data, root, wanted, &mut segment)?;
        for _ in 0..MAX_SAME {
            let Some(block) = leaf else { return Ok(None) };
            let entries = block.entries()?;
            for entry in same_hash(entries, wanted) {
                if let Some(inode) = self.named_entry(dir, entry, name, &mut segment)? {
                    return Ok(Some(inode));
                }
            }
            // Entries of the same hash may go on in the next leaf.
            let next = block.next()?;
            if next == 0 || entries.last().is_some_and(|last| hash_of(last) != wanted) {
                return Ok(None);
            }
            leaf = Some(self.tree_block(dir, Which::Data, next, &mut segment)?);
        }
        Err(Error::corrupt(format!("more than {MAX_SAME} blocks of hash {wanted:#x}")))
    }

    /// The inode of the entry at the place that `hashed` gives, if it has the name `name`.
    fn named_entry(
        &self,
        dir: &Inode,
        hashed: &[u8; ENTRY],
        name: &[u8],
        segment: &mut Segment,
    ) -> Result<Option<u64>> {
        let sb = &self.superblock;
        let place = within(hashed);
        // Deleted.
        if place == 0 {
            return Ok(None);
        }
        let size_log = u32::from(sb.block_log.saturating_add(sb.dir_block_log));
        let nr = place.wrapping_shr(size_log);
        let block =
            self.dir_data(dir, nr.wrapping_shl(sb.dir_block_log.into()), segment, data::Reading::One)?;
        block.named(place.saturating_sub(nr.wrapping_shl(size_log)), name)
    }
}

/// The entries of hash `wanted` among `entries`, which are in order.
fn same_hash(entries: &[[u8; ENTRY]], wanted: u32) -> &[[u8; ENTRY]] {
    let start = entries.partition_point(|entry| hash_of(entry) < wanted);
    let rest = entries.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|entry| hash_of(entry) == wanted)).unwrap_or_default()
}

/// The place of an entry in the directory, in bytes; 0 if it was deleted.
fn within(hashed: &[u8; ENTRY]) -> u64 {
    u64::from(number_of(hashed)).wrapping_shl(PLACE_LOG)
}
