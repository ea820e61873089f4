//! One piece of a file in transfer.

use super::xdr::{Bytes, DecodeError, Encode, Reader};

/// Most bytes of data in one chunk.
pub const CHUNK_MAX: usize = 8192;
/// Most bytes of its frame: before the data come the frame's length, the cancel word and the data's length.
pub(super) const CHUNK_FRAME_MAX: usize = 12 + CHUNK_MAX;

/// A piece of a file, or how its transfer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The next bytes: 1 to [`CHUNK_MAX`].
    Data(&'a [u8]),
    /// The file is complete.
    End,
    /// The sender gives up.
    Cancel,
}

impl<'a> Chunk<'a> {
    /// Appends the frame of this chunk, its length word included.
    pub fn encode_frame(&self, out: &mut Vec<u8>) {
        let (cancel, data) = match self {
            Chunk::Data(data) => (0i32, *data),
            Chunk::End => (0, &[][..]),
            Chunk::Cancel => (1, &[][..]),
        };
        debug_assert!(data.len() <= CHUNK_MAX, "a chunk holds at most {CHUNK_MAX} bytes");
        let length = data.len().next_multiple_of(4).saturating_add(8);
        u32::try_from(length).unwrap_or(u32::MAX).encode(out);
        cancel.encode(out);
        Bytes(data).encode(out);
    }

    /// Reads the body of a chunk's frame.
    ///
    /// # Errors
    /// If it is not a chunk, or holds more than [`CHUNK_MAX`] bytes.
    pub fn decode(body: &'a [u8]) -> Result<Chunk<'a>, DecodeError> {
        let mut input = Reader::new(body);
        let cancel: i32 = input.value()?;
        let Bytes(data) = input.value()?;
        input.finish()?;
        match (cancel, data) {
            (0, []) => Ok(Chunk::End),
            (0, data) if data.len() <= CHUNK_MAX => Ok(Chunk::Data(data)),
            (0, data) => Err(DecodeError::chunk_too_long(data.len())),
            _ => Ok(Chunk::Cancel),
        }
    }
}

impl DecodeError {
    fn chunk_too_long(len: usize) -> Self {
        DecodeError::new(format!("a chunk of {len} bytes is longer than {CHUNK_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chunk: Chunk<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        chunk.encode_frame(&mut out);
        out
    }

    #[test]
    fn chunks_have_the_bytes_of_the_protocol() {
        assert_eq!(frame(Chunk::Data(b"hello")), b"\0\0\0\x10\0\0\0\0\0\0\0\x05hello\0\0\0");
        assert_eq!(frame(Chunk::End), b"\0\0\0\x08\0\0\0\0\0\0\0\0");
        assert_eq!(frame(Chunk::Cancel), b"\0\0\0\x08\0\0\0\x01\0\0\0\0");
        // A full chunk is 8200 bytes after its length word.
        let full = frame(Chunk::Data(&[7; CHUNK_MAX]));
        assert_eq!(full[..4], 8200u32.to_be_bytes());
        assert_eq!(full.len(), 8204);
    }

    #[test]
    fn chunks_decode_and_a_longer_one_is_refused() {
        for chunk in [Chunk::Data(b"hello"), Chunk::End, Chunk::Cancel] {
            assert_eq!(Chunk::decode(&frame(chunk)[4..]).unwrap(), chunk);
        }
        let mut long = Vec::new();
        0i32.encode(&mut long);
        Bytes(&[0; CHUNK_MAX + 1]).encode(&mut long);
        assert!(Chunk::decode(&long).is_err());
        assert!(Chunk::decode(b"\0\0\0\0\0\0\0\x08abcd").is_err());
    }
}
