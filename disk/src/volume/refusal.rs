//! Why a volume can't be read: an error that can be given each time it is asked for.

use crate::{Error, ErrorKind};

/// An error that can be given more than once.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    /// What the error and those below it say.
    pub(super) what: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let mut what = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            what.push_str(": ");
            what.push_str(&cause.to_string());
            source = cause.source();
        }
        Refusal { kind: error.kind(), what }
    }
}

impl Refusal {
    /// As an error.
    pub(super) fn error(self) -> Error {
        Error::new(self.kind, self.what)
    }
}
