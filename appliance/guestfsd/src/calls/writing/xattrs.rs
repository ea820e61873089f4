//! Extended attributes: set and removed.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use rustix::fs::{XattrFlags, removexattr, setxattr};

use super::existing;
use crate::Guestfsd;
use crate::engine::Last;
use crate::engine::kernel::descriptor_path;
use crate::error::{At, refused};

impl Guestfsd {
    pub(crate) fn setxattr(&mut self, xattr: &BStr, val: &BStr, vallen: i32, path: &BStr) -> Result<()> {
        self.set_xattr("setxattr", xattr, val, vallen, path, Last::Follow)
    }

    pub(crate) fn lsetxattr(&mut self, xattr: &BStr, val: &BStr, vallen: i32, path: &BStr) -> Result<()> {
        self.set_xattr("lsetxattr", xattr, val, vallen, path, Last::Itself)
    }

    /// A symbolic link that is not followed is reached by its descriptor.
    fn set_xattr(
        &self,
        call: &str,
        xattr: &BStr,
        val: &BStr,
        vallen: i32,
        path: &BStr,
        last: Last,
    ) -> Result<()> {
        let root = self.kernel(call)?.sysroot();
        let value = usize::try_from(vallen).ok().and_then(|length| val.get(..length));
        let value =
            value.ok_or_else(|| refused(format!("{path}: vallen is negative or more than val holds")))?;
        let set = existing(root, path, last).and_then(|there| {
            Ok(setxattr(descriptor_path(&there), xattr.as_bytes(), value, XattrFlags::empty())?)
        });
        set.at("setxattr")
    }

    pub(crate) fn removexattr(&mut self, xattr: &BStr, path: &BStr) -> Result<()> {
        self.remove_xattr("removexattr", xattr, path, Last::Follow)
    }

    pub(crate) fn lremovexattr(&mut self, xattr: &BStr, path: &BStr) -> Result<()> {
        self.remove_xattr("lremovexattr", xattr, path, Last::Itself)
    }

    fn remove_xattr(&self, call: &str, xattr: &BStr, path: &BStr, last: Last) -> Result<()> {
        let root = self.kernel(call)?.sysroot();
        let removed = existing(root, path, last)
            .and_then(|there| Ok(removexattr(descriptor_path(&there), xattr.as_bytes())?));
        removed.at("removexattr")
    }
}
