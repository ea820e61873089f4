//! The log: what was fsynced since the last transaction. The kernel puts it into the trees when it mounts; here that is
//! done in memory, as changes over the trees ([`super::changes`]).
//!
//! The log root tree has a root item for each subvolume with something in its log. Such a log is a tree of items like those
//! of the subvolume, of the inodes that were fsynced and what they need. It is gone through three times: for inodes (and
//! what is no longer there of their attributes and names), for names, and for all the rest; at last the numbers of
//! names are counted anew.
//!
//! ```text
//! replay ─┬─ inode     inode items, attributes, counts
//!         ├─ names     names in directories, and references to them
//!         └─ content   file extents, checksums
//! ```
//!
//! There is no description of the log but what the kernel does. Where the kernel would give up the mount, or what it would
//! do is not known here, the log is `Unsupported`.

mod content;
mod inode;
mod items;
mod names;

use std::collections::BTreeSet;

use super::features::incompat;
use super::key::{Key, kind, object};
use super::root::RootItem;
use super::superblock::Superblock;
use super::tree::{Root, Trees};
use crate::{Context, Error, Result};

/// Most items that a log can have here.
const MAX_ITEMS: usize = 1 << 20;
/// Most steps that one replay makes: each handles one item, or one name in a directory.
const MAX_STEPS: usize = 1 << 22;

/// What is done in one pass over a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Inodes,
    Names,
    Rest,
}

/// Replays all logs of a filesystem.
pub(super) fn replay(trees: &mut Trees, superblock: &Superblock, roots: Root, checksums: Root) -> Result<()> {
    let (address, level) = superblock.log_root;
    // The log is of the transaction after the one that the superblock is of.
    let generation =
        superblock.generation.checked_add(1).ok_or_else(|| Error::corrupt("the last generation"))?;
    let all = Root { id: object::TREE_LOG, address, level, generation };
    let mut last = Some(Key::new(object::TREE_LOG, kind::ROOT_ITEM, u64::MAX));
    let mut steps = Steps(0);
    while let Some(key) = last {
        let found = match trees.search_back(all, key)?.next()? {
            Some((found, item)) if found <= key && found.is(object::TREE_LOG, kind::ROOT_ITEM) => {
                Some((found, RootItem::parse(object::TREE_LOG, item)?.root))
            }
            _ => None,
        };
        let Some((found, log)) = found else { break };
        steps.step()?;
        let subvolume = found.offset;
        let item = trees.root_item(roots, subvolume)?;
        // The log of a subvolume that was deleted is of no use.
        if let Some(item) = item.filter(|item| item.references != 0) {
            let mut replay = Replay {
                trees,
                log,
                subvolume: item.root,
                checksums,
                sector_size: superblock.sector_size.into(),
                checksum_size: superblock.checksum.size(),
                no_holes: superblock.incompat & incompat::NO_HOLES != 0,
                generation,
                linked: BTreeSet::new(),
                steps: &mut steps,
            };
            replay.run().context(|| format!("replaying the log of subvolume {subvolume}"))?;
        }
        last = found.before();
    }
    Ok(())
}

/// How many steps were made.
#[derive(Debug)]
struct Steps(usize);

impl Steps {
    fn step(&mut self) -> Result<()> {
        self.0 = self.0.saturating_add(1);
        if self.0 > MAX_STEPS {
            return Err(Error::unsupported("a btrfs log that takes this long to replay"));
        }
        Ok(())
    }
}

/// The replay of the log of one subvolume.
#[derive(Debug)]
struct Replay<'a> {
    trees: &'a mut Trees,
    log: Root,
    subvolume: Root,
    checksums: Root,
    /// Bytes of a sector, and of the checksum of one.
    sector_size: u64,
    checksum_size: usize,
    /// Are holes left out of the subvolume's items?
    no_holes: bool,
    /// The transaction that a mount would begin.
    generation: u64,
    /// Inodes whose names are counted at the end.
    linked: BTreeSet<u64>,
    steps: &'a mut Steps,
}

/// A log that the kernel would not mount with, or that this code does not understand.
#[cold]
fn strange(what: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("a btrfs log that needs an appliance: {what}"))
}

impl Replay<'_> {
    fn run(&mut self) -> Result<()> {
        for stage in [Stage::Inodes, Stage::Names, Stage::Rest] {
            self.pass(stage)?;
        }
        self.count_names()
    }

    /// Goes through the log once.
    fn pass(&mut self, stage: Stage) -> Result<()> {
        // Items of an inode without names (O_TMPFILE) are passed over.
        let mut nameless = false;
        let mut next = Some(Key::FIRST);
        for _ in 0..MAX_ITEMS {
            let Some(at) = next else { return Ok(()) };
            let Some((key, item)) = self.first_from(self.log, at)? else { return Ok(()) };
            self.steps.step()?;
            next = key.after();
            if key.kind == kind::INODE_ITEM {
                nameless = items::inode::links(&item)? == 0;
            }
            if nameless {
                continue;
            }
            let context = || format!("item {key}");
            match (stage, key.kind) {
                (Stage::Inodes, kind::INODE_ITEM) => self.replay_inode(key, item).context(context)?,
                (Stage::Names, kind::DIR_INDEX) => self.replay_name(key, &item).context(context)?,
                (Stage::Rest, kind::XATTR_ITEM) => self.overwrite(key, item).context(context)?,
                (Stage::Rest, kind::INODE_REF | kind::INODE_EXTREF) => {
                    self.replay_references(key, item).context(context)?;
                }
                (Stage::Rest, kind::EXTENT_DATA) => self.replay_extent(key, &item).context(context)?,
                _ => {}
            }
        }
        Err(strange(format!("it has over {MAX_ITEMS} items")))
    }

    /// What is under a key of a tree.
    fn get(&self, root: Root, key: Key) -> Result<Option<Vec<u8>>> {
        self.trees.get(root, key, |data| Ok(data.to_vec()))
    }

    /// The first item from `key` on.
    fn first_from(&self, root: Root, key: Key) -> Result<Option<(Key, Vec<u8>)>> {
        Ok(self.trees.search(root, key)?.next()?.map(|(key, data)| (key, data.to_vec())))
    }

    /// All items of one object and kind.
    fn all(&self, root: Root, object: u64, kind: u8) -> Result<Vec<(Key, Vec<u8>)>> {
        let mut found = Vec::new();
        let mut items = self.trees.search(root, Key::new(object, kind, 0))?;
        while let Some((key, data)) = items.next()? {
            if !key.is(object, kind) {
                break;
            }
            if found.len() >= MAX_ITEMS {
                return Err(strange(format!("over {MAX_ITEMS} items of inode {object}")));
            }
            found.push((key, data.to_vec()));
        }
        Ok(found)
    }

    /// Puts an item into the subvolume, in place of what is there under its key.
    fn put(&mut self, key: Key, data: Vec<u8>) -> Result<()> {
        self.trees.changes.set(self.subvolume, key, Some(data.into()))
    }

    /// Puts what is left of an item into the subvolume.
    fn put_rest(&mut self, key: Key, data: Vec<u8>) -> Result<()> {
        if data.is_empty() { self.delete(key) } else { self.put(key, data) }
    }

    /// Takes an item out of the subvolume.
    fn delete(&mut self, key: Key) -> Result<()> {
        self.trees.changes.set(self.subvolume, key, None)
    }
}
