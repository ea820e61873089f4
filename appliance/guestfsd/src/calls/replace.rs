//! A file replaced in one step: what is new is written beside it, and takes its name when it is complete.
//!
//! ```text
//! write     the new file, complete, as .guestfs-new-N             the old file
//! hold      the old file gets a second name, .guestfs-old-N       the old file
//! swap      the new file takes the old one's name                 the new file
//! release   the second name goes                                  the new file
//! ```
//!
//! On the right is what is found if the step is the last one, and in the midst of each what is there before it or after it. Each
//! step is on the disk before the next begins, and what a step changes comes to the disk only at its end: the kernel holds it
//! back for half a minute. Of those blocks any may then lack. NTFS is written without a journal, so that a rename alone could
//! leave the name with a file that is gone; hence the second name.
//!
//! The new file has the owner, mode, attributes and times of creation of the old one, on NTFS its security descriptor,
//! attributes and short name too. What an earlier replacement left that was cut off is removed at the beginning of the next. A file with further
//! names is refused, or written where it is: they would go on to name the old one.

use std::os::fd::OwnedFd;

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, fchmod, fstat, fsync, ftruncate, getxattr, linkat,
    openat, renameat, setxattr, syncfs, unlinkat,
};

use super::writing::{Entry, carry, entry, existing, regular, write_all_at};
use crate::Guestfsd;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::{Failure, strerror};

/// Attributes of ntfs-3g that no list has (ntfs-3g(8)); short names are of two files' only one.
const NTFS: [&str; 3] = ["system.ntfs_acl", ATTRIBUTES, "system.ntfs_crtime"];
const ATTRIBUTES: &str = "system.ntfs_attrib";
const SHORT_NAME: &str = "system.ntfs_dos_name";
/// Longest of them that Linux passes on, in bytes (`XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 << 10;
/// How many names are tried for a file.
const TRIES: u32 = 10;
/// Permissions of a file that takes no other's place.
const NEW_FILE: Mode = Mode::from_raw_mode(0o644);

impl Guestfsd {
    /// Gives the file that `path` leads to the content `bytes`, or makes such a file.
    ///
    /// # Errors
    /// That `call` needs an appliance; and what could not be done, for the caller to say of what.
    pub(super) fn replace_file(
        &self,
        call: &str,
        path: &BStr,
        bytes: &[u8],
        several: Several,
    ) -> Result<engine::Result<()>> {
        let root = self.kernel(call)?.sysroot();
        let path = match self.tree().canonical(path) {
            Ok(path) => path,
            // Nothing is there yet, or a link that leads nowhere, in whose place the file comes.
            Err(Failure::Os(Errno::ENOENT)) => path.to_owned(),
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(replace(root, path.as_bstr(), bytes, several))
    }
}

/// What to do with a file that has several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Several {
    /// It is written where it is, which is not done in one step.
    InPlace,
    /// Nothing.
    Refuse,
}

fn replace(root: &Sysroot, path: &BStr, bytes: &[u8], several: Several) -> engine::Result<()> {
    let mut replacing = Replacing::begin(root, path)?;
    let names = replacing.names();
    if names > 1 && several == Several::InPlace {
        return write_in_place(root, path, bytes);
    }
    if names > 1 {
        let what = format!(
            "the file has {names} names: a new one would take only one of them, and the others would go on to name what is \
             there now"
        );
        return Err(Failure::Text(Errno::EMLINK, what));
    }
    let done = replacing.write(bytes).and_then(|()| replacing.hold()).and_then(|()| replacing.swap());
    let is_swapped = replacing.is_swapped;
    match done {
        Ok(()) => replacing.release(),
        Err(failure) => {
            replacing.give_up();
            Err(failure)
        }
    }
    .map_err(|failure| match failure {
        failure if !is_swapped => failure,
        Failure::Text(errno, text) => Failure::Text(errno, format!("{IN_PLACE}{text}")),
        failure => Failure::Text(failure.errno(), format!("{IN_PLACE}{}", strerror(failure.errno()))),
    })
}

/// How errors begin that come after the new file has taken its place.
pub(super) const IN_PLACE: &str = "the new file is in its place, but then: ";

/// A file on its way to be replaced. The steps are to be made in the order in which they stand here.
#[derive(Debug)]
pub(crate) struct Replacing {
    /// Where the file is, or will be.
    place: Entry,
    /// That directory, to be flushed; it is of the same filesystem.
    directory: OwnedFd,
    old: Option<Old>,
    new: Option<(String, OwnedFd)>,
    is_swapped: bool,
}

/// What is there.
#[derive(Debug)]
struct Old {
    file: OwnedFd,
    status: Stat,
    /// On NTFS, the name for DOS.
    short_name: Option<Vec<u8>>,
    /// Does it need a second name while it is replaced? So it is where ntfs-3g writes.
    needs_hold: bool,
    second_name: Option<String>,
}

impl Replacing {
    /// Looks at what is there, and removes what was left of earlier times.
    pub(crate) fn begin(root: &Sysroot, path: &BStr) -> engine::Result<Self> {
        let place = entry(root, path, Errno::EISDIR)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&place.directory, ".", flags, Mode::empty())?;
        for number in 0..TRIES {
            // They are there after a kill only.
            for name in [new_name(number), old_name(number)] {
                match unlinkat(&place.directory, name, AtFlags::empty()) {
                    Ok(())
                    | Err(rustix::io::Errno::NOENT | rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        let old = match existing(root, path, Last::Itself) {
            Ok(file) => Some(Old::new(file)?),
            Err(Failure::Os(Errno::ENOENT)) => None,
            Err(failure) => return Err(failure),
        };
        Ok(Replacing { place, directory, old, new: None, is_swapped: false })
    }

    /// How many names the file has that is there.
    fn names(&self) -> u64 {
        // On NTFS a short name counts as a name.
        let of = |old: &Old| old.status.st_nlink.saturating_sub(u64::from(old.short_name.is_some()));
        self.old.as_ref().map_or(0, of)
    }

    /// See the head of the file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> engine::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = free_name(new_name, |name| openat(&self.place.directory, name, flags, NEW_FILE))?;
        let (_, new) = self.new.insert(made);
        write_all_at(new, bytes, 0)?;
        match &self.old {
            Some(old) => belongings(&old.file, &old.status, new)?,
            None => fchmod(&*new, NEW_FILE)?,
        }
        fsync(&*new)?;
        self.flush()
    }

    /// See the head of the file.
    pub(crate) fn hold(&mut self) -> engine::Result<()> {
        let Some(old) = self.old.as_mut().filter(|old| old.needs_hold) else { return Ok(()) };
        let directory = &self.place.directory;
        let name = self.place.name.as_slice();
        let (held, ()) =
            free_name(old_name, |second| linkat(directory, name, directory, second, AtFlags::empty()))?;
        old.second_name = Some(held);
        self.flush()
    }

    /// See the head of the file.
    pub(crate) fn swap(&mut self) -> engine::Result<()> {
        let Some((name, _)) = &self.new else { return Err(Failure::Os(Errno::ENOENT)) };
        renameat(&self.place.directory, name.as_str(), &self.place.directory, self.place.name.as_slice())?;
        self.is_swapped = true;
        self.flush()
    }

    /// See the head of the file.
    pub(crate) fn release(self) -> engine::Result<()> {
        if let Some(second) = self.old.as_ref().and_then(|old| old.second_name.as_ref()) {
            unlinkat(&self.place.directory, second.as_str(), AtFlags::empty())?;
        }
        // Only one file can have it at a time.
        if let (Some((_, new)), Some(short_name)) =
            (&self.new, self.old.as_ref().and_then(|old| old.short_name.as_ref()))
        {
            set_attribute(new, SHORT_NAME, short_name)?;
        }
        self.flush()
    }

    /// Removes what was made, unless it is in its place, as far as that goes: what failed before is what counts.
    fn give_up(&self) {
        if self.is_swapped {
            return;
        }
        let second = self.old.as_ref().and_then(|old| old.second_name.as_ref());
        for name in self.new.as_ref().map(|(name, _)| name).into_iter().chain(second) {
            let _ = unlinkat(&self.place.directory, name.as_str(), AtFlags::empty());
        }
        let _ = self.flush();
    }

    fn flush(&self) -> engine::Result<()> {
        flush(&self.directory)
    }
}

impl Old {
    fn new(file: OwnedFd) -> engine::Result<Self> {
        let status = fstat(&file)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Failure::Os(Errno::EISDIR)),
            FileType::Symlink => return Err(Failure::Os(Errno::ENOENT)),
            _ => return Err(Failure::Text(Errno::EINVAL, "not a regular file".into())),
        }
        let short_name = attribute(&file, SHORT_NAME)?;
        let needs_hold = attribute(&file, ATTRIBUTES)?.is_some();
        Ok(Old { file, status, short_name, needs_hold, second_name: None })
    }
}

fn new_name(number: u32) -> String {
    format!(".guestfs-new-{number}")
}

fn old_name(number: u32) -> String {
    format!(".guestfs-old-{number}")
}

/// Makes something under the first name that is free.
fn free_name<T>(
    name: impl Fn(u32) -> String,
    make: impl Fn(&str) -> rustix::io::Result<T>,
) -> engine::Result<(String, T)> {
    for number in 0..TRIES {
        let name = name(number);
        match make(&name) {
            Ok(made) => return Ok((name, made)),
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Failure::Os(Errno::EEXIST))
}

/// Has all that was written to the filesystem of an open directory come to the disk.
fn flush(directory: &OwnedFd) -> engine::Result<()> {
    // What is on a device of filesystems in user space is written by the first, what they hold back by the second.
    syncfs(directory)?;
    match fsync(directory) {
        // They need not have this.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
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
