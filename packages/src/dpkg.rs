//! dpkg's database: `status`, one paragraph a package (deb-control(5), dpkg-query(1)); and `status.d`, one file a
//! package, of images that were put together without dpkg (distroless).
//!
//! opkg's is of the same form; it has the texts of a package in a file of its own, `info/NAME.control`, of the same
//! form again (OpenWrt's wiki, "opkg").

use std::io;

use bstr::{BStr, BString, ByteSlice};

use crate::found::{Found, join};
use crate::lines::Lines;
use crate::package::{Format, INSTALLED, Package};
use crate::source::Tree;

/// Where dpkg keeps the state of all packages.
const STATUS: &str = "/var/lib/dpkg/status";
/// Where images without dpkg have a file a package, next to files of checksums.
const STATUS_D: &str = "/var/lib/dpkg/status.d";
/// Names of those end so.
const CHECKSUMS: &[u8] = b".md5sums";
/// Where opkg keeps them: OpenWrt, and images built with Yocto.
const OPKG: [&str; 2] = ["/usr/lib/opkg", "/var/lib/opkg"];
/// States of packages of which no program files are there (dpkg(1)).
const ABSENT: &[&str] = &["not-installed", "config-files"];

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let status = BStr::new(STATUS);
    if let Some(mut file) = found.open(tree, status) {
        found.database(Format::Deb, status);
        paragraphs(found, status, Lines::new(&mut *file), &mut |found, paragraph| {
            paragraph.end(found, status, Format::Deb, false);
        });
    }
    let directory = BStr::new(STATUS_D);
    let Some(names) = found.names(tree, directory) else { return };
    found.database(Format::Deb, directory);
    for name in names.iter().filter(|name| !name.ends_with(CHECKSUMS)) {
        let path = join(directory, name);
        let path = path.as_bstr();
        if let Some(mut file) = found.open(tree, path) {
            // A package is installed by its file being there.
            paragraphs(found, path, Lines::new(&mut *file), &mut |found, paragraph| {
                paragraph.end(found, path, Format::Deb, true);
            });
        }
    }
}

pub(crate) fn read_opkg(tree: &dyn Tree, found: &mut Found) {
    for directory in OPKG.map(BStr::new) {
        let status = join(directory, b"status");
        let Some(mut file) = found.open(tree, status.as_bstr()) else { continue };
        found.database(Format::Opkg, status.as_bstr());
        let info = join(directory, b"info");
        paragraphs(found, status.as_bstr(), Lines::new(&mut *file), &mut |found, mut paragraph| {
            let control = join(info.as_bstr(), &[paragraph.name.as_slice(), b".control"].concat());
            if !paragraph.name.contains(&b'/')
                && let Some(mut file) = found.open(tree, control.as_bstr())
            {
                paragraphs(found, control.as_bstr(), Lines::new(&mut *file), &mut |_, control| {
                    paragraph.add_texts(control);
                });
            }
            paragraph.end(found, status.as_bstr(), Format::Opkg, false);
        });
        return;
    }
}

/// Gives each paragraph of a file to `each`.
fn paragraphs(
    found: &mut Found,
    path: &BStr,
    mut lines: Lines<'_>,
    each: &mut dyn FnMut(&mut Found, Paragraph),
) {
    let mut paragraph = Paragraph::default();
    loop {
        match lines.next() {
            Ok(Some(line)) if line.trim_ascii().is_empty() => {
                let whole = std::mem::take(&mut paragraph);
                if whole.begun {
                    each(found, whole);
                }
                if found.is_full() {
                    return;
                }
            }
            Ok(Some(line)) => paragraph.line(line),
            Ok(None) => break,
            Err(e) => {
                note_unread(found, path, &e);
                break;
            }
        }
    }
    if paragraph.begun {
        each(found, paragraph);
    }
}

fn note_unread(found: &mut Found, path: &BStr, error: &io::Error) {
    found.note(path, format!("can't be read to its end: {error}"));
}

/// The fields of a paragraph that say something of its package.
#[derive(Debug, Default)]
struct Paragraph {
    /// Is there any line in it?
    begun: bool,
    /// Lines that are neither a field nor the continuation of one.
    stray: usize,
    in_description: bool,
    name: BString,
    status: BString,
    version: BString,
    arch: BString,
    homepage: BString,
    maintainer: BString,
    source: BString,
    section: BString,
    summary: BString,
    description: BString,
    license: BString,
    install_time: Option<u64>,
}

impl Paragraph {
    /// Takes the texts that it does not have from another one.
    fn add_texts(&mut self, other: Paragraph) {
        let texts = [
            (&mut self.homepage, other.homepage),
            (&mut self.maintainer, other.maintainer),
            (&mut self.source, other.source),
            (&mut self.section, other.section),
            (&mut self.summary, other.summary),
            (&mut self.description, other.description),
            (&mut self.license, other.license),
        ];
        for (text, other) in texts {
            if text.is_empty() {
                *text = other;
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.begun = true;
        if let [b' ' | b'\t', rest @ ..] = line {
            if self.in_description && self.description.len() < crate::limits::FIELD {
                if !self.description.is_empty() {
                    self.description.push(b'\n');
                }
                self.description.extend_from_slice(rest);
            }
            return;
        }
        self.in_description = false;
        let Some((name, value)) = line.split_once_str(":") else {
            self.stray = self.stray.saturating_add(1);
            return;
        };
        // What follows the text counts as part of it: dpkg-query shows it too.
        let value = value.trim_ascii_start();
        let is = |field: &str| name.eq_ignore_ascii_case(field.as_bytes());
        let field = if is("Package") {
            &mut self.name
        } else if is("Status") {
            &mut self.status
        } else if is("Version") {
            &mut self.version
        } else if is("Architecture") {
            &mut self.arch
        } else if is("Homepage") {
            &mut self.homepage
        } else if is("Maintainer") {
            &mut self.maintainer
        } else if is("Source") {
            &mut self.source
        } else if is("Section") {
            &mut self.section
        } else if is("Description") {
            self.in_description = true;
            &mut self.summary
        } else if is("License") {
            &mut self.license
        } else if is("Installed-Time") {
            self.install_time = value.to_str().ok().and_then(|time| time.trim_ascii_end().parse().ok());
            return;
        } else {
            return;
        };
        *field = value.into();
    }

    /// Adds its package, unless that is not installed; where `all_installed`, no paragraph says so itself.
    fn end(self, found: &mut Found, path: &BStr, format: Format, all_installed: bool) {
        // Third word: `install ok installed`.
        let state = words(&self.status).nth(2).unwrap_or_default();
        let state = if all_installed && self.status.is_empty() { INSTALLED.as_bytes() } else { state };
        if ABSENT.iter().any(|absent| state == absent.as_bytes()) {
            return;
        }
        let (epoch, version, release) = split_version(&self.version);
        let wrong = if self.name.is_empty() {
            Some("a package has no name".to_owned())
        } else if self.stray > 0 {
            Some(format!("{}: {} lines are not fields", self.name, self.stray))
        } else if state.is_empty() {
            Some(format!("{}: the state {:?} is not understood", self.name, self.status))
        } else if self.version.is_empty() {
            Some(format!("{}: has no version", self.name))
        } else if epoch.is_err() {
            Some(format!("{}: the version {:?} is not understood", self.name, self.version))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            found.note(path, wrong);
        }
        let (Ok(epoch), false, false) = (epoch, self.name.is_empty(), state.is_empty()) else { return };
        if self.version.is_empty() {
            return;
        }
        let package = Package {
            epoch,
            version: version.into(),
            release: release.into(),
            arch: self.arch,
            maintainer: self.maintainer,
            url: self.homepage,
            // `name (version)` where the version is another.
            source_package: words(&self.source).next().unwrap_or_default().into(),
            summary: self.summary,
            description: self.description,
            section: self.section,
            license: self.license,
            install_time: self.install_time,
            state: state.into(),
            ..Package::new(format, self.name)
        };
        found.package(path, package);
    }
}

/// What is between spaces.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// `[epoch:]version[-release]`. The release begins at the first `-`, as libguestfs has it.
pub(crate) fn split_version(text: &[u8]) -> (Result<Option<u32>, ()>, &[u8], &[u8]) {
    let (epoch, rest) = match text.split_once_str(":") {
        Some((epoch, rest)) => {
            (epoch.to_str().ok().and_then(|epoch| epoch.parse().ok()).map(Some).ok_or(()), rest)
        }
        None => (Ok(None), text),
    };
    let (version, release) = rest.split_once_str("-").unwrap_or((rest, b""));
    (epoch, version, release)
}
