//! The rollback journal: pages as they were before a transaction that did not end. Where there is one, they count.
//!
//! ```text
//! header   magic number (8 bytes), count of records, nonce, pages that the database had, sector size, page size; the
//!          rest of its sector
//! record   page number, page, sum of some of its bytes and the nonce
//! ```
//!
//! After the records of one header another header may follow at the next sector.

use super::pager::Overlay;
use crate::bytes::{array, be32, read_exact, size};
use crate::error::{Result, broken};
use crate::source::File;

const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Length of the fields of a header.
const HEADER: usize = 28;
/// As many records as the journal has room for.
const ALL: u32 = u32::MAX;
/// A sum is over every 200th byte, counted from a page's end.
const STRIDE: usize = 200;
/// Most pages that a journal may have.
const PAGES: usize = 1 << 18;

/// What the journal gives back.
pub(super) struct Found {
    pub(super) page_size: u32,
    /// Number of pages that the database had.
    pub(super) count: u32,
    pub(super) pages: Overlay,
}

/// The pages that the journal gives back; `None` if it is not in use.
///
/// # Errors
/// If the journal can't be read, or has more pages than are kept.
pub(super) fn read(journal: &mut dyn File) -> Result<Option<Found>> {
    let mut found: Option<Found> = None;
    let mut at = 0_u64;
    while at.saturating_add(size(HEADER)) <= journal.len() {
        let mut header = [0; HEADER];
        read_exact(journal, at, &mut header)?;
        if array::<8>(&header, 0)? != MAGIC {
            break;
        }
        let (records, nonce, count) = (be32(&header, 8)?, be32(&header, 12)?, be32(&header, 16)?);
        let (sector, page_size) = (be32(&header, 20)?, be32(&header, 24)?);
        let is_power = |n: u32| (32..=65536).contains(&n) && n.is_power_of_two();
        if !is_power(sector) || !is_power(page_size) || page_size < 512 {
            return broken(format!("sectors of {sector} bytes and pages of {page_size}"));
        }
        let found = found.get_or_insert_with(|| Found { page_size, count, pages: Overlay::new() });
        if found.page_size != page_size {
            break;
        }
        at = at.saturating_add(sector.into());
        let whole = records_at(journal, &mut at, page_size, nonce, records, found)?;
        if !whole {
            break;
        }
        at = at.next_multiple_of(sector.into());
    }
    Ok(found.filter(|found| !found.pages.is_empty()))
}

/// Reads the records from `at` on; false if one is not whole, which is the end of the journal.
fn records_at(
    journal: &mut dyn File,
    at: &mut u64,
    page_size: u32,
    nonce: u32,
    records: u32,
    found: &mut Found,
) -> Result<bool> {
    let mut record = vec![0; crate::bytes::index(page_size).saturating_add(8)];
    let step = size(record.len());
    let mut left = records;
    while left > 0 {
        if at.saturating_add(step) > journal.len() {
            return Ok(false);
        }
        read_exact(journal, *at, &mut record)?;
        let number = be32(&record, 0)?;
        let page = record.get(4..).and_then(|rest| rest.split_last_chunk::<4>());
        if number == 0 || page.is_none_or(|(page, sum)| u32::from_be_bytes(*sum) != checksum(page, nonce)) {
            return Ok(false);
        }
        // The first record of a page is what it was.
        found.pages.entry(number).or_insert(at.saturating_add(4));
        if found.pages.len() > PAGES {
            return broken(format!("more than {PAGES} pages"));
        }
        *at = at.saturating_add(step);
        if records != ALL {
            left = left.saturating_sub(1);
        }
    }
    Ok(true)
}

fn checksum(page: &[u8], nonce: u32) -> u32 {
    let mut sum = nonce;
    let mut at = page.len().saturating_sub(STRIDE);
    while at > 0 {
        sum = sum.wrapping_add(page.get(at).copied().unwrap_or(0).into());
        at = at.saturating_sub(STRIDE);
    }
    sum
}
