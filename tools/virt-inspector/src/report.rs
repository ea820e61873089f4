//! One guest: its operating systems, and a value for each field that was asked for. Nothing is read for the others.

use std::collections::BTreeSet;

use bstr::BString;
use libguestfs_core::handle::InspectGetIconOpts;
use libguestfs_core::packages::{Format, Package};
use libguestfs_core::{ErrorKind, Guestfs};
use virt_common::{Ask, Error, Guest, KeyOptions, Result, Systems, about_locked, find_systems, mount_system};

use crate::field::Field;
use crate::options::Options;

/// What a call of the library ends in.
type Outcome<T> = libguestfs_core::Result<T>;

/// What the library calls a value that it can't name.
const UNKNOWN: &str = "unknown";

/// What was found of a guest.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Could its disks be opened and looked at?
    pub(crate) is_inspected: bool,
    /// Its operating systems, in the library's order.
    pub(crate) systems: Vec<System>,
    /// What the user should know though nothing failed.
    pub(crate) warnings: Vec<Error>,
    /// What kept it, or the rest of it, from being examined.
    pub(crate) failures: Vec<Error>,
}

/// An operating system: values in the order of their fields.
#[derive(Debug, Default)]
pub(crate) struct System {
    /// Fields without a value are not there.
    pub(crate) values: Vec<(Field, Value)>,
}

/// The value of a field.
#[derive(Debug)]
pub(crate) enum Value {
    Text(BString),
    Number(i32),
    /// True by being there.
    Flag,
    /// Mountpoints with their mountables.
    Mountpoints(Vec<(BString, BString)>),
    Filesystems(Vec<Filesystem>),
    /// Letters with their devices.
    Drives(Vec<(BString, BString)>),
    /// Mountables.
    Snapshots(Vec<BString>),
    Packages {
        /// The format that the system itself is made of.
        own: Option<Format>,
        packages: Vec<Package>,
    },
    /// A PNG.
    Icon(Vec<u8>),
}

/// A filesystem that belongs to a system. What is not known is empty.
#[derive(Debug)]
pub(crate) struct Filesystem {
    pub(crate) device: BString,
    pub(crate) kind: BString,
    pub(crate) label: BString,
    pub(crate) uuid: BString,
}

impl System {
    /// The text of a field; empty if there is none.
    pub(crate) fn text(&self, wanted: Field) -> &[u8] {
        let value = self.values.iter().find(|(field, _)| *field == wanted);
        match value {
            Some((_, Value::Text(text))) => text,
            _ => b"",
        }
    }

    /// The number of a field; 0 if there is none.
    pub(crate) fn number(&self, wanted: Field) -> i32 {
        let value = self.values.iter().find(|(field, _)| *field == wanted);
        match value {
            Some((_, Value::Number(number))) => *number,
            _ => 0,
        }
    }

    /// Its packages, if they were asked for.
    pub(crate) fn packages(&self) -> &[Package] {
        let packages = self.values.iter().find_map(|(_, value)| match value {
            Value::Packages { packages, .. } => Some(packages.as_slice()),
            _ => None,
        });
        packages.unwrap_or_default()
    }
}

/// Examines a guest; `ask` says who is asked for passphrases that the options do not give.
pub(crate) fn examine(guest: &Guest, fields: &BTreeSet<Field>, options: &Options, ask: Ask) -> Report {
    let mut report = Report::default();
    let launched = guest.disks().and_then(|disks| virt_common::launch(disks, &options.common, &options.keys));
    match launched {
        Ok(handle) => {
            let mut looking = Looking { handle: &handle, guest, fields, report: &mut report };
            let looked = looking.look(&options.keys, ask).and_then(|()| Ok(handle.shutdown()?));
            report.failures.extend(looked.err().map(|e| about(guest, e)));
        }
        // That names the disk.
        Err(error) => report.failures.push(error),
    }
    report
}

fn about(guest: &Guest, error: Error) -> Error {
    error.about(&guest.name)
}

struct Looking<'a> {
    handle: &'a Guestfs,
    guest: &'a Guest,
    fields: &'a BTreeSet<Field>,
    report: &'a mut Report,
}

impl Looking<'_> {
    fn look(&mut self, keys: &KeyOptions, ask: Ask) -> Result<()> {
        let Systems { roots, locked, unread } = find_systems(self.handle, keys, ask)?;
        self.report.is_inspected = true;
        for device in &locked {
            let locked = about_locked(device);
            if roots.is_empty() {
                self.report.failures.push(about(self.guest, locked));
            } else {
                self.warn(locked);
            }
        }
        for error in unread {
            // The rest is reported, but the report may lack a system.
            self.report.failures.push(about(self.guest, error));
        }
        for note in self.handle.inspect_notes()? {
            self.warn(Error::new(note.to_string()));
        }
        for root in &roots {
            self.system(root)?;
        }
        Ok(())
    }

    fn warn(&mut self, error: Error) {
        self.report.warnings.push(about(self.guest, error));
    }

    /// Adds a system. What of it can't be read is a failure, and the rest is there.
    fn system(&mut self, root: &BString) -> Result<()> {
        let mut system = System::default();
        let needs_files = self.fields.iter().any(|field| field.needs_files());
        let mounted = if needs_files { self.mount(root)? } else { false };
        for &field in self.fields {
            if field.needs_files() && !mounted {
                continue;
            }
            match self.value(root, field) {
                Ok(Some(value)) => system.values.push((field, value)),
                Ok(None) => {}
                Err(error) if self.handle.is_ready() => {
                    let error = Error::from(error);
                    self.report.failures.push(about(self.guest, error.about(field.name())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if needs_files {
            self.handle.umount_all()?;
        }
        self.report.systems.push(system);
        Ok(())
    }

    /// Mounts what the system mounts. Is its root there?
    fn mount(&mut self, root: &BString) -> Result<bool> {
        let handle = self.handle;
        match mount_system(handle, root, |warning| self.warn(warning)) {
            Err(error) if handle.is_ready() => {
                self.report.failures.push(about(self.guest, error));
                Ok(false)
            }
            other => {
                other?;
                for warning in handle.mount_warnings()? {
                    self.warn(Error::new(warning.to_string()));
                }
                Ok(true)
            }
        }
    }

    /// The value of a field; `None` if the system has none.
    fn value(&mut self, root: &BString, field: Field) -> Outcome<Option<Value>> {
        let handle = self.handle;
        let text = match field {
            Field::Root => handle.canonical_device_name(root),
            Field::Name => handle.inspect_get_type(root),
            Field::Arch => handle.inspect_get_arch(root),
            Field::Distro => handle.inspect_get_distro(root),
            Field::ProductName => handle.inspect_get_product_name(root),
            Field::ProductVariant => handle.inspect_get_product_variant(root),
            Field::MajorVersion => return Ok(Some(Value::Number(handle.inspect_get_major_version(root)?))),
            Field::MinorVersion => return Ok(Some(Value::Number(handle.inspect_get_minor_version(root)?))),
            Field::PackageFormat => handle.inspect_get_package_format(root),
            Field::PackageManagement => handle.inspect_get_package_management(root),
            Field::WindowsSystemroot => or_unknown(handle.inspect_get_windows_systemroot(root)),
            Field::WindowsCurrentControlSet => {
                or_unknown(handle.inspect_get_windows_current_control_set(root))
            }
            Field::WindowsGroupPolicy => return group_policy(handle, root),
            Field::Hostname => handle.inspect_get_hostname(root),
            Field::BuildId => or_unknown(handle.inspect_get_build_id(root)),
            Field::Osinfo => handle.inspect_get_osinfo(root),
            Field::Mountpoints => return mountpoints(handle, root).map(Some),
            Field::Filesystems => return filesystems(handle, root).map(Some),
            Field::DriveMappings => return drives(handle, root),
            Field::Deployment => {
                let deployment = handle.inspect_deployment(root)?;
                return Ok(Some(deployment).filter(|path| path != "/").map(Value::Text));
            }
            Field::Snapshots => {
                let snapshots = handle.inspect_snapshots(root)?;
                return Ok(Some(snapshots).filter(|list| !list.is_empty()).map(Value::Snapshots));
            }
            Field::Applications => return self.packages(root).map(Some),
            Field::Icon => return icon(handle, root),
        };
        Ok(Some(text?).filter(|text| text != UNKNOWN).map(Value::Text))
    }

    fn packages(&mut self, root: &BString) -> Outcome<Value> {
        let installed = self.handle.installed_packages(root)?;
        for note in installed.notes {
            // A database that is broken in part is a failure, though the rest of it is reported.
            self.report.failures.push(about(self.guest, Error::new(note.to_string())));
        }
        let own = Format::named(&self.handle.inspect_get_package_format(root)?);
        if let Some(format) = own
            && !installed.databases.iter().any(|database| database.format == format)
        {
            self.warn(Error::new(format!("there is no database of {format} packages")));
        }
        Ok(Value::Packages { own, packages: installed.packages })
    }
}

/// The same, with `unknown` where the daemon has no answer.
fn or_unknown(text: Outcome<BString>) -> Outcome<BString> {
    match text {
        Err(error) if error.kind() == ErrorKind::Daemon => Ok(UNKNOWN.into()),
        other => other,
    }
}

/// Only a Windows has an answer.
fn group_policy(handle: &Guestfs, root: &BString) -> Outcome<Option<Value>> {
    match handle.inspect_get_windows_group_policy(root) {
        Ok(has_one) => Ok(has_one.then_some(Value::Flag)),
        Err(error) if error.kind() == ErrorKind::Daemon => Ok(None),
        Err(error) => Err(error),
    }
}

/// Short mountpoints first, as in the original.
fn mountpoints(handle: &Guestfs, root: &BString) -> Outcome<Value> {
    let mut mounts = Vec::new();
    for (mountpoint, device) in handle.inspect_get_mountpoints(root)?.0 {
        mounts.push((mountpoint, handle.canonical_device_name(device)?));
    }
    mounts.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    Ok(Value::Mountpoints(mounts))
}

fn filesystems(handle: &Guestfs, root: &BString) -> Outcome<Value> {
    let mut mountables = handle.inspect_get_filesystems(root)?;
    mountables.sort();
    let mut filesystems = Vec::new();
    for mountable in mountables {
        // One that can't be looked at, for its disk is missing or damaged, has a name at least.
        let about = |text: Outcome<BString>| match text {
            Err(error) if error.kind() == ErrorKind::Daemon => Ok(BString::default()),
            other => other,
        };
        filesystems.push(Filesystem {
            device: handle.canonical_device_name(&mountable)?,
            kind: about(handle.vfs_type(&mountable))?,
            label: about(handle.vfs_label(&mountable))?,
            uuid: about(handle.vfs_uuid(&mountable))?,
        });
    }
    Ok(Value::Filesystems(filesystems))
}

/// Letters in alphabetical order, whatever their case.
fn drives(handle: &Guestfs, root: &BString) -> Outcome<Option<Value>> {
    let mut drives = Vec::new();
    for (letter, device) in handle.inspect_get_drive_mappings(root)?.0 {
        drives.push((letter, handle.canonical_device_name(device)?));
    }
    drives.sort_by_key(|(letter, _)| letter.to_ascii_lowercase());
    Ok((!drives.is_empty()).then_some(Value::Drives(drives)))
}

/// The logo, and not that of the guest's web pages.
fn icon(handle: &Guestfs, root: &BString) -> Outcome<Option<Value>> {
    let opts = InspectGetIconOpts { favicon: Some(false), highquality: None };
    let png = handle.inspect_get_icon(root, &opts)?;
    Ok((!png.is_empty()).then_some(Value::Icon(png)))
}
