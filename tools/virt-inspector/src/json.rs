//! `--json`: one line for each guest (JSON Lines), so that a program can read guest by guest.
//!
//! ```text
//! {"schema":"virt-inspector","version":1,"guest":"a.qcow2","disks":[{"path":"/images/a.qcow2"}],"operating_systems":[{…}],"errors":[]}
//! {"schema":"virt-inspector","version":1,"guest":"b.qcow2",…}
//! ```
//!
//! The manual page describes it for users. Whatever a program could rely on changes with [`VERSION`] only; keys may be
//! added without.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::BString;
use libguestfs_core::packages::Package;
use serde::ser::{Serialize, SerializeMap, Serializer};
use virt_common::json::text;
use virt_common::{Error, Guest};

use crate::report::{Filesystem, Report, System, Value};

/// Version of the form.
const VERSION: u32 = 1;

/// Writes a guest's line.
pub(crate) fn line(guest: &Guest, report: &Report, mut out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut out, &Line { guest, report })?;
    out.write_all(b"\n")
}

struct Line<'a> {
    guest: &'a Guest,
    report: &'a Report,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = |errors: &[Error]| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "virt-inspector")?;
        map.serialize_entry("version", &VERSION)?;
        self.guest.entries(&mut map)?;
        if self.report.is_inspected {
            map.serialize_entry("operating_systems", &self.report.systems)?;
        }
        for (key, errors) in [("warnings", &self.report.warnings), ("errors", &self.report.failures)] {
            if !errors.is_empty() {
                map.serialize_entry(key, &texts(errors))?;
            }
        }
        map.end()
    }
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in &self.values {
            let key = field.name();
            match value {
                Value::Text(value) => text(&mut map, key, value)?,
                Value::Number(number) => map.serialize_entry(key, number)?,
                Value::Flag => map.serialize_entry(key, &true)?,
                Value::Mountpoints(mounts) => {
                    map.serialize_entry(key, &pairs(mounts, ["mountpoint", "device"]))?;
                }
                Value::Filesystems(filesystems) => map.serialize_entry(key, filesystems)?,
                Value::Drives(drives) => map.serialize_entry(key, &pairs(drives, ["name", "device"]))?,
                Value::Snapshots(snapshots) => {
                    let device = |snapshot| Texts([("device", snapshot)]);
                    map.serialize_entry(key, &snapshots.iter().map(device).collect::<Vec<_>>())?;
                }
                Value::Packages { packages, .. } => {
                    map.serialize_entry(key, &packages.iter().map(Application).collect::<Vec<_>>())?;
                }
                Value::Icon(png) => map.serialize_entry(key, &STANDARD.encode(png))?,
            }
        }
        map.end()
    }
}

/// Objects of two texts.
fn pairs<'a>(pairs: &'a [(BString, BString)], keys: [&'static str; 2]) -> Vec<Texts<'a, 2>> {
    let [first, second] = keys;
    pairs.iter().map(|(one, other)| Texts([(first, one), (second, other)])).collect()
}

/// An object of texts; those that are empty are left out.
struct Texts<'a, const N: usize>([(&'static str, &'a BString); N]);

impl<const N: usize> Serialize for Texts<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            text(&mut map, key, value)?;
        }
        map.end()
    }
}

impl Serialize for Filesystem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Filesystem { device, kind, label, uuid } = self;
        Texts([("device", device), ("type", kind), ("label", label), ("uuid", uuid)]).serialize(serializer)
    }
}

struct Application<'a>(&'a Package);

impl Serialize for Application<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let package = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", package.format.name())?;
        text(&mut map, "name", &package.name)?;
        if let Some(epoch) = package.epoch {
            map.serialize_entry("epoch", &epoch)?;
        }
        let texts: [(&str, &BString); 16] = [
            ("display_name", &package.display_name),
            ("version", &package.version),
            ("release", &package.release),
            ("arch", &package.arch),
            ("state", &package.state),
            ("install_path", &package.install_path),
            ("publisher", &package.publisher),
            ("maintainer", &package.maintainer),
            ("vendor", &package.vendor),
            ("url", &package.url),
            ("source_package", &package.source_package),
            ("section", &package.section),
            ("license", &package.license),
            ("class", &package.class),
            ("summary", &package.summary),
            ("description", &package.description),
        ];
        for (key, value) in texts.iter().filter(|(_, value)| !value.is_empty()) {
            text(&mut map, key, value)?;
        }
        if let Some(time) = package.install_time {
            map.serialize_entry("install_time", &time)?;
        }
        map.end()
    }
}
