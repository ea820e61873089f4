//! The one module with unsafe code: what has no safe wrapper.
#![expect(unsafe_code, reason = "ownership of descriptors that the kernel made")]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that `recvmsg` has just made for this process.
pub(crate) fn own_received(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS gave this process a new descriptor, which nothing else in it knows of.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
