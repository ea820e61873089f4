//! CRC-32C as XFS keeps it: within the structure that it covers, little-endian, taken as zeros while it is computed.

use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Error, Result};

/// Size of a checksum in bytes.
const SIZE: usize = 4;

/// The checksum that `bytes` should have at byte `at`.
pub(super) fn computed(bytes: &[u8], at: usize) -> Result<u32> {
    let before = bytes.slice(0, at)?;
    let after = bytes.get(at.saturating_add(SIZE)..).unwrap_or_default();
    Ok(!crc32c(crc32c(crc32c(!0, before), &[0; SIZE]), after))
}

/// Is the checksum at byte `at` of `bytes` right? `what` names the structure.
pub(super) fn verify(bytes: &[u8], at: usize, what: &str) -> Result<()> {
    let (have, want) = (bytes.le32(at)?, computed(bytes, at)?);
    if have == want {
        return Ok(());
    }
    Err(Error::corrupt(format!("XFS {what} with checksum {have:#010x}, not {want:#010x}")))
}
