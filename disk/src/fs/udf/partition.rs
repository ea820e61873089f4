//! Partitions: how the blocks of a logical volume lie on the medium.
//!
//! ```text
//! Place { partition, block } ── Virtual ───┐ (each block by itself)
//!                            ── Metadata ──┤ (blocks of a file, or of its copy)
//!                            ── Sparable ──┼─ (bad packets of blocks moved elsewhere)
//!                            ── Physical ──┴─> block of the medium
//! ```
//!
//! What virtual and metadata partitions lie in is physical or sparable: nothing here goes deeper than that.
//!
//! Sources: ECMA-167, 3/10.7; OSTA UDF 2.60, 2.2.8 to 2.2.13.

use std::collections::BTreeMap;

use super::extents::Extent;
use super::tag::{Crc, Descriptor, Medium};
use crate::bytes::Fields;
use crate::{Context, Error, Result};

/// A block in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) block: u32,
    /// Number of the partition within the logical volume.
    pub(super) partition: u16,
}

impl Place {
    /// The place at byte `at` of `bytes` (ECMA-167's `lb_addr`).
    pub(super) fn read(bytes: &[u8], at: usize) -> Result<Self> {
        Ok(Place { block: bytes.le32(at)?, partition: bytes.le16(at.saturating_add(4))? })
    }
}

/// A partition of a logical volume.
#[derive(Debug)]
pub(super) struct Partition {
    /// Its first block on the medium, and how many it has: of the partition that it lies in, if it is not physical.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) kind: Kind,
}

/// How a partition's blocks are found.
#[derive(Debug)]
pub(super) enum Kind {
    /// No descriptor says where it is.
    Missing,
    Physical,
    Sparable {
        /// Blocks of a packet: a power of two.
        packet: u32,
        /// First blocks of packets that were moved, and the blocks of the medium where they are.
        moved: BTreeMap<u32, u32>,
    },
    Virtual {
        table: Vec<u32>,
        within: u16,
    },
    Metadata {
        /// Of the metadata file, and of its mirror.
        files: [Vec<Extent>; 2],
        within: u16,
    },
}

/// Consecutive blocks of the medium: the first, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) count: u32,
}

/// The blocks of a logical volume.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) medium: Medium,
    pub(super) partitions: Vec<Partition>,
}

impl Space {
    pub(super) fn partition(&self, number: u16) -> Result<&Partition> {
        let found = self.partitions.get(usize::from(number));
        found.ok_or_else(|| Error::corrupt(format!("partition {number} of {}", self.partitions.len())))
    }

    /// Where the blocks from `place` on lie, of which no more than `count` matter: at least one of them.
    pub(super) fn run(&self, place: Place, count: u32) -> Result<Run> {
        let partition = self.partition(place.partition)?;
        let bad = || Error::corrupt(format!("block {} of partition {}", place.block, place.partition));
        let left = partition.len.checked_sub(place.block).filter(|left| *left > 0).ok_or_else(bad)?;
        let count = count.clamp(1, left);
        let plain = partition.start.checked_add(place.block).ok_or_else(bad);
        match &partition.kind {
            Kind::Missing => Err(bad()),
            Kind::Physical => Ok(Run { first: plain?, count }),
            Kind::Sparable { moved, .. } if moved.is_empty() => Ok(Run { first: plain?, count }),
            Kind::Sparable { packet, moved } => {
                let within = place.block & packet.saturating_sub(1);
                let count = count.min(packet.saturating_sub(within));
                let first = match moved.get(&place.block.saturating_sub(within)) {
                    Some(to) => to.checked_add(within).ok_or_else(bad)?,
                    None => plain?,
                };
                Ok(Run { first, count })
            }
            Kind::Virtual { table, within } => {
                let entry = crate::bytes::index(place.block);
                let block = table.get(entry).copied().ok_or_else(bad)?;
                self.run(Place { block, partition: *within }, 1).context(|| bad().to_string())
            }
            Kind::Metadata { files, within } => {
                let at = u64::from(place.block).saturating_mul(self.medium.block_size.into());
                let found = files.iter().find_map(|extents| {
                    let after = extents.partition_point(|extent| extent.end() <= at);
                    let extent = extents.get(after)?;
                    let skipped = self.blocks_of(at.checked_sub(extent.start)?)?;
                    let left =
                        self.blocks_of(extent.len.into())?.checked_sub(skipped).filter(|left| *left > 0)?;
                    Some((extent.at?.block.checked_add(skipped)?, left))
                });
                let (block, left) = found.ok_or_else(bad)?;
                self.run(Place { block, partition: *within }, count.min(left)).context(|| bad().to_string())
            }
        }
    }

    /// How many whole blocks have `bytes` bytes.
    pub(super) fn blocks_of(&self, bytes: u64) -> Option<u32> {
        bytes.checked_div(self.medium.block_size.into()).and_then(|blocks| u32::try_from(blocks).ok())
    }

    /// The block of the medium that is at `place`.
    pub(super) fn physical(&self, place: Place) -> Result<u32> {
        Ok(self.run(place, 1)?.first)
    }

    /// The descriptor at `place`.
    pub(super) fn descriptor(&self, place: Place, crc: Crc) -> Result<Descriptor> {
        self.medium.descriptor(self.physical(place)?, place.block, crc)
    }
}
