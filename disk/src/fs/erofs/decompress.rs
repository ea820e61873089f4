//! The compressors, and the inode that holds parts of many files.

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::{Decompress, FlushDecompress};
use lzma_rust2::LzmaReader;

use super::Erofs;
use super::compressed::Data;
use super::file::Content;
use crate::codec::lz4;
use crate::codec::zstd::Zstd;
use crate::fs::InodeId;
use crate::{Context, Error, Result};

/// Largest zstd window in bytes: `mkfs.erofs` has dictionaries of up to 1 MiB, which a frame may round up.
const MAX_WINDOW: u64 = 2 << 20;
/// Smallest dictionary of LZMA in bytes.
const MIN_DICTIONARY: usize = 4096;
/// Most decoders kept for later: as many as work at once.
const MAX_DECODERS: usize = 4;

/// Memory for decompressing, to be used again and again.
#[derive(Debug)]
struct Decoder {
    /// What is to be decompressed.
    input: Vec<u8>,
    inflate: Option<Decompress>,
    zstd: Zstd,
}

/// What files share while they are open.
#[derive(Debug, Default)]
pub(super) struct Shared {
    decoders: Mutex<Vec<Decoder>>,
    /// The inode that holds parts of many files, once it was needed.
    packed: Mutex<Option<Content>>,
}

/// Nothing panics while these locks are held, and what they guard is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Erofs {
    /// Fills `output` with what lies at byte `offset` of the inode that holds parts of many files.
    pub(super) fn read_packed(&self, offset: u64, output: &mut [u8]) -> Result<()> {
        let Some(number) = self.superblock.packed else {
            return Err(Error::corrupt("a fragment in an erofs without fragments"));
        };
        let mut packed = lock(&self.shared.packed);
        let content = match &mut *packed {
            Some(content) => content,
            None => {
                packed.insert(Content::new(self, self.inode(InodeId::new(number))?)?.without_fragments()?)
            }
        };
        let count = content.read(self, offset, output).context(|| "reading a fragment".to_owned())?;
        if count < output.len() {
            return Err(Error::corrupt(format!("a fragment at byte {offset} past the end of all")));
        }
        Ok(())
    }

    /// Fills `output` with what `data` gives.
    pub(super) fn decompress(&self, data: &Data, output: &mut [u8]) -> Result<()> {
        let spare = lock(&self.shared.decoders).pop();
        let mut decoder = spare.unwrap_or_else(|| Decoder {
            input: Vec::new(),
            inflate: None,
            zstd: Zstd::new(MAX_WINDOW),
        });
        let result = decoder
            .run(self, data, output)
            .context(|| format!("in the compressed data at byte {}", data.range.start));
        let mut decoders = lock(&self.shared.decoders);
        if decoders.len() < MAX_DECODERS {
            decoders.push(decoder);
        }
        result
    }
}

impl Decoder {
    fn run(&mut self, fs: &Erofs, data: &Data, output: &mut [u8]) -> Result<()> {
        let algorithm = data.algorithm.unwrap_or_default();
        if algorithm > 3 {
            return Err(Error::unsupported(format!("erofs with compressor {algorithm}")));
        }
        if fs.superblock.compressors & 1_u16.wrapping_shl(algorithm.into()) == 0 {
            return Err(Error::corrupt(format!(
                "compressor {algorithm}, which the superblock does not name"
            )));
        }
        let len = data.range.end.saturating_sub(data.range.start);
        self.input.resize(usize::try_from(len).unwrap_or_default(), 0);
        fs.source.read_at(data.range.start, &mut self.input)?;
        let padding = fs.superblock.zero_padding;
        let zeros = if padding { self.input.iter().take_while(|&&byte| byte == 0).count() } else { 0 };
        let input = self.input.get(zeros..).unwrap_or_default();
        match algorithm {
            // Without padding, the data may go on behind its end.
            0 if data.partial || !padding => lz4::decompress_start(input, output),
            0 if lz4::decompress(input, output)? == output.len() => Ok(()),
            0 => Err(too_little()),
            1 => unlzma(input, output),
            2 => {
                let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
                inflate.reset(false);
                let result = inflate.decompress(input, output, FlushDecompress::Finish);
                result.map_err(|_| Error::corrupt("compressed data is not a deflate stream"))?;
                if usize::try_from(inflate.total_out()) == Ok(output.len()) {
                    Ok(())
                } else {
                    Err(too_little())
                }
            }
            _ => {
                let decoded = self.zstd.frame(&mut &*input, output)?;
                if decoded.count == output.len() { Ok(()) } else { Err(too_little()) }
            }
        }
    }
}

/// Fills `output` with what a MicroLZMA stream gives: LZMA without a header, whose first byte, always 0, gave way to its
/// properties with all bits turned (XZ Utils, `lzma_microlzma_decoder`).
fn unlzma(input: &[u8], output: &mut [u8]) -> Result<()> {
    let damaged = |error| Error::corrupt(format!("compressed data is not a MicroLZMA stream: {error}"));
    let Some((first, rest)) = input.split_first() else { return Err(too_little()) };
    // No match reaches back farther than to the start of the output, whatever the dictionary was.
    let dictionary = u32::try_from(output.len().max(MIN_DICTIONARY)).unwrap_or(u32::MAX);
    let size = u64::try_from(output.len()).unwrap_or(u64::MAX);
    let stream = [0].as_slice().chain(rest);
    let reader = LzmaReader::new_with_props(stream, size, !first, dictionary, None);
    reader.map_err(damaged)?.read_exact(output).map_err(damaged)
}

#[cold]
fn too_little() -> Error {
    Error::corrupt("compressed data gives less than its extent")
}
