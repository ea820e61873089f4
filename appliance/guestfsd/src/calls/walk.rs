//! Going through everything below a directory, for the calls that do.
//!
//! A damaged filesystem can have a directory inside itself, or the same directory under many names, which would make
//! a small image an endless tree. So a directory that comes up twice ends the walk with an error.

use std::collections::HashSet;
use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use disk::fs::FileType;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::engine::{Directory, Tree};
use crate::error::At;

/// Deepest directory. The longest path that one system call takes has at most half as many names as this.
const MAX_DEPTH: usize = 4096;

/// A name met on the way.
pub(super) struct Visit<'a, 't> {
    /// Path relative to the start, without a slash before it.
    pub(super) path: &'a BStr,
    /// Its last part.
    pub(super) name: &'a BStr,
    /// The directory that holds it.
    pub(super) directory: &'a dyn Directory<'t>,
    /// Its kind.
    pub(super) file_type: FileType,
}

/// The original walks with find(1), which sorts the names of a directory by their inodes if they are more than this…
const FIND_SORTS_ABOVE: usize = 10_000;
/// … and reads and visits at most so many of them at a time. Source: behaviour of GNU find 4.9.0.
const FIND_READS: usize = 100_000;

struct Level<'t> {
    directory: Box<dyn Directory<'t> + 't>,
    /// Names still to visit, last first.
    names: Vec<(BString, Option<FileType>)>,
    /// Length of the path to the directory.
    path_len: usize,
}

/// Calls `visit` for everything below `start`, a directory before what it holds, in the order of find(1): names as their
/// directory lists them, or by inode if there are many.
/// Symbolic links are not followed.
///
/// # Errors
/// What `visit` fails with, or a directory that can't be read.
pub(super) fn walk(
    tree: &dyn Tree,
    start: &BStr,
    visit: &mut dyn FnMut(Visit<'_, '_>) -> Result<()>,
) -> Result<()> {
    let directory = tree.directory(start).at(start)?;
    let mut seen = HashSet::from([directory.id()]);
    let mut path = BString::default();
    let mut levels = vec![Level { names: names_of(directory.as_ref()).at(start)?, directory, path_len: 0 }];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path_len);
        let Some((name, file_type)) = level.names.pop() else {
            levels.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.push_str(&name);
        let name = name.as_bstr();
        let at = |path: &BString| format!("{}/{path}", start.trim_end_with(|c| c == '/').as_bstr());
        let file_type = match file_type {
            Some(known) => known,
            None => level.directory.file_type(name).map_err(|failure| failure.at(at(&path)))?,
        };
        visit(Visit { path: path.as_bstr(), name, directory: level.directory.as_ref(), file_type })?;
        if file_type != FileType::Directory {
            continue;
        }
        let directory = level.directory.directory(name).map_err(|failure| failure.at(at(&path)))?;
        if !seen.insert(directory.id()) {
            let text = format!("{}: this directory is in the tree more than once", at(&path));
            return Err(Error::daemon(Errno::EUCLEAN, text));
        }
        if levels.len() >= MAX_DEPTH {
            return Err(Error::daemon(
                Errno::ENAMETOOLONG,
                format!("{}: directories are too deep", at(&path)),
            ));
        }
        let names = names_of(directory.as_ref()).map_err(|failure| failure.at(at(&path)))?;
        levels.push(Level { directory, names, path_len: path.len() });
    }
    Ok(())
}

/// The names of a directory, last first, with their kinds where the directory records them.
fn names_of(directory: &dyn Directory<'_>) -> crate::engine::Result<Vec<(BString, Option<FileType>)>> {
    let mut names = Vec::new();
    directory.read(&mut |entry| {
        names.push((entry.number, (BString::from(entry.name), entry.file_type)));
        ControlFlow::Continue(())
    })?;
    as_find_goes(&mut names);
    Ok(names.into_iter().rev().map(|(_, name)| name).collect())
}

/// Puts the names of a directory, each with its inode, from the order of the kernel into that of find(1).
fn as_find_goes<T>(names: &mut [(u64, T)]) {
    for part in names.chunks_mut(FIND_READS) {
        if part.len() > FIND_SORTS_ABOVE {
            part.sort_by_key(|(inode, _)| *inode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names numbered as they are stored, two to an inode, the last inode first.
    fn order_of(count: u64) -> Vec<u64> {
        let mut names: Vec<_> = (0..count).map(|nr| ((count - nr) / 2, nr)).collect();
        as_find_goes(&mut names);
        names.into_iter().map(|(_, nr)| nr).collect()
    }

    #[test]
    fn only_many_names_are_sorted_by_inode() {
        assert!(order_of(10_000).is_sorted());
        let many = order_of(10_001);
        assert_eq!((&many[..3], many[10_000]), (&[10_000, 9_998, 9_999][..], 1));
    }

    #[test]
    fn names_after_a_hundred_thousand_are_sorted_by_themselves() {
        let order = order_of(100_002);
        assert_eq!((order[0], order[99_999]), (99_999, 0));
        assert_eq!(order[100_000..], [100_000, 100_001]);
    }
}
