//! Names, in "OSTA compressed Unicode": characters of 8 or of 16 bits. They become UTF-8 as Linux does it: what no name
//! can have becomes `_`, and such a name, one that is too long, `.` and `..` get a CRC before their extension, so that
//! they remain different.
//!
//! Sources: OSTA UDF 2.60, 2.1.1 and 6.7.

use crate::crc::crc16;
use crate::{Error, Result};

/// Longest name in bytes.
pub(super) const NAME_MAX: usize = 254;
/// Most characters of an extension, which with its dot is kept before a CRC.
const EXTENSION_MAX: usize = 4;
/// Most bytes of an extension with its dot: Linux reckons with six a character, and one character more.
const EXTENSION_BYTES: usize = 31;
/// Bytes of a CRC: "#" and four digits.
const CRC: usize = 5;
/// Stands for what can't be shown.
const MARK: char = '_';

/// What is stored, as units.
struct Units<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl Units<'_> {
    fn len(&self) -> usize {
        if self.wide { self.bytes.len() / 2 } else { self.bytes.len() }
    }

    fn get(&self, at: usize) -> Option<u16> {
        if !self.wide {
            return self.bytes.get(at).copied().map(u16::from);
        }
        self.bytes.as_chunks::<2>().0.get(at).copied().map(u16::from_be_bytes)
    }

    /// The character at unit `at`, if it can stand in a name, and how many units it takes. What follows the first half of
    /// a pair goes with it, whatever it is.
    fn character(&self, at: usize) -> Option<(Option<char>, usize)> {
        let first = self.get(at)?;
        let found = match char::from_u32(first.into()) {
            Some('\0' | '/') => (None, 1),
            Some(c) => (Some(c), 1),
            None => match self.get(at.saturating_add(1)) {
                Some(second) if first < 0xDC00 => {
                    (char::decode_utf16([first, second]).next().and_then(Result::ok), 2)
                }
                _ => (None, 1),
            },
        };
        Some(found)
    }
}

/// What is shown of a range of units.
struct Shown {
    text: String,
    /// Most bytes.
    max: usize,
    /// Is it not all that is stored?
    changed: bool,
}

impl Shown {
    /// Adds the next character from unit `*at` on, or one mark for all that can't be shown. `false` at the end.
    fn push(&mut self, units: &Units<'_>, at: &mut usize) -> bool {
        if *at >= units.len() {
            return false;
        }
        if self.text.len() >= self.max {
            self.changed = true;
            return false;
        }
        let mut shown = None;
        while let Some((c, len)) = units.character(*at) {
            if c.is_some() && shown.is_some() {
                break;
            }
            *at = at.saturating_add(len);
            shown = Some(c.unwrap_or(MARK));
            if c.is_some() {
                break;
            }
            self.changed = true;
        }
        let Some(c) = shown else { return false };
        if self.text.len().saturating_add(c.len_utf8()) > self.max {
            self.changed = true;
            return false;
        }
        self.text.push(c);
        true
    }
}

/// Where the extension begins with its dot: the last one that 1 to 4 units follow, none of which is a dot.
fn extension(units: &Units<'_>) -> Option<usize> {
    let last = units.len().checked_sub(1)?;
    let dot = (last.saturating_sub(EXTENSION_MAX)..=last)
        .rev()
        .find(|at| units.get(*at) == Some(u16::from(b'.')))?;
    (dot < last).then_some(dot)
}

/// The name that `stored` stands for, in at most `max` bytes.
///
/// # Errors
/// `Corrupt` if nothing of it can be shown.
pub(super) fn shown(stored: &[u8], max: usize) -> Result<Vec<u8>> {
    let (wide, bytes) = match stored {
        [8, bytes @ ..] => (false, bytes),
        [16, bytes @ ..] if bytes.len().is_multiple_of(2) => (true, bytes),
        [kind, ..] => {
            let what = format!("a name of {} bytes with compression {kind}", stored.len());
            return Err(Error::corrupt(what));
        }
        [] => return Err(Error::corrupt("an empty name")),
    };
    let units = Units { bytes, wide };
    let dot = extension(&units);
    let mut ending = Shown { text: String::new(), max: max.min(EXTENSION_BYTES), changed: false };
    // How much of the extension is kept behind a CRC.
    let mut kept = 0;
    if let Some(dot) = dot {
        ending.text.push('.');
        let mut at = dot.saturating_add(1);
        while ending.push(&units, &mut at) {
            if ending.text.len().saturating_add(CRC) < max {
                kept = ending.text.len();
            }
        }
    }
    let mut main = Shown { text: String::new(), max, changed: ending.changed };
    // How much of the rest is kept before a CRC.
    let mut before = 0;
    let room = max.saturating_sub(ending.text.len());
    let mut at = 0;
    loop {
        if dot == Some(at) {
            main.changed |= main.text.len() > room;
            break;
        }
        if !main.push(&units, &mut at) {
            break;
        }
        if main.text.len().saturating_add(CRC) <= room {
            before = main.text.len();
        }
    }
    let mut name = main.text;
    if main.changed || matches!(name.as_str(), "." | "..") {
        name.truncate(before);
        let sum = format!("#{:04X}", crc16(0, bytes));
        name.extend(sum.chars().take(max.saturating_sub(name.len())));
        ending.text.truncate(kept);
    }
    name.push_str(&ending.text);
    if name.is_empty() {
        return Err(Error::corrupt("an empty name"));
    }
    Ok(name.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrow(text: &[u8]) -> Vec<u8> {
        [&[8], text].concat()
    }

    fn wide(units: &[u16]) -> Vec<u8> {
        units.iter().fold(vec![16], |mut bytes, unit| {
            bytes.extend(unit.to_be_bytes());
            bytes
        })
    }

    #[test]
    fn names_become_utf8() {
        let sum = |text: &[u8]| format!("#{:04X}", crc16(0, text));
        for (stored, name) in [
            (narrow(b"README.TXT"), "README.TXT".to_owned()),
            (narrow(b"gr\xFCn"), "grün".to_owned()),
            (wide(&[0x65E5, 0x672C, 0xD83D, 0xDE00]), "日本😀".to_owned()),
            (narrow(b".a"), ".a".to_owned()),
            (narrow(b"a."), "a.".to_owned()),
            (narrow(b"."), format!(".{}", sum(b"."))),
            (narrow(b".."), format!("..{}", sum(b".."))),
            (narrow(b"..a"), format!(".{}.a", sum(b"..a"))),
            (narrow(b"a/b"), format!("a_b{}", sum(b"a/b"))),
            (narrow(b"a//\0b.c/d"), format!("a_b{}.c_d", sum(b"a//\0b.c/d"))),
            (narrow(b"a/b.longer"), format!("a_b.longer{}", sum(b"a/b.longer"))),
            (wide(&[0xDC00, 0x61]), format!("_a{}", sum(&[0xDC, 0, 0, 0x61]))),
            (wide(&[0xD800, 0x61, 0x62]), format!("_b{}", sum(&[0xD8, 0, 0, 0x61, 0, 0x62]))),
            (wide(&[0x61, 0xD800]), format!("a_{}", sum(&[0, 0x61, 0xD8, 0]))),
        ] {
            assert_eq!(String::from_utf8(shown(&stored, NAME_MAX).unwrap()).unwrap(), name, "{stored:x?}");
        }
        for bad in [&[][..], &[8], &[16], &[16, 0], &[254, 0], &[0, 65]] {
            assert!(shown(bad, NAME_MAX).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_are_too_long_end_in_a_sum() {
        let units: Vec<u16> = std::iter::repeat_n(0x65E5, 100).chain(".text".encode_utf16()).collect();
        let stored = wide(&units);
        let name = String::from_utf8(shown(&stored, NAME_MAX).unwrap()).unwrap();
        // 244 bytes are left before the sum and the extension.
        let expected = format!("{}#{:04X}.text", "日".repeat(81), crc16(0, &stored[1..]));
        assert_eq!(name, expected);
        let fits = narrow(&[b'x'; 254]);
        assert_eq!(shown(&fits, NAME_MAX).unwrap(), [b'x'; 254]);
    }
}
