//! Entries of an archive become files below a directory of the guest.
//!
//! An archive can't reach out of the directory: names with `..` are refused, and symbolic links that lead up or to the
//! root are made at the very end, plain files standing for them until then. Links that the guest had before are followed,
//! within its root. As with GNU tar, whose work this is in the original, what can't be made does not keep the rest from
//! it; the first failure is told at the end.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::os::fd::OwnedFd;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::tar::{Entry as Archived, Kind, Receive, Remark, Time};
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmod,
    chownat, fstat, ftruncate, linkat, makedev, mkdirat, mknodat, openat, setxattr, statat, symlinkat,
    unlinkat, utimensat,
};

use crate::calls::acl;
use crate::calls::tar::owners::Owners;
use crate::calls::writing::data::write_all_at;
use crate::engine;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::error::{Failure, strerror};

/// Most links that are made at the end, and directories that get their times then. More are an error.
const MAX_DELAYED: usize = 1 << 20;
/// Mode of a plain file that stands for a link.
const PLACEHOLDER: Mode = Mode::empty();
/// The attribute with the label of SELinux, and the record of an archive that has it.
const SELINUX: &[u8] = b"security.selinux";
const SELINUX_RECORD: &[u8] = b"RHT.security.selinux";
/// Records with ACLs and the attributes that they become.
const ACL_RECORDS: [(&[u8], &[u8]); 2] =
    [(b"SCHILY.acl.access", acl::ACCESS), (b"SCHILY.acl.default", acl::DEFAULT)];

/// What of an archive is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct What {
    pub(super) xattrs: bool,
    pub(super) selinux: bool,
    pub(super) acls: bool,
    /// Symbolic links to directories stay where the archive has directories.
    pub(super) keep_links: bool,
}

/// What receives an archive.
#[derive(Debug)]
pub(super) struct Extract<'a> {
    root: &'a Sysroot,
    /// Path in the guest of the directory, without a slash at the end.
    top: BString,
    what: What,
    /// The last directory in which something was made, by its path.
    parent: Option<(BString, OwnedFd)>,
    /// The file that is being received.
    file: Option<(OwnedFd, Box<Archived>)>,
    links: Vec<Delayed>,
    /// Which of the links the file of a device and inode stands for.
    placeholders: HashMap<(u64, u64), usize>,
    directories: Vec<(BString, Time)>,
    /// For ACLs, which have names in archives of GNU tar.
    owners: Owners,
    failure: Option<String>,
}

/// A symbolic link that is made at the end.
#[derive(Debug)]
struct Delayed {
    archived: Box<Archived>,
    parents: BString,
    name: BString,
    /// Device and inode of the file that stands for it.
    placeholder: (u64, u64),
    /// Of another name of a link: that link's place in the list.
    first: Option<usize>,
}

/// The parents and the last name of a path in an archive, without what GNU tar takes off too: slashes before, and `.`
/// anywhere. `None` if it has `..` or a NUL, or no name at all.
fn split(path: &[u8]) -> Option<(BString, BString)> {
    let mut names = Vec::new();
    for name in path.split_str(b"/") {
        match name {
            b"" | b"." => {}
            b".." => return None,
            name if name.contains(&0) => return None,
            name => names.push(name),
        }
    }
    let last = names.pop()?;
    Some((bstr::join("/", names).into(), last.into()))
}

/// Does the path have no name but stand for the directory itself?
fn is_top(path: &[u8]) -> bool {
    path.split_str(b"/").all(|name| matches!(name, b"" | b"."))
}

/// Could the link lead out of the directory?
fn leads_up(target: &[u8]) -> bool {
    target.starts_with(b"/") || target.split_str(b"/").any(|name| name == b"..")
}

impl<'a> Extract<'a> {
    pub(super) fn new(
        root: &'a Sysroot,
        directory: &BStr,
        what: What,
        owners: Owners,
    ) -> engine::Result<Extract<'a>> {
        // That it is one is found out now.
        root.open(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let top = directory.trim_end_with(|c| c == '/').into();
        Ok(Extract {
            root,
            top,
            what,
            parent: None,
            file: None,
            links: Vec::new(),
            placeholders: HashMap::new(),
            directories: Vec::new(),
            owners,
            failure: None,
        })
    }

    /// Makes what was put off.
    ///
    /// # Errors
    /// The first thing that could not be made, in words.
    pub(super) fn finish(mut self) -> Result<(), String> {
        let links = std::mem::take(&mut self.links);
        for link in &links {
            let first = link.first.and_then(|first| links.get(first));
            let made = self.late_link(link, first);
            self.note(link.archived.path.as_bstr(), made);
        }
        for (path, time) in std::mem::take(&mut self.directories).into_iter().rev() {
            let set = self.directory(path.as_bstr(), false).and_then(|fd| set_time(&fd, time));
            self.note(path.as_bstr(), set);
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn note(&mut self, path: &BStr, result: engine::Result<()>) {
        if let Err(failure) = result {
            let why = match failure {
                Failure::Text(_, text) => text,
                other => strerror(other.errno()),
            };
            self.note_words(path, &why);
        }
    }

    fn note_words(&mut self, path: &BStr, why: &dyn Display) {
        self.failure.get_or_insert_with(|| format!("{path}: {why}"));
    }

    /// Opens a directory by its path in the archive. With `make`, those on the way that are not there are made.
    fn directory(&self, path: &BStr, make: bool) -> engine::Result<OwnedFd> {
        let mut whole = self.top.clone();
        whole.push(b'/');
        whole.extend_from_slice(path);
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.root.open(whole.as_bstr(), flags, Mode::empty()) {
            Err(Failure::Os(Errno::ENOENT)) if make && !path.is_empty() => {}
            opened => return opened,
        }
        let (above, name) = path.rsplit_once_str("/").unwrap_or((b"", path));
        let parent = self.directory(above.as_bstr(), true)?;
        // The umask takes away, as from any directory that nobody said anything of.
        mkdirat(&parent, name, Mode::from_raw_mode(0o777))?;
        self.root.open(whole.as_bstr(), flags, Mode::empty())
    }

    fn enter(&mut self, parents: &BString) -> engine::Result<()> {
        if self.parent.as_ref().is_none_or(|(path, _)| path != parents) {
            self.parent = Some((parents.clone(), self.directory(parents.as_bstr(), true)?));
        }
        Ok(())
    }

    fn make(&mut self, archived: Box<Archived>) -> engine::Result<()> {
        if is_top(&archived.path) {
            if archived.kind != Kind::Directory {
                return Err(Failure::Os(Errno::EISDIR));
            }
            let fd = self.directory("".into(), false)?;
            self.put_off("".into(), archived.modified)?;
            return self.attributes(&fd, &archived);
        }
        let outside = || Failure::Text(Errno::EINVAL, "this name leads out of the directory".into());
        let (parents, name) = split(&archived.path).ok_or_else(outside)?;
        self.enter(&parents)?;
        let Some((_, parent)) = &self.parent else { return Ok(()) };
        let name_bytes = name.as_bytes();
        match archived.kind {
            Kind::Directory => {
                let fd = self.make_directory(parent, name.as_bstr())?;
                self.attributes(&fd, &archived)?;
                let path = if parents.is_empty() { name } else { bstr::join("/", [parents, name]).into() };
                self.put_off(path, archived.modified)
            }
            Kind::Regular => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd =
                    anew(parent, name_bytes, || openat(parent, name_bytes, flags, Mode::RUSR | Mode::WUSR))?;
                self.file = Some((fd, archived));
                Ok(())
            }
            Kind::HardLink => {
                let (from, first) = split(&archived.link).ok_or_else(outside)?;
                let from = self.directory(from.as_bstr(), false)?;
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let first = openat(&from, first.as_bytes(), flags, Mode::empty())?;
                let status = fstat(&first)?;
                // Is it the file itself already?
                if statat(parent, name_bytes, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|there| (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino))
                {
                    return Ok(());
                }
                let identity = (status.st_dev, status.st_ino);
                let delayed = self.placeholders.get(&identity).copied();
                if let Some((first, link)) = delayed.and_then(|first| Some((first, self.links.get(first)?))) {
                    // Another name of a link that is still to be made.
                    let archived =
                        Box::new(Archived { path: archived.path.clone(), ..(*link.archived).clone() });
                    return self.delay(archived, parents, name, Some(first));
                }
                anew(parent, name_bytes, || {
                    linkat(CWD, descriptor_path(&first), parent, name_bytes, AtFlags::SYMLINK_FOLLOW)
                })
            }
            Kind::Symlink if leads_up(&archived.link) => self.delay(archived, parents, name, None),
            Kind::Symlink => {
                anew(parent, name_bytes, || symlinkat(archived.link.as_bytes(), parent, name_bytes))?;
                self.attributes_of(parent, name_bytes, &archived)
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let kind = match archived.kind {
                    Kind::CharDevice => FileType::CharacterDevice,
                    Kind::BlockDevice => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = makedev(archived.device.0, archived.device.1);
                anew(parent, name_bytes, || {
                    mknodat(parent, name_bytes, kind, Mode::RUSR | Mode::WUSR, device)
                })?;
                self.attributes_of(parent, name_bytes, &archived)
            }
        }
    }

    fn make_directory(&self, parent: &OwnedFd, name: &BStr) -> engine::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match mkdirat(parent, name.as_bytes(), Mode::RWXU) {
            Ok(()) => return Ok(openat(parent, name.as_bytes(), flags, Mode::empty())?),
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        match openat(parent, name.as_bytes(), flags, Mode::empty()) {
            Ok(there) => return Ok(there),
            // Something else has the name.
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.what.keep_links
            && let Some((path, _)) = &self.parent
        {
            let path: BString = bstr::join("/", [path.as_bytes(), name.as_bytes()]).into();
            if let Ok(there) = self.directory(path.as_bstr(), false) {
                return Ok(there);
            }
        }
        unlinkat(parent, name.as_bytes(), AtFlags::empty())?;
        mkdirat(parent, name.as_bytes(), Mode::RWXU)?;
        Ok(openat(parent, name.as_bytes(), flags, Mode::empty())?)
    }

    /// Makes a file that stands for a symbolic link until the end.
    fn delay(
        &mut self,
        archived: Box<Archived>,
        parents: BString,
        name: BString,
        first: Option<usize>,
    ) -> engine::Result<()> {
        let Some((_, parent)) = &self.parent else { return Ok(()) };
        if self.links.len() >= MAX_DELAYED {
            return Err(Failure::Text(Errno::ENOMEM, "too many symbolic links".into()));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = anew(parent, name.as_bytes(), || openat(parent, name.as_bytes(), flags, PLACEHOLDER))?;
        let status = fstat(&fd)?;
        let placeholder = (status.st_dev, status.st_ino);
        self.placeholders.insert(placeholder, self.links.len());
        self.links.push(Delayed { archived, parents, name, placeholder, first });
        Ok(())
    }

    /// Puts a link in the place of the file that stands for it, if that is still there.
    fn late_link(&self, link: &Delayed, first: Option<&Delayed>) -> engine::Result<()> {
        let parent = self.directory(link.parents.as_bstr(), false)?;
        let name = link.name.as_bytes();
        match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) == link.placeholder => {}
            // Something later in the archive took its place.
            _ => return Ok(()),
        }
        unlinkat(&parent, name, AtFlags::empty())?;
        if let Some(first) = first {
            let above = self.directory(first.parents.as_bstr(), false)?;
            let there = statat(&above, first.name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW);
            if there.is_ok_and(|there| FileType::from_raw_mode(there.st_mode) == FileType::Symlink) {
                return Ok(linkat(&above, first.name.as_bytes(), &parent, name, AtFlags::empty())?);
            }
        }
        symlinkat(link.archived.link.as_bytes(), &parent, name)?;
        self.attributes_of(&parent, name, &link.archived)
    }

    fn put_off(&mut self, path: BString, time: Time) -> engine::Result<()> {
        if self.directories.len() >= MAX_DELAYED {
            return Err(Failure::Text(Errno::ENOMEM, "too many directories".into()));
        }
        self.directories.push((path, time));
        Ok(())
    }

    /// Gives something its attributes and time by its name.
    fn attributes_of(&self, parent: &OwnedFd, name: &[u8], archived: &Archived) -> engine::Result<()> {
        let fd = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        self.attributes(&fd, archived)?;
        set_time(&fd, archived.modified)
    }

    /// Owner, mode and extended attributes, in this order: a change of owner clears bits and capabilities.
    fn attributes(&self, fd: &OwnedFd, archived: &Archived) -> engine::Result<()> {
        let (user, group) = (Uid::from_raw(archived.uid), Gid::from_raw(archived.gid));
        chownat(fd, c"", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
        let path = descriptor_path(fd);
        if archived.kind != Kind::Symlink {
            chmod(&path, Mode::from_raw_mode(archived.permissions & 0o7777))?;
        }
        let set = |name: &[u8], value: &[u8]| setxattr(&path, name, value, XattrFlags::empty());
        for (name, value) in &archived.xattrs {
            let is_label = name == SELINUX;
            if (self.what.xattrs && !is_label) || (self.what.selinux && is_label) {
                set(name, value)?;
            }
        }
        for (keyword, value) in &archived.records {
            if self.what.selinux && keyword == SELINUX_RECORD {
                // A C string, with or without its end.
                let label = value.strip_suffix(b"\0").unwrap_or(value);
                set(SELINUX, &[label, b"\0"].concat())?;
            }
            let acl = ACL_RECORDS.iter().find(|(record, _)| keyword == record);
            if let Some((_, name)) = acl.filter(|_| self.what.acls) {
                let entries = acl::parse(value, &self.owners)
                    .map_err(|_| Failure::Text(Errno::EINVAL, "an ACL that makes no sense".into()))?;
                set(name, &acl::value(&entries))?;
            }
        }
        Ok(())
    }

    fn end_of_file(&self, fd: &OwnedFd, archived: &Archived) -> engine::Result<()> {
        if archived.pieces.is_some() {
            ftruncate(fd, archived.size)?;
        }
        self.attributes(fd, archived)?;
        set_time(fd, archived.modified)
    }
}

/// Makes something, in place of what has its name if that is no directory with something in it.
fn anew<T>(parent: &OwnedFd, name: &[u8], make: impl Fn() -> rustix::io::Result<T>) -> engine::Result<T> {
    match make() {
        Err(rustix::io::Errno::EXIST) => {}
        made => return Ok(made?),
    }
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {
            unlinkat(parent, name, AtFlags::REMOVEDIR)?;
        }
        removed => removed?,
    }
    Ok(make()?)
}

/// Sets the time of the last change.
fn set_time(fd: &OwnedFd, time: Time) -> engine::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() },
    };
    Ok(utimensat(CWD, descriptor_path(fd), &times, AtFlags::empty())?)
}

impl Receive for Extract<'_> {
    fn entry(&mut self, archived: Archived) -> io::Result<()> {
        self.file = None;
        let path = archived.path.clone();
        let made = self.make(Box::new(archived));
        self.note(path.as_bstr(), made);
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // What could not be made has data too: it is passed over.
        let Some((fd, archived)) = &self.file else { return Ok(()) };
        if let Err(failure) = write_all_at(fd, bytes, offset) {
            let path = archived.path.clone();
            self.file = None;
            self.note(path.as_bstr(), Err(failure));
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some((fd, archived)) = self.file.take() {
            let ended = self.end_of_file(&fd, &archived);
            self.note(archived.path.as_bstr(), ended);
        }
        Ok(())
    }

    fn remark(&mut self, remark: Remark) -> io::Result<()> {
        self.note_words(remark.path.as_bstr(), &remark.text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_have_no_parts() {
        let parts = |path: &str| split(path.as_bytes()).map(|(parents, name)| format!("{parents}|{name}"));
        for (path, expected) in [
            ("a", "|a"),
            ("./a/b", "a|b"),
            ("/etc//passwd", "etc|passwd"),
            ("a/./b/", "a|b"),
            ("...", "|..."),
        ] {
            assert_eq!(parts(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["..", "a/../b", "../a", "a/..", "", "/", "./", "a\0"] {
            assert_eq!(parts(path), None, "{path}");
        }
        assert!(is_top(b"./") && is_top(b"/") && !is_top(b".."));
        assert!(leads_up(b"/x") && leads_up(b"a/../..") && !leads_up(b"a/..b"));
    }
}
