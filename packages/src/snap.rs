//! Snaps: an image each in snapd's directory, `NAME_REVISION.snap` (snapcraft.io's documentation, "Data locations").
//! A snap's version is within its image, which is not opened here: the revision tells what it is.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice};

use crate::found::Found;
use crate::package::{Format, Package};
use crate::source::Tree;

const SNAPS: &str = "/var/lib/snapd/snaps";
const SUFFIX: &str = ".snap";

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let directory = BStr::new(SNAPS);
    let Some(names) = found.names(tree, directory) else { return };
    // Former revisions are kept for a while. Those of local files are `x1`, `x2`…
    let mut newest: BTreeMap<BString, (u32, BString)> = BTreeMap::new();
    for name in &names {
        let Some(name) = name.strip_suffix(SUFFIX.as_bytes()) else { continue };
        let Some((name, revision)) = name.rsplit_once_str("_") else {
            found.note(directory, format!("{:?}: the name has no revision", name.as_bstr()));
            continue;
        };
        let digits = revision.strip_prefix(b"x").unwrap_or(revision);
        let Some(number) = digits.to_str().ok().and_then(|digits| digits.parse().ok()) else {
            found.note(directory, format!("{:?}: the revision is no number", name.as_bstr()));
            continue;
        };
        let last = newest.entry(name.into()).or_insert((number, revision.into()));
        if last.0 < number {
            *last = (number, revision.into());
        }
    }
    if !newest.is_empty() {
        found.database(Format::Snap, directory);
    }
    for (name, (_, revision)) in newest {
        let package = Package { release: revision, ..Package::new(Format::Snap, name) };
        found.package(directory, package);
    }
}
