//! Compressed content. It is divided into extents, each of which is compressed by itself into one or more blocks (a
//! physical cluster). For each block of content (a logical cluster) there is an [`index`](super::index), of which those
//! that start an extent say where its data lies.
//!
//! ```text
//! content   | block 0   | block 1   | block 2   | block 3   |
//! indexes   | head at 0 | head at 7 | no head   | head at 9 |
//! extents   |-- extent 0 --|-- extent 1 ---------|-- extent 2
//! ```

use std::ops::Range;

use super::Erofs;
use super::index::{Index, Indexes, Kind};
use super::inode::Inode;
use crate::bytes::Fields;
use crate::codec::lz4;
use crate::{Error, Result};

/// Unit in which the head of the map is placed, in bytes.
const ALIGNMENT: u64 = 8;
/// `h_advise`: clusters of more than one block.
const BIG: u16 = 0x2 | 0x4;
/// `h_advise`: the last extent's data follows the indexes.
const INLINE: u16 = 0x8;
/// `h_advise`: data that is not compressed is stored as it lies within pages.
const INTERLACED: u16 = 0x10;
/// `h_advise`: the last extent's data lies in an inode that many share.
const FRAGMENT: u16 = 0x20;
/// `h_advise`: compact indexes of 2 bytes.
const TWO_BYTES: u16 = 0x1;
/// All of it that is known.
const KNOWN: u16 = TWO_BYTES | BIG | INLINE | INTERLACED | FRAGMENT;
/// `h_clusterbits`: logical clusters are larger than blocks; the other bits have no meaning but the last.
const CLUSTER_BITS: u8 = 0x7;
/// `h_clusterbits`: all of the content lies in an inode that many share.
const WHOLE_FRAGMENT: u8 = 0x80;
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
    /// The last extent, if its data follows the indexes: where it starts in the file, where its data lies.
    tail: Option<(u64, Range<u64>)>,
    current: Option<Extent>,
    /// Content of an extent of which only a part was wanted.
    part: Vec<u8>,
    part_range: Range<u64>,
    /// Data to be decompressed.
    input: Vec<u8>,
}

/// An extent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Extent {
    /// Bytes of the file.
    range: Range<u64>,
    /// Bytes of the source.
    data: Range<u64>,
    kind: Kind,
    /// Gives the data more than the extent has?
    more: bool,
}

impl Compressed {
    pub(super) fn new(fs: &Erofs, inode: &Inode) -> Result<Self> {
        let block_bits = fs.superblock.block_bits;
        let at = inode.xattrs.end.next_multiple_of(ALIGNMENT);
        let mut head = [0; 8];
        fs.source.read_at(at, &mut head)?;
        let head: &[u8] = &head;
        let (advice, algorithms, bits) = (head.le16(4)?, head.u8(6)?, head.u8(7)?);
        if bits & WHOLE_FRAGMENT != 0 || advice & FRAGMENT != 0 {
            return Err(Error::unsupported("erofs content in fragments"));
        }
        if bits & CLUSTER_BITS != 0 || advice & !KNOWN != 0 {
            return Err(Error::unsupported(format!(
                "erofs compression of form {advice:#x}, cluster bits {bits:#x}"
            )));
        }
        let big = advice & BIG != 0;
        if big && advice & BIG != BIG {
            return Err(Error::unsupported(
                "erofs clusters of more than one block for one compressor of two",
            ));
        }
        let indexes = Indexes::new(inode, block_bits, at, big, advice & TWO_BYTES != 0);
        let mut map = Compressed {
            size: inode.size,
            block_bits,
            advice,
            algorithms,
            indexes,
            tail: None,
            current: None,
            part: Vec::new(),
            part_range: 0..0,
            input: Vec::new(),
        };
        if advice & INLINE != 0 && inode.size > 0 {
            map.find_tail(fs, head.le16(2)?)?;
        }
        Ok(map)
    }

    /// Finds the last extent and its `len` bytes of data.
    fn find_tail(&mut self, fs: &Erofs, len: u16) -> Result<()> {
        let last = self.size.saturating_sub(1);
        let index = self.indexes.get(fs, last >> self.block_bits)?;
        let data = index.end..index.end.saturating_add(len.into());
        let block = fs.superblock.block_size();
        if len == 0 || (data.start & block.saturating_sub(1)).saturating_add(len.into()) > block {
            return Err(Error::corrupt(format!("the last {len} bytes of compressed data lie in two blocks")));
        }
        let (head, _) = self.head(fs, last)?;
        self.tail = Some((self.start_of(&head), data));
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
        loop {
            let Some(number) = index.number.checked_sub(back).filter(|_| back != 0) else {
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
        let data = match &self.tail {
            Some((tail, data)) if *tail == start => data.clone(),
            _ => {
                let len = u64::from(self.stored_blocks(fs, &head)?) << self.block_bits;
                if len > MAX_STORED {
                    return Err(Error::corrupt(format!("{len} bytes of compressed data")));
                }
                let at = fs.superblock.offset(head.block);
                at..at.saturating_add(len)
            }
        };
        let extent = Extent { range: start..end, data, kind: head.kind, more: head.partial };
        self.current = Some(extent.clone());
        Ok(extent)
    }

    /// How many blocks the data of the extent has that `head` starts: the index that follows says it, if it starts none.
    fn stored_blocks(&mut self, fs: &Erofs, head: &Index) -> Result<u32> {
        let next = head.number.saturating_add(1);
        if self.advice & BIG == 0 || next << self.block_bits >= self.size {
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
            if at == extent.range.start && part.len() == left {
                self.decode(fs, &extent, part)?;
            } else {
                if self.part_range != extent.range {
                    let mut bytes = std::mem::take(&mut self.part);
                    self.part_range = 0..0;
                    let len = extent.range.end.saturating_sub(extent.range.start);
                    bytes.resize(usize::try_from(len).unwrap_or_default(), 0);
                    self.decode(fs, &extent, &mut bytes)?;
                    self.part = bytes;
                    self.part_range = extent.range.clone();
                }
                let within = usize::try_from(at.saturating_sub(extent.range.start)).unwrap_or(usize::MAX);
                part.copy_from_slice(self.part.slice(within, part.len())?);
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            rest = after;
        }
        Ok(())
    }

    /// Fills `output` with the content of `extent`, which has this length.
    fn decode(&mut self, fs: &Erofs, extent: &Extent, output: &mut [u8]) -> Result<()> {
        let len = usize::try_from(extent.data.end.saturating_sub(extent.data.start)).unwrap_or_default();
        let algorithm = match extent.kind {
            Kind::Plain if self.advice & INTERLACED != 0 => {
                return Err(Error::unsupported("erofs data that is stored as it lies within pages"));
            }
            Kind::Plain if output.len() > len => {
                return Err(Error::corrupt(format!("{} bytes of content stored in {len}", output.len())));
            }
            Kind::Plain => return fs.source.read_at(extent.data.start, output),
            Kind::Second => self.algorithms >> 4,
            _ => self.algorithms & 0xF,
        };
        match algorithm {
            0 => {}
            1 => return Err(Error::unsupported("erofs content compressed with lzma")),
            2 => return Err(Error::unsupported("erofs content compressed with deflate")),
            3 => return Err(Error::unsupported("erofs content compressed with zstd")),
            _ => return Err(Error::unsupported(format!("erofs content of compressor {algorithm}"))),
        }
        self.input.resize(len, 0);
        fs.source.read_at(extent.data.start, &mut self.input)?;
        if !fs.superblock.zero_padding {
            // The data may go on behind its end.
            return lz4::decompress_start(&self.input, output);
        }
        let zeros = self.input.iter().take_while(|&&byte| byte == 0).count();
        let data = self.input.get(zeros..).unwrap_or_default();
        if extent.more {
            return lz4::decompress_start(data, output);
        }
        if lz4::decompress(data, output)? == output.len() {
            Ok(())
        } else {
            Err(Error::corrupt("compressed data gives less than its extent"))
        }
    }
}
