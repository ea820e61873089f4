//! The calls, one file per group. Each function has the name and arguments of its call in
//! [`Daemon`](libguestfs_core::api::Daemon); where a program prints the words of an error, they are the original
//! daemon's.

use bstr::{BStr, BString};
use disk::fs::FileType;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::Guestfsd;
use crate::engine::kernel::Kernel;
use crate::engine::{Mountable, Status, Tree};
use crate::error::{At, strerror};

mod acl;
mod aside;
mod btrfs;
mod btrfs_change;
mod btrfs_report;
mod capabilities;
mod checksums;
mod command;
mod content;
mod debug;
mod devices;
mod df;
mod directories;
mod features;
mod filesystems;
mod glob;
mod guest_tree;
mod hivex;
mod inotify;
mod inspection;
mod iso;
mod ldm;
mod lines;
mod listing;
mod luks;
mod lvm;
mod lvm_change;
mod lvm_report;
mod machine;
mod magic;
mod md;
mod mounts;
mod packages;
mod partitions;
mod paths;
mod registry;
pub(crate) mod replace;
mod rsync;
mod sandbox;
mod searching;
mod selinux;
mod sink;
mod stat;
mod storage;
mod system;
mod tar;
mod tool;
mod transfer;
mod walk;
mod writing;
mod xattrs;
mod xfs;

pub(crate) use devices::is_array_member;
pub(crate) use lvm::DEVICE_MAPPER_MAJOR;
pub(crate) use md::ARRAY_MAJOR;
pub(crate) use registry::Registry;

/// Largest message of the protocol in bytes (`GUESTFS_MESSAGE_MAX`), with room for its header.
pub(crate) const MAX_RESULT: usize = libguestfs_core::wire::MESSAGE_MAX - 64;

impl Guestfsd {
    /// The canonical name of a device argument.
    pub(crate) fn device(&self, name: &BStr) -> Result<BString> {
        self.engine.device(name).at(name)?.ok_or_else(|| no_entry(name))
    }

    /// A mountable argument taken apart, its device with its canonical name.
    pub(crate) fn mountable(&self, text: &BStr) -> Result<Mountable> {
        let is_device = |name: &BStr| matches!(self.engine.device(name), Ok(Some(_)));
        let mountable = Mountable::parse(text, is_device).ok_or_else(|| no_entry(text))?;
        let device = self.device(mountable.device())?;
        Ok(match mountable {
            Mountable::Device(_) => Mountable::Device(device),
            Mountable::BtrfsVolume { volume, .. } => Mountable::BtrfsVolume { device, volume },
        })
    }

    /// The kernel and programs of the appliance that the daemon runs in.
    ///
    /// # Errors
    /// That `call` needs an appliance.
    pub(crate) fn kernel(&self, call: &str) -> Result<&Kernel> {
        self.engine.kernel().ok_or_else(|| libguestfs_core::api::not_here(call))
    }

    /// What is mounted.
    pub(crate) fn tree(&self) -> &dyn Tree {
        self.engine.tree()
    }
}

/// `x: No such file or directory`.
fn no_entry(what: &BStr) -> Error {
    Error::daemon(Errno::ENOENT, format!("{what}: {}", strerror(Errno::ENOENT)))
}

/// The format bits of `st_mode` (`S_IFMT`).
fn format_bits(file_type: FileType) -> u32 {
    match file_type {
        FileType::Fifo => 0o010_000,
        FileType::CharDevice => 0o020_000,
        FileType::Directory => 0o040_000,
        FileType::BlockDevice => 0o060_000,
        FileType::Regular => 0o100_000,
        FileType::Symlink => 0o120_000,
        FileType::Socket => 0o140_000,
    }
}

/// What tells that two names are one file.
fn link_of(status: &Status) -> (u32, u32, u64) {
    (status.device.major, status.device.minor, status.metadata.number)
}

/// Adds the size of one more item to a result, as long as it can be sent.
fn account(total: &mut usize, item: usize) -> Result<()> {
    // Every item has a length of 4 bytes and up to 3 of padding.
    *total = total.saturating_add(item).saturating_add(7);
    if *total > MAX_RESULT {
        return Err(Error::daemon(
            Errno::EMSGSIZE,
            "the result is longer than a message of the protocol can be",
        ));
    }
    Ok(())
}

/// A count as the protocol carries it. Numbers of 64 bits keep their bits.
fn wire(number: u64) -> i64 {
    number.cast_signed()
}
