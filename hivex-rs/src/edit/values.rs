//! Setting and deleting values.

use bstr::{BStr, BString};

use crate::bytes::{Fields, len32};
use crate::hive::{Hive, Node, Value};
use crate::key::{self, NONE};
use crate::name::Wanted;
use crate::value::ValueType;
use crate::values::{self, INLINE, INLINE_MAX, NARROW_NAME, SEGMENT};
use crate::{Error, ErrorKind, Result};

/// The longest name of a value, in characters ("Registry element size limits").
const MAX_NAME: usize = 16_383;
/// The most pieces of a value's data: their count has 16 bits.
const MAX_PIECES: usize = 0xFFFF;
/// Minor versions from this on have long data in pieces.
const PIECES_SINCE: u32 = 4;

/// A value to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue {
    /// Its name, UTF-8 (or WTF-8); empty for the default value.
    pub key: BString,
    /// Its type.
    pub kind: ValueType,
    /// Its data as it is to stand in the hive.
    pub data: Vec<u8>,
}

impl Hive {
    /// Sets a value, in the place of one of that name (in any case; its name stays as it is) or after all others.
    ///
    /// # Errors
    /// `InvalidInput` if the name is longer than 16,383 characters or not UTF-8, or `node` is not a key of the tree;
    /// `TooLarge` if the hive can't hold the data; `ReadOnly` and `Corrupt` as for all changes.
    pub fn node_set_value(&mut self, node: Node, key: &BStr, kind: ValueType, data: &[u8]) -> Result<()> {
        self.prepare_node(node)?;
        let wanted = Wanted::new(key)?;
        wanted.check_len(MAX_NAME)?;
        let found = self.find_value(node, &wanted)?;
        let (len, place) = self.store_data(data)?;
        match found {
            Some(value) => self.replace_value(node, value, kind, (len, place))?,
            None => self.append_value(node, &wanted, kind, (len, place))?,
        }
        self.note_longest(node, &wanted, data)?;
        self.touch(node)
    }

    /// Sets all values of a key: those that it has now are deleted. Of two with one name the later is set.
    ///
    /// # Errors
    /// As [`Hive::node_set_value`].
    pub fn node_set_values(&mut self, node: Node, values: &[NewValue]) -> Result<()> {
        self.prepare_node(node)?;
        for value in values {
            Wanted::new(value.key.as_ref())?.check_len(MAX_NAME)?;
        }
        let old = self.key(node)?;
        let cell = self.content_mut(node.0)?;
        cell.put32(key::VALUES, 0)?;
        cell.put32(key::VALUE_LIST, NONE)?;
        cell.put32(key::LONGEST_VALUE_NAME, 0)?;
        cell.put32(key::LONGEST_VALUE_DATA, 0)?;
        if old.values > 0 && old.value_list != NONE {
            let own = self.editor()?.is_own(old.value_list);
            let offsets = self.content(old.value_list).map(|list| list.as_chunks::<4>().0.to_vec());
            let count = crate::bytes::index(old.values);
            for raw in offsets.unwrap_or_default().iter().take(count).filter(|_| own) {
                self.free_value(Value(u32::from_le_bytes(*raw)))?;
            }
            self.release(old.value_list)?;
        }
        for value in values {
            self.node_set_value(node, value.key.as_ref(), value.kind, &value.data)?;
        }
        self.touch(node)
    }

    /// Deletes the value of that name, in any case.
    ///
    /// # Errors
    /// `NotFound` if there is none; otherwise as [`Hive::node_set_value`].
    pub fn node_delete_value(&mut self, node: Node, key: &BStr) -> Result<()> {
        self.prepare_node(node)?;
        let wanted = Wanted::new(key)?;
        let value = self.find_value(node, &wanted)?;
        let value =
            value.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no value {key:?}")))?;
        let mut offsets = self.value_offsets(node)?;
        offsets.retain(|offset| *offset != value.0);
        let list = self.key(node)?.value_list;
        let list = if offsets.is_empty() {
            self.release(list)?;
            NONE
        } else {
            self.rewrite(list, &list_content(&offsets))?
        };
        let count = len32(offsets.len())?;
        let cell = self.content_mut(node.0)?;
        cell.put32(key::VALUES, count)?;
        cell.put32(key::VALUE_LIST, list)?;
        self.free_value(value)?;
        self.find_longest(node)?;
        self.touch(node)
    }

    /// Stores data: the two fields of a `vk` cell that say where it is.
    fn store_data(&mut self, data: &[u8]) -> Result<(u32, u32)> {
        let len = len32(data.len())?;
        if len & INLINE != 0 {
            return Err(Error::too_large(format!("{len} bytes of data")));
        }
        if data.len() <= INLINE_MAX {
            let mut field = [0; INLINE_MAX];
            field.put(0, data)?;
            return Ok((len | INLINE, u32::from_le_bytes(field)));
        }
        if data.len() <= SEGMENT || self.header()?.minor < PIECES_SINCE {
            return Ok((len, self.store(data)?));
        }
        let count = data.len().div_ceil(SEGMENT);
        let stated = u16::try_from(count).map_err(|_| {
            Error::too_large(format!("{len} bytes of data; {} at most", MAX_PIECES.saturating_mul(SEGMENT)))
        })?;
        let mut pieces = Vec::with_capacity(count);
        for piece in data.chunks(SEGMENT) {
            // Windows makes all pieces equally long, the last one too, with 4 bytes more than their data.
            let mut content = piece.to_vec();
            content.resize(SEGMENT.saturating_add(4), 0);
            match self.store(&content) {
                Ok(piece) => pieces.push(piece),
                Err(error) => {
                    pieces.into_iter().try_for_each(|piece| self.release(piece))?;
                    return Err(error);
                }
            }
        }
        let list = self.store(&list_content(&pieces))?;
        let mut content = b"db".to_vec();
        content.extend_from_slice(&stated.to_le_bytes());
        content.extend_from_slice(&list.to_le_bytes());
        Ok((len, self.store(&content)?))
    }

    /// Gives a value other data.
    fn replace_value(
        &mut self,
        node: Node,
        value: Value,
        kind: ValueType,
        (len, place): (u32, u32),
    ) -> Result<()> {
        let mut value = value;
        if self.editor()?.is_own(value.0) {
            self.free_data(value)?;
        } else {
            // Another key has it too: this one gets its own.
            let copy = self.content(value.0)?.to_vec();
            let new = self.store(&copy)?;
            let mut offsets = self.value_offsets(node)?;
            offsets.iter_mut().filter(|offset| **offset == value.0).for_each(|offset| *offset = new);
            let list = self.key(node)?.value_list;
            let list = self.rewrite(list, &list_content(&offsets))?;
            self.content_mut(node.0)?.put32(key::VALUE_LIST, list)?;
            value = Value(new);
        }
        let cell = self.content_mut(value.0)?;
        cell.put32(values::DATA_LENGTH, len)?;
        cell.put32(values::DATA, place)?;
        cell.put32(values::TYPE, kind.0)
    }

    fn append_value(
        &mut self,
        node: Node,
        name: &Wanted,
        kind: ValueType,
        (len, place): (u32, u32),
    ) -> Result<()> {
        let (stored, narrow) = name.to_stored();
        let name_len = u16::try_from(stored.len()).map_err(|_| Error::too_large("the name is too long"))?;
        let mut content = vec![0; values::NAME];
        content.put(0, b"vk")?;
        content.put16(values::NAME_LENGTH, name_len)?;
        content.put32(values::DATA_LENGTH, len)?;
        content.put32(values::DATA, place)?;
        content.put32(values::TYPE, kind.0)?;
        // Windows does not set the flag for a default value.
        content.put16(values::FLAGS, if narrow && name_len > 0 { NARROW_NAME } else { 0 })?;
        content.extend_from_slice(&stored);
        let mut offsets = self.value_offsets(node)?;
        let old = self.key(node)?;
        let value = self.store(&content)?;
        offsets.push(value);
        let list = if old.values == 0 || old.value_list == NONE {
            self.store(&list_content(&offsets))?
        } else {
            self.rewrite(old.value_list, &list_content(&offsets))?
        };
        let count = len32(offsets.len())?;
        let cell = self.content_mut(node.0)?;
        cell.put32(key::VALUES, count)?;
        cell.put32(key::VALUE_LIST, list)
    }

    /// A value was set: the longest name and data of its key.
    fn note_longest(&mut self, node: Node, name: &Wanted, data: &[u8]) -> Result<()> {
        let (name, data) = (name.wide_len()?, len32(data.len())?);
        let cell = self.content_mut(node.0)?;
        let name = name.max(cell.le32(key::LONGEST_VALUE_NAME)?);
        cell.put32(key::LONGEST_VALUE_NAME, name)?;
        let longest = cell.le32(key::LONGEST_VALUE_DATA)?;
        if data >= longest {
            cell.put32(key::LONGEST_VALUE_DATA, data)
        } else {
            // The one that was replaced may have been the longest.
            self.find_longest(node)
        }
    }

    fn find_longest(&mut self, node: Node) -> Result<()> {
        let (mut name, mut data) = (0, 0);
        for value in self.node_values(node)? {
            name = name.max(len32(self.value_key(value)?.len().saturating_mul(2))?);
            data = data.max(len32(self.value_len(value)?)?);
        }
        let cell = self.content_mut(node.0)?;
        cell.put32(key::LONGEST_VALUE_NAME, name)?;
        cell.put32(key::LONGEST_VALUE_DATA, data)
    }
}

fn list_content(offsets: &[u32]) -> Vec<u8> {
    offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
}
