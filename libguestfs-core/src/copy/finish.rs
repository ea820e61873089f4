//! What makes a copy complete beside the content: owner, extended attributes, mode and times, in this order. A change of
//! owner clears set-user-ID bits and capabilities, and a mode without write permission keeps attributes from being set.

use std::os::fd::AsFd;

use bstr::{BStr, BString, ByteSlice};
use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, fsetxattr, fstat,
    futimens, utimensat,
};
use rustix::io::Errno;

use super::Shared;
use super::target::Directory;
use crate::tar::{Entry, Time};

/// Set-user-ID and set-group-ID: not for files that have another owner than in the guest.
const SET_ID_BITS: u32 = 0o6000;
/// How the names of ACLs begin: setting one changes the mode, so they come after it.
const ACL: &[u8] = b"system.posix_acl_";
/// Nanoseconds in a second.
const NANOS: u32 = 1_000_000_000;

/// What a copy gets.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    /// Path in the guest, for messages.
    pub(super) place: BString,
    pub(super) permissions: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    modified: Time,
    accessed: Option<Time>,
    xattrs: Vec<(BString, Vec<u8>)>,
}

impl Attributes {
    pub(super) fn of(entry: &mut Entry, place: BString) -> Attributes {
        Attributes {
            place,
            permissions: entry.permissions,
            uid: entry.uid,
            gid: entry.gid,
            modified: entry.modified,
            accessed: entry.accessed,
            xattrs: std::mem::take(&mut entry.xattrs),
        }
    }

    fn times(&self) -> Timestamps {
        let spec = |time: Time| Timespec {
            tv_sec: time.seconds.saturating_add((time.nanoseconds / NANOS).into()),
            tv_nsec: (time.nanoseconds % NANOS).into(),
        };
        let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
        Timestamps { last_access: self.accessed.map_or(omit, spec), last_modification: spec(self.modified) }
    }

    /// Owner and group for a system call; it can't set the number that means "none".
    fn owner(&self) -> Option<(Uid, Gid)> {
        (self.uid != u32::MAX && self.gid != u32::MAX)
            .then(|| (Uid::from_raw(self.uid), Gid::from_raw(self.gid)))
    }

    /// The mode to make a file with: the final one, or closed to others until it has its owner, and open to attributes.
    pub(super) fn first_mode(&self, shared: &Shared) -> Mode {
        let stranger = shared.options.owner && (self.uid, self.gid) != shared.caller;
        if stranger || !self.xattrs.is_empty() {
            return Mode::RUSR | Mode::WUSR;
        }
        Mode::from_raw_mode(self.permissions & 0o777)
    }

    /// Gives them to an open file or directory. What can't be given is noted, and the rest is.
    pub(super) fn apply(&self, fd: impl AsFd, shared: &Shared) {
        let fd = fd.as_fd();
        let place = self.place.as_bstr();
        let Ok(now) = fstat(fd) else { return shared.failed_call(place, Errno::BADF) };
        let mut owned = shared.options.owner;
        if owned && (now.st_uid, now.st_gid) != (self.uid, self.gid) {
            let given = match self.owner() {
                Some((uid, gid)) => fchown(fd, Some(uid), Some(gid)),
                None => Err(Errno::INVAL),
            };
            if let Err(errno) = given {
                owned = false;
                no_owner(shared, place, errno);
            }
        }
        let (acls, others): (Vec<_>, Vec<_>) =
            self.xattrs.iter().partition(|(name, _)| name.starts_with(ACL));
        self.set_xattrs(fd, &others, shared);
        let permissions = if owned { self.permissions } else { self.permissions & !SET_ID_BITS };
        // A change of owner may have cleared bits that were there.
        let differs = now.st_mode & 0o7777 != permissions || permissions & SET_ID_BITS != 0;
        if differs && let Err(errno) = fchmod(fd, Mode::from_raw_mode(permissions)) {
            shared.failed_call(place, errno);
        }
        self.set_xattrs(fd, &acls, shared);
        if let Err(errno) = futimens(fd, &self.times()) {
            shared.failed_call(place, errno);
        }
    }

    fn set_xattrs(&self, fd: std::os::fd::BorrowedFd<'_>, list: &[&(BString, Vec<u8>)], shared: &Shared) {
        for (name, value) in list {
            if let Err(errno) = fsetxattr(fd, name.as_bytes(), value, XattrFlags::empty()) {
                no_xattr(shared, self.place.as_bstr(), name.as_bstr(), errno);
            }
        }
    }

    /// Gives them to something that can't be opened, by its name: a symbolic link, a device, a named pipe. Only the
    /// modes of what is no link matter, and those it was made with.
    pub(super) fn apply_by_name(&self, directory: &Directory, name: &BStr, is_link: bool, shared: &Shared) {
        let place = self.place.as_bstr();
        let by_name = AtFlags::SYMLINK_NOFOLLOW;
        let mut owned = shared.options.owner;
        if owned {
            let given = match self.owner() {
                Some((uid, gid)) => chownat(directory.fd(), name.as_bytes(), Some(uid), Some(gid), by_name),
                None => Err(Errno::INVAL),
            };
            if let Err(errno) = given {
                owned = false;
                no_owner(shared, place, errno);
            }
        }
        if !is_link || !self.xattrs.is_empty() {
            self.apply_by_path(directory, name, is_link, owned, shared);
        }
        if let Err(errno) = utimensat(directory.fd(), name.as_bytes(), &self.times(), by_name) {
            shared.failed_call(place, errno);
        }
    }

    /// Mode and attributes of what can't be opened for reading or writing: through a descriptor that is neither, by the
    /// name that the kernel gives it.
    fn apply_by_path(&self, directory: &Directory, name: &BStr, is_link: bool, owned: bool, shared: &Shared) {
        use rustix::fs::{OFlags, openat, setxattr};
        use std::os::fd::AsRawFd;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = self.place.as_bstr();
        let fd = match openat(directory.fd(), name.as_bytes(), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(errno) => return shared.failed_call(place, errno),
        };
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        for (name, value) in &self.xattrs {
            if let Err(errno) = setxattr(path.as_str(), name.as_bytes(), value, XattrFlags::empty()) {
                no_xattr(shared, place, name.as_bstr(), errno);
            }
        }
        if !is_link {
            let permissions = if owned { self.permissions } else { self.permissions & !SET_ID_BITS };
            if let Err(errno) = rustix::fs::chmod(path.as_str(), Mode::from_raw_mode(permissions)) {
                shared.failed_call(place, errno);
            }
        }
    }
}

fn no_owner(shared: &Shared, place: &BStr, errno: Errno) {
    shared.fail(format_args!("{place}: its owner can't be kept: {}", errno_words(errno)));
}

fn no_xattr(shared: &Shared, place: &BStr, name: &BStr, errno: Errno) {
    shared.fail(format_args!("{place}: its attribute {name} can't be kept: {}", errno_words(errno)));
}

/// The C library's words for an errno.
pub(super) fn errno_words(errno: Errno) -> &'static str {
    nix::errno::Errno::from_raw(errno.raw_os_error()).desc()
}
