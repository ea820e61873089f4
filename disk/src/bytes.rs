//! Checked access to fields of on-disk structures: a field that lies outside its buffer is `Corrupt`, never a panic.

use crate::{Error, Result};

/// Reads fixed-width fields at byte offsets of a buffer.
pub trait Fields {
    /// The `N` bytes at `offset`.
    ///
    /// # Errors
    /// `Corrupt` if they do not lie within the buffer; the same goes for every method of this trait.
    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N]>;

    /// The `len` bytes at `offset`.
    fn slice(&self, offset: usize, len: usize) -> Result<&[u8]>;

    /// The byte at `offset`.
    fn u8(&self, offset: usize) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array(offset)?))
    }
    /// The little-endian 16-bit number at `offset`.
    fn le16(&self, offset: usize) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(offset)?))
    }
    /// The little-endian 32-bit number at `offset`.
    fn le32(&self, offset: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(offset)?))
    }
    /// The little-endian 64-bit number at `offset`.
    fn le64(&self, offset: usize) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(offset)?))
    }
    /// The big-endian 16-bit number at `offset`.
    fn be16(&self, offset: usize) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array(offset)?))
    }
    /// The big-endian 32-bit number at `offset`.
    fn be32(&self, offset: usize) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array(offset)?))
    }
    /// The big-endian 64-bit number at `offset`.
    fn be64(&self, offset: usize) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array(offset)?))
    }
}

impl Fields for [u8] {
    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N]> {
        self.get(offset..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or_else(|| outside(offset, N, self.len()))
    }

    fn slice(&self, offset: usize, len: usize) -> Result<&[u8]> {
        self.get(offset..).and_then(|rest| rest.get(..len)).ok_or_else(|| outside(offset, len, self.len()))
    }
}

#[cold]
fn outside(offset: usize, len: usize, have: usize) -> Error {
    Error::corrupt(format!(
        "a field of {len} bytes at byte {offset} lies outside its structure of {have} bytes"
    ))
}

/// A 32-bit number as a size or index in memory. Lossless on every target that this crate supports (32 and 64 bits).
#[expect(clippy::as_conversions, reason = "u32 always fits usize on 32- and 64-bit targets")]
pub const fn index(n: u32) -> usize {
    n as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn fields_are_read_in_their_byte_order_and_never_outside() {
        let b: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(b.le16(1).unwrap(), 0x0302);
        assert_eq!(b.be32(0).unwrap(), 0x0102_0304);
        assert_eq!(b.le64(1).unwrap(), 0x0908_0706_0504_0302);
        assert_eq!(b.slice(7, 2).unwrap(), [8, 9]);
        assert_eq!(b.le64(2).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(b.u8(usize::MAX).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(b.slice(9, usize::MAX).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
