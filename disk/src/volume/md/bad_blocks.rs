//! Blocks of a member that its array knows can't be read: what they hold is stale.

use std::ops::Range;
use std::sync::Arc;

use super::SECTOR;
use crate::bytes::Fields;
use crate::source::check_range;
use crate::{Error, ErrorKind, ReadAt, Result};

/// Most sectors of a list (a page, as in Linux).
const MAX_LIST: u16 = 8;
/// Bits of an entry that number blocks; the first block is in those above.
const COUNT_BITS: u32 = 10;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// What ends a list.
const END: u64 = u64::MAX;

/// The list that the superblock `bytes` in sector `start` names: first sectors of the device and numbers of sectors.
pub(super) fn read(source: &dyn ReadAt, bytes: &[u8], start: u64) -> Result<Vec<(u64, u64)>> {
    let (shift, sectors) = (u32::from(bytes.u8(185)?), bytes.le16(186)?);
    let offset = i32::from_le_bytes(bytes.array(188)?);
    let wrong = || Error::corrupt("a list of bad blocks that can't be right");
    let at = start.checked_add_signed(offset.into()).and_then(|sector| sector.checked_mul(SECTOR));
    let at = at.filter(|_| offset != 0 && sectors > 0 && sectors <= MAX_LIST).ok_or_else(wrong)?;
    let mut list = vec![0; usize::from(sectors).saturating_mul(usize::try_from(SECTOR).unwrap_or(0))];
    check_range(source.len(), at, list.len())?;
    source.read_at(at, &mut list)?;
    let mut found = Vec::new();
    for entry in list.as_chunks::<8>().0 {
        let entry = u64::from_le_bytes(*entry);
        if entry == END {
            break;
        }
        let scaled = |blocks: u64| 1_u64.checked_shl(shift).and_then(|unit| blocks.checked_mul(unit));
        let first = scaled(entry >> COUNT_BITS).ok_or_else(wrong)?;
        let count = scaled(entry & COUNT).ok_or_else(wrong)?;
        if count > 0 {
            found.push((first, count));
        }
    }
    Ok(found)
}

/// A member some of whose blocks can't be read.
#[derive(Debug)]
pub(super) struct WithBadBlocks {
    source: Arc<dyn ReadAt>,
    /// Runs of bytes.
    bad: Vec<Range<u64>>,
}

impl WithBadBlocks {
    /// The device `source`, whose bad runs of sectors are `list`.
    pub(super) fn new(source: Arc<dyn ReadAt>, list: &[(u64, u64)]) -> WithBadBlocks {
        let bytes = |(first, count): &(u64, u64)| {
            let start = first.saturating_mul(SECTOR);
            start..start.saturating_add(count.saturating_mul(SECTOR))
        };
        WithBadBlocks { source, bad: list.iter().map(bytes).collect() }
    }
}

impl ReadAt for WithBadBlocks {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len())?;
        let end = offset.saturating_add(u64::try_from(buf.len()).unwrap_or(u64::MAX));
        if self.bad.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(Error::new(
                ErrorKind::Io,
                format!("byte {offset} of a member is among its bad blocks"),
            ));
        }
        self.source.read_at(offset, buf)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.source.next_data(offset)
    }

    fn sector_size(&self) -> u32 {
        self.source.sector_size()
    }
}
