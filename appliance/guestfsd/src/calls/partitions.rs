//! Partitions and their tables.

use std::sync::Arc;

use bstr::{BStr, BString};
use disk::ReadAt;
use disk::partition::{self, PartitionType, Scheme, Table};
use libguestfs_core::Result;
use libguestfs_core::api::Partition;

use super::wire;
use crate::Guestfsd;
use crate::engine::PartitionDevice;
use crate::error::{At, Failure, refused};

impl Guestfsd {
    pub(crate) fn list_partitions(&mut self) -> Result<Vec<BString>> {
        let partitions = self.engine.partitions().map_err(Failure::alone)?;
        Ok(partitions.into_iter().map(|partition| partition.name).collect())
    }

    fn table(&self, device: &BStr) -> Result<Option<Arc<Table>>> {
        self.engine.partition_table(device).at(device)
    }

    /// Does a filesystem begin at the start of the device? parted calls that a table of kind `loop`.
    fn is_loop(&self, device: &BStr) -> Result<bool> {
        Ok(self.probe(device)?.is_some_and(|p| p.usage == disk::probe::Usage::Filesystem))
    }

    /// In the order of their place on the disk, as parted has them.
    pub(crate) fn part_list(&mut self, device: &BStr) -> Result<Vec<Partition>> {
        let device = self.device(device)?;
        let one = |number: u32, start: u64, len: u64| Partition {
            part_num: number.cast_signed(),
            part_start: wire(start),
            part_end: wire(start.saturating_add(len).saturating_sub(1)),
            part_size: wire(len),
        };
        match self.table(device.as_ref())? {
            Some(table) => {
                let mut list: Vec<_> =
                    table.partitions.iter().map(|p| one(p.number, p.start, p.len)).collect();
                list.sort_by_key(|p| (p.part_start, p.part_num));
                Ok(list)
            }
            None if self.is_loop(device.as_ref())? => {
                Ok(vec![one(1, 0, self.engine.open_block(device.as_ref()).at(&device)?.len())])
            }
            None => Err(no_table(&device)),
        }
    }

    pub(crate) fn part_get_parttype(&mut self, device: &BStr) -> Result<BString> {
        let device = self.device(device)?;
        match self.table(device.as_ref())? {
            Some(table) => Ok(table.scheme.name().into()),
            None if self.is_loop(device.as_ref())? => {
                Err(refused(format!("{device}: not a partitioned device")))
            }
            None => Err(no_table(&device)),
        }
    }

    fn partition(&self, device: &BStr, number: i32) -> Result<(Scheme, partition::Partition)> {
        let device = self.device(device)?;
        let table = self.table(device.as_ref())?.ok_or_else(|| no_table(&device))?;
        let found = u32::try_from(number).ok().and_then(|number| table.partition(number).cloned());
        Ok((table.scheme, found.ok_or_else(|| refused(format!("partition number {number} not found")))?))
    }

    fn gpt_partition(&self, call: &str, device: &BStr, number: i32) -> Result<partition::Partition> {
        match self.partition(device, number)? {
            (Scheme::Gpt, partition) => Ok(partition),
            (Scheme::Mbr, _) => Err(refused(format!("{call} can only be used on GUID Partition Tables"))),
        }
    }

    pub(crate) fn part_get_bootable(&mut self, device: &BStr, partnum: i32) -> Result<bool> {
        Ok(self.partition(device, partnum)?.1.bootable)
    }

    pub(crate) fn part_get_mbr_id(&mut self, device: &BStr, partnum: i32) -> Result<i32> {
        match self.partition(device, partnum)?.1.partition_type {
            PartitionType::Mbr(id) => Ok(i32::from(id)),
            PartitionType::Gpt(_) => Err(refused("part_get_mbr_id can only be used on MBR Partitions")),
        }
    }

    pub(crate) fn part_get_mbr_part_type(&mut self, device: &BStr, partnum: i32) -> Result<BString> {
        Ok(self.partition(device, partnum)?.1.kind.name().into())
    }

    pub(crate) fn part_get_gpt_type(&mut self, device: &BStr, partnum: i32) -> Result<BString> {
        match self.gpt_partition("part_get_gpt_type", device, partnum)?.partition_type {
            PartitionType::Gpt(guid) => Ok(upper_case(&guid)),
            PartitionType::Mbr(_) => Err(refused("the partition has no type GUID")),
        }
    }

    pub(crate) fn part_get_gpt_guid(&mut self, device: &BStr, partnum: i32) -> Result<BString> {
        let partition = self.gpt_partition("part_get_gpt_guid", device, partnum)?;
        Ok(partition.guid.map(|guid| upper_case(&guid)).unwrap_or_default())
    }

    pub(crate) fn part_get_gpt_attributes(&mut self, device: &BStr, partnum: i32) -> Result<i64> {
        Ok(wire(self.gpt_partition("part_get_gpt_attributes", device, partnum)?.attributes))
    }

    pub(crate) fn part_get_name(&mut self, device: &BStr, partnum: i32) -> Result<BString> {
        Ok(self.gpt_partition("part-get-name", device, partnum)?.name.unwrap_or_default())
    }

    pub(crate) fn part_get_disk_guid(&mut self, device: &BStr) -> Result<BString> {
        let device = self.device(device)?;
        let table = self.table(device.as_ref())?.ok_or_else(|| no_table(&device))?;
        let guid = table
            .disk_guid
            .ok_or_else(|| refused("part_get_disk_guid can only be used on GUID Partition Tables"))?;
        Ok(upper_case(&guid))
    }

    fn as_partition(&self, device: &BStr) -> Result<PartitionDevice> {
        let device = self.device(device)?;
        let found = self.engine.partitions().at(&device)?.into_iter().find(|p| p.name == device);
        found.ok_or_else(|| refused("device name is not a partition"))
    }

    pub(crate) fn part_to_dev(&mut self, partition: &BStr) -> Result<BString> {
        Ok(self.as_partition(partition)?.parent)
    }

    pub(crate) fn part_to_partnum(&mut self, partition: &BStr) -> Result<i32> {
        Ok(self.as_partition(partition)?.number.cast_signed())
    }
}

/// What parted says of a device without a table.
fn no_table(device: &BString) -> libguestfs_core::Error {
    refused(format!("parted exited with status 1: Error: {device}: unrecognised disk label"))
}

fn upper_case(guid: &partition::Guid) -> BString {
    format!("{guid:X}").into()
}
