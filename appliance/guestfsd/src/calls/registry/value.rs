//! One value, in the form in which hivexget prints it: a string and each of several strings as a line of UTF-8, a number as
//! a line in decimal, with its sign, and anything else as its bytes.

use bstr::BString;
use hivex::{Data, Hive, Value, ValueType};

/// What hivexget prints of a number whose data is not as long as its type says.
const NO_NUMBER: i64 = -1;

/// The value's text.
pub(super) fn plain(hive: &Hive, value: Value) -> hivex::Result<Vec<u8>> {
    Ok(printed(hive.value_type(value)?, &hive.value_value(value)?))
}

fn printed(kind: ValueType, data: &[u8]) -> Vec<u8> {
    let line = |text: BString| [text.as_slice(), b"\n"].concat();
    let number = |number: i64| format!("{number}\n").into_bytes();
    match (kind, Data::new(kind, data)) {
        (ValueType::MULTI_SZ, _) => strings(data).into_iter().flat_map(line).collect(),
        (_, Data::Text(text)) => line(text),
        (_, Data::Number32(bits)) => number(bits.cast_signed().into()),
        (_, Data::Number64(bits)) => number(bits.cast_signed()),
        (ValueType::DWORD | ValueType::DWORD_BIG_ENDIAN | ValueType::QWORD, _) => number(NO_NUMBER),
        _ => data.to_vec(),
    }
}

/// All strings of the data, empty ones too: the one at the end is how the list usually ends.
fn strings(mut data: &[u8]) -> Vec<BString> {
    let mut strings = Vec::new();
    while !data.is_empty() {
        let (units, _) = data.as_chunks::<2>();
        let length = units.iter().position(|unit| *unit == [0, 0]).unwrap_or(units.len()).saturating_mul(2);
        let (string, rest) = data.split_at_checked(length).unwrap_or((data, b""));
        strings.push(match Data::new(ValueType::SZ, string) {
            Data::Text(text) => text,
            _ => BString::default(),
        });
        data = rest.get(2..).unwrap_or_default();
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hivexget 1.3.23 prints of the same.
    #[test]
    fn values_are_printed_as_hivexget_prints_them() {
        let table: &[(u32, &[u8], &[u8])] = &[
            (1, b"a\0\xe9\0\0\0x\0", "a\u{e9}\n".as_bytes()),
            (1, b"", b"\n"),
            (1, b"a\0b", b"a\n"),
            (2, b"a\0\0\0", b"a\n"),
            (6, b"a\0b\0", b"ab\n"),
            (4, b"\xf6\xff\xff\xff", b"-10\n"),
            (4, b"\x01\x02", b"-1\n"),
            (5, b"\0\0\0\x0a", b"10\n"),
            (11, b"\xf6\xff\xff\xff\xff\xff\xff\xff", b"-10\n"),
            (11, b"\x01\x02", b"-1\n"),
            (7, b"a\0\0\0b\0c\0\0\0\0\0", b"a\nbc\n\n"),
            (7, b"a\0\0\0\0\0b\0\0\0\0\0", b"a\n\nb\n\n"),
            (7, b"a\0\0\0b\0\0\0", b"a\nb\n"),
            (7, b"a\0\0\0b", b"a\n\n"),
            (7, b"\0\0", b"\n"),
            (7, b"", b""),
            (0, b"AB", b"AB"),
            (3, b"\x01\x02A", b"\x01\x02A"),
            (0x100, b"AB", b"AB"),
        ];
        for (kind, data, expected) in table {
            assert_eq!(printed(ValueType(*kind), data), *expected, "{kind} {data:?}");
        }
    }
}
