//! The content of regular files, and of streams beside it.

use std::ops::Range;

use super::Ntfs;
use super::inode::Inode;
use super::record::kind;
use super::stream::Stream;
use super::wof::{self, Wof};
use crate::fs::FileData;
use crate::{Context, Result};

/// An open regular file or stream.
#[derive(Debug)]
pub(super) struct File<'a> {
    ntfs: &'a Ntfs,
    number: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// No data at all.
    None,
    Stream(Stream),
    Wof(Wof),
}

impl<'a> File<'a> {
    /// Opens `inode`, which is known to be a regular file.
    pub(super) fn new(ntfs: &'a Ntfs, inode: &Inode) -> Result<Self> {
        let number = inode.reference.number();
        let content = Content::open(ntfs, inode).context(|| format!("opening NTFS file {number}"))?;
        Ok(File { ntfs, number, content })
    }

    /// Opens a stream of `inode`.
    pub(super) fn of_stream(ntfs: &'a Ntfs, inode: &Inode, stream: Stream) -> Result<Self> {
        let number = inode.reference.number();
        stream.refuse_encrypted().context(|| format!("opening a stream of NTFS file {number}"))?;
        Ok(File { ntfs, number, content: Content::Stream(stream) })
    }
}

impl Content {
    fn open(ntfs: &Ntfs, inode: &Inode) -> Result<Self> {
        let Some(stream) = ntfs.stream(inode, kind::DATA, &[])? else { return Ok(Content::None) };
        stream.refuse_encrypted()?;
        if inode.standard.is_reparse_point()
            && let Some(reparse) = ntfs.reparse_point(inode)?
            && reparse.tag == wof::TAG
        {
            return Wof::open(ntfs, inode, &reparse, stream.len()).map(Content::Wof);
        }
        Ok(Content::Stream(stream))
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        match &self.content {
            Content::None => 0,
            Content::Stream(stream) => stream.len(),
            Content::Wof(wof) => wof.len(),
        }
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (count, number, volume) = (buf.len(), self.number, &self.ntfs.volume);
        match &mut self.content {
            Content::None => Ok(0),
            Content::Stream(stream) => stream.read_at(volume, offset, buf),
            Content::Wof(wof) => wof.read_at(volume, offset, buf),
        }
        .context(|| format!("reading {count} bytes at byte {offset} of NTFS file {number}"))
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        Ok(match &self.content {
            Content::None => None,
            Content::Stream(stream) => stream.next_data(&self.ntfs.volume, offset),
            Content::Wof(wof) => (offset < wof.len()).then(|| offset..wof.len()),
        })
    }
}
