//! Leaves of attributes.
//!
//! ```text
//! header | hash, place, flags | … | free | values and names, in any order
//! value beside the name:     length of value (16 bits), of name (8), name, value
//! value in its own blocks:   block (32), length of value (32), of name (8), name
//! ```

use super::{Found, flags};
use crate::bytes::Fields;
use crate::fs::xfs::Xfs;
use crate::fs::xfs::blocks::Which;
use crate::fs::xfs::extents::Segment;
use crate::fs::xfs::inode::Inode;
use crate::fs::xfs::tree::{ENTRY, TreeBlock};
use crate::{Error, Result};

/// Size of the header in version 4, and in version 5.
const HEADER: usize = 32;
/// See [`HEADER`].
const HEADER_V5: usize = 80;
/// The most leaves of one inode. More than as many as names that Linux lists, of one byte each, take.
const MAX_LEAVES: usize = 1 << 12;

impl Xfs {
    /// Finds the attributes of an inode that has them in leaves.
    pub(super) fn attribute_leaves(
        &self,
        inode: &Inode,
        segment: &mut Segment,
        found: &mut Found,
    ) -> Result<()> {
        let mut leaf = self.leaf_for(inode, Which::Attributes, 0, 0, segment)?;
        for _ in 0..MAX_LEAVES {
            let Some(block) = leaf else { return Ok(()) };
            self.attribute_leaf(inode, &block, segment, found)?;
            leaf = match block.next()? {
                0 => None,
                next => Some(self.tree_block(inode, Which::Attributes, next, segment)?),
            };
        }
        Err(Error::corrupt(format!("more than {MAX_LEAVES} leaves of attributes")))
    }

    fn attribute_leaf(
        &self,
        inode: &Inode,
        block: &TreeBlock,
        segment: &mut Segment,
        found: &mut Found,
    ) -> Result<()> {
        if !block.is_leaf() {
            return Err(Error::corrupt("a node among leaves of attributes"));
        }
        let bytes = &block.bytes;
        let header = if self.superblock.v5 { HEADER_V5 } else { HEADER };
        let count = block.field(0)?;
        let rest = bytes.get(header..).unwrap_or_default();
        let entries: &[[u8; ENTRY]] = rest
            .as_chunks()
            .0
            .get(..count.into())
            .ok_or_else(|| Error::corrupt(format!("a leaf of {count} attributes")))?;
        for entry in entries {
            let [_, _, _, _, high, low, entry_flags, _] = *entry;
            if !Found::shows(entry_flags) {
                continue;
            }
            let at = usize::from(u16::from_be_bytes([high, low]));
            let stored = bytes.get(at..).unwrap_or_default();
            if entry_flags & flags::LOCAL != 0 {
                let (value_len, name_len) = (usize::from(stored.be16(0)?), usize::from(stored.u8(2)?));
                let value = stored.slice(name_len.saturating_add(3), value_len)?;
                found.push(entry_flags, stored.slice(3, name_len)?, value)?;
            } else {
                let (first, len, name_len) = (stored.be32(0)?, stored.be32(4)?, usize::from(stored.u8(8)?));
                let value = self.remote_value(inode, first.into(), len, segment)?;
                found.push(entry_flags, stored.slice(9, name_len)?, &value)?;
            }
        }
        Ok(())
    }
}
