//! Content: of regular files, and of directories and symbolic links, which store theirs in the same ways.

use std::ops::Range;

use super::Erofs;
use super::compressed::Compressed;
use super::inode::{Inode, Layout};
use super::metadata::Piece;
use crate::bytes::Fields;
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// Form of chunks: the size as a power of two, more than a block's.
const CHUNK_BITS: u16 = 0x1F;
/// Form of chunks: 8 bytes say where each is, not 4.
const CHUNK_INDEXES: u16 = 0x20;
/// A chunk that is a hole.
const HOLE: u32 = u32::MAX;
/// The largest chunk as a power of two: more than any file.
const MAX_CHUNK_BITS: u32 = 62;
/// Most chunks that one search for data looks at.
const MAX_SEARCH: usize = 1 << 16;

/// An open file.
#[derive(Debug)]
pub(super) struct File<'a> {
    fs: &'a Erofs,
    content: Content,
}

/// What a file holds. The filesystem is handed to every call, so that it can keep contents itself.
#[derive(Debug)]
pub(super) struct Content {
    inode: Inode,
    map: Map,
}

/// Where content lies.
#[derive(Debug)]
enum Map {
    /// In one run, and what comes from byte `end` of the file on at another place, `tail`.
    Flat {
        start: u64,
        end: u64,
        tail: u64,
    },
    Chunks(Chunks),
    Compressed(Box<Compressed>),
}

/// A table of chunks.
#[derive(Debug)]
struct Chunks {
    /// Where it starts.
    table: u64,
    /// Size of a chunk as a power of two.
    bits: u32,
    /// Bytes of an entry.
    entry: usize,
    piece: Piece,
}

impl<'a> File<'a> {
    pub(super) fn new(fs: &'a Erofs, inode: Inode) -> Result<Self> {
        Ok(File { fs, content: Content::new(fs, inode)? })
    }
}

impl Content {
    pub(super) fn new(fs: &Erofs, inode: Inode) -> Result<Self> {
        let sb = &fs.superblock;
        let after = inode.xattrs.end;
        let map = match inode.layout {
            Layout::Plain => Map::Flat { start: sb.offset(inode.own), end: inode.size, tail: 0 },
            Layout::Inline => {
                let last = inode.size.saturating_sub(1) >> sb.block_bits << sb.block_bits;
                let end = if inode.size == 0 { 0 } else { last };
                // The kernel wants it to lie in one block.
                if (after & sb.block_size().saturating_sub(1)).saturating_add(inode.size.saturating_sub(end))
                    > sb.block_size()
                {
                    return Err(Error::corrupt(format!(
                        "the end of inode {} lies in two blocks",
                        inode.number
                    )));
                }
                Map::Flat { start: sb.offset(inode.own), end, tail: after }
            }
            Layout::Chunks => Map::Chunks(Chunks::new(&inode, sb.block_bits)?),
            Layout::FullIndex | Layout::CompactIndex => {
                Map::Compressed(Box::new(Compressed::new(fs, &inode)?))
            }
        };
        Ok(Content { inode, map })
    }

    /// The run of bytes (as a range of the file) from `offset` on, of which no more than `wanted` matter, and where it
    /// lies in the source. Not for compressed files.
    fn run(&mut self, fs: &Erofs, offset: u64, wanted: u64) -> Result<(Range<u64>, Option<u64>)> {
        let size = self.inode.size;
        match &mut self.map {
            Map::Flat { end, start, .. } if offset < *end => {
                Ok((offset..*end, Some(start.saturating_add(offset))))
            }
            Map::Flat { end, tail, .. } => {
                Ok((offset..size, Some(tail.saturating_add(offset.saturating_sub(*end)))))
            }
            Map::Chunks(chunks) => {
                let (mut run, place) = chunks.at(fs, offset)?;
                // On through what lies behind it, so that small chunks do not cost a read each.
                while run.end < size && run.end.saturating_sub(offset) < wanted {
                    let (more, next) = chunks.at(fs, run.end)?;
                    let behind = place.map(|place| place.saturating_add(run.end.saturating_sub(offset)));
                    if next != behind {
                        break;
                    }
                    run.end = more.end;
                }
                Ok((run.start..run.end.min(size), place))
            }
            Map::Compressed(_) => Ok((offset..size, None)),
        }
    }

    /// Itself, unless it has parts in the inode that holds parts of many files: for that inode itself.
    pub(super) fn without_fragments(self) -> Result<Self> {
        match &self.map {
            Map::Compressed(map) if map.has_fragment() => {
                Err(Error::corrupt("the inode that holds parts of many files has a part in itself"))
            }
            _ => Ok(self),
        }
    }

    /// See [`FileData::read_at`].
    pub(super) fn read(&mut self, fs: &Erofs, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let number = self.inode.number;
        let left = self.inode.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        if let Map::Compressed(map) = &mut self.map {
            let result = map.read(fs, offset, rest);
            result.context(|| format!("reading {wanted} bytes at byte {offset} of inode {number}"))?;
            return Ok(wanted);
        }
        let mut at = offset;
        while !rest.is_empty() {
            let (run, place) = self.run(fs, at, u64::try_from(rest.len()).unwrap_or(u64::MAX))?;
            let count = usize::try_from(run.end.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_mut(count);
            match place {
                Some(place) => {
                    let result = fs.source.read_at(place, part);
                    result.context(|| format!("reading {count} bytes at byte {at} of inode {number}"))?;
                }
                None => part.fill(0),
            }
            rest = after;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(wanted)
    }

    /// See [`FileData::next_data`].
    fn next_data(&mut self, fs: &Erofs, offset: u64) -> Result<Option<Range<u64>>> {
        let size = self.inode.size;
        let Map::Chunks(chunks) = &mut self.map else { return Ok((offset < size).then_some(offset..size)) };
        let mut at = offset;
        let mut data: Option<Range<u64>> = None;
        for nr in 1..=MAX_SEARCH {
            if at >= size {
                break;
            }
            let (run, place) = chunks.at(fs, at)?;
            let end = run.end.min(size);
            match (&mut data, place) {
                (Some(_), None) => break,
                (Some(data), Some(_)) => data.end = end,
                (None, Some(_)) => data = Some(at..end),
                // So much for a search: what is here may be read, and the next call goes on behind it.
                (None, None) if nr == MAX_SEARCH => data = Some(at..end),
                (None, None) => {}
            }
            at = end;
        }
        Ok(data)
    }
}

impl Chunks {
    fn new(inode: &Inode, block_bits: u8) -> Result<Self> {
        let [low, high, ..] = inode.own.to_le_bytes();
        let format = u16::from_le_bytes([low, high]);
        if format & !(CHUNK_BITS | CHUNK_INDEXES) != 0 {
            return Err(Error::unsupported(format!("erofs chunks of form {format:#x}")));
        }
        let bits = u32::from(format & CHUNK_BITS).saturating_add(block_bits.into()).min(MAX_CHUNK_BITS);
        let entry = if format & CHUNK_INDEXES == 0 { 4 } else { 8 };
        let table = inode.xattrs.end.next_multiple_of(u64::try_from(entry).unwrap_or(8));
        Ok(Chunks { table, bits, entry, piece: Piece::default() })
    }

    /// The rest of the chunk of byte `offset` of the file, and where it lies.
    fn at(&mut self, fs: &Erofs, offset: u64) -> Result<(Range<u64>, Option<u64>)> {
        let number = offset >> self.bits;
        let entry = number.saturating_mul(u64::try_from(self.entry).unwrap_or(8));
        let bytes = self.piece.get(fs, self.table.saturating_add(entry), self.entry)?;
        let block = if self.entry == 4 {
            bytes.le32(0)?
        } else {
            let (high, device) = (bytes.le16(0)?, bytes.le16(2)?);
            let block = bytes.le32(4)?;
            // Only the 48-bit feature gives a meaning to the high bits.
            if block != HOLE && (high != 0 || device != 0) {
                return Err(Error::unsupported(format!(
                    "an erofs chunk on device {device}, block {high}:{block}"
                )));
            }
            block
        };
        let start = number << self.bits;
        let end = start.saturating_add(1_u64.wrapping_shl(self.bits));
        let within = offset.saturating_sub(start);
        let place = (block != HOLE).then(|| fs.superblock.offset(block).saturating_add(within));
        Ok((offset..end, place))
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.content.inode.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.content.read(self.fs, offset, buf)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        self.content.next_data(self.fs, offset)
    }
}
