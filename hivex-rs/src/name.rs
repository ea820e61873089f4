//! Names of keys and values: bytes of Latin-1 ("compressed") or units of UTF-16.

use std::cmp::Ordering;
use std::fmt;

use bstr::{BStr, BString};

use crate::text;
use crate::{Error, Result};

/// A name as it stands in a hive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// One byte for each unit, all below 256.
    Latin1(&'a [u8]),
    /// Two bytes for each unit, little-endian.
    Utf16(&'a [u8]),
}

impl<'a> Name<'a> {
    /// Its units.
    pub fn units(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        let (narrow, wide): (&[u8], &[u8]) = match *self {
            Name::Latin1(bytes) => (bytes, &[]),
            Name::Utf16(bytes) => (&[], bytes),
        };
        narrow.iter().map(|byte| u16::from(*byte)).chain(text::units(wide))
    }

    /// How many units it has.
    pub fn len(&self) -> usize {
        match self {
            Name::Latin1(bytes) => bytes.len(),
            Name::Utf16(bytes) => bytes.len() / 2,
        }
    }

    /// Has it none, as the name of a key's default value?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As text, without loss: UTF-8, where unpaired surrogates are three bytes each (WTF-8).
    pub fn to_bstring(&self) -> BString {
        match self {
            Name::Latin1(bytes) if bytes.is_ascii() => BString::from(*bytes),
            _ => text::decode(self.units()),
        }
    }

    /// Is it the same but for case?
    pub(crate) fn matches(&self, wanted: &Wanted) -> bool {
        self.len() == wanted.units.len() && self.units().map(text::upcase).eq(wanted.upper.iter().copied())
    }

    /// Where it is sorted, relative to `wanted`.
    pub(crate) fn order(&self, wanted: &Wanted) -> Ordering {
        self.units().map(text::upcase).cmp(wanted.upper.iter().copied())
    }

    /// The hash that `lh` lists have for it.
    pub(crate) fn hash(&self) -> u32 {
        hash(self.units().map(text::upcase))
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_bstring(), f)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_bstring(), f)
    }
}

/// 37 times what came before, plus the unit.
fn hash(upper: impl Iterator<Item = u16>) -> u32 {
    upper.fold(0u32, |hash, unit| hash.wrapping_mul(37).wrapping_add(unit.into()))
}

/// A name that a caller asks for or wants to store.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) units: Vec<u16>,
    upper: Vec<u16>,
}

impl Wanted {
    pub(crate) fn new(name: &BStr) -> Result<Self> {
        Ok(Wanted::from_units(text::encode(name)?))
    }

    pub(crate) fn from_units(units: Vec<u16>) -> Self {
        let upper = units.iter().copied().map(text::upcase).collect();
        Wanted { units, upper }
    }

    pub(crate) fn hash(&self) -> u32 {
        hash(self.upper.iter().copied())
    }

    /// The hint that `lf` lists have for it: its first four units, or zeros if one of those is over 255.
    pub(crate) fn hint(&self) -> [u8; 4] {
        let mut hint = [0; 4];
        for (byte, unit) in hint.iter_mut().zip(&self.units) {
            let Ok(narrow) = u8::try_from(*unit) else { return [0; 4] };
            *byte = narrow;
        }
        hint
    }

    /// The bytes to store, and whether they are Latin-1.
    pub(crate) fn to_stored(&self) -> (Vec<u8>, bool) {
        let narrow: Option<Vec<u8>> = self.units.iter().map(|unit| u8::try_from(*unit).ok()).collect();
        match narrow {
            Some(narrow) => (narrow, true),
            None => (text::to_bytes(&self.units), false),
        }
    }

    /// Its length as `nk` cells count it: bytes of UTF-16, however it is stored.
    pub(crate) fn wide_len(&self) -> Result<u32> {
        crate::bytes::len32(self.units.len().saturating_mul(2))
    }

    /// Refuses what Windows could not open: more than `max` units.
    pub(crate) fn check_len(&self, max: usize) -> Result<()> {
        if self.units.len() > max {
            return Err(Error::invalid(format!("a name of {} characters; {max} at most", self.units.len())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_without_case_in_either_form() {
        let wanted = Wanted::new(BStr::new("stra\u{df}E \u{e4}")).unwrap();
        assert!(Name::Latin1(b"STRA\xDFe \xC4").matches(&wanted));
        assert!(Name::Utf16(b"s\0t\0r\0a\0\xDF\0e\0 \0\xE4\0").matches(&wanted));
        assert!(!Name::Latin1(b"STRASSE \xC4").matches(&wanted));
        assert_eq!(wanted.to_stored(), (b"stra\xDFE \xE4".to_vec(), true));
        assert_eq!(
            Wanted::new(BStr::new("a\u{20ac}")).unwrap().to_stored(),
            (b"a\0\xAC\x20".to_vec(), false)
        );
    }

    #[test]
    fn hashes_and_hints_are_those_of_the_specification() {
        let wanted = Wanted::new(BStr::new("ab")).unwrap();
        // ('A' * 37) + 'B'
        assert_eq!(wanted.hash(), 65 * 37 + 66);
        assert_eq!(Name::Latin1(b"aB").hash(), wanted.hash());
        assert_eq!(wanted.hint(), *b"ab\0\0");
        assert_eq!(Wanted::new(BStr::new("ab\u{20ac}d")).unwrap().hint(), [0; 4]);
    }
}
