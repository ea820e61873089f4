//! The fuzzer's bytes as a disk.

use disk::{Error, ReadAt, Result};

/// A disk that begins with `data` and is zeros from there on to its end.
#[derive(Debug)]
pub(crate) struct Padded {
    pub(crate) data: Vec<u8>,
    pub(crate) len: u64,
}

impl ReadAt for Padded {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let count = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if offset.checked_add(count).is_none_or(|end| end > self.len) {
            return Err(Error::corrupt("past the end of the fuzzer's disk"));
        }
        buf.fill(0);
        let data = usize::try_from(offset).ok().and_then(|start| self.data.get(start..)).unwrap_or_default();
        let have = data.len().min(buf.len());
        buf[..have].copy_from_slice(&data[..have]);
        Ok(())
    }
}
