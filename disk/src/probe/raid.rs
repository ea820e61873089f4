//! Parts of larger volumes, and encrypted containers: LVM2, LUKS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::Result;
use crate::bytes::Fields;
use crate::crc::crc32;

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("LVM2_member", Usage::Raid, LVM2, lvm2),
    Prober::new("crypto_LUKS", Usage::Crypto, LUKS, luks),
];

/// The type in a label, which lies in one of the first four sectors.
const LVM2: &[Magic] = &[
    magic(0x018, b"LVM2 001"),
    magic(0x218, b"LVM2 001"),
    magic(0x418, b"LVM2 001"),
    magic(0x618, b"LVM2 001"),
];
/// Starting value of LVM2's checksums.
const LVM2_CRC_START: u32 = 0xf597_a6cf;

/// Label: mark, sector, checksum of what follows, place of the header, which starts with the identifier.
fn lvm2(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let start = found.at.saturating_sub(0x18);
    let sector = reader.bytes(start, 512)?;
    let valid = sector.starts_with(b"LABELONE")
        && sector.le64(8)?.checked_mul(512) == Some(start)
        && sector.le32(16)? == crc32(LVM2_CRC_START, sector.get(20..).unwrap_or_default());
    if !valid {
        return Ok(None);
    }
    let at = crate::bytes::index(sector.le32(20)?);
    let text = lvm_uuid(sector.slice(at, 32)?);
    Ok(Some(Details { uuid: Some(text), version: Some("LVM2 001".to_owned()), ..Details::default() }))
}

/// An identifier of LVM with its hyphens.
pub(super) fn lvm_uuid(identifier: &[u8]) -> String {
    let mut text = String::new();
    for (position, byte) in identifier.iter().enumerate() {
        // Groups of 6, 4, 4, 4, 4, 4 and 6.
        if [6, 10, 14, 18, 22, 26].contains(&position) {
            text.push('-');
        }
        text.push(char::from(*byte));
    }
    text
}

/// LUKS version 1 and 2 (LUKS2 On-Disk Format Specification 1.1.4).
const LUKS: &[Magic] = &[magic(0, b"LUKS\xba\xbe")];
/// The second headers of LUKS2, at the places that they can have.
const SECOND_LUKS: &[Magic] = &[
    magic(0x4000, SECOND),
    magic(0x8000, SECOND),
    magic(0x1_0000, SECOND),
    magic(0x2_0000, SECOND),
    magic(0x4_0000, SECOND),
    magic(0x8_0000, SECOND),
    magic(0x10_0000, SECOND),
    magic(0x20_0000, SECOND),
    magic(0x40_0000, SECOND),
];
const SECOND: &[u8] = b"SKUL\xba\xbe";

/// A LUKS2 device whose first header is damaged. libblkid looks for that before filesystems, and would so let what is left
/// of a former container hide one; here it counts where nothing else is found, and costs no reads elsewhere.
pub(super) const LAST: Prober = Prober::new("crypto_LUKS", Usage::Crypto, SECOND_LUKS, luks);

fn luks(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let header = reader.bytes(found.at, 512)?;
    let version = header.be16(6)?;
    let details = Details {
        uuid: label(header.slice(168, 40)?).map(|uuid| uuid.to_string()),
        version: Some(version.to_string()),
        ..Details::default()
    };
    Ok(match version {
        1 => Some(details),
        // It states its own place.
        2 if header.be64(256)? == found.at => {
            Some(Details { label: label(header.slice(24, 48)?), ..details })
        }
        _ => None,
    })
}
