//! Writes the archive that Linux unpacks as its first filesystem: cpio in the form "newc", not compressed.
//!
//! ```text
//! entry = "070701" 13 x 8 hex digits, name NUL, pad to 4, content, pad to 4        last entry: TRAILER!!!
//! ```
//!
//! Form: Documentation/driver-api/early-userspace/buffer-format.rst of Linux. Owners and times are 0 and inode numbers count
//! up, so that equal trees are equal archives.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{About, Error, Result};
use crate::tree::{Node, Tree};

const MAGIC: &[u8] = b"070701";
/// Everything begins at a multiple of this.
const ALIGN: u64 = 4;
const TRAILER: &str = "TRAILER!!!";

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const DEVICE: u32 = 0o020_600;

/// Writes `tree` to `out`, which is the file `path`; says how many bytes that are.
pub(crate) fn write(tree: &Tree, out: &mut dyn Write, path: &Path) -> Result<u64> {
    let mut archive = Archive { out, written: 0, inode: 0 };
    for (name, node) in tree.iter() {
        // Names have no leading slash: the archive is unpacked at the root.
        let name = name.strip_prefix("/").unwrap_or(name).as_os_str().as_bytes();
        match node {
            Node::Directory => archive.entry(name, DIRECTORY, 0, (0, 0)).about(path)?,
            Node::Link(target) => {
                let target = target.as_os_str().as_bytes();
                archive.entry(name, LINK, size(target.len()), (0, 0)).about(path)?;
                archive.put(target).and_then(|()| archive.pad()).about(path)?;
            }
            Node::Device { major, minor } => archive.entry(name, DEVICE, 0, (*major, *minor)).about(path)?,
            Node::File { content, is_program } => {
                let mode = if *is_program { PROGRAM } else { FILE };
                archive.entry(name, mode, content.len(), (0, 0)).about(path)?;
                let end = archive.written + content.len();
                content.copy_to(&mut |bytes| archive.put(bytes).about(path))?;
                if archive.written != end {
                    let name = String::from_utf8_lossy(name);
                    return Err(Error::unusable(format!("/{name} changed while it was read")));
                }
                archive.pad().about(path)?;
            }
        }
    }
    archive.entry(TRAILER.as_bytes(), 0, 0, (0, 0)).about(path)?;
    Ok(archive.written)
}

fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

struct Archive<'a> {
    out: &'a mut dyn Write,
    written: u64,
    inode: u32,
}

impl Archive<'_> {
    fn entry(&mut self, name: &[u8], mode: u32, len: u64, device: (u32, u32)) -> io::Result<()> {
        let len = u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let name_len =
            u32::try_from(name.len() + 1).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.inode += 1;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        // Inode, mode, owner, group, links, time, size, device, device of a node, length of the name, no checksum.
        let fields = [self.inode, mode, 0, 0, links, 0, len, 0, 0, device.0, device.1, name_len, 0];
        self.put(MAGIC)?;
        for field in fields {
            self.put(format!("{field:08x}").as_bytes())?;
        }
        self.put(name)?;
        self.put(b"\0")?;
        self.pad()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += size(bytes.len());
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        while !self.written.is_multiple_of(ALIGN) {
            self.put(b"\0")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    #[test]
    fn an_archive_has_the_bytes_of_the_form() {
        let mut tree = Tree::default();
        tree.file("/a/b", Content::Bytes(b"hello".to_vec()), false).unwrap();
        tree.link("/l", "a/b").unwrap();
        let mut out = Vec::new();
        let len = write(&tree, &mut out, Path::new("out")).unwrap();
        assert_eq!(len, size(out.len()));
        let head = |ino: u32, mode: &str, links: u32, len: u32, name_len: u32| {
            let zeros = "0".repeat(8);
            format!(
                "070701{ino:08x}0000{mode}{zeros}{zeros}{links:08x}{zeros}{len:08x}{}{name_len:08x}{zeros}",
                zeros.repeat(4)
            )
        };
        let expected = [
            head(1, "41ed", 2, 0, 2) + "a\0",
            "\0\0".into(),
            head(2, "81a4", 1, 5, 4) + "a/b\0\0\0hello\0\0\0",
            head(3, "a1ff", 1, 3, 2) + "l\0a/b\0",
            head(4, "0000", 1, 0, 11) + "TRAILER!!!\0\0\0\0",
        ];
        // Every part is padded to 4: 110 + 2 is a multiple of it, 110 + 4 is not.
        let expected: String = expected.concat();
        assert_eq!(String::from_utf8_lossy(&out).replace('\0', ""), expected.replace('\0', ""));
        assert_eq!(out.len() % 4, 0);
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        let content = Content::HostFile { path, len: 4 };
        let mut tree = Tree::default();
        tree.file("/f", content, false).unwrap();
        let error = write(&tree, &mut Vec::new(), Path::new("out")).unwrap_err();
        assert_eq!(error.to_string(), "/f changed while it was read");
    }
}
