//! A guest among others: its name, its disks, and how JSON shows both.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use bstr::BString;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::json::text;
use crate::options::Disk;

/// A guest to examine, in the tools that examine many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// How it is shown.
    pub name: BString,
    /// What it has, in order.
    pub disks: Vec<Disk>,
}

impl Guest {
    /// The guest with these disks. It has the name of the first one's file, with a plus sign for each other.
    pub fn new(disks: Vec<Disk>) -> Guest {
        let first = disks.first().map(|disk| &disk.path);
        let file = first.and_then(|path| path.file_name()).or(first.map(|path| path.as_os_str()));
        let mut name = BString::from(file.unwrap_or(OsStr::new("")).as_bytes());
        name.extend(disks.iter().skip(1).map(|_| b'+'));
        Guest { name, disks }
    }

    /// Puts name and disks into a larger object.
    ///
    /// # Errors
    /// The serializer's.
    pub fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        text(map, "guest", &self.name)?;
        map.serialize_entry("disks", &Paths(self))
    }
}

/// `{"guest":"a.qcow2","disks":[{"path":"/images/a.qcow2"}]}`
impl Serialize for Guest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// The paths of a guest's disks.
struct Paths<'a>(&'a Guest);

impl Serialize for Paths<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.disks.len()))?;
        for disk in &self.0.disks {
            list.serialize_element(&Path(disk.path.as_os_str().as_bytes()))?;
        }
        list.end()
    }
}

/// An object, so that a path that is not UTF-8 has a place for its exact bytes.
struct Path<'a>(&'a [u8]);

impl Serialize for Path<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "path", self.0)?;
        map.end()
    }
}
