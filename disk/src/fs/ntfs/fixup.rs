//! Fixups: what guards a structure of several sectors against being written in part.
//!
//! The last two bytes of every stride hold the same number; what belongs there lies in an array near the structure's
//! start, after that number.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", section "Fixup".

use crate::bytes::Fields;
use crate::{Error, Result};

/// Bytes between two places that are guarded, whatever the size of a sector.
pub(super) const STRIDE: usize = 512;
/// The guarded bytes of a stride.
const GUARD: usize = 2;

/// Checks that `block` starts with `magic` and was written as a whole, and puts the bytes in their places.
pub(super) fn fix(block: &mut [u8], magic: &[u8; 4]) -> Result<()> {
    let found: [u8; 4] = block.array(0)?;
    if found != *magic {
        return Err(Error::corrupt(format!(
            "it starts with {}, not {}",
            found.escape_ascii(),
            magic.escape_ascii()
        )));
    }
    let (at, count) = (usize::from(block.le16(4)?), usize::from(block.le16(6)?));
    let strides = block.len() / STRIDE;
    if count.checked_sub(1) != Some(strides) || !at.is_multiple_of(GUARD) {
        return Err(Error::corrupt(format!("{count} fixups at byte {at} of {} bytes", block.len())));
    }
    let array = block.slice(at, count.saturating_mul(GUARD))?.to_vec();
    let mut array = array.as_chunks::<GUARD>().0.iter();
    let number = array.next().copied().unwrap_or_default();
    for (nr, (stride, right)) in block.as_chunks_mut::<STRIDE>().0.iter_mut().zip(array).enumerate() {
        let Some(guard) = stride.last_chunk_mut::<GUARD>() else { continue };
        if *guard != number {
            return Err(Error::corrupt(format!("its part {nr} was not written with the others")));
        }
        *guard = *right;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn block() -> Vec<u8> {
        let mut block = vec![7; 2 * STRIDE];
        block[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        block[0x30..0x36].copy_from_slice(&[1, 2, 0xAA, 0xBB, 0xCC, 0xDD]);
        block[510..512].copy_from_slice(&[1, 2]);
        block[1022..].copy_from_slice(&[1, 2]);
        block
    }

    #[test]
    fn guarded_bytes_come_back() {
        let mut fixed = block();
        fix(&mut fixed, b"FILE").unwrap();
        assert_eq!((&fixed[509..513], &fixed[1021..]), (&[7, 0xAA, 0xBB, 7][..], &[7, 0xCC, 0xDD][..]));
    }

    #[test]
    fn what_was_written_in_part_is_corrupt() {
        for (at, value) in [(0, b'B'), (4, 0x31), (6, 2), (510, 2), (1023, 1)] {
            let mut broken = block();
            broken[at] = value;
            assert_eq!(fix(&mut broken, b"FILE").unwrap_err().kind(), ErrorKind::Corrupt, "{at}");
        }
    }
}
