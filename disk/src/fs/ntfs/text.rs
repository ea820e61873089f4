//! Names: UTF-16 on the disk, UTF-8 outside; and how they are ordered.
//!
//! Halves of surrogate pairs that stand alone become three bytes each, as ntfs-3g has them (and WTF-8), so that every name
//! has a text and every such text its name.

use std::cmp::Ordering;

/// Most units of a name.
pub(super) const MAX_UNITS: usize = 255;
/// UTF-16 units that a table maps.
const UNITS: usize = 1 << 16;
/// Bytes of the table on the disk.
pub(super) const TABLE: u64 = 2 << 16;
/// Surrogates begin with these bits; where the lower halves begin.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;

/// Appends `units` to `text`.
pub(super) fn push_text(units: &[u16], text: &mut Vec<u8>) {
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(alone) => text.extend(three_bytes(alone.unpaired_surrogate())),
        }
    }
}

/// The three bytes of UTF-8 for a unit, surrogate or not.
fn three_bytes(unit: u16) -> [u8; 3] {
    let six = |shift: u32| u8::try_from(unit.wrapping_shr(shift) & 0x3F).unwrap_or(0);
    [0xE0 | six(12), 0x80 | six(6), 0x80 | six(0)]
}

/// The units of `text`, or `None` if it cannot be a name.
pub(super) fn units_of(text: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(all) => all,
            Err(e) => std::str::from_utf8(rest.get(..e.valid_up_to())?).ok()?,
        };
        units.extend(valid.encode_utf16());
        rest = rest.get(valid.len()..)?;
        if let Some((three, after)) = rest.split_first_chunk::<3>() {
            let unit = three.iter().fold(0u32, |unit, byte| unit.wrapping_shl(6) | u32::from(*byte & 0x3F));
            let unit = u16::try_from(unit & 0xFFFF).ok()?;
            if !SURROGATES.contains(&unit.into()) || three_bytes(unit) != *three {
                return None;
            }
            units.push(unit);
            rest = after;
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(units).filter(|units| (1..=MAX_UNITS).contains(&units.len()))
}

/// The volume's table of upper case.
#[derive(Debug)]
pub(super) struct UpCase(Box<[u16]>);

impl UpCase {
    /// The table stored as `bytes`; units that it does not have stand for themselves.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let stored = bytes.as_chunks::<2>().0;
        let all = (0..UNITS).map(|unit| match stored.get(unit) {
            Some(upper) => u16::from_le_bytes(*upper),
            None => u16::try_from(unit).unwrap_or(0),
        });
        UpCase(all.collect())
    }

    fn of(&self, unit: u16) -> u16 {
        self.0.get(usize::from(unit)).copied().unwrap_or(unit)
    }

    /// The order of names if case does not count.
    pub(super) fn compare(&self, a: &[u16], b: &[u16]) -> Ordering {
        a.iter().map(|unit| self.of(*unit)).cmp(b.iter().map(|unit| self.of(*unit)))
    }

    /// The order of names in a directory: case counts where nothing else differs.
    pub(super) fn collate(&self, a: &[u16], b: &[u16]) -> Ordering {
        self.compare(a, b).then_with(|| a.cmp(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_one_to_one() {
        let cases: [(&[u16], &[u8]); 5] = [
            (&[0x61, 0xE4, 0x20AC], "aä€".as_bytes()),
            (&[0xD83D, 0xDE00], "😀".as_bytes()),
            (&[0x61, 0xDE00, 0x62], b"a\xED\xB8\x80b"),
            (&[0xD83D, 0xD83D, 0xDE00], b"\xED\xA0\xBD\xF0\x9F\x98\x80"),
            (&[0xFFFE, 0xFFFF], b"\xEF\xBF\xBE\xEF\xBF\xBF"),
        ];
        for (units, bytes) in cases {
            let mut text = Vec::new();
            push_text(units, &mut text);
            assert_eq!(text, bytes, "{units:x?}");
            assert_eq!(units_of(bytes).as_deref(), Some(units), "{units:x?}");
        }
        for bytes in [&b""[..], b"a\xFF", b"\xED\xB8", b"\xC0\x80", b"\xE0\x80\x80x", &[b'a'; 256]] {
            assert_eq!(units_of(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn case_counts_last() {
        let bytes: Vec<u8> = (0..0x7B_u16)
            .map(|unit| if (0x61..0x7B).contains(&unit) { unit - 0x20 } else { unit })
            .flat_map(u16::to_le_bytes)
            .collect();
        let table = UpCase::new(&bytes);
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        for (a, b, order, case) in [
            ("a", "A", Ordering::Equal, Ordering::Greater),
            ("aB", "Ab", Ordering::Equal, Ordering::Greater),
            ("a", "B", Ordering::Less, Ordering::Less),
            ("_", "a", Ordering::Greater, Ordering::Greater),
            ("aa", "A", Ordering::Greater, Ordering::Greater),
            ("é", "É", Ordering::Greater, Ordering::Greater),
        ] {
            assert_eq!(table.compare(&units(a), &units(b)), order, "{a} {b}");
            assert_eq!(table.collate(&units(a), &units(b)), case, "{a} {b}");
        }
    }
}
