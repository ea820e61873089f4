//! Changes of `.reg` files, put together and applied to a hive in memory.
//!
//! ```text
//! internal_registry_change    a piece of a file; at its end the file is parsed
//! internal_registry_hives     which hives of the guest the changes are for
//! internal_registry_merge     one of them with its changes, as it will be written; nothing is written
//! ```
//!
//! What is sent back was opened again, strictly, and walked to its last value: a hive that is damaged, before or after, is
//! refused.

use std::collections::HashMap;

use bstr::{BStr, BString, ByteSlice};
use hivex::reg::{self, Action, Strings};
use hivex::{Hive, Node, Options, Value, Visitor};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::locate::Located;
use super::{GATHER, about};
use crate::Guestfsd;
use crate::calls::sink::Sink;
use crate::error::refused;

/// Bytes of text that are merged at most, of all files: the export of a SYSTEM hive has 20 MB, 40 in UTF-16.
const TEXT_MAX: usize = 64 << 20;
/// Hives are read so, and what they become is checked so.
const STRICT: Options = Options { strict: true, write: true, time: None };
/// What the names of keys begin with that are no part of a hive.
const ROOTS: [&str; 10] = [
    "HKEY_LOCAL_MACHINE",
    "HKEY_USERS",
    "HKEY_CURRENT_USER",
    "HKEY_CLASSES_ROOT",
    "HKEY_CURRENT_CONFIG",
    "HKLM",
    "HKU",
    "HKCU",
    "HKCR",
    "HKCC",
];

/// What is to be changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The beginning of a file whose end has not come.
    text: Vec<u8>,
    /// How much text there was in all.
    total: usize,
    list: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    /// The file and the line that ask for it.
    place: String,
    path: BString,
    action: Action,
    /// The hive of the guest, and the path in it, once it is known.
    located: Option<(BString, BString)>,
}

impl Guestfsd {
    pub(crate) fn internal_registry_change(
        &mut self,
        file: &BStr,
        encoding: &BStr,
        text: &[u8],
        ends: bool,
    ) -> Result<()> {
        let strings = match encoding.to_ascii_uppercase().as_slice() {
            b"UTF-16LE" => Strings::Utf16,
            b"ASCII" => Strings::Ascii,
            _ => {
                return Err(Error::daemon(Errno::EINVAL, format!("{encoding}: no such encoding of strings")));
            }
        };
        let changes = &mut self.registry.changes;
        changes.total = changes.total.saturating_add(text.len());
        if changes.total > TEXT_MAX {
            return Err(Error::daemon(
                Errno::EFBIG,
                format!("{file}: more than {TEXT_MAX} bytes to be merged"),
            ));
        }
        changes.text.extend_from_slice(text);
        if !ends {
            return Ok(());
        }
        let text = std::mem::take(&mut changes.text);
        let parsed = reg::parse(&text, strings).map_err(|error| about(file, &error))?;
        changes.list.extend(parsed.into_iter().map(|change| Change {
            place: format!("{file}: line {}", change.line),
            path: change.path,
            action: change.action,
            located: None,
        }));
        Ok(())
    }

    /// The hives that are changed, in the order of the changes.
    pub(crate) fn internal_registry_hives(&mut self, systemroot: &BStr) -> Result<Vec<BString>> {
        let mut list = std::mem::take(&mut self.registry.changes.list);
        let mut hives: Vec<BString> = Vec::new();
        // Where the root of a hive is, for all keys that begin with it.
        let mut known: HashMap<BString, Located> = HashMap::new();
        let located = list.iter_mut().try_for_each(|change| {
            let (hive, key) = split_key(change.path.as_bstr());
            let root = hive.to_ascii_lowercase();
            if !known.contains_key(root.as_bstr()) {
                let found = self.locate(systemroot, hive).map_err(|error| error.prefixed(&change.place))?;
                known.insert(root.clone().into(), found);
            }
            let Some(found) = known.get(root.as_bstr()) else { return Ok(()) };
            if !hives.contains(&found.hive) {
                hives.push(found.hive.clone());
            }
            change.located = Some((found.hive.clone(), key.to_owned()));
            Ok(())
        });
        self.registry.changes.list = list;
        located.map(|()| hives)
    }

    /// The hive with its changes. On a device, all changes are for it, and `prefix` is what their keys begin with.
    pub(crate) fn internal_registry_merge(
        &mut self,
        hive: &BStr,
        logs: &[BString],
        prefix: &BStr,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let mut opened = self.read_hive(hive, logs, STRICT)?.hive;
        for change in &self.registry.changes.list {
            let key = match &change.located {
                Some((its, key)) if its == hive => key.as_bstr(),
                Some(_) => continue,
                None => {
                    below(change.path.as_bstr(), prefix).map_err(|error| error.prefixed(&change.place))?
                }
            };
            let applied = opened.apply(key, &change.action);
            applied.map_err(|error| about(BStr::new(&change.place), &error))?;
        }
        opened.commit().map_err(|error| about(hive, &error))?;
        let checked = check(opened.into_image()).map_err(|error| {
            refused(format!("{hive}: the changes would damage the hive, which stays as it is: {error}"))
        })?;
        let image = checked.image();
        out.set_total(u64::try_from(image.len()).unwrap_or(u64::MAX));
        image.chunks(GATHER).try_for_each(|piece| out.write(piece))
    }
}

/// `HKLM\SOFTWARE\A\B` as `HKLM\SOFTWARE` and `A\B`.
fn split_key(path: &BStr) -> (&BStr, &BStr) {
    let end = path.find_byte(b'\\').and_then(|root| {
        let rest = path.get(root.saturating_add(1)..)?;
        rest.find_byte(b'\\').map(|end| root.saturating_add(1).saturating_add(end))
    });
    let (hive, rest) = path.split_at_checked(end.unwrap_or(path.len())).unwrap_or((path, b""));
    (hive.as_bstr(), rest.strip_prefix(b"\\").unwrap_or(rest).as_bstr())
}

/// The path in a hive whose keys begin with `prefix`.
fn below<'p>(path: &'p BStr, prefix: &BStr) -> Result<&'p BStr> {
    let cut = path.split_at_checked(prefix.len());
    if let Some((start, rest)) = cut
        && start.eq_ignore_ascii_case(prefix)
        && (prefix.is_empty() || rest.is_empty() || rest.starts_with(b"\\"))
    {
        let first = rest.split_str("\\").next().unwrap_or_default();
        if !prefix.is_empty() || !ROOTS.iter().any(|root| first.eq_ignore_ascii_case(root.as_bytes())) {
            return Ok(rest.as_bstr());
        }
    }
    let what = if prefix.is_empty() {
        format!("{path}: a hive file holds no key of this name: what its keys begin with has to be given")
    } else {
        format!("{path}: does not begin with {prefix}")
    };
    Err(Error::daemon(Errno::EINVAL, what))
}

/// Reads a hive from its first key to its last value, strictly.
fn check(image: Vec<u8>) -> hivex::Result<Hive> {
    struct All;

    impl Visitor for All {
        type Error = hivex::Error;

        fn value(&mut self, hive: &Hive, _: Node, value: Value) -> hivex::Result<()> {
            hive.value_key(value)?;
            hive.value_type(value)?;
            hive.value_value(value).map(drop)
        }
    }

    let hive = Hive::open(image, STRICT)?;
    hive.visit(hive.root(), &mut All)?;
    Ok(hive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_after_the_hive() {
        for (path, hive, key) in [
            ("HKLM\\SOFTWARE\\A\\B", "HKLM\\SOFTWARE", "A\\B"),
            ("HKLM\\SOFTWARE", "HKLM\\SOFTWARE", ""),
            ("HKLM", "HKLM", ""),
        ] {
            assert_eq!(split_key(BStr::new(path)), (BStr::new(hive), BStr::new(key)), "{path}");
        }
    }

    #[test]
    fn a_hive_gets_no_keys_of_another() {
        for (path, prefix, expected) in [
            ("hklm\\software\\A", "HKLM\\SOFTWARE", Some("\\A")),
            ("HKLM\\SOFTWARE", "HKLM\\SOFTWARE", Some("")),
            ("HKLM\\SOFTWARES", "HKLM\\SOFTWARE", None),
            ("HKLM\\SYSTEM\\A", "HKLM\\SOFTWARE", None),
            ("A\\B", "", Some("A\\B")),
            ("hkey_local_machine\\A", "", None),
        ] {
            let found = below(BStr::new(path), BStr::new(prefix)).ok();
            assert_eq!(found, expected.map(BStr::new), "{path}");
        }
    }
}
