//! POSIX access control lists: from the form on disk to the form that `getxattr` shows.
//!
//! On disk (version 1) an entry has an ID only if it is for a named user or group; the attribute (version 2) gives every
//! entry one. Source: kernel.org, "ext4 Data Structures and Algorithms", section "POSIX ACLs"; Linux UAPI
//! `posix_acl_xattr.h`.

use bstr::BString;

use crate::bytes::Fields;
use crate::{Error, Result};

/// Version on disk.
const DISK_VERSION: u32 = 1;
/// Version of the attribute.
const XATTR_VERSION: u32 = 2;
/// The ID of entries that have none.
const NO_ID: u32 = u32::MAX;

/// Kinds of entries (`ACL_USER` and so on).
mod tag {
    pub(super) const USER_OBJ: u16 = 0x01;
    pub(super) const USER: u16 = 0x02;
    pub(super) const GROUP_OBJ: u16 = 0x04;
    pub(super) const GROUP: u16 = 0x08;
    pub(super) const MASK: u16 = 0x10;
    pub(super) const OTHER: u16 = 0x20;
}

/// The attribute's value for a list as it is on disk.
pub(super) fn to_xattr(disk: &[u8]) -> Result<BString> {
    let version = disk.le32(0)?;
    if version != DISK_VERSION {
        return Err(Error::corrupt(format!("an access control list of version {version}")));
    }
    let mut value = XATTR_VERSION.to_le_bytes().to_vec();
    let mut at = 4;
    while at < disk.len() {
        let (tag, permissions) = (disk.le16(at)?, disk.le16(at.saturating_add(2))?);
        at = at.saturating_add(4);
        let id = match tag {
            tag::USER | tag::GROUP => {
                let id = disk.le32(at)?;
                at = at.saturating_add(4);
                id
            }
            tag::USER_OBJ | tag::GROUP_OBJ | tag::MASK | tag::OTHER => NO_ID,
            _ => return Err(Error::corrupt(format!("an access control list entry with tag {tag:#x}"))),
        };
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_gets_an_id() {
        let disk = [1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xD2, 4, 0, 0, 0x20, 0, 0, 0];
        let want = [
            2, 0, 0, 0, // version
            1, 0, 6, 0, 0xFF, 0xFF, 0xFF, 0xFF, // owner
            2, 0, 4, 0, 0xD2, 4, 0, 0, // user 1234
            0x20, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, // others
        ];
        assert_eq!(to_xattr(&disk).unwrap(), want);
        to_xattr(&disk[..18]).unwrap_err();
        to_xattr(&disk[..14]).unwrap_err();
        to_xattr(&[2, 0, 0, 0]).unwrap_err();
        to_xattr(&[1, 0, 0, 0, 3, 0, 0, 0]).unwrap_err();
    }
}
