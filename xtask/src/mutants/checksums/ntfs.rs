//! NTFS: no sums, but file records, index blocks and restart pages have the same number at the end of each 512 bytes, and keep
//! elsewhere what belongs there (the Linux-NTFS project's "NTFS Documentation", section "Fixup").

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{number, read};

const SECTOR: u64 = 512;
/// What guarded structures start with.
const MAGIC: [&[u8]; 3] = [b"FILE", b"INDX", b"RSTR"];
/// Largest of them in sectors: 64 KiB.
const MAX_SECTORS: u64 = 128;

/// A guarded structure.
struct Structure {
    /// Where it begins, in bytes.
    start: u64,
    /// Where the array is, from there.
    array: u64,
    /// Its sectors.
    strides: u64,
    is_used: bool,
}

/// The structure that `sector` is a part of, if there is one and it is whole.
fn structure(original: &dyn ReadAt, sector: u64) -> Result<Option<Structure>> {
    for first in (sector.saturating_sub(MAX_SECTORS - 1)..=sector).rev() {
        let start = first * SECTOR;
        let header = read(original, start, 24)?;
        if !MAGIC.iter().any(|magic| header.starts_with(magic)) {
            continue;
        }
        let (array, strides) = (number::<2>(&header, 4), number::<2>(&header, 6).saturating_sub(1));
        if sector - first >= strides || array >= SECTOR {
            return Ok(None);
        }
        let guard = read(original, start + array, 2)?;
        for stride in 1..=strides {
            if read(original, start + stride * SECTOR - 2, 2)? != guard {
                // What is left of it in a place that has had another use since.
                return Ok(None);
            }
        }
        // Flags of a file record; other structures have no such mark.
        let is_used = !header.starts_with(b"FILE") || number::<2>(&header, 22) & 1 != 0;
        return Ok(Some(Structure { start, array, strides, is_used }));
    }
    Ok(None)
}

/// The sectors that are read, those of structures in use and of the boot sector first, and so often that they are three
/// quarters of all.
pub(in super::super) fn weigh(original: &dyn ReadAt, sectors: &[u64]) -> Result<Vec<u64>> {
    let (mut guarded, mut others) = (Vec::new(), Vec::new());
    for sector in sectors {
        let bytes = read(original, sector * SECTOR, usize::try_from(SECTOR - 2).unwrap_or(0))?;
        let has_more = bytes.iter().any(|byte| *byte != 0);
        let is_used = *sector == 0 || structure(original, *sector)?.is_some_and(|found| found.is_used);
        if has_more && is_used { guarded.push(*sector) } else { others.push(*sector) }
    }
    let times = (3 * others.len()).div_ceil(guarded.len().max(1)).max(1);
    let mut all = guarded.repeat(times);
    all.extend(others);
    Ok(all)
}

/// See [`Repair`](super::Repair). What a mutant has in a guarded place goes to where it is kept.
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    let Some(Structure { start, array, strides, .. }) = structure(original, offset / SECTOR)? else {
        return Ok(Vec::new());
    };
    let guard = read(mutant, start + array, 2)?;
    let mut patches = Vec::new();
    for stride in 1..=strides {
        let place = start + stride * SECTOR - 2;
        let there = read(mutant, place, 2)?;
        if there != guard {
            if there != read(original, place, 2)? {
                patches.push(Patch { offset: start + array + 2 * stride, bytes: there });
            }
            patches.push(Patch { offset: place, bytes: guard.clone() });
        }
    }
    Ok(patches)
}
