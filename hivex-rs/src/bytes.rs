//! Checked access to fields of structures: a field that lies outside its buffer is `Corrupt`, never a panic.
//!
//! All numbers of a hive are little-endian.

use crate::{Error, Result};

/// Reads and writes fields at byte offsets of a buffer.
pub(crate) trait Fields {
    /// The `N` bytes at `at`.
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]>;

    /// The `len` bytes at `at`.
    fn slice(&self, at: usize, len: usize) -> Result<&[u8]>;

    /// Puts `bytes` at `at`.
    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<()>;

    fn le16(&self, at: usize) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    fn le32(&self, at: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    fn le64(&self, at: usize) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }

    fn put16(&mut self, at: usize, number: u16) -> Result<()> {
        self.put(at, &number.to_le_bytes())
    }

    fn put32(&mut self, at: usize, number: u32) -> Result<()> {
        self.put(at, &number.to_le_bytes())
    }

    fn put64(&mut self, at: usize, number: u64) -> Result<()> {
        self.put(at, &number.to_le_bytes())
    }
}

impl Fields for [u8] {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        self.get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or_else(|| outside(at, N, self.len()))
    }

    fn slice(&self, at: usize, len: usize) -> Result<&[u8]> {
        self.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(|| outside(at, len, self.len()))
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let have = self.len();
        let room = self.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        room.ok_or_else(|| outside(at, bytes.len(), have))?.copy_from_slice(bytes);
        Ok(())
    }
}

#[cold]
fn outside(at: usize, len: usize, have: usize) -> Error {
    Error::corrupt(format!("a field of {len} bytes at byte {at} lies outside its structure of {have} bytes"))
}

/// A 32-bit number as a size or index in memory. Lossless on every target that this crate supports (32 and 64 bits).
#[expect(clippy::as_conversions, reason = "u32 always fits usize on 32- and 64-bit targets")]
pub(crate) const fn index(n: u32) -> usize {
    n as usize
}

/// A length in memory as a field of 32 bits.
pub(crate) fn len32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::too_large(format!("{len} bytes do not fit a hive")))
}

/// A set of positions, one bit for each.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// An empty set for positions below `count`; others can be added too.
    pub(crate) fn new(count: usize) -> Self {
        Bits(vec![0; count.div_ceil(64)])
    }

    pub(crate) fn contains(&self, at: u32) -> bool {
        let (word, bit) = split(at);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a position; says whether it is new. The set grows up to it: positions come from cells that are there.
    pub(crate) fn insert(&mut self, at: u32) -> bool {
        let (word, bit) = split(at);
        if word >= self.0.len() {
            self.0.resize(word.saturating_add(1), 0);
        }
        let Some(word) = self.0.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(crate) fn remove(&mut self, at: u32) {
        let (word, bit) = split(at);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }
}

fn split(at: u32) -> (usize, u64) {
    (index(at / 64), 1u64.wrapping_shl(at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn fields_are_little_endian_and_never_outside() {
        let bytes: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(bytes.le16(1).unwrap(), 0x0302);
        assert_eq!(bytes.le32(0).unwrap(), 0x0403_0201);
        assert_eq!(bytes.le64(1).unwrap(), 0x0908_0706_0504_0302);
        assert_eq!(bytes.le64(2).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(bytes.slice(9, usize::MAX).unwrap_err().kind(), ErrorKind::Corrupt);
        let mut bytes = [0; 4];
        bytes.put16(1, 0x0201).unwrap();
        assert_eq!(bytes, [0, 1, 2, 0]);
        assert_eq!(bytes.put32(1, 7).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(bytes, [0, 1, 2, 0], "what does not fit changes nothing");
    }

    #[test]
    fn bits_are_a_set() {
        let mut bits = Bits::new(3);
        assert!(!bits.contains(200));
        assert!(bits.insert(200) && !bits.insert(200) && bits.insert(0));
        bits.remove(200);
        bits.remove(100_000);
        assert!(bits.contains(0) && !bits.contains(200) && !bits.contains(100_000));
    }
}
