//! A file replaced in one step: what is new is written beside it, and takes its name when it is complete.
//!
//! Whatever happens on the way, there is the old file or the new one. The new one has the owner, mode, attributes and
//! times of creation of the old one, on NTFS its security descriptor, attributes and short name too. A file with further
//! names is written where it is, since they would go on to name the old one; that is not done in one step.

use std::os::fd::OwnedFd;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, fchmod, fstat, fsync, ftruncate, getxattr, openat,
    renameat, setxattr, unlinkat,
};

use super::writing::{carry, entry, existing, regular, write_all_at};
use crate::Guestfsd;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::Failure;

/// Attributes of ntfs-3g that no list has (ntfs-3g(8)); short names are of two files' only one.
const NTFS: [&str; 3] = ["system.ntfs_acl", "system.ntfs_attrib", "system.ntfs_crtime"];
const SHORT_NAME: &str = "system.ntfs_dos_name";
/// Longest of them that Linux passes on, in bytes (`XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 << 10;
/// How often a name is tried for the new file.
const TRIES: u32 = 100;
/// Permissions of a file that takes no other's place.
const NEW_FILE: Mode = Mode::from_raw_mode(0o644);

impl Guestfsd {
    /// Gives the file that `path` leads to the content `bytes`, or makes such a file.
    ///
    /// # Errors
    /// That `call` needs an appliance; and what could not be done, for the caller to say of what.
    pub(super) fn replace_file(&self, call: &str, path: &BStr, bytes: &[u8]) -> Result<engine::Result<()>> {
        let root = self.kernel(call)?.sysroot();
        let path = match self.tree().canonical(path) {
            Ok(path) => path,
            // Nothing is there yet, or a link that leads nowhere, in whose place the file comes.
            Err(Failure::Os(Errno::ENOENT)) => path.to_owned(),
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(replace(root, path.as_bstr(), bytes))
    }
}

fn replace(root: &Sysroot, path: &BStr, bytes: &[u8]) -> engine::Result<()> {
    let old = match existing(root, path, Last::Itself) {
        Ok(old) => {
            let status = fstat(&old)?;
            match FileType::from_raw_mode(status.st_mode) {
                FileType::RegularFile => {}
                FileType::Directory => return Err(Failure::Os(Errno::EISDIR)),
                FileType::Symlink => return Err(Failure::Os(Errno::ENOENT)),
                _ => return Err(Failure::Text(Errno::EINVAL, "not a regular file".into())),
            }
            Some((old, status))
        }
        Err(Failure::Os(Errno::ENOENT)) => None,
        Err(failure) => return Err(failure),
    };
    let short_name = match &old {
        Some((old, _)) => attribute(old, SHORT_NAME)?,
        None => None,
    };
    // On NTFS a short name counts as a name.
    let names = 1 + u32::from(short_name.is_some());
    if old.as_ref().is_some_and(|(_, status)| status.st_nlink > names.into()) {
        return write_in_place(root, path, bytes);
    }
    let place = entry(root, path, Errno::EISDIR)?;
    let (name, new) = new_file(&place.directory)?;
    let done = fill(&new, old.as_ref(), bytes).and_then(|()| {
        Ok(renameat(&place.directory, name.as_str(), &place.directory, place.name.as_slice())?)
    });
    if let Err(failure) = done {
        // What failed is what counts.
        let _ = unlinkat(&place.directory, name.as_str(), AtFlags::empty());
        return Err(failure);
    }
    if let Some(short_name) = short_name {
        set_attribute(&new, SHORT_NAME, &short_name)?;
    }
    sync_directory(root, path)
}

/// A new empty file in a directory, with its name.
fn new_file(directory: &OwnedFd) -> engine::Result<(String, OwnedFd)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 0..TRIES {
        let name = format!(".guestfs-new-{number}");
        match openat(directory, name.as_str(), flags, NEW_FILE) {
            Ok(file) => return Ok((name, file)),
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Failure::Os(Errno::EEXIST))
}

/// Writes the new file down to the disk.
fn fill(new: &OwnedFd, old: Option<&(OwnedFd, Stat)>, bytes: &[u8]) -> engine::Result<()> {
    write_all_at(new, bytes, 0)?;
    match old {
        Some((old, status)) => belongings(old, status, new)?,
        None => fchmod(new, NEW_FILE)?,
    }
    Ok(fsync(new)?)
}

/// Gives a new file the owner, mode and attributes of an old one.
pub(super) fn belongings(old: &OwnedFd, status: &Stat, new: &OwnedFd) -> engine::Result<()> {
    carry::owner(status, new)?;
    carry::mode(status, new)?;
    carry::xattrs(old, new)?;
    for name in NTFS {
        if let Some(value) = attribute(old, name)? {
            set_attribute(new, name, &value)?;
        }
    }
    Ok(())
}

fn write_in_place(root: &Sysroot, path: &BStr, bytes: &[u8]) -> engine::Result<()> {
    let file = regular(root, path, OFlags::empty())?;
    write_all_at(&file, bytes, 0)?;
    ftruncate(&file, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    Ok(fsync(&file)?)
}

/// What the directory of `path` has now comes to the disk.
fn sync_directory(root: &Sysroot, path: &BStr) -> engine::Result<()> {
    let directory = path.rsplit_once_str("/").map_or(&b"/"[..], |(directory, _)| directory);
    let directory = if directory.is_empty() { BString::from("/") } else { directory.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    match fsync(root.open(directory.as_bstr(), flags, Mode::empty())?) {
        // Filesystems in user space need not have this.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// An attribute, if the filesystem knows it and the file has it.
fn attribute(file: &OwnedFd, name: &str) -> engine::Result<Option<Vec<u8>>> {
    let mut value = vec![0; XATTR_MAX];
    match getxattr(descriptor_path(file), name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn set_attribute(file: &OwnedFd, name: &str, value: &[u8]) -> engine::Result<()> {
    Ok(setxattr(descriptor_path(file), name, value, XattrFlags::empty())?)
}
