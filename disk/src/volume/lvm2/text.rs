//! The text format of LVM2 metadata: sections of names and values, as `lvm.conf` has them.
//!
//! ```text
//! vg0 {
//!     id = "…"            # string
//!     extent_size = 8192  # number
//!     status = ["READ", "WRITE"]
//!     pv0 { … }           # section
//! }
//! ```
//!
//! The parser allocates in proportion to its input, and goes no deeper than [`MAX_DEPTH`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};

use crate::{Error, Result};

/// Nesting that the parser follows. Metadata nests 4 deep: group, volumes, volume, segment.
const MAX_DEPTH: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Int(i64),
    Text(Cow<'t, [u8]>),
    List(Vec<Value<'t>>),
    /// A floating-point number or a bare word: known to the format, used by nothing that is read here.
    Other,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
enum Node<'t> {
    Value(Value<'t>),
    Section(Section<'t>),
}

/// Names and what they stand for, in the order of the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Section<'t> {
    nodes: Vec<(&'t BStr, Node<'t>)>,
    /// Where each name stands first in `nodes`: look-ups must stay cheap in hostile texts too.
    index: BTreeMap<&'t BStr, usize>,
}

impl<'t> Section<'t> {
    /// Parses a whole text.
    pub(super) fn parse(text: &'t [u8]) -> Result<Section<'t>> {
        let mut parser = Parser { text, at: 0 };
        let section = parser.section(0)?;
        match parser.peek() {
            None => Ok(section),
            Some(_) => Err(parser.unexpected("a name")),
        }
    }

    fn get(&self, name: &str) -> Option<&Node<'t>> {
        let position = self.index.get(name.as_bytes().as_bstr())?;
        self.nodes.get(*position).map(|(_, node)| node)
    }

    /// The section `name`, if there is one.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'t>> {
        match self.get(name) {
            Some(Node::Section(section)) => Some(section),
            _ => None,
        }
    }

    /// All sections with their names.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'t BStr, &Section<'t>)> {
        self.nodes.iter().filter_map(|(name, node)| match node {
            Node::Section(section) => Some((*name, section)),
            Node::Value(_) => None,
        })
    }

    /// All values with their names.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'t BStr, &Value<'t>)> {
        self.nodes.iter().filter_map(|(name, node)| match node {
            Node::Value(value) => Some((*name, value)),
            Node::Section(_) => None,
        })
    }

    /// The value `name`, if there is one.
    pub(super) fn value(&self, name: &str) -> Option<&Value<'t>> {
        match self.get(name) {
            Some(Node::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The string `name`, if there is one.
    pub(super) fn text(&self, name: &str) -> Result<Option<&BStr>> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Value(Value::Text(text))) => Ok(Some(text.as_bstr())),
            Some(_) => Err(Error::corrupt(format!("LVM2 metadata: {name} is not a string"))),
        }
    }

    /// The string `name`, which must be there.
    pub(super) fn need_text(&self, name: &str) -> Result<&BStr> {
        self.text(name)?.ok_or_else(|| Error::corrupt(format!("LVM2 metadata: no {name}")))
    }

    /// The number `name`, if there is one. No number of the format that is read here may be negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Value(Value::Int(n))) if *n >= 0 => Ok(Some(n.unsigned_abs())),
            Some(_) => Err(Error::corrupt(format!("LVM2 metadata: {name} is not a number from 0 on"))),
        }
    }

    /// The number `name`, which must be there.
    pub(super) fn need_number(&self, name: &str) -> Result<u64> {
        self.number(name)?.ok_or_else(|| Error::corrupt(format!("LVM2 metadata: no {name}")))
    }

    /// The strings of the list `name`; none if there is no such list. One string alone is a list of one.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&BStr>> {
        let bad = || Error::corrupt(format!("LVM2 metadata: {name} is not a list of strings"));
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Node::Value(Value::Text(text))) => Ok(vec![text.as_bstr()]),
            Some(Node::Value(Value::List(values))) => values
                .iter()
                .map(|value| match value {
                    Value::Text(text) => Ok(text.as_bstr()),
                    _ => Err(bad()),
                })
                .collect(),
            Some(_) => Err(bad()),
        }
    }
}

#[derive(Debug)]
struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Parser<'t> {
    /// The next byte that is no white space and in no comment. Metadata ends with its first NUL.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at).copied() {
                None | Some(0) => return None,
                Some(b'#') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    self.advance(rest.find_byte(b'\n').unwrap_or(rest.len()));
                }
                Some(c) if c.is_ascii_whitespace() => self.advance(1),
                Some(c) => return Some(c),
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.advance(1);
        }
        found
    }

    #[cold]
    fn unexpected(&self, wanted: &str) -> Error {
        Error::corrupt(format!("LVM2 metadata: {wanted} expected at byte {}", self.at))
    }

    /// Names and bare values: up to white space or punctuation.
    fn word(&mut self) -> Result<&'t [u8]> {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|c| c.is_ascii_whitespace() || b"{}[]=,#\"'\0".contains(c));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if word.is_empty() {
            return Err(self.unexpected("a word"));
        }
        self.advance(word.len());
        Ok(word)
    }

    /// Names and values up to the closing brace (which stays) or the end.
    fn section(&mut self, depth: usize) -> Result<Section<'t>> {
        if depth > MAX_DEPTH {
            return Err(Error::corrupt("LVM2 metadata: sections nest too deep"));
        }
        let mut nodes = Vec::new();
        while self.peek().is_some_and(|c| c != b'}') {
            let name = self.word()?.as_bstr();
            if self.take(b'{') {
                let section = self.section(depth.saturating_add(1))?;
                if !self.take(b'}') {
                    return Err(self.unexpected("a closing brace"));
                }
                nodes.push((name, Node::Section(section)));
            } else if self.take(b'=') {
                nodes.push((name, Node::Value(self.value(depth)?)));
            } else {
                return Err(self.unexpected("a value or section"));
            }
        }
        let mut index = BTreeMap::new();
        for (position, (name, _)) in nodes.iter().enumerate() {
            index.entry(*name).or_insert(position);
        }
        Ok(Section { nodes, index })
    }

    fn value(&mut self, depth: usize) -> Result<Value<'t>> {
        if depth > MAX_DEPTH {
            return Err(Error::corrupt("LVM2 metadata: lists nest too deep"));
        }
        match self.peek() {
            Some(b'[') => {
                self.advance(1);
                let mut values = Vec::new();
                while !self.take(b']') {
                    values.push(self.value(depth.saturating_add(1))?);
                    if !self.take(b',') && self.peek() != Some(b']') {
                        return Err(self.unexpected("a comma or bracket"));
                    }
                }
                Ok(Value::List(values))
            }
            Some(b'"') => self.string().map(Value::Text),
            _ => {
                let word = self.word()?;
                Ok(word.to_str().ok().and_then(|w| w.parse().ok()).map_or(Value::Other, Value::Int))
            }
        }
    }

    /// A string in double quotes, in which a backslash stands before a quote or backslash that belongs to it.
    fn string(&mut self) -> Result<Cow<'t, [u8]>> {
        self.advance(1);
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut unescaped: Option<Vec<u8>> = None;
        let mut bytes = rest.iter().copied().enumerate();
        while let Some((position, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.advance(position.saturating_add(1));
                    let plain = rest.get(..position).unwrap_or_default();
                    return Ok(unescaped.map_or(Cow::Borrowed(plain), Cow::Owned));
                }
                b'\\' => {
                    let so_far =
                        unescaped.get_or_insert_with(|| rest.get(..position).unwrap_or_default().to_vec());
                    so_far.extend(bytes.next().map(|(_, escaped)| escaped));
                }
                _ => {
                    if let Some(so_far) = &mut unescaped {
                        so_far.push(byte);
                    }
                }
            }
        }
        Err(self.unexpected("a closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn all_kinds_of_values() {
        let text = br#"# comment { [
            vg {
                name = "a \"b\" \\c" # another
                n=12
                list = ["x", "y"]
                empty = []
                mixed = ["pv0", 7,
                         "pv1", -8]
                rate = 1.5
                inner { }
            }
            last = "one""#;
        let root = Section::parse(text).unwrap();
        let vg = root.section("vg").unwrap();
        assert_eq!(vg.need_text("name").unwrap(), r#"a "b" \c"#);
        assert_eq!(vg.need_number("n").unwrap(), 12);
        assert_eq!(vg.texts("list").unwrap(), ["x", "y"]);
        assert!(vg.texts("empty").unwrap().is_empty());
        assert!(vg.texts("none").unwrap().is_empty());
        let name = |n: &'static [u8]| Value::Text(Cow::Borrowed(n));
        let mixed = Value::List(vec![name(b"pv0"), Value::Int(7), name(b"pv1"), Value::Int(-8)]);
        assert_eq!(vg.value("mixed"), Some(&mixed));
        assert_eq!(vg.value("rate"), Some(&Value::Other));
        assert!(vg.section("inner").is_some());
        assert_eq!(root.texts("last").unwrap(), ["one"]);
        assert_eq!(root.sections().map(|(name, _)| name).collect::<Vec<_>>(), ["vg"]);
    }

    #[test]
    fn what_is_not_of_the_format_is_corrupt() {
        let deep = "a { ".repeat(50) + &"} ".repeat(50);
        let deep_list = "a = ".to_owned() + &"[".repeat(5000);
        for text in [
            "a",
            "a {",
            "a }",
            "}",
            "a = ",
            "a = [1",
            "a = [1 2]",
            "a = \"x",
            "a = \"x\\",
            "= 1",
            &deep,
            &deep_list,
        ] {
            assert_eq!(Section::parse(text.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt, "{text}");
        }
        let section = Section::parse(b"n = -1 s = 3").unwrap();
        assert_eq!(section.number("n").unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(section.text("s").unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(section.need_number("x").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
