//! Data with one or two checks a row: RAID-4, 5 and 6.
//!
//! Parity is the exclusive or of a row's data; the second check is a sum of them, each multiplied by its own power of 2 (see
//! [`galois`]). With `g` for a column's power, what is missing follows from what is there:
//!
//! ```text
//! one column of data, with parity      P + all others
//! one column of data, without          (Q + g·all others) / g
//! two columns of data, a and b         (g_b·(P + all others) + Q + g·all others) / (g_a + g_b)
//! ```
//!
//! A column that can't be read at some place counts as missing there.

use std::sync::Arc;

use super::galois::{self, Factor};
use super::layout::{ParityLayout, Row};
use super::{Column, sector_size};
use crate::source::check_range;
use crate::{Error, ErrorKind, ReadAt, Result};

/// Most bytes that are put together from other columns at a time.
const MAX_REBUILT: usize = 64 << 10;

/// Data and checks by turns.
#[derive(Debug)]
pub(in crate::volume) struct Parity {
    /// No more are missing than there are checks.
    columns: Vec<Column>,
    layout: ParityLayout,
    chunk: u64,
    len: u64,
}

/// Why bytes could not be put together.
enum Failed {
    /// This column can't be read.
    Column(usize, Error),
    /// More columns are missing than there are checks.
    TooMany,
    /// Any other contradiction.
    Other(Error),
}

impl Parity {
    /// The first `len` bytes of what `columns` hold in chunks of `chunk` bytes.
    pub(in crate::volume) fn new(
        columns: Vec<Column>,
        layout: ParityLayout,
        chunk: u64,
        len: u64,
    ) -> Result<Parity> {
        let data_columns = columns.len().saturating_sub(layout.checks());
        let row = u64::try_from(data_columns).unwrap_or(u64::MAX).saturating_mul(chunk);
        let each = len.checked_div(row).and_then(|rows| rows.checked_mul(chunk));
        let whole = chunk > 0 && len.checked_rem(row) == Some(0);
        let short = |column: &Arc<dyn ReadAt>| each.is_none_or(|each| column.len() < each);
        if !whole || columns.iter().flatten().any(short) {
            return Err(Error::corrupt(format!(
                "{len} bytes with parity in {} columns of chunks of {chunk}",
                columns.len()
            )));
        }
        if columns.iter().filter(|column| column.is_none()).count() > layout.checks() {
            return Err(Error::new(ErrorKind::NotFound, "more columns are missing than parity makes up for"));
        }
        Ok(Parity { columns, layout, chunk, len })
    }

    /// Where byte `offset` lies: its row, column, byte of that, and for how many bytes that goes on.
    fn locate(&self, offset: u64) -> Option<(Row, usize, u64, u64)> {
        let data_columns = u64::try_from(self.columns.len().checked_sub(self.layout.checks())?).ok()?;
        let (chunk, within) = (offset.checked_div(self.chunk)?, offset.checked_rem(self.chunk)?);
        let (number, in_row) = (chunk.checked_div(data_columns)?, chunk.checked_rem(data_columns)?);
        let row = self.layout.row(number, self.columns.len())?;
        let column = row.data(usize::try_from(in_row).ok()?)?;
        let at = number.checked_mul(self.chunk)?.checked_add(within)?;
        Some((row, column, at, self.chunk.checked_sub(within)?))
    }

    /// Puts the bytes of column `wanted` from `at` on together from the others; `failure` says why it could not be read.
    fn rebuild(
        &self,
        row: &Row,
        wanted: usize,
        at: u64,
        buf: &mut [u8],
        failure: Option<Error>,
    ) -> Result<()> {
        let mut first = failure;
        let mut missing: Vec<usize> = (0..self.columns.len())
            .filter(|column| *column == wanted || self.columns.get(*column).is_none_or(Option::is_none))
            .collect();
        let mut at = at;
        for part in buf.chunks_mut(MAX_REBUILT) {
            // Each turn one more column is missing, so that this ends.
            loop {
                match self.solve(row, wanted, &missing, at, part) {
                    Ok(()) => break,
                    Err(Failed::Column(column, error)) => {
                        first.get_or_insert(error);
                        missing.push(column);
                    }
                    Err(Failed::TooMany) => {
                        let lost = || Error::new(ErrorKind::Io, "too many columns can't be read");
                        return Err(first.unwrap_or_else(lost));
                    }
                    Err(Failed::Other(error)) => return Err(error),
                }
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// As the head of this file has it. `missing` has the column that is wanted, which has data.
    fn solve(
        &self,
        row: &Row,
        wanted: usize,
        missing: &[usize],
        at: u64,
        part: &mut [u8],
    ) -> std::result::Result<(), Failed> {
        let mut also = missing.iter().copied().filter(|column| *column != wanted && row.is_data(*column));
        let other = also.next();
        let has_parity = !missing.contains(&row.parity);
        let second = row.second.filter(|second| !missing.contains(second));
        if also.next().is_some() || (other.is_some() && !has_parity) {
            return Err(Failed::TooMany);
        }
        if other.is_none() && has_parity {
            return self.sum(row, missing, at, part);
        }
        let second = second.ok_or(Failed::TooMany)?;
        let weighted = |column: usize| {
            let weight = self.layout.weight(row, column, self.columns.len());
            weight.map(galois::power).ok_or_else(|| Failed::Other(Error::corrupt("a column of no weight")))
        };
        // Q + g·all others
        let mut sum = vec![0; part.len()];
        self.read(second, at, &mut sum)?;
        let mut bytes = vec![0; part.len()];
        for column in (0..self.columns.len()).filter(|c| row.is_data(*c) && !missing.contains(c)) {
            self.read(column, at, &mut bytes)?;
            Factor::new(weighted(column)?).add_to(&mut sum, &bytes);
        }
        let mut divisor = weighted(wanted)?;
        if let Some(other) = other {
            let weight = weighted(other)?;
            self.sum(row, missing, at, &mut bytes)?;
            Factor::new(weight).add_to(&mut sum, &bytes);
            divisor ^= weight;
        }
        let inverse = galois::inverse(divisor).ok_or_else(|| {
            Failed::Other(Error::unsupported("more columns than the second check can tell apart"))
        })?;
        Factor::new(inverse).scale(&mut sum);
        part.copy_from_slice(&sum);
        Ok(())
    }

    /// P + all data that are there.
    fn sum(&self, row: &Row, missing: &[usize], at: u64, part: &mut [u8]) -> std::result::Result<(), Failed> {
        part.fill(0);
        let mut bytes = vec![0; part.len()];
        for column in 0..self.columns.len() {
            if row.second != Some(column) && !missing.contains(&column) {
                self.read(column, at, &mut bytes)?;
                galois::add(part, &bytes);
            }
        }
        Ok(())
    }

    fn read(&self, column: usize, at: u64, bytes: &mut [u8]) -> std::result::Result<(), Failed> {
        let source = self.columns.get(column).and_then(Option::as_ref);
        let source = source.ok_or_else(|| Failed::Other(Error::corrupt("a byte of no column")))?;
        source.read_at(at, bytes).map_err(|error| Failed::Column(column, error))
    }
}

impl ReadAt for Parity {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let (mut offset, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let (row, column, at, run) =
                self.locate(offset).ok_or_else(|| Error::corrupt("a byte of no column"))?;
            let count = usize::try_from(run).unwrap_or(usize::MAX).min(buf.len());
            let (now, later) = buf.split_at_mut(count);
            match self.columns.get(column).and_then(Option::as_ref) {
                Some(source) => {
                    if let Err(error) = source.read_at(at, now) {
                        self.rebuild(&row, column, at, now, Some(error))?;
                    }
                }
                None => self.rebuild(&row, column, at, now, None)?,
            }
            buf = later;
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn sector_size(&self) -> u32 {
        sector_size(&self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Broken, source};
    use super::*;

    /// Columns of two rows of chunks of two bytes each, with `data`, and checks as the definition has them.
    fn columns(layout: ParityLayout, count: usize, data: &[u8]) -> Vec<Vec<u8>> {
        let per_row = count - layout.checks();
        let rows = data.len() / 2 / per_row;
        let mut columns = vec![vec![0; rows * 2]; count];
        for number in 0..rows {
            let row = layout.row(number as u64, count).unwrap();
            for byte in 0..2 {
                let at = number * 2 + byte;
                for chunk in 0..per_row {
                    let value = data[(number * per_row + chunk) * 2 + byte];
                    let column = row.data(chunk).unwrap();
                    columns[column][at] = value;
                    columns[row.parity][at] ^= value;
                    if let Some(second) = row.second {
                        let weight = galois::power(layout.weight(&row, column, count).unwrap());
                        Factor::new(weight).add_to(&mut columns[second][at..=at], &[value]);
                    }
                }
            }
        }
        columns
    }

    fn check(layout: ParityLayout, count: usize) {
        let per_row = count - layout.checks();
        let data: Vec<u8> = (0..per_row * 2 * count).map(|n| (n * 37 + 11) as u8).collect();
        let columns = columns(layout, count, &data);
        let len = data.len() as u64;
        for missing in 0..1_u32 << count {
            let lost = missing.count_ones() as usize;
            let is_missing = |number: usize| missing >> number & 1 == 1;
            let there = |number: usize| {
                let bytes = &columns[number];
                if is_missing(number) { None } else { Some(source(bytes)) }
            };
            let raid = Parity::new((0..count).map(there).collect(), layout, 2, len);
            if lost > layout.checks() {
                assert_eq!(raid.unwrap_err().kind(), ErrorKind::NotFound);
                continue;
            }
            let raid = raid.unwrap();
            for (start, end) in [(0, data.len()), (1, 2), (3, data.len() - 1), (data.len() - 1, data.len())] {
                let mut bytes = vec![0xee; end - start];
                raid.read_at(start as u64, &mut bytes).unwrap();
                assert_eq!(bytes, data[start..end], "{layout:?}, {start}..{end} without {missing:b}");
            }
            assert!(raid.read_at(len - 1, &mut [0; 2]).is_err());
            // What can't be read is as what is not there.
            let broken: Vec<Column> = (0..count)
                .map(|number| there(number).or_else(|| Some(Arc::new(Broken(columns[number].len() as u64)))))
                .collect();
            let mut bytes = vec![0; data.len()];
            Parity::new(broken, layout, 2, len).unwrap().read_at(0, &mut bytes).unwrap();
            assert_eq!(bytes, data);
        }
    }

    #[test]
    fn any_column_that_checks_stand_in_for_may_be_missing() {
        for number in 0..=5 {
            check(ParityLayout::raid5(number).unwrap(), 4);
        }
        check(ParityLayout::LEFT_SYMMETRIC, 2);
        for number in [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20] {
            check(ParityLayout::raid6(number).unwrap(), 6);
        }
        check(ParityLayout::raid6(2).unwrap(), 4);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let members = |len: usize| vec![Some(source(&vec![0; len])); 3];
        let raid = |members, chunk, len| Parity::new(members, ParityLayout::LEFT_SYMMETRIC, chunk, len);
        assert!(raid(members(6), 2, 12).is_ok());
        for (members, chunk, len) in
            [(members(5), 2, 12), (members(6), 0, 12), (members(6), 2, 11), (members(9)[..1].to_vec(), 2, 12)]
        {
            assert!(raid(members, chunk, len).is_err());
        }
        let lost = |_| -> Column { Some(Arc::new(Broken(6))) };
        let lost = raid((0..3).map(lost).collect(), 2, 12).unwrap().read_at(0, &mut [0; 2]);
        assert_eq!(lost.unwrap_err().to_string(), "broken");
    }
}
