//! The content of a file: in its entry, or in extents.

use std::ops::Range;

use super::extents::Extent;
use super::partition::{Place, Space};
use crate::bytes::index;
use crate::fs::FileData;
use crate::{Context, Result};

/// Where content is.
#[derive(Debug)]
pub(super) enum Content {
    Embedded(Vec<u8>),
    /// In order, without gaps, from byte 0 on. What comes after them are zeros.
    Extents(Vec<Extent>),
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct File<'a> {
    space: &'a Space,
    content: Content,
    size: u64,
}

impl<'a> File<'a> {
    pub(super) fn new(space: &'a Space, content: Content, size: u64) -> Self {
        File { space, content, size }
    }

    /// Is all of it recorded?
    pub(super) fn is_whole(&self) -> bool {
        match &self.content {
            Content::Embedded(_) => true,
            Content::Extents(extents) => {
                let end = extents.last().map_or(0, Extent::end);
                end >= self.size && extents.iter().all(|extent| extent.at.is_some())
            }
        }
    }

    /// Fills a first part of `buf` from byte `offset` on; says how many bytes. `offset` is less than the size.
    fn read_run(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let extents = match &self.content {
            Content::Embedded(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                for (to, from) in buf.iter_mut().zip(rest) {
                    *to = *from;
                }
                return Ok(buf.len());
            }
            Content::Extents(extents) => extents,
        };
        let number = extents.partition_point(|extent| extent.end() <= offset);
        let Some(extent) = extents.get(number) else {
            buf.fill(0);
            return Ok(buf.len());
        };
        let left = usize::try_from(extent.end().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let part = buf.get_mut(..wanted).unwrap_or_default();
        let Some(place) = extent.at else {
            part.fill(0);
            return Ok(wanted);
        };
        let within = u32::try_from(offset.saturating_sub(extent.start)).unwrap_or(u32::MAX);
        let block_size = self.space.medium.block_size;
        let skipped = within.checked_div(block_size).unwrap_or(0);
        let rest = within.checked_rem(block_size).unwrap_or(0);
        let wide = u32::try_from(wanted).unwrap_or(u32::MAX).saturating_add(rest);
        let place = Place { block: place.block.saturating_add(skipped), ..place };
        let run = self.space.run(place, wide.div_ceil(block_size))?;
        let there = u64::from(run.count).saturating_mul(block_size.into()).saturating_sub(rest.into());
        let count = usize::try_from(there).unwrap_or(usize::MAX).min(wanted);
        let part = part.get_mut(..count).unwrap_or_default();
        let at = self.space.medium.at(run.first).saturating_add(rest.into());
        self.space.medium.source.read_at(at, part)?;
        Ok(count)
    }

    /// Reads all of it, which is `max` bytes at most.
    pub(super) fn read_all(&mut self, max: u32) -> Result<Option<Vec<u8>>> {
        if self.size > max.into() {
            return Ok(None);
        }
        let mut bytes = vec![0; index(u32::try_from(self.size).unwrap_or(max))];
        self.read_at(0, &mut bytes)?;
        Ok(Some(bytes))
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut rest = buf.get_mut(..wanted).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let count = self.read_run(at, rest).context(|| format!("reading byte {at} of a file"))?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(wanted)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        // Linux tells no one of the holes that the format has.
        Ok((offset < self.size).then_some(offset..self.size))
    }
}
