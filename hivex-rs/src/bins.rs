//! Which bytes of a hive are cells.
//!
//! ```text
//! bin   0 "hbin"   4 offset of this bin   8 its length, a multiple of 4096   20 time   32 cells, without gaps
//! cell  0 length with these 4 bytes, a multiple of 8: negative if in use, positive if free   4 content
//! ```
//!
//! [`CellMap::scan`] walks all bins once. From then on a cell is what begins where the walk met one, so that cells never
//! overlap. Where a bin is damaged the walk loses its way until the next bin: in such a [`CellMap::broken`] stretch
//! anything that looks like a cell is taken for one when reading, and nothing is ever written.

use std::ops::Range;

use crate::bytes::{Bits, Fields, index};
use crate::{Error, Result};

/// Length of a bin's header.
pub(crate) const BIN_HEADER: u32 = 32;
/// Bins are multiples of this.
pub(crate) const PAGE: u32 = 4096;
/// Cells are multiples of this, and begin at such multiples.
pub(crate) const ALIGN: u32 = 8;
/// Length of a cell's own header, its length.
pub(crate) const CELL_HEADER: u32 = 4;
/// What a bin begins with.
pub(crate) const MAGIC: &[u8; 4] = b"hbin";

/// Which bytes of the bins are cells. Offsets count from the first bin.
#[derive(Debug, Default)]
pub(crate) struct CellMap {
    /// Where cells begin, in units of [`ALIGN`].
    pub(crate) starts: Bits,
    /// Stretches in which the walk lost its way.
    pub(crate) broken: Vec<Range<u32>>,
    /// Where the last bin ends.
    pub(crate) end: u32,
}

/// A cell: where its content is, relative to the first bin, and whether it is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) used: bool,
}

/// The length of a cell at `at` with its header, if that can be one and ends by `end`.
fn cell_at(bins: &[u8], at: u32, end: u32) -> Option<(u32, bool)> {
    let field = i32::from_le_bytes(bins.array(index(at)).ok()?);
    let len = field.unsigned_abs();
    let fits = len >= ALIGN && len % ALIGN == 0 && at.checked_add(len).is_some_and(|to| to <= end);
    fits.then_some((len, field < 0))
}

impl CellMap {
    /// Walks the bins, which should end at `declared`; `damaged` is told of what is wrong.
    pub(crate) fn scan(
        bins: &[u8],
        declared: u32,
        mut damaged: impl FnMut(u32, String) -> Result<()>,
    ) -> Result<Self> {
        let available = u32::try_from(bins.len()).unwrap_or(u32::MAX);
        if available < declared {
            damaged(available, format!("the file ends here, its bins should end at {declared:#x}"))?;
        }
        let end = declared.min(available);
        let mut map = CellMap { starts: Bits::new(index(end / ALIGN)), broken: Vec::new(), end };
        let mut at = 0;
        while at < end {
            let Some(bin_end) = bin_end(bins, at, end) else {
                damaged(at, "no bin begins here".to_owned())?;
                let next = next_bin(bins, at, end);
                map.broken.push(at..next);
                at = next;
                continue;
            };
            map.scan_bin(bins, at, bin_end, &mut damaged)?;
            at = bin_end;
        }
        Ok(map)
    }

    fn scan_bin(
        &mut self,
        bins: &[u8],
        bin: u32,
        end: u32,
        damaged: &mut impl FnMut(u32, String) -> Result<()>,
    ) -> Result<()> {
        let stated = bins.le32(index(bin.saturating_add(4)))?;
        if stated != bin {
            damaged(bin, format!("the bin says that it is at {stated:#x}"))?;
        }
        let mut at = bin.saturating_add(BIN_HEADER);
        while at < end {
            let Some((len, _)) = cell_at(bins, at, end) else {
                damaged(at, format!("no cell can begin here; the bin ends at {end:#x}"))?;
                self.broken.push(at..end);
                break;
            };
            self.starts.insert(at / ALIGN);
            at = at.saturating_add(len);
        }
        Ok(())
    }

    /// The cell at `offset`.
    pub(crate) fn cell(&self, bins: &[u8], offset: u32) -> Result<Cell> {
        let aligned = offset.is_multiple_of(ALIGN) && offset < self.end;
        let end = if aligned && self.starts.contains(offset / ALIGN) {
            self.end
        } else {
            let broken = self.broken.iter().find(|range| aligned && range.contains(&offset));
            broken.ok_or_else(|| Error::corrupt(format!("no cell begins at {offset:#x}")))?.end
        };
        let Some((len, used)) = cell_at(bins, offset, end) else {
            return Err(Error::corrupt(format!("no cell can begin at {offset:#x}")));
        };
        let start = offset.saturating_add(CELL_HEADER);
        Ok(Cell { start, len: len.saturating_sub(CELL_HEADER), used })
    }
}

/// The end of the bin at `at`, if there is one; a bin that the file's end cuts off ends there.
fn bin_end(bins: &[u8], at: u32, end: u32) -> Option<u32> {
    if bins.array::<4>(index(at)).ok()? != *MAGIC || end.checked_sub(at)? <= BIN_HEADER {
        return None;
    }
    let len = bins.le32(index(at.checked_add(8)?)).ok()?;
    let to = at.checked_add(len)?;
    (len > 0 && len % PAGE == 0 && to <= end).then_some(to)
}

/// Where the next bin begins after `at` that is where it says.
fn next_bin(bins: &[u8], at: u32, end: u32) -> u32 {
    let mut next = at;
    loop {
        next = match next.checked_add(PAGE) {
            Some(next) if next < end => next,
            _ => return end,
        };
        let stated = next.checked_add(4).and_then(|field| bins.le32(index(field)).ok());
        if stated == Some(next) && bin_end(bins, next, end).is_some() {
            return next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(at: u32, len: u32, cells: &[i32]) -> Vec<u8> {
        let mut bin = MAGIC.to_vec();
        bin.extend(at.to_le_bytes());
        bin.extend(len.to_le_bytes());
        bin.resize(32, 0);
        for cell in cells {
            let at = bin.len();
            bin.extend(cell.to_le_bytes());
            bin.resize(at + cell.unsigned_abs().max(4) as usize, 0);
        }
        bin.resize(len as usize, 0);
        bin
    }

    #[test]
    fn a_broken_bin_is_a_stretch_in_which_cells_are_guessed_and_the_next_bin_is_found() {
        let mut bins = bin(0, 4096, &[-64, 4000]);
        bins.extend(bin(4096, 4096, &[-16, -5, -16]));
        bins.extend(bin(8192, 4096, &[-4064]));
        bins.extend(vec![0; 4096]);
        bins.extend(bin(16384, 4096, &[4064]));
        let mut notes = Vec::new();
        let map = CellMap::scan(&bins, 20480, |at, _| {
            notes.push(at);
            Ok(())
        })
        .unwrap();
        assert_eq!(notes, [4096 + 48, 12288]);
        assert_eq!(map.broken, [4096 + 48..8192, 12288..16384]);
        let cells: [(u32, Option<(u32, bool)>); 8] = [
            (32, Some((60, true))),
            (96, Some((3996, false))),
            (40, None),
            (33, None),
            (4096 + 32, Some((12, true))),
            (8192 + 32, Some((4060, true))),
            (12288, None),
            (20480, None),
        ];
        for (at, expected) in cells {
            assert_eq!(map.cell(&bins, at).ok().map(|cell| (cell.len, cell.used)), expected, "{at}");
        }
        assert!(CellMap::scan(&bins, 20480, |_, what| Err(Error::corrupt(what))).is_err(), "strict");
    }
}
