//! Inspection: which operating systems are on a guest's disks, and what they are.
//!
//! ```text
//! Guest, Tree (guest)      what an engine lends: disks, and filesystems to read
//!   classify               role of a filesystem, by the names in it
//!   system                 a root looked at:
//!     release, distro        distribution and version: release files in order; the table of distributions
//!     elf                    processor
//!     devices, fstab         what is mounted where; the guest's device names turned into ours
//!   inspect (here)         all of it, then what belongs together is put together
//! Inspection, Root (root)  the result, as the API's calls return it
//! osinfo                   libosinfo's ID from these values
//! ```
//!
//! All of it runs in the daemon on hostile bytes: files are read up to a limit, links are followed within the one
//! filesystem and only so often, nothing but regular files is opened, and names are bytes that pass through as they
//! are. There is no I/O here but through the two traits.
//!
//! Differences from the original, on purpose: an unknown distribution is reported by its own ID, with the package
//! format of the relatives that it names; octal escapes in fstab are resolved; `/dev/disk/by-label`, `by-partuuid`,
//! `by-partlabel` and (with one disk) NVMe and MMC names are translated; an OpenBSD is `openbsd`; dnf counts as
//! installed where it is a link; a root whose fstab is a link (NixOS) is found. Not there yet: Windows, and btrfs
//! subvolumes other than as `list_filesystems` gives them.

mod classify;
mod devices;
mod distro;
mod elf;
mod fstab;
mod guest;
mod osinfo;
mod release;
mod root;
mod system;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use bstr::{BString, ByteSlice};

use classify::Role;
pub use devices::udev_unescape;
pub use elf::arch as elf_architecture;
use guest::Files;
pub use guest::{Disks, Entry, Filesystem, Guest, Identified, LogicalVolume, Opened, Tag, Tree};
pub use osinfo::osinfo;
pub use root::{Inspection, Mount, OsType, Root, Snapshot};

/// Why an inspection ended without a result.
#[derive(Debug, PartialEq, Eq)]
pub enum InspectError<E> {
    /// The engine failed.
    Guest(E),
    /// The result may depend on a filesystem that this engine does not fully understand.
    Unsupported(String),
    /// Filesystems that belong together cannot be told from others of their kind.
    Ambiguous(String),
}

impl<E> From<E> for InspectError<E> {
    fn from(e: E) -> Self {
        InspectError::Guest(e)
    }
}

impl<E: fmt::Display> fmt::Display for InspectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InspectError::Guest(e) => e.fmt(f),
            InspectError::Unsupported(what) | InspectError::Ambiguous(what) => f.write_str(what),
        }
    }
}

impl<E: std::error::Error> std::error::Error for InspectError<E> {}

/// Looks at every filesystem of a guest and finds its operating systems.
///
/// A filesystem that the engine does not fully understand stops the inspection, unless the fstab of a root that was
/// found says that it belongs to that root: it could be another system's root, and the answer would be wrong.
///
/// # Errors
/// As [`InspectError`] says.
pub fn inspect<G: Guest>(guest: &mut G) -> Result<Inspection, InspectError<G::Error>> {
    let disks = guest.disks()?;
    let mut found = Vec::new();
    let mut unread = Vec::new();
    let mut notes = Vec::new();
    for filesystem in &disks.filesystems {
        let mountable = filesystem.mountable.as_bstr();
        if filesystem.kind == "swap" {
            continue;
        }
        match guest.open(filesystem)? {
            Opened::Tree(tree) => {
                let mut files = Files::new(tree);
                let role = classify::role(&mut files)?;
                found.push((role, system::look(guest, &disks, &mut files, mountable, role)?));
            }
            Opened::NotMountable => {
                notes.push(format!("{mountable}: {}: cannot be mounted", filesystem.kind));
            }
            Opened::Unsupported(why) => unread.push((filesystem, why)),
        }
    }
    let roots = put_together(found)?;
    for (filesystem, why) in unread {
        let note = format!("{}: {}: {why}", filesystem.mountable, filesystem.kind);
        if !roots.iter().any(|root| owns(root, filesystem)) {
            return Err(InspectError::Unsupported(note));
        }
        notes.push(note);
    }
    Ok(Inspection { roots, snapshots: Vec::new(), notes })
}

/// Does this filesystem belong to `root`, without having a say in what that is?
fn owns(root: &Root, filesystem: &Filesystem) -> bool {
    let mut mounts =
        root.fstab.iter().filter(|mount| is_on(&mount.mountable, &filesystem.mountable)).peekable();
    mounts.peek().is_some() && mounts.all(|mount| mount.mountpoint != "/" && mount.mountpoint != "/usr")
}

/// Is `mountable` this device, or a subvolume on it?
fn is_on(mountable: &BString, device: &BString) -> bool {
    mountable == device || is_subvolume_of(mountable, device)
}

/// Is `mountable` a subvolume on `device`?
fn is_subvolume_of(mountable: &BString, device: &BString) -> bool {
    let path = mountable.strip_prefix(b"btrfsvol:").and_then(|volume| volume.strip_prefix(device.as_slice()));
    path.is_some_and(|path| path.starts_with(b"/"))
}

/// Makes roots of filesystems: joins those with their `/usr`, drops those that are another view of one.
fn put_together<E>(found: Vec<(Role, Root)>) -> Result<Vec<Root>, InspectError<E>> {
    let mut roots = Vec::new();
    let mut usrs = Vec::new();
    let mut core_os_root = None;
    let mut core_os_usrs = Vec::new();
    for (role, root) in found {
        match role {
            Role::Root(_) | Role::Dos(_) => roots.push(root),
            Role::Usr => usrs.push(root),
            Role::CoreOsUsr => core_os_usrs.push(root),
            Role::CoreOsRoot if core_os_root.is_some() => {
                return Err(InspectError::Ambiguous("there are several CoreOS roots".to_owned()));
            }
            Role::CoreOsRoot => core_os_root = Some((roots.len(), root)),
            Role::Other => {}
        }
    }
    if let Some((position, root)) = core_os_root {
        let newest = core_os_usrs.into_iter().max_by_key(Root::version);
        roots.insert(position, join(root, newest));
    }
    let mut roots = without_second_views(roots);
    for root in &mut roots {
        let is_mounted = |usr: &Root| root.fstab.iter().any(|mount| mount.mountable == usr.mountable);
        if root.os == Some(OsType::Linux)
            && let Some(usr) = usrs.iter().find(|usr| is_mounted(usr))
        {
            *root = join(root.clone(), Some(usr.clone()));
        }
        set_packages(root);
    }
    Ok(roots)
}

/// A root with what it does not know itself from its `/usr`.
fn join(root: Root, usr: Option<Root>) -> Root {
    let Some(mut usr) = usr else { return root };
    // The original lists the mounts of /usr first, and lists are read from their end: see `Root::mountpoints`.
    let mut fstab = root.fstab;
    fstab.append(&mut usr.fstab);
    Root {
        release: root.release.or(usr.release),
        arch: root.arch.or(usr.arch),
        hostname: root.hostname.or(usr.hostname),
        has_dnf: root.has_dnf || usr.has_dnf,
        fstab,
        ..root
    }
}

/// Drops roots that are another one seen again: a BSD's on the partition that holds its disk label, a snapshot in the
/// btrfs that is a root itself.
fn without_second_views(roots: Vec<Root>) -> Vec<Root> {
    let is_second = |index: usize, root: &Root| {
        let mut others = roots.iter().enumerate().filter(|&(other, _)| other != index);
        let bsd = matches!(root.os, Some(OsType::FreeBsd | OsType::NetBsd | OsType::OpenBsd));
        if bsd && is_primary_partition(&root.mountable) {
            return others.any(|(_, other)| other.os == root.os && !is_primary_partition(&other.mountable));
        }
        others
            .any(|(_, other)| is_subvolume_of(&root.mountable, &other.mountable) && same_system(root, other))
    };
    let keep: Vec<bool> = roots.iter().enumerate().map(|(index, root)| !is_second(index, root)).collect();
    roots.into_iter().zip(keep).filter_map(|(root, keep)| keep.then_some(root)).collect()
}

/// Is it one of the four partitions that an MBR has room for?
fn is_primary_partition(device: &BString) -> bool {
    let disk = device.strip_prefix(b"/dev/").and_then(|name| match name {
        [b'h' | b's' | b'v', b'd', disk @ .., b'1'..=b'4'] => Some(disk),
        _ => None,
    });
    disk.is_some_and(|letters| letters.len() == 1 && letters.iter().all(u8::is_ascii_lowercase))
}

fn same_system(a: &Root, b: &Root) -> bool {
    a.os == b.os
        && a.release.distro == b.release.distro
        && a.release.product_name == b.release.product_name
        && a.release.version == b.release.version
}

/// Packages depend on all of what is known.
fn set_packages(root: &mut Root) {
    let Some(distro) = &root.release.distro else { return };
    let family = distro::family(distro.as_bstr(), root.release.like.as_ref());
    root.package_format = family.map(|family| family.format);
    root.package_management = family.and_then(|family| family.manager(root.release.version, root.has_dnf));
}
