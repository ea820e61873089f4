//! Integrity of a logical volume: how much is free, how many files there are, who may read it.
//!
//! Source: ECMA-167, 3/8.8.2 and 3/10.10; OSTA UDF 2.60, 2.2.6.

use super::tag::{Crc, Medium};
use crate::bytes::{Fields, index};
use crate::{Error, ErrorKind, Result};

/// Most descriptors that are looked at. Linux follows 1000 from one extent to another.
const MAX_DESCRIPTORS: u32 = 16384;
/// Where the tables begin: with two numbers for each partition.
const TABLES: usize = 80;
/// Bytes of UDF's own part that are used, and where it has what.
const OWN: usize = 46;
const FILES: usize = 32;
const DIRECTORIES: usize = 36;
const READ_REVISION: usize = 40;
/// Highest revision that a reader must know, as far as Linux does: that of UDF 2.60, too.
const MAX_READ_REVISION: u16 = 0x0250;
/// A number that is not known.
const UNKNOWN: u32 = u32::MAX;

/// What the prevailing descriptor says.
#[derive(Debug)]
pub(super) struct Integrity {
    /// Free blocks of each partition, where known.
    pub(super) free: Vec<Option<u32>>,
    /// Files and directories.
    pub(super) files: u32,
}

/// Reads the descriptors in the `len` bytes from block `first` on: the last one counts. There may be none.
pub(super) fn read(medium: &Medium, len: u32, first: u32, id: u16) -> Result<Option<Integrity>> {
    let mut last: Option<Vec<u8>> = None;
    let (mut left, mut next) = (len, first);
    for _ in 0..MAX_DESCRIPTORS {
        if left == 0 {
            return last.map_or(Ok(None), |bytes| parse(&bytes, medium));
        }
        match medium.descriptor(next, next, Crc::Checked) {
            Ok(found) if found.id == id => {
                let (more, place) = (found.bytes.le32(32)?, found.bytes.le32(36)?);
                last = Some(found.bytes);
                (left, next) = (left.saturating_sub(medium.block_size), next.saturating_add(1));
                // The last one of an extent may have a further one.
                if more != 0 && (left == 0 || !is_integrity(medium, next, id)?) {
                    (left, next) = (more, place);
                }
            }
            Ok(_) => left = 0,
            Err(error) if error.kind() == ErrorKind::Corrupt => left = 0,
            Err(error) => return Err(error),
        }
    }
    Err(Error::unsupported("a logical volume with too many descriptors of its integrity"))
}

fn is_integrity(medium: &Medium, number: u32, id: u16) -> Result<bool> {
    match medium.descriptor(number, number, Crc::Checked) {
        Ok(found) => Ok(found.id == id),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
        Err(error) => Err(error),
    }
}

/// Linux ignores one that does not fit its block.
fn parse(bytes: &[u8], medium: &Medium) -> Result<Option<Integrity>> {
    let (partitions, own) = (bytes.le32(72)?, bytes.le32(76)?);
    if partitions >= medium.block_size || own >= medium.block_size {
        return Ok(None);
    }
    let own_at = TABLES.saturating_add(index(partitions).saturating_mul(8));
    if own_at.saturating_add(index(own)) > bytes.len() {
        return Ok(None);
    }
    // Linux reads these wherever they are said to end.
    let own = bytes.slice(own_at, OWN)?;
    let revision = own.le16(READ_REVISION)?;
    if revision > MAX_READ_REVISION {
        return Err(Error::unsupported(format!("a volume for readers of UDF {revision:x}")));
    }
    let table = bytes.slice(TABLES, index(partitions).saturating_mul(4))?;
    let free = table.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry));
    Ok(Some(Integrity {
        free: free.map(|count| (count != UNKNOWN).then_some(count)).collect(),
        files: own.le32(FILES)?.wrapping_add(own.le32(DIRECTORIES)?),
    }))
}
