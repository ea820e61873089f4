//! The compressors. Each block of data or metadata is compressed by itself, into a stream of its compressor's own kind.

use flate2::{Decompress, FlushDecompress, Status};

use crate::codec::zstd::Zstd;
use crate::codec::{lz4, lzo, xz};
use crate::{Error, Result};

/// Largest zstd window in bytes: a block is 1 MiB at most, and a frame rounds its window up to a power of two.
const MAX_WINDOW: u64 = 2 << 20;

/// Which compressor a filesystem uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Lzo,
    Xz,
    Lz4,
    Zstd,
}

impl Compression {
    /// By its number in the superblock.
    pub(super) fn of(number: u16) -> Result<Self> {
        Ok(match number {
            1 => Compression::Gzip,
            // Never in the kernel, which has no decoder of bare LZMA.
            2 => return Err(Error::unsupported("squashfs compressed with lzma")),
            3 => Compression::Lzo,
            4 => Compression::Xz,
            5 => Compression::Lz4,
            6 => Compression::Zstd,
            _ => return Err(Error::unsupported(format!("squashfs with compressor {number}"))),
        })
    }
}

/// Memory for decompressing, to be used again and again.
#[derive(Debug)]
pub(super) struct Decoder {
    /// What is to be decompressed.
    pub(super) input: Vec<u8>,
    inflate: Option<Decompress>,
    zstd: Zstd,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Decoder { input: Vec::new(), inflate: None, zstd: Zstd::new(MAX_WINDOW) }
    }

    /// Decompresses `input` to the front of `output` and says how many bytes that gave.
    pub(super) fn decompress(&mut self, kind: Compression, output: &mut [u8]) -> Result<usize> {
        match kind {
            Compression::Gzip => self.inflate(output),
            Compression::Lzo => lzo::decompress(&self.input, output),
            Compression::Xz => xz::decompress(&self.input, output),
            Compression::Lz4 => lz4::decompress(&self.input, output),
            Compression::Zstd => {
                let decoded = self.zstd.frame(&mut self.input.as_slice(), output)?;
                if decoded.whole { Ok(decoded.count) } else { Err(too_much()) }
            }
        }
    }

    /// A zlib stream, with header and checksum.
    fn inflate(&mut self, output: &mut [u8]) -> Result<usize> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(true));
        inflate.reset(true);
        match inflate.decompress(&self.input, output, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => Ok(usize::try_from(inflate.total_out()).unwrap_or(usize::MAX)),
            Ok(_) if usize::try_from(inflate.total_out()) == Ok(output.len()) => Err(too_much()),
            _ => Err(Error::corrupt("compressed data is not a zlib stream")),
        }
    }
}

#[cold]
fn too_much() -> Error {
    Error::corrupt("compressed data gives more than it should")
}
