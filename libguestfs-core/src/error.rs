//! The one error type of the core: words for people, an errno and a kind for programs.

use std::fmt;

use nix::errno::Errno;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the text of a daemon's error begins when the job needs an appliance, with errno `ENOTSUP`. The handle falls
/// back to an appliance when it sees both.
pub const NEEDS_APPLIANCE: &str = "needs an appliance: ";

/// Who or what failed, as far as a caller acts on it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The call was refused or failed in the daemon.
    Daemon,
    /// The daemon answered that the job needs a real kernel.
    NeedsAppliance,
    /// The call does not fit the state of the handle, or an argument is not usable.
    Usage,
    /// No daemon could be started.
    Launch,
    /// The daemon is gone, or what it sent is not the protocol.
    Protocol,
    /// The caller cancelled the transfer.
    Cancelled,
    /// The daemon stopped sending a file before its end.
    Interrupted,
    /// A file or stream on the caller's side failed.
    Io,
}

/// What was being done, what came in the way, and the errno where there is one.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    errno: Option<Errno>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with an errno; `message` has no final stop and does not repeat the errno's text.
    pub fn new(kind: ErrorKind, errno: Option<Errno>, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), errno, source: None }
    }

    /// An error of a daemon's call. The message is what the user sees.
    pub fn daemon(errno: Errno, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Daemon, Some(errno), message)
    }

    /// A daemon's refusal: only an appliance can do this. `why` says what was met.
    pub fn needs_appliance(why: impl fmt::Display) -> Self {
        Error::new(ErrorKind::NeedsAppliance, Some(Errno::EOPNOTSUPP), format!("{NEEDS_APPLIANCE}{why}"))
    }

    /// A call that does not fit the handle's state, or a bad argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, Some(Errno::EINVAL), message)
    }

    /// A daemon that could not be started.
    pub fn launch(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Launch, None, message)
    }

    /// A broken conversation with the daemon.
    pub fn protocol(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Protocol, None, message)
    }

    /// A transfer that the caller stopped.
    pub fn cancelled() -> Self {
        Error::new(ErrorKind::Cancelled, Some(Errno::EINTR), "operation cancelled by user")
    }

    /// A failed system call on the caller's side. `doing` names the file.
    pub fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        let errno = source.raw_os_error().map(Errno::from_raw);
        let source: Box<dyn std::error::Error + Send + Sync> = match errno {
            Some(errno) => Box::new(SystemError(errno)),
            None => Box::new(source),
        };
        Error { kind: ErrorKind::Io, message: doing.into(), errno, source: Some(source) }
    }

    /// The same error with `prefix: ` before its message: what the daemon said, under the name of the call.
    #[must_use]
    pub fn prefixed(mut self, prefix: impl fmt::Display) -> Self {
        self.message = format!("{prefix}: {}", self.message);
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, cause: Error) -> Self {
        self.source = Some(Box::new(cause));
        self
    }

    /// The message, without its source.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The errno, where one is known.
    pub fn errno(&self) -> Option<Errno> {
        self.errno
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// An errno in the words that users know: those of the C library, without a number.
#[derive(Debug)]
struct SystemError(Errno);

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.desc())
    }
}

impl std::error::Error for SystemError {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
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
