//! The blocks of a journal: superblock, descriptor, commit and revoke blocks. Every number is big-endian.
//!
//! Source of layouts and constants: the kernel's documentation, filesystems/ext4/journal.rst.

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use crate::crc::crc32c;

/// First four bytes of every block of a journal that is not data.
pub(super) const MAGIC: u32 = 0xC03B_3998;
/// Smallest journal that the kernel accepts (`JBD2_MIN_JOURNAL_BLOCKS`).
const MIN_BLOCKS: u32 = 1024;
/// Blocks of the fast commit area where the superblock names no number (`JBD2_DEFAULT_FAST_COMMIT_BLOCKS`).
const DEFAULT_FAST_COMMIT_BLOCKS: u32 = 256;
/// Bytes of the superblock that its checksum covers.
const SUPERBLOCK_LEN: usize = 1024;
/// Bytes of the header: magic, block type, sequence.
const HEADER_LEN: usize = 12;
/// Bytes of the checksum at the end of descriptor and revoke blocks.
const TAIL_LEN: usize = 4;
/// `s_checksum_type` and `h_chksum_type` of CRC-32C and CRC-32.
const CHECKSUM_TYPE_CRC32C: u8 = 4;
const CHECKSUM_TYPE_CRC32: u8 = 1;
/// Where the first checksum of a commit block lies.
const COMMIT_CHECKSUM: usize = 16;
/// Bytes of a commit block that its format defines.
const COMMIT_LEN: usize = 60;

const COMPAT_CHECKSUM: u32 = 0x1;
const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
const INCOMPAT_CSUM_V2: u32 = 0x8;
const INCOMPAT_CSUM_V3: u32 = 0x10;
const INCOMPAT_FAST_COMMIT: u32 = 0x20;
/// All of the above and `INCOMPAT_REVOKE` (0x1), which promises nothing: revoke blocks are always honoured.
const INCOMPAT_KNOWN: u32 = 0x3F;

/// How descriptor, revoke and data blocks are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// Not at all.
    None,
    /// One CRC-32 over a transaction's descriptor and data blocks, in its commit block.
    V1,
    /// CRC-32C on every block; 16 bits of it in a data block's tag.
    V2 { seed: u32 },
    /// CRC-32C on every block, in wider tags.
    V3 { seed: u32 },
}

/// The journal's superblock, checked as the kernel checks it before it recovers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    /// Block size in bytes, the filesystem's.
    pub block_size: u32,
    /// Blocks of the whole journal.
    pub total: u32,
    /// First block of the ring that holds the log.
    pub first: u32,
    /// One past the last block of the ring.
    pub end: u32,
    /// Sequence number of the first transaction of the log.
    pub sequence: u32,
    /// Block where the log starts; 0 if it is empty.
    pub start: u32,
    /// The error, negative, for which the journal was aborted; 0 if it was not.
    pub errno: u32,
    /// Block numbers take 64 bits.
    pub wide: bool,
    /// A commit block may be written before the blocks that it commits.
    pub async_commit: bool,
    /// First block of the fast commit area, if there is one.
    pub fast_commits: Option<u32>,
    /// Checksum format.
    pub checksums: Checksums,
}

impl Superblock {
    /// Reads the superblock from the first block of a journal file of `file_blocks` blocks.
    pub(super) fn parse(block: &[u8], file_blocks: u32) -> Result<Self> {
        let block_size = u32::try_from(block.len()).unwrap_or(u32::MAX);
        if block.be32(0)? != MAGIC {
            return Err(Error::corrupt("the journal has no superblock"));
        }
        let has_features = match block.be32(4)? {
            3 => false,
            4 => true,
            other => return Err(Error::corrupt(format!("journal superblock of unknown type {other}"))),
        };
        if block.be32(12)? != block_size {
            return Err(Error::corrupt("the journal's block size is not the filesystem's"));
        }
        let (max_len, first) = (block.be32(16)?, block.be32(20)?);
        if max_len > file_blocks {
            return Err(Error::corrupt(format!(
                "a journal of {max_len} blocks in a file of {file_blocks} blocks"
            )));
        }
        if max_len < MIN_BLOCKS || first == 0 || first > max_len.saturating_sub(MIN_BLOCKS).saturating_add(1)
        {
            return Err(Error::corrupt(format!("a journal whose log takes blocks {first} to {max_len}")));
        }
        let mut superblock = Superblock {
            block_size,
            total: max_len,
            first,
            end: max_len,
            sequence: block.be32(24)?,
            start: block.be32(28)?,
            errno: block.be32(32)?,
            wide: false,
            async_commit: false,
            fast_commits: None,
            checksums: Checksums::None,
        };
        if has_features {
            superblock.parse_features(block)?;
        }
        if superblock.start != 0 && superblock.start >= superblock.total {
            return Err(Error::corrupt(format!("a log that starts at journal block {}", superblock.start)));
        }
        Ok(superblock)
    }

    fn parse_features(&mut self, block: &[u8]) -> Result<()> {
        let (compat, incompat, ro_compat) = (block.be32(36)?, block.be32(40)?, block.be32(44)?);
        if incompat & !INCOMPAT_KNOWN != 0 || ro_compat != 0 {
            return Err(Error::unsupported(format!(
                "journal with unknown features (incompat {incompat:#x}, ro_compat {ro_compat:#x})"
            )));
        }
        self.wide = incompat & INCOMPAT_64BIT != 0;
        self.async_commit = incompat & INCOMPAT_ASYNC_COMMIT != 0;
        if incompat & INCOMPAT_FAST_COMMIT != 0 {
            let blocks = match block.be32(84)? {
                0 => DEFAULT_FAST_COMMIT_BLOCKS,
                n => n,
            };
            if self.total.saturating_sub(MIN_BLOCKS) < blocks {
                return Err(Error::corrupt(format!(
                    "{blocks} fast commit blocks in a journal of {}",
                    self.total
                )));
            }
            self.end = self.total.saturating_sub(blocks);
            // The kernel leaves the first block after the ring alone.
            self.fast_commits = Some(self.end.saturating_add(1));
        }
        let v1 = compat & COMPAT_CHECKSUM != 0;
        let (v2, v3) = (incompat & INCOMPAT_CSUM_V2 != 0, incompat & INCOMPAT_CSUM_V3 != 0);
        self.checksums = match (v1, v2, v3) {
            (false, false, false) => Checksums::None,
            (true, false, false) => Checksums::V1,
            (false, true, false) => Checksums::V2 { seed: checksum_seed(block)? },
            (false, false, true) => Checksums::V3 { seed: checksum_seed(block)? },
            _ => return Err(Error::corrupt("a journal with several checksum formats")),
        };
        Ok(())
    }

    /// The seed of CRC-32C checksums, if the journal has them.
    fn seed(&self) -> Option<u32> {
        match self.checksums {
            Checksums::None | Checksums::V1 => None,
            Checksums::V2 { seed } | Checksums::V3 { seed } => Some(seed),
        }
    }

    /// Bytes of a descriptor or revoke block that records may take.
    fn records_end(&self) -> usize {
        let tail = if self.seed().is_some() { TAIL_LEN } else { 0 };
        index(self.block_size).saturating_sub(tail)
    }

    /// Bytes of a tag, without the UUID that may follow it.
    fn tag_len(&self) -> usize {
        match (self.checksums, self.wide) {
            (Checksums::V3 { .. }, _) => 16,
            (Checksums::V2 { .. }, true) => 14,
            (Checksums::V2 { .. }, false) => 10,
            (_, true) => 12,
            (_, false) => 8,
        }
    }

    /// The tags of a descriptor block.
    pub(super) fn tags<'a>(&'a self, block: &'a [u8]) -> impl Iterator<Item = Result<Tag>> + 'a {
        let mut next = Some(HEADER_LEN);
        std::iter::from_fn(move || {
            let at = next?;
            let after = at.saturating_add(self.tag_len());
            if after > self.records_end() {
                return None;
            }
            let tag = Tag::parse(self, block, at);
            next = match &tag {
                Ok(tag) if tag.last => None,
                Ok(tag) => Some(after.saturating_add(if tag.same_uuid { 0 } else { 16 })),
                Err(_) => None,
            };
            Some(tag)
        })
    }

    /// Is the checksum at the end of a descriptor or revoke block right?
    pub(super) fn tail_is_right(&self, block: &[u8]) -> Result<bool> {
        let Some(seed) = self.seed() else { return Ok(true) };
        let at = self.records_end();
        let crc = crc32c(crc32c(seed, block.slice(0, at)?), &[0; TAIL_LEN]);
        Ok(crc == block.be32(at)?)
    }

    /// Is the CRC-32C checksum of a commit block right? As the kernel, this also accepts a block of which only the
    /// defined fields reached the disk.
    pub(super) fn commit_is_right(&self, block: &[u8]) -> Result<bool> {
        let Some(seed) = self.seed() else { return Ok(true) };
        let found = block.be32(COMMIT_CHECKSUM)?;
        let fields_at = COMMIT_CHECKSUM.saturating_add(TAIL_LEN);
        let start = crc32c(crc32c(seed, block.slice(0, COMMIT_CHECKSUM)?), &[0; TAIL_LEN]);
        let rest = block.get(fields_at..).unwrap_or_default();
        if crc32c(start, rest) == found {
            return Ok(true);
        }
        let fields = block.slice(fields_at, COMMIT_LEN.saturating_sub(fields_at))?;
        let zeros = vec![0; block.len().saturating_sub(COMMIT_LEN)];
        Ok(crc32c(crc32c(start, fields), &zeros) == found)
    }

    /// Is the data block of `tag` in transaction `sequence` what was written?
    pub(super) fn data_is_right(&self, tag: &Tag, sequence: u32, data: &[u8]) -> bool {
        let crc = |seed| crc32c(crc32c(seed, &sequence.to_be_bytes()), data);
        match self.checksums {
            Checksums::None | Checksums::V1 => true,
            Checksums::V2 { seed } => crc(seed) & 0xFFFF == tag.checksum,
            Checksums::V3 { seed } => crc(seed) == tag.checksum,
        }
    }

    /// The block numbers that a revoke block revokes.
    pub(super) fn revoked<'a>(&'a self, block: &'a [u8]) -> Result<impl Iterator<Item = u64> + 'a> {
        let used = index(block.be32(HEADER_LEN)?);
        if used > self.records_end() {
            return Err(Error::corrupt(format!("a revoke block with {used} bytes of records")));
        }
        let records = block.get(HEADER_LEN.saturating_add(4)..used).unwrap_or_default();
        Ok(records.chunks_exact(if self.wide { 8 } else { 4 }).map(|record| match record.be64(0) {
            Ok(block) => block,
            Err(_) => u64::from(record.be32(0).unwrap_or_default()),
        }))
    }
}

/// Checks the superblock's own checksum, and gives the seed of all others.
fn checksum_seed(block: &[u8]) -> Result<u32> {
    const CHECKSUM: usize = 0xFC;
    if block.u8(80)? != CHECKSUM_TYPE_CRC32C {
        return Err(Error::corrupt("a journal with an unknown kind of checksum"));
    }
    let after = CHECKSUM.saturating_add(TAIL_LEN);
    let crc = crc32c(crc32c(!0, block.slice(0, CHECKSUM)?), &[0; TAIL_LEN]);
    let crc = crc32c(crc, block.slice(after, SUPERBLOCK_LEN.saturating_sub(after))?);
    if crc != block.be32(CHECKSUM)? {
        return Err(Error::corrupt("wrong checksum of the journal's superblock"));
    }
    Ok(crc32c(!0, block.slice(48, 16)?))
}

/// What a block of the log is, and of which transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    Descriptor,
    Commit,
    Revoke,
    Other,
}

/// The kind and the transaction of a block of the log; `None` if it is not a journal block at all.
pub(super) fn header(block: &[u8]) -> Result<Option<(BlockKind, u32)>> {
    if block.be32(0)? != MAGIC {
        return Ok(None);
    }
    let kind = match block.be32(4)? {
        1 => BlockKind::Descriptor,
        2 => BlockKind::Commit,
        5 => BlockKind::Revoke,
        _ => BlockKind::Other,
    };
    Ok(Some((kind, block.be32(8)?)))
}

/// One data block of a transaction, as its descriptor block announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Block of the filesystem that the data belongs to.
    pub block: u64,
    /// The data began with the journal's magic number, which was zeroed in the journal.
    pub escaped: bool,
    checksum: u32,
    same_uuid: bool,
    last: bool,
}

impl Tag {
    fn parse(superblock: &Superblock, block: &[u8], at: usize) -> Result<Self> {
        // The flags are 16 bits at byte 6 in every version: version 3 only widens them upwards.
        let flags = block.be16(at.saturating_add(6))?;
        let low = u64::from(block.be32(at)?);
        let high = if superblock.wide { u64::from(block.be32(at.saturating_add(8))?) } else { 0 };
        let checksum = match superblock.checksums {
            Checksums::None | Checksums::V1 => 0,
            Checksums::V2 { .. } => u32::from(block.be16(at.saturating_add(4))?),
            Checksums::V3 { .. } => block.be32(at.saturating_add(12))?,
        };
        Ok(Tag {
            block: high << 32 | low,
            escaped: flags & 0x1 != 0,
            checksum,
            same_uuid: flags & 0x2 != 0,
            last: flags & 0x8 != 0,
        })
    }
}

/// What a commit block says besides its CRC-32C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    /// Seconds since 1970.
    pub time: u64,
    kind: u8,
    len: u8,
    checksum: u32,
}

impl Commit {
    pub(super) fn parse(block: &[u8]) -> Result<Self> {
        Ok(Commit {
            time: block.be64(48)?,
            kind: block.u8(12)?,
            len: block.u8(13)?,
            checksum: block.be32(COMMIT_CHECKSUM)?,
        })
    }

    /// Is the version 1 checksum `crc`, or left out?
    pub(super) fn v1_is_right(&self, crc: u32) -> bool {
        match (self.kind, self.len) {
            (CHECKSUM_TYPE_CRC32, 4) => self.checksum == crc,
            (0, 0) => self.checksum == 0,
            _ => false,
        }
    }
}
