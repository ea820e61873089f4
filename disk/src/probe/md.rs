//! Members of Linux software RAID (md(4); Linux's `include/uapi/linux/raid/md_p.h`).
//!
//! ```text
//! version   superblock
//! 0.90      at the last multiple of 64 KiB that leaves 64 KiB after it, in the writer's byte order
//! 1.0       at a multiple of 4 KiB, at least 8 KiB before the end
//! 1.1       at the start
//! 1.2       4 KiB after the start
//! ```

use super::{Details, Magic, Prober, Reader, Usage, label, uuid};
use crate::bytes::Fields;
use crate::{Result, partition};

pub(super) const PROBERS: &[Prober] = &[Prober::new("linux_raid_member", Usage::Raid, &[], linux_raid)];

const MAGIC: u32 = 0xa92b_4efc;
/// What version 0.90 keeps for itself at the end, and its unit (bytes).
const V0_RESERVED: u64 = 64 << 10;
/// From this minor version on, version 0's identifier has all four words.
const V0_LONG_UUID: u32 = 90;
/// Where version 1.0 lies: its unit and its least distance from the end (bytes).
const V1_UNIT: u64 = 4 << 10;
const V1_FROM_END: u64 = 8 << 10;
/// The part of a superblock of either version that is read (bytes).
const SUPERBLOCK: usize = 256;

fn round_down(n: u64, unit: u64) -> u64 {
    n.saturating_sub(n.checked_rem(unit).unwrap_or(0))
}

fn linux_raid(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let len = reader.len();
    let mut places = vec![(0, "1.1"), (V1_UNIT, "1.2")];
    if len > V0_RESERVED {
        if let Some(found) = version0(reader, round_down(len, V0_RESERVED).saturating_sub(V0_RESERVED))? {
            return Ok(Some(found));
        }
        places.insert(0, (round_down(len, V1_UNIT).saturating_sub(V1_FROM_END), "1.0"));
    }
    for (at, version) in places {
        // One that runs past the end is none.
        let Ok(superblock) = reader.bytes(at, SUPERBLOCK) else { continue };
        let valid = superblock.le32(0)? == MAGIC
            && superblock.le32(4)? == 1
            && superblock.le64(144)?.checked_mul(512) == Some(at);
        if valid {
            return Ok(Some(Details {
                label: label(superblock.slice(32, 32)?),
                uuid: uuid(&superblock, 16)?,
                uuid_sub: uuid(&superblock, 168)?,
                version: Some(version.to_owned()),
                ..Details::default()
            }));
        }
    }
    Ok(None)
}

fn version0(reader: &mut Reader<'_>, at: u64) -> Result<Option<Details>> {
    let superblock = reader.bytes(at, SUPERBLOCK)?;
    let little = superblock.le32(0)? == MAGIC;
    if !little && superblock.be32(0)? != MAGIC {
        return Ok(None);
    }
    let word = |number: usize| {
        superblock.array(number.saturating_mul(4)).map(|bytes: [u8; 4]| number_of(bytes, little))
    };
    let used = u64::from(word(8)?).saturating_mul(1024);
    if reader.len() < used.saturating_add(V0_RESERVED) || at < used || in_a_partition(reader, at, used) {
        return Ok(None);
    }
    let (major, minor, patch) = (word(1)?, word(2)?, word(3)?);
    let last = if minor >= V0_LONG_UUID { [word(13)?, word(14)?, word(15)?] } else { [0; 3] };
    let mut identifier = word(5)?.to_be_bytes().to_vec();
    identifier.extend(last.into_iter().flat_map(u32::to_be_bytes));
    Ok(Some(Details {
        uuid: uuid(&identifier, 0)?,
        version: Some(format!("{major}.{minor}.{patch}")),
        ..Details::default()
    }))
}

fn number_of(bytes: [u8; 4], little: bool) -> u32 {
    if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
}

/// A superblock of the last partition of a disk lies where one of the whole disk would: it is the partition's if that
/// covers `used` bytes before it and its own space.
fn in_a_partition(reader: &Reader<'_>, at: u64, used: u64) -> bool {
    let (start, end) = (at.saturating_sub(used), at.saturating_add(V0_RESERVED));
    let Ok(Some(table)) = partition::read(reader.source) else { return false };
    table.partitions.iter().any(|p| p.start <= start && end <= p.start.saturating_add(p.len))
}
