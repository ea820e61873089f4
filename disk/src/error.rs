//! The crate's one error type: a kind that callers act on, and words that say what was met and where.

use std::borrow::Cow;
use std::fmt;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller acts on it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The data breaks the rules of its format.
    Corrupt,
    /// The data is (or may be) right, but this code does not fully understand it: a job for an appliance.
    Unsupported,
    /// Nothing of that name, number or format is there.
    NotFound,
    /// A directory was needed and something else was found (`ENOTDIR`).
    NotADirectory,
    /// The thing is a directory, or not of a kind that has the data asked for (`EISDIR`, `EINVAL`).
    InvalidInput,
    /// The source below could not be read.
    Io,
}

/// What this layer was doing, what it met, and the error below it if there was one.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this layer. `what` is a phrase that names the structure and the values met, without a final stop.
    pub fn new(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Error { kind, what: what.into(), source: None }
    }

    /// Damaged data.
    pub fn corrupt(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Corrupt, what)
    }

    /// Data that this code does not fully understand.
    pub fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Unsupported, what)
    }

    /// A failed read of what lies below.
    pub fn io(what: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        Error { kind: ErrorKind::Io, what: what.into(), source: Some(Box::new(source)) }
    }

    /// The same error seen from a layer above, which says what it was doing. The kind stays.
    #[must_use]
    pub fn context(self, doing: impl Into<Cow<'static, str>>) -> Self {
        Error { kind: self.kind, what: doing.into(), source: Some(Box::new(self)) }
    }

    /// The same error seen from above a source: damage within the source's own format (an image's tables, say) is a
    /// failed read there, never damage of what the source holds. Other kinds stay.
    #[must_use]
    pub fn unreadable(self, doing: impl Into<Cow<'static, str>>) -> Self {
        let kind = if self.kind == ErrorKind::Corrupt { ErrorKind::Io } else { self.kind };
        Error { kind, ..self.context(doing) }
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// Says what was being done when an error came up.
pub trait Context<T> {
    /// Adds `doing()` around an error; does nothing to a success.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| e.context(doing()))
    }
}
