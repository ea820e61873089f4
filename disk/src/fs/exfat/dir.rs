//! Directories: sets of entries, 32 bytes each, that describe a file, its clusters and its name.
//!
//! Source: Microsoft's exFAT specification, sections 6 and 7.

use super::time::timestamp;
use crate::bytes::Fields;
use crate::fs::Timestamp;
use crate::fs::clusters::{SLOT, Slot, Slots};
use crate::{Error, Result};

/// Types of entries: the end of the directory; those that are read here. Of others, bit 7 says that they are in use, and
/// bit 6 that they belong to the set of an entry before them.
const END: u8 = 0x00;
pub(super) const BITMAP: u8 = 0x81;
pub(super) const UP_CASE: u8 = 0x82;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xC0;
const NAME: u8 = 0xC1;
const SECONDARY: u8 = 0xC0;
/// UTF-16 units in an entry of type [`NAME`], from this byte on, and of a name at most.
const NAME_UNITS: usize = 15;
const NAME_OFFSET: usize = 2;
pub(super) const MAX_UNITS: usize = 255;
/// Entries of a set at least. At most it has 256: one byte says how many come after the first.
const MIN_ENTRIES: usize = 3;
/// Attributes.
const READ_ONLY: u16 = 0x01;
const DIRECTORY: u16 = 0x10;
/// Flags of a stream: it can have clusters; they lie together, and the table says nothing of them.
const ALLOCATED: u8 = 0x01;
const NO_CHAIN: u8 = 0x02;

fn starts_set(slot: &Slot) -> bool {
    slot.bytes.first() == Some(&FILE)
}

/// Is `slot` the start of a set of a directory?
pub(super) fn starts_directory(slot: &[u8; SLOT]) -> bool {
    let slot: &[u8] = slot;
    slot.u8(0).is_ok_and(|kind| kind == FILE)
        && slot.le16(4).is_ok_and(|attributes| attributes & DIRECTORY != 0)
}

/// A file or directory, as its set describes it.
#[derive(Debug)]
pub(super) struct Set {
    slots: Vec<[u8; SLOT]>,
    /// Place of the first slot.
    pub(super) place: u64,
}

impl Set {
    /// The set that `first` begins, if it does, with no entry but that yet.
    pub(super) fn begin(first: &Slot) -> Option<Self> {
        let set = Set { slots: vec![first.bytes], place: first.place };
        (starts_set(first) && set.len() >= MIN_ENTRIES).then_some(set)
    }

    /// Adds the next entry; `false` if it cannot come here.
    pub(super) fn add(&mut self, slot: [u8; SLOT]) -> bool {
        let kind = slot.first().copied().unwrap_or(END);
        let after_names = self.slots.last().and_then(|last| last.first()).is_some_and(|last| *last > NAME);
        let fits = match self.slots.len() {
            1 => kind == STREAM,
            2 => kind == NAME,
            _ => kind >= SECONDARY && kind != STREAM && !(kind == NAME && after_names),
        };
        if fits {
            self.slots.push(slot);
        }
        fits
    }

    /// How many entries belong to it, the first included.
    fn len(&self) -> usize {
        let others = self.slots.first().and_then(|first| first.get(1)).copied().unwrap_or(0);
        usize::from(others).saturating_add(1)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.slots.len() >= self.len()
    }

    /// Refuses a set with a wrong checksum.
    pub(super) fn check(&self) -> Result<()> {
        let bytes = self.slots.iter().flatten().enumerate().filter(|(at, _)| !matches!(at, 2 | 3));
        let sum = bytes.fold(0u16, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u16::from(*byte)));
        let stored = self.first()?.le16(2)?;
        if sum == stored {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "a set of entries in place {} with checksum {stored:#06x}, not {sum:#06x}",
            self.place
        )))
    }

    fn first(&self) -> Result<&[u8]> {
        self.slots.first().map(|slot| &slot[..]).ok_or_else(|| Error::corrupt("a set without entries"))
    }

    fn stream(&self) -> Result<&[u8]> {
        self.slots.get(1).map(|slot| &slot[..]).ok_or_else(|| Error::corrupt("a set without clusters"))
    }

    /// Puts the name into `units`.
    pub(super) fn name(&self, units: &mut Vec<u16>) {
        units.clear();
        let parts = self.slots.iter().skip(2).take_while(|slot| slot.first() == Some(&NAME));
        let parts = parts.take(MAX_UNITS / NAME_UNITS);
        let all = parts.flat_map(|slot| slot.get(NAME_OFFSET..).unwrap_or_default().as_chunks::<2>().0);
        units.extend(all.map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0));
    }

    /// Hash of the name in upper case.
    pub(super) fn hash(&self) -> Result<u16> {
        self.stream()?.le16(4)
    }

    pub(super) fn is_directory(&self) -> Result<bool> {
        Ok(self.first()?.le16(4)? & DIRECTORY != 0)
    }

    pub(super) fn is_read_only(&self) -> Result<bool> {
        Ok(self.first()?.le16(4)? & READ_ONLY != 0)
    }

    pub(super) fn content(&self) -> Result<Content> {
        let stream = self.stream()?;
        let flags = stream.u8(1)?;
        let content = Content {
            first: stream.le32(20)?,
            size: stream.le64(24)?,
            valid: stream.le64(8)?,
            chained: flags & NO_CHAIN == 0,
        };
        if content.valid > content.size || (content.size != 0 && flags & ALLOCATED == 0) {
            return Err(Error::corrupt(format!(
                "a stream of entries in place {} that cannot be",
                self.place
            )));
        }
        Ok(content)
    }

    pub(super) fn created(&self) -> Result<Timestamp> {
        let first = self.first()?;
        Ok(timestamp(first.le32(8)?, first.u8(20)?, first.u8(22)?))
    }

    pub(super) fn modified(&self) -> Result<Timestamp> {
        let first = self.first()?;
        Ok(timestamp(first.le32(12)?, first.u8(21)?, first.u8(23)?))
    }

    pub(super) fn accessed(&self) -> Result<Timestamp> {
        let first = self.first()?;
        Ok(timestamp(first.le32(16)?, 0, first.u8(24)?))
    }
}

/// Where the content of a file or directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) first: u32,
    /// Bytes, and how many of them have been written.
    pub(super) size: u64,
    pub(super) valid: u64,
    /// Does the table link the clusters?
    pub(super) chained: bool,
}

impl Content {
    /// What an entry of type [`BITMAP`] or [`UP_CASE`] says.
    pub(super) fn of_table(slot: &[u8]) -> Result<Self> {
        let size = slot.le64(24)?;
        Ok(Content { first: slot.le32(20)?, size, valid: size, chained: true })
    }
}

/// What a walk meets.
#[derive(Debug)]
pub(super) enum Found {
    Whole(Set),
    /// One that is not complete, or not in order.
    Broken {
        place: u64,
    },
}

/// A walk through the sets of a directory.
#[derive(Debug)]
pub(super) struct Sets<'a> {
    slots: Slots<'a>,
    /// A slot that was looked at and may begin a set.
    again: Option<Slot>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(slots: Slots<'a>) -> Self {
        Sets { slots, again: None }
    }

    /// The next set.
    pub(super) fn next(&mut self) -> Result<Option<Found>> {
        while let Some(slot) = self.slot()? {
            if !starts_set(&slot) {
                continue;
            }
            let broken = Ok(Some(Found::Broken { place: slot.place }));
            let Some(mut set) = Set::begin(&slot) else { return broken };
            while !set.is_whole() {
                let Some(slot) = self.slot()? else { return broken };
                if !set.add(slot.bytes) {
                    self.again = Some(slot);
                    return broken;
                }
            }
            return Ok(Some(Found::Whole(set)));
        }
        Ok(None)
    }

    /// The next slot up to the end of the directory, which an entry marks.
    fn slot(&mut self) -> Result<Option<Slot>> {
        let slot = match self.again.take() {
            Some(slot) => Some(slot),
            None => self.slots.next()?,
        };
        Ok(slot.filter(|slot| slot.bytes.first().is_some_and(|kind| *kind != END)))
    }
}
