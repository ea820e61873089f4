//! Dates and times: local time of an unknown place, taken as UTC, which is what a kernel without a time zone does (as
//! that of an appliance).
//!
//! Source: Microsoft's FAT specification 1.03, "Date and time formats". Fields out of range count on, as in Linux.

use crate::fs::Timestamp;

/// Days from 1970-01-01 to 1980-01-01.
const EPOCH_DAYS: i64 = 3652;
/// Days before each month of a year that is no leap year. 0 and 13 to 15 are no months.
const DAYS_BEFORE: [i64; 16] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 0, 0, 0];
/// The one year, from 1980, that four divides and that is no leap year.
const YEAR_2100: i64 = 120;

/// The time of a `date` and a `time` field, and a field of hundredths of a second.
pub(super) fn timestamp(date: u16, time: u16, hundredths: u8) -> Timestamp {
    let [year, month, day] = [date >> 9, (date >> 5) & 0x0F, date & 0x1F].map(i64::from);
    let [hours, minutes, seconds] = [time >> 11, (time >> 5) & 0x3F, (time & 0x1F) << 1].map(i64::from);
    let month = month.max(1);
    let before = usize::try_from(month).ok().and_then(|month| DAYS_BEFORE.get(month)).copied().unwrap_or(0);
    // 1980 is a leap year, whose day shows from March on.
    let mut leap_days = year.saturating_add(3) / 4;
    if year > YEAR_2100 {
        leap_days = leap_days.saturating_sub(1);
    }
    if year % 4 == 0 && year != YEAR_2100 && month > 2 {
        leap_days = leap_days.saturating_add(1);
    }
    let days = [year.saturating_mul(365), leap_days, before, day.max(1).saturating_sub(1), EPOCH_DAYS]
        .into_iter()
        .fold(0i64, i64::saturating_add);
    let seconds = [
        days.saturating_mul(86_400),
        hours.saturating_mul(3600),
        minutes.saturating_mul(60),
        seconds,
        i64::from(hundredths / 100),
    ]
    .into_iter()
    .fold(0i64, i64::saturating_add);
    Timestamp { seconds, nanoseconds: u32::from(hundredths % 100).saturating_mul(10_000_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        let date = |year: u16, month: u16, day: u16| (year - 1980) << 9 | month << 5 | day;
        // By `date -u +%s -d`.
        let cases = [
            (date(1980, 1, 1), 315_532_800),
            (0, 315_532_800),
            (date(1980, 2, 29), 320_630_400),
            (date(1980, 3, 1), 320_716_800),
            (date(1981, 1, 1), 347_155_200),
            (date(1999, 12, 31), 946_598_400),
            (date(2000, 2, 29), 951_782_400),
            (date(2026, 11, 21), 1_795_219_200),
            (date(2100, 2, 28), 4_107_456_000),
            (date(2100, 3, 1), 4_107_542_400),
            (date(2101, 1, 1), 4_133_980_800),
            (date(2107, 12, 31), 4_354_732_800),
        ];
        for (date, seconds) in cases {
            assert_eq!(timestamp(date, 0, 0), Timestamp { seconds, nanoseconds: 0 }, "{date:#x}");
        }
        let time = 23 << 11 | 59 << 5 | 29;
        let late = Timestamp { seconds: 315_532_800 + 86_399, nanoseconds: 990_000_000 };
        assert_eq!(timestamp(0, time, 199), late);
    }
}
