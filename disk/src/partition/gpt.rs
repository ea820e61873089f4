//! GUID partition tables (UEFI specification 2.10, chapter 5).
//!
//! ```text
//! sector 0          protective MBR
//! sector 1          header: sizes, checksums, place of the entries     ─┐ primary
//! sectors 2…        entries of 128 (or 256, 512…) bytes                ─┘
//! …                 partitions
//! last sectors      the same entries, then the same header in the very last sector: the backup
//! ```
//!
//! A table counts only behind a protective MBR, and a copy only if header and entries have the right checksums: so
//! does Linux.

use bstr::BString;

use super::{
    Disk, EFI_SYSTEM, Guid, Kind, MAX_PARTITION_NUMBER, Partition, PartitionType, Scheme, Table, mbr,
};
use crate::bytes::{Fields, index};
use crate::crc::crc32;
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// First bytes of a header.
const SIGNATURE: &[u8] = b"EFI PART";
/// Where the primary header lies.
const PRIMARY_HEADER: u64 = 1;
/// Bytes of a header that the specification defines; larger ones may come, up to a sector.
const HEADER_LEN: u32 = 92;
/// Where the header's own checksum stands, taken as zero while it is computed.
const HEADER_CRC: std::ops::Range<usize> = 16..20;
/// Smallest size (bytes) of an entry; the others are this times a power of two.
const ENTRY_LEN: u32 = 128;
/// Largest size of an entry (bytes) that this code accepts. All known programs write 128.
const MAX_ENTRY_LEN: u32 = 4096;
/// Largest number of entries that this code accepts. All known programs write 128.
const MAX_ENTRIES: u32 = 4096;
/// Bytes of the name in an entry: 36 UTF-16 units.
const NAME: std::ops::Range<usize> = 56..128;

/// Reads the GPT of `disk`, whose first sector is `first`; `None` if there is none.
pub(super) fn read<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, first: &[u8]) -> Result<Option<Table>> {
    if !mbr::is_protective(first)? {
        return Ok(None);
    }
    let primary_error = match Header::read(disk, PRIMARY_HEADER).and_then(|header| table(disk, &header)) {
        Ok(table) => return Ok(Some(table)),
        // What cannot be read may be right: the backup could be older.
        Err(error) if error.kind() == ErrorKind::Io => return Err(error.context("GPT")),
        Err(error) => error,
    };
    let last = disk.sectors().saturating_sub(1);
    let backup = Header::read(disk, last).and_then(|header| table(disk, &header));
    match backup {
        Ok(table) => Ok(Some(Table { from_backup: true, ..table })),
        Err(error) if error.kind() == ErrorKind::Io => {
            Err(error.context("GPT: the backup of a damaged primary"))
        }
        Err(_) => Err(primary_error).context(|| "GPT: primary and backup are damaged".to_owned()),
    }
}

/// The fields of a header that has the right checksum.
#[derive(Debug)]
struct Header {
    disk_guid: Guid,
    entries_at: u64,
    entries: u32,
    entry_len: u32,
    entries_crc: u32,
}

impl Header {
    fn read<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, sector: u64) -> Result<Header> {
        let bytes = sector
            .checked_mul(u64::from(disk.sector_size))
            .map(|offset| disk.read(offset, index(disk.sector_size)))
            .transpose()?
            .flatten()
            .ok_or_else(|| Error::corrupt(format!("GPT header at sector {sector} lies past the end")))?;
        if !bytes.starts_with(SIGNATURE) {
            return Err(Error::corrupt(format!("no GPT header at sector {sector}")));
        }
        let len = bytes.le32(12)?;
        if !(HEADER_LEN..=disk.sector_size).contains(&len) {
            return Err(Error::corrupt(format!("GPT header of {len} bytes")));
        }
        let mut summed = bytes.slice(0, index(len))?.to_vec();
        let crc = bytes.le32(HEADER_CRC.start)?;
        if let Some(field) = summed.get_mut(HEADER_CRC) {
            field.fill(0);
        }
        if !crc32(!0, &summed) != crc {
            return Err(Error::corrupt(format!("GPT header at sector {sector} has a wrong checksum")));
        }
        if bytes.le64(24)? != sector {
            return Err(Error::corrupt(format!("GPT header at sector {sector} is that of another sector")));
        }
        let (first_usable, last_usable) = (bytes.le64(40)?, bytes.le64(48)?);
        if last_usable < first_usable || last_usable >= disk.sectors() {
            return Err(Error::corrupt(format!(
                "GPT for sectors {first_usable} to {last_usable} of a disk of {} sectors",
                disk.sectors()
            )));
        }
        Ok(Header {
            disk_guid: Guid(bytes.array(56)?),
            entries_at: bytes.le64(72)?,
            entries: bytes.le32(80)?,
            entry_len: bytes.le32(84)?,
            entries_crc: bytes.le32(88)?,
        })
    }

    /// The entries as they lie on disk, after the check of their sum.
    fn entries<S: ReadAt + ?Sized>(&self, disk: &Disk<'_, S>) -> Result<Vec<u8>> {
        let sane_len =
            (ENTRY_LEN..=MAX_ENTRY_LEN).contains(&self.entry_len) && self.entry_len.is_power_of_two();
        if !sane_len || self.entries > MAX_ENTRIES {
            return Err(Error::unsupported(format!(
                "GPT of {} entries of {} bytes",
                self.entries, self.entry_len
            )));
        }
        let bytes = index(self.entries)
            .checked_mul(index(self.entry_len))
            .zip(self.entries_at.checked_mul(u64::from(disk.sector_size)))
            .map(|(len, offset)| disk.read(offset, len))
            .transpose()?
            .flatten()
            .ok_or_else(|| Error::corrupt("GPT entries lie past the end of the disk"))?;
        if !crc32(!0, &bytes) != self.entries_crc {
            return Err(Error::corrupt("GPT entries have a wrong checksum"));
        }
        Ok(bytes)
    }
}

fn table<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, header: &Header) -> Result<Table> {
    let bytes = header.entries(disk)?;
    let mut partitions = Vec::new();
    for (number, entry) in (1..=MAX_PARTITION_NUMBER).zip(bytes.chunks_exact(index(header.entry_len))) {
        partitions.extend(partition(disk, number, entry)?);
    }
    Ok(Table {
        scheme: Scheme::Gpt,
        disk_guid: Some(header.disk_guid),
        uuid: Some(header.disk_guid.to_string()),
        from_backup: false,
        partitions,
    })
}

/// The partition that an entry describes; `None` for an unused entry and for one that Linux passes over because it
/// does not lie on the disk.
fn partition<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, number: u32, entry: &[u8]) -> Result<Option<Partition>> {
    let type_guid = Guid(entry.array(0)?);
    let (first, last) = (entry.le64(32)?, entry.le64(40)?);
    if type_guid.is_nil() || last >= disk.sectors() {
        return Ok(None);
    }
    let sectors = last.checked_sub(first).and_then(|n| n.checked_add(1));
    let Some((start, len)) = sectors.and_then(|sectors| disk.extent(first, sectors)) else { return Ok(None) };
    let guid = Guid(entry.array(16)?);
    Ok(Some(Partition {
        number,
        start,
        len,
        kind: Kind::Primary,
        partition_type: PartitionType::Gpt(type_guid),
        name: Some(name(entry.slice(NAME.start, NAME.len())?)),
        guid: Some(guid),
        uuid: Some(guid.to_string()),
        attributes: entry.le64(48)?,
        bootable: type_guid == EFI_SYSTEM,
    }))
}

/// UTF-16 up to the first zero, as UTF-8. What is not UTF-16 becomes U+FFFD.
fn name(utf16: &[u8]) -> BString {
    let units =
        utf16.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit)).take_while(|&unit| unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into()
}
