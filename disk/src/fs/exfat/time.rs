//! Timestamps, with the offset from UTC of the place where they were written, where that is known. Without it they are
//! taken as UTC, as a kernel without a time zone does.
//!
//! Source: Microsoft's exFAT specification, sections 7.4.5 to 7.4.10. Fields out of range count on, as in Linux.

use crate::fs::{Timestamp, calendar};

/// In the offset: it is known.
const VALID: u8 = 0x80;
/// Seconds of its unit: a quarter of an hour.
const QUARTER: i64 = 15 * 60;

/// The time of a field with date and time, a field of hundredths of a second, and one with the offset from UTC.
pub(super) fn timestamp(field: u32, hundredths: u8, offset: u8) -> Timestamp {
    let part = |shift: u32, bits: u32| i64::from(field >> shift & ((1u32 << bits).saturating_sub(1)));
    let date = [part(25, 7).saturating_add(1980), part(21, 4), part(16, 5)];
    let time = [part(11, 5), part(5, 6), part(0, 5).saturating_mul(2)];
    let mut seconds = calendar::seconds(date, time).saturating_add(i64::from(hundredths / 100));
    if offset & VALID != 0 {
        // Seven bits with a sign.
        let quarters = match i64::from(offset & !VALID) {
            negative @ 0x40.. => negative.saturating_sub(0x80),
            positive => positive,
        };
        seconds = seconds.saturating_sub(quarters.saturating_mul(QUARTER));
    }
    Timestamp { seconds, nanoseconds: u32::from(hundredths % 100).saturating_mul(10_000_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_from_utc_are_taken_off() {
        let noon = 46 << 25 | 11 << 21 | 21 << 16 | 12 << 11;
        let utc = 1_795_219_200 + 12 * 3600;
        for (offset, hours) in
            [(0x00, 0), (0x04, 0), (0x80, 0), (0x84, 1), (0xFC, -1), (0xB8, 14), (0xD0, -12)]
        {
            assert_eq!(timestamp(noon, 0, offset).seconds, utc - hours * 3600, "{offset:#x}");
        }
        let late = Timestamp { seconds: utc + 1, nanoseconds: 990_000_000 };
        assert_eq!(timestamp(noon, 199, 0x80), late);
    }
}
