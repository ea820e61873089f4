//! Sources of bytes: image files that the handle opened, block devices of an appliance.

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use disk::{Error, ErrorKind, ReadAt, Result};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// A disk whose failed reads name the image that it is read from.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) inner: Arc<dyn ReadAt>,
    pub(crate) image: String,
}

impl ReadAt for Named {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, buf).map_err(|error| error.context(self.image.clone()))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.inner.next_data(offset).map_err(|error| error.context(self.image.clone()))
    }

    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }
}

/// A file, read with `pread`. Its size is taken once: a running guest's image may grow, but not under a reader.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Takes over a descriptor that is open for reading.
    pub(crate) fn new(descriptor: OwnedFd) -> Result<Self> {
        // The one way that works for files and block devices, and in the sandbox.
        let end =
            lseek(&descriptor, 0, Whence::SeekEnd).map_err(|e| Error::io("finding the size", e.into()))?;
        let len = u64::try_from(end).map_err(|_| Error::corrupt("the size is negative"))?;
        Ok(FileSource { file: File::from(descriptor), len })
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = u64::try_from(buf.len()).ok().and_then(|n| offset.checked_add(n));
        if end.is_none_or(|end| end > self.len) {
            let text = format!(
                "{} bytes at byte {offset} lie past the end of the file ({} bytes)",
                buf.len(),
                self.len
            );
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        self.file
            .read_exact_at(buf, offset)
            .map_err(|e| Error::io(format!("reading {} bytes at byte {offset} of the file", buf.len()), e))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let rest = || if offset < self.len { Some(offset..self.len) } else { None };
        let Ok(from) = i64::try_from(offset) else { return Ok(None) };
        if offset >= self.len {
            return Ok(None);
        }
        let start = match lseek(&self.file, from, Whence::SeekData) {
            Ok(start) => start,
            // Only a hole follows.
            Err(Errno::ENXIO) => return Ok(None),
            // Block devices and some filesystems do not tell.
            Err(_) => return Ok(rest()),
        };
        let end = lseek(&self.file, start, Whence::SeekHole).ok().and_then(|end| u64::try_from(end).ok());
        let start = u64::try_from(start).unwrap_or(offset).max(offset);
        Ok(Some(start..end.unwrap_or(self.len).clamp(start, self.len)).filter(|range| !range.is_empty()))
    }
}

/// An empty disk.
#[derive(Debug)]
pub(crate) struct Zeros(pub(crate) u64);

impl ReadAt for Zeros {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = u64::try_from(buf.len()).ok().and_then(|n| offset.checked_add(n));
        if end.is_none_or(|end| end > self.0) {
            return Err(Error::corrupt(format!(
                "{} bytes at byte {offset} lie past the end of the disk",
                buf.len()
            )));
        }
        buf.fill(0);
        Ok(())
    }

    fn next_data(&self, _: u64) -> Result<Option<Range<u64>>> {
        Ok(None)
    }
}

/// A disk with sectors of another size than 512 bytes.
#[derive(Debug)]
pub(crate) struct Sectors {
    pub(crate) inner: Arc<dyn ReadAt>,
    pub(crate) size: u32,
}

impl ReadAt for Sectors {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.inner.read_at(offset, buf)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.inner.next_data(offset)
    }

    fn sector_size(&self) -> u32 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn a_file_reads_as_it_is_and_its_holes_are_known() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        file.seek(SeekFrom::Start(512 << 10)).unwrap();
        file.write_all(b"data").unwrap();
        let source = FileSource::new(file.into()).unwrap();
        assert_eq!(source.len(), 1 << 20);
        let mut buf = [0; 6];
        source.read_at((512 << 10) - 1, &mut buf).unwrap();
        assert_eq!(&buf, b"\0data\0");
        let data = source.next_data(0).unwrap().unwrap();
        assert!(data.contains(&(512 << 10)) && data.end <= 1 << 20);
        assert_eq!(source.next_data(1 << 20).unwrap(), None);
        assert_eq!(source.read_at((1 << 20) - 5, &mut buf).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(source.read_at(u64::MAX, &mut buf).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
