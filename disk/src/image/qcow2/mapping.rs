//! From a place on the virtual disk to what its bytes come from: L1 table, L2 tables, cluster descriptors.
//!
//! Tables are read in slices of at most [`SLICE`] bytes, through a bounded cache that a whole chain shares, so that
//! neither a huge L1 table nor tables of 2 MiB clusters cost memory or time before they are used.

use std::sync::{Arc, Mutex, PoisonError};

use super::header::{Geometry, Header};
use crate::bytes::Fields;
use crate::clock::Clock;
use crate::{Context, Error, ReadAt, Result};

/// Unit of reading and caching tables in bytes (qemu's default is the same).
const SLICE: u64 = 4096;
/// log2 of [`SLICE`].
const SLICE_BITS: u32 = 12;
/// Memory for table slices of a whole chain in bytes: the tables of 32 GiB at 64 KiB clusters.
const TABLE_CACHE: usize = 4 << 20;

/// The part of L1 and L2 entries that is an offset in the file (bits 9 to 55).
const OFFSET_MASK: u64 = 0x00FF_FFFF_FFFF_FE00;
/// L2 entry: a compressed cluster.
const COMPRESSED: u64 = 1 << 62;
/// L2 entry: refcount is exactly 1; with an external data file also: allocated, even if at offset 0.
const COPIED: u64 = 1 << 63;
/// L2 entry, version 3, not extended: reads as zeros.
const ZERO: u64 = 1;
/// Unit of lengths of compressed data in bytes.
const COMPRESSED_SECTOR: u64 = 512;

/// Slices of tables, by image file (its number in the chain) and offset.
pub(super) type TableCache = Mutex<Clock<(u32, u64), Arc<[u8]>>>;

pub(super) fn table_cache() -> TableCache {
    Mutex::new(Clock::new(TABLE_CACHE))
}

/// What a range of the virtual disk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The data file, from this offset (bytes) on.
    Data(u64),
    /// A compressed cluster: where its data is in the file, and how long at most, in bytes.
    Compressed { offset: u64, len: u64 },
    /// Nothing: zeros.
    Zero,
    /// The backing file at the same place, or zeros where there is none.
    Backing,
}

impl Origin {
    /// The origin of what lies `distance` bytes further on, if both belong to one range.
    fn advance(self, distance: u64) -> Self {
        match self {
            Origin::Data(offset) => Origin::Data(offset.saturating_add(distance)),
            other => other,
        }
    }
}

/// A range of the virtual disk with one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) origin: Origin,
    /// Length in bytes, never 0.
    pub(super) len: u64,
}

/// The mapping of one image, or of one internal snapshot of it.
#[derive(Debug)]
pub(super) struct Mapping {
    file: Arc<dyn ReadAt>,
    /// Number of the image in its chain.
    level: u32,
    tables: Arc<TableCache>,
    geometry: Geometry,
    l1_offset: u64,
    l1_entries: u64,
    zero_flag: bool,
    external_data: bool,
}

impl Mapping {
    /// The mapping through the L1 table `l1` (offset in bytes, entries) of the image in `file`.
    pub(super) fn new(
        file: Arc<dyn ReadAt>,
        level: u32,
        tables: Arc<TableCache>,
        header: &Header,
        l1: (u64, u32),
    ) -> Result<Self> {
        let geometry = header.geometry;
        let (l1_offset, l1_entries) = (l1.0, u64::from(l1.1));
        if !l1_offset.is_multiple_of(geometry.cluster()) {
            return Err(Error::corrupt(format!("the L1 table is at byte {l1_offset}, within a cluster")));
        }
        let end = l1_offset.checked_add(l1_entries.saturating_mul(8));
        if l1_entries != 0 && end.is_none_or(|end| end > file.len()) {
            return Err(Error::corrupt(format!(
                "the L1 table of {l1_entries} entries at byte {l1_offset} lies past the end of the file"
            )));
        }
        Ok(Mapping {
            file,
            level,
            tables,
            geometry,
            l1_offset,
            l1_entries,
            zero_flag: header.version >= 3,
            external_data: header.data_file.is_some(),
        })
    }

    /// What the virtual disk comes from at `offset`, and for how many bytes, up to `max`. The time this takes is
    /// bounded by what `max` covers.
    pub(super) fn extent(&self, offset: u64, max: u64) -> Result<Extent> {
        let mut whole = self.piece(offset, max)?;
        while whole.len < max && !matches!(whole.origin, Origin::Compressed { .. }) {
            let next = self.piece(offset.saturating_add(whole.len), max.saturating_sub(whole.len))?;
            if next.origin != whole.origin.advance(whole.len) {
                break;
            }
            whole.len = whole.len.saturating_add(next.len);
        }
        Ok(whole)
    }

    /// As [`extent`](Self::extent), but looks at one slice of one table only. Never empty unless `max` is 0.
    pub(super) fn piece(&self, offset: u64, max: u64) -> Result<Extent> {
        let coverage_bits = self.geometry.l2_coverage_bits();
        let l1_index = shr(offset, coverage_bits);
        let l2_offset = self.l1_entry(l1_index)?;
        if l2_offset == 0 {
            return self.unallocated(offset, l1_index, max);
        }
        if !l2_offset.is_multiple_of(self.geometry.cluster()) {
            return Err(Error::corrupt(format!("the L2 table is at byte {l2_offset}, within a cluster")));
        }

        let cluster_bits = self.geometry.cluster_bits;
        let entry_bits = self.geometry.entry_bits();
        let entry_at = shl(shr(offset & mask(coverage_bits), cluster_bits), entry_bits);
        let (slice, at) = self.slice(l2_offset, entry_at, self.geometry.cluster())?;
        let mut entries =
            slice.get(at..).unwrap_or_default().chunks_exact(if self.geometry.extended { 16 } else { 8 });

        let unit_bits = self.geometry.unit_bits();
        let (mut at, end) = (offset, offset.saturating_add(max));
        let mut whole: Option<Origin> = None;
        'entries: while at < end {
            let Some(entry) = entries.next() else { break };
            let cluster = Cluster { offset: shl(shr(at, cluster_bits), cluster_bits), entry };
            let cluster_end = cluster.offset.saturating_add(self.geometry.cluster());
            while at < end.min(cluster_end) {
                let origin = self.origin(&cluster, at)?;
                match whole {
                    None => whole = Some(origin),
                    Some(Origin::Compressed { .. }) => break 'entries,
                    Some(whole) if whole.advance(at.saturating_sub(offset)) != origin => break 'entries,
                    Some(_) => {}
                }
                at = match origin {
                    Origin::Compressed { .. } => cluster_end,
                    _ => shl(shr(at, unit_bits).saturating_add(1), unit_bits),
                };
            }
            if matches!(whole, Some(Origin::Compressed { .. })) {
                break;
            }
        }
        let len = at.min(end).saturating_sub(offset);
        Ok(Extent { origin: whole.unwrap_or(Origin::Zero), len })
    }

    /// The extent at `offset`, whose L1 entry `l1_index` is empty: on to the next entry that is not, within its slice.
    fn unallocated(&self, offset: u64, l1_index: u64, max: u64) -> Result<Extent> {
        let coverage_bits = self.geometry.l2_coverage_bits();
        let end = offset.saturating_add(max);
        let mut next = l1_index.saturating_add(1);
        if next >= self.l1_entries {
            return Ok(Extent { origin: Origin::Backing, len: max });
        }
        while !next.is_multiple_of(SLICE / 8) && shl(next, coverage_bits) < end && self.l1_entry(next)? == 0 {
            next = next.saturating_add(1);
        }
        let len = end.min(shl(next, coverage_bits)).saturating_sub(offset);
        Ok(Extent { origin: Origin::Backing, len })
    }

    /// Offset of the L2 table that L1 entry `number` names, or 0.
    fn l1_entry(&self, number: u64) -> Result<u64> {
        // Snapshots of a disk that was smaller then have fewer entries.
        if number >= self.l1_entries {
            return Ok(0);
        }
        let (slice, at) = self.slice(self.l1_offset, shl(number, 3), shl(self.l1_entries, 3))?;
        Ok(slice.be64(at)? & OFFSET_MASK)
    }

    /// What the byte at `at`, within `cluster`, comes from, by the cluster's L2 entry.
    fn origin(&self, cluster: &Cluster<'_>, at: u64) -> Result<Origin> {
        let entry = cluster.entry.be64(0)?;
        let inside = at.saturating_sub(cluster.offset);
        if entry & COMPRESSED != 0 {
            return self
                .compressed(entry)
                .context(|| format!("cluster at byte {} of the disk", cluster.offset));
        }
        let host = entry & OFFSET_MASK;
        let allocated = host != 0 || (self.external_data && entry & COPIED != 0);
        if allocated && !host.is_multiple_of(self.geometry.cluster()) {
            return Err(Error::corrupt(format!(
                "the cluster at byte {} of the disk is at byte {host} of the file, which is no cluster's start",
                cluster.offset
            )));
        }
        if self.geometry.extended {
            let subcluster = u32::try_from(shr(inside, self.geometry.unit_bits())).unwrap_or(u32::MAX);
            return subcluster_origin(
                cluster.entry.be64(8)?,
                subcluster,
                allocated,
                host.saturating_add(inside),
            )
            .context(|| format!("cluster at byte {} of the disk", cluster.offset));
        }
        if entry & ZERO != 0 {
            if !self.zero_flag {
                return Err(Error::corrupt(format!(
                    "the cluster at byte {} of the disk has the zero flag, which version 2 does not know",
                    cluster.offset
                )));
            }
            return Ok(Origin::Zero);
        }
        Ok(if allocated { Origin::Data(host.saturating_add(inside)) } else { Origin::Backing })
    }

    /// Where a compressed cluster's data is. Its descriptor has the offset in the low `62 - (cluster_bits - 8)` bits,
    /// and above them how many sectors follow the one in which it starts.
    fn compressed(&self, entry: u64) -> Result<Origin> {
        if self.external_data {
            return Err(Error::corrupt("a compressed cluster in an image with an external data file"));
        }
        let count_bits = self.geometry.cluster_bits.saturating_sub(8);
        let offset_bits = 62u32.saturating_sub(count_bits);
        let offset = entry & mask(offset_bits);
        let sectors = (shr(entry, offset_bits) & mask(count_bits)).saturating_add(1);
        let len = sectors.saturating_mul(COMPRESSED_SECTOR).saturating_sub(offset % COMPRESSED_SECTOR);
        // The last sector need not be there as a whole.
        let len = len.min(self.file.len().saturating_sub(offset));
        if len == 0 {
            return Err(Error::corrupt(format!(
                "compressed data at byte {offset}, past the end of the file"
            )));
        }
        Ok(Origin::Compressed { offset, len })
    }

    /// The slice of the table at `table` (of `table_len` bytes) that holds the table's byte `at`, and where in it.
    fn slice(&self, table: u64, at: u64, table_len: u64) -> Result<(Arc<[u8]>, usize)> {
        let start = shl(shr(at, SLICE_BITS), SLICE_BITS);
        let inside = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        let offset = table.saturating_add(start);
        let key = (self.level, offset);
        // A panic elsewhere cannot leave half an entry.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = tables.get(&key)
            && slice.len() > inside
        {
            return Ok((Arc::clone(slice), inside));
        }
        drop(tables);
        let len = usize::try_from(SLICE.min(table_len.saturating_sub(start))).unwrap_or(0);
        let mut bytes = vec![0; len];
        self.file.read_at(offset, &mut bytes).context(|| format!("mapping table at byte {table}"))?;
        let slice: Arc<[u8]> = bytes.into();
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.insert(key, Arc::clone(&slice), len);
        Ok((slice, inside))
    }
}

/// A cluster of the virtual disk: where it starts (bytes), and its L2 entry.
struct Cluster<'a> {
    offset: u64,
    entry: &'a [u8],
}

/// What a subcluster comes from: bit n of `bitmap` says that subcluster n is allocated, bit 32 + n that it reads as
/// zeros. `host` is where its data is if the cluster is allocated.
fn subcluster_origin(bitmap: u64, number: u32, allocated: bool, host: u64) -> Result<Origin> {
    let has_data = shr(bitmap, number) & 1 == 1;
    let zero = shr(bitmap, number.saturating_add(32)) & 1 == 1;
    match (zero, has_data) {
        (true, true) => Err(Error::corrupt(format!("subcluster {number} is both allocated and zero"))),
        (false, true) if !allocated => {
            Err(Error::corrupt(format!("subcluster {number} is allocated, but its cluster is not")))
        }
        (true, false) => Ok(Origin::Zero),
        (false, true) => Ok(Origin::Data(host)),
        (false, false) => Ok(Origin::Backing),
    }
}

/// `n >> bits`, 0 for shifts too far.
fn shr(n: u64, bits: u32) -> u64 {
    n.checked_shr(bits).unwrap_or(0)
}

/// `n << bits`, or the largest number if that does not fit.
fn shl(n: u64, bits: u32) -> u64 {
    if n == 0 {
        return 0;
    }
    if bits > n.leading_zeros() { u64::MAX } else { n.checked_shl(bits).unwrap_or(u64::MAX) }
}

/// The low `bits` bits set.
fn mask(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit.saturating_sub(1))
}
