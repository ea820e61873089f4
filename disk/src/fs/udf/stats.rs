//! What `statvfs` shows: numbers that the volume keeps, and where it does not, what its bitmap or table says.
//!
//! Source: ECMA-167, 4/14.11 and 4/14.12; OSTA UDF 2.60, 2.3.8.

use super::Udf;
use super::entry;
use super::name::NAME_MAX;
use super::partition::{Kind, Place};
use super::tag::{Crc, SPACE_BITMAP};
use crate::bytes::{Fields, index};
use crate::fs::FsStats;
use crate::{Error, Result};

/// Where a bitmap has its length, and where it begins in the first block.
const BITMAP_BYTES: usize = 20;
const BITMAP: usize = 24;

impl Udf {
    pub(super) fn stats(&self) -> Result<FsStats> {
        let blocks = self.volume.space.partition(self.volume.file_set.partition)?.len;
        let free = u64::from(self.free()?);
        let files = self.volume.integrity.as_ref().map_or(0, |integrity| integrity.files);
        let block_size = u64::from(self.volume.space.medium.block_size);
        Ok(FsStats {
            block_size,
            fragment_size: block_size,
            blocks: blocks.into(),
            blocks_free: free,
            blocks_available: free,
            // Every free block is one for a file.
            files: free.saturating_add(files.into()),
            files_free: free,
            // The kernel's is the number of the device.
            id: 0,
            name_max: u64::try_from(NAME_MAX).unwrap_or(u64::MAX),
        })
    }

    /// Free blocks of the partition that the files are in.
    fn free(&self) -> Result<u32> {
        let own = self.volume.file_set.partition;
        let number = match self.volume.space.partition(own)?.kind {
            Kind::Virtual { .. } => return Ok(0),
            Kind::Metadata { within, .. } => within,
            _ => own,
        };
        let told =
            self.volume.integrity.as_ref().and_then(|integrity| integrity.free.get(usize::from(number)));
        if let Some(Some(free @ 1..)) = told {
            return Ok(*free);
        }
        let told = self.volume.unallocated.get(usize::from(number)).copied().unwrap_or_default();
        let place = |block| Place { block, partition: own };
        if let Some(block) = told.bitmap {
            return self.count_bitmap(place(block));
        }
        match told.table {
            Some(block) => {
                let place = Place { block, partition: number };
                Ok(u32::try_from(entry::unallocated(&self.volume.space, place)?).unwrap_or(u32::MAX))
            }
            None => Ok(0),
        }
    }

    /// Counts what the bitmap at `place` says.
    fn count_bitmap(&self, place: Place) -> Result<u32> {
        let space = &self.volume.space;
        let first = space.descriptor(place, Crc::CheckedIfWithin)?;
        if first.id != SPACE_BITMAP {
            return Err(Error::corrupt(format!("descriptor {} instead of a bitmap", first.id)));
        }
        let mut left = index(first.bytes.as_slice().le32(BITMAP_BYTES)?);
        let blocks = space.partition(place.partition)?.len;
        // What is longer than its partition by a block and more is none.
        if left > index(blocks / 8).saturating_add(index(space.medium.block_size)) {
            return Err(Error::corrupt(format!("a bitmap of {left} bytes for {blocks} blocks")));
        }
        let mut free = 0u32;
        let mut bytes = first.bytes.get(BITMAP..).unwrap_or_default().to_vec();
        let mut next = place;
        loop {
            let part = bytes.get(..left).unwrap_or(&bytes);
            free = part.iter().fold(free, |free, byte| free.saturating_add(byte.count_ones()));
            left = left.saturating_sub(part.len());
            if left == 0 {
                return Ok(free);
            }
            next.block = next.block.saturating_add(1);
            bytes = space.medium.block(space.physical(next)?)?;
        }
    }
}
