//! Compressed files (zisofs): content in blocks of one size, each a zlib stream of its own, behind a table of where each
//! begins. An entry `ZF` of Rock Ridge says how large the file is, how its blocks are, and where the table is.
//!
//! Source: the description of zisofs in libburnia's documents. Files that are compressed in another way (its second
//! version) are shown as they are stored, as in Linux.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::file::File;
use crate::bytes::{Fields, index};
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// Largest block as a power of two, beyond which Linux shows a file as it is stored; and the smallest that is read: mkzftree
/// writes 2^15 to 2^17.
const MAX_BITS: u8 = 17;
const MIN_BITS: u8 = 12;
/// Bytes of an entry of the table.
const ENTRY: u64 = 4;

/// What an entry `ZF` says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compressed {
    /// Bytes of the content.
    pub(super) size: u32,
    /// Where the table is, in units of four bytes.
    header: u8,
    /// Bytes of a block as a power of two.
    bits: u8,
}

impl Compressed {
    /// Reads what is in an entry behind the letters of its way of compressing.
    pub(super) fn read(header: u8, bits: u8, size: u32) -> Option<Self> {
        (bits <= MAX_BITS).then_some(Compressed { size, header, bits })
    }
}

/// An open compressed file.
#[derive(Debug)]
pub(super) struct Zisofs<'a> {
    stored: File<'a>,
    form: Compressed,
    inflate: Decompress,
    /// A block, by its number.
    block: Option<(u64, Vec<u8>)>,
}

impl<'a> Zisofs<'a> {
    pub(super) fn new(stored: File<'a>, form: Compressed) -> Result<Self> {
        if form.bits < MIN_BITS {
            return Err(Error::unsupported(format!("a file compressed in blocks of 2^{} bytes", form.bits)));
        }
        Ok(Zisofs { stored, form, inflate: Decompress::new(true), block: None })
    }

    /// Where the stream of block `number` lies.
    fn place(&mut self, number: u64) -> Result<Range<u32>> {
        let at = u64::from(self.form.header).saturating_add(number).saturating_mul(ENTRY);
        let mut entries = [0; 8];
        if self.stored.read_at(at, &mut entries)? < entries.len() {
            return Err(Error::corrupt("a table of compressed blocks past the end of its file"));
        }
        let (start, end) = (entries.le32(0)?, entries.le32(4)?);
        if start > end || u64::from(end) > self.stored.len() {
            return Err(Error::corrupt(format!("a compressed block from byte {start} to {end}")));
        }
        Ok(start..end)
    }

    /// The content of block `number`, which is within the size.
    fn block(&mut self, number: u64) -> Result<&[u8]> {
        if self.block.as_ref().is_none_or(|(there, _)| *there != number) {
            let content =
                self.inflate(number).context(|| format!("in compressed block {number} of a file"))?;
            self.block = Some((number, content));
        }
        Ok(self.block.as_ref().map(|(_, content)| content.as_slice()).unwrap_or_default())
    }

    fn inflate(&mut self, number: u64) -> Result<Vec<u8>> {
        let size = 1u64.wrapping_shl(self.form.bits.into());
        let left = u64::from(self.form.size).saturating_sub(number.saturating_mul(size));
        let mut content = vec![0; usize::try_from(left.min(size)).unwrap_or(0)];
        let place = self.place(number)?;
        // A block of zeros takes no place.
        if place.is_empty() {
            return Ok(content);
        }
        let len = place.end.saturating_sub(place.start);
        // What zlib makes at most of that much (deflateBound in its documentation).
        let most = size.saturating_add(size / 8).saturating_add(size / 64).saturating_add(13);
        if u64::from(len) > most {
            return Err(Error::corrupt(format!("{len} bytes for a block of {size}")));
        }
        let mut stream = vec![0; index(len)];
        self.stored.read_at(place.start.into(), &mut stream)?;
        self.inflate.reset(true);
        match self.inflate.decompress(&stream, &mut content, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) if usize::try_from(self.inflate.total_out()) == Ok(content.len()) => {
                Ok(content)
            }
            _ => Err(Error::corrupt(format!("no zlib stream of {} bytes", content.len()))),
        }
    }
}

impl FileData for Zisofs<'_> {
    fn len(&self) -> u64 {
        self.form.size.into()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let number = at >> self.form.bits;
            let within = at.saturating_sub(number << self.form.bits);
            let block = self.block(number)?;
            let part =
                usize::try_from(within).ok().and_then(|within| block.get(within..)).unwrap_or_default();
            let count = part.len().min(rest.len());
            if count == 0 {
                return Err(Error::corrupt(format!("no content at byte {at} of a compressed file")));
            }
            let (to, after) = rest.split_at_mut(count);
            to.copy_from_slice(part.get(..count).unwrap_or_default());
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        Ok((offset < self.len()).then_some(offset..self.len()))
    }
}
