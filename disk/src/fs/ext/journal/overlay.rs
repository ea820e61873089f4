//! The filesystem as it is after recovery: its source, with some blocks taken from the journal instead.

use std::ops::Range;
use std::sync::Arc;

use crate::bytes::index;
use crate::source::check_range;
use crate::{ReadAt, Result};

use super::format::MAGIC;

/// A block whose content lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replacement {
    /// Block of the filesystem.
    pub block: u64,
    /// Block of the filesystem, within the journal, that holds its content.
    pub from: u64,
    /// The content's first four bytes are the journal's magic number, which the journal block does not show.
    pub escaped: bool,
}

/// A source seen through the blocks that its journal replaces. It refers to the journal's blocks and copies none.
#[derive(Debug)]
pub(super) struct Overlay {
    source: Arc<dyn ReadAt>,
    block_size: u64,
    /// By block, each block once.
    replacements: Vec<Replacement>,
}

impl Overlay {
    /// `replacements` in any order, with each block at most once, and every `block` and `from` within `source`.
    pub(super) fn new(source: Arc<dyn ReadAt>, block_size: u32, mut replacements: Vec<Replacement>) -> Self {
        replacements.sort_unstable_by_key(|replacement| replacement.block);
        Overlay { source, block_size: u64::from(block_size), replacements }
    }

    /// The first replaced block that ends after byte `offset`, and its bytes.
    fn replaced_from(&self, offset: u64) -> Option<(Replacement, Range<u64>)> {
        let block = offset.checked_div(self.block_size)?;
        let i = self.replacements.partition_point(|replacement| replacement.block < block);
        let replacement = *self.replacements.get(i)?;
        let start = replacement.block.saturating_mul(self.block_size);
        Some((replacement, start..start.saturating_add(self.block_size)))
    }

    /// Reads bytes of one replaced block, from `inside` on.
    fn read_replaced(&self, replacement: Replacement, inside: u64, buf: &mut [u8]) -> Result<()> {
        let start = replacement.from.saturating_mul(self.block_size);
        self.source.read_at(start.saturating_add(inside), buf)?;
        if replacement.escaped {
            let skip = index(u32::try_from(inside).unwrap_or(u32::MAX));
            let magic = MAGIC.to_be_bytes();
            for (byte, magic) in buf.iter_mut().zip(magic.iter().skip(skip)) {
                *byte = *magic;
            }
        }
        Ok(())
    }
}

impl ReadAt for Overlay {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len())?;
        while !buf.is_empty() {
            let replaced = self.replaced_from(offset);
            let until = match &replaced {
                Some((_, bytes)) if bytes.start <= offset => bytes.end,
                Some((_, bytes)) => bytes.start,
                None => u64::MAX,
            };
            let count = usize::try_from(until.saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
            let (piece, rest) = buf.split_at_mut(count);
            match replaced {
                Some((replacement, bytes)) if bytes.start <= offset => {
                    self.read_replaced(replacement, offset.saturating_sub(bytes.start), piece)?;
                }
                _ => self.source.read_at(offset, piece)?,
            }
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            buf = rest;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
        let below = self.source.next_data(offset)?;
        let Some((_, bytes)) = self.replaced_from(offset) else { return Ok(below) };
        let replaced = bytes.start.max(offset)..bytes.end.min(self.len());
        Ok(match below {
            Some(below) if below.start <= replaced.start => Some(below),
            _ => Some(replaced),
        })
    }

    fn sector_size(&self) -> u32 {
        self.source.sector_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemSource;

    /// Ten blocks of 8 bytes, each filled with its number; block 2 reads as block 7, block 3 as block 6, escaped.
    fn overlay() -> Overlay {
        let bytes: Vec<u8> = (0..80u8).map(|i| i / 8).collect();
        let replacements = vec![
            Replacement { block: 3, from: 6, escaped: true },
            Replacement { block: 2, from: 7, escaped: false },
        ];
        Overlay::new(Arc::new(MemSource::new(bytes)), 8, replacements)
    }

    #[test]
    fn replaced_blocks_are_read_from_the_journal_and_all_others_from_their_place() {
        let whole: Vec<u8> = (0..10u8)
            .flat_map(|block| match block {
                2 => [7; 8],
                3 => [0xC0, 0x3B, 0x39, 0x98, 6, 6, 6, 6],
                n => [n; 8],
            })
            .collect();
        for start in 0..80usize {
            for end in start..=80 {
                let mut buf = vec![0; end - start];
                overlay().read_at(start as u64, &mut buf).unwrap();
                assert_eq!(buf, whole[start..end], "bytes {start}..{end}");
            }
        }
        assert!(overlay().read_at(79, &mut [0; 2]).is_err());
    }

    /// A source of zeros that knows of no data but the last block.
    #[derive(Debug)]
    struct Sparse;
    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            80
        }
        fn read_at(&self, _: u64, buf: &mut [u8]) -> Result<()> {
            buf.fill(0);
            Ok(())
        }
        fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>> {
            Ok((offset < 80).then(|| offset.max(72)..80))
        }
    }

    #[test]
    fn a_replaced_block_is_data_even_where_the_source_has_a_hole() {
        let replacements = vec![Replacement { block: 2, from: 7, escaped: false }];
        let overlay = Overlay::new(Arc::new(Sparse), 8, replacements);
        assert_eq!(overlay.next_data(0).unwrap(), Some(16..24));
        assert_eq!(overlay.next_data(20).unwrap(), Some(20..24));
        assert_eq!(overlay.next_data(24).unwrap(), Some(72..80));
        assert_eq!(overlay.next_data(80).unwrap(), None);
    }
}
