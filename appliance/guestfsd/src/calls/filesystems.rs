//! What devices hold: filesystems, their labels and UUIDs.

use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::ErrorKind;
use disk::partition::{Guid, Kind, PartitionType};
use disk::probe::Probe;
use libguestfs_core::api::Hashtable;
use libguestfs_core::{Error, Result};

use crate::Guestfsd;
use crate::engine::{Mountable, PartitionDevice};
use crate::error::{At, Failure, refused};

/// What `list_filesystems` calls a content that it can't name.
const UNKNOWN: &str = "unknown";

/// GPT types of partitions that hold no filesystem of their own (daemon/listfs.ml).
const SKIPPED_TYPES: [&str; 4] = [
    // Windows logical disk manager: metadata, data.
    "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3",
    "AF9B60A0-1431-4F62-BC68-3311714A69AD",
    // Microsoft reserved.
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
    // Windows snapshot.
    "CADDEBF1-4400-4DE8-B103-12117DCF3CCF",
];

impl Guestfsd {
    /// What blkid finds on a device with a canonical name.
    pub(super) fn probe(&self, device: &BStr) -> Result<Option<Arc<Probe>>> {
        self.engine.probe(device).at(device)
    }

    fn probe_mountable(&self, mountable: &BStr) -> Result<Option<Arc<Probe>>> {
        // Subvolumes are the filesystem that they are in.
        let mountable = self.mountable(mountable)?;
        self.probe(mountable.device())
    }

    pub(crate) fn vfs_type(&mut self, mountable: &BStr) -> Result<BString> {
        Ok(self.probe_mountable(mountable)?.map(|p| p.kind.into()).unwrap_or_default())
    }

    pub(crate) fn vfs_label(&mut self, mountable: &BStr) -> Result<BString> {
        Ok(self.probe_mountable(mountable)?.and_then(|p| p.label.clone()).unwrap_or_default())
    }

    pub(crate) fn vfs_uuid(&mut self, mountable: &BStr) -> Result<BString> {
        Ok(self
            .probe_mountable(mountable)?
            .and_then(|p| p.uuid.clone())
            .map(BString::from)
            .unwrap_or_default())
    }

    pub(crate) fn get_e2label(&mut self, device: &BStr) -> Result<BString> {
        self.vfs_label(device)
    }

    pub(crate) fn get_e2uuid(&mut self, device: &BStr) -> Result<BString> {
        self.vfs_uuid(device)
    }

    /// Whole disks without partitions, partitions, arrays, logical volumes, other mappings, volumes and partitions of dynamic
    /// disks: each that may hold a filesystem.
    pub(crate) fn list_filesystems(&mut self) -> Result<Hashtable> {
        let partitions = self.engine.partitions().at("list_filesystems")?;
        let mut list = Vec::new();
        for disk in self.engine.disks() {
            if !partitions.iter().any(|p| p.parent == disk) {
                self.add_filesystem(disk, &mut list)?;
            }
        }
        for partition in &partitions {
            if !self.holds_no_filesystem(partition)? {
                self.add_filesystem(partition.name.clone(), &mut list)?;
            }
        }
        for array in self.engine.arrays().at("list_filesystems")? {
            if !partitions.iter().any(|p| p.parent == array) {
                self.add_filesystem(array, &mut list)?;
            }
        }
        let dynamic = [self.list_ldm_volumes()?, self.list_ldm_partitions()?].concat();
        let mut mappings = self.mappings()?;
        mappings.retain(|device| !dynamic.contains(device));
        let columns = if dynamic.is_empty() { Vec::new() } else { self.raid5_columns()? };
        for volume in self.lvs()?.into_iter().chain(mappings).chain(dynamic) {
            // The first column begins as the volume does, and is no filesystem for that.
            if columns.contains(&volume) {
                list.push((volume, UNKNOWN.into()));
            } else {
                self.add_filesystem(volume, &mut list)?;
            }
        }
        Ok(Hashtable(list))
    }

    /// Does the table say that the partition is not for a filesystem?
    fn holds_no_filesystem(&self, partition: &PartitionDevice) -> Result<bool> {
        let table = self.engine.partition_table(partition.parent.as_bstr()).at(&partition.parent)?;
        // The parts of volumes hold none of their own, whichever table the disk has. (The original looks for them in the MBR,
        // and the whole list fails because they are not there.)
        if table.as_ref().is_some_and(|table| table.is_dynamic()) {
            return Ok(true);
        }
        let Some(entry) = table.as_ref().and_then(|t| t.partition(partition.number)) else {
            return Ok(false);
        };
        Ok(match entry.partition_type {
            PartitionType::Mbr(_) => entry.kind == Kind::Extended,
            PartitionType::Gpt(guid) => skipped(guid),
        })
    }

    /// Adds what is on a device. What can't be read here is listed too, by what is known of it: asking for more (its type,
    /// a mount) tells why.
    fn add_filesystem(&mut self, device: BString, list: &mut Vec<(BString, BString)>) -> Result<()> {
        let kind = match self.engine.probe(device.as_bstr()) {
            Ok(found) => found.map_or(UNKNOWN, |p| p.kind),
            // A volume that lacks a disk, or that is of a kind for an appliance, has no content that could be named.
            Err(Failure::Os(_) | Failure::Text(..) | Failure::NeedsAppliance(_)) => UNKNOWN,
            Err(Failure::Disk { .. }) => UNKNOWN,
        };
        if kind.ends_with("_member") || kind == "crypto_LUKS" || kind == "BitLocker" {
            return Ok(());
        }
        let subvolumes = if kind == "btrfs" { self.other_subvolumes(&device)? } else { Vec::new() };
        list.push((device, kind.into()));
        list.extend(subvolumes.into_iter().map(|mountable| (mountable, kind.into())));
        Ok(())
    }

    /// The subvolumes of a btrfs filesystem that are not mounted with it, as mountables. The original names those that lie
    /// in the default one by their paths in that, by which nothing mounts them.
    fn other_subvolumes(&mut self, device: &BString) -> Result<Vec<BString>> {
        let subvolumes = match self.engine.subvolumes(&Mountable::Device(device.clone())) {
            Ok(subvolumes) => subvolumes,
            // A mount of the device fails alike.
            Err(_) => return Ok(Vec::new()),
        };
        let others = subvolumes.list.into_iter().filter(|s| s.id != subvolumes.default);
        Ok(others
            .map(|s| Mountable::BtrfsVolume { device: device.clone(), volume: s.path }.to_name())
            .collect())
    }

    /// All devices that can hold something, in the order of `list_filesystems`.
    pub(super) fn all_devices(&self) -> Result<Vec<BString>> {
        let mut devices = self.engine.disks();
        devices.extend(self.engine.partitions().at("list_partitions")?.into_iter().map(|p| p.name));
        devices.extend(self.engine.arrays().at("list_md_devices")?);
        devices.extend(self.logical_volumes()?);
        devices.extend(self.mappings()?);
        Ok(devices)
    }

    /// A snapshot of a volume has the names of the volume, which comes first.
    fn find_filesystem(&self, tag: &str, value: &BStr, wanted: impl Fn(&Probe) -> bool) -> Result<BString> {
        let mut on_snapshot = None;
        for device in self.all_devices()? {
            if self.engine.open_block(device.as_bstr()).is_err() {
                continue;
            }
            let probe = match self.engine.probe(device.as_bstr()) {
                // As to blkid, what is damaged or can't be read has no name.
                Err(Failure::Disk { error, .. }) if error.kind() != ErrorKind::Unsupported => None,
                probe => probe.at(&device)?,
            };
            if probe.is_some_and(|p| wanted(&p)) {
                if self.origin(device.as_bstr()).is_none() {
                    return Ok(device);
                }
                on_snapshot = on_snapshot.or(Some(device));
            }
        }
        if let Some(device) = on_snapshot {
            return Ok(device);
        }
        Err(unresolved(tag, value))
    }

    pub(crate) fn findfs_uuid(&mut self, uuid: &BStr) -> Result<BString> {
        self.find_filesystem("UUID", uuid, |p| p.uuid.as_ref().is_some_and(|u| uuid == u.as_str()))
    }

    pub(crate) fn findfs_label(&mut self, label: &BStr) -> Result<BString> {
        self.find_filesystem("LABEL", label, |p| p.label.as_ref().is_some_and(|l| l == label))
    }

    fn find_partition(
        &self,
        tag: &str,
        value: &BStr,
        wanted: impl Fn(&disk::partition::Partition) -> bool,
    ) -> Result<BString> {
        for PartitionDevice { name, parent, number } in self.engine.partitions().at("list_partitions")? {
            let table = self.engine.partition_table(parent.as_bstr()).at(&parent)?;
            let entry = table.as_ref().filter(|t| !t.is_dynamic()).and_then(|t| t.partition(number));
            if entry.is_some_and(&wanted) {
                return Ok(name);
            }
        }
        Err(unresolved(tag, value))
    }

    pub(crate) fn findfs_partuuid(&mut self, uuid: &BStr) -> Result<BString> {
        self.find_partition("PARTUUID", uuid, |p| {
            p.uuid.as_ref().is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(uuid))
        })
    }

    pub(crate) fn findfs_partlabel(&mut self, label: &BStr) -> Result<BString> {
        self.find_partition("PARTLABEL", label, |p| p.name.as_ref().is_some_and(|n| n == label))
    }
}

fn skipped(guid: Guid) -> bool {
    let text = guid.to_string();
    SKIPPED_TYPES.iter().any(|skipped| text.eq_ignore_ascii_case(skipped))
}

/// What findfs(8) says.
fn unresolved(tag: &str, value: &BStr) -> Error {
    refused(format!("findfs exited with status 1: findfs: unable to resolve '{tag}={value}'"))
}
