//! Following a path through the mounted filesystems, as the kernel does in a process whose root is the tree's root.
//!
//! The way from the root is kept as a stack, so `..` is a step back on it: no filesystem is ever asked for a parent,
//! and nothing leads above the root. A symbolic link replaces the part of the path that is still to go.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use nix::errno::Errno;

use super::tree::NativeTree;
use crate::engine::{DirId, Last, Result};

/// Symbolic links followed in one path (Linux: `MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;
/// Longest path in bytes without the final NUL (Linux: `PATH_MAX` less one).
const MAX_PATH: usize = 4095;
/// Longest name in bytes (Linux: `NAME_MAX`).
pub(super) const MAX_NAME: usize = 255;

/// Where a path led.
#[derive(Debug)]
pub(super) struct Walk {
    /// The inodes from the root to the end, never empty. `DirId` names any inode here.
    steps: Vec<Step>,
    /// Their names, each with a slash before it.
    path: BString,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    node: DirId,
    file_type: FileType,
    /// How long `path` was before this step.
    path_before: usize,
}

impl Walk {
    /// Follows `path` from the root.
    ///
    /// # Errors
    /// The errno that `open(2)` would give, or what is wrong with the filesystem.
    pub(super) fn resolve(tree: &NativeTree, path: &BStr, last: Last) -> Result<Walk> {
        if path.len() > MAX_PATH {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if !path.starts_with(b"/") {
            return Err(Errno::EINVAL.into());
        }
        let root = Step { node: tree.root(), file_type: FileType::Directory, path_before: 0 };
        let mut walk = Walk { steps: vec![root], path: BString::default() };
        let mut links = 0;
        let mut rest: BString = path.to_owned();
        let mut at = 0;
        while let Some((name, next)) = component(&rest, at) {
            if walk.file_type() != FileType::Directory {
                return Err(Errno::ENOTDIR.into());
            }
            match name {
                b"." => {}
                b".." => walk.back(),
                name if name.len() > MAX_NAME => return Err(Errno::ENAMETOOLONG.into()),
                name => {
                    let (node, file_type) = tree.child(walk.node(), name)?;
                    let ends = next == rest.len();
                    if file_type == FileType::Symlink && (!ends || last == Last::Follow) {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Errno::ELOOP.into());
                        }
                        let mut target = tree.link_target(node)?;
                        if target.is_empty() {
                            return Err(Errno::ENOENT.into());
                        }
                        if target.len() > MAX_PATH {
                            return Err(Errno::ENAMETOOLONG.into());
                        }
                        if target.starts_with(b"/") {
                            walk.start_again();
                        }
                        target.extend_from_slice(rest.get(next..).unwrap_or_default());
                        rest = target;
                        at = 0;
                        continue;
                    }
                    walk.step(node, file_type, name);
                }
            }
            at = next;
        }
        // A path that ends in a slash names a directory.
        if rest.ends_with(b"/") && walk.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(walk)
    }

    fn step(&mut self, node: DirId, file_type: FileType, name: &[u8]) {
        self.steps.push(Step { node, file_type, path_before: self.path.len() });
        self.path.push(b'/');
        self.path.extend_from_slice(name);
    }

    fn back(&mut self) {
        // The root stays.
        if self.steps.len() > 1
            && let Some(step) = self.steps.pop()
        {
            self.path.truncate(step.path_before);
        }
    }

    fn start_again(&mut self) {
        self.steps.truncate(1);
        self.path.clear();
    }

    fn end(&self) -> Step {
        // The root is never popped.
        self.steps.last().copied().unwrap_or(Step {
            node: DirId { mount: 0, inode: disk::fs::InodeId::new(0) },
            file_type: FileType::Directory,
            path_before: 0,
        })
    }

    /// The inode at the end of the path.
    pub(super) fn node(&self) -> DirId {
        self.end().node
    }

    /// Its kind.
    pub(super) fn file_type(&self) -> FileType {
        self.end().file_type
    }

    /// The path without links and dots.
    pub(super) fn into_path(self) -> BString {
        if self.path.is_empty() { "/".into() } else { self.path }
    }
}

/// The name at or after byte `at` of `path` and the byte after it; `None` at the end.
fn component(path: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let start = at + path.get(at..)?.iter().position(|&b| b != b'/')?;
    let rest = path.get(start..)?;
    let len = rest.find_byte(b'/').unwrap_or(rest.len());
    Some((rest.get(..len)?, start + len))
}
