//! EROFS: only the superblock has a checksum, over what lies from it to the end of its block (kernel.org, "EROFS").

use std::ops::Range;

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32c, patch, read};

/// What is summed in blocks of 4 KiB, which the fixtures have.
const SUMMED: Range<u64> = 1024..4096;
/// Where the sum lies from the start of that.
const SUM: usize = 4;

/// See [`Repair`](super::Repair).
pub(in super::super) fn repair(_: &dyn ReadAt, mutant: &dyn ReadAt, offset: u64) -> Result<Vec<Patch>> {
    if !SUMMED.contains(&offset) {
        return Ok(Vec::new());
    }
    let mut summed = read(mutant, SUMMED.start, (SUMMED.end - SUMMED.start) as usize)?;
    summed[SUM..SUM + 4].fill(0);
    Ok(vec![patch(SUMMED.start + SUM as u64, crc32c(!0, &summed))])
}
