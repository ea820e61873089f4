//! The write-ahead log: pages that were written, and not yet copied into the database.
//!
//! ```text
//! header   magic number, format, page size, checkpoint, two salts, two sums         32 bits each, big-endian
//! frame    page number, pages in the database (0 but in the last of a transaction), the salts, two sums; page
//! ```
//!
//! The sums go on from frame to frame; the first that is wrong, or has other salts, is the rest of an older log.

use super::pager::Overlay;
use crate::bytes::{Order, be32, read_exact, size, slice};
use crate::error::{Result, broken};
use crate::source::File;

/// The lowest bit says that sums are over big-endian numbers.
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;
const HEADER: usize = 32;
/// The sums in the header are over what is before them.
const SUMMED: usize = 24;
const FRAME: usize = 24;
/// Most pages that a log may have.
const PAGES: usize = 1 << 18;
/// Most bytes of a log that are looked at.
const LONGEST: u64 = 4 << 30;

/// What the log changes.
pub(super) struct Found {
    pub(super) page_size: u32,
    /// Number of pages of the database.
    pub(super) count: u32,
    pub(super) pages: Overlay,
}

/// The pages of all transactions that ended; `None` if there is none.
///
/// # Errors
/// If the log can't be read, or has more pages than are kept.
pub(super) fn read(log: &mut dyn File) -> Result<Option<Found>> {
    let mut header = [0; HEADER];
    if log.len() < size(HEADER) {
        return Ok(None);
    }
    read_exact(log, 0, &mut header)?;
    let magic = be32(&header, 0)?;
    let order = if magic & 1 == 0 { Order::Little } else { Order::Big };
    let page_size = be32(&header, 8)?;
    let sums = sum((0, 0), slice(&header, 0, SUMMED)?, order)?;
    // SQLite itself passes over a log whose header is wrong: it was never valid.
    if magic & !1 != MAGIC || be32(&header, 4)? != FORMAT || !is_page_size(page_size) {
        return Ok(None);
    }
    if sums != (be32(&header, 24)?, be32(&header, 28)?) {
        return Ok(None);
    }
    let salts = slice(&header, 16, 8)?;
    let mut sums = sums;
    let mut found = Found { page_size, count: 0, pages: Overlay::new() };
    // Frames of a transaction that has not ended yet.
    let mut open: Vec<(u32, u64)> = Vec::new();
    let mut frame = vec![0; FRAME.saturating_add(crate::bytes::index(page_size))];
    let step = size(frame.len());
    let end = log.len().min(LONGEST);
    let mut at = size(HEADER);
    while at.saturating_add(step) <= end {
        read_exact(log, at, &mut frame)?;
        let (number, count) = (be32(&frame, 0)?, be32(&frame, 4)?);
        sums = sum(sums, slice(&frame, 0, 8)?, order)?;
        sums = sum(sums, frame.get(FRAME..).unwrap_or_default(), order)?;
        let is_valid =
            number > 0 && slice(&frame, 8, 8)? == salts && sums == (be32(&frame, 16)?, be32(&frame, 20)?);
        if !is_valid {
            break;
        }
        open.push((number, at.saturating_add(size(FRAME))));
        if open.len().saturating_add(found.pages.len()) > PAGES {
            return broken(format!("more than {PAGES} pages"));
        }
        if count > 0 {
            found.count = count;
            found.pages.extend(open.drain(..));
        }
        at = at.saturating_add(step);
    }
    Ok((found.count > 0).then_some(found))
}

fn is_page_size(bytes: u32) -> bool {
    (512..=65536).contains(&bytes) && bytes.is_power_of_two()
}

/// Goes on with the two sums over pairs of 32-bit numbers.
fn sum((mut a, mut b): (u32, u32), data: &[u8], order: Order) -> Result<(u32, u32)> {
    for pair in data.chunks_exact(8) {
        a = a.wrapping_add(order.u32(pair, 0)?).wrapping_add(b);
        b = b.wrapping_add(order.u32(pair, 4)?).wrapping_add(a);
    }
    Ok((a, b))
}
