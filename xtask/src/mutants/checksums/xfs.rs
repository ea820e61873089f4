//! XFS version 5. Layouts: "XFS Algorithms & Data Structures".
//!
//! Every structure has its CRC-32C within itself, and starts with what tells its kind. Directory blocks and targets of
//! symbolic links may consist of several blocks: each start and length is tried, and right is where the structure as it was
//! has the sum that it should have.

use std::ops::Range;

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{crc32c, patch, read};

/// Where sums are in structures that start with these bytes: of sectors, and of blocks.
const SECTORS: [(&[u8], usize); 4] = [(b"XFSB", 224), (b"XAGF", 216), (b"XAGI", 312), (b"XAFL", 32)];
const BLOCKS: [(&[u8], usize); 12] = [
    (b"BMA3", 64),
    (b"AB3B", 52),
    (b"AB3C", 52),
    (b"IAB3", 52),
    (b"FIB3", 52),
    (b"RMB3", 52),
    (b"R3FC", 52),
    (b"XDB3", 4),
    (b"XDD3", 4),
    (b"XDF3", 4),
    (b"XARM", 12),
    (b"XSLM", 12),
];
/// What inodes start with, and where their sum is.
const INODE: (&[u8], usize) = (b"IN", 100);
/// Kinds of blocks of hash trees, which stand behind two pointers, and where their sum is.
const TREES: [[u8; 2]; 4] = [[0x3E, 0xBE], [0x3B, 0xEE], [0x3D, 0xF1], [0x3D, 0xFF]];
const TREE_KIND: Range<usize> = 8..10;
const TREE_SUM: usize = 12;
/// The most blocks that are one structure, as a shift: 64 KiB in blocks of 1 KiB.
const MAX_BLOCKS_LOG: u32 = 6;

/// Where the sum of a structure in `bytes` is, if it is a block of a kind that has one.
fn sum_of_block(bytes: &[u8]) -> Option<usize> {
    let plain = BLOCKS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, at)| *at);
    let is_tree = bytes.get(TREE_KIND).is_some_and(|kind| TREES.iter().any(|tree| tree == kind));
    plain.or(is_tree.then_some(TREE_SUM))
}

/// The sum that `bytes` should have at `at`.
fn sum(bytes: &[u8], at: usize) -> u32 {
    !crc32c(crc32c(crc32c(!0, &bytes[..at]), &[0; 4]), &bytes[at + 4..])
}

/// See [`Repair`](super::Repair).
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    let superblock = read(original, 0, 512)?;
    let log = |at: usize| u32::from(superblock[at]);
    let (sector, block, inode) = (1_u64 << log(121), 1_u64 << log(120), 1_u64 << log(122));
    let of = |table: &[(&[u8], usize)], bytes: &[u8]| {
        table.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, at)| *at)
    };
    let place = |start: u64, len: u64, sum_of: &dyn Fn(&[u8]) -> Option<usize>| -> Result<Option<Patch>> {
        if start + len > original.len() || !(start..start + len).contains(&offset) {
            return Ok(None);
        }
        let before = read(original, start, usize::try_from(len).unwrap_or_default())?;
        let Some(at) = sum_of(&before) else { return Ok(None) };
        if before[at..at + 4] != sum(&before, at).to_le_bytes() {
            return Ok(None);
        }
        let after = read(mutant, start, before.len())?;
        Ok(Some(patch(start + at as u64, sum(&after, at))))
    };
    let mut found = place(offset / sector * sector, sector, &|bytes| of(&SECTORS, bytes))?;
    if found.is_none() {
        found = place(offset / inode * inode, inode, &|bytes| of(&[INODE], bytes))?;
    }
    let own = offset / block;
    for log in 0..=MAX_BLOCKS_LOG {
        let count = 1_u64 << log;
        if found.is_some() || count * block > 1 << 16 {
            break;
        }
        for start in own.saturating_sub(count - 1)..=own {
            if found.is_none() {
                found = place(start * block, count * block, &sum_of_block)?;
            }
        }
    }
    Ok(found.into_iter().collect())
}
