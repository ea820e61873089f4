//! Copies out of a guest: an archive that a daemon sends becomes files below a local directory.
//!
//! ```text
//! Copier      sources one after the other, their archives into one target; what failed on the way
//!   extract   entries to directories, links and files; small files in batches, large ones in blocks
//!     workers   threads that write them
//!     target    one local directory that nothing leaves; the only place that names files
//!     finish    owners, attributes, modes and times
//!   compare   the same archive once more, against what was made of it
//!   foreign   single files from a daemon that sends directories only
//! Archiver    sources one after the other, as one archive
//! ```
//!
//! Nothing that a guest or a daemon says leads outside the target: every name is one component, taken relative to an
//! open directory, and no symbolic link is ever followed. A directory gets its mode and times when the last one that
//! works in it lets go of it. A file that is not whole has a temporary name, or none.

mod archive;
mod compare;
mod extract;
mod finish;
mod foreign;
mod target;
mod workers;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BStr, BString, ByteSlice};

use crate::api::TarOutOpts;
use crate::tar::{Identity, Parser, Receive};
use crate::{Error, ErrorKind, Guestfs, Result};
pub use archive::Archiver;
use compare::Compare;
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
    cancelled: AtomicBool,
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

    /// Has the copy stop soon, with an error of the kind `Cancelled`. Files that are not whole are not left.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
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
    fatal: Mutex<Option<(BString, rustix::io::Errno)>>,
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
        if matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO) {
            let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
            fatal.get_or_insert_with(|| (path.into(), errno));
            return;
        }
        self.fail(format_args!("{path}: {}", finish::errno_words(errno)));
    }

    /// Why nothing more can be written, if so.
    fn fatal(&self) -> Result<()> {
        match &*self.fatal.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((place, errno)) => Err(Error::io(place.to_string(), (*errno).into())),
        }
    }

    /// Stops a transfer that is of no more use.
    fn check(&self) -> io::Result<()> {
        let over = self.fatal.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if over || self.progress.is_cancelled() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn take_outcome(&self) -> Outcome {
        std::mem::take(&mut *self.outcome.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        let (target, shared, workers) = (&self.target, &self.shared, &self.workers);
        let extract = Extract::new(target, shared, workers, &mut self.linked, remote, name.clone());
        let (parser, received) = receive(self.handle, remote, shared, extract);
        let (complete, any) = (parser.is_complete(), parser.any());
        parser.into_receiver().finish(complete);
        match received {
            Err(e) if !any && matches!(e.kind(), ErrorKind::Daemon | ErrorKind::Interrupted) => {
                let extract = Extract::new(target, shared, workers, &mut self.linked, remote, name);
                foreign::copy(self.handle, remote, extract).unwrap_or(Err(e))?;
                shared.fatal()
            }
            Err(e) => Err(e),
            // A worker may have met the end of the disk after the end of the archive.
            Ok(()) => self.shared.fatal(),
        }
    }

    /// Compares what was copied of `remote` with the guest once more. Differences are in the [`Outcome`].
    ///
    /// # Errors
    /// If the guest can't be read, or the copy was cancelled.
    pub fn verify(&mut self, remote: impl AsRef<[u8]>) -> Result<()> {
        let remote = remote.as_ref().as_bstr();
        self.workers.wait();
        // What is only in memory can't be read back from the disk.
        let _ = rustix::fs::syncfs(self.target.root().fd());
        let compare = Compare::new(&self.target, &self.shared, remote, last_name(remote)?);
        let (parser, received) = receive(self.handle, remote, &self.shared, compare);
        parser.into_receiver().settle();
        received
    }

    /// Ends the copy: all is written, and directories have their modes and times.
    pub fn finish(self) -> Outcome {
        self.workers.wait();
        self.target.finish(&self.shared);
        self.shared.take_outcome()
    }
}

/// Has the archive of `remote` sent to `receiver`. An archive that is complete is a success, even if something is
/// missing from it: remarks say so.
fn receive<R: Receive>(
    handle: &Guestfs,
    remote: &BStr,
    shared: &Shared,
    receiver: R,
) -> (Parser<R>, Result<()>) {
    let mut parser = Parser::new(receiver);
    if shared.progress.is_cancelled() {
        return (parser, Err(Error::cancelled()));
    }
    let opts = TarOutOpts {
        numericowner: Some(true),
        excludes: Some(shared.options.excludes.clone()).filter(|excludes| !excludes.is_empty()),
        xattrs: shared.options.xattrs.then_some(true),
        ..TarOutOpts::default()
    };
    let sent = handle.tar_out(remote, &mut parser, &opts);
    let received = match sent {
        _ if shared.progress.is_cancelled() => Err(Error::cancelled()),
        Err(_) if shared.fatal().is_err() => shared.fatal(),
        Err(_) if parser.wrong().is_some() => {
            Err(Error::protocol(format!("{remote}: {}", parser.wrong().unwrap_or_default())))
        }
        Err(e) if parser.is_complete() && matches!(e.kind(), ErrorKind::Daemon | ErrorKind::Interrupted) => {
            Ok(())
        }
        Ok(()) if !parser.is_complete() => Err(Error::protocol(format!("{remote}: the archive has no end"))),
        sent => sent,
    };
    (parser, received)
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
