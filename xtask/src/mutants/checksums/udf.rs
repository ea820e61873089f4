//! UDF: every descriptor begins with a tag that has a sum over itself and a CRC over what follows it (ECMA-167, 3/7.2).
//! Descriptors begin with a block, but those of names anywhere in a directory, which may lie in the descriptor of a file.

use disk::{ReadAt, Result};

use super::super::mutate::Patch;
use super::{number, read};

/// Bytes of a tag, and where it has its sum and its CRC.
const TAG: usize = 16;
const SUM: usize = 4;
const CRC: usize = 8;
/// Most bytes of a descriptor, and a multiple of which it begins with.
const LONGEST: u64 = 4096;
const ALIGNMENT: usize = 4;
/// Versions of descriptors.
const VERSIONS: [u64; 2] = [2, 3];

/// See [`Repair`](super::Repair). A name that lies in several extents stays as it is.
pub(in super::super) fn repair(
    original: &dyn ReadAt,
    mutant: &dyn ReadAt,
    offset: u64,
) -> Result<Vec<Patch>> {
    let start = offset.saturating_sub(LONGEST) / LONGEST * LONGEST;
    let len = usize::try_from(original.len().saturating_sub(start).min(3 * LONGEST)).unwrap_or(0);
    let (right, mut bytes) = (read(original, start, len)?, read(mutant, start, len)?);
    let changed = usize::try_from(offset - start).unwrap_or(0);
    let mut patches = Vec::new();
    // From the innermost on, whose sums are in what the others sum up.
    let first = changed.saturating_sub(usize::try_from(LONGEST).unwrap_or(0)).next_multiple_of(ALIGNMENT);
    for at in (first / ALIGNMENT..=changed / ALIGNMENT).rev().map(|at| at * ALIGNMENT) {
        if covered(&right, at).is_none_or(|end| end <= changed) {
            continue;
        }
        let end = at + TAG + usize::try_from(number::<2>(&bytes, at + 10)).unwrap_or(0);
        let Some(body) = bytes.get(at + TAG..end) else { continue };
        let crc = crc16(body).to_le_bytes();
        bytes[at + CRC..at + CRC + 2].copy_from_slice(&crc);
        let sum = sum(&bytes[at..at + TAG]);
        bytes[at + SUM] = sum;
        let place = start + u64::try_from(at).unwrap_or(0);
        patches.push(Patch { offset: place + 8, bytes: crc.to_vec() });
        patches.push(Patch { offset: place + 4, bytes: vec![sum] });
    }
    Ok(patches)
}

/// Where the descriptor ends that begins at `at`, if one does.
fn covered(bytes: &[u8], at: usize) -> Option<usize> {
    let tag = bytes.get(at..at + TAG)?;
    if !VERSIONS.contains(&number::<2>(tag, 2)) || tag[SUM] != sum(tag) {
        return None;
    }
    let end = at + TAG + usize::try_from(number::<2>(tag, 10)).unwrap_or(0);
    let body = bytes.get(at + TAG..end)?;
    (number::<2>(tag, CRC) == u64::from(crc16(body))).then_some(end)
}

fn sum(tag: &[u8]) -> u8 {
    tag.iter().enumerate().filter(|(at, _)| *at != SUM).fold(0, |sum, (_, byte)| sum.wrapping_add(*byte))
}

/// The CRC of ITU-T V.41.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}
