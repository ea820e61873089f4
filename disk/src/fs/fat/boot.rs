//! The boot sector: where everything lies.
//!
//! Source: Microsoft's FAT specification 1.03, "Boot sector and BPB". What is refused is what Linux refuses to mount, and
//! the number of clusters decides on the width of the table as it does there.

use crate::bytes::Fields;
use crate::fs::clusters::{FIRST, SLOT, Width};
use crate::{Error, ReadAt, Result};

/// Bytes of the boot sector that are read.
const SIZE: usize = 512;
/// Most clusters with 12 and with 16 bits an entry, and with 28.
const MAX_FAT12: u64 = 0xFF4;
const MAX_FAT16: u64 = 0xFFF4;
const MAX_FAT32: u64 = 0x0FFF_FFF6;
/// In FAT32's flags: only one copy of the table is in use, and which.
const ONE_ACTIVE: u16 = 0x80;
const ACTIVE: u16 = 0x0F;

/// What the boot sector says, in bytes where nothing else is said.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) width: Width,
    /// Start of the first copy of the table.
    pub(super) table: u64,
    /// Start and length of the root directory, unless it lies in clusters.
    pub(super) root: u64,
    pub(super) root_len: u64,
    /// First cluster of the root directory of a FAT32.
    pub(super) root_cluster: u32,
    /// Start of the clusters.
    pub(super) data: u64,
    /// Size of a cluster, as a shift.
    pub(super) cluster_shift: u32,
    /// The number after that of the last cluster.
    pub(super) end: u32,
}

impl Boot {
    /// Reads and checks the boot sector of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; SIZE];
        source.read_at(0, &mut bytes)?;
        Boot::parse(&bytes, source.sector_size())
    }

    fn parse(bytes: &[u8], device_sector: u32) -> Result<Self> {
        let sector = u32::from(bytes.le16(11)?);
        let per_cluster = u32::from(bytes.u8(13)?);
        let reserved = u64::from(bytes.le16(14)?);
        let copies = u64::from(bytes.u8(16)?);
        let root_entries = u64::from(bytes.le16(17)?);
        let media = bytes.u8(21)?;
        let need = |right: bool, what: &str| {
            if right { Ok(()) } else { Err(Error::corrupt(format!("a FAT boot sector with {what}"))) }
        };
        need(reserved != 0, "no reserved sectors")?;
        need(copies != 0, "no tables")?;
        need(media == 0xF0 || media >= 0xF8, "an unknown media descriptor")?;
        need(sector.is_power_of_two() && (512..=4096).contains(&sector), "a wrong sector size")?;
        need(per_cluster.is_power_of_two(), "a wrong cluster size")?;
        need(sector >= device_sector, "sectors smaller than those of the disk")?;
        let sector_bytes = u64::from(sector);

        let (len16, len32) = (u64::from(bytes.le16(22)?), u64::from(bytes.le32(36)?));
        let is_fat32 = len16 == 0;
        let table_sectors = if is_fat32 { len32 } else { len16 };
        need(table_sectors != 0, "tables of no sectors")?;
        let per_sector = sector_bytes.checked_div(u64::try_from(SLOT).unwrap_or(32)).unwrap_or(1);
        need(root_entries.is_multiple_of(per_sector), "a root directory that ends within a sector")?;
        let root_sectors = root_entries.checked_div(per_sector).unwrap_or(0);

        let root = reserved.saturating_add(table_sectors.saturating_mul(copies));
        let data = root.saturating_add(root_sectors);
        let sectors = match bytes.le16(19)? {
            0 => u64::from(bytes.le32(32)?),
            n => n.into(),
        };
        let Some(data_sectors) = sectors.checked_sub(data) else {
            return Err(Error::corrupt(format!(
                "a FAT of {sectors} sectors, where data starts at sector {data}"
            )));
        };
        let clusters = data_sectors.checked_div(per_cluster.into()).unwrap_or(0);
        let (width, bits, most) = match (is_fat32, clusters) {
            (true, _) => (Width::Fat32, 32, MAX_FAT32),
            (false, 0..=MAX_FAT12) => (Width::Fat12, 12, MAX_FAT12),
            (false, _) => (Width::Fat16, 16, MAX_FAT16),
        };
        // What the table has no entries for can't be used.
        let entries =
            table_sectors.saturating_mul(sector_bytes).saturating_mul(8).checked_div(bits).unwrap_or(0);
        let clusters = clusters.min(entries.saturating_sub(FIRST.into()));
        need(clusters <= most, "too many clusters for its table")?;
        let flags = bytes.le16(40)?;
        if is_fat32 && flags & ONE_ACTIVE != 0 && flags & ACTIVE != 0 {
            return Err(Error::unsupported("a FAT32 whose first table is not the one in use"));
        }
        let in_bytes = |sectors: u64| sectors.saturating_mul(sector_bytes);
        Ok(Boot {
            width,
            table: in_bytes(reserved),
            root: in_bytes(root),
            root_len: in_bytes(root_sectors),
            root_cluster: bytes.le32(44)?,
            data: in_bytes(data),
            cluster_shift: sector.trailing_zeros().saturating_add(per_cluster.trailing_zeros()),
            end: u32::try_from(clusters).unwrap_or(u32::MAX).saturating_add(FIRST),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A boot sector of 512-byte sectors, one a cluster, with one table of `table` sectors (FAT32's if `wide`).
    fn boot(sectors: u32, table: u16, wide: bool) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[11..14].copy_from_slice(&[0, 2, 1]);
        bytes[14] = 1;
        bytes[16] = 1;
        bytes[17] = if wide { 0 } else { 16 };
        bytes[21] = 0xF8;
        bytes[32..36].copy_from_slice(&sectors.to_le_bytes());
        let at = if wide { 36 } else { 22 };
        bytes[at..at + 2].copy_from_slice(&table.to_le_bytes());
        bytes[44] = 2;
        bytes
    }

    #[test]
    fn the_number_of_clusters_decides_on_the_width() {
        let parse = |sectors, table, wide| Boot::parse(&boot(sectors, table, wide), 512);
        // One sector before the table and one for the root directory.
        for (sectors, table, wide, width, end) in [
            (2 + 12 + 4084, 12, false, Width::Fat12, 4086),
            (2 + 17 + 4085, 17, false, Width::Fat16, 4087),
            (2 + 256 + 65524, 256, false, Width::Fat16, 65526),
            (1 + 9 + 100, 9, true, Width::Fat32, 102),
            // The table is too short for the rest.
            (2 + 1 + 4000, 1, false, Width::Fat12, 341),
        ] {
            let boot = parse(sectors, table, wide).unwrap();
            assert_eq!((boot.width, boot.end), (width, end), "{sectors}");
        }
        let boot = parse(2 + 12 + 4084, 12, false).unwrap();
        assert_eq!((boot.table, boot.root, boot.root_len, boot.data), (512, 13 * 512, 512, 14 * 512));
        assert_eq!(boot.cluster_shift, 9);
        assert!(parse(2 + 300 + 65525, 300, false).is_err());
        assert!(parse(10, 12, false).is_err());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (at, value) in
            [(11, 1), (12, 32), (13, 0), (13, 3), (14, 0), (16, 0), (17, 15), (21, 0xF7), (22, 0)]
        {
            let mut bytes = boot(1000, 9, false);
            bytes[at] = value;
            assert!(Boot::parse(&bytes, 512).is_err(), "{at} {value}");
        }
        assert!(Boot::parse(&boot(1000, 9, false), 4096).is_err());
        let mut bytes = boot(1000, 9, true);
        bytes[40] = 0x81;
        assert!(Boot::parse(&bytes, 512).is_err());
    }
}
