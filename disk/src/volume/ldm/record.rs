//! The five kinds of record (VBLK) of which a database consists.
//!
//! ```text
//! disk group ─► volume ─► component ─► partition ─► disk
//! ```
//!
//! Each record names its parent by a number. All numbers are big-endian; most have a byte before them that says how many
//! bytes they take, as texts have. Sectors are of 512 bytes whatever the disk has. (Linux-NTFS's "LDM Documentation",
//! page VBLK; the fields that follow by a record's flags: libldm.)

use bstr::{BString, ByteSlice};

use super::Uuid;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Bytes of the head of a record: state, flags, kind, length of what follows.
pub(super) const HEAD_LEN: usize = 8;
/// The byte that names the kind holds the kind below and the revision of its form above.
const KIND: u8 = 0x0f;
const REVISION_SHIFT: u32 = 4;
/// Length of the text in a volume that says which state it is in (bytes, padded with zeros).
const STATE_LEN: usize = 14;

/// What a record says about itself while the database is being changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In effect.
    Active,
    /// Written for the change that goes on.
    New,
    /// To be deleted by it.
    Old,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    /// The name of the disk group.
    Group(BString),
    Volume(Volume),
    Component(Component),
    Partition(Partition),
    Disk(Disk),
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Volume {
    pub(super) id: u64,
    pub(super) name: BString,
    pub(super) guid: Uuid,
    pub(super) raid5: bool,
    /// How many components it has.
    pub(super) components: u64,
    /// Sectors.
    pub(super) size: u64,
    /// As in an MBR: what the volume holds.
    pub(super) partition_type: u8,
    /// Where Windows last had it: a drive letter and a colon.
    pub(super) hint: Option<BString>,
}

/// How a component's partitions make it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layout {
    /// Chunks by turns.
    Striped,
    /// One after the other.
    Concatenated,
    /// Chunks by turns, with parity.
    Raid5,
}

/// One copy of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Component {
    pub(super) id: u64,
    /// `ACTIVE` if the copy is up to date.
    pub(super) state: BString,
    pub(super) layout: Layout,
    /// How many partitions it has.
    pub(super) partitions: u64,
    /// Identifier of its volume.
    pub(super) volume: u64,
    /// Sectors; 0 if it is not striped.
    pub(super) chunk: u64,
    /// How many partitions take turns; 0 if it is not striped.
    pub(super) columns: u64,
}

/// A run of sectors of a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) id: u64,
    pub(super) name: BString,
    /// First sector, counted from the start of the disk's data.
    pub(super) start: u64,
    /// Sector of its component at which it begins.
    pub(super) volume_offset: u64,
    /// Sectors.
    pub(super) size: u64,
    /// Identifier of its component.
    pub(super) component: u64,
    /// Identifier of its disk.
    pub(super) disk: u64,
    /// Which column it is.
    pub(super) index: u64,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Disk {
    pub(super) id: u64,
    pub(super) name: BString,
    pub(super) guid: Uuid,
}

impl Record {
    /// Reads a record whose fragments are joined; `None` for one that is not in use.
    ///
    /// # Errors
    /// `Unsupported` for kinds and revisions that are not known, `Corrupt` for fields that lie outside.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(State, Record)>> {
        let state = match bytes.be16(0)? {
            0 => State::Active,
            1 => State::New,
            2 => State::Old,
            other => return Err(Error::unsupported(format!("LDM record in state {other}"))),
        };
        let (flags, kind) = (bytes.u8(2)?, bytes.u8(3)?);
        let (kind, revision) = (kind & KIND, kind >> REVISION_SHIFT);
        let mut fields = Cursor { bytes, at: HEAD_LEN };
        let record = match (kind, revision) {
            (0, _) => return Ok(None),
            (1, 5) => Record::Volume(volume(&mut fields, flags)?),
            (2, 3) => Record::Component(component(&mut fields, flags)?),
            (3, 3) => Record::Partition(partition(&mut fields, flags)?),
            (4, 3 | 4) => Record::Disk(disk(&mut fields, revision)?),
            (5, 3 | 4) => {
                fields.number()?;
                Record::Group(fields.text()?)
            }
            _ => return Err(Error::unsupported(format!("LDM record of kind {kind}, revision {revision}"))),
        };
        Ok(Some((state, record)))
    }
}

/// A volume's flags: fields that follow. The order is that of the record.
const VOLUME_ID1: u8 = 0x08;
const VOLUME_ID2: u8 = 0x20;
const VOLUME_SIZE2: u8 = 0x80;
const VOLUME_HINT: u8 = 0x02;
/// Kinds of volume.
const VOLUME_PLAIN: u8 = 3;
const VOLUME_RAID5: u8 = 4;

fn volume(fields: &mut Cursor<'_>, flags: u8) -> Result<Volume> {
    let id = fields.number()?;
    let name = fields.text()?;
    // The kind as text, and a field of unknown meaning.
    fields.text()?;
    fields.text()?;
    fields.skip(STATE_LEN);
    let raid5 = match fields.u8()? {
        VOLUME_PLAIN => false,
        VOLUME_RAID5 => true,
        other => return Err(Error::unsupported(format!("LDM volume {name} of kind {other}"))),
    };
    // Unknown, the volume's number, zeros, flags.
    fields.skip(1 + 1 + 3 + 1);
    let components = fields.number()?;
    // The transaction that wrote the record, another number.
    fields.skip(8 + 8);
    let size = fields.number()?;
    fields.skip(4);
    let partition_type = fields.u8()?;
    let guid = Uuid(fields.array()?);
    if flags & VOLUME_ID1 != 0 {
        fields.text()?;
    }
    if flags & VOLUME_ID2 != 0 {
        fields.text()?;
    }
    if flags & VOLUME_SIZE2 != 0 {
        fields.number()?;
    }
    let hint = if flags & VOLUME_HINT != 0 { Some(fields.text()?) } else { None };
    Ok(Volume { id, name, guid, raid5, components, size, partition_type, hint })
}

/// A component's flag: it is striped, so size of a chunk and number of columns follow.
const COMPONENT_STRIPED: u8 = 0x10;

fn component(fields: &mut Cursor<'_>, flags: u8) -> Result<Component> {
    let id = fields.number()?;
    fields.text()?;
    let state = fields.text()?;
    let layout = match fields.u8()? {
        1 => Layout::Striped,
        2 => Layout::Concatenated,
        3 => Layout::Raid5,
        other => return Err(Error::unsupported(format!("LDM component of layout {other}"))),
    };
    fields.skip(4);
    let partitions = fields.number()?;
    // The transaction that wrote the record, zeros.
    fields.skip(8 + 8);
    let volume = fields.number()?;
    fields.skip(1);
    let (chunk, columns) =
        if flags & COMPONENT_STRIPED != 0 { (fields.number()?, fields.number()?) } else { (0, 0) };
    Ok(Component { id, state, layout, partitions, volume, chunk, columns })
}

/// A partition's flag: its column follows. Without it, that is the first one.
const PARTITION_INDEX: u8 = 0x08;

fn partition(fields: &mut Cursor<'_>, flags: u8) -> Result<Partition> {
    let id = fields.number()?;
    let name = fields.text()?;
    // Zeros, the transaction that wrote the record.
    fields.skip(4 + 8);
    Ok(Partition {
        id,
        name,
        start: u64::from_be_bytes(fields.array()?),
        volume_offset: u64::from_be_bytes(fields.array()?),
        size: fields.number()?,
        component: fields.number()?,
        disk: fields.number()?,
        index: if flags & PARTITION_INDEX != 0 { fields.number()? } else { 0 },
    })
}

/// Revision of a disk's record that has the identifier as text; later ones have its bytes.
const DISK_WITH_TEXT: u8 = 3;

fn disk(fields: &mut Cursor<'_>, revision: u8) -> Result<Disk> {
    let id = fields.number()?;
    let name = fields.text()?;
    let guid = if revision == DISK_WITH_TEXT { Uuid::parse(&fields.text()?)? } else { Uuid(fields.array()?) };
    Ok(Disk { id, name, guid })
}

/// Fields one after the other.
#[derive(Debug)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// What is skipped past the end shows when the next field is read.
    fn skip(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let field = self.bytes.array(self.at)?;
        self.skip(N);
        Ok(field)
    }

    fn u8(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A number after its length.
    fn number(&mut self) -> Result<u64> {
        let len = usize::from(self.u8()?);
        if len > size_of::<u64>() {
            return Err(Error::corrupt(format!("an LDM number of {len} bytes")));
        }
        let bytes = self.bytes.slice(self.at, len)?;
        self.skip(len);
        Ok(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A text after its length, up to a zero if it has one.
    fn text(&mut self) -> Result<BString> {
        let len = usize::from(self.u8()?);
        let text = self.bytes.slice(self.at, len)?;
        self.skip(len);
        Ok(text.split(|&byte| byte == 0).next().unwrap_or_default().as_bstr().to_owned())
    }
}
