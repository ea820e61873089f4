//! Where bytes come from: the [`ReadAt`] trait, and the two sources that need nothing else.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// A read-only array of bytes: an image file, a virtual disk, a partition, a logical volume.
pub trait ReadAt: Debug + Send + Sync {
    /// Size in bytes. It does not change.
    fn len(&self) -> u64;

    /// Is there nothing to read?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills all of `buf` with the bytes from `offset` (bytes) on.
    ///
    /// # Errors
    /// A range that does not lie within [`len`](Self::len) is [`ErrorKind::Corrupt`]: some structure above pointed
    /// past the end. A source that cannot be read is [`ErrorKind::Io`].
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// The next range (bytes) at or after `offset` that may hold something other than zeros, or `None` if only zeros
    /// follow. A source that does not know about holes says "all of the rest".
    ///
    /// # Errors
    /// As for [`read_at`](Self::read_at).
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        Ok(if offset < self.len() { Some(offset..self.len()) } else { None })
    }

    /// Logical sector size in bytes of the disk (512 or 4096): the unit of its partition tables.
    fn sector_size(&self) -> u32 {
        512
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, buf)
    }
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        (**self).next_data(offset)
    }
    fn sector_size(&self) -> u32 {
        (**self).sector_size()
    }
}

/// Fails as [`ReadAt::read_at`] says if `offset..offset + count` does not lie within `len` bytes.
pub(crate) fn check_range(len: u64, offset: u64, count: usize) -> Result<()> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    match offset.checked_add(count) {
        Some(end) if end <= len => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Corrupt,
            format!("{count} bytes at byte {offset} lie past the end of a source of {len} bytes"),
        )),
    }
}

/// Bytes in memory.
#[derive(Clone)]
pub struct MemSource(Arc<[u8]>);

impl Debug for MemSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemSource({} bytes)", self.0.len())
    }
}

impl MemSource {
    /// A source that holds `bytes`.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        MemSource(bytes.into())
    }
}

impl ReadAt for MemSource {
    fn len(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len())?;
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..)?.get(..buf.len()))
            .unwrap_or_default();
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// A part of another source: a partition, a filesystem without the space after it.
#[derive(Debug, Clone)]
pub struct Window<S> {
    inner: S,
    start: u64,
    len: u64,
}

impl<S: ReadAt> Window<S> {
    /// The `len` bytes of `inner` from byte `start` on; what would lie past the end of `inner` is cut off.
    pub fn new(inner: S, start: u64, len: u64) -> Self {
        let len = len.min(inner.len().saturating_sub(start));
        Window { inner, start, len }
    }
}

impl<S: ReadAt> ReadAt for Window<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        self.inner.read_at(self.start.saturating_add(offset), buf)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let end = self.start.saturating_add(self.len);
        let Some(range) = self.inner.next_data(self.start.saturating_add(offset))? else { return Ok(None) };
        if range.start >= end {
            return Ok(None);
        }
        Ok(Some(range.start.saturating_sub(self.start)..range.end.min(end).saturating_sub(self.start)))
    }

    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_its_part_and_nothing_else() {
        let disk = MemSource::new((0..100u8).collect::<Vec<_>>());
        let part = Window::new(disk, 10, 20);
        assert_eq!(part.len(), 20);
        let mut buf = [0; 2];
        part.read_at(18, &mut buf).unwrap();
        assert_eq!(buf, [28, 29]);
        assert_eq!(part.read_at(19, &mut buf).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(part.read_at(u64::MAX, &mut buf).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(part.next_data(5).unwrap(), Some(5..20));
        assert_eq!(part.next_data(20).unwrap(), None);
    }

    #[test]
    fn a_window_is_cut_at_the_end_of_its_source() {
        let disk = MemSource::new(vec![1; 100]);
        assert_eq!(Window::new(disk.clone(), 90, 50).len(), 10);
        assert_eq!(Window::new(disk, 200, 50).len(), 0);
    }
}
