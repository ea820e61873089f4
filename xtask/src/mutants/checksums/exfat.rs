//! exFAT: the boot region has a checksum, and so has each set of entries of a directory (Microsoft's exFAT specification,
//! sections 3.4 and 6.3.3).

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::read;

/// Sectors that the checksum of the boot region covers; it fills the next one.
const SUMMED: u64 = 11;
const SECTOR: u64 = 512;
/// Size of an entry in bytes, and type of the first of a set.
const ENTRY: u64 = 32;
const FILE: u8 = 0x85;
/// Most entries of a set before one of it.
const BEFORE: u64 = 18;

/// See [`Repair`](super::Repair). Sets that lie in several clusters stay as they are.
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    if offset < SUMMED * SECTOR {
        let region = read(mutant, 0, usize::try_from(SUMMED * SECTOR).unwrap_or(0))?;
        let summed = region.iter().enumerate().filter(|(at, _)| !matches!(at, 106 | 107 | 112));
        let sum = summed.fold(0u32, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u32::from(*byte)));
        let bytes = sum.to_le_bytes().repeat(128);
        return Ok(vec![Patch { offset: SUMMED * SECTOR, bytes }]);
    }
    let entry = offset / ENTRY;
    for first in (entry.saturating_sub(BEFORE)..=entry).rev() {
        let start = read(original, first * ENTRY, 2)?;
        let [FILE, others] = start[..] else { continue };
        if entry - first > u64::from(others) {
            break;
        }
        let len = 32 * (1 + usize::from(others));
        let set = read(original, first * ENTRY, len)?;
        // Else it lies in several clusters, and not all of it is here.
        if set.get(2..4) == Some(&sum(&set)[..]) {
            let bytes = sum(&read(mutant, first * ENTRY, len)?).to_vec();
            return Ok(vec![Patch { offset: first * ENTRY + 2, bytes }]);
        }
        break;
    }
    Ok(Vec::new())
}

/// The checksum of a set, as it is stored.
fn sum(set: &[u8]) -> [u8; 2] {
    let summed = set.iter().enumerate().filter(|(at, _)| !matches!(at, 2 | 3));
    summed.fold(0u16, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u16::from(*byte))).to_le_bytes()
}
