//! Times of files: as local dates, as seconds since 1970, or as seconds or days before now.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// How times are shown.
#[derive(Debug)]
pub(crate) enum Times {
    /// `2026-11-21 09:46:44` in local time.
    Local(TimeZone),
    /// Seconds since 1970.
    Epoch,
    /// Seconds before now, negative in the future. Now is a parameter, so that one listing has one now.
    Relative(i64),
    /// Whole days before now.
    Days(i64),
}

impl Times {
    /// Local time by the environment's TZ or the system's zone. Reads the zone's file.
    pub(crate) fn local() -> Times {
        Times::Local(TimeZone::system())
    }

    /// Adds the time that is `seconds` after 1970 to `line`.
    pub(crate) fn show(&self, seconds: i64, line: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Times::Local(zone) => {
                let date = Date::from_seconds(seconds.saturating_add(offset(zone, seconds)));
                write!(line, "{date}")
            }
            Times::Epoch => write!(line, "{seconds:10}"),
            Times::Relative(now) => write!(line, "{:8}", now.saturating_sub(seconds)),
            Times::Days(now) => write!(line, "{:3}", now.saturating_sub(seconds) / DAY),
        };
    }
}

/// Offset of local time from UTC, in seconds. Past the years that the zone's rules are good for, the last one holds.
fn offset(zone: &TimeZone, seconds: i64) -> i64 {
    let known = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(known).map_or(0, |at| zone.to_offset(at).seconds().into())
}

/// A date of the Gregorian calendar, without limits on the year.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

impl Date {
    fn from_seconds(seconds: i64) -> Date {
        // Years begin in March here, so that the leap day is the last of its year; 719,468 days lie between
        // 0000-03-01 and 1970-01-01, and 146,097 in the 400 years after which the calendar repeats.
        let days = seconds.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months from March on have 31, 30, 31, 30, 31 days, and so on: 153 in five.
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            second: seconds.rem_euclid(DAY),
        }
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Date { year, month, day, second } = self;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(times: &Times, seconds: i64) -> String {
        let mut line = String::new();
        times.show(seconds, &mut line);
        line
    }

    #[test]
    fn local_dates_have_no_limits() {
        let utc = Times::Local(TimeZone::UTC);
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (-2_203_891_200, "1900-03-01 00:00:00"),
            (-2_147_483_648, "1901-12-13 20:45:52"),
            (15_032_385_535, "2446-05-10 22:38:55"),
            (253_402_300_800, "10000-01-01 00:00:00"),
            (-62_167_219_200, "0-01-01 00:00:00"),
            (i64::MAX, "292277026596-12-04 15:30:07"),
            (i64::MIN, "-292277022657-01-27 08:29:52"),
        ] {
            assert_eq!(shown(&utc, seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_zone_moves_them() {
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let times = Times::Local(zone);
        // The hour at which New York's clocks went forward in 2026.
        assert_eq!(shown(&times, 1_772_953_199), "2026-03-08 01:59:59");
        assert_eq!(shown(&times, 1_772_953_200), "2026-03-08 03:00:00");
        assert_eq!(shown(&times, i64::MAX), "292277026596-12-04 10:30:07");
    }

    #[test]
    fn counted_times_have_their_widths() {
        assert_eq!(shown(&Times::Epoch, 5), "         5");
        assert_eq!(shown(&Times::Epoch, -12_345_678_901), "-12345678901");
        assert_eq!(shown(&Times::Relative(100), 40), "      60");
        assert_eq!(shown(&Times::Relative(100), 140), "     -40");
        for (age, expected) in
            [(0, "  0"), (86_399, "  0"), (86_400, "  1"), (-86_399, "  0"), (-86_400, " -1")]
        {
            assert_eq!(shown(&Times::Days(1_000_000), 1_000_000 - age), expected, "{age}");
        }
    }
}
