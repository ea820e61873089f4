//! Logical volumes that are made of others: RAID (device-mapper's `raid`) and mirrors (its `mirror`).
//!
//! ```text
//! raid5 ── rimage_0, rimage_1, rimage_2   the columns
//!       └─ rmeta_0, rmeta_1, rmeta_2      a superblock each, which says whether its column is up to date
//! ```
//!
//! Only volumes that are whole are read: all columns there, in step, and none of them failed, being made up to date or reshaped.
//! All others are `Unsupported`. A mirror is read from its first leg, which is the one that the others are made like.
//!
//! Facts are from the kernel's Documentation/admin-guide/device-mapper/dm-raid.rst and the metadata of volumes that were made;
//! superblocks are those that the kernel wrote to them.

use std::sync::Arc;

use bstr::BString;

use super::metadata::{Lv, Metadata, Segment};
use super::{Devices, bytes, map_areas, refuse_what_is_more_than_its_segments};
use crate::bytes::Fields;
use crate::volume::map::{AreaMap, Mapped};
use crate::volume::redundant::{Copies, CopyLayout, Mirror, Parity, ParityLayout};
use crate::{Error, ReadAt, Result};

/// What a superblock begins with.
const MAGIC: &[u8] = b"DmRd";
/// Bytes of a superblock that are looked at.
const SUPERBLOCK: usize = 512;
/// What says that there is nothing left to do.
const DONE: u64 = u64::MAX;
/// Bit of the features that says that the fields of a reshape are there.
const HAS_RESHAPE: u32 = 1;
/// Most columns (the kernel's `MAX_RAID_DEVICES`).
const MAX_COLUMNS: usize = 253;

/// A column's superblock, but for what must be as it is in a volume that is whole.
#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    columns: u32,
    events: u64,
    level: u32,
    layout: u32,
    chunk: u32,
}

/// Is a segment of this type made of other logical volumes here?
pub(super) fn is_raid(kind: &[u8]) -> bool {
    kind == b"mirror" || kind.starts_with(b"raid")
}

fn unsupported(kind: &BString, why: &str) -> Error {
    Error::unsupported(format!("LVM2 segment of type {kind}: {why}"))
}

/// The bytes of the only segment of a logical volume.
pub(super) fn open(metadata: &Metadata, lv: &Lv, devices: &Devices<'_>) -> Result<Arc<dyn ReadAt>> {
    let [segment] = lv.segments.as_slice() else {
        return Err(Error::unsupported("LVM2 volume of several segments, one of which is of type raid"));
    };
    let kind = &segment.kind;
    if !segment.kind_flags.is_empty() {
        return Err(Error::unsupported(format!("LVM2 segment of type {kind} with flags")));
    }
    let extent = bytes(metadata.extent_size)?;
    let len =
        segment.extents.checked_mul(extent).ok_or_else(|| Error::corrupt("LVM2: more than 2^64 bytes"))?;
    let volume = |name: &BString| part(metadata, lv, name, devices);
    if kind == "mirror" {
        let first = segment.mirrors.first().filter(|leg| leg.start == 0);
        let leg = volume(&first.ok_or_else(|| unsupported(kind, "no first leg"))?.volume)?;
        return Ok(Arc::new(Mirror::new(vec![leg], len)?));
    }
    for reshaped in ["reshape_count", "data_offset", "delta_disks"] {
        if segment.number(reshaped).is_some() {
            return Err(unsupported(kind, "it was reshaped"));
        }
    }
    let (superblocks, images) = columns(segment)?;
    let images: Vec<Arc<dyn ReadAt>> = images.into_iter().map(volume).collect::<Result<_>>()?;
    let chunk = bytes(segment.stripe_size)?;
    if kind == "raid0" || kind == "raid0_meta" {
        let mut mapped = Mapped::new();
        let areas = images.into_iter().map(|source| AreaMap { source, start: 0 }).collect();
        mapped.push(len, areas, chunk)?;
        return Ok(Arc::new(mapped));
    }
    let mut known: Option<Superblock> = None;
    for (position, name) in superblocks.into_iter().enumerate() {
        let found = superblock(&volume(name)?, position).map_err(|e| e.context(format!("{name}")))?;
        if known.as_ref().is_some_and(|known| *known != found) {
            return Err(unsupported(kind, "its columns are not in step"));
        }
        known = Some(found);
    }
    let shape = known.ok_or_else(|| unsupported(kind, "it has no superblocks"))?;
    if usize::try_from(shape.columns) != Ok(images.len()) || u64::from(shape.chunk) != segment.stripe_size {
        return Err(unsupported(kind, "its superblocks are of another shape"));
    }
    build(kind, &shape, images, chunk, len)
}

fn build(
    kind: &BString,
    shape: &Superblock,
    images: Vec<Arc<dyn ReadAt>>,
    chunk: u64,
    len: u64,
) -> Result<Arc<dyn ReadAt>> {
    let wrong = || unsupported(kind, "its layout is not known");
    let count = u64::try_from(images.len()).unwrap_or(u64::MAX);
    let prefix = |level: &str| kind.starts_with(level.as_bytes());
    // raid4 is RAID-5 with parity in the first column to the kernel.
    let parity = match shape.level {
        4 if prefix("raid4") => Some(ParityLayout::RAID4),
        5 if prefix("raid5") || prefix("raid4") => ParityLayout::raid5(shape.layout),
        6 if prefix("raid6") => ParityLayout::raid6(shape.layout),
        _ => None,
    };
    if let Some(layout) = parity {
        let columns = images.into_iter().map(Some).collect();
        return Ok(Arc::new(Parity::new(columns, layout, chunk, len)?));
    }
    match shape.level {
        1 if kind == "raid1" => Ok(Arc::new(Mirror::new(images, len)?)),
        10 if kind == "raid10" => {
            let each = images.iter().map(ReadAt::len).min().unwrap_or(0);
            let layout = CopyLayout::of_number(shape.layout).ok_or_else(wrong)?;
            let columns = images.into_iter().map(Some).collect();
            let copies = Copies::new(columns, layout, chunk, each)?;
            if copies.len() != len || count < 2 {
                return Err(wrong());
            }
            Ok(Arc::new(copies))
        }
        _ => Err(wrong()),
    }
}

/// The names of the superblocks' and columns' volumes.
fn columns(segment: &Segment) -> Result<(Vec<&BString>, Vec<&BString>)> {
    let wrong = || unsupported(&segment.kind, "its columns are not known");
    if segment.kind == "raid0" {
        return Ok((Vec::new(), segment.raids.iter().collect()));
    }
    let (pairs, rest) = segment.raids.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() || pairs.len() > MAX_COLUMNS {
        return Err(wrong());
    }
    Ok(pairs.iter().map(|[superblock, column]| (superblock, column)).unzip())
}

/// A volume that `lv` is made of, which has to lie on physical volumes.
fn part(metadata: &Metadata, lv: &Lv, name: &BString, devices: &Devices<'_>) -> Result<Arc<dyn ReadAt>> {
    let part = metadata.lv(name).filter(|part| part.name != lv.name);
    let part = part.ok_or_else(|| Error::corrupt(format!("LVM2 volume {name} is not there")))?;
    refuse_what_is_more_than_its_segments(metadata, part)?;
    map_areas(metadata, part, devices)
}

/// The superblock in column `position`.
fn superblock(source: &dyn ReadAt, position: usize) -> Result<Superblock> {
    let mut raw = vec![0; SUPERBLOCK];
    source.read_at(0, &mut raw)?;
    if !raw.starts_with(MAGIC) {
        return Err(Error::unsupported("no superblock of RAID yet"));
    }
    let is_whole = usize::try_from(raw.le32(12)?) == Ok(position)
        && raw.le64(24)? == 0
        && raw.le64(32)? == DONE
        && raw.le64(40)? == DONE;
    // Flags of a reshape, where data begin; further failed devices and features.
    let moved = raw.le32(60)? != 0 || raw.le64(96)? != 0 || raw.slice(120, 32)?.iter().any(|byte| *byte != 0);
    let features = raw.le32(4)?;
    if !is_whole || features & !HAS_RESHAPE != 0 || (features & HAS_RESHAPE != 0 && moved) {
        return Err(Error::unsupported("RAID that is not whole, or not in sync"));
    }
    Ok(Superblock {
        columns: raw.le32(8)?,
        events: raw.le64(16)?,
        level: raw.le32(48)?,
        layout: raw.le32(52)?,
        chunk: raw.le32(56)?,
    })
}

/// A volume of zeros.
#[derive(Debug)]
pub(super) struct Zeros(pub(super) u64);

impl ReadAt for Zeros {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        crate::source::check_range(self.0, offset, buf.len())?;
        buf.fill(0);
        Ok(())
    }

    fn next_data(&self, _: u64) -> Result<Option<std::ops::Range<u64>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemSource;

    #[test]
    fn superblocks_that_tell_of_failure_or_of_work_left_are_refused() {
        let mut raw = vec![0; SUPERBLOCK];
        raw[..4].copy_from_slice(MAGIC);
        raw[8] = 3;
        raw[12] = 1;
        raw[32..48].fill(0xff);
        let read = |raw: &[u8], position| superblock(&MemSource::new(raw), position);
        assert_eq!(read(&raw, 1).unwrap().columns, 3);
        assert!(read(&raw, 0).is_err());
        // Magic number, failed devices, what was rebuilt, what was resynced, features that are not known.
        for byte in [0, 24, 32, 47, 7] {
            let mut changed = raw.clone();
            changed[byte] ^= 1;
            assert!(read(&changed, 1).is_err(), "{byte}");
        }
    }

    #[test]
    fn zeros_are_zeros() {
        let mut bytes = [1; 4];
        Zeros(7).read_at(3, &mut bytes).unwrap();
        assert_eq!((bytes, Zeros(4).next_data(0).unwrap()), ([0; 4], None));
        assert!(Zeros(4).read_at(1, &mut bytes).is_err());
    }
}
