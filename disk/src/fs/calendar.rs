//! Dates of the Gregorian calendar as seconds since 1970, for filesystems that store dates.

/// Seconds from 1970-01-01 00:00:00 to a date (year, month, day) and time (hours, minutes, seconds). Fields out of range
/// count on, and a month 0 is the December before, as in Linux.
pub(super) fn seconds([year, month, day]: [i64; 3], [hours, minutes, seconds]: [i64; 3]) -> i64 {
    /// Days from the 1st of March of year 0 to 1970-01-01, and one month's that the sum below has too many.
    const TO_1970: i64 = 719_499;
    // After Gauss: the year starts in March, so that a leap day is its last.
    let (year, month) = if month > 2 {
        (year, month.saturating_sub(2))
    } else {
        (year.saturating_sub(1), month.saturating_add(10))
    };
    let days = sum([
        year / 4,
        (year / 100).saturating_neg(),
        year / 400,
        month.saturating_mul(367) / 12,
        day,
        year.saturating_mul(365),
        TO_1970.saturating_neg(),
    ]);
    sum([days.saturating_mul(86_400), hours.saturating_mul(3600), minutes.saturating_mul(60), seconds])
}

fn sum<const N: usize>(parts: [i64; N]) -> i64 {
    parts.into_iter().fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        // By `date -u +%s -d`.
        let cases = [
            ([1900, 1, 1], -2_208_988_800),
            ([1970, 1, 1], 0),
            ([1980, 2, 29], 320_630_400),
            ([1999, 12, 31], 946_598_400),
            ([2000, 3, 1], 951_868_800),
            ([2026, 11, 21], 1_795_219_200),
            ([2100, 3, 1], 4_107_542_400),
            ([2155, 12, 31], 5_869_497_600),
        ];
        for (date, want) in cases {
            assert_eq!(seconds(date, [0; 3]), want, "{date:?}");
            assert_eq!(seconds(date, [13, 14, 15]), want + 47_655, "{date:?}");
        }
    }
}
