//! Where an appliance mounts the guest, and the one way to reach a file of it.
//!
//! Guest paths are resolved by the kernel within the root (`openat2` with `RESOLVE_IN_ROOT`): absolute links, `..` and
//! links that are changed meanwhile lead to nothing outside of it, and magic links of /proc are refused.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice};
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags, Statx, open, openat2};

use super::targets::Targets;
use crate::engine::Result;
use crate::error::Failure;

/// The directory under which everything of a guest is mounted.
#[derive(Debug)]
pub struct Sysroot {
    path: PathBuf,
    /// Links that don't read as the kernel says.
    targets: Targets,
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Self {
        Failure::Os(Errno::from_raw(errno.raw_os_error()))
    }
}

impl Sysroot {
    /// The root at a directory of the appliance.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Sysroot { path: path.into(), targets: Targets::default() }
    }

    /// The directory in the appliance's own tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what a guest path leads to. A last symbolic link is followed, unless `flags` have `NOFOLLOW`. `mode` is
    /// that of a file which is made (`CREATE`); otherwise it must be empty.
    ///
    /// # Errors
    /// The errno of `open(2)`; `EXDEV` if the path uses a magic link.
    pub fn open(&self, path: &BStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        // The root is opened anew each time: what is mounted over it changes.
        let root = open(&self.path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if self.targets.is_empty() {
            return open_in(&root, path, flags, mode, resolve);
        }
        match open_in(&root, path, flags, mode, resolve | ResolveFlags::NO_SYMLINKS) {
            Err(Failure::Os(Errno::ELOOP)) => self.targets.open(&root, path, flags, mode),
            other => other,
        }
    }

    /// To be called when a program serves the filesystem at `path`: it was given `mountpoint` to mount it at, and puts that
    /// before absolute targets of links.
    ///
    /// # Errors
    /// If the path can't be looked at.
    pub(super) fn served_at(&self, path: &BStr, mountpoint: &str) -> Result<()> {
        self.targets.note(&self.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, mountpoint)
    }

    /// The target of a symbolic link that was opened by [`open`](Self::open), as its guest knows it.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn link_target(&self, link: &OwnedFd) -> Result<BString> {
        self.targets.read(link)
    }

    /// The bytes of a link's target, if `status` does not have the right number.
    pub(super) fn link_len(
        &self,
        status: &Statx,
        link: impl FnOnce() -> Result<OwnedFd>,
    ) -> Result<Option<u64>> {
        if !self.targets.concern(status) {
            return Ok(None);
        }
        Ok(u64::try_from(self.link_target(&link()?)?.len()).ok())
    }

    /// The directory that holds what `path` names, opened for calls such as `unlinkat`, and the name within it. The
    /// name is one component; a symbolic link of that name is not followed.
    ///
    /// # Errors
    /// `EINVAL` if the path has no such name (it is `/`, or ends in `.` or `..`); else as [`open`](Self::open).
    pub fn parent<'p>(&self, path: &'p BStr) -> Result<(OwnedFd, &'p OsStr)> {
        let trimmed = path.trim_end_with(|c| c == '/');
        let (directory, name) = trimmed.rsplit_once_str("/").unwrap_or((b"", trimmed));
        if matches!(name, b"" | b"." | b"..") {
            return Err(Failure::Os(Errno::EINVAL));
        }
        let directory = if directory.is_empty() { BStr::new("/") } else { directory.as_bstr() };
        let opened = self.open(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok((opened, OsStr::from_bytes(name)))
    }
}

/// How often a path is resolved anew before its resolution fails.
const TRIES_MAX: u32 = 1000;

/// Opens a guest path within an open root, which `resolve` has it stay in.
pub(super) fn open_in(
    root: &OwnedFd,
    path: &BStr,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    for _ in 0..TRIES_MAX {
        match openat2(root, OsStr::from_bytes(path), flags | OFlags::CLOEXEC, mode, resolve) {
            // A rename raced with the resolution of `..`.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
    Err(Failure::Os(Errno::EAGAIN))
}

/// The path by which a call without an `*at` form reaches an open file: `/proc/self/fd/N`.
pub fn descriptor_path(fd: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn guest_paths_do_not_leave_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/passwd"), "guest").unwrap();
        std::fs::write(dir.path().join("secret"), "host").unwrap();
        for (name, target) in [
            ("abs", "/etc/passwd"),
            ("up", "../../../etc/passwd"),
            ("out", "../secret"),
            ("magic", "/proc/self/root"),
        ] {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        }
        let sysroot = Sysroot::new(&root);
        let read = |path: &str| {
            let fd = sysroot.open(BStr::new(path), OFlags::RDONLY, Mode::empty())?;
            let mut text = String::new();
            std::fs::File::from(fd).read_to_string(&mut text).unwrap();
            Ok::<_, Failure>(text)
        };
        for path in ["/etc/passwd", "/abs", "/up", "/../../etc/passwd", "/etc/../etc/./passwd"] {
            assert_eq!(read(path).unwrap(), "guest", "{path}");
        }
        assert_eq!(read("/out").unwrap_err().errno(), Errno::ENOENT);
        assert_eq!(read("/magic/etc/passwd").unwrap_err().errno(), Errno::ENOENT);
    }

    #[test]
    fn a_parent_is_given_for_names_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        let sysroot = Sysroot::new(dir.path());
        for (path, name) in [("/x", "x"), ("/a/x", "x"), ("/a/../x//", "x"), ("/a", "a")] {
            assert_eq!(sysroot.parent(BStr::new(path)).unwrap().1, name, "{path}");
        }
        for path in ["/", "//", "/a/.", "/a/.."] {
            assert_eq!(sysroot.parent(BStr::new(path)).unwrap_err().errno(), Errno::EINVAL, "{path}");
        }
    }
}
