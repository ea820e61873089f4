//! GPT: each header sums itself and the array of entries (UEFI specification, section 5.3).

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32, number, patch, read};

/// Where the headers are on the fixture's disk with 512-byte sectors: the second sector and the last.
const SECTOR: u64 = 512;
/// Longest header and array that are summed, in bytes; greater lengths are mutants that no reader goes into.
const MAX_LEN: u64 = 1 << 20;

/// See [`Repair`](super::Repair). A change may be in a header or in an array; both are summed again.
pub(in super::super) fn repair(_: &dyn ReadAt, mutant: &dyn ReadAt, offset: u64) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for at in [SECTOR, mutant.len() - SECTOR] {
        let mut header = read(mutant, at, 512)?;
        let (len, count, size) =
            (number::<4>(&header, 12), number::<4>(&header, 80), number::<4>(&header, 84));
        let entries = number::<8>(&header, 72).saturating_mul(SECTOR);
        let entries_len = count.saturating_mul(size);
        let array = entries..entries.saturating_add(entries_len);
        if !(at..at + SECTOR).contains(&offset) && !array.contains(&offset) {
            continue;
        }
        if entries_len <= MAX_LEN && array.end <= mutant.len() {
            let sum = !crc32(!0, &read(mutant, entries, usize::try_from(entries_len).unwrap_or(0))?);
            header[88..92].copy_from_slice(&sum.to_le_bytes());
            patches.push(patch(at + 88, sum));
        }
        header[16..20].fill(0);
        let summed = header.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(&header);
        patches.push(patch(at + 16, !crc32(!0, summed)));
    }
    Ok(patches)
}
