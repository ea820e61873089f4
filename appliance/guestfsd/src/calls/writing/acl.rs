//! The POSIX ACLs of files, as text.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{XattrFlags, fstat, removexattr, setxattr};

use super::existing;
use crate::Guestfsd;
use crate::calls::acl::{self, Wrong};
use crate::calls::tar::owners::Owners;
use crate::engine::Last;
use crate::engine::kernel::descriptor_path;
use crate::error::{At, Failure, refused, strerror};

/// The attribute of an `acltype`.
fn attribute(acltype: &BStr) -> Result<&'static [u8]> {
    match acltype.as_bytes() {
        b"access" => Ok(acl::ACCESS),
        b"default" => Ok(acl::DEFAULT),
        _ => Err(refused(format!("invalid acltype parameter: {acltype}"))),
    }
}

impl Guestfsd {
    /// A file without an ACL has the one that its mode makes; a directory without a default one has none.
    pub(crate) fn acl_get_file(&mut self, path: &BStr, acltype: &BStr) -> Result<BString> {
        let name = attribute(acltype)?;
        let metadata = self.tree().status(path, Last::Follow).at(path)?.metadata;
        if name == acl::DEFAULT && metadata.file_type != FileType::Directory {
            return Err(Failure::Os(Errno::EACCES).at(path));
        }
        let xattrs = self.tree().xattrs(path, Last::Follow).at(path)?;
        let entries = match xattrs.iter().find(|xattr| xattr.name == name) {
            Some(xattr) => acl::entries(&xattr.value)
                .ok_or_else(|| refused(format!("{path}: an ACL that makes no sense")))?,
            None if name == acl::DEFAULT => Vec::new(),
            None => acl::of_mode(metadata.permissions),
        };
        Ok(acl::long(&entries).into())
    }

    pub(crate) fn acl_set_file(&mut self, path: &BStr, acltype: &BStr, text: &BStr) -> Result<()> {
        let root = self.kernel("acl_set_file")?.sysroot();
        let name = attribute(acltype)?;
        let entries = acl::parse(text, &Owners::of(self.tree())).map_err(|wrong| {
            let errno = if wrong == Wrong::Name { Errno::ENOENT } else { Errno::EINVAL };
            refused(format!("could not parse acl string: {text}: acl_from_text: {}", strerror(errno)))
        })?;
        let set = existing(root, path, Last::Follow).and_then(|there| {
            let kind = rustix::fs::FileType::from_raw_mode(fstat(&there)?.st_mode);
            if name == acl::DEFAULT && kind != rustix::fs::FileType::Directory {
                return Err(Failure::Os(Errno::EACCES));
            }
            Ok(setxattr(descriptor_path(&there), name, &acl::value(&entries), XattrFlags::empty())?)
        });
        set.at(path)
    }

    pub(crate) fn acl_delete_def_file(&mut self, directory: &BStr) -> Result<()> {
        let root = self.kernel("acl_delete_def_file")?.sysroot();
        let removed = existing(root, directory, Last::Follow).and_then(|there| {
            match removexattr(descriptor_path(&there), acl::DEFAULT) {
                Err(rustix::io::Errno::NODATA) => Ok(()),
                removed => Ok(removed?),
            }
        });
        removed.at(directory)
    }
}
