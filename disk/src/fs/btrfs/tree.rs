//! Trees: the items of a filesystem, found by key and gone through in order.
//!
//! Blocks are kept in a cache that is bounded in bytes, by logical address. Whatever names a block (the superblock, a root
//! item, a parent) also says which level and generation it has, and with which key it begins: each use of a block checks
//! that, like the kernel. Levels decrease on the way down and keys ascend from leaf to leaf, so that no tree is
//! endless.

use std::sync::{Arc, Mutex, PoisonError};

use super::changes::{Changes, Next, Pending};
use super::key::{Key, object};
use super::node::{self, Format, Node};
use super::volumes::Volumes;
use crate::clock::Clock;
use crate::{Context, Error, Result};

/// How many bytes of tree blocks are kept.
const CACHE: usize = 4 << 20;

/// Where a tree begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Root {
    /// Number of the tree, which its blocks bear.
    pub(super) id: u64,
    /// Logical address of its root block.
    pub(super) address: u64,
    pub(super) level: u8,
    /// The transaction that wrote its root block.
    pub(super) generation: u64,
}

/// All trees of a filesystem.
#[derive(Debug)]
pub(super) struct Trees {
    pub(super) volumes: Volumes,
    format: Format,
    nodes: Mutex<Clock<u64, Arc<Node>>>,
    /// What is not as on disk.
    pub(super) changes: Changes,
}

/// What a block must be, by what names it.
#[derive(Debug, Clone, Copy)]
struct Expected {
    tree: u64,
    level: u8,
    generation: u64,
    /// The key that it begins with.
    first: Option<Key>,
}

impl Trees {
    /// The trees of blocks of that format.
    pub(super) fn new(volumes: Volumes, format: Format) -> Self {
        Trees { volumes, format, nodes: Mutex::new(Clock::new(CACHE)), changes: Changes::default() }
    }

    /// The block at `address`, from memory or from a device.
    fn load(&self, address: u64, expected: &Expected) -> Result<Arc<Node>> {
        if let Some(node) = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&address) {
            return Ok(Arc::clone(node));
        }
        let mut bytes = vec![0; self.format.node_size].into_boxed_slice();
        self.volumes.read_logical(address, &mut bytes, |bytes| {
            node::check(bytes, address, &self.format)?;
            // A copy that missed a write can be whole.
            node::check_generation(bytes, address, expected.generation)
        })?;
        let node = Arc::new(Node::parse(bytes, address)?);
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.insert(address, Arc::clone(&node), node.weight());
        Ok(node)
    }

    /// The block at `address`, which must be what was expected.
    fn node(&self, address: u64, expected: Expected) -> Result<Arc<Node>> {
        let node = self.load(address, &expected).context(|| format!("in tree {}", expected.tree))?;
        let first = if node.count == 0 { None } else { Some(node.key(0)?) };
        let right = node.level == expected.level
            && node.generation == expected.generation
            && owner_fits(node.owner, expected.tree)
            && expected.first.is_none_or(|key| first == Some(key));
        if !right {
            return Err(Error::corrupt(format!(
                "the tree block at {address}: of tree {}, level {}, generation {}, where tree {}, level {}, generation {} should be, or with another first key",
                node.owner, node.level, node.generation, expected.tree, expected.level, expected.generation,
            )));
        }
        Ok(node)
    }

    /// The items of the tree from the first one on whose key is not less than `key`.
    pub(super) fn search(&self, root: Root, key: Key) -> Result<Cursor<'_>> {
        let mut cursor = self.descend(root, key, |node| node.partition(|other| other < key))?;
        cursor.changes = self.changes.from(root, key);
        Ok(cursor)
    }

    /// The items of the tree from the last one on whose key is not greater than `key`; from the first one if there is none
    /// such.
    pub(super) fn search_back(&self, root: Root, key: Key) -> Result<Cursor<'_>> {
        if self.changes.any(root) {
            let before = self.last_stored(root, key)?.max(self.changes.last_to(root, key));
            return self.search(root, before.unwrap_or(Key::FIRST));
        }
        self.stored_back(root, key)
    }

    fn stored_back(&self, root: Root, key: Key) -> Result<Cursor<'_>> {
        self.descend(root, key, |node| Ok(node.partition(|other| other <= key)?.saturating_sub(1)))
    }

    /// The last key up to `key` that is on disk and that no change took out.
    fn last_stored(&self, root: Root, key: Key) -> Result<Option<Key>> {
        let mut before = Some(key);
        while let Some(key) = before {
            let cursor = self.stored_back(root, key)?;
            let Some((leaf, at)) = cursor.path.last().filter(|(leaf, _)| leaf.count > 0) else { break };
            if leaf.key(0)? > key {
                break;
            }
            for at in (0..=*at).rev() {
                let found = leaf.key(at)?;
                if self.changes.has(root, found) != Some(false) {
                    return Ok(Some(found));
                }
            }
            before = leaf.key(0)?.before();
        }
        Ok(None)
    }

    fn descend(&self, root: Root, key: Key, slot: impl Fn(&Node) -> Result<usize>) -> Result<Cursor<'_>> {
        let mut cursor = Cursor {
            trees: self,
            tree: root.id,
            path: Vec::new(),
            started: false,
            changes: None,
            passed: true,
        };
        let Root { id: tree, level, generation, .. } = root;
        let mut node = self.node(root.address, Expected { tree, level, generation, first: None })?;
        while node.level > 0 {
            let at = node.partition(|other| other <= key)?.saturating_sub(1);
            let child = cursor.child(&node, at)?;
            cursor.path.push((node, at));
            node = child;
        }
        let at = slot(&node)?;
        cursor.path.push((node, at));
        Ok(cursor)
    }

    /// Calls `read` with the data of the item of exactly that key, if there is one.
    pub(super) fn get<T>(
        &self,
        root: Root,
        key: Key,
        read: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.search(root, key)?.next()? {
            Some((found, data)) if found == key => read(data).map(Some),
            _ => Ok(None),
        }
    }
}

/// May a block made for tree `owner` be in `tree`? Subvolumes share blocks with their snapshots.
fn owner_fits(owner: u64, tree: u64) -> bool {
    if object::is_subvolume(tree) { object::is_subvolume(owner) } else { owner == tree }
}

/// A place in a tree, and the way there.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    trees: &'a Trees,
    tree: u64,
    /// Blocks from the root to the leaf, with the entry that was taken in each.
    path: Vec<(Arc<Node>, usize)>,
    started: bool,
    /// If the tree has changes: those that come next.
    changes: Option<Pending<'a>>,
    /// Was the item on disk that the path leads to given out, or was there none yet?
    passed: bool,
}

impl Cursor<'_> {
    /// Child `at` of `node`.
    fn child(&self, node: &Node, at: usize) -> Result<Arc<Node>> {
        let (address, generation) = node.child(at)?;
        let level = node.level.saturating_sub(1);
        self.trees.node(address, Expected { tree: self.tree, level, generation, first: Some(node.key(at)?) })
    }

    /// The next item, at first the one that was searched for; `None` after the last of the tree.
    pub(super) fn next(&mut self) -> Result<Option<(Key, &[u8])>> {
        let Some(mut changes) = self.changes.take() else { return self.next_stored() };
        let next = loop {
            if self.passed {
                self.next_stored()?;
                self.passed = false;
            }
            let stored = self.stored()?.map(|(key, _)| key);
            let next = changes.next(stored);
            self.passed = match next {
                Next::Stored | Next::Gone => true,
                Next::Changed(key, _) => stored == Some(key),
                Next::End => false,
            };
            if !matches!(next, Next::Gone) {
                break next;
            }
        };
        self.changes = Some(changes);
        match next {
            Next::Changed(key, data) => Ok(Some((key, data))),
            Next::Stored => self.stored(),
            Next::End | Next::Gone => Ok(None),
        }
    }

    /// The item on disk that the path leads to, if there is one.
    fn stored(&self) -> Result<Option<(Key, &[u8])>> {
        match self.path.last() {
            Some((leaf, at)) if *at < leaf.count => Ok(Some((leaf.key(*at)?, leaf.data(*at)?))),
            _ => Ok(None),
        }
    }

    /// The next item on disk.
    fn next_stored(&mut self) -> Result<Option<(Key, &[u8])>> {
        if let Some((_, at)) = self.path.last_mut().filter(|_| self.started) {
            *at = at.saturating_add(1);
        }
        self.started = true;
        if self.path.last().is_some_and(|(leaf, at)| *at >= leaf.count) && !self.next_leaf()? {
            return Ok(None);
        }
        self.stored()
    }

    /// Goes to the next leaf, if there is one.
    fn next_leaf(&mut self) -> Result<bool> {
        let last = match self.path.last() {
            Some((leaf, _)) if leaf.count > 0 => Some(leaf.key(leaf.count.saturating_sub(1))?),
            _ => None,
        };
        // Up to where there is a next child…
        let parent =
            self.path.iter().rposition(|(node, at)| node.level > 0 && at.saturating_add(1) < node.count);
        let Some(parent) = parent else { return Ok(false) };
        self.path.truncate(parent.saturating_add(1));
        let Some((node, at)) = self.path.last_mut() else { return Ok(false) };
        *at = at.saturating_add(1);
        let (mut node, mut at) = (Arc::clone(node), *at);
        if last.is_some_and(|last| node.key(at).is_ok_and(|next| next <= last)) {
            return Err(Error::corrupt(format!(
                "the keys of tree {} do not ascend from leaf to leaf",
                self.tree
            )));
        }
        // … and down its first children. A child begins with the key that its parent has for it.
        while node.level > 0 {
            let child = self.child(&node, at)?;
            self.path.push((Arc::clone(&child), 0));
            (node, at) = (child, 0);
        }
        Ok(true)
    }
}
