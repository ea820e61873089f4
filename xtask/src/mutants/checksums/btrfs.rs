//! btrfs with CRC-32C: superblocks and tree blocks. Layout: btrfs documentation, "On-disk Format".
//!
//! A tree block lies anywhere at a multiple of the sector size: it is where the sum is right in the undamaged image.

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32c, number, patch, read};

/// Where superblocks are in images of this size, and their size, in bytes.
const SUPERBLOCKS: [u64; 2] = [64 << 10, 64 << 20];
const SUPERBLOCK: usize = 4096;
/// What the sum at its start covers begins here, in both kinds of blocks.
const SUMMED_FROM: usize = 32;
/// Sector size of all fixtures.
const SECTOR: u64 = 4096;

/// The sum of a block.
fn sum(block: &[u8]) -> u32 {
    !crc32c(!0, block.get(SUMMED_FROM..).unwrap_or_default())
}

/// See [`Repair`](super::Repair).
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    for at in SUPERBLOCKS {
        if offset.checked_sub(at).is_some_and(|within| within < SUPERBLOCK as u64) {
            return Ok(vec![patch(at, sum(&read(mutant, at, SUPERBLOCK)?))]);
        }
    }
    let superblock = read(original, SUPERBLOCKS[0], SUPERBLOCK)?;
    let node_size = number::<4>(&superblock, 0x94);
    for back in 0..node_size / SECTOR {
        let Some(at) = (offset / SECTOR).checked_sub(back).map(|sector| sector * SECTOR) else { break };
        if at + node_size > original.len() {
            continue;
        }
        let len = usize::try_from(node_size).unwrap_or(SUPERBLOCK);
        let block = read(original, at, len)?;
        // Blocks of zeros have a sum that is not zero.
        if u64::from(sum(&block)) == number::<4>(&block, 0) {
            return Ok(vec![patch(at, sum(&read(mutant, at, len)?))]);
        }
    }
    Ok(Vec::new())
}
