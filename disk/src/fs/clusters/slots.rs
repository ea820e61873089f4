//! Directories as a sequence of slots of 32 bytes.

use super::{Chain, Heap};
use crate::bytes::Fields;
use crate::{Context, Error, Result};

/// Size of a slot in bytes.
pub(in crate::fs) const SLOT: usize = 32;
/// How much of a directory is read at a time (bytes). Less than what bypasses a cache below.
const PIECE: u64 = 32 << 10;
/// Most bytes of a directory that are gone through: FAT allows 2 MiB, exFAT 256 MiB, which are as much as 2.7 million
/// names of one character.
const MAX_BYTES: u64 = 256 << 20;

/// A slot and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) struct Slot {
    pub(in crate::fs) bytes: [u8; SLOT],
    /// Its first byte on the source, divided by its size: slots are aligned.
    pub(in crate::fs) place: u64,
}

/// Where a directory lies.
#[derive(Debug)]
pub(in crate::fs) enum Area {
    /// In a place of its own: the root directory of FAT12 and FAT16.
    Region {
        /// First byte of the source.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// In clusters.
    Clusters(Chain),
}

/// A walk through a directory.
#[derive(Debug)]
pub(in crate::fs) struct Slots<'a> {
    heap: &'a Heap,
    area: Area,
    /// What was read last, and how much of it was given away.
    piece: Vec<u8>,
    used: usize,
    /// Byte of the source where the piece starts.
    at: u64,
    /// Bytes of the directory up to the end of the piece.
    done: u64,
}

impl<'a> Slots<'a> {
    /// The slots in `area`.
    pub(in crate::fs) fn new(heap: &'a Heap, area: Area) -> Self {
        Slots { heap, area, piece: Vec::new(), used: 0, at: 0, done: 0 }
    }

    /// The next slot, or `None` at the end of the directory.
    pub(in crate::fs) fn next(&mut self) -> Result<Option<Slot>> {
        if self.used >= self.piece.len() && !self.load()? {
            return Ok(None);
        }
        let bytes = self.piece.array(self.used)?;
        let at = self.at.saturating_add(u64::try_from(self.used).unwrap_or(u64::MAX));
        self.used = self.used.saturating_add(SLOT);
        Ok(Some(Slot { bytes, place: at / 32 }))
    }

    fn load(&mut self) -> Result<bool> {
        if self.done >= MAX_BYTES {
            return Err(Error::unsupported(format!("a directory of more than {MAX_BYTES} bytes")));
        }
        let (at, len) = match &mut self.area {
            Area::Region { start, len } => {
                (start.saturating_add(self.done), len.saturating_sub(self.done).min(PIECE))
            }
            Area::Clusters(chain) => {
                let cluster = self.heap.cluster_size();
                let nr = self.done.checked_div(cluster).unwrap_or(0);
                let within = self.done.saturating_sub(nr.saturating_mul(cluster));
                let most = PIECE.checked_div(cluster).unwrap_or(0).max(1);
                match chain.run(self.heap, nr, most)? {
                    None => (0, 0),
                    Some(run) => {
                        let there = run.count.saturating_mul(cluster).saturating_sub(within);
                        (self.heap.offset(run.cluster)?.saturating_add(within), there.min(PIECE))
                    }
                }
            }
        };
        self.used = 0;
        self.at = at;
        self.done = self.done.saturating_add(len);
        self.piece.clear();
        self.piece.resize(usize::try_from(len).unwrap_or(0), 0);
        self.heap.source.read_at(at, &mut self.piece).context(|| "reading a directory".to_owned())?;
        Ok(len > 0)
    }
}
