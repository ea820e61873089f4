//! cp and mv.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, OFlags, fstat, renameat, statat};

use super::tree::{Keep, copy_all, is_within, remove_all};
use super::{Entry, attributes, data, destination, entry, existing, regular_with, reopen};
use crate::Guestfsd;
use crate::engine::kernel::Sysroot;
use crate::engine::{self, Last};
use crate::error::{At, Failure};
use rustix::fs::Mode;

impl Guestfsd {
    pub(crate) fn cp(&mut self, source: &BStr, target: &BStr) -> Result<()> {
        let root = self.kernel("cp")?.sysroot();
        copy_file(root, source, target).at(format_args!("{source} -> {target}"))
    }

    pub(crate) fn cp_a(&mut self, source: &BStr, target: &BStr) -> Result<()> {
        let root = self.kernel("cp_a")?.sysroot();
        copy_tree(root, source, target, Keep::All).at(format_args!("{source} -> {target}"))
    }

    pub(crate) fn cp_r(&mut self, source: &BStr, target: &BStr) -> Result<()> {
        let root = self.kernel("cp_r")?.sysroot();
        copy_tree(root, source, target, Keep::Permissions).at(format_args!("{source} -> {target}"))
    }

    pub(crate) fn mv(&mut self, source: &BStr, target: &BStr) -> Result<()> {
        let root = self.kernel("mv")?.sysroot();
        move_tree(root, source, target).at(format_args!("{source} -> {target}"))
    }
}

fn copy_file(root: &Sysroot, source: &BStr, target: &BStr) -> engine::Result<()> {
    let there = existing(root, source, Last::Follow)?;
    let from = reopen(&there, OFlags::RDONLY)?;
    let status = fstat(&from)?;
    let target = destination(root, source, target)?;
    if let Ok(old) = existing(root, target.as_bstr(), Last::Follow) {
        let old = fstat(&old)?;
        if (old.st_dev, old.st_ino) == (status.st_dev, status.st_ino) {
            return Err(same_file());
        }
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let permissions = Mode::from_raw_mode(status.st_mode).intersection(Mode::from_raw_mode(0o777));
    let to = regular_with(root, target.as_bstr(), flags, permissions)?;
    data::copy_whole(&from, &to)
}

fn same_file() -> Failure {
    Failure::Text(Errno::EINVAL, "source and destination are the same file".into())
}

/// Is `target` a name within the directory `source`?
fn goes_into_itself(source: &Entry, target: &Entry) -> engine::Result<bool> {
    let name = source.name.strip_suffix(b"/").unwrap_or(&source.name);
    let status = statat(&source.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
        return Ok(false);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&source.directory, name, flags, Mode::empty())?;
    is_within(&target.directory, &directory)
}

fn copy_tree(root: &Sysroot, source: &BStr, target: &BStr, keep: Keep) -> engine::Result<()> {
    let target = destination(root, source, target)?;
    let source = named(root, source)?;
    let target = entry(root, target.as_bstr(), Errno::EEXIST)?;
    if goes_into_itself(&source, &target)? {
        return Err(Failure::Text(Errno::EINVAL, "cannot copy a directory into itself".into()));
    }
    copy_all(root, &source, &target, keep, attributes::present_umask()).map_err(|failure| match failure {
        Failure::Os(Errno::EEXIST) => same_file(),
        other => other,
    })
}

/// The entry of a source. The root has no name: it is taken as `.` in itself.
fn named(root: &Sysroot, path: &BStr) -> engine::Result<Entry> {
    match entry(root, path, Errno::EINVAL) {
        Err(Failure::Os(Errno::EINVAL)) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            Ok(Entry { directory: root.open(path, flags, Mode::empty())?, name: b".".to_vec() })
        }
        found => found,
    }
}

fn move_tree(root: &Sysroot, source: &BStr, target: &BStr) -> engine::Result<()> {
    let target = destination(root, source, target)?;
    let source = entry(root, source, Errno::EBUSY)?;
    let target = entry(root, target.as_bstr(), Errno::EBUSY)?;
    if let (Ok(from), Ok(to)) = (status(&source), status(&target))
        && (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino)
    {
        return Err(same_file());
    }
    match renameat(&source.directory, source.name.as_slice(), &target.directory, target.name.as_slice()) {
        Err(rustix::io::Errno::XDEV) => {}
        renamed => return Ok(renamed?),
    }
    // To another filesystem: a copy, and then the source goes. What is in the way goes before, as a rename would do it.
    match status(&target) {
        Ok(old) if FileType::from_raw_mode(old.st_mode) == FileType::Directory => {
            rustix::fs::unlinkat(&target.directory, target.name.as_slice(), AtFlags::REMOVEDIR)?;
        }
        _ => {}
    }
    copy_all(root, &source, &target, Keep::All, Mode::empty())?;
    remove_all(&source)
}

fn status(entry: &Entry) -> engine::Result<rustix::fs::Stat> {
    let name = entry.name.strip_suffix(b"/").unwrap_or(&entry.name);
    Ok(statat(&entry.directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
}
