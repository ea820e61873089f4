//! Types of values, and what their data means.

use std::fmt;

use bstr::BString;

use crate::bytes::Fields;
use crate::text;

/// The type of a value, as it stands in the hive. Windows knows 0 to 11; programs store others, and all kinds of data
/// under any type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueType(pub u32);

impl ValueType {
    /// No type.
    pub const NONE: Self = ValueType(0);
    /// A string with a NUL at its end.
    pub const SZ: Self = ValueType(1);
    /// The same, with names of environment variables to be expanded.
    pub const EXPAND_SZ: Self = ValueType(2);
    /// Any bytes.
    pub const BINARY: Self = ValueType(3);
    /// A number of 32 bits.
    pub const DWORD: Self = ValueType(4);
    /// The same with its highest byte first.
    pub const DWORD_BIG_ENDIAN: Self = ValueType(5);
    /// The target of a symbolic link, a string without a NUL.
    pub const LINK: Self = ValueType(6);
    /// Strings, each with a NUL, and one more NUL.
    pub const MULTI_SZ: Self = ValueType(7);
    /// Resources of a device.
    pub const RESOURCE_LIST: Self = ValueType(8);
    /// Resources of a device.
    pub const FULL_RESOURCE_DESCRIPTOR: Self = ValueType(9);
    /// Resources that a device asks for.
    pub const RESOURCE_REQUIREMENTS_LIST: Self = ValueType(10);
    /// A number of 64 bits.
    pub const QWORD: Self = ValueType(11);

    /// What Windows calls it, if it is one of its own.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 12] = [
            "REG_NONE",
            "REG_SZ",
            "REG_EXPAND_SZ",
            "REG_BINARY",
            "REG_DWORD",
            "REG_DWORD_BIG_ENDIAN",
            "REG_LINK",
            "REG_MULTI_SZ",
            "REG_RESOURCE_LIST",
            "REG_FULL_RESOURCE_DESCRIPTOR",
            "REG_RESOURCE_REQUIREMENTS_LIST",
            "REG_QWORD",
        ];
        usize::try_from(self.0).ok().and_then(|number| NAMES.get(number).copied())
    }
}

impl fmt::Debug for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The data of a value, read by its type where it is as that type says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// A string (`SZ`, `EXPAND_SZ`, `LINK`), up to its first NUL.
    Text(BString),
    /// Strings (`MULTI_SZ`).
    Texts(Vec<BString>),
    /// A number of 32 bits (`DWORD`, `DWORD_BIG_ENDIAN`).
    Number32(u32),
    /// A number of 64 bits (`QWORD`).
    Number64(u64),
    /// Of another type, or not as long as its type says.
    Bytes(Vec<u8>),
}

impl Data {
    /// Reads `bytes` by `kind`.
    pub fn new(kind: ValueType, bytes: &[u8]) -> Self {
        let other = || Data::Bytes(bytes.to_vec());
        match kind {
            ValueType::SZ | ValueType::EXPAND_SZ | ValueType::LINK => Data::Text(string(bytes)),
            ValueType::MULTI_SZ => Data::Texts(strings(bytes)),
            ValueType::DWORD => {
                number(bytes).map_or_else(other, |raw| Data::Number32(u32::from_le_bytes(raw)))
            }
            ValueType::DWORD_BIG_ENDIAN => {
                number(bytes).map_or_else(other, |raw| Data::Number32(u32::from_be_bytes(raw)))
            }
            ValueType::QWORD => {
                number(bytes).map_or_else(other, |raw| Data::Number64(u64::from_le_bytes(raw)))
            }
            _ => other(),
        }
    }
}

/// All bytes, if they are as many as the number has.
fn number<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    (bytes.len() == N).then(|| bytes.array(0).ok()).flatten()
}

/// A string of UTF-16, up to its first NUL or its end.
pub(crate) fn string(bytes: &[u8]) -> BString {
    text::decode(text::units(bytes).take_while(|unit| *unit != 0))
}

/// Strings, up to the first empty one or the end.
pub(crate) fn strings(bytes: &[u8]) -> Vec<BString> {
    let mut strings = Vec::new();
    let mut units = text::units(bytes).peekable();
    while units.peek().is_some_and(|unit| *unit != 0) {
        strings.push(text::decode(units.by_ref().take_while(|unit| *unit != 0)));
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_by_its_type_where_it_fits() {
        let text = |text: &str| Data::Text(text.into());
        let table: &[(ValueType, &[u8], Data)] = &[
            (ValueType::SZ, b"a\0\xE9\0\0\0x\0", text("a\u{e9}")),
            (ValueType::EXPAND_SZ, b"a\0b", text("a")),
            (ValueType::LINK, b"", text("")),
            (ValueType::MULTI_SZ, b"a\0\0\0b\0c\0\0\0\0\0", Data::Texts(vec!["a".into(), "bc".into()])),
            (ValueType::MULTI_SZ, b"a\0\0\0b\0", Data::Texts(vec!["a".into(), "b".into()])),
            (ValueType::MULTI_SZ, b"\0\0b\0\0\0", Data::Texts(vec![])),
            (ValueType::DWORD, b"\x01\x02\x03\x04", Data::Number32(0x0403_0201)),
            (ValueType::DWORD, b"\x01\x02\x03", Data::Bytes(vec![1, 2, 3])),
            (ValueType::DWORD_BIG_ENDIAN, b"\x01\x02\x03\x04", Data::Number32(0x0102_0304)),
            (ValueType::QWORD, b"\x01\0\0\0\0\0\0\x80", Data::Number64(0x8000_0000_0000_0001)),
            (ValueType::QWORD, b"\x01\0\0\0", Data::Bytes(vec![1, 0, 0, 0])),
            (ValueType(0x0010_0000), b"\x01", Data::Bytes(vec![1])),
        ];
        for (kind, bytes, data) in table {
            assert_eq!(Data::new(*kind, bytes), *data, "{kind} {bytes:?}");
        }
    }
}
