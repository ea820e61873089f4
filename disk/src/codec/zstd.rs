//! Zstandard frames (RFC 8878).

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::bytes::Fields;
use crate::{Error, Result};

/// A decoder with memory that it uses again and again. It takes none before its first frame.
pub(crate) struct Zstd {
    decoder: Option<FrameDecoder>,
    max_window: u64,
}

/// What a frame gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Bytes of the output that were written.
    pub(crate) count: usize,
    /// Was that all? If not, the frame gives more than the output can hold.
    pub(crate) whole: bool,
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Zstd")
    }
}

impl Zstd {
    /// A decoder of frames whose window has `max_window` bytes at most: it takes that much memory before it has seen
    /// any data.
    pub(crate) const fn new(max_window: u64) -> Self {
        Zstd { decoder: None, max_window }
    }

    /// Decodes the frame that `input` starts with to the front of `output`; `input` becomes what follows the frame if
    /// all of it was wanted.
    ///
    /// # Errors
    /// `Corrupt` if there is no frame, `Unsupported` if it needs too much memory.
    pub(crate) fn frame(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<Decoded> {
        check_window(input, self.max_window)?;
        let decoder = self.decoder.get_or_insert_with(FrameDecoder::new);
        decoder.reset(&mut *input).map_err(|_| damaged())?;
        let mut rest = output;
        let mut count = 0usize;
        loop {
            let finished = decoder
                .decode_blocks(&mut *input, BlockDecodingStrategy::UptoBytes(rest.len()))
                .map_err(|_| damaged())?;
            while decoder.can_collect() > 0 {
                if rest.is_empty() {
                    return Ok(Decoded { count, whole: false });
                }
                let more = decoder.read(rest).map_err(|error| Error::io("zstd decoder", error))?;
                if more == 0 {
                    break;
                }
                count = count.saturating_add(more);
                rest = rest.get_mut(more..).unwrap_or_default();
            }
            if finished {
                return Ok(Decoded { count, whole: true });
            }
        }
    }
}

#[cold]
fn damaged() -> Error {
    Error::corrupt("compressed data is not a zstd frame")
}

/// Refuses a zstd frame that needs too much memory. Frame header: RFC 8878, section 3.1.1.1.
fn check_window(frame: &[u8], max: u64) -> Result<()> {
    /// Frame_Header_Descriptor: no window descriptor, but the content size, which is the window.
    const SINGLE_SEGMENT: u8 = 1 << 5;
    const MAGIC: u32 = 0xFD2F_B528;
    if frame.le32(0)? != MAGIC {
        return Err(damaged());
    }
    let descriptor = frame.u8(4)?;
    // The low two bits: length of the dictionary ID field. The high two: length of the content size field.
    // After magic and descriptor (5 bytes), and without a window descriptor: the content size is here.
    let size_at = match descriptor & 3 {
        0 => 5,
        1 => 6,
        2 => 7,
        _ => 9,
    };
    let window = if descriptor & SINGLE_SEGMENT != 0 {
        match descriptor >> 6 {
            0 => u64::from(frame.u8(size_at)?),
            1 => u64::from(frame.le16(size_at)?).saturating_add(256),
            2 => u64::from(frame.le32(size_at)?),
            _ => frame.le64(size_at)?,
        }
    } else {
        let field = frame.u8(5)?;
        let base = 1u64.checked_shl(u32::from(field >> 3).saturating_add(10)).unwrap_or(u64::MAX);
        (base / 8).saturating_mul(u64::from(field & 7)).saturating_add(base)
    };
    if window > max {
        return Err(Error::unsupported(format!("compressed data with a zstd window of {window} bytes")));
    }
    Ok(())
}
