//! The rows of a table: a tree of pages, with the rows on its leaves in the order of their numbers.
//!
//! ```text
//! head      type, free block, count of cells, start of cells, free bytes; on inner pages the last page below
//! pointers  where each cell is, 2 bytes each
//! inner cell  page below, number of its last row            leaf cell  length, number of the row, record
//! ```

use super::pager::{HEADER, Pager};
use super::record::{Row, varint};
use crate::bytes::{be16, be32, byte, index, slice};
use crate::chain::Chain;
use crate::error::{Error, Result, broken};

const INNER: u8 = 0x05;
const LEAF: u8 = 0x0d;
/// Deepest tree: SQLite's own limit (`BTCURSOR_MAX_DEPTH`).
const DEPTH: usize = 20;

/// Gives the rows of the table that begins on page `root` to `each`, and what is wrong with some; it returns whether to
/// go on. A page that is there twice is given once.
pub(super) fn rows(pager: &mut Pager<'_>, root: u32, each: &mut dyn FnMut(Result<Row<'_>>) -> bool) {
    let mut seen = Seen(vec![0; index(pager.count / 8).saturating_add(1)]);
    // Pages still to be read, with their depth; the next one last.
    let mut pages = vec![(root, 0_usize)];
    let mut page = Vec::new();
    while let Some((number, depth)) = pages.pop() {
        let go_on = if depth <= DEPTH && seen.first(number) {
            match pager.read(number, &mut page) {
                Ok(()) => one_page(pager, number, &page, depth, &mut pages, each),
                Err(e) => each(Err(e)),
            }
        } else {
            each(broken(format!("page {number} of a table has no place in it")))
        };
        if !go_on {
            return;
        }
    }
}

/// The pages that were read, a bit each.
struct Seen(Vec<u8>);

impl Seen {
    /// Notes a page; false if it was noted before, or lies beyond the last one.
    fn first(&mut self, page: u32) -> bool {
        let bit = 1 << (page % 8);
        let Some(byte) = self.0.get_mut(index(page / 8)).filter(|byte| **byte & bit == 0) else {
            return false;
        };
        *byte |= bit;
        true
    }
}

/// Gives the rows on a page to `each`, or adds the pages below it.
fn one_page(
    pager: &mut Pager<'_>,
    number: u32,
    page: &[u8],
    depth: usize,
    pages: &mut Vec<(u32, usize)>,
    each: &mut dyn FnMut(Result<Row<'_>>) -> bool,
) -> bool {
    let head = if number == 1 { HEADER } else { 0 };
    let wrong = |e: Error| Error::Broken(format!("page {number}: {e}"));
    match byte(page, head) {
        Ok(INNER) => match below(page, head) {
            Ok(below) => {
                pages.extend(below.into_iter().rev().map(|page| (page, depth.saturating_add(1))));
                true
            }
            Err(e) => each(Err(wrong(e))),
        },
        Ok(LEAF) => {
            let count = usize::from(be16(page, head.saturating_add(3)).unwrap_or(0));
            for cell in 0..count {
                let at = head.saturating_add(8).saturating_add(cell.saturating_mul(2));
                let row = be16(page, at).and_then(|at| row(pager, page, at.into())).map_err(wrong);
                // Pointers beyond the page: so are all that follow.
                let last = at >= page.len();
                if !each(row) {
                    return false;
                }
                if last {
                    break;
                }
            }
            true
        }
        Ok(kind) => each(broken(format!("page {number} of a table has the type {kind}"))),
        Err(e) => each(Err(e)),
    }
}

/// The pages below an inner page, in their order.
fn below(page: &[u8], head: usize) -> Result<Vec<u32>> {
    let count = usize::from(be16(page, head.saturating_add(3))?);
    let mut below = Vec::new();
    for cell in 0..count {
        let at = be16(page, head.saturating_add(12).saturating_add(cell.saturating_mul(2)))?;
        below.push(be32(page, at.into())?);
    }
    below.push(be32(page, head.saturating_add(8))?);
    Ok(below)
}

/// The row of the cell at `at`.
fn row<'p>(pager: &'p mut Pager<'_>, page: &'p [u8], at: usize) -> Result<Row<'p>> {
    let cell = page.get(at..pager.usable).unwrap_or_default();
    let (len, first) = varint(cell)?;
    let (number, second) = varint(cell.get(first..).unwrap_or_default())?;
    let payload = first.saturating_add(second);
    let local = local(len, pager.usable);
    let here = slice(cell, payload, local)?;
    let overflows = crate::bytes::size(local) < len;
    let next = if overflows { be32(cell, payload.saturating_add(local))? } else { 0 };
    Row::new(number.cast_signed(), Chain::new(pager, here, next, len))
}

/// How much of a payload of `len` bytes lies on the leaf: all that fits, or so much that the last overflow page is full.
fn local(len: u64, usable: usize) -> usize {
    let most = usable.saturating_sub(35);
    let whole = usize::try_from(len).unwrap_or(usize::MAX);
    if whole <= most {
        return whole;
    }
    let least = (usable.saturating_sub(12).saturating_mul(32) / 255).saturating_sub(23);
    let rest = whole.saturating_sub(least).checked_rem(usable.saturating_sub(4)).unwrap_or(0);
    let filled = least.saturating_add(rest);
    if filled <= most { filled } else { least }
}
