//! Symbolic links whose targets a program has put its own mountpoint before.
//!
//! ntfs-3g shows a junction to `C:\Users` as `MOUNTPOINT/Users` and one to another drive as `MOUNTPOINT/.NTFS-3G/D:/…`, where
//! MOUNTPOINT is what it was called with: for the system in which it runs this leads to the right place. A guest has its own
//! root, and there is no such path in it. Here the guest's target is made of it again, `/Users`, as if the filesystem were
//! mounted at `/` of a running system.
//!
//! The kernel can't follow such a link within the guest's root: [`Targets::open`] goes along a path that has links, asking
//! the kernel for one component at a time. Each of these steps stays within the root by itself.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bstr::{BStr, BString, ByteSlice};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags, readlinkat, statx};

use super::sysroot::open_in;
use crate::engine::Result;
use crate::error::Failure;

/// Longest target of a symbolic link, and longest path, in bytes (`PATH_MAX`).
const PATH_MAX: usize = 4096;
/// Most links that are followed for one path (the kernel's `MAXSYMLINKS`).
const LINKS_MAX: u32 = 40;

/// What programs put before targets, by the number of the device whose filesystem they serve. A number that another
/// filesystem gets afterwards does no harm: its links don't begin so.
#[derive(Debug, Default)]
pub(super) struct Targets(RwLock<BTreeMap<(u32, u32), Vec<u8>>>);

impl Targets {
    /// From now on, absolute targets on the filesystem of `mounted` are known to begin with `mountpoint`.
    pub(super) fn note(&self, mounted: &OwnedFd, mountpoint: &str) -> Result<()> {
        let status = look(mounted)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(device(&status), mountpoint.into());
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, BTreeMap<(u32, u32), Vec<u8>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there any such filesystem?
    pub(super) fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// Is `status` that of a link that may read otherwise than the kernel says?
    pub(super) fn concern(&self, status: &Statx) -> bool {
        is_link(status) && self.known().contains_key(&device(status))
    }

    /// The target of an open symbolic link.
    pub(super) fn read(&self, link: &OwnedFd) -> Result<BString> {
        let status = look(link)?;
        let target = readlinkat(link, "", Vec::with_capacity(PATH_MAX))?.into_bytes();
        let known = self.known();
        let own =
            known.get(&device(&status)).and_then(|mountpoint| target.strip_prefix(mountpoint.as_slice()));
        Ok(match own {
            Some(rest) if rest.starts_with(b"/") => rest.into(),
            _ => target.into(),
        })
    }

    /// Opens what a guest path leads to within an open root, with these links followed, as `openat2` would with
    /// `RESOLVE_IN_ROOT`.
    pub(super) fn open(&self, root: &OwnedFd, path: &BStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let stops =
            |path: &[u8], flags, mode| open_in(root, path.as_bstr(), flags | OFlags::NOFOLLOW, mode, resolve);
        let mut rest = path.to_vec();
        // Behind the root, without links and dots.
        let mut done: Vec<u8> = Vec::new();
        let mut links = 0;
        // Is a last link meant itself?
        let stays = flags.contains(OFlags::NOFOLLOW) || flags.contains(OFlags::CREATE | OFlags::EXCL);
        loop {
            let name_at = rest.find_not_byteset("/").unwrap_or(rest.len());
            let after = rest.get(name_at..).unwrap_or_default();
            let (name, after) =
                after.split_at_checked(after.find_byte(b'/').unwrap_or(after.len())).unwrap_or_default();
            match name {
                // The path ended in a slash or in dots: in a directory, which the kernel makes sure of.
                b"" => return stops(&[b"/", done.as_slice(), b"/."].concat(), flags, mode),
                b"." | b".." => {
                    // Only a directory has them.
                    stops(&[b"/", done.as_slice(), b"/."].concat(), OFlags::PATH, Mode::empty())?;
                    if name == b".." {
                        done.truncate(done.rfind_byte(b'/').unwrap_or(0));
                    }
                    rest = after.to_vec();
                    continue;
                }
                _ => {}
            }
            let here = [b"/", done.as_slice(), b"/", name].concat();
            let is_last = after.is_empty();
            let found = match stops(&here, OFlags::PATH, Mode::empty()) {
                Err(Failure::Os(Errno::ENOENT)) if is_last => None,
                other => Some(other?),
            };
            if let Some(found) = found
                && is_link(&look(&found)?)
                && !(is_last && stays)
            {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Failure::Os(Errno::ELOOP));
                }
                let target = self.read(&found)?;
                if target.is_empty() {
                    return Err(Failure::Os(Errno::ENOENT));
                }
                if target.len().saturating_add(after.len()) > PATH_MAX {
                    return Err(Failure::Os(Errno::ENAMETOOLONG));
                }
                if target.starts_with(b"/") {
                    done.clear();
                }
                rest = [target.as_slice(), after].concat();
                continue;
            }
            if is_last {
                return stops(&here, flags, mode);
            }
            done = here.trim_start_with(|c| c == '/').to_vec();
            rest = after.to_vec();
        }
    }
}

fn is_link(status: &Statx) -> bool {
    FileType::from_raw_mode(status.stx_mode.into()) == FileType::Symlink
}

fn device(status: &Statx) -> (u32, u32) {
    (status.stx_dev_major, status.stx_dev_minor)
}

fn look(fd: &OwnedFd) -> Result<Statx> {
    Ok(statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::open;

    use super::*;

    fn open_path(path: &Path) -> OwnedFd {
        open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap()
    }

    /// A guest's root whose links are those of a program that was called with `/proc/1/fd/9`.
    fn guest() -> (tempfile::TempDir, OwnedFd, Targets) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("Users/alice")).unwrap();
        std::fs::write(root.join("Users/alice/file"), "x").unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        for (name, target) in [
            ("junction", "/proc/1/fd/9/Users"),
            ("twice", "/proc/1/fd/9/junction/alice"),
            ("root", "/proc/1/fd/9/"),
            ("other", "/proc/1/fd/99/Users"),
            ("plain", "/Users"),
            ("relative", "Users/../junction/./alice"),
            ("out", "/proc/1/fd/9/../../secret"),
            ("loop", "/proc/1/fd/9/loop"),
            ("new", "/proc/1/fd/9/Users/new"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        let targets = Targets::default();
        let opened = open_path(&root);
        targets.note(&opened, "/proc/1/fd/9").unwrap();
        (dir, opened, targets)
    }

    #[test]
    fn targets_are_those_of_the_guest() {
        let (dir, _, targets) = guest();
        for (name, expected) in [
            ("junction", "/Users"),
            ("root", "/"),
            ("other", "/proc/1/fd/99/Users"),
            ("plain", "/Users"),
            ("relative", "Users/../junction/./alice"),
        ] {
            let link = open_path(&dir.path().join("root").join(name));
            assert_eq!(targets.read(&link).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn paths_lead_through_such_links_and_never_out() {
        let (dir, root, targets) = guest();
        let inode = |fd: &OwnedFd| statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::INO).unwrap().stx_ino;
        let there = |path: &str| inode(&open_path(&dir.path().join("root").join(path)));
        for (path, flags, expected) in [
            ("/junction/alice/file", OFlags::PATH, Ok("Users/alice/file")),
            ("/junction", OFlags::PATH, Ok("Users")),
            ("/junction", OFlags::PATH | OFlags::NOFOLLOW, Ok("junction")),
            ("/junction/", OFlags::PATH | OFlags::NOFOLLOW, Ok("Users")),
            ("/junction", OFlags::NOFOLLOW, Err(Errno::ELOOP)),
            ("//twice//file", OFlags::PATH, Ok("Users/alice/file")),
            ("/relative/file", OFlags::PATH, Ok("Users/alice/file")),
            ("/relative/file/", OFlags::PATH, Err(Errno::ENOTDIR)),
            ("/relative/file/..", OFlags::PATH, Err(Errno::ENOTDIR)),
            ("/plain/alice/../..", OFlags::PATH, Ok(".")),
            ("/root", OFlags::PATH, Ok(".")),
            ("/root/../../..", OFlags::PATH, Ok(".")),
            ("/out", OFlags::PATH, Err(Errno::ENOENT)),
            ("/other", OFlags::PATH, Err(Errno::ENOENT)),
            ("/loop", OFlags::PATH, Err(Errno::ELOOP)),
            ("/junction/none/x", OFlags::PATH, Err(Errno::ENOENT)),
            ("/new", OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Err(Errno::EEXIST)),
            ("/new", OFlags::CREATE | OFlags::WRONLY, Ok("Users/new")),
        ] {
            let mode = if flags.contains(OFlags::CREATE) { Mode::RUSR } else { Mode::empty() };
            let found = targets.open(&root, BStr::new(path), flags, mode);
            let found = found.map(|fd| inode(&fd)).map_err(|failure| failure.errno());
            assert_eq!(found, expected.map(there), "{path} {flags:?}");
        }
    }
}
