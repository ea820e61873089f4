//! Volumes that are there more than once: mirrors, and RAID-5.
//!
//! ```text
//! RAID-5 of three, chunk by chunk (the kernel's "left-symmetric", as libldm has it made):
//!   row 0   0  1  P
//!   row 1   3  P  2      parity goes one column to the left with each row,
//!   row 2   P  4  5      and data begin in the column after it
//! ```
//!
//! A column that is not there is the exclusive or of all others, in whichever row: parity and data alike.

use std::ops::Range;
use std::sync::Arc;

use crate::source::check_range;
use crate::{Error, ErrorKind, ReadAt, Result};

/// Copies of the same bytes.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Those that can be trusted, at least one.
    copies: Vec<Arc<dyn ReadAt>>,
    len: u64,
}

impl Mirror {
    /// The first `len` bytes, which each of `copies` has.
    pub(super) fn new(copies: Vec<Arc<dyn ReadAt>>, len: u64) -> Result<Mirror> {
        if copies.is_empty() || copies.iter().any(|copy| copy.len() < len) {
            return Err(Error::corrupt(format!("a mirror of {len} bytes whose copies are shorter")));
        }
        Ok(Mirror { copies, len })
    }
}

impl ReadAt for Mirror {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let mut failure = None;
        for copy in &self.copies {
            match copy.read_at(offset, buf) {
                Ok(()) => return Ok(()),
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Io, "a mirror without copies")))
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let Some(first) = self.copies.first() else { return Ok(None) };
        let data = first.next_data(offset)?.filter(|data| data.start < self.len);
        Ok(data.map(|data| data.start..data.end.min(self.len)))
    }

    fn sector_size(&self) -> u32 {
        self.copies.iter().map(ReadAt::sector_size).max().unwrap_or(512)
    }
}

/// Most bytes that are put together from other columns at a time.
const MAX_REBUILT: usize = 64 << 10;

/// Data and parity by turns.
#[derive(Debug)]
pub(super) struct Raid5 {
    /// At most one is missing.
    columns: Vec<Option<Arc<dyn ReadAt>>>,
    chunk: u64,
    len: u64,
}

impl Raid5 {
    /// The first `len` bytes of what `columns` hold in chunks of `chunk` bytes.
    pub(super) fn new(columns: Vec<Option<Arc<dyn ReadAt>>>, chunk: u64, len: u64) -> Result<Raid5> {
        let count = u64::try_from(columns.len()).unwrap_or(u64::MAX);
        let row = count.saturating_sub(1).saturating_mul(chunk);
        let rows = len.checked_div(row).unwrap_or(0);
        let each = rows.checked_mul(chunk);
        let whole = count >= 3 && chunk > 0 && len.checked_rem(row) == Some(0);
        let short = |column: &Arc<dyn ReadAt>| each.is_none_or(|each| column.len() < each);
        if !whole || columns.iter().flatten().any(short) {
            return Err(Error::corrupt(format!(
                "RAID-5 of {len} bytes in {count} columns of chunks of {chunk}"
            )));
        }
        Ok(Raid5 { columns, chunk, len })
    }

    /// Where byte `offset` lies: column, byte of it, and for how many bytes that goes on.
    fn locate(&self, offset: u64) -> Option<(usize, u64, u64)> {
        let columns = u64::try_from(self.columns.len()).ok()?;
        let data_columns = columns.checked_sub(1)?;
        let (chunk, within) = (offset.checked_div(self.chunk)?, offset.checked_rem(self.chunk)?);
        let (row, number) = (chunk.checked_div(data_columns)?, chunk.checked_rem(data_columns)?);
        let parity = data_columns.checked_sub(row.checked_rem(columns)?)?;
        let column = parity.checked_add(1)?.checked_add(number)?.checked_rem(columns)?;
        let at = row.checked_mul(self.chunk)?.checked_add(within)?;
        Some((usize::try_from(column).ok()?, at, self.chunk.checked_sub(within)?))
    }

    /// Puts the bytes of a missing column together from the others.
    fn rebuild(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        let mut other = vec![0; buf.len().min(MAX_REBUILT)];
        let mut at = at;
        for part in buf.chunks_mut(MAX_REBUILT) {
            part.fill(0);
            for column in self.columns.iter().flatten() {
                let other = other.get_mut(..part.len()).unwrap_or_default();
                column.read_at(at, other)?;
                part.iter_mut().zip(other.iter()).for_each(|(byte, other)| *byte ^= other);
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

impl ReadAt for Raid5 {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let (mut offset, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let place =
                self.locate(offset).and_then(|(column, at, run)| Some((self.columns.get(column)?, at, run)));
            let (column, at, run) = place.ok_or_else(|| Error::corrupt("a byte of no column"))?;
            let count = usize::try_from(run).unwrap_or(usize::MAX).min(buf.len());
            let (now, later) = buf.split_at_mut(count);
            match column {
                Some(column) => column.read_at(at, now)?,
                None => self.rebuild(at, now)?,
            }
            buf = later;
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn sector_size(&self) -> u32 {
        self.columns.iter().flatten().map(ReadAt::sector_size).max().unwrap_or(512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemSource;

    fn source(bytes: &[u8]) -> Arc<dyn ReadAt> {
        Arc::new(MemSource::new(bytes.to_vec()))
    }

    #[test]
    fn parity_rotates_and_stands_in_for_any_one_column() {
        // As in the head of this file, chunks of two bytes, data counted from 0.
        let columns = [[0, 1, 6, 7, 8 ^ 10, 9 ^ 11], [2, 3, 4 ^ 6, 5 ^ 7, 8, 9], [2, 2, 4, 5, 10, 11]]
            .map(|c| c.to_vec());
        let data: Vec<u8> = (0..12).collect();
        for missing in [None, Some(0), Some(1), Some(2)] {
            let members = columns
                .iter()
                .enumerate()
                .map(|(number, column)| (missing != Some(number)).then(|| source(column)))
                .collect();
            let raid = Raid5::new(members, 2, 12).unwrap();
            for start in 0..12u8 {
                for end in start..=12 {
                    let (start, end) = (usize::from(start), usize::from(end));
                    let mut bytes = vec![0xee; end - start];
                    raid.read_at(start as u64, &mut bytes).unwrap();
                    assert_eq!(bytes, data[start..end], "{start}..{end} without {missing:?}");
                }
            }
            assert!(raid.read_at(11, &mut [0; 2]).is_err());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let members = |len: usize| vec![Some(source(&vec![0; len])); 3];
        assert!(Raid5::new(members(6), 2, 12).is_ok());
        for (members, chunk, len) in
            [(members(5), 2, 12), (members(6), 0, 12), (members(6), 2, 11), (members(9)[..2].to_vec(), 2, 12)]
        {
            assert!(Raid5::new(members, chunk, len).is_err());
        }
        assert!(Mirror::new(vec![], 0).is_err());
        assert!(Mirror::new(vec![source(&[1; 4])], 5).is_err());
    }

    /// A source that can't be read.
    #[derive(Debug)]
    struct Broken;

    impl ReadAt for Broken {
        fn len(&self) -> u64 {
            4
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> Result<()> {
            Err(Error::new(ErrorKind::Io, "broken"))
        }
    }

    #[test]
    fn a_copy_that_cannot_be_read_is_passed_over() {
        let mirror = Mirror::new(vec![Arc::new(Broken), source(&[1, 2, 3, 4])], 3).unwrap();
        let mut bytes = [0; 2];
        mirror.read_at(1, &mut bytes).unwrap();
        assert_eq!((bytes, mirror.next_data(2).unwrap()), ([2, 3], Some(2..3)));
        assert_eq!(mirror.read_at(2, &mut bytes).unwrap_err().kind(), ErrorKind::Corrupt);
        let broken = Mirror::new(vec![Arc::new(Broken)], 4).unwrap();
        assert_eq!(broken.read_at(0, &mut bytes).unwrap_err().kind(), ErrorKind::Io);
    }
}
