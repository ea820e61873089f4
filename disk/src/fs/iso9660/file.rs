//! The content of regular files: one or more sections, each of which lies together.

use std::ops::Range;
use std::sync::Arc;

use crate::fs::FileData;
use crate::{Context, ReadAt, Result};

/// A section: its range of bytes of the file, and where it starts on the source.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) range: Range<u64>,
    pub(super) at: u64,
}

/// An open regular file.
#[derive(Debug)]
pub(super) struct File<'a> {
    source: &'a Arc<dyn ReadAt>,
    /// In order, without gaps, from byte 0 on.
    sections: Vec<Section>,
    size: u64,
}

impl<'a> File<'a> {
    pub(super) fn new(source: &'a Arc<dyn ReadAt>, sections: Vec<Section>) -> Self {
        let size = sections.last().map_or(0, |last| last.range.end);
        File { source, sections, size }
    }
}

impl FileData for File<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        let first = self.sections.partition_point(|section| section.range.end <= offset);
        for section in self.sections.get(first..).unwrap_or_default() {
            let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let left = usize::try_from(section.range.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let rest = buf.get_mut(done..).unwrap_or_default();
            let count = left.min(rest.len());
            let part = rest.get_mut(..count).unwrap_or_default();
            let from = section.at.saturating_add(at.saturating_sub(section.range.start));
            self.source.read_at(from, part).context(|| format!("reading byte {at} of a file"))?;
            done = done.saturating_add(count);
            if done == buf.len() {
                break;
            }
        }
        Ok(done)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>> {
        // The format has no holes.
        Ok((offset < self.size).then_some(offset..self.size))
    }
}
