//! The files that an archive is made of, by their paths in the appliance.
//!
//! Paths are absolute and below one `/usr`: a host that still has a real `/bin` or `/lib` is laid out anew by [`merged`], so
//! that everything from the host's packages is in one directory tree. Parents of what is added are there by themselves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::error::{About, Error, Result};

/// What is read at a time when a file is copied.
const PIECE: usize = 256 << 10;

/// Directories at the root that are links into `/usr`.
pub(crate) const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// A file of the host, copied when the archive is written.
    HostFile {
        path: PathBuf,
        len: u64,
    },
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Content::HostFile { len, .. } => *len,
        }
    }

    /// Hands all of it to `put`, in pieces.
    pub(crate) fn copy_to(&self, put: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Content::Bytes(bytes) => put(bytes),
            Content::HostFile { path, .. } => {
                let mut file = File::open(path).about(path)?;
                let mut buffer = vec![0; PIECE];
                loop {
                    let count = file.read(&mut buffer).about(path)?;
                    match buffer.get(..count) {
                        Some([]) | None => return Ok(()),
                        Some(bytes) => put(bytes)?,
                    }
                }
            }
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File {
        content: Content,
        is_program: bool,
    },
    Link(PathBuf),
    /// A character device.
    Device {
        major: u32,
        minor: u32,
    },
}

/// Files by path, in the order of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Node>);

impl Tree {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.0.iter().map(|(path, node)| (path.as_path(), node))
    }

    pub(crate) fn contains(&self, path: impl AsRef<Path>) -> bool {
        self.0.contains_key(path.as_ref())
    }

    pub(crate) fn directory(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.add(path.as_ref(), Node::Directory)
    }

    pub(crate) fn file(&mut self, path: impl AsRef<Path>, content: Content, is_program: bool) -> Result<()> {
        self.add(path.as_ref(), Node::File { content, is_program })
    }

    /// A file with this text.
    pub(crate) fn text(&mut self, path: impl AsRef<Path>, text: impl Into<Vec<u8>>) -> Result<()> {
        self.file(path, Content::Bytes(text.into()), false)
    }

    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: impl Into<PathBuf>) -> Result<()> {
        self.add(path.as_ref(), Node::Link(target.into()))
    }

    pub(crate) fn device(&mut self, path: impl AsRef<Path>, major: u32, minor: u32) -> Result<()> {
        self.add(path.as_ref(), Node::Device { major, minor })
    }

    /// Adds a node. The same one twice is fine, another in its place is not.
    fn add(&mut self, path: &Path, node: Node) -> Result<()> {
        for parent in path.ancestors().skip(1) {
            if parent == Path::new("/") || parent.as_os_str().is_empty() {
                continue;
            }
            match self.0.entry(parent.to_owned()) {
                Entry::Vacant(free) => {
                    free.insert(Node::Directory);
                }
                Entry::Occupied(taken) if *taken.get() == Node::Directory => break,
                Entry::Occupied(_) => return Err(conflict(parent)),
            }
        }
        match self.0.entry(path.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(node);
                Ok(())
            }
            Entry::Occupied(taken) if *taken.get() == node => Ok(()),
            Entry::Occupied(_) => Err(conflict(path)),
        }
    }
}

fn conflict(path: &Path) -> Error {
    Error::unusable(format!("{}: the appliance would have two different files there", path.display()))
}

/// The place of a host's path in the appliance: below `/usr` where the host may have it at the root.
pub(crate) fn merged(path: &Path) -> PathBuf {
    let mut components = path.components();
    if components.next() == Some(Component::RootDir)
        && let Some(Component::Normal(first)) = components.next()
        && MERGED.iter().any(|name| first == *name)
    {
        return Path::new("/usr").join(path.strip_prefix("/").unwrap_or(path));
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_at_the_root_go_below_usr() {
        for (path, expected) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/lib64/ld.so", "/usr/lib64/ld.so"),
            ("/usr/bin/x", "/usr/bin/x"),
            ("/etc/lib", "/etc/lib"),
            ("/library/x", "/library/x"),
        ] {
            assert_eq!(merged(Path::new(path)), Path::new(expected));
        }
    }

    #[test]
    fn a_place_has_one_node_and_parents_come_first() {
        let mut tree = Tree::default();
        tree.text("/etc/b", "1").unwrap();
        tree.text("/etc/b", "1").unwrap();
        assert!(tree.text("/etc/b", "2").is_err() && tree.text("/etc/b/c", "2").is_err());
        tree.link("/etc.x", "etc").unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/etc", "/etc/b", "/etc.x"]);
    }
}
