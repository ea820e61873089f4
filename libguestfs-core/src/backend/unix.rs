//! The backend `unix:PATH`: a daemon that is already running behind a Unix socket, with disks of its own.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::{Backend, Process, Running};
use crate::handle::{Drive, Settings};
use crate::wire::Channel;
use crate::{Error, Result};

/// A daemon behind the socket of that path.
#[derive(Debug)]
pub(super) struct Unix(pub(super) PathBuf);

impl Backend for Unix {
    fn start(&self, drives: &[Drive], _: &Settings, _: &dyn Fn(&str)) -> Result<Running> {
        if !drives.is_empty() {
            return Err(Error::launch(
                "drives can't be added to a daemon that is already running (backend unix:…)",
            ));
        }
        let stream = UnixStream::connect(&self.0).map_err(|e| Error::io(self.0.display().to_string(), e))?;
        Ok(Running {
            channel: Channel::new(stream.into()),
            command: String::new(),
            process: Box::new(Elsewhere),
        })
    }
}

/// A process that is not ours.
#[derive(Debug)]
struct Elsewhere;

impl Process for Elsewhere {
    fn log(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn has_log(&self) -> bool {
        false
    }

    fn obituary(&mut self) -> String {
        "the daemon closed the connection".into()
    }
}
