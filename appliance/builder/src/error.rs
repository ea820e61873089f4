//! The one error type of this crate: a kind that a caller acts on, words for people, and what the user can do.

use std::fmt;
use std::io;
use std::path::Path;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// This host has no such kernel, or it can't be read: another kind of appliance may do.
    NoKernel,
    /// Something else that an appliance needs is missing or makes no sense.
    Unusable,
    /// The directory for appliances can't be trusted.
    Untrusted,
    /// A file could not be read or written.
    Io,
}

/// Why there is no appliance.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: None, source: None }
    }

    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unusable, message)
    }

    /// A failed system call; `path` is what it was about.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Error { kind: ErrorKind::Io, message: path.display().to_string(), hint: None, source: Some(source) }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user can do about it, such as a command to run.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// Puts the path to a failed system call.
pub(crate) trait About<T> {
    fn about(self, path: &Path) -> Result<T>;
}

impl<T> About<T> for io::Result<T> {
    fn about(self, path: &Path) -> Result<T> {
        self.map_err(|e| Error::io(path, e))
    }
}
