//! The form of LZ4 that Linux unpacks an initramfs from (lib/decompress_unlz4.c): the oldest one, as `lz4 -l` writes it.
//!
//! ```text
//! magic, 4 bytes | length, 4 bytes | a piece, compressed | length | a piece …      numbers are little endian
//! ```

use std::io::{self, Write};

const MAGIC: u32 = 0x184c_2102;
/// Bytes of a piece before it is compressed. The kernel takes up to 8 MiB; small ones need less memory there.
const PIECE: usize = 256 * 1024;

/// Compresses what is written to it. What it holds comes out with [`finish`](Self::finish).
pub(crate) struct Writer<W: Write> {
    out: W,
    held: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A stream that is written to `out`.
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC.to_le_bytes())?;
        Ok(Writer { out, held: Vec::with_capacity(PIECE) })
    }

    /// Ends the stream.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.piece()
    }

    fn piece(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let compressed = lz4_flex::block::compress(&self.held);
        self.out.write_all(&u32::try_from(compressed.len()).map_err(io::Error::other)?.to_le_bytes())?;
        self.out.write_all(&compressed)?;
        self.held.clear();
        Ok(())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE.saturating_sub(self.held.len()));
        self.held.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.held.len() == PIECE {
            self.piece()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_out_again() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
            let content: Vec<u8> = (0..len).map(|n| u8::try_from(n / 3 % 251).unwrap()).collect();
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out).unwrap();
            writer.write_all(&content).unwrap();
            writer.finish().unwrap();
            let (magic, mut rest) = out.split_at(4);
            assert_eq!(magic, [0x02, 0x21, 0x4c, 0x18]);
            let mut back = Vec::new();
            while let Some((length, after)) = rest.split_first_chunk() {
                let (piece, after) = after.split_at(u32::from_le_bytes(*length).try_into().unwrap());
                back.extend(lz4_flex::block::decompress(piece, PIECE).unwrap());
                rest = after;
            }
            assert!(back == content, "{len} bytes");
        }
    }
}
