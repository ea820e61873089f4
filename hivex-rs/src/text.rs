//! UTF-16 as hives hold it, on the one side, and WTF-8 as this crate shows it, on the other.
//!
//! A name or string of a hive is any sequence of 16-bit units: unpaired surrogates occur. Where units are paired the
//! text is UTF-8; an unpaired surrogate is the three bytes that UTF-8 would give it if it allowed that (WTF-8), so that
//! nothing is lost in either direction.

use std::cmp::Ordering;

use bstr::{BStr, BString};

use crate::{Error, Result};

/// Little-endian units of `bytes`; an odd byte at the end is no unit.
pub(crate) fn units(bytes: &[u8]) -> impl Iterator<Item = u16> + Clone + '_ {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair))
}

/// The text of units.
pub(crate) fn decode(units: impl Iterator<Item = u16>) -> BString {
    let mut text = Vec::new();
    for item in char::decode_utf16(units) {
        match item {
            Ok(char) => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(unpaired) => text.extend_from_slice(&surrogate(unpaired.unpaired_surrogate())),
        }
    }
    text.into()
}

/// Three bytes for a surrogate, as UTF-8 has them for its neighbours.
fn surrogate(unit: u16) -> [u8; 3] {
    let low = |bits: u16| bits.to_le_bytes()[0];
    [0xE0 | low(unit >> 12), 0x80 | low((unit >> 6) & 0x3F), 0x80 | low(unit & 0x3F)]
}

/// The units of a text.
///
/// # Errors
/// `InvalidInput` if it is not WTF-8.
pub(crate) fn encode(text: &BStr) -> Result<Vec<u16>> {
    let mut units = Vec::with_capacity(text.len());
    let mut rest: &[u8] = text;
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(all) => {
                units.extend(all.encode_utf16());
                return Ok(units);
            }
            Err(error) => error.valid_up_to(),
        };
        let (good, bad) = rest.split_at_checked(valid).unwrap_or_default();
        units.extend(std::str::from_utf8(good).unwrap_or_default().encode_utf16());
        match bad {
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, after @ ..] => {
                units.push(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F));
                rest = after;
            }
            _ => return Err(Error::invalid(format!("{text:?} is not UTF-8"))),
        }
    }
}

/// Units as bytes.
pub(crate) fn to_bytes(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// The upper case of a unit, by the table that Windows compares names with.
///
/// The table maps single units, never surrogates, and only where upper and lower case map to each other; it is as old as
/// Windows Vista and has nothing that came to Unicode later. `tests/upcase.rs` holds it against the one that `mkntfs` writes.
pub fn upcase(unit: u16) -> u16 {
    if unit < 0x80 {
        return if (0x61..=0x7A).contains(&unit) { unit ^ 0x20 } else { unit };
    }
    upcase_beyond_ascii(unit)
}

fn upcase_beyond_ascii(unit: u16) -> u16 {
    match unit {
        // Greek with iota below: the full mapping is two characters, the simple one eight further.
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => return unit | 8,
        0x1FB3 | 0x1FC3 | 0x1FF3 => return unit.saturating_add(9),
        // What came after Unicode 5.0.
        0x019B | 0x023F | 0x0240 | 0x0252 | 0x025C | 0x0261 | 0x0264..=0x0266 | 0x026A | 0x026C => {
            return unit;
        }
        0x0282 | 0x0287 | 0x029D | 0x029E | 0x03F3 | 0x0525..=0x052F | 0x10D0..=0x10FF => return unit,
        0x13F8..=0x13FD | 0x1C8A | 0x1D8E | 0x2C5F | 0x2CEC..=0x2CF3 | 0x2D27 | 0x2D2D => return unit,
        0xA661 | 0xA699 | 0xA69B | 0xA791..=0xA7FF | 0xAB53..=0xABBF => return unit,
        _ => {}
    }
    let Some(lower) = char::from_u32(unit.into()) else { return unit };
    let mut mapped = lower.to_uppercase();
    let (Some(upper), None) = (mapped.next(), mapped.next()) else { return unit };
    let mut back = upper.to_lowercase();
    if back.next() != Some(lower) || back.next().is_some() {
        return unit;
    }
    u16::try_from(u32::from(upper)).unwrap_or(unit)
}

/// Compares as Windows sorts the names of keys: by units, in upper case.
pub(crate) fn compare(a: impl Iterator<Item = u16>, b: impl Iterator<Item = u16>) -> Ordering {
    a.map(upcase).cmp(b.map(upcase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_in_either_direction() {
        let table: &[(&[u16], &[u8])] = &[
            (&[], b""),
            (&[0x41, 0xE9, 0x20AC], "A\u{e9}\u{20ac}".as_bytes()),
            (&[0xD83D, 0xDE00], "\u{1F600}".as_bytes()),
            (&[0xDE00, 0xD83D, 0x41], b"\xED\xB8\x80\xED\xA0\xBDA"),
            (&[0], b"\0"),
        ];
        for (units, text) in table {
            assert_eq!(decode(units.iter().copied()), *text);
            assert_eq!(encode(BStr::new(text)).unwrap(), *units, "{text:?}");
        }
        for bad in [b"\xFF".as_slice(), b"a\xC3", b"\xED\xA0", b"\xED\xA0\x41"] {
            assert_eq!(encode(BStr::new(bad)).unwrap_err().kind(), crate::ErrorKind::InvalidInput);
        }
    }
}
