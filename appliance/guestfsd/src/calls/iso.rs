//! The primary volume descriptor of an ISO 9660 image (ECMA-119, 8.4). Read here, so no appliance is needed.

use bstr::{BStr, BString, ByteSlice};
use disk::ReadAt;
use libguestfs_core::Result;
use libguestfs_core::api::Isoinfo;

use crate::Guestfsd;
use crate::error::{At, Failure, refused};

/// Where the first volume descriptor is, and how long it is (bytes).
const DESCRIPTOR: u64 = 32_768;
const DESCRIPTOR_LEN: usize = 2048;
/// What the primary one begins with: its type and the standard's name.
const PRIMARY: &[u8] = b"\x01CD001";
/// Digits of a date and time; its zone is the byte after them, in units of 15 minutes.
const DATE_DIGITS: usize = 16;
const ZONE_UNIT: i64 = 15 * 60;
/// Days of 400 years, and from the year 0 to 1970, in the Gregorian calendar.
const DAYS_OF_400_YEARS: i64 = 146_097;
const DAYS_TO_1970: i64 = 719_468;

impl Guestfsd {
    pub(crate) fn isoinfo_device(&mut self, device: &BStr) -> Result<Isoinfo> {
        let device = self.device(device)?;
        let source = self.engine.open_block(device.as_bstr()).at(&device)?;
        let mut descriptor = vec![0; DESCRIPTOR_LEN];
        if source.len() < DESCRIPTOR.saturating_add(DESCRIPTOR_LEN as u64) {
            return Err(not_iso(device.as_bstr()));
        }
        let read = source.read_at(DESCRIPTOR, &mut descriptor);
        read.map_err(|e| Failure::disk(device.as_bstr(), e)).at(&device)?;
        parse(&descriptor).ok_or_else(|| not_iso(device.as_bstr()))
    }

    pub(crate) fn isoinfo(&mut self, isofile: &BStr) -> Result<Isoinfo> {
        let descriptor = self.pread(isofile, DESCRIPTOR_LEN as i32, DESCRIPTOR as i64)?;
        parse(&descriptor).ok_or_else(|| not_iso(isofile))
    }
}

fn not_iso(name: &BStr) -> libguestfs_core::Error {
    refused(format!("{name}: not an ISO file or CD-ROM"))
}

/// The descriptor's fields; `None` if it is none.
fn parse(bytes: &[u8]) -> Option<Isoinfo> {
    if bytes.len() < DESCRIPTOR_LEN || !bytes.starts_with(PRIMARY) {
        return None;
    }
    // Numbers are stored in both byte orders, the little one first.
    let short = |at: usize| Some(u32::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let long = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let text = |at: usize, len: usize| -> Option<BString> {
        let field = bytes.get(at..)?.get(..len)?.trim_end_with(|c| c == ' ');
        // Strings of the protocol end at a NUL.
        Some(field.split(|byte| *byte == 0).next().unwrap_or_default().into())
    };
    let time = |at: usize| Some(seconds(bytes.get(at..)?.first_chunk()?));
    Some(Isoinfo {
        iso_system_id: text(8, 32)?,
        iso_volume_id: text(40, 32)?,
        iso_volume_space_size: long(80)?,
        iso_volume_set_size: short(120)?,
        iso_volume_sequence_number: short(124)?,
        iso_logical_block_size: short(128)?,
        iso_volume_set_id: text(190, 128)?,
        iso_publisher_id: text(318, 128)?,
        iso_data_preparer_id: text(446, 128)?,
        iso_application_id: text(574, 128)?,
        iso_copyright_file_id: text(702, 37)?,
        iso_abstract_file_id: text(739, 37)?,
        iso_bibliographic_file_id: text(776, 37)?,
        iso_volume_creation_t: time(813)?,
        iso_volume_modification_t: time(830)?,
        iso_volume_expiration_t: time(847)?,
        iso_volume_effective_t: time(864)?,
    })
}

/// Seconds since 1970 of a date and time (8.4.26.1); -1 if it is not given or none.
fn seconds(field: &[u8; DATE_DIGITS + 1]) -> i64 {
    let [digits @ .., zone] = field;
    let number = |from: usize, len: usize| -> Option<i64> {
        let part = digits.get(from..)?.get(..len)?;
        part.iter().all(u8::is_ascii_digit).then(|| part.to_str().ok()?.parse().ok()).flatten()
    };
    let parts = || -> Option<i64> {
        let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let time = number(8, 2)? * 3600 + number(10, 2)? * 60 + number(12, 2)?;
        Some(days(year, month, day) * 86_400 + time - i64::from(zone.cast_signed()) * ZONE_UNIT)
    };
    parts().unwrap_or(-1)
}

/// Days since 1970, counted in years that begin in March, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, zone, expected) in [
            ("1970010100000000", 0, 0),
            ("2012031611054600", 0, 1_331_895_946),
            ("2012031611054600", 4, 1_331_892_346),
            ("2000022923595900", -8, 951_868_799 + 7200),
            ("0000000000000000", 0, -1),
            ("20x2031611054600", 0, -1),
        ] {
            let mut field = [0; 17];
            field[..16].copy_from_slice(text.as_bytes());
            field[16] = i8::cast_unsigned(zone);
            assert_eq!(seconds(&field), expected, "{text}");
        }
    }
}
