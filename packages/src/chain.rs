//! Bytes that lie on pages of which each names the next: values that are larger than a page of a database.

use crate::bytes::{Blob, size};
use crate::error::{Result, broken};

/// Pages that can be read.
pub(crate) trait Links {
    /// Puts the bytes of `page` into `data`, and returns the next page or 0. An implementation bounds how often it is
    /// called for one database.
    ///
    /// # Errors
    /// If the page can't be read, or is none of a chain.
    fn load(&mut self, page: u32, data: &mut Vec<u8>) -> Result<u32>;
}

/// A chain of pages, maybe after some bytes elsewhere. One page is kept.
pub(crate) struct Chain<'p> {
    links: &'p mut dyn Links,
    head: &'p [u8],
    first: u32,
    len: u64,
    /// The bytes at hand are those from here on.
    start: u64,
    data: Vec<u8>,
    next: u32,
}

impl<'p> Chain<'p> {
    /// The bytes of `head`, then those of the pages from `first` on; `len` in all.
    pub(crate) fn new(links: &'p mut dyn Links, head: &'p [u8], first: u32, len: u64) -> Self {
        Chain { links, head, first, len, start: 0, data: head.to_vec(), next: first }
    }

    fn advance(&mut self) -> Result<()> {
        if self.next == 0 {
            return broken("a chain of pages ends too early");
        }
        self.start = self.start.saturating_add(size(self.data.len()));
        self.data.clear();
        self.next = self.links.load(self.next, &mut self.data)?;
        if self.data.is_empty() {
            return broken("a chain of pages has an empty page");
        }
        Ok(())
    }
}

impl Blob for Chain<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&mut self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        if offset.saturating_add(size(buf.len())) > self.len {
            return broken("a value ends too early");
        }
        if offset < self.start {
            self.start = 0;
            self.data = self.head.to_vec();
            self.next = self.first;
        }
        while !buf.is_empty() {
            let skip = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
            let have = self.data.get(skip..).unwrap_or_default();
            if have.is_empty() {
                self.advance()?;
                continue;
            }
            let count = have.len().min(buf.len());
            let (now, later) = buf.split_at_mut(count);
            now.copy_from_slice(have.get(..count).unwrap_or_default());
            buf = later;
            offset = offset.saturating_add(size(count));
        }
        Ok(())
    }
}

/// Bytes in memory.
pub(crate) struct Inline<'b>(pub(crate) &'b [u8]);

impl Blob for Inline<'_> {
    fn len(&self) -> u64 {
        size(self.0.len())
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        buf.copy_from_slice(crate::bytes::slice(self.0, at, buf.len())?);
        Ok(())
    }
}
