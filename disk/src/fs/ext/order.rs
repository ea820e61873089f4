//! The order in which the kernel lists the names of a directory.
//!
//! With `dir_index`, `readdir` goes by the hashes of names wherever a directory has an index or could get one: is
//! indexed, has one block, or lies in its inode. An index is followed block by block, and the names of each block are
//! sorted; blocks that share a hash are sorted as one. So what is in memory is a block's names, however large the
//! directory. All other directories are listed as they are stored.
//!
//! Source: behaviour of Linux 6.1 and 6.18, as seen by `getdents64`; kernel.org, "ext4 Data Structures and Algorithms",
//! section "Hash Tree Directories".

use std::ops::{ControlFlow, Range};

use super::dir::{DIRECTORY, Entry};
use super::features::compat;
use super::hash::{self, Algorithm, Hash};
use super::htree::Cursor;
use super::inode::{Inode, flags};
use super::{Ext, casefold};
use crate::{Context, Error, Result};

/// Most bytes of names that share a block or a hash: more than all blocks have that a lookup goes through.
const MAX_BATCH: usize = 32 << 20;
/// Hashes of "." and ".." where they come from an index, which does not hash them.
const DOTS: [(Hash, &[u8]); 2] = [(Hash { major: 0, minor: 0 }, b"."), (Hash { major: 2, minor: 0 }, b"..")];

/// How the names of one directory are hashed.
struct Hasher {
    algorithm: Algorithm,
    seed: [u32; 4],
    folds: bool,
    /// Are the hashes those that the index was made with?
    sure: bool,
}

impl Hasher {
    /// By the algorithm of `version`, from an index or the superblock; `None` if there is no such algorithm.
    fn new(ext: &Ext, dir: &Inode, version: u8) -> Option<Self> {
        // Where the superblock does not say, Linux takes characters as signed on x86 before 6.2, as Debian 12's does, and
        // as unsigned since.
        let signed = ext.superblock.hash_signed.unwrap_or(true);
        Some(Hasher {
            algorithm: Algorithm::new(version, Some(signed))?,
            seed: ext.superblock.hash_seed,
            folds: dir.has(flags::CASEFOLD),
            sure: ext.superblock.hash_signed.is_some() && !dir.has(flags::CASEFOLD),
        })
    }

    fn hash(&self, name: &[u8]) -> Hash {
        match if self.folds { casefold::folded(name) } else { None } {
            Some(folded) => hash::of(&folded, self.algorithm, self.seed),
            None => hash::of(name, self.algorithm, self.seed),
        }
    }
}

/// Names that are listed together.
#[derive(Default)]
struct Batch {
    entries: Vec<Stored>,
    names: Vec<u8>,
}

struct Stored {
    hash: Hash,
    inode: u32,
    kind: u8,
    name: Range<usize>,
}

impl Batch {
    fn add(&mut self, hash: Hash, entry: &Entry<'_>) -> Result<()> {
        let start = self.names.len();
        self.names.extend_from_slice(entry.name);
        if self.names.len() > MAX_BATCH {
            return Err(Error::corrupt("more names of one hash than can be"));
        }
        let name = start..self.names.len();
        self.entries.push(Stored { hash, inode: entry.inode, kind: entry.kind, name });
        Ok(())
    }

    /// Calls `each` for all names in order, and forgets them.
    fn emit(&mut self, each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        self.entries.sort_by_key(|entry| entry.hash);
        // Of names with the same hash the kernel shows the first stored, then the last, and so on back to the second.
        for same in self.entries.chunk_by_mut(|a, b| a.hash == b.hash) {
            if let Some((_, others)) = same.split_first_mut() {
                others.reverse();
            }
        }
        for stored in self.entries.drain(..) {
            let name = self.names.get(stored.name).unwrap_or_default();
            each(Entry { inode: stored.inode, name, kind: stored.kind })?;
        }
        self.names.clear();
        ControlFlow::Continue(())
    }
}

impl Ext {
    /// Calls `each` for every entry of directory `dir`, `.` and `..` included, in the order of the kernel.
    pub(super) fn ordered_entries(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        dir.need_directory()?;
        let (blocks, _) = self.split(dir.size);
        if self.is_indexed(dir) {
            let doing = || format!("in directory {}", dir.number);
            if let Some(cursor) = Cursor::new(self, dir).context(doing)?
                && let Some(hasher) = Hasher::new(self, dir, cursor.version)
            {
                return self.indexed_entries(cursor, &hasher, each).context(doing);
            }
        } else if self.superblock.has_compat(compat::DIR_INDEX)
            && (blocks == 1 || dir.has(flags::INLINE_DATA))
        {
            let version = self.superblock.hash_version;
            let hasher = Hasher::new(self, dir, version)
                .ok_or_else(|| Error::unsupported(format!("directory hashes of version {version}")))?;
            let mut batch = Batch::default();
            let mut added = Ok(());
            self.all_entries(dir, &mut |entry| {
                added = batch.add(hasher.hash(entry.name), &entry);
                if added.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            added?;
            let _ = batch.emit(each);
            return Ok(());
        }
        self.all_entries(dir, each)
    }

    /// The entries that an index leads to.
    fn indexed_entries(
        &self,
        mut cursor: Cursor<'_>,
        hasher: &Hasher,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut batch = Batch::default();
        // From here on the names of the batch hash, if the kernel is to find them.
        let mut start = 0;
        cursor.seek(start)?;
        for ((hash, name), inode) in DOTS.into_iter().zip(cursor.dots) {
            batch.add(hash, &Entry { inode, name, kind: DIRECTORY })?;
        }
        loop {
            let leaf = cursor.leaf()?;
            let mut added = Ok(());
            let _ = self.entries(&leaf, |entry| {
                let hash = hasher.hash(entry.name);
                // The kernel passes over such a name. A lookup finds it neither there nor here.
                let lost = hasher.sure && hash.major < start;
                added = if lost {
                    Err(Error::corrupt("a name in a block that the index does not have for its hash"))
                } else {
                    batch.add(hash, &entry)
                };
                if added.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            added?;
            let next = cursor.next_hash();
            if next.is_none_or(|hash| hash & 1 == 0) && !batch.entries.is_empty() {
                if batch.emit(each).is_break() {
                    return Ok(());
                }
                start = next.unwrap_or(start);
            }
            if next.is_none() {
                return Ok(());
            }
            cursor.advance()?;
        }
    }
}
