//! The argument of `-a`: a path, or a URI of a disk elsewhere.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::{Error, Result};

/// Longest scheme of a URI; anything longer before `://` is a path.
const SCHEME_MAX: usize = 8;

/// The scheme, if `argument` is a URI: lower-case letters or `+`, then `://`.
fn scheme(argument: &[u8]) -> Option<&str> {
    let end = argument.windows(3).position(|w| w == b"://")?;
    let scheme = &argument[..end];
    let is_scheme =
        (1..=SCHEME_MAX).contains(&end) && scheme.iter().all(|&b| b.is_ascii_lowercase() || b == b'+');
    is_scheme.then(|| std::str::from_utf8(scheme).unwrap_or_default())
}

/// The path of the image that `argument` names.
///
/// # Errors
/// For a URI that does not stand for a local file.
pub(crate) fn image_path(argument: &OsStr) -> Result<PathBuf> {
    let shown = argument.display();
    match scheme(argument.as_bytes()) {
        None => Ok(argument.into()),
        Some("file") => {
            let rest = &argument.as_bytes()["file://".len()..];
            let slash = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            if !matches!(&rest[..slash], b"" | b"localhost") {
                return Err(Error::bad_options(format!("{shown}: a file URI cannot name another host")));
            }
            if slash == rest.len() {
                return Err(Error::bad_options(format!("{shown}: the URI has no path")));
            }
            unescape(&rest[slash..]).map(PathBuf::from).ok_or_else(|| {
                Error::bad_options(format!("{shown}: % is not followed by two hexadecimal digits"))
            })
        }
        Some(other) => Err(Error::new(format!("{shown}: remote disks ({other}) are not supported yet"))
            .hint("copy the disk image to this machine and add it with -a FILE")),
    }
}

fn unescape(path: &[u8]) -> Option<OsString> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        out.push(if byte == b'%' {
            let digits = rest.split_off(..2)?;
            // from_str_radix would take a sign.
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    Some(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(argument: &str) -> Result<PathBuf> {
        image_path(OsStr::new(argument))
    }

    #[test]
    fn paths_and_file_uris_name_files() {
        for (argument, expected) in [
            ("disk.img", "disk.img"),
            ("ssh:/disk", "ssh:/disk"),
            ("File:///disk", "File:///disk"),
            ("waytoolong://disk", "waytoolong://disk"),
            ("://disk", "://disk"),
            ("file:///a/b.img", "/a/b.img"),
            ("file://localhost/a", "/a"),
            ("file:///a%20b%2Fc", "/a b/c"),
        ] {
            assert_eq!(path(argument).unwrap(), PathBuf::from(expected), "{argument}");
        }
    }

    #[test]
    fn other_uris_are_refused_with_the_reason() {
        for (argument, status, word) in [
            ("nbd://host/disk", 1, "remote disks (nbd)"),
            ("nbd+unix:///disk", 1, "remote disks (nbd+unix)"),
            ("file://server/disk", 2, "another host"),
            ("file://", 2, "no path"),
            ("file:///a%2", 2, "hexadecimal"),
            ("file:///a%+1", 2, "hexadecimal"),
        ] {
            let error = path(argument).unwrap_err();
            assert_eq!(error.status(), status, "{argument}");
            assert!(error.to_string().contains(word), "{argument}: {error}");
        }
    }
}
