//! A guest that is a directory of this machine. Absolute links lead out of it: for trees that are trusted.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bstr::{BStr, BString};
use guest_packages::{File, Tree};

/// The root of the guest.
#[derive(Debug)]
pub(crate) struct Directory(pub(crate) PathBuf);

#[derive(Debug)]
struct Open(fs::File);

impl File for Open {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |m| m.len())
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
}

impl Directory {
    fn path(&self, path: &BStr) -> PathBuf {
        self.0.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)))
    }
}

impl Tree for Directory {
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>> {
        let path = self.path(path);
        if !path.is_file() {
            return Ok(None);
        }
        Ok(Some(Box::new(Open(fs::File::open(path)?))))
    }

    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>> {
        let path = self.path(directory);
        if !path.is_dir() {
            return Ok(None);
        }
        let names = fs::read_dir(path)?.take(max).map(|entry| Ok(entry?.file_name().into_vec().into()));
        names.collect::<io::Result<_>>().map(Some)
    }
}
