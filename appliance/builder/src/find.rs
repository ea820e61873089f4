//! Appliances that somebody made before: LIBGUESTFS_PATH names directories, the first that holds one is taken.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::request::Appliance;

/// The files of a fixed appliance, all of which must be there (guestfs-internals(1), FIXED APPLIANCE).
const FIXED: &[&str] = &[README, KERNEL, INITRD, ROOT];
pub(crate) const README: &str = "README.fixed";
pub(crate) const KERNEL: &str = "kernel";
pub(crate) const INITRD: &str = "initrd";
pub(crate) const ROOT: &str = "root";

/// What is in a directory.
#[derive(Debug)]
pub enum Found {
    /// Files that are started as they are.
    Fixed(Appliance),
    /// The original's form from which supermin makes an appliance: it holds the original's daemon, and is of no use here.
    Supermin(PathBuf),
}

/// Looks for an appliance in the directories of `path`, with colons between; an empty one is the current directory.
pub fn find(path: &OsStr) -> Option<Found> {
    let directories = path.as_bytes().split(|byte| *byte == b':');
    directories
        .map(|d| if d.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(d)) })
        .find_map(in_directory)
}

fn in_directory(directory: &Path) -> Option<Found> {
    let supermin = directory.join("supermin.d");
    if supermin.join("base.tar.gz").is_file() && supermin.join("packages").is_file() {
        return Some(Found::Supermin(supermin));
    }
    if FIXED.iter().all(|name| directory.join(name).is_file()) {
        return Some(Found::Fixed(Appliance {
            kernel: directory.join(KERNEL),
            kernel_version: String::new(),
            initrd: directory.join(INITRD),
            programs: None,
            root: Some(directory.join(ROOT)),
            _entries: Vec::new(),
        }));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_directory_with_all_files_is_taken() {
        let top = tempfile::tempdir().unwrap();
        let directory = |name: &str, files: &[&str]| {
            for file in files {
                let path = top.path().join(name).join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            top.path().join(name).display().to_string()
        };
        let half = directory("half", &[README, KERNEL, INITRD]);
        let one = directory("one", FIXED);
        let two = directory("two", FIXED);
        let supermin = directory("supermin", &["supermin.d/base.tar.gz", "supermin.d/packages"]);
        let initrd = |path: &str| match find(OsStr::new(path)) {
            Some(Found::Fixed(appliance)) => {
                assert!(appliance.root.is_some() && appliance.programs.is_none());
                Some(appliance.initrd.display().to_string())
            }
            Some(Found::Supermin(path)) => Some(path.display().to_string()),
            None => None,
        };
        for (path, expected) in [
            (format!("/no-such:{half}:{one}:{two}"), Some(format!("{one}/initrd"))),
            (format!("{two}:{one}"), Some(format!("{two}/initrd"))),
            (format!("{half}:{supermin}:{one}"), Some(format!("{supermin}/supermin.d"))),
            (half, None),
            (String::new(), None),
        ] {
            assert_eq!(initrd(&path), expected, "{path}");
        }
    }
}
