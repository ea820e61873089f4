//! xbps's database: a property list in XML, a dictionary of dictionaries (xbps-query(1); proplib's `prop_dictionary`
//! writes it).

use std::io;

use bstr::{BStr, BString, ByteSlice};

use crate::found::{Found, join};
use crate::limits::FIELD;
use crate::lines::Lines;
use crate::package::{Format, Package};
use crate::source::{File, Tree};

/// The database's directory; the name has the version of its form.
const DIRECTORY: &str = "/var/db/xbps";
const PREFIX: &[u8] = b"pkgdb-";
const SUFFIX: &[u8] = b".plist";
/// Most values that are kept of a package, for the time being; packages have about 20.
const VALUES: usize = 100;

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let directory = BStr::new(DIRECTORY);
    let names = found.names(tree, directory).unwrap_or_default();
    // The last one is the newest form.
    let Some(name) = names.iter().rfind(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) else {
        return;
    };
    let path = join(directory, name);
    let path = path.as_bstr();
    let Some(mut file) = found.open(tree, path) else { return };
    found.database(Format::Xbps, path);
    match read_list(found, path, &mut *file) {
        Ok(0) => {}
        Ok(depth) => found.note(path, format!("ends within {depth} elements")),
        Err(e) => found.note(path, format!("can't be read to its end: {e}")),
    }
}

/// Returns how many elements are open at the end.
fn read_list(found: &mut Found, path: &BStr, file: &mut dyn File) -> io::Result<usize> {
    let mut list = List::default();
    let mut lines = Lines::new(file);
    while let Some(line) = lines.next()? {
        let mut rest = line;
        while let Some(open) = rest.find_byte(b'<') {
            let (text, tag) = rest.split_at(open);
            list.text(text);
            let Some(close) = tag.find_byte(b'>') else {
                found.note(path, "a tag has no end");
                rest = b"";
                break;
            };
            let (tag, after) = tag.split_at(close);
            if let Some(package) = list.tag(tag.get(1..).unwrap_or_default()) {
                match package {
                    Ok(package) => found.package(path, package),
                    Err(wrong) => found.note(path, wrong),
                }
                if found.is_full() {
                    return Ok(0);
                }
            }
            rest = after.get(1..).unwrap_or_default();
        }
        list.text(rest);
        list.text(b"\n");
    }
    Ok(list.depth)
}

/// The list, as far as it is read.
#[derive(Debug, Default)]
struct List {
    /// Dictionaries and arrays that are open. The first is the list, the second a package.
    depth: usize,
    /// Text since the last tag.
    text: BString,
    /// The last key of the package.
    key: BString,
    /// The package's values that are texts.
    values: Vec<(BString, BString)>,
}

impl List {
    fn text(&mut self, text: &[u8]) {
        let room = FIELD.saturating_sub(self.text.len());
        self.text.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    /// Takes a tag without its brackets; gives the package that it ends.
    fn tag(&mut self, tag: &[u8]) -> Option<Result<Package, String>> {
        let text = std::mem::take(&mut self.text);
        match tag {
            b"dict" | b"array" => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 2 {
                    self.values.clear();
                }
            }
            b"/dict" | b"/array" => {
                self.depth = self.depth.saturating_sub(1);
                // What is no package has no version: the list of alternatives.
                if self.depth == 1 && self.values.iter().any(|(key, _)| key == "pkgver") {
                    return Some(self.package());
                }
            }
            b"/key" if self.depth == 2 => self.key = unescape(&text),
            b"/string" if self.depth == 2 && self.values.len() < VALUES => {
                self.values.push((std::mem::take(&mut self.key), unescape(&text)));
            }
            _ => {}
        }
        None
    }

    fn package(&mut self) -> Result<Package, String> {
        let mut value = |key: &str| {
            let found = self.values.iter_mut().find(|(other, _)| other == key);
            found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
        };
        let full = value("pkgver");
        let split = || {
            let (name, version) = full.rsplit_once_str("-")?;
            let (version, release) = version.rsplit_once_str("_")?;
            Some((name, version, release))
        };
        let Some((name, version, release)) = split() else {
            return Err(format!("the version {full:?} is not understood"));
        };
        let origin = value("source-revisions");
        Ok(Package {
            version: version.into(),
            release: release.into(),
            arch: value("architecture"),
            maintainer: value("maintainer"),
            url: value("homepage"),
            // `name:revision`
            source_package: origin.split(|byte| *byte == b':').next().unwrap_or_default().into(),
            summary: value("short_desc"),
            license: value("license"),
            state: value("state"),
            ..Package::new(Format::Xbps, name)
        })
    }
}

/// Text without the entities of XML that a property list has.
fn unescape(text: &[u8]) -> BString {
    let mut plain = BString::from(text);
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&apos;", "'"), ("&quot;", "\""), ("&amp;", "&")]
    {
        plain = plain.replace(entity, character).into();
    }
    plain
}
