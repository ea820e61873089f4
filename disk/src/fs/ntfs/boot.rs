//! The boot sector: where the table of files lies and how large things are.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", `$Boot`; Microsoft's "NTFS overview" for the largest clusters.

use crate::bytes::Fields;
use crate::{Error, ReadAt, Result};

/// What a boot sector has after a jump.
pub(super) const NAME: &[u8] = b"NTFS    ";
pub(super) const NAME_OFFSET: u64 = 3;
/// Bytes of the boot sector that mean something.
const BOOT: usize = 512;
/// Sizes of a sector in bytes.
const SECTORS: std::ops::RangeInclusive<u64> = 256..=4096;
/// Largest cluster, as a shift of bytes: 2 MiB.
const MAX_CLUSTER_SHIFT: u32 = 21;
/// Sizes of a file record and of a block of an index, in bytes. They have at least one stride of fixups; formatters make
/// records of 1 and 4 KiB and blocks of 4 KiB, or a cluster if that is larger.
const RECORDS: std::ops::RangeInclusive<u64> = 512..=65536;

/// What the boot sector says.
#[derive(Debug, Clone)]
pub(super) struct Boot {
    /// Size of a cluster, as a shift of bytes.
    pub(super) cluster_shift: u32,
    /// Clusters of the volume.
    pub(super) clusters: u64,
    /// First cluster of the table of files.
    pub(super) mft: u64,
    /// Size of a record of that table in bytes.
    pub(super) record_size: usize,
}

impl Boot {
    /// Reads and checks the boot sector of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; BOOT];
        source.read_at(0, &mut bytes)?;
        Boot::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let need = |right: bool, what: &str| {
            if right { Ok(()) } else { Err(Error::corrupt(format!("an NTFS boot sector with {what}"))) }
        };
        let sector = u64::from(bytes.le16(11)?);
        need(sector.is_power_of_two() && SECTORS.contains(&sector), &format!("sectors of {sector} bytes"))?;
        // More than 128 sectors are given as the negative of a shift.
        let per_cluster = match bytes.u8(13)? {
            n @ 0..=128 => u64::from(n),
            n => 1u64.checked_shl(u32::from(n.wrapping_neg())).unwrap_or(0),
        };
        let cluster = sector.saturating_mul(per_cluster);
        let most = 1u64 << MAX_CLUSTER_SHIFT;
        need(
            cluster.is_power_of_two() && (sector..=most).contains(&cluster),
            &format!("clusters of {cluster} bytes"),
        )?;
        let record = size(bytes.u8(64)?, cluster);
        need(
            record.is_power_of_two() && RECORDS.contains(&record),
            &format!("file records of {record} bytes"),
        )?;
        let clusters = bytes.le64(40)?.checked_div(per_cluster).unwrap_or(0);
        let mft = bytes.le64(48)?;
        need(mft < clusters, &format!("{clusters} clusters and a table of files in cluster {mft}"))?;
        need(
            clusters.checked_mul(cluster).is_some_and(|bytes| i64::try_from(bytes).is_ok()),
            &format!("{clusters} clusters"),
        )?;
        Ok(Boot {
            cluster_shift: cluster.trailing_zeros(),
            clusters,
            mft,
            record_size: usize::try_from(record).unwrap_or(0),
        })
    }
}

/// A size given as a number of clusters, or if negative as a shift of bytes.
fn size(field: u8, cluster: u64) -> u64 {
    let signed = i8::from_le_bytes([field]);
    let count = signed.unsigned_abs();
    if signed > 0 {
        cluster.saturating_mul(count.into())
    } else {
        1u64.checked_shl(count.into()).unwrap_or(0)
    }
}

/// Is `size` one that a block of an index can have?
pub(super) fn is_index_block(size: u64) -> bool {
    size.is_power_of_two() && RECORDS.contains(&size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(sector: u16, per_cluster: u8, record: u8) -> [u8; BOOT] {
        let mut bytes = [0; BOOT];
        bytes[11..13].copy_from_slice(&sector.to_le_bytes());
        (bytes[13], bytes[64]) = (per_cluster, record);
        bytes[40..48].copy_from_slice(&(1u64 << 20).to_le_bytes());
        bytes[48..56].copy_from_slice(&4u64.to_le_bytes());
        bytes
    }

    #[test]
    fn sizes_are_numbers_or_shifts() {
        for (sector, per_cluster, record, shift, size) in [
            (512, 8, 0xF6, 12, 1024),
            (4096, 1, 1, 12, 4096),
            (512, 128, 0xF6, 16, 1024),
            (512, 0xF8, 0xF6, 17, 1024),
            (512, 0xF4, 0xF6, 21, 1024),
            (512, 1, 2, 9, 1024),
        ] {
            let read = Boot::parse(&boot(sector, per_cluster, record)).unwrap();
            assert_eq!((read.cluster_shift, read.record_size), (shift, size), "{sector} {per_cluster}");
        }
        for (sector, per_cluster, record) in
            [(500, 8, 0xF6), (512, 3, 0xF6), (512, 0, 0xF6), (512, 0xF3, 0xF6), (512, 8, 0), (512, 8, 0x80)]
        {
            let error = Boot::parse(&boot(sector, per_cluster, record)).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{sector} {per_cluster} {record}");
        }
    }
}
