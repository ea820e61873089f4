//! The other files that an image names: backing files and external data files.
//!
//! Who opens them is not this crate: the names come from images that a guest may have written, so the embedder
//! resolves each name under its policy, possibly in another process.

use std::sync::Arc;

use bstr::BStr;

use crate::{Error, ReadAt, Result};

/// Names an open file of a chain. The embedder gives the numbers; the top file is 0. The same file must get the same
/// number every time: that is how loops are found early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub u64);

/// Opens the files that images name.
pub trait OpenRelated {
    /// Opens the file that the header of the file `from` calls `name`, exactly as written there: relative to the
    /// directory of `from`, absolute, or (which can only be refused, see [`local_name`]) a URL or `json:` object.
    ///
    /// # Errors
    /// Whatever the policy or the opening says.
    fn open_related(&mut self, from: FileId, name: &[u8]) -> Result<(FileId, Arc<dyn ReadAt>)>;
}

/// The policy of having no other files: every name is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRelated;

impl OpenRelated for NoRelated {
    fn open_related(&mut self, _from: FileId, name: &[u8]) -> Result<(FileId, Arc<dyn ReadAt>)> {
        Err(Error::unsupported(format!(
            "the image needs another file, {:?}, which is not at hand",
            BStr::new(name)
        )))
    }
}

/// The path in `name`, as qemu would take it from a header: `file:` is cut off, and anything else with a protocol
/// before its first slash (`nbd:…`, `https://…`, `json:{…}`) names no local file.
///
/// # Errors
/// `Unsupported` if it names no local file; `Corrupt` if it cannot be a path (empty, or with a NUL).
pub fn local_name(name: &[u8]) -> Result<&[u8]> {
    let path = name.strip_prefix(b"file:").unwrap_or(name);
    if path.len() == name.len() && path.iter().take_while(|byte| **byte != b'/').any(|byte| *byte == b':') {
        return Err(Error::unsupported(format!(
            "the image is based on {:?}, which is not a local file: use an appliance",
            BStr::new(name)
        )));
    }
    if path.is_empty() || path.contains(&0) {
        return Err(Error::corrupt(format!(
            "the image is based on {:?}, which cannot be a path",
            BStr::new(name)
        )));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn only_local_names_are_paths() {
        let good: [(&[u8], &[u8]); 5] = [
            (b"base.img", b"base.img"),
            (b"/a/b:c", b"/a/b:c"),
            (b"./x:y", b"./x:y"),
            (b"file:base.img", b"base.img"),
            (b"file:x:y", b"x:y"),
        ];
        for (name, path) in good {
            assert_eq!(local_name(name).unwrap(), path);
        }
        let bad: [(&[u8], ErrorKind); 6] = [
            (b"json:{\"driver\":\"file\"}", ErrorKind::Unsupported),
            (b"nbd:unix:/run/x", ErrorKind::Unsupported),
            (b"https://example.com/x", ErrorKind::Unsupported),
            (b"", ErrorKind::Corrupt),
            (b"file:", ErrorKind::Corrupt),
            (b"a\0b", ErrorKind::Corrupt),
        ];
        for (name, kind) in bad {
            assert_eq!(local_name(name).unwrap_err().kind(), kind, "{name:?}");
        }
    }
}
