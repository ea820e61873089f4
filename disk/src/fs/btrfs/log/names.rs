//! Names: those that are there no more, those that are new, and the references from inodes to them.

use super::super::dir::{Entries, find_in_item, hash};
use super::super::key::{Key, kind};
use super::super::tree::Root;
use super::items::{self, Reference};
use super::{Replay, strange};
use crate::crc::crc32c;
use crate::{Error, Result};

/// Longest item of references in bytes, about: what a tree block of 4 KiB holds. Where an item ends and the extended kind
/// begins is not to be seen.
const MAX_REFERENCES: usize = 3900;

/// Where the extended references of an inode to a name lie.
fn extended_key(inode: u64, parent: u64, name: &[u8]) -> Key {
    // The lower half, as the kernel cuts it.
    let [a, b, c, d, ..] = parent.to_le_bytes();
    Key::new(inode, kind::INODE_EXTREF, crc32c(u32::from_le_bytes([a, b, c, d]), name).into())
}

fn reference_key(inode: u64, parent: u64) -> Key {
    Key::new(inode, kind::INODE_REF, parent)
}

fn name_key(dir: u64, name: &[u8]) -> Key {
    Key::new(dir, kind::DIR_ITEM, hash(name))
}

fn index_key(dir: u64, index: u64) -> Key {
    Key::new(dir, kind::DIR_INDEX, index)
}

/// What became of a step of which the kernel goes on after a missing thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Something was not there; what was done so far stays.
    Missing,
}

impl Replay<'_> {
    /// What `name` is in an item of names of a tree.
    fn target(&self, root: Root, key: Key, name: &[u8]) -> Result<Option<(Key, u8)>> {
        let Some(item) = self.get(root, key)? else { return Ok(None) };
        let mut entries = Entries(&item);
        while let Some(entry) = entries.next()? {
            if entry.name == name {
                return Ok(Some((entry.target, entry.kind)));
            }
        }
        Ok(None)
    }

    /// Has a tree a reference from `inode` to `name` in `parent`, of the kind that `key` is of?
    fn has_reference(&self, root: Root, key: Key, parent: u64, name: &[u8]) -> Result<bool> {
        let Some(item) = self.get(root, key)? else { return Ok(false) };
        let references = self.references_of(key, &item)?;
        Ok(references.iter().any(|found| found.parent == parent && found.name == name))
    }

    fn references_of(&self, key: Key, item: &[u8]) -> Result<Vec<Reference>> {
        match key.kind {
            kind::INODE_REF => items::references(key.offset, item),
            _ => items::extended_references(item),
        }
    }

    /// Takes a name out, and the reference to it.
    fn unlink(&mut self, dir: u64, inode: u64, name: &[u8]) -> Result<Outcome> {
        self.steps.step()?;
        if !self.linked.contains(&inode) {
            return Err(strange(format!(
                "it takes a name from inode {inode}, whose names it does not count"
            )));
        }
        let key = name_key(dir, name);
        let item = self.get(self.subvolume, key)?.unwrap_or_default();
        if find_in_item(&item, name)?.is_none() {
            return Ok(Outcome::Missing);
        }
        self.put_rest(key, items::without_entry(&item, name)?)?;
        let mut index = None;
        for key in [reference_key(inode, dir), extended_key(inode, dir, name)] {
            let Some(item) = self.get(self.subvolume, key)? else { continue };
            let mut references = self.references_of(key, &item)?;
            let found = references.iter().position(|found| found.parent == dir && found.name == name);
            if let Some(at) = found {
                index = Some(references.remove(at).index);
                let rest = items::of_references(&references, key.kind == kind::INODE_EXTREF)?;
                self.put_rest(key, rest)?;
                break;
            }
        }
        let index = index.ok_or_else(|| strange(format!("inode {inode} does not know one of its names")))?;
        self.delete(index_key(dir, index))?;
        self.resize_directory(dir, name, false)?;
        Ok(Outcome::Done)
    }

    /// Takes a name out that must be there.
    fn need_unlink(&mut self, dir: u64, inode: u64, name: &[u8]) -> Result<()> {
        match self.unlink(dir, inode, name)? {
            Outcome::Done => Ok(()),
            Outcome::Missing => Err(strange(format!("directory {dir} has a number without a name"))),
        }
    }

    /// Takes out what `name` is in `dir`, which is that of `target`.
    fn drop_name(&mut self, dir: u64, target: Key, name: &[u8]) -> Result<Outcome> {
        if target.kind != kind::INODE_ITEM {
            return Err(strange("it takes away the name of a subvolume"));
        }
        self.link(target.object)?;
        self.unlink(dir, target.object, name)
    }

    /// Puts a name in; with the reference to it, unless that comes later.
    fn add_name(&mut self, dir: u64, inode: u64, name: &[u8], index: u64) -> Result<()> {
        let entry_type = self.entry_type(inode)?;
        let entry = items::of_entry(inode, self.generation, entry_type, name)?;
        let key = name_key(dir, name);
        let mut item = self.get(self.subvolume, key)?.unwrap_or_default();
        if find_in_item(&item, name)?.is_some() || self.get(self.subvolume, index_key(dir, index))?.is_some()
        {
            return Err(strange(format!("it has a name or a number twice in directory {dir}")));
        }
        item.extend(&entry);
        self.put(key, item)?;
        self.put(index_key(dir, index), entry)?;
        self.resize_directory(dir, name, true)
    }

    /// Takes out the names of directory `dir` that the log `log` says are there no more; without a log, all of them.
    pub(super) fn delete_names(&mut self, dir: u64, log: Option<Root>) -> Result<()> {
        if self.inode(dir)?.is_none() {
            return Ok(());
        }
        let ranges = match log {
            Some(_) => self.logged_ranges(dir)?,
            None => vec![0..=u64::MAX],
        };
        for range in ranges {
            let mut next = Some(index_key(dir, *range.start()));
            while let Some(at) = next {
                let Some((key, item)) = self.first_from(self.subvolume, at)? else { break };
                if !key.is(dir, kind::DIR_INDEX) || !range.contains(&key.offset) {
                    break;
                }
                self.steps.step()?;
                let entry =
                    Entries(&item).next()?.ok_or_else(|| Error::corrupt("a number without a name"))?;
                let known = match log {
                    Some(log) => self.target(log, key, entry.name)?.is_some(),
                    None => false,
                };
                if !known {
                    if entry.target.kind != kind::INODE_ITEM {
                        return Err(strange("it takes away the name of a subvolume"));
                    }
                    self.link(entry.target.object)?;
                    self.need_unlink(dir, entry.target.object, entry.name)?;
                }
                next = key.after();
            }
        }
        Ok(())
    }

    /// A name that the log has in a directory.
    pub(super) fn replay_name(&mut self, key: Key, item: &[u8]) -> Result<()> {
        let (dir, index) = (key.object, key.offset);
        let _ = self.need_inode(dir)?;
        let entry = Entries(item).next()?.ok_or_else(|| Error::corrupt("a number without a name"))?;
        let (target, name) = (entry.target, entry.name);
        let is_inode = target.kind == kind::INODE_ITEM;
        let exists = is_inode && self.inode(target.object)?.is_some();
        let mut matches = 0_u8;
        for place in [name_key(dir, name), key] {
            let Some(found) = self.target(self.subvolume, place, name)? else { continue };
            if found == (target, entry.kind) {
                matches = matches.saturating_add(1);
            } else if exists && self.drop_name(dir, found.0, name)? == Outcome::Missing {
                return Err(strange(format!("directory {dir} has a number without a name")));
            }
        }
        if matches == 2 {
            return Ok(());
        }
        if !is_inode {
            return Err(strange("it gives a name to a subvolume"));
        }
        // A name that its inode's references in the log have comes with them.
        let inode = target.object;
        let plain = reference_key(inode, dir);
        if self.has_reference(self.log, plain, dir, name)?
            || self.has_reference(self.log, extended_key(inode, dir, name), dir, name)?
            || !exists
        {
            return Ok(());
        }
        // The reference is put in first; where it is known, nothing else happens.
        let extended = extended_key(inode, dir, name);
        if self.has_reference(self.subvolume, plain, dir, name)? {
            return Ok(());
        }
        let mut key = plain;
        let mut references = self.get(self.subvolume, plain)?.unwrap_or_default();
        if references.len().saturating_add(name.len()) > MAX_REFERENCES {
            key = extended;
            references = self.get(self.subvolume, extended)?.unwrap_or_default();
            if self.has_reference(self.subvolume, extended, dir, name)? {
                return Ok(());
            }
        }
        let added = Reference { parent: dir, index, name: name.to_vec() };
        references.extend(items::of_references(&[added], key.kind == kind::INODE_EXTREF)?);
        self.add_name(dir, inode, name, index)?;
        self.put(key, references)?;
        if entry.kind != DIRECTORY {
            self.link(inode)?;
        }
        Ok(())
    }

    /// References of an inode that the log has: the names they are to are put in, others of theirs taken out.
    pub(super) fn replay_references(&mut self, key: Key, item: Vec<u8>) -> Result<()> {
        let inode = key.object;
        let logged = self.references_of(key, &item)?;
        let Some(first) = logged.first() else { return Ok(()) };
        // A directory that was not logged may not be there: then its names are not either.
        if self.inode(first.parent)?.is_none() {
            return Ok(());
        }
        let _ = self.need_inode(inode)?;
        for reference in &logged {
            let Reference { parent, index, name } = reference;
            if self.inode(*parent)?.is_none() || self.is_named(reference, inode)? {
                continue;
            }
            // The root directory is its own parent, by a name that is in no directory.
            let own = reference_key(inode, *parent);
            if inode == *parent && self.get(self.subvolume, own)?.is_some() {
                return Ok(());
            }
            if self.make_way(inode, reference)? == Outcome::Missing {
                return Ok(());
            }
            self.add_name(*parent, inode, name, *index)?;
        }
        // Names that the references here have and those of the log do not.
        if let Some(before) = self.get(self.subvolume, key)? {
            for reference in self.references_of(key, &before)? {
                let kept = logged.iter().any(|kept| {
                    kept.name == reference.name
                        && (kept.parent == reference.parent || key.kind == kind::INODE_REF)
                });
                if kept {
                    continue;
                }
                if self.inode(reference.parent)?.is_none()
                    || self.unlink(reference.parent, inode, &reference.name)? == Outcome::Missing
                {
                    return Ok(());
                }
            }
        }
        self.overwrite(key, item)
    }

    /// Is the name that a reference is to in its directory, as it says?
    fn is_named(&self, reference: &Reference, inode: u64) -> Result<bool> {
        let Reference { parent, index, name } = reference;
        for key in [index_key(*parent, *index), name_key(*parent, name)] {
            match self.target(self.subvolume, key, name)? {
                Some((target, _)) if target.object == inode => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Takes out names that are in the way of one that a reference of the log is to.
    fn make_way(&mut self, inode: u64, reference: &Reference) -> Result<Outcome> {
        let Reference { parent, index, name } = reference;
        let (parent, plain) = (*parent, reference_key(inode, *parent));
        let extended = extended_key(inode, parent, name);
        let mut places = vec![plain];
        if self.has_reference(self.subvolume, extended, parent, name)? {
            places.push(extended);
        }
        for key in places {
            let item = self.get(self.subvolume, key)?.unwrap_or_default();
            for victim in self.references_of(key, &item)? {
                if victim.parent != parent {
                    continue;
                }
                let logged_under = match key.kind {
                    kind::INODE_REF => plain,
                    _ => extended_key(inode, parent, &victim.name),
                };
                if !self.has_reference(self.log, logged_under, parent, &victim.name)?
                    && self.unlink(parent, inode, &victim.name)? == Outcome::Missing
                {
                    return Ok(Outcome::Missing);
                }
            }
        }
        for key in [index_key(parent, *index), name_key(parent, name)] {
            if let Some((target, _)) = self.target(self.subvolume, key, name)?
                && self.drop_name(parent, target, name)? == Outcome::Missing
            {
                return Ok(Outcome::Missing);
            }
        }
        Ok(Outcome::Done)
    }
}

/// Type of a directory in the entry of a name.
const DIRECTORY: u8 = 2;
