//! Files compressed by the "Windows Overlay Filter", as most of Windows' own files are since Windows 10.
//!
//! The unnamed data of such a file is a hole of the file's size; the named stream `WofCompressedData` holds chunks, each
//! compressed by itself, after a table of where all but the first begin. A chunk that would not get smaller is plain.
//!
//! Sources: Microsoft's `wofapi.h` and `ntifs.h` (`WOF_EXTERNAL_INFO`, `FILE_PROVIDER_EXTERNAL_INFO`); the table of chunks is
//! that of compressed resources in "Windows Imaging (WIM) file format".

use super::Ntfs;
use super::inode::Inode;
use super::link::Reparse;
use super::record::kind;
use super::stream::{Stream, Volume};
use crate::bytes::Fields;
use crate::codec::{lzx, xpress};
use crate::{Context, Error, Result};

/// Tag of the reparse point.
pub(super) const TAG: u32 = 0x8000_0017;
/// Name of the stream.
const STREAM: &str = "WofCompressedData";
/// The only version of both structures, and the provider that keeps its data in the file itself.
const VERSION: u32 = 1;
const FILE_PROVIDER: u32 = 2;
/// From this size of a file on, the table has numbers of 64 bits.
const LARGE: u64 = 1 << 32;

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// XPRESS with Huffman codes.
    Xpress,
    Lzx,
}

/// The content of such a file.
#[derive(Debug)]
pub(super) struct Wof {
    stream: Stream,
    method: Method,
    chunk_size: usize,
    /// Bytes of the file.
    len: u64,
    /// The chunk that was last read in part, decompressed.
    chunk: Option<(u64, Vec<u8>)>,
    /// Memory for what is decompressed.
    packed: Vec<u8>,
}

/// The stream's name.
pub(super) fn stream_name() -> Vec<u16> {
    STREAM.encode_utf16().collect()
}

impl Wof {
    /// The content of `inode`, of `len` bytes, whose reparse point is `reparse`.
    pub(super) fn open(ntfs: &Ntfs, inode: &Inode, reparse: &Reparse, len: u64) -> Result<Self> {
        let (method, chunk_size) = format(&reparse.data)?;
        let stream = ntfs.stream(inode, kind::DATA, &stream_name())?;
        let stream = stream.ok_or_else(|| Error::corrupt("a file compressed by WOF without its data"))?;
        stream.refuse_encrypted()?;
        Ok(Wof { stream, method, chunk_size, len, chunk: None, packed: Vec::new() })
    }

    /// Bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from byte `offset` on, to the end of `buf` or of the file.
    pub(super) fn read_at(&mut self, volume: &Volume, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let size = u64::try_from(self.chunk_size).unwrap_or(u64::MAX);
        let mut at = offset;
        while !rest.is_empty() {
            let nr = at.checked_div(size).unwrap_or(0);
            let within = usize::try_from(at.checked_rem(size).unwrap_or(0)).unwrap_or(0);
            let whole =
                usize::try_from(self.len.saturating_sub(nr.saturating_mul(size)).min(size)).unwrap_or(0);
            let count = whole.saturating_sub(within).min(rest.len());
            let (place, after) = rest.split_at_mut(count);
            let what = || format!("decompressing chunk {nr} of WOF");
            if count == whole {
                self.load(volume, nr, place).context(what)?;
            } else {
                let chunk = self.chunk(volume, nr, whole).context(what)?;
                let part = chunk.get(within..within.saturating_add(count)).unwrap_or_default();
                place.copy_from_slice(part);
            }
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    /// Chunk `nr`, of `whole` bytes, which is kept for the next time.
    fn chunk(&mut self, volume: &Volume, nr: u64, whole: usize) -> Result<&[u8]> {
        if self.chunk.as_ref().is_none_or(|(have, _)| *have != nr) {
            let mut chunk = self.chunk.take().map_or_else(Vec::new, |(_, chunk)| chunk);
            chunk.resize(whole, 0);
            self.load(volume, nr, &mut chunk)?;
            self.chunk = Some((nr, chunk));
        }
        Ok(self.chunk.as_ref().map_or(&[], |(_, chunk)| chunk))
    }

    /// Decompresses all of chunk `nr` into `chunk`.
    fn load(&mut self, volume: &Volume, nr: u64, chunk: &mut [u8]) -> Result<()> {
        let (start, end) = self.place(volume, nr)?;
        let packed = end.checked_sub(start).and_then(|packed| usize::try_from(packed).ok());
        let packed = packed.filter(|packed| (1..=chunk.len()).contains(packed));
        let packed = packed.ok_or_else(|| Error::corrupt(format!("it lies in bytes {start} to {end}")))?;
        let missing = || Error::corrupt("it is not all there");
        if packed == chunk.len() {
            let count = self.stream.read_at(volume, start, chunk)?;
            return if count < packed { Err(missing()) } else { Ok(()) };
        }
        self.packed.resize(packed, 0);
        if self.stream.read_at(volume, start, &mut self.packed)? < packed {
            return Err(missing());
        }
        match self.method {
            Method::Xpress => xpress::decompress(&self.packed, chunk),
            Method::Lzx => lzx::decompress(&self.packed, chunk),
        }
    }

    /// Where chunk `nr` lies in the stream.
    fn place(&mut self, volume: &Volume, nr: u64) -> Result<(u64, u64)> {
        let chunks = self.len.div_ceil(u64::try_from(self.chunk_size).unwrap_or(u64::MAX));
        let wide = self.len >= LARGE;
        let width = if wide { 8 } else { 4 };
        let table = chunks.saturating_sub(1).saturating_mul(width);
        // An entry for where this chunk begins, unless it is the first, and one for the next, unless it is the last.
        let first = nr.saturating_sub(1);
        let count = u64::from(nr > 0).saturating_add(u64::from(nr.saturating_add(1) < chunks));
        let mut entries = [0; 16];
        let entries = entries.get_mut(..usize::try_from(count.saturating_mul(width)).unwrap_or(0));
        let entries = entries.unwrap_or_default();
        if self.stream.read_at(volume, first.saturating_mul(width), entries)? < entries.len() {
            return Err(Error::corrupt("the table of chunks is not all there"));
        }
        let mut at = 0usize;
        let mut entry = |exists: bool, other: u64| -> Result<u64> {
            if !exists {
                return Ok(other);
            }
            let stored = if wide { entries.le64(at)? } else { entries.le32(at)?.into() };
            at = at.saturating_add(if wide { 8 } else { 4 });
            Ok(table.saturating_add(stored))
        };
        let start = entry(nr > 0, table)?;
        let end = entry(nr.saturating_add(1) < chunks, self.stream.len())?;
        Ok((start, end))
    }
}

/// How the file is compressed, and in chunks of how many bytes.
fn format(data: &[u8]) -> Result<(Method, usize)> {
    let (version, provider) = (data.le32(0)?, data.le32(4)?);
    if (version, provider) != (VERSION, FILE_PROVIDER) {
        let what = format!("a file that WOF's provider {provider} (version {version}) keeps elsewhere");
        return Err(Error::unsupported(what));
    }
    match (data.le32(8)?, data.le32(12)?) {
        (VERSION, 0) => Ok((Method::Xpress, 4 << 10)),
        (VERSION, 1) => Ok((Method::Lzx, lzx::CHUNK)),
        (VERSION, 2) => Ok((Method::Xpress, 8 << 10)),
        (VERSION, 3) => Ok((Method::Xpress, 16 << 10)),
        (version, method) => {
            Err(Error::unsupported(format!("a file compressed by WOF's method {method}, version {version}")))
        }
    }
}
