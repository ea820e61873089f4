//! The crate's one error type: a kind that callers act on, and words that say what was met and where.

use std::borrow::Cow;
use std::fmt;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller acts on it. libhivex's `errno` for the same is in brackets.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The data breaks the rules of its format (`ENOTSUP`, `EFAULT`).
    Corrupt,
    /// The data may be right, but this crate does not know its format (`ENOTSUP`).
    Unsupported,
    /// There is no such key or value (`ENOENT`, or no error and a handle of 0).
    NotFound,
    /// There is a key of that name already (`EEXIST`).
    AlreadyExists,
    /// What the caller gave can't be used: a handle that is none, a name that can't be stored (`EINVAL`).
    InvalidInput,
    /// The hive was not opened for writing (`EROFS`).
    ReadOnly,
    /// A hive can't hold that much (`ERANGE`).
    TooLarge,
    /// The hive's system did not finish writing it, and no log completes it; only a strict reader minds (libhivex does not
    /// look at that).
    Unfinished,
}

/// What this crate was doing and what it met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    what: Cow<'static, str>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Error { kind, what: what.into() }
    }

    pub(crate) fn corrupt(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Corrupt, what)
    }

    pub(crate) fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Unsupported, what)
    }

    pub(crate) fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::InvalidInput, what)
    }

    pub(crate) fn too_large(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::TooLarge, what)
    }

    /// What a caller acts on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}
