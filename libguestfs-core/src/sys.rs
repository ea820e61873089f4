//! The one module with unsafe code: what has no safe wrapper.
#![expect(unsafe_code, reason = "ownership of descriptors that the kernel made, and fcntl(F_SETOWN)")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

/// Takes ownership of a descriptor that `recvmsg` has just made for this process.
pub(crate) fn own_received(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS gave this process a new descriptor, which nothing else in it knows of.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Has the kernel send this process SIGIO when something happens at `fd`.
pub(crate) fn send_sigio_for(fd: &OwnedFd) -> nix::Result<()> {
    let pid = libc::pid_t::try_from(std::process::id()).map_err(|_| Errno::ERANGE)?;
    // SAFETY: both commands take an integer and touch no memory of this process; the descriptor is open.
    unsafe {
        Errno::result(libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, pid))?;
        Errno::result(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK))?;
    }
    Ok(())
}
