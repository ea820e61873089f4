//! A row: its number, and a record of values.
//!
//! ```text
//! record   length of its header, type of each value (varints); the values
//! varint   7 bits a byte, the highest first, while the top bit is set; a ninth byte has 8
//! ```

use bstr::BString;

use crate::bytes::{Blob, size};
use crate::chain::Chain;
use crate::error::{Result, broken};
use crate::limits::FIELD;

/// Longest header of a record in bytes: tables with up to some hundred columns.
const HEADER: usize = 4096;
/// Longest varint.
const VARINT: usize = 9;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    /// Text, cut at the limit of fields.
    Text(BString),
    /// A real number or a blob.
    Other,
}

/// The varint at the front of `bytes`, and its length.
pub(super) fn varint(bytes: &[u8]) -> Result<(u64, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(VARINT).enumerate() {
        let len = at.saturating_add(1);
        if len == VARINT {
            return Ok((value << 8 | u64::from(*byte), len));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, len));
        }
    }
    broken("a number without an end")
}

/// A row of a table.
pub(crate) struct Row<'p> {
    /// Number of the row, which is the value of a column that is the integer primary key.
    pub(crate) number: i64,
    payload: Chain<'p>,
    /// Type, and place of the value in the payload, of each column. Read once.
    columns: Vec<(u64, u64)>,
}

impl<'p> Row<'p> {
    /// # Errors
    /// If the header of the record can't be read.
    pub(super) fn new(number: i64, mut payload: Chain<'p>) -> Result<Self> {
        let mut start = [0; VARINT];
        let len = usize::try_from(payload.len()).unwrap_or(VARINT).min(VARINT);
        let start = start.get_mut(..len).unwrap_or_default();
        payload.read(0, start)?;
        let (header_len, first) = varint(start)?;
        let header_len = usize::try_from(header_len).unwrap_or(usize::MAX);
        if header_len > HEADER || header_len < first {
            return broken(format!("a record whose header has {header_len} bytes"));
        }
        let mut header = vec![0; header_len];
        payload.read(0, &mut header)?;
        let mut types = header.get(first..).unwrap_or_default();
        let mut at = size(header_len);
        let mut columns = Vec::new();
        while !types.is_empty() {
            let (kind, len) = varint(types)?;
            types = types.get(len..).unwrap_or_default();
            columns.push((kind, at));
            at = at.saturating_add(length(kind)?);
        }
        Ok(Row { number, payload, columns })
    }

    /// The value of a column. One that the record has not is null: columns can be added to a table.
    ///
    /// # Errors
    /// If the value can't be read.
    pub(crate) fn value(&mut self, column: usize) -> Result<Value> {
        let Some((kind, at)) = self.columns.get(column).copied() else { return Ok(Value::Null) };
        Ok(match kind {
            0 => Value::Null,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => {
                let mut bytes = [0; 8];
                let len = usize::try_from(length(kind)?).unwrap_or(0);
                let field = bytes.get_mut(..len).unwrap_or_default();
                self.payload.read(at, field)?;
                // The sign is in the highest byte.
                let unused = u32::try_from(8_usize.saturating_sub(len)).unwrap_or(0).saturating_mul(8);
                Value::Integer(i64::from_be_bytes(bytes).checked_shr(unused).unwrap_or(0))
            }
            13.. if kind % 2 == 1 => {
                let len = usize::try_from(length(kind)?).unwrap_or(usize::MAX).min(FIELD.saturating_add(1));
                let mut text = vec![0; len];
                self.payload.read(at, &mut text)?;
                Value::Text(text.into())
            }
            _ => Value::Other,
        })
    }

    /// The text of a column, empty for null; a number as text.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub(crate) fn text(&mut self, column: usize) -> Result<BString> {
        Ok(match self.value(column)? {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string().into(),
            Value::Null | Value::Other => BString::default(),
        })
    }

    /// The blob of a column, to be read in pieces.
    ///
    /// # Errors
    /// If the value is not a blob.
    pub(crate) fn blob<'r>(&'r mut self, column: usize) -> Result<Part<'r, 'p>> {
        match self.columns.get(column).copied() {
            Some((kind, start)) if kind >= 12 && kind % 2 == 0 => {
                let len = length(kind)?;
                if start.saturating_add(len) > self.payload.len() {
                    return broken("a blob that is longer than its row");
                }
                Ok(Part { chain: &mut self.payload, start, len })
            }
            other => broken(format!("a value of type {other:?} where a blob should be")),
        }
    }
}

/// Length of a value of a type, in bytes.
fn length(kind: u64) -> Result<u64> {
    Ok(match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return broken("a value of a reserved type"),
        _ => kind.saturating_sub(12) / 2,
    })
}

/// A part of a row.
pub(crate) struct Part<'r, 'p> {
    chain: &'r mut Chain<'p>,
    start: u64,
    len: u64,
}

impl Blob for Part<'_, '_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if offset.saturating_add(size(buf.len())) > self.len {
            return broken("a value ends too early");
        }
        self.chain.read(self.start.saturating_add(offset), buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_as_sqlite_writes_them() {
        for (bytes, expected) in [
            (&[0x00][..], Some((0, 1))),
            (&[0x7f, 1], Some((127, 1))),
            (&[0x81, 0x00], Some((128, 2))),
            (&[0xff; 9], Some((u64::MAX, 9))),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], Some((1, 9))),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(varint(bytes).ok(), expected, "{bytes:?}");
        }
    }
}
