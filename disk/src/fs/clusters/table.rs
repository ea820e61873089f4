//! The table that says for each cluster which one follows in its chain.

use std::sync::Arc;

use crate::bytes::Fields;
use crate::{Context, Error, ReadAt, Result};

/// The first cluster that holds data: the table's entries 0 and 1 have other uses.
pub(in crate::fs) const FIRST: u32 = 2;
/// How much of the table a walk holds at a time (bytes), at multiples of it.
const WINDOW: u64 = 4096;
/// How much of it is read at a time to count free clusters (bytes). A multiple of three: FAT12 has two entries in three.
const COUNTED: u64 = 192 << 10;

/// What an entry of the table is, and thereby how its numbers read. Sources: Microsoft's FAT specification 1.03, "FAT
/// data structure"; Microsoft's exFAT specification, section 4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) enum Width {
    Fat12,
    Fat16,
    /// 28 bits; four are reserved.
    Fat32,
    ExFat,
}

impl Width {
    /// Byte of the table where the entry of `cluster` starts.
    fn position(self, cluster: u32) -> u64 {
        let cluster = u64::from(cluster);
        match self {
            Width::Fat12 => cluster.saturating_mul(3) / 2,
            Width::Fat16 => cluster.saturating_mul(2),
            Width::Fat32 | Width::ExFat => cluster.saturating_mul(4),
        }
    }

    /// The entry of `cluster`, which starts at byte `at` of `bytes`.
    fn entry(self, bytes: &[u8], at: usize, cluster: u32) -> Result<u32> {
        Ok(match self {
            Width::Fat12 if cluster.is_multiple_of(2) => u32::from(bytes.le16(at)?) & 0xFFF,
            Width::Fat12 => u32::from(bytes.le16(at)?) >> 4,
            Width::Fat16 => bytes.le16(at)?.into(),
            Width::Fat32 => bytes.le32(at)? & 0x0FFF_FFFF,
            Width::ExFat => bytes.le32(at)?,
        })
    }

    /// The mark of a bad cluster. What is higher ends a chain.
    fn bad(self) -> u32 {
        match self {
            Width::Fat12 => 0xFF7,
            Width::Fat16 => 0xFFF7,
            Width::Fat32 => 0x0FFF_FFF7,
            Width::ExFat => 0xFFFF_FFF7,
        }
    }
}

/// The table of one filesystem.
#[derive(Debug)]
pub(in crate::fs) struct Table {
    source: Arc<dyn ReadAt>,
    /// Byte of the source where it starts.
    start: u64,
    width: Width,
    /// The number after that of the last cluster.
    end: u32,
}

/// The part of the table that a walk is in.
#[derive(Debug, Default)]
pub(in crate::fs) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Table {
    /// The table from byte `start` of `source` on, of a filesystem with clusters [`FIRST`]..`end`.
    pub(in crate::fs) fn new(source: Arc<dyn ReadAt>, start: u64, width: Width, end: u32) -> Self {
        Table { source, start, width, end }
    }

    /// How many clusters there are.
    pub(in crate::fs) fn clusters(&self) -> u32 {
        self.end.saturating_sub(FIRST)
    }

    /// Refuses a cluster that does not exist.
    pub(in crate::fs) fn check(&self, cluster: u32) -> Result<()> {
        if (FIRST..self.end).contains(&cluster) {
            return Ok(());
        }
        Err(Error::corrupt(format!("cluster {cluster} where the last is {}", self.end.saturating_sub(1))))
    }

    /// The cluster that follows `cluster` in its chain, or `None` if that is the last.
    pub(in crate::fs) fn next(&self, cluster: u32, window: &mut Window) -> Result<Option<u32>> {
        self.check(cluster)?;
        let at = self.width.position(cluster);
        let mut within = at.checked_sub(window.start).and_then(|at| usize::try_from(at).ok());
        if within.is_none_or(|at| at.saturating_add(4) > window.bytes.len()) {
            self.load(window, at)?;
            within = at.checked_sub(window.start).and_then(|at| usize::try_from(at).ok());
        }
        let next = self.width.entry(&window.bytes, within.unwrap_or(usize::MAX), cluster)?;
        // The kernel ends a FAT's chain at a bad cluster, and refuses that in exFAT.
        let last =
            if self.width == Width::ExFat { self.width.bad().saturating_add(1) } else { self.width.bad() };
        if next >= last {
            return Ok(None);
        }
        self.check(next).context(|| format!("after cluster {cluster} in its chain"))?;
        Ok(Some(next))
    }

    fn load(&self, window: &mut Window, at: u64) -> Result<()> {
        let start = at.saturating_sub(at.checked_rem(WINDOW).unwrap_or(0));
        // Entries of 12 bits may lie across the end; entries of 32 bits are looked for in four bytes, whatever they are.
        let end = self.width.position(self.end).saturating_add(4).min(start.saturating_add(WINDOW + 4));
        let end = end.min(self.source.len().saturating_sub(self.start));
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        window.start = start;
        window.bytes.clear();
        let mut bytes = std::mem::take(&mut window.bytes);
        bytes.resize(len, 0);
        self.source
            .read_at(self.start.saturating_add(start), &mut bytes)
            .context(|| "reading the FAT".to_owned())?;
        window.bytes = bytes;
        Ok(())
    }

    /// How many clusters are free.
    pub(in crate::fs) fn count_free(&self) -> Result<u32> {
        // An odd number of entries of 12 bits ends within a byte.
        let half = self.width == Width::Fat12 && !self.end.is_multiple_of(2);
        let len = self.width.position(self.end).saturating_add(half.into());
        let mut bytes = Vec::new();
        let mut free = 0u32;
        let mut start = 0;
        let mut cluster = 0u32;
        while start < len {
            let size = COUNTED.min(len.saturating_sub(start));
            bytes.resize(usize::try_from(size).unwrap_or(0), 0);
            let at = self.start.saturating_add(start);
            self.source.read_at(at, &mut bytes).context(|| "counting free clusters".to_owned())?;
            let count = |from: u32, entries: &mut dyn Iterator<Item = bool>| {
                let mut next = from;
                let mut free = 0u32;
                for is_free in entries {
                    free = free.saturating_add(u32::from(is_free && (FIRST..self.end).contains(&next)));
                    next = next.saturating_add(1);
                }
                (next, free)
            };
            let (next, found) = match self.width {
                Width::Fat12 => count(
                    cluster,
                    &mut bytes.chunks(3).flat_map(|three| {
                        let [a, b, c] = [0, 1, 2].map(|at| three.get(at).copied().unwrap_or(u8::MAX));
                        [a == 0 && b & 0x0F == 0, b & 0xF0 == 0 && c == 0]
                    }),
                ),
                Width::Fat16 => {
                    count(cluster, &mut bytes.as_chunks::<2>().0.iter().map(|entry| *entry == [0; 2]))
                }
                Width::Fat32 | Width::ExFat => {
                    let free = |entry: &[u8; 4]| u32::from_le_bytes(*entry).trailing_zeros() >= 28;
                    count(cluster, &mut bytes.as_chunks::<4>().0.iter().map(free))
                }
            };
            free = free.saturating_add(found);
            cluster = next;
            start = start.saturating_add(size);
        }
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource};

    fn table(bytes: &[u8], width: Width, end: u32) -> Table {
        Table::new(Arc::new(MemSource::new(bytes)), 0, width, end)
    }

    #[test]
    fn twelve_bits_are_read_across_bytes() {
        // Entries 0xFF8, 0xFFF, 0x003, 0xABC (past the end), 0xFFF, 0.
        let bytes = [0xF8, 0xFF, 0xFF, 0x03, 0xC0, 0xAB, 0xFF, 0x0F, 0x00];
        let table = table(&bytes, Width::Fat12, 6);
        let next = |cluster| table.next(cluster, &mut Window::default());
        assert_eq!(next(2).unwrap(), Some(3));
        assert_eq!(next(3).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(next(4).unwrap(), None);
        assert_eq!(next(5).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(next(6).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(table.count_free().unwrap(), 1);
    }

    #[test]
    fn ends_of_chains() {
        let entries =
            |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        let bytes = entries(&[0, 0, 0xF000_0003, 0x0FFF_FFF8, 0x0FFF_FFF7, 0xF000_0000]);
        let fat32 = table(&bytes, Width::Fat32, 6);
        let mut window = Window::default();
        assert_eq!(fat32.next(2, &mut window).unwrap(), Some(3));
        assert_eq!(fat32.next(3, &mut window).unwrap(), None);
        assert_eq!(fat32.next(4, &mut window).unwrap(), None);
        assert_eq!(fat32.count_free().unwrap(), 1);
        let bytes = entries(&[0, 0, 3, 0xFFFF_FFF8, 0xFFFF_FFF7, 0]);
        let exfat = table(&bytes, Width::ExFat, 6);
        let mut window = Window::default();
        assert_eq!(exfat.next(2, &mut window).unwrap(), Some(3));
        assert_eq!(exfat.next(3, &mut window).unwrap(), None);
        for damaged in [4, 5] {
            assert_eq!(exfat.next(damaged, &mut window).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn windows_follow_a_walk() {
        for (width, bits) in [(Width::Fat12, 12), (Width::Fat16, 16), (Width::Fat32, 32)] {
            let mut bits_of_table = Vec::new();
            for cluster in 0..4000u32 {
                bits_of_table.extend((0..bits).map(|bit| (cluster + 1) >> bit & 1));
            }
            let bytes: Vec<u8> = bits_of_table
                .chunks(8)
                .map(|byte| byte.iter().enumerate().map(|(nr, bit)| (*bit as u8) << nr).sum())
                .collect();
            let table = table(&bytes, width, 4000);
            let mut window = Window::default();
            for cluster in (2..3999).chain([2, 2734, 2730, 1365, 3998]) {
                assert_eq!(table.next(cluster, &mut window).unwrap(), Some(cluster + 1), "{width:?}");
            }
            assert_eq!(table.count_free().unwrap(), 0);
        }
    }
}
