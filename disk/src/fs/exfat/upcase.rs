//! The up-case table: what makes names equal that differ in case.
//!
//! Source: Microsoft's exFAT specification, section 7.2.

use super::boot::checksum32;

/// UTF-16 units that the table maps.
const UNITS: usize = 1 << 16;
/// Bytes of a table at most: all units, none left out.
pub(super) const MAX_BYTES: u64 = 2 << 16;
/// A unit of the stored table that stands for a number of units without upper case, which follows it.
const SKIP: u16 = 0xFFFF;

/// How names are compared.
#[derive(Debug)]
pub(super) enum UpCase {
    /// By this table.
    Table(Box<[u16]>),
    /// The filesystem has no table that is right. In its place Linux has one of its own; what is sure without it is
    /// ASCII.
    Ascii,
}

impl UpCase {
    /// The table stored as `bytes`, if that has the checksum `sum` and maps every unit.
    pub(super) fn new(bytes: &[u8], sum: u32) -> Self {
        if checksum32(bytes.iter().copied()) != sum {
            return UpCase::Ascii;
        }
        let mut table = Vec::with_capacity(UNITS);
        let mut units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        while table.len() < UNITS {
            match units.next() {
                Some(SKIP) => {
                    let count = usize::from(units.next().unwrap_or(0));
                    let start = table.len();
                    let end = start.saturating_add(count).min(UNITS);
                    table.extend((start..end).map(|unit| u16::try_from(unit).unwrap_or(0)));
                }
                Some(unit) => table.push(unit),
                // The usual table ends with its last unit, 0xFFFF, written as itself.
                None if table.len() >= UNITS - 1 => table.push(SKIP),
                None => return UpCase::Ascii,
            }
        }
        UpCase::Table(table.into())
    }

    /// `unit` in upper case; `None` if that is not known.
    pub(super) fn of(&self, unit: u16) -> Option<u16> {
        match self {
            UpCase::Table(table) => table.get(usize::from(unit)).copied(),
            UpCase::Ascii => {
                let c = u8::try_from(unit).ok().filter(u8::is_ascii)?;
                Some(c.to_ascii_uppercase().into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_unit_may_stand_for_itself() {
        let bytes: Vec<u8> = (0..=0xFFFF_u16).flat_map(u16::to_le_bytes).collect();
        let table = UpCase::new(&bytes, checksum32(bytes.iter().copied()));
        assert_eq!((table.of(0xE4), table.of(0xFFFF)), (Some(0xE4), Some(0xFFFF)));
    }

    #[test]
    fn a_compressed_table_maps_every_unit() {
        let mut stored: Vec<u16> = (0..0x61).collect();
        stored.extend(0x41..=0x5A);
        stored.extend([0xFFFF, 0x69, 0xC4, 0xFFFF, 0xFFFF - 0xE4]);
        let bytes: Vec<u8> = stored.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let sum = checksum32(bytes.iter().copied());
        let table = UpCase::new(&bytes, sum);
        for (unit, upper) in
            [(0x20, 0x20), (0x7A, 0x5A), (0x7B, 0x7B), (0xE3, 0xE3), (0xE4, 0xC4), (0xFFFF, 0xFFFF)]
        {
            assert_eq!(table.of(unit), Some(upper), "{unit:#x}");
        }
        for (bytes, sum) in [(&bytes[..], sum ^ 1), (&bytes[..2], checksum32(bytes[..2].iter().copied()))] {
            let ascii = UpCase::new(bytes, sum);
            assert_eq!((ascii.of(0x61), ascii.of(0xE4)), (Some(0x41), None));
        }
    }
}
