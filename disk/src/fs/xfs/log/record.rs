//! Records: what one write to the log holds, and the walk from record to record.
//!
//! ```text
//! header (1 block, or one for each 32 KiB of the largest record) | data: operations, back to back
//! ```
//!
//! The first four bytes of every block of data are the cycle; what belongs there is in the header, 64 words in the
//! first block and in each further one. The checksum is over all of it as it lies on the disk, its own field as zeros, but
//! for blocks of the header that have no words.
//!
//! Source: "XFS Algorithms & Data Structures", section "Journaling Log".

use crate::bytes::{Fields, index};
use crate::crc::crc32c;
use crate::{Error, ErrorKind, Result};

use super::ring::{BLOCK, RECORD_MAGIC, Ring};

/// Bytes of data whose first words a block of the header keeps.
const HEADER_COVERS: u32 = 32 << 10;
/// How many words that are.
const WORDS: usize = 64;
/// The longest record in bytes, as mount options allow it.
const MAX_RECORD: u32 = 256 << 10;
/// The longest record of version 1.
const MAX_RECORD_V1: u32 = 32 << 10;
/// Where the words are, in the first block of a header and in the others.
const FIRST_WORDS: usize = 44;
/// See [`FIRST_WORDS`].
const MORE_WORDS: usize = 4;
/// Where the checksum lies.
const CRC: usize = 32;
/// How much of the first block it covers: the structure ends at byte 324, which 64-bit machines round up.
const CRC_COVERS: [usize; 2] = [328, 324];
/// How much of the other blocks.
const CRC_COVERS_MORE: usize = 260;
/// Bits of `h_version` that there are.
const VERSIONS: u32 = 3;
/// `h_version`: the header may have several blocks.
const VERSION_2: u32 = 2;

/// The header of a record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Where it lies.
    pub(super) block: u32,
    pub(super) cycle: u32,
    /// Length of the data in bytes.
    pub(super) len: u32,
    /// Cycle and block of the record itself.
    pub(super) lsn: u64,
    /// Those of the oldest record that is needed.
    pub(super) tail_lsn: u64,
    pub(super) operations: u32,
    /// 1 if fields of items are little-endian.
    pub(super) format: u32,
    pub(super) uuid: [u8; 16],
    /// Length of the longest record of its time.
    pub(super) size: u32,
    version: u32,
    crc: u32,
}

impl Record {
    /// Parses the header in `raw`, which was read from `block`.
    pub(super) fn parse(block: u32, raw: &[u8]) -> Result<Self> {
        Ok(Record {
            block,
            cycle: raw.be32(4)?,
            version: raw.be32(8)?,
            len: raw.be32(12)?,
            lsn: raw.be64(16)?,
            tail_lsn: raw.be64(24)?,
            crc: raw.le32(CRC)?,
            operations: raw.be32(40)?,
            format: raw.be32(300)?,
            uuid: raw.array(304)?,
            size: raw.be32(320)?,
        })
    }

    /// How many blocks its header has.
    pub(super) fn header_blocks(&self, v2: bool) -> u32 {
        if v2 && self.version & VERSION_2 != 0 { header_blocks(self.size) } else { 1 }
    }

    /// How many blocks its data has.
    pub(super) fn data_blocks(&self) -> u32 {
        self.len.div_ceil(512)
    }

    /// Is it a header of a record of at most `size` bytes?
    fn check(&self, raw: &[u8], size: u32) -> Result<()> {
        let magic = raw.be32(0)?;
        if magic != RECORD_MAGIC {
            return Err(Error::corrupt(format!("a record that starts with {magic:#010x}")));
        }
        if self.version == 0 || self.version & !VERSIONS != 0 {
            return Err(Error::corrupt(format!("a record of version {}", self.version)));
        }
        if self.len == 0 || self.len > size {
            return Err(Error::corrupt(format!("a record of {} bytes of at most {size}", self.len)));
        }
        Ok(())
    }
}

fn header_blocks(size: u32) -> u32 {
    size.div_ceil(HEADER_COVERS).max(1)
}

/// What the walk does with checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// Wrong ones are an error, but a record without one (0) is right: a look for the end of the log.
    Probe,
    /// Wrong ones are an error, even a missing one: replay of version 5.
    Strict,
    /// They are not looked at: replay of version 4, where the kernel only warns.
    Ignored,
}

/// How a walk ended.
#[derive(Debug)]
pub(super) enum Walk {
    Done,
    /// The record at this block is not right.
    Bad {
        block: u32,
        error: Error,
    },
}

/// Walks over the records from `tail` to `head` and calls `each` for every one with its data, the first words of blocks
/// put right. What is wrong with a record is told apart from what `each` fails with, and from reads that fail.
pub(super) fn walk(
    ring: &Ring,
    head: u32,
    tail: u32,
    checksums: Checksums,
    log_unit: u32,
    mut each: impl FnMut(&Record, &[u8]) -> Result<()>,
) -> Result<Walk> {
    let distance = if head > tail {
        head.saturating_sub(tail)
    } else if head == tail {
        return Ok(Walk::Done);
    } else {
        ring.blocks.saturating_sub(tail).saturating_add(head)
    };
    let mut header = vec![0; BLOCK];
    // The first record says how long the headers are.
    ring.read(tail, &mut header)?;
    let first = Record::parse(tail, &header)?;
    let (size, header_blocks) = if ring.v2 { sizes(&first, log_unit) } else { (MAX_RECORD_V1, 1) };
    if size > MAX_RECORD {
        let error = Error::corrupt(format!("a log of records of {size} bytes"));
        return Ok(Walk::Bad { block: tail, error });
    }
    let mut data = Vec::new();
    let mut passed = 0_u32;
    while passed < distance {
        let block = ring.after(tail, passed);
        header.resize(index(header_blocks).saturating_mul(BLOCK), 0);
        ring.read(block, &mut header)?;
        let record = Record::parse(block, &header)?;
        if let Err(error) = record.check(&header, size) {
            return Ok(Walk::Bad { block, error });
        }
        data.resize(index(record.data_blocks()).saturating_mul(BLOCK), 0);
        ring.read(ring.after(block, header_blocks), &mut data)?;
        if !checksum_is_right(&record, &header, &data, checksums)? {
            let error =
                Error::corrupt(format!("a record with checksum {:#010x}, which is wrong", record.crc));
            return Ok(Walk::Bad { block, error });
        }
        if checksums != Checksums::Probe {
            unpack(&header, &mut data)?;
            each(&record, data.get(..index(record.len)).unwrap_or_default())?;
        }
        passed = passed.saturating_add(header_blocks).saturating_add(record.data_blocks());
    }
    Ok(Walk::Done)
}

/// The size of the longest record, and how many blocks headers have, by the first record.
fn sizes(first: &Record, log_unit: u32) -> (u32, u32) {
    let mut size = first.size;
    // mkfs writes a record as long as the log's unit, and says that none is longer than 32 KiB.
    let longest = HEADER_COVERS.max(log_unit);
    if first.len > size && first.len <= longest && first.operations == 1 {
        size = longest;
    }
    let blocks = if first.version & VERSION_2 != 0 { header_blocks(size) } else { 1 };
    (size, blocks)
}

/// Puts the first words of blocks where they belong.
fn unpack(header: &[u8], data: &mut [u8]) -> Result<()> {
    for (nr, block) in data.chunks_mut(BLOCK).enumerate() {
        let (of_header, word) = (nr.checked_div(WORDS).unwrap_or_default(), nr % WORDS);
        let words = if of_header == 0 {
            FIRST_WORDS
        } else {
            of_header.saturating_mul(BLOCK).saturating_add(MORE_WORDS)
        };
        let word: [u8; 4] = header.array(words.saturating_add(word.saturating_mul(4)))?;
        if let Some(start) = block.first_chunk_mut() {
            *start = word;
        }
    }
    Ok(())
}

fn checksum_is_right(record: &Record, header: &[u8], data: &[u8], checksums: Checksums) -> Result<bool> {
    if checksums == Checksums::Ignored || (checksums == Checksums::Probe && record.crc == 0) {
        return Ok(true);
    }
    let data = data.slice(0, index(record.len))?;
    for covers in CRC_COVERS {
        if computed(header, data, covers)? == record.crc {
            return Ok(true);
        }
    }
    Ok(false)
}

fn computed(header: &[u8], data: &[u8], covers: usize) -> Result<u32> {
    let mut register = crc32c(!0, header.slice(0, CRC)?);
    register = crc32c(register, &[0; 4]);
    let after = CRC.saturating_add(4);
    register = crc32c(register, header.slice(after, covers.saturating_sub(after))?);
    let used = data.chunks(index(HEADER_COVERS)).count();
    for block in header.chunks_exact(BLOCK).take(used).skip(1) {
        register = crc32c(register, block.slice(0, CRC_COVERS_MORE)?);
    }
    Ok(!crc32c(register, data))
}

/// The cycle of a log sequence number.
pub(super) fn cycle_of_lsn(lsn: u64) -> u32 {
    u32::try_from(lsn >> 32).unwrap_or_default()
}

/// The block of a log sequence number.
pub(super) fn block_of_lsn(lsn: u64) -> u32 {
    u32::try_from(lsn & u64::from(u32::MAX)).unwrap_or_default()
}

/// An error of [`Walk`] seen from above.
pub(super) fn failed(walk: Walk) -> Result<()> {
    match walk {
        Walk::Done => Ok(()),
        Walk::Bad { block, error } => {
            Err(Error::new(ErrorKind::Corrupt, format!("in the XFS log record at block {block}: {error}")))
        }
    }
}
