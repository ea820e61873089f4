//! Items of trees as they would be: those that the replay of a log puts in, changes or takes out, over those on disk.

use std::collections::{BTreeMap, HashMap, btree_map};
use std::iter::Peekable;
use std::ops::Bound;

use super::key::Key;
use super::tree::Root;
use crate::{Error, Result};

/// Most bytes that all changes take: what is fsynced between two commits, half a minute, is small.
const MAX_BYTES: usize = 48 << 20;
/// Memory that a change takes besides its data, in bytes.
const OVERHEAD: usize = 64;

/// Changes of one tree: what is under a key, or that nothing is.
type Items = BTreeMap<Key, Option<Box<[u8]>>>;

/// The changes of all trees.
#[derive(Debug, Default)]
pub(super) struct Changes {
    trees: HashMap<u64, Items>,
    bytes: usize,
}

impl Changes {
    /// What is under `key` becomes `data`, or nothing.
    pub(super) fn set(&mut self, root: Root, key: Key, data: Option<Box<[u8]>>) -> Result<()> {
        let size =
            |data: &Option<Box<[u8]>>| OVERHEAD.saturating_add(data.as_ref().map_or(0, |bytes| bytes.len()));
        self.bytes = self.bytes.saturating_add(size(&data));
        if let Some(before) = self.trees.entry(root.id).or_default().insert(key, data) {
            self.bytes = self.bytes.saturating_sub(size(&before));
        }
        if self.bytes > MAX_BYTES {
            return Err(Error::unsupported(format!("a btrfs log that changes more than {MAX_BYTES} bytes")));
        }
        Ok(())
    }

    /// The changes of a tree from `key` on, if it has any at all.
    pub(super) fn from(&self, root: Root, key: Key) -> Option<Pending<'_>> {
        let items = self.trees.get(&root.id)?;
        Some(Pending { items: items.range((Bound::Included(key), Bound::Unbounded)).peekable() })
    }

    /// What the changes say of `key` of a tree: nothing, that there is data, or that there is none.
    pub(super) fn has(&self, root: Root, key: Key) -> Option<bool> {
        self.trees.get(&root.id)?.get(&key).map(Option::is_some)
    }

    /// Has the tree any changes?
    pub(super) fn any(&self, root: Root) -> bool {
        self.trees.contains_key(&root.id)
    }

    /// The last key up to `key` that changes put data under.
    pub(super) fn last_to(&self, root: Root, key: Key) -> Option<Key> {
        let items = self.trees.get(&root.id)?;
        let found = items.range(..=key).rev().find(|(_, data)| data.is_some());
        found.map(|(key, _)| *key)
    }
}

/// Changes of a tree that a cursor still has before it.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    items: Peekable<btree_map::Range<'a, Key, Option<Box<[u8]>>>>,
}

/// Where the next item comes from.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// There is none.
    End,
    /// From disk.
    Stored,
    /// From the changes.
    Changed(Key, &'a [u8]),
    /// The item on disk is there no more.
    Gone,
}

impl<'a> Pending<'a> {
    /// Which item comes next, if the next one on disk has the key `stored`. Except for `Stored`, the changes that this
    /// tells of are behind the cursor then; what is on disk under the key of `Changed` is replaced, if there is something.
    pub(super) fn next(&mut self, stored: Option<Key>) -> Next<'a> {
        loop {
            let Some(key) = self.items.peek().map(|(key, _)| **key) else {
                return if stored.is_some() { Next::Stored } else { Next::End };
            };
            if stored.is_some_and(|stored| stored < key) {
                return Next::Stored;
            }
            match self.items.next() {
                Some((key, Some(data))) => return Next::Changed(*key, data),
                Some((key, None)) if stored == Some(*key) => return Next::Gone,
                _ => {}
            }
        }
    }
}
