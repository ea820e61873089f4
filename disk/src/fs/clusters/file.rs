//! The content of regular files.

use std::ops::Range;

use super::{Chain, Heap};
use crate::fs::FileData;
use crate::{Context, Error, Result};

/// An open regular file.
#[derive(Debug)]
pub(in crate::fs) struct File<'a> {
    heap: &'a Heap,
    chain: Chain,
    size: u64,
    /// From this byte on there are zeros, whatever the clusters hold.
    valid: u64,
}

impl<'a> File<'a> {
    /// The file of `size` bytes in the clusters of `chain`, of which `valid` bytes have been written.
    pub(in crate::fs) fn new(heap: &'a Heap, chain: Chain, size: u64, valid: u64) -> Self {
        File { heap, chain, size, valid: valid.min(size) }
    }

    /// Fills a first part of `buf` from byte `offset` on, where data is; says how many bytes.
    fn read_run(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let cluster = self.heap.cluster_size();
        let nr = offset.checked_div(cluster).unwrap_or(0);
        let within = offset.saturating_sub(nr.saturating_mul(cluster));
        let wanted = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let most = self.heap.clusters_of(within.saturating_add(wanted));
        let Some(run) = self.chain.run(self.heap, nr, most)? else {
            let what = format!("a file of {} bytes has {nr} clusters of {cluster} bytes or fewer", self.size);
            return Err(Error::corrupt(what));
        };
        let there = run.count.saturating_mul(cluster).saturating_sub(within);
        let count = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let at = self.heap.offset(run.cluster)?.saturating_add(within);
        let part = buf.get_mut(..count).unwrap_or_default();
        self.heap.source.read_at(at, part).context(|| format!("reading byte {offset} of a file"))?;
        Ok(count)
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let written = self.valid.saturating_sub(offset);
        let written = usize::try_from(written).unwrap_or(usize::MAX).min(wanted);
        let (mut rest, zeros) = buf.get_mut(..wanted).unwrap_or_default().split_at_mut(written);
        zeros.fill(0);
        let mut at = offset;
        while !rest.is_empty() {
            let count = self.read_run(at, rest)?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        // Neither format has holes, and the kernel knows of none in them.
        Ok((offset < self.size).then_some(offset..self.size))
    }
}
