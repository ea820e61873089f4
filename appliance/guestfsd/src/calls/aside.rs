//! A filesystem mounted for one call, out of the caller's sight.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use bstr::ByteSlice;
use libguestfs_core::Result;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::engine::Mountable;
use crate::engine::kernel::Kernel;
use crate::error::{At, Failure, refused};
use crate::log;

/// Where it is mounted. There is one call at a time.
const PLACE: &str = "/tmp/guestfs-aside";

/// A mounted filesystem; dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Aside(PathBuf);

impl Aside {
    /// Mounts a btrfs filesystem or subvolume.
    pub(super) fn btrfs(kernel: &Kernel, mountable: &Mountable) -> Result<Self> {
        let device = mountable.device();
        let node = kernel.node(device).at(device)?;
        let options = match mountable {
            Mountable::BtrfsVolume { volume, .. } => [b"subvol=", volume.as_bytes()].concat(),
            Mountable::Device(_) => Vec::new(),
        };
        let options = CString::new(options).map_err(|e| refused(format!("{device}: {e}")))?;
        let made = std::fs::create_dir(PLACE);
        if let Err(e) = made.or_else(|e| if Path::new(PLACE).is_dir() { Ok(()) } else { Err(e) }) {
            return Err(refused(format!("{PLACE}: {e}")));
        }
        mount(&node, PLACE, "btrfs", MountFlags::empty(), options.as_c_str())
            .map_err(Failure::from)
            .at(device)?;
        Ok(Aside(PLACE.into()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(e) = unmount(&self.0, UnmountFlags::empty()) {
            log::debug(format_args!("guestfsd: {}: {e}", self.0.display()));
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}
