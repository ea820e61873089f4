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

/// See [`Repair`](super::Repair). What a mutant has in a guarded place goes to where it is kept.
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    let sector = offset / SECTOR;
    for first in (sector.saturating_sub(MAX_SECTORS - 1)..=sector).rev() {
        let header = read(original, first * SECTOR, 8)?;
        if !MAGIC.iter().any(|magic| header.starts_with(magic)) {
            continue;
        }
        let (array, strides) = (number::<2>(&header, 4), number::<2>(&header, 6).saturating_sub(1));
        if sector - first >= strides || array >= SECTOR {
            break;
        }
        let start = first * SECTOR;
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
        return Ok(patches);
    }
    Ok(Vec::new())
}
