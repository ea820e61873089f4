//! Extended attributes: items like those of directories, by the hash of the name, whose entries have values.
//!
//! The kernel lists them as they are stored: by hash. Names have their namespaces, and ACLs are stored as `getxattr` shows them.

use super::Btrfs;
use super::dir::Entries;
use super::inode::Inode;
use super::key::kind;
use crate::fs::Xattr;
use crate::{Context, Error, Result};

/// Most bytes of names and values that one inode can have here: the kernel lists no more than 64 KiB of names, and values are
/// shorter than tree blocks of 64 KiB.
const MAX_BYTES: usize = 16 << 20;

impl Btrfs {
    /// What `xattrs` of the trait does.
    pub(super) fn inode_xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>> {
        let doing = || format!("in the extended attributes of inode {}", inode.number);
        let mut xattrs = Vec::new();
        let mut left = MAX_BYTES;
        let mut items = self.trees.search(inode.root, inode.key(kind::XATTR_ITEM, 0))?;
        while let Some((key, item)) = items.next().context(doing)? {
            if !key.is(inode.number, kind::XATTR_ITEM) {
                break;
            }
            let too_many = || Error::unsupported(format!("so many attributes of inode {}", inode.number));
            left = left.checked_sub(item.len()).ok_or_else(too_many)?;
            let mut entries = Entries(item);
            while let Some(entry) = entries.next().context(doing)? {
                xattrs.push(Xattr { name: entry.name.into(), value: entry.value.into() });
            }
        }
        Ok(xattrs)
    }
}
