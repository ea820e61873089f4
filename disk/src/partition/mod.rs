//! Partition tables: GPT ([`gpt`]) and MBR with its logical partitions ([`mbr`]).
//!
//! Which partitions there are, and which numbers they have, is what Linux decides: this module follows the rules of
//! its partition scanner, so that partition N here is `/dev/sdaN` there. One exception is made on purpose: Linux looks
//! at a GPT's backup only if told to on its command line; here it is used when the primary table is damaged, as
//! `blkid` and `parted` do ([`Table::from_backup`] tells).
//!
//! Of a Windows dynamic disk, the table is what `parted` shows: one partition that covers all. Linux shows what its
//! [database](crate::volume::ldm) describes instead.
//!
//! Tables of other kinds (Sun, SGI, Apple, Amiga, AIX), and tables nested in an MBR partition (BSD, Solaris, UnixWare and
//! Minix slices, which Linux numbers from 5 on too) are recognised and refused as `Unsupported`. Not recognised, so shown as "no table": Acorn, Atari, OSF, Ultrix, IBM DASD, Karma and SYSV68.

mod gpt;
mod mbr;

use bstr::BString;

use crate::bytes::Fields;
pub use crate::guid::Guid;
use crate::{Error, ReadAt, Result, Window};

/// Linux gives a disk at most 256 device numbers, the first of which is the disk's own (`DISK_MAX_PARTS`).
const MAX_PARTITION_NUMBER: u32 = 255;

/// Sizes of logical sectors (bytes) that disks have.
const SECTOR_SIZES: [u32; 2] = [512, 4096];

/// The kind of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

impl Scheme {
    /// Name as `parted` and libguestfs's `part_get_parttype` give it; `blkid` says `dos` for `msdos`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Gpt => "gpt",
            Scheme::Mbr => "msdos",
        }
    }
}

/// Where a partition stands in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the table itself. All GPT partitions are.
    Primary,
    /// The MBR partition that holds the logical ones.
    Extended,
    /// Within the extended partition.
    Logical,
}

impl Kind {
    /// Name as libguestfs's `part_get_mbr_part_type` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Primary => "primary",
            Kind::Extended => "extended",
            Kind::Logical => "logical",
        }
    }
}

/// What a partition says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionType {
    /// GPT type GUID.
    Gpt(Guid),
    /// MBR type byte.
    Mbr(u8),
}

/// GPT type of an EFI system partition (UEFI specification, table 5-7): C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
pub const EFI_SYSTEM: Guid = Guid(*b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b");

/// MBR type of the partition that covers a Windows dynamic disk.
const DYNAMIC_DISK: u8 = 0x42;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number as Linux counts: the N of `/dev/sdaN`.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Size in bytes as the table gives it. Cut off at the end of the disk, as Linux does.
    pub len: u64,
    /// Where it stands in its table.
    pub kind: Kind,
    /// What it says that it holds.
    pub partition_type: PartitionType,
    /// GPT name, in UTF-8.
    pub name: Option<BString>,
    /// GPT unique GUID.
    pub guid: Option<Guid>,
    /// `PARTUUID` as `blkid` and Linux give it: the GPT unique GUID, or disk identifier and number (`1b2c3d4e-05`).
    pub uuid: Option<String>,
    /// GPT attribute bits; zero in an MBR.
    pub attributes: u64,
    /// MBR: the active flag. GPT: an EFI system partition, which is what `parted` calls the flag `boot` there.
    pub bootable: bool,
}

/// Linux shows this much of an extended partition (bytes): two sectors of 512, or one sector if that is larger.
const EXTENDED_DEVICE_LEN: u64 = 1024;

impl Partition {
    /// Size in bytes of the partition's device under Linux: all of it, but of an extended partition only the first
    /// sectors, so that nobody writes a filesystem over the logical partitions.
    pub fn device_len(&self, sector_size: u32) -> u64 {
        match self.kind {
            Kind::Extended => self.len.min(EXTENDED_DEVICE_LEN.max(u64::from(sector_size))),
            Kind::Primary | Kind::Logical => self.len,
        }
    }

    /// The bytes of the partition's device, where `disk` is the source that the table was read from.
    pub fn open<S: ReadAt>(&self, disk: S) -> Window<S> {
        let len = self.device_len(disk.sector_size());
        Window::new(disk, self.start, len)
    }
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Kind of the table.
    pub scheme: Scheme,
    /// GPT disk GUID.
    pub disk_guid: Option<Guid>,
    /// `PTUUID` as `blkid` gives it: the disk's GUID, or the MBR's identifier (`1b2c3d4e`) if it is not zero.
    pub uuid: Option<String>,
    /// Was the GPT's primary copy damaged, so that this is from the backup?
    pub from_backup: bool,
    /// The partitions, in the order in which the table has them: an extended partition before its logical ones.
    pub partitions: Vec<Partition>,
}

impl Table {
    /// Is this the MBR of a Windows dynamic disk, whose partitions Linux does not show?
    pub fn is_dynamic(&self) -> bool {
        self.partitions.iter().any(|p| p.partition_type == PartitionType::Mbr(DYNAMIC_DISK))
    }

    /// The partition with this number.
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.number == number)
    }
}

/// Reads the partition table of `disk`; `None` if there is none (a filesystem on the whole disk, an empty disk).
///
/// The unit of the table is [`ReadAt::sector_size`], and no other is tried: so does Linux.
///
/// # Errors
/// `Unsupported` for the tables that the module's text names. A GPT of which both copies are damaged is `Corrupt`.
pub fn read<S: ReadAt + ?Sized>(disk: &S) -> Result<Option<Table>> {
    let disk = Disk::new(disk)?;
    let Some(first) = disk.sector(0)? else { return Ok(None) };
    if let Some(table) = gpt::read(&disk, &first)? {
        return Ok(Some(table));
    }
    if first.be32(0)? == SGI_MAGIC {
        return Err(Error::unsupported("SGI disk label"));
    }
    match mbr::read(&disk, &first)? {
        mbr::Found::Table(table) => Ok(Some(table)),
        mbr::Found::Filesystem => Ok(None),
        mbr::Found::Nothing => no_other_table(&disk, &first).map(|()| None),
    }
}

/// Does the MBR of `disk` say that it is a Windows dynamic disk? Its one partition then covers what the
/// [database](crate::volume::ldm) describes.
///
/// # Errors
/// If it can't be read.
pub(crate) fn is_dynamic<S: ReadAt + ?Sized>(disk: &S) -> Result<bool> {
    let disk = Disk::new(disk)?;
    disk.sector(0)?.map_or(Ok(false), |first| mbr::is_dynamic(&first))
}

/// First four bytes of an SGI volume header.
const SGI_MAGIC: u32 = 0x0be5_a941;
/// At byte 508 of a Sun disk label.
const SUN_MAGIC: (usize, u16) = (508, 0xdabe);
/// First bytes of an Apple driver descriptor map, and of each entry of an Apple partition map from sector 1 on.
const APPLE_MAGICS: [&[u8]; 2] = [b"ER", b"PM"];
/// First bytes of an Amiga rigid disk block, which lies in one of the first sectors.
const AMIGA_MAGIC: &[u8] = b"RDSK";
/// Sectors in which an Amiga rigid disk block may lie (`RDB_ALLOCATION_LIMIT` of Linux).
const AMIGA_SECTORS: u64 = 16;

/// Refuses tables that Linux knows and this code does not.
fn no_other_table<S: ReadAt + ?Sized>(disk: &Disk<'_, S>, first: &[u8]) -> Result<()> {
    if first.be16(SUN_MAGIC.0)? == SUN_MAGIC.1 {
        return Err(Error::unsupported("Sun disk label"));
    }
    let [apple_driver, apple_map] = APPLE_MAGICS;
    if first.starts_with(apple_driver) {
        // The second field is the size of a block, whose multiple 1 is where the map starts.
        let block = u64::from(first.be16(2)?);
        if disk.read(block, apple_map.len())?.is_some_and(|magic| magic == apple_map) {
            return Err(Error::unsupported("Apple partition map"));
        }
    }
    for sector in 0..AMIGA_SECTORS {
        let Some(bytes) = disk.read(sector.saturating_mul(MIN_SECTOR), AMIGA_MAGIC.len())? else { break };
        if bytes == AMIGA_MAGIC {
            return Err(Error::unsupported("Amiga rigid disk block"));
        }
    }
    Ok(())
}

/// The smallest sector, and the part of any sector that MBR structures use (bytes).
const MIN_SECTOR: u64 = 512;

/// A disk in units of its sectors.
#[derive(Debug)]
struct Disk<'a, S: ?Sized> {
    source: &'a S,
    /// Bytes.
    sector_size: u32,
}

impl<'a, S: ReadAt + ?Sized> Disk<'a, S> {
    fn new(source: &'a S) -> Result<Self> {
        let sector_size = source.sector_size();
        if !SECTOR_SIZES.contains(&sector_size) {
            return Err(Error::unsupported(format!("disk sectors of {sector_size} bytes")));
        }
        Ok(Disk { source, sector_size })
    }

    /// Number of whole sectors.
    fn sectors(&self) -> u64 {
        self.source.len().checked_div(u64::from(self.sector_size)).unwrap_or(0)
    }

    /// The first 512 bytes of a sector; `None` past the end of the disk.
    fn sector(&self, sector: u64) -> Result<Option<Vec<u8>>> {
        let Some(offset) = sector.checked_mul(u64::from(self.sector_size)) else { return Ok(None) };
        self.read(offset, crate::bytes::index(SECTOR_SIZES[0]))
    }

    /// `len` bytes (which the caller bounds) from byte `offset` on; `None` if they do not lie on the disk.
    fn read(&self, offset: u64, len: usize) -> Result<Option<Vec<u8>>> {
        let Ok(wanted) = u64::try_from(len) else { return Ok(None) };
        if offset.checked_add(wanted).is_none_or(|end| end > self.source.len()) {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        self.source.read_at(offset, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// The byte range of a partition given in sectors, as Linux cuts it to the disk: start and length. `None` if it
    /// is empty or starts past the end.
    fn extent(&self, start: u64, sectors: u64) -> Option<(u64, u64)> {
        let unit = u64::from(self.sector_size);
        let capacity = self.source.len();
        let start = start.checked_mul(unit)?;
        let left = capacity.checked_sub(start)?;
        let len = sectors.saturating_mul(unit).min(left);
        (len > 0).then_some((start, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource};

    #[test]
    fn other_tables_are_refused_and_empty_disks_have_none() {
        type Mark<'a> = &'a [(usize, &'a [u8])];
        let refused: [(&str, Mark<'_>); 4] = [
            ("SGI", &[(0, b"\x0b\xe5\xa9\x41")]),
            ("Sun", &[(508, b"\xda\xbe")]),
            ("Apple", &[(0, b"ER\x02\x00"), (512, b"PM")]),
            ("Amiga", &[(1024, b"RDSK")]),
        ];
        for (name, marks) in refused {
            let mut bytes = vec![0; 65536];
            for (at, mark) in marks {
                bytes[*at..at + mark.len()].copy_from_slice(mark);
            }
            let error = read(&MemSource::new(bytes)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
            assert!(error.to_string().starts_with(name), "{error}");
        }
        for len in [0, 100, 512, 65536] {
            assert_eq!(read(&MemSource::new(vec![0; len])).unwrap(), None);
        }
    }
}
