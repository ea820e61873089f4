//! Keys of a hive as the text of a `.reg` file, equal to what `hivexregedit --export` prints, but that its text is UTF-8
//! throughout: hivexregedit prints names that are Latin-1 as that, among others in UTF-8.

use std::fmt;
use std::io::{self, Write};

use bstr::{BString, ByteSlice};

use crate::hive::{Hive, Node, Value};
use crate::text;
use crate::value::ValueType;
use crate::visit::Visitor;
use crate::{Error, Result};

/// What a file begins with.
pub const HEADER: &str = "Windows Registry Editor Version 5.00\n\n";

/// How keys are written.
#[derive(Debug, Default, Clone)]
pub struct Export {
    /// What stands before the path of each key in its hive, such as `HKEY_LOCAL_MACHINE\SOFTWARE`.
    pub prefix: BString,
    /// Write `SZ` and `EXPAND_SZ` values as strings. They can't be merged again: what is not UTF-16 and a NUL at the end are
    /// lost, and `\` stands for itself.
    pub printable_strings: bool,
    /// How many levels of keys are written; all if there is no number.
    pub max_depth: Option<usize>,
}

/// What may go wrong.
#[derive(Debug)]
pub enum ExportError {
    /// The hive can't be read.
    Hive(Error),
    /// The text can't be written.
    Write(io::Error),
}

impl From<Error> for ExportError {
    fn from(error: Error) -> Self {
        ExportError::Hive(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        ExportError::Write(error)
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExportError::Hive(_) => "cannot read the hive",
            ExportError::Write(_) => "cannot write the text",
        })
    }
}

impl std::error::Error for ExportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExportError::Hive(error) => Some(error),
            ExportError::Write(error) => Some(error),
        }
    }
}

/// Writes `node` and all below it, without [`HEADER`]. Keys and values are in the order of their names' characters.
///
/// # Errors
/// If the hive can't be read, or `out` not be written to.
pub fn export(hive: &Hive, node: Node, how: &Export, out: &mut dyn Write) -> Result<(), ExportError> {
    // The path of the key, which is known by its parents.
    let mut names = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at.filter(|node| *node != hive.root()) {
        // A loop of parents ends when the hive does.
        if names.len() > crate::visit::MAX_DEPTH {
            return Err(Error::corrupt("the key has too many parents").into());
        }
        names.push(hive.node_name(node)?.to_bstring());
        at = hive.node_parent(node)?;
    }
    let mut writer =
        Writer { how, out, path: how.prefix.clone(), lens: Vec::new(), left: hive.image().len() };
    let above = names.get(1..).unwrap_or_default();
    for name in above.iter().rev() {
        writer.path.push(b'\\');
        writer.path.extend_from_slice(name);
    }
    if how.max_depth != Some(0) {
        hive.visit(node, &mut writer)?;
        writer.out.write_all(b"\n")?;
    }
    Ok(())
}

struct Writer<'a> {
    how: &'a Export,
    out: &'a mut dyn Write,
    /// The path of the key that is being written.
    path: BString,
    /// The lengths of the paths of the keys above it.
    lens: Vec<usize>,
    /// How many bytes of data there can be still: values of a sound hive don't share any.
    left: usize,
}

impl Visitor for Writer<'_> {
    type Error = ExportError;

    fn arrange(
        &mut self,
        hive: &Hive,
        values: &mut Vec<Value>,
        nodes: &mut Vec<Node>,
    ) -> Result<(), ExportError> {
        let mut error = None;
        let mut name = |result: Result<crate::Name<'_>>| match result {
            Ok(name) => name.to_bstring(),
            Err(met) => {
                error.get_or_insert(met);
                BString::default()
            }
        };
        if self.how.max_depth.is_some_and(|max| self.lens.len() >= max) {
            nodes.clear();
        }
        values.sort_by_cached_key(|value| name(hive.value_key(*value)));
        nodes.sort_by_cached_key(|node| name(hive.node_name(*node)));
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn node_start(&mut self, hive: &Hive, node: Node, depth: usize) -> Result<bool, ExportError> {
        if depth > 0 {
            self.out.write_all(b"\n")?;
        }
        if let Some(len) = self.lens.get(depth) {
            self.path.truncate(*len);
        }
        self.lens.truncate(depth);
        self.lens.push(self.path.len());
        self.path.push(b'\\');
        if node != hive.root() {
            self.path.extend_from_slice(&hive.node_name(node)?.to_bstring());
        }
        self.out.write_all(b"[")?;
        self.out.write_all(&self.path)?;
        self.out.write_all(b"]\n")?;
        if node == hive.root() {
            self.path.pop();
        }
        Ok(true)
    }

    fn value(&mut self, hive: &Hive, _: Node, value: Value) -> Result<(), ExportError> {
        let Some(data) = hive.or_note(value.0, hive.value_value(value))? else { return Ok(()) };
        self.left =
            self.left.checked_sub(data.len()).ok_or_else(|| Error::corrupt("values share their data"))?;
        let name = hive.value_key(value)?;
        let mut line = Vec::with_capacity(data.len().saturating_mul(3).saturating_add(64));
        if name.is_empty() {
            line.push(b'@');
        } else {
            quoted(&name.to_bstring(), &mut line);
        }
        line.push(b'=');
        let kind = hive.value_type(value)?;
        match (kind, data.as_bstr().as_bytes()) {
            (ValueType::DWORD, [a, b, c, d]) => {
                write!(line, "dword:{:08x}", u32::from_le_bytes([*a, *b, *c, *d]))?;
            }
            (ValueType::SZ | ValueType::EXPAND_SZ, data) if self.how.printable_strings => {
                write!(line, "str({:x}):", kind.0)?;
                let mut text = String::new();
                text.extend(char::decode_utf16(text::units(data)).map(|char| char.unwrap_or('\u{fffd}')));
                // hivexregedit leaves a \ in a string as it is: this is to be looked at, not to be merged.
                let text = text.strip_suffix('\0').unwrap_or(&text).replace('"', "\\\"");
                write!(line, "\"{text}\"")?;
            }
            (kind, data) => {
                write!(line, "hex({:x}):", kind.0)?;
                hexadecimal(data, &mut line);
            }
        }
        line.push(b'\n');
        Ok(self.out.write_all(&line)?)
    }
}

/// Text in quotes.
fn quoted(text: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

/// Bytes with commas between them.
fn hexadecimal(data: &[u8], line: &mut Vec<u8>) {
    let digit = |nibble: u8| if nibble < 10 { b'0' | nibble } else { nibble.wrapping_add(b'a' - 10) };
    for (at, byte) in data.iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        line.push(digit(byte >> 4));
        line.push(digit(byte & 15));
    }
}
