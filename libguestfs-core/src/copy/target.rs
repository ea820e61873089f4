//! One local directory, and what is made below it. The only module of a copy that names files.
//!
//! A name is one component, checked by [`check_name`]. Directories are opened one by one, relative to their parent and
//! never through a symbolic link, so whatever others put in the way, nothing is made outside.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, Stat, linkat, mkdirat, openat, readlinkat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::Shared;
use super::finish::Attributes;
use crate::{Error, Result};

/// How directories are opened.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// How files are made: new, never something that is there.
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Mode of a directory that is being filled.
const WORKING_MODE: Mode = Mode::RWXU;
/// What the owner needs to work in a directory.
const OWNER_BITS: u32 = 0o700;

/// A name that may stand in a directory.
pub(super) fn check_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// The directory that is copied into.
#[derive(Debug)]
pub(super) struct Target {
    root: Arc<Directory>,
    shut: Arc<Shut>,
}

/// Directories whose modes would keep an ordinary user out, with their paths: they get them at the very end.
#[derive(Debug, Default)]
struct Shut(Mutex<Vec<(Vec<BString>, Attributes)>>);

/// An open directory of the target.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    parent: Option<Arc<Directory>>,
    name: BString,
    /// Was it made by this copy? Then no name in it is taken unless it comes twice.
    made: bool,
    /// What it gets when it is let go.
    attributes: Mutex<Option<Attributes>>,
    shut: Arc<Shut>,
}

impl Target {
    pub(super) fn open(directory: &Path) -> Result<Target> {
        let no_directory = || Error::usage(format!("target ‘{}’ is not a directory", directory.display()));
        // The user's own path may go through links.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, directory, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => no_directory(),
            errno => Error::io(directory.display().to_string(), errno.into()),
        })?;
        let shut = Arc::new(Shut::default());
        let root = Directory {
            fd,
            parent: None,
            name: BString::default(),
            made: false,
            attributes: Mutex::default(),
            shut: Arc::clone(&shut),
        };
        Ok(Target { root: Arc::new(root), shut })
    }

    pub(super) fn root(&self) -> &Arc<Directory> {
        &self.root
    }

    /// Opens a directory by its path from the root.
    pub(super) fn walk(&self, path: &[BString]) -> Result<Arc<Directory>, Errno> {
        path.iter().try_fold(Arc::clone(&self.root), |directory, name| directory.open(name.as_bstr()))
    }

    /// Gives the directories that were kept open to the caller their modes.
    pub(super) fn finish(&self, shared: &Shared) {
        let mut shut = std::mem::take(&mut *self.shut.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Those within others come first.
        shut.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        for (path, attributes) in shut {
            match self.walk(&path) {
                Ok(directory) => attributes.apply(&directory.fd, shared),
                Err(errno) => shared.failed_call(attributes.place.as_bstr(), errno),
            }
        }
    }
}

impl Directory {
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Opens the directory `name` in this one.
    pub(super) fn open(self: &Arc<Self>, name: &BStr) -> Result<Arc<Directory>, Errno> {
        self.child(name, false)
    }

    /// Makes or opens the directory `name` in this one.
    pub(super) fn make(self: &Arc<Self>, name: &BStr) -> Result<Arc<Directory>, Errno> {
        if !check_name(name) {
            return Err(Errno::INVAL);
        }
        let made = match mkdirat(&self.fd, name.as_bytes(), WORKING_MODE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        self.child(name, made)
    }

    fn child(self: &Arc<Self>, name: &BStr, made: bool) -> Result<Arc<Directory>, Errno> {
        if !check_name(name) {
            return Err(Errno::INVAL);
        }
        // A symbolic link is no directory.
        let fd = openat(&self.fd, name.as_bytes(), DIRECTORY, Mode::empty())
            .map_err(|errno| if errno == Errno::LOOP { Errno::NOTDIR } else { errno })?;
        Ok(Arc::new(Directory {
            fd,
            parent: Some(Arc::clone(self)),
            name: name.into(),
            made,
            attributes: Mutex::default(),
            shut: Arc::clone(&self.shut),
        }))
    }

    /// What lstat(2) shows of `name`.
    pub(super) fn stat(&self, name: &BStr) -> Result<Stat, Errno> {
        statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The target of a symbolic link.
    pub(super) fn read_link(&self, name: &BStr) -> Result<BString, Errno> {
        Ok(readlinkat(&self.fd, name.as_bytes(), Vec::new())?.into_bytes().into())
    }

    /// Opens a file for reading.
    pub(super) fn open_file(&self, name: &BStr) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat(&self.fd, name.as_bytes(), flags, Mode::empty())
    }

    /// Says what the directory gets when it is let go.
    pub(super) fn set_attributes(&self, attributes: Attributes) {
        *self.attributes.lock().unwrap_or_else(PoisonError::into_inner) = Some(attributes);
    }

    /// Lets go of a directory: the last one to do so gives it its attributes.
    pub(super) fn release(directory: Arc<Directory>, shared: &Shared) {
        let mut next = Some(directory);
        while let Some(last) = next.take().and_then(Arc::into_inner) {
            let attributes = last.attributes.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(attributes) = attributes {
                if attributes.permissions & OWNER_BITS == OWNER_BITS {
                    attributes.apply(&last.fd, shared);
                } else {
                    let path = last.path();
                    let mut shut = last.shut.0.lock().unwrap_or_else(PoisonError::into_inner);
                    shut.push((path, attributes));
                }
            }
            next = last.parent;
        }
    }

    /// Names from the target's root on.
    pub(super) fn path(&self) -> Vec<BString> {
        let mut names = Vec::new();
        let mut at = Some(self);
        while let Some(directory) = at {
            if directory.parent.is_some() {
                names.push(directory.name.clone());
            }
            at = directory.parent.as_deref();
        }
        names.reverse();
        names
    }

    /// Makes a new file that has `name`, if the directory is new and nothing of that name can be there, or a temporary one.
    pub(super) fn new_file(
        &self,
        name: &BStr,
        temporary: bool,
        mode: Mode,
    ) -> Result<(OwnedFd, Option<BString>), Errno> {
        if !check_name(name) {
            return Err(Errno::INVAL);
        }
        if !temporary && self.made {
            return openat(&self.fd, name.as_bytes(), NEW_FILE, mode).map(|fd| (fd, None));
        }
        let (fd, temporary) = self.under_temporary_name(|name| openat(&self.fd, name, NEW_FILE, mode))?;
        Ok((fd, Some(temporary)))
    }

    /// Makes something that is no file with `make`, which gets the name to use.
    pub(super) fn new_entry(
        &self,
        name: &BStr,
        make: impl Fn(&[u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if !check_name(name) {
            return Err(Errno::INVAL);
        }
        match make(name) {
            Err(Errno::EXIST) if !self.made => {
                let ((), temporary) = self.under_temporary_name(make)?;
                self.rename(temporary.as_bstr(), name)
            }
            made => made,
        }
    }

    /// Makes `name` another name of `target` in `directory`.
    pub(super) fn link(&self, name: &BStr, directory: &Directory, target: &BStr) -> Result<(), Errno> {
        if !check_name(target) {
            return Err(Errno::INVAL);
        }
        self.new_entry(name, |name| {
            linkat(&directory.fd, target.as_bytes(), &self.fd, name, AtFlags::empty())
        })
    }

    fn under_temporary_name<T>(
        &self,
        make: impl Fn(&[u8]) -> Result<T, Errno>,
    ) -> Result<(T, BString), Errno> {
        let mut last = Errno::EXIST;
        for _ in 0..16 {
            let name = temporary_name();
            match make(&name) {
                Ok(made) => return Ok((made, name)),
                Err(Errno::EXIST) => last = Errno::EXIST,
                Err(errno) => return Err(errno),
            }
        }
        Err(last)
    }

    /// Gives what has a temporary name its own, in place of what has that name; in a directory that the copy made,
    /// nothing may have it.
    pub(super) fn rename(&self, temporary: &BStr, name: &BStr) -> Result<(), Errno> {
        let (from, to) = (temporary.as_bytes(), name.as_bytes());
        let renamed = if self.made {
            match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
                // Not every filesystem can.
                Err(Errno::INVAL | Errno::NOSYS) => match statat(&self.fd, to, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(_) => renameat(&self.fd, from, &self.fd, to),
                },
                renamed => renamed,
            }
        } else {
            renameat(&self.fd, from, &self.fd, to)
        };
        // Two names of one file: a rename does nothing then, and the temporary one stays.
        self.remove(temporary);
        renamed
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &BStr) {
        let _ = unlinkat(&self.fd, name.as_bytes(), AtFlags::empty());
    }
}

/// A name that no guest can know beforehand.
fn temporary_name() -> BString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = RandomState::new().build_hasher();
    random.write_u64(NEXT.fetch_add(1, Ordering::Relaxed));
    format!(".virt-copy-out.{:016x}", random.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single_components() {
        for name in ["a", "...", ".a", "a\n", "\u{fffd}", " "] {
            assert!(check_name(name.as_bytes()), "{name:?}");
        }
        for name in ["", ".", "..", "/", "a/b", "a/", "a\0b"] {
            assert!(!check_name(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn links_are_never_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (inside, outside) = (scratch.path().join("inside"), scratch.path().join("outside"));
        std::fs::create_dir_all(inside.join("new")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink("../outside", inside.join("link")).unwrap();
        std::os::unix::fs::symlink("../outside/file", inside.join("file")).unwrap();
        let target = Target::open(&inside).unwrap();
        let root = target.root();
        assert_eq!(root.make("link".into()).unwrap_err(), Errno::NOTDIR);
        assert_eq!(root.open("link".into()).unwrap_err(), Errno::NOTDIR);
        for name in ["..", "a/b", "../outside", "/etc"] {
            assert_eq!(root.make(name.into()).unwrap_err(), Errno::INVAL);
            assert_eq!(root.new_file(name.into(), false, Mode::RUSR).unwrap_err(), Errno::INVAL);
            assert_eq!(root.link("x".into(), root, name.into()).unwrap_err(), Errno::INVAL);
        }
        // A link that is in the way is replaced, not followed.
        let (_, temporary) = root.new_file("file".into(), false, Mode::RUSR).unwrap();
        root.rename(temporary.unwrap().as_bstr(), "file".into()).unwrap();
        assert!(std::fs::symlink_metadata(inside.join("file")).unwrap().is_file());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        // In a directory of its own, a copy replaces nothing.
        let made = root.make("made".into()).unwrap();
        made.new_file("twice".into(), false, Mode::RUSR).unwrap();
        assert_eq!(made.new_file("twice".into(), false, Mode::RUSR).unwrap_err(), Errno::EXIST);
        let (_, temporary) = made.new_file("twice".into(), true, Mode::RUSR).unwrap();
        assert_eq!(made.rename(temporary.unwrap().as_bstr(), "twice".into()).unwrap_err(), Errno::EXIST);
        assert_eq!(std::fs::read_dir(inside.join("made")).unwrap().count(), 1);
    }
}
