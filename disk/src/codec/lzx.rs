//! LZX with a window of 32 KiB, each chunk by itself: what Windows compresses system files with that are hardly ever read.
//!
//! Sources: Microsoft's "LZX DELTA Compression and Decompression", [MS-PATCH], of which this is the form without deltas; and
//! "Windows Imaging (WIM) file format" for what is different there: the size of a block is one bit if it is 32 KiB, and calls
//! are always translated, as in a file of 12,000,000 bytes.

use super::huffman::{Bits, Code, copy_match};
use crate::bytes::{Fields, index};
use crate::{Error, Result};

/// Largest chunk, and the block size that has a bit of its own.
pub(crate) const CHUNK: usize = 32 << 10;
/// Slots of distances for this window, and lengths that a symbol has; both together are the symbols after all bytes.
const SLOTS: usize = 30;
const LENGTHS: usize = 8;
const LITERALS: usize = 256;
const MAIN: usize = LITERALS + SLOTS * LENGTHS;
/// Symbols of longer lengths, of the low bits of distances, and of the lengths of the other codes.
const LONG: usize = 249;
const ALIGNED: usize = 8;
const PRE: usize = 20;
/// Length of the shortest match.
const MIN_MATCH: usize = 2;
/// Slots that stand for one of the last distances.
const RECENT: usize = 3;
/// Lengths are counted down modulo this.
const LENGTH_MODULUS: u32 = 17;
/// The byte that begins a call, the bytes at the end that are not searched for it, and the size that is assumed of a file.
const CALL: u8 = 0xE8;
const CALL_TAIL: usize = 10;
const CALL_SIZE: i32 = 12_000_000;

/// Lengths of the codes, which the next block changes.
#[derive(Debug)]
struct Lengths {
    main: [u8; MAIN],
    long: [u8; LONG],
}

/// Decompresses `data` into all of `out`, at most [`CHUNK`] bytes.
pub(crate) fn decompress(data: &[u8], out: &mut [u8]) -> Result<()> {
    let mut bits = Bits::new(data);
    let mut lengths = Lengths { main: [0; MAIN], long: [0; LONG] };
    let mut recent = [1usize; RECENT];
    let mut at = 0usize;
    while at < out.len() {
        let kind = bits.take(3);
        let size = if bits.take(1) != 0 { CHUNK } else { index(bits.take(16)) };
        let end = at.saturating_add(size);
        if size == 0 || end > out.len() {
            return Err(Error::corrupt(format!(
                "an LZX block of {size} bytes at byte {at} of {}",
                out.len()
            )));
        }
        match kind {
            1 | 2 => {
                let aligned = if kind == 2 { Some(aligned_code(&mut bits)?) } else { None };
                let block = out.get_mut(..end).unwrap_or_default();
                expand(&mut bits, &mut lengths, aligned.as_ref(), &mut recent, block, at)?;
            }
            3 => {
                let start = bits.next_word();
                for (nr, distance) in recent.iter_mut().enumerate() {
                    *distance = index(data.le32(start.saturating_add(nr.saturating_mul(4)))?);
                }
                let start = start.saturating_add(12);
                if let Some(place) = out.get_mut(at..end) {
                    place.copy_from_slice(data.slice(start, size)?);
                }
                bits.seek(start.saturating_add(size).saturating_add(size % 2));
            }
            _ => return Err(Error::corrupt(format!("an LZX block of kind {kind}"))),
        }
        at = end;
    }
    translate_calls(out);
    Ok(())
}

fn aligned_code(bits: &mut Bits<'_>) -> Result<Code> {
    let lengths: Vec<u8> = (0..ALIGNED).map(|_| u8::try_from(bits.take(3)).unwrap_or(0)).collect();
    Code::new(&lengths)
}

/// Reads new lengths in place of `lengths`.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<()> {
    let pre: Vec<u8> = (0..PRE).map(|_| u8::try_from(bits.take(4)).unwrap_or(0)).collect();
    let code = Code::new(&pre)?;
    let mut at = 0usize;
    while at < lengths.len() {
        let symbol = code.take(bits)?;
        let (count, change) = match symbol {
            17 => (bits.take(4).saturating_add(4), None),
            18 => (bits.take(5).saturating_add(20), None),
            19 => (bits.take(1).saturating_add(4), Some(code.take(bits)?)),
            _ => (1, Some(symbol)),
        };
        let old = u32::from(lengths.get(at).copied().unwrap_or(0));
        let new = match change.map(u32::try_from) {
            None => 0,
            Some(Ok(change)) if change < LENGTH_MODULUS => {
                old.saturating_add(LENGTH_MODULUS).saturating_sub(change) % LENGTH_MODULUS
            }
            Some(_) => return Err(Error::corrupt("an LZX code with a length that is none")),
        };
        let end = at.saturating_add(index(count));
        let run =
            lengths.get_mut(at..end).ok_or_else(|| Error::corrupt("an LZX code with too many lengths"))?;
        run.fill(u8::try_from(new).unwrap_or(0));
        at = end;
    }
    Ok(())
}

/// Decodes a block into `out` from byte `at` on.
fn expand(
    bits: &mut Bits<'_>,
    lengths: &mut Lengths,
    aligned: Option<&Code>,
    recent: &mut [usize; RECENT],
    out: &mut [u8],
    mut at: usize,
) -> Result<()> {
    let (literals, matches) = lengths.main.split_at_mut(LITERALS);
    read_lengths(bits, literals)?;
    read_lengths(bits, matches)?;
    read_lengths(bits, &mut lengths.long)?;
    let main = Code::new(&lengths.main)?;
    let long = Code::new(&lengths.long)?;
    while at < out.len() {
        let symbol = main.take(bits)?;
        let Some(matched) = symbol.checked_sub(LITERALS) else {
            if let Some(place) = out.get_mut(at) {
                *place = u8::try_from(symbol).unwrap_or(0);
            }
            at = at.saturating_add(1);
            continue;
        };
        let mut length = matched % LENGTHS;
        if length == LENGTHS - 1 {
            length = length.saturating_add(long.take(bits)?);
        }
        let slot = matched / LENGTHS;
        if slot < RECENT {
            recent.swap(0, slot);
        } else {
            let distance = distance(bits, slot, aligned)?;
            recent.rotate_right(1);
            if let Some(first) = recent.first_mut() {
                *first = distance;
            }
        }
        let distance = recent.first().copied().unwrap_or(0);
        at = copy_match(out, at, distance, length.saturating_add(MIN_MATCH))?;
    }
    Ok(())
}

/// The distance of a slot that has one of its own.
fn distance(bits: &mut Bits<'_>, slot: usize, aligned: Option<&Code>) -> Result<usize> {
    // 0, 1, 2, 3, 4, 6, 8, 12, 16…: two slots each have the same number of bits.
    let extra = u32::try_from((slot / 2).saturating_sub(1)).unwrap_or(0);
    let base = if slot < 4 { slot } else { (2 | (slot & 1)).wrapping_shl(extra) };
    let low = match aligned {
        Some(code) if extra >= 3 => {
            let high = index(bits.take(extra.saturating_sub(3))).wrapping_shl(3);
            high.saturating_add(code.take(bits)?)
        }
        _ => index(bits.take(extra)),
    };
    Ok(base.saturating_add(low).saturating_sub(2))
}

/// Makes the targets of calls relative again.
fn translate_calls(out: &mut [u8]) {
    let last = out.len().saturating_sub(CALL_TAIL);
    let mut at = 0usize;
    while at < last {
        if out.get(at) != Some(&CALL) {
            at = at.saturating_add(1);
            continue;
        }
        let here = i32::try_from(at).unwrap_or(0);
        if let Some(target) = out.get_mut(at.saturating_add(1)..).and_then(|rest| rest.first_chunk_mut::<4>())
        {
            let absolute = i32::from_le_bytes(*target);
            if (here.saturating_neg()..CALL_SIZE).contains(&absolute) {
                let relative = if absolute >= 0 {
                    absolute.saturating_sub(here)
                } else {
                    absolute.saturating_add(CALL_SIZE)
                };
                *target = relative.to_le_bytes();
            }
        }
        at = at.saturating_add(5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, value: usize, count: u32) {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            let words = self.0.chunks(16).map(|bits| {
                bits.iter().enumerate().fold(0u16, |word, (nr, bit)| word | u16::from(*bit) << (15 - nr))
            });
            words.flat_map(u16::to_le_bytes).collect()
        }

        /// Lengths that were 0 before: each by a symbol of five bits, of a code that has all 20.
        fn lengths(&mut self, lengths: &[u8]) {
            // 12 symbols of four bits and 8 of five.
            for symbol in 0..PRE {
                self.put(if symbol < 12 { 4 } else { 5 }, 4);
            }
            for length in lengths {
                let symbol = usize::from((17 - length) % 17);
                if symbol < 12 { self.put(symbol, 4) } else { self.put(24 + symbol - 12, 5) }
            }
        }
    }

    /// A block of literals, of a match with a slot and of one with the last distance, all symbols of nine bits.
    fn block(kind: usize, size: usize) -> Writer {
        let mut writer = Writer::default();
        writer.put(kind, 3);
        writer.put(0, 1);
        writer.put(size, 16);
        if kind == 2 {
            for _ in 0..ALIGNED {
                writer.put(3, 3);
            }
        }
        writer.lengths(&[9; LITERALS]);
        writer.lengths(&[9; MAIN - LITERALS]);
        writer.lengths(&[8; LONG]);
        writer
    }

    fn symbol(slot: usize, length: usize) -> usize {
        LITERALS + slot * LENGTHS + (length - MIN_MATCH).min(LENGTHS - 1)
    }

    #[test]
    fn literals_and_matches() {
        for kind in [1, 2] {
            let mut writer = block(kind, 32 + 5 + 20 + 2);
            for byte in 0..32 {
                writer.put(0x41 + byte, 9);
            }
            // Slot 8 has distances 16 - 2 and up, of three bits: 16 + 5 - 2.
            writer.put(symbol(8, 5), 9);
            writer.put(5, 3);
            writer.put(symbol(0, 20), 9);
            writer.put(20 - MIN_MATCH - (LENGTHS - 1), 8);
            // The distance before the first that had one was 1.
            writer.put(symbol(1, 2), 9);
            let mut want: Vec<u8> = (0x41..0x61).collect();
            for (distance, length) in [(19, 5), (19, 20), (1, 2)] {
                for _ in 0..length {
                    want.push(want[want.len() - distance]);
                }
            }
            let mut out = vec![0; want.len()];
            decompress(&writer.bytes(), &mut out).unwrap();
            assert_eq!(out, want, "{kind}");
        }
    }

    #[test]
    fn plain_blocks_begin_at_a_word() {
        // After 20 bits of header there are 12 of padding; then distances, data of an odd size, and another block.
        let mut plain = Writer::default();
        plain.put(3, 3);
        plain.put(0, 1);
        plain.put(3, 16);
        let mut data = plain.bytes();
        for distance in [3u32, 1, 1] {
            data.extend(distance.to_le_bytes());
        }
        data.extend(b"abc\0");
        let mut more = block(1, 6);
        more.put(symbol(0, 6), 9);
        data.extend(more.bytes());
        let mut out = [0; 9];
        decompress(&data, &mut out).unwrap();
        assert_eq!(&out, b"abcabcabc");
    }

    #[test]
    fn calls_become_relative() {
        let mut out = vec![0; 32];
        out[4] = CALL;
        out[5..9].copy_from_slice(&1000i32.to_le_bytes());
        out[12] = CALL;
        out[13..17].copy_from_slice(&(-12i32).to_le_bytes());
        out[18] = CALL;
        out[19..23].copy_from_slice(&(-19i32).to_le_bytes());
        out[30] = CALL;
        translate_calls(&mut out);
        assert_eq!(out[5..9], 996i32.to_le_bytes());
        assert_eq!(out[13..17], (CALL_SIZE - 12).to_le_bytes());
        assert_eq!(out[19..23], (-19i32).to_le_bytes());
    }

    #[test]
    fn what_leads_outside_is_corrupt() {
        let mut before = block(1, 4);
        before.put(symbol(8, 4), 9);
        for data in [vec![], vec![0, 0xF0], before.bytes(), block(1, 5).bytes(), vec![0x00, 0x60, 0, 0]] {
            let error = decompress(&data, &mut [0; 4]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{data:x?}");
        }
    }
}
