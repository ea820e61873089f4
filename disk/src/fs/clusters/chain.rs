//! Chains of clusters: which cluster is the nth of a file, in order and at random.
//!
//! A walk goes on from where the last one ended. To go back, or far ahead, it starts at the nearest of the marks that
//! it has set every [`STRIDE`] clusters, so that no step costs more than that many links. Each link is checked when it
//! is first followed, by Brent's method: it must not lead to the last cluster whose place was a power of two, and
//! sooner or later that cluster lies on any cycle.

use super::{Heap, Window};
use crate::{Error, Result};

/// Distance of marks in clusters: 16 KiB of a table with 32 bits an entry lie between two.
const STRIDE: u64 = 4096;

/// Clusters that lie one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) struct Run {
    /// Number of the first.
    pub(in crate::fs) cluster: u32,
    /// How many.
    pub(in crate::fs) count: u64,
}

/// The clusters of one file or directory.
#[derive(Debug)]
pub(in crate::fs) enum Chain {
    /// Linked by the table.
    Linked(Links),
    /// So many from `first` on, whatever the table says.
    Neighbours {
        /// Number of the first.
        first: u32,
        /// How many.
        count: u64,
    },
}

/// A place in a chain: how many clusters are before it, and its cluster.
#[derive(Debug, Clone, Copy)]
struct Place {
    nr: u64,
    cluster: u32,
}

/// A walk along links.
#[derive(Debug)]
pub(in crate::fs) struct Links {
    /// Every [`STRIDE`]th cluster.
    marks: Vec<u32>,
    /// Where the walk is.
    here: Place,
    /// The farthest that it has been.
    farthest: Place,
    /// The last place that was a power of two.
    turtle: Place,
    window: Window,
}

impl Chain {
    /// The chain that starts with `first`.
    pub(in crate::fs) fn linked(first: u32) -> Self {
        let start = Place { nr: 0, cluster: first };
        let links = Links {
            marks: vec![first],
            here: start,
            farthest: start,
            turtle: start,
            window: Window::default(),
        };
        Chain::Linked(links)
    }

    /// The clusters from place `nr` on as far as they lie together, at most `most` (at least one). `None` past the end.
    pub(in crate::fs) fn run(&mut self, heap: &Heap, nr: u64, most: u64) -> Result<Option<Run>> {
        match self {
            Chain::Linked(links) => links.run(heap, nr, most),
            Chain::Neighbours { first, count } => {
                let Some(left) = count.checked_sub(nr).filter(|left| *left > 0) else { return Ok(None) };
                let cluster = u32::try_from(u64::from(*first).saturating_add(nr)).unwrap_or(u32::MAX);
                heap.table.check(cluster)?;
                let count = left.min(most);
                // The last one must exist, too.
                let last = u64::from(cluster).saturating_add(count.saturating_sub(1));
                heap.table.check(u32::try_from(last).unwrap_or(u32::MAX))?;
                Ok(Some(Run { cluster, count }))
            }
        }
    }
}

impl Links {
    fn run(&mut self, heap: &Heap, nr: u64, most: u64) -> Result<Option<Run>> {
        self.seek(nr);
        heap.table.check(self.here.cluster)?;
        while self.here.nr < nr {
            if !self.step(heap)? {
                return Ok(None);
            }
        }
        let mut run = Run { cluster: self.here.cluster, count: 1 };
        while run.count < most {
            let before = self.here.cluster;
            if !self.step(heap)? || before.checked_add(1) != Some(self.here.cluster) {
                break;
            }
            run.count = run.count.saturating_add(1);
        }
        Ok(Some(run))
    }

    /// Goes to the last known place that is not behind place `nr`.
    fn seek(&mut self, nr: u64) {
        let mark = (nr / STRIDE).min(u64::try_from(self.marks.len().saturating_sub(1)).unwrap_or(0));
        let place = mark.saturating_mul(STRIDE);
        if self.here.nr > nr || self.here.nr < place {
            let cluster = usize::try_from(mark).ok().and_then(|mark| self.marks.get(mark).copied());
            self.here = Place { nr: place, cluster: cluster.unwrap_or(self.turtle.cluster) };
        }
        if (self.here.nr..=nr).contains(&self.farthest.nr) {
            self.here = self.farthest;
        }
    }

    /// Goes one cluster on, if there is one.
    fn step(&mut self, heap: &Heap) -> Result<bool> {
        let Some(cluster) = heap.table.next(self.here.cluster, &mut self.window)? else { return Ok(false) };
        let there = Place { nr: self.here.nr.saturating_add(1), cluster };
        if there.nr > self.farthest.nr {
            if cluster == self.turtle.cluster {
                return Err(Error::corrupt(format!("a chain returns to its cluster {cluster}")));
            }
            self.farthest = there;
            if there.nr.is_power_of_two() {
                self.turtle = there;
            }
            if there.nr.is_multiple_of(STRIDE) {
                self.marks.push(cluster);
            }
        }
        self.here = there;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::clusters::{Table, Width};
    use crate::{ErrorKind, MemSource};

    /// A heap whose table has `entries`.
    fn heap(entries: &[u32]) -> Heap {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let source: Arc<MemSource> = Arc::new(MemSource::new(bytes));
        let table = Table::new(source.clone(), 0, Width::Fat32, entries.len() as u32);
        Heap { source, table, start: 0, shift: 9 }
    }

    #[test]
    fn every_place_of_a_scattered_chain_is_found_in_any_order() {
        const PRIME: u32 = 20_011;
        // A chain through all clusters: the one after n is n + 7, modulo the prime number of clusters; each seventh
        // lies behind its predecessor's neighbour.
        let order: Vec<u32> = (0..PRIME).map(|nr| 2 + (nr as u64 * 7919 % u64::from(PRIME)) as u32).collect();
        let mut entries = vec![0x0FFF_FFFF; PRIME as usize + 2];
        for pair in order.windows(2) {
            entries[pair[0] as usize] = pair[1];
        }
        let heap = heap(&entries);
        let mut chain = Chain::linked(order[0]);
        let mut random = 1u64;
        for step in 0..4000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let nr = if step < 100 { step } else { (random >> 33) % (u64::from(PRIME) + 2) };
            let run = chain.run(&heap, nr, 1 + random % 3).unwrap();
            assert_eq!(run.map(|run| run.cluster), order.get(nr as usize).copied(), "{nr}");
        }
    }

    #[test]
    fn neighbours_are_one_run() {
        let heap = heap(&[0, 0, 3, 4, 5, 9, 0, 0, 0, 10, 0x0FFF_FFF8]);
        let mut chain = Chain::linked(2);
        assert_eq!(chain.run(&heap, 0, 100).unwrap(), Some(Run { cluster: 2, count: 4 }));
        assert_eq!(chain.run(&heap, 0, 2).unwrap(), Some(Run { cluster: 2, count: 2 }));
        assert_eq!(chain.run(&heap, 4, 100).unwrap(), Some(Run { cluster: 9, count: 2 }));
        assert_eq!(chain.run(&heap, 6, 100).unwrap(), None);
        assert_eq!(chain.run(&heap, 1, 1).unwrap(), Some(Run { cluster: 3, count: 1 }));
        let mut chain = Chain::Neighbours { first: 6, count: 5 };
        assert_eq!(chain.run(&heap, 1, 9).unwrap(), Some(Run { cluster: 7, count: 4 }));
        assert_eq!(chain.run(&heap, 5, 9).unwrap(), None);
        let mut chain = Chain::Neighbours { first: 6, count: 6 };
        assert_eq!(chain.run(&heap, 1, 9).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn cycles_are_found() {
        // 2 3 4 5 6 4 5 6 ..., and a cluster that follows itself.
        for entries in [&[0, 0, 3, 4, 5, 6, 4][..], &[0, 0, 2]] {
            let heap = heap(entries);
            let mut chain = Chain::linked(2);
            let error = (0..100).find_map(|nr| chain.run(&heap, nr, 1).err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}
