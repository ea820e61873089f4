//! Extended attributes: in the inode, in one leaf, or in a tree of them; long values in blocks of their own.
//!
//! They are listed by the hash of their names, as the kernel lists them for a caller with a buffer of the right size.
//!
//! Source: "XFS Algorithms & Data Structures", section "Extended Attributes".

mod acl;
mod leaf;
mod remote;

use bstr::{BString, ByteVec};

use super::Xfs;
use super::blocks::Which;
use super::extents::Segment;
use super::inode::{Format, Inode};
use super::tree::hash;
use crate::bytes::Fields;
use crate::fs::Xattr;
use crate::{Context, Error, Result};

/// Flags of an attribute.
mod flags {
    /// The value is beside the name, not in blocks of its own.
    pub(super) const LOCAL: u8 = 0x01;
    /// Namespace `trusted`.
    pub(super) const ROOT: u8 = 0x02;
    /// Namespace `security`.
    pub(super) const SECURE: u8 = 0x04;
    /// Names a parent directory: shown to nobody.
    pub(super) const PARENT: u8 = 0x08;
    /// Being made or removed when the system went down: shown to nobody.
    pub(super) const INCOMPLETE: u8 = 0x80;
}

/// Names in the namespace of [`flags::ROOT`] that hold access control lists, and what those are shown as.
const ACLS: [(&[u8], &str); 2] =
    [(b"SGI_ACL_FILE", "system.posix_acl_access"), (b"SGI_ACL_DEFAULT", "system.posix_acl_default")];
/// The most bytes of names (with a NUL after each) that Linux lists (`XATTR_LIST_MAX`).
const MAX_NAMES: usize = 64 << 10;
/// The most bytes of values of one inode that are held in memory: what an inode with hundreds of large values has.
const MAX_VALUES: usize = 32 << 20;
/// The longest value in bytes (`XATTR_SIZE_MAX`).
const MAX_VALUE: u32 = 64 << 10;

/// What was found of attributes, in the order of listing.
#[derive(Debug, Default)]
struct Found {
    xattrs: Vec<Xattr>,
    names: usize,
    values: usize,
}

impl Found {
    /// Is an attribute with `flags` shown?
    fn shows(flags: u8) -> bool {
        flags & (flags::PARENT | flags::INCOMPLETE) == 0
    }

    /// Adds an attribute that is shown.
    fn push(&mut self, flags: u8, name: &[u8], value: &[u8]) -> Result<()> {
        if name.is_empty() || name.contains(&0) {
            return Err(Error::corrupt(format!("an attribute with the name {:?}", bstr::BStr::new(name))));
        }
        let prefix = if flags & flags::ROOT != 0 {
            // The kernel shows both what the list means and how it is stored.
            for (stored_as, shown_as) in ACLS {
                if name == stored_as {
                    self.push_shown(shown_as.into(), acl::to_xattr(value)?)?;
                }
            }
            "trusted."
        } else if flags & flags::SECURE != 0 {
            "security."
        } else {
            "user."
        };
        let mut shown: BString = prefix.into();
        shown.push_str(name);
        self.push_shown(shown, value.into())
    }

    fn push_shown(&mut self, name: BString, value: BString) -> Result<()> {
        self.names = self.names.saturating_add(name.len()).saturating_add(1);
        self.values = self.values.saturating_add(value.len());
        if self.names > MAX_NAMES || self.values > MAX_VALUES {
            return Err(Error::unsupported("more attributes than Linux lists for one file"));
        }
        self.xattrs.push(Xattr { name, value });
        Ok(())
    }
}

impl Xfs {
    /// The extended attributes of `inode`.
    pub(super) fn inode_xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>> {
        let Some(fork) = inode.fork(Which::Attributes)? else { return Ok(Vec::new()) };
        let mut found = Found::default();
        match fork.format {
            Format::Local => short(fork.bytes, &mut found),
            // Room was made for attributes, but there are none (any more).
            Format::Extents if fork.extents == 0 => Ok(()),
            _ => self.attribute_leaves(inode, &mut Segment::default(), &mut found),
        }
        .context(|| format!("in the attributes of XFS inode {}", inode.number))?;
        Ok(found.xattrs)
    }
}

/// Attributes in the inode: `size, count | length of name, of value, flags, name, value | …`.
fn short(bytes: &[u8], found: &mut Found) -> Result<()> {
    let (size, count) = (bytes.be16(0)?, bytes.u8(2)?);
    let bytes = bytes.slice(0, size.into())?;
    let mut entries = Vec::with_capacity(count.into());
    let mut rest = bytes.get(4..);
    for _ in 0..count {
        let entry = rest.ok_or_else(|| Error::corrupt(format!("{count} attributes in {size} bytes")))?;
        let (name_len, value_len) = (usize::from(entry.u8(0)?), usize::from(entry.u8(1)?));
        let value_at = name_len.saturating_add(3);
        let (name, value) = (entry.slice(3, name_len)?, entry.slice(value_at, value_len)?);
        entries.push((entry.u8(2)?, name, value));
        rest = entry.get(value_at.saturating_add(value_len)..);
    }
    entries.sort_by_key(|(_, name, _)| hash(name));
    for (flags, name, value) in entries {
        if Found::shows(flags) {
            found.push(flags, name, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_in_the_inode_are_listed_by_hash_with_their_namespaces() {
        let mut bytes = vec![0, 0, 5, 0];
        for (flags, name, value) in [
            (0, "b", "1"),
            (flags::ROOT, "a", "22"),
            (flags::SECURE, "c", ""),
            (flags::PARENT, "parent", "x"),
            (flags::INCOMPLETE, "half", "x"),
        ] {
            bytes.extend([name.len() as u8, value.len() as u8, flags]);
            bytes.extend(name.as_bytes());
            bytes.extend(value.as_bytes());
        }
        let list = |bytes: &[u8]| {
            let mut found = Found::default();
            short(bytes, &mut found).map(|()| found.xattrs)
        };
        let mut whole = bytes.clone();
        whole[1] = bytes.len() as u8;
        let xattr = |name: &str, value: &str| Xattr { name: name.into(), value: value.into() };
        let want = [xattr("trusted.a", "22"), xattr("user.b", "1"), xattr("security.c", "")];
        assert_eq!(list(&whole).unwrap(), want);
        whole[1] -= 1;
        list(&whole).unwrap_err();
    }
}
