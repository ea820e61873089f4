//! Collects what the parsers find, within the limits, and says which parser reads what.

use std::io;

use bstr::{BStr, BString, ByteSlice};

use crate::limits::{FIELD, NAMES, NOTES, PACKAGES, SMALL_FILE, TEXT};
use crate::package::{Database, Format, Installed, Note, Package};
use crate::source::{File, Tree};
use crate::{apk, dpkg, flatpak, pacman, pkg, pkgtools, portage, rpm, snap, xbps};

/// The packages of `formats` that are installed in a guest.
///
/// Whatever is wrong with a database is in the notes; see [`Installed`].
pub fn installed(tree: &dyn Tree, formats: &[Format]) -> Installed {
    let mut found = Found::default();
    for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
        match format {
            Format::Deb => dpkg::read(tree, &mut found),
            Format::Rpm => rpm::read(tree, &mut found),
            Format::Apk => apk::read(tree, &mut found),
            Format::Pacman => pacman::read(tree, &mut found),
            Format::Ebuild => portage::read(tree, &mut found),
            Format::Xbps => xbps::read(tree, &mut found),
            Format::Pkg => pkg::read(tree, &mut found),
            Format::Opkg => dpkg::read_opkg(tree, &mut found),
            Format::Pkgtools => pkgtools::read(tree, &mut found),
            Format::Snap => snap::read(tree, &mut found),
            Format::Flatpak => flatpak::read(tree, &mut found),
            // A hive is no file of `tree`'s kind: who has the guest's registry reads it.
            Format::Windows => {}
        }
    }
    found.finish()
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    result: Installed,
    /// Bytes of text in all packages.
    text: usize,
    /// Notes beyond the limit.
    more_notes: usize,
    /// Packages beyond the limit.
    more_packages: usize,
}

impl Found {
    /// A database is there.
    pub(crate) fn database(&mut self, format: Format, path: &BStr) {
        self.result.databases.push(Database { format, path: path.into() });
    }

    /// Something is wrong with `path`.
    pub(crate) fn note(&mut self, path: impl AsRef<[u8]>, what: impl Into<BString>) {
        if self.result.notes.len() < NOTES {
            self.result.notes.push(Note { path: path.as_ref().into(), what: what.into() });
        } else {
            self.more_notes = self.more_notes.saturating_add(1);
        }
    }

    /// A package that the database at `path` has.
    pub(crate) fn package(&mut self, path: impl AsRef<[u8]>, mut package: Package) {
        for text in package.texts_mut() {
            clean(text);
        }
        if package.name.is_empty() {
            return self.note(path, "a package has no name");
        }
        let text: usize = package.texts().iter().map(|text| text.len()).sum();
        let total = self.text.saturating_add(text);
        if self.result.packages.len() >= PACKAGES || total > TEXT {
            if self.more_packages == 0 {
                self.note(
                    path,
                    format!("more than {PACKAGES} packages, or than {TEXT} bytes of text in them"),
                );
            }
            self.more_packages = self.more_packages.saturating_add(1);
            return;
        }
        self.text = total;
        self.result.packages.push(package);
    }

    /// Is there no room for another package? What follows in a database need not be read.
    pub(crate) fn is_full(&self) -> bool {
        self.more_packages > 0
    }

    /// The content of a small file; `None` if there is none, it is too large (which is noted), or can't be read (too).
    pub(crate) fn small_file(&mut self, tree: &dyn Tree, path: &BStr) -> Option<Vec<u8>> {
        let mut file = self.open(tree, path)?;
        match read_small(&mut *file) {
            Ok(Some(content)) => Some(content),
            Ok(None) => {
                self.note(path, format!("is larger than {SMALL_FILE} bytes"));
                None
            }
            Err(e) => {
                self.note(path, e.to_string());
                None
            }
        }
    }

    /// Opens a file; a failure is noted.
    pub(crate) fn open<'t>(&mut self, tree: &'t dyn Tree, path: &BStr) -> Option<Box<dyn File + 't>> {
        tree.open(path).unwrap_or_else(|e| {
            self.note(path, e.to_string());
            None
        })
    }

    /// The names in a directory, sorted; a failure is noted.
    pub(crate) fn names(&mut self, tree: &dyn Tree, directory: &BStr) -> Option<Vec<BString>> {
        match tree.names(directory, NAMES) {
            Ok(names) => {
                let mut names = names?;
                if names.len() >= NAMES {
                    self.note(directory, format!("has more than {NAMES} names"));
                }
                names.sort_unstable();
                Some(names)
            }
            Err(e) => {
                self.note(directory, e.to_string());
                None
            }
        }
    }

    fn finish(mut self) -> Installed {
        if self.more_notes > 0 {
            let what = format!("and {} more notes", self.more_notes);
            self.result.notes.push(Note { path: "/".into(), what: what.into() });
        }
        self.result.packages.sort_by(|a, b| a.name.cmp(&b.name));
        self.result
    }
}

/// Ends a text at a NUL, which no text of a package has, and at the limit; gives back memory that it does not need.
fn clean(text: &mut BString) {
    let end = text.find_byte(0).unwrap_or(text.len()).min(FIELD);
    text.truncate(end);
    text.shrink_to_fit();
}

/// The content of a file, or `None` if it is too large.
fn read_small(file: &mut dyn File) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = usize::try_from(file.len()).ok().filter(|len| *len <= SMALL_FILE) else {
        return Ok(None);
    };
    let mut content = vec![0; len];
    let mut filled = 0_usize;
    while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(u64::try_from(filled).unwrap_or(u64::MAX), rest)?;
        if read == 0 {
            break;
        }
        filled = filled.saturating_add(read);
    }
    content.truncate(filled);
    Ok(Some(content))
}

/// Path of `name` in `directory`.
pub(crate) fn join(directory: &BStr, name: &[u8]) -> BString {
    [directory.as_bytes(), b"/", name].concat().into()
}
