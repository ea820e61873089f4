//! What can go wrong below a call, and how it becomes the error that the call answers with.
//!
//! The engine says *what* failed ([`Failure`]); only the call knows how libguestfs words it (`opendir: /x: No such file
//! or directory`), so the text is made there, by [`Failure::at`].

use std::error::Error as _;
use std::fmt::{self, Write as _};

use bstr::{BStr, BString};
use disk::ErrorKind;
use libguestfs_core::inspect::Trouble;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

/// Why the engine could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// What the system call of the same meaning would have failed with.
    Os(Errno),
    /// The guest's data on `device` is damaged, not understood or not readable.
    Disk {
        /// The device that holds the data.
        device: BString,
        /// What was met.
        error: disk::Error,
    },
    /// The engine can't do this at all; an appliance can. The text says what was asked.
    NeedsAppliance(String),
    /// Words that stand for themselves: the engine's form of a message that a program would have printed.
    Text(Errno, String),
}

impl Failure {
    /// An error met on `device`. Kinds that have a system call's errno become that.
    pub fn disk(device: &BStr, error: disk::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Failure::Os(Errno::ENOENT),
            ErrorKind::NotADirectory => Failure::Os(Errno::ENOTDIR),
            ErrorKind::InvalidInput => Failure::Os(Errno::EINVAL),
            _ => Failure::Disk { device: device.to_owned(), error },
        }
    }

    /// What it means to an inspection, which goes on without what could not be read.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Failure::NeedsAppliance(why) => Trouble::Unsupported(why.clone()),
            Failure::Disk { error, .. } if error.kind() == ErrorKind::Unsupported => {
                Trouble::Unsupported(chain(error))
            }
            Failure::Disk { error, .. } => Trouble::Damaged(chain(error)),
            Failure::Os(errno) => Trouble::Damaged(strerror(*errno)),
            Failure::Text(_, text) => Trouble::Damaged(text.clone()),
        }
    }

    /// The errno that a call answers with.
    pub fn errno(&self) -> Errno {
        match self {
            Failure::Os(errno) | Failure::Text(errno, _) => *errno,
            Failure::NeedsAppliance(_) => Errno::ENOTSUP,
            Failure::Disk { error, .. } => match error.kind() {
                ErrorKind::Unsupported => Errno::ENOTSUP,
                // What Linux filesystems answer when they meet damage.
                ErrorKind::Corrupt => Errno::EUCLEAN,
                _ => Errno::EIO,
            },
        }
    }

    /// The error of a call of which nothing is to be said but its name, which the library puts before it.
    pub fn alone(self) -> Error {
        match self {
            Failure::Disk { device, error } => Failure::Disk { device: BString::default(), error }.at(device),
            Failure::Os(errno) => Error::daemon(errno, strerror(errno)),
            Failure::Text(errno, text) => Error::daemon(errno, text),
            Failure::NeedsAppliance(why) => Error::needs_appliance(why),
        }
    }

    /// The error of a call: `place` is what stands before the reason, such as `opendir: /etc`.
    pub fn at(self, place: impl fmt::Display) -> Error {
        match self {
            Failure::Os(errno) => Error::daemon(errno, format!("{place}: {}", strerror(errno))),
            Failure::Text(errno, text) => Error::daemon(errno, format!("{place}: {text}")),
            Failure::NeedsAppliance(why) => Error::needs_appliance(format_args!("{place}: {why}")),
            Failure::Disk { device, error } => {
                let errno = Failure::disk_errno(&error);
                let why = chain(&error);
                let place = place.to_string();
                // Some places are devices, and some devices are not known.
                let place =
                    if device.is_empty() || device == place { place } else { format!("{place}: {device}") };
                if error.kind() == ErrorKind::Unsupported {
                    Error::needs_appliance(format_args!("{place}: {why}"))
                } else {
                    Error::daemon(errno, format!("{place}: {why}"))
                }
            }
        }
    }

    fn disk_errno(error: &disk::Error) -> Errno {
        if error.kind() == ErrorKind::Corrupt { Errno::EUCLEAN } else { Errno::EIO }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Os(errno)
    }
}

/// Puts a place to an engine's failure.
pub(crate) trait At<T> {
    /// See [`Failure::at`].
    fn at(self, place: impl fmt::Display) -> Result<T>;
}

impl<T> At<T> for std::result::Result<T, Failure> {
    fn at(self, place: impl fmt::Display) -> Result<T> {
        self.map_err(|failure| failure.at(place))
    }
}

/// An error of the disk crate with everything below it: `inode 12: extent tree: bad magic`.
pub(crate) fn chain(error: &disk::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(below) = next {
        let _infallible = write!(text, ": {below}");
        next = below.source();
    }
    text
}

/// The C library's words for an errno, as the programs of the original print them.
pub(crate) fn strerror(errno: Errno) -> String {
    let number = errno as i32;
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text).to_owned()
}

/// An error of a call without an errno: the original's `reply_with_error`.
pub(crate) fn refused(text: impl Into<String>) -> Error {
    Error::new(libguestfs_core::ErrorKind::Daemon, None, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_once_if_it_is_known() {
        for (device, place, expected) in [
            ("/dev/sda1", "open: /file", "open: /file: /dev/sda1: damaged"),
            ("/dev/sda1", "/dev/sda1", "/dev/sda1: damaged"),
            ("", "/file", "/file: damaged"),
        ] {
            let failure = Failure::Disk { device: device.into(), error: disk::Error::corrupt("damaged") };
            assert_eq!(failure.at(place).message(), expected);
        }
    }
}
