//! Master boot records: four primary partitions, of which extended ones hold a chain of logical ones.
//!
//! ```text
//! sector 0   code │ 440: disk identifier │ 446: four entries of 16 bytes │ 510: 55 AA
//! extended   each link: a sector of the same form: entry 1 is a logical partition relative to this sector,
//!            entry 2 the next link relative to the extended partition's start
//! ```
//!
//! The rules for what counts and in which order it is numbered are those of Linux's `msdos` partition scanner.

use super::{DYNAMIC_DISK, Disk, Kind, MAX_PARTITION_NUMBER, Partition, PartitionType, Scheme, Table};
use crate::bytes::Fields;
use crate::{Error, ReadAt, Result};

/// At byte 510 of any boot record.
const SIGNATURE: (usize, [u8; 2]) = (510, [0x55, 0xaa]);
/// Where the disk identifier stands.
const DISK_ID: usize = 440;
/// Where the entries stand, their size in bytes and their number.
const ENTRIES: usize = 446;
const ENTRY_LEN: usize = 16;
const ENTRY_COUNT: usize = 4;
/// Value of an entry's first byte for the partition to boot from. Any value but this and 0 means that the sector is
/// no partition table.
const ACTIVE: u8 = 0x80;
/// Type of the entry that says "a GPT is here".
const GPT_PROTECTIVE: u8 = 0xee;
/// Types of an extended partition.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// First bytes of AIX's boot record: "IBMA" in EBCDIC.
const AIX_MAGIC: [u8; 4] = [0xc9, 0xc2, 0xd4, 0xc1];
/// Number of the first logical partition.
const FIRST_LOGICAL: u32 = 5;
/// Links of a chain that Linux follows without finding a partition in them.
const MAX_EMPTY_LINKS: u32 = 100;

/// Tables within a partition, by the partition's type: name, and where (byte in the partition) which bytes show that
/// one is there. (Linux: `block/partitions/msdos.c`, as facts.)
const NESTED: [(u8, &str, u64, &[u8]); 7] = [
    (0xa5, "FreeBSD slices", 512, b"\x57\x45\x56\x82"),
    (0xa6, "OpenBSD slices", 512, b"\x57\x45\x56\x82"),
    (0xa9, "NetBSD slices", 512, b"\x57\x45\x56\x82"),
    (0x82, "Solaris slices", 512 + 12, b"\xee\xde\x0d\x60"),
    (0xbf, "Solaris slices", 512 + 12, b"\xee\xde\x0d\x60"),
    (0x63, "UnixWare slices", 29 * 512 + 4, b"\x0d\x60\x5e\xca"),
    (0x81, "Minix subpartitions", 510, b"\x55\xaa"),
];

/// One of the four entries of a boot record, in sectors.
#[derive(Debug, Clone, Copy)]
struct Entry {
    flag: u8,
    type_byte: u8,
    start: u64,
    sectors: u64,
}

impl Entry {
    fn is_extended(&self) -> bool {
        EXTENDED.contains(&self.type_byte)
    }
}

fn has_signature(sector: &[u8]) -> bool {
    sector.array(SIGNATURE.0).is_ok_and(|bytes: [u8; 2]| bytes == SIGNATURE.1)
}

fn entries(sector: &[u8]) -> Result<[Entry; ENTRY_COUNT]> {
    let table = sector.slice(ENTRIES, ENTRY_COUNT.saturating_mul(ENTRY_LEN))?;
    let entry = |at: usize| -> Result<Entry> {
        let bytes = table.slice(at.saturating_mul(ENTRY_LEN), ENTRY_LEN)?;
        Ok(Entry {
            flag: bytes.u8(0)?,
            type_byte: bytes.u8(4)?,
            start: u64::from(bytes.le32(8)?),
            sectors: u64::from(bytes.le32(12)?),
        })
    };
    Ok([entry(0)?, entry(1)?, entry(2)?, entry(3)?])
}

/// Does the first sector of a disk say that the disk has a GPT? Other partitions may stand beside (a hybrid MBR).
pub(super) fn is_protective(first: &[u8]) -> Result<bool> {
    Ok(has_signature(first) && entries(first)?.iter().any(|e| e.type_byte == GPT_PROTECTIVE && e.start == 1))
}

/// Does the first sector of a disk say that it is a Windows dynamic disk?
pub(super) fn is_dynamic(first: &[u8]) -> Result<bool> {
    Ok(has_signature(first) && entries(first)?.iter().any(|e| e.type_byte == DYNAMIC_DISK))
}

/// What the first sector of a disk is, as far as this module can say.
#[derive(Debug)]
pub(super) enum Found {
    Table(Table),
    /// The boot sector of a FAT filesystem, which also ends in 55 AA.
    Filesystem,
    Nothing,
}

/// Reads the MBR of `disk`, whose first sector is `first`.
pub(super) fn read<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, first: &[u8]) -> Result<Found> {
    if first.starts_with(&AIX_MAGIC) {
        return Err(Error::unsupported("AIX disk label"));
    }
    if !has_signature(first) {
        return Ok(Found::Nothing);
    }
    let primaries = entries(first)?;
    if let Some(odd) = primaries.iter().position(|e| e.flag != 0 && e.flag != ACTIVE) {
        return Ok(if odd == 0 && is_fat(first)? { Found::Filesystem } else { Found::Nothing });
    }
    if primaries.iter().any(|e| e.type_byte == GPT_PROTECTIVE) {
        return Ok(Found::Nothing);
    }

    let disk_id = first.le32(DISK_ID)?;
    let mut found = Collected { disk_id, next_logical: FIRST_LOGICAL, partitions: Vec::new() };
    for (number, entry) in (1..).zip(primaries) {
        if entry.sectors == 0 {
            continue;
        }
        if entry.is_extended() {
            found.add(disk, number, Kind::Extended, entry.start, entry);
            found.add_logicals(disk, entry)?;
        } else {
            refuse_nested(disk, entry)?;
            found.add(disk, number, Kind::Primary, entry.start, entry);
        }
    }
    Ok(Found::Table(Table {
        scheme: Scheme::Mbr,
        disk_guid: None,
        uuid: (disk_id != 0).then(|| format!("{disk_id:08x}")),
        from_backup: false,
        partitions: found.partitions,
    }))
}

/// Is this the boot sector of a FAT filesystem? It has reserved sectors, tables, and a media byte of 0xf0 or from
/// 0xf8 on.
fn is_fat(sector: &[u8]) -> Result<bool> {
    let media = sector.u8(21)?;
    Ok(sector.le16(14)? != 0 && sector.u8(16)? != 0 && (media == 0xf0 || media >= 0xf8))
}

fn refuse_nested<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, entry: Entry) -> Result<()> {
    let start = entry.start.saturating_mul(u64::from(disk.sector_size));
    for (type_byte, name, at, magic) in NESTED {
        if type_byte == entry.type_byte
            && disk.read(start.saturating_add(at), magic.len())?.is_some_and(|bytes| bytes == magic)
        {
            return Err(Error::unsupported(format!("{name} in an MBR partition of type {type_byte:#04x}")));
        }
    }
    Ok(())
}

/// The partitions found so far.
#[derive(Debug)]
struct Collected {
    disk_id: u32,
    next_logical: u32,
    partitions: Vec<Partition>,
}

impl Collected {
    /// Adds the partition of `entry`, which starts at sector `start` of the disk, unless it does not lie on the disk.
    fn add<S: ReadAt + ?Sized>(
        &mut self,
        disk: &Disk<'_, S>,
        number: u32,
        kind: Kind,
        start: u64,
        entry: Entry,
    ) {
        let Some((start, len)) = disk.extent(start, entry.sectors) else { return };
        self.partitions.push(Partition {
            number,
            start,
            len,
            kind,
            partition_type: PartitionType::Mbr(entry.type_byte),
            name: None,
            guid: None,
            uuid: (self.disk_id != 0).then(|| format!("{:08x}-{number:02x}", self.disk_id)),
            attributes: 0,
            bootable: entry.flag == ACTIVE,
        });
    }

    /// Follows the chain of an extended partition. It ends where Linux ends it, and also where it comes back to a link
    /// that it had (Linux then goes round until the numbers run out).
    fn add_logicals<S: ReadAt + ?Sized>(&mut self, disk: &Disk<'_, S>, extended: Entry) -> Result<()> {
        let (mut link, mut link_sectors) = (extended.start, extended.sectors);
        let mut seen = std::collections::BTreeSet::new();
        let mut empty_links: u32 = 0;
        while seen.insert(link) && empty_links < MAX_EMPTY_LINKS {
            empty_links = empty_links.saturating_add(1);
            let Some(sector) = disk.sector(link)? else { return Ok(()) };
            if !has_signature(&sector) {
                return Ok(());
            }
            let entries = entries(&sector)?;
            for (position, entry) in entries.iter().enumerate() {
                if self.next_logical > MAX_PARTITION_NUMBER {
                    return Ok(());
                }
                if entry.sectors == 0 || entry.is_extended() {
                    continue;
                }
                // None of this can overflow: all are 32-bit numbers but `link`, the sum of two.
                let start = link.saturating_add(entry.start);
                let end = start.saturating_add(entry.sectors);
                let beyond = entry.start.saturating_add(entry.sectors) > link_sectors
                    || start < extended.start
                    || end > extended.start.saturating_add(extended.sectors);
                // The last two entries often hold garbage.
                if position >= 2 && beyond {
                    continue;
                }
                self.add(disk, self.next_logical, Kind::Logical, start, *entry);
                self.next_logical = self.next_logical.saturating_add(1);
                empty_links = 0;
            }
            let Some(next) = entries.iter().find(|e| e.sectors != 0 && e.is_extended()) else {
                return Ok(());
            };
            (link, link_sectors) = (extended.start.saturating_add(next.start), next.sectors);
        }
        Ok(())
    }
}
