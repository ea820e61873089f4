//! Calls about partitions and filesystems that need programs of the appliance, or write to devices.
//!
//! ```text
//! tables     partition tables: parted, sfdisk, sgdisk
//! devices    settings of block devices
//! erase      zeros, patterns and discards over devices and free space
//! mkfs       filesystems of any type, btrfs over several devices
//! mke2fs     ext filesystems and their journals, with every option
//! swap       swap space, made and used
//! identity   labels and UUIDs
//! check      fsck and its like, and the parameters of filesystems
//! resize     growing and shrinking
//! ntfs       what only NTFS has
//! images     filesystems as files of the caller, and content by number of inode or block
//! boot       boot loaders
//! mounts     mounts that only a kernel can make
//!   tool     a program and the devices and files it is run on
//! ```
//!
//! Where the program's complaint is the error, it stands as in the original: after the device or, for some programs,
//! alone.

mod boot;
mod check;
mod devices;
mod erase;
mod identity;
mod images;
mod mke2fs;
mod mkfs;
mod mounts;
mod ntfs;
mod resize;
mod swap;
mod tables;
mod tool;

use bstr::BStr;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::error::refused;

/// Longest label of ext2, ext3 and ext4 in bytes (`s_volume_name` of the superblock).
const EXT_LABEL_MAX: usize = 16;
/// Longest label of XFS in bytes (`sb_fname`).
const XFS_LABEL_MAX: usize = 12;
/// Longest label of swap space in bytes (`volume_name` of `union swap_header`).
const SWAP_LABEL_MAX: usize = 16;

/// Is this blkid's name of an ext filesystem?
fn is_ext(kind: &[u8]) -> bool {
    matches!(kind, b"ext2" | b"ext3" | b"ext4")
}

/// Refuses a label that the filesystem has no room for.
fn check_label(label: &BStr, filesystem: &str, longest: usize) -> Result<()> {
    if label.len() > longest {
        return Err(refused(format!("{label}: {filesystem} labels are limited to {longest} bytes")));
    }
    Ok(())
}

/// `value` if it is not negative; else that `name` must be so.
fn not_negative<T: PartialOrd + Default>(name: &str, value: T) -> Result<T> {
    if value < T::default() { Err(refused(format!("{name} must be >= 0"))) } else { Ok(value) }
}

/// The error of a call that the original has for some filesystems only.
fn not_supported(text: String) -> Error {
    Error::daemon(Errno::ENOTSUP, text)
}
