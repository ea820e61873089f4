//! Canonical Huffman codes and the bits that they come in, as XPRESS and LZX have both: 16-bit little-endian words, of which
//! the highest bit comes first.
//!
//! Chunks are as short as 4 KiB and each has a code of its own, so that making a code counts as much as using it: short
//! codes, which are nearly all that come up, are found in a small table, longer ones by comparing with where each length
//! ends.
//!
//! Source: Microsoft's "[MS-XCA]: Xpress Compression Algorithm", section 2.2.4, and "LZX DELTA", [MS-PATCH], section 2.

use crate::{Error, Result};

/// Longest code in bits.
pub(super) const MAX_BITS: u32 = 16;
/// Most symbols of a code: those of XPRESS.
const MAX_SYMBOLS: usize = 512;
/// Longest code in bits that the table has.
const TABLE_BITS: u32 = 11;
const TABLE: usize = 1 << TABLE_BITS;
/// Bits of an entry of the table that are a length.
const LENGTH_BITS: u32 = 4;
const LENGTH: u16 = (1 << LENGTH_BITS) - 1;
/// One more than the longest code: for arrays with an element for each length.
const LENGTHS: usize = 17;
/// Matches up to this long are copied as one block of this size.
const BLOCK: usize = 16;

/// Bits of a stream. After its end there are zeros.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Byte after the last word that was read.
    at: usize,
    /// The next bits, from the highest on.
    next: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, next: 0, count: 0 }
    }

    /// Reads words until there are at least `count` bits, of at most 32.
    #[inline]
    pub(super) fn need(&mut self, count: u32) {
        if self.count < count {
            self.refill();
        }
    }

    /// Reads two words; there are 32 bits at most.
    #[inline]
    fn refill(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let words = match rest.first_chunk::<4>() {
            Some(words) => *words,
            None => match *rest {
                [a, b, ..] => [a, b, 0, 0],
                _ => [0; 4],
            },
        };
        // The first word's bits come before those of the second.
        let words = u64::from(u32::from_le_bytes(words).rotate_left(16));
        self.next |= words.wrapping_shl(32u32.saturating_sub(self.count));
        self.count = self.count.saturating_add(32);
        self.at = self.at.saturating_add(4);
    }

    /// The next `count` bits, which must have been read.
    #[inline]
    fn peek(&self, count: u32) -> u32 {
        // In two steps, so that none is as wide as the number.
        let bits = self.next.wrapping_shr(1).wrapping_shr(63u32.saturating_sub(count));
        u32::try_from(bits).unwrap_or(0)
    }

    #[inline]
    fn skip(&mut self, count: u32) {
        self.next = self.next.wrapping_shl(count);
        self.count = self.count.saturating_sub(count);
    }

    /// Takes `count` bits, 17 at most.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.need(count);
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Where the next word begins: at least one bit is left out, at most a whole word.
    pub(super) fn next_word(&self) -> usize {
        let ahead = usize::try_from(self.count / 16).unwrap_or(0).saturating_mul(2);
        let within = if self.count.is_multiple_of(16) { 2 } else { 0 };
        self.at.saturating_sub(ahead).saturating_add(within)
    }

    /// Goes on at byte `at`.
    pub(super) fn seek(&mut self, at: usize) {
        (self.next, self.count, self.at) = (0, 0, at);
    }

    /// Gives back the words that are not needed to have 16 bits: those come before the next [`byte`](Self::byte).
    pub(super) fn give_back(&mut self) {
        self.need(16);
        let words = (self.count / 16).saturating_sub(1);
        self.count = self.count.saturating_sub(words.saturating_mul(16));
        let kept = u64::MAX.wrapping_shl(64u32.saturating_sub(self.count));
        self.next &= kept;
        let bytes = usize::try_from(words).unwrap_or(0).saturating_mul(2);
        self.at = self.at.saturating_sub(bytes);
    }

    /// Takes the next byte that is not in a word already read.
    pub(super) fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at = self.at.saturating_add(1);
        byte
    }
}

/// A code: symbols by the bits that stand for them.
#[derive(Debug)]
pub(super) struct Code {
    /// For every value of the next [`TABLE_BITS`] bits: the symbol, and how many of the bits are its own; 0 if none has so few.
    table: [u16; TABLE],
    /// The symbols in the order of their codes.
    symbols: [u16; MAX_SYMBOLS],
    /// For each length: the first 16 bits after the codes of that length, and where their symbols begin.
    ends: [u32; LENGTHS],
    starts: [usize; LENGTHS],
}

impl Code {
    /// The code whose symbols, 512 at most, have `lengths` (in bits; 0 for those that do not come up).
    pub(super) fn new(lengths: &[u8]) -> Result<Self> {
        let mut counts = [0usize; LENGTHS];
        for length in lengths {
            match counts.get_mut(usize::from(*length)) {
                Some(count) => *count = count.saturating_add(1),
                None => return Err(Error::corrupt(format!("a Huffman code of {length} bits"))),
            }
        }
        let mut code =
            Code { table: [0; TABLE], symbols: [0; MAX_SYMBOLS], ends: [0; LENGTHS], starts: [0; LENGTHS] };
        let mut places = [0usize; LENGTHS];
        let (mut end, mut start) = (0u32, 0usize);
        let each = counts.iter().zip(&mut places).zip(&mut code.ends).zip(&mut code.starts);
        for (bits, (((count, place), code_end), code_start)) in (0..).zip(each).skip(1) {
            (*place, *code_start) = (start, start);
            start = start.saturating_add(*count);
            let width = 1u32.wrapping_shl(MAX_BITS.saturating_sub(bits));
            end = end.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX).saturating_mul(width));
            *code_end = end;
        }
        if end > 1 << MAX_BITS || lengths.len() > MAX_SYMBOLS {
            return Err(Error::corrupt("a Huffman code with more symbols than it has room for"));
        }
        for (symbol, length) in (0u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let Some(place) = places.get_mut(usize::from(*length)) else { continue };
            if let Some(slot) = code.symbols.get_mut(*place) {
                *slot = symbol;
            }
            *place = place.saturating_add(1);
        }
        code.fill();
        Ok(code)
    }

    /// Makes the table.
    fn fill(&mut self) {
        let mut rest = &mut self.table[..];
        for (bits, (first, next)) in (0u16..).zip(self.starts.iter().zip(self.starts.iter().skip(1))).skip(1)
        {
            let Some(wide) = TABLE_BITS.checked_sub(bits.into()) else { return };
            for symbol in self.symbols.get(*first..*next).unwrap_or_default() {
                let (run, after) = rest.split_at_mut(1usize.wrapping_shl(wide).min(rest.len()));
                run.fill(symbol.wrapping_shl(LENGTH_BITS) | bits);
                rest = after;
            }
        }
    }

    /// Takes the next symbol.
    #[inline]
    pub(super) fn take(&self, bits: &mut Bits<'_>) -> Result<usize> {
        bits.need(MAX_BITS);
        let at = usize::try_from(bits.peek(TABLE_BITS)).unwrap_or(usize::MAX);
        match self.table.get(at) {
            Some(entry) if *entry != 0 => {
                bits.skip(u32::from(*entry & LENGTH));
                Ok(usize::from(entry.wrapping_shr(LENGTH_BITS)))
            }
            _ => self.take_long(bits),
        }
    }

    /// Takes a symbol whose code is not in the table.
    fn take_long(&self, bits: &mut Bits<'_>) -> Result<usize> {
        let next = bits.peek(MAX_BITS);
        let mut begin = 0u32;
        for (count, (end, start)) in (0u32..).zip(self.ends.iter().zip(&self.starts)) {
            if next < *end {
                let nr = next.saturating_sub(begin).wrapping_shr(MAX_BITS.saturating_sub(count));
                let nr = usize::try_from(nr).unwrap_or(usize::MAX);
                bits.skip(count);
                return Ok(self.symbols.get(start.saturating_add(nr)).copied().unwrap_or(0).into());
            }
            begin = *end;
        }
        Err(Error::corrupt("bits that no symbol of a Huffman code has"))
    }
}

/// Copies `length` bytes from `distance` bytes before `at`, as matches do; gives where they end. What comes after, which is
/// still to be filled, may change.
#[inline]
pub(super) fn copy_match(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<usize> {
    let start = at.checked_sub(distance).filter(|_| distance > 0);
    let end = at.checked_add(length).filter(|end| *end <= out.len());
    let (Some(start), Some(end)) = (start, end) else { return Err(outside(out, at, distance, length)) };
    if length <= BLOCK && distance >= BLOCK {
        let (before, after) = out.split_at_mut(at);
        let from = before.get(start..).and_then(|from| from.first_chunk::<BLOCK>());
        if let (Some(from), Some(to)) = (from, after.first_chunk_mut::<BLOCK>()) {
            *to = *from;
            return Ok(end);
        }
    }
    // What was copied is more to copy from.
    let (mut done, mut have) = (at, distance);
    while done < end {
        let count = have.min(end.saturating_sub(done));
        out.copy_within(start..start.saturating_add(count), done);
        done = done.saturating_add(count);
        have = have.saturating_add(count);
    }
    Ok(end)
}

#[cold]
fn outside(out: &[u8], at: usize, distance: usize, length: usize) -> Error {
    let all = out.len();
    Error::corrupt(format!("a match of {length} bytes {distance} before byte {at} of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn codes_of_all_lengths() {
        // One symbol of each length to 15, two of 16: their codes are 0, 10, 110, 1110…
        let mut lengths: Vec<u8> = (1..=16).collect();
        lengths.push(16);
        let code = Code::new(&lengths).unwrap();
        let mut bits: Vec<bool> = Vec::new();
        let order = [16usize, 0, 15, 3, 10, 11, 12, 1, 14, 0, 16];
        for symbol in order {
            bits.extend(std::iter::repeat_n(true, symbol));
            bits.extend((symbol < 16).then_some(false));
        }
        let bytes: Vec<u8> = bits
            .chunks(16)
            .map(|word| word.iter().enumerate().fold(0u16, |n, (at, bit)| n | u16::from(*bit) << (15 - at)))
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut bits = Bits::new(&bytes);
        for symbol in order {
            assert_eq!(code.take(&mut bits).unwrap(), symbol);
        }
    }

    #[test]
    fn codes_may_have_gaps_but_no_more_than_fits() {
        let code = Code::new(&[0, 12, 2]).unwrap();
        for (bytes, symbol) in [([0xFF, 0x3F], Some(2)), ([0x0F, 0x40], Some(1)), ([0, 0x80], None)] {
            assert_eq!(code.take(&mut Bits::new(&bytes)).ok(), symbol, "{bytes:x?}");
        }
        for lengths in [&[1, 1, 1][..], &[17], &[9; 513]] {
            assert_eq!(Code::new(lengths).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        assert_eq!(
            Code::new(&[]).unwrap().take(&mut Bits::new(&[0; 4])).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn bytes_come_after_the_words_that_16_bits_need() {
        let bytes: Vec<u8> = (1..=12).collect();
        for (taken, byte) in [(0, 3), (1, 5), (15, 5), (16, 5), (17, 7), (32, 7), (33, 9)] {
            let mut bits = Bits::new(&bytes);
            for _ in 0..taken {
                bits.take(1);
            }
            bits.give_back();
            assert_eq!(bits.byte(), byte, "{taken}");
        }
    }

    #[test]
    fn matches_may_overlap() {
        for (distance, length) in [(1, 20), (2, 7), (3, 3), (16, 16), (20, 5), (17, 30), (20, 20)] {
            let mut out: Vec<u8> = (0..60).collect();
            let mut want = out.clone();
            for at in 20..20 + length {
                want[at] = want[at - distance];
            }
            assert_eq!(copy_match(&mut out, 20, distance, length).unwrap(), 20 + length);
            assert_eq!(out[..20 + length], want[..20 + length], "{distance} {length}");
        }
        for (distance, length) in [(0, 3), (21, 3), (1, 41)] {
            let error = copy_match(&mut [0; 60], 20, distance, length).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{distance} {length}");
        }
    }
}
