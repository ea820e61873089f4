//! Adding and deleting keys.

use bstr::BStr;

use crate::bytes::{Fields, len32};
use crate::edit::lists::Place;
use crate::hive::{Hive, Node, Value};
use crate::key::{self, HIVE_ENTRY, Key, NARROW_NAME, NO_DELETE, NONE};
use crate::name::Wanted;
use crate::subkeys::{Entry, List};
use crate::values::Stored;
use crate::{Error, ErrorKind, FileTime, Result};

/// The longest name of a key, in characters ("Registry element size limits").
const MAX_NAME: usize = 255;
/// The half of the longest subkey's field that is its length.
const LENGTH_MASK: u32 = 0xFFFF;

/// The content of a new `nk` cell, without values and subkeys.
pub(super) fn content(
    name: &Wanted,
    flags: u16,
    parent: u32,
    security: u32,
    now: FileTime,
) -> Result<Vec<u8>> {
    let (stored, narrow) = name.to_stored();
    let name_len = u16::try_from(stored.len()).map_err(|_| Error::too_large("the name is too long"))?;
    let mut content = vec![0; key::NAME];
    content.put(0, b"nk")?;
    content.put16(key::FLAGS, if narrow { flags | NARROW_NAME } else { flags })?;
    content.put64(key::WRITTEN, now.0)?;
    content.put32(key::PARENT, parent)?;
    for list in [key::SUBKEY_LIST, key::VOLATILE_LIST, key::VALUE_LIST, key::CLASS] {
        content.put32(list, NONE)?;
    }
    content.put32(key::SECURITY, security)?;
    content.put16(key::NAME_LENGTH, name_len)?;
    content.extend_from_slice(&stored);
    Ok(content)
}

impl Hive {
    /// Adds a subkey without values, with the security of its parent. `name` is UTF-8 (or WTF-8).
    ///
    /// # Errors
    /// `AlreadyExists` if there is one of that name, in any case; `InvalidInput` if the name is empty, longer than 255
    /// characters or has a `\`, or `parent` is not a key of the tree; `ReadOnly`, `TooLarge` and `Corrupt` as for all changes.
    pub fn node_add_child(&mut self, parent: Node, name: &BStr) -> Result<Node> {
        self.prepare_node(parent)?;
        let wanted = Wanted::new(name)?;
        if wanted.units.is_empty() || wanted.units.contains(&u16::from(b'\\')) {
            return Err(Error::invalid(format!("a key can't be named {name:?}")));
        }
        wanted.check_len(MAX_NAME)?;
        let place = self.locate(parent, &wanted)?;
        if place.found() {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("there is a key {name:?} already")));
        }
        let key = self.key(parent)?;
        let now = self.now();
        let node = self.store(&content(&wanted, 0, parent.0, key.security, now)?)?;
        let list = self
            .add_security_reference(key.security)
            .and_then(|()| self.insert_subkey(parent, place, node, &wanted));
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                self.drop_security_reference(key.security)?;
                self.release(node)?;
                return Err(error);
            }
        };
        self.editor()?.nodes.insert(node / 8);
        self.editor()?.sorted.insert(node);
        let longest = (key.longest_subkey & LENGTH_MASK).max(wanted.wide_len()?);
        let cell = self.content_mut(parent.0)?;
        cell.put32(key::SUBKEY_LIST, list)?;
        cell.put32(key::SUBKEYS, key.subkeys.saturating_add(1))?;
        cell.put32(key::LONGEST_SUBKEY, key.longest_subkey & !LENGTH_MASK | longest)?;
        self.touch(parent)?;
        Ok(Node(node))
    }

    /// Deletes a key and all below it.
    ///
    /// # Errors
    /// `InvalidInput` if it is the root key, or not to be deleted by its flags; `Corrupt` if its parent does not list it, or
    /// something below it belongs to another key as well. Then nothing is changed.
    pub fn node_delete_child(&mut self, node: Node) -> Result<()> {
        self.prepare_node(node)?;
        let key = self.key(node)?;
        if node == self.root() || key.flags & (HIVE_ENTRY | NO_DELETE) != 0 {
            return Err(Error::invalid("this key can't be deleted"));
        }
        let parent = Node(key.parent);
        self.prepare_node(parent)?;
        let doomed = self.subtree(node)?;
        let name_len = len32(self.node_name(node)?.len().saturating_mul(2))?;
        let (list, left) = self.remove_subkey(parent, node)?;
        let above = self.key(parent)?;
        let cell = self.content_mut(parent.0)?;
        cell.put32(key::SUBKEY_LIST, list)?;
        cell.put32(key::SUBKEYS, left)?;
        self.touch(parent)?;
        for (node, key) in doomed.into_iter().rev() {
            self.free_key(node, &key)?;
        }
        let before = above.longest_subkey & LENGTH_MASK;
        if before <= name_len {
            let mut longest = 0;
            for Entry { node, .. } in self.subkeys(parent)? {
                let name = self.or_note(node, self.node_name(Node(node)))?;
                longest = longest.max(len32(name.map_or(0, |name| name.len()).saturating_mul(2))?);
                // Mostly there is another one as long soon.
                if longest >= before {
                    break;
                }
            }
            let field = above.longest_subkey & !LENGTH_MASK | longest;
            self.content_mut(parent.0)?.put32(key::LONGEST_SUBKEY, field)?;
        }
        Ok(())
    }

    /// A key and all below it, parents first.
    fn subtree(&mut self, node: Node) -> Result<Vec<(Node, Key)>> {
        let mut found = vec![(node, self.key(node)?)];
        let mut at = 0;
        while let Some((node, key)) = found.get(at).copied() {
            at = at.saturating_add(1);
            if !self.editor()?.is_own(node.0) {
                let what = format!("the key at {:#x} belongs to more than one key", node.handle());
                return Err(Error::corrupt(what));
            }
            for Entry { node: child, .. } in self.own_subkeys(key.subkey_list, 0)? {
                if let Ok(key) = self.key(Node(child)) {
                    found.push((Node(child), key));
                }
            }
        }
        Ok(found)
    }

    /// What the lists have that are this key's alone.
    fn own_subkeys(&mut self, list: u32, level: usize) -> Result<Vec<Entry>> {
        if list == NONE || level > 8 || !self.editor()?.is_own(list) {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        match self.list(list) {
            Ok(List::Leaf { entries, .. }) => all = entries,
            Ok(List::Root(lists)) => {
                for list in lists {
                    all.extend(self.own_subkeys(list, level.saturating_add(1))?);
                }
            }
            Err(_) => {}
        }
        Ok(all)
    }

    /// Frees a key's cells; not its subkeys.
    fn free_key(&mut self, node: Node, key: &Key) -> Result<()> {
        if key.values > 0 && key.value_list != NONE && self.editor()?.is_own(key.value_list) {
            for value in self.value_offsets(node).unwrap_or_default() {
                self.free_value(Value(value))?;
            }
            self.release(key.value_list)?;
        }
        self.free_lists(key.subkey_list, 0)?;
        if key.class != NONE {
            self.release(key.class)?;
        }
        self.drop_security_reference(key.security)?;
        let editor = self.editor()?;
        editor.nodes.remove(node.0 / 8);
        editor.sorted.remove(&node.0);
        self.release(node.0)
    }

    /// Frees lists of subkeys; not the subkeys.
    pub(super) fn free_lists(&mut self, list: u32, level: usize) -> Result<()> {
        if list == NONE || level > 8 || !self.editor()?.is_own(list) {
            return Ok(());
        }
        if let Ok(List::Root(lists)) = self.list(list) {
            for list in lists {
                self.free_lists(list, level.saturating_add(1))?;
            }
        }
        self.release(list)
    }

    /// Frees a value's cells.
    pub(super) fn free_value(&mut self, value: Value) -> Result<()> {
        if !self.editor()?.is_own(value.0) {
            return Ok(());
        }
        self.free_data(value)?;
        self.release(value.0)
    }

    /// Frees the cells of a value's data.
    pub(super) fn free_data(&mut self, value: Value) -> Result<()> {
        let Ok(record) = self.record(value) else { return Ok(()) };
        match self.stored(&record) {
            Ok(Stored::Cell) => self.release(record.data),
            Ok(Stored::Pieces { list, pieces }) => {
                let editor = self.editor()?;
                if editor.is_own(record.data) && editor.is_own(list) {
                    for piece in pieces {
                        self.release(piece)?;
                    }
                    self.release(list)?;
                }
                self.release(record.data)
            }
            Ok(Stored::Inline) | Err(_) => Ok(()),
        }
    }

    /// Where a subkey of that name is, or belongs.
    pub(super) fn locate(&mut self, node: Node, wanted: &Wanted) -> Result<Place> {
        self.sort_subkeys(node)?;
        self.find_place(node, wanted)
    }
}
