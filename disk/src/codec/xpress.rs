//! XPRESS with Huffman codes, in one block: what Windows compresses system files with.
//!
//! Source: Microsoft's "[MS-XCA]: Xpress Compression Algorithm", section 2.2.

use super::huffman::{Bits, Code, copy_match};
use crate::{Error, Result};

/// Bytes of the table of lengths, two symbols in each.
const TABLE: usize = 256;
/// The first symbol that is a match; as the first after all bytes, it is no match but the end.
const FIRST_MATCH: usize = 256;
/// Length in a symbol after which more of it follows.
const LONG: usize = 15;
/// Length of the shortest match.
const MIN_MATCH: usize = 3;

/// Decompresses `data` into all of `out`, at most 64 KiB.
pub(crate) fn decompress(data: &[u8], out: &mut [u8]) -> Result<()> {
    let (table, data) =
        data.split_at_checked(TABLE).ok_or_else(|| Error::corrupt("XPRESS without its code"))?;
    let mut lengths = [0; 2 * TABLE];
    for (pair, lengths) in table.iter().zip(lengths.as_chunks_mut::<2>().0) {
        *lengths = [pair & 0xF, pair >> 4];
    }
    let code = Code::new(&lengths)?;
    let mut bits = Bits::new(data);
    let mut at = 0usize;
    while at < out.len() {
        let symbol = code.take(&mut bits)?;
        let Some(matched) = symbol.checked_sub(FIRST_MATCH) else {
            if let Some(place) = out.get_mut(at) {
                *place = u8::try_from(symbol).unwrap_or(0);
            }
            at = at.saturating_add(1);
            continue;
        };
        let length = match matched % 16 {
            LONG => long(&mut bits)?,
            short => short,
        };
        let distance_bits = u32::try_from(matched / 16).unwrap_or(0);
        let distance = 1u32.wrapping_shl(distance_bits) | bits.take(distance_bits);
        let distance = usize::try_from(distance).unwrap_or(usize::MAX);
        at = copy_match(out, at, distance, length.saturating_add(MIN_MATCH))?;
    }
    Ok(())
}

/// A length that does not fit a symbol. Its bytes come after the words with the next 16 bits.
fn long(bits: &mut Bits<'_>) -> Result<usize> {
    bits.give_back();
    let byte = bits.byte();
    if byte < u8::MAX {
        return Ok(LONG.saturating_add(byte.into()));
    }
    let mut length = u32::from(u16::from_le_bytes([bits.byte(), bits.byte()]));
    if length == 0 {
        length = u32::from_le_bytes([bits.byte(), bits.byte(), bits.byte(), bits.byte()]);
    }
    usize::try_from(length)
        .ok()
        .filter(|length| *length >= LONG)
        .ok_or_else(|| Error::corrupt(format!("a long match in XPRESS of {length} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Symbols with their lengths, and what follows.
    fn packed(lengths: &[(usize, u8)], data: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; TABLE];
        for (symbol, length) in lengths {
            packed[symbol / 2] |= length << (symbol % 2 * 4);
        }
        packed.extend(data);
        packed
    }

    /// [MS-XCA], section 3.2.
    #[test]
    fn the_examples_of_the_specification() {
        let mut lengths: Vec<(usize, u8)> = (97..119).map(|letter| (letter, 5)).collect();
        lengths.extend([(119, 4), (120, 4), (121, 4), (122, 4), (256, 4)]);
        let data = [
            0xD8, 0x52, 0x3E, 0xD7, 0x94, 0x11, 0x5B, 0xE9, 0x19, 0x5F, 0xF9, 0xD6, 0x7C, 0xDF, 0x8D, 0x04,
            0, 0, 0, 0,
        ];
        let mut out = [0; 26];
        decompress(&packed(&lengths, &data), &mut out).unwrap();
        assert_eq!(&out, b"abcdefghijklmnopqrstuvwxyz");
        let data = [0xA8, 0xDC, 0x00, 0x00, 0xFF, 0x26, 0x01];
        let mut out = [0; 300];
        decompress(&packed(&[(97, 3), (98, 3), (99, 2), (256, 2), (287, 2)], &data), &mut out).unwrap();
        assert_eq!(&out[..], b"abc".repeat(100));
    }

    #[test]
    fn what_leads_outside_is_corrupt() {
        for (lengths, data) in [
            (&[][..], &[0, 0][..]),
            (&[(97, 1), (98, 1), (99, 1)], &[0, 0]),
            // A match at the start, and one that is too long.
            (&[(256, 1), (287, 1)], &[0, 0]),
            (&[(97, 1), (287, 1)], &[0, 0x40, 0, 0, 0xFF, 0, 0, 1, 0, 0, 0]),
        ] {
            let error = decompress(&packed(lengths, data), &mut [0; 30]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{lengths:?}");
        }
    }
}
