//! Files: a base record, those that continue it, and what all have in common.
//!
//! A file with more attributes than a record holds has a list of them, which says what is where. Records are read only when
//! something in them is asked for.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", sections `$STANDARD_INFORMATION` and `$ATTRIBUTE_LIST`. The times
//! are shown as ntfs-3g shows them.

use std::borrow::Cow;

use super::Ntfs;
use super::record::{Raw, Record, Reference, Sizes, kind, units};
use super::stream::{Stream, sizes};
use crate::bytes::Fields;
use crate::fs::{InodeId, Timestamp};
use crate::{Context, Error, Result};

/// Most bytes of a list of attributes: more have no Windows and no ntfs-3g.
const MAX_LIST: u64 = 256 << 10;
/// Shortest entry of a list.
const MIN_ENTRY: usize = 26;
/// Seconds from 1601-01-01, where times begin, to 1970-01-01.
const TO_1970: i64 = 11_644_473_600;
/// Units of time (100 ns) in a second.
const TICKS: i64 = 10_000_000;
/// Attributes of a file.
const SYSTEM: u32 = 0x4;
const HIDDEN: u32 = 0x2;
const REPARSE_POINT: u32 = 0x400;

/// A file, directory or anything else that has a name.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) reference: Reference,
    pub(super) record: Record,
    /// All attributes, if not all are in the base record.
    list: Option<Vec<Place>>,
    pub(super) standard: Standard,
}

/// Where a part of an attribute is.
#[derive(Debug, Clone)]
struct Place {
    kind: u32,
    name: Vec<u16>,
    /// First cluster of the attribute that is described there.
    first: u64,
    record: Reference,
}

/// What `$STANDARD_INFORMATION` says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standard {
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) accessed: Timestamp,
    attributes: u32,
}

impl Standard {
    fn parse(bytes: &[u8]) -> Result<Self> {
        Ok(Standard {
            created: time(bytes.le64(0)?),
            modified: time(bytes.le64(8)?),
            changed: time(bytes.le64(16)?),
            accessed: time(bytes.le64(24)?),
            attributes: bytes.le32(32)?,
        })
    }

    pub(super) fn is_reparse_point(self) -> bool {
        self.attributes & REPARSE_POINT != 0
    }
    /// May it be one of the special files of Interix?
    pub(super) fn is_system(self) -> bool {
        self.attributes & SYSTEM != 0
    }
    pub(super) fn is_hidden(self) -> bool {
        self.attributes & HIDDEN != 0
    }
}

impl Inode {
    /// The file whose base record is `record`, as far as that says: no list of attributes is read.
    pub(super) fn base(reference: Reference, record: Record) -> Self {
        Inode { reference, record, list: None, standard: Standard::default() }
    }
}

impl Ntfs {
    /// The file that a directory or a caller names.
    pub(super) fn inode(&self, id: InodeId) -> Result<Inode> {
        let reference = Reference(id.number);
        self.read_inode(reference).context(|| format!("in NTFS file record {}", reference.number()))
    }

    fn read_inode(&self, reference: Reference) -> Result<Inode> {
        let record = self.record(reference)?;
        if record.base.number() != 0 {
            return Err(Error::corrupt(format!("it continues record {}", record.base.number())));
        }
        let mut inode = Inode::base(reference, record);
        self.read_list(&mut inode)?;
        inode.standard = self
            .with_first(&inode, kind::STANDARD_INFORMATION, &[], |raw| Standard::parse(resident(raw)?))?
            .ok_or_else(|| Error::corrupt("it has no standard information"))?;
        Ok(inode)
    }

    /// Reads the list of attributes of `inode`, if it has one.
    pub(super) fn read_list(&self, inode: &mut Inode) -> Result<()> {
        for raw in inode.record.attributes()? {
            let raw = raw?;
            if raw.kind == kind::LIST {
                let bytes = Stream::new(&raw, &self.volume)?.all(&self.volume, MAX_LIST)?;
                inode.list = Some(places(&bytes).context(|| "in a list of attributes".to_owned())?);
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` for all parts of the attribute, in the order of what they describe, until it says that this is enough.
    fn each_part(
        &self,
        inode: &Inode,
        kind: u32,
        name: &[u16],
        mut each: impl FnMut(&Raw<'_>) -> Result<bool>,
    ) -> Result<()> {
        let Some(list) = &inode.list else {
            for raw in inode.record.attributes()? {
                let raw = raw?;
                if raw.kind == kind && raw.name()? == name && !each(&raw)? {
                    break;
                }
            }
            return Ok(());
        };
        for place in list.iter().filter(|place| place.kind == kind && place.name == name) {
            let record = self.part_record(inode, place.record)?;
            let mut found = false;
            for raw in record.attributes()? {
                let raw = raw?;
                if raw.kind == kind && raw.first()? == place.first && raw.name()? == name {
                    found = true;
                    if !each(&raw)? {
                        return Ok(());
                    }
                    break;
                }
            }
            if !found {
                let number = place.record.number();
                return Err(Error::corrupt(format!("record {number} has no part of attribute {kind:#x}")));
            }
        }
        Ok(())
    }

    /// A record that has attributes of `inode`.
    fn part_record<'a>(&self, inode: &'a Inode, reference: Reference) -> Result<Cow<'a, Record>> {
        let number = reference.number();
        if number == inode.reference.number() {
            return Ok(Cow::Borrowed(&inode.record));
        }
        let record = self.record(reference).context(|| format!("in file record {number}"))?;
        if record.base.number() != inode.reference.number() {
            return Err(Error::corrupt(format!("file record {number} belongs to another file")));
        }
        Ok(Cow::Owned(record))
    }

    /// Calls `each` for all parts of all attributes of a kind.
    pub(super) fn each_of_kind(
        &self,
        inode: &Inode,
        kind: u32,
        mut each: impl FnMut(&Raw<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut records = vec![inode.reference];
        for place in inode.list.iter().flatten().filter(|place| place.kind == kind) {
            if !records.iter().any(|known| known.number() == place.record.number()) {
                records.push(place.record);
            }
        }
        for reference in records {
            let record = self.part_record(inode, reference)?;
            for raw in record.attributes()? {
                let raw = raw?;
                if raw.kind == kind {
                    each(&raw)?;
                }
            }
        }
        Ok(())
    }

    /// Records that continue the unnamed data of `inode`, in its order.
    pub(super) fn continued(&self, inode: &Inode) -> Vec<Reference> {
        let is_data = |place: &&Place| place.kind == kind::DATA && place.name.is_empty() && place.first != 0;
        inode.list.iter().flatten().filter(is_data).map(|place| place.record).collect()
    }

    /// What `with` makes of the first part of an attribute, or `None` if there is no such attribute.
    fn with_first<T>(
        &self,
        inode: &Inode,
        kind: u32,
        name: &[u16],
        with: impl Fn(&Raw<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut made = None;
        self.each_part(inode, kind, name, |raw| {
            made = Some(with(raw)?);
            Ok(false)
        })?;
        Ok(made)
    }

    /// Sizes of an attribute, if there is one.
    pub(super) fn sizes(&self, inode: &Inode, kind: u32, name: &[u16]) -> Result<Option<Sizes>> {
        self.with_first(inode, kind, name, sizes)
    }

    /// The value of an attribute, if there is one.
    pub(super) fn stream(&self, inode: &Inode, kind: u32, name: &[u16]) -> Result<Option<Stream>> {
        let mut stream = None;
        self.each_part(inode, kind, name, |raw| {
            match &mut stream {
                None => stream = Some(Stream::new(raw, &self.volume)?),
                Some(stream) => stream.add(raw, &self.volume)?,
            }
            Ok(true)
        })?;
        Ok(stream)
    }

    /// The value of an attribute of `most` bytes, if there is one.
    pub(super) fn value(&self, inode: &Inode, kind: u32, name: &[u16], most: u64) -> Result<Option<Vec<u8>>> {
        match self.stream(inode, kind, name)? {
            Some(mut stream) => stream.all(&self.volume, most).map(Some),
            None => Ok(None),
        }
    }

    /// Names of the streams beside the unnamed one, in their order.
    pub(super) fn stream_names(&self, inode: &Inode) -> Result<Vec<Vec<u16>>> {
        let mut names = Vec::new();
        if let Some(list) = &inode.list {
            let first = |place: &&Place| place.kind == kind::DATA && place.first == 0;
            names.extend(list.iter().filter(first).map(|place| place.name.clone()));
        } else {
            for raw in inode.record.attributes()? {
                let raw = raw?;
                if raw.kind == kind::DATA {
                    names.push(raw.name()?);
                }
            }
        }
        names.retain(|name| !name.is_empty());
        Ok(names)
    }
}

/// The value of an attribute that must be in its record.
pub(super) fn resident<'a>(raw: &Raw<'a>) -> Result<&'a [u8]> {
    match raw.value()? {
        super::record::Value::Resident(bytes) => Ok(bytes),
        super::record::Value::Clusters(_) => {
            Err(Error::corrupt(format!("attribute {:#x} is not in its record", raw.kind)))
        }
    }
}

/// The entries of a list of attributes.
fn places(bytes: &[u8]) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let mut at = 0usize;
    while at < bytes.len() {
        let len = usize::from(bytes.le16(at.saturating_add(4))?);
        let entry = bytes.slice(at, len)?;
        if len < MIN_ENTRY {
            return Err(Error::corrupt(format!("an entry of {len} bytes")));
        }
        let name = entry.slice(entry.u8(7)?.into(), usize::from(entry.u8(6)?).saturating_mul(2))?;
        places.push(Place {
            kind: entry.le32(0)?,
            name: units(name),
            first: entry.le64(8)?,
            record: Reference(entry.le64(16)?),
        });
        at = at.saturating_add(len);
    }
    Ok(places)
}

/// A time in units of 100 ns since 1601.
fn time(stored: u64) -> Timestamp {
    let since_1970 = i64::from_le_bytes(stored.to_le_bytes()).wrapping_sub(TO_1970.saturating_mul(TICKS));
    let (seconds, ticks) = (since_1970 / TICKS, since_1970 % TICKS);
    // Before 1970 parts of seconds are left out.
    let nanoseconds = u32::try_from(ticks).unwrap_or(0).saturating_mul(100);
    Timestamp { seconds, nanoseconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_ntfs_3g() {
        for (stored, seconds, nanoseconds) in [
            (116_444_736_000_000_000, 0, 0),
            (116_444_736_000_000_001, 0, 100),
            (116_444_735_999_999_999, 0, 0),
            (116_444_735_985_000_000, -1, 0),
            (133_000_000_012_345_678, 1_655_526_401, 234_567_800),
            (0, -11_644_473_600, 0),
        ] {
            assert_eq!(time(stored), Timestamp { seconds, nanoseconds }, "{stored}");
        }
    }
}
