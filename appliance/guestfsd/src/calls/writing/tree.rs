//! Whole trees: removed, or copied with all that belongs to a file.
//!
//! One directory is open at a time (of a copy, one on each side): the way back is `..`, which nothing else changes while
//! a call is made. So depth costs memory for the names only. No symbolic link is followed.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, linkat, major, makedev, minor, mkdirat,
    mknodat, openat, statat, symlinkat, unlinkat,
};

use super::Entry;
use super::carry::carry;
use crate::engine;
use crate::engine::kernel::Sysroot;
use crate::error::Failure;

/// How directories are opened.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Deepest directory, in either work: what a damaged filesystem with a loop could show.
const MAX_DEPTH: usize = 1 << 16;
/// What is needed to work in a directory that is being filled.
const WORKING_MODE: Mode = Mode::RWXU;

/// The names of an open directory, without `.` and `..`.
fn names(directory: &OwnedFd) -> engine::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn is_directory(status: &Stat) -> bool {
    FileType::from_raw_mode(status.st_mode) == FileType::Directory
}

/// Removes what an entry names, and all below. What can't be removed does not keep the rest from it; the first error is
/// the result.
pub(super) fn remove_all(entry: &Entry) -> engine::Result<()> {
    let top = statat(&entry.directory, trimmed(&entry.name), AtFlags::SYMLINK_NOFOLLOW)?;
    if !is_directory(&top) {
        return Ok(unlinkat(&entry.directory, entry.name.as_slice(), AtFlags::empty())?);
    }
    let mut here = openat(&entry.directory, trimmed(&entry.name), DIRECTORY, Mode::empty())?;
    // Names still to be removed, and by what name their directory goes in the one above.
    let mut levels = vec![(names(&here)?, CString::default())];
    let mut first = None;
    let mut note = |errno: rustix::io::Errno| _ = first.get_or_insert(errno);
    while let Some((rest, _)) = levels.last_mut() {
        let Some(name) = rest.pop() else {
            let Some((_, own)) = levels.pop() else { break };
            if levels.is_empty() {
                break;
            }
            here = openat(&here, c"..", DIRECTORY, Mode::empty())?;
            if let Err(errno) = unlinkat(&here, own.as_c_str(), AtFlags::REMOVEDIR) {
                note(errno);
            }
            continue;
        };
        match unlinkat(&here, name.as_c_str(), AtFlags::empty()) {
            Ok(()) => {}
            // Both are what systems say of directories.
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) if levels.len() < MAX_DEPTH => {
                match openat(&here, name.as_c_str(), DIRECTORY, Mode::empty()) {
                    Ok(below) => {
                        levels.push((names(&below)?, name));
                        here = below;
                    }
                    // No directory, so it was the removal that failed.
                    Err(_) => note(rustix::io::Errno::PERM),
                }
            }
            Err(errno) => note(errno),
        }
    }
    match unlinkat(&entry.directory, trimmed(&entry.name), AtFlags::REMOVEDIR) {
        Err(errno) => Err(first.unwrap_or(errno).into()),
        Ok(()) => Ok(()),
    }
}

/// A name without the slash that asks for a directory.
fn trimmed(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"/").unwrap_or(name)
}

/// What a copy keeps of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Keep {
    /// Mode, owner, times, attributes, links between the files: `cp -a`.
    All,
    /// Permissions, less the umask: `cp -r`.
    Permissions,
}

/// A directory that is being copied.
struct Level {
    rest: Vec<CString>,
    /// Name in the directory above.
    name: CString,
    source: Stat,
}

/// A copy of a tree, in work.
struct Copy<'r> {
    root: &'r Sysroot,
    keep: Keep,
    source: OwnedFd,
    target: OwnedFd,
    levels: Vec<Level>,
    /// Where the first name of a file with several names was copied to: names from the top of the copy on.
    linked: HashMap<(u64, u64), Vec<CString>>,
    /// The directory in which the copy lies.
    base: OwnedFd,
    umask: Mode,
}

/// Copies what `source` names to `target`. A directory that is there is filled, a file that is there replaced.
pub(super) fn copy_all(
    root: &Sysroot,
    source: &Entry,
    target: &Entry,
    keep: Keep,
    umask: Mode,
) -> engine::Result<()> {
    let own =
        |fd: &OwnedFd| openat(fd, c".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let name = |name: &[u8]| CString::new(trimmed(name)).map_err(|_| Failure::Os(Errno::EINVAL));
    let mut copy = Copy {
        root,
        keep,
        source: own(&source.directory)?,
        target: own(&target.directory)?,
        levels: Vec::new(),
        linked: HashMap::new(),
        base: own(&target.directory)?,
        umask,
    };
    copy.one(&name(&source.name)?, &name(&target.name)?)?;
    while let Some(level) = copy.levels.last_mut() {
        match level.rest.pop() {
            Some(name) => copy.one(&name, &name)?,
            None => copy.leave()?,
        }
    }
    Ok(())
}

impl Copy<'_> {
    /// Copies one thing; of a directory, what is in it comes later.
    fn one(&mut self, from: &CStr, to: &CStr) -> engine::Result<()> {
        let status = statat(&self.source, from, AtFlags::SYMLINK_NOFOLLOW)?;
        let there = match statat(&self.target, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Some(there),
            Err(rustix::io::Errno::NOENT) => None,
            Err(errno) => return Err(errno.into()),
        };
        if is_directory(&status) {
            if self.levels.len() >= MAX_DEPTH {
                return Err(Failure::Os(Errno::ENAMETOOLONG));
            }
            return self.enter(status, there.as_ref(), from, to);
        }
        match &there {
            Some(there) if is_directory(there) => return Err(Failure::Os(Errno::EISDIR)),
            Some(there) if (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino) => {
                return Err(Failure::Os(Errno::EEXIST));
            }
            Some(_) => unlinkat(&self.target, to, AtFlags::empty())?,
            None => {}
        }
        if self.keep == Keep::All && status.st_nlink > 1 {
            let identity = (status.st_dev, status.st_ino);
            if let Some(first) = self.linked.get(&identity) {
                let path = first.iter().map(|name| name.to_bytes()).collect::<Vec<_>>().join(&b'/');
                return Ok(linkat(&self.base, path, &self.target, to, AtFlags::empty())?);
            }
            let path = self.levels.iter().map(|level| level.name.clone()).chain([to.to_owned()]).collect();
            self.linked.insert(identity, path);
        }
        self.leaf(&status, from, to)
    }

    fn leaf(&self, status: &Stat, from: &CStr, to: &CStr) -> engine::Result<()> {
        let permissions = Mode::from_raw_mode(status.st_mode);
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let read = openat(&self.source, from, flags, Mode::empty())?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                // Nobody else gets at it before it has its owner.
                let first = match self.keep {
                    Keep::All => Mode::RUSR | Mode::WUSR,
                    Keep::Permissions => permissions,
                };
                let written = openat(&self.target, to, flags, first)?;
                super::data::copy_whole(&read, &written)?;
            }
            FileType::Symlink => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let link = openat(&self.source, from, flags, Mode::empty())?;
                symlinkat(self.root.link_target(&link)?.as_slice(), &self.target, to)?;
            }
            kind => {
                let device = makedev(major(status.st_rdev), minor(status.st_rdev));
                mknodat(&self.target, to, kind, permissions, device)?;
            }
        }
        if self.keep == Keep::All {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let read = openat(&self.source, from, flags, Mode::empty())?;
            let written = openat(&self.target, to, flags, Mode::empty())?;
            carry(&read, status, &written)?;
        }
        Ok(())
    }

    fn enter(&mut self, status: Stat, there: Option<&Stat>, from: &CStr, to: &CStr) -> engine::Result<()> {
        match there {
            Some(there) if !is_directory(there) => return Err(Failure::Os(Errno::ENOTDIR)),
            Some(_) => {}
            None => mkdirat(&self.target, to, WORKING_MODE)?,
        }
        let source = openat(&self.source, from, DIRECTORY, Mode::empty())?;
        let target = openat(&self.target, to, DIRECTORY, Mode::empty())?;
        let rest = names(&source)?;
        (self.source, self.target) = (source, target);
        self.levels.push(Level { rest, name: to.to_owned(), source: status });
        Ok(())
    }

    /// A directory is full: it gets what it keeps, and the work goes on above it.
    fn leave(&mut self) -> engine::Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        match self.keep {
            Keep::All => carry(&self.source, &level.source, &self.target)?,
            Keep::Permissions => {
                let permissions = Mode::from_raw_mode(level.source.st_mode).difference(self.umask);
                fchmod(&self.target, permissions)?;
            }
        }
        let above = |fd: &OwnedFd| openat(fd, c"..", DIRECTORY, Mode::empty());
        (self.source, self.target) = (above(&self.source)?, above(&self.target)?);
        Ok(())
    }
}

/// Is one directory within another one, or the same?
pub(super) fn is_within(inner: &OwnedFd, outer: &OwnedFd) -> engine::Result<bool> {
    let outer = fstat(outer)?;
    let mut at = openat(inner, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    for _ in 0..MAX_DEPTH {
        let here = fstat(&at)?;
        if (here.st_dev, here.st_ino) == (outer.st_dev, outer.st_ino) {
            return Ok(true);
        }
        let above = openat(&at, c"..", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let status = fstat(&above)?;
        if (here.st_dev, here.st_ino) == (status.st_dev, status.st_ino) {
            return Ok(false);
        }
        at = above;
    }
    Err(Failure::Os(Errno::ELOOP))
}
