//! The four kinds of checksum that metadata and data can have.
//!
//! Source: btrfs documentation, "Checksumming"; where they are stored: "On-disk Format", `btrfs_super_block.csum_type`.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use sha2::Sha256;

use crate::crc::crc32c;
use crate::{Error, Result};

/// Room for the largest checksum in bytes, as block headers and superblocks have it.
pub(in crate::fs) const ROOM: usize = 32;

/// A kind of checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Crc32c,
    Xxhash64,
    Sha256,
    Blake2b,
}

impl Checksum {
    /// The kind of that number in the superblock.
    pub(super) fn from_number(number: u16) -> Result<Self> {
        Ok(match number {
            0 => Checksum::Crc32c,
            1 => Checksum::Xxhash64,
            2 => Checksum::Sha256,
            3 => Checksum::Blake2b,
            _ => return Err(Error::unsupported(format!("btrfs checksums of type {number}"))),
        })
    }

    /// How many bytes a stored checksum has.
    pub(super) const fn size(self) -> usize {
        match self {
            Checksum::Crc32c => 4,
            Checksum::Xxhash64 => 8,
            Checksum::Sha256 | Checksum::Blake2b => 32,
        }
    }

    /// Does `stored` start with the checksum of `data`?
    pub(super) fn matches(self, stored: &[u8], data: &[u8]) -> bool {
        match self {
            Checksum::Crc32c => stored.starts_with(&(!crc32c(!0, data)).to_le_bytes()),
            Checksum::Xxhash64 => stored.starts_with(&xxhash_rust::xxh64::xxh64(data, 0).to_le_bytes()),
            Checksum::Sha256 => stored.starts_with(&Sha256::digest(data)),
            Checksum::Blake2b => stored.starts_with(&Blake2b::<U32>::digest(data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of RFC 3720, of the xxHash specification, of FIPS 180-2, and of `b2sum -l 256`.
    #[test]
    fn check_values() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        for (kind, data, sum) in [
            (Checksum::Crc32c, &b"123456789"[..], "839206e3"),
            (Checksum::Xxhash64, b"", "99e9d85137db46ef"),
            (Checksum::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Checksum::Blake2b, b"abc", "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
        ] {
            let sum = hex(sum);
            assert_eq!(sum.len(), kind.size());
            assert!(kind.matches(&sum, data), "{kind:?}");
            assert!(!kind.matches(&sum, b"other"), "{kind:?}");
        }
    }
}
