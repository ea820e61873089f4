//! Values out of a hive as inspection wants them: there and of the right type, or not at all.

use bstr::{BStr, BString, ByteSlice};
use hivex::{Hive, Node, Value, ValueType};

use super::Registry;

/// Longest string in bytes, as UTF-16, that is taken from a value: names, versions and paths are shorter by far.
const TEXT_MAX: usize = 64 << 10;

/// What cannot be read counts as missing; [`Registry::notes`] then says what is damaged.
impl Registry {
    /// The key at `path` from the hive's root.
    pub fn key(&self, path: &str) -> Option<Node> {
        self.hive.node_get_path(self.hive.root(), path.into()).ok().flatten()
    }

    /// The subkeys of a key with their names.
    pub fn subkeys(&self, key: Node) -> impl Iterator<Item = (BString, Node)> + '_ {
        let children = self.hive.node_children(key).unwrap_or_default();
        children.into_iter().filter_map(|child| Some((self.hive.node_name(child).ok()?.to_bstring(), child)))
    }

    /// The text of a string value, up to its first NUL. `None` if it is empty.
    pub fn text(&self, key: Node, name: &str) -> Option<BString> {
        self.string(key, name).filter(|text| !text.is_empty())
    }

    /// The text of a string value, up to its first NUL. A value of another type, or with what is no Unicode, counts as
    /// missing, as in libguestfs's list of applications (whose inspection ends with an error over such a name of a system).
    pub fn string(&self, key: Node, name: &str) -> Option<BString> {
        let value = self.value(key, name)?;
        if self.hive.value_len(value).ok()? > TEXT_MAX {
            return None;
        }
        self.hive.value_string(value).ok().filter(|text| text.to_str().is_ok())
    }

    /// A number of 32 bits.
    pub fn number(&self, key: Node, name: &str) -> Option<u32> {
        self.hive.value_dword(self.value(key, name)?).ok()
    }

    /// The binary values of a key with their names, each of at most `max` bytes.
    pub fn blobs(&self, key: Node, max: usize) -> impl Iterator<Item = (BString, Vec<u8>)> + '_ {
        let values = self.hive.node_values(key).unwrap_or_default();
        values.into_iter().filter_map(move |value| blob(&self.hive, value, max))
    }

    fn value(&self, key: Node, name: &str) -> Option<Value> {
        self.hive.node_get_value(key, BStr::new(name)).ok().flatten()
    }
}

fn blob(hive: &Hive, value: Value, max: usize) -> Option<(BString, Vec<u8>)> {
    if hive.value_type(value).ok()? != ValueType::BINARY || hive.value_len(value).ok()? > max {
        return None;
    }
    let name = hive.value_key(value).ok()?.to_bstring();
    Some((name, hive.value_value(value).ok()?.into_owned()))
}
