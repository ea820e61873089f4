//! Values of keys: their `vk` cells and their data.
//!
//! ```text
//!  0 "vk"    2 length of name, bytes    4 length of data, bytes    8 data    12 type    16 flags    20 name
//! ```
//!
//! With the highest bit of the length set the data, up to 4 bytes, stands in the field that otherwise says where it is.
//! Data over [`SEGMENT`] bytes is in pieces, from minor version 4 on:
//!
//! ```text
//! data   0 "db"   2 number of pieces   4 list        list   0 piece   4 piece …
//! ```

use std::borrow::Cow;

use bstr::{BStr, BString};

use crate::bytes::{Fields, index};
use crate::hive::{Hive, Node, Value, file_offset};
use crate::key::NONE;
use crate::name::{Name, Wanted};
use crate::value::{self, Data, ValueType};
use crate::{Error, Result};

/// Flag: the name is Latin-1.
pub(crate) const NARROW_NAME: u16 = 1;
/// In the length of data: the data stands in the field for its place.
pub(crate) const INLINE: u32 = 0x8000_0000;
/// The longest data that stands there.
pub(crate) const INLINE_MAX: usize = 4;
/// The bytes of data in each piece of a long one but the last.
pub(crate) const SEGMENT: usize = 16_344;

pub(crate) const NAME_LENGTH: usize = 2;
pub(crate) const DATA_LENGTH: usize = 4;
pub(crate) const DATA: usize = 8;
pub(crate) const TYPE: usize = 12;
pub(crate) const FLAGS: usize = 16;
pub(crate) const NAME: usize = 20;

/// Fields of a `vk` cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) name_len: u16,
    pub(crate) data_len: u32,
    pub(crate) data: u32,
    pub(crate) kind: ValueType,
    pub(crate) flags: u16,
}

impl Record {
    fn read(cell: &[u8]) -> Result<Self> {
        if !cell.starts_with(b"vk") {
            return Err(Error::corrupt("not a value"));
        }
        Ok(Record {
            name_len: cell.le16(NAME_LENGTH)?,
            data_len: cell.le32(DATA_LENGTH)?,
            data: cell.le32(DATA)?,
            kind: ValueType(cell.le32(TYPE)?),
            flags: cell.le16(FLAGS)?,
        })
    }

    /// The length of the data and whether it stands in the record.
    pub(crate) fn len(&self) -> (usize, bool) {
        (index(self.data_len & !INLINE), self.data_len & INLINE != 0)
    }
}

/// Where data is.
pub(crate) enum Stored {
    /// In the record, or nowhere as it is empty.
    Inline,
    /// In a cell of its own.
    Cell,
    /// In pieces: the cell of their list, and theirs.
    Pieces { list: u32, pieces: Vec<u32> },
}

impl Hive {
    pub(crate) fn record(&self, value: Value) -> Result<Record> {
        Record::read(self.content(value.0)?)
    }

    /// The values of a key, in the order of its list.
    ///
    /// # Errors
    /// `Corrupt` if there is no key, or its list can't be read at all.
    pub fn node_values(&self, node: Node) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for offset in self.value_offsets(node)? {
            if self.or_note(offset, self.record(Value(offset)))?.is_some() {
                values.push(Value(offset));
            }
        }
        Ok(values)
    }

    /// A key's list of values.
    pub(crate) fn value_offsets(&self, node: Node) -> Result<Vec<u32>> {
        let key = self.key(node)?;
        if key.values == 0 {
            return Ok(Vec::new());
        }
        if key.value_list == NONE {
            self.damaged(node.0, format!("says that it has {} values, and has no list", key.values))?;
            return Ok(Vec::new());
        }
        let (elements, _) = self.content(key.value_list)?.as_chunks::<4>();
        let count = index(key.values);
        if count > elements.len() {
            let what = format!("says that it has {count} values, its list has room for {}", elements.len());
            self.damaged(node.0, what)?;
        }
        Ok(elements.iter().take(count).map(|raw| u32::from_le_bytes(*raw)).collect())
    }

    /// How many values a key has.
    ///
    /// # Errors
    /// As [`Hive::node_values`].
    pub fn node_nr_values(&self, node: Node) -> Result<usize> {
        Ok(self.node_values(node)?.len())
    }

    /// The value of that name, in any case, if there is one; the default value's name is empty.
    ///
    /// # Errors
    /// As [`Hive::node_values`]; `InvalidInput` if `name` is not UTF-8.
    pub fn node_get_value(&self, node: Node, name: &BStr) -> Result<Option<Value>> {
        self.find_value(node, &Wanted::new(name)?)
    }

    pub(crate) fn find_value(&self, node: Node, wanted: &Wanted) -> Result<Option<Value>> {
        for offset in self.value_offsets(node)? {
            let name = self.or_note(offset, self.value_key(Value(offset)))?;
            if name.is_some_and(|name| name.matches(wanted)) {
                return Ok(Some(Value(offset)));
            }
        }
        Ok(None)
    }

    /// A value's name, as it stands; empty for a default value.
    ///
    /// # Errors
    /// `Corrupt` if there is no value, or, under [`crate::Options::strict`], if the name is cut off.
    pub fn value_key(&self, value: Value) -> Result<Name<'_>> {
        let cell = self.content(value.0)?;
        let record = Record::read(cell)?;
        let bytes = self.name_bytes(value.0, cell, NAME, record.name_len)?;
        Ok(if record.flags & NARROW_NAME != 0 { Name::Latin1(bytes) } else { Name::Utf16(bytes) })
    }

    /// A value's type.
    ///
    /// # Errors
    /// `Corrupt` if there is no value.
    pub fn value_type(&self, value: Value) -> Result<ValueType> {
        Ok(self.record(value)?.kind)
    }

    /// The length of a value's data as the hive states it, in bytes. It may be longer than what is there.
    ///
    /// # Errors
    /// As [`Hive::value_type`].
    pub fn value_len(&self, value: Value) -> Result<usize> {
        Ok(self.record(value)?.len().0)
    }

    /// The length of a value's structure with its cell's header and its name, in bytes.
    ///
    /// # Errors
    /// As [`Hive::value_type`].
    pub fn value_struct_length(&self, value: Value) -> Result<usize> {
        let header = index(crate::bins::CELL_HEADER).saturating_add(NAME);
        Ok(header.saturating_add(usize::from(self.record(value)?.name_len)))
    }

    /// Where the data's cell is in the file, and the length of its header and the data, in bytes; none for data that stands
    /// in the value's own cell.
    ///
    /// # Errors
    /// `Corrupt` if there is no value or no such cell.
    pub fn value_data_cell_offset(&self, value: Value) -> Result<Option<(u64, usize)>> {
        let record = self.record(value)?;
        let (len, inline) = record.len();
        if len == 0 || inline {
            return Ok(None);
        }
        self.content(record.data)?;
        let header = index(crate::bins::CELL_HEADER);
        Ok(Some((file_offset(record.data), len.saturating_add(header))))
    }

    /// A value's data as it stands. Data that should be longer than what is there ends with that.
    ///
    /// # Errors
    /// `Corrupt` if there is no value, if nothing of its data is there, or, under [`crate::Options::strict`], not all.
    pub fn value_value(&self, value: Value) -> Result<Cow<'_, [u8]>> {
        let cell = self.content(value.0)?;
        let record = Record::read(cell)?;
        let (len, _) = record.len();
        match self.stored(&record)? {
            Stored::Inline => {
                let field = cell.slice(DATA, INLINE_MAX)?;
                if len > INLINE_MAX {
                    self.damaged(value.0, format!("{len} bytes of data in a field of 4"))?;
                }
                Ok(Cow::Borrowed(field.get(..len).unwrap_or(field)))
            }
            Stored::Cell => {
                let data = self.content(record.data)?;
                if len > data.len() {
                    let what = format!("says that its data is {len} bytes, there are {}", data.len());
                    self.damaged(value.0, what)?;
                }
                Ok(Cow::Borrowed(data.get(..len).unwrap_or(data)))
            }
            Stored::Pieces { pieces, .. } => {
                let data = self.joined(&pieces, len)?;
                if len > data.len() {
                    let what = format!("says that its data is {len} bytes, its pieces are {}", data.len());
                    self.damaged(value.0, what)?;
                }
                Ok(Cow::Owned(data))
            }
        }
    }

    fn joined(&self, pieces: &[u32], len: usize) -> Result<Vec<u8>> {
        // No value is longer than its hive.
        let len = len.min(self.image.len());
        let mut data = Vec::with_capacity(len);
        for piece in pieces {
            let missing = len.saturating_sub(data.len()).min(SEGMENT);
            if missing == 0 {
                break;
            }
            let Some(piece) = self.or_note(*piece, self.content(*piece))? else { break };
            data.extend_from_slice(piece.get(..missing).unwrap_or(piece));
        }
        Ok(data)
    }

    /// How the data of a value is stored. A cell that is long enough is the data, whatever it begins with: not every
    /// writer makes pieces.
    pub(crate) fn stored(&self, record: &Record) -> Result<Stored> {
        let (len, inline) = record.len();
        if inline || len == 0 {
            return Ok(Stored::Inline);
        }
        let cell = self.content(record.data)?;
        if len <= SEGMENT || cell.len() >= len || !cell.starts_with(b"db") {
            return Ok(Stored::Cell);
        }
        let (count, list) = (usize::from(cell.le16(2)?), cell.le32(4)?);
        let (pieces, _) = self.content(list)?.as_chunks::<4>();
        let pieces = pieces.iter().take(count).map(|raw| u32::from_le_bytes(*raw)).collect();
        Ok(Stored::Pieces { list, pieces })
    }

    /// A value's data, read by its type where it is as the type says.
    ///
    /// # Errors
    /// As [`Hive::value_value`].
    pub fn value_data(&self, value: Value) -> Result<Data> {
        Ok(Data::new(self.value_type(value)?, &self.value_value(value)?))
    }

    /// A string value (`SZ`, `EXPAND_SZ`, `LINK`) as text, up to its first NUL.
    ///
    /// # Errors
    /// As [`Hive::value_value`]; `InvalidInput` if the value is of another type.
    pub fn value_string(&self, value: Value) -> Result<BString> {
        match self.value_type(value)? {
            ValueType::SZ | ValueType::EXPAND_SZ | ValueType::LINK => {
                Ok(value::string(&self.value_value(value)?))
            }
            other => Err(wrong_type(other, "a string")),
        }
    }

    /// A `MULTI_SZ` value as texts.
    ///
    /// # Errors
    /// As [`Hive::value_string`].
    pub fn value_multiple_strings(&self, value: Value) -> Result<Vec<BString>> {
        match self.value_data(value)? {
            Data::Texts(texts) => Ok(texts),
            _ => Err(wrong_type(self.value_type(value)?, "a list of strings")),
        }
    }

    /// A `DWORD` or `DWORD_BIG_ENDIAN` value as a number.
    ///
    /// # Errors
    /// As [`Hive::value_string`], also if the data is not 4 bytes.
    pub fn value_dword(&self, value: Value) -> Result<u32> {
        match self.value_data(value)? {
            Data::Number32(number) => Ok(number),
            _ => Err(wrong_type(self.value_type(value)?, "a number of 32 bits")),
        }
    }

    /// A `QWORD` value as a number.
    ///
    /// # Errors
    /// As [`Hive::value_string`], also if the data is not 8 bytes.
    pub fn value_qword(&self, value: Value) -> Result<u64> {
        match self.value_data(value)? {
            Data::Number64(number) => Ok(number),
            _ => Err(wrong_type(self.value_type(value)?, "a number of 64 bits")),
        }
    }
}

fn wrong_type(kind: ValueType, wanted: &str) -> Error {
    Error::invalid(format!("a value of type {kind} is not {wanted}"))
}
