//! Checked access to the fields of binary structures, and to the bytes of files.

use crate::error::{Error, Result, broken};
use crate::source::File;

/// The order of a number's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16-bit number at `at`.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Result<u16> {
        let field = array(bytes, at)?;
        Ok(if self == Order::Little { u16::from_le_bytes(field) } else { u16::from_be_bytes(field) })
    }

    /// The 32-bit number at `at`.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Result<u32> {
        let field = array(bytes, at)?;
        Ok(if self == Order::Little { u32::from_le_bytes(field) } else { u32::from_be_bytes(field) })
    }
}

/// The big-endian 16-bit number at `at`.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Result<u16> {
    Order::Big.u16(bytes, at)
}

/// The big-endian 32-bit number at `at`.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Result<u32> {
    Order::Big.u32(bytes, at)
}

/// The little-endian 32-bit number at `at`.
pub(crate) fn le32(bytes: &[u8], at: usize) -> Result<u32> {
    Order::Little.u32(bytes, at)
}

/// The byte at `at`.
pub(crate) fn byte(bytes: &[u8], at: usize) -> Result<u8> {
    let [byte] = array(bytes, at)?;
    Ok(byte)
}

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    field.copied().ok_or_else(|| outside(at, N, bytes.len()))
}

/// The `len` bytes at `at`.
pub(crate) fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    bytes.get(at..).and_then(|rest| rest.get(..len)).ok_or_else(|| outside(at, len, bytes.len()))
}

#[cold]
fn outside(at: usize, len: usize, have: usize) -> Error {
    Error::Broken(format!("a field of {len} bytes at byte {at} lies outside its structure of {have} bytes"))
}

/// A 32-bit number as a size or index in memory. Lossless on every target that this crate supports (32 and 64 bits).
#[expect(clippy::as_conversions, reason = "u32 always fits usize on 32- and 64-bit targets")]
pub(crate) const fn index(n: u32) -> usize {
    n as usize
}

/// A size in memory as one of a file. Lossless on every target that this crate supports.
#[expect(clippy::as_conversions, reason = "usize always fits u64 on 32- and 64-bit targets")]
pub(crate) const fn size(n: usize) -> u64 {
    n as u64
}

/// Fills `buf` from `offset` on.
pub(crate) fn read_exact(file: &mut dyn File, offset: u64, buf: &mut [u8]) -> Result<()> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(offset.saturating_add(size(filled)), rest)?;
        if read == 0 {
            return broken(format!("the file ends before byte {}", offset.saturating_add(size(buf.len()))));
        }
        filled = filled.saturating_add(read);
    }
    Ok(())
}

/// Bytes that lie somewhere in a database, maybe in pieces. Reading forward is fast.
pub(crate) trait Blob {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// If the blob ends before, or can't be read.
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<()>;
}
