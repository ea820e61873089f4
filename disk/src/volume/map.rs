//! The bytes of a volume that is made of linear and striped segments, which LVM2 and dynamic disks have alike.
//!
//! ```text
//! volume   │ segment 1        │ segment 2              │
//!            linear: one area   striped: chunks of n areas by turns
//! area     a run of bytes of a partition or disk
//! ```

use std::ops::Range;
use std::sync::Arc;

use crate::source::check_range;
use crate::{Error, ReadAt, Result};

/// A run of bytes of another source.
#[derive(Debug, Clone)]
pub(super) struct AreaMap {
    pub(super) source: Arc<dyn ReadAt>,
    /// First byte in it.
    pub(super) start: u64,
}

/// A run of a volume's bytes.
#[derive(Debug, Clone)]
pub(super) struct SegmentMap {
    /// First byte in the volume.
    start: u64,
    /// Bytes; never zero.
    len: u64,
    areas: Vec<AreaMap>,
    /// Bytes that lie in one area before those in the next; all of the segment if there is one area.
    chunk: u64,
}

/// A volume as a source.
#[derive(Debug)]
pub(super) struct Mapped {
    /// In order, without gaps, none empty.
    segments: Vec<SegmentMap>,
    len: u64,
    sector_size: u32,
}

impl Mapped {
    /// A volume without segments yet.
    pub(super) fn new() -> Self {
        Mapped { segments: Vec::new(), len: 0, sector_size: 512 }
    }

    /// Adds `len` bytes that lie in `areas` by turns, `chunk` bytes at a time (of no meaning for a single area).
    pub(super) fn push(&mut self, len: u64, areas: Vec<AreaMap>, chunk: u64) -> Result<()> {
        let chunk = if areas.len() == 1 { len } else { chunk };
        let count = u64::try_from(areas.len()).unwrap_or(0);
        let rows = len.checked_div(count).and_then(|each| each.checked_rem(chunk));
        if len == 0 || rows != Some(0) || len.checked_rem(count) != Some(0) {
            return Err(Error::corrupt(format!("a segment of {len} bytes in {count} stripes of {chunk}")));
        }
        let each = len.checked_div(count).unwrap_or(0);
        for area in &areas {
            if area.start.checked_add(each).is_none_or(|end| end > area.source.len()) {
                return Err(Error::corrupt("a segment runs past the end of its device"));
            }
            self.sector_size = self.sector_size.max(area.source.sector_size());
        }
        let start = self.len;
        self.len =
            start.checked_add(len).ok_or_else(|| Error::corrupt("a volume of more than 2^64 bytes"))?;
        self.segments.push(SegmentMap { start, len, areas, chunk });
        Ok(())
    }

    /// The segment that holds byte `offset`, which lies within the volume.
    fn segment(&self, offset: u64) -> Result<&SegmentMap> {
        let after = self.segments.partition_point(|segment| segment.start <= offset);
        after
            .checked_sub(1)
            .and_then(|position| self.segments.get(position))
            .ok_or_else(|| Error::corrupt("a byte of no segment"))
    }
}

impl SegmentMap {
    /// Where byte `offset` of the segment lies: area, byte of its source, and for how many bytes that goes on.
    fn locate(&self, offset: u64) -> Option<(&AreaMap, u64, u64)> {
        let count = u64::try_from(self.areas.len()).ok()?;
        let (chunk, within) = (offset.checked_div(self.chunk)?, offset.checked_rem(self.chunk)?);
        let area = self.areas.get(usize::try_from(chunk.checked_rem(count)?).ok()?)?;
        let row = chunk.checked_div(count)?.checked_mul(self.chunk)?;
        Some((area, area.start.checked_add(row)?.checked_add(within)?, self.chunk.checked_sub(within)?))
    }
}

impl ReadAt for Mapped {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let (mut offset, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let segment = self.segment(offset)?;
            let (area, at, run) = segment
                .locate(offset.saturating_sub(segment.start))
                .ok_or_else(|| Error::corrupt("a byte of no stripe"))?;
            let count = usize::try_from(run).unwrap_or(usize::MAX).min(buf.len());
            let (now, later) = buf.split_at_mut(count);
            area.source.read_at(at, now)?;
            buf = later;
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let first = self.segments.partition_point(|s| s.start.saturating_add(s.len) <= offset);
        for segment in self.segments.get(first..).unwrap_or_default() {
            let from = offset.max(segment.start);
            let end = segment.start.saturating_add(segment.len);
            // Stripes are taken as full: their holes would have to be put together chunk by chunk.
            let [area] = segment.areas.as_slice() else { return Ok(Some(from..end)) };
            let in_area = |byte: u64| byte.saturating_sub(segment.start).saturating_add(area.start);
            let in_volume = |byte: u64| byte.saturating_sub(area.start).saturating_add(segment.start);
            if let Some(data) = area.source.next_data(in_area(from))?
                && data.start < in_area(end)
            {
                return Ok(Some(in_volume(data.start)..in_volume(data.end.min(in_area(end)))));
            }
        }
        Ok(None)
    }

    fn sector_size(&self) -> u32 {
        self.sector_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource, Window};

    fn area(byte: u8, len: usize) -> AreaMap {
        AreaMap { source: Arc::new(MemSource::new(vec![byte; len])), start: 0 }
    }

    #[test]
    fn stripes_take_turns_and_segments_follow_each_other() {
        let mut volume = Mapped::new();
        volume.push(3, vec![area(1, 3)], 0).unwrap();
        volume.push(12, vec![area(2, 6), area(3, 6)], 2).unwrap();
        let mut bytes = [0; 15];
        volume.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3, 2, 2, 3, 3]);
        let mut bytes = [0; 3];
        volume.read_at(6, &mut bytes).unwrap();
        assert_eq!(bytes, [3, 2, 2]);
        assert_eq!(volume.read_at(13, &mut bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn segments_that_do_not_fit_are_refused() {
        let mut volume = Mapped::new();
        for (len, areas, chunk) in [
            (4, vec![area(1, 3)], 0),
            (0, vec![area(1, 3)], 0),
            (4, vec![], 2),
            (6, vec![area(1, 3), area(1, 3)], 2),
            (8, vec![area(1, 9), area(1, 9)], 0),
            (9, vec![area(1, 9), area(1, 9)], 1),
        ] {
            assert_eq!(volume.push(len, areas, chunk).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        assert!(volume.is_empty());
    }

    /// A source whose bytes 10 to 20 alone are data.
    #[derive(Debug)]
    struct Sparse;

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            40
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<()> {
            Ok(())
        }
        fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
            Ok((offset < 20).then(|| offset.max(10)..20))
        }
    }

    #[test]
    fn holes_of_linear_segments_show_through() {
        let sparse: Arc<dyn ReadAt> = Arc::new(Sparse);
        let part = |start| vec![AreaMap { source: sparse.clone(), start }];
        let mut volume = Mapped::new();
        volume.push(5, part(25), 0).unwrap();
        volume.push(10, part(8), 0).unwrap();
        volume.push(10, part(20), 0).unwrap();
        assert_eq!(volume.next_data(0).unwrap(), Some(7..15));
        assert_eq!(volume.next_data(9).unwrap(), Some(9..15));
        assert_eq!(volume.next_data(15).unwrap(), None);
        assert_eq!(Window::new(volume, 10, 15).next_data(0).unwrap(), Some(0..5));
    }
}
