//! What a daemon sees of the machine: its disks, what lies on them, and the tree made of what is mounted.
//!
//! Calls are written once, against [`Engine`] and [`Tree`]. The [`native`] engine reads the disks itself; an engine
//! over a kernel's devices and mounts fits behind the same traits, so nothing here assumes where bytes come from:
//!
//! * devices go by their canonical names, `/dev/sda`, `/dev/sda1`, `/dev/VG/LV`, as libguestfs shows them;
//! * the tree goes by absolute paths of bytes. Symbolic links, `..` and absolute link targets never leave it.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::{BStr, BString};
use disk::ReadAt;
use disk::fs::{DeviceNumber, DirEntry, FileData, FileType, FsStats, InodeId, Metadata, Subvolume, Xattr};
use disk::partition::Table;
use disk::probe::Probe;
use disk::volume::ldm::DynamicDisks;
use disk::volume::lvm2::Volumes;
use disk::volume::md;
use libguestfs_core::inspect::Unlocked;

use crate::error::Failure;

pub mod kernel;
mod links;
pub mod mountable;
pub(crate) mod names;
pub mod native;
mod words;

use kernel::Kernel;
pub use mountable::Mountable;

/// What an engine answers.
pub type Result<T> = std::result::Result<T, Failure>;

/// A partition that has a device name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDevice {
    /// `/dev/sda1`.
    pub name: BString,
    /// `/dev/sda`.
    pub parent: BString,
    /// Number in the partition table, from 1.
    pub number: u32,
}

/// An array that an engine put together itself.
#[derive(Debug)]
pub struct RunningArray {
    /// `/dev/md127`.
    pub device: BString,
    /// The number in it.
    pub number: u32,
    /// What it is made of.
    pub array: md::Array,
    /// What it holds.
    pub source: Arc<dyn ReadAt>,
    /// Its partitions, if it has any.
    pub table: Option<Arc<Table>>,
}

/// The arrays that an engine put together itself.
#[derive(Debug, Default)]
pub struct Arrays {
    /// Those that can be read, in the order in which they were put together.
    pub running: Vec<RunningArray>,
    /// Those that can't.
    pub others: Vec<md::Array>,
}

impl Arrays {
    /// The array that the device is a member of.
    pub(crate) fn of_member(&self, device: &BStr) -> Option<&md::Array> {
        let all = self.running.iter().map(|running| &running.array).chain(&self.others);
        all.into_iter().find(|array| array.members.iter().any(|member| member.device == device))
    }

    /// The array that has a device.
    pub(crate) fn of_device(&self, device: &BStr) -> Option<&RunningArray> {
        self.running.iter().find(|running| running.device == device)
    }
}

/// One mount, as `mounts` and `mountpoints` list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// What is mounted.
    pub mountable: BString,
    /// Where: an absolute path in the tree.
    pub path: BString,
}

/// The subvolumes of a btrfs filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subvolumes {
    /// All but the top one, in the order of their numbers.
    pub list: Vec<Subvolume>,
    /// Number of the one that is mounted if none is named.
    pub default: u64,
    /// Number of the one that was looked at.
    pub here: u64,
}

/// What a call asks to be mounted.
#[derive(Debug, Clone, Copy)]
pub struct MountRequest<'a> {
    /// Comma-separated options, as for `mount -o`.
    pub options: &'a BStr,
    /// Filesystem type, or empty for whatever is there.
    pub kind: &'a BStr,
    /// What to mount.
    pub mountable: &'a Mountable,
    /// Where.
    pub at: &'a BStr,
}

/// What a call asks to be unlocked.
#[derive(Clone, Copy)]
pub struct UnlockRequest<'a> {
    /// The encrypted device, by its canonical name.
    pub device: &'a BStr,
    /// The version of LUKS that it must be of, if that matters.
    pub version: Option<u16>,
    /// A passphrase, or the content of a key file.
    pub key: &'a [u8],
    /// What it is to be in `/dev/mapper`.
    pub name: &'a BStr,
}

/// Without the key.
impl Debug for UnlockRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnlockRequest").field("device", &self.device).finish_non_exhaustive()
    }
}

/// What came of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocking {
    /// The device is open.
    Open,
    /// It is the key of nothing in it.
    WrongKey,
    /// The device is not of LUKS, or not of that version.
    NotLuks,
}

/// How to undo a mount that is in use.
#[derive(Debug, Clone, Copy, Default)]
pub struct UmountHow {
    /// Even if that loses data.
    pub force: bool,
    /// Out of sight now, for good when nothing uses it any more.
    pub lazy: bool,
}

/// The disks and mounts of a daemon.
pub trait Engine: Debug + Send {
    /// The whole disks that the caller added, in order: `/dev/sda`…
    fn disks(&self) -> Vec<BString>;

    /// The labels given to disks, as (label, partition or whole disk): what `/dev/disk/guestfs` has.
    ///
    /// # Errors
    /// If a partition table can't be read.
    fn disk_labels(&self) -> Result<Vec<(BString, BString)>>;

    /// All partitions of all disks.
    ///
    /// # Errors
    /// If a partition table can't be read or is not understood. One that is damaged gives no partitions, as in a
    /// kernel.
    fn partitions(&self) -> Result<Vec<PartitionDevice>>;

    /// The canonical name of the block device that `name` denotes, or `None` if there is no such device.
    ///
    /// # Errors
    /// If what must be known to tell can't be read.
    fn device(&self, name: &BStr) -> Result<Option<BString>>;

    /// The content of the device with a canonical name.
    ///
    /// # Errors
    /// `ENOENT` if there is none, `ENOTSUP` if it can't be put together here.
    fn open_block(&self, device: &BStr) -> Result<Arc<dyn ReadAt>>;

    /// What blkid finds on a device with a canonical name. It is looked at once.
    ///
    /// # Errors
    /// As for [`open_block`](Self::open_block), and if the device can't be read or holds what is not understood.
    fn probe(&self, device: &BStr) -> Result<Option<Arc<Probe>>>;

    /// The subvolumes of the filesystem that a mountable is on.
    ///
    /// # Errors
    /// As for [`mount`](Self::mount); `ENOTTY` if it has no subvolumes.
    fn subvolumes(&mut self, mountable: &Mountable) -> Result<Subvolumes>;

    /// The devices that the filesystem on a device with a canonical name lies on.
    ///
    /// # Errors
    /// If the disks can't be read.
    fn devices_of_filesystem(&self, device: &BStr) -> Result<Vec<BString>>;

    /// Can the device be written?
    fn is_read_only(&self, device: &BStr) -> bool;

    /// The partition table of a device, or `None` if it has none.
    ///
    /// # Errors
    /// If it is damaged, not understood or not readable.
    fn partition_table(&self, device: &BStr) -> Result<Option<Arc<Table>>>;

    /// The logical volumes' metadata of all disks.
    ///
    /// # Errors
    /// If the disks can't be read.
    fn lvm(&self) -> Result<Arc<Volumes>>;

    /// The devices of arrays, in the order of their numbers: `/dev/md127`…
    ///
    /// # Errors
    /// If the disks can't be read.
    fn arrays(&self) -> Result<Vec<BString>>;

    /// The arrays that were put together here; none where a kernel did it.
    ///
    /// # Errors
    /// If the disks can't be read.
    fn assembled(&self) -> Result<Arc<Arrays>> {
        Ok(Arc::default())
    }

    /// The groups of Windows dynamic disks, with their volumes.
    ///
    /// # Errors
    /// If the disks can't be read.
    fn ldm(&self) -> Result<Arc<DynamicDisks>>;

    /// The encrypted devices that are open.
    fn unlocked(&self) -> Vec<Unlocked>;

    /// The minor number of the `position`th active logical volume, from 0: opened devices are numbered among them.
    fn volume_minor(&self, position: usize) -> usize {
        position
    }

    /// Opens a LUKS device for reading. An appliance has programs for this.
    ///
    /// # Errors
    /// If it is damaged, not understood or not readable.
    fn unlock(&mut self, request: UnlockRequest<'_>) -> Result<Unlocking> {
        Err(Failure::NeedsAppliance(format!("{}: programs unlock devices here", request.device)))
    }

    /// Undoes [`unlock`](Self::unlock) of `/dev/mapper/NAME`.
    ///
    /// # Errors
    /// `ENXIO` if there is no such device, `EBUSY` if what is in it is in use.
    fn lock(&mut self, device: &BStr) -> Result<()> {
        Err(Failure::NeedsAppliance(format!("{device}: programs unlock devices here")))
    }

    /// Mounts something.
    ///
    /// # Errors
    /// What `mount(2)` or `mount(8)` would say.
    fn mount(&mut self, request: MountRequest<'_>) -> Result<()>;

    /// Puts directories of what is mounted in its place: everything is unmounted, and each directory is then seen at a place of
    /// its own, read-only if its filesystem was. It is given by its path before, and where it is seen after that; the
    /// first one must be seen at `/`, and the others within those before them.
    ///
    /// # Errors
    /// What `open(2)` or `mount(2)` would say. Where that is found out late, some or all mounts are gone.
    fn mount_directories(&mut self, directories: &[(BString, BString)]) -> Result<()>;

    /// Undoes the last mount of a device or at a path.
    ///
    /// # Errors
    /// `EINVAL` if nothing is mounted there, `EBUSY` if something is mounted below.
    fn umount(&mut self, path_or_device: &BStr, how: UmountHow) -> Result<()>;

    /// Undoes all mounts.
    ///
    /// # Errors
    /// `EBUSY` if something mounted is in use.
    fn umount_all(&mut self) -> Result<()>;

    /// What is mounted, in the order in which it was.
    fn mount_points(&self) -> Vec<MountPoint>;

    /// Is there a tree that paths can lead into?
    fn has_root(&self) -> bool {
        !self.mount_points().is_empty()
    }

    /// Makes an empty directory in the root under which everything is mounted.
    ///
    /// # Errors
    /// What `mkdir(2)` would say.
    fn make_mount_point(&mut self, path: &BStr) -> Result<()>;

    /// Removes a directory that `make_mount_point` made.
    ///
    /// # Errors
    /// What `rmdir(2)` would say.
    fn remove_mount_point(&mut self, path: &BStr) -> Result<()>;

    /// The tree of what is mounted.
    fn tree(&self) -> &dyn Tree;

    /// The kernel and programs of an appliance, for calls that need them; the native engine has none.
    fn kernel(&self) -> Option<&Kernel> {
        None
    }
}

/// What a path's last component is looked at as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// A symbolic link is followed: `stat`, `open`.
    Follow,
    /// A symbolic link is itself: `lstat`.
    Itself,
}

/// What `stat` shows.
#[derive(Debug, Clone)]
pub struct Status {
    /// Device that the file's filesystem is on (`st_dev`).
    pub device: DeviceNumber,
    /// The rest.
    pub metadata: Metadata,
}

/// What `statvfs` shows.
#[derive(Debug, Clone, Copy)]
pub struct FsStatus {
    /// Counts.
    pub stats: FsStats,
    /// Flags (`f_flag`).
    pub flags: u64,
}

/// Names one directory of a tree for as long as nothing is mounted or unmounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirId {
    /// Which mount.
    pub mount: u32,
    /// Which inode of it.
    pub inode: InodeId,
}

/// A tree of files, read-only. All paths are absolute.
pub trait Tree: Debug {
    /// What `stat` or `lstat` shows of `path`.
    ///
    /// # Errors
    /// The errno of the system call, as everywhere in this trait; or what is wrong with the filesystem.
    fn status(&self, path: &BStr, last: Last) -> Result<Status>;

    /// Opens a regular file. `EISDIR` for a directory, `EINVAL` for anything else.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn open(&self, path: &BStr) -> Result<Box<dyn FileData + '_>>;

    /// Opens a directory; a last symbolic link is followed.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn directory(&self, path: &BStr) -> Result<Box<dyn Directory<'_> + '_>>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn read_link(&self, path: &BStr) -> Result<BString>;

    /// Extended attributes in the kernel's order.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn xattrs(&self, path: &BStr, last: Last) -> Result<Vec<Xattr>>;

    /// The extended attribute of that name, which need not be among those that are listed. `ENODATA` if there is none,
    /// `EOPNOTSUPP` if there can't be.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn xattr(&self, path: &BStr, last: Last, name: &BStr) -> Result<Vec<u8>>;

    /// What `statvfs` shows.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn stat_fs(&self, path: &BStr) -> Result<FsStatus>;

    /// The subvolumes of the filesystem that `path` is on; `ENOTTY` if it has none.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn subvolumes(&self, path: &BStr) -> Result<Subvolumes>;

    /// The path of the same file without symbolic links, `.` and `..`.
    ///
    /// # Errors
    /// See [`status`](Self::status).
    fn canonical(&self, path: &BStr) -> Result<BString>;
}

/// An open directory: names are taken relative to it, and a last symbolic link is never followed.
pub trait Directory<'t>: Debug {
    /// Which directory this is: equal for equal directories.
    fn id(&self) -> DirId;

    /// Calls `each` for every name but `.` and `..` in the order in which the directory has them, until it breaks off.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn read(&self, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;

    /// The kind of `name`, which a directory often knows for less than [`status`](Self::status) costs.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn file_type(&self, name: &BStr) -> Result<FileType>;

    /// What `lstat` shows of `name`; `.` is the directory itself.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn status(&self, name: &BStr) -> Result<Status>;

    /// Opens the directory `name`; `ENOTDIR` if it is anything else, a symbolic link too.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn directory(&self, name: &BStr) -> Result<Box<dyn Directory<'t> + 't>>;

    /// Opens the regular file `name`.
    ///
    /// # Errors
    /// See [`Tree::open`].
    fn open(&self, name: &BStr) -> Result<Box<dyn FileData + 't>>;

    /// The target of the symbolic link `name`.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn read_link(&self, name: &BStr) -> Result<BString>;

    /// Extended attributes of `name`.
    ///
    /// # Errors
    /// See [`Tree::status`].
    fn xattrs(&self, name: &BStr) -> Result<Vec<Xattr>>;
}
