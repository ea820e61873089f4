//! Decompression of extents, which are compressed alone: 128 KiB or less each.
//!
//! zlib and zstd extents are one stream. An LZO extent is a length (le32, which counts itself) and segments, each a
//! length (le32) and an LZO1X stream that gives one sector, but for the last. No segment's length crosses from one
//! sector of the extent into the next: where fewer than four bytes are left, zeros fill them.
//! (Source: the btrfs documentation, "Compression" and "On-disk format"; sectors are those of the filesystem.)

use flate2::{Decompress, FlushDecompress, Status};

use crate::bytes::{Fields, index};
use crate::codec::lzo;
use crate::codec::zstd::Zstd;
use crate::{Error, Result};

/// Longest extent in bytes before and after compression, and the window of its zstd frame.
pub(super) const MAX_UNCOMPRESSED: u32 = 128 << 10;

/// Length in bytes of a length in LZO extents.
const LZO_LENGTH: usize = 4;

/// How an extent is compressed: `compression` of a file extent item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Zlib,
    Lzo,
    Zstd,
}

impl Algorithm {
    /// What the field of an item says; `None` if the extent is not compressed.
    pub(super) fn new(field: u8) -> Result<Option<Self>> {
        match field {
            0 => Ok(None),
            1 => Ok(Some(Algorithm::Zlib)),
            2 => Ok(Some(Algorithm::Lzo)),
            3 => Ok(Some(Algorithm::Zstd)),
            other => Err(Error::unsupported(format!("an extent with compression {other}"))),
        }
    }
}

/// Memory for decompressing, to be used again and again.
#[derive(Debug)]
pub(super) struct Decompressor {
    sector_size: usize,
    inflate: Option<Decompress>,
    zstd: Zstd,
    /// A last LZO segment that is wanted in part.
    sector: Vec<u8>,
}

impl Decompressor {
    /// For a filesystem whose sectors have `sector_size` bytes.
    pub(super) fn new(sector_size: u32) -> Self {
        Decompressor {
            sector_size: index(sector_size),
            inflate: None,
            zstd: Zstd::new(MAX_UNCOMPRESSED.into()),
            sector: Vec::new(),
        }
    }

    /// Decompresses the stream that `input` starts with to the front of `output`, and says how many bytes that gave: all
    /// that `output` can hold, or all that there are.
    ///
    /// # Errors
    /// `Corrupt` if it is not such a stream, or is cut off.
    pub(super) fn run(&mut self, algorithm: Algorithm, input: &[u8], output: &mut [u8]) -> Result<usize> {
        match algorithm {
            Algorithm::Zlib => self.inflate(input, output),
            Algorithm::Lzo => self.unlzo(input, output),
            Algorithm::Zstd => Ok(self.zstd.frame(&mut &*input, output)?.count),
        }
    }

    /// A zlib stream (RFC 1950). Its checksum is not looked at, as in the kernel: the extent has others.
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        /// Low half of the first byte: deflate.
        const DEFLATE: u8 = 8;
        /// Of the second byte.
        const PRESET_DICTIONARY: u8 = 1 << 5;
        let bad = || Error::corrupt("a compressed extent is not a zlib stream");
        let [method, flags, stream @ ..] = input else { return Err(bad()) };
        let check = u16::from_be_bytes([*method, *flags]) % 31;
        if method & 0xF != DEFLATE || flags & PRESET_DICTIONARY != 0 || check != 0 {
            return Err(bad());
        }
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        let status = inflate.decompress(stream, output, FlushDecompress::Finish);
        let count = usize::try_from(inflate.total_out()).unwrap_or(usize::MAX);
        match status {
            Ok(Status::StreamEnd) => Ok(count),
            Ok(Status::Ok | Status::BufError) if count == output.len() => Ok(count),
            _ => Err(bad()),
        }
    }

    fn unlzo(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let total = index(input.le32(0)?);
        let input = input.slice(0, total)?;
        let mut at = LZO_LENGTH;
        let mut done = 0usize;
        while at < total && done < output.len() {
            let length = index(input.le32(at)?);
            at = at.saturating_add(LZO_LENGTH);
            let segment = input.slice(at, length)?;
            at = at.saturating_add(length);
            let rest = output.get_mut(done..).unwrap_or_default();
            let count = match rest.get_mut(..self.sector_size) {
                Some(sector) => lzo::decompress(segment, sector)?,
                None => {
                    self.sector.resize(self.sector_size, 0);
                    let count = lzo::decompress(segment, &mut self.sector)?.min(rest.len());
                    let (to, from) = (rest.get_mut(..count), self.sector.get(..count));
                    to.unwrap_or_default().copy_from_slice(from.unwrap_or_default());
                    count
                }
            };
            done = done.saturating_add(count);
            let left = self.sector_size.saturating_sub(at.checked_rem(self.sector_size).unwrap_or(0));
            if left < LZO_LENGTH {
                at = at.saturating_add(left);
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ErrorKind;

    const SECTOR: usize = 4096;

    fn decode(algorithm: Algorithm, input: &[u8], len: usize) -> Result<Vec<u8>> {
        let mut output = vec![0xEE; len];
        let count = Decompressor::new(SECTOR as u32).run(algorithm, input, &mut output)?;
        output.truncate(count);
        Ok(output)
    }

    /// An LZO1X stream of literals only.
    fn literals(bytes: &[u8]) -> Vec<u8> {
        let over = bytes.len() - 18;
        let mut stream = vec![0; 1 + over / 255];
        assert_ne!(over % 255, 0, "pick another length");
        stream.push((over % 255) as u8);
        stream.extend(bytes);
        stream.extend([0x11, 0, 0]);
        stream
    }

    /// Segments as btrfs lays them out.
    fn lzo_extent(segments: &[Vec<u8>]) -> Vec<u8> {
        let mut extent = vec![0; 4];
        for segment in segments {
            if SECTOR - extent.len() % SECTOR < 4 {
                extent.resize(extent.len().next_multiple_of(SECTOR), 0);
            }
            extent.extend((segment.len() as u32).to_le_bytes());
            extent.extend(segment);
        }
        let total = (extent.len() as u32).to_le_bytes();
        extent[..4].copy_from_slice(&total);
        extent
    }

    #[test]
    fn lengths_of_lzo_segments_do_not_cross_sectors() {
        let pages: Vec<Vec<u8>> = (0..5u8).map(|n| vec![b'a' + n; SECTOR]).collect();
        let overhead = literals(&pages[0]).len() - SECTOR;
        // After each first segment of one of these lengths, 0 to 6 bytes of the sector are left.
        for left in 0..7 {
            let first = vec![b'x'; SECTOR - 4 - 4 - overhead - left];
            let mut segments = vec![literals(&first)];
            assert_eq!(lzo_extent(&segments).len(), SECTOR - left);
            segments.extend(pages.iter().map(|page| literals(page)));
            let extent = lzo_extent(&segments);
            let wanted = [first.clone(), pages.concat()].concat();
            assert_eq!(decode(Algorithm::Lzo, &extent, wanted.len()).unwrap(), wanted, "{left}");
            assert_eq!(decode(Algorithm::Lzo, &extent, 9000).unwrap(), wanted[..9000], "{left}");
            assert_eq!(decode(Algorithm::Lzo, &extent, wanted.len() + 1).unwrap(), wanted, "{left}");
            let error = decode(Algorithm::Lzo, &extent[..extent.len() - 1], wanted.len()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{left}");
        }
    }

    #[test]
    fn zlib_streams_are_read_without_their_checksum() {
        let bytes: Vec<u8> = (0..9000u32).map(|i| ((i * i) >> 7) as u8).collect();
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&bytes).unwrap();
        let mut stream = encoder.finish().unwrap();
        *stream.last_mut().unwrap() ^= 1;
        assert_eq!(decode(Algorithm::Zlib, &stream, 9000).unwrap(), bytes);
        assert_eq!(decode(Algorithm::Zlib, &stream, 100).unwrap(), bytes[..100]);
        assert_eq!(decode(Algorithm::Zlib, &stream, 9001).unwrap(), bytes);
        for (stream, len) in [(&stream[1..], 9000), (&stream[..100], 9000), (&[], 1)] {
            assert_eq!(decode(Algorithm::Zlib, stream, len).unwrap_err().kind(), ErrorKind::Corrupt, "{len}");
        }
    }

    #[test]
    fn zstd_frames_may_give_more_than_is_wanted() {
        // No content size, a window of 1 KiB, one raw block of 512 bytes.
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, 0];
        frame.extend(&(512u32 << 3 | 1).to_le_bytes()[..3]);
        frame.extend([7; 512]);
        frame.extend([0; 300]);
        assert_eq!(decode(Algorithm::Zstd, &frame, 512).unwrap(), [7; 512]);
        assert_eq!(decode(Algorithm::Zstd, &frame, 100).unwrap(), [7; 100]);
        assert_eq!(decode(Algorithm::Zstd, &frame, 513).unwrap(), [7; 512]);
        assert_eq!(decode(Algorithm::Zstd, &frame[..300], 512).unwrap_err().kind(), ErrorKind::Corrupt);
        // A window of 256 KiB is more than an extent can have.
        frame[5] = 8 << 3;
        assert_eq!(decode(Algorithm::Zstd, &frame, 512).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
