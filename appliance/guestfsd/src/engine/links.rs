//! udev's links under `/dev/disk`, which no udev makes here: `by-label`, `by-uuid`, `by-partlabel`, `by-partuuid`, and
//! the labels that callers give to disks (`guestfs`).

use bstr::{BStr, BString, ByteSlice};
use disk::partition::Partition;
use disk::probe::Probe;
use libguestfs_core::inspect::udev_unescape;

use super::{Engine, PartitionDevice, Result};

/// The canonical name of the device that a link leads to, of `all` the devices that there are.
pub(super) fn resolve(engine: &dyn Engine, all: &[BString], name: &BStr) -> Result<Option<BString>> {
    let Some(link) = name.strip_prefix(b"/dev/disk/") else { return Ok(None) };
    let Some((by, value)) = link.split_once_str("/") else { return Ok(None) };
    let value = udev_unescape(value);
    match by {
        b"guestfs" => {
            Ok(engine.disk_labels()?.into_iter().find(|(label, _)| *label == value).map(|(_, device)| device))
        }
        b"by-label" => filesystem(engine, all, |probe| probe.label.as_ref() == Some(&value)),
        b"by-uuid" => {
            filesystem(engine, all, |probe| probe.uuid.as_ref().is_some_and(|u| u.as_bytes() == value))
        }
        b"by-partlabel" => partition(engine, |p| p.name.as_ref() == Some(&value)),
        b"by-partuuid" => partition(engine, |p| p.uuid.as_ref().is_some_and(|u| u.as_bytes() == value)),
        _ => Ok(None),
    }
}

/// The first device whose content is as wanted.
fn filesystem(
    engine: &dyn Engine,
    all: &[BString],
    wanted: impl Fn(&Probe) -> bool,
) -> Result<Option<BString>> {
    for name in all {
        if engine.probe(name.as_bstr())?.is_some_and(|probe| wanted(&probe)) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

fn partition(engine: &dyn Engine, wanted: impl Fn(&Partition) -> bool) -> Result<Option<BString>> {
    for PartitionDevice { name, parent, number } in engine.partitions()? {
        let table = engine.partition_table(parent.as_bstr())?;
        if table.as_ref().and_then(|t| t.partition(number)).is_some_and(&wanted) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
