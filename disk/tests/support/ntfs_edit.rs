//! Changes of NTFS images by hand: what ntfs-3g does not write, or would not.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "in tests only"
)]

use std::ops::Range;

/// Bytes between two guarded places.
const STRIDE: usize = 512;
const RECORD: usize = 1024;
pub(crate) const STANDARD_INFORMATION: u32 = 0x10;
pub(crate) const VOLUME_INFORMATION: u32 = 0x70;
pub(crate) const DATA: u32 = 0x80;

/// The number of `N` bytes at `at`.
pub(crate) fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + N].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
}

/// An image whose table of files is in one piece as far as it is changed.
pub(crate) struct Image(pub(crate) Vec<u8>);

impl Image {
    fn cluster(&self) -> usize {
        number::<2>(&self.0, 11) * usize::from(self.0[13])
    }

    /// Where the copy of the first records begins.
    pub(crate) fn mirror(&self) -> usize {
        number::<8>(&self.0, 56) * self.cluster()
    }

    /// Where record `nr` is.
    pub(crate) fn record(&self, nr: u64) -> Range<usize> {
        let at = number::<8>(&self.0, 48) * self.cluster() + nr as usize * RECORD;
        assert_eq!(number::<4>(&self.0, at + 44) as u64, nr, "the table of files is in several pieces");
        at..at + RECORD
    }

    /// Changes record `nr`, which has all its bytes in their places meanwhile.
    pub(crate) fn edit(&mut self, nr: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let range = self.record(nr);
        let mut record = self.0[range.clone()].to_vec();
        let array = number::<2>(&record, 4);
        for stride in 1..=RECORD / STRIDE {
            record.copy_within(array + 2 * stride..array + 2 * stride + 2, stride * STRIDE - 2);
        }
        change(&mut record);
        assert_eq!(record.len(), RECORD);
        guard(&mut record);
        self.0[range].copy_from_slice(&record);
    }

    /// The first byte of what an attribute of record `nr` has in clusters, and its size.
    pub(crate) fn data(&self, nr: u64) -> (usize, usize) {
        let record = &self.0[self.record(nr)];
        let at = attribute(record, DATA).start;
        let runs = at + number::<2>(record, at + 32);
        let (count, place) = (usize::from(record[runs] & 15), usize::from(record[runs] >> 4));
        let stored = &record[runs + 1 + count..runs + 1 + count + place];
        let cluster = stored.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
        (cluster * self.cluster(), number::<8>(record, at + 48))
    }
}

/// Puts the guarding number in its places.
pub(crate) fn guard(block: &mut [u8]) {
    let array = number::<2>(block, 4);
    for stride in 1..=block.len() / STRIDE {
        let place = stride * STRIDE - 2;
        block.copy_within(place..place + 2, array + 2 * stride);
        block.copy_within(array..array + 2, place);
    }
}

/// Where the first attribute of that type is in a record.
pub(crate) fn attribute(record: &[u8], kind: u32) -> Range<usize> {
    let mut at = number::<2>(record, 20);
    loop {
        let found = number::<4>(record, at);
        assert_ne!(found, 0xFFFF_FFFF, "no attribute {kind:#x}");
        let range = at..at + number::<4>(record, at + 4);
        if found == kind as usize {
            return range;
        }
        at = range.end;
    }
}

/// A restart page of the journal of `size` bytes, by the "NTFS Documentation", section `$LogFile`: of one client, which may be
/// in use.
pub(crate) fn restart_page(size: usize, last: u64, version: (u16, u16), in_use: bool, flags: u16) -> Vec<u8> {
    const PAGE: u32 = 4096;
    const AREA: usize = 48;
    let mut page = vec![0; PAGE as usize];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RSTR\x1E\0\x09\0");
    put(16, &PAGE.to_le_bytes());
    put(20, &PAGE.to_le_bytes());
    put(24, &(AREA as u16).to_le_bytes());
    put(26, &version.1.to_le_bytes());
    put(28, &version.0.to_le_bytes());
    // The number that guards.
    put(30, &[7, 0]);
    put(AREA, &last.to_le_bytes());
    let (free, used): (u16, u16) = if in_use { (0xFFFF, 0) } else { (0, 0xFFFF) };
    for (nr, field) in [1, free, used, flags].into_iter().enumerate() {
        put(AREA + 8 + 2 * nr, &field.to_le_bytes());
    }
    let sequence_bits = 67 - (usize::BITS - size.leading_zeros());
    put(AREA + 16, &sequence_bits.to_le_bytes());
    // Length of the area, where the client is in it.
    put(AREA + 20, &[48 + 160, 0, 48, 0]);
    put(AREA + 24, &(size as u64).to_le_bytes());
    put(AREA + 36, &[0x30, 0, 0x40, 0]);
    put(AREA + 48 + 16, &[0xFF; 4]);
    put(AREA + 48 + 28, &[8, 0, 0, 0]);
    put(AREA + 48 + 32, b"N\0T\0F\0S\0");
    guard(&mut page);
    page
}
