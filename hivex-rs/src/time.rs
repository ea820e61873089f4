//! Times of a hive: `FILETIME`, units of 100 ns since the beginning of 1601 (MS-DTYP 2.3.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from the beginning of 1601 to that of 1970, all in the Gregorian calendar: 369 years with 89 leap days.
const SECONDS_TO_1970: u64 = (369 * 365 + 89) * 86_400;
/// Units in a second.
const UNITS: u64 = 10_000_000;
/// Nanoseconds of a unit.
const NANOSECONDS: u64 = 100;

/// A time in units of 100 ns since the beginning of 1601, UTC. 0 usually stands for "not known".
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    /// The time that `FileTime` has for `time`; times before 1601 are 0.
    pub fn from_system(time: SystemTime) -> Self {
        let base = SECONDS_TO_1970.saturating_mul(UNITS);
        let units = |duration: Duration| {
            let fraction = u64::from(duration.subsec_nanos()).checked_div(NANOSECONDS).unwrap_or(0);
            duration.as_secs().saturating_mul(UNITS).saturating_add(fraction)
        };
        FileTime(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => base.saturating_add(units(after)),
            Err(before) => base.saturating_sub(units(before.duration())),
        })
    }

    /// Seconds since 1970, which may be negative, and nanoseconds from there on (0 to 999,999,900).
    pub fn to_unix(self) -> (i64, u32) {
        let seconds = i64::try_from(self.0 / UNITS).unwrap_or(i64::MAX);
        let nanoseconds = (self.0 % UNITS).saturating_mul(NANOSECONDS);
        let base = i64::try_from(SECONDS_TO_1970).unwrap_or(i64::MAX);
        (seconds.saturating_sub(base), u32::try_from(nanoseconds).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_same_both_ways() {
        // 1970 in units of FILETIME is in Microsoft's documentation of the conversion to time_t.
        assert_eq!(FileTime::from_system(UNIX_EPOCH), FileTime(116_444_736_000_000_000));
        assert_eq!(FileTime(116_444_736_000_000_000).to_unix(), (0, 0));
        let later = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(FileTime::from_system(later).to_unix(), (1_700_000_000, 123_456_700));
        assert_eq!(FileTime(1).to_unix(), (-11_644_473_600, 100));
        let earlier = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(FileTime::from_system(earlier).to_unix(), (-1, 0));
    }
}
