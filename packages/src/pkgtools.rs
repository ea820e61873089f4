//! Slackware's database: a file a package, `NAME-VERSION-ARCHITECTURE-BUILD` (Slackware's documentation, "Package
//! management": what the files are and how they are named).
//!
//! ```text
//! PACKAGE NAME:     bash-5.2.026-x86_64-1
//! PACKAGE DESCRIPTION:
//! bash: bash (sh-compatible shell)           the summary
//! bash:
//! bash: The GNU Bourne-Again SHell.  Bash    the description, up to FILE LIST
//! ```

use bstr::{BStr, BString, ByteSlice};

use crate::found::{Found, join};
use crate::limits::FIELD;
use crate::lines::Lines;
use crate::package::{Format, Package};
use crate::source::Tree;

/// Where the files are, since Slackware 15 and before.
const PACKAGES: [&str; 2] = ["/var/lib/pkgtools/packages", "/var/log/packages"];
/// Titles of the text and of what follows it.
const DESCRIPTION: &[u8] = b"PACKAGE DESCRIPTION:";
const FILES: &[u8] = b"FILE LIST:";
/// A package that is being replaced has the time at the end of its name.
const REPLACED: &str = "-upgraded-";

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    for directory in PACKAGES.map(BStr::new) {
        let Some(names) = found.names(tree, directory) else { continue };
        let names: Vec<BString> = names.into_iter().filter(|name| !name.contains_str(REPLACED)).collect();
        if names.is_empty() {
            continue;
        }
        found.database(Format::Pkgtools, directory);
        for name in names {
            let path = join(directory, &name);
            match named(&name) {
                Some(package) => {
                    let package = with_texts(tree, found, path.as_bstr(), package);
                    found.package(&path, package);
                }
                None => found.note(&path, "the name has no version, architecture and build"),
            }
            if found.is_full() {
                return;
            }
        }
        // The older place is a link to the newer one.
        return;
    }
}

/// The package of a file of this name.
fn named(text: &[u8]) -> Option<Package> {
    let (rest, build) = text.rsplit_once_str("-")?;
    let (rest, arch) = rest.rsplit_once_str("-")?;
    let (name, version) = rest.rsplit_once_str("-")?;
    if [name, version, arch, build].iter().any(|part| part.is_empty()) {
        return None;
    }
    Some(Package {
        version: version.into(),
        release: build.into(),
        arch: arch.into(),
        ..Package::new(Format::Pkgtools, name)
    })
}

/// The same with what its file says. The list of files behind that is not looked at.
fn with_texts(tree: &dyn Tree, found: &mut Found, path: &BStr, mut package: Package) -> Package {
    let Some(mut file) = found.open(tree, path) else { return package };
    let mut lines = Lines::new(&mut *file);
    let prefix = [package.name.as_slice(), b":"].concat();
    let mut in_text = false;
    loop {
        match lines.next() {
            Ok(Some(line)) if line.starts_with(FILES) => break,
            Ok(Some(line)) if line.starts_with(DESCRIPTION) => in_text = true,
            Ok(Some(line)) if in_text => {
                let Some(text) = line.strip_prefix(prefix.as_slice()) else { continue };
                let text = text.trim_ascii();
                if package.summary.is_empty() {
                    package.summary = text.into();
                } else if package.description.len() < FIELD
                    && !(text.is_empty() && package.description.is_empty())
                {
                    if !package.description.is_empty() {
                        package.description.push(b'\n');
                    }
                    package.description.extend_from_slice(text);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(e) => {
                found.note(path, format!("can't be read to its end: {e}"));
                break;
            }
        }
    }
    let end = package.description.trim_ascii_end().len();
    package.description.truncate(end);
    package
}
