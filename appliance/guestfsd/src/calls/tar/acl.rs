//! POSIX ACLs as text, from the form in which the kernel shows them in extended attributes.
//!
//! Source of the form: include/uapi/linux/posix_acl_xattr.h. A header of a version (2), then entries of tag, permission
//! bits and, for named users and groups, their number; all little-endian.

/// Attribute with the ACL of a file.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
/// Attribute with the ACL that new files of a directory get.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

/// The one version.
const VERSION: u32 = 2;

/// Tags of entries with their words; those with a number are followed by it.
const TAGS: [(u16, &str); 6] =
    [(1, "user:"), (2, "user:"), (4, "group:"), (8, "group:"), (16, "mask:"), (32, "other:")];
/// Tags of entries for a named user or group.
const NAMED: [u16; 2] = [2, 8];

/// The ACL in the short text form that tar programs keep: `user::rw-,user:1000:r--,…`. `None` if it makes no sense.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let (version, rest) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (entries, []) = rest.as_chunks::<8>() else { return None };
    let mut texts = Vec::with_capacity(entries.len());
    for [t0, t1, p0, p1, id @ ..] in entries {
        let tag = u16::from_le_bytes([*t0, *t1]);
        let bits = u16::from_le_bytes([*p0, *p1]);
        let (_, word) = TAGS.iter().find(|(known, _)| *known == tag)?;
        let id = if NAMED.contains(&tag) { u32::from_le_bytes(*id).to_string() } else { String::new() };
        let permission = |bit, letter| if bits & bit == 0 { '-' } else { letter };
        texts.push(format!("{word}{id}:{}{}{}", permission(4, 'r'), permission(2, 'w'), permission(1, 'x')));
    }
    Some(texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_written_as_tar_writes_it() {
        let entry = |tag: u16, bits: u16, id: u32| {
            [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let all = [
            2u32.to_le_bytes().to_vec(),
            entry(1, 6, u32::MAX),
            entry(2, 4, 1000),
            entry(4, 5, u32::MAX),
            entry(8, 0, 33),
            entry(16, 7, u32::MAX),
            entry(32, 1, u32::MAX),
        ]
        .concat();
        assert_eq!(
            text(&all).unwrap(),
            "user::rw-,user:1000:r--,group::r-x,group:33:---,mask::rwx,other::--x"
        );
        assert_eq!(text(&2u32.to_le_bytes()).unwrap(), "");
        for broken in [&all[..all.len() - 1], b"", &[1, 0, 0, 0], &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(text(broken), None);
        }
    }
}
