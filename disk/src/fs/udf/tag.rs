//! Blocks of the medium, and descriptors in them: each begins with a tag that says what it is and where, and has a sum
//! over itself and a CRC over what follows.
//!
//! Source: ECMA-167, 3/7.2 and 4/7.2.

use std::sync::Arc;

use crate::bytes::{Fields, index};
use crate::crc::crc16;
use crate::{Error, ReadAt, Result};

/// Bytes of a tag.
pub(super) const TAG: usize = 16;
/// Versions of the structure that there are (ECMA-167's second and third edition).
const VERSIONS: [u16; 2] = [2, 3];
/// Where the tag has its sum.
const SUM: usize = 4;

/// Identifiers of descriptors (ECMA-167, 3/7.2.1 and 4/7.2.1).
pub(super) const SPARING_TABLE: u16 = 0;
pub(super) const PRIMARY: u16 = 1;
pub(super) const ANCHOR: u16 = 2;
pub(super) const POINTER: u16 = 3;
pub(super) const PARTITION: u16 = 5;
pub(super) const LOGICAL: u16 = 6;
pub(super) const TERMINATING: u16 = 8;
pub(super) const INTEGRITY: u16 = 9;
pub(super) const FILE_SET: u16 = 256;
pub(super) const FILE_IDENTIFIER: u16 = 257;
pub(super) const ALLOCATION_EXTENT: u16 = 258;
pub(super) const FILE_ENTRY: u16 = 261;
pub(super) const ATTRIBUTES: u16 = 262;
pub(super) const UNALLOCATED_SPACE: u16 = 263;
pub(super) const SPACE_BITMAP: u16 = 264;
pub(super) const EXTENDED_FILE_ENTRY: u16 = 266;

/// A source as blocks.
#[derive(Debug)]
pub(super) struct Medium {
    pub(super) source: Arc<dyn ReadAt>,
    /// Bytes of a block.
    pub(super) block_size: u32,
}

/// A block that holds a descriptor.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) id: u16,
    /// The whole block.
    pub(super) bytes: Vec<u8>,
}

/// Does the CRC have to be that of what follows the tag?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crc {
    Checked,
    /// Unless it is over more than the rest of the block, as that of a bitmap may be. Linux looks at none of those.
    CheckedIfWithin,
}

impl Medium {
    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u64 {
        self.source.len().checked_div(self.block_size.into()).unwrap_or(0)
    }

    /// Byte of the source where block `number` starts.
    pub(super) fn at(&self, number: u32) -> u64 {
        u64::from(number).saturating_mul(self.block_size.into())
    }

    /// The bytes of block `number`.
    pub(super) fn block(&self, number: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; index(self.block_size)];
        self.source.read_at(self.at(number), &mut bytes)?;
        Ok(bytes)
    }

    /// The descriptor in block `number`, which says that it is at `location`.
    pub(super) fn descriptor(&self, number: u32, location: u32, crc: Crc) -> Result<Descriptor> {
        let bytes = self.block(number)?;
        let bad = |what: String| Error::corrupt(format!("a descriptor in block {number} {what}"));
        let (id, version, said) = (bytes.le16(0)?, bytes.le16(2)?, bytes.le32(12)?);
        let len = usize::from(bytes.le16(10)?);
        if said != location {
            return Err(bad(format!("says that it is in block {said}, not {location}")));
        }
        if !VERSIONS.contains(&version) {
            return Err(bad(format!("has version {version}")));
        }
        if crc == Crc::CheckedIfWithin && len > bytes.len().saturating_sub(TAG) {
            return if has_sum(&bytes)? { Ok(Descriptor { id, bytes }) } else { Err(bad(WRONG_SUM.into())) };
        }
        verify(&bytes).map_err(|error| bad(error.to_string()))?;
        Ok(Descriptor { id, bytes })
    }
}

const WRONG_SUM: &str = "has a tag with a wrong sum";

/// Is the sum in the tag right that `bytes` begin with?
fn has_sum(bytes: &[u8]) -> Result<bool> {
    let tag = bytes.slice(0, TAG)?;
    let sum =
        tag.iter().enumerate().filter(|(at, _)| *at != SUM).fold(0u8, |sum, (_, b)| sum.wrapping_add(*b));
    Ok(sum == tag.u8(SUM)?)
}

/// Checks the sum of the tag that `bytes` begin with, and the CRC over what follows it. The CRC says itself over how much.
pub(super) fn verify(bytes: &[u8]) -> Result<()> {
    if !has_sum(bytes)? {
        return Err(Error::corrupt(WRONG_SUM));
    }
    let len = usize::from(bytes.le16(10)?);
    let Some(covered) = bytes.get(TAG..).and_then(|rest| rest.get(..len)) else {
        return Err(Error::corrupt(format!("has a CRC over {len} bytes, which are not there")));
    };
    if crc16(0, covered) != bytes.le16(8)? {
        return Err(Error::corrupt("has a wrong CRC"));
    }
    Ok(())
}
