//! Keys: their `nk` cells, names, classes and security.
//!
//! ```text
//!  0 "nk"                 20 number of subkeys   44 security        68 unused
//!  2 flags                24 volatile ones       48 class           72 length of name, bytes
//!  4 time of last change  28 list of subkeys     52 longest subkey  74 length of class, bytes
//! 12 access bits          32 volatile ones       56 longest class   76 name
//! 16 parent               36 number of values    60 longest value name
//!                         40 list of values      64 longest value data
//! ```
//!
//! Lengths of the longest names are in bytes of UTF-16, however the names are stored. The upper half of the longest subkey's
//! field has flags of its own.

use bstr::{BStr, BString};

use crate::bytes::{Fields, index};
use crate::hive::{Hive, Node};
use crate::name::{Name, Wanted};
use crate::subkeys::Entry;
use crate::text;
use crate::{Error, FileTime, Result};

/// Says that there is no cell.
pub(crate) const NONE: u32 = u32::MAX;
/// Flag: the name is Latin-1.
pub(crate) const NARROW_NAME: u16 = 0x20;
/// Flag: the root key of its hive.
pub(crate) const HIVE_ENTRY: u16 = 0x04;
/// Flag: not to be deleted.
pub(crate) const NO_DELETE: u16 = 0x08;

pub(crate) const FLAGS: usize = 2;
pub(crate) const WRITTEN: usize = 4;
pub(crate) const PARENT: usize = 16;
pub(crate) const SUBKEYS: usize = 20;
pub(crate) const SUBKEY_LIST: usize = 28;
pub(crate) const VOLATILE_LIST: usize = 32;
pub(crate) const VALUES: usize = 36;
pub(crate) const VALUE_LIST: usize = 40;
pub(crate) const SECURITY: usize = 44;
pub(crate) const CLASS: usize = 48;
pub(crate) const LONGEST_SUBKEY: usize = 52;
pub(crate) const LONGEST_VALUE_NAME: usize = 60;
pub(crate) const LONGEST_VALUE_DATA: usize = 64;
pub(crate) const NAME_LENGTH: usize = 72;
pub(crate) const CLASS_LENGTH: usize = 74;
pub(crate) const NAME: usize = 76;

/// Fields of an `nk` cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) flags: u16,
    pub(crate) written: FileTime,
    pub(crate) parent: u32,
    pub(crate) subkeys: u32,
    pub(crate) subkey_list: u32,
    pub(crate) values: u32,
    pub(crate) value_list: u32,
    pub(crate) security: u32,
    pub(crate) class: u32,
    pub(crate) longest_subkey: u32,
    pub(crate) name_len: u16,
    pub(crate) class_len: u16,
}

impl Key {
    fn read(cell: &[u8]) -> Result<Self> {
        if !cell.starts_with(b"nk") {
            return Err(Error::corrupt("not a key"));
        }
        Ok(Key {
            flags: cell.le16(FLAGS)?,
            written: FileTime(cell.le64(WRITTEN)?),
            parent: cell.le32(PARENT)?,
            subkeys: cell.le32(SUBKEYS)?,
            subkey_list: cell.le32(SUBKEY_LIST)?,
            values: cell.le32(VALUES)?,
            value_list: cell.le32(VALUE_LIST)?,
            security: cell.le32(SECURITY)?,
            class: cell.le32(CLASS)?,
            longest_subkey: cell.le32(LONGEST_SUBKEY)?,
            name_len: cell.le16(NAME_LENGTH)?,
            class_len: cell.le16(CLASS_LENGTH)?,
        })
    }

    /// Is there anything below or in it? Of several cells that say they are a root key, the one is meant that has.
    pub(crate) fn is_root_like(&self) -> bool {
        self.subkeys > 0 || self.values > 0
    }
}

impl Hive {
    pub(crate) fn key(&self, node: Node) -> Result<Key> {
        Key::read(self.content(node.0)?)
    }

    /// A key's name, as it stands.
    ///
    /// # Errors
    /// `Corrupt` if there is no key, or, under [`crate::Options::strict`], if the name is cut off.
    pub fn node_name(&self, node: Node) -> Result<Name<'_>> {
        let cell = self.content(node.0)?;
        let key = Key::read(cell)?;
        let bytes = self.name_bytes(node.0, cell, NAME, key.name_len)?;
        Ok(if key.flags & NARROW_NAME != 0 { Name::Latin1(bytes) } else { Name::Utf16(bytes) })
    }

    /// The `len` bytes of a name at `at`, or as many as there are.
    pub(crate) fn name_bytes<'a>(
        &self,
        offset: u32,
        cell: &'a [u8],
        at: usize,
        len: u16,
    ) -> Result<&'a [u8]> {
        let rest = cell.get(at..).unwrap_or_default();
        if let Some(name) = rest.get(..usize::from(len)) {
            return Ok(name);
        }
        self.damaged(offset, format!("its name is {len} bytes long, and there are {}", rest.len()))?;
        Ok(rest)
    }

    /// When a key was last changed.
    ///
    /// # Errors
    /// `Corrupt` if there is no key; the same goes for what follows.
    pub fn node_timestamp(&self, node: Node) -> Result<FileTime> {
        Ok(self.key(node)?.written)
    }

    /// A key's flags, as they stand in its cell.
    ///
    /// # Errors
    /// As [`Hive::node_timestamp`].
    pub fn node_flags(&self, node: Node) -> Result<u16> {
        Ok(self.key(node)?.flags)
    }

    /// The length of a key's structure with its cell's header and its name, in bytes.
    ///
    /// # Errors
    /// As [`Hive::node_timestamp`].
    pub fn node_struct_length(&self, node: Node) -> Result<usize> {
        let header = index(crate::bins::CELL_HEADER).saturating_add(NAME);
        Ok(header.saturating_add(usize::from(self.key(node)?.name_len)))
    }

    /// The parent of a key; none of the root key.
    ///
    /// # Errors
    /// `Corrupt` if the key, or the parent it names, is none.
    pub fn node_parent(&self, node: Node) -> Result<Option<Node>> {
        let key = self.key(node)?;
        if node == self.root() {
            return Ok(None);
        }
        let parent = Node(key.parent);
        self.key(parent)?;
        Ok(Some(parent))
    }

    /// The class of a key: a string that programs may keep with it.
    ///
    /// # Errors
    /// `Corrupt` if the key or its class can't be read.
    pub fn node_class(&self, node: Node) -> Result<Option<BString>> {
        let key = self.key(node)?;
        if key.class == NONE || key.class_len == 0 {
            return Ok(None);
        }
        let bytes = self.name_bytes(key.class, self.content(key.class)?, 0, key.class_len)?;
        Ok(Some(text::decode(text::units(bytes))))
    }

    /// The security descriptor of a key (MS-DTYP 2.4.6, self-relative), if it has one.
    ///
    /// # Errors
    /// `Corrupt` if the key or its descriptor can't be read.
    pub fn node_security(&self, node: Node) -> Result<Option<&[u8]>> {
        let key = self.key(node)?;
        if key.security == NONE {
            return Ok(None);
        }
        let cell = self.content(key.security)?;
        if !cell.starts_with(b"sk") {
            return Err(Error::corrupt(format!("no security descriptor at {:#x}", key.security)));
        }
        cell.slice(20, index(cell.le32(16)?)).map(Some)
    }

    /// The subkeys of a key, in the order of its list.
    ///
    /// # Errors
    /// `Corrupt` if there is no key, or its list can't be read at all.
    pub fn node_children(&self, node: Node) -> Result<Vec<Node>> {
        let entries = self.subkeys(node)?;
        let mut children = Vec::with_capacity(entries.len());
        for entry in entries {
            let child = Node(entry.node);
            if self.or_note(entry.node, self.key(child))?.is_some() {
                children.push(child);
            }
        }
        Ok(children)
    }

    /// How many subkeys a key has.
    ///
    /// # Errors
    /// As [`Hive::node_children`].
    pub fn node_nr_children(&self, node: Node) -> Result<usize> {
        Ok(self.node_children(node)?.len())
    }

    /// The subkey of that name, in any case, if there is one. `name` is UTF-8 (or WTF-8).
    ///
    /// # Errors
    /// As [`Hive::node_children`]; `InvalidInput` if `name` is not UTF-8.
    pub fn node_get_child(&self, node: Node, name: &BStr) -> Result<Option<Node>> {
        let wanted = Wanted::new(name)?;
        if self.editor.as_ref().is_some_and(|editor| editor.is_sorted(node)) {
            return Ok(self.find_place(node, &wanted)?.node());
        }
        let entries = self.subkeys(node)?;
        // Those with the right hash first: nearly always there is one or none.
        let hash = wanted.hash();
        let is_likely = |entry: &&Entry| entry.hash.is_none_or(|stated| stated == hash);
        let (likely, others): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_likely);
        for entry in likely.into_iter().chain(others) {
            let found = self.or_note(entry.node, self.node_name(Node(entry.node)))?;
            if found.is_some_and(|name| name.matches(&wanted)) {
                return Ok(Some(Node(entry.node)));
            }
        }
        Ok(None)
    }

    /// The key that `path` leads to from `node`: names with `\` between them, in any case.
    ///
    /// # Errors
    /// As [`Hive::node_get_child`].
    pub fn node_get_path(&self, node: Node, path: &BStr) -> Result<Option<Node>> {
        let mut at = node;
        for name in path.split(|byte| *byte == b'\\').filter(|name| !name.is_empty()) {
            match self.node_get_child(at, BStr::new(name))? {
                Some(child) => at = child,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}
