//! Canonical Huffman codes and the bits that they come in, as XPRESS and LZX have both: 16-bit little-endian words, of which
//! the highest bit comes first.
//!
//! Source: Microsoft's "[MS-XCA]: Xpress Compression Algorithm", section 2.2.4, and "LZX DELTA", [MS-PATCH], section 2.

use crate::{Error, Result};

/// Longest code in bits.
pub(super) const MAX_BITS: u32 = 16;

/// Bits of a stream. After its end there are zeros.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
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
    pub(super) fn need(&mut self, count: u32) {
        while self.count < count {
            let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<2>());
            let word = u64::from(word.map_or(0, |word| u16::from_le_bytes(*word)));
            self.at = self.at.saturating_add(2);
            self.next |= word.wrapping_shl(48u32.saturating_sub(self.count));
            self.count = self.count.saturating_add(16);
        }
    }

    /// The next `count` bits, which must have been read.
    fn peek(&self, count: u32) -> u32 {
        let bits = if count == 0 { 0 } else { self.next.wrapping_shr(64u32.saturating_sub(count)) };
        u32::try_from(bits).unwrap_or(0)
    }

    fn skip(&mut self, count: u32) {
        self.next = self.next.wrapping_shl(count);
        self.count = self.count.saturating_sub(count);
    }

    /// Takes `count` bits, 17 at most.
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
    /// For every value of the next [`lookup`](Self::lookup) bits: the symbol, and how many of the bits are its own.
    table: Vec<(u16, u8)>,
    lookup: u32,
}

impl Code {
    /// The code whose symbols have `lengths` (in bits; 0 for those that do not come up).
    pub(super) fn new(lengths: &[u8]) -> Result<Self> {
        let lookup = lengths.iter().copied().max().map_or(0, u32::from);
        if lookup > MAX_BITS {
            return Err(Error::corrupt(format!("a Huffman code of {lookup} bits")));
        }
        let size = 1usize.wrapping_shl(lookup);
        let mut table = Vec::with_capacity(size);
        for bits in 1..=lookup {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, len)| u32::from(**len) == bits) {
                let entry = (u16::try_from(symbol).unwrap_or(0), u8::try_from(bits).unwrap_or(0));
                let end = table.len().saturating_add(1usize.wrapping_shl(lookup.saturating_sub(bits)));
                if end > size {
                    return Err(Error::corrupt("a Huffman code with more symbols than it has room for"));
                }
                table.resize(end, entry);
            }
        }
        Ok(Code { table, lookup })
    }

    /// Takes the next symbol.
    pub(super) fn take(&self, bits: &mut Bits<'_>) -> Result<usize> {
        bits.need(self.lookup);
        let at = usize::try_from(bits.peek(self.lookup)).unwrap_or(usize::MAX);
        match self.table.get(at) {
            Some((symbol, len)) => {
                bits.skip((*len).into());
                Ok((*symbol).into())
            }
            None => Err(Error::corrupt("bits that no symbol of a Huffman code has")),
        }
    }
}

/// Copies `length` bytes from `distance` bytes before `at`, as matches do; gives where they end.
pub(super) fn copy_match(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<usize> {
    let start = at.checked_sub(distance).filter(|_| distance > 0);
    let end = at.checked_add(length).filter(|end| *end <= out.len());
    let (Some(start), Some(end)) = (start, end) else {
        return Err(Error::corrupt(format!(
            "a match of {length} bytes {distance} before byte {at} of {}",
            out.len()
        )));
    };
    if distance >= length {
        out.copy_within(start..start.saturating_add(length), at);
    } else {
        for (from, to) in (start..).zip(at..end) {
            let byte = out.get(from).copied().unwrap_or_default();
            if let Some(place) = out.get_mut(to) {
                *place = byte;
            }
        }
    }
    Ok(end)
}
