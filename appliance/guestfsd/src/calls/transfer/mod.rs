//! Calls that move content: into a guest, out of it in another form, and from one place in it to another.
//!
//! ```text
//! upload    files and devices written with what the caller sends
//! copy      from files and devices to others
//! base64    both ways
//! compress  files and devices sent compressed
//! cpio      a directory sent as a cpio archive
//! unpack    tar archives, decompressed on their way …
//!   extract   … to files below a directory
//! ```

mod base64;
mod compress;
mod copy;
mod cpio;
mod extract;
mod unpack;
mod upload;

use std::os::fd::OwnedFd;

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use rustix::fs::{Mode, OFlags, open};

use super::writing::regular_with;
use crate::Guestfsd;
use crate::engine;
use crate::error::{At, Failure};

/// Permissions of a new file, before the umask.
const NEW_FILE: Mode = Mode::from_raw_mode(0o666);

impl Guestfsd {
    /// Opens a file or device, with the access that `flags` say. Devices are those of the guest, by the names that callers
    /// know.
    fn open_any(&self, call: &str, name: &BStr, flags: OFlags) -> Result<OwnedFd> {
        if name.starts_with(b"/dev/") {
            return self.open_guest_device(call, name, flags);
        }
        regular_with(self.kernel(call)?.sysroot(), name, flags, NEW_FILE).at(name)
    }

    fn open_guest_device(&self, call: &str, name: &BStr, flags: OFlags) -> Result<OwnedFd> {
        let device = self.device(name)?;
        let node = self.kernel(call)?.node(device.as_bstr()).at(name)?;
        let flags = flags.intersection(OFlags::ACCMODE) | OFlags::CLOEXEC;
        open(&node, flags, Mode::empty()).map_err(Failure::from).at(name)
    }

    /// To be called after a device was written: what the kernel knows of it may have changed.
    fn device_written(&self, call: &str, name: &BStr, written: &OwnedFd) -> Result<()> {
        if !name.starts_with(b"/dev/") {
            return Ok(());
        }
        let flushed: engine::Result<()> = rustix::fs::fsync(written).map_err(Failure::from);
        flushed.at(format_args!("fsync: {name}"))?;
        self.kernel(call)?.changed().at(name)
    }
}
