//! What the replay changes: sectors of 512 bytes that differ from what is on the disk, kept in memory, and the source
//! seen through them.
//!
//! Sectors, because buffers of all sizes are made of whole ones: a block that was part of a cluster of inodes once and
//! of a directory later is the same bytes, whoever asks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::source::check_range;
use crate::{Error, ReadAt, Result};

/// Unit of what is kept in bytes.
pub(super) const SECTOR: usize = 512;
/// How many sectors are kept at most: 224 MiB, as in 450,000 new inodes. A full log of 2 GiB can change more, but seldom
/// does: the same blocks are changed again and again.
const MAX_SECTORS: usize = 224 << 11;
/// Sectors are kept in pages of so many, so that growing copies nothing.
const PAGE_SECTORS: usize = 128;
/// The longest buffer in bytes: the largest block.
pub(super) const MAX_BUFFER: usize = 64 << 10;

/// A buffer of a replay: whole sectors, and which of them were written to.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Where it lies, in bytes.
    offset: u64,
    bytes: Vec<u8>,
    /// One bit for each sector: [`MAX_BUFFER`] has 128.
    dirty: u128,
}

impl Buffer {
    /// All bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts `new` at byte `at`.
    pub(super) fn put(&mut self, at: usize, new: &[u8]) -> Result<()> {
        let range = super::transaction::within(at, new.len(), self.bytes.len());
        let place = range.and_then(|range| self.bytes.get_mut(range));
        let Some(place) = place else {
            return Err(Error::corrupt(format!(
                "the log changes {} bytes at byte {at} of a buffer of {}",
                new.len(),
                self.bytes.len()
            )));
        };
        if new.is_empty() {
            return Ok(());
        }
        place.copy_from_slice(new);
        let last = at.saturating_add(new.len()).saturating_sub(1);
        for sector in at >> 9..=last >> 9 {
            self.dirty |= 1_u128.wrapping_shl(u32::try_from(sector).unwrap_or_default());
        }
        Ok(())
    }
}

/// A source, and its sectors as the replay leaves them.
#[derive(Debug)]
pub(super) struct Changes {
    source: Arc<dyn ReadAt>,
    index: HashMap<u64, u32>,
    pages: Vec<Box<[[u8; SECTOR]]>>,
}

impl Changes {
    pub(super) fn new(source: Arc<dyn ReadAt>) -> Self {
        Changes { source, index: HashMap::new(), pages: Vec::new() }
    }

    /// The buffer of `len` bytes at byte `offset`; both are multiples of a sector.
    pub(super) fn load(&self, offset: u64, len: usize) -> Result<Buffer> {
        if len == 0 || len > MAX_BUFFER || !len.is_multiple_of(SECTOR) || !offset.is_multiple_of(512) {
            return Err(Error::corrupt(format!("the log changes a buffer of {len} bytes at byte {offset}")));
        }
        let mut bytes = vec![0; len];
        self.read(offset, &mut bytes)?;
        Ok(Buffer { offset, bytes, dirty: 0 })
    }

    /// Bytes as they are now; whole sectors.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let known = |sector: &u64| self.index.contains_key(sector);
        let sectors = (offset >> 9)..;
        if !sectors.clone().zip(buf.chunks(SECTOR)).all(|(sector, _)| known(&sector)) {
            self.source.read_at(offset, buf)?;
        }
        for (sector, piece) in sectors.zip(buf.chunks_mut(SECTOR)) {
            if let Some(kept) = self.sector(sector) {
                piece.copy_from_slice(kept.get(..piece.len()).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn sector(&self, sector: u64) -> Option<&[u8; SECTOR]> {
        self.kept(*self.index.get(&sector)?)
    }

    fn kept(&self, place: u32) -> Option<&[u8; SECTOR]> {
        let place = crate::bytes::index(place);
        self.pages.get(place.checked_div(PAGE_SECTORS)?)?.get(place.checked_rem(PAGE_SECTORS)?)
    }

    /// Keeps what was written to `buffer`.
    pub(super) fn store(&mut self, buffer: &Buffer) -> Result<()> {
        let sectors = (buffer.offset >> 9)..;
        for (nr, (sector, piece)) in (0_u32..).zip(sectors.zip(buffer.bytes.chunks_exact(SECTOR))) {
            if buffer.dirty.wrapping_shr(nr) & 1 == 1 {
                self.keep(sector, piece)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, sector: u64, bytes: &[u8]) -> Result<()> {
        let next = self.index.len();
        let place = match self.index.get(&sector) {
            Some(place) => *place,
            None if next >= MAX_SECTORS => {
                return Err(Error::unsupported(format!(
                    "dirty log that changes more than {MAX_SECTORS} sectors"
                )));
            }
            None => {
                let place = u32::try_from(next).unwrap_or(u32::MAX);
                if next.checked_div(PAGE_SECTORS) == Some(self.pages.len()) {
                    self.pages.push(vec![[0; SECTOR]; PAGE_SECTORS].into_boxed_slice());
                }
                self.index.insert(sector, place);
                place
            }
        };
        let place = crate::bytes::index(place);
        let page = place.checked_div(PAGE_SECTORS).and_then(|page| self.pages.get_mut(page));
        if let Some(kept) = page.and_then(|page| page.get_mut(place % PAGE_SECTORS)) {
            kept.copy_from_slice(bytes);
        }
        Ok(())
    }

    /// The source as the replay leaves it.
    pub(super) fn finish(self) -> Overlay {
        let mut sectors: Vec<_> = self.index.iter().map(|(sector, place)| (*sector, *place)).collect();
        sectors.sort_unstable();
        Overlay { changes: Changes { index: HashMap::new(), ..self }, sectors }
    }
}

/// A source seen through changes.
#[derive(Debug)]
pub(super) struct Overlay {
    /// With an empty index.
    changes: Changes,
    /// Sector and place, by sector.
    sectors: Vec<(u64, u32)>,
}

impl Overlay {
    /// The changed sectors from the one that holds byte `offset` on.
    fn from(&self, offset: u64) -> &[(u64, u32)] {
        let first = self.sectors.partition_point(|(sector, _)| *sector < offset >> 9);
        self.sectors.get(first..).unwrap_or_default()
    }
}

impl ReadAt for Overlay {
    fn len(&self) -> u64 {
        self.changes.source.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len())?;
        self.changes.source.read_at(offset, buf)?;
        let end = offset.saturating_add(u64::try_from(buf.len()).unwrap_or(u64::MAX));
        for (sector, place) in self.from(offset) {
            let start = sector << 9;
            if start >= end {
                break;
            }
            let Some(kept) = self.changes.kept(*place) else { continue };
            let skip = usize::try_from(offset.saturating_sub(start)).unwrap_or(SECTOR);
            let at = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
            let to = buf.get_mut(at..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(kept.iter().skip(skip)) {
                *to = *from;
            }
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let below = self.changes.source.next_data(offset)?;
        let Some((sector, _)) = self.from(offset).first() else { return Ok(below) };
        let start = sector << 9;
        let changed = start.max(offset)..start.saturating_add(512).min(self.len());
        Ok(match below {
            Some(below) if below.start <= changed.start => Some(below),
            _ => Some(changed),
        })
    }

    fn sector_size(&self) -> u32 {
        self.changes.source.sector_size()
    }
}
