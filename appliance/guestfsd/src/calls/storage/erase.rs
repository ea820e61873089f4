//! Zeros, patterns and discards over devices and over the free space of filesystems.
//!
//! Zeros are written only where there are none, so that an image does not grow by them.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use bstr::{BStr, ByteSlice};
use disk::ReadAt;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstatvfs, fsync, openat, unlinkat};

use super::super::sink::Told;
use super::tool::{Subject, Tool};
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, Failure, refused};
use crate::program::Program;

/// What `zero` clears: 32 blocks of 4 KiB, where tables and superblocks are.
const HEAD: u64 = 128 << 10;
/// Bytes that are read and looked at together.
const STRIDE: usize = 1 << 20;
/// Granularity of what is written: a page.
const PAGE: usize = 4096;
/// Files over which the free space is spread, each as large as the filesystem allows: FAT ends at 4 GiB, so this is
/// enough for 16 TiB.
const FILL_FILES: usize = 4096;

fn io_failure(error: &std::io::Error) -> Failure {
    Failure::Os(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

impl Guestfsd {
    fn open_device(device: &Subject) -> Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(&device.path);
        file.map_err(|e| io_failure(&e)).at(&device.name)
    }

    /// Zeroes the first `length` bytes of a device.
    fn clear(&self, call: &str, device: &BStr, length: u64, told: &mut dyn Told) -> Result<()> {
        let device = self.subject(call, device)?;
        let size = self.engine.open_block(device.name.as_bstr()).at(&device.name)?.len();
        let file = Self::open_device(&device)?;
        let done = clear_range(&file, &device, length.min(size), told);
        drop(file);
        self.changed(call)?;
        done
    }

    pub(crate) fn zero(&mut self, device: &BStr, told: &mut dyn Told) -> Result<()> {
        self.clear("zero", device, HEAD, told)
    }

    pub(crate) fn zero_device(&mut self, device: &BStr, told: &mut dyn Told) -> Result<()> {
        self.clear("zero_device", device, u64::MAX, told)
    }

    /// Fills the free space with files that have no name, so that nothing stays behind however this ends.
    pub(crate) fn zero_free_space(&mut self, directory: &BStr, told: &mut dyn Told) -> Result<()> {
        let kernel = self.kernel("zero_free_space")?;
        let opened = kernel.sysroot().open(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let opened = opened.at(directory)?;
        let failed =
            |what: &str, e: rustix::io::Errno| Failure::from(e).at(format_args!("{what}: {directory}"));
        let total = fstatvfs(&opened).map_err(|e| failed("fstatvfs", e))?.f_bfree;
        let zeros = vec![0; STRIDE];
        let mut files: Vec<File> = Vec::new();
        'files: for _ in 0..FILL_FILES {
            let file = match nameless(&opened) {
                // Not even a name fits any more.
                Err(rustix::io::Errno::NOSPC) if !files.is_empty() => break,
                other => File::from(other.map_err(|e| failed("open", e))?),
            };
            let mut position = 0;
            loop {
                match fill(&file, &zeros, position) {
                    Ok(0) => break 'files,
                    Ok(written) => position += written,
                    // As large as a file can be here: on to the next.
                    Err(Errno::EFBIG) if position > 0 => break,
                    Err(errno) => return Err(Failure::Os(errno).at(format_args!("write: {directory}"))),
                }
                let free = fstatvfs(&opened).map_or(0, |status| status.f_bfree);
                told.tell(total.saturating_sub(free).min(total.saturating_sub(1)), total)?;
            }
            files.push(file);
        }
        for file in &files {
            fsync(file).map_err(|e| failed("fsync", e))?;
        }
        drop(files);
        kernel.sync();
        told.tell(total, total)
    }

    pub(crate) fn zerofree(&mut self, device: &BStr) -> Result<()> {
        let device = self.subject("zerofree", device)?;
        Tool::new("zerofree").on(&device).run(&device.name)?;
        Ok(())
    }

    pub(crate) fn wipefs(&mut self, device: &BStr) -> Result<()> {
        let device = self.subject("wipefs", device)?;
        let done = Tool::new("wipefs").args(["-a", "--force"]).on(&device).run("");
        self.changed("wipefs")?;
        done.map(drop)
    }

    /// Removes what another filesystem left on a device that a new one is made on: mkfs leaves places alone that it does
    /// not use, and the old signature would be found there. What fails here, mkfs meets as well.
    pub(super) fn wipe_before_mkfs(device: &Subject) {
        if Program::exists("wipefs") {
            let _ = Tool::new("wipefs").args(["-a", "--force"]).on(device).run("");
        }
    }

    pub(crate) fn scrub_device(&mut self, device: &BStr) -> Result<()> {
        let device = self.subject("scrub_device", device)?;
        let done = Tool::new("scrub").on(&device).run(&device.name);
        self.changed("scrub_device")?;
        done.map(drop)
    }

    /// The program sees an open file, so its name is removed here.
    pub(crate) fn scrub_file(&mut self, file: &BStr) -> Result<()> {
        let subject = self.file_subject("scrub_file", file, FileType::RegularFile)?;
        Tool::new("scrub").on(&subject).run(file)?;
        let (directory, name) = self.kernel("scrub_file")?.sysroot().parent(file).at(file)?;
        unlinkat(&directory, name, AtFlags::empty()).map_err(Failure::from).at(file)
    }

    /// The program makes the directory and leaves it empty. It is only given a name that leads nowhere yet, in an open
    /// directory.
    pub(crate) fn scrub_freespace(&mut self, dir: &BStr) -> Result<()> {
        let sysroot = self.kernel("scrub_freespace")?.sysroot();
        if self.tree().status(dir, Last::Itself).is_ok() {
            return Err(Failure::Os(Errno::EEXIST).at(dir));
        }
        let (parent, name) = sysroot.parent(dir).at(dir)?;
        let within = [b"/", name.as_bytes()].concat();
        let parent = Subject::opened(dir.to_owned(), parent);
        Tool::new("scrub").arg("-X").on_with("", &parent, within).run(dir)?;
        Ok(())
    }

    pub(crate) fn blkdiscard(&mut self, device: &BStr) -> Result<()> {
        let device = self.subject("blkdiscard", device)?;
        let done = Tool::new("blkdiscard").arg("-f").on(&device).run("");
        self.changed("blkdiscard")?;
        done.map(drop)
    }

    /// Linux promises it for no device since 4.12 (`BLKDISCARDZEROES` always answers 0).
    pub(crate) fn blkdiscardzeroes(&mut self, device: &BStr) -> Result<bool> {
        self.subject("blkdiscardzeroes", device)?;
        Ok(false)
    }

    pub(crate) fn fstrim(
        &mut self,
        mountpoint: &BStr,
        opts: &libguestfs_core::api::FstrimOpts,
    ) -> Result<()> {
        let positive = |name: &str, value: Option<i64>| match value {
            Some(value) if value <= 0 => Err(refused(format!("{name} <= 0"))),
            _ => Ok(value.map(|value| value.to_string())),
        };
        if opts.offset.is_some_and(|offset| offset < 0) {
            return Err(refused("offset < 0"));
        }
        let length = positive("length", opts.length)?;
        let extent = positive("minimumfreeextent", opts.minimumfreeextent)?;
        let directory = self.file_subject("fstrim", mountpoint, FileType::Directory)?;
        // What was freed and is not written yet would not be discarded.
        self.kernel("fstrim")?.sync();
        let tool = Tool::new("fstrim")
            .option("-o", opts.offset.map(|offset| offset.to_string()))
            .option("-l", length)
            .option("-m", extent);
        tool.on(&directory).run("").map(drop).map_err(|e| {
            if e.message().contains("discard operation is not supported") {
                return Error::daemon(Errno::ENOTSUP, e.message());
            }
            e
        })
    }
}

/// Zeroes what is not zero of the first `length` bytes.
fn clear_range(file: &File, device: &Subject, length: u64, told: &mut dyn Told) -> Result<()> {
    let failed = |what: &str, e: &std::io::Error| io_failure(e).at(format_args!("{what}: {}", device.name));
    let zeros = vec![0; STRIDE];
    let mut buffer = vec![0; STRIDE];
    let mut position = 0u64;
    while position < length {
        let wanted = usize::try_from(length - position).unwrap_or(STRIDE).min(STRIDE);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(piece, position).map_err(|e| failed("pread", &e))?;
        let is_zero = |bytes: &[u8]| zeros.get(..bytes.len()) == Some(bytes);
        for (page, at) in
            piece.chunks(PAGE).zip((position..).step_by(PAGE)).filter(|(page, _)| !is_zero(page))
        {
            let zeros = zeros.get(..page.len()).unwrap_or_default();
            file.write_all_at(zeros, at).map_err(|e| failed("pwrite", &e))?;
        }
        position = position.saturating_add(u64::try_from(wanted).unwrap_or(u64::MAX));
        told.tell(position.min(length), length)?;
    }
    file.sync_all().map_err(|e| failed("fsync", &e))
}

/// A new file in a directory, without a name from the start on or soon after.
fn nameless(directory: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let mode = Mode::RUSR | Mode::WUSR;
    let unnamed = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    if let Ok(file) = openat(directory, ".", unnamed, mode) {
        return Ok(file);
    }
    // FAT has no such files, and takes names of 8.3 letters only if it is old.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    for number in 0..u32::MAX {
        let name = format!("{number:08x}.tmp");
        match openat(directory, name.as_str(), flags, mode) {
            Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(e),
            Ok(file) => {
                unlinkat(directory, name.as_str(), AtFlags::empty())?;
                return Ok(file);
            }
        }
    }
    Err(rustix::io::Errno::EXIST)
}

/// Writes zeros; 0 if the filesystem is full.
fn fill(file: &File, zeros: &[u8], position: u64) -> std::result::Result<u64, Errno> {
    let mut piece = zeros;
    loop {
        match file.write_at(piece, position) {
            Ok(written) => return Ok(u64::try_from(written).unwrap_or(0)),
            Err(e) => match e.raw_os_error().map_or(Errno::EIO, Errno::from_raw) {
                Errno::EINTR => {}
                // What is left may be less than a piece.
                Errno::ENOSPC if piece.len() > PAGE => piece = zeros.get(..PAGE).unwrap_or_default(),
                Errno::ENOSPC => return Ok(0),
                errno => return Err(errno),
            },
        }
    }
}
