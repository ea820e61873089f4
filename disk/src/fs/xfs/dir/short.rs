//! Directories in the inode.
//!
//! ```text
//! count, count of 8-byte numbers, parent | length, place, name, kind, inode | …
//! ```
//!
//! Inode numbers have 4 bytes, or all 8 if one of them needs it.

use std::ops::ControlFlow;

use super::data::Entry;
use super::file_type;
use crate::bytes::Fields;
use crate::fs::xfs::Xfs;
use crate::fs::xfs::inode::Inode;
use crate::{Error, Result};

impl Xfs {
    /// Calls `each` for every name of a directory in its inode.
    pub(super) fn walk_short(
        &self,
        dir: &Inode,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let has_file_type = self.superblock.has_file_type();
        let size = usize::try_from(dir.size).unwrap_or(usize::MAX);
        let bytes = dir.data()?.bytes.slice(0, size)?;
        let (count, wide) = (bytes.u8(0)?, bytes.u8(1)? != 0);
        let number_len = if wide { 8 } else { 4 };
        let mut rest = bytes.get(2_usize.saturating_add(number_len)..);
        for _ in 0..count {
            let entry = rest.ok_or_else(|| Error::corrupt(format!("{count} names in {size} bytes")))?;
            let len = usize::from(entry.u8(0)?);
            let name = entry.slice(3, len)?;
            check_name(name)?;
            let mut at = 3_usize.saturating_add(len);
            let mut kind = None;
            if has_file_type {
                kind = file_type(entry.u8(at)?);
                at = at.saturating_add(1);
            }
            let inode = if wide { entry.be64(at)? } else { entry.be32(at)?.into() };
            if each(Entry { name, inode, file_type: kind }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            rest = entry.get(at.saturating_add(number_len)..);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Refuses what cannot be a name.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.iter().any(|b| matches!(b, 0 | b'/')) {
        return Err(Error::corrupt(format!("a directory entry with the name {:?}", bstr::BStr::new(name))));
    }
    Ok(())
}
