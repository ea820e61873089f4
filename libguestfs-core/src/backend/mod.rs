//! Backends: ways to start a daemon. All of them hand back one byte stream, over which everything else goes.

mod appliance;
mod control;
mod direct;
mod embedded;
mod images;
mod kvm;
mod overlay;
mod policy;
mod qemu_img;
mod supervisor;
mod uml;
mod unix;

use std::ffi::CStr;
use std::fmt::Debug;
use std::fs::File;
use std::os::fd::OwnedFd;

use bstr::BString;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{setsockopt, sockopt};

use crate::handle::{Drive, Settings};
use crate::wire::{Channel, WINDOWS_SIZE};
use crate::{Error, Result};

pub use control::{DriveMessage, FromDaemon, OpenedFile, Packet, RelatedRequest, ToDaemon, receive, send};
pub use embedded::{DAEMON_ARGUMENT, end_with, program_has_daemon};
pub use supervisor::{SUPERVISOR_ARGUMENT, supervise};

/// Wished size in bytes of the buffers of a stream to an appliance.
const STREAM_BUFFER: usize = 1 << 20;

/// Starts a daemon and keeps what belongs to it.
pub(crate) trait Backend: Debug {
    /// Starts a daemon that sees `drives` as its disks. Warnings go to `warn`.
    fn start(&self, drives: &[Drive], settings: &Settings, warn: &dyn Fn(&str)) -> Result<Running>;
}

/// A daemon that was started.
#[derive(Debug)]
pub(crate) struct Running {
    /// The stream, before the launch flag.
    pub(crate) channel: Channel,
    /// The commands that were run, for a verbose handle.
    pub(crate) command: String,
    /// The process behind it. Dropping it stops the daemon and removes what it left.
    pub(crate) process: Box<dyn Process>,
}

/// The process of a daemon, as far as the handle deals with it.
pub(crate) trait Process: Debug + Send {
    /// What the daemon logged since the last time, without waiting.
    fn log(&mut self) -> Vec<u8>;

    /// Is there a log at all, so that silence means something?
    fn has_log(&self) -> bool {
        true
    }

    /// Why the daemon is gone, after the stream ended: how it died, and its last words.
    fn obituary(&mut self) -> String;
}

/// The backend of that name.
pub(crate) fn by_name(name: &str) -> Result<Box<dyn Backend>> {
    match name {
        "auto" | "embedded" => Ok(Box::new(embedded::Embedded)),
        "appliance" => Ok(Box::new(appliance::Best)),
        "direct" => Ok(Box::new(direct::Direct)),
        "uml" => Ok(Box::new(uml::Uml)),
        _ => {
            if let Some(path) = name.strip_prefix("unix:") {
                return Ok(Box::new(unix::Unix(path.into())));
            }
            if name == "libvirt" || name.starts_with("libvirt:") {
                return Err(Error::launch(format!(
                    "the backend ‘{name}’ is not built in; ‘direct’ runs the same virtual machine without libvirt"
                )));
            }
            Err(Error::usage(format!(
                "there is no backend ‘{name}’; known are auto, embedded, appliance, direct, uml and unix:PATH"
            )))
        }
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &Error) -> BString {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}").into(),
        None => error.to_string().into(),
    }
}

/// Gives a stream room for several writes, so that one end writes while the other reads. The kernel gives what its limit
/// (net.core.wmem_max) allows.
fn roomy(one: &OwnedFd, other: &OwnedFd) {
    let _ = setsockopt(one, sockopt::SndBuf, &STREAM_BUFFER);
    let _ = setsockopt(other, sockopt::SndBuf, &STREAM_BUFFER);
}

/// A file that has no place but memory.
fn in_memory(name: &CStr) -> Result<File> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC);
    fd.map(File::from).map_err(|e| Error::io("making a file in memory", e.into()))
}

/// Memory for the windows of a stream.
fn window_memory() -> Result<File> {
    let memory = in_memory(c"guestfs-window")?;
    memory.set_len(WINDOWS_SIZE).map_err(|e| Error::io("making a file in memory", e))?;
    Ok(memory)
}

fn copy(file: &File) -> Result<File> {
    file.try_clone().map_err(|e| Error::io("duplicating a descriptor", e))
}
