//! The core of the tools: the API and its wire protocol, the handle, the backends that start a daemon, inspection.
//!
//! A program makes a [`Guestfs`] handle, adds drives, launches it and makes calls; each call is one message to a daemon
//! (in a sandboxed child process, an appliance, or behind a socket) and one reply.
//!
//! * [`api`]: every call that a daemon answers, defined once.
//! * [`handle`]: drives, settings, events, launch, calls.
//! * [`backend`]: ways to start a daemon.
//! * [`libvirt`]: guests of libvirt, and which images are their disks.
//! * [`inspect`]: which operating systems are on the disks.
//! * [`registry`]: hives of the registry out of a guest's files.
//! * [`packages`]: what is installed there, and how a daemon says it.
//! * [`copy`]: copies out of a guest into a local directory.
//! * [`tar`]: archives, as `tar_out` sends them.
//! * [`wire`]: XDR, frames and the channel that carries them.
//! * [`client`] and [`server`]: the two sides of a conversation.

pub mod api;
pub mod backend;
pub mod client;
mod config;
pub mod copy;
pub mod errno;
mod error;
pub mod handle;
pub mod inspect;
pub mod libvirt;
pub mod packages;
pub mod registry;
pub mod server;
mod sys;
pub mod tar;
pub mod wire;

pub use config::source_date_epoch;
pub use error::{Error, ErrorKind, NEEDS_APPLIANCE, Result};
pub use handle::{AddDriveOpts, Event, EventSet, Guestfs, Settings, Value};
pub use nix::errno::Errno;
pub use sys::{inode_generation, set_inode_generation};
