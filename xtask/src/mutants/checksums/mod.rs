//! Makes the checksums of a mutant right again, so that a change gets past them, into what they guard.
//!
//! Each format has a [`Repair`]: told where something changed, it gives the patches that make the checksums over that place
//! right. A place that no checksum guards needs none, and where the change itself hides which checksum guards it, the
//! mutant stays as it is: either is a mutant, too.

pub(super) mod btrfs;
pub(super) mod erofs;
pub(super) mod exfat;
pub(super) mod ext;
pub(super) mod gpt;
pub(super) mod lvm;
pub(super) mod ntfs;
pub(super) mod udf;
pub(super) mod xfs;

use disk::{ReadAt, Result};

use super::mutate::Patch;

/// The patches that make checksums right in `mutant`, which differs from `original` at `offset` (and maybe elsewhere).
/// They are in the order in which they are to be made: from the changed place up to the root, where sums are summed again.
pub(super) type Repair = fn(original: &dyn ReadAt, mutant: &dyn ReadAt, offset: u64) -> Result<Vec<Patch>>;

/// `len` bytes at `offset`.
fn read(source: &dyn ReadAt, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    source.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// The little-endian number of `N` bytes at `at`, or 0 past the end.
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + N).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A sum to be written at `offset`.
fn patch(offset: u64, sum: u32) -> Patch {
    Patch { offset, bytes: sum.to_le_bytes().to_vec() }
}

/// The CRC-32C register after `bytes`, from `register` on, nothing inverted.
fn crc32c(register: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, bytes)
}

/// The same for CRC-32.
fn crc32(register: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!register);
    hasher.update(bytes);
    !hasher.finalize()
}
