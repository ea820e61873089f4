//! The daemon as a child process of the tool: no privileges, no file access, images through descriptors.
//!
//! ```text
//! stdin   the protocol's stream          stderr   log, never waited for
//! stdout  control packets, until Ready   (libguestfs_core::backend)
//!
//! Start + lifeline, drives -> lock in (sandbox) -> open images, asking for the files that they name -> Ready
//!   -> launch flag -> serve calls until the stream ends
//! ```
//!
//! Nothing of a guest is parsed before the sandbox is closed.

mod sandbox;

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;

use bstr::BString;
use disk::ReadAt;
use disk::image::{self, FileId, Format, OpenRelated};
use libguestfs_core::backend::{
    self, DAEMON_ARGUMENT, DriveMessage, FromDaemon, OpenedFile, RelatedRequest, ToDaemon, receive, send,
};
use libguestfs_core::wire::Channel;
use libguestfs_core::{Error, Result, server};

use crate::engine::native::{Drive, Native};
use crate::source::{self, FileSource};
use crate::{Guestfsd, guest_program, init, log};

/// To be called first thing in a program's `main`: if the program was started as a daemon (the embedded one, or an
/// appliance's first process) or as the supervisor of an appliance, serves until the caller is gone and returns the status
/// to exit with. Otherwise notes that the program can be started that way.
pub fn run_if_daemon() -> Option<ExitCode> {
    // First: one of its processes is the first of a namespace, and looks like an appliance's.
    if let Some(status) = guest_program::run_if_asked() {
        return Some(status);
    }
    if init::is_wanted() {
        return Some(init::run());
    }
    let argument = std::env::args_os().nth(1);
    if argument == Some(OsString::from(backend::SUPERVISOR_ARGUMENT)) {
        return Some(backend::supervise());
    }
    if argument != Some(OsString::from(DAEMON_ARGUMENT)) {
        backend::program_has_daemon();
        return None;
    }
    Some(match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            log::line(format_args!("guestfsd: {e}"));
            ExitCode::FAILURE
        }
    })
}

fn run() -> Result<()> {
    let owned = |fd: std::os::fd::BorrowedFd<'_>| {
        fd.try_clone_to_owned()
            .map_err(|e| Error::io("this is started by a handle only: its standard streams", e))
    };
    let stream = owned(std::io::stdin().as_fd())?;
    let control = owned(std::io::stdout().as_fd())?;
    let mut channel = Channel::new(stream);
    match open_drives(&control) {
        Ok(drives) => {
            send(&control, &FromDaemon::Ready, None)?;
            drop(control);
            server::announce(&mut channel)?;
            server::serve(&mut channel, &mut Guestfsd::new(Box::new(Native::new(drives))))
        }
        Err(e) => {
            send(&control, &FromDaemon::Failed(chain(&e)), None)?;
            Err(e)
        }
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> BString {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text.into()
}

/// The control conversation: drives in, sandbox shut, images open.
fn open_drives(control: &OwnedFd) -> Result<Vec<Drive>> {
    let Some((
        ToDaemon::Start { verbose, sandbox, memory_limit, memory_ceiling, cpu_limit, drives },
        Some(lifeline),
    )) = receive(control)?
    else {
        return Err(unexpected());
    };
    log::set_verbose(verbose);
    backend::end_with(&lifeline)?;
    // Kept open for the life of the process.
    std::mem::forget(lifeline);
    let mut files = Vec::new();
    for _ in 0..drives {
        let Some((ToDaemon::Drive(message), descriptor)) = receive(control)? else {
            return Err(unexpected());
        };
        files.push((message, descriptor));
    }
    if sandbox {
        sandbox::enter(&sandbox::Limits { memory: memory_limit, memory_ceiling, cpu_seconds: cpu_limit })?;
        log::debug(format_args!("guestfsd: sandbox is closed"));
    }
    let open = |(index, (message, descriptor))| open_drive(control, index, message, descriptor);
    (0..).zip(files).map(open).collect()
}

fn unexpected() -> Error {
    Error::protocol("the handle did not send what a daemon is started with")
}

fn open_drive(
    control: &OwnedFd,
    index: u32,
    message: DriveMessage,
    descriptor: Option<OwnedFd>,
) -> Result<Drive> {
    let source = match descriptor {
        None => Arc::new(source::Zeros(message.null_size)) as Arc<dyn ReadAt>,
        Some(fd) => {
            let inner = open_image(control, index, &message, fd).map_err(|e| {
                let text = format!("{}: {}", message.file_name, chain(&e));
                match e.kind() {
                    disk::ErrorKind::Unsupported => Error::needs_appliance(text),
                    _ => Error::launch(text),
                }
            })?;
            Arc::new(source::Named { inner, image: message.file_name.to_string() })
        }
    };
    log::debug(format_args!("guestfsd: drive {index}: {}: {} bytes", message.file_name, source.len()));
    let source: Arc<dyn ReadAt> = match message.sector_size {
        512 => source,
        size => Arc::new(source::Sectors { inner: source, size }),
    };
    Ok(Drive { source, read_only: message.readonly, label: message.label })
}

fn open_image(
    control: &OwnedFd,
    drive: u32,
    message: &DriveMessage,
    descriptor: OwnedFd,
) -> disk::Result<Arc<dyn ReadAt>> {
    let file = Arc::new(FileSource::new(descriptor)?);
    let format = match &message.format {
        Some(name) => Some(Format::from_name(name.as_ref()).ok_or_else(|| {
            disk::Error::new(disk::ErrorKind::InvalidInput, format!("there is no image format ‘{name}’"))
        })?),
        None => None,
    };
    let options = image::Options { format, snapshot: message.snapshot.clone() };
    Ok(image::open_with(file, &options, &mut Asking { control, drive })?.disk)
}

/// Asks the handle for the files that an image names.
struct Asking<'a> {
    control: &'a OwnedFd,
    drive: u32,
}

impl OpenRelated for Asking<'_> {
    fn open_related(&mut self, from: FileId, name: &[u8]) -> disk::Result<(FileId, Arc<dyn ReadAt>)> {
        let refused = |why: String| disk::Error::new(disk::ErrorKind::InvalidInput, why);
        let from = u32::try_from(from.0).map_err(|_| refused("too many files".into()))?;
        let request = RelatedRequest { drive: self.drive, from, name: name.into() };
        let answer = send(self.control, &FromDaemon::Related(request), None)
            .and_then(|()| receive::<ToDaemon>(self.control))
            .map_err(|e| refused(chain(&e).to_string()))?;
        match answer {
            Some((ToDaemon::Opened(OpenedFile { file }), Some(descriptor))) => {
                Ok((FileId(file.into()), Arc::new(FileSource::new(descriptor)?)))
            }
            Some((ToDaemon::Refused(why), _)) => Err(refused(why.to_string())),
            _ => Err(refused(unexpected().to_string())),
        }
    }
}
