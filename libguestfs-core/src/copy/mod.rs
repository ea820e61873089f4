//! Copies out of a guest: an archive that a daemon sends becomes files below a local directory.
//!
//! ```text
//! Copier      sources one after the other, their archives into one target; what failed on the way
//!   extract   entries to directories, links and files; small files in batches, large ones in blocks
//!     workers   threads that write them
//!     target    one local directory that nothing leaves; the only place that names files
//!     finish    owners, attributes, modes and times
//! ```
//!
//! Nothing that a guest or a daemon says leads outside the target: every name is one component, taken relative to an
//! open directory, and no symbolic link is ever followed. A directory gets its mode and times when the last one that
//! works in it lets go of it. A file that is not whole has a temporary name, or none.

mod extract;
mod finish;
mod target;
mod workers;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BStr, BString, ByteSlice};

use crate::api::TarOutOpts;
use crate::tar::{Identity, Parser};
use crate::{Error, ErrorKind, Guestfs, Result};
use extract::Extract;
use target::Target;
use workers::Workers;

/// What is kept of the files, and which files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Keep owners and groups. Without it, what is copied belongs to the caller, and set-user-ID and set-group-ID bits
    /// are not kept.
    pub owner: bool,
    /// Keep extended attributes and ACLs.
    pub xattrs: bool,
    /// Wildcards of what is left out, as of `tar --exclude`.
    pub excludes: Vec<BString>,
}

/// Most failures that are kept in words; the rest is counted.
const MAX_PROBLEMS: usize = 10_000;
/// Most files with several names that are remembered from one source to the next, at about 150 bytes each.
const MAX_LINKED: usize = 1 << 16;

/// How a copy ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was not copied as it is, and why: one line each.
    pub failures: Vec<String>,
    /// Failures that are not in the list, because it was full.
    pub further_failures: u64,
    /// What was left out because the target can't have it: sockets, and device nodes without the right to make them.
    pub left_out: Vec<String>,
}

/// What a copy does, as it goes on. Any thread may look.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Progress {
    /// Bytes of data received, holes not counted.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Entries received.
    pub fn entries(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }
}

/// What all threads of a copy share.
#[derive(Debug, Default)]
struct Shared {
    options: CopyOptions,
    /// User and group that new files have.
    caller: (u32, u32),
    outcome: Mutex<Outcome>,
    /// Why nothing more can be written at all.
    fatal: Mutex<Option<Error>>,
    progress: Arc<Progress>,
}

impl Shared {
    fn fail(&self, what: impl fmt::Display) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if outcome.failures.len() < MAX_PROBLEMS {
            outcome.failures.push(what.to_string());
        } else {
            outcome.further_failures = outcome.further_failures.saturating_add(1);
        }
    }

    fn leave_out(&self, what: impl fmt::Display) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if outcome.left_out.len() < MAX_PROBLEMS {
            outcome.left_out.push(what.to_string());
        }
    }

    /// Notes a failed system call at `path`; one that all further ones would share ends the copy.
    fn failed_call(&self, path: &BStr, errno: rustix::io::Errno) {
        use rustix::io::Errno;
        let error = std::io::Error::from(errno);
        if matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO) {
            let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
            fatal.get_or_insert_with(|| Error::io(path.to_string(), error));
            return;
        }
        self.fail(format_args!("{path}: {}", words(&Error::io("", error))));
    }

    fn is_over(&self) -> bool {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// The causes of an error in words.
fn words(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Copies sources of one guest into one local directory.
#[derive(Debug)]
pub struct Copier<'a> {
    handle: &'a Guestfs,
    target: Target,
    shared: Arc<Shared>,
    workers: Workers,
    /// Where files with several names were put, among all sources.
    linked: HashMap<Identity, Vec<BString>>,
}

impl<'a> Copier<'a> {
    /// A copier into `directory`, which must be there.
    ///
    /// # Errors
    /// If it is no directory, or can't be opened.
    pub fn new(handle: &'a Guestfs, directory: &Path, options: CopyOptions) -> Result<Copier<'a>> {
        let target = Target::open(directory)?;
        let caller = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let shared = Arc::new(Shared { options, caller, ..Shared::default() });
        let workers = Workers::start(&shared)?;
        Ok(Copier { handle, target, shared, workers, linked: HashMap::new() })
    }

    /// How far the copy is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.shared.progress)
    }

    /// Copies `remote`, a file or a directory with all that is in it, under its last name. What is in the guest's root
    /// directory goes directly into the target. A path that ends in a slash names a directory, through a symbolic link
    /// if it is one. What fails on the way is in the [`Outcome`].
    ///
    /// # Errors
    /// If there is no such thing, the copy was cancelled, or nothing more can be written.
    pub fn copy(&mut self, remote: impl AsRef<[u8]>) -> Result<()> {
        let remote = remote.as_ref().as_bstr();
        let name = last_name(remote)?;
        let opts = TarOutOpts {
            numericowner: Some(true),
            excludes: Some(self.shared.options.excludes.clone()).filter(|excludes| !excludes.is_empty()),
            xattrs: self.shared.options.xattrs.then_some(true),
            ..TarOutOpts::default()
        };
        let extract =
            Extract::new(&self.target, &self.shared, &mut self.workers, &mut self.linked, remote, name);
        let mut parser = Parser::new(extract);
        let sent = self.handle.tar_out(remote, &mut parser, &opts);
        let complete = parser.is_complete();
        let ended = parser.into_receiver().finish(complete);
        if let Some(fatal) = self.shared.fatal.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fatal);
        }
        match (sent, complete) {
            // What could not be read is among the failures.
            (Err(e), true) if e.kind() == ErrorKind::Daemon || e.kind() == ErrorKind::Interrupted => ended,
            (Err(e), _) => Err(e),
            (Ok(()), false) => Err(Error::protocol(format!("{remote}: the archive has no end"))),
            (Ok(()), true) => ended,
        }
    }

    /// Ends the copy: all is written, and directories have their modes and times.
    pub fn finish(self) -> Outcome {
        self.workers.wait();
        self.target.finish(&self.shared);
        std::mem::take(&mut *self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The name under which a source is put; none for the root directory.
fn last_name(remote: &BStr) -> Result<Option<BString>> {
    let trimmed = remote.trim_end_with(|c| c == '/');
    let name = trimmed.rsplit_str(b"/").next().unwrap_or_default();
    match name {
        b"" => Ok(None),
        b"." | b".." => Err(Error::usage(format!("{remote}: the path does not end in a name"))),
        name => Ok(Some(name.into())),
    }
}

impl Guestfs {
    /// Copies a file, or a directory with all that is in it, into the local directory `localdir`, under its last name.
    /// Owners are kept if the caller is root.
    ///
    /// # Errors
    /// If something could not be copied. What could is there nevertheless.
    pub fn copy_out(&self, remotepath: impl AsRef<[u8]>, localdir: impl AsRef<Path>) -> Result<()> {
        let owner = rustix::process::geteuid().is_root();
        let mut copier =
            Copier::new(self, localdir.as_ref(), CopyOptions { owner, ..CopyOptions::default() })?;
        copier.copy(remotepath)?;
        let Outcome { failures, further_failures, .. } = copier.finish();
        let Some((first, more)) = failures.split_first() else { return Ok(()) };
        let more = u64::try_from(more.len()).unwrap_or(u64::MAX).saturating_add(further_failures);
        let text = if more == 0 { first.clone() } else { format!("{first} (and {more} more)") };
        Err(Error::new(ErrorKind::Daemon, None, text).prefixed("copy_out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_put_under_its_last_name() {
        for (remote, name) in [
            ("/etc", Some("etc")),
            ("/etc/", Some("etc")),
            ("/usr//lib///", Some("lib")),
            ("/", None),
            ("///", None),
            ("etc", Some("etc")),
        ] {
            assert_eq!(last_name(remote.into()).unwrap(), name.map(BString::from), "{remote}");
        }
        for remote in ["/etc/..", "/.", "..", "/a/../"] {
            assert!(last_name(remote.into()).is_err(), "{remote}");
        }
    }
}
