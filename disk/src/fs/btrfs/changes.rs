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

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Root = Root { id: 5, address: 0, level: 0, generation: 1 };

    fn key(offset: u64) -> Key {
        Key::new(256, 108, offset)
    }

    /// The offsets of what a cursor finds from `from` on, if these are on disk; of what was put in by changes, with a minus.
    fn seen(changes: &Changes, stored: &[u64], from: u64) -> Vec<i64> {
        let mut pending = changes.from(ROOT, key(from)).unwrap();
        let mut stored = stored.iter().copied().filter(|offset| *offset >= from).peekable();
        let mut found = Vec::new();
        loop {
            match pending.next(stored.peek().map(|offset| key(*offset))) {
                Next::End => return found,
                Next::Stored => found.push(stored.next().unwrap() as i64),
                Next::Changed(changed, data) => {
                    assert_eq!(data, changed.offset.to_le_bytes());
                    stored.next_if(|offset| key(*offset) == changed);
                    found.push(-(changed.offset as i64));
                }
                Next::Gone => {
                    stored.next().unwrap();
                }
            }
        }
    }

    #[test]
    fn changes_come_between_before_and_in_place_of_what_is_on_disk() {
        let mut changes = Changes::default();
        assert!(changes.from(ROOT, key(0)).is_none());
        for offset in [10, 25, 40, 70, 80] {
            changes.set(ROOT, key(offset), Some(offset.to_le_bytes().into())).unwrap();
        }
        for offset in [20, 26, 50, 80] {
            changes.set(ROOT, key(offset), None).unwrap();
        }
        let stored = [20, 30, 40, 50, 60];
        assert_eq!(seen(&changes, &stored, 0), [-10, -25, 30, -40, 60, -70]);
        assert_eq!(seen(&changes, &stored, 26), [30, -40, 60, -70]);
        assert_eq!(seen(&changes, &[], 26), [-40, -70]);
        assert!(seen(&changes, &stored, 71).is_empty());
        assert_eq!(changes.last_to(ROOT, key(69)), Some(key(40)));
        assert_eq!(changes.last_to(ROOT, key(90)), Some(key(70)));
        assert_eq!(changes.last_to(ROOT, key(9)), None);
        assert_eq!(changes.has(ROOT, key(20)), Some(false));
        assert_eq!(changes.has(ROOT, key(30)), None);
    }

    #[test]
    fn changes_are_bounded() {
        let mut changes = Changes::default();
        let data = || Some(vec![0; MAX_BYTES / 4].into());
        for _ in 0..10 {
            changes.set(ROOT, key(1), data()).unwrap();
        }
        changes.set(ROOT, key(2), data()).unwrap();
        changes.set(ROOT, key(3), data()).unwrap();
        assert_eq!(changes.set(ROOT, key(4), data()).unwrap_err().kind(), crate::ErrorKind::Unsupported);
    }
}
