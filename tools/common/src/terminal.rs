//! Asking for a passphrase on the terminal, not on standard input and output.

use std::fs::File;
use std::io::Write;

use libguestfs_core::handle::Passphrase;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::keys::line;
use crate::{Error, Result};

/// The terminal that controls the process, if there is one.
const TERMINAL: &str = "/dev/tty";
/// Ctrl-C.
const INTERRUPT: u8 = 3;

/// A terminal that does not show what is typed, until this is dropped.
///
/// Signals from the keyboard would end the process and leave the terminal as it is, so there are none meanwhile; Ctrl-C
/// ends the line.
struct Silent<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Silent<'t> {
    fn new(terminal: &'t File) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.local_modes.insert(LocalModes::ECHONL);
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks for a passphrase; none if there is no terminal, or the user ends the input.
///
/// # Errors
/// If the terminal can't be used.
pub(crate) fn ask(prompt: &str, echo: bool) -> Result<Option<Passphrase>> {
    let opened = File::options().read(true).write(true).open(TERMINAL);
    let Ok(mut terminal) = opened else { return Ok(None) };
    let broken = |e: std::io::Error| Error::because(TERMINAL, e);
    terminal.write_all(prompt.as_bytes()).map_err(broken)?;
    let silent = if echo { None } else { Some(Silent::new(&terminal).map_err(|e| broken(e.into()))?) };
    let line = line(&mut &terminal, &[b'\n', INTERRUPT]).map_err(broken)?;
    drop(silent);
    match line {
        Some((_, Some(INTERRUPT))) => {
            // What Ctrl-C does otherwise.
            kill_process(getpid(), Signal::INT).map_err(|e| broken(e.into()))?;
            Err(Error::new("interrupted"))
        }
        line => Ok(line.map(|(text, _)| text)),
    }
}
