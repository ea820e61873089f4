//! The superblock: 96 bytes at the start, and the compressor's options behind it.
//!
//! [`Superblock::read`] accepts what the kernel mounts. Source of all offsets: kernel.org,
//! `Documentation/filesystems/squashfs.rst`, and the description of the format at dr-emann.github.io/squashfs.

use super::compress::Compression;
use crate::bytes::Fields;
use crate::{Context, Error, ReadAt, Result};

/// Size in bytes.
pub(super) const SIZE: usize = 96;
/// First bytes of all versions, in the byte order of the filesystem.
pub(super) const MAGIC_LITTLE: [u8; 4] = *b"hsqs";
pub(super) const MAGIC_BIG: [u8; 4] = *b"sqsh";
/// The version that is read here.
const VERSION: (u16, u16) = (4, 0);

/// Smallest and largest block as powers of two: 4 KiB (the kernel wants a memory page) and 1 MiB.
const BLOCK_BITS: std::ops::RangeInclusive<u16> = 12..=20;
/// Flag: the compressor's options follow the superblock.
const HAS_OPTIONS: u16 = 1 << 10;
/// Bit of a metadata block's header: it is stored as it is.
const STORED: u16 = 1 << 15;
/// What LZ4's options say if blocks are as `LZ4_compress_default` makes them: the only kind there is.
const LZ4_LEGACY: u32 = 1;
/// A table that is not there.
const NONE: u64 = u64::MAX;

/// The fields of the superblock that a reader needs, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub(super) inodes: u32,
    /// Bytes in a data block, a power of two.
    pub(super) block_size: u32,
    pub(super) fragments: u32,
    pub(super) compression: Compression,
    pub(super) ids: u16,
    /// Reference of the root's inode.
    pub(super) root: u64,
    /// Bytes that the filesystem takes.
    pub(super) bytes: u64,
    pub(super) id_table: u64,
    pub(super) xattr_table: Option<u64>,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_table: Option<u64>,
}

impl Superblock {
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; SIZE];
        source.read_at(0, &mut bytes).context(|| "reading the squashfs superblock".to_owned())?;
        let superblock = Superblock::parse(&bytes, source.len())?;
        let sb: &[u8] = &bytes;
        if sb.le16(24)? & HAS_OPTIONS != 0 {
            superblock.check_options(source)?;
        }
        Ok(superblock)
    }

    fn parse(bytes: &[u8; SIZE], device_len: u64) -> Result<Self> {
        let sb: &[u8] = bytes;
        match sb.array(0)? {
            MAGIC_LITTLE => {}
            MAGIC_BIG => {
                let (major, minor) = (sb.be16(28)?, sb.be16(30)?);
                return Err(Error::unsupported(format!("big-endian squashfs of version {major}.{minor}")));
            }
            _ => return Err(Error::corrupt("no squashfs superblock")),
        }
        let version = (sb.le16(28)?, sb.le16(30)?);
        if version != VERSION {
            return Err(Error::unsupported(format!("squashfs of version {}.{}", version.0, version.1)));
        }
        let (block_size, block_bits) = (sb.le32(12)?, sb.le16(22)?);
        if !BLOCK_BITS.contains(&block_bits) || block_size != 1_u32.wrapping_shl(block_bits.into()) {
            return Err(Error::corrupt(format!("squashfs blocks of {block_size} bytes, 2^{block_bits}")));
        }
        let used = sb.le64(40)?;
        if used > device_len {
            return Err(Error::corrupt(format!("a squashfs of {used} bytes on {device_len} bytes")));
        }
        let ids = sb.le16(26)?;
        if ids == 0 {
            return Err(Error::corrupt("a squashfs without owners"));
        }
        let table = |offset| Ok(Some(sb.le64(offset)?).filter(|&at| at != NONE));
        Ok(Superblock {
            inodes: sb.le32(4)?,
            block_size,
            fragments: sb.le32(16)?,
            compression: Compression::of(sb.le16(20)?)?,
            ids,
            root: sb.le64(32)?,
            bytes: used,
            id_table: sb.le64(48)?,
            xattr_table: table(56)?,
            inode_table: sb.le64(64)?,
            directory_table: sb.le64(72)?,
            fragment_table: table(80)?,
        })
    }

    /// Refuses options that change what compressed data means.
    fn check_options(&self, source: &dyn ReadAt) -> Result<()> {
        let mut bytes = [0; 2 + 4];
        source.read_at(96, &mut bytes).context(|| "reading squashfs's compressor options".to_owned())?;
        let options: &[u8] = &bytes;
        let header = options.le16(0)?;
        if self.compression == Compression::Lz4 {
            let version = options.le32(2)?;
            if header & STORED == 0 || version != LZ4_LEGACY {
                return Err(Error::unsupported(format!("squashfs with LZ4 of version {version}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn superblock() -> [u8; SIZE] {
        let mut sb = [0; SIZE];
        sb[..4].copy_from_slice(b"hsqs");
        sb[12..16].copy_from_slice(&(1_u32 << 17).to_le_bytes());
        (sb[20], sb[22], sb[26], sb[28], sb[40]) = (1, 17, 1, 4, 96);
        sb
    }

    #[test]
    fn what_the_kernel_does_not_mount_is_refused_by_name() {
        assert_eq!(Superblock::parse(&superblock(), 96).unwrap().block_size, 1 << 17);
        let cases: [(usize, u8, ErrorKind); 8] = [
            (0, b's', ErrorKind::Corrupt),
            (12, 1, ErrorKind::Corrupt),
            (22, 21, ErrorKind::Corrupt),
            (20, 2, ErrorKind::Unsupported),
            (20, 7, ErrorKind::Unsupported),
            (26, 0, ErrorKind::Corrupt),
            (28, 3, ErrorKind::Unsupported),
            (40, 97, ErrorKind::Corrupt),
        ];
        for (at, value, kind) in cases {
            let mut sb = superblock();
            sb[at] = value;
            assert_eq!(Superblock::parse(&sb, 96).unwrap_err().kind(), kind, "{value} at {at}");
        }
        let mut big = [0; SIZE];
        big[..4].copy_from_slice(b"sqsh");
        big[29] = 3;
        let error = Superblock::parse(&big, 96).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Unsupported, "big-endian squashfs of version 3.0".to_owned())
        );
    }
}
