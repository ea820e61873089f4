//! Raw images: the file's bytes, and zeros up to a whole sector, because a disk has only whole sectors (qemu shows a
//! raw file of 1000 bytes as a disk of 1024).

use std::ops::Range;
use std::sync::Arc;

use crate::source::check_range;
use crate::{ReadAt, Result};

/// Unit of disk sizes in bytes (qemu's `BDRV_SECTOR_SIZE`).
const SECTOR: u64 = 512;

/// Size in bytes of the disk that a raw file of `len` bytes makes.
pub(super) fn size(len: u64) -> u64 {
    len.checked_next_multiple_of(SECTOR).unwrap_or(len)
}

/// `len` bytes, cut to whole sectors.
pub(super) fn whole_sectors(len: u64) -> u64 {
    len & !SECTOR.saturating_sub(1)
}

/// A raw image.
#[derive(Debug, Clone)]
pub struct Raw {
    file: Arc<dyn ReadAt>,
    file_len: u64,
}

impl Raw {
    /// The disk that `file` holds byte for byte.
    pub fn new(file: Arc<dyn ReadAt>) -> Self {
        Raw { file_len: file.len(), file }
    }
}

impl ReadAt for Raw {
    fn len(&self) -> u64 {
        size(self.file_len)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len())?;
        let have = usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (data, past) = buf.split_at_mut(have.min(buf.len()));
        past.fill(0);
        if data.is_empty() { Ok(()) } else { self.file.read_at(offset, data) }
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        if offset >= self.file_len { Ok(None) } else { self.file.next_data(offset) }
    }

    fn sector_size(&self) -> u32 {
        self.file.sector_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemSource;

    #[test]
    fn an_odd_size_is_filled_up_with_zeros() {
        let raw = Raw::new(Arc::new(MemSource::new(vec![7; 1000])));
        assert_eq!(raw.len(), 1024);
        let mut buf = [1; 30];
        raw.read_at(990, &mut buf).unwrap();
        assert_eq!(buf, *[[7; 10], [0; 10], [0; 10]].concat());
        raw.read_at(1010, &mut buf[..14]).unwrap();
        assert_eq!(buf[..14], [0; 14]);
        assert!(raw.read_at(1010, &mut buf[..15]).is_err());
        assert_eq!(raw.next_data(5).unwrap(), Some(5..1000));
        assert_eq!(raw.next_data(1000).unwrap(), None);
    }
}
