//! File records and the attributes in them.
//!
//! ```text
//! "FILE" | fixups | sequence, links | flags | base record | attribute, attribute, … , end
//! attribute: type, length | name | value, or (not resident) sizes and runs
//! ```
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", sections "File Record" and "Attribute Header".

use super::fixup;
use crate::bytes::{Fields, index};
use crate::{Error, Result};

/// What a record starts with.
const MAGIC: &[u8; 4] = b"FILE";
/// Flags of a record.
const IN_USE: u16 = 1;
const DIRECTORY: u16 = 2;
/// Bits of a reference that are the record's number; the others are its sequence number.
const NUMBER_BITS: u32 = 48;
/// In place of an attribute's type, after the last.
const END: u32 = 0xFFFF_FFFF;
/// Shortest attribute: a header and no value.
const MIN_ATTRIBUTE: usize = 24;

/// Types of attributes.
pub(super) mod kind {
    pub(in super::super) const STANDARD_INFORMATION: u32 = 0x10;
    pub(in super::super) const LIST: u32 = 0x20;
    pub(in super::super) const VOLUME_INFORMATION: u32 = 0x70;
    pub(in super::super) const DATA: u32 = 0x80;
    pub(in super::super) const INDEX_ROOT: u32 = 0x90;
    pub(in super::super) const INDEX_ALLOCATION: u32 = 0xA0;
    pub(in super::super) const BITMAP: u32 = 0xB0;
    pub(in super::super) const REPARSE_POINT: u32 = 0xC0;
    pub(in super::super) const EA: u32 = 0xE0;
}

/// A reference to a record: its number, and a sequence number that says whether it still is the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference(pub(super) u64);

impl Reference {
    /// Number of the record.
    pub(super) fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    /// Sequence number; 0 fits all.
    fn sequence(self) -> u16 {
        u16::try_from(self.0 >> NUMBER_BITS).unwrap_or(0)
    }
}

/// A record in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    bytes: Vec<u8>,
    pub(super) links: u16,
    pub(super) is_directory: bool,
    /// The record that this one continues; 0 if it starts a file.
    pub(super) base: Reference,
}

impl Record {
    /// Checks the record that `reference` names.
    pub(super) fn parse(mut bytes: Vec<u8>, reference: Reference) -> Result<Self> {
        fixup::fix(&mut bytes, MAGIC)?;
        let sequence = bytes.le16(16)?;
        if reference.sequence() != 0 && reference.sequence() != sequence {
            let wanted = reference.sequence();
            return Err(Error::corrupt(format!("its sequence number is {sequence}, not {wanted}")));
        }
        let flags = bytes.le16(22)?;
        if flags & IN_USE == 0 {
            return Err(Error::corrupt("it is not in use"));
        }
        let used = index(bytes.le32(24)?);
        if used > bytes.len() {
            return Err(Error::corrupt(format!("{used} bytes in use of {}", bytes.len())));
        }
        let (links, base) = (bytes.le16(18)?, Reference(bytes.le64(32)?));
        bytes.truncate(used);
        Ok(Record { bytes, links, is_directory: flags & DIRECTORY != 0, base })
    }

    /// The attributes in their order.
    pub(super) fn attributes(&self) -> Result<Attributes<'_>> {
        Ok(Attributes { bytes: &self.bytes, at: usize::from(self.bytes.le16(20)?) })
    }
}

/// A walk through the attributes of a record.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    fn read(&mut self) -> Result<Option<Raw<'a>>> {
        let kind = self.bytes.le32(self.at)?;
        if kind == END {
            return Ok(None);
        }
        let len = index(self.bytes.le32(self.at.saturating_add(4))?);
        if len < MIN_ATTRIBUTE || !len.is_multiple_of(8) {
            return Err(Error::corrupt(format!("an attribute {kind:#x} of {len} bytes")));
        }
        let bytes = self.bytes.slice(self.at, len)?;
        self.at = self.at.saturating_add(len);
        Ok(Some(Raw { kind, bytes }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Raw<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read();
        if next.is_err() {
            // After an error there is nothing.
            self.bytes = &[];
            self.at = usize::MAX;
        }
        next.transpose()
    }
}

/// An attribute, or a part of one, as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) kind: u32,
    bytes: &'a [u8],
}

/// How an attribute's value is stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// Here.
    Resident(&'a [u8]),
    /// In clusters: this is the part of them from a cluster of the attribute on.
    Clusters(Clusters<'a>),
}

/// A part of an attribute's clusters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clusters<'a> {
    /// First cluster of the attribute that is described here.
    pub(super) first: u64,
    /// Sizes in bytes. They mean something in the first part only.
    pub(super) sizes: Sizes,
    /// A unit of compression in clusters, as a shift; 0 if there is none.
    pub(super) unit_shift: u8,
    /// The runs, packed.
    pub(super) runs: &'a [u8],
}

/// Sizes of an attribute in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// Bytes.
    pub(super) data: u64,
    /// Bytes that were ever written; what follows reads as zeros.
    pub(super) initialized: u64,
    /// Space taken.
    pub(super) allocated: u64,
}

/// Flags of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// Which way of compression, if any.
    pub(super) fn compression(self) -> u16 {
        self.0 & 0xFF
    }
    pub(super) fn is_encrypted(self) -> bool {
        self.0 & 0x4000 != 0
    }
    fn is_sparse(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

impl<'a> Raw<'a> {
    /// Its name; empty for the attribute that has none.
    pub(super) fn name(&self) -> Result<Vec<u16>> {
        let (len, at) = (usize::from(self.bytes.u8(9)?), usize::from(self.bytes.le16(10)?));
        if len == 0 {
            return Ok(Vec::new());
        }
        Ok(units(self.bytes.slice(at, len.saturating_mul(2))?))
    }

    pub(super) fn flags(&self) -> Result<Flags> {
        Ok(Flags(self.bytes.le16(12)?))
    }

    fn is_resident(&self) -> Result<bool> {
        Ok(self.bytes.u8(8)? == 0)
    }

    /// First cluster that is described here: 0 if it is the only or first part.
    pub(super) fn first(&self) -> Result<u64> {
        if self.is_resident()? { Ok(0) } else { self.bytes.le64(16) }
    }

    /// The value.
    pub(super) fn value(&self) -> Result<Value<'a>> {
        let bytes = self.bytes;
        if self.is_resident()? {
            return Ok(Value::Resident(bytes.slice(bytes.le16(20)?.into(), index(bytes.le32(16)?))?));
        }
        let first = bytes.le64(16)?;
        let at = usize::from(bytes.le16(32)?);
        let runs = bytes.slice(at, bytes.len().saturating_sub(at))?;
        let mut sizes = Sizes::default();
        if first == 0 {
            sizes = Sizes { allocated: bytes.le64(40)?, data: bytes.le64(48)?, initialized: bytes.le64(56)? };
            let flags = self.flags()?;
            if flags.compression() != 0 || flags.is_sparse() {
                sizes.allocated = bytes.le64(64)?;
            }
            if i64::try_from(sizes.data).is_err() {
                return Err(Error::corrupt(format!("an attribute with a size of {}", sizes.data)));
            }
        }
        Ok(Value::Clusters(Clusters { first, sizes, unit_shift: bytes.u8(34)?, runs }))
    }
}

/// UTF-16 units in `bytes`.
pub(super) fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
}
