//! Entries with what stat(2) shows: of one directory, or of all below it, each directory before what is in it.
//!
//! Three calls a directory (names, stats, targets of links), not one an entry. Names in a directory are sorted by
//! their bytes. What cannot be read is reported to the visitor, and the walk goes on.

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::Guestfs;
use libguestfs_core::api::Statns;
use virt_common::{Error, Result, about_path};

use crate::record::{Entry, kind};

/// What a walk calls.
pub(crate) trait Visitor {
    /// An entry. An error ends the walk.
    fn entry(&mut self, entry: Entry<'_>) -> Result<()>;

    /// Something below the directory could not be read. An error ends the walk.
    fn failed(&mut self, error: Error) -> Result<()>;
}

/// The entries of a directory that was read, those that were visited taken out.
struct Level {
    /// Path of the directory, with a slash at its end.
    prefix: BString,
    entries: std::vec::IntoIter<(BString, Statns, Option<BString>)>,
}

/// Visits `directory` itself and all that is below it. If it is a link to a directory, the link is visited, and what is
/// below the directory.
///
/// # Errors
/// If the directory cannot be read at all, or the visitor's.
pub(crate) fn all_below(handle: &Guestfs, directory: &BStr, visitor: &mut dyn Visitor) -> Result<()> {
    let directory = match directory.trim_end_with(|c| c == '/') {
        b"" => directory,
        trimmed => BStr::new(trimmed),
    };
    let stat = handle.lstatns(directory).map_err(|e| about_path(handle, directory, e))?;
    let target = if is_link(&stat) { Some(handle.readlink(directory)?) } else { None };
    visitor.entry(Entry { path: directory, stat: &stat, target, checksum: None })?;
    let mut levels = vec![read(handle, directory)?];
    while let Some(level) = levels.last_mut() {
        let Some((name, stat, target)) = level.entries.next() else {
            levels.pop();
            continue;
        };
        let mut path = level.prefix.clone();
        path.push_str(&name);
        if is_unreadable(&stat) {
            visitor.failed(unreadable(path.as_bstr()))?;
            continue;
        }
        visitor.entry(Entry { path: path.as_bstr(), stat: &stat, target, checksum: None })?;
        if is_directory(&stat) {
            match read(handle, path.as_bstr()) {
                Ok(level) => levels.push(level),
                Err(e) => visitor.failed(e)?,
            }
        }
    }
    Ok(())
}

/// Visits what is in `directory`.
///
/// # Errors
/// As [`all_below`].
pub(crate) fn inside(handle: &Guestfs, directory: &BStr, visitor: &mut dyn Visitor) -> Result<()> {
    let Level { prefix, entries } = read(handle, directory)?;
    for (name, stat, target) in entries {
        let path = BString::from([prefix.as_slice(), name.as_slice()].concat());
        if is_unreadable(&stat) {
            visitor.failed(unreadable(path.as_bstr()))?;
        } else {
            visitor.entry(Entry { path: path.as_bstr(), stat: &stat, target, checksum: None })?;
        }
    }
    Ok(())
}

fn read(handle: &Guestfs, directory: &BStr) -> Result<Level> {
    let failed = |e| about_path(handle, directory, e);
    let names = handle.ls(directory).map_err(failed)?;
    let stats = handle.lstatnslist(directory, &names).map_err(failed)?;
    let links: Vec<&BString> =
        names.iter().zip(&stats).filter(|(_, stat)| is_link(stat)).map(|(n, _)| n).collect();
    let mut targets = handle.readlinklist(directory, &links).map_err(failed)?.into_iter();
    let mut prefix = directory.to_owned();
    if !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    let entries: Vec<_> = names
        .into_iter()
        .zip(stats)
        .map(|(name, stat)| {
            let target = if is_link(&stat) { targets.next() } else { None };
            (name, stat, target)
        })
        .collect();
    Ok(Level { prefix, entries: entries.into_iter() })
}

fn is_link(stat: &Statns) -> bool {
    !is_unreadable(stat) && kind(stat.st_mode).0 == 'l'
}

fn is_directory(stat: &Statns) -> bool {
    kind(stat.st_mode).0 == 'd'
}

/// How lists of stats mark what cannot be read.
fn is_unreadable(stat: &Statns) -> bool {
    stat.st_ino == -1
}

fn unreadable(path: &BStr) -> Error {
    Error::new(format!("{path}: the entry is in its directory, but what it is cannot be read"))
}
