//! Why a part of a database can't be read: it becomes a note.

use std::fmt;
use std::io;

/// `Result` with [`Error`].
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub(crate) enum Error {
    /// The guest's filesystem could not be read.
    Read(io::Error),
    /// The data breaks the rules of its format, or is of a version that is not known. A phrase that says how.
    Broken(String),
}

/// Data that breaks the rules.
pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Broken(what.into()))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read(e) => e.fmt(f),
            Error::Broken(what) => f.write_str(what),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::Read(e)
    }
}
