//! Superblocks of version 1: 256 bytes and two for each device, in one of three places.

use super::bad_blocks;
use super::superblock::{MAGIC, Role, Superblock, Version};
use super::{MAX_MEMBERS, SECTOR};
use crate::bytes::{Fields, index};
use crate::{Error, ReadAt, Result};

/// The places, in the order in which blkid looks at them.
pub(super) const VERSIONS: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

/// Bytes before the roles of devices.
const HEADER: usize = 256;
/// Where the checksum is, which is not part of its sum.
const CHECKSUM: usize = 216;
/// Role numbers from which on there is no place: spare, failed, journal.
const NO_PLACE: u16 = 0xff00;
const SPARE: u16 = 0xffff;
const FAULTY: u16 = 0xfffe;
const JOURNAL: u16 = 0xfffd;
/// Resync has come to its end.
const DONE: u64 = u64::MAX;
/// Bits of a device's flags.
const WRITE_MOSTLY: u8 = 1;

/// Features (`MD_FEATURE_*`).
const BITMAP: u32 = 1;
const RECOVERING: u32 = 1 << 1;
const RESHAPE: u32 = 1 << 2;
const BAD_BLOCKS: u32 = 1 << 3;
const REPLACEMENT: u32 = 1 << 4;
const RESHAPE_BACKWARDS: u32 = 1 << 5;
const NEW_OFFSET: u32 = 1 << 6;
const RECOVERY_BITMAP: u32 = 1 << 7;
const CLUSTERED: u32 = 1 << 8;
const WRITE_JOURNAL: u32 = 1 << 9;
const PARTIAL_PARITY: u32 = 1 << 10;
const PARTIAL_PARITIES: u32 = 1 << 11;
const RAID0_LAYOUT: u32 = 1 << 12;
/// Those that leave data where they are: what they are for is of no use to a reader. The log of partial parity is of use after an
/// unclean stop alone, in which parity is not trusted anyway.
const HARMLESS: u32 = BITMAP
    | RECOVERING
    | BAD_BLOCKS
    | REPLACEMENT
    | RECOVERY_BITMAP
    | PARTIAL_PARITY
    | PARTIAL_PARITIES
    | RAID0_LAYOUT;

/// Sector of a superblock of that version on a device of so many sectors.
fn place(version: Version, sectors: u64) -> Option<u64> {
    match version {
        Version::V1_1 => Some(0),
        Version::V1_2 => Some(8),
        // A multiple of 4 KiB, at least 8 KiB before the end.
        _ => sectors.checked_sub(16).map(|start| start & !7),
    }
}

/// The superblock of that version of a device, if it has one.
pub(super) fn read(source: &dyn ReadAt, version: Version) -> Result<Option<Superblock>> {
    let sectors = source.len().checked_div(SECTOR).unwrap_or(0);
    let Some(start) = place(version, sectors) else { return Ok(None) };
    let at = start.saturating_mul(SECTOR);
    if at.checked_add(index_len(HEADER)).is_none_or(|end| end > source.len()) {
        return Ok(None);
    }
    let mut bytes = vec![0; HEADER];
    source.read_at(at, &mut bytes)?;
    // One that says it is elsewhere belongs to a partition, or is a copy.
    if bytes.le32(0)? != MAGIC || bytes.le32(4)? != 1 || bytes.le64(144)? != start {
        return Ok(None);
    }
    let devices = index(bytes.le32(220)?);
    if devices > MAX_MEMBERS {
        return Err(Error::corrupt(format!("superblock of version {version} for {devices} devices")));
    }
    bytes.resize(HEADER.saturating_add(devices.saturating_mul(2)), 0);
    if at.checked_add(index_len(bytes.len())).is_none_or(|end| end > source.len()) {
        return Err(Error::corrupt(format!("superblock of version {version} that runs past the end")));
    }
    source.read_at(at, &mut bytes)?;
    if checksum(&bytes) != bytes.le32(CHECKSUM)? {
        return Err(Error::corrupt(format!("superblock of version {version} with a wrong checksum")));
    }
    parse(source, &bytes, version, start, sectors).map(Some)
}

fn index_len(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The sum of all words but its own, and of a half word at the end, with what is carried added (`calc_sb_1_csum`).
fn checksum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let own = CHECKSUM / 4;
    let words = words.iter().enumerate().filter(|(number, _)| *number != own);
    let mut sum = words.fold(0_u64, |sum, (_, word)| sum.saturating_add(u32::from_le_bytes(*word).into()));
    if let [low, high] = rest {
        sum = sum.saturating_add(u16::from_le_bytes([*low, *high]).into());
    }
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
}

/// Why an array with these features can't be read as it lies there.
fn obstacle(features: u32) -> Option<&'static str> {
    [
        (RESHAPE | RESHAPE_BACKWARDS | NEW_OFFSET, "a reshape is going on"),
        (CLUSTERED, "several hosts share it"),
        (WRITE_JOURNAL, "it has a journal of writes"),
        (!HARMLESS, "it has features that are not known"),
    ]
    .into_iter()
    .find(|(bits, _)| features & bits != 0)
    .map(|(_, why)| why)
}

fn parse(
    source: &dyn ReadAt,
    bytes: &[u8],
    version: Version,
    start: u64,
    sectors: u64,
) -> Result<Superblock> {
    let features = bytes.le32(8)?;
    let number = bytes.le32(160)?;
    let raw_roles = bytes.get(HEADER..).unwrap_or_default().as_chunks::<2>().0;
    let role = |raw: u16| match raw {
        FAULTY => Role::Faulty,
        JOURNAL => Role::Journal,
        SPARE | NO_PLACE.. => Role::Spare,
        place => Role::Active(place.into()),
    };
    let roles: Vec<Role> = raw_roles.iter().map(|raw| role(u16::from_le_bytes(*raw))).collect();
    let mut own = roles.get(index(number)).copied().unwrap_or(Role::Spare);
    if let Role::Active(place) = own {
        if features & REPLACEMENT != 0 {
            own = Role::Replacing(place);
        } else if features & RECOVERING != 0 {
            own = Role::Recovering(place);
        }
    }
    let (data_start, data_len) = (bytes.le64(128)?, bytes.le64(136)?);
    // Version 1.0 lies behind the data, the others before them.
    let room = if version == Version::V1_0 { start } else { sectors };
    if own != Role::Spare && data_start.checked_add(data_len).is_none_or(|end| end > room) {
        return Err(Error::corrupt(format!(
            "data from sector {data_start} on, {data_len} sectors long, on a member of {room}"
        )));
    }
    let level = i32::from_le_bytes(bytes.array(72)?);
    let mut bad_blocks = Vec::new();
    if features & BAD_BLOCKS != 0 {
        bad_blocks = bad_blocks::read(source, bytes, start)?;
    }
    let name = bytes.slice(32, 32)?;
    Ok(Superblock {
        version,
        uuid: bytes.array(16)?,
        name: name.split(|byte| *byte == 0).next().unwrap_or_default().into(),
        created: bytes.le64(64)?,
        level,
        layout: (level != 0 || features & RAID0_LAYOUT != 0).then_some(bytes.le32(76)?),
        size: bytes.le64(80)?,
        chunk: bytes.le32(88)?.into(),
        raid_disks: bytes.le32(92)?,
        events: bytes.le64(200)?,
        clean: bytes.le64(208)? == DONE,
        data_start,
        data_len,
        number,
        roles,
        role: own,
        write_mostly: bytes.u8(184)? & WRITE_MOSTLY != 0,
        obstacle: obstacle(features),
        has_partial_parity: features & (PARTIAL_PARITY | PARTIAL_PARITIES) != 0,
        bad_blocks,
    })
}
