//! The engine of an appliance: the kernel's devices and mounts, and the standard programs.
//!
//! Calls that need it ask [`Engine::kernel`] for it; the native engine has none, and such a call is answered with "needs
//! an appliance". What lies on a device is still read by the disk crate, anew each time: the caller and programs change
//! it, and the kernel's page cache makes that cheap.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{DeviceNumber, Filesystem, SubvolumeName, btrfs};
use disk::partition::{self, Table};
use disk::probe::{self, Probe};
use disk::volume::ldm::{self, DynamicDisks};
use disk::volume::lvm2::{self, Volumes};
use disk::{ErrorKind, ReadAt};
use libguestfs_core::inspect::Unlocked;
use nix::errno::Errno;
use rustix::fs::{Advice, AtFlags, Mode, OFlags, StatxFlags, fadvise, statx, syncfs};

use super::{
    Engine, MountPoint, MountRequest, Mountable, PartitionDevice, Result, Subvolumes, Tree, UmountHow, links,
    names,
};
use crate::error::Failure;
use crate::log;
use crate::program::Program;
use crate::source::{FileSource, Sectors};
use devices::Devices;

mod devices;
mod mountinfo;
mod mounts;
mod options;
mod sysroot;
mod targets;
mod tree;

pub use devices::Disk;
pub use sysroot::{Sysroot, descriptor_path};

/// The number of the disk that is called `sdb`, from 0; `None` for partitions and all else.
pub(crate) fn disk_number(name: &[u8]) -> Option<usize> {
    match names::parse(&[b"/dev/", name].concat()) {
        Some((index, None)) => Some(index),
        _ => None,
    }
}

/// Most device numbers that are remembered.
const NUMBERS_MAX: usize = 1024;
/// Bytes in a sector for which nothing has to be said.
const USUAL_SECTOR: u32 = 512;

/// The kernel's side of a daemon in an appliance.
#[derive(Debug)]
pub struct Kernel {
    sysroot: Sysroot,
    devices: Devices,
    /// Is the root a guest's tree even before anything is mounted?
    rooted: bool,
    /// How device numbers are shown.
    numbers: RefCell<BTreeMap<(u32, u32), DeviceNumber>>,
}

impl Kernel {
    /// The machine with these disks, which become `/dev/sda`, `/dev/sdb`… in this order; filesystems are mounted at
    /// `root`, a path of the machine without symbolic links.
    pub fn new(root: impl Into<PathBuf>, disks: Vec<Disk>) -> Self {
        Kernel {
            sysroot: Sysroot::new(root),
            devices: Devices::new(disks),
            rooted: false,
            numbers: RefCell::default(),
        }
    }

    /// The machine with a root directory that holds a guest's tree already.
    pub fn over_directory(root: impl Into<PathBuf>, disks: Vec<Disk>) -> Self {
        Kernel { rooted: true, ..Kernel::new(root, disks) }
    }

    /// The disks of the machine that this runs on, in the order in which they were plugged in.
    pub fn disks_of_machine() -> Vec<BString> {
        Devices::plugged_in()
    }

    /// The serial number of a disk.
    pub fn serial(disk: &BStr) -> Option<BString> {
        Devices::new(Vec::new()).serial(disk)
    }

    /// The disk that a path such as `/dev/loop0` names.
    ///
    /// # Errors
    /// `ENOTBLK` if it is no block device; why it can't be looked at.
    pub fn disk_by_path(path: &Path) -> Result<BString> {
        devices::by_path(path)
    }

    /// Where the guest's filesystems are mounted.
    pub fn sysroot(&self) -> &Sysroot {
        &self.sysroot
    }

    /// Where this kernel has the device with a canonical name: `/dev/sda1` may be `/dev/vda1` here. Programs are given this.
    ///
    /// # Errors
    /// `ENOENT` if there is no such device.
    pub fn node(&self, device: &BStr) -> Result<PathBuf> {
        let kernel = self.devices.kernel_of(device).ok_or(Errno::ENOENT)?;
        Ok(self.devices.node_of(kernel.as_bstr()))
    }

    /// The name by which callers know what a program calls `/dev/vda1`, `/dev/dm-0`, `/dev/mapper/VG-LV`…; other texts
    /// stay as they are.
    pub fn canonical(&self, printed: &BStr) -> BString {
        self.devices.canonical_of_node(printed).unwrap_or_else(|| printed.to_owned())
    }

    /// The device mapper's devices that are no logical volumes: `/dev/mapper/NAME`.
    pub fn mappings(&self) -> Vec<BString> {
        self.devices.mappings()
    }

    /// What a device's superblock says of the btrfs filesystem that it belongs to.
    fn btrfs_info(&self, device: &BStr) -> Result<Option<btrfs::DeviceInfo>> {
        btrfs::device_info(&self.open_fresh(device)?).map_err(|e| Failure::disk(device, e))
    }

    /// Logical volumes that have a device: `/dev/VG/LV`.
    pub fn active_volumes(&self) -> Vec<BString> {
        self.devices.active_volumes()
    }

    /// To be called after a call changed partitions or volumes: has the kernel take over partition tables that it sees
    /// otherwise. Nodes come up within that (devtmpfs).
    ///
    /// # Errors
    /// If a disk can't be read.
    pub fn changed(&self) -> Result<()> {
        self.forget_numbers();
        for device in self.devices.disks().into_iter().chain(self.devices.arrays()) {
            self.take_over_table(device.as_bstr())?;
        }
        Ok(())
    }

    /// Writes out what is held back in memory.
    pub fn sync(&self) {
        rustix::fs::sync();
    }

    fn take_over_table(&self, device: &BStr) -> Result<()> {
        let kernel = self.devices.kernel_of(device).ok_or(Errno::ENOENT)?;
        let sector = self.devices.sector_size(kernel.as_bstr());
        let mut on_disk: Vec<_> = match self.partition_table(device) {
            Ok(Some(table)) => {
                table.partitions.iter().map(|p| (p.number, p.start, p.device_len(sector))).collect()
            }
            // A damaged table has no partitions for the kernel either.
            Ok(None) => Vec::new(),
            Err(Failure::Disk { error, .. }) if error.kind() != ErrorKind::Io => Vec::new(),
            Err(failure) => return Err(failure),
        };
        on_disk.sort_unstable();
        if on_disk != self.devices.seen_partitions(kernel.as_bstr()) {
            let node = self.devices.node_of(kernel.as_bstr());
            // In use, it can't be; the programs that change tables tell the kernel themselves where that is possible.
            if let Err(e) = Program::new("blockdev").arg("--rereadpt").arg(path_bytes(&node)).run(device) {
                log::debug(format_args!("guestfsd: rereading the partition table: {e}"));
            }
        }
        Ok(())
    }

    /// All devices that can hold something.
    fn all(&self) -> Vec<BString> {
        let mut all = self.devices.disks();
        all.extend(self.devices.partitions().into_iter().map(|p| p.name));
        all.extend(self.devices.arrays());
        all.extend(self.devices.active_volumes());
        all.extend(self.devices.mappings());
        all
    }

    fn forget_numbers(&self) {
        self.numbers.borrow_mut().clear();
    }

    fn shown_number(&self, number: DeviceNumber) -> DeviceNumber {
        let mut numbers = self.numbers.borrow_mut();
        if numbers.len() >= NUMBERS_MAX {
            numbers.clear();
        }
        *numbers.entry((number.major, number.minor)).or_insert_with(|| self.devices.shown_number(number))
    }

    /// A path of the machine as the guest has it, if it is within the root.
    fn below<'p>(&self, path: &'p BStr) -> Option<&'p BStr> {
        let root = path_bytes(self.sysroot.path());
        let rest = path.strip_prefix(root.trim_end_with(|c| c == '/'))?;
        match rest.first() {
            None => Some("/".into()),
            Some(b'/') => Some(rest.as_bstr()),
            Some(_) => None,
        }
    }

    /// Opens a device to see what filesystems have written: some keep blocks apart from the device's own cache.
    fn open_fresh(&self, device: &BStr) -> Result<Arc<dyn ReadAt>> {
        let kernel = self.devices.kernel_of(device).ok_or(Errno::ENOENT)?;
        let node = self.devices.node_of(kernel.as_bstr());
        let file = File::open(&node).map_err(|e| Failure::from_io(&e))?;
        let apart = mountinfo::read()?
            .iter()
            .any(|m| !m.kind.starts_with(b"ext") && self.below(m.at.as_bstr()).is_some());
        if apart {
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
        let source: Arc<dyn ReadAt> =
            Arc::new(FileSource::new(OwnedFd::from(file)).map_err(|e| Failure::disk(device, e))?);
        Ok(match self.devices.sector_size(kernel.as_bstr()) {
            USUAL_SECTOR => source,
            size => Arc::new(Sectors { inner: source, size }),
        })
    }

    /// The filesystem on a device, read as it is on the disk at this moment.
    fn filesystem(&self, device: &BStr) -> Result<Arc<dyn Filesystem>> {
        for mount in self.list_mounts()?.iter().filter(|mount| mount.mountable == device) {
            let at =
                self.sysroot.open(mount.path.as_bstr(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            syncfs(&at)?;
        }
        let mut members = Vec::new();
        for member in self.devices_of_filesystem(device)? {
            members.push(self.open_fresh(member.as_bstr())?);
        }
        let source = self.open_fresh(device)?;
        disk::fs::open_with(source, &members).map_err(|e| Failure::disk(device, e))
    }

    /// The subvolumes of the filesystem that an open file is on.
    fn subvolumes_at(&self, fd: &OwnedFd) -> Result<Subvolumes> {
        let mount = self.mount_of(statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)?;
        if mount.kind != "btrfs" {
            return Err(Errno::ENOTTY.into());
        }
        let mut subvolumes = subvolumes(self, self.mounted_device(&mount).as_bstr())?;
        // The path of the file within the filesystem tells its subvolume.
        let path = std::fs::read_link(descriptor_path(fd)).map_err(|e| Failure::from_io(&e))?;
        let below =
            path_bytes(&path).strip_prefix(mount.at.trim_end_with(|c| c == '/')).unwrap_or_default().to_vec();
        let full = [mount.root.trim_end_with(|c| c == '/'), &below].concat();
        let full = full.trim_start_with(|c| c == '/');
        let holds = |subvolume: &&disk::fs::Subvolume| {
            full.strip_prefix(subvolume.path.as_slice())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        let here = subvolumes.list.iter().filter(holds).max_by_key(|subvolume| subvolume.path.len());
        subvolumes.here = here.map_or(BTRFS_TOP, |subvolume| subvolume.id);
        Ok(subvolumes)
    }
}

/// Number of btrfs's top subvolume (`BTRFS_FS_TREE_OBJECTID`).
const BTRFS_TOP: u64 = 5;

/// The subvolumes of the filesystem on a device, looked at from its top.
fn subvolumes(kernel: &Kernel, device: &BStr) -> Result<Subvolumes> {
    let fs = kernel.filesystem(device)?;
    let default = fs.default_subvolume().ok_or(Errno::ENOTTY)?;
    let list = fs.subvolumes().map_err(|e| Failure::disk(device, e))?;
    Ok(Subvolumes { list, default, here: default })
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

impl Engine for Kernel {
    fn unlocked(&self) -> Vec<Unlocked> {
        self.devices.unlocked()
    }

    fn disks(&self) -> Vec<BString> {
        self.devices.disks()
    }

    fn disk_labels(&self) -> Result<Vec<(BString, BString)>> {
        Ok(self.devices.labels())
    }

    fn partitions(&self) -> Result<Vec<PartitionDevice>> {
        Ok(self.devices.partitions())
    }

    fn device(&self, name: &BStr) -> Result<Option<BString>> {
        if name.starts_with(b"/dev/disk/") {
            return links::resolve(self, &self.all(), name);
        }
        Ok(self.devices.kernel_of(name).and_then(|kernel| self.devices.canonical_of(kernel.as_bstr())))
    }

    fn open_block(&self, device: &BStr) -> Result<Arc<dyn ReadAt>> {
        self.open_fresh(device)
    }

    fn probe(&self, device: &BStr) -> Result<Option<Arc<Probe>>> {
        let source = self.open_fresh(device)?;
        Ok(probe::probe(&source).map_err(|e| Failure::disk(device, e))?.map(Arc::new))
    }

    fn subvolumes(&mut self, mountable: &Mountable) -> Result<Subvolumes> {
        let device = mountable.device();
        let mut found = subvolumes(self, device)?;
        if let Mountable::BtrfsVolume { volume, .. } = mountable {
            let fs = self.filesystem(device)?;
            let root =
                fs.subvolume_root(SubvolumeName::Path(volume)).map_err(|e| Failure::disk(device, e))?;
            found.here = root.subvolume;
        }
        Ok(found)
    }

    fn devices_of_filesystem(&self, device: &BStr) -> Result<Vec<BString>> {
        let Some(own) = self.btrfs_info(device)?.filter(|own| own.num_devices > 1) else {
            return Ok(vec![device.to_owned()]);
        };
        let mut members = Vec::new();
        for other in self.all() {
            // One that can't be read is a member of nothing: what lacks it says so.
            if let Ok(Some(found)) = self.btrfs_info(other.as_bstr())
                && found.fsid == own.fsid
            {
                members.push((found.devid, other));
            }
        }
        members.sort_by_key(|(devid, _)| *devid);
        Ok(members.into_iter().map(|(_, name)| name).collect())
    }

    fn is_read_only(&self, device: &BStr) -> bool {
        self.devices.kernel_of(device).is_some_and(|kernel| self.devices.is_read_only(kernel.as_bstr()))
    }

    fn partition_table(&self, device: &BStr) -> Result<Option<Arc<Table>>> {
        let source = self.open_fresh(device)?;
        Ok(partition::read(&source).map_err(|e| Failure::disk(device, e))?.map(Arc::new))
    }

    fn lvm(&self) -> Result<Arc<Volumes>> {
        let partitions = self.devices.partitions();
        let whole = self.devices.disks().into_iter().chain(self.devices.arrays());
        let unparted = whole.filter(|disk| partitions.iter().all(|p| p.parent != *disk));
        let parts = partitions.iter().map(|p| p.name.clone());
        let mut candidates = Vec::new();
        for name in unparted.chain(parts).chain(self.devices.mappings()) {
            let source = self.open_fresh(name.as_bstr())?;
            candidates.push((name, source));
        }
        let volumes = lvm2::scan(&candidates).map_err(|e| Failure::disk("lvm".into(), e))?;
        Ok(Arc::new(volumes))
    }

    fn arrays(&self) -> Result<Vec<BString>> {
        Ok(self.devices.arrays())
    }

    fn ldm(&self) -> Result<Arc<DynamicDisks>> {
        let mut disks = Vec::new();
        for name in self.devices.disks() {
            let source = self.open_fresh(name.as_bstr())?;
            disks.push((name, source));
        }
        Ok(Arc::new(ldm::scan(&disks)))
    }

    fn mount(&mut self, request: MountRequest<'_>) -> Result<()> {
        self.mount_filesystem(request)
    }

    fn mount_directories(&mut self, directories: &[(BString, BString)]) -> Result<()> {
        self.bind_directories(directories)
    }

    fn umount(&mut self, path_or_device: &BStr, how: UmountHow) -> Result<()> {
        self.umount_what(path_or_device, how)
    }

    fn umount_all(&mut self) -> Result<()> {
        self.umount_everything()
    }

    fn mount_points(&self) -> Vec<MountPoint> {
        self.list_mounts().unwrap_or_else(|failure| {
            log::line(format_args!("guestfsd: {}", failure.at("mounts")));
            Vec::new()
        })
    }

    fn has_root(&self) -> bool {
        self.rooted || !self.mount_points().is_empty()
    }

    fn make_mount_point(&mut self, path: &BStr) -> Result<()> {
        self.make_directory(path)
    }

    fn remove_mount_point(&mut self, path: &BStr) -> Result<()> {
        self.remove_directory(path)
    }

    fn tree(&self) -> &dyn Tree {
        self
    }

    fn kernel(&self) -> Option<&Kernel> {
        Some(self)
    }
}
