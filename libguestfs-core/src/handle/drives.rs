//! The disks of a handle.

use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Most drives that a handle takes: what a bus of an appliance can hold (guestfs(3), max_disks).
pub(crate) const DRIVES_MAX: usize = 255;

/// Size in bytes of the disk that the path `/dev/null` stands for.
pub const NULL_DISK_SIZE: u64 = 4096;

/// Optional arguments of [`Guestfs::add_drive`](crate::Guestfs::add_drive).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddDriveOpts {
    /// Never write to the disk.
    pub readonly: Option<bool>,
    /// Image format, by qemu's name. Without it the format is found from the content, which a guest with a raw disk can
    /// forge: give it where it is known.
    pub format: Option<String>,
    /// The name that the guest itself has for the disk (`sda`, `hda`), for programs that ask.
    pub name: Option<String>,
    /// Label: the disk is also `/dev/disk/guestfs/LABEL`. Letters only, at most 20.
    pub label: Option<String>,
    /// Sector size in bytes: 512 or 4096.
    pub blocksize: Option<u32>,
}

/// Where a drive's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriveSource {
    /// An image file or block device.
    File(PathBuf),
    /// An empty disk of [`NULL_DISK_SIZE`] bytes.
    Null,
}

/// A drive of a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Where its bytes are.
    pub source: DriveSource,
    /// How it was added.
    pub opts: AddDriveOpts,
}

impl Drive {
    /// Checks that a drive can be what it is said to be.
    pub(crate) fn new(path: &Path, opts: &AddDriveOpts) -> Result<Drive> {
        if let Some(label) = &opts.label {
            check_label(label)?;
        }
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if let Some(format) = &opts.format
            && !is_word(format)
        {
            return Err(Error::usage(format!("format ‘{format}’ is not the name of an image format")));
        }
        if !matches!(opts.blocksize, None | Some(512 | 4096)) {
            return Err(Error::usage("a block size can be 512 or 4096 bytes"));
        }
        if path == Path::new("/dev/null") {
            if opts.format.as_deref().is_some_and(|f| f != "raw") {
                return Err(Error::usage("for device ‘/dev/null’, format must be ‘raw’"));
            }
            return Ok(Drive { source: DriveSource::Null, opts: opts.clone() });
        }
        open_image(path)?;
        Ok(Drive { source: DriveSource::File(path.to_owned()), opts: opts.clone() })
    }
}

fn check_label(label: &str) -> Result<()> {
    if label.is_empty() || label.len() > 20 || !label.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(Error::usage("label parameter is empty, too long, or contains disallowed characters"));
    }
    Ok(())
}

/// Opens an image file or block device for reading. No lock is taken: a running guest may be using it. A named pipe or
/// a terminal is refused without waiting for it.
///
/// # Errors
/// `Io` under the name of the path.
pub(crate) fn open_image(path: &Path) -> Result<std::fs::File> {
    let name = || path.display().to_string();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .map_err(|e| Error::io(name(), e))?;
    let kind = file.metadata().map_err(|e| Error::io(name(), e))?.file_type();
    let what = if kind.is_file() || kind.is_block_device() {
        return Ok(file);
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_char_device() {
        "a character device"
    } else {
        "a special file"
    };
    Err(Error::usage(format!("{}: is {what}, not a disk image or block device", name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_a_drive_is_refused_with_its_reason() {
        let refused =
            |path: &str, opts: AddDriveOpts| Drive::new(Path::new(path), &opts).unwrap_err().to_string();
        let none = AddDriveOpts::default();
        assert_eq!(refused("/", none.clone()), "/: is a directory, not a disk image or block device");
        assert_eq!(
            refused("/dev/zero", none.clone()),
            "/dev/zero: is a character device, not a disk image or block device"
        );
        assert_eq!(refused("/no/such", none.clone()), "/no/such");
        assert!(
            refused("/dev/null", AddDriveOpts { format: Some("qcow2".into()), ..none.clone() })
                .contains("raw")
        );
        assert!(
            refused("/dev/null", AddDriveOpts { label: Some("a1".into()), ..none.clone() }).contains("label")
        );
        assert!(refused("/dev/null", AddDriveOpts { blocksize: Some(1024), ..none.clone() }).contains("512"));
        assert_eq!(Drive::new(Path::new("/dev/null"), &none).unwrap().source, DriveSource::Null);
    }
}
