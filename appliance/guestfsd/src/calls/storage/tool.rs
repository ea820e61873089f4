//! A program of the appliance, and the devices and files of the guest that it is run on.
//!
//! A program is given a device by its node in this kernel; where it prints that, the caller reads the device's own name.
//! A file of the guest is opened within the root first, and the program is given the open file (`/proc/PID/fd/N` of
//! this daemon): no program ever resolves a guest path.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::server::{FileIn, FileOut};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::super::tool::{Names, with_names};
use crate::Guestfsd;
use crate::error::{At, Failure, refused};
use crate::program::{Ended, Program};

/// Something of the guest that a program is run on.
#[derive(Debug)]
pub(super) struct Subject {
    /// What the caller calls it.
    pub(super) name: BString,
    /// Where the program finds it.
    pub(super) path: PathBuf,
    /// Of a file: what the path leads to as long as it is open.
    open: Option<Arc<OwnedFd>>,
}

impl Subject {
    /// An open file as a program can open it again.
    pub(super) fn opened(name: BString, file: OwnedFd) -> Self {
        let path = Path::new("/proc")
            .join(std::process::id().to_string())
            .join("fd")
            .join(file.as_raw_fd().to_string());
        Subject { name, path, open: Some(Arc::new(file)) }
    }
}

impl Guestfsd {
    /// A device argument of `call`.
    ///
    /// # Errors
    /// That the call needs an appliance, or that there is no such device.
    pub(super) fn subject(&self, call: &str, device: &BStr) -> Result<Subject> {
        let kernel = self.kernel(call)?;
        let name = self.device(device)?;
        let path = kernel.node(name.as_bstr()).at(&name)?;
        Ok(Subject { name, path, open: None })
    }

    /// A text argument that names a device if it begins with `/dev/`, and otherwise is for the program alone.
    pub(super) fn subject_or_text(&self, call: &str, text: &BStr) -> Result<Subject> {
        if text.starts_with(b"/dev/") {
            return self.subject(call, text);
        }
        Ok(Subject { name: text.to_owned(), path: OsStr::from_bytes(text).into(), open: None })
    }

    /// A file or directory of the guest. Anything else is refused: opening a pipe would wait for ever, and a device node
    /// of a guest stands for a device of the appliance.
    ///
    /// # Errors
    /// That the call needs an appliance, what opening it says, or that it is of another type.
    pub(super) fn file_subject(&self, call: &str, path: &BStr, wanted: FileType) -> Result<Subject> {
        let kernel = self.kernel(call)?;
        let file = kernel.sysroot().open(path, OFlags::PATH, Mode::empty()).at(path)?;
        let status = fstat(&file).map_err(Failure::from).at(path)?;
        if FileType::from_raw_mode(status.st_mode) != wanted {
            let errno = if wanted == FileType::Directory { Errno::ENOTDIR } else { Errno::EINVAL };
            return Err(Failure::Os(errno).at(path));
        }
        Ok(Subject::opened(path.to_owned(), file))
    }

    /// To be called after `call` changed what a device holds, whether it went well or not.
    pub(super) fn changed(&self, call: &str) -> Result<()> {
        self.kernel(call)?.changed().at(call)
    }
}

/// A program that is run on subjects.
#[derive(Debug)]
pub(super) struct Tool {
    program: Program,
    name: String,
    /// What the program may print of the subjects, and what the caller is to read instead.
    names: Names,
    /// Files that must stay open while it runs.
    open: Vec<Arc<OwnedFd>>,
    folded: bool,
}

impl Tool {
    /// The program of that name.
    pub(super) fn new(name: &str) -> Self {
        Tool {
            program: Program::new(name),
            name: name.to_owned(),
            names: Vec::new(),
            open: Vec::new(),
            folded: false,
        }
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.program = self.program.arg(argument);
        self
    }

    /// Adds arguments.
    pub(super) fn args<T: AsRef<[u8]>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Tool::arg)
    }

    /// Adds a flag if it was asked for.
    pub(super) fn flag(self, wanted: Option<bool>, flag: &str) -> Self {
        if wanted == Some(true) { self.arg(flag) } else { self }
    }

    /// Adds an option with its value, if there is one.
    pub(super) fn option(self, option: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.arg(option).arg(value),
            None => self,
        }
    }

    /// Adds an option with the number `name`, if there is one, after `prefix`.
    ///
    /// # Errors
    /// If it is negative.
    pub(super) fn number(
        self,
        option: &str,
        prefix: &str,
        name: &str,
        value: Option<impl Into<i64>>,
    ) -> Result<Self> {
        match value.map(Into::into) {
            Some(value) => Ok(self.arg(option).arg(format!("{prefix}{}", super::not_negative(name, value)?))),
            None => Ok(self),
        }
    }

    /// Adds what it is run on.
    pub(super) fn on(self, subject: &Subject) -> Self {
        self.on_with("", subject, "")
    }

    /// Adds what it is run on, between two texts.
    pub(super) fn on_with(
        mut self,
        before: impl AsRef<[u8]>,
        subject: &Subject,
        after: impl AsRef<[u8]>,
    ) -> Self {
        let path = subject.path.as_os_str().as_bytes();
        self.names.push((path.to_vec(), subject.name.clone()));
        // Where a disk's name ends in a digit, there is a letter between it and the number of a partition.
        let ends_in_digit = |name: &[u8]| name.last().is_some_and(u8::is_ascii_digit);
        if ends_in_digit(path) && !ends_in_digit(&subject.name) {
            self.names.push(([path, b"p"].concat(), subject.name.clone()));
        }
        self.open.extend(subject.open.clone());
        self.arg([before.as_ref(), path, after.as_ref()].concat())
    }

    /// Gives it something to read.
    pub(super) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.program = self.program.input(bytes);
        self
    }

    /// What it prints on standard output is part of its complaint.
    pub(super) fn folded(mut self) -> Self {
        self.folded = true;
        self
    }

    /// Runs it. A status other than 0 is an error: the program's complaint, after `place` unless that is empty.
    ///
    /// # Errors
    /// That, or that it can't be run.
    pub(super) fn run(self, place: impl Display) -> Result<BString> {
        let name = self.name.clone();
        let ended = self.end(&place)?;
        if ended.status.success() {
            return Ok(ended.stdout.into());
        }
        Err(complain(&place, &ended.complaint(&name)))
    }

    /// Runs it and says how it ended, whatever its status.
    ///
    /// # Errors
    /// If it can't be run.
    pub(super) fn end(self, place: impl Display) -> Result<Ended> {
        let Tool { program, name, names, folded, open: _open } = self;
        let place = place.to_string();
        let mut ended = program.end(if place.is_empty() { &name } else { &place })?;
        if folded && !ended.status.success() {
            let mut all = std::mem::take(&mut ended.stdout);
            all.push_str(&ended.stderr);
            ended.stderr = all.into();
        }
        ended.stdout = with_names(&ended.stdout, &names);
        ended.stderr = with_names(ended.stderr.as_bytes(), &names).into();
        Ok(ended)
    }

    /// Runs it and sends what it prints to the caller.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn pour(self, place: impl Display, file: &mut FileOut<'_>) -> Result<()> {
        let Tool { program, names, open: _open, .. } = self;
        program.pour(place, file).map_err(|e| in_names(e, &names))
    }

    /// Runs it and feeds it the file that the caller sends.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn feed(self, place: impl Display, file: &mut FileIn<'_>) -> Result<()> {
        let Tool { program, names, open: _open, .. } = self;
        program.feed(place, file).map_err(|e| in_names(e, &names))
    }
}

/// The error that a program's complaint is.
pub(super) fn complain(place: &dyn Display, complaint: &str) -> Error {
    let place = place.to_string();
    refused(if place.is_empty() { complaint.to_owned() } else { format!("{place}: {complaint}") })
}

/// An error with the caller's names; one that is no text of a program stays as it is.
fn in_names(error: Error, names: &Names) -> Error {
    if error.kind() != libguestfs_core::ErrorKind::Daemon {
        return error;
    }
    let text = with_names(error.message().as_bytes(), names);
    let text = String::from_utf8_lossy(&text).into_owned();
    match error.errno() {
        Some(errno) => Error::daemon(errno, text),
        None => refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_speaks_of_devices_by_the_names_of_the_caller() {
        let disk = Subject { name: "/dev/sdb".into(), path: "/dev/vda".into(), open: None };
        let part = Subject { name: "/dev/sdb1".into(), path: "/dev/vda1".into(), open: None };
        let tool = || Tool::new("sh").arg("-c").arg("echo $1; echo $0: $1 is bad >&2; exit $2");
        assert_eq!(tool().on(&disk).on_with("x=", &part, "y").arg("0").run("").unwrap(), "x=/dev/sdb1y\n");
        let failing = |place: &str| tool().on(&disk).on(&part).arg("1").run(place).unwrap_err();
        assert_eq!(failing("").message(), "/dev/sdb: /dev/sdb1 is bad");
        assert_eq!(failing("parted").message(), "parted: /dev/sdb: /dev/sdb1 is bad");
        let looped = Subject { name: "/dev/sda".into(), path: "/dev/loop3".into(), open: None };
        let line = Tool::new("echo").on(&looped).arg("/dev/loop3p1 /dev/loop3: x").run("").unwrap();
        assert_eq!(line, "/dev/sda /dev/sda1 /dev/sda: x\n");
        let folded = tool().on(&disk).on(&part).arg("1").folded().run("").unwrap_err();
        assert_eq!(folded.message(), "/dev/sdb1\n/dev/sdb: /dev/sdb1 is bad");
    }

    #[test]
    fn options_appear_if_they_are_given() {
        let tool = Tool::new("echo").flag(Some(true), "-a").flag(Some(false), "-b").flag(None, "-c");
        let tool = tool.option("-d", Some("x")).option("-e", None::<&str>);
        let tool =
            tool.number("-f", "n=", "count", Some(5)).unwrap().number("-g", "", "size", None::<i64>).unwrap();
        assert_eq!(tool.run("").unwrap(), "-a -d x -f n=5\n");
        let error = Tool::new("echo").number("-f", "", "count", Some(-1)).unwrap_err();
        assert_eq!(error.message(), "count must be >= 0");
    }
}
