//! Backends: ways to start a daemon. All of them hand back one byte stream, over which everything else goes.

mod control;
mod embedded;
mod policy;
mod unix;

use std::fmt::Debug;

use crate::handle::{Drive, Settings};
use crate::wire::Channel;
use crate::{Error, Result};

pub use control::{DriveMessage, FromDaemon, OpenedFile, Packet, RelatedRequest, ToDaemon, receive, send};
pub use embedded::{DAEMON_ARGUMENT, end_with, program_has_daemon};

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
    /// The process behind it. Dropping it stops the daemon and removes what it left.
    pub(crate) process: Box<dyn Process>,
}

/// The process of a daemon, as far as the handle deals with it.
pub(crate) trait Process: Debug + Send {
    /// What the daemon logged since the last time, without waiting.
    fn log(&mut self) -> Vec<u8>;

    /// Why the daemon is gone, after the stream ended: how it died, and its last words.
    fn obituary(&mut self) -> String;
}

/// The backend of that name.
pub(crate) fn by_name(name: &str) -> Result<Box<dyn Backend>> {
    match name {
        "auto" | "embedded" => Ok(Box::new(embedded::Embedded)),
        _ => {
            if let Some(path) = name.strip_prefix("unix:") {
                return Ok(Box::new(unix::Unix(path.into())));
            }
            if matches!(name, "direct" | "uml" | "appliance")
                || name == "libvirt"
                || name.starts_with("libvirt:")
            {
                return Err(Error::launch(format!(
                    "the backend ‘{name}’ is not built in yet; unset LIBGUESTFS_BACKEND to use the embedded one"
                )));
            }
            Err(Error::usage(format!("there is no backend ‘{name}’; known are auto, embedded and unix:PATH")))
        }
    }
}
