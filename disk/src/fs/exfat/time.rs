//! Timestamps, with the offset from UTC of the place where they were written, where that is known. Without it they are
//! taken as UTC, as a kernel without a time zone does.
//!
//! Source: Microsoft's exFAT specification, sections 7.4.5 to 7.4.10. Fields out of range count on, as in Linux.

use crate::fs::Timestamp;

/// In the offset: it is known.
const VALID: u8 = 0x80;
/// Seconds of its unit: a quarter of an hour.
const QUARTER: i64 = 15 * 60;

/// The time of a field with date and time, a field of hundredths of a second, and one with the offset from UTC.
pub(super) fn timestamp(field: u32, hundredths: u8, offset: u8) -> Timestamp {
    let part = |shift: u32, bits: u32| i64::from(field >> shift & ((1u32 << bits).saturating_sub(1)));
    let days = days(part(25, 7).saturating_add(1980), part(21, 4), part(16, 5));
    let mut seconds = [
        days.saturating_mul(86_400),
        part(11, 5).saturating_mul(3600),
        part(5, 6).saturating_mul(60),
        part(0, 5).saturating_mul(2),
        i64::from(hundredths / 100),
    ]
    .into_iter()
    .fold(0i64, i64::saturating_add);
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

/// Days from 1970-01-01 to a day of the Gregorian calendar, after Gauss: the year starts in March, so that a leap day is
/// its last. A month 0 is the December before.
fn days(year: i64, month: i64, day: i64) -> i64 {
    /// Days from the 1st of March of year 0 to 1970-01-01, with the month before that which the sum below has too many.
    const TO_1970: i64 = 719_499;
    let (year, month) = if month > 2 {
        (year, month.saturating_sub(2))
    } else {
        (year.saturating_sub(1), month.saturating_add(10))
    };
    [
        year / 4,
        (year / 100).saturating_neg(),
        year / 400,
        month.saturating_mul(367) / 12,
        day,
        year.saturating_mul(365),
        TO_1970.saturating_neg(),
    ]
    .into_iter()
    .fold(0i64, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        // By `date -u +%s -d`.
        let cases = [
            ((1980, 1, 1), 315_532_800),
            ((1980, 2, 29), 320_630_400),
            ((1999, 12, 31), 946_598_400),
            ((2000, 3, 1), 951_868_800),
            ((2026, 11, 21), 1_795_219_200),
            ((2100, 3, 1), 4_107_542_400),
            ((2107, 12, 31), 4_354_732_800),
        ];
        for ((year, month, day), seconds) in cases {
            let field = (year - 1980) << 25 | month << 21 | day << 16;
            assert_eq!(timestamp(field, 0, 0), Timestamp { seconds, nanoseconds: 0 }, "{year}-{month}-{day}");
        }
    }

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
