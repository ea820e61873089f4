//! Records of pax headers: `LENGTH KEYWORD=VALUE\n`, where LENGTH counts all of it.

use bstr::ByteSlice;

use super::Time;

/// Nanoseconds in a second.
const NANOS: u32 = 1_000_000_000;

/// Appends a record.
pub(super) fn push(records: &mut Vec<u8>, keyword: &[u8], value: &[u8]) {
    // A space, `=` and a newline.
    let rest = keyword.len().saturating_add(value.len()).saturating_add(3);
    // The length counts its own digits.
    let mut length = rest;
    while length != rest.saturating_add(length.to_string().len()) {
        length = rest.saturating_add(length.to_string().len());
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(keyword);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Takes the first record off `records`: keyword and value. `None` if there is no whole one.
pub(super) fn take<'a>(records: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let space = records.find_byte(b' ')?;
    let length: usize = number(records.get(..space)?)?.try_into().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = record.find_byte(b'=')?;
    *records = rest;
    Some((record.get(..equals)?, record.get(equals.checked_add(1)?..)?))
}

/// A decimal number without sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.to_str().ok()?.parse().ok()
}

/// A time in seconds with a fraction, in the shortest form.
pub(super) fn time_text(time: Time) -> String {
    // The fraction of a damaged inode can have a second and more.
    let carry = i64::from(time.nanoseconds / NANOS);
    let (seconds, nanos) = (time.seconds.saturating_add(carry), time.nanoseconds % NANOS);
    if nanos == 0 {
        return seconds.to_string();
    }
    let text = if seconds < 0 {
        // -1.25 is three quarters of a second after -2.
        let whole = seconds.saturating_add(1).unsigned_abs();
        format!("-{whole}.{:09}", NANOS.saturating_sub(nanos))
    } else {
        format!("{seconds}.{nanos:09}")
    };
    text.trim_end_matches('0').to_owned()
}

/// A time in seconds with or without a fraction. Digits past nanoseconds are cut off.
pub(super) fn parse_time(text: &[u8]) -> Option<Time> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once_str(b".").unwrap_or((digits, b""));
    let whole = i64::try_from(number(whole)?).ok()?;
    let mut nanos = 0u32;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for n in 0..9 {
        let digit = fraction.get(n).map_or(0, |digit| digit.saturating_sub(b'0'));
        nanos = nanos.saturating_mul(10).saturating_add(digit.into());
    }
    Some(match (negative, nanos) {
        (false, nanoseconds) => Time { seconds: whole, nanoseconds },
        (true, 0) => Time { seconds: whole.saturating_neg(), nanoseconds: 0 },
        (true, nanos) => Time {
            seconds: whole.saturating_neg().saturating_sub(1),
            nanoseconds: NANOS.saturating_sub(nanos),
        },
    })
}

/// The name of an extended attribute in a keyword, where `=` would end it. As GNU tar does it.
pub(super) fn escape(name: &[u8]) -> Vec<u8> {
    name.replace("%", "%25").replace("=", "%3D")
}

/// The reverse of [`escape`].
pub(super) fn unescape(name: &[u8]) -> Vec<u8> {
    name.replace("%3D", "=").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_its_own_digits() {
        for len in [0, 1, 85, 86, 87, 88, 89, 90, 91, 985, 986, 987, 9_980, 9_981] {
            let mut records = Vec::new();
            push(&mut records, b"path", &vec![b'x'; len]);
            let mut rest = records.as_slice();
            assert_eq!(take(&mut rest), Some((&b"path"[..], vec![b'x'; len].as_slice())), "{len}");
            assert!(rest.is_empty());
            assert!(records.starts_with(records.len().to_string().as_bytes()));
        }
        for broken in [
            "",
            "6 a=b",
            "99 a=b\n",
            "5 a=b\n",
            "7 a=b\n",
            "6 ab\n\n",
            "x a=b\n",
            "18446744073709551616 a=b\n",
            "-6 a=b\n",
        ] {
            assert_eq!(take(&mut broken.as_bytes()), None, "{broken:?}");
        }
    }

    #[test]
    fn times_keep_their_nanoseconds_on_both_sides_of_1970() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1_700_000_000, 999_999_999, "1700000000.999999999"),
            (5, 500_000_000, "5.5"),
            (-1, 0, "-1"),
            (-1, 750_000_000, "-0.25"),
            (-2, 750_000_000, "-1.25"),
            (-2_147_483_648, 1, "-2147483647.999999999"),
            (8_000_000_000, 1, "8000000000.000000001"),
        ] {
            let time = Time { seconds, nanoseconds };
            assert_eq!(time_text(time), text);
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
        }
        assert_eq!(time_text(Time { seconds: 1, nanoseconds: 1_000_000_000 }), "2");
        assert_eq!(parse_time(b"1.1234567899"), Some(Time { seconds: 1, nanoseconds: 123_456_789 }));
        for wrong in ["", "-", ".", "1.x", "a", "1e3", "99999999999999999999"] {
            assert_eq!(parse_time(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn attribute_names_with_an_equals_sign_survive() {
        for name in ["user.a", "user.a=b", "user.%3D", "user.100%", "user.%25="] {
            assert_eq!(unescape(&escape(name.as_bytes())), name.as_bytes());
            assert!(!escape(name.as_bytes()).contains(&b'='));
        }
    }
}
