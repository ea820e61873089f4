//! A hive file of the host replaced in one step.
//!
//! ```text
//! 1  the new hive is written beside the old one, and comes to the disk      the old hive, its logs
//! 2  the old hive gets a second name, if a backup is wanted                 the old hive, its logs
//! 3  the new hive takes the old one's name                                  the new hive, logs that it needs not
//! 4  the logs are emptied                                                   the new hive
//! ```
//!
//! On the right is what is there if the step is the last one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use virt_common::{Error, Result};

use crate::open::logs_beside;

/// The bits of a mode that a file's permissions are.
const PERMISSIONS: u32 = 0o7777;

/// A new file on its way to an old one's name. Dropping it leaves the old one.
#[derive(Debug)]
pub(crate) struct Replacement {
    new: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// Makes an empty file beside `path`, with the owner and permissions of that.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let about = |e| Error::because(path.display().to_string(), e);
        let directory = path.parent().unwrap_or(Path::new("/"));
        let status = fs::metadata(path).map_err(about)?;
        // Where the old file can't be written, no other is put in its place.
        OpenOptions::new().write(true).open(path).map_err(about)?;
        let new = tempfile::Builder::new().prefix(".virt-win-reg-").tempfile_in(directory).map_err(about)?;
        let file = new.as_file();
        let made = file.metadata().map_err(about)?;
        if (made.uid(), made.gid()) != (status.uid(), status.gid()) {
            fchown(file, Some(status.uid()), Some(status.gid())).map_err(about)?;
        }
        file.set_permissions(Permissions::from_mode(status.mode() & PERMISSIONS)).map_err(about)?;
        Ok(Replacement { new, path: path.to_owned() })
    }

    /// Where its content goes.
    pub(crate) fn file(&mut self) -> &mut File {
        self.new.as_file_mut()
    }

    /// Puts it in the old one's place. With a suffix, the old file and its logs are kept.
    pub(crate) fn finish(self, backup: &str) -> Result<()> {
        let Replacement { new, path } = self;
        let about = |e| Error::because(path.display().to_string(), e);
        new.as_file().sync_all().map_err(about)?;
        let logs = logs_beside(&path).map_err(about)?;
        if !backup.is_empty() {
            let kept = with_suffix(&path, backup);
            keep(&path, &kept).map_err(|e| Error::because(kept.display().to_string(), e))?;
            for log in &logs {
                let end = log.to_string_lossy().rsplit_once('.').map(|(_, end)| format!(".{end}"));
                let kept = with_suffix(&kept, &end.unwrap_or_default());
                fs::copy(log, &kept).map_err(|e| Error::because(kept.display().to_string(), e))?;
            }
        }
        new.persist(&path).map_err(|e| about(e.error))?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(about)?;
        for log in logs {
            let emptied = OpenOptions::new().write(true).open(&log).and_then(|file| {
                file.set_len(0)?;
                file.sync_all()
            });
            emptied.map_err(|e| Error::because(log.display().to_string(), e))?;
        }
        Ok(())
    }
}

/// Gives a file a second name, or makes a copy where there are no second names.
fn keep(path: &Path, kept: &Path) -> io::Result<()> {
    match fs::hard_link(path, kept) {
        Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            File::create_new(kept)?;
            fs::copy(path, kept).map(drop)
        }
        linked => linked,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("HIVE");
        let log = directory.path().join("hive.log1");
        fs::write(&path, "old").unwrap();
        fs::write(&log, "log").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };

        let mut new = Replacement::begin(&path).unwrap();
        new.file().write_all(b"ne").unwrap();
        drop(new);
        assert_eq!(
            (fs::read(&path).unwrap(), names()),
            (b"old".to_vec(), vec!["HIVE".into(), "hive.log1".into()])
        );

        let mut new = Replacement::begin(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        new.finish(".bak").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & PERMISSIONS, 0o640);
        assert_eq!(fs::read(&log).unwrap(), b"");
        assert_eq!(fs::read(directory.path().join("HIVE.bak")).unwrap(), b"old");
        assert_eq!(fs::read(directory.path().join("HIVE.bak.log1")).unwrap(), b"log");

        // A backup that is there already is worth more than this merge.
        let new = Replacement::begin(&path).unwrap();
        let error = new.finish(".bak").unwrap_err();
        assert!(error.to_string().ends_with("HIVE.bak: File exists"), "{error}");
        assert_eq!((fs::read(&path).unwrap(), names().len()), (b"new".to_vec(), 4));
    }
}
