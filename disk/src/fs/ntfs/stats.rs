//! What `statvfs` shows: counted from two bitmaps, as ntfs-3g does.

use super::record::{Sizes, kind};
use super::stream::Stream;
use super::{BITMAP, MFT, Ntfs};
use crate::fs::{FsStats, InodeId};
use crate::{Context, Error, Result};

/// How much of a bitmap is read at a time (bytes).
const PIECE: usize = 64 << 10;
/// Longest name, in units of UTF-16.
const NAME_MAX: u64 = 255;

impl Ntfs {
    pub(super) fn stats(&self) -> Result<FsStats> {
        let (mut clusters, _) = self.bitmap(BITMAP, kind::DATA)?;
        let free = self.count_free(&mut clusters).context(|| "reading the bitmap of clusters".to_owned())?;
        let (mut records, sizes) = self.bitmap(MFT, kind::BITMAP)?;
        let unused = self.count_free(&mut records).context(|| "reading the bitmap of records".to_owned())?;
        // What is allocated and not in use could become records, and all free space, too.
        let unused = unused.saturating_add(sizes.allocated.saturating_sub(sizes.data).saturating_mul(8));
        let record = u64::try_from(self.record_size).unwrap_or(u64::MAX);
        let possible = match self.volume.cluster_size().checked_div(record) {
            Some(per_cluster) if per_cluster > 0 => free.saturating_mul(per_cluster),
            _ => free.checked_div(record.checked_div(self.volume.cluster_size()).unwrap_or(1)).unwrap_or(0),
        };
        let size = self.volume.cluster_size();
        Ok(FsStats {
            block_size: size,
            fragment_size: size,
            blocks: self.volume.clusters,
            blocks_free: free,
            blocks_available: free,
            files: sizes.allocated.saturating_mul(8).saturating_add(possible),
            files_free: possible.saturating_add(unused),
            id: 0,
            name_max: NAME_MAX,
        })
    }

    fn bitmap(&self, number: u64, kind: u32) -> Result<(Stream, Sizes)> {
        let inode = self.inode(InodeId::new(number))?;
        match (self.stream(&inode, kind, &[])?, self.sizes(&inode, kind, &[])?) {
            (Some(stream), Some(sizes)) => Ok((stream, sizes)),
            _ => Err(Error::corrupt(format!("file record {number} has no bitmap"))),
        }
    }

    /// How many bits are not set. Bits past the last that means something are.
    fn count_free(&self, bitmap: &mut Stream) -> Result<u64> {
        let most = self.volume.bytes(self.volume.clusters);
        if bitmap.len() > most {
            return Err(Error::corrupt(format!("a bitmap of {} bytes", bitmap.len())));
        }
        let (mut at, mut free) = (0u64, 0u64);
        let mut piece = vec![0; PIECE];
        loop {
            let count = bitmap.read_at(&self.volume, at, &mut piece)?;
            if count == 0 {
                return Ok(free);
            }
            let zeros: u64 = piece.iter().take(count).map(|byte| u64::from(byte.count_zeros())).sum();
            free = free.saturating_add(zeros);
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
