//! A bounded cache of names: which inode each name of a directory leads to.
//!
//! A listing of a directory fills it, so that the `lstat`s and links that follow a listing cost no directory search.
//! Only names that exist are kept, and only exact ones: a name that is not here may still be found by the filesystem.

use std::collections::HashMap;

use disk::fs::{FileType, InodeId};

use crate::engine::DirId;

/// Most names kept. A name with its place in two tables takes about 100 bytes, so this is some 3 MB.
const MAX_NAMES: usize = 32_768;

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dentry {
    /// Inode within the directory's filesystem.
    pub(super) inode: InodeId,
    /// Its kind as the inode itself says, once it has been looked at.
    pub(super) file_type: Option<FileType>,
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Dentries {
    directories: HashMap<DirId, HashMap<Box<[u8]>, Dentry>>,
    names: usize,
}

impl Dentries {
    pub(super) fn get(&self, dir: DirId, name: &[u8]) -> Option<Dentry> {
        self.directories.get(&dir)?.get(name).copied()
    }

    /// Keeps one name, at the cost of all others when the cache is full.
    pub(super) fn insert(&mut self, dir: DirId, name: &[u8], dentry: Dentry) {
        if self.names >= MAX_NAMES {
            self.clear();
        }
        if self.directories.entry(dir).or_default().insert(name.into(), dentry).is_none() {
            self.names += 1;
        }
    }

    /// Makes room for a listing of `dir`.
    pub(super) fn start_listing(&mut self, dir: DirId) -> Listing {
        let known = self.directories.remove(&dir).unwrap_or_default();
        self.names -= known.len();
        Listing { dir, known, names: HashMap::new(), full: false }
    }

    /// Keeps a listing, if it was not too long.
    pub(super) fn end_listing(&mut self, listing: Listing) {
        let Listing { dir, names, known, full } = listing;
        let names = if full { known } else { names };
        if self.names + names.len() > MAX_NAMES {
            self.clear();
        }
        self.names += names.len();
        self.directories.insert(dir, names);
    }

    pub(super) fn clear(&mut self) {
        self.directories.clear();
        self.names = 0;
    }
}

/// The names of one directory while it is being read.
#[derive(Debug)]
pub(super) struct Listing {
    dir: DirId,
    known: HashMap<Box<[u8]>, Dentry>,
    names: HashMap<Box<[u8]>, Dentry>,
    full: bool,
}

impl Listing {
    pub(super) fn add(&mut self, name: &[u8], inode: InodeId) {
        if self.full {
            return;
        }
        if self.names.len() >= MAX_NAMES / 2 {
            self.full = true;
            self.names = HashMap::new();
            return;
        }
        let file_type = self.known.get(name).filter(|k| k.inode == inode).and_then(|k| k.file_type);
        // Of two equal names, which only a damaged directory has, the first is the one that a lookup finds.
        self.names.entry(name.into()).or_insert(Dentry { inode, file_type });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: DirId = DirId { mount: 1, inode: InodeId::new(2) };

    #[test]
    fn a_listing_keeps_what_was_known_and_the_first_of_two_equal_names() {
        let mut cache = Dentries::default();
        cache.insert(DIR, b"a", Dentry { inode: InodeId::new(11), file_type: Some(FileType::Fifo) });
        let mut listing = cache.start_listing(DIR);
        listing.add(b"a", InodeId::new(11));
        listing.add(b"b", InodeId::new(12));
        listing.add(b"b", InodeId::new(13));
        cache.end_listing(listing);
        assert_eq!(
            cache.get(DIR, b"a"),
            Some(Dentry { inode: InodeId::new(11), file_type: Some(FileType::Fifo) })
        );
        assert_eq!(cache.get(DIR, b"b"), Some(Dentry { inode: InodeId::new(12), file_type: None }));
        assert_eq!(cache.get(DIR, b"c"), None);
        assert_eq!(cache.names, 2);
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut cache = Dentries::default();
        for dir in 0..10 {
            let mut listing = cache.start_listing(DirId { mount: 0, inode: InodeId::new(dir) });
            for n in 0..10_000u32 {
                listing.add(&n.to_le_bytes(), InodeId::new(1));
            }
            cache.end_listing(listing);
            assert!(cache.names <= MAX_NAMES);
        }
        let mut listing = cache.start_listing(DIR);
        for n in 0..100_000u32 {
            listing.add(&n.to_le_bytes(), InodeId::new(1));
        }
        cache.end_listing(listing);
        assert_eq!(cache.get(DIR, &1u32.to_le_bytes()), None);
        for n in 0..100_000u32 {
            cache.insert(DIR, &n.to_le_bytes(), Dentry { inode: InodeId::new(1), file_type: None });
            assert!(cache.names <= MAX_NAMES);
        }
    }
}
