//! The superblock: 128 bytes at byte 1024.
//!
//! Source of all offsets: kernel.org, `Documentation/filesystems/erofs.rst` and the on-disk structures of `erofs_fs.h`.

use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Context, Error, ReadAt, Result};

/// Where it lies, in bytes from the start.
pub(super) const OFFSET: u64 = 1024;
/// Its size in bytes.
pub(super) const SIZE: usize = 128;
/// Its first four bytes, little-endian.
const MAGIC: u32 = 0xE0F5_E1E2;
/// Where its checksum lies.
const CHECKSUM: usize = 4;

/// Compatible feature: the superblock has a checksum.
const SUPERBLOCK_CHECKSUM: u32 = 0x1;
/// Incompatible feature: compressed data ends at the end of its blocks, with zeros before.
const ZERO_PADDING: u32 = 0x1;
/// Incompatible feature: a list of compressors, or large physical clusters.
const COMPRESSORS: u32 = 0x2;
/// Incompatible feature: an inode that holds parts of many files, or deduplication.
const FRAGMENTS: u32 = 0x20;
/// Incompatible feature: prefixes of attributes' names.
const XATTR_PREFIXES: u32 = 0x40;
/// All incompatible features that are known: besides, chunks (0x4), a table of devices or a second compressor (0x8),
/// inline ends of compressed files (0x10). What a file needs of them is told by itself.
const KNOWN: u32 = 0x1C | ZERO_PADDING | COMPRESSORS | FRAGMENTS | XATTR_PREFIXES;
/// Compatible feature: the prefixes lie in the open and not in the inode that holds parts of many files.
const PLAIN_PREFIXES: u32 = 0x10;
/// The only compressor there was before there was a list: LZ4.
const LZ4_ONLY: u16 = 1;

/// Smallest block as a power of two, and the largest (that of machines with pages of 64 KiB).
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 9..=16;

/// The fields of the superblock that a reader needs, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// Bytes in a block as a power of two.
    pub(super) block_bits: u8,
    /// Number of the root's inode.
    pub(super) root: u64,
    pub(super) inodes: u64,
    /// Seconds and nanoseconds of compact inodes.
    pub(super) time: (u64, u32),
    pub(super) blocks: u32,
    /// Block with which the inodes start.
    pub(super) meta_block: u32,
    /// Block with which the shared attributes start.
    pub(super) xattr_block: u32,
    pub(super) uuid: [u8; 16],
    pub(super) zero_padding: bool,
    /// Compressors in use, by their numbers as bits.
    pub(super) compressors: u16,
    /// Number of the inode that holds parts of many files.
    pub(super) packed: Option<u64>,
    /// Prefixes of attributes' names: how many, and where.
    pub(super) prefixes: (u8, Prefixes),
}

/// Where the prefixes of attributes' names lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefixes {
    /// From this byte of the source on.
    Plain(u64),
    /// From this byte on of the inode that holds parts of many files.
    Packed(u64),
}

impl Superblock {
    /// Does `bytes`, what lies at [`OFFSET`], start as a superblock does?
    pub(super) fn is_in(bytes: &[u8]) -> Result<bool> {
        Ok(bytes.le32(0)? == MAGIC)
    }

    /// Reads and checks the superblock of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let read = |bytes: &mut [u8]| {
            source.read_at(OFFSET, bytes).context(|| "reading the erofs superblock".to_owned())
        };
        let mut bytes = [0; SIZE];
        read(&mut bytes)?;
        let superblock = Superblock::parse(&bytes)?;
        let sb: &[u8] = &bytes;
        if sb.le32(8)? & SUPERBLOCK_CHECKSUM != 0 {
            let mut block = vec![0; checksummed(superblock.block_bits)];
            read(&mut block)?;
            let (have, want) = (sb.le32(CHECKSUM)?, checksum(&mut block));
            if have != want {
                return Err(Error::corrupt(format!(
                    "erofs superblock checksum {have:#010x}, not {want:#010x}"
                )));
            }
        }
        Ok(superblock)
    }

    fn parse(bytes: &[u8; SIZE]) -> Result<Self> {
        let sb: &[u8] = bytes;
        if !Superblock::is_in(sb)? {
            return Err(Error::corrupt("no erofs superblock"));
        }
        let incompat = sb.le32(80)?;
        if incompat & !KNOWN != 0 {
            return Err(Error::unsupported(format!("erofs features {:#x}", incompat & !KNOWN)));
        }
        let block_bits = sb.u8(12)?;
        if !BLOCK_BITS.contains(&block_bits) {
            return Err(Error::corrupt(format!("erofs blocks of 2^{block_bits} bytes")));
        }
        let devices = sb.le16(86)?;
        if devices != 0 {
            return Err(Error::unsupported(format!("erofs on {devices} further devices")));
        }
        let directory_bits = sb.u8(90)?;
        if directory_bits != 0 {
            return Err(Error::unsupported(format!(
                "erofs with directory blocks of 2^{directory_bits} blocks"
            )));
        }
        let packed = Some(sb.le64(96)?).filter(|&packed| packed != 0 && incompat & FRAGMENTS != 0);
        let prefixes = if incompat & XATTR_PREFIXES != 0 { sb.u8(91)? } else { 0 };
        let prefixes_at = u64::from(sb.le32(92)?).saturating_mul(4);
        let in_packed = packed.is_some() && sb.le32(8)? & PLAIN_PREFIXES == 0;
        let prefixes_at =
            if in_packed { Prefixes::Packed(prefixes_at) } else { Prefixes::Plain(prefixes_at) };
        Ok(Superblock {
            block_bits,
            root: sb.le16(14)?.into(),
            inodes: sb.le64(16)?,
            time: (sb.le64(24)?, sb.le32(32)?),
            blocks: sb.le32(36)?,
            meta_block: sb.le32(40)?,
            xattr_block: sb.le32(44)?,
            uuid: sb.array(48)?,
            zero_padding: incompat & ZERO_PADDING != 0,
            compressors: if incompat & COMPRESSORS != 0 { sb.le16(84)? } else { LZ4_ONLY },
            packed,
            prefixes: (prefixes, prefixes_at),
        })
    }

    /// Bytes in a block.
    pub(super) fn block_size(&self) -> u64 {
        1_u64.wrapping_shl(self.block_bits.into())
    }

    /// Byte of the source at which block `block` starts.
    pub(super) fn offset(&self, block: u32) -> u64 {
        u64::from(block).saturating_mul(self.block_size())
    }
}

/// How many bytes from the superblock on the checksum covers: the rest of its block, or all of the next one if that is
/// where it starts.
fn checksummed(block_bits: u8) -> usize {
    let block = 1_usize.wrapping_shl(block_bits.into());
    let before = usize::try_from(OFFSET).unwrap_or_default();
    if block > before { block.saturating_sub(before) } else { block }
}

/// The checksum over `block`, in which its own field becomes zero.
fn checksum(block: &mut [u8]) -> u32 {
    if let Some(field) = block.get_mut(CHECKSUM..).and_then(|rest| rest.get_mut(..4)) {
        field.fill(0);
    }
    crc32c(!0, block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource};

    fn image(change: impl FnOnce(&mut [u8])) -> MemSource {
        let mut image = vec![0; 4096];
        let sb = &mut image[1024..];
        sb[..4].copy_from_slice(&MAGIC.to_le_bytes());
        (sb[8], sb[12], sb[14], sb[80]) = (1, 12, 36, 1);
        change(sb);
        let sum = checksum(&mut sb.to_vec());
        sb[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
        MemSource::new(image)
    }

    #[test]
    fn what_the_kernel_does_not_mount_is_refused() {
        let superblock = Superblock::read(&image(|_| ())).unwrap();
        assert_eq!((superblock.root, superblock.zero_padding), (36, true));
        for (at, value, kind) in [
            (0, 1, ErrorKind::Corrupt),
            (12, 8, ErrorKind::Corrupt),
            (12, 17, ErrorKind::Corrupt),
            (80, 0x80, ErrorKind::Unsupported),
            (82, 1, ErrorKind::Unsupported),
            (86, 1, ErrorKind::Unsupported),
            (90, 1, ErrorKind::Unsupported),
        ] {
            let error = Superblock::read(&image(|sb| sb[at] = value)).unwrap_err();
            assert_eq!(error.kind(), kind, "{value} at {at}");
        }
    }

    #[test]
    fn the_checksum_covers_the_rest_of_the_block() {
        assert_eq!([9, 10, 11, 12, 16].map(checksummed), [512, 1024, 1024, 3072, 64512]);
        let good = image(|_| ());
        let mut bytes = vec![0; 4096];
        good.read_at(0, &mut bytes).unwrap();
        bytes[4095] ^= 1;
        assert_eq!(Superblock::read(&MemSource::new(bytes)).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
