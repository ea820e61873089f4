//! Decompression of clusters. A cluster is one raw deflate stream or a sequence of zstd frames, in whole sectors, so that
//! garbage may follow; it must give a whole cluster of bytes.

use flate2::{Decompress, FlushDecompress};

use super::header::Compression;
use crate::codec::zstd::Zstd;
use crate::{Error, ReadAt, Result};

/// Largest window in bytes that a zstd frame may ask for: four times the largest cluster. The decoder takes that much
/// memory before it has seen any data. (RFC 8878 recommends that decoders support 8 MiB.)
const MAX_WINDOW: u64 = 8 << 20;

/// Memory for decompressing, to be used again and again.
#[derive(Debug)]
pub(super) struct Decoder {
    input: Vec<u8>,
    inflate: Option<Decompress>,
    zstd: Zstd,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Decoder { input: Vec::new(), inflate: None, zstd: Zstd::new(MAX_WINDOW) }
    }

    /// Fills `output` from the compressed data in the `len` bytes at `offset` of `file`. `len` is at most twice the
    /// size of a cluster, by its encoding.
    pub(super) fn read(
        &mut self,
        file: &dyn ReadAt,
        offset: u64,
        len: u64,
        kind: Compression,
        output: &mut [u8],
    ) -> Result<()> {
        self.input.resize(usize::try_from(len).unwrap_or(0), 0);
        file.read_at(offset, &mut self.input)?;
        match kind {
            Compression::Zlib => self.inflate(output),
            Compression::Zstd => self.unzstd(output),
        }
    }

    fn inflate(&mut self, output: &mut [u8]) -> Result<()> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        let result = inflate.decompress(&self.input, output, FlushDecompress::Finish);
        let whole = usize::try_from(inflate.total_out()) == Ok(output.len());
        match result {
            Ok(_) if whole => Ok(()),
            Ok(_) => Err(too_short()),
            Err(_) => Err(Error::corrupt("compressed data is not a deflate stream")),
        }
    }

    fn unzstd(&mut self, output: &mut [u8]) -> Result<()> {
        let mut input = self.input.as_slice();
        let mut output = output;
        while !output.is_empty() {
            let decoded = self.zstd.frame(&mut input, output)?;
            if !decoded.whole {
                return Err(Error::corrupt("compressed data gives more than a cluster"));
            }
            output = output.get_mut(decoded.count..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cold]
fn too_short() -> Error {
    Error::corrupt("compressed data gives less than a cluster")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{ErrorKind, MemSource};

    fn decode(kind: Compression, input: &[u8], len: usize) -> Result<Vec<u8>> {
        let mut output = vec![0xEE; len];
        let file = MemSource::new(input);
        Decoder::new().read(&file, 0, file.len(), kind, &mut output).map(|()| output)
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A frame with one raw block, without a content size.
    fn zstd_frame(window: u8, bytes: &[u8]) -> Vec<u8> {
        let block = (bytes.len() as u32) << 3 | 1;
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, window];
        frame.extend(&block.to_le_bytes()[..3]);
        frame.extend(bytes);
        frame
    }

    #[test]
    fn a_deflate_stream_must_fill_the_cluster_and_garbage_may_follow() {
        let bytes: Vec<u8> = (0..4096u32).map(|i| ((i * i) >> 7) as u8).collect();
        let mut input = deflated(&bytes);
        input.extend([0xAA; 300]);
        assert_eq!(decode(Compression::Zlib, &input, 4096).unwrap(), bytes);
        // A stream that goes on past the cluster is cut, as qemu does it.
        assert_eq!(decode(Compression::Zlib, &input, 512).unwrap(), bytes[..512]);
        assert_eq!(decode(Compression::Zlib, &input, 4097).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(decode(Compression::Zlib, &[0xFF; 100], 512).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(decode(Compression::Zlib, &[], 512).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn zstd_frames_must_fill_the_cluster_exactly() {
        let one = zstd_frame(0, &[7; 512]);
        assert_eq!(decode(Compression::Zstd, &one, 512).unwrap(), [7; 512]);
        let mut two = zstd_frame(0, &[7; 512]);
        two.extend(zstd_frame(0, &[8; 512]));
        two.extend([0; 100]);
        assert_eq!(decode(Compression::Zstd, &two, 1024).unwrap(), [[7; 512], [8; 512]].concat());
        for (input, len) in [(&one, 511), (&one, 513), (&two, 1025)] {
            assert_eq!(
                decode(Compression::Zstd, input, len).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{len}"
            );
        }
    }

    #[test]
    fn a_huge_zstd_window_is_refused_before_memory_is_taken() {
        // 8 MiB is mantissa 0 and exponent 13, the largest allowed.
        assert!(decode(Compression::Zstd, &zstd_frame(13 << 3, &[7; 512]), 512).is_ok());
        for window in [13 << 3 | 1, 14 << 3, 0xFF] {
            let error = decode(Compression::Zstd, &zstd_frame(window, &[7; 512]), 512).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{window:#x}");
        }
        let single_segment = [0x28, 0xB5, 0x2F, 0xFD, 3 << 6 | 1 << 5, 0, 0, 0, 0, 0, 1, 0, 0];
        let error = decode(Compression::Zstd, &single_segment, 512).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
