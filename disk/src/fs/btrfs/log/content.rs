//! Content: extents of files, and checksums of data.

use std::ops::Range;

use super::super::compress::Algorithm;
use super::super::key::{Key, kind, object};
use super::items::inode;
use super::{Replay, strange};
use crate::bytes::Fields;
use crate::{Error, Result};

/// Size in bytes of an extent item that is not inline.
const SIZE: usize = 53;

/// An extent item, as far as a replay looks at it. (Source: btrfs documentation, "On-disk Format",
/// `btrfs_file_extent_item`.)
#[derive(Debug, Clone, Copy)]
struct Extent {
    is_inline: bool,
    /// Bytes of the file.
    start: u64,
    len: u64,
    /// Where it lies on disk, 0 if it is a hole; how long that is; where in it this begins.
    address: u64,
    stored: u64,
    offset: u64,
    is_compressed: bool,
}

impl Extent {
    fn parse(start: u64, item: &[u8]) -> Result<Self> {
        let is_compressed = Algorithm::new(item.u8(16)?)?.is_some();
        let extent = match item.u8(20)? {
            0 => {
                let len = item.le64(8)?;
                Extent { is_inline: true, start, len, address: 0, stored: 0, offset: 0, is_compressed }
            }
            1 | 2 if item.len() == SIZE => Extent {
                is_inline: false,
                start,
                len: item.le64(45)?,
                address: item.le64(21)?,
                stored: item.le64(29)?,
                offset: item.le64(37)?,
                is_compressed,
            },
            other => return Err(Error::corrupt(format!("an extent of type {other}, {} bytes", item.len()))),
        };
        match start.checked_add(extent.len) {
            Some(_) if extent.len > 0 => Ok(extent),
            _ => Err(strange(format!("an extent of {} bytes", extent.len))),
        }
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// How many bytes of it count as taken, of `len`.
    fn taken(&self, len: u64) -> u64 {
        if self.is_inline || self.address != 0 { len } else { 0 }
    }

    /// The item `item` of this extent, for a part of it, and that part's key.
    fn part(&self, inode: u64, item: &[u8], part: Range<u64>) -> Result<(Key, Vec<u8>)> {
        let skipped = part.start.saturating_sub(self.start);
        let offset = if self.address == 0 { 0 } else { self.offset.saturating_add(skipped) };
        let len = part.end.saturating_sub(part.start);
        let mut item = item.to_vec();
        for (at, value) in [(37, offset), (45, len)] {
            let field = item.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>());
            *field.ok_or_else(|| Error::corrupt("an extent item that is too short"))? = value.to_le_bytes();
        }
        Ok((Key::new(inode, kind::EXTENT_DATA, part.start), item))
    }
}

impl Replay<'_> {
    /// Takes a range of bytes out of the extents of a file, and says how many bytes that took.
    pub(super) fn drop_extents(&mut self, inode: u64, range: Range<u64>) -> Result<u64> {
        let first = Key::new(inode, kind::EXTENT_DATA, range.start);
        let mut overlapping = Vec::new();
        {
            let mut items = self.trees.search_back(self.subvolume, first)?;
            while let Some((key, item)) = items.next()? {
                if (key.object, key.kind) < (inode, kind::EXTENT_DATA) {
                    continue;
                }
                if !key.is(inode, kind::EXTENT_DATA) || key.offset >= range.end {
                    break;
                }
                self.steps.step()?;
                let extent = Extent::parse(key.offset, item)?;
                if extent.end() > range.start {
                    overlapping.push((key, extent, item.to_vec()));
                }
            }
        }
        let mut dropped = 0_u64;
        for (key, extent, item) in overlapping {
            let start = range.start.max(extent.start);
            let end = range.end.min(extent.end());
            let (before, after) = (extent.start..start, end..extent.end());
            if extent.is_inline && !(before.is_empty() && after.is_empty()) {
                return Err(strange("it changes a part of an inline extent"));
            }
            dropped = dropped.saturating_add(extent.taken(end.saturating_sub(start)));
            self.delete(key)?;
            for part in [before, after] {
                if !part.is_empty() {
                    let (key, item) = extent.part(inode, &item, part)?;
                    self.put(key, item)?;
                }
            }
        }
        Ok(dropped)
    }

    /// An extent that the log has of a file.
    pub(super) fn replay_extent(&mut self, key: Key, item: &[u8]) -> Result<()> {
        let extent = Extent::parse(key.offset, item)?;
        let number = key.object;
        let _ = self.need_inode(number)?;
        if !extent.is_inline && self.get(self.subvolume, key)?.as_deref() == Some(item) {
            return Ok(());
        }
        let mut end = extent.end();
        if extent.is_inline {
            end = end.checked_next_multiple_of(self.sector_size).ok_or_else(|| strange("an extent's end"))?;
        }
        let dropped = self.drop_extents(number, extent.start..end)?;
        let is_hole = !extent.is_inline && extent.address == 0;
        if !(is_hole && self.no_holes) {
            self.put(key, item.to_vec())?;
        }
        if !extent.is_inline && !is_hole {
            self.replay_checksums(&extent)?;
        }
        let mut now = self.need_inode(number)?;
        let bytes = inode::bytes(&now)?.saturating_add(extent.taken(extent.len)).saturating_sub(dropped);
        inode::set_bytes(&mut now, bytes)?;
        self.put_inode(number, now)
    }

    /// The checksums that the log has of the data of an extent.
    fn replay_checksums(&mut self, extent: &Extent) -> Result<()> {
        let range = if extent.is_compressed {
            Some(extent.address).zip(extent.address.checked_add(extent.stored))
        } else {
            let start = extent.address.checked_add(extent.offset);
            start.zip(start.and_then(|start| start.checked_add(extent.len)))
        };
        let (start, end) = range.ok_or_else(|| Error::corrupt("the address of an extent"))?;
        let mut new = Vec::new();
        {
            let mut items = self.trees.search_back(self.log, sums_key(start))?;
            while let Some((key, item)) = items.next()? {
                if key > sums_key(end) {
                    break;
                }
                if key.is(object::EXTENT_CSUM, kind::EXTENT_CSUM)
                    && let Some((at, sums)) = self.sums_within(key.offset, item, start..end)?
                {
                    new.push((at, sums.to_vec()));
                }
            }
        }
        for (at, sums) in new {
            self.put_checksums(at, sums)?;
        }
        Ok(())
    }

    /// The part of a checksum item that is of data in `range`, and where that data begins.
    fn sums_within<'i>(&self, at: u64, item: &'i [u8], range: Range<u64>) -> Result<Option<(u64, &'i [u8])>> {
        let bad = || Error::corrupt(format!("the checksums of the data at logical address {at}"));
        if !item.len().is_multiple_of(self.checksum_size) {
            return Err(bad());
        }
        let count = item.len().checked_div(self.checksum_size).and_then(|count| u64::try_from(count).ok());
        let sector = |address: u64| address.saturating_sub(at).checked_div(self.sector_size);
        let first = sector(range.start).ok_or_else(bad)?;
        let last = sector(range.end).zip(count).map(|(last, count)| last.min(count)).ok_or_else(bad)?;
        if first >= last {
            return Ok(None);
        }
        let byte = |sector: u64| usize::try_from(sector).ok()?.checked_mul(self.checksum_size);
        let sums = byte(first).zip(byte(last)).and_then(|(first, last)| item.get(first..last));
        let at = first.checked_mul(self.sector_size).and_then(|skipped| at.checked_add(skipped));
        at.zip(sums).map(Some).ok_or_else(bad)
    }

    /// Puts checksums in place of those that are there of the same data.
    fn put_checksums(&mut self, at: u64, sums: Vec<u8>) -> Result<()> {
        self.steps.step()?;
        let sectors = sums.len().checked_div(self.checksum_size).and_then(|count| u64::try_from(count).ok());
        let end = sectors.and_then(|count| at.checked_add(count.checked_mul(self.sector_size)?));
        let end = end.ok_or_else(|| Error::corrupt("the address of checksums"))?;
        let mut kept = Vec::new();
        {
            let mut items = self.trees.search_back(self.checksums, sums_key(at))?;
            while let Some((key, item)) = items.next()? {
                if key >= sums_key(end) {
                    break;
                }
                if !key.is(object::EXTENT_CSUM, kind::EXTENT_CSUM)
                    || self.sums_within(key.offset, item, at..end)?.is_none()
                {
                    continue;
                }
                let before = self.sums_within(key.offset, item, 0..at)?;
                let after = self.sums_within(key.offset, item, end..u64::MAX)?;
                let parts: Vec<_> = [before, after].into_iter().flatten().collect();
                kept.push((key, parts.into_iter().map(|(at, sums)| (at, sums.to_vec())).collect::<Vec<_>>()));
            }
        }
        for (key, parts) in kept {
            self.trees.changes.set(self.checksums, key, None)?;
            for (at, sums) in parts {
                self.trees.changes.set(self.checksums, sums_key(at), Some(sums.into()))?;
            }
        }
        self.trees.changes.set(self.checksums, sums_key(at), Some(sums.into()))
    }
}

/// The key of checksums of data from `address` on.
fn sums_key(address: u64) -> Key {
    Key::new(object::EXTENT_CSUM, kind::EXTENT_CSUM, address)
}
