//! Targets of symbolic links: the one inline extent that such an inode has.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_file_extent_item`.

use bstr::BString;

use super::Btrfs;
use super::inode::Inode;
use super::key::kind;
use crate::bytes::Fields;
use crate::fs::FileType;
use crate::{Error, Result};

/// Where the bytes of an inline extent begin in its item.
const INLINE_DATA: usize = 21;
/// Type of an extent: its bytes are in the item.
const INLINE: u8 = 0;
/// Longest target in bytes: the kernel leaves room for a NUL in a page.
const MAX_TARGET: usize = 4095;

impl Btrfs {
    /// The target of symbolic link `inode`: as the kernel gives it, up to the first NUL byte.
    pub(super) fn link_target(&self, inode: &Inode) -> Result<BString> {
        inode.need(FileType::Symlink, "symbolic link")?;
        let target = self.trees.get(inode.root, inode.key(kind::EXTENT_DATA, 0), |item| {
            // Compression, encryption, other encodings.
            if item.slice(16, 4)? != [0; 4] || item.u8(20)? != INLINE {
                return Err(Error::unsupported(format!("symbolic link {} is not plain", inode.number)));
            }
            let target = item.get(INLINE_DATA..).unwrap_or_default();
            let right = u64::try_from(target.len()) == Ok(inode.size) && target.len() <= MAX_TARGET;
            Ok(right.then(|| target.split(|b| *b == 0).next().unwrap_or_default().into()))
        })?;
        target
            .flatten()
            .ok_or_else(|| Error::corrupt(format!("symbolic link {} of {} bytes", inode.number, inode.size)))
    }
}
