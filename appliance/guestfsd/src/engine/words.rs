//! Words of mount(8) and umount(8), which the original repeats and programs look for.

use bstr::BStr;
use nix::errno::Errno;

use crate::error::{Failure, strerror};

/// What mount(8) prints, and the original repeats, when a device holds no filesystem that can be mounted so.
pub(super) fn wrong_filesystem(device: &BStr) -> Failure {
    Failure::Text(
        Errno::EINVAL,
        format!(
            "mount exited with status 32: mount: /sysroot: wrong fs type, bad option, bad superblock on {device}, \
             missing codepage or helper program, or other error.\n       \
             dmesg(1) may have more information after failed mount system call."
        ),
    )
}

/// What mount(8) prints, and the original repeats.
pub(super) fn mount_failed(errno: Errno) -> Failure {
    Failure::Text(
        errno,
        format!(
            "mount exited with status 32: mount: /sysroot: mount(2) system call failed: {}.\n       \
             dmesg(1) may have more information after failed mount system call.",
            strerror(errno)
        ),
    )
}

/// What mount(8) prints of a device that is mounted there already, or in another way.
pub(super) fn busy(device: &BStr) -> Failure {
    Failure::Text(
        Errno::EBUSY,
        format!(
            "mount exited with status 32: mount: /sysroot: {device} already mounted or mount point busy.\n       \
             dmesg(1) may have more information after failed mount system call."
        ),
    )
}

/// What umount(8) prints of something that is not mounted.
pub(super) fn not_mounted(what: impl std::fmt::Display) -> Failure {
    Failure::Text(Errno::EINVAL, format!("umount: {what}: not mounted."))
}

/// What umount(8) prints of a path that is not there.
pub(super) fn no_mount_point(path: &BStr) -> Failure {
    Failure::Text(Errno::EINVAL, format!("umount: /sysroot{path}: no mount point specified."))
}

/// What umount(8) prints when umount(2) fails.
pub(super) fn umount_failed(path: &BStr, errno: Errno) -> Failure {
    let why = if errno == Errno::EBUSY { "target is busy".into() } else { strerror(errno) };
    Failure::Text(errno, format!("umount: /sysroot{path}: {why}."))
}

/// What the original says of a place where nothing can be mounted.
pub(super) fn no_directory(path: &BStr) -> Failure {
    Failure::Text(Errno::ENOTDIR, format!("mount: {path}: mount point is not a directory"))
}
