//! Portage's database: a directory a category, in it one a package, with a file a value (Gentoo's wiki, "/var/db/pkg").

use bstr::{BStr, BString, ByteSlice};

use crate::found::{Found, join};
use crate::package::{Format, Package};
use crate::source::Tree;

const DATABASE: &str = "/var/db/pkg";

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let root = BStr::new(DATABASE);
    let mut is_there = false;
    for category in found.names(tree, root).unwrap_or_default() {
        let directory = join(root, &category);
        for name in found.names(tree, directory.as_bstr()).unwrap_or_default() {
            let path = join(directory.as_bstr(), &name);
            // A package that is being merged begins so. The BSDs have other things in these places.
            if name.starts_with(b"-") || found.open(tree, join(path.as_bstr(), b"PF").as_bstr()).is_none() {
                continue;
            }
            if !is_there {
                found.database(Format::Ebuild, root);
                is_there = true;
            }
            match split(&name) {
                Some((name, version, release)) => {
                    let full_name = [category.as_slice(), b"/", name].concat();
                    let package = package(tree, found, path.as_bstr(), full_name.into());
                    let package = Package {
                        version: version.into(),
                        release: release.into(),
                        section: category.clone(),
                        ..package
                    };
                    found.package(&path, package);
                }
                None => found.note(&path, "the name has no version"),
            }
            if found.is_full() {
                return;
            }
        }
    }
}

/// What the files say.
fn package(tree: &dyn Tree, found: &mut Found, path: &BStr, name: BString) -> Package {
    let mut value = |file: &str| {
        let content = found.small_file(tree, join(path, file.as_bytes()).as_bstr());
        BString::from(content.unwrap_or_default().trim_ascii())
    };
    Package {
        // `x86_64-pc-linux-gnu`
        arch: value("CHOST").split(|byte| *byte == b'-').next().unwrap_or_default().into(),
        // There can be several.
        url: value("HOMEPAGE").split(u8::is_ascii_whitespace).next().unwrap_or_default().into(),
        vendor: value("repository"),
        summary: value("DESCRIPTION"),
        license: value("LICENSE"),
        ..Package::new(Format::Ebuild, name)
    }
}

/// `name-version[-rN]` (Gentoo's package manager specification, "Names and versions"): a version begins with a digit,
/// and has no `-`.
fn split(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let is_revision = |text: &[u8]| matches!(text, [b'r', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let (rest, last) = text.rsplit_once_str("-")?;
    let (name, version, release): (&[u8], &[u8], &[u8]) = if is_revision(last) {
        let (name, version) = rest.rsplit_once_str("-")?;
        (name, version, last)
    } else {
        (rest, last, b"")
    };
    (!name.is_empty() && version.first().is_some_and(u8::is_ascii_digit)).then_some((name, version, release))
}
