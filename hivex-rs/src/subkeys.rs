//! Lists of subkeys.
//!
//! ```text
//! leaves       0 "lf" or "lh"   2 count   4 key, first four characters or hash   12 …
//!              0 "li"           2 count   4 key   8 …
//! index root   0 "ri"           2 count   4 leaf  8 …
//! ```
//!
//! Windows has a root over leaves only; roots over roots are read too, down to [`MAX_LEVELS`]. A list that is met twice
//! is read once, so that no arrangement of lists is larger than the hive.

use std::collections::BTreeSet;

use crate::bytes::{Fields, index};
use crate::hive::{Hive, Node};
use crate::key::NONE;
use crate::{Error, Result};

/// How deep roots are followed.
const MAX_LEVELS: usize = 4;
/// Length of a list before its elements.
pub(crate) const HEADER: usize = 4;

/// An element of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) node: u32,
    /// What an `lh` list says of its name.
    pub(crate) hash: Option<u32>,
}

/// A list of any kind.
#[derive(Debug, Clone)]
pub(crate) enum List {
    Leaf { kind: Leaf, entries: Vec<Entry> },
    Root(Vec<u32>),
}

/// Kinds of leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Keys alone.
    Plain,
    /// With the names' first characters.
    Hints,
    /// With the names' hashes.
    Hashes,
}

impl Leaf {
    pub(crate) fn magic(self) -> &'static [u8; 2] {
        match self {
            Leaf::Plain => b"li",
            Leaf::Hints => b"lf",
            Leaf::Hashes => b"lh",
        }
    }
}

impl Hive {
    /// All elements of a key's list.
    pub(crate) fn subkeys(&self, node: Node) -> Result<Vec<Entry>> {
        let key = self.key(node)?;
        let mut entries = Vec::new();
        if key.subkeys == 0 {
            return Ok(entries);
        }
        if key.subkey_list == NONE {
            self.damaged(node.0, format!("says that it has {} subkeys, and has no list", key.subkeys))?;
            return Ok(entries);
        }
        let mut lists = BTreeSet::new();
        self.collect_subkeys(key.subkey_list, &mut lists, 0, &mut entries)?;
        if u32::try_from(entries.len()) != Ok(key.subkeys) {
            let what = format!("says that it has {} subkeys, its list has {}", key.subkeys, entries.len());
            self.damaged(node.0, what)?;
        }
        Ok(entries)
    }

    fn collect_subkeys(
        &self,
        offset: u32,
        lists: &mut BTreeSet<u32>,
        level: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        match self.list(offset)? {
            List::Leaf { entries: more, .. } if entries.is_empty() => *entries = more,
            List::Leaf { entries: more, .. } => entries.extend(more),
            List::Root(below) => {
                if level >= MAX_LEVELS {
                    return self.damaged(offset, "lists of subkeys lie too deep");
                }
                for list in below {
                    if !lists.insert(list) {
                        self.damaged(offset, format!("refers to the list at {list:#x} twice"))?;
                        continue;
                    }
                    let result = self.collect_subkeys(list, lists, level.saturating_add(1), entries);
                    self.or_note(list, result)?;
                }
            }
        }
        Ok(())
    }

    /// The list at `offset`; one that says it is longer than its cell ends with that.
    pub(crate) fn list(&self, offset: u32) -> Result<List> {
        let cell = self.content(offset)?;
        let kind = match &cell.array::<2>(0)? {
            b"li" => Some(Leaf::Plain),
            b"lf" => Some(Leaf::Hints),
            b"lh" => Some(Leaf::Hashes),
            b"ri" => None,
            _ => return Err(Error::corrupt("not a list of subkeys")),
        };
        let count = usize::from(cell.le16(2)?);
        let elements = cell.get(HEADER..).unwrap_or_default();
        let narrow = matches!(kind, None | Some(Leaf::Plain));
        let fit = if narrow { elements.len() / 4 } else { elements.len() / 8 };
        if count > fit {
            self.damaged(offset, format!("a list of {count} elements in a cell for {fit}"))?;
        }
        let count = count.min(fit);
        if narrow {
            let offsets = elements.as_chunks::<4>().0.iter().take(count).map(|raw| u32::from_le_bytes(*raw));
            return Ok(match kind {
                Some(kind) => {
                    let entries = offsets.map(|node| Entry { node, hash: None }).collect();
                    List::Leaf { kind, entries }
                }
                None => List::Root(offsets.collect()),
            });
        }
        let mut entries = Vec::with_capacity(count);
        for raw in elements.as_chunks::<8>().0.iter().take(count) {
            let hash = if kind == Some(Leaf::Hashes) { Some(raw.le32(4)?) } else { None };
            entries.push(Entry { node: raw.le32(0)?, hash });
        }
        Ok(List::Leaf { kind: kind.unwrap_or(Leaf::Plain), entries })
    }
}

/// A cell's content for `offsets`, as an index root has them.
pub(crate) fn root_content(offsets: &[u32]) -> Result<Vec<u8>> {
    let mut content = header(b"ri", offsets.len())?;
    content.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    Ok(content)
}

/// What lists of all kinds begin with.
pub(crate) fn header(magic: &[u8; 2], count: usize) -> Result<Vec<u8>> {
    let count = u16::try_from(count).map_err(|_| Error::too_large("a list of 65,536 elements"))?;
    let mut content = Vec::with_capacity(index(u32::from(count)).saturating_mul(8).saturating_add(HEADER));
    content.extend_from_slice(magic);
    content.extend_from_slice(&count.to_le_bytes());
    Ok(content)
}
