//! A guest among others: its name, its disks, and how JSON shows both.

use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use bstr::BString;
use libguestfs_core::libvirt::{Connection, Listed};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::json::text;
use crate::options::Disk;
use crate::{Error, Result, domains};

/// A guest to examine, in the tools that examine many.
#[derive(Debug, Clone)]
pub struct Guest {
    /// How it is shown.
    pub name: BString,
    /// Where libvirt is asked for its disks, if they are not known from the start.
    domain: Option<(Connection, Listed)>,
    /// Its disks in order, or why they can't be had.
    disks: OnceLock<Result<Vec<Disk>>>,
}

impl Guest {
    /// The guest with these disks. It has the name of the first one's file, or of the guest of libvirt whose it is, with a
    /// plus sign for each other one. All disks of a guest of libvirt count as one.
    pub fn new(disks: Vec<Disk>) -> Guest {
        let mut items = disks.chunk_by(Disk::has_owner_of);
        let mut name = items.next().and_then(|disks| disks.first()).map(display_name).unwrap_or_default();
        name.extend(items.map(|_| b'+'));
        Guest { name, domain: None, disks: OnceLock::from(Ok(disks)) }
    }

    /// One guest for each disk, or each guest of libvirt.
    pub fn each(disks: &[Disk]) -> Vec<Guest> {
        disks.chunk_by(Disk::has_owner_of).map(|disks| Guest::new(disks.to_vec())).collect()
    }

    /// A guest of libvirt, which is asked for its disks when they are needed.
    pub(crate) fn of_libvirt(name: &str, connection: Connection, listed: Listed) -> Guest {
        Guest { name: name.into(), domain: Some((connection, listed)), disks: OnceLock::new() }
    }

    /// A guest whose disks can't be had.
    pub fn refused(name: impl Into<BString>, why: Error) -> Guest {
        Guest { name: name.into(), domain: None, disks: OnceLock::from(Err(why)) }
    }

    /// Its disks.
    ///
    /// # Errors
    /// Why they can't be had.
    pub fn disks(&self) -> Result<&[Disk]> {
        let disks = self.disks.get_or_init(|| match &self.domain {
            Some((connection, listed)) => Ok(domains::disks_of(connection.domain_of(listed)?)),
            None => Ok(Vec::new()),
        });
        disks.as_ref().map(Vec::as_slice).map_err(Clone::clone)
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

/// The name of the guest that begins with this disk.
fn display_name(disk: &Disk) -> BString {
    match &disk.owner {
        Some(owner) => owner.name.as_str().into(),
        None => disk.path.file_name().unwrap_or(disk.path.as_os_str()).as_bytes().into(),
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
        // Why there are none is said where the guest is opened.
        let disks = self.0.disks().unwrap_or_default();
        let mut list = serializer.serialize_seq(Some(disks.len()))?;
        for disk in disks {
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
