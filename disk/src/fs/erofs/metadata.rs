//! What files read of their maps: a piece of the source at a time, since maps are read from front to back.

use super::Erofs;
use crate::Result;
use crate::bytes::Fields;

/// How much is read at once: the unit of the cache below, 512 indexes of 8 bytes.
const PIECE: u64 = 4096;

/// A piece of the source.
#[derive(Debug, Default)]
pub(super) struct Piece {
    start: u64,
    bytes: Vec<u8>,
}

impl Piece {
    /// The `len` bytes at byte `at` of the source; `len` is far less than [`PIECE`].
    pub(super) fn get(&mut self, fs: &Erofs, at: u64, len: usize) -> Result<&[u8]> {
        let within = at.checked_sub(self.start).and_then(|within| usize::try_from(within).ok());
        let there = within.filter(|within| within.saturating_add(len) <= self.bytes.len());
        let within = match there {
            Some(within) => within,
            None => {
                // So that nothing lies on two pieces: they start with what is needed.
                let left = fs.source.len().saturating_sub(at).min(PIECE);
                self.bytes.resize(usize::try_from(left).unwrap_or_default().max(len), 0);
                self.start = at;
                if let Err(error) = fs.source.read_at(at, &mut self.bytes) {
                    self.bytes.clear();
                    return Err(error);
                }
                0
            }
        };
        self.bytes.slice(within, len)
    }
}
