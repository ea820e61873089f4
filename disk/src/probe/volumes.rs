//! Parts of larger volumes and encrypted containers beside LVM2, LUKS and RAID: caches, snapshots, replicas, verity and
//! integrity data, VMFS extents, Stratis, VDO, BitLocker.

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Error, Result};

/// Those that come before LVM2 in libblkid's order, and those that come after.
pub(super) const FIRST: &[Prober] = &[
    Prober::new("bcache", Usage::Other, BCACHE, bcache).at_least(8192),
    Prober::new("drbd", Usage::Raid, &[], drbd).at_least(0x10000),
];
pub(super) const OTHERS: &[Prober] = &[
    Prober::new("LVM1_member", Usage::Raid, &[magic(0, b"HM")], lvm1),
    Prober::new("DM_snapshot_cow", Usage::Other, &[magic(0, b"SnAp")], |_, _| Ok(Some(Details::default()))),
    Prober::new("DM_verity_hash", Usage::Crypto, &[magic(0, b"verity\0\0")], verity),
    Prober::new("DM_integrity", Usage::Crypto, &[magic(0, b"integrt\0")], integrity),
    Prober::new("VMFS_volume_member", Usage::Raid, &[magic(1 << 20, b"\x0d\xd0\x01\xc0")], vmfs_volume),
    Prober::new("vdo", Usage::Other, &[magic(0, b"dmvdo001")], vdo),
    Prober::new("stratis", Usage::Other, STRATIS, stratis).at_least(8192),
    Prober::new("BitLocker", Usage::Crypto, BITLOCKER, bitlocker),
];

/// bcache (Linux's `drivers/md/bcache/bcache_ondisk.h`): a superblock in sector 8, which says where it stands.
const BCACHE: &[Magic] =
    &[magic(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81")];

fn bcache(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(0x1000, 128)?;
    if superblock.le64(8)? != 8 {
        return Ok(None);
    }
    Ok(Some(Details { uuid: uuid(&superblock, 0x28)?, ..Details::default() }))
}

/// Size of DRBD's internal metadata at the very end (bytes; drbdmeta(8)).
const DRBD_METADATA: u64 = 4096;
/// Marks, version, and where the device's identifier stands.
const DRBD: [(u32, &str, usize); 3] =
    [(0x8374_026b, "v08", 40), (0x8374_026c, "v08", 40), (0x8374_026d, "v09", 48)];

fn drbd(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let metadata = reader.bytes(reader.len().saturating_sub(DRBD_METADATA), 64)?;
    let mark = metadata.be32(60)?;
    let Some((_, version, at)) = DRBD.into_iter().find(|(known, ..)| *known == mark) else { return Ok(None) };
    let identifier = metadata.be64(at)?;
    Ok(Some(Details {
        uuid: (identifier != 0).then(|| format!("{identifier:x}")),
        version: Some(version.to_owned()),
        ..Details::default()
    }))
}

fn lvm1(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let header = reader.bytes(0, 76)?;
    if ![1, 2].contains(&header.le16(2)?) {
        return Ok(None);
    }
    let identifier = header.slice(44, 32)?;
    if !identifier.iter().all(u8::is_ascii_graphic) {
        return Err(Error::unsupported("an identifier that is no text"));
    }
    Ok(Some(Details { uuid: Some(super::raid::lvm_uuid(identifier)), ..Details::default() }))
}

/// dm-verity (cryptsetup's wiki, "DMVerity": superblock version 1).
fn verity(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let superblock = reader.bytes(0, 32)?;
    let version = superblock.le32(8)?;
    let details =
        Details { uuid: uuid(&superblock, 16)?, version: Some(version.to_string()), ..Details::default() };
    Ok((version == 1).then_some(details))
}

/// dm-integrity (Linux's `drivers/md/dm-integrity.c`): the version follows the mark.
fn integrity(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    let version = reader.bytes(8, 1)?.u8(0)?;
    Ok((version != 0).then(|| Details { version: Some(version.to_string()), ..Details::default() }))
}

/// The form in which VMFS shows identifiers: two little-endian words, a little-endian half, six bytes.
pub(super) fn vmfs_uuid(raw: &[u8]) -> Result<String> {
    let tail: String = raw.slice(10, 6)?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{:08x}-{:08x}-{:04x}-{tail}", raw.le32(0)?, raw.le32(4)?, raw.le16(8)?))
}

/// Where in an extent of VMFS the identifier of its volume stands as text, and its length.
const VMFS_VOLUME_UUID: (u64, usize) = ((1 << 20) + 512 + 20, 35);

fn vmfs_volume(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let header = reader.bytes(found.at, 146)?;
    let volume = label(&reader.bytes(VMFS_VOLUME_UUID.0, VMFS_VOLUME_UUID.1)?);
    let volume = volume.map(|text| String::from_utf8(text.into())).transpose();
    Ok(Some(Details {
        uuid: volume.map_err(|_| Error::unsupported("an identifier that is no text"))?,
        uuid_sub: Some(vmfs_uuid(header.slice(130, 16)?)?),
        version: Some(header.le32(4)?.to_string()),
        ..Details::default()
    }))
}

fn vdo(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    Ok(Some(Details { uuid: uuid(&reader.bytes(40, 16)?, 0)?, ..Details::default() }))
}

/// Stratis (its design document, "On-disk format"): two copies of the superblock, each with a CRC-32C before its mark.
const STRATIS: &[Magic] =
    &[magic(0x204, b"!Stra0tis\x86\xff\x02^\x41rh"), magic(0x1204, b"!Stra0tis\x86\xff\x02^\x41rh")];
/// Where the identifier of the device stands in it, and its length.
const STRATIS_DEVICE: (usize, usize) = (64, 32);

fn stratis(reader: &mut Reader<'_>, _: &Magic) -> Result<Option<Details>> {
    for at in [0x200, 0x1200] {
        let superblock = reader.bytes(at, 512)?;
        if !crc32c(!0, superblock.get(4..).unwrap_or_default()) != superblock.le32(0)? {
            continue;
        }
        let mut text = String::new();
        for (position, byte) in superblock.slice(STRATIS_DEVICE.0, STRATIS_DEVICE.1)?.iter().enumerate() {
            if [8, 12, 16, 20].contains(&position) {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        return Ok(Some(Details { uuid: Some(text), ..Details::default() }));
    }
    Ok(None)
}

/// BitLocker (libbde's description of the format): of Windows Vista, of Windows 7 and later, "To Go".
const BITLOCKER: &[Magic] = &[
    magic(0, b"\xeb\x52\x90-FVE-FS-"),
    magic(0, b"\xeb\x58\x90-FVE-FS-"),
    magic(0, b"\xeb\x58\x90MSWIN4.1"),
];
/// First bytes of the metadata that the header leads to.
const FVE: &[u8] = b"-FVE-FS-";

fn bitlocker(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    let header = reader.bytes(0, 512)?;
    let (metadata_at, serial) = match found.bytes {
        b"\xeb\x52\x90-FVE-FS-" => return Ok(Some(Details::default())),
        b"\xeb\x58\x90-FVE-FS-" => (header.le64(176)?, Some(header.le32(67)?)),
        _ => (header.le64(440)?, None),
    };
    if metadata_at == 0 {
        return Ok(None);
    }
    let metadata = reader.bytes(metadata_at, 12)?;
    if !metadata.starts_with(FVE) {
        return Ok(None);
    }
    Ok(Some(Details {
        uuid: serial.filter(|serial| *serial != 0).map(|serial| format!("{serial:016}")),
        version: Some(metadata.le16(10)?.to_string()),
        ..Details::default()
    }))
}
