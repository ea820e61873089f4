//! XFS version 5, and records of its log. Layouts: "XFS Algorithms & Data Structures".
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

/// Log records: what they start with, where their sum is, and what it covers of the first block and of the others of the
/// header.
const RECORD: [u8; 4] = [0xFE, 0xED, 0xBA, 0xBE];
const RECORD_SUM: usize = 32;
const RECORD_COVERS: usize = 328;
const RECORD_COVERS_MORE: usize = 260;
/// Bytes of data for each block of the header.
const HEADER_COVERS: usize = 32 << 10;
/// Blocks of the log (bytes), and the longest record with its header in blocks.
const LOG_BLOCK: u64 = 512;
const MAX_RECORD: u64 = 512 + 8;

/// The big-endian number of four bytes at `at`.
fn be32(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The sum of the record at `start`, as `source` has it; `None` if it does not lie within `end` or is no record.
fn sum_of_record(source: &dyn ReadAt, shape: &[u8], start: u64, end: u64) -> Result<Option<u32>> {
    let headers = be32(shape, 320).div_ceil(HEADER_COVERS as u64).max(1);
    let len = be32(shape, 12);
    // A record that goes on at the start of the log stays as it is.
    if headers > MAX_RECORD || start + headers * LOG_BLOCK + len > end {
        return Ok(None);
    }
    let bytes = read(source, start, (headers * LOG_BLOCK + len) as usize)?;
    let (header, data) = bytes.split_at((headers * LOG_BLOCK) as usize);
    let mut register = crc32c(crc32c(!0, &header[..RECORD_SUM]), &[0; 4]);
    register = crc32c(register, &header[RECORD_SUM + 4..RECORD_COVERS]);
    // Those of the header that have no words of data do not count.
    let used = data.chunks(HEADER_COVERS).count();
    for block in header.chunks(LOG_BLOCK as usize).take(used).skip(1) {
        register = crc32c(register, &block[..RECORD_COVERS_MORE]);
    }
    Ok(Some(!crc32c(register, data)))
}

/// The patch of the log record around `offset`, if that lies in one.
fn repair_record(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    superblock: &[u8],
    offset: u64,
) -> Result<Option<Patch>> {
    let block_size = be32(superblock, 4);
    let (fsblock, group_log) = (be32(superblock, 48) << 32 | be32(superblock, 52), superblock[124]);
    let block = (fsblock >> group_log) * be32(superblock, 84) + (fsblock & ((1 << group_log) - 1));
    let (start, len) = (block * block_size, be32(superblock, 96) * block_size);
    if !(start..start + len).contains(&offset) {
        return Ok(None);
    }
    let mut at = offset / LOG_BLOCK * LOG_BLOCK;
    for _ in 0..MAX_RECORD {
        let header = read(original, at, LOG_BLOCK as usize)?;
        if header.starts_with(&RECORD) {
            let stored = u32::from_le_bytes([header[32], header[33], header[34], header[35]]);
            if sum_of_record(original, &header, at, start + len)? != Some(stored) {
                return Ok(None);
            }
            // As long as the mutant says that it is, which may be longer or shorter than it was.
            let shape = read(mutant, at, LOG_BLOCK as usize)?;
            return Ok(
                sum_of_record(mutant, &shape, at, start + len)?.map(|sum| patch(at + RECORD_SUM as u64, sum))
            );
        }
        if at == start {
            break;
        }
        at -= LOG_BLOCK;
    }
    Ok(None)
}

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
    if let Some(record) = repair_record(original, mutant, &superblock, offset)? {
        return Ok(vec![record]);
    }
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
