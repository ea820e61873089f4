//! A guest or a hive file, as a handle on which the calls about registries work.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use bstr::{BStr, BString};
use libguestfs_core::Guestfs;
use virt_common::options::Disk;
use virt_common::{
    Ask, Error, Result, Session, find_systems, launch, launch_writable, mount_system, no_system,
};

use crate::options::Options;
use crate::show::plain;

/// What the names of a hive's logs have after its own, in the order in which they are applied.
const LOG_SUFFIXES: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

/// Where a key is: in which hive, and at which path there.
#[derive(Debug)]
pub(crate) struct Place {
    /// A path of the guest, or a device that holds nothing but the hive.
    pub(crate) hive: BString,
    /// Devices that hold its logs. Those of a hive in a guest are found by the daemon.
    pub(crate) logs: Vec<BString>,
    /// What stands before the paths of the hive's keys.
    pub(crate) prefix: BString,
    /// The key's path in the hive.
    pub(crate) key: BString,
    /// The hive, as the user knows it.
    pub(crate) shown: String,
}

impl Place {
    /// Where a key of a guest's registry is.
    pub(crate) fn of(handle: &Guestfs, systemroot: &BStr, key: &BStr) -> Result<Place> {
        let found = handle.internal_registry_locate(systemroot, key).map_err(plain)?;
        let Ok([hive, prefix, key]) = <[BString; 3]>::try_from(found) else {
            return Err(Error::new(format!("{key}: the daemon does not say where it is")));
        };
        Ok(Place { shown: hive.to_string(), hive, logs: Vec::new(), prefix, key })
    }

    /// The error under the name that the user knows, where it is about the disk that a hive file is.
    pub(crate) fn named(&self, error: Error) -> Error {
        let text = error.to_string();
        match text.strip_prefix(&self.hive.to_string()) {
            Some(rest) => Error::new(format!("{}{rest}", self.shown)),
            None => error,
        }
    }
}

/// A hive file: its content and that of its logs are disks of the handle.
pub(crate) fn file(path: &Path, key: &BStr, options: &Options) -> Result<(Guestfs, Place)> {
    let logs = logs_beside(path).map_err(|e| Error::because(path.display().to_string(), e))?;
    let disk = |path: &Path| Disk { format: Some("raw".into()), ..Disk::image(path) };
    let disks: Vec<Disk> = [path].into_iter().chain(logs.iter().map(PathBuf::as_path)).map(disk).collect();
    let handle = launch(&disks, &options.common(), &options.keys)?;
    let mut devices = handle.list_devices()?.into_iter();
    let hive = devices.next().ok_or_else(|| Error::new(format!("{}: no disk", path.display())))?;
    let prefix = options.prefix.as_deref().map(|prefix| prefix.trim_end_matches('\\')).unwrap_or_default();
    let place = Place {
        hive,
        logs: devices.collect(),
        prefix: prefix.into(),
        key: without_prefix(key, prefix).to_owned(),
        shown: path.display().to_string(),
    };
    Ok((handle, place))
}

/// The key's path after the prefix, if it begins so, in any case of letters.
fn without_prefix<'k>(key: &'k BStr, prefix: &str) -> &'k BStr {
    let bare = key.strip_prefix(b"\\").unwrap_or(key);
    match bare.split_at_checked(prefix.len()) {
        Some((start, rest))
            if !prefix.is_empty()
                && start.eq_ignore_ascii_case(prefix.as_bytes())
                && (rest.is_empty() || rest.starts_with(b"\\")) =>
        {
            BStr::new(rest)
        }
        _ => key,
    }
}

/// The logs of a hive file. Empty ones, which have nothing to say, can be no disks.
pub(crate) fn logs_beside(hive: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = match hive.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = hive.file_name() else { return Ok(Vec::new()) };
    let wanted = LOG_SUFFIXES.map(|suffix| [name, OsStr::new(suffix)].concat_os());
    let mut found: [Option<PathBuf>; LOG_SUFFIXES.len()] = Default::default();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let place = wanted.iter().position(|wanted| wanted.eq_ignore_ascii_case(entry.file_name()));
        let Some(slot) = place.and_then(|place| found.get_mut(place)) else { continue };
        let status = fs::metadata(entry.path())?;
        if status.is_file() && status.len() > 0 {
            slot.get_or_insert_with(|| entry.path());
        }
    }
    Ok(found.into_iter().flatten().collect())
}

trait Concat {
    fn concat_os(self) -> OsString;
}

impl<const N: usize> Concat for [&OsStr; N] {
    fn concat_os(self) -> OsString {
        let mut all = OsString::new();
        self.into_iter().for_each(|part| all.push(part));
        all
    }
}

/// A guest with what its Windows mounts.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) handle: Guestfs,
    /// The system's root filesystem.
    pub(crate) root: BString,
    /// The directory that Windows is in.
    pub(crate) systemroot: BString,
}

/// The guest on `disks`, mounted read-only. The disks themselves can be written if a merge is wanted.
pub(crate) fn guest(disks: &[Disk], options: &Options, session: &mut Session) -> Result<Windows> {
    let launch = if options.merge { launch_writable } else { launch };
    let handle = launch(disks, &options.common(), &options.keys)?;
    let found = find_systems(&handle, &options.keys, Ask::User)?;
    if found.roots.is_empty() {
        return Err(no_system(&handle, &found.locked));
    }
    let mut systems = Vec::new();
    for root in &found.roots {
        if handle.inspect_get_type(root)? == "windows" {
            systems.push(root);
        }
    }
    if let Some(wanted) = &options.root {
        systems.retain(|root| root.as_slice() == OsStr::new(wanted).as_bytes());
    }
    let root = match systems.as_slice() {
        [root] => root,
        [] => {
            let what = options.root.as_ref().map(|root| format!(" on {root}")).unwrap_or_default();
            return Err(Error::new(format!("there is no Windows{what}: nothing else has a registry")));
        }
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            return Err(Error::new(format!("there are several systems with Windows: {}", names.join(", ")))
                .hint("choose one with --root"));
        }
    };
    found.warn(session);
    mount_system(&handle, root, |warning| session.warn(&warning))?;
    let systemroot = handle.inspect_get_windows_systemroot(root)?;
    Ok(Windows { root: BString::clone(root), handle, systemroot })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_found_by_the_name_of_the_hive_in_any_case() {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("System", "x"),
            ("SYSTEM.LOG2", "x"),
            ("system.log1", "x"),
            ("SYSTEM.LOG", ""),
            ("SYSTEM.LOG3", "x"),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let found = logs_beside(&directory.path().join("System")).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["system.log1", "SYSTEM.LOG2"]);
    }

    #[test]
    fn a_prefix_is_taken_off_if_it_is_there() {
        for (key, prefix, expected) in [
            ("hklm\\software\\A", "HKLM\\SOFTWARE", "\\A"),
            ("\\HKLM\\SOFTWARE", "HKLM\\SOFTWARE", ""),
            ("HKLM\\SOFTWARES\\A", "HKLM\\SOFTWARE", "HKLM\\SOFTWARES\\A"),
            ("\\A", "HKLM\\SOFTWARE", "\\A"),
            ("A", "", "A"),
        ] {
            assert_eq!(without_prefix(BStr::new(key), prefix), expected, "{key}");
        }
    }
}
