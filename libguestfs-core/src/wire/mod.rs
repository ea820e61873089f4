//! The libguestfs wire protocol, version 4: what goes over the byte stream between a handle and a daemon.
//!
//! ```text
//! frame   = u32 length, then that many bytes    (a message or a chunk)
//!         | launch flag                         daemon: "I am up"
//!         | cancel flag                         either: "stop the transfer"
//!         | progress flag, 24 bytes             daemon: how far a call is
//! message = 40-byte header, then arguments or results in XDR
//! chunk   = i32 cancel, opaque data<8192>       content of a file; empty data ends it
//! ```
//!
//! [`xdr`] encodes values, [`Header`] and [`Chunk`] are the two kinds of frames, [`Channel`] moves frames over a file
//! descriptor. Every length is checked against its limit before memory is taken for it.
//! Numbers: libguestfs generator/XDR.ml and lib/proto.c.

mod aligned;
mod channel;
mod chunk;
mod header;
mod window;
pub mod xdr;

pub use aligned::{Aligned, PAGE};
pub use channel::{Channel, Word};
pub use chunk::{CHUNK_MAX, Chunk};
pub use header::{Direction, HEADER_LEN, Header, Status};
pub use window::{WINDOWS_SIZE, Way, Window};

/// Program number, in every header.
pub const PROGRAM: u32 = 0x2000_F5F5;
/// Protocol version, in every header.
pub const VERSION: u32 = 4;
/// Sent once by a daemon that is ready to serve.
pub const LAUNCH_FLAG: u32 = 0xF5F5_5FF5;
/// Sent by either side to stop a file transfer.
pub const CANCEL_FLAG: u32 = 0xFFFF_EEEE;
/// Sent by a daemon before a progress message.
pub const PROGRESS_FLAG: u32 = 0xFFFF_5555;
/// Largest frame in bytes.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;
/// Longest error text in bytes.
pub const ERROR_TEXT_MAX: usize = 64 * 1024;
/// Longest errno name in bytes.
pub const ERRNO_NAME_MAX: usize = 32;
/// Size of a progress message in bytes, without its flag.
pub const PROGRESS_LEN: usize = 24;
/// Serial number of a client's first call; each next call counts one up.
pub const FIRST_SERIAL: u32 = 0x0012_3400;
/// Optional arguments that one call can have: bits of the mask in its header.
pub const OPTIONAL_MAX: usize = 63;

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Procedure number of the call.
    pub procedure: u32,
    /// Serial number of the call.
    pub serial: u32,
    /// Units done. In pulse mode (total unknown) 0, and at the end 1.
    pub position: u64,
    /// Units in all. In pulse mode 1.
    pub total: u64,
}
