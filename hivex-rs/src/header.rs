//! The base block: the first 4096 bytes of a hive, and the first 512 of a transaction log.
//!
//! ```text
//!   0 "regf"             20 major version    36 root cell             48 file name, 64 bytes of UTF-16
//!   4 first sequence     24 minor version    40 length of the bins   508 sum of the 127 words before it
//!   8 second sequence    28 kind of file     44 clustering factor
//!  12 time of writing    32 format: 1
//! ```
//!
//! Source of this and all structures of the crate: Maxim Suhanov, "Windows registry file format specification", and
//! Joachim Metz, "Windows NT Registry File (REGF) format", two descriptions that agree but for names.

use bstr::BString;

use crate::bytes::Fields;
use crate::text;
use crate::{Error, FileTime, Result};

/// Length of the base block of a hive, in bytes; cell offsets count from its end.
pub(crate) const LENGTH: usize = 4096;
/// The same as a number of 32 bits.
pub(crate) const LENGTH_32: u32 = 4096;
/// How much of it the sum covers, and where the sum is.
pub(crate) const SUM: usize = 508;
/// What a log has of it: one sector.
pub(crate) const SECTOR: usize = 512;
/// What it begins with.
pub(crate) const MAGIC: &[u8; 4] = b"regf";

pub(crate) const SEQUENCE_1: usize = 4;
pub(crate) const SEQUENCE_2: usize = 8;
pub(crate) const WRITTEN: usize = 12;
pub(crate) const MAJOR: usize = 20;
pub(crate) const MINOR: usize = 24;
pub(crate) const KIND: usize = 28;
pub(crate) const FORMAT: usize = 32;
pub(crate) const ROOT: usize = 36;
pub(crate) const BINS: usize = 40;
pub(crate) const CLUSTERING: usize = 44;
pub(crate) const NAME: usize = 48;
const NAME_LENGTH: usize = 64;

/// What the base block says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Increased before a write to the file begins.
    pub sequence_1: u32,
    /// Set to the same when the write is complete.
    pub sequence_2: u32,
    /// When the hive was last written.
    pub written: FileTime,
    /// Major version; 1.
    pub major: u32,
    /// Minor version: 3 in Windows NT 4 to 10, 4 and more with values over 16,344 bytes in pieces, 5 with hashed names.
    pub minor: u32,
    /// 0 for a hive; 1, 2 and 6 for logs.
    pub kind: u32,
    /// The cell of the root key, relative to the first bin.
    pub root: u32,
    /// How many bytes of bins follow the base block.
    pub bins: u32,
    /// The end of the file's path, as the system that wrote it knew it.
    pub file_name: BString,
    /// Is the sum right?
    pub sum_is_right: bool,
}

impl Header {
    /// Reads a base block, of a hive or a log, from the beginning of its file.
    ///
    /// # Errors
    /// `Corrupt` if it does not begin as one, or ends within it.
    pub fn read(image: &[u8]) -> Result<Self> {
        if image.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(Error::corrupt("not a registry hive: it does not begin with \"regf\""));
        }
        let name = text::units(image.slice(NAME, NAME_LENGTH)?).take_while(|unit| *unit != 0);
        Ok(Header {
            sequence_1: image.le32(SEQUENCE_1)?,
            sequence_2: image.le32(SEQUENCE_2)?,
            written: FileTime(image.le64(WRITTEN)?),
            major: image.le32(MAJOR)?,
            minor: image.le32(MINOR)?,
            kind: image.le32(KIND)?,
            root: image.le32(ROOT)?,
            bins: image.le32(BINS)?,
            file_name: text::decode(name),
            sum_is_right: image.le32(SUM)? == sum(image.slice(0, SUM)?),
        })
    }

    /// Was a write to the file begun and not ended? Then the logs have what is missing.
    pub fn is_dirty(&self) -> bool {
        self.sequence_1 != self.sequence_2 || !self.sum_is_right
    }
}

/// The sum of a base block: all words exclusive-ored, where 0 and !0 are never used.
pub(crate) fn sum(words: &[u8]) -> u32 {
    let (words, _) = words.as_chunks::<4>();
    match words.iter().fold(0, |sum, word| sum ^ u32::from_le_bytes(*word)) {
        0 => 1,
        u32::MAX => u32::MAX ^ 1,
        sum => sum,
    }
}

/// Writes the sum of what stands in a base block.
pub(crate) fn seal(image: &mut [u8]) -> Result<()> {
    let sum = sum(image.slice(0, SUM)?);
    image.put32(SUM, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_never_0_nor_all_ones() {
        assert_eq!(sum(&[1, 0, 0, 0, 2, 0, 0, 0]), 3);
        assert_eq!(sum(&[7; 8]), 1);
        assert_eq!(sum(&[0xFF; 4]), 0xFFFF_FFFE);
    }
}
