//! `debug sandbox WHAT`: the daemon tries something that its sandbox must stop, and tells what came of it.
//!
//! A test asks for each of these. Every attempt is harmless where it succeeds.

use std::net::TcpListener;
use std::process::Command;

use bstr::{BString, ByteSlice};
use libguestfs_core::Result;
use nix::sys::ptrace;
use nix::sys::signal;
use nix::unistd::getppid;

use crate::error::{refused, strerror};

/// What an attempt that nothing stopped reports.
const ALLOWED: &str = "allowed";

/// What can be tried.
const ATTEMPTS: &str = "create exec kill memory open ptrace socket";

/// A size that no limit of the sandbox allows (bytes).
const TOO_MUCH: usize = 1 << 40;

/// Makes the attempt that `arguments` name, and returns `allowed` or what stopped it.
pub(super) fn attempt(arguments: &[BString]) -> Result<BString> {
    let [what] = arguments else { return Err(refused(format!("expecting one of: {ATTEMPTS}"))) };
    let stopped: std::result::Result<(), String> = match what.as_bytes() {
        b"open" => std::fs::File::open("/proc/self/status").map(drop).map_err(|e| e.to_string()),
        b"create" => {
            let path = format!("/tmp/guestfsd-sandbox-{}", std::process::id());
            let made = std::fs::File::create_new(&path).map_err(|e| e.to_string());
            made.and_then(|_| std::fs::remove_file(&path).map_err(|e| e.to_string()))
        }
        b"socket" => TcpListener::bind("127.0.0.1:0").map(drop).map_err(|e| e.to_string()),
        b"exec" => Command::new("/bin/true").status().map(drop).map_err(|e| e.to_string()),
        // Signal 0 only asks whether a signal could be sent.
        b"kill" => signal::kill(getppid(), None).map_err(strerror),
        b"ptrace" => {
            ptrace::attach(getppid()).and_then(|()| ptrace::detach(getppid(), None)).map_err(strerror)
        }
        b"memory" => Vec::<u8>::new().try_reserve_exact(TOO_MUCH).map_err(|e| e.to_string()),
        _ => return Err(refused(format!("expecting one of: {ATTEMPTS}"))),
    };
    Ok(stopped.err().unwrap_or_else(|| ALLOWED.into()).into())
}
