//! The host's files, and a record of all that was looked at.
//!
//! Every question about the host goes through here, so that the record is complete: what was there, with what made it
//! different from another file of that name, and what was *not* there. While all of it is as it was, whatever was made
//! from it is still right. `root` is `/`, or a small tree in tests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{About, Error, Result};
use crate::tree::Content;

/// Symbolic links in one path, as Linux has it.
const LINKS_MAX: usize = 40;

/// Tells a file from another, or from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    fn of(metadata: Option<&Metadata>, listed: bool) -> Self {
        match metadata {
            None => Seen::Nothing,
            Some(metadata) if metadata.is_dir() && !listed => Seen::Directory,
            Some(metadata) if metadata.is_dir() => Seen::Listed(Stamp::of(metadata)),
            Some(metadata) => Seen::File(Stamp::of(metadata)),
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp {
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What was seen at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Seen {
    /// Nothing was there.
    Nothing,
    /// A directory, whatever is in it.
    Directory,
    /// A directory, all of whose names were looked at.
    Listed(Stamp),
    /// A file, a link or something else.
    File(Stamp),
}

/// Errors that mean that there is nothing at a path.
const NOT_THERE: [io::ErrorKind; 3] =
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];

/// What was looked at, by path (of the host, without `root`).
pub(crate) type Record = BTreeMap<PathBuf, Seen>;

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    root: PathBuf,
    record: RefCell<Record>,
}

impl Host {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Host { root: root.into(), record: RefCell::default() }
    }

    /// Where the host's `path` is for this process.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What was looked at until now.
    pub(crate) fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// Is everything as it was when `record` was made?
    pub(crate) fn is_unchanged_since(&self, record: &Record) -> bool {
        record.iter().all(|(path, seen)| {
            self.metadata(path)
                .is_ok_and(|now| Seen::of(now.as_ref(), matches!(seen, Seen::Listed(_))) == *seen)
        })
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        let place = self.place(path);
        match fs::symlink_metadata(&place) {
            Ok(metadata) => Ok(Some(metadata)),
            // A directory that this user may not search (of another user's PATH, say) holds nothing for it.
            Err(e) if NOT_THERE.contains(&e.kind()) => Ok(None),
            Err(e) => Err(Error::io(&place, e)),
        }
    }

    /// Looks at `path` itself, and records it.
    fn look(&self, path: &Path) -> Result<Option<Metadata>> {
        let metadata = self.metadata(path)?;
        // The first look counts: what changes between it and the reading is seen when the record is compared.
        self.record.borrow_mut().entry(path.to_owned()).or_insert_with(|| Seen::of(metadata.as_ref(), false));
        Ok(metadata)
    }

    /// Where `path` leads to, through all symbolic links, within `root`. `None` if nothing is there.
    pub(crate) fn resolve(&self, path: &Path) -> Result<Option<(PathBuf, Metadata)>> {
        let mut links = 0;
        let mut todo: Vec<OsString> = parts(path);
        let mut at = PathBuf::from("/");
        let mut last = None;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.pop();
                last = None;
                continue;
            }
            at.push(&part);
            let Some(metadata) = self.look(&at)? else { return Ok(None) };
            if metadata.is_symlink() {
                links += 1;
                if links > LINKS_MAX {
                    return Ok(None);
                }
                let target = fs::read_link(self.place(&at)).about(&self.place(&at))?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                } else {
                    at.pop();
                }
                todo.extend(parts(&target));
                last = None;
            } else {
                last = Some(metadata);
            }
        }
        match last {
            Some(metadata) => Ok(Some((at, metadata))),
            None => Ok(self.look(&at)?.map(|metadata| (at, metadata))),
        }
    }

    /// Where the regular file `path` really is.
    pub(crate) fn file(&self, path: &Path) -> Result<Option<PathBuf>> {
        Ok(self.resolve(path)?.filter(|(_, metadata)| metadata.is_file()).map(|(real, _)| real))
    }

    /// The content of the regular file `path`, if there is one.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.file(path)? {
            Some(real) => fs::read(self.place(&real)).about(&self.place(&real)).map(Some),
            None => Ok(None),
        }
    }

    /// The content of the regular file `path`, to be copied later.
    pub(crate) fn content(&self, path: &Path) -> Result<Content> {
        match self.resolve(path)? {
            Some((real, metadata)) if metadata.is_file() => {
                Ok(Content::HostFile { path: self.place(&real), len: metadata.size() })
            }
            _ => Err(Error::io(&self.place(path), io::ErrorKind::NotFound.into())),
        }
    }

    /// The names in a directory, sorted; none if it is not there.
    pub(crate) fn list(&self, path: &Path) -> Result<Vec<OsString>> {
        let Some((real, metadata)) = self.resolve(path)?.filter(|(_, metadata)| metadata.is_dir()) else {
            return Ok(Vec::new());
        };
        let place = self.place(&real);
        match self.record.borrow_mut().entry(real).or_insert(Seen::Nothing) {
            Seen::Listed(_) => {}
            seen => *seen = Seen::of(Some(&metadata), true),
        }
        let mut names = fs::read_dir(&place)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
            .about(&place)?;
        names.sort();
        Ok(names)
    }
}

/// The components of a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    let mut parts: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn host() -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        fs::write(root.join("usr/bin/a"), "x").unwrap();
        symlink("/bin/a", root.join("usr/bin/b")).unwrap();
        symlink("../../../usr/bin/b", root.join("usr/bin/c")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let host = Host::new(root);
        (directory, host)
    }

    #[test]
    fn links_stay_below_the_root() {
        let (_directory, host) = host();
        for path in ["/usr/bin/a", "/bin/a", "/bin/b", "/usr/bin/c", "/usr/../bin/./c", "/../bin/c"] {
            assert_eq!(host.file(Path::new(path)).unwrap(), Some("/usr/bin/a".into()), "{path}");
        }
        for path in ["/none", "/bin", "/loop", "/bin/a/x"] {
            assert_eq!(host.file(Path::new(path)).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn a_record_notices_what_comes_goes_and_changes() {
        type Change = fn(&Path);
        let changes: [Change; 6] = [
            |root| fs::write(root.join("usr/bin/a"), "y!").unwrap(),
            |root| fs::write(root.join("usr/bin/new"), "y").unwrap(),
            |root| fs::remove_file(root.join("usr/bin/b")).unwrap(),
            |root| {
                // The same content and times, another file.
                let (old, new) = (root.join("usr/bin/a"), root.join("n"));
                fs::copy(&old, &new).unwrap();
                let times =
                    fs::FileTimes::new().set_modified(fs::metadata(&old).unwrap().modified().unwrap());
                File::options().write(true).open(&new).unwrap().set_times(times).unwrap();
                fs::rename(new, old).unwrap();
            },
            |root| fs::set_permissions(root.join("usr/bin/a"), PermissionsExt::from_mode(0o600)).unwrap(),
            |root| {
                fs::remove_file(root.join("bin")).unwrap();
                symlink("./usr/bin", root.join("bin")).unwrap();
            },
        ];
        for (n, change) in changes.iter().enumerate() {
            let (directory, host) = host();
            host.read(Path::new("/bin/b")).unwrap();
            host.file(Path::new("/usr/bin/new")).unwrap();
            let record = host.record();
            assert!(host.is_unchanged_since(&record));
            fs::write(directory.path().join("unrelated"), "z").unwrap();
            assert!(host.is_unchanged_since(&record));
            change(directory.path());
            assert!(!host.is_unchanged_since(&record), "change {n}");
        }
    }

    #[test]
    fn a_listed_directory_is_an_input() {
        let (directory, host) = host();
        assert_eq!(host.list(Path::new("/bin")).unwrap(), ["a", "b", "c"]);
        let record = host.record();
        fs::write(directory.path().join("usr/bin/d"), "").unwrap();
        assert!(!host.is_unchanged_since(&record));
    }
}
