//! LZ4 blocks: what `LZ4_compress_default` and its kin make, without any framing.
//!
//! A block is a sequence of instructions: a token with two lengths, literals (bytes that follow in the block), and a match
//! (bytes that were written before), which the last one lacks. Source: lz4's "LZ4 Block Format Description".
//!
//! EROFS needs blocks cut where the output is full, which `lz4_flex` does not do, so this is our own.

use crate::bytes::Fields;
use crate::{Error, Result};

/// A length of 4 bits that goes on in the bytes that follow.
const LONG: usize = 15;
/// The shortest match, which is left out of its length.
const MIN_MATCH: usize = 4;
/// Bytes that are copied at once where there is room: nearly every match and run of literals is shorter.
const WIDE: usize = 16;

/// Decompresses one whole block into `output` and says how many bytes that gave. What lies behind them in `output` may be
/// overwritten.
///
/// # Errors
/// `Corrupt` if `input` is not exactly one block, or gives more than `output` can hold.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut block = Block { input, output, written: 0 };
    match block.run(false)? {
        End::Input => Ok(block.written),
        End::Output => Err(Error::corrupt("an LZ4 block gives more than it should")),
    }
}

/// Fills `output` with what the block gives first, wherever the block ends.
///
/// # Errors
/// `Corrupt` if it gives less, or what was looked at of it is not right.
pub(crate) fn decompress_start(input: &[u8], output: &mut [u8]) -> Result<()> {
    let wanted = output.len();
    let mut block = Block { input, output, written: 0 };
    block.run(true)?;
    if block.written < wanted {
        return Err(Error::corrupt("an LZ4 block gives less than it should"));
    }
    Ok(())
}

/// What ended the work.
enum End {
    Input,
    Output,
}

struct Block<'a, 'b> {
    /// What is still to be read.
    input: &'a [u8],
    output: &'b mut [u8],
    written: usize,
}

impl Block<'_, '_> {
    /// Decompresses up to the end of the input, or to that of the output: with `start`, as soon as that is full; else where
    /// something does not fit.
    fn run(&mut self, start: bool) -> Result<End> {
        loop {
            if start && self.written == self.output.len() {
                return Ok(End::Output);
            }
            let token = usize::from(self.byte()?);
            let literals = self.length(token >> 4)?;
            if !self.literals(literals)? {
                return Ok(End::Output);
            }
            // Only behind literals may a block end.
            if self.input.is_empty() {
                return Ok(End::Input);
            }
            if self.written == self.output.len() {
                return Ok(End::Output);
            }
            let distance = usize::from(self.input.le16(0)?);
            self.input = self.input.get(2..).unwrap_or_default();
            let length = self.length(token & LONG)?.saturating_add(MIN_MATCH);
            if !self.matched(distance, length)? {
                return Ok(End::Output);
            }
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.input.split_first().ok_or_else(cut)?;
        self.input = rest;
        Ok(byte)
    }

    /// A length whose first 4 bits are `start`.
    #[inline]
    fn length(&mut self, start: usize) -> Result<usize> {
        let mut length = start;
        if start == LONG {
            loop {
                let byte = self.byte()?;
                length = length.saturating_add(byte.into());
                if byte != u8::MAX {
                    break;
                }
            }
        }
        Ok(length)
    }

    /// Copies `count` bytes of the input; says whether there was room for them.
    #[inline]
    fn literals(&mut self, count: usize) -> Result<bool> {
        let rest = self.output.get_mut(self.written..).unwrap_or_default();
        if count <= WIDE
            && let Some(from) = self.input.first_chunk::<WIDE>()
            && let Some(to) = rest.first_chunk_mut::<WIDE>()
        {
            *to = *from;
        } else {
            let taken = count.min(rest.len());
            let from = self.input.get(..taken).ok_or_else(cut)?;
            rest.get_mut(..taken).unwrap_or_default().copy_from_slice(from);
            if taken < count {
                self.written = self.output.len();
                return Ok(false);
            }
        }
        self.input = self.input.get(count..).ok_or_else(cut)?;
        self.written = self.written.saturating_add(count);
        Ok(true)
    }

    /// Copies `length` bytes from `distance` bytes before; says whether there was room for them.
    #[inline]
    fn matched(&mut self, distance: usize, length: usize) -> Result<bool> {
        let from = self.written.checked_sub(distance).filter(|_| distance != 0).ok_or_else(far)?;
        if length <= WIDE
            && distance >= WIDE
            && let Some(bytes) =
                self.output.get(from..).and_then(|bytes| bytes.first_chunk::<WIDE>().copied())
            && let Some(to) = self.output.get_mut(self.written..).and_then(|to| to.first_chunk_mut::<WIDE>())
        {
            *to = bytes;
            self.written = self.written.saturating_add(length);
            return Ok(true);
        }
        let end = self.written.saturating_add(length).min(self.output.len());
        let fits = end.saturating_sub(self.written) == length;
        // A match may reach into itself: what was copied last then goes on being copied, twice as much each time.
        while self.written < end {
            let count = end.saturating_sub(self.written).min(self.written.saturating_sub(from));
            self.output.copy_within(from..from.saturating_add(count), self.written);
            self.written = self.written.saturating_add(count);
        }
        Ok(fits)
    }
}

#[cold]
fn cut() -> Error {
    Error::corrupt("an LZ4 block ends too early")
}

#[cold]
fn far() -> Error {
    Error::corrupt("an LZ4 match begins before its block does")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// Two literals, a match of 9 bytes two bytes back, a run of 17 literals, a match of 4, and five literals.
    const BLOCK: &[u8] = b"\x25ab\x02\x00\xF0\x02cdefghijklmnopqrs\x0A\x00\x50vwxyz";
    const BYTES: &[u8] = b"abababababacdefghijklmnopqrsjklmvwxyz";

    #[test]
    fn a_block_gives_its_bytes() {
        let mut output = [0; 64];
        assert_eq!(decompress(BLOCK, &mut output).unwrap(), BYTES.len());
        assert_eq!(&output[..BYTES.len()], BYTES);
        let mut output = [0; BYTES.len()];
        assert_eq!(decompress(BLOCK, &mut output).unwrap(), BYTES.len());
        assert_eq!(output, BYTES);
        assert_eq!(decompress(b"\x00", &mut output).unwrap(), 0);
    }

    #[test]
    fn a_block_can_be_cut_at_every_byte() {
        for len in 0..=BYTES.len() {
            let mut output = vec![0; len];
            decompress_start(BLOCK, &mut output).unwrap();
            assert_eq!(output, BYTES[..len]);
            if len < BYTES.len() {
                assert_eq!(decompress(BLOCK, &mut output).unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
        assert_eq!(
            decompress_start(BLOCK, &mut [0; BYTES.len() + 1]).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn damaged_blocks_are_refused() {
        for input in [
            &b""[..],
            b"\x10",
            b"\xF0",
            b"\xF0\xFF",
            b"\x10a\x01",
            b"\x10a\x00\x00\x00",
            b"\x10a\x02\x00\x00",
            b"\x1Fa\x01\x00",
            b"\x10a\x01\x00",
            &BLOCK[..BLOCK.len() - 1],
        ] {
            for len in [5, 100] {
                let error = decompress(input, &mut vec![0; len]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{input:x?}");
            }
        }
    }
}
