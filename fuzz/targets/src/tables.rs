//! What names the parts of a disk: partition tables, LVM2 metadata, databases of dynamic disks, superblocks.

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
            if let Ok(device) = logical.open() {
                read_ends(&device);
            }
        }
    }
}

/// Both ends of a volume read the same twice, and nothing is behind.
pub(crate) fn read_ends(device: &Arc<dyn ReadAt>) {
    if device.len() < 4096 {
        return;
    }
    let mut buffers = [[0; 4096]; 2];
    for start in [0, device.len() - 4096] {
        let results = buffers.each_mut().map(|buffer| device.read_at(start, buffer).is_ok());
        assert_eq!(results[0], results[1]);
        assert_eq!(buffers[0], buffers[1]);
    }
    assert!(device.read_at(device.len(), &mut [0]).is_err(), "a volume ends where it says");
}

/// Where in a dynamic disk with an MBR its own identifier stands.
pub(crate) const LDM_DISK: usize = 6 * 512 + 0x30;
/// Disks of a group that are made from one.
const LDM_DISKS: usize = 8;

/// A dynamic disk, once for each disk that its database knows: volumes that open can be read as they say, and a volume is
/// only as large as what its partitions can hold.
pub(crate) fn ldm(data: &[u8]) {
    let disk = |data: Vec<u8>| -> Arc<dyn ReadAt> { Arc::new(Padded { data, len: DISK }) };
    let alone = [(BString::from("/dev/sda"), disk(data.to_vec()))];
    let partitions = volume::ldm::partitions(&alone[0].1).ok().flatten().unwrap_or_default();
    assert!(partitions.iter().all(|(start, len)| start + len <= DISK), "a partition goes past the disk");
    let found = volume::ldm::scan(&alone);
    let known = found.groups.iter().flat_map(|group| &group.disks).take(LDM_DISKS);
    let mut disks = Vec::new();
    for (number, known) in known.enumerate() {
        let mut copy = data.to_vec();
        let guid = known.guid.to_string();
        if let Some(field) = copy.get_mut(LDM_DISK..LDM_DISK + guid.len()) {
            field.copy_from_slice(guid.as_bytes());
        }
        disks.push((BString::from(format!("/dev/sd{number}")), disk(copy)));
    }
    let found = volume::ldm::scan(&disks);
    for group in &found.groups {
        for volume in &group.volumes {
            let Ok(device) = volume.open() else { continue };
            let held: u64 = volume.partitions.iter().map(|part| group.partitions[*part].len).sum();
            assert!(device.len() <= held, "{} bytes of {held}", device.len());
            read_ends(&device);
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

/// Bytes of a superblock of software RAID in a seed, and where it lies on a member.
pub(crate) const MD_SUPERBLOCK: usize = 512;
pub(crate) const MD_AT: usize = 4096;
/// Size of a member, and the most of them.
const MD_MEMBER: u64 = 640 << 10;
const MD_MEMBERS: usize = 8;
/// Where the checksum and the number of roles after the first 256 bytes are.
const MD_CHECKSUM: usize = 216;
const MD_ROLES: usize = 220;

/// Members of arrays, one superblock of version 1.2 after the other, whose checksums are made right: what opens is no larger than
/// its members, and can be read as it says.
pub(crate) fn md(data: &[u8]) {
    let member = |(number, superblock): (usize, &[u8])| -> (BString, Arc<dyn ReadAt>) {
        let mut bytes = vec![0; MD_AT];
        bytes.extend_from_slice(superblock);
        bytes.resize(MD_AT + MD_SUPERBLOCK, 0);
        seal(&mut bytes[MD_AT..]);
        (format!("/dev/sd{number}").into(), Arc::new(Padded { data: bytes, len: MD_MEMBER }))
    };
    let members: Vec<_> = data.chunks(MD_SUPERBLOCK).take(MD_MEMBERS).enumerate().map(member).collect();
    let Ok(found) = volume::md::scan(&members) else { return };
    for array in &found.arrays {
        assert!(array.members.len() <= members.len());
        let Ok(device) = array.open() else { continue };
        let held = MD_MEMBER * array.members.len() as u64;
        assert!(device.len() <= held, "{} bytes of {held}", device.len());
        read_ends(&device);
    }
}

fn seal(superblock: &mut [u8]) {
    let [a, b, ..] = superblock[MD_ROLES..] else { return };
    let len = 256 + 2 * usize::from(u16::from_le_bytes([a, b]));
    superblock[MD_CHECKSUM..MD_CHECKSUM + 4].fill(0);
    let Some(summed) = superblock.get(..len) else { return };
    let (words, rest) = summed.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    if let [low, high] = rest {
        sum += u64::from(u16::from_le_bytes([*low, *high]));
    }
    let folded = (sum & 0xffff_ffff) + (sum >> 32);
    let [a, b, c, d, ..] = folded.to_le_bytes();
    superblock[MD_CHECKSUM..MD_CHECKSUM + 4].copy_from_slice(&[a, b, c, d]);
}
