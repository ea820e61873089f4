//! Inline data: small files, links and directories that lie in their inodes.
//!
//! The first 60 bytes are `i_block`; more are the value of the extended attribute `system.data`, which every inode with
//! inline data has, be it empty, and which always lies in the inode. A directory has its parent's inode number in the
//! first 4 bytes, and then two areas of entries: the rest of `i_block`, and the attribute.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Inline Data".

use super::Ext;
use super::inode::{Inode, flags};
use super::xattr;
use crate::{Error, Result};

impl Ext {
    /// The inline content of `inode`, or `None` if its content lies in blocks. May be longer than the inode's size, or
    /// shorter (zeros follow).
    pub(super) fn inline_data(&self, inode: &Inode) -> Result<Option<Vec<u8>>> {
        let Some((block, attribute)) = self.inline_areas(inode)? else { return Ok(None) };
        Ok(Some([block, attribute].concat()))
    }

    /// The two areas of inline data, `i_block` and the attribute.
    pub(super) fn inline_areas<'a>(&self, inode: &'a Inode) -> Result<Option<(&'a [u8], &'a [u8])>> {
        if !inode.has(flags::INLINE_DATA) {
            return Ok(None);
        }
        let area = inode.xattr_area()?.unwrap_or_default();
        let attribute = xattr::inline_value(area)?.ok_or_else(|| {
            Error::corrupt(format!("inode {} has no attribute with its inline data", inode.number))
        })?;
        Ok(Some((inode.block()?, attribute)))
    }
}
