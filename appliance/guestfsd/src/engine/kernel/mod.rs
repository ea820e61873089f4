//! The engine of an appliance: the kernel's devices and mounts, and the standard programs.
//!
//! Calls that need it ask [`Engine::kernel`](super::Engine::kernel) for it; the native engine has none, and such a call
//! is answered with "needs an appliance".

mod sysroot;

pub use sysroot::{HERE, Sysroot, descriptor_path};

/// The kernel's side of a daemon in an appliance.
#[derive(Debug)]
pub struct Kernel {
    sysroot: Sysroot,
}

impl Kernel {
    /// Where the guest's filesystems are mounted.
    pub fn sysroot(&self) -> &Sysroot {
        &self.sysroot
    }
}
