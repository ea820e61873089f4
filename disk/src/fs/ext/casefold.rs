//! Lookups in directories that ignore case.
//!
//! The kernel compares names in Unicode's canonical decomposition, case-folded, ignorable characters left out. What
//! that means is sure here only where both names are ASCII; a lookup that hangs on other characters is `Unsupported`.

use std::ops::ControlFlow;

use super::Ext;
use super::inode::Inode;
use crate::fs::InodeId;
use crate::{Error, Result};

/// What `name` is hashed as, where that is sure: if it is ASCII.
pub(super) fn folded(name: &[u8]) -> Option<Vec<u8>> {
    name.is_ascii().then(|| name.to_ascii_lowercase())
}

/// Looks for `name` in `dir`. Names in such a directory differ in more than case, so that an exact match is the one.
pub(super) fn find(ext: &Ext, dir: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
    let mut exact = None;
    let mut folded = None;
    let mut unsure = !name.is_ascii();
    ext.all_entries(dir, &mut |entry| {
        if entry.name == name {
            exact = Some(entry.inode);
            return ControlFlow::Break(());
        }
        if entry.name.eq_ignore_ascii_case(name) {
            folded = Some(entry.inode);
        }
        // Even ASCII letters have equals outside ASCII, as the Kelvin sign.
        unsure |= !entry.name.is_ascii();
        ControlFlow::Continue(())
    })?;
    match (exact, folded) {
        (Some(inode), _) => Ok(Some(InodeId::new(inode.into()))),
        (None, Some(inode)) if name.is_ascii() => Ok(Some(InodeId::new(inode.into()))),
        (None, _) if unsure => Err(Error::unsupported(format!(
            "a name outside ASCII in directory {}, which ignores case",
            dir.number
        ))),
        _ => Ok(None),
    }
}
