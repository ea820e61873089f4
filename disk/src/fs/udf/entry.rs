//! File entries: what a file is. UDF's inodes, each in a block of its own.
//!
//! Source: ECMA-167, 4/14.6, 4/14.9 to 4/14.11 and 4/14.17; OSTA UDF 2.60, 2.3.4 to 2.3.6 and 3.3.

use super::extents::{self, Form};
use super::file::{Content, File};
use super::partition::{Place, Space};
use super::tag::{ATTRIBUTES, Crc, EXTENDED_FILE_ENTRY, FILE_ENTRY, UNALLOCATED_SPACE, verify};
use super::time::time;
use crate::bytes::{Fields, index};
use crate::fs::{DeviceNumber, FileType, Timestamp};
use crate::{Context, Error, Result};

/// How a file is found: by one entry, the only way that nearly all media know; or by a chain of them, of which the last
/// counts (on media that can be written once).
const DIRECT: u16 = 4;
const CHAINED: u16 = 4096;

/// Flags of the tag of a file entry: the form of the descriptors of extents, and permissions.
const FORM: u16 = 0x0007;
const SET_UID: u16 = 0x0040;
const SET_GID: u16 = 0x0080;
const STICKY: u16 = 0x0100;
/// Forms.
const SHORT: u16 = 0;
const LONG: u16 = 1;
const EXTENDED: u16 = 2;
const EMBEDDED: u16 = 3;

/// Types of files (ECMA-167, 4/14.6.6; OSTA UDF 2.60, 2.3.5.2).
const UNSPECIFIED: u8 = 0;
const DIRECTORY: u8 = 4;
const REGULAR: u8 = 5;
const BLOCK_DEVICE: u8 = 6;
const CHAR_DEVICE: u8 = 7;
const FIFO: u8 = 9;
const SOCKET: u8 = 10;
const SYMLINK: u8 = 12;
pub(super) const VIRTUAL_TABLE: u8 = 248;
const REALTIME: u8 = 249;
pub(super) const METADATA: u8 = 250;
pub(super) const METADATA_MIRROR: u8 = 251;

/// An owner who is not known, and whom Linux shows instead.
const NO_ONE: u32 = u32::MAX;
const OVERFLOW: u32 = 65_534;
/// Permissions of a symbolic link.
const LINK_PERMISSIONS: u16 = 0o777;

/// Where extended attributes are after their header (bytes), and one that says which device a file is.
const FIRST_ATTRIBUTE: usize = 24;
const ATTRIBUTE_HEADER: usize = 12;
const DEVICE: (u32, u8) = (12, 1);

/// Where the fields are that the two kinds of entries have at different places.
struct Layout {
    recorded: usize,
    accessed: usize,
    modified: usize,
    changed: usize,
    /// Of the length of the extended attributes; that of the descriptors follows, and then they themselves.
    lengths: usize,
}

const PLAIN: Layout = Layout { recorded: 64, accessed: 72, modified: 84, changed: 96, lengths: 168 };
const LARGER: Layout = Layout { recorded: 72, accessed: 80, modified: 92, changed: 116, lengths: 208 };

/// A file entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) kind: u8,
    pub(super) permissions: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u16,
    pub(super) size: u64,
    /// Blocks.
    pub(super) recorded: u64,
    pub(super) accessed: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    attributes: Vec<u8>,
    /// The content or the descriptors of its extents.
    area: Vec<u8>,
    form: u16,
}

impl Entry {
    /// Reads the entry at `place`.
    pub(super) fn read(space: &Space, place: Place) -> Result<Self> {
        let doing =
            || format!("reading the file entry in block {} of partition {}", place.block, place.partition);
        Self::parse(space, place).context(doing)
    }

    fn parse(space: &Space, place: Place) -> Result<Self> {
        let found = space.descriptor(place, Crc::Checked)?;
        let at = match found.id {
            FILE_ENTRY => PLAIN,
            EXTENDED_FILE_ENTRY => LARGER,
            id => return Err(Error::corrupt(format!("descriptor {id} instead of a file entry"))),
        };
        let bytes = found.bytes.as_slice();
        match bytes.le16(20)? {
            DIRECT => {}
            CHAINED => return Err(Error::unsupported("a file with a chain of entries (strategy 4096)")),
            other => return Err(Error::unsupported(format!("a file of strategy {other}"))),
        }
        let flags = bytes.le16(34)?;
        let bits = bytes.le32(44)?;
        // Five bits for others, group and owner each; the two upper ones are not POSIX's.
        let mut permissions =
            u16::try_from((bits & 0o7) | (bits >> 2 & 0o70) | (bits >> 4 & 0o700)).unwrap_or(0);
        for (flag, permission) in [(SET_UID, 0o4000), (SET_GID, 0o2000), (STICKY, 0o1000)] {
            permissions |= if flags & flag == 0 { 0 } else { permission };
        }
        let size = bytes.le64(56)?;
        if i64::try_from(size).is_err() {
            return Err(Error::corrupt(format!("a file of {size} bytes")));
        }
        let first = at.lengths.saturating_add(8);
        let attributes = index(bytes.le32(at.lengths)?);
        let area = index(bytes.le32(at.lengths.saturating_add(4))?);
        let id = |at| Ok(Some(bytes.le32(at)?).filter(|id| *id != NO_ONE).unwrap_or(OVERFLOW));
        let entry = Entry {
            place,
            kind: bytes.u8(27)?,
            permissions,
            uid: id(36)?,
            gid: id(40)?,
            links: bytes.le16(48)?,
            size,
            recorded: bytes.le64(at.recorded)?,
            accessed: time(bytes, at.accessed)?,
            modified: time(bytes, at.modified)?,
            changed: time(bytes, at.changed)?,
            attributes: bytes.slice(first, attributes)?.to_vec(),
            area: bytes.slice(first.saturating_add(attributes), area)?.to_vec(),
            form: flags & FORM,
        };
        match entry.form {
            SHORT | LONG => {}
            EMBEDDED if u64::try_from(area).ok() == Some(size) => {}
            EMBEDDED => {
                return Err(Error::corrupt(format!("a file of {size} bytes with {area} in its entry")));
            }
            EXTENDED => return Err(Error::unsupported("extended descriptors of extents")),
            other => return Err(Error::corrupt(format!("descriptors of extents of form {other}"))),
        }
        Ok(entry)
    }

    /// What kind of thing the file is.
    pub(super) fn file_type(&self) -> Result<FileType> {
        Ok(match self.kind {
            UNSPECIFIED | REGULAR | VIRTUAL_TABLE | REALTIME => FileType::Regular,
            DIRECTORY => FileType::Directory,
            BLOCK_DEVICE => FileType::BlockDevice,
            CHAR_DEVICE => FileType::CharDevice,
            FIFO => FileType::Fifo,
            SOCKET => FileType::Socket,
            SYMLINK => FileType::Symlink,
            other => return Err(Error::corrupt(format!("a file of type {other}"))),
        })
    }

    /// Permissions as Linux shows them.
    pub(super) fn shown_permissions(&self) -> u16 {
        if self.kind == SYMLINK { LINK_PERMISSIONS } else { self.permissions }
    }

    /// Has it descriptors of the short form, which metadata files must have?
    pub(super) fn is_short(&self) -> bool {
        self.form == SHORT
    }

    /// Where its content is.
    pub(super) fn content(&self, space: &Space) -> Result<Content> {
        let form = match self.form {
            EMBEDDED => return Ok(Content::Embedded(self.area.clone())),
            LONG => Form::Long,
            _ => Form::Short,
        };
        let extents = extents::read(space, &self.area, form, self.place.partition, self.size);
        let doing = || {
            format!(
                "reading the extents of the file in block {} of partition {}",
                self.place.block, self.place.partition
            )
        };
        Ok(Content::Extents(extents.context(doing)?))
    }

    /// Its content, to be read.
    pub(super) fn open<'a>(&self, space: &'a Space) -> Result<File<'a>> {
        Ok(File::new(space, self.content(space)?, self.size))
    }

    /// Which device it is.
    pub(super) fn device(&self) -> Result<DeviceNumber> {
        let all = self.attributes.as_slice();
        if all.le16(0)? != ATTRIBUTES || all.le32(12)? != self.place.block {
            return Err(Error::corrupt("a device with other than extended attributes"));
        }
        verify(all).context(|| "looking for a device's number".to_owned())?;
        let mut rest = all.get(FIRST_ATTRIBUTE..).unwrap_or_default();
        while rest.len() > ATTRIBUTE_HEADER {
            let len = index(rest.le32(8)?);
            let attribute = rest.slice(0, len)?;
            if len < ATTRIBUTE_HEADER {
                break;
            }
            if (rest.le32(0)?, rest.u8(4)?) == DEVICE {
                return Ok(DeviceNumber::of_linux(attribute.le32(16)?, attribute.le32(20)?));
            }
            rest = rest.get(len..).unwrap_or_default();
        }
        Err(Error::corrupt("a device without a number"))
    }
}

/// Blocks that the table of unallocated space at `place` lists.
pub(super) fn unallocated(space: &Space, place: Place) -> Result<u64> {
    let found = space.descriptor(place, Crc::Checked)?;
    if found.id != UNALLOCATED_SPACE {
        return Err(Error::corrupt(format!("descriptor {} instead of unallocated space", found.id)));
    }
    let bytes = found.bytes.as_slice();
    let form = match bytes.le16(34)? & FORM {
        SHORT => Form::Short,
        LONG => Form::Long,
        other => return Err(Error::unsupported(format!("unallocated space of form {other}"))),
    };
    let area = bytes.slice(40, index(bytes.le32(36)?))?;
    let extents = extents::read(space, area, form, place.partition, u64::MAX)?;
    let block_size = u64::from(space.medium.block_size);
    Ok(extents.iter().filter_map(|extent| u64::from(extent.len).checked_div(block_size)).sum())
}
