//! The text of a `.reg` file, as changes.

use std::borrow::Cow;

use bstr::{BStr, BString, ByteSlice};

use crate::text;
use crate::value::ValueType;
use crate::{Error, Result};

/// How strings in quotes stand in the hive.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// As Windows has them.
    #[default]
    Utf16,
    /// One byte for each character, as `hivexregedit --encoding ASCII` stores them.
    Ascii,
}

/// A change that a `.reg` file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The line that says so, counted from 1.
    pub line: usize,
    /// The key, as it stands there: with its root, and without a `\` before or after it.
    pub path: BString,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is to be there, with all above it.
    Create,
    /// It is not to be there, nor anything below it.
    Delete,
    /// It is to have this value.
    Set {
        /// The value's name, empty for the default value.
        name: BString,
        /// Its type.
        kind: ValueType,
        /// Its data.
        data: Vec<u8>,
    },
    /// It is to have no value of this name.
    Unset(BString),
}

/// Bits of a byte order mark, as text.
const MARK: &str = "\u{feff}";
/// What files of the old format begin with; their strings in `hex(2)` and `hex(7)` are not UTF-16.
const OLD_HEADER: &str = "REGEDIT4";
const HEADER: &str = "Windows Registry Editor Version";

/// Parses a `.reg` file: UTF-16 (with a byte order mark, or as its beginning shows) or UTF-8.
///
/// # Errors
/// `InvalidInput`, with the number of the line, if it is not one.
pub fn parse(file: &[u8], strings: Strings) -> Result<Vec<Change>> {
    let text = decode(file)?;
    let mut parser = Parser {
        rest: text.strip_prefix(MARK.as_bytes()).unwrap_or(&text),
        line: 1,
        strings,
        old: false,
        key: None,
        changes: Vec::new(),
    };
    while !parser.rest.is_empty() {
        let line = parser.line;
        parser.line().map_err(|what| Error::invalid(format!("line {line}: {what}")))?;
    }
    Ok(parser.changes)
}

/// The text in WTF-8.
fn decode(file: &[u8]) -> Result<Cow<'_, [u8]>> {
    let wide = |bytes: &[u8], order: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| order(*pair));
        Ok(Cow::Owned(text::decode(units).into()))
    };
    match file {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [1..=0x7F, 0, ..] => wide(file, u16::from_le_bytes),
        _ => match std::str::from_utf8(file) {
            Ok(_) => Ok(Cow::Borrowed(file)),
            Err(error) => {
                let before = file.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
                Err(Error::invalid(format!("line {line}: neither UTF-16 nor UTF-8; convert the file first")))
            }
        },
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    line: usize,
    strings: Strings,
    /// Is it of the old format?
    old: bool,
    /// The key that values belong to; none after one that is deleted.
    key: Option<BString>,
    changes: Vec<Change>,
}

impl<'a> Parser<'a> {
    /// Takes bytes while they are such.
    fn take(&mut self, such: impl Fn(u8) -> bool) -> &'a [u8] {
        let mut lines = 0usize;
        let end = self.rest.iter().position(|byte| {
            lines = lines.saturating_add(usize::from(*byte == b'\n' && such(*byte)));
            !such(*byte)
        });
        let (taken, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.line = self.line.saturating_add(lines);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    }

    /// Takes a byte if it is the next one.
    fn accept(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.line = self.line.saturating_add(usize::from(byte == b'\n'));
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes a word if it is next, in any case.
    fn accept_word(&mut self, word: &str) -> bool {
        let Some((start, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        if start.eq_ignore_ascii_case(word.as_bytes()) {
            self.rest = rest;
            return true;
        }
        false
    }

    /// The end of a line, with a comment before it.
    fn end(&mut self) -> Result<(), String> {
        self.blanks();
        if self.accept(b';') {
            self.take(|byte| byte != b'\n');
        }
        if self.rest.is_empty() || self.accept(b'\n') {
            return Ok(());
        }
        let text = self.take(|byte| !matches!(byte, b'\n' | b'\r'));
        Err(format!("unexpected text: {}", shortened(text)))
    }

    fn line(&mut self) -> Result<(), String> {
        self.blanks();
        match self.rest.first() {
            None | Some(b'\n' | b';') => {}
            Some(b'#') => {
                self.take(|byte| byte != b'\n');
            }
            Some(b'[') => self.key()?,
            Some(b'@' | b'"') => self.value()?,
            // A line before all keys that says what this is.
            Some(_) if self.changes.is_empty() => {
                self.old = self.accept_word(OLD_HEADER);
                if self.old || self.accept_word(HEADER) {
                    self.take(|byte| byte != b'\n');
                }
            }
            Some(_) => {}
        }
        self.end()
    }

    /// `[KEY]` or `[-KEY]`; a key's name may have brackets.
    fn key(&mut self) -> Result<(), String> {
        let line = self.line;
        self.accept(b'[');
        let delete = self.accept(b'-');
        let len = self.rest.find_byte(b'\n').unwrap_or(self.rest.len());
        let text = self.rest.get(..len).unwrap_or_default();
        let end = text.rfind_byte(b']').ok_or("a key without a ] at its end")?;
        let (name, after) = text.split_at_checked(end).unwrap_or_default();
        // A ] in a comment ends no key.
        let name =
            match name.rfind_byte(b';').and_then(|at| name.get(..at)?.trim_ascii_end().strip_suffix(b"]")) {
                Some(before) => before,
                None => name,
            };
        self.rest = self.rest.get(name.len().saturating_add(1)..).unwrap_or(after);
        let path = BString::from(trim(name));
        if path.is_empty() && delete {
            return Err("no key is named that could be deleted".to_owned());
        }
        self.key = (!delete).then(|| path.clone());
        self.changes.push(Change {
            line,
            path,
            action: if delete { Action::Delete } else { Action::Create },
        });
        Ok(())
    }

    /// `@=…` or `"name"=…`.
    fn value(&mut self) -> Result<(), String> {
        let line = self.line;
        let name = if self.accept(b'@') { BString::default() } else { self.string()? };
        self.blanks();
        if !self.accept(b'=') {
            return Err("a value without a =".to_owned());
        }
        self.blanks();
        let action = self.data(name)?;
        let path = self.key.clone().ok_or("a value that belongs to no key")?;
        self.changes.push(Change { line, path, action });
        Ok(())
    }

    fn data(&mut self, name: BString) -> Result<Action, String> {
        let set = |kind, data| Ok(Action::Set { name: name.clone(), kind: ValueType(kind), data });
        if self.accept(b'-') {
            return Ok(Action::Unset(name));
        }
        if self.rest.first() == Some(&b'"') {
            let text = self.string()?;
            return set(ValueType::SZ.0, self.stored(text.as_ref())?);
        }
        if self.accept_word("dword:") {
            self.blanks();
            let digits = self.take(|byte| byte.is_ascii_hexdigit());
            return set(ValueType::DWORD.0, hexadecimal(digits)?.to_le_bytes().to_vec());
        }
        if self.accept_word("hex") {
            let kind = self.kind(ValueType::BINARY)?;
            let data = self.bytes()?;
            return set(kind, if self.old { widened(kind, data)? } else { data });
        }
        if self.accept_word("str") {
            let kind = self.kind(ValueType::SZ)?;
            if self.rest.first() != Some(&b'"') {
                return Err("a string is not in quotes".to_owned());
            }
            let text = self.string()?;
            return set(kind, self.stored(text.as_ref())?);
        }
        let text = self.take(|byte| !matches!(byte, b'\n' | b'\r'));
        Err(format!("a value of no known form: {}", shortened(text)))
    }

    /// `(TYPE):` or `:`.
    fn kind(&mut self, usual: ValueType) -> Result<u32, String> {
        let kind = if self.accept(b'(') {
            let digits = self.take(|byte| byte.is_ascii_hexdigit());
            if !self.accept(b')') {
                return Err("a type without a ) after it".to_owned());
            }
            hexadecimal(digits)?
        } else {
            usual.0
        };
        if self.accept(b':') { Ok(kind) } else { Err("a type without a : after it".to_owned()) }
    }

    /// Bytes in hexadecimal with commas between them, over several lines.
    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        loop {
            // Nearly all of it is two digits and a comma.
            while let [high, low, b',', rest @ ..] = self.rest
                && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
            {
                bytes.push(high << 4 | low);
                self.rest = rest;
            }
            self.blanks();
            if self.accept(b'\\') {
                self.blanks();
                if !self.accept(b'\n') {
                    return Err("a \\ that is not at the end of its line".to_owned());
                }
                continue;
            }
            let digits = self.take(|byte| byte.is_ascii_hexdigit());
            if digits.is_empty() {
                return Ok(bytes);
            }
            let byte = hexadecimal(digits)?;
            bytes.push(u8::try_from(byte).map_err(|_| format!("{byte:x} is no byte"))?);
            self.blanks();
            if !self.accept(b',') {
                return Ok(bytes);
            }
        }
    }

    /// A string in quotes, which may have ends of lines.
    fn string(&mut self) -> Result<BString, String> {
        self.accept(b'"');
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take(|byte| !matches!(byte, b'"' | b'\\')));
            if self.accept(b'"') {
                return Ok(text.into());
            }
            self.accept(b'\\');
            let (escaped, rest) = self.rest.split_first().ok_or("a string without a \" at its end")?;
            self.line = self.line.saturating_add(usize::from(*escaped == b'\n'));
            text.push(*escaped);
            self.rest = rest;
        }
    }

    /// A string as it stands in the hive, with its NUL.
    fn stored(&self, text: &BStr) -> Result<Vec<u8>, String> {
        match self.strings {
            Strings::Utf16 => {
                let mut units = text::encode(text).map_err(|error| error.to_string())?;
                units.push(0);
                Ok(text::to_bytes(&units))
            }
            Strings::Ascii if text.is_ascii() => Ok([text.as_bytes(), &[0]].concat()),
            Strings::Ascii => Err(format!("{text:?} is not ASCII")),
        }
    }
}

/// A path without the `\` around it.
fn trim(path: &[u8]) -> &[u8] {
    let is_separator = |byte: &u8| *byte == b'\\';
    let start = path.iter().take_while(|byte| is_separator(byte)).count();
    let rest = path.get(start..).unwrap_or_default();
    let end = rest.iter().rev().take_while(|byte| is_separator(byte)).count();
    rest.get(..rest.len().saturating_sub(end)).unwrap_or_default()
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit & 15),
        b'a'..=b'f' | b'A'..=b'F' => Some((digit & 15).saturating_add(9)),
        _ => None,
    }
}

fn hexadecimal(digits: &[u8]) -> Result<u32, String> {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    u32::from_str_radix(text, 16).map_err(|_| format!("not a number of 1 to 8 hexadecimal digits: {text:?}"))
}

/// Data of the old format: strings have a byte for each character there.
fn widened(kind: u32, data: Vec<u8>) -> Result<Vec<u8>, String> {
    match ValueType(kind) {
        ValueType::SZ | ValueType::EXPAND_SZ | ValueType::MULTI_SZ if data.is_ascii() => {
            Ok(data.into_iter().flat_map(|byte| [byte, 0]).collect())
        }
        ValueType::SZ | ValueType::EXPAND_SZ | ValueType::MULTI_SZ => {
            Err("a string of REGEDIT4 that is not ASCII: the code page is not known".to_owned())
        }
        _ => Ok(data),
    }
}

fn shortened(text: &[u8]) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(file: &[u8]) -> Result<Vec<String>, String> {
        let changes = parse(file, Strings::Utf16).map_err(|error| error.to_string())?;
        let show = |change: Change| {
            let Change { line, path, action } = change;
            match action {
                Action::Create => format!("{line} +{path}"),
                Action::Delete => format!("{line} -{path}"),
                Action::Set { name, kind, data } => format!("{line} {path} {name:?} {} {data:x?}", kind.0),
                Action::Unset(name) => format!("{line} {path} {name:?} -"),
            }
        };
        Ok(changes.into_iter().map(show).collect())
    }

    #[test]
    fn every_form_is_read() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("Windows Registry Editor Version 5.00\r\n\r\n[A\\B]\r\n", &["3 +A\\B"]),
            ("; comment\n# comment\n\n[\\A\\] ; [x]\n[-B]", &["4 +A", "5 -B"]),
            ("[A[]\"b]\n", &["1 +A[]\"b"]),
            ("[A]\n@=\"x\"\n", &["1 +A", "2 A \"\" 1 [78, 0, 0, 0]"]),
            ("[A]\n\"q\\\"\\\\\"=\"\\\"\\\\\"\n", &["1 +A", "2 A \"q\\\"\\\\\" 1 [22, 0, 5c, 0, 0, 0]"]),
            ("[A]\n\"a\" = DWORD:1F ; one\n", &["1 +A", "2 A \"a\" 4 [1f, 0, 0, 0]"]),
            ("[A]\n\"a\"=hex:01,2, \\\r\n  A0\n\"b\"=-", &["1 +A", "2 A \"a\" 3 [1, 2, a0]", "4 A \"b\" -"]),
            (
                "[A]\n\"a\"=hex(7):\n\"b\"=hex(12345):ff\n",
                &["1 +A", "2 A \"a\" 7 []", "3 A \"b\" 74565 [ff]"],
            ),
            ("[A]\n\"a\"=str(2):\"\"\n\"b\"=str:\"\"", &["1 +A", "2 A \"a\" 2 [0, 0]", "3 A \"b\" 1 [0, 0]"]),
            ("[A]\n\"a\"=\"x\ny\"\n[B]", &["1 +A", "2 A \"a\" 1 [78, 0, a, 0, 79, 0, 0, 0]", "4 +B"]),
            ("REGEDIT4\n[A]\n\"a\"=hex(2):61,00\n", &["2 +A", "3 A \"a\" 2 [61, 0, 0, 0]"]),
            ("REGEDIT4\n[A]\n\"a\"=hex:61,ff\n", &["2 +A", "3 A \"a\" 3 [61, ff]"]),
        ];
        for (text, expected) in table {
            assert_eq!(summary(text.as_bytes()).unwrap(), *expected, "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(summary(&[b"\xFF\xFE".as_slice(), &wide].concat()).unwrap(), *expected, "{text}");
            assert_eq!(summary(&wide).unwrap(), *expected, "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(summary(&[b"\xFE\xFF".as_slice(), &wide].concat()).unwrap(), *expected, "{text}");
            assert_eq!(summary(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()).unwrap(), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let table: &[(&[u8], &str)] = &[
            (b"[A]\n\nfoo\n", "line 3: unexpected text: foo"),
            (b"[A\n", "line 1: a key without a ] at its end"),
            (b"[A] x\n", "line 1: unexpected text: x"),
            (b"[-]\n", "line 1: no key is named that could be deleted"),
            (b"\"a\"=\"b\"\n", "line 1: a value that belongs to no key"),
            (b"[-A]\n\"a\"=\"b\"\n", "line 2: a value that belongs to no key"),
            (b"[A]\n\"a\n\n", "line 2: a string without a \" at its end"),
            (b"[A]\n\"a\"\n", "line 2: a value without a ="),
            (b"[A]\n\"a\"=b\n", "line 2: a value of no known form: b"),
            (
                b"[A]\n\"a\"=dword:123456789\n",
                "line 2: not a number of 1 to 8 hexadecimal digits: \"123456789\"",
            ),
            (b"[A]\n\"a\"=dword:\n", "line 2: not a number of 1 to 8 hexadecimal digits: \"\""),
            (b"[A]\n\"a\"=hex:100\n", "line 2: 100 is no byte"),
            (b"[A]\n\"a\"=hex(1:00\n", "line 2: a type without a ) after it"),
            (b"[A]\n\"a\"=hex:01,\\ x\n", "line 2: a \\ that is not at the end of its line"),
            (b"[A]\n\"a\"=\"\xE9\"\n", "line 2: neither UTF-16 nor UTF-8; convert the file first"),
            (
                b"REGEDIT4\n[A]\n\"a\"=hex(2):e9,00\n",
                "line 3: a string of REGEDIT4 that is not ASCII: the code page is not known",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(summary(text).unwrap_err(), *expected, "{:?}", text.as_bstr());
        }
    }
}
