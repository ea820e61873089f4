//! What regular files hold: made, filled, cut, written in part.

use std::os::fd::OwnedFd;

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, fallocate, fstat,
    ftruncate, futimens, openat, utimensat,
};

use super::data::write_all_at;
use super::{NEW_FILE, existing, regular, reopen};
use crate::Guestfsd;
use crate::calls::sink::Told;
use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::engine::{self, Last};
use crate::error::{At, Failure, refused};

/// Bytes written at a time by `fill`.
const BUFFER: usize = 1 << 20;
/// Width of the names of the files that `fill_dir` makes.
const FILL_DIR_DIGITS: usize = 8;

impl Guestfsd {
    pub(crate) fn touch(&mut self, path: &BStr) -> Result<()> {
        let root = self.kernel("touch")?.sysroot();
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        match existing(root, path, Last::Itself) {
            Ok(there) => {
                let status = fstat(&there).map_err(Failure::from).at(format_args!("lstat: {path}"))?;
                if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
                    return Err(refused(format!("{path}: touch can only be used on a regular files")));
                }
                utimensat(CWD, descriptor_path(&there), &times, AtFlags::empty())
                    .map_err(Failure::from)
                    .at(format_args!("futimens: {path}"))
            }
            Err(failure) if failure.errno() == Errno::ENOENT => {
                let made = regular(root, path, OFlags::CREATE).at(format_args!("open: {path}"))?;
                futimens(&made, &times).map_err(Failure::from).at(format_args!("futimens: {path}"))
            }
            Err(failure) => Err(failure.at(format_args!("lstat: {path}"))),
        }
    }

    pub(crate) fn truncate(&mut self, path: &BStr) -> Result<()> {
        cut(self.kernel("truncate")?.sysroot(), path, 0)
    }

    pub(crate) fn truncate_size(&mut self, path: &BStr, size: i64) -> Result<()> {
        let root = self.kernel("truncate_size")?.sysroot();
        let size = u64::try_from(size)
            .map_err(|_| Failure::Os(Errno::EINVAL).at(format_args!("ftruncate: {path}")))?;
        cut(root, path, size)
    }

    pub(crate) fn fallocate(&mut self, path: &BStr, len: i32) -> Result<()> {
        if len < 0 {
            return Err(refused("length < 0"));
        }
        self.fallocate64(path, len.into())
    }

    /// Empties the file first, as the original.
    pub(crate) fn fallocate64(&mut self, path: &BStr, len: i64) -> Result<()> {
        let root = self.kernel("fallocate64")?.sysroot();
        let file = regular(root, path, OFlags::CREATE | OFlags::TRUNC).at(format_args!("open: {path}"))?;
        let len = u64::try_from(len).map_err(|_| Failure::Os(Errno::EINVAL).at(path))?;
        match fallocate(&file, FallocateFlags::empty(), 0, len) {
            // A filesystem that has no such call gets zeros.
            Err(rustix::io::Errno::OPNOTSUPP) => repeat(&file, &[0], len, path, &mut ()),
            done => done.map_err(Failure::from).at(path),
        }
    }

    pub(crate) fn fill(&mut self, value: i32, len: i32, path: &BStr, told: &mut dyn Told) -> Result<()> {
        let root = self.kernel("fill")?.sysroot();
        let byte = u8::try_from(value)
            .map_err(|_| refused(format!("{value}: byte number must be in range 0..255")))?;
        let len = u64::try_from(len).map_err(|_| refused(format!("{len}: length is < 0")))?;
        let file = regular(root, path, OFlags::CREATE | OFlags::TRUNC).at(format_args!("open: {path}"))?;
        repeat(&file, &[byte], len, path, told)
    }

    pub(crate) fn fill_pattern(
        &mut self,
        pattern: &BStr,
        len: i32,
        path: &BStr,
        told: &mut dyn Told,
    ) -> Result<()> {
        let root = self.kernel("fill_pattern")?.sysroot();
        if pattern.is_empty() {
            return Err(refused("pattern string must be non-empty"));
        }
        let len = u64::try_from(len).map_err(|_| refused(format!("{len}: length is < 0")))?;
        let file = regular(root, path, OFlags::CREATE | OFlags::TRUNC).at(format_args!("open: {path}"))?;
        repeat(&file, pattern, len, path, told)
    }

    pub(crate) fn fill_dir(&mut self, directory: &BStr, count: i32) -> Result<()> {
        let root = self.kernel("fill_dir")?.sysroot();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened = root.open(directory, flags, Mode::empty()).at(format_args!(
            "create: {directory}/{:0width$}",
            0,
            width = FILL_DIR_DIGITS
        ))?;
        for number in 0..count {
            let name = format!("{number:0FILL_DIR_DIGITS$}");
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
            openat(&opened, name.as_str(), flags, NEW_FILE)
                .map_err(Failure::from)
                .at(format_args!("create: {directory}/{name}"))?;
        }
        Ok(())
    }

    pub(crate) fn internal_write(&mut self, path: &BStr, content: &[u8]) -> Result<()> {
        let root = self.kernel("internal_write")?.sysroot();
        let file = regular(root, path, OFlags::CREATE | OFlags::TRUNC).at(format_args!("open: {path}"))?;
        write_all_at(&file, content, 0).at(format_args!("write: {path}"))
    }

    pub(crate) fn internal_write_append(&mut self, path: &BStr, content: &[u8]) -> Result<()> {
        let root = self.kernel("internal_write_append")?.sysroot();
        let file = regular(root, path, OFlags::CREATE | OFlags::APPEND).at(format_args!("open: {path}"))?;
        // With APPEND the offset does not matter.
        write_all_at(&file, content, 0).at(format_args!("write: {path}"))
    }

    pub(crate) fn write_file(&mut self, path: &BStr, content: &BStr, size: i32) -> Result<()> {
        let size = usize::try_from(size).map_err(|_| refused("size cannot be negative"))?;
        let part = match size {
            0 => Some(content.as_bytes()),
            size => content.get(..size),
        };
        let part = part.ok_or_else(|| refused("size parameter is larger than string content"))?;
        self.internal_write(path, part)
    }

    pub(crate) fn pwrite(&mut self, path: &BStr, content: &[u8], offset: i64) -> Result<i32> {
        let root = self.kernel("pwrite")?.sysroot();
        let offset = u64::try_from(offset).map_err(|_| refused("offset is negative"))?;
        let file = existing(root, path, Last::Follow)
            .and_then(|there| reopen(&there, OFlags::WRONLY))
            .at(format_args!("open: {path}"))?;
        write_part(&file, content, offset).at(format_args!("pwrite: {path}"))
    }
}

/// Writes what one system call writes.
pub(in crate::calls) fn write_part(file: &OwnedFd, content: &[u8], offset: u64) -> engine::Result<i32> {
    loop {
        match rustix::io::pwrite(file, content, offset) {
            Ok(count) => return Ok(i32::try_from(count).unwrap_or(i32::MAX)),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn cut(root: &Sysroot, path: &BStr, size: u64) -> Result<()> {
    let file = regular(root, path, OFlags::empty()).at(format_args!("open: {path}"))?;
    ftruncate(&file, size).map_err(Failure::from).at(format_args!("ftruncate: {path}"))
}

/// Writes `pattern` again and again until there are `length` bytes.
fn repeat(file: &OwnedFd, pattern: &[u8], length: u64, path: &BStr, told: &mut dyn Told) -> Result<()> {
    let whole = BUFFER.div_ceil(pattern.len().max(1)).saturating_mul(pattern.len());
    let whole =
        whole.min(usize::try_from(length).unwrap_or(usize::MAX).next_multiple_of(pattern.len().max(1)));
    let buffer: Vec<u8> = pattern.iter().copied().cycle().take(whole).collect();
    let mut at = 0;
    while at < length {
        let left = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        let piece = buffer.get(..left.min(buffer.len())).unwrap_or_default();
        write_all_at(file, piece, at).at(format_args!("write: {path}"))?;
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        told.tell(at, length)?;
    }
    Ok(())
}
