//! NTFS.

use super::{Details, Magic, Prober, Reader, Usage, label, magic};
use crate::Result;
use crate::bytes::{Fields, index};

pub(super) const PROBERS: &[Prober] =
    &[Prober::new("ntfs", Usage::Filesystem, &[magic(3, b"NTFS    ")], ntfs)];

/// Number of the record that has the volume's name.
const VOLUME_RECORD: u64 = 3;
/// Type of the attribute that is the name, and of what ends the attributes.
const VOLUME_NAME: u32 = 0x60;
const END: u32 = 0xffff_ffff;
/// First bytes of a record.
const RECORD_MAGIC: &[u8] = b"FILE";
/// Largest record that is read (bytes); all known formatters make 1 or 4 KiB.
const MAX_RECORD: u64 = 64 << 10;

/// A size given as a number of units, or, if negative, as a power of two.
fn size(field: u8, unit: u64) -> Option<u64> {
    let signed = i8::from_le_bytes([field]);
    if signed > 0 {
        u64::from(signed.unsigned_abs()).checked_mul(unit)
    } else {
        1u64.checked_shl(u32::from(signed.unsigned_abs()))
    }
}

fn ntfs(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let boot = reader.bytes(0, 512)?;
    let sector = u64::from(boot.le16(11)?);
    if !sector.is_power_of_two() || !(256..=4096).contains(&sector) {
        return Ok(None);
    }
    // More than 128 sectors are given as a negative power of two.
    let sectors = match boot.u8(13)? {
        n @ (1 | 2 | 4 | 8 | 16 | 32 | 64 | 128) => Some(u64::from(n)),
        n @ 240..=249 => 1u64.checked_shl(u32::from(n.wrapping_neg())),
        _ => None,
    };
    let cluster = sectors.and_then(|n| n.checked_mul(sector));
    let Some((cluster, record)) = cluster.and_then(|c| Some((c, size(boot.u8(0x40).ok()?, c)?))) else {
        return Ok(None);
    };
    if !(1..=MAX_RECORD).contains(&record) {
        return Ok(None);
    }
    let table = boot.le64(0x30)?.saturating_mul(cluster);
    let record_len = usize::try_from(record).unwrap_or_default();
    if !reader.bytes(table, 4)?.starts_with(RECORD_MAGIC) {
        return Ok(None);
    }
    let volume = reader.bytes(table.saturating_add(VOLUME_RECORD.saturating_mul(record)), record_len)?;
    if !volume.starts_with(RECORD_MAGIC) {
        return Ok(None);
    }
    let serial = boot.le64(0x48)?;
    Ok(Some(Details {
        label: volume_name(&volume)?.and_then(|name| label(name.as_bytes())),
        uuid: Some(format!("{serial:016X}")),
        block_size: u32::try_from(sector).ok(),
        ..Details::default()
    }))
}

/// The name of the volume: the resident value of an attribute of its record.
fn volume_name(record: &[u8]) -> Result<Option<String>> {
    let mut at = usize::from(record.le16(20)?);
    // Each attribute has at least its length's own 8 bytes, so this ends.
    while let (Ok(kind), Ok(len)) = (record.le32(at), record.le32(at.saturating_add(4))) {
        if kind == END || len < 8 {
            break;
        }
        if kind == VOLUME_NAME {
            let attribute = record.slice(at, index(len))?;
            let value = attribute.slice(usize::from(attribute.le16(20)?), index(attribute.le32(16)?))?;
            return Ok(Some(super::utf16(value, u16::from_le_bytes)));
        }
        at = at.saturating_add(index(len));
    }
    Ok(None)
}
