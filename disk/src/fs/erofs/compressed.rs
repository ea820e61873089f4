//! Compressed content. It is divided into extents, each of which is compressed by itself into one or more blocks (a
//! physical cluster). For each block of content (a logical cluster) there is an [`index`](super::index), of which those
//! that start an extent say where its data lies.
//!
//! ```text
//! content   | block 0   | block 1   | block 2   | block 3   |
//! indexes   | head at 0 | head at 7 | no head   | head at 9 |
//! extents   |-- extent 0 --|-- extent 1 ---------|-- extent 2
//! ```
//!
//! The last extent may be kept elsewhere: behind the indexes, or in an inode that holds parts of many files (as a
//! fragment). The latter may go for all of a file.

use std::ops::Range;

use super::Erofs;
use super::index::{Index, Indexes, Kind};
use super::inode::Inode;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Unit in which the head of the map is placed, in bytes.
const ALIGNMENT: u64 = 8;
/// `h_advise`: compact indexes of 2 bytes.
const TWO_BYTES: u16 = 0x1;
/// `h_advise`: extents of the first compressor may have data of more than one block.
const BIG_FIRST: u16 = 0x2;
/// `h_advise`: and so may others.
const BIG_OTHERS: u16 = 0x4;
/// `h_advise`: the last extent's data follows the indexes.
const INLINE: u16 = 0x8;
/// `h_advise`: data that is not compressed is stored as it lies within blocks of content.
const INTERLACED: u16 = 0x10;
/// `h_advise`: the last extent's content lies in the inode that holds parts of many files.
const FRAGMENT: u16 = 0x20;
/// All of it that is known.
const KNOWN: u16 = TWO_BYTES | BIG_FIRST | BIG_OTHERS | INLINE | INTERLACED | FRAGMENT;
/// `h_clusterbits`: how much larger logical clusters are than blocks. The bits in between have no meaning.
const CLUSTER_BITS: u8 = 0x7;
/// `h_clusterbits`, as the last byte of the head: all of the content is a fragment, and the head says where.
const WHOLE_FRAGMENT: u64 = 1 << 63;
/// Largest extent in bytes that the kernel decompresses (`Z_EROFS_PCLUSTER_MAX_DSIZE`).
const MAX_EXTENT: u64 = 12 << 20;
/// Most bytes of data that an extent has (`Z_EROFS_PCLUSTER_MAX_SIZE`).
const MAX_STORED: u64 = 1 << 20;

/// How a file is compressed.
#[derive(Debug)]
pub(super) struct Compressed {
    size: u64,
    block_bits: u8,
    advice: u16,
    /// Compressors of the two kinds of compressed extents, low bits first.
    algorithms: u8,
    indexes: Indexes,
    /// Where the last extent starts, and where it is kept if not as others are.
    tail: Option<(u64, Tail)>,
    current: Option<Extent>,
    /// Content of an extent of which only a part was wanted.
    part: Vec<u8>,
    part_range: Range<u64>,
}

/// Where the last extent is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tail {
    /// In these bytes of the source.
    Inline(Range<u64>),
    /// From this byte on of the inode that holds parts of many files.
    Fragment(u64),
}

/// An extent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Extent {
    /// Bytes of the file.
    range: Range<u64>,
    storage: Storage,
}

/// How an extent is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Storage {
    Data(Data),
    /// From this byte on of the inode that holds parts of many files.
    Fragment(u64),
}

/// Data of an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    /// Bytes of the source.
    pub(super) range: Range<u64>,
    /// Number of the compressor; `None` if it is not compressed.
    pub(super) algorithm: Option<u8>,
    /// Does it give more than the extent has?
    pub(super) partial: bool,
}

impl Compressed {
    /// The map of `inode`.
    pub(super) fn new(fs: &Erofs, inode: &Inode) -> Result<Self> {
        let block_bits = fs.superblock.block_bits;
        let at = inode.xattrs.end.next_multiple_of(ALIGNMENT);
        let mut head = [0; 8];
        fs.source.read_at(at, &mut head)?;
        let head: &[u8] = &head;
        let whole = head.le64(0)? & WHOLE_FRAGMENT != 0;
        let (advice, algorithms, bits) =
            if whole { (0, 0, 0) } else { (head.le16(4)?, head.u8(6)?, head.u8(7)?) };
        if bits & CLUSTER_BITS != 0 || advice & !KNOWN != 0 {
            let what = format!("erofs compression of form {advice:#x}, cluster bits {bits:#x}");
            return Err(Error::unsupported(what));
        }
        let big = advice & (BIG_FIRST | BIG_OTHERS) != 0;
        let mut map = Compressed {
            size: inode.size,
            block_bits,
            advice,
            algorithms,
            indexes: Indexes::new(inode, block_bits, at, big, advice & TWO_BYTES != 0),
            tail: None,
            current: None,
            part: Vec::new(),
            part_range: 0..0,
        };
        if whole {
            map.tail = Some((0, Tail::Fragment(head.le64(0)? & !WHOLE_FRAGMENT)));
        } else if advice & (INLINE | FRAGMENT) != 0 && inode.size > 0 {
            map.find_tail(fs, head)?;
        }
        Ok(map)
    }

    /// Is a part of it a fragment?
    pub(super) fn has_fragment(&self) -> bool {
        matches!(self.tail, Some((_, Tail::Fragment(_))))
    }

    /// Finds the last extent, by the map's `head`.
    fn find_tail(&mut self, fs: &Erofs, head: &[u8]) -> Result<()> {
        let last = self.size.saturating_sub(1);
        let (start, _) = self.head(fs, last)?;
        let tail = if self.advice & FRAGMENT != 0 {
            // The high bits are where an index has the block of data.
            let high = if self.indexes.are_full() { u64::from(start.block) << 32 } else { 0 };
            Tail::Fragment(u64::from(head.le32(0)?) | high)
        } else {
            let len = u64::from(head.le16(2)?);
            let at = self.indexes.get(fs, last >> self.block_bits)?.end;
            let block = fs.superblock.block_size();
            if len == 0 || (at & block.saturating_sub(1)).saturating_add(len) > block {
                return Err(Error::corrupt(format!(
                    "the last {len} bytes of compressed data lie in two blocks"
                )));
            }
            Tail::Inline(at..at.saturating_add(len))
        };
        self.tail = Some((self.start_of(&start), tail));
        Ok(())
    }

    /// First byte of the file of the extent that `head` starts.
    fn start_of(&self, head: &Index) -> u64 {
        (head.number << self.block_bits).saturating_add(head.start.into())
    }

    /// The index with which the extent of byte `offset` starts, and the number of one up to which no other starts.
    fn head(&mut self, fs: &Erofs, offset: u64) -> Result<(Index, u64)> {
        let number = offset >> self.block_bits;
        let within = offset.saturating_sub(number << self.block_bits);
        let mut index = self.indexes.get(fs, number)?;
        if index.kind != Kind::None && u64::from(index.start) <= within {
            return Ok((index, number));
        }
        let mut back = if index.kind == Kind::None { u64::from(index.distance) } else { 1 };
        let past = number.saturating_sub(u64::from(index.kind != Kind::None));
        let farthest = number.saturating_sub(MAX_EXTENT >> self.block_bits).saturating_sub(1);
        loop {
            let before = index.number.checked_sub(back);
            let Some(number) = before.filter(|before| back != 0 && *before >= farthest) else {
                return Err(Error::corrupt(format!("index {} leads {back} back", index.number)));
            };
            index = self.indexes.get(fs, number)?;
            if index.kind != Kind::None {
                return Ok((index, past));
            }
            back = index.distance.into();
        }
    }

    /// The extent of byte `offset`, which is in the file.
    fn extent(&mut self, fs: &Erofs, offset: u64) -> Result<Extent> {
        if let Some(extent) = self.current.as_ref().filter(|extent| extent.range.contains(&offset)) {
            return Ok(extent.clone());
        }
        if let Some((start, Tail::Fragment(at))) = &self.tail
            && *start <= offset
        {
            return Ok(Extent { range: *start..self.size, storage: Storage::Fragment(*at) });
        }
        let (head, mut last) = self.head(fs, offset)?;
        let start = self.start_of(&head);
        // Where the next one starts.
        let end = loop {
            last = last.saturating_add(1);
            if last << self.block_bits >= self.size {
                break self.size;
            }
            let index = self.indexes.get(fs, last)?;
            if index.kind != Kind::None {
                break self.start_of(&index).min(self.size);
            }
            if (last << self.block_bits).saturating_sub(start) > MAX_EXTENT {
                break u64::MAX;
            }
        };
        if !(start..end).contains(&offset) || end.saturating_sub(start) > MAX_EXTENT {
            return Err(Error::corrupt(format!("an extent from byte {start} to byte {end}")));
        }
        let range = match &self.tail {
            Some((tail, Tail::Inline(data))) if *tail == start => data.clone(),
            _ => {
                let len = u64::from(self.stored_blocks(fs, &head)?) << self.block_bits;
                if len > MAX_STORED {
                    return Err(Error::corrupt(format!("{len} bytes of compressed data")));
                }
                let at = fs.superblock.offset(head.block);
                at..at.saturating_add(len)
            }
        };
        let algorithm = match head.kind {
            Kind::Plain => None,
            Kind::Second => Some(self.algorithms >> 4),
            Kind::First | Kind::None => Some(self.algorithms & 0xF),
        };
        let data = Data { range, algorithm, partial: head.partial };
        let extent = Extent { range: start..end, storage: Storage::Data(data) };
        self.current = Some(extent.clone());
        Ok(extent)
    }

    /// How many blocks the data of the extent has that `head` starts: the index that follows says it, if it starts none.
    fn stored_blocks(&mut self, fs: &Erofs, head: &Index) -> Result<u32> {
        let big = if head.kind == Kind::First { BIG_FIRST } else { BIG_OTHERS };
        let next = head.number.saturating_add(1);
        if self.advice & big == 0 || next << self.block_bits >= self.size {
            return Ok(1);
        }
        let index = self.indexes.get(fs, next)?;
        match (index.kind, index.blocks) {
            (Kind::None, Some(blocks)) => Ok(blocks),
            (Kind::None, None) => {
                Err(Error::corrupt(format!("index {next} does not say how many blocks there are")))
            }
            _ => Ok(1),
        }
    }

    /// Fills `buf` with the content from byte `offset` on, which does not reach past the end.
    pub(super) fn read(&mut self, fs: &Erofs, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let extent = self.extent(fs, at)?;
            let left = usize::try_from(extent.range.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at_mut(left.min(rest.len()));
            let within = at.saturating_sub(extent.range.start);
            match &extent.storage {
                Storage::Fragment(start) => fs.read_packed(start.saturating_add(within), part)?,
                Storage::Data(data) if within == 0 && part.len() == left => {
                    self.decode(fs, &extent.range, data, part)?;
                }
                Storage::Data(data) => {
                    if self.part_range != extent.range {
                        let mut bytes = std::mem::take(&mut self.part);
                        self.part_range = 0..0;
                        let len = extent.range.end.saturating_sub(extent.range.start);
                        bytes.resize(usize::try_from(len).unwrap_or_default(), 0);
                        self.decode(fs, &extent.range, data, &mut bytes)?;
                        self.part = bytes;
                        self.part_range = extent.range.clone();
                    }
                    let within = usize::try_from(within).unwrap_or(usize::MAX);
                    part.copy_from_slice(self.part.slice(within, part.len())?);
                }
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            rest = after;
        }
        Ok(())
    }

    /// Fills `output` with the bytes `range` of the file, which are all that `data` is for.
    fn decode(&self, fs: &Erofs, range: &Range<u64>, data: &Data, output: &mut [u8]) -> Result<()> {
        if data.algorithm.is_some() {
            return fs.decompress(data, output);
        }
        let len = data.range.end.saturating_sub(data.range.start);
        if range.end.saturating_sub(range.start) > len {
            let bytes = output.len();
            return Err(Error::corrupt(format!("{bytes} bytes of content stored in {len}")));
        }
        if self.advice & INTERLACED == 0 {
            return fs.source.read_at(data.range.start, output);
        }
        // What fills the first block of content up is the end of the data; the rest is its start.
        let block = fs.superblock.block_size();
        let first = block.saturating_sub(range.start & block.saturating_sub(1));
        let Some(at) = data.range.end.checked_sub(first).filter(|at| *at >= data.range.start) else {
            return Err(Error::corrupt(format!("{len} bytes that end at {first} bytes of a block")));
        };
        let first = usize::try_from(first).unwrap_or(usize::MAX).min(output.len());
        let (start, rest) = output.split_at_mut(first);
        fs.source.read_at(at, start)?;
        fs.source.read_at(data.range.start, rest)
    }
}
