//! Guests of libvirt, on the command line: `-d NAME`, or an operand that is no file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::ArgMatches;
use libguestfs_core::libvirt::{Connection, Domain, DomainDisk, Listed};

use crate::options::Disk;
use crate::{Error, Guest, Result};

/// What to do where libvirt does not help.
const BY_HAND: &str = "add the guest's disks with -a FILE";

/// A guest of libvirt, as the owner of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Is it running?
    pub is_running: bool,
}

/// Does an operand that should name a disk name a guest instead? Like the originals: if it has no slash and no file has its
/// name.
pub(crate) fn is_name(operand: &OsStr) -> bool {
    !operand.as_bytes().contains(&b'/') && !Path::new(operand).exists()
}

/// The disks of the guest of that name or UUID, at the connection of `-c`.
///
/// # Errors
/// What libvirt says against it.
pub(crate) fn disks(matches: &ArgMatches, name: &OsStr) -> Result<Vec<Disk>> {
    let text = name
        .to_str()
        .ok_or_else(|| Error::new(format!("no libvirt guest is called ‘{}’", name.display())))?;
    let domain = connection(matches).domain(text);
    Ok(disks_of(domain.map_err(|e| Error::from(e).hint(BY_HAND))?))
}

/// All guests of the connection of `-c`, by their names, or by their UUIDs. What libvirt says against one of them comes
/// with that guest's disks.
///
/// # Errors
/// If libvirt can't be asked.
pub fn all(matches: &ArgMatches, by_uuid: bool) -> Result<Vec<Guest>> {
    let connection = connection(matches);
    let listed = connection.list().map_err(|e| Error::from(e).hint(BY_HAND))?;
    let guest = |listed: Listed| {
        let name = if by_uuid { listed.uuid.clone() } else { listed.name.clone() };
        Guest::of_libvirt(&name, connection.clone(), listed)
    };
    Ok(listed.into_iter().map(guest).collect())
}

fn connection(matches: &ArgMatches) -> Connection {
    Connection::new(matches.get_one::<String>("connect").map(String::as_str))
}

/// The disks of a guest of libvirt.
pub(crate) fn disks_of(domain: Domain) -> Vec<Disk> {
    let owner = Owner { name: domain.name, is_running: domain.is_running };
    let disk = |disk: DomainDisk| Disk {
        path: disk.path,
        format: disk.format,
        blocksize: disk.blocksize,
        readonly: disk.readonly,
        owner: Some(owner.clone()),
    };
    domain.disks.into_iter().map(disk).collect()
}
