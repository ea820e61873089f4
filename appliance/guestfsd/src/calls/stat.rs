//! What stat(2) and statvfs(3) show.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{DeviceNumber, FileType};
use libguestfs_core::Result;
use libguestfs_core::api::{
    IsBlockdevOpts, IsChardevOpts, IsDirOpts, IsFifoOpts, IsFileOpts, IsSocketOpts, Statns, Statvfs,
};

use super::{account, format_bits, wire};
use crate::Guestfsd;
use crate::engine::{Last, Status};
use crate::error::{At, Failure};

/// Size of an encoded `statns` in bytes.
const STATNS_LEN: usize = 22 * 8;

impl Guestfsd {
    pub(crate) fn statns(&mut self, path: &BStr) -> Result<Statns> {
        Ok(statns(&self.tree().status(path, Last::Follow).at(path)?))
    }

    pub(crate) fn lstatns(&mut self, path: &BStr) -> Result<Statns> {
        Ok(statns(&self.tree().status(path, Last::Itself).at(path)?))
    }

    pub(crate) fn internal_lstatnslist(&mut self, path: &BStr, names: &[BString]) -> Result<Vec<Statns>> {
        let directory = self.tree().directory(path).at(path)?;
        let mut list = Vec::with_capacity(names.len().min(4096));
        let mut size = 0;
        for name in names {
            account(&mut size, STATNS_LEN)?;
            list.push(match directory.status(name.as_bstr()) {
                Ok(status) => statns(&status),
                // A name that is gone, or was never there, is shown by its inode number.
                Err(Failure::Os(_)) => Statns { st_ino: -1, ..Statns::default() },
                Err(failure) => return Err(failure.at(format_args!("{path}/{name}"))),
            });
        }
        Ok(list)
    }

    pub(crate) fn statvfs(&mut self, path: &BStr) -> Result<Statvfs> {
        let status = self.tree().stat_fs(path).at(format_args!("statvfs: {path}"))?;
        let stats = status.stats;
        Ok(Statvfs {
            bsize: wire(stats.block_size),
            frsize: wire(stats.fragment_size),
            blocks: wire(stats.blocks),
            bfree: wire(stats.blocks_free),
            bavail: wire(stats.blocks_available),
            files: wire(stats.files),
            ffree: wire(stats.files_free),
            favail: wire(stats.files_free),
            fsid: wire(stats.id),
            flag: wire(status.flags),
            namemax: wire(stats.name_max),
        })
    }

    pub(crate) fn filesize(&mut self, path: &BStr) -> Result<i64> {
        Ok(wire(self.tree().status(path, Last::Follow).at(path)?.metadata.size))
    }

    /// The kind of `path`, or `None` if there is nothing.
    pub(super) fn file_type(&self, path: &BStr, last: Last) -> Result<Option<FileType>> {
        match self.tree().status(path, last) {
            Ok(status) => Ok(Some(status.metadata.file_type)),
            // As the original's stat: whatever the reason, there is nothing to be seen there.
            Err(Failure::Os(_)) => Ok(None),
            Err(failure) => Err(failure.at(path)),
        }
    }

    fn is_kind(&self, path: &BStr, follow: Option<bool>, kind: FileType) -> Result<bool> {
        let last = if follow.unwrap_or(false) { Last::Follow } else { Last::Itself };
        Ok(self.file_type(path, last)? == Some(kind))
    }

    /// A link that leads nowhere exists.
    pub(crate) fn exists(&mut self, path: &BStr) -> Result<bool> {
        Ok(self.file_type(path, Last::Itself)?.is_some())
    }

    pub(crate) fn is_file(&mut self, path: &BStr, opts: &IsFileOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::Regular)
    }

    pub(crate) fn is_dir(&mut self, path: &BStr, opts: &IsDirOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::Directory)
    }

    pub(crate) fn is_symlink(&mut self, path: &BStr) -> Result<bool> {
        self.is_kind(path, None, FileType::Symlink)
    }

    pub(crate) fn is_fifo(&mut self, path: &BStr, opts: &IsFifoOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::Fifo)
    }

    pub(crate) fn is_chardev(&mut self, path: &BStr, opts: &IsChardevOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::CharDevice)
    }

    pub(crate) fn is_blockdev(&mut self, path: &BStr, opts: &IsBlockdevOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::BlockDevice)
    }

    pub(crate) fn is_socket(&mut self, path: &BStr, opts: &IsSocketOpts) -> Result<bool> {
        self.is_kind(path, opts.followsymlinks, FileType::Socket)
    }
}

/// A device number as `st_dev` and `st_rdev` carry it (`makedev(3)` of glibc).
pub(super) fn device_number(device: DeviceNumber) -> i64 {
    let (major, minor) = (u64::from(device.major), u64::from(device.minor));
    wire((minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32)
}

pub(super) fn statns(status: &Status) -> Statns {
    let metadata = &status.metadata;
    Statns {
        st_dev: device_number(status.device),
        st_ino: wire(metadata.number),
        st_mode: i64::from(format_bits(metadata.file_type) | u32::from(metadata.permissions)),
        st_nlink: i64::from(metadata.links),
        st_uid: i64::from(metadata.uid),
        st_gid: i64::from(metadata.gid),
        st_rdev: device_number(metadata.device),
        st_size: wire(metadata.size),
        st_blksize: i64::from(metadata.block_size),
        st_blocks: wire(metadata.blocks),
        st_atime_sec: metadata.accessed.seconds,
        st_atime_nsec: i64::from(metadata.accessed.nanoseconds),
        st_mtime_sec: metadata.modified.seconds,
        st_mtime_nsec: i64::from(metadata.modified.nanoseconds),
        st_ctime_sec: metadata.changed.seconds,
        st_ctime_nsec: i64::from(metadata.changed.nanoseconds),
        ..Statns::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_packed_as_glibc_does() {
        let pack = |major, minor| device_number(DeviceNumber { major, minor });
        assert_eq!(pack(8, 1), 0x801);
        assert_eq!(pack(0x1234, 0x5_6789), 0x1000_5672_3489);
    }
}
