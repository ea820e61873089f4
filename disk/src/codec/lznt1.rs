//! LZNT1, NTFS's own compression: chunks of 4 KiB, in which a match is two bytes whose split into distance and length
//! depends on how much of the chunk is there.
//!
//! Source: Microsoft's "[MS-XCA]: Xpress Compression Algorithm", section 2.5.

use super::huffman::copy_match;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Bytes that a chunk stands for.
const CHUNK: usize = 4096;
/// Of a chunk's header: the size of its data less one, and whether it is compressed.
const SIZE: u16 = 0xFFF;
const COMPRESSED: u16 = 0x8000;
/// Length of the shortest match.
const MIN_MATCH: usize = 3;

/// Decompresses `data` into all of `out`: what a chunk does not fill, and what follows the last, is zeros.
pub(crate) fn decompress(data: &[u8], out: &mut [u8]) -> Result<()> {
    let mut at = 0usize;
    let mut chunks = out.chunks_mut(CHUNK);
    for chunk in chunks.by_ref() {
        let header = match data.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(header) => u16::from_le_bytes(*header),
            None => 0,
        };
        if header == 0 {
            chunk.fill(0);
            break;
        }
        let stored = data.slice(at.saturating_add(2), usize::from(header & SIZE).saturating_add(1))?;
        at = at.saturating_add(2).saturating_add(stored.len());
        let filled = if header & COMPRESSED == 0 { copy(stored, chunk)? } else { expand(stored, chunk)? };
        chunk.get_mut(filled..).unwrap_or_default().fill(0);
    }
    for chunk in chunks {
        chunk.fill(0);
    }
    Ok(())
}

fn copy(stored: &[u8], chunk: &mut [u8]) -> Result<usize> {
    chunk.get_mut(..stored.len()).ok_or_else(too_long)?.copy_from_slice(stored);
    Ok(stored.len())
}

fn expand(stored: &[u8], chunk: &mut [u8]) -> Result<usize> {
    let (mut from, mut to) = (0usize, 0usize);
    while let Some(flags) = stored.get(from) {
        from = from.saturating_add(1);
        if *flags == 0
            && let Some(literals) = stored.get(from..).and_then(|rest| rest.first_chunk::<8>())
            && let Some(place) = chunk.get_mut(to..).and_then(|rest| rest.first_chunk_mut::<8>())
        {
            *place = *literals;
            (from, to) = (from.saturating_add(8), to.saturating_add(8));
            continue;
        }
        for bit in 0..8u32 {
            let Some(literal) = stored.get(from) else { return Ok(to) };
            if flags & 1u8.wrapping_shl(bit) == 0 {
                *chunk.get_mut(to).ok_or_else(too_long)? = *literal;
                (from, to) = (from.saturating_add(1), to.saturating_add(1));
                continue;
            }
            let token = stored.le16(from)?;
            from = from.saturating_add(2);
            let split = distance_bits(to);
            let length = usize::from(token & u16::MAX.wrapping_shr(split)).saturating_add(MIN_MATCH);
            let distance = usize::from(token.wrapping_shr(16u32.saturating_sub(split))).saturating_add(1);
            to = copy_match(chunk, to, distance, length)?;
        }
    }
    Ok(to)
}

/// Bits of a match that are its distance, after `done` bytes of the chunk: as many as the largest needs, at least four.
fn distance_bits(done: usize) -> u32 {
    usize::BITS.saturating_sub(done.saturating_sub(1).leading_zeros()).clamp(4, 12)
}

#[cold]
fn too_long() -> Error {
    Error::corrupt("an LZNT1 chunk of more bytes than there is room for")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn distances_get_wider() {
        for (done, bits) in [(0, 4), (1, 4), (16, 4), (17, 5), (32, 5), (33, 6), (2049, 12), (4095, 12)] {
            assert_eq!(distance_bits(done), bits, "{done}");
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        // [MS-XCA], section 3.3.
        let data = [
            0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01,
            0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24,
            0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48,
            0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
        ];
        let text = b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# \
            G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        let mut out = vec![1; CHUNK + 2];
        decompress(&data, &mut out).unwrap();
        assert_eq!(&out[..text.len()], text);
        assert!(out[text.len()..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn chunks_are_plain_or_end_the_data() {
        let mut data = vec![0xFF, 0x3F];
        data.extend([5; CHUNK]);
        data.extend([0x01, 0xB0, 0x00, 7, 0, 0, 9]);
        let mut out = vec![1; 3 * CHUNK];
        decompress(&data, &mut out).unwrap();
        assert_eq!((out[CHUNK - 1], out[CHUNK], out[CHUNK + 1]), (5, 7, 0));
        assert!(out[CHUNK + 1..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_leads_outside_is_corrupt() {
        for data in [
            // A match at the start; one that is too far back; half a match; a chunk that is not all there.
            &[0x02, 0xB0, 0x01, 0x00, 0x00][..],
            &[0x03, 0xB0, 0x02, 7, 0x00, 0x10],
            &[0x02, 0xB0, 0x02, 7, 0x00],
            &[0x09, 0xB0, 0x00],
            &[0x05, 0xB0, 0x02, 7, 0xFF, 0x0F, 0x00],
        ] {
            let error = decompress(data, &mut [0; 100]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{data:x?}");
        }
    }
}
