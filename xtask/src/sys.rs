//! The one module with unsafe code: a system call without a wrapper.
#![expect(unsafe_code, reason = "kcmp(2) has no safe wrapper")]

use nix::libc;

/// Do both processes have one address space, as threads have, and what `clone` made with CLONE_VM?
pub(crate) fn share_memory(one: u32, other: u32) -> bool {
    /// linux/kcmp.h
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: the system call takes numbers only and changes nothing.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) == 0 }
}
