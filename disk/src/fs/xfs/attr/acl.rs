//! POSIX access control lists: from their form on disk to the value of `system.posix_acl_access` and `…_default`.
//!
//! ```text
//! on disk:    count (32 bits) | tag (32), id (32), permissions (16), 16 unused bits | …     big-endian
//! attribute:  version 2 (32)  | tag (16), permissions (16), id (32) | …                     little-endian
//! ```
//!
//! Source: "XFS Algorithms & Data Structures", section "Access Control Lists"; acl(5); linux/posix_acl_xattr.h.

use bstr::BString;

use crate::bytes::{Fields, index};
use crate::{Error, Result};

/// Size of an entry on disk.
const ENTRY: usize = 12;
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
    let count = index(disk.be32(0)?);
    let entries = disk.get(4..).unwrap_or_default();
    if count.checked_mul(ENTRY) != Some(entries.len()) {
        return Err(Error::corrupt(format!(
            "an access control list of {count} entries in {} bytes",
            disk.len()
        )));
    }
    let mut value = XATTR_VERSION.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(ENTRY) {
        let tag = u16::try_from(entry.be32(0)?).unwrap_or_default();
        let id = match tag {
            tag::USER | tag::GROUP => entry.be32(4)?,
            tag::USER_OBJ | tag::GROUP_OBJ | tag::MASK | tag::OTHER => NO_ID,
            _ => {
                let tag = entry.be32(0)?;
                return Err(Error::corrupt(format!("an access control list entry with tag {tag:#x}")));
            }
        };
        value.extend(tag.to_le_bytes());
        value.extend(entry.be16(8)?.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_users_and_groups_have_an_id() {
        let disk = [
            0, 0, 0, 2, // count
            0, 0, 0, 1, 0, 0, 0, 9, 0, 6, 0, 0, // owner
            0, 0, 0, 2, 0, 0, 4, 0xD2, 0, 4, 0, 0, // user 1234
        ];
        let want = [2, 0, 0, 0, 1, 0, 6, 0, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 4, 0, 0xD2, 4, 0, 0];
        assert_eq!(to_xattr(&disk).unwrap(), want);
        to_xattr(&disk[..27]).unwrap_err();
        to_xattr(&disk[..16]).unwrap_err();
        let mut bad_tag = disk;
        bad_tag[7] = 3;
        to_xattr(&bad_tag).unwrap_err();
    }
}
