//! The engine that reads disks itself: images' bytes in, partition tables, volumes and filesystems by the disk crate.
//!
//! Everything is read-only and happens in this process; the only input are the drives' bytes.

use std::sync::Arc;

use bstr::{BStr, BString};
use disk::ReadAt;
use disk::partition::Table;
use disk::probe::Probe;
use disk::volume::ldm::DynamicDisks;
use disk::volume::lvm2::Volumes;
use libguestfs_core::inspect::Unlocked;

use super::{
    Arrays, Engine, MountPoint, MountRequest, Mountable, PartitionDevice, Result, Subvolumes, Tree,
    UmountHow, UnlockRequest, Unlocking,
};

mod dentries;
mod devices;
mod dynamic;
mod encrypted;
mod layers;
mod mounts;
mod options;
mod sysroot;
mod tree;
mod walk;

pub use devices::Drive;
pub(crate) use dynamic::all_names as dynamic_names;

use devices::Devices;
use mounts::Mounts;
use options::Options;
use tree::NativeTree;

/// The engine.
#[derive(Debug)]
pub struct Native {
    devices: Devices,
    tree: NativeTree,
}

impl Native {
    /// An engine over `drives`, which become `/dev/sda`, `/dev/sdb`… in this order.
    pub fn new(drives: Vec<Drive>) -> Self {
        Native { devices: Devices::new(drives), tree: NativeTree::new(Mounts::new()) }
    }
}

#[cfg(test)]
impl Native {
    /// An engine without drives that has `fs` mounted at `/`.
    pub(crate) fn with_root(fs: Arc<dyn disk::fs::Filesystem>) -> Self {
        let mut native = Native::new(Vec::new());
        native.tree.change_mounts(|mounts| mounts.add_root(fs));
        native
    }
}

impl Engine for Native {
    fn disks(&self) -> Vec<BString> {
        self.devices.disks()
    }

    fn disk_labels(&self) -> Result<Vec<(BString, BString)>> {
        self.devices.labels()
    }

    fn partitions(&self) -> Result<Vec<PartitionDevice>> {
        self.devices.partitions()
    }

    fn device(&self, name: &BStr) -> Result<Option<BString>> {
        self.devices.canonical(name)
    }

    fn open_block(&self, device: &BStr) -> Result<Arc<dyn ReadAt>> {
        self.devices.open(device)
    }

    fn subvolumes(&mut self, mountable: &Mountable) -> Result<Subvolumes> {
        let device = mountable.device();
        let fs = self.devices.filesystem(device)?;
        let options = match mountable {
            Mountable::Device(_) => Options::default(),
            Mountable::BtrfsVolume { volume, .. } => Options::default().within(volume),
        };
        let root = options.root(fs.as_ref(), device)?;
        tree::subvolumes(fs.as_ref(), root, device)
    }

    fn devices_of_filesystem(&self, device: &BStr) -> Result<Vec<BString>> {
        self.devices.devices_of_filesystem(device)
    }

    fn is_read_only(&self, device: &BStr) -> bool {
        self.devices.is_read_only(device)
    }

    fn probe(&self, device: &BStr) -> Result<Option<Arc<Probe>>> {
        self.devices.probe(device)
    }

    fn partition_table(&self, device: &BStr) -> Result<Option<Arc<Table>>> {
        self.devices.table(device)
    }

    fn lvm(&self) -> Result<Arc<Volumes>> {
        self.devices.lvm()
    }

    fn arrays(&self) -> Result<Vec<BString>> {
        let mut numbered: Vec<_> =
            self.devices.arrays()?.running.iter().map(|array| (array.number, array.device.clone())).collect();
        numbered.sort();
        Ok(numbered.into_iter().map(|(_, device)| device).collect())
    }

    fn assembled(&self) -> Result<Arc<Arrays>> {
        self.devices.arrays()
    }

    fn ldm(&self) -> Result<Arc<DynamicDisks>> {
        self.devices.ldm()
    }

    fn unlocked(&self) -> Vec<Unlocked> {
        self.devices.mappings().list()
    }

    fn volume_minor(&self, position: usize) -> usize {
        self.devices.mappings().number_of_other(position)
    }

    fn unlock(&mut self, request: UnlockRequest<'_>) -> Result<Unlocking> {
        encrypted::unlock(&mut self.devices, request)
    }

    fn lock(&mut self, device: &BStr) -> Result<()> {
        let in_use: Vec<BString> = self.mount_points().into_iter().map(|mount| mount.mountable).collect();
        encrypted::lock(&mut self.devices, device, &in_use)
    }

    fn mount(&mut self, request: MountRequest<'_>) -> Result<()> {
        mounts::mount(&mut self.devices, &mut self.tree, request)
    }

    fn mount_directories(&mut self, directories: &[(BString, BString)]) -> Result<()> {
        mounts::mount_directories(&mut self.tree, directories)
    }

    /// Nothing here is ever held by a program or by what is not yet written: to force it changes nothing.
    fn umount(&mut self, path_or_device: &BStr, _how: UmountHow) -> Result<()> {
        mounts::umount(&self.devices, &mut self.tree, path_or_device)
    }

    fn umount_all(&mut self) -> Result<()> {
        self.tree.change_mounts(Mounts::clear);
        Ok(())
    }

    fn mount_points(&self) -> Vec<MountPoint> {
        self.tree.mounts().list()
    }

    fn make_mount_point(&mut self, path: &BStr) -> Result<()> {
        mounts::make_mount_point(&mut self.tree, path)
    }

    fn remove_mount_point(&mut self, path: &BStr) -> Result<()> {
        mounts::remove_mount_point(&mut self.tree, path)
    }

    fn tree(&self) -> &dyn Tree {
        &self.tree
    }
}
