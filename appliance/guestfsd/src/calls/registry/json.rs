//! Keys and values as JSON. The manual page of virt-win-reg describes it for users.
//!
//! ```text
//! {"key":"HKEY_LOCAL_MACHINE\\SYSTEM\\Select","written":1600000000,"written_nsec":0,"values":[
//!  {"name":"Current","type":"REG_DWORD","value":1}]},
//! ```
//!
//! Nothing is lost: names that are no Unicode, and data that the `value` does not give back bit for bit, are there a second
//! time as Base64.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, BString};
use hivex::reg::ExportError;
use hivex::{Data, FileTime, Hive, Node, Value, ValueType, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// How many keys may lie above one; Windows has 512 levels at most ("Registry element size limits").
const DEPTH_MAX: usize = 512;

/// Sends `node` and all below it, an object each, with commas between them, in the order of an export as text.
pub(super) fn export(
    hive: &Hive,
    node: Node,
    prefix: &BStr,
    max_depth: Option<usize>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let path = path_of(hive, node, prefix)?.1;
    if max_depth == Some(0) {
        return Ok(());
    }
    let left = hive.image().len();
    let mut keys = Keys { out, path, lens: Vec::new(), max_depth, key: None, is_first: true, left };
    hive.visit(node, &mut keys)?;
    keys.end_key()
}

/// A key with one of its values.
pub(super) fn value(hive: &Hive, node: Node, value: Value, prefix: &BStr) -> hivex::Result<Vec<u8>> {
    let key = Key {
        path: path_of(hive, node, prefix)?.0,
        written: hive.node_timestamp(node)?,
        values: vec![described(hive, value)?],
    };
    // Writing to memory can't fail, and the keys of the maps are texts.
    Ok(serde_json::to_vec(&key).unwrap_or_default())
}

fn described(hive: &Hive, value: Value) -> hivex::Result<Described> {
    Ok(Described {
        name: hive.value_key(value)?.to_bstring(),
        kind: hive.value_type(value)?,
        data: hive.value_value(value)?.into_owned(),
    })
}

/// The path of a key, and that of the one above it; the root's ends in a `\`.
fn path_of(hive: &Hive, node: Node, prefix: &BStr) -> hivex::Result<(BString, BString)> {
    let mut names = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at.filter(|node| *node != hive.root() && names.len() <= DEPTH_MAX) {
        names.push(hive.node_name(node)?.to_bstring());
        at = hive.node_parent(node)?;
    }
    let (mut path, mut above) = (prefix.to_owned(), prefix.to_owned());
    for name in names.iter().rev() {
        above.clone_from(&path);
        path.push(b'\\');
        path.extend_from_slice(name);
    }
    if names.is_empty() {
        path.push(b'\\');
    }
    Ok((path, above))
}

struct Keys<'a> {
    out: &'a mut dyn Write,
    /// The path of the key that is being written.
    path: BString,
    /// The lengths of the paths of the keys above it.
    lens: Vec<usize>,
    max_depth: Option<usize>,
    /// The key whose values come.
    key: Option<Key>,
    is_first: bool,
    /// How many bytes of data there can be still: values of a sound hive don't share any.
    left: usize,
}

struct Key {
    path: BString,
    written: FileTime,
    values: Vec<Described>,
}

struct Described {
    name: BString,
    kind: ValueType,
    data: Vec<u8>,
}

impl Keys<'_> {
    /// Writes the key whose values have come.
    fn end_key(&mut self) -> Result<(), ExportError> {
        let Some(key) = self.key.take() else { return Ok(()) };
        if !self.is_first {
            self.out.write_all(b",\n")?;
        }
        self.is_first = false;
        Ok(serde_json::to_writer(&mut self.out, &key).map_err(io::Error::from)?)
    }
}

impl Visitor for Keys<'_> {
    type Error = ExportError;

    fn node_start(&mut self, hive: &Hive, node: Node, depth: usize) -> Result<bool, ExportError> {
        self.end_key()?;
        if let Some(len) = self.lens.get(depth) {
            self.path.truncate(*len);
        }
        self.lens.truncate(depth);
        self.lens.push(self.path.len());
        let mut path = self.path.clone();
        if node == hive.root() {
            path.push(b'\\');
        } else {
            self.path.push(b'\\');
            self.path.extend_from_slice(&hive.node_name(node)?.to_bstring());
            path = self.path.clone();
        }
        self.key = Some(Key { path, written: hive.node_timestamp(node)?, values: Vec::new() });
        Ok(true)
    }

    fn arrange(
        &mut self,
        hive: &Hive,
        values: &mut Vec<Value>,
        nodes: &mut Vec<Node>,
    ) -> Result<(), ExportError> {
        if self.max_depth.is_some_and(|max| self.lens.len() >= max) {
            nodes.clear();
        }
        let name = |name: hivex::Result<hivex::Name<'_>>| name.map(|name| name.to_bstring()).ok();
        values.sort_by_cached_key(|value| name(hive.value_key(*value)));
        nodes.sort_by_cached_key(|node| name(hive.node_name(*node)));
        Ok(())
    }

    fn value(&mut self, hive: &Hive, _: Node, value: Value) -> Result<(), ExportError> {
        // What can't be read was noted by the walk, or is by the reader of the data.
        let Ok(described) = described(hive, value) else { return Ok(()) };
        let left = self.left.checked_sub(described.data.len());
        self.left = left.ok_or_else(|| io::Error::other("values share their data"))?;
        if let Some(key) = &mut self.key {
            key.values.push(described);
        }
        Ok(())
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanoseconds) = self.written.to_unix();
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "key", &self.path)?;
        map.serialize_entry("written", &seconds)?;
        map.serialize_entry("written_nsec", &nanoseconds)?;
        map.serialize_entry("values", &self.values)?;
        map.end()
    }
}

impl Serialize for Described {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "name", &self.name)?;
        map.serialize_entry("type", &self.kind.to_string())?;
        let exact = match Data::new(self.kind, &self.data) {
            Data::Text(string) => {
                map.serialize_entry("value", &String::from_utf8_lossy(&string))?;
                // A link has no NUL, any other string has one.
                let end: &[&str] = if self.kind == ValueType::LINK { &[] } else { &["\0"] };
                units([String::from_utf8_lossy(&string).as_ref()].iter().chain(end)) == self.data
            }
            Data::Texts(strings) => {
                let strings: Vec<_> = strings.iter().map(|string| String::from_utf8_lossy(string)).collect();
                map.serialize_entry("value", &strings)?;
                let ended = strings.iter().flat_map(|string| [string.as_ref(), "\0"]);
                units(ended.collect::<Vec<_>>().iter().chain(&["\0"])) == self.data
            }
            Data::Number32(number) => map.serialize_entry("value", &number).map(|()| true)?,
            Data::Number64(number) => map.serialize_entry("value", &number).map(|()| true)?,
            _ => false,
        };
        if !exact {
            map.serialize_entry("data_base64", &STANDARD.encode(&self.data))?;
        }
        map.end()
    }
}

/// Texts in UTF-16, one after the other.
fn units<'a>(texts: impl Iterator<Item = &'a &'a str>) -> Vec<u8> {
    texts.flat_map(|text| text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// A name: as a string, and as Base64 beside it if it is no Unicode.
fn text<M: SerializeMap>(map: &mut M, key: &str, bytes: &[u8]) -> Result<(), M::Error> {
    map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => map.serialize_entry(&format!("{key}_base64"), &STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_nothing() {
        let table: &[(u32, &[u8], &str)] = &[
            (1, b"a\0\0\0", r#""type":"REG_SZ","value":"a""#),
            (1, b"a\0", r#""type":"REG_SZ","value":"a","data_base64":"YQA=""#),
            (6, b"a\0", r#""type":"REG_LINK","value":"a""#),
            (
                1,
                b"\x00\xd8\0\0",
                "\"type\":\"REG_SZ\",\"value\":\"\u{fffd}\u{fffd}\u{fffd}\",\"data_base64\":\"ANgAAA==\"",
            ),
            (4, b"\x01\0\0\x80", r#""type":"REG_DWORD","value":2147483649"#),
            (4, b"\x01", r#""type":"REG_DWORD","data_base64":"AQ==""#),
            (7, b"a\0\0\0b\0\0\0\0\0", r#""type":"REG_MULTI_SZ","value":["a","b"]"#),
            (7, b"a\0\0\0", r#""type":"REG_MULTI_SZ","value":["a"],"data_base64":"YQAAAA==""#),
            (3, b"\x01", r#""type":"REG_BINARY","data_base64":"AQ==""#),
            (0x0010_0000, b"", r#""type":"0x100000","data_base64":"""#),
        ];
        for (kind, data, expected) in table {
            let value = Described { name: "n".into(), kind: ValueType(*kind), data: data.to_vec() };
            assert_eq!(serde_json::to_string(&value).unwrap(), format!(r#"{{"name":"n",{expected}}}"#));
        }
    }
}
