//! Whole guests in memory, and what the parsers have in common.

use std::collections::BTreeMap;
use std::io;

use bstr::{BStr, BString, ByteSlice};

use crate::{File, Format, Installed, Memory, Tree, installed};

mod deb;
mod others;
mod text;

/// The files of a guest. A file whose content is `Err` can't be read.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<BString, Result<Vec<u8>, String>>);

impl Files {
    pub(crate) fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.0.insert(path.into(), Ok(content.as_ref().to_vec()));
        self
    }

    pub(crate) fn unreadable(mut self, path: &str) -> Self {
        self.0.insert(path.into(), Err("a bad block".to_owned()));
        self
    }
}

struct Unreadable(String);

impl File for Unreadable {
    fn len(&self) -> u64 {
        1
    }

    fn read_at(&mut self, _offset: u64, _buf: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(self.0.clone()))
    }
}

impl Tree for Files {
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>> {
        Ok(self.0.get(path).map(|content| -> Box<dyn File + '_> {
            match content {
                Ok(content) => Box::new(Memory(content.as_slice())),
                Err(why) => Box::new(Unreadable(why.clone())),
            }
        }))
    }

    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>> {
        let prefix = [directory.as_bytes(), b"/"].concat();
        let below = self.0.keys().filter_map(|path| path.strip_prefix(prefix.as_slice()));
        let mut names: Vec<BString> =
            below.filter_map(|rest| rest.split(|byte| *byte == b'/').next()).map(BString::from).collect();
        names.dedup();
        names.truncate(max);
        Ok((!names.is_empty()).then_some(names))
    }
}

/// All packages of a guest.
pub(crate) fn all(files: &Files) -> Installed {
    installed(files, &Format::ALL)
}

/// `name epoch version release arch` of each package.
pub(crate) fn lines(found: &Installed) -> Vec<String> {
    let line = |p: &crate::Package| {
        let epoch = p.epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
        format!("{} {epoch} {} {} {}", p.name, p.version, p.release, p.arch)
    };
    found.packages.iter().map(line).collect()
}

/// The notes as texts.
pub(crate) fn notes(found: &Installed) -> Vec<String> {
    found.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_guest_without_databases_has_no_packages() {
    assert_eq!(all(&Files::default()), Installed::default());
}

#[test]
fn a_format_that_is_not_asked_for_is_not_read() {
    let files = Files::default().with("/var/lib/dpkg/status", "x\n");
    assert_eq!(installed(&files, &[Format::Rpm]), Installed::default());
    assert_eq!(Format::named(b"deb"), Some(Format::Deb));
    assert_eq!(Format::named(b""), None);
}
