//! Programs that are given devices or files of the guest.
//!
//! A device goes to a program by the name that this kernel has for it, a file by a descriptor that is open
//! (`/proc/self/fd/N`): paths of the guest are resolved by [`Sysroot`](crate::engine::kernel::Sysroot) alone. What the
//! program says about either is told to the caller by the name that the caller used.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::engine::kernel::{Kernel, descriptor_path};
use crate::error::{At, Failure, refused};
use crate::program::{Ended, Program};

/// Names of devices and files: as a program knows them, and as the caller does.
pub(super) type Names = Vec<(Vec<u8>, BString)>;

/// A program with names for what it is given.
#[derive(Debug)]
pub(super) struct Tool<'k> {
    kernel: &'k Kernel,
    name: &'static str,
    program: Program,
    names: Names,
    /// Open for as long as the program runs.
    lent: Vec<OwnedFd>,
}

impl<'k> Tool<'k> {
    pub(super) fn new(kernel: &'k Kernel, name: &'static str) -> Self {
        Tool { kernel, name, program: Program::new(name), names: Vec::new(), lent: Vec::new() }
    }

    pub(super) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.program = self.program.arg(argument);
        self
    }

    pub(super) fn args<T: AsRef<[u8]>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.program = self.program.args(arguments);
        self
    }

    /// Adds an argument if `condition` holds.
    pub(super) fn arg_if(self, condition: bool, argument: impl AsRef<[u8]>) -> Self {
        if condition { self.arg(argument) } else { self }
    }

    /// Adds a device, given by its canonical name.
    ///
    /// # Errors
    /// If this kernel has none.
    pub(super) fn device(self, canonical: &BStr) -> Result<Self> {
        let node = self.kernel.node(canonical).at(canonical)?;
        let node = BString::from(node.as_os_str().as_bytes());
        let mut tool = self.arg(&node);
        tool.names.push((node.into(), canonical.to_owned()));
        Ok(tool)
    }

    /// Adds devices.
    ///
    /// # Errors
    /// If this kernel lacks one.
    pub(super) fn devices(self, canonical: &[BString]) -> Result<Self> {
        canonical.iter().try_fold(self, |tool, device| tool.device(device.as_bstr()))
    }

    /// Adds an open file or directory that the guest knows as `path`.
    pub(super) fn lend(self, file: OwnedFd, path: &BStr) -> Result<Self> {
        let (mut tool, name) = self.hold(file, path)?;
        tool = tool.arg(name);
        Ok(tool)
    }

    /// Keeps a descriptor open in the program and gives its name there, for an argument of which that is a part.
    pub(super) fn hold(mut self, file: OwnedFd, path: &BStr) -> Result<(Self, BString)> {
        fcntl_setfd(&file, FdFlags::empty()).map_err(Failure::from).at(path)?;
        let name = BString::from(descriptor_path(&file).as_os_str().as_bytes());
        self.names.push((name.to_vec(), path.to_owned()));
        self.lent.push(file);
        Ok((self, name))
    }

    /// Adds the file or directory at a path of the guest, symbolic links followed. `place` is where errors are said to be.
    ///
    /// # Errors
    /// As [`hold_path`](Self::hold_path).
    pub(super) fn path(self, path: &BStr, place: &BStr) -> Result<Self> {
        let (tool, name) = self.hold_path(path, place)?;
        Ok(tool.arg(name))
    }

    /// Opens the file or directory at a path, and gives its name in the program.
    ///
    /// # Errors
    /// As of `open(2)`. `EINVAL` for anything else: opening a pipe waits for ever, and a guest's device node stands for a
    /// device of the appliance.
    pub(super) fn hold_path(self, path: &BStr, place: &BStr) -> Result<(Self, BString)> {
        let file = self.kernel.sysroot().open(path, OFlags::PATH, Mode::empty()).at(place)?;
        let kind = fstat(&file).map_err(Failure::from).at(place)?.st_mode;
        if !matches!(FileType::from_raw_mode(kind), FileType::RegularFile | FileType::Directory) {
            return Err(Failure::Os(Errno::EINVAL).at(place));
        }
        self.hold(file, path)
    }

    /// Adds a name that need not exist, in a directory of the guest that does.
    ///
    /// # Errors
    /// As of `open(2)` for the directory.
    pub(super) fn name(self, path: &BStr, place: &BStr) -> Result<Self> {
        let (tool, name) = self.hold_name(path, place)?;
        Ok(tool.arg(name))
    }

    /// As [`name`](Self::name), without making an argument of it.
    ///
    /// # Errors
    /// As of `open(2)` for the directory.
    pub(super) fn hold_name(self, path: &BStr, place: &BStr) -> Result<(Self, BString)> {
        let (directory, name) = self.kernel.sysroot().parent(path).at(place)?;
        let (tool, directory) = self.hold(directory, parent_of(path))?;
        Ok((tool, [directory.as_slice(), b"/", name.as_bytes()].concat().into()))
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// If it can't be run.
    pub(super) fn end(self) -> Result<Ending> {
        let Tool { name, program, names, lent, .. } = self;
        let ended = program.end(name)?;
        drop(lent);
        Ok(Ending { name, ended, names })
    }

    /// Runs it, and gives what it printed. What it complains of is the error.
    ///
    /// # Errors
    /// That.
    pub(super) fn run(self) -> Result<Vec<u8>> {
        self.end()?.output("")
    }

    /// As [`run`](Self::run), with `place: ` before what it complains of.
    ///
    /// # Errors
    /// That.
    pub(super) fn run_at(self, place: impl std::fmt::Display) -> Result<Vec<u8>> {
        self.end()?.output(&format!("{place}: "))
    }

    /// As [`run`](Self::run), with how it ended before what it complains of.
    ///
    /// # Errors
    /// That.
    pub(super) fn run_with_status(self) -> Result<Vec<u8>> {
        let ending = self.end()?;
        let status = match ending.ended.status.code() {
            Some(code) => format!("{} exited with status {code}: ", ending.name),
            None => String::new(),
        };
        ending.output(&status)
    }
}

/// How a tool ended.
#[derive(Debug)]
pub(super) struct Ending {
    name: &'static str,
    ended: Ended,
    names: Names,
}

impl Ending {
    /// What it printed, or the error that it ended with.
    fn output(self, before: &str) -> Result<Vec<u8>> {
        if self.ended.status.success() { Ok(self.ended.stdout) } else { Err(self.error(before)) }
    }

    /// Did it end well?
    pub(super) fn success(&self) -> bool {
        self.ended.status.success()
    }

    /// What it printed.
    pub(super) fn printed(&self) -> &[u8] {
        &self.ended.stdout
    }

    /// What it complained of, in the caller's names.
    pub(super) fn complaint(&self) -> String {
        // Some complain on their standard output.
        let text = match self.ended.stdout.trim_ascii() {
            said if self.ended.stderr.trim_ascii().is_empty() && !said.is_empty() => {
                said.to_str_lossy().into_owned()
            }
            _ => self.ended.complaint(self.name),
        };
        with_names(text.as_bytes(), &self.names).to_str_lossy().into_owned()
    }

    /// The error that it is.
    pub(super) fn error(&self, before: &str) -> Error {
        refused(format!("{before}{}", self.complaint()))
    }
}

/// A text with the caller's names for devices and files, found in one pass: a name that was put in is not looked at again.
pub(super) fn with_names(text: &[u8], names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        // The longest one: /dev/vda1, not /dev/vda.
        let matches = names.iter().filter(|(path, _)| !path.is_empty() && rest.starts_with(path));
        if let Some((path, name)) = matches.max_by_key(|(path, _)| path.len()) {
            out.extend_from_slice(name);
            rest = rest.get(path.len()..).unwrap_or_default();
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

/// What comes before the last component of a path, without the slash between.
fn parent_of(path: &BStr) -> &BStr {
    let trimmed = path.trim_end_with(|c| c == '/');
    trimmed.rsplit_once_str("/").map_or(BStr::new(""), |(directory, _)| directory.as_bstr())
}
