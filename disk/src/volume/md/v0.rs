//! Superblocks of version 0.90: 4 KiB of 32-bit words, in the last 128 KiB of a device.

use super::superblock::{MAGIC, Role, Superblock, Version};
use crate::bytes::{Fields, index};
use crate::{Error, ReadAt, Result};

/// Sectors that are reserved at the end; the superblock is at a multiple of this (`MD_RESERVED_SECTORS`).
const RESERVED: u64 = 128;
/// Bytes of a superblock (`MD_SB_BYTES`).
const BYTES: usize = 4096;
/// Minor version from which on a reshape may be going on; the usual one is 90.
const RESHAPED: u32 = 91;
/// Where words are: constant information, state, layout of the level, the list of devices, this device.
const UUID: [usize; 4] = [5, 13, 14, 15];
const CREATED: usize = 6;
const LEVEL: usize = 7;
const SIZE: usize = 8;
const RAID_DISKS: usize = 10;
const STATE: usize = 33;
const CHECKSUM: usize = 38;
const EVENTS: usize = 39;
const RESHAPE_POSITION: usize = 44;
const LAYOUT: usize = 64;
const CHUNK: usize = 65;
const DISKS: usize = 128;
const THIS_DISK: usize = 992;
/// Words of a device in the list, and the most devices (`MD_SB_DISKS`).
const DISK_WORDS: usize = 32;
const MAX_DISKS: u32 = 27;
/// Bits of the state: all writes were finished.
const CLEAN: u32 = 1;
/// Bits of a device's state.
const FAULTY: u32 = 1;
const ACTIVE: u32 = 1 << 1;
const SYNC: u32 = 1 << 2;
const WRITE_MOSTLY: u32 = 1 << 9;
const JOURNAL: u32 = 1 << 18;
/// Where a reshape is that is not going on.
const NO_RESHAPE: u64 = u64::MAX;
/// Most sectors of a member above level 0: sizes are 32 bits of KiB, of which the kernel uses 4 TiB's worth.
const MAX_SECTORS: u64 = (2 << 32) - 2;

/// The superblock of a device, if it has one.
pub(super) fn read(source: &dyn ReadAt) -> Result<Option<Superblock>> {
    let sectors = source.len().checked_div(super::SECTOR).unwrap_or(0);
    let unit = sectors.checked_div(RESERVED).and_then(|units| units.checked_sub(1));
    let Some(start) = unit.and_then(|unit| unit.checked_mul(RESERVED)) else { return Ok(None) };
    let mut bytes = vec![0; BYTES];
    source.read_at(start.saturating_mul(super::SECTOR), &mut bytes)?;
    if bytes.be32(0)? == MAGIC {
        return Err(Error::unsupported(
            "superblock of version 0.90 of a machine with the other order of bytes",
        ));
    }
    if bytes.le32(0)? != MAGIC {
        return Ok(None);
    }
    let word = |number: usize| bytes.le32(number.saturating_mul(4));
    if word(1)? != 0 {
        return Ok(None);
    }
    if checksum(&bytes) != word(CHECKSUM)? {
        return Err(Error::corrupt("superblock of version 0.90 with a wrong checksum"));
    }
    parse(&bytes, start).map(Some)
}

/// The sum of all words but its own, with what is carried added (`calc_sb_csum` of version 0.90).
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.as_chunks::<4>().0.iter().enumerate().filter(|(number, _)| *number != CHECKSUM);
    let sum = words.fold(0_u64, |sum, (_, word)| sum.saturating_add(u32::from_le_bytes(*word).into()));
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
}

fn parse(bytes: &[u8], start: u64) -> Result<Superblock> {
    let word = |number: usize| bytes.le32(number.saturating_mul(4));
    let long = |number: usize| bytes.le64(number.saturating_mul(4));
    let minor = word(2)?;
    let mut uuid = Vec::new();
    for number in UUID {
        // mdadm shows the words as numbers.
        uuid.extend(word(number)?.to_be_bytes());
    }
    let level = i32::from_le_bytes(bytes.array(LEVEL.saturating_mul(4))?);
    let size = u64::from(word(SIZE)?).saturating_mul(2);
    let state = |at: usize| word(at.saturating_add(4));
    let role = |at: usize| -> Result<Role> {
        let state = state(at)?;
        Ok(match word(at.saturating_add(3))? {
            _ if state & FAULTY != 0 => Role::Faulty,
            _ if state & JOURNAL != 0 => Role::Journal,
            place if state & SYNC != 0 => Role::Active(place),
            place if state & ACTIVE != 0 && minor >= RESHAPED => Role::Recovering(place),
            _ => Role::Spare,
        })
    };
    let mut roles = Vec::new();
    for number in 0..MAX_DISKS {
        roles.push(role(DISKS.saturating_add(index(number).saturating_mul(DISK_WORDS)))?);
    }
    let number = word(THIS_DISK)?;
    let chunk_bytes = u64::from(word(CHUNK)?);
    let obstacle = match minor {
        90 => None,
        RESHAPED if long(RESHAPE_POSITION)? == NO_RESHAPE => None,
        RESHAPED => Some("a reshape is going on"),
        _ => return Err(Error::unsupported(format!("superblock of version 0.{minor}"))),
    };
    if level > 0 && size > start.min(MAX_SECTORS) {
        return Err(Error::corrupt(format!("a member of {start} sectors of which {size} are used")));
    }
    let data_len = if level > 0 { start.min(MAX_SECTORS) } else { start };
    Ok(Superblock {
        version: Version::V0_90,
        uuid: uuid.array(0)?,
        name: Default::default(),
        created: word(CREATED)?.into(),
        level,
        layout: if level == 0 { None } else { Some(word(LAYOUT)?) },
        size,
        chunk: chunk_bytes.checked_div(super::SECTOR).unwrap_or(0),
        raid_disks: word(RAID_DISKS)?,
        events: long(EVENTS)?,
        clean: word(STATE)? & CLEAN != 0,
        data_start: 0,
        data_len,
        number,
        role: roles.get(index(number)).copied().unwrap_or(Role::Spare),
        roles,
        write_mostly: state(THIS_DISK)? & WRITE_MOSTLY != 0,
        obstacle,
        has_partial_parity: false,
        bad_blocks: Vec::new(),
    })
}
