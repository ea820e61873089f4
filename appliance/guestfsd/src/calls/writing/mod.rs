//! Calls that change files, directories and their attributes.
//!
//! ```text
//! names       directories, links, nodes: made, removed, renamed
//! content     what regular files hold
//! attributes  owner, mode, times; umask
//! xattrs      extended attributes, and what lies in them:
//!   acl         POSIX ACLs
//! inodes      what chattr(1) sets
//! copies      cp and mv, over …
//!   tree        copying with all that belongs to a file
//! ```
//!
//! A guest path is only ever resolved within the sysroot: to a descriptor ([`existing`], [`regular`]) or to a directory
//! and a name in it ([`entry`]). Pipes and devices of the guest are never opened: a pipe would wait for ever, and a
//! device is one of the appliance, not of the guest.

mod acl;
mod attributes;
pub(super) mod carry;
mod content;
mod copies;
pub(super) mod data;
mod inodes;
mod names;
mod tree;
mod xattrs;

pub(super) use content::write_part;
pub(super) use data::write_all_at;

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::{Failure, refused};

/// Permissions of a new file and of a new directory, before the umask.
const NEW_FILE: Mode = Mode::from_raw_mode(0o666);
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o777);

/// A name in an open directory, for the system calls that make, remove and rename.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) directory: OwnedFd,
    /// One component. If the path ended in a slash, so does this: the kernel then wants a directory.
    pub(super) name: Vec<u8>,
}

/// The entry that `path` names; the error `nameless` if the path ends in `.` or `..` or is the root, where these calls
/// find something but no name of it.
pub(super) fn entry(root: &Sysroot, path: &BStr, nameless: Errno) -> engine::Result<Entry> {
    match root.parent(path) {
        Ok((directory, name)) => {
            let mut name = name.as_bytes().to_vec();
            if path.ends_with(b"/") {
                name.push(b'/');
            }
            Ok(Entry { directory, name })
        }
        Err(Failure::Os(Errno::EINVAL)) => {
            existing(root, path, Last::Follow)?;
            Err(Failure::Os(nameless))
        }
        Err(failure) => Err(failure),
    }
}

/// A descriptor that stands for what `path` leads to, and can be neither read nor written.
pub(super) fn existing(root: &Sysroot, path: &BStr, last: Last) -> engine::Result<OwnedFd> {
    let flags = match last {
        Last::Follow => OFlags::PATH,
        Last::Itself => OFlags::PATH | OFlags::NOFOLLOW,
    };
    root.open(path, flags, Mode::empty())
}

/// Opens a regular file to write, with `flags` (`CREATE`, `TRUNC`, `APPEND`…). `EISDIR` for a directory, `EINVAL` for
/// anything else.
pub(super) fn regular(root: &Sysroot, path: &BStr, flags: OFlags) -> engine::Result<OwnedFd> {
    regular_with(root, path, flags | OFlags::WRONLY, NEW_FILE)
}

/// [`regular`] with the access that `flags` say, and permissions of a new file.
pub(super) fn regular_with(
    root: &Sysroot,
    path: &BStr,
    flags: OFlags,
    mode: Mode,
) -> engine::Result<OwnedFd> {
    match existing(root, path, Last::Follow) {
        Ok(there) => reopen(&there, flags.difference(OFlags::CREATE)),
        Err(failure) if failure.errno() == Errno::ENOENT && flags.contains(OFlags::CREATE) => {
            root.open(path, flags | OFlags::NOCTTY, mode)
        }
        Err(failure) => Err(failure),
    }
}

/// Opens for reading or writing what a descriptor of [`existing`] stands for, if it is a regular file.
pub(super) fn reopen(there: &OwnedFd, flags: OFlags) -> engine::Result<OwnedFd> {
    match FileType::from_raw_mode(fstat(there)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Failure::Os(Errno::EISDIR)),
        _ => return Err(Failure::Text(Errno::EINVAL, "not a regular file".into())),
    }
    Ok(open(descriptor_path(there), flags | OFlags::CLOEXEC, Mode::empty())?)
}

/// A mode argument.
pub(super) fn mode(place: &BStr, mode: i32) -> Result<u32> {
    u32::try_from(mode).map_err(|_| refused(format!("{place}: mode is negative")))
}

/// Where cp, mv and ln put something: at `target`, or in it under the name of `source` if it leads to a directory.
fn destination(root: &Sysroot, source: &BStr, target: &BStr) -> engine::Result<BString> {
    let Ok(there) = existing(root, target, Last::Follow) else { return Ok(target.to_owned()) };
    if FileType::from_raw_mode(fstat(&there)?.st_mode) != FileType::Directory {
        return Ok(target.to_owned());
    }
    let name = source.trim_end_with(|c| c == '/').rsplit_str("/").next().unwrap_or_default();
    if matches!(name, b"" | b"." | b"..") {
        return Ok(target.to_owned());
    }
    let mut inside = target.to_owned();
    inside.push(b'/');
    inside.extend_from_slice(name);
    Ok(inside)
}
