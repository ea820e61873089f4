//! The daemon: answers the calls of the libguestfs protocol.
//!
//! ```text
//! protocol ──> Daemon trait (libguestfs-core::api) ──> daemon.rs: one line a call
//!                                                        │
//!                    calls/: one file per group of calls, written once
//!                                                        │
//!                    engine/: devices, mounts, one tree ──┬── native/: the disk crate's readers
//!                    program: mkfs, lvm, …                └── kernel/: an appliance's devices and mounts
//! ```
//!
//! A call never sees where bytes come from, and the engine never sees a call.
#![forbid(unsafe_code)]

mod calls;
mod daemon;
mod embedded;
pub mod engine;
mod error;
mod guest_program;
mod init;
mod listen;
mod log;
mod modules;
mod program;
mod source;
#[cfg(test)]
mod tests;

pub use daemon::Guestfsd;
pub use embedded::run_if_daemon;
pub use error::Failure;
pub use listen::{Listen, listen};
pub use log::log_error;
