//! PRIVHEAD: which disk this is, of which group, and where its data and its copy of the database lie.
//!
//! ```text
//! MBR   sector 6            PRIVHEAD            │ GPT   metadata partition   the database: the same, in the
//!       …                   data                │                            partition's last sector and in 1856
//!       last MiB            the database, with  │       data partition       data
//!                           PRIVHEAD in its sectors 1856 and 2047: the very last one of the disk
//! ```
//!
//! (Linux-NTFS's "LDM Documentation", page PRIVHEAD; on GPT: libldm.)

use bstr::{BString, ByteSlice};

use super::{Uuid, padded};
use crate::bytes::Fields;
use crate::partition::{self, Guid, PartitionType};
use crate::{Error, ErrorKind, ReadAt, Result};

/// First bytes.
const MAGIC: &[u8] = b"PRIVHEAD";
/// The only major version there is; minor ones are 11 (Windows 2000 to 2003) and 12 (later).
const MAJOR: u16 = 2;
/// Bytes of it that are used.
const LEN: usize = 512;
/// Where it lies on an MBR disk (sectors).
const MBR_SECTOR: u64 = 6;
/// Sectors of a database, and where in it the two copies lie.
const DATABASE: u64 = 2048;
const COPIES: [u64; 2] = [2047, 1856];
/// Type of the GPT partition that holds the database: 5808C8AA-7E8F-42E0-85D2-E1E90434CFB3.
const METADATA_PARTITION: Guid = Guid(*b"\xaa\xc8\x08\x58\x8f\x7e\xe0\x42\x85\xd2\xe1\xe9\x04\x34\xcf\xb3");
/// Bytes of a text that is an identifier.
const GUID_LEN: usize = 64;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrivHead {
    pub(super) disk: Uuid,
    pub(super) group: Uuid,
    pub(super) group_name: BString,
    /// Data and database: first sector and number of sectors, of the disk's own size.
    pub(super) data: (u64, u64),
    pub(super) database: (u64, u64),
}

impl PrivHead {
    /// That of `disk`; `None` if it is no dynamic disk.
    pub(super) fn read(disk: &dyn ReadAt) -> Result<Option<PrivHead>> {
        let unit = u64::from(disk.sector_size());
        let places = if partition::is_dynamic(disk)? {
            let last = disk.len().checked_div(unit).unwrap_or(0);
            let database = last.saturating_sub(DATABASE);
            let copies = COPIES.map(|copy| database.saturating_add(copy));
            std::iter::once(MBR_SECTOR).chain(copies).collect::<Vec<_>>()
        } else {
            let table = match partition::read(disk) {
                Ok(table) => table,
                // What is wrong with the table is said by those who need the table.
                Err(error) if error.kind() != ErrorKind::Io => None,
                Err(error) => return Err(error),
            };
            let is_metadata =
                |p: &&partition::Partition| p.partition_type == PartitionType::Gpt(METADATA_PARTITION);
            let Some(table) = table else { return Ok(None) };
            let Some(found) = table.partitions.iter().find(is_metadata) else { return Ok(None) };
            let first = found.start.checked_div(unit).unwrap_or(0);
            let sectors = found.len.checked_div(unit).unwrap_or(0);
            vec![first.saturating_add(sectors).saturating_sub(1), first.saturating_add(COPIES[1])]
        };
        let mut first_error = None;
        for sector in places {
            match PrivHead::at(disk, sector.saturating_mul(unit)) {
                Ok(head) => return Ok(Some(head)),
                Err(error) if error.kind() == ErrorKind::Io => return Err(error),
                Err(error) => _ = first_error.get_or_insert(error),
            }
        }
        Err(first_error.unwrap_or_else(|| Error::corrupt("a dynamic disk without a PRIVHEAD")))
    }

    fn at(disk: &dyn ReadAt, offset: u64) -> Result<PrivHead> {
        let mut bytes = [0; LEN];
        disk.read_at(offset, &mut bytes)?;
        let bytes = bytes.as_slice();
        if !bytes.starts_with(MAGIC) {
            return Err(Error::corrupt(format!("no PRIVHEAD at byte {offset}")));
        }
        let (major, minor) = (bytes.be16(12)?, bytes.be16(14)?);
        if major != MAJOR {
            return Err(Error::unsupported(format!("PRIVHEAD of version {major}.{minor}")));
        }
        let head = PrivHead {
            disk: Uuid::parse(padded(bytes.slice(0x30, GUID_LEN)?))?,
            group: Uuid::parse(padded(bytes.slice(0xb0, GUID_LEN)?))?,
            group_name: padded(bytes.slice(0xf0, 32)?).as_bstr().to_owned(),
            data: (bytes.be64(0x11b)?, bytes.be64(0x123)?),
            database: (bytes.be64(0x12b)?, bytes.be64(0x133)?),
        };
        let unit = u64::from(disk.sector_size());
        let end = |(start, sectors): (u64, u64)| start.checked_add(sectors)?.checked_mul(unit);
        if end(head.database).is_none_or(|end| end > disk.len()) {
            return Err(Error::corrupt(format!(
                "a database of {} sectors from sector {} on, past the end of its disk",
                head.database.1, head.database.0
            )));
        }
        Ok(head)
    }
}
