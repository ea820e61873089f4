//! Names of devices: `/dev/sda` to `/dev/sdz`, then `/dev/sdaa`, as the kernel counts; `/dev/VG/LV` and
//! `/dev/mapper/VG-LV` for logical volumes.

use bstr::{BString, ByteSlice};

/// The name of a logical volume.
pub(super) fn volume(group: &BString, volume: &BString) -> BString {
    format!("/dev/{group}/{volume}").into()
}

/// Its name among device-mapper's devices: hyphens within the two names are doubled.
pub(super) fn mapper(group: &BString, volume: &BString) -> BString {
    let doubled = |name: &BString| BString::from(name.replace("-", "--"));
    format!("/dev/mapper/{}-{}", doubled(group), doubled(volume)).into()
}

/// The letters of disk number `index`, counted from 0.
pub(super) fn letters(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index;
    loop {
        letters.push(b"abcdefghijklmnopqrstuvwxyz"[rest % 26]);
        rest /= 26;
        if rest == 0 {
            break;
        }
        rest -= 1;
    }
    letters.iter().rev().map(|&l| char::from(l)).collect()
}

/// Takes `/dev/sdb3` apart: disk number from 0, and partition number if there is one.
///
/// The letter before `d` does not matter: `/dev/vdb3` and `/dev/hdb3` are the same disk, as the original daemon has it.
pub(super) fn parse(name: &[u8]) -> Option<(usize, Option<u32>)> {
    let rest = name.strip_prefix(b"/dev/")?;
    let [bus, b'd', rest @ ..] = rest else { return None };
    if !bus.is_ascii_lowercase() {
        return None;
    }
    let letters = rest.iter().take_while(|b| b.is_ascii_lowercase()).count();
    let (letters, number) = rest.split_at_checked(letters)?;
    let mut disk: usize = 0;
    for &letter in letters {
        disk = disk.checked_mul(26)?.checked_add(usize::from(letter - b'a') + 1)?;
    }
    let disk = disk.checked_sub(1)?;
    Some((disk, if number.is_empty() { None } else { Some(decimal(number)?) }))
}

/// A decimal number without a sign or leading zeros.
pub(super) fn decimal(text: &[u8]) -> Option<u32> {
    if text.starts_with(b"0") && text.len() > 1 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_of_volumes_are_doubled_for_the_device_mapper() {
        assert_eq!(volume(&"vg-a".into(), &"lv".into()), "/dev/vg-a/lv");
        assert_eq!(mapper(&"vg-a".into(), &"lv-b".into()), "/dev/mapper/vg--a-lv--b");
    }

    #[test]
    fn disks_are_counted_in_letters() {
        for (index, text) in
            [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (52, "ba"), (701, "zz"), (702, "aaa")]
        {
            assert_eq!(letters(index), text);
            assert_eq!(parse(format!("/dev/sd{text}").as_bytes()), Some((index, None)));
        }
        assert_eq!(parse(b"/dev/vdb12"), Some((1, Some(12))));
        for bad in
            ["/dev/sd", "/dev/sd1", "/dev/sda01", "/dev/sda1x", "/dev/sdA", "/dev/xvda", "sda", "/dev/sda "]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(format!("/dev/sd{}", "z".repeat(40)).as_bytes()), None);
    }
}
