//! Names of devices: `/dev/sda` to `/dev/sdz`, then `/dev/sdaa`, as the kernel counts; `/dev/VG/LV` and
//! `/dev/mapper/VG-LV` for logical volumes; `/dev/mapper/ldm_vol_GROUP_VOLUME` for those of dynamic disks.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::DeviceNumber;

/// Major numbers of SCSI disks: 16 disks each (Linux Documentation/admin-guide/devices.txt).
const DISK_MAJORS: [u32; 16] = [8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133, 134, 135];
/// Device numbers of one disk: itself and 15 partitions. Further partitions have the extended major.
const NUMBERS_PER_DISK: u32 = 16;
/// Major number of partitions from 16 on (`BLOCK_EXT_MAJOR`).
const EXTENDED_MAJOR: u32 = 259;

/// The name of disk number `index`, counted from 0.
pub(crate) fn disk(index: usize) -> BString {
    format!("/dev/sd{}", letters(index)).into()
}

/// Name of a partition; after a digit the kernel puts a `p`, which names of disks here never end in.
pub(crate) fn partition(disk: &BString, number: u32) -> BString {
    format!("{disk}{number}").into()
}

/// The number of a disk's or (not 0) partition's device, as `st_dev` shows it for files on it.
pub(crate) fn number(index: usize, partition: u32) -> DeviceNumber {
    let per_major = usize::try_from(256 / NUMBERS_PER_DISK).unwrap_or(1);
    let unit = u32::try_from(index % per_major).unwrap_or(0);
    match DISK_MAJORS.get(index / per_major) {
        Some(&major) if partition < NUMBERS_PER_DISK => {
            DeviceNumber { major, minor: unit * NUMBERS_PER_DISK + partition }
        }
        _ => DeviceNumber { major: EXTENDED_MAJOR, minor: unit * 256 + partition },
    }
}

/// The number of a partition whose disk has none left for it.
pub(crate) fn extended(minor: u32) -> DeviceNumber {
    DeviceNumber { major: EXTENDED_MAJOR, minor }
}

/// A device number as the kernel puts it into a file system identifier (`huge_encode_dev`).
pub(crate) fn encoded(device: DeviceNumber) -> u64 {
    let (major, minor) = (u64::from(device.major), u64::from(device.minor));
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

/// The name of array number `number`.
pub(crate) fn array(number: u32) -> BString {
    format!("/dev/md{number}").into()
}

/// The name of an array's partition: after a digit the kernel puts a `p`.
pub(crate) fn array_partition(array: &BString, number: u32) -> BString {
    format!("{array}p{number}").into()
}

/// Takes `/dev/md127p2` apart: the array's number, and that of the partition if there is one.
pub(crate) fn parse_array(name: &[u8]) -> Option<(u32, Option<u32>)> {
    let rest = name.strip_prefix(b"/dev/md")?;
    match rest.split_once_str("p") {
        Some((array, partition)) => Some((decimal(array)?, Some(decimal(partition)?))),
        None => Some((decimal(rest)?, None)),
    }
}

/// The name of a logical volume.
pub(crate) fn volume(group: &BString, volume: &BString) -> BString {
    format!("/dev/{group}/{volume}").into()
}

/// Its name among device-mapper's devices: hyphens within the two names are doubled.
pub(crate) fn mapper(group: &BString, volume: &BString) -> BString {
    let doubled = |name: &BString| BString::from(name.replace("-", "--"));
    format!("/dev/mapper/{}-{}", doubled(group), doubled(volume)).into()
}

/// Where device-mapper's devices are.
pub(crate) const MAPPER: &str = "/dev/mapper/";

/// The name of one that is no logical volume.
pub(crate) fn mapping(name: &BStr) -> BString {
    [MAPPER.as_bytes(), name].concat().into()
}

/// The other name of device-mapper's device of a number.
pub(crate) fn mapped(minor: usize) -> BString {
    format!("/dev/dm-{minor}").into()
}

/// What the device-mapper devices are called that ldmtool makes of volumes and of partitions.
pub(crate) const LDM_VOLUME: &str = "/dev/mapper/ldm_vol_";
pub(crate) const LDM_PARTITION: &str = "/dev/mapper/ldm_part_";

/// The name of a dynamic disk's volume or partition, which begins with one of the two.
pub(crate) fn ldm(prefix: &str, group: &BString, name: &BString) -> BString {
    let mut device = BString::from(prefix);
    mangle(group, &mut device);
    device.push(b'_');
    mangle(name, &mut device);
    device
}

/// Puts `name` behind `device` as libdevmapper names nodes: bytes that are not on its list, as `\xHH`
/// (dmsetup(8), `--manglename auto`).
fn mangle(name: &BString, device: &mut BString) {
    for &byte in name.iter() {
        if byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte) {
            device.push(byte);
        } else {
            device.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
}

/// The letters of disk number `index`, counted from 0.
fn letters(index: usize) -> String {
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
pub(crate) fn parse(name: &[u8]) -> Option<(usize, Option<u32>)> {
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
pub(crate) fn decimal(text: &[u8]) -> Option<u32> {
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
    fn names_of_dynamic_volumes_have_no_byte_that_libdevmapper_would_not_write() {
        let name = |group: &str, volume: &str| ldm(LDM_VOLUME, &group.into(), &volume.into());
        assert_eq!(name("WIN-Dg0", "Volume1"), "/dev/mapper/ldm_vol_WIN-Dg0_Volume1");
        assert_eq!(name("a b/c", "é\\"), "/dev/mapper/ldm_vol_a\\x20b\\x2fc_\\xc3\\xa9\\x5c");
    }

    #[test]
    fn arrays_are_counted_in_numbers() {
        assert_eq!(array_partition(&array(127), 2), "/dev/md127p2");
        for (name, parts) in [
            ("/dev/md127", Some((127, None))),
            ("/dev/md0p12", Some((0, Some(12)))),
            ("/dev/md", None),
            ("/dev/md01", None),
            ("/dev/md1p", None),
            ("/dev/md/0", None),
            ("/dev/sda", None),
        ] {
            assert_eq!(parse_array(name.as_bytes()), parts, "{name}");
        }
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
