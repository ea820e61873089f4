//! Filesystems as files of the caller, and content by number of inode or block.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{DownloadBlocksOpts, MksquashfsOpts};
use libguestfs_core::server::FileOut;
use nix::errno::Errno;
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use super::super::sink::Sink;
use super::not_negative;
use super::tool::{Subject, Tool};
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::{At, Failure, refused};

/// Where programs may put what must be a file: memory, in an appliance.
const TEMPORARY: &str = "/tmp";
/// Bytes of an image that are sent at once.
const PIECE: usize = 256 << 10;

/// A file without a name, for a program to write or read.
fn nameless_file(call: &str) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let opened = openat(CWD, TEMPORARY, flags, Mode::RUSR | Mode::WUSR).map_err(Failure::from);
    Ok(File::from(opened.at(format_args!("{call}: {TEMPORARY}"))?))
}

fn io_error(call: &str, e: &std::io::Error) -> libguestfs_core::Error {
    Failure::Os(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)).at(format_args!("{call}: {TEMPORARY}"))
}

/// An open file as a program finds it.
fn shared(name: &str, file: &File, call: &str) -> Result<Subject> {
    let copy = file.try_clone().map_err(|e| io_error(call, &e))?;
    Ok(Subject::opened(name.into(), copy.into()))
}

impl Guestfsd {
    /// The image is made in the memory of the appliance: mksquashfs goes back in it, so it can't be a stream.
    pub(crate) fn mksquashfs(
        &mut self,
        path: &BStr,
        filename: &mut dyn Sink,
        opts: &MksquashfsOpts,
    ) -> Result<()> {
        const CALL: &str = "mksquashfs";
        let (source, within) = self.squashfs_source(CALL, path)?;
        let image = nameless_file(CALL)?;
        let mut tool = Tool::new("mksquashfs")
            .on_with("", &source, within)
            .on(&shared("the image", &image, CALL)?)
            .args(["-noappend", "-wildcards", "-no-recovery", "-no-progress"])
            .option("-comp", opts.compress.as_ref());
        let excluded = opts.excludes.as_ref().map(|patterns| exclude_file(CALL, patterns)).transpose()?;
        if let Some(list) = &excluded {
            tool = tool.arg("-ef").on(&shared("the list of exclusions", list, CALL)?);
        }
        tool.run(path)?;
        let length = image.metadata().map_err(|e| io_error(CALL, &e))?.len();
        let mut position = 0u64;
        let mut buffer = vec![0; PIECE];
        while position < length {
            let read = image.read_at(&mut buffer, position).map_err(|e| io_error(CALL, &e))?;
            if read == 0 {
                break;
            }
            filename.write(buffer.get(..read).unwrap_or_default())?;
            position = position.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// An open directory, and what of it is packed: its content, or one file by its name. (Without the dot, the link of
    /// /proc itself would be packed.)
    fn squashfs_source(&self, call: &str, path: &BStr) -> Result<(Subject, Vec<u8>)> {
        let sysroot = self.kernel(call)?.sysroot();
        let status = self.tree().status(path, Last::Follow).at(path)?;
        if status.metadata.file_type == disk::fs::FileType::Directory {
            return Ok((self.file_subject(call, path, FileType::Directory)?, b"/.".to_vec()));
        }
        let (parent, name) = sysroot.parent(path).at(path)?;
        Ok((Subject::opened(path.to_owned(), parent), [b"/", name.as_bytes()].concat()))
    }

    pub(crate) fn download_inode(
        &mut self,
        device: &BStr,
        inode: i64,
        filename: &mut FileOut<'_>,
    ) -> Result<()> {
        let inode = not_negative("inode", inode)?;
        let mountable = self.mountable(device)?;
        let device = self.subject("download_inode", mountable.device())?;
        Tool::new("icat").arg("-r").on(&device).arg(inode.to_string()).pour(&device.name, filename)
    }

    pub(crate) fn download_blocks(
        &mut self,
        device: &BStr,
        start: i64,
        stop: i64,
        filename: &mut FileOut<'_>,
        opts: &DownloadBlocksOpts,
    ) -> Result<()> {
        let (start, stop) = (not_negative("start", start)?, not_negative("stop", stop)?);
        if start > stop {
            return Err(refused("start must be <= stop"));
        }
        let mountable = self.mountable(device)?;
        let device = self.subject("download_blocks", mountable.device())?;
        let which = if opts.unallocated == Some(true) { "-A" } else { "-e" };
        let tool = Tool::new("blkls").arg(which).on(&device).arg(format!("{start}-{stop}"));
        tool.pour(&device.name, filename)
    }
}

/// The file of patterns that `-ef` names.
fn exclude_file(call: &str, patterns: &[BString]) -> Result<File> {
    let mut text = Vec::new();
    for pattern in patterns {
        if pattern.contains(&b'\n') {
            return Err(refused(format!("{call}: excluded pattern contains '\\n'")));
        }
        text.extend_from_slice(pattern.as_bytes());
        text.push(b'\n');
    }
    let file = nameless_file(call)?;
    file.write_all_at(&text, 0).map_err(|e| io_error(call, &e))?;
    Ok(file)
}
