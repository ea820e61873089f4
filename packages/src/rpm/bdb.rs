//! Berkeley DB's hash, as rpm's `Packages` has it (Berkeley DB's `dbinc/db_page.h` describes pages and items).
//!
//! Every page but the first begins with 26 bytes: log position (8), number, previous and next page (4 each), count of
//! items or references (2), where free space ends (2), level and type (1 each). Numbers are in the byte order of the
//! machine that made the file: the magic number says which.
//!
//! ```text
//! hash page       offsets of items (2 bytes each) after its head; key, value, key, value…, filled from the page's end
//! item            type (1), then the bytes; or, for a large one: 3 of padding, first overflow page (4), length (4)
//! overflow page   bytes after its head, as many as it has instead of an offset; the next page goes on
//! ```
//!
//! A key is a package's number; number 0 holds the number of the last package.

use crate::bytes::{Blob, Order, byte, index, read_exact, size, slice};
use crate::chain::{Chain, Inline, Links};
use crate::error::{Result, broken};
use crate::source::File;

/// At byte 12 of the first page: the magic number of a hash (`DB_HASHMAGIC`).
const MAGIC: u32 = 0x0006_1561;
const MAGIC_AT: usize = 12;
/// Versions whose pages are as described (`DB_HASHVERSION`, 8 to 10: Berkeley DB 4 to 6 and 18).
const VERSIONS: std::ops::RangeInclusive<u32> = 7..=10;
const VERSION_AT: usize = 16;
const PAGE_SIZE_AT: usize = 20;
const ENCRYPTION_AT: usize = 24;
const LAST_PAGE_AT: usize = 32;
/// How much of the first page is read.
const META: usize = 72;

/// Length of a page's head.
const HEAD: usize = 26;
const NEXT_AT: usize = 16;
const ENTRIES_AT: usize = 20;
/// On an overflow page: how many bytes it has (`OV_LEN`).
const LENGTH_AT: usize = 22;
const TYPE_AT: usize = 25;

/// Types of pages (`P_HASH_UNSORTED`, `P_HASH`, `P_OVERFLOW`).
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;

/// Types of items (`H_KEYDATA`, `H_OFFPAGE`).
const KEYDATA: u8 = 1;
const OFFPAGE: u8 = 3;

/// Sizes of pages that Berkeley DB has, in bytes.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;
/// Most pages that are looked at: 4 GiB in pages of 4096 bytes.
const PAGES: u32 = 1 << 20;
/// How often each overflow page may be read on average: once, and again where a header's texts lie on two of them.
const OVERFLOW_READS: u64 = 8;
/// Most readings of overflow pages in all.
const OVERFLOW_MOST: u64 = 1 << 20;

/// Gives each package's header to `each`, and what is wrong with one; it returns whether to go on.
///
/// # Errors
/// If the file is not such a database.
pub(crate) fn headers(
    file: &mut dyn File,
    each: &mut dyn FnMut(Result<&mut dyn Blob>) -> bool,
) -> Result<()> {
    let mut meta = [0; META];
    read_exact(file, 0, &mut meta)?;
    let order =
        [Order::Little, Order::Big].into_iter().find(|o| o.u32(&meta, MAGIC_AT).is_ok_and(|m| m == MAGIC));
    let Some(order) = order else { return broken("not a hash of Berkeley DB") };
    let version = order.u32(&meta, VERSION_AT)?;
    if !VERSIONS.contains(&version) || byte(&meta, ENCRYPTION_AT)? != 0 {
        return broken(format!("a hash of version {version} or with encryption"));
    }
    let page_size = order.u32(&meta, PAGE_SIZE_AT)?;
    if !PAGE_SIZES.contains(&page_size) || !page_size.is_power_of_two() {
        return broken(format!("a page size of {page_size} bytes"));
    }
    let in_file = file.len().checked_div(page_size.into()).unwrap_or(0);
    let stated = order.u32(&meta, LAST_PAGE_AT)?;
    let last = stated.min(PAGES).min(u32::try_from(in_file.saturating_sub(1)).unwrap_or(PAGES));
    if last < stated && !each(broken(format!("of {stated} pages only {last} are read"))) {
        return Ok(());
    }
    let mut pages = Pages { file, order, page_size: index(page_size), last, overflow: 0 };
    let mut page = vec![0; index(page_size)];
    // All pages in their order, whatever bucket they belong to.
    for number in 1..=last {
        // Most pages are those of large items: their heads tell.
        let mut head = [0; HEAD];
        let go_on = match pages.read(number, 0, &mut head).and_then(|()| byte(&head, TYPE_AT)) {
            Ok(HASH | HASH_UNSORTED) => match pages.read(number, 0, &mut page) {
                Ok(()) => pages.hash_page(number, &page, each),
                Err(e) => each(Err(e)),
            },
            Ok(_) => true,
            Err(e) => each(Err(e)),
        };
        if !go_on {
            break;
        }
    }
    Ok(())
}

struct Pages<'f> {
    file: &'f mut dyn File,
    order: Order,
    page_size: usize,
    last: u32,
    /// Overflow pages that were read for all items.
    overflow: u64,
}

impl Pages<'_> {
    /// Fills `buf` from byte `at` of a page on.
    fn read(&mut self, number: u32, at: usize, buf: &mut [u8]) -> Result<()> {
        if number > self.last {
            return broken(format!("page {number} lies beyond the last one"));
        }
        let start = size(self.page_size).saturating_mul(number.into()).saturating_add(size(at));
        read_exact(self.file, start, buf)
    }

    /// Gives the headers on a hash page; false to stop.
    fn hash_page(
        &mut self,
        number: u32,
        page: &[u8],
        each: &mut dyn FnMut(Result<&mut dyn Blob>) -> bool,
    ) -> bool {
        let entries = match self.order.u16(page, ENTRIES_AT) {
            Ok(entries) => usize::from(entries),
            Err(e) => return each(Err(e)),
        };
        if !entries.is_multiple_of(2) || HEAD.saturating_add(entries.saturating_mul(2)) > page.len() {
            return each(broken(format!("page {number} has {entries} items")));
        }
        let mut after = page.len();
        let mut key = None;
        for entry in 0..entries {
            let item = self.item(page, entry, after);
            let Ok((start, item)) = item else {
                return each(broken(format!("item {entry} of page {number} lies outside its place")));
            };
            after = start;
            if entry.is_multiple_of(2) {
                key = Some(item);
            } else if !self.pair(number, key, item, each) {
                return false;
            }
        }
        true
    }

    /// An item, and where it starts; it ends where the one before starts.
    fn item<'p>(&self, page: &'p [u8], entry: usize, end: usize) -> Result<(usize, &'p [u8])> {
        let at = HEAD.saturating_add(entry.saturating_mul(2));
        let start = usize::from(self.order.u16(page, at)?);
        let Some(len) = end.checked_sub(start) else { return broken("items overlap") };
        Ok((start, slice(page, start, len)?))
    }

    fn pair(
        &mut self,
        number: u32,
        key: Option<&[u8]>,
        value: &[u8],
        each: &mut dyn FnMut(Result<&mut dyn Blob>) -> bool,
    ) -> bool {
        // The number of the last package, not a package.
        if key == Some(&[KEYDATA, 0, 0, 0, 0]) {
            return true;
        }
        match value.split_first() {
            Some((&KEYDATA, header)) => each(Ok(&mut Inline(header))),
            Some((&OFFPAGE, _)) => match self.overflow(value) {
                Ok(mut header) => each(Ok(&mut header)),
                Err(e) => each(Err(e)),
            },
            other => {
                let kind = other.map_or(0, |(kind, _)| *kind);
                each(broken(format!("an item of type {kind} on page {number}")))
            }
        }
    }

    /// The value that lies on overflow pages.
    fn overflow<'p>(&'p mut self, item: &[u8]) -> Result<Chain<'p>> {
        let (first, len) = (self.order.u32(item, 4)?, self.order.u32(item, 8)?);
        Ok(Chain::new(self, &[], first, len.into()))
    }
}

impl Links for Pages<'_> {
    fn load(&mut self, page: u32, data: &mut Vec<u8>) -> Result<u32> {
        self.overflow = self.overflow.saturating_add(1);
        let most = OVERFLOW_READS.saturating_mul(u64::from(self.last).saturating_add(1));
        if self.overflow > most.min(OVERFLOW_MOST) {
            return broken("the chains of overflow pages are longer than the file, or than is read of them");
        }
        let mut head = [0; HEAD];
        self.read(page, 0, &mut head)?;
        let len = usize::from(self.order.u16(&head, LENGTH_AT)?);
        if byte(&head, TYPE_AT)? != OVERFLOW || len > self.page_size.saturating_sub(HEAD) {
            return broken(format!("page {page} is not an overflow page"));
        }
        data.resize(len, 0);
        self.read(page, HEAD, data)?;
        self.order.u32(&head, NEXT_AT)
    }
}
