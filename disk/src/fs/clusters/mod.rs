//! What FAT and exFAT have in common: clusters that a table links to chains, names in UTF-16.
//!
//! ```text
//! Heap ── Table (which cluster follows) ── Links (a walk along one chain, or a run of neighbours)
//!   └──── File (content of a regular file), Slots (a directory, 32 bytes at a time)
//! ```
//!
//! Invariants: a cluster's place is only ever computed by [`Heap::offset`], which refuses what lies outside; a chain
//! that returns to one of its own clusters is `Corrupt`.

mod chain;
mod file;
mod slots;
mod table;
mod utf16;

use std::sync::Arc;

pub(super) use self::chain::Chain;
pub(super) use self::file::File;
pub(super) use self::slots::{Area, SLOT, Slot, Slots};
pub(super) use self::table::{FIRST, Table, Width, Window};
pub(super) use self::utf16::push_utf8;
use crate::{Error, ReadAt, Result};

/// The clusters of one filesystem.
#[derive(Debug)]
pub(super) struct Heap {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) table: Table,
    /// Byte of the source where cluster [`FIRST`] starts.
    pub(super) start: u64,
    /// Bytes of a cluster, as a shift.
    pub(super) shift: u32,
}

impl Heap {
    /// Bytes of a cluster.
    pub(super) fn cluster_size(&self) -> u64 {
        1u64.checked_shl(self.shift).unwrap_or(0)
    }

    /// Byte of the source where `cluster` starts.
    pub(super) fn offset(&self, cluster: u32) -> Result<u64> {
        self.table.check(cluster)?;
        let before = u64::from(cluster.saturating_sub(FIRST)).checked_mul(self.cluster_size());
        before
            .and_then(|before| before.checked_add(self.start))
            .ok_or_else(|| Error::corrupt(format!("cluster {cluster} lies past the end of any disk")))
    }

    /// How many clusters `bytes` take.
    pub(super) fn clusters_of(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster_size().max(1))
    }
}
