//! Buffers that were given up somewhere in the log.
//!
//! Until the log comes to the last place where it was given up, nothing is replayed into a buffer: its blocks may hold
//! something else by now that the log does not know, such as the content of a file. A first pass over the log counts
//! the places; the second counts them down, each one after all else of its transaction.

use std::collections::HashMap;

use crate::{Error, Result};

/// First block of 512 bytes, and how many.
pub(super) type Name = (u64, u32);

/// The most buffers that are kept in mind.
const MAX_BUFFERS: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Cancelled(HashMap<Name, u32>);

impl Cancelled {
    /// The log gives up a buffer: the first pass.
    pub(super) fn add(&mut self, name: Name) -> Result<()> {
        if self.0.len() >= MAX_BUFFERS {
            return Err(Error::unsupported(format!(
                "dirty log that gives up more than {MAX_BUFFERS} buffers"
            )));
        }
        let times = self.0.entry(name).or_insert(0);
        *times = times.saturating_add(1);
        Ok(())
    }

    /// Does the log give up this buffer later on?
    pub(super) fn has(&self, name: Name) -> bool {
        self.0.contains_key(&name)
    }

    /// One of the places is passed: the second pass.
    pub(super) fn done(&mut self, name: Name) {
        if let Some(times) = self.0.get_mut(&name) {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.0.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_cancelled_until_the_last_time() {
        let mut cancelled = Cancelled::default();
        for name in [(8, 8), (8, 8), (8, 16)] {
            cancelled.add(name).unwrap();
        }
        cancelled.done((8, 8));
        assert!(cancelled.has((8, 8)) && cancelled.has((8, 16)) && !cancelled.has((16, 8)));
        cancelled.done((8, 8));
        assert!(!cancelled.has((8, 8)) && cancelled.has((8, 16)));
        // One that is not known is no harm.
        cancelled.done((8, 8));
    }
}
