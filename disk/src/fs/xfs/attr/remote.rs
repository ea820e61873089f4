//! Values of attributes in blocks of their own: bare in version 4, with a header in each block in version 5.

use super::MAX_VALUE;
use crate::bytes::{Fields, index};
use crate::fs::xfs::Xfs;
use crate::fs::xfs::blocks::Which;
use crate::fs::xfs::checksum;
use crate::fs::xfs::extents::Segment;
use crate::fs::xfs::inode::Inode;
use crate::{Error, Result};

/// What each block starts with in version 5.
const MAGIC: [u8; 4] = *b"XARM";
/// Size of the header that starts so.
const HEADER: usize = 56;
/// Where the checksum lies in it.
const CRC_OFFSET: usize = 12;

impl Xfs {
    /// The value of `len` bytes that starts in block `first` of the attributes of `inode`.
    pub(super) fn remote_value(
        &self,
        inode: &Inode,
        first: u64,
        len: u32,
        segment: &mut Segment,
    ) -> Result<Vec<u8>> {
        if first == 0 || len > MAX_VALUE {
            return Err(Error::corrupt(format!("an attribute's value of {len} bytes from block {first} on")));
        }
        let v5 = self.superblock.v5;
        let header = if v5 { HEADER } else { 0 };
        let mut value = Vec::with_capacity(index(len));
        for block in first.. {
            let rest = index(len).saturating_sub(value.len());
            if rest == 0 {
                break;
            }
            let (bytes, offset) = self.named_block(inode, Which::Attributes, block, segment)?;
            let wanted = rest.min(bytes.len().saturating_sub(header));
            if v5 {
                checksum::verify(&bytes, CRC_OFFSET, "attribute value")?;
                self.check_owner(&bytes, [40, 16, 32], offset, inode.number)?;
                let (magic, start, stored) = (bytes.array::<4>(0)?, bytes.be32(4)?, bytes.be32(8)?);
                if magic != MAGIC || index(start) != value.len() || index(stored) != wanted {
                    return Err(Error::corrupt(format!(
                        "{stored} bytes from byte {start} on of an attribute's value"
                    )));
                }
            }
            value.extend_from_slice(bytes.slice(header, wanted)?);
        }
        Ok(value)
    }
}
