//! A bounded block cache with read-ahead, laid under a filesystem so that small metadata reads cost few reads below.
//!
//! A read that hits costs one lock and one copy. A read that misses fetches at least [`MIN_FETCH`]; each fetch that
//! continues an earlier one is twice as long as that one, up to [`MAX_FETCH`], so that a walk through a directory or
//! an inode table in small steps reads below in large ones. [`STREAMS`] such walks may interleave. Reads of
//! [`BYPASS`] or more go straight through: file content is not worth keeping here.
//!
//! Invariants: the blocks kept never take more than the capacity; a cached block holds what the source has there; no
//! lock is held while the source reads.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::source::check_range;
use crate::{ReadAt, Result};

/// Unit of caching in bytes: the block size of nearly every filesystem and the page size below.
const BLOCK: usize = 4096;
/// [`BLOCK`] as a shift.
const BLOCK_BITS: u32 = 12;
/// Reads of so many bytes and more bypass the cache.
pub const BYPASS: usize = 64 << 10;
/// Shortest fetch in bytes: a read of 16 KiB costs little more than one of 4 KiB, and metadata lies in clusters.
const MIN_FETCH: usize = 16 << 10;
/// Longest fetch in bytes: past this the cost of a read below is all copying.
const MAX_FETCH: usize = 128 << 10;
/// How many sequential readers are told apart.
const STREAMS: usize = 8;

/// A source seen through a bounded block cache.
#[derive(Debug)]
pub struct Cached<S> {
    inner: S,
    len: u64,
    /// Longest fetch in bytes: one fetch must not push out most of the cache.
    max_fetch: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Block number to block; the last block of the source is padded.
    blocks: Clock<u64, Box<[u8]>>,
    streams: [Stream; STREAMS],
    /// The stream to be replaced next.
    victim: usize,
    /// Memory for the next fetch.
    spare: Vec<u8>,
}

/// A sequential reader: where its next miss is expected, and how long its last fetch was.
#[derive(Debug, Clone, Copy)]
struct Stream {
    next: u64,
    fetch: usize,
}

impl<S: ReadAt> Cached<S> {
    /// `inner` with a cache of at most `capacity` bytes (and small change for bookkeeping).
    pub fn new(inner: S, capacity: usize) -> Self {
        let state = State {
            blocks: Clock::new(capacity),
            streams: [Stream { next: u64::MAX, fetch: 0 }; STREAMS],
            victim: 0,
            spare: Vec::new(),
        };
        let max_fetch = (capacity / 4).clamp(BLOCK, MAX_FETCH);
        Cached { len: inner.len(), inner, max_fetch, state: Mutex::new(state) }
    }

    /// The source below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave the state half changed in a way that matters: entries are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the blocks from `offset` on, keeps them, and fills a first part of `buf` (never none of it).
    fn fetch(&self, offset: u64, buf: &mut [u8], ahead: usize, mut spare: Vec<u8>) -> Result<usize> {
        let start = offset >> BLOCK_BITS << BLOCK_BITS;
        let skip = to_usize(offset.saturating_sub(start));
        let want = skip.saturating_add(buf.len()).next_multiple_of(BLOCK).max(ahead);
        let want = want.min(to_usize(self.len.saturating_sub(start)));
        spare.resize(want, 0);
        if let Err(error) = self.inner.read_at(start, &mut spare) {
            // What lies ahead may be unreadable where what was asked for is not.
            self.inner.read_at(offset, buf).map_err(|_| error)?;
            return Ok(buf.len());
        }
        let count = buf.len().min(want.saturating_sub(skip));
        copy(spare.get(skip..), buf, count);

        let mut state = self.state();
        let mut reuse: Option<Box<[u8]>> = None;
        for (number, bytes) in (start >> BLOCK_BITS..).zip(spare.chunks(BLOCK)) {
            let mut block = reuse.take().unwrap_or_else(|| vec![0; BLOCK].into_boxed_slice());
            copy(Some(bytes), &mut block, bytes.len());
            reuse = state.blocks.insert(number, block, BLOCK);
        }
        state.spare = spare;
        Ok(count)
    }
}

impl State {
    /// Copies cached bytes from `offset` on into `buf` up to the first block that is not there; says how many.
    fn copy_cached(&mut self, offset: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(to_u64(done));
            let Some(block) = self.blocks.get(&(at >> BLOCK_BITS)) else { break };
            let inside = to_usize(at) % BLOCK;
            let Some(rest) = buf.get_mut(done..) else { break };
            let count = rest.len().min(BLOCK.saturating_sub(inside));
            copy(block.get(inside..), rest, count);
            done = done.saturating_add(count);
        }
        done
    }

    /// How many bytes to fetch for a miss in the block of `offset`, given who seems to be reading.
    fn plan(&mut self, offset: u64, max: usize) -> usize {
        let start = offset >> BLOCK_BITS << BLOCK_BITS;
        let known = self.streams.iter().position(|stream| stream.next == start);
        let at = known.unwrap_or_else(|| {
            self.victim = self.victim.saturating_add(1) % STREAMS;
            self.victim
        });
        let Some(stream) = self.streams.get_mut(at) else { return MIN_FETCH };
        let fetch = if known.is_some() { stream.fetch.saturating_mul(2) } else { MIN_FETCH };
        let fetch = fetch.clamp(BLOCK, max);
        *stream = Stream { next: start.saturating_add(to_u64(fetch)), fetch };
        fetch
    }
}

impl<S: ReadAt> ReadAt for Cached<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len())?;
        if buf.len() >= BYPASS {
            return self.inner.read_at(offset, buf);
        }
        let mut offset = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let mut state = self.state();
            let mut done = state.copy_cached(offset, rest);
            if done == 0 {
                let ahead = state.plan(offset, self.max_fetch);
                let spare = std::mem::take(&mut state.spare);
                drop(state);
                done = self.fetch(offset, rest, ahead, spare)?;
            }
            offset = offset.saturating_add(to_u64(done));
            rest = rest.get_mut(done..).unwrap_or_default();
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        self.inner.next_data(offset)
    }

    fn sector_size(&self) -> u32 {
        self.inner.sector_size()
    }
}

/// Copies `count` bytes from the front of `from` to the front of `to`; both have them.
fn copy(from: Option<&[u8]>, to: &mut [u8], count: usize) {
    if let (Some(from), Some(to)) = (from.and_then(|from| from.get(..count)), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
}

/// A count of bytes in memory, as a distance on the source.
fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A distance on the source, capped at what memory can hold.
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{Error, ErrorKind};

    /// A source that counts reads, and has one unreadable byte.
    #[derive(Debug)]
    struct Counting {
        bytes: Vec<u8>,
        bad: u64,
        reads: AtomicU64,
    }

    impl Counting {
        fn new(len: usize) -> Self {
            // No period that divides a block, so that a block from elsewhere is noticed.
            let bytes = (0..len).map(|i| (i % 251) as u8 ^ (i >> 12) as u8).collect();
            Counting { bytes, bad: u64::MAX, reads: AtomicU64::new(0) }
        }
    }

    impl ReadAt for Counting {
        fn len(&self) -> u64 {
            self.bytes.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            check_range(self.len(), offset, buf.len())?;
            self.reads.fetch_add(1, Ordering::Relaxed);
            if (offset..offset + buf.len() as u64).contains(&self.bad) {
                return Err(Error::new(ErrorKind::Io, "bad byte"));
            }
            buf.copy_from_slice(&self.bytes[offset as usize..offset as usize + buf.len()]);
            Ok(())
        }
    }

    fn reads(cached: &Cached<Counting>) -> u64 {
        cached.inner.reads.load(Ordering::Relaxed)
    }

    fn check(cached: &Cached<Counting>, offset: usize, len: usize) {
        let mut buf = vec![0xEE; len];
        cached.read_at(offset as u64, &mut buf).unwrap();
        assert!(buf == cached.inner.bytes[offset..offset + len], "{len} bytes at {offset}");
    }

    #[test]
    fn reads_in_any_order_give_the_source_and_memory_stays_bounded() {
        let len = 3 * 1024 * 1024 + 1234;
        for capacity in [0, 4096, 100_000, 1 << 20] {
            let cached = Cached::new(Counting::new(len), capacity);
            let mut random = 1u64;
            for _ in 0..3000 {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let offset = (random >> 33) as usize % len;
                let count = (random >> 20) as usize % 70_000;
                check(&cached, offset, count.min(len - offset));
                let state = cached.state();
                assert!(state.blocks.weight() <= capacity, "{}", state.blocks.weight());
                assert!(state.spare.capacity() <= 2 * (MAX_FETCH + BYPASS), "{}", state.spare.capacity());
            }
        }
    }

    #[test]
    fn a_hit_reads_nothing_below() {
        let cached = Cached::new(Counting::new(1 << 20), 1 << 20);
        check(&cached, 5000, 100);
        assert_eq!(reads(&cached), 1);
        check(&cached, 4096, 4096);
        check(&cached, 6000, 8000);
        assert_eq!(reads(&cached), 1);
    }

    #[test]
    fn sequential_small_reads_become_few_large_ones() {
        let len = 4 << 20;
        let cached = Cached::new(Counting::new(len), 1 << 20);
        for offset in (0..len).step_by(1024) {
            check(&cached, offset, 1024);
        }
        // 16, 32 and 64 KiB, then 128 KiB at a time.
        assert!(reads(&cached) <= 4 + 32, "{}", reads(&cached));
    }

    #[test]
    fn interleaved_walks_are_told_apart() {
        let len = 4 << 20;
        let cached = Cached::new(Counting::new(len), 2 << 20);
        for step in (0..len / 4).step_by(4096) {
            for walk in 0..4 {
                check(&cached, walk * (len / 4) + step, 4096);
            }
        }
        assert!(reads(&cached) <= 4 * (4 + 8), "{}", reads(&cached));
    }

    #[test]
    fn large_reads_bypass() {
        let cached = Cached::new(Counting::new(1 << 20), 1 << 20);
        check(&cached, 100, BYPASS);
        check(&cached, 100, BYPASS);
        assert_eq!(reads(&cached), 2);
        assert!(cached.state().blocks.get(&0).is_none());
    }

    #[test]
    fn the_end_of_an_odd_source_is_read_and_not_passed() {
        let len = 10_000;
        let cached = Cached::new(Counting::new(len), 1 << 20);
        check(&cached, 9_999, 1);
        check(&cached, 8_000, 2_000);
        check(&cached, 10_000, 0);
        let error = cached.read_at(9_999, &mut [0; 2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(Cached::new(Counting::new(0), 4096).len(), 0);
    }

    #[test]
    fn an_error_ahead_of_what_was_asked_does_not_matter() {
        let mut source = Counting::new(1 << 20);
        source.bad = 9_000;
        let cached = Cached::new(source, 1 << 20);
        check(&cached, 100, 200);
        assert_eq!(cached.read_at(8_999, &mut [0; 2]).unwrap_err().kind(), ErrorKind::Io);
        check(&cached, 9_001, 5_000);
    }

    #[test]
    fn threads_share_it() {
        let cached = Cached::new(Counting::new(1 << 20), 64 << 10);
        std::thread::scope(|scope| {
            for start in 0..4 {
                let cached = &cached;
                scope.spawn(move || {
                    for i in 0..500 {
                        check(cached, (start * 7919 + i * 104_729) % ((1 << 20) - 5000), 5000);
                    }
                });
            }
        });
    }
}
