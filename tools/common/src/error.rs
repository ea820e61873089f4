//! The tools' error: what was being done, why it failed, what the user can do, and the exit status.

use std::fmt;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What ends a tool, or one of its operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    bad_options: bool,
    what: String,
    hint: Option<String>,
}

impl Error {
    /// Exit status for a failure.
    pub const FAILURE: u8 = 1;
    /// Exit status for options that make no sense.
    pub const BAD_OPTIONS: u8 = 2;

    /// A failure. `what` has no final stop.
    pub fn new(what: impl Into<String>) -> Self {
        Error { bad_options: false, what: what.into(), hint: None }
    }

    /// A command line that makes no sense.
    pub fn bad_options(what: impl Into<String>) -> Self {
        Error { bad_options: true, ..Error::new(what) }
    }

    /// A failed system call, under the name of what was being done or worked on.
    pub fn because(what: impl Into<String>, source: std::io::Error) -> Self {
        libguestfs_core::Error::io(what, source).into()
    }

    /// The same error with advice, printed on its own line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error under the name of what it is about, which comes first.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// The exit status that this error leads to.
    pub fn status(&self) -> u8 {
        if self.bad_options { Self::BAD_OPTIONS } else { Self::FAILURE }
    }

    /// What the user sees: `tool: what: cause`, and a line of advice. Control characters, which may come from
    /// the guest, are shown escaped so that they do nothing to a terminal.
    pub fn message(&self, tool: &str) -> String {
        let mut text = format!("{tool}: {}\n", printable(&self.what));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {}\n", printable(hint)));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

impl From<libguestfs_core::Error> for Error {
    /// The core's errors say by themselves what was being done; their causes stay below.
    fn from(e: libguestfs_core::Error) -> Self {
        let what = e.to_string();
        match std::error::Error::source(&e).map(ToString::to_string) {
            Some(cause) => Error::new(format!("{what}: {cause}")),
            None => Error::new(what),
        }
    }
}

fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_causes_once_and_the_hint_on_its_own_line() {
        let io = std::io::Error::from_raw_os_error(2);
        let error = Error::because("disk.img", io).hint("is it the right directory?");
        assert_eq!(
            error.message("virt-x"),
            "virt-x: disk.img: No such file or directory\nhint: is it the right directory?\n"
        );
        assert_eq!(error.status(), 1);
        assert_eq!(Error::bad_options("no").status(), 2);
    }

    #[test]
    fn a_guest_cannot_control_the_terminal() {
        assert_eq!(Error::new("/a\x1b[31mb\r").message("t"), "t: /a\\u{1b}[31mb\\r\n");
    }
}
