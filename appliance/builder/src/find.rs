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
