//! Read-only filesystems of media and images: ISO 9660, SquashFS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::Result;
use crate::bytes::Fields;

pub(super) const PROBERS: &[Prober] = &[
    Prober {
        tolerant: true,
        ..Prober::new("iso9660", Usage::Filesystem, &[magic(0x8001, b"CD001")], iso9660)
    },
    Prober::new("squashfs", Usage::Filesystem, SQUASHFS, |reader, found| squashfs(reader, found, true)),
    Prober::new("squashfs3", Usage::Filesystem, SQUASHFS, |reader, found| squashfs(reader, found, false)),
];

/// Volume descriptors (ECMA-119, 8.1): where they start, and the size of each, which is that of a sector (bytes).
const DESCRIPTORS: u64 = 0x8000;
const SECTOR: u32 = 2048;
/// Types of descriptors.
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// Descriptors that are looked at for a Joliet one.
const MAX_DESCRIPTORS: u64 = 16;
/// Escape sequences by which a supplementary descriptor says that it is a Joliet one (UCS-2 of three levels).
const JOLIET: [&[u8]; 3] = [b"%/@", b"%/C", b"%/E"];

fn iso9660(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let primary = reader.bytes(DESCRIPTORS, 2048)?;
    let name = primary.slice(40, 32)?;
    let mut details =
        Details { label: label(name), uuid: date(&primary)?, block_size: Some(SECTOR), ..Details::default() };
    for number in 1..MAX_DESCRIPTORS {
        let at = DESCRIPTORS.saturating_add(number.saturating_mul(u64::from(SECTOR)));
        let Ok(descriptor) = reader.bytes(at, 2048) else { break };
        match descriptor.u8(0)? {
            TERMINATOR => break,
            SUPPLEMENTARY if JOLIET.contains(&descriptor.slice(88, 3)?) => {
                details.label = label(
                    joined(&super::utf16(descriptor.slice(40, 32)?, u16::from_be_bytes), name).as_bytes(),
                );
                details.version = Some("Joliet Extension".to_owned());
                break;
            }
            _ => {}
        }
    }
    Ok(Some(details))
}

/// Joliet has room for 16 characters only, and the primary descriptor for 32: where the first is the start of the
/// second but for case and replaced characters, both give the label together.
fn joined(joliet: &str, primary: &[u8]) -> String {
    let mut label = String::new();
    let mut rest = primary.iter();
    for (wide, narrow) in joliet.chars().zip(rest.by_ref()) {
        let narrow = char::from(*narrow);
        label.push(match (wide, narrow) {
            (wide, '_') => wide,
            ('_', narrow) => narrow,
            (wide, narrow) if wide.eq_ignore_ascii_case(&narrow) => {
                if narrow.is_ascii_uppercase() {
                    wide
                } else {
                    narrow
                }
            }
            _ => return joliet.to_owned(),
        });
    }
    // A shorter name in Joliet was cut there: its end must be the end of the field.
    label.extend(rest.map(|byte| char::from(*byte)));
    label
}

/// The date of the last change, or else of creation, as it stands there: `2022-01-31-23-59-59-00`.
fn date(primary: &[u8]) -> Result<Option<String>> {
    const CREATED: usize = 813;
    const CHANGED: usize = 830;
    for at in [CHANGED, CREATED] {
        let date = primary.slice(at, 17)?;
        let (digits, zone) = date.split_at_checked(16).unwrap_or_default();
        if digits.iter().all(|&digit| digit == b'0') && zone == [0] {
            continue;
        }
        let Ok(text) = std::str::from_utf8(digits) else { continue };
        let part = |range| text.get(range).unwrap_or_default();
        return Ok(Some(
            [part(0..4), part(4..6), part(6..8), part(8..10), part(10..12), part(12..14), part(14..16)]
                .join("-"),
        ));
    }
    Ok(None)
}

/// Marks of either byte order.
const SQUASHFS: &[Magic] = &[magic(0, b"hsqs"), magic(0, b"sqsh")];
/// First version of the present format.
const SQUASHFS_NOW: u16 = 4;

/// SquashFS of version 4, or of an older one, which is another kind to libblkid.
fn squashfs(reader: &mut Reader<'_>, found: &Magic, now: bool) -> Result<Option<Details>> {
    let superblock = reader.bytes(0, 32)?;
    let little = found.bytes == b"hsqs";
    let (major, minor) = if little {
        (superblock.le16(28)?, superblock.le16(30)?)
    } else {
        (superblock.be16(28)?, superblock.be16(30)?)
    };
    if (major >= SQUASHFS_NOW) != now || now && !little {
        return Ok(None);
    }
    Ok(Some(Details { version: Some(format!("{major}.{minor}")), ..Details::default() }))
}
