//! Windows dynamic disks among the devices: volumes and partitions by the names under which ldmtool makes them.

use std::sync::Arc;

use bstr::{BStr, BString};
use disk::volume::ldm::{DiskGroup, DynamicDisks};
use disk::{ErrorKind, ReadAt};
use nix::errno::Errno;

use crate::engine::{Result, names};
use crate::error::Failure;

/// A volume or partition of a group, by its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Volume(usize),
    Partition(usize),
}

/// Volumes and partitions with a device, with their groups: in the order in which `ldmtool create all` makes them, so that they
/// are numbered in that order. A volume comes after its partitions.
fn members(disks: &DynamicDisks) -> impl Iterator<Item = (usize, Member)> + '_ {
    disks.groups.iter().enumerate().flat_map(|(index, group)| {
        let volumes = group.volumes.iter().enumerate();
        volumes.flat_map(move |(number, volume)| {
            let has_device = |part: &&usize| group.partitions.get(**part).is_some_and(|p| p.has_device);
            let parts = volume.partitions.iter().filter(has_device).map(|part| Member::Partition(*part));
            parts.chain([Member::Volume(number)]).map(move |member| (index, member))
        })
    })
}

fn name_in(group: &DiskGroup, member: Member) -> Option<BString> {
    let (prefix, name) = match member {
        Member::Volume(index) => (names::LDM_VOLUME, &group.volumes.get(index)?.name),
        Member::Partition(index) => (names::LDM_PARTITION, &group.partitions.get(index)?.name),
    };
    Some(names::ldm(prefix, &group.name, name))
}

/// The name of a member's device.
pub(super) fn name(disks: &DynamicDisks, group: usize, member: Member) -> Option<BString> {
    name_in(disks.groups.get(group)?, member)
}

/// The names of all devices.
pub(crate) fn all_names(disks: &DynamicDisks) -> Vec<BString> {
    members(disks).filter_map(|(group, member)| name(disks, group, member)).collect()
}

/// The member whose device has that name. Of two groups of one name, the first counts.
pub(super) fn find(disks: &DynamicDisks, wanted: &BStr) -> Option<(usize, Member)> {
    members(disks).find(|(group, member)| name(disks, *group, *member).is_some_and(|name| name == wanted))
}

/// How many devices were made before that of a member.
pub(super) fn position(disks: &DynamicDisks, group: usize, member: Member) -> usize {
    members(disks).take_while(|place| *place != (group, member)).count()
}

/// What the device of a member holds.
pub(super) fn open(
    disks: &DynamicDisks,
    group: usize,
    member: Member,
    device: &BStr,
) -> Result<Arc<dyn ReadAt>> {
    let group = disks.groups.get(group).ok_or(Errno::ENOENT)?;
    let source = match member {
        Member::Volume(index) => group.volumes.get(index).ok_or(Errno::ENOENT)?.open(),
        Member::Partition(index) => group.partitions.get(index).ok_or(Errno::ENOENT)?.open(),
    };
    source.map_err(|error| match error.kind() {
        // The device is there, what it lies on is not: the words say which disk.
        ErrorKind::NotFound => Failure::Text(Errno::ENXIO, error.to_string()),
        _ => Failure::disk(device, error),
    })
}
