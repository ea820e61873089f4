//! Pages by their numbers, from 1.

use std::collections::HashMap;

use super::{journal, wal};
use crate::bytes::{be16, be32, byte, read_exact, size};
use crate::chain::Links;
use crate::error::{Result, broken};
use crate::source::File;

/// Begins the file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Length of the file's header on page 1.
pub(super) const HEADER: usize = 100;
const PAGE_SIZE_AT: usize = 16;
/// 1 is a rollback journal, 2 a write-ahead log.
const READ_VERSION_AT: usize = 19;
const RESERVED_AT: usize = 20;
const ENCODING_AT: usize = 56;
const UTF_8: u32 = 1;
/// Smallest page in bytes.
const SMALLEST: u32 = 512;
/// What 1 stands for.
const LARGEST: u32 = 65536;
/// Smallest size of a page without what is reserved at its end.
const USABLE: usize = 480;
/// Most pages of one database; what lies beyond is missing. 16 GiB in pages of 4096 bytes.
const PAGES: u64 = 1 << 22;
/// How often each overflow page may be read on average: once, and again where a value is read in two places.
const OVERFLOW_READS: u64 = 8;
/// Most readings of overflow pages in all: 2 GiB in pages of 4096 bytes.
const OVERFLOW_MOST: u64 = 1 << 19;

/// Where pages are that the file itself has not, or not as they should be: byte offsets in the log or journal.
pub(super) type Overlay = HashMap<u32, u64>;

/// The pages of a database.
pub(crate) struct Pager<'t> {
    file: Box<dyn File + 't>,
    /// The log or journal, with the pages that it has.
    over: Option<(Box<dyn File + 't>, Overlay)>,
    pub(super) page_size: usize,
    /// Size of a page without what is reserved at its end.
    pub(super) usable: usize,
    /// Number of pages.
    pub(super) count: u32,
    overflow: u64,
    /// What makes the content doubtful.
    doubt: Option<String>,
}

impl<'t> Pager<'t> {
    /// # Errors
    /// If it is not a database, or of a kind that is not understood.
    pub(super) fn open(
        mut file: Box<dyn File + 't>,
        log: Option<Box<dyn File + 't>>,
        journal: Option<Box<dyn File + 't>>,
    ) -> Result<Self> {
        let mut doubt = None;
        let mut header = [0; HEADER];
        let mut over = None;
        let mut count = None;
        let mut page_size_of_log = None;
        if let Some(mut log) = log.filter(|log| !log.is_empty()) {
            match wal::read(&mut *log) {
                Ok(Some(found)) => {
                    page_size_of_log = Some(found.page_size);
                    count = Some(found.count);
                    over = Some((log, found.pages));
                }
                Ok(None) => {}
                Err(e) => doubt = Some(format!("the write-ahead log can't be read: {e}")),
            }
        }
        if over.is_none()
            && let Some(mut journal) = journal.filter(|journal| !journal.is_empty())
        {
            match journal::read(&mut *journal) {
                Ok(Some(found)) => {
                    page_size_of_log = Some(found.page_size);
                    count = Some(found.count);
                    over = Some((journal, found.pages));
                }
                Ok(None) => {}
                Err(e) => doubt = Some(format!("the journal can't be read: {e}")),
            }
        }
        match &mut over {
            Some((log, pages)) if pages.contains_key(&1) => {
                let at = pages.get(&1).copied().unwrap_or_default();
                read_exact(&mut **log, at, &mut header)?;
            }
            _ => read_exact(&mut *file, 0, &mut header)?,
        }
        if !header.starts_with(MAGIC) {
            return broken("not a SQLite database");
        }
        let page_size = match u32::from(be16(&header, PAGE_SIZE_AT)?) {
            1 => LARGEST,
            other => other,
        };
        if page_size < SMALLEST || !page_size.is_power_of_two() {
            return broken(format!("a page size of {page_size} bytes"));
        }
        if page_size_of_log.is_some_and(|of_log| of_log != page_size) {
            return broken(format!("pages of {page_size} bytes, but {page_size_of_log:?} in the log"));
        }
        if !matches!(byte(&header, READ_VERSION_AT)?, 1 | 2) {
            return broken("a later version of SQLite's format");
        }
        if !matches!(be32(&header, ENCODING_AT)?, 0 | UTF_8) {
            return broken("texts in UTF-16");
        }
        let page_size = crate::bytes::index(page_size);
        let usable = page_size.saturating_sub(usize::from(byte(&header, RESERVED_AT)?));
        if usable < USABLE {
            return broken(format!("only {usable} bytes of a page are used"));
        }
        let in_file = file.len().checked_div(size(page_size)).unwrap_or(0);
        let count = count.map_or(in_file, u64::from).min(PAGES);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Pager { file, over, page_size, usable, count, overflow: 0, doubt })
    }

    /// What makes the content doubtful, once.
    pub(super) fn take_doubt(&mut self) -> Option<String> {
        self.doubt.take()
    }

    /// Fills `page` with the page of that number.
    ///
    /// # Errors
    /// If there is no such page, or it can't be read.
    pub(super) fn read(&mut self, number: u32, page: &mut Vec<u8>) -> Result<()> {
        if number == 0 || number > self.count {
            return broken(format!("page {number} of {}", self.count));
        }
        page.resize(self.page_size, 0);
        if let Some((log, pages)) = &mut self.over
            && let Some(at) = pages.get(&number)
        {
            return read_exact(&mut **log, *at, page);
        }
        let at = size(self.page_size).saturating_mul(u64::from(number).saturating_sub(1));
        read_exact(&mut *self.file, at, page)
    }
}

impl Links for Pager<'_> {
    fn load(&mut self, page: u32, data: &mut Vec<u8>) -> Result<u32> {
        self.overflow = self.overflow.saturating_add(1);
        let most = OVERFLOW_READS.saturating_mul(u64::from(self.count).saturating_add(1));
        if self.overflow > most.min(OVERFLOW_MOST) {
            return broken(
                "the chains of overflow pages are longer than the database, or than is read of them",
            );
        }
        self.read(page, data)?;
        let next = be32(data, 0)?;
        data.truncate(self.usable);
        data.drain(..4);
        Ok(next)
    }
}
