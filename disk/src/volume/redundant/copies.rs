//! Chunks in several columns: RAID-10 (md(4); drivers' `near`, `far` and `offset` layouts).
//!
//! ```text
//! near=2 of 3    far=2 of 3         offset=2 of 3
//!   0  0  1        0  1  2            0  1  2
//!   1  2  2        3  4  5            2  0  1
//!   …              …                  3  4  5
//!                  2  0  1            5  3  4
//!                  5  3  4            …
//! ```

use std::ops::Range;
use std::sync::Arc;

use super::{Column, sector_size};
use crate::source::check_range;
use crate::{Error, ErrorKind, ReadAt, Result};

/// How far copies are put, in sets of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sets {
    /// All columns are one set.
    One,
    /// As many sets as there are far copies.
    ByFar,
    /// Sets of as many columns as there are copies.
    ByCopies,
}

/// Where copies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::volume) struct CopyLayout {
    /// Copies beside each other.
    near: usize,
    /// Copies far from each other.
    far: usize,
    /// Are far copies in the next row, not in the next part of the columns?
    offset: bool,
    sets: Sets,
}

impl CopyLayout {
    /// A layout as its number says: near copies in the lowest byte, far copies in the next, `offset` in bit 16, and in bits 17
    /// and 18 how columns form sets (Linux's `drivers/md/raid10`; only the device mapper makes other than 0).
    pub(in crate::volume) fn of_number(number: u32) -> Option<CopyLayout> {
        let [near, far, flags, 0] = number.to_le_bytes() else { return None };
        let sets = match flags >> 1 {
            0 => Sets::One,
            1 => Sets::ByFar,
            2 => Sets::ByCopies,
            _ => return None,
        };
        let some = near > 0 && far > 0;
        some.then_some(CopyLayout { near: near.into(), far: far.into(), offset: flags & 1 == 1, sets })
    }

    fn copies(self) -> Option<usize> {
        self.near.checked_mul(self.far)
    }

    fn set_size(self, columns: usize) -> Option<usize> {
        match self.sets {
            Sets::One => Some(columns),
            Sets::ByFar => columns.checked_div(self.far),
            Sets::ByCopies => self.copies(),
        }
        .filter(|size| *size > 0 && *size <= columns)
    }
}

/// Chunks, several times each.
#[derive(Debug)]
pub(in crate::volume) struct Copies {
    columns: Vec<Column>,
    layout: CopyLayout,
    /// Columns of a set.
    set: usize,
    chunk: u64,
    /// Bytes from one far copy to the next.
    stride: u64,
    len: u64,
}

impl Copies {
    /// What `columns` hold in chunks of `chunk` bytes, of which each has `each` bytes.
    pub(in crate::volume) fn new(
        columns: Vec<Column>,
        layout: CopyLayout,
        chunk: u64,
        each: u64,
    ) -> Result<Copies> {
        let count = columns.len();
        let wrong =
            || Error::corrupt(format!("{layout:?} in {count} columns of {each} bytes in chunks of {chunk}"));
        let set = layout.set_size(count).ok_or_else(wrong)?;
        if layout.copies().is_none_or(|copies| copies > count) {
            return Err(wrong());
        }
        let (len, used, stride) = Copies::sizes(count, layout, chunk, each).ok_or_else(wrong)?;
        if columns.iter().flatten().any(|column| column.len() < used) {
            return Err(wrong());
        }
        Ok(Copies { columns, layout, set, chunk, stride, len })
    }

    /// Bytes of the volume, those used of each column, and those from one far copy to the next.
    fn sizes(count: usize, layout: CopyLayout, chunk: u64, each: u64) -> Option<(u64, u64, u64)> {
        let number = |n: usize| u64::try_from(n).ok();
        let (columns, near, far) = (number(count)?, number(layout.near)?, number(layout.far)?);
        let chunks = each.checked_div(chunk)?.checked_div(far)?.checked_mul(columns)?.checked_div(near)?;
        let used = chunks.checked_mul(number(layout.copies()?)?)?.div_ceil(columns.max(1));
        let stride = if layout.offset { 1 } else { used.checked_div(far)? };
        Some((chunks.checked_mul(chunk)?, used.checked_mul(chunk)?, stride.checked_mul(chunk)?))
    }

    /// The column of the next far copy.
    fn far_from(&self, column: usize) -> Option<usize> {
        let count = self.columns.len();
        let moved = column.checked_add(self.layout.near)?;
        let sets = count.checked_div(self.set)?;
        let rest = count.checked_rem(self.set)?;
        // The last set has what does not fill one.
        let last = sets.checked_sub(1)?.checked_mul(self.set)?;
        if rest > 0 && moved > last {
            let size = self.set.checked_add(rest)?;
            return moved.checked_sub(last)?.checked_rem(size)?.checked_add(last);
        }
        let set = column.checked_div(self.set)?;
        moved.checked_rem(self.set)?.checked_add(self.set.checked_mul(set)?)
    }

    /// Where byte `offset` lies: columns, bytes of those; and for how many bytes that goes on.
    fn locate(&self, offset: u64) -> Option<(Vec<(usize, u64)>, u64)> {
        let count = u64::try_from(self.columns.len()).ok()?;
        let (chunk, within) = (offset.checked_div(self.chunk)?, offset.checked_rem(self.chunk)?);
        let chunk = chunk.checked_mul(u64::try_from(self.layout.near).ok()?)?;
        let mut column = usize::try_from(chunk.checked_rem(count)?).ok()?;
        let mut row = chunk.checked_div(count)?;
        if self.layout.offset {
            row = row.checked_mul(u64::try_from(self.layout.far).ok()?)?;
        }
        let mut at = row.checked_mul(self.chunk)?.checked_add(within)?;
        let mut places = Vec::new();
        for _ in 0..self.layout.near {
            let (mut far_column, mut far_at) = (column, at);
            places.push((column, at));
            for _ in 1..self.layout.far {
                far_column = self.far_from(far_column)?;
                far_at = far_at.checked_add(self.stride)?;
                places.push((far_column, far_at));
            }
            column = column.checked_add(1)?;
            if column >= self.columns.len() {
                column = 0;
                at = at.checked_add(self.chunk)?;
            }
        }
        Some((places, self.chunk.checked_sub(within)?))
    }

    /// Can all of it be read, as far as columns are there? Which copies lie together repeats with the rows.
    pub(in crate::volume) fn is_complete(&self) -> bool {
        let is_there = |column: usize| self.columns.get(column).is_some_and(Option::is_some);
        let count = u64::try_from(self.columns.len()).unwrap_or(u64::MAX);
        (0..count)
            .map(|number| number.saturating_mul(self.chunk))
            .take_while(|offset| *offset < self.len)
            .all(|offset| {
                let places = self.locate(offset).map(|(places, _)| places).unwrap_or_default();
                places.iter().any(|(column, _)| is_there(*column))
            })
    }
}

impl ReadAt for Copies {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        let (mut offset, mut buf) = (offset, buf);
        while !buf.is_empty() {
            let (places, run) = self.locate(offset).ok_or_else(|| Error::corrupt("a byte of no column"))?;
            let count = usize::try_from(run).unwrap_or(usize::MAX).min(buf.len());
            let (now, later) = buf.split_at_mut(count);
            let there = places.iter().filter_map(|(column, at)| {
                let column: &Arc<dyn ReadAt> = self.columns.get(*column)?.as_ref()?;
                Some((column, *at))
            });
            let mut failure = None;
            let mut done = false;
            for (column, at) in there {
                match column.read_at(at, now) {
                    Ok(()) => {
                        done = true;
                        break;
                    }
                    Err(error) => _ = failure.get_or_insert(error),
                }
            }
            if !done {
                return Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Io, "all copies are missing")));
            }
            buf = later;
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        Ok((offset < self.len).then_some(offset..self.len))
    }

    fn sector_size(&self) -> u32 {
        sector_size(&self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Broken, source};
    use super::*;

    /// Chunks of one byte each, by column.
    fn drawn(number: u32, count: usize, each: u64) -> Vec<String> {
        let layout = CopyLayout::of_number(number).unwrap();
        let columns = vec![Some(source(&vec![0; each as usize])); count];
        let raid = Copies::new(columns, layout, 1, each).unwrap();
        let mut rows = vec![vec!['.'; count]; each as usize];
        for chunk in 0..raid.len() {
            for (column, at) in raid.locate(chunk).unwrap().0 {
                let place = &mut rows[at as usize][column];
                assert_eq!(*place, '.');
                *place = char::from_digit(chunk as u32, 36).unwrap();
            }
        }
        rows.into_iter().map(|row| row.into_iter().collect()).collect()
    }

    #[test]
    fn copies_are_where_linux_has_them() {
        assert_eq!(drawn(0x102, 3, 2), ["001", "122"]);
        assert_eq!(drawn(0x102, 3, 3), ["001", "122", "33."]);
        assert_eq!(drawn(0x102, 4, 2), ["0011", "2233"]);
        assert_eq!(drawn(0x103, 4, 3), ["0001", "1122", "2333"]);
        assert_eq!(drawn(0x201, 3, 4), ["012", "345", "201", "534"]);
        assert_eq!(drawn(0x201, 3, 5), ["012", "345", "201", "534", "..."]);
        assert_eq!(drawn(0x301, 4, 3), ["0123", "3012", "2301"]);
        assert_eq!(drawn(0x1_0201, 3, 4), ["012", "201", "345", "534"]);
        assert_eq!(drawn(0x202, 4, 2), ["0011", "1100"]);
        // Sets of columns, as the device mapper makes them.
        assert_eq!(drawn(0x2_0201, 4, 2), ["0123", "1032"]);
        assert_eq!(drawn(0x4_0201, 4, 2), ["0123", "1032"]);
        for number in [0, 0x100, 0x2, 0x8_0102, 0x100_0102, 0x6_0102] {
            assert_eq!(CopyLayout::of_number(number), None, "{number:#x}");
        }
    }

    #[test]
    fn any_copy_stands_in_for_the_others() {
        let layout = CopyLayout::of_number(0x102).unwrap();
        let columns = [[0, 1], [0, 2], [1, 2]];
        for missing in 0..3 {
            for broken in [false, true] {
                let members = columns.iter().enumerate().map(|(number, bytes)| -> Column {
                    match (number == missing, broken) {
                        (false, _) => Some(source(bytes)),
                        (true, false) => None,
                        (true, true) => Some(Arc::new(Broken(2))),
                    }
                });
                let raid = Copies::new(members.collect(), layout, 1, 2).unwrap();
                assert!(raid.is_complete());
                let mut bytes = [9; 3];
                raid.read_at(0, &mut bytes).unwrap();
                assert_eq!(bytes, [0, 1, 2]);
            }
        }
        let alone = Copies::new(vec![None, Some(source(&[0, 2])), None], layout, 1, 2).unwrap();
        assert!(!alone.is_complete());
        assert!(alone.read_at(0, &mut [0; 2]).is_err());
        assert!(Copies::new(vec![Some(source(&[0; 2]))], layout, 1, 2).is_err());
        assert!(Copies::new(vec![Some(source(&[0; 2])); 2], layout, 1, 3).is_err());
        assert!(Copies::new(vec![Some(source(&[0; 2])); 2], layout, 0, 2).is_err());
    }
}
