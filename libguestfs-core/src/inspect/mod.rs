//! Inspection: which operating systems are on a guest's disks, and what they are.
//!
//! ```text
//! Guest, Tree (guest)      what an engine lends: disks, and filesystems to read
//!   classify               role of a filesystem, by the names in it
//!   system                 a root looked at:
//!     release, distro        distribution and version: release files in order; the table of distributions
//!     elf, pe                processor
//!     devices, fstab,        what is mounted where; the guest's device names turned into ours
//!       units, discover
//!   windows                a root of Windows: its registry (`crate::registry`)
//!   ostree                 a root in the depth of a filesystem
//!   media                  what is no installed system but installs one
//!   assemble               what belongs together is put together: /usr, snapshots, second views
//!   inspect (here)         all of it in order
//! Inspection, Root (root)  the result, as the API's calls return it
//! osinfo                   libosinfo's ID from these values
//! ```
//!
//! All of it runs in the daemon on hostile bytes: files are read up to a limit, links are followed within the one
//! filesystem and only so often, nothing but regular files is opened, and names are bytes that pass through as they
//! are. There is no I/O here but through the two traits.
//!
//! What is not on the disks in a form that is understood is left out with a note ([`Inspection::notes`]), and never
//! hides what is. A filesystem that cannot be read, or not wholly, does not end the inspection either: unless the fstab of
//! a root says that it holds no system, it is listed ([`Inspection::unread`]), and whoever asked knows that the result may
//! lack something. Whether another engine may read it is said there too.
//!
//! # Differences from libguestfs
//!
//! A guest that libguestfs 1.48.6 (Debian 12) and this describe has the same values from both, but for these, on purpose:
//!
//! * A distribution that is not in the table is reported by its own ID, with the packages of the relatives that it names
//!   (`ID_LIKE`), or of the database that it has; there it is `unknown`, or `redhat-based`.
//! * An OpenBSD is `openbsd`, DragonFly is a system of its own, FreeBSD is known without its update program.
//! * A container's filesystem is a root, and a root whose fstab is a link (NixOS) is found; dnf counts if it is a link.
//! * Snapshots are no roots ([`Inspection::snapshots`]), whatever they are of (subvolumes of btrfs, logical volumes), nor are layers of containers; newer
//!   libguestfs drops those that are equal to the root. Of two copies of one ChromeOS the newer one counts.
//! * The deployment of an ostree is found (there the disk has no system); `Root::deployment` says where. The filesystem with its
//!   boot entry is its /boot, if fstab names none.
//! * Install media are roots of the format `installer`, unless there is an installed system: see `media`.
//! * Octal escapes in fstab are resolved; more names of devices are translated: by-label, by-partuuid, by-partlabel,
//!   `/dev/md/NAME`, `subvolid=`, with one disk NVMe, MMC and Smart Array. Enabled mount units of systemd count, and
//!   without any line in fstab the partitions that systemd would find by their types.
//!
//! Of a Windows:
//!
//! * One hive is enough; there, all is unknown if SOFTWARE or SYSTEM is missing. Hives that were not closed are read with what
//!   their logs have; there, without.
//! * A Windows 11 is called so; its registry says Windows 10. 1.48.6 knows neither its ID of libosinfo nor that of Server 2025.
//! * The processor may be an ARM or Itanium. If the programs cannot be read (ntfs-3g does not read those that Windows compacted),
//!   it is what the registry says; there, such a system is none.
//! * A machine that has no name in use has the one to be used, or that of Windows' networks.
//! * Entries of boot.ini that begin `signature(…)` count, and the case of any.

mod assemble;
mod classify;
mod devices;
mod discover;
mod distro;
mod elf;
mod fstab;
mod guest;
mod media;
mod osinfo;
mod ostree;
mod pe;
mod release;
mod root;
mod system;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod windows;

use bstr::{BStr, BString, ByteSlice};

use assemble::{Found, Subvolume};
use classify::Role;
pub use devices::udev_unescape;
pub use elf::arch as elf_architecture;
use guest::Files;
pub use guest::{
    Array, Disks, DynamicVolume, Entry, Filesystem, GptPartition, Guest, LogicalVolume, MbrPartition, Opened,
    Tag, Tree, Trouble, Unlocked, find_any_case,
};
pub use osinfo::{osinfo, osinfo_of_windows};
use ostree::{BootLink, Deployment};
pub use pe::arch as pe_architecture;
use root::Medium;
pub use root::{Inspection, Mount, OsType, Root, Snapshot, Unread};
pub use windows::Windows;

/// Name of the partition with the root of a CoreOS, which is empty before its first boot.
const COREOS_ROOT: &str = "ROOT";

/// Most subvolumes of btrfs of each kind that are looked at, the first ones. A host of containers has tens of thousands of
/// layers, which are no systems of its own, and years of snapshots are some hundred; a root can be any of the others, as
/// a rollback makes a new one.
const SUBVOLUMES_MAX: [(Subvolume, usize); 3] =
    [(Subvolume::Plain, 5000), (Subvolume::Snapshot, 1000), (Subvolume::Container, 100)];

/// Looks at every filesystem of a guest and finds its operating systems.
///
/// # Errors
/// If the engine fails.
pub fn inspect<G: Guest>(guest: &mut G) -> Result<Inspection, G::Error> {
    let disks = guest.disks()?;
    let mut found = Found::default();
    let mut unread = Vec::new();
    let mut boot_links = Vec::new();
    let mut ostrees = Vec::new();
    let mut subvolumes = SUBVOLUMES_MAX.map(|(kind, max)| (kind, max, 0usize));
    for filesystem in &disks.filesystems {
        if filesystem.kind == "swap" {
            continue;
        }
        if let Some(kind) = Subvolume::of(filesystem.mountable.as_bstr())
            && let Some((_, max, count)) = subvolumes.iter_mut().find(|(of, ..)| *of == kind)
        {
            *count += 1;
            if count > max {
                continue;
            }
        }
        match guest.open(filesystem)? {
            Opened::Tree(tree) => {
                let mut files = Files::new(tree);
                boot_links.extend(ostree::boot_links(&mut files, filesystem.mountable.as_bstr())?);
                if look(guest, &disks, &mut files, filesystem, &mut found)? == Role::Ostree {
                    ostrees.push((found.keep_place(), filesystem));
                }
                found.note_length(&filesystem.mountable, &files);
                unread.extend(files.tree().trouble().map(|why| (filesystem, why)));
            }
            // A partition of a boot loader or a raw one of a database: most disks have one.
            Opened::Nothing => {}
            // What it is a snapshot of says what it is.
            Opened::Unread(Trouble::Unsupported(_)) if disks.is_snapshot(filesystem) => {
                found.add_snapshot(&filesystem.mountable);
            }
            Opened::Unread(why) => unread.push((filesystem, why)),
        }
    }
    // Their /boot, which says what runs, may come after them.
    for (place, filesystem) in ostrees {
        if let Opened::Tree(tree) = guest.open(filesystem)? {
            let mut files = Files::new(tree);
            deployed(
                guest,
                &disks,
                &mut files,
                filesystem.mountable.as_bstr(),
                &boot_links,
                place,
                &mut found,
            )?;
            found.note_length(&filesystem.mountable, &files);
            unread.extend(files.tree().trouble().map(|why| (filesystem, why)));
        }
    }
    for (kind, max, count) in subvolumes {
        if let Some(more) = count.checked_sub(max).filter(|&more| more > 0) {
            found.note("btrfs", format_args!("{more} {kind} after the first {max} are not looked at"));
        }
    }
    let unbooted = match found.lacks_coreos_root() {
        true => guest.find(Tag::PartLabel, COREOS_ROOT.into())?,
        false => None,
    };
    let mut inspection = found.assemble(&disks, unbooted);
    let damage = disks.damage.iter().map(|why| Trouble::Damaged(why.clone()));
    inspection.unread.extend(damage.map(|why| Unread { what: BString::default(), why }));
    for (filesystem, why) in unread {
        let Filesystem { mountable, kind } = filesystem;
        let what = if kind == "unknown" { mountable.clone() } else { format!("{mountable}: {kind}").into() };
        let unread = Unread { what, why };
        if inspection.roots.iter().any(|root| assemble::owns(root, filesystem)) {
            inspection.notes.push(unread.to_string());
        } else {
            inspection.unread.push(unread);
        }
    }
    Ok(inspection)
}

/// Looks at one filesystem, and says what it is. One of ostree is left for [`deployed`].
fn look<G: Guest>(
    guest: &mut G,
    disks: &Disks,
    files: &mut Files<G::Tree>,
    filesystem: &Filesystem,
    found: &mut Found,
) -> Result<Role, G::Error> {
    let mountable = filesystem.mountable.as_bstr();
    let role = classify::role(files)?;
    if role == Role::Ostree {
        return Ok(role);
    }
    if role == Role::Root(OsType::Windows)
        && let Some(systemroot) = windows::systemroot(files)?
    {
        let (root, notes) = windows::look(files, disks, mountable, systemroot)?;
        notes.iter().for_each(|note| found.note(mountable, format_args!("{note}")));
        found.add(role, root);
        return Ok(role);
    }
    let mut root = system::look(guest, disks, files, mountable, role)?;
    let is_medium = media::is_medium(filesystem.kind.as_bstr());
    if role == Role::Other || is_medium {
        // Kept on one medium with what installs it, the root of a live system says more than the files around it.
        if let Some(medium) = media::look(files, mountable)? {
            found.add_medium(medium);
            return Ok(role);
        }
    }
    if is_medium && matches!(role, Role::Root(_)) {
        root.medium = Some(Medium { live: true, ..Medium::default() });
        found.add_medium(root);
        return Ok(role);
    }
    found.add(role, root);
    Ok(role)
}

/// Looks at the deployment that an ostree runs.
fn deployed<G: Guest>(
    guest: &mut G,
    disks: &Disks,
    files: &mut Files<G::Tree>,
    mountable: &BStr,
    boot_links: &[BootLink],
    place: usize,
    found: &mut Found,
) -> Result<(), G::Error> {
    let Some(Deployment { path, count, boot }) = ostree::deployment(files, boot_links)? else {
        found.note(mountable, format_args!("ostree without a deployment"));
        return Ok(());
    };
    if count > 1 {
        found.note(mountable, format_args!("{count} deployments of ostree, of which {path} is looked at"));
    }
    files.enter(path.clone());
    let mut root = system::look(guest, disks, files, mountable, Role::Root(OsType::Linux))?;
    root.deployment = Some(path);
    // Fedora CoreOS mounts it without a line in fstab.
    if let Some(boot) = boot.filter(|_| root.fstab.iter().all(|mount| mount.mountpoint != "/boot")) {
        if root.fstab.iter().all(|mount| mount.mountpoint != "/") {
            root.fstab.insert(0, Mount { mountable: mountable.into(), mountpoint: "/".into() });
        }
        root.fstab.push(Mount { mountable: boot, mountpoint: "/boot".into() });
    }
    found.put(place, Role::Root(OsType::Linux), root);
    Ok(())
}
