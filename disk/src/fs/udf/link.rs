//! Symbolic links: paths, component by component.
//!
//! Source: ECMA-167, 4/14.16.1; OSTA UDF 2.60, 2.3.13.

use bstr::BString;

use super::name::shown;
use crate::bytes::Fields;
use crate::{Error, Result};

/// Bytes of a component before its name.
const HEADER: usize = 4;
/// Longest target in bytes, with a byte for its end: a memory page, as everywhere in Linux.
const MAX_TARGET: usize = 4096;
/// Types of components: the root that reader and writer have agreed on (or if named, another, which Linux passes over);
/// the root of this volume; above; here; a name.
const AGREED: u8 = 1;
const ROOT: u8 = 2;
const PARENT: u8 = 3;
const CURRENT: u8 = 4;
const NAME: u8 = 5;

/// The target that `stored` is. It is empty if there is none.
pub(super) fn target(stored: &[u8]) -> Result<BString> {
    let mut target = Vec::new();
    let mut rest = stored;
    while !rest.is_empty() {
        let (kind, len) = (rest.u8(0)?, usize::from(rest.u8(1)?));
        let name = rest.slice(HEADER, len)?;
        rest = rest.get(HEADER.saturating_add(len)..).unwrap_or_default();
        match (kind, len) {
            (AGREED, 1..) => continue,
            (AGREED | ROOT, 0) => {
                target.clear();
                target.push(b'/');
            }
            (PARENT, 0) => target.extend_from_slice(b"../"),
            (CURRENT, 0) => target.extend_from_slice(b"./"),
            (NAME, _) => {
                let room = MAX_TARGET.saturating_sub(1).saturating_sub(target.len());
                target.extend(shown(name, room)?);
                target.push(b'/');
            }
            _ => return Err(Error::corrupt(format!("a component {kind} with a name of {len} bytes"))),
        }
        if target.len() >= MAX_TARGET {
            return Err(Error::corrupt(format!("a symbolic link of {} bytes or more", target.len())));
        }
    }
    if target.len() > 1 {
        target.pop();
    }
    Ok(target.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_become_a_path() {
        let name = |text: &str| [&[NAME, text.len() as u8 + 1, 0, 0, 8], text.as_bytes()].concat();
        for (stored, path) in [
            (vec![], ""),
            (vec![ROOT, 0, 0, 0], "/"),
            (vec![AGREED, 0, 0, 0], "/"),
            ([vec![ROOT, 0, 0, 0], name("etc"), name("passwd")].concat(), "/etc/passwd"),
            ([vec![PARENT, 0, 0, 0, CURRENT, 0, 0, 0], name("a.txt")].concat(), ".././a.txt"),
            (vec![PARENT, 0, 0, 0], ".."),
            ([name("lost"), vec![ROOT, 0, 0, 0], name("a")].concat(), "/a"),
            ([vec![AGREED, 1, 0, 0, 9], name("a")].concat(), "a"),
        ] {
            assert_eq!(target(&stored).unwrap(), path, "{stored:?}");
        }
        for bad in [&[NAME][..], &[NAME, 2, 0, 0, 8], &[NAME, 0, 0, 0], &[PARENT, 1, 0, 0, 8], &[6, 0, 0, 0]]
        {
            assert!(target(bad).is_err(), "{bad:?}");
        }
        assert!(target(&name(&"x".repeat(250)).repeat(17)).is_err());
    }
}
