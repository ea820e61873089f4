//! What names the parts of a disk: partition tables, LVM2 metadata, superblocks.

use std::sync::Arc;

use bstr::BString;
use disk::{MemSource, ReadAt, partition, probe as probing, volume};

use crate::source::Padded;

/// Size in bytes of the disk that a partition table is read from.
const DISK: u64 = 256 << 20;
/// More partitions than that would be more than the largest table that is read can name (GPT: 4096 entries).
const MOST_PARTITIONS: usize = 4096;

/// A partition table: every partition that is opened lies within the disk, and numbers come up once.
pub(crate) fn partition(data: &[u8]) {
    let disk = Arc::new(Padded { data: data.to_vec(), len: DISK });
    let Ok(Some(table)) = partition::read(&disk) else { return };
    assert!(table.partitions.len() <= MOST_PARTITIONS, "{} partitions", table.partitions.len());
    let mut numbers: Vec<_> = table.partitions.iter().map(|partition| partition.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), table.partitions.len(), "partition numbers come up once");
    for partition in &table.partitions {
        let device = partition.open(disk.clone());
        let inside = partition.start.checked_add(device.len()).is_some_and(|end| end <= DISK);
        assert!(inside || device.is_empty(), "partition {} goes past the disk", partition.number);
        if device.len() >= 512 {
            let mut last = [0; 512];
            assert!(
                device.read_at(device.len() - 512, &mut last).is_ok(),
                "a partition can be read to its end"
            );
        }
    }
}

/// A physical volume: logical volumes that open can be read where they say, and give the same twice.
pub(crate) fn lvm2(data: &[u8]) {
    let source: Arc<dyn ReadAt> = Arc::new(Padded { data: data.to_vec(), len: DISK });
    let devices = [(BString::from("/dev/sda1"), source)];
    let Ok(volumes) = volume::lvm2::scan(&devices) else { return };
    for group in &volumes.groups {
        for logical in &group.volumes {
            let Ok(device) = logical.open() else { continue };
            if device.len() < 4096 {
                continue;
            }
            let mut buffers = [[0; 4096]; 2];
            for start in [0, device.len() - 4096] {
                let results = buffers.each_mut().map(|buffer| device.read_at(start, buffer).is_ok());
                assert_eq!(results[0], results[1]);
                assert_eq!(buffers[0], buffers[1]);
            }
            assert!(device.read_at(device.len(), &mut [0]).is_err(), "a volume ends where it says");
        }
    }
}

/// A superblock of any kind: the answer is the same twice, and its texts are bounded by what superblocks hold.
pub(crate) fn probe(data: &[u8]) {
    let source = MemSource::new(data);
    let Ok(found) = probing::probe(&source) else { return };
    assert_eq!(found, probing::probe(&source).ok().flatten());
    if let Some(found) = found {
        assert!(!found.kind.is_empty());
        assert!(found.label.is_none_or(|label| label.len() <= 4096), "a label longer than any superblock's");
    }
}
