//! The block devices that the drives amount to: disks, their partitions, arrays, logical and dynamic volumes across them, and
//! encrypted devices that were opened.
//!
//! Everything is looked at once, when first asked for, and then kept: drives do not change. Only what can lie on an encrypted
//! device is looked for anew when one is opened or closed.
//!
//! Memory: each drive's bytes pass through one block cache; together the caches hold [`CACHE_BYTES`]. Filesystems stay
//! open after an unmount, at most [`MAX_OPEN_FILESYSTEMS`], because inspection mounts each one before a tool does.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::cache::Cached;
use disk::fs::{DeviceNumber, Filesystem, btrfs};
use disk::partition::{self, Table};
use disk::probe::{self, Probe};
use disk::volume::ldm::{self, DynamicDisks};
use disk::volume::lvm2::{LogicalVolume, VolumeGroup, Volumes};
use disk::{ErrorKind, ReadAt, Window};
use libguestfs_core::inspect::udev_unescape;
use nix::errno::Errno;

use super::dynamic::{self, Member};
use super::encrypted::Mappings;
use super::layers::{Candidate, Layers};
use crate::calls::{ARRAY_MAJOR, DEVICE_MAPPER_MAJOR, is_array_member};
use crate::engine::words::wrong_filesystem;
use crate::engine::{Arrays, PartitionDevice, Result, RunningArray, names};
use crate::error::Failure;

/// Memory for blocks of all drives together (bytes).
const CACHE_BYTES: usize = 8 << 20;
/// Least memory for the blocks of one drive (bytes): with less, walking a directory would read its blocks repeatedly.
const MIN_CACHE_BYTES: usize = 128 << 10;
/// Filesystems kept open.
const MAX_OPEN_FILESYSTEMS: usize = 64;

/// A drive as the caller added it, opened.
#[derive(Debug, Clone)]
pub struct Drive {
    /// The content of the virtual disk.
    pub source: Arc<dyn ReadAt>,
    /// Was it added read-only? Then mounting it for writing is harmless: nothing can be written.
    pub read_only: bool,
    /// The name under `/dev/disk/guestfs` that the caller gave it.
    pub label: Option<BString>,
}

#[derive(Debug)]
struct Disk {
    name: BString,
    drive: Drive,
    table: OnceCell<Option<Arc<Table>>>,
    /// First byte and length of the partitions that Linux shows instead of the table's, if this is a dynamic disk.
    dynamic: OnceCell<Option<Vec<(u64, u64)>>>,
}

/// A canonical name taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Disk(usize),
    Partition(usize, u32),
    /// Index in [`Arrays::running`].
    Array(usize),
    /// The same, and the number of the partition.
    ArrayPartition(usize, u32),
    /// Group and volume within [`Volumes`].
    Volume(usize, usize),
    /// Group and member within [`DynamicDisks`].
    Dynamic(usize, Member),
    /// Index within [`Mappings`].
    Mapping(usize),
}

/// A btrfs filesystem that lies on several devices.
#[derive(Debug)]
struct BtrfsMembers {
    fsid: [u8; 16],
    /// With their numbers in the filesystem, in the order of those.
    devices: Vec<(u64, BString)>,
}

/// All devices.
#[derive(Debug)]
pub(super) struct Devices {
    disks: Vec<Disk>,
    probes: RefCell<BTreeMap<BString, Option<Arc<Probe>>>>,
    /// By the device that stands for it: see [`main_device`](Self::main_device).
    filesystems: BTreeMap<BString, Arc<dyn Filesystem>>,
    /// The devices of each btrfs filesystem of several, in order.
    btrfs_members: OnceCell<Vec<BtrfsMembers>>,
    layers: OnceCell<Layers>,
    dynamic: OnceCell<Arc<DynamicDisks>>,
    /// Encrypted devices that are open.
    mappings: Mappings,
}

impl Devices {
    pub(super) fn new(drives: Vec<Drive>) -> Self {
        let cache = (CACHE_BYTES / drives.len().max(1)).max(MIN_CACHE_BYTES);
        let disk = |(index, drive): (usize, Drive)| Disk {
            name: names::disk(index),
            drive: Drive { source: Arc::new(Cached::new(drive.source, cache)), ..drive },
            table: OnceCell::new(),
            dynamic: OnceCell::new(),
        };
        Devices {
            disks: drives.into_iter().enumerate().map(disk).collect(),
            probes: RefCell::default(),
            filesystems: BTreeMap::new(),
            btrfs_members: OnceCell::new(),
            layers: OnceCell::new(),
            dynamic: OnceCell::new(),
            mappings: Mappings::default(),
        }
    }

    pub(super) fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// Opens or closes encrypted devices. What can lie on them is then to be looked for anew.
    pub(super) fn change_mappings(&mut self, change: impl FnOnce(&mut Mappings)) {
        change(&mut self.mappings);
        self.layers.take();
        self.btrfs_members.take();
        self.probes.get_mut().clear();
        self.filesystems.clear();
    }

    /// How many devices of device-mapper there are.
    pub(super) fn mapped_count(&self) -> Result<usize> {
        let volumes = self.active_volumes()?;
        let dynamic = dynamic::all_names(self.ldm()?.as_ref()).len();
        Ok(volumes.saturating_add(dynamic).saturating_add(self.mappings.list().len()))
    }

    fn active_volumes(&self) -> Result<usize> {
        Ok(self.lvm()?.groups.iter().flat_map(|group| &group.volumes).filter(|v| v.active).count())
    }

    pub(super) fn disks(&self) -> Vec<BString> {
        self.disks.iter().map(|d| d.name.clone()).collect()
    }

    pub(super) fn labels(&self) -> Result<Vec<(BString, BString)>> {
        let mut labels = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            let Some(label) = &disk.drive.label else { continue };
            labels.push((label.clone(), disk.name.clone()));
            for number in self.partition_numbers(index)? {
                let mut partition = label.clone();
                partition.extend_from_slice(number.to_string().as_bytes());
                labels.push((partition, names::partition(&disk.name, number)));
            }
        }
        Ok(labels)
    }

    pub(super) fn partitions(&self) -> Result<Vec<PartitionDevice>> {
        let mut partitions = self.disk_partitions()?;
        for running in &self.arrays()?.running {
            partitions.extend(running.partition_numbers().into_iter().map(|number| PartitionDevice {
                name: names::array_partition(&running.device, number),
                parent: running.device.clone(),
                number,
            }));
        }
        Ok(partitions)
    }

    /// The partitions of disks.
    fn disk_partitions(&self) -> Result<Vec<PartitionDevice>> {
        let mut partitions = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            partitions.extend(self.partition_numbers(index)?.into_iter().map(|number| PartitionDevice {
                name: names::partition(&disk.name, number),
                parent: disk.name.clone(),
                number,
            }));
        }
        Ok(partitions)
    }

    /// The numbers of a disk's partitions. As in a kernel, a table that is damaged or can't be read has none.
    fn partition_numbers(&self, index: usize) -> Result<Vec<u32>> {
        let is_readable = |failure: &Failure| match failure {
            Failure::Disk { error, .. } => !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io),
            _ => true,
        };
        let dynamic = match self.dynamic_partitions(index) {
            Err(failure) if !is_readable(&failure) => return Ok(Vec::new()),
            dynamic => dynamic?,
        };
        if let Some(partitions) = dynamic {
            return Ok((1..).zip(partitions).map(|(number, _)| number).collect());
        }
        let mut numbers: Vec<u32> = match self.disk_table(index) {
            Ok(Some(table)) => table.partitions.iter().map(|p| p.number).collect(),
            Ok(None) => Vec::new(),
            Err(failure) if !is_readable(&failure) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The partitions of a dynamic disk with an MBR, from number 1 on.
    fn dynamic_partitions(&self, index: usize) -> Result<Option<&[(u64, u64)]>> {
        let disk = self.disks.get(index).ok_or(Errno::ENOENT)?;
        if let Some(known) = disk.dynamic.get() {
            return Ok(known.as_deref());
        }
        let found = ldm::partitions(&disk.drive.source).map_err(|e| Failure::disk(disk.name.as_bstr(), e))?;
        Ok(disk.dynamic.get_or_init(|| found).as_deref())
    }

    fn disk_table(&self, index: usize) -> Result<Option<Arc<Table>>> {
        let disk = self.disks.get(index).ok_or(Errno::ENOENT)?;
        if let Some(table) = disk.table.get() {
            return Ok(table.clone());
        }
        let table = partition::read(&disk.drive.source).map_err(|e| Failure::disk(disk.name.as_bstr(), e))?;
        Ok(disk.table.get_or_init(|| table.map(Arc::new)).clone())
    }

    pub(super) fn table(&self, device: &BStr) -> Result<Option<Arc<Table>>> {
        match self.place(device)? {
            Some(Place::Disk(index)) => self.disk_table(index),
            Some(_) => {
                let source = self.open(device)?;
                Ok(partition::read(&source).map_err(|e| Failure::disk(device, e))?.map(Arc::new))
            }
            None => Err(Errno::ENOENT.into()),
        }
    }

    /// Where the device of that name is, if there is one.
    fn place(&self, name: &BStr) -> Result<Option<Place>> {
        if let Some((index, number)) = names::parse(name) {
            if index >= self.disks.len() {
                return Ok(None);
            }
            return Ok(match number {
                None => Some(Place::Disk(index)),
                Some(number) if self.partition_numbers(index)?.contains(&number) => {
                    Some(Place::Partition(index, number))
                }
                Some(_) => None,
            });
        }
        if name.starts_with(names::LDM_VOLUME.as_bytes()) || name.starts_with(names::LDM_PARTITION.as_bytes())
        {
            let found = dynamic::find(self.ldm()?.as_ref(), name);
            return Ok(found.map(|(group, member)| Place::Dynamic(group, member)));
        }
        if let Some(index) = self.mappings.find(name) {
            return Ok(Some(Place::Mapping(index)));
        }
        if let Some(place) = self.array_place(name)? {
            return Ok(Some(place));
        }
        self.volume_place(name)
    }

    /// All dynamic disks.
    pub(super) fn ldm(&self) -> Result<Arc<DynamicDisks>> {
        if let Some(disks) = self.dynamic.get() {
            return Ok(Arc::clone(disks));
        }
        let disks: Vec<_> =
            self.disks.iter().map(|disk| (disk.name.clone(), Arc::clone(&disk.drive.source))).collect();
        let found = ldm::scan(&disks);
        Ok(Arc::clone(self.dynamic.get_or_init(|| Arc::new(found))))
    }

    /// All LVM2 metadata.
    pub(super) fn lvm(&self) -> Result<Arc<Volumes>> {
        Ok(Arc::clone(&self.layers()?.volumes))
    }

    /// All arrays.
    pub(super) fn arrays(&self) -> Result<Arc<Arrays>> {
        Ok(Arc::clone(&self.layers()?.arrays))
    }

    fn layers(&self) -> Result<&Layers> {
        if let Some(layers) = self.layers.get() {
            return Ok(layers);
        }
        let partitions = self.disk_partitions()?;
        let mut candidates = Vec::new();
        for name in self.disks().into_iter().chain(partitions.iter().map(|p| p.name.clone())) {
            let source = self.open(name.as_bstr())?;
            let is_member = self.is_member(name.as_bstr(), &source)?;
            let has_partitions = partitions.iter().any(|p| p.parent == name);
            candidates.push(Candidate { name, source, is_member, has_partitions });
        }
        let mut opened = Vec::new();
        for (name, source) in self.mappings.sources() {
            let is_member = self.is_member(name.as_bstr(), &source)?;
            opened.push(Candidate { name, source, is_member, has_partitions: false });
        }
        let layers = Layers::new(candidates, opened, |name, source| self.is_member(name, source))?;
        Ok(self.layers.get_or_init(|| layers))
    }

    /// Is the device a member of an array? It is looked at once, as for [`probe`](Self::probe). What can't be read is a member of
    /// nothing: the list of filesystems tells of it.
    fn is_member(&self, name: &BStr, source: &Arc<dyn ReadAt>) -> Result<bool> {
        match self.probe_source(name, source) {
            Ok(probe) => Ok(probe.is_some_and(|probe| is_array_member(probe.kind.into()))),
            Err(Failure::Disk { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Where the array or its partition is that `name` denotes.
    fn array_place(&self, name: &BStr) -> Result<Option<Place>> {
        let Some((array, partition)) = names::parse_array(name) else { return Ok(None) };
        let arrays = self.arrays()?;
        let Some(index) = arrays.running.iter().position(|running| running.number == array) else {
            return Ok(None);
        };
        let Some(number) = partition else { return Ok(Some(Place::Array(index))) };
        let has = |running: &RunningArray| running.partition_numbers().contains(&number);
        Ok(arrays
            .running
            .get(index)
            .filter(|running| has(running))
            .map(|_| Place::ArrayPartition(index, number)))
    }

    /// Where the logical volume is that `name` denotes: `/dev/VG/LV`, `/dev/mapper/VG-LV` or `/dev/dm-N`.
    fn volume_place(&self, name: &BStr) -> Result<Option<Place>> {
        // Names of other kinds come up often, and to look for volumes takes reading all disks.
        if name.starts_with(b"/dev/disk/") || !name.starts_with(b"/dev/") {
            return Ok(None);
        }
        let volumes = self.lvm()?;
        let mut position = 0;
        for (group_index, group) in volumes.groups.iter().enumerate() {
            for (index, volume) in group.volumes.iter().enumerate().filter(|(_, v)| v.active) {
                let is_it = name == names::volume(&group.name, &volume.name)
                    || name == names::mapper(&group.name, &volume.name)
                    || name == names::mapped(self.mappings.number_of_other(position));
                if is_it && volume.public {
                    return Ok(Some(Place::Volume(group_index, index)));
                }
                position += 1;
            }
        }
        Ok(None)
    }

    fn name_of(&self, place: Place) -> Result<BString> {
        let disk_name = |index: usize| self.disks.get(index).map(|d| &d.name).ok_or(Errno::ENOENT);
        match place {
            Place::Disk(index) => Ok(disk_name(index)?.clone()),
            Place::Partition(index, number) => Ok(names::partition(disk_name(index)?, number)),
            Place::Array(index) => self.with_array(index, |running| Ok(running.device.clone())),
            Place::ArrayPartition(index, number) => {
                self.with_array(index, |running| Ok(names::array_partition(&running.device, number)))
            }
            Place::Volume(group, volume) => {
                with_volume(self.lvm()?.as_ref(), group, volume, |group, volume| {
                    Ok(names::volume(&group.name, &volume.name))
                })
            }
            Place::Dynamic(group, member) => {
                Ok(dynamic::name(self.ldm()?.as_ref(), group, member).ok_or(Errno::ENOENT)?)
            }
            Place::Mapping(index) => self.mappings.name(index),
        }
    }

    fn with_array<T>(&self, index: usize, give: impl FnOnce(&RunningArray) -> Result<T>) -> Result<T> {
        give(self.arrays()?.running.get(index).ok_or(Errno::ENOENT)?)
    }

    pub(super) fn canonical(&self, name: &BStr) -> Result<Option<BString>> {
        if let Some(place) = self.place(name)? {
            return self.name_of(place).map(Some);
        }
        self.linked(name)
    }

    /// What udev's links under `/dev/disk` lead to.
    fn linked(&self, name: &BStr) -> Result<Option<BString>> {
        let Some(link) = name.strip_prefix(b"/dev/disk/") else { return Ok(None) };
        let Some((by, value)) = link.split_once_str("/") else { return Ok(None) };
        let value = udev_unescape(value);
        match by {
            b"guestfs" => {
                Ok(self.labels()?.into_iter().find(|(label, _)| *label == value).map(|(_, device)| device))
            }
            b"by-label" => self.find(|probe| probe.label.as_ref() == Some(&value)),
            b"by-uuid" => self.find(|probe| probe.uuid.as_ref().is_some_and(|u| u.as_bytes() == value)),
            b"by-partlabel" => self.find_partition(|p| p.name.as_ref() == Some(&value)),
            b"by-partuuid" => self.find_partition(|p| p.uuid.as_ref().is_some_and(|u| u.as_bytes() == value)),
            _ => Ok(None),
        }
    }

    /// Disks, partitions, arrays, logical volumes, opened devices, volumes and partitions of dynamic disks.
    fn all(&self) -> Result<Vec<BString>> {
        let mut all = self.disks();
        all.extend(self.partitions()?.into_iter().map(|p| p.name));
        all.extend(self.arrays()?.running.iter().map(|running| running.device.clone()));
        for group in &self.lvm()?.groups {
            let shown = group.volumes.iter().filter(|v| v.active && v.public);
            all.extend(shown.map(|v| names::volume(&group.name, &v.name)));
        }
        all.extend(self.mappings.sources().map(|(name, _)| name));
        all.extend(dynamic::all_names(self.ldm()?.as_ref()));
        Ok(all)
    }

    /// The first device whose content is as wanted.
    fn find(&self, wanted: impl Fn(&Probe) -> bool) -> Result<Option<BString>> {
        for name in self.all()? {
            let probe = match self.probe(name.as_bstr()) {
                // What can't be read has no name.
                Err(Failure::Disk { error, .. }) if error.kind() != ErrorKind::Unsupported => None,
                probe => probe?,
            };
            if probe.is_some_and(|probe| wanted(&probe)) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn find_partition(&self, wanted: impl Fn(&partition::Partition) -> bool) -> Result<Option<BString>> {
        for PartitionDevice { name, parent, number } in self.partitions()? {
            let table = self.table(parent.as_bstr())?;
            let entry = table.as_ref().filter(|t| !t.is_dynamic()).and_then(|t| t.partition(number));
            if entry.is_some_and(&wanted) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    pub(super) fn probe(&self, device: &BStr) -> Result<Option<Arc<Probe>>> {
        if let Some(known) = self.probes.borrow().get(device) {
            return Ok(known.clone());
        }
        let source = self.open(device)?;
        self.probe_source(device, &source)
    }

    /// The same where the device's content is at hand.
    fn probe_source(&self, device: &BStr, source: &Arc<dyn ReadAt>) -> Result<Option<Arc<Probe>>> {
        if let Some(known) = self.probes.borrow().get(device) {
            return Ok(known.clone());
        }
        let found = probe::probe(source).map_err(|e| Failure::disk(device, e))?.map(Arc::new);
        self.probes.borrow_mut().insert(device.to_owned(), found.clone());
        Ok(found)
    }

    pub(super) fn open(&self, device: &BStr) -> Result<Arc<dyn ReadAt>> {
        let place = self.place(device)?.ok_or(Errno::ENOENT)?;
        match place {
            Place::Disk(index) => Ok(Arc::clone(&self.disks.get(index).ok_or(Errno::ENOENT)?.drive.source)),
            Place::Partition(index, number) => {
                let disk = self.disks.get(index).ok_or(Errno::ENOENT)?;
                if let Some(partitions) = self.dynamic_partitions(index)? {
                    let position = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1);
                    let found = position.and_then(|position| partitions.get(position));
                    let (start, len) = *found.ok_or(Errno::ENOENT)?;
                    return Ok(Arc::new(Window::new(Arc::clone(&disk.drive.source), start, len)));
                }
                let table = self.disk_table(index)?.ok_or(Errno::ENOENT)?;
                let partition = table.partition(number).ok_or(Errno::ENOENT)?;
                Ok(Arc::new(partition.open(Arc::clone(&disk.drive.source))))
            }
            Place::Array(index) => self.with_array(index, |running| Ok(Arc::clone(&running.source))),
            Place::ArrayPartition(index, number) => self.with_array(index, |running| {
                let entry = running.table.as_ref().and_then(|table| table.partition(number));
                let source = Arc::clone(&running.source);
                Ok(Arc::new(entry.ok_or(Errno::ENOENT)?.open(source)) as Arc<dyn ReadAt>)
            }),
            Place::Volume(group, volume) => with_volume(self.lvm()?.as_ref(), group, volume, |_, volume| {
                volume.open().map_err(|e| Failure::disk(device, e))
            }),
            Place::Dynamic(group, member) => dynamic::open(self.ldm()?.as_ref(), group, member, device),
            Place::Mapping(index) => self.mappings.open(index),
        }
    }

    pub(super) fn is_read_only(&self, device: &BStr) -> bool {
        match self.place(device) {
            Ok(Some(Place::Disk(index) | Place::Partition(index, _))) => {
                self.disks.get(index).is_none_or(|d| d.drive.read_only)
            }
            Ok(Some(Place::Mapping(index))) => {
                self.mappings.below(index).is_ok_and(|below| self.is_read_only(below.as_bstr()))
            }
            // A volume may lie on any disk.
            _ => self.disks.iter().all(|d| d.drive.read_only),
        }
    }

    /// The device's number, as `st_dev` shows it for files on it.
    pub(super) fn number(&self, device: &BStr) -> DeviceNumber {
        let (index, partition) = match self.place(device) {
            Ok(Some(Place::Disk(index))) => (index, 0),
            Ok(Some(Place::Partition(index, number))) => (index, number),
            Ok(Some(Place::Array(array))) => return self.array_number(array),
            Ok(Some(Place::ArrayPartition(array, number))) => {
                return self.array_partition_number(array, number);
            }
            Ok(Some(Place::Volume(group, volume))) => return self.volume_number(group, volume),
            Ok(Some(Place::Dynamic(group, member))) => return self.dynamic_number(group, member),
            Ok(Some(Place::Mapping(index))) => return mapped_number(self.mappings.minor(index)),
            _ => return DeviceNumber::default(),
        };
        names::number(index, partition)
    }

    fn array_number(&self, index: usize) -> DeviceNumber {
        let number = self.with_array(index, |running| Ok(running.number));
        number.map_or_else(|_| DeviceNumber::default(), |minor| DeviceNumber { major: ARRAY_MAJOR, minor })
    }

    /// They are numbered as the kernel comes upon them.
    fn array_partition_number(&self, index: usize, number: u32) -> DeviceNumber {
        let Ok(arrays) = self.arrays() else { return DeviceNumber::default() };
        let all = arrays.running.iter().enumerate();
        let mut all =
            all.flat_map(|(index, running)| running.partition_numbers().into_iter().map(move |n| (index, n)));
        let position = all.position(|place| place == (index, number)).and_then(|n| u32::try_from(n).ok());
        position.map_or_else(DeviceNumber::default, names::extended)
    }

    /// Active volumes are numbered in the order of their activation.
    fn volume_number(&self, group: usize, volume: usize) -> DeviceNumber {
        let Ok(volumes) = self.lvm() else { return DeviceNumber::default() };
        let groups = volumes.groups.iter().take(group).flat_map(|g| &g.volumes);
        let same = volumes.groups.get(group).into_iter().flat_map(|g| g.volumes.iter().take(volume));
        let before = groups.chain(same).filter(|v| v.active).count();
        mapped_number(Ok(self.mappings.number_of_other(before)))
    }

    /// Those of dynamic disks are made after the logical volumes (libguestfs's appliance/init).
    fn dynamic_number(&self, group: usize, member: Member) -> DeviceNumber {
        let (Ok(active), Ok(disks)) = (self.active_volumes(), self.ldm()) else {
            return DeviceNumber::default();
        };
        let before = active.saturating_add(dynamic::position(disks.as_ref(), group, member));
        mapped_number(Ok(self.mappings.number_of_other(before)))
    }

    /// The devices of the btrfs filesystem of several that `device` belongs to; none otherwise.
    fn members(&self, device: &BStr) -> Result<&[(u64, BString)]> {
        let info = btrfs::device_info(&self.open(device)?).map_err(|e| Failure::disk(device, e))?;
        let Some(info) = info.filter(|info| info.num_devices > 1) else { return Ok(&[]) };
        let sets = match self.btrfs_members.get() {
            Some(sets) => sets,
            None => {
                let sets = self.all_members()?;
                self.btrfs_members.get_or_init(|| sets)
            }
        };
        let set = sets.iter().find(|set| set.fsid == info.fsid);
        Ok(set.map(|set| set.devices.as_slice()).unwrap_or_default())
    }

    /// Looks at all devices. One that can't be read is a member of nothing: what lacks it says so.
    fn all_members(&self) -> Result<Vec<BtrfsMembers>> {
        let mut sets: Vec<BtrfsMembers> = Vec::new();
        for device in self.all()? {
            let Ok(Some(info)) =
                self.open(device.as_bstr()).map(|source| btrfs::device_info(&source).ok().flatten())
            else {
                continue;
            };
            match sets.iter_mut().find(|set| set.fsid == info.fsid) {
                Some(set) => set.devices.push((info.devid, device)),
                None => sets.push(BtrfsMembers { fsid: info.fsid, devices: vec![(info.devid, device)] }),
            }
        }
        for set in &mut sets {
            set.devices.sort_by_key(|(devid, _)| *devid);
        }
        Ok(sets)
    }

    /// The device by which a filesystem is known: the first one, if it lies on several.
    pub(super) fn main_device(&self, device: &BStr) -> Result<BString> {
        Ok(self.members(device)?.first().map_or_else(|| device.to_owned(), |(_, name)| name.clone()))
    }

    /// The devices that the filesystem on `device` lies on, in order.
    pub(super) fn devices_of_filesystem(&self, device: &BStr) -> Result<Vec<BString>> {
        let members = self.members(device)?;
        if members.is_empty() {
            return Ok(vec![device.to_owned()]);
        }
        Ok(members.iter().map(|(_, name)| name.clone()).collect())
    }

    /// The filesystem on a device, opened or still open.
    pub(super) fn filesystem(&mut self, device: &BStr) -> Result<Arc<dyn Filesystem>> {
        if let Some(fs) = self.filesystems.get(device) {
            return Ok(Arc::clone(fs));
        }
        let source = self.open(device)?;
        // What is no filesystem is told apart from what an appliance could mount.
        let probe = self.probe(device)?.filter(|probe| probe.usage == disk::probe::Usage::Filesystem);
        let kind = probe.ok_or_else(|| wrong_filesystem(device))?.kind;
        let mut members = Vec::new();
        let mut main = device.to_owned();
        if kind == "btrfs" {
            main = self.main_device(device)?;
            if let Some(fs) = self.filesystems.get(&main) {
                return Ok(Arc::clone(fs));
            }
            members =
                self.members(device)?.iter().filter_map(|(_, name)| self.open(name.as_bstr()).ok()).collect();
        }
        let fs = disk::fs::open_with(source, &members).map_err(|e| Failure::disk(device, e))?;
        if self.filesystems.len() >= MAX_OPEN_FILESYSTEMS {
            self.filesystems.clear();
        }
        self.filesystems.insert(main, Arc::clone(&fs));
        Ok(fs)
    }
}

/// The number of device-mapper's device of that minor number.
fn mapped_number(minor: Result<usize>) -> DeviceNumber {
    let Ok(minor) = minor else { return DeviceNumber::default() };
    DeviceNumber { major: DEVICE_MAPPER_MAJOR, minor: u32::try_from(minor).unwrap_or(u32::MAX) }
}

fn with_volume<T>(
    volumes: &Volumes,
    group: usize,
    volume: usize,
    give: impl FnOnce(&VolumeGroup, &LogicalVolume) -> Result<T>,
) -> Result<T> {
    let group = volumes.groups.get(group).ok_or(Errno::ENOENT)?;
    give(group, group.volumes.get(volume).ok_or(Errno::ENOENT)?)
}
