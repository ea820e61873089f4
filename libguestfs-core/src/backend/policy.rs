//! Which other files an image may name: the policy for backing files and external data files.
//!
//! An image is guest data in part (a guest with a raw disk can write any header into it), so the names in it are
//! hostile (CVE-2010-3851). The rules:
//!
//! * A relative name is relative to the directory of the file that names it, as in qemu.
//! * The file must lie below the directory of the drive's own image, or below one that the user allowed
//!   (`LIBGUESTFS_BACKEND_SETTINGS=backing_dir=DIR`), after all symbolic links are resolved.
//! * It must be a regular file or, in a directory that the user allowed, a block device.
//! * `json:` descriptions and network protocols (`nbd:`, `https:`…) are refused.
//! * A drive has at most [`FILES_MAX`] files.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bstr::{BStr, ByteSlice};

use crate::handle::open_image;
use crate::{Error, Result};

/// Most files of one drive: its image, and the chain below it.
const FILES_MAX: usize = 200;

/// Device and inode number: a file that is named again keeps its number, so that the daemon sees loops.
type FileIdentity = (u64, u64);

/// The files of one drive, and where further ones may lie.
#[derive(Debug)]
pub(super) struct ImageFiles {
    /// As named by the user or an image (names inside are relative to its directory), and what file it is.
    files: Vec<(PathBuf, FileIdentity)>,
    /// Canonical directories below which files may lie.
    own: Vec<PathBuf>,
    allowed: Vec<PathBuf>,
}

impl ImageFiles {
    /// For the drive whose image is at `image`; `allowed` are the directories that the user named.
    pub(super) fn new<'a>(image: &Path, allowed: impl Iterator<Item = &'a str>) -> Result<ImageFiles> {
        let canonical =
            |path: &Path| path.canonicalize().map_err(|e| Error::io(path.display().to_string(), e));
        let mut own = vec![canonical(directory(image))?];
        // An image behind a symbolic link has two directories.
        own.extend(canonical(image)?.parent().map(Path::to_owned));
        own.dedup();
        let allowed = allowed.map(|dir| canonical(Path::new(dir))).collect::<Result<_>>()?;
        let metadata = image.metadata().map_err(|e| Error::io(image.display().to_string(), e))?;
        Ok(ImageFiles { files: vec![(image.to_owned(), (metadata.dev(), metadata.ino()))], own, allowed })
    }

    /// Where a file is.
    pub(super) fn path(&self, file: u32) -> Option<&Path> {
        usize::try_from(file).ok().and_then(|i| self.files.get(i)).map(|f| f.0.as_path())
    }

    /// Opens the file that file number `from` calls `name`, and gives its number.
    pub(super) fn open(&mut self, from: u32, name: &BStr) -> Result<(u32, File)> {
        let refuse = |why: String| Error::launch(why);
        let by =
            usize::try_from(from).ok().and_then(|i| self.files.get(i)).map(|f| &f.0).ok_or_else(|| {
                Error::protocol(format!("the daemon asked for a file of file {from}, which there is not"))
            })?;
        let said = format!("{} names the file ‘{name}’", by.display());
        let plain = name.strip_prefix(b"file:").unwrap_or(name);
        if let Some(protocol) = protocol_of(plain) {
            return Err(refuse(format!("{said}: ‘{protocol}:’ is not supported, only local files are")));
        }
        if plain.is_empty() || plain.contains(&0) {
            return Err(refuse(format!("{said}, which is not a file name")));
        }
        let path = directory(by).join(OsStr::from_bytes(plain));
        let canonical =
            path.canonicalize().map_err(|e| Error::io(format!("{said}: {}", path.display()), e))?;
        let below = |dirs: &[PathBuf]| dirs.iter().any(|dir| canonical.starts_with(dir));
        let allowed = below(&self.allowed);
        if !allowed && !below(&self.own) {
            return Err(refuse(format!(
                "{said}, which lies outside the directory of the image ({}); if it is to be trusted, allow its directory \
                 with LIBGUESTFS_BACKEND_SETTINGS=backing_dir={}",
                canonical.display(),
                canonical.parent().unwrap_or(Path::new("/")).display()
            )));
        }
        let file = open_image(&canonical)?;
        let metadata = file.metadata().map_err(|e| Error::io(canonical.display().to_string(), e))?;
        if metadata.file_type().is_block_device() && !allowed {
            return Err(refuse(format!(
                "{said}, a block device, which needs to be allowed with backing_dir="
            )));
        }
        let identity = (metadata.dev(), metadata.ino());
        let index = self.files.iter().position(|(_, known)| *known == identity).unwrap_or(self.files.len());
        if index >= FILES_MAX {
            return Err(refuse(format!("{said}: the chain of images has more than {FILES_MAX} files")));
        }
        if index == self.files.len() {
            self.files.push((path, identity));
        }
        Ok((u32::try_from(index).unwrap_or(u32::MAX), file))
    }
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The protocol of a name such as `nbd:unix:/x`, as qemu tells it: letters, digits and `+-.` before a colon that comes
/// before any slash.
fn protocol_of(name: &[u8]) -> Option<&BStr> {
    let colon = name.find_byte(b':')?;
    let protocol = name.get(..colon)?;
    let is_word =
        !protocol.is_empty() && protocol.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    is_word.then_some(protocol.as_bstr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_of_a_chain_lie_below_the_directory_of_the_image() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("images");
        std::fs::create_dir_all(dir.join("base")).unwrap();
        for file in ["images/top", "images/base/mid", "images/base/low", "outside"] {
            std::fs::write(top.path().join(file), "x").unwrap();
        }
        symlink("../outside", dir.join("link")).unwrap();
        symlink("base/mid", dir.join("inner")).unwrap();
        let mut files = ImageFiles::new(&dir.join("top"), std::iter::empty()).unwrap();
        let (mid, _) = files.open(0, b"base/mid".as_bstr()).unwrap();
        // Relative to the file that names it.
        assert_eq!(files.open(mid, b"low".as_bstr()).unwrap().0, 2);
        assert!(files.open(0, b"low".as_bstr()).is_err());
        files.open(0, b"inner".as_bstr()).unwrap();
        files.open(0, b"file:base/mid".as_bstr()).unwrap();
        files.open(0, dir.join("base/low").as_os_str().as_bytes().as_bstr()).unwrap();
        for hostile in [
            "../outside",
            "link",
            "/etc/passwd",
            "json:{}",
            "nbd:localhost:1",
            "https://x/y",
            "",
            "base",
            "/dev/null",
        ] {
            assert!(files.open(0, hostile.as_bytes().as_bstr()).is_err(), "{hostile}");
        }
        assert!(files.open(99, b"base/mid".as_bstr()).is_err());

        let root = top.path().to_str().unwrap().to_owned();
        let mut files = ImageFiles::new(&dir.join("top"), std::iter::once(root.as_str())).unwrap();
        files.open(0, b"../outside".as_bstr()).unwrap();
    }

    #[test]
    fn a_chain_without_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..=FILES_MAX {
            std::fs::write(dir.path().join(i.to_string()), "x").unwrap();
        }
        let mut files = ImageFiles::new(&dir.path().join("0"), std::iter::empty()).unwrap();
        let opened = (1..).take_while(|i| files.open(0, i.to_string().as_bytes().as_bstr()).is_ok()).count();
        assert_eq!(opened, FILES_MAX - 1);
        assert_eq!(files.open(5, b"0".as_bstr()).unwrap().0, 0, "a file that comes again keeps its number");
    }
}
