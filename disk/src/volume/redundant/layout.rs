//! Which column of a row has data, and which has parity.
//!
//! ```text
//! left-symmetric          left-asymmetric        left-symmetric of RAID-6
//!   0  1  P                 0  1  P                0  1  P  Q
//!   3  P  2                 2  P  3                3  P  Q  2
//!   P  4  5                 P  4  5                P  Q  4  5
//!                                                  Q  6  7  P
//! ```
//!
//! Numbers of layouts are those of Linux (md(4); mdadm(8), `--layout`), which DDF's three and the six-column forms of RAID-5's
//! (`left-symmetric-6`) are among.

/// Which column parity is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// From the last column on, one to the left with each row.
    Left,
    /// From the first column on, one to the right with each row.
    Right,
    First,
    Last,
}

/// Where the second check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    None,
    /// In the column after parity.
    After,
    /// In the column before parity.
    Before,
    /// In the last column, which takes no part in the turns.
    Last,
}

/// How data and checks take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::volume) struct ParityLayout {
    turn: Turn,
    second: Second,
    /// Do data begin in the column after the checks? Otherwise in the first that has none.
    symmetric: bool,
    /// Do the turns begin one row later?
    shifted: bool,
    /// Are columns weighted by their numbers in the second check? Otherwise in their order after it.
    by_number: bool,
}

/// What the columns of a row have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// The column with parity.
    pub(super) parity: usize,
    /// The column with the second check.
    pub(super) second: Option<usize>,
    /// The column with the first data, if the others follow it in a ring of so many columns.
    ring: Option<(usize, usize)>,
}

const fn layout(turn: Turn, second: Second, symmetric: bool) -> ParityLayout {
    ParityLayout { turn, second, symmetric, shifted: false, by_number: false }
}

impl ParityLayout {
    /// RAID-4: parity in the last column.
    pub(in crate::volume) const RAID4: ParityLayout = layout(Turn::Last, Second::None, false);
    /// RAID-5 as nearly everyone has it.
    pub(in crate::volume) const LEFT_SYMMETRIC: ParityLayout = layout(Turn::Left, Second::None, true);

    /// RAID-5 of that number (Linux's `ALGORITHM_*`).
    pub(in crate::volume) fn raid5(number: u32) -> Option<ParityLayout> {
        Some(match number {
            0 => layout(Turn::Left, Second::None, false),
            1 => layout(Turn::Right, Second::None, false),
            2 => ParityLayout::LEFT_SYMMETRIC,
            3 => layout(Turn::Right, Second::None, true),
            4 => layout(Turn::First, Second::None, false),
            5 => ParityLayout::RAID4,
            _ => return None,
        })
    }

    /// RAID-6 of that number.
    pub(in crate::volume) fn raid6(number: u32) -> Option<ParityLayout> {
        let ddf = |layout: ParityLayout| ParityLayout { by_number: true, ..layout };
        Some(match number {
            0 => layout(Turn::Left, Second::After, false),
            1 => layout(Turn::Right, Second::After, false),
            2 => layout(Turn::Left, Second::After, true),
            3 => layout(Turn::Right, Second::After, true),
            4 => layout(Turn::First, Second::After, false),
            5 => layout(Turn::Last, Second::After, false),
            8 => ddf(layout(Turn::Right, Second::After, false)),
            9 => ParityLayout { shifted: true, ..ddf(layout(Turn::Left, Second::After, false)) },
            10 => ddf(layout(Turn::Left, Second::Before, true)),
            16 => layout(Turn::Left, Second::Last, false),
            17 => layout(Turn::Right, Second::Last, false),
            18 => layout(Turn::Left, Second::Last, true),
            19 => layout(Turn::Right, Second::Last, true),
            20 => layout(Turn::First, Second::Last, false),
            _ => return None,
        })
    }

    /// How many columns of a row have checks.
    pub(in crate::volume) fn checks(self) -> usize {
        if self.second == Second::None { 1 } else { 2 }
    }

    /// What row number `row` of so many columns has; `None` if those are too few.
    pub(super) fn row(self, row: u64, columns: usize) -> Option<Row> {
        if columns <= self.checks() {
            return None;
        }
        let last = columns.checked_sub(1)?;
        let turning = if self.second == Second::Last { last } else { columns };
        let step = row.checked_add(u64::from(self.shifted))?.checked_rem(u64::try_from(turning).ok()?)?;
        let step = usize::try_from(step).ok()?;
        let parity = match self.turn {
            Turn::Left => turning.checked_sub(1)?.checked_sub(step)?,
            Turn::Right => step,
            Turn::First => 0,
            Turn::Last => columns.checked_sub(self.checks())?,
        };
        let next = parity.checked_add(1)?;
        let second = match self.second {
            Second::None => None,
            Second::After => next.checked_rem(columns),
            Second::Before => parity.checked_add(last)?.checked_rem(columns),
            Second::Last => Some(last),
        };
        let first = if self.second == Second::After { next.checked_add(1)? } else { next };
        let ring = self.symmetric.then_some((first.checked_rem(turning)?, turning));
        Some(Row { parity, second, ring })
    }

    /// The power of the generator that a column has in the second check: its place among the data, counted from the column after
    /// that check on.
    pub(super) fn weight(self, row: &Row, column: usize, columns: usize) -> Option<usize> {
        let second = row.second?;
        if self.by_number {
            return Some(column);
        }
        let from_second = |column: usize| {
            column.checked_add(columns)?.checked_sub(second)?.checked_sub(1)?.checked_rem(columns)
        };
        let place = from_second(column)?;
        if from_second(row.parity)? < place { place.checked_sub(1) } else { Some(place) }
    }
}

impl Row {
    /// The column with data chunk number `number` of the row.
    pub(super) fn data(&self, number: usize) -> Option<usize> {
        if let Some((first, ring)) = self.ring {
            return first.checked_add(number)?.checked_rem(ring);
        }
        let second = self.second.unwrap_or(usize::MAX);
        let mut column = number;
        for check in [self.parity.min(second), self.parity.max(second)] {
            if column >= check {
                column = column.checked_add(1)?;
            }
        }
        Some(column)
    }

    /// Has the column data?
    pub(super) fn is_data(&self, column: usize) -> bool {
        column != self.parity && self.second != Some(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as mdadm(8) and the SNIA's DDF specification draw them.
    fn drawn(layout: ParityLayout, rows: u64, columns: usize) -> Vec<String> {
        let data = columns - layout.checks();
        let draw = |row: u64| {
            let place = layout.row(row, columns).unwrap();
            let mut text = vec!['?'; columns];
            text[place.parity] = 'P';
            if let Some(second) = place.second {
                text[second] = 'Q';
            }
            for number in 0..data {
                let column = place.data(number).unwrap();
                assert!(place.is_data(column) && text[column] == '?');
                text[column] = char::from_digit((row as usize * data + number) as u32, 36).unwrap();
            }
            text.into_iter().collect()
        };
        (0..rows).map(draw).collect()
    }

    #[test]
    fn rows_are_as_linux_has_them() {
        let raid5 = |number| drawn(ParityLayout::raid5(number).unwrap(), 3, 3);
        assert_eq!(raid5(0), ["01P", "2P3", "P45"]);
        assert_eq!(raid5(1), ["P01", "2P3", "45P"]);
        assert_eq!(raid5(2), ["01P", "3P2", "P45"]);
        assert_eq!(raid5(3), ["P01", "3P2", "45P"]);
        assert_eq!(raid5(4), ["P01", "P23", "P45"]);
        assert_eq!(raid5(5), ["01P", "23P", "45P"]);
        assert_eq!(drawn(ParityLayout::RAID4, 2, 4), ["012P", "345P"]);
        assert_eq!(ParityLayout::raid5(6), None);
        let raid6 = |number| drawn(ParityLayout::raid6(number).unwrap(), 4, 4);
        assert_eq!(raid6(0), ["Q01P", "23PQ", "4PQ5", "PQ67"]);
        assert_eq!(raid6(1), ["PQ01", "2PQ3", "45PQ", "Q67P"]);
        assert_eq!(raid6(2), ["Q01P", "23PQ", "5PQ4", "PQ67"]);
        assert_eq!(raid6(3), ["PQ01", "3PQ2", "45PQ", "Q67P"]);
        assert_eq!(raid6(4), ["PQ01", "PQ23", "PQ45", "PQ67"]);
        assert_eq!(raid6(5), ["01PQ", "23PQ", "45PQ", "67PQ"]);
        assert_eq!(raid6(8), ["PQ01", "2PQ3", "45PQ", "Q67P"]);
        assert_eq!(raid6(9), ["01PQ", "2PQ3", "PQ45", "Q67P"]);
        assert_eq!(raid6(10), ["01QP", "3QP2", "QP45", "P67Q"]);
        assert_eq!(raid6(16), ["01PQ", "2P3Q", "P45Q", "67PQ"]);
        assert_eq!(raid6(17), ["P01Q", "2P3Q", "45PQ", "P67Q"]);
        assert_eq!(raid6(18), ["01PQ", "3P2Q", "P45Q", "67PQ"]);
        assert_eq!(raid6(19), ["P01Q", "3P2Q", "45PQ", "P67Q"]);
        assert_eq!(raid6(20), ["P01Q", "P23Q", "P45Q", "P67Q"]);
        assert_eq!(ParityLayout::raid6(6), None);
        assert_eq!(ParityLayout::LEFT_SYMMETRIC.row(0, 1), None);
    }

    #[test]
    fn the_second_check_weights_columns_in_their_order_after_it() {
        let layout = ParityLayout::raid6(2).unwrap();
        // 5 P Q 4
        let row = layout.row(2, 4).unwrap();
        assert_eq!([3, 0].map(|column| layout.weight(&row, column, 4)), [Some(0), Some(1)]);
        let ddf = ParityLayout::raid6(8).unwrap();
        assert_eq!([3, 0].map(|column| ddf.weight(&row, column, 4)), [Some(3), Some(0)]);
    }
}
