//! Lists of subkeys as Windows wants them: sorted, leaves of limited length, hashes that are right.
//!
//! Lists that are not so (libhivex's, older tools') are made anew when a key gets its first change.

use std::cmp::Ordering;

use crate::bytes::{Fields, len32};
use crate::edit::Editor;
use crate::hive::{Hive, Node};
use crate::key::{self, NONE};
use crate::name::Wanted;
use crate::subkeys::{self, Entry, Leaf, List};
use crate::{Error, Result};

/// The most elements of a leaf: what a bin of one page holds, as Windows has it: (4096 - 32 - 4 - 4) / 8.
const MAX_LEAF: usize = 507;

/// Where a name is in a key's list, or belongs.
#[derive(Debug)]
pub(crate) struct Place {
    /// The lists of the index root, and which of them is meant; none if there is one leaf or no list.
    root: Option<(Vec<u32>, usize)>,
    /// The leaf.
    leaf: Option<(u32, Leaf, Vec<Entry>)>,
    /// The element, or before which one it belongs.
    at: Result<usize, usize>,
}

impl Place {
    pub(super) fn found(&self) -> bool {
        self.at.is_ok()
    }

    pub(crate) fn node(&self) -> Option<Node> {
        let (_, _, entries) = self.leaf.as_ref()?;
        entries.get(self.at.ok()?).map(|entry| Node(entry.node))
    }
}

impl Editor {
    pub(crate) fn is_sorted(&self, node: Node) -> bool {
        self.sorted.contains(&node.0)
    }
}

impl Hive {
    /// The kind of leaf that a new list is: hashes came with minor version 5, hints with 3.
    fn leaf_kind(&self) -> Result<Leaf> {
        Ok(match self.header()?.minor {
            0..=2 => Leaf::Plain,
            3..=4 => Leaf::Hints,
            _ => Leaf::Hashes,
        })
    }

    /// A leaf's content.
    fn leaf_content(&self, kind: Leaf, entries: &[Entry]) -> Result<Vec<u8>> {
        let mut content = subkeys::header(kind.magic(), entries.len())?;
        for entry in entries {
            content.extend_from_slice(&entry.node.to_le_bytes());
            match kind {
                Leaf::Plain => {}
                Leaf::Hashes => {
                    let hash = match entry.hash {
                        Some(hash) => hash,
                        None => self.node_name(Node(entry.node))?.hash(),
                    };
                    content.extend_from_slice(&hash.to_le_bytes());
                }
                Leaf::Hints => {
                    let name = self.node_name(Node(entry.node))?;
                    let wanted = Wanted::from_units(name.units().take(4).collect());
                    content.extend_from_slice(&wanted.hint());
                }
            }
        }
        Ok(content)
    }

    /// Sees to it that a key's list is one that [`Hive::find_place`] finds its way in.
    pub(super) fn sort_subkeys(&mut self, node: Node) -> Result<()> {
        if self.editor()?.is_sorted(node) {
            return Ok(());
        }
        let key = self.key(node)?;
        if key.subkeys > 0 && key.subkey_list != NONE && !self.is_well_sorted(node, key.subkey_list) {
            self.make_list_anew(node, key.subkey_list)?;
        } else if key.subkeys == 0 || key.subkey_list == NONE {
            // A list or a number that says nothing.
            let cell = self.content_mut(node.0)?;
            cell.put32(key::SUBKEY_LIST, NONE)?;
            cell.put32(key::SUBKEYS, 0)?;
            self.free_lists(key.subkey_list, 0)?;
        }
        self.editor()?.sorted.insert(node.0);
        Ok(())
    }

    fn is_well_sorted(&self, node: Node, list: u32) -> bool {
        let leaf_is_good = |list: u32| match self.list(list) {
            Ok(List::Leaf { entries, .. }) => !entries.is_empty(),
            _ => false,
        };
        let shape = match self.list(list) {
            Ok(List::Leaf { entries, .. }) => !entries.is_empty(),
            Ok(List::Root(lists)) => !lists.is_empty() && lists.iter().all(|list| leaf_is_good(*list)),
            Err(_) => false,
        };
        let Ok(entries) = self.subkeys(node) else { return false };
        let Ok(key) = self.key(node) else { return false };
        if !shape || u32::try_from(entries.len()) != Ok(key.subkeys) {
            return false;
        }
        let mut last = None;
        entries.iter().all(|entry| {
            let Ok(name) = self.node_name(Node(entry.node)) else { return false };
            let in_order = last.is_none_or(|last: crate::Name<'_>| {
                crate::text::compare(last.units(), name.units()) == Ordering::Less
            });
            last = Some(name);
            in_order && entry.hash.is_none_or(|hash| hash == name.hash())
        })
    }

    /// Writes a key's list anew, sorted, of all subkeys that can be read.
    fn make_list_anew(&mut self, node: Node, old: u32) -> Result<()> {
        let mut named: Vec<(Vec<u16>, Entry)> = Vec::new();
        for entry in self.subkeys(node)? {
            let name = self.or_note(entry.node, self.node_name(Node(entry.node)))?;
            if let Some(name) = name {
                let upper = name.units().map(crate::text::upcase).collect();
                named.push((upper, Entry { node: entry.node, hash: None }));
            }
        }
        named.sort_by(|(a, left), (b, right)| a.cmp(b).then(left.node.cmp(&right.node)));
        named.dedup_by_key(|(_, entry)| entry.node);
        let entries: Vec<Entry> = named.into_iter().map(|(_, entry)| entry).collect();
        let kind = self.leaf_kind()?;
        let mut lists = Vec::new();
        for part in entries.chunks(MAX_LEAF) {
            let content = self.leaf_content(kind, part)?;
            lists.push(self.store(&content)?);
        }
        let list = match lists.as_slice() {
            [] => NONE,
            [one] => *one,
            many => self.store(&subkeys::root_content(many)?)?,
        };
        let count = len32(entries.len())?;
        let cell = self.content_mut(node.0)?;
        cell.put32(key::SUBKEY_LIST, list)?;
        cell.put32(key::SUBKEYS, count)?;
        self.free_lists(old, 0)
    }

    /// Where a subkey of that name is, or belongs, in a list that is sorted.
    pub(crate) fn find_place(&self, node: Node, wanted: &Wanted) -> Result<Place> {
        let key = self.key(node)?;
        if key.subkey_list == NONE || key.subkeys == 0 {
            return Ok(Place { root: None, leaf: None, at: Err(0) });
        }
        let (root, list) = match self.list(key.subkey_list)? {
            List::Leaf { kind, entries } => (None, (key.subkey_list, kind, entries)),
            List::Root(lists) => {
                // The last leaf that begins with the name or one before it.
                let (mut low, mut high) = (0usize, lists.len());
                while low.saturating_add(1) < high {
                    let middle = low.midpoint(high);
                    let leaf = lists.get(middle).copied().ok_or_else(lost)?;
                    let first = self.leaf(leaf)?.2.first().copied().ok_or_else(lost)?;
                    if self.node_name(Node(first.node))?.order(wanted) == Ordering::Greater {
                        high = middle;
                    } else {
                        low = middle;
                    }
                }
                let leaf = lists.get(low).copied().ok_or_else(lost)?;
                let leaf = self.leaf(leaf)?;
                (Some((lists, low)), leaf)
            }
        };
        let (mut low, mut high) = (0usize, list.2.len());
        while low < high {
            let middle = low.midpoint(high);
            let entry = list.2.get(middle).copied().ok_or_else(lost)?;
            match self.node_name(Node(entry.node))?.order(wanted) {
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Place { root, leaf: Some(list), at: Ok(middle) }),
            }
        }
        Ok(Place { root, leaf: Some(list), at: Err(low) })
    }

    fn leaf(&self, offset: u32) -> Result<(u32, Leaf, Vec<Entry>)> {
        match self.list(offset)? {
            List::Leaf { kind, entries } => Ok((offset, kind, entries)),
            List::Root(_) => Err(lost()),
        }
    }

    /// Puts a subkey where it belongs; the list's cell, which may be another one than before.
    pub(super) fn insert_subkey(
        &mut self,
        parent: Node,
        place: Place,
        node: u32,
        name: &Wanted,
    ) -> Result<u32> {
        let entry = Entry { node, hash: Some(name.hash()) };
        let (Some((leaf, kind, mut entries)), Err(at)) = (place.leaf, place.at) else {
            let content = self.leaf_content(self.leaf_kind()?, &[entry])?;
            return self.store(&content);
        };
        entries.insert(at.min(entries.len()), entry);
        let current = self.key(parent)?.subkey_list;
        if entries.len() <= MAX_LEAF {
            let content = self.leaf_content(kind, &entries)?;
            let new = self.rewrite(leaf, &content)?;
            let Some((mut lists, index)) = place.root else { return Ok(new) };
            if new == leaf {
                return Ok(current);
            }
            *lists.get_mut(index).ok_or_else(lost)? = new;
            return self.rewrite(current, &subkeys::root_content(&lists)?);
        }
        // In halves, unless names come in order: then the first leaf stays full.
        let cut = if at.saturating_add(1) == entries.len() { at } else { entries.len() / 2 };
        let (left, right) = entries.split_at_checked(cut).ok_or_else(lost)?;
        let (left, right) = (self.leaf_content(kind, left)?, self.leaf_content(kind, right)?);
        let (mut lists, index) = place.root.unwrap_or_else(|| (vec![leaf], 0));
        let is_root = current != leaf;
        let right = self.store(&right)?;
        let left = self.rewrite(leaf, &left)?;
        *lists.get_mut(index).ok_or_else(lost)? = left;
        lists.insert(index.saturating_add(1).min(lists.len()), right);
        let root = subkeys::root_content(&lists)?;
        if is_root { self.rewrite(current, &root) } else { self.store(&root) }
    }

    /// Takes a subkey out of its parent's list: the list's cell, which may be another one, and how many are left.
    pub(super) fn remove_subkey(&mut self, parent: Node, node: Node) -> Result<(u32, u32)> {
        self.sort_subkeys(parent)?;
        let key = self.key(parent)?;
        let name = Wanted::from_units(self.node_name(node)?.units().collect());
        let mut place = self.find_place(parent, &name)?;
        if place.node() != Some(node) {
            let what = format!("the key at {:#x} is not in the list of its parent", node.handle());
            return Err(Error::corrupt(what));
        }
        let left = key.subkeys.saturating_sub(1);
        let (Some((leaf, kind, mut entries)), Ok(at)) = (place.leaf.take(), place.at) else {
            return Err(lost());
        };
        if at < entries.len() {
            entries.remove(at);
        }
        let new = if entries.is_empty() {
            self.release(leaf)?;
            None
        } else {
            let content = self.leaf_content(kind, &entries)?;
            Some(self.rewrite(leaf, &content)?)
        };
        let Some((mut lists, index)) = place.root else { return Ok((new.unwrap_or(NONE), left)) };
        match new {
            Some(new) => *lists.get_mut(index).ok_or_else(lost)? = new,
            None if index < lists.len() => {
                lists.remove(index);
            }
            None => {}
        }
        if lists.is_empty() {
            self.release(key.subkey_list)?;
            return Ok((NONE, left));
        }
        Ok((self.rewrite(key.subkey_list, &subkeys::root_content(&lists)?)?, left))
    }
}

#[cold]
fn lost() -> Error {
    Error::corrupt("a list of subkeys is not what it was")
}
