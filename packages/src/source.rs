//! What the caller lends: the files of a guest.

use std::io;

use bstr::{BStr, BString};

/// An open file.
pub trait File {
    /// Size in bytes.
    fn len(&self) -> u64;

    /// Is the file empty?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` (bytes) into `buf` and returns how many bytes were read: less than `buf.len()` only at the
    /// end of the file.
    ///
    /// # Errors
    /// If the file can't be read there.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// The files of a guest. Paths are absolute; symbolic links are followed, and never lead out of the guest.
pub trait Tree {
    /// Opens a regular file; `None` if there is none of that name.
    ///
    /// # Errors
    /// If the guest's filesystem can't be read.
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>>;

    /// At most `max` names in a directory, in any order, without `.` and `..`; `None` if there is no such directory.
    ///
    /// # Errors
    /// If the guest's filesystem can't be read.
    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>>;
}

/// A file in memory.
#[derive(Debug, Clone)]
pub struct Memory<B>(pub B);

impl<B: AsRef<[u8]>> File for Memory<B> {
    fn len(&self) -> u64 {
        u64::try_from(self.0.as_ref().len()).unwrap_or(u64::MAX)
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.as_ref().get(offset..));
        let mut rest = rest.unwrap_or_default();
        io::Read::read(&mut rest, buf)
    }
}
