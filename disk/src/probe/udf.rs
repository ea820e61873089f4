//! UDF (OSTA's Universal Disk Format 2.60, on ECMA-167).
//!
//! ```text
//! 32 KiB              volume recognition: "NSR02" or "NSR03" among the descriptors
//! block 256 (or 512)  anchor: place and length of ↓ (the size of blocks shows in where it is found)
//! …                   descriptors: of the primary volume (UUID), of the logical volume (label, revision, place of ↓)
//! …                   integrity of the logical volume: revisions needed to read and to write
//! ```

use super::{Details, Magic, Prober, Reader, Usage, label};
use crate::Result;
use crate::bytes::Fields;

pub(super) const PROBERS: &[Prober] =
    &[Prober { tolerant: true, ..Prober::new("udf", Usage::Filesystem, &[], udf) }];

/// Volume recognition (ECMA-167, 2/8.3): where it starts, least size of a descriptor, as many as libblkid looks at.
const RECOGNITION: u64 = 32768;
const DESCRIPTOR: u64 = 2048;
const MAX_DESCRIPTORS: u64 = 64;
/// What descriptors may be there beside UDF's own.
const KNOWN: [&[u8]; 5] = [b"BEA01", b"BOOT2", b"CD001", b"CDW02", b"TEA01"];
/// Sizes of blocks that are tried, in this order, and blocks in which the anchor may be.
const BLOCK_SIZES: [u32; 4] = [512, 1024, 2048, 4096];
const ANCHORS: [u32; 2] = [256, 512];
/// Descriptors that are looked at behind an anchor. All known programs write 16 blocks.
const MAX_SEQUENCE: u32 = 1024;

/// Identifiers of tags (ECMA-167, 3/7.2.1, 4/7.2.1).
const PRIMARY: u16 = 1;
const ANCHOR: u16 = 2;
const LOGICAL: u16 = 6;
const TERMINATING: u16 = 8;
const INTEGRITY: u16 = 9;

/// Bytes of a descriptor.
const LEN: usize = 512;

fn udf(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    for block_size in BLOCK_SIZES {
        if !is_announced(reader, u64::from(block_size).max(DESCRIPTOR))? {
            continue;
        }
        for number in ANCHORS {
            if let Some(anchor) = descriptor(reader, number, block_size)?
                && anchor.le16(0)? == ANCHOR
            {
                return volume(reader, &anchor, block_size).map(Some);
            }
        }
    }
    Ok(None)
}

/// Is there an NSR descriptor among those of `size` bytes?
fn is_announced(reader: &mut Reader<'_>, size: u64) -> Result<bool> {
    for number in 0..MAX_DESCRIPTORS {
        let at = RECOGNITION.saturating_add(number.saturating_mul(size)).saturating_add(1);
        let id = reader.bytes(at, 5)?;
        if id == b"NSR02" || id == b"NSR03" {
            return Ok(true);
        }
        if !KNOWN.contains(&id.as_slice()) {
            break;
        }
    }
    Ok(false)
}

/// The descriptor in block `number`, if one is there that says so.
fn descriptor(reader: &mut Reader<'_>, number: u32, block_size: u32) -> Result<Option<Vec<u8>>> {
    let bytes = reader.bytes(u64::from(number).saturating_mul(u64::from(block_size)), LEN)?;
    Ok((bytes.le32(12)? == number).then_some(bytes))
}

fn volume(reader: &mut Reader<'_>, anchor: &[u8], block_size: u32) -> Result<Details> {
    let mut details = Details { block_size: Some(block_size), ..Details::default() };
    let (mut revision, mut integrity) = (0, None);
    let first = anchor.le32(20)?;
    let count = anchor.le32(16)?.checked_div(block_size).unwrap_or(0).min(MAX_SEQUENCE);
    for number in first..first.saturating_add(count) {
        let Some(found) = descriptor(reader, number, block_size)? else { break };
        match found.le16(0)? {
            0 | TERMINATING => break,
            PRIMARY if details.uuid.is_none() && is_unicode(found.slice(200, 64)?) => {
                details.uuid = identifier(found.slice(72, 128)?)?;
            }
            LOGICAL => {
                if details.label.is_none() && is_unicode(found.slice(20, 64)?) {
                    let text = dstring(found.slice(84, 128)?)?.unwrap_or_default();
                    details.label = label(text.as_bytes());
                }
                if revision == 0 && found.slice(217, 23)?.starts_with(b"*OSTA UDF Compliant\0") {
                    revision = found.le16(240)?;
                }
                // Without partitions there is none.
                if integrity.is_none() && found.le32(268)? != 0 {
                    integrity = Some((found.le32(432)?, found.le32(436)?)).filter(|place| *place != (0, 0));
                }
            }
            _ => {}
        }
    }
    if let Some((len, number)) = integrity
        && len >= 512
        && let Some(found) = descriptor(reader, number, block_size)?
        && found.le16(0)? == INTEGRITY
        && found.le32(76)? >= 46
    {
        // After two tables with a number for each partition: 32 bytes, two numbers, the revisions.
        let tables = u64::from(found.le32(72)?).saturating_mul(8);
        let at = u64::from(number).saturating_mul(u64::from(block_size)).saturating_add(80 + 40);
        let revisions = reader.bytes(at.saturating_add(tables), 4)?;
        revision = revision.max(revisions.le16(0)?).max(revisions.le16(2)?);
    }
    if revision != 0 {
        let [minor, major] = revision.to_le_bytes();
        details.version = Some(format!("{major:x}.{minor:02x}"));
    }
    Ok(details)
}

/// Is this the character set of UDF (2.1.2)?
fn is_unicode(set: &[u8]) -> bool {
    set.starts_with(b"\0OSTA Compressed Unicode\0")
}

/// A string with its length in its last byte, and in its first that of its units in bits (UDF 2.1.3).
fn dstring(field: &[u8]) -> Result<Option<String>> {
    let [compression, text @ .., len] = field else { return Ok(None) };
    let text = text.get(..usize::from(*len).saturating_sub(1)).unwrap_or(text);
    Ok(match compression {
        8 => Some(text.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()),
        16 => Some(super::utf16(text, u16::from_be_bytes)),
        _ => None,
    })
}

/// The UUID that libblkid makes of the identifier of a volume set (UDF 2.2.2.5), whose first 16 characters are to be
/// unique: as they are, if they are hexadecimal digits; else the last 8 of them, or all, stand for twice as many.
fn identifier(field: &[u8]) -> Result<Option<String>> {
    let Some(text) = dstring(field)? else { return Ok(None) };
    let bytes = text.as_bytes();
    if bytes.len() < 8 {
        return Ok(None);
    }
    let mut start = [0; 16];
    for (to, from) in start.iter_mut().zip(bytes) {
        *to = *from;
    }
    let digits = start.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (time, rest) = start.split_at(8);
    let plain =
        |bytes: &[u8]| bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect::<String>();
    Ok(Some(match digits {
        0..8 => hex(time),
        8..16 => plain(time) + &hex(rest.get(..4).unwrap_or_default()),
        _ => plain(&start),
    }))
}
