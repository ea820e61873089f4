//! Sizes for people: at most four characters and a unit that is a power of 1024.

/// Unit letters by power of 1024; none for bytes.
const UNITS: [&str; 9] = ["", "K", "M", "G", "T", "P", "E", "Z", "Y"];

/// `bytes` as `1023`, `1.0K`, `10K`, `1000K`, `1.0M`: one digit after the point below ten units, none from there on,
/// rounded to the nearest and a half to the even digit, as gnulib's human_readable has it.
pub fn size(bytes: u64) -> String {
    amount(bytes, 1)
}

/// As [`size`], of `count` things of `unit` bytes each.
pub fn amount(count: u64, unit: u32) -> String {
    let bytes = u128::from(count) * u128::from(unit);
    let (mut power, mut unit) = (0, 1u128);
    while bytes / unit >= 1024 && power + 1 < UNITS.len() {
        power += 1;
        unit *= 1024;
    }
    if power == 0 {
        return bytes.to_string();
    }
    let tenths = rounded(bytes * 10, unit);
    if tenths < 100 {
        return format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[power]);
    }
    let whole = rounded(bytes, unit);
    // 2^96 bytes would be 64 Ki Y: a last unit with more than four digits, where rounding can go no further.
    if whole == 1024 && power + 1 < UNITS.len() {
        format!("1.0{}", UNITS[power + 1])
    } else {
        format!("{whole}{}", UNITS[power])
    }
}

/// `amount / unit`, rounded half to even.
fn rounded(amount: u128, unit: u128) -> u128 {
    let (whole, rest) = (amount / unit, amount % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1);
    whole + u128::from(up)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_round_to_the_nearest_and_halves_to_even() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1075, "1.0K"),
            (1076, "1.1K"),
            (1280, "1.2K"),
            (1408, "1.4K"),
            (1535, "1.5K"),
            (10137, "9.9K"),
            (10188, "9.9K"),
            (10189, "10K"),
            (10752, "10K"),
            (11776, "12K"),
            (1023999, "1000K"),
            (1048063, "1023K"),
            (1048064, "1.0M"),
            (1048575, "1.0M"),
            (17592186040320, "16T"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(super::size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn amounts_go_past_64_bits() {
        for (count, unit, expected) in [
            (0, 4096, "0"),
            (3, 512, "1.5K"),
            (u64::MAX, 1024, "16Z"),
            (u64::MAX, 1 << 16, "1.0Y"),
            (u64::MAX, u32::MAX, "65536Y"),
        ] {
            assert_eq!(super::amount(count, unit), expected, "{count} of {unit}");
        }
    }
}
