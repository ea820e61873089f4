//! What belongs to a file beside its content, carried over from one to another.
//!
//! Both are given by descriptors that need not be open for anything, so that symbolic links, pipes and devices are as good
//! as files: they are reached by the names that the kernel gives descriptors.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, chmod, chownat, getxattr,
    listxattr, setxattr, utimensat,
};

use crate::engine;
use crate::engine::kernel::descriptor_path;

/// Longest list of names and longest value of extended attributes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`, limits.h).
const XATTR_MAX: usize = 64 << 10;
/// How the names of ACLs begin. Setting one changes the mode, so they come after it.
const ACL: &[u8] = b"system.posix_acl_";

/// Gives `to` the owner, mode, extended attributes and times of `from`, whose status is given. The order matters: a change
/// of owner clears set-user-ID bits and capabilities.
pub(in crate::calls) fn carry(from: &OwnedFd, status: &Stat, to: &OwnedFd) -> engine::Result<()> {
    owner(status, to)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::Symlink {
        mode(status, to)?;
    }
    xattrs(from, to)?;
    let times = Timestamps {
        last_access: Timespec { tv_sec: status.st_atime, tv_nsec: nanoseconds(status.st_atime_nsec) },
        last_modification: Timespec { tv_sec: status.st_mtime, tv_nsec: nanoseconds(status.st_mtime_nsec) },
    };
    Ok(utimensat(CWD, descriptor_path(to), &times, AtFlags::empty())?)
}

fn nanoseconds(field: u64) -> i64 {
    i64::try_from(field).unwrap_or(0)
}

/// Gives `to` the owner and group of a status.
pub(in crate::calls) fn owner(status: &Stat, to: &OwnedFd) -> engine::Result<()> {
    let (user, group) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    Ok(chownat(to, c"", Some(user), Some(group), AtFlags::EMPTY_PATH)?)
}

/// Gives `to` the permissions of a status.
pub(in crate::calls) fn mode(status: &Stat, to: &OwnedFd) -> engine::Result<()> {
    Ok(chmod(descriptor_path(to), Mode::from_raw_mode(status.st_mode))?)
}

/// Gives `to` the extended attributes of `from`. That a filesystem does not have some of them is no error.
pub(in crate::calls) fn xattrs(from: &OwnedFd, to: &OwnedFd) -> engine::Result<()> {
    let (from, to) = (descriptor_path(from), descriptor_path(to));
    let mut list = vec![0; XATTR_MAX];
    let length = match listxattr(&from, &mut list) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    let mut names: Vec<&[u8]> = list.get(..length).unwrap_or_default().split(|byte| *byte == 0).collect();
    names.retain(|name| !name.is_empty());
    names.sort_by_key(|name| name.starts_with(ACL));
    let mut value = vec![0; XATTR_MAX];
    for name in names {
        let length = getxattr(&from, name, &mut value)?;
        let value = value.get(..length).unwrap_or_default();
        match setxattr(&to, name, value, XattrFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => {}
            Err(errno) => return Err(Errno::from_raw(errno.raw_os_error()).into()),
        }
    }
    Ok(())
}
