//! The daemon's log: lines on standard error, which the handle passes on as appliance events. Nothing waits for the log
//! to be read, and nothing fails with it.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Says whether [`debug`] lines are wanted.
pub(crate) fn set_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// Logs a line. Control characters of guests are for the reader to escape.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    // In one write, so that lines of several processes do not mix.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Logs why a program of the daemon ends.
pub fn log_error(error: &libguestfs_core::Error) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text.push_str(&format!(": {e}"));
        cause = e.source();
    }
    line(format_args!("guestfsd: {text}"));
}

/// Logs a line if the log is verbose.
pub(crate) fn debug(text: fmt::Arguments<'_>) {
    if VERBOSE.load(Ordering::Relaxed) {
        line(text);
    }
}
