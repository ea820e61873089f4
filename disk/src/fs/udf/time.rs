//! Times: a local time to the microsecond, with its distance from UTC.
//!
//! Source: ECMA-167, 1/7.3.

use crate::Result;
use crate::bytes::Fields;
use crate::fs::{Timestamp, calendar};

/// Bytes of a time.
const LEN: usize = 12;
/// The type of a local time, for which alone a distance from UTC counts.
const LOCAL: u16 = 1;
/// A distance from UTC that is not known.
const UNKNOWN: i64 = -2047;
/// Days of a year as the calendar reckons them before leap days.
const DAYS: u32 = 365;

/// The time at byte `at` of `bytes`.
pub(super) fn time(bytes: &[u8], at: usize) -> Result<Timestamp> {
    let field = bytes.slice(at, LEN)?;
    let kind = field.le16(0)?;
    let [month, day, hours, minutes, seconds, hundredths, of_those, of_these] = field.array(4)?;
    let date = [field.le16(2)?.into(), month.into(), day.into()];
    let mut seconds = since_1970(date, [hours, minutes, seconds].map(i64::from));
    if kind >> 12 == LOCAL {
        // Minutes in the low 12 bits, with their sign.
        let zone = i64::from(kind.wrapping_shl(4).cast_signed() >> 4);
        if zone != UNKNOWN {
            seconds = seconds.saturating_sub(zone.saturating_mul(60));
        }
    }
    // As in Linux: some writers leave anything in these three.
    let parts = [hundredths, of_those, of_these].map(u32::from);
    let micros = parts.iter().fold(0u32, |sum, part| sum.saturating_mul(100).saturating_add(*part));
    let is_right = parts.iter().all(|part| *part < 100);
    Ok(Timestamp { seconds, nanoseconds: if is_right { micros.saturating_mul(1000) } else { 0 } })
}

/// Seconds since 1970. A time that is all zeros, for one that is not known, is what Linux makes of it: the year before
/// 0 has 32 bits there, and so have the days of all its years.
fn since_1970(date: [i64; 3], time: [i64; 3]) -> i64 {
    let [0, month @ 0..=2, day] = date else { return calendar::seconds(date, time) };
    let years = 1i64 << 32;
    let days = i64::from(u32::MAX).saturating_mul(DAYS.into());
    let lost = days.saturating_sub(u32::MAX.wrapping_mul(DAYS).into());
    calendar::seconds([years, month, day], time).saturating_sub(lost.saturating_mul(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_to_utc() {
        let at = |kind: u16, rest: [u8; 8]| {
            let mut bytes = kind.to_le_bytes().to_vec();
            bytes.extend(2026u16.to_le_bytes());
            bytes.extend(rest);
            let time = time(&bytes, 0).unwrap();
            (time.seconds, time.nanoseconds)
        };
        let noon = 1_795_219_200 + 12 * 3600 + 1;
        let rest = [11, 21, 12, 0, 1, 98, 76, 54];
        for (kind, seconds) in [
            (0x1000, noon),
            (0x1000 + 90, noon - 90 * 60),
            (0x1000 + (-300i16 as u16 & 0xFFF), noon + 300 * 60),
            (0x1801, noon),
            (90, noon),
            (0x2000 + 90, noon),
        ] {
            assert_eq!(at(kind, rest), (seconds, 987_654_000), "{kind:#x}");
        }
        for bad in 5..8 {
            let mut rest = rest;
            rest[bad] = 100;
            assert_eq!(at(0x1000, rest), (noon, 0));
        }
    }

    #[test]
    fn a_time_of_zeros_is_what_linux_shows() {
        // (1073741823 - 42949672 + 10737418 + 305 + 4294966931 - 719499) days.
        assert_eq!(time(&[0; 12], 0).unwrap().seconds, 5_335_777_306 * 86_400);
    }
}
