//! The content of regular files.

use std::ops::Range;

use super::Ntfs;
use super::inode::Inode;
use super::record::kind;
use super::stream::Stream;
use crate::fs::FileData;
use crate::{Context, Result};

/// An open regular file.
#[derive(Debug)]
pub(super) struct File<'a> {
    ntfs: &'a Ntfs,
    number: u64,
    /// `None` if the file has no data at all.
    stream: Option<Stream>,
}

impl<'a> File<'a> {
    /// Opens `inode`, which is known to be a regular file.
    pub(super) fn new(ntfs: &'a Ntfs, inode: &Inode) -> Result<Self> {
        let number = inode.reference.number();
        let opening = || format!("opening NTFS file {number}");
        let stream = ntfs.stream(inode, kind::DATA, &[]).context(opening)?;
        if let Some(stream) = &stream {
            stream.refuse_encrypted().context(opening)?;
        }
        Ok(File { ntfs, number, stream })
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.stream.as_ref().map_or(0, Stream::len)
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let (count, number) = (buf.len(), self.number);
        stream
            .read_at(&self.ntfs.volume, offset, buf)
            .context(|| format!("reading {count} bytes at byte {offset} of NTFS file {number}"))
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        Ok(self.stream.as_ref().and_then(|stream| stream.next_data(&self.ntfs.volume, offset)))
    }
}
