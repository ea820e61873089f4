//! The boot region: where everything lies.
//!
//! Source: Microsoft's exFAT specification, sections 3.1 (main boot sector) and 3.4 (checksum). What is refused is what
//! Linux refuses to mount.

use crate::bytes::{Fields, index};
use crate::fs::clusters::FIRST;
use crate::{Error, ReadAt, Result};

/// What a boot sector starts with, after a jump.
const NAME: &[u8] = b"EXFAT   ";
const NAME_OFFSET: usize = 3;
/// Where a FAT has its numbers, there are zeros.
const ZEROS: std::ops::Range<usize> = 11..64;
/// Last bytes of the boot sector.
const SIGNATURE: u16 = 0xAA55;
const SIGNATURE_OFFSET: usize = 510;
/// Sectors that the checksum covers; it fills the one after them.
const SUMMED: u64 = 11;
/// Bytes of the first of them that it leaves out: flags and percentage of use.
const NOT_SUMMED: [usize; 3] = [106, 107, 112];
/// Largest cluster, as a shift of bytes: 32 MiB.
const MAX_CLUSTER_SHIFT: u32 = 25;
/// Flag: the second table and bitmap are the ones in use.
const SECOND_ACTIVE: u16 = 1;

/// What the boot sector says, in bytes where nothing else is said.
#[derive(Debug)]
pub(super) struct Boot {
    /// Start of the table.
    pub(super) table: u64,
    /// Start of the clusters.
    pub(super) heap: u64,
    /// Size of a cluster, as a shift.
    pub(super) cluster_shift: u32,
    /// The number after that of the last cluster.
    pub(super) end: u32,
    /// First cluster of the root directory.
    pub(super) root: u32,
}

impl Boot {
    /// Reads and checks the boot region of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; 512];
        source.read_at(0, &mut bytes)?;
        let sector_shift = u32::from(bytes.u8(108)?);
        let boot = Boot::parse(&bytes, source.sector_size())?;
        let sector = 1u64.checked_shl(sector_shift).unwrap_or(0);
        let mut region = vec![0; index(u32::try_from(sector.saturating_mul(SUMMED + 1)).unwrap_or(0))];
        source.read_at(0, &mut region)?;
        let (summed, sums) = region
            .split_at_checked(index(u32::try_from(sector.saturating_mul(SUMMED)).unwrap_or(0)))
            .unwrap_or_default();
        let bytes =
            summed.iter().enumerate().filter(|(at, _)| !NOT_SUMMED.contains(at)).map(|(_, byte)| *byte);
        let sum = checksum32(bytes).to_le_bytes();
        if sums.as_chunks::<4>().0.iter().any(|stored| *stored != sum) {
            return Err(Error::corrupt("an exFAT boot region with a wrong checksum"));
        }
        Ok(boot)
    }

    fn parse(bytes: &[u8], device_sector: u32) -> Result<Self> {
        let need = |right: bool, what: &str| {
            if right { Ok(()) } else { Err(Error::corrupt(format!("an exFAT boot sector with {what}"))) }
        };
        need(Boot::is_marked(bytes)?, "another name")?;
        need(bytes.le16(SIGNATURE_OFFSET)? == SIGNATURE, "a wrong signature")?;
        need(
            bytes.get(ZEROS).is_some_and(|zeros| zeros.iter().all(|b| *b == 0)),
            "something in place of zeros",
        )?;
        let (sector_shift, per_cluster_shift) = (u32::from(bytes.u8(108)?), u32::from(bytes.u8(109)?));
        need((9..=12).contains(&sector_shift), "a wrong sector size")?;
        let cluster_shift = sector_shift.saturating_add(per_cluster_shift);
        need(cluster_shift <= MAX_CLUSTER_SHIFT, "a wrong cluster size")?;
        let sector = 1u64.checked_shl(sector_shift).unwrap_or(0);
        need(sector >= device_sector.into(), "sectors smaller than those of the disk")?;
        let copies = u64::from(bytes.u8(110)?);
        need(matches!(copies, 1 | 2), "neither one nor two tables")?;
        let (table, table_len) = (u64::from(bytes.le32(80)?), u64::from(bytes.le32(84)?));
        let heap = u64::from(bytes.le32(88)?);
        let clusters = bytes.le32(92)?;
        let end = clusters.saturating_add(FIRST);
        need(
            table_len.saturating_mul(sector) >= u64::from(end).saturating_mul(4),
            "a table that is too short",
        )?;
        need(heap >= table.saturating_add(table_len.saturating_mul(copies)), "clusters within its table")?;
        if copies == 2 && bytes.le16(106)? & SECOND_ACTIVE != 0 {
            return Err(Error::unsupported("an exFAT whose second table is the one in use"));
        }
        Ok(Boot {
            table: table.saturating_mul(sector),
            heap: heap.saturating_mul(sector),
            cluster_shift,
            end,
            root: bytes.le32(96)?,
        })
    }

    /// Does a boot sector have exFAT's name?
    pub(super) fn is_marked(bytes: &[u8]) -> Result<bool> {
        Ok(bytes.slice(NAME_OFFSET, NAME.len())? == NAME)
    }
}

/// The checksum of boot region and up-case table.
pub(super) fn checksum32(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0u32, |sum, byte| sum.rotate_right(1).wrapping_add(byte.into()))
}
