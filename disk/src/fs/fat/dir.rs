//! Directories: entries of 32 bytes, each of which may follow the parts of a long name.
//!
//! Source: Microsoft's FAT specification 1.03, "Directory structure" and "Long file name implementation". Which long name
//! belongs to which entry is decided step by step as Linux does, whatever is left there by systems that know no long
//! names. As there, an empty entry does not end a directory.

use super::name::{SHORT, checksum, push_short};
use super::time::timestamp;
use crate::bytes::Fields;
use crate::fs::Timestamp;
use crate::fs::clusters::{SLOT, Slot, Slots, push_utf8};
use crate::{Error, Result};

/// Attributes of an entry.
const READ_ONLY: u8 = 0x01;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
/// All that a part of a long name has: read-only, hidden, system, volume.
const LONG: u8 = 0x0F;
/// First byte of a deleted entry.
const DELETED: u8 = 0xE5;
/// In the number of a part: the last, which comes first.
const LAST: u8 = 0x40;
/// Most parts, and UTF-16 units of each, and where they are in it.
const MAX_PARTS: u8 = 20;
const PART: usize = 13;
const UNITS: [usize; PART] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// UTF-16 units of a long name at most, with a zero behind it.
const MAX_UNITS: usize = 261;

/// The entries "." and "..", which are not shown.
const DOT: &[u8; SHORT] = b".          ";
const DOT_DOT: &[u8; SHORT] = b"..         ";

/// An entry of a file or directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) short: [u8; SHORT],
    attributes: u8,
    /// The bits for the case of a short name.
    pub(super) case: u8,
    /// First cluster; zero where there is none. Its upper half means something in FAT32 only.
    pub(super) cluster: u32,
    /// Size of a file in bytes.
    pub(super) size: u32,
    created: (u16, u16, u8),
    accessed: u16,
    modified: (u16, u16),
}

impl Entry {
    /// The entry in `slot`; `None` if that has something else, or nothing.
    pub(super) fn read(slot: &[u8; SLOT]) -> Result<Option<Self>> {
        let slot: &[u8] = slot;
        let attributes = slot.u8(11)?;
        if matches!(slot.u8(0)?, 0 | DELETED) || attributes & VOLUME != 0 {
            return Ok(None);
        }
        Ok(Some(Entry {
            short: slot.array(0)?,
            attributes,
            case: slot.u8(12)?,
            cluster: u32::from(slot.le16(20)?) << 16 | u32::from(slot.le16(26)?),
            size: slot.le32(28)?,
            created: (slot.le16(16)?, slot.le16(14)?, slot.u8(13)?),
            accessed: slot.le16(18)?,
            modified: (slot.le16(24)?, slot.le16(22)?),
        }))
    }

    pub(super) fn is_directory(&self) -> bool {
        self.attributes & DIRECTORY != 0
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.attributes & READ_ONLY != 0
    }

    pub(super) fn is_dots(&self) -> bool {
        self.short == *DOT || self.short == *DOT_DOT
    }

    pub(super) fn created(&self) -> Timestamp {
        timestamp(self.created.0, self.created.1, self.created.2)
    }

    /// There is only a date for this.
    pub(super) fn accessed(&self) -> Timestamp {
        timestamp(self.accessed, 0, 0)
    }

    pub(super) fn modified(&self) -> Timestamp {
        timestamp(self.modified.0, self.modified.1, 0)
    }
}

/// What is known of the name of the next entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has none but its short one.
    Short,
    /// More parts of a long name must come; the next one has this number.
    Parts { next: u8, checksum: u8 },
    /// All parts are there.
    Whole { checksum: u8 },
}

/// A walk through the entries of a directory.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    slots: Slots<'a>,
    state: State,
    units: [u16; MAX_UNITS],
}

/// An entry as it is met.
#[derive(Debug)]
pub(super) struct Found<'u> {
    pub(super) entry: Entry,
    pub(super) place: u64,
    /// Its long name.
    long: Option<&'u [u16]>,
}

impl Found<'_> {
    /// Puts the name that is shown into `name`.
    pub(super) fn name(&self, name: &mut Vec<u8>) {
        name.clear();
        match self.long {
            Some(units) => push_utf8(units, name),
            None => push_short(&self.entry, name),
        }
    }

    /// Puts the short name into `name`.
    pub(super) fn short_name(&self, name: &mut Vec<u8>) {
        name.clear();
        push_short(&self.entry, name);
    }

    pub(super) fn has_long_name(&self) -> bool {
        self.long.is_some()
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(slots: Slots<'a>) -> Self {
        Entries { slots, state: State::Short, units: [0; MAX_UNITS] }
    }

    /// The next entry, ".", ".." and those without a name among them.
    pub(super) fn next(&mut self) -> Result<Option<Found<'_>>> {
        while let Some(slot) = self.slots.next()? {
            if let Some((entry, is_long)) = self.take(&slot)? {
                let long = is_long.then_some(&self.units[..]);
                return Ok(Some(Found { entry, place: slot.place, long }));
            }
        }
        Ok(None)
    }

    /// Takes in a slot. If it has an entry: that, and whether the units are its name.
    fn take(&mut self, slot: &Slot) -> Result<Option<(Entry, bool)>> {
        let bytes: &[u8] = &slot.bytes;
        let is_part = bytes.u8(11)? == LONG;
        match self.state {
            State::Parts { next, checksum } if is_part => {
                let number = bytes.u8(0)?;
                if number & !LAST == next && bytes.u8(13)? == checksum {
                    self.part(bytes, next, checksum)?;
                    return Ok(None);
                }
                self.first_part(bytes)
            }
            State::Whole { .. } if is_part && bytes.u8(0)? != DELETED => self.first_part(bytes),
            State::Short if is_part => self.first_part(bytes),
            state => {
                self.state = State::Short;
                let is_long = |entry: &Entry| matches!(state, State::Whole { checksum: sum } if checksum(&entry.short) == sum);
                Ok(Entry::read(&slot.bytes)?.map(|entry| (entry, is_long(&entry))))
            }
        }
    }

    /// Begins a long name, if its last part is here.
    fn first_part(&mut self, bytes: &[u8]) -> Result<Option<(Entry, bool)>> {
        self.state = State::Short;
        let number = bytes.u8(0)?;
        if number & LAST != 0 && (1..=MAX_PARTS).contains(&(number & !LAST)) {
            self.part(bytes, number & !LAST, bytes.u8(13)?)?;
        }
        Ok(None)
    }

    /// Puts a part in its place.
    fn part(&mut self, bytes: &[u8], number: u8, checksum: u8) -> Result<()> {
        let before = number.saturating_sub(1);
        let start = usize::from(before).saturating_mul(PART);
        let (_, units) =
            self.units.split_at_mut_checked(start).ok_or_else(|| Error::corrupt("a name's part"))?;
        for (unit, at) in units.iter_mut().zip(UNITS) {
            *unit = bytes.le16(at)?;
        }
        if let Some(behind) = units.get_mut(PART).filter(|_| bytes.first().is_some_and(|n| n & LAST != 0)) {
            *behind = 0;
        }
        self.state =
            if before == 0 { State::Whole { checksum } } else { State::Parts { next: before, checksum } };
        Ok(())
    }
}
