//! From what was found on each filesystem to systems: what belongs to one is put together, and what is one seen again,
//! or a copy of it, is put apart.

use std::fmt;

use bstr::{BStr, BString, ByteSlice};

use super::classify::Role;
use super::distro;
use super::guest::{Disks, Files, Filesystem, Tree};
use super::root::{Inspection, Mount, OsType, Root, Snapshot};

/// The type of the partitions that hold the two copies of a ChromeOS (cgpt(1): "ChromeOS rootfs").
const CHROMEOS_ROOT: &str = "3CB8E202-3B7E-47DD-8A3C-7FF2A13CFCEC";

/// Where tools keep snapshots of a btrfs, as the elements of a path; `*` is any one element.
static SNAPSHOTS: &[&[&str]] = &[
    // snapper(8)
    &[".snapshots", "*", "snapshot"],
    // timeshift
    &["timeshift-btrfs", "snapshots", "*", "*"],
];

/// Where tools keep the filesystems of containers, in the same form.
static CONTAINERS: &[&[&str]] = &[
    // Docker's and Podman's storage drivers for btrfs.
    &["btrfs", "subvolumes", "*"],
    // systemd-nspawn(1)
    &["var", "lib", "machines", "*"],
    // LXD and Incus.
    &["containers", "*", "rootfs"],
];

/// What a subvolume is for, by where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subvolume {
    /// Anything.
    Plain,
    /// A snapshot that a tool keeps.
    Snapshot,
    /// A container, or a layer of some.
    Container,
}

impl Subvolume {
    /// What a mountable is for, if it is a subvolume.
    pub(super) fn of(mountable: &BStr) -> Option<Subvolume> {
        mountable.starts_with(b"btrfsvol:").then(|| {
            if lies_in(mountable, CONTAINERS) {
                Subvolume::Container
            } else if lies_in(mountable, SNAPSHOTS) {
                Subvolume::Snapshot
            } else {
                Subvolume::Plain
            }
        })
    }
}

impl fmt::Display for Subvolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subvolume::Plain => "subvolumes",
            Subvolume::Snapshot => "snapshots",
            Subvolume::Container => "subvolumes of containers",
        })
    }
}

/// What filesystems turned out to be, in their order.
#[derive(Debug, Default)]
pub(super) struct Found {
    parts: Vec<(Role, Root)>,
    media: Vec<Root>,
    /// Snapshots of volumes that were not looked at.
    snapshots: Vec<BString>,
    notes: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, role: Role, root: Root) {
        self.parts.push((role, root));
    }

    /// Adds a snapshot of a volume that can't be looked at.
    pub(super) fn add_snapshot(&mut self, device: &BString) {
        self.snapshots.push(device.clone());
    }

    /// Keeps the place of a root that is looked at later.
    pub(super) fn keep_place(&mut self) -> usize {
        self.parts.push((Role::Other, Root::new("".into())));
        self.parts.len() - 1
    }

    /// Adds what is found at a place that was kept.
    pub(super) fn put(&mut self, place: usize, role: Role, root: Root) {
        if let Some(part) = self.parts.get_mut(place) {
            *part = (role, root);
        }
    }

    pub(super) fn add_medium(&mut self, medium: Root) {
        self.media.push(medium);
    }

    pub(super) fn note(&mut self, mountable: impl fmt::Display, note: fmt::Arguments<'_>) {
        self.notes.push(format!("{mountable}: {note}"));
    }

    /// Notes a file that was too long to be read.
    pub(super) fn note_length<T: Tree>(&mut self, mountable: &BString, files: &Files<T>) {
        if let Some(path) = files.too_long() {
            self.note(mountable, format_args!("{path}: too long, and not read"));
        }
    }

    /// Is there a CoreOS whose root does not look like one?
    pub(super) fn lacks_coreos_root(&self) -> bool {
        let has = |role: Role| self.parts.iter().any(|&(is, _)| is == role);
        has(Role::CoreOsUsr) && !has(Role::CoreOsRoot)
    }

    /// Makes systems of it. `coreos_root` is the root of a CoreOS that was never booted.
    pub(super) fn assemble(self, disks: &Disks, coreos_root: Option<BString>) -> Inspection {
        let Found { parts, media, snapshots: unread, mut notes } = self;
        let mut roots = Vec::new();
        let mut usrs = Vec::new();
        let unbooted = coreos_root.map(|device| {
            let mut root = Root::new(device.as_bstr());
            root.os = Some(OsType::Linux);
            root.fstab = vec![Mount { mountable: device, mountpoint: "/".into() }];
            (0, root)
        });
        let mut core_os_roots: Vec<(usize, Root)> = unbooted.into_iter().collect();
        let mut core_os_usrs = Vec::new();
        for (role, root) in parts {
            match role {
                Role::Root(_) | Role::Dos(_) => roots.push(root),
                Role::Usr => usrs.push(root),
                Role::CoreOsUsr => core_os_usrs.push(root),
                Role::CoreOsRoot => core_os_roots.push((roots.len(), root)),
                Role::Ostree | Role::Other => {}
            }
        }
        let has_many = core_os_roots.len() > 1;
        // From the last one on, or the places of others would change.
        for (position, root) in core_os_roots.into_iter().rev() {
            // What each of several runs is on its own disk.
            let is_its = |usr: &&Root| {
                !has_many || disks.disk_of(usr.mountable.as_bstr()) == disks.disk_of(root.mountable.as_bstr())
            };
            let newest = core_os_usrs.iter().filter(is_its).max_by_key(|usr| usr.version()).cloned();
            roots.insert(position, join(root, newest));
        }
        let roots = without_second_views(roots);
        let mut roots = without_containers(roots, &mut notes);
        let mut snapshots = take_snapshots(&mut roots, disks);
        take_volumes(&mut roots, disks, unread, &mut snapshots);
        for root in &mut roots {
            let is_mounted = |usr: &Root| root.fstab.iter().any(|mount| mount.mountable == usr.mountable);
            if root.os == Some(OsType::Linux)
                && let Some(usr) = usrs.iter().find(|usr| is_mounted(usr))
            {
                *root = join(root.clone(), Some(usr.clone()));
            }
            set_packages(root);
        }
        if roots.is_empty() {
            roots = different(media);
        } else {
            notes.extend(media.iter().map(|medium| {
                let name = medium.product_name();
                format!(
                    "{}: a medium that installs {name}, passed over for what is installed",
                    medium.mountable
                )
            }));
        }
        Inspection { roots, snapshots, notes, unread: Vec::new() }
    }
}

/// Does this filesystem belong to `root`, without having a say in what that is?
pub(super) fn owns(root: &Root, filesystem: &Filesystem) -> bool {
    let is_on = |mountable: &BString| {
        *mountable == filesystem.mountable || subvolume(mountable, filesystem.mountable.as_bstr()).is_some()
    };
    let mut mounts = root.fstab.iter().filter(|mount| is_on(&mount.mountable)).peekable();
    mounts.peek().is_some() && mounts.all(|mount| mount.mountpoint != "/" && mount.mountpoint != "/usr")
}

/// The path of the subvolume on `device` that `mountable` is.
fn subvolume<'m>(mountable: &'m BString, device: &BStr) -> Option<&'m [u8]> {
    mountable.strip_prefix(b"btrfsvol:")?.strip_prefix(device.as_bytes())?.strip_prefix(b"/")
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

/// Drops the root of a BSD on the partition that holds its disk label: its partitions are listed as well.
fn without_second_views(roots: Vec<Root>) -> Vec<Root> {
    let is_second = |index: usize, root: &Root| {
        let mut others = roots.iter().enumerate().filter(|&(other, _)| other != index);
        matches!(root.os, Some(OsType::FreeBsd | OsType::NetBsd | OsType::OpenBsd | OsType::DragonFly))
            && is_primary_partition(&root.mountable)
            && others.any(|(_, other)| other.os == root.os && !is_primary_partition(&other.mountable))
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

/// Drops the filesystems of containers where there is a system beside them.
fn without_containers(roots: Vec<Root>, notes: &mut Vec<String>) -> Vec<Root> {
    let is_container = |root: &Root| Subvolume::of(root.mountable.as_bstr()) == Some(Subvolume::Container);
    let (containers, systems): (Vec<Root>, Vec<Root>) = roots.into_iter().partition(is_container);
    if systems.is_empty() {
        return containers;
    }
    if let Some(first) = containers.first() {
        let count = containers.len();
        notes.push(format!(
            "{}: the first of {count} filesystems of containers, passed over",
            first.mountable
        ));
    }
    systems
}

/// Is the end of a path one of these?
fn lies_in(path: &[u8], patterns: &[&[&str]]) -> bool {
    let elements: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    patterns.iter().any(|pattern| {
        let end = elements.len().checked_sub(pattern.len()).and_then(|start| elements.get(start..));
        end.is_some_and(|end| {
            end.iter().zip(*pattern).all(|(element, wanted)| *wanted == "*" || element == &wanted.as_bytes())
        })
    })
}

/// Takes the snapshots out of `roots`, each of which is of a root that stays.
///
/// A subvolume is a snapshot if it lies where a tool keeps them; if its own fstab says that `/` is another subvolume,
/// which is a root here; or if it is the same system as the one that the device itself mounts. So is the older copy of a
/// ChromeOS.
fn take_snapshots(roots: &mut Vec<Root>, disks: &Disks) -> Vec<Snapshot> {
    let mut snapshots = Vec::new();
    let devices = disks.filesystems.iter().map(|filesystem| filesystem.mountable.as_bstr());
    for device in devices.filter(|device| !device.starts_with(b"btrfsvol:")) {
        let on_device =
            |root: &Root| root.mountable == device || subvolume(&root.mountable, device).is_some();
        let here: Vec<&Root> = roots.iter().filter(|root| on_device(root)).collect();
        let Some(main) = main_root(&here, device) else { continue };
        let (main, taken): (BString, Vec<BString>) = (
            main.mountable.clone(),
            here.iter()
                .filter(|root| root.mountable != main.mountable && is_snapshot(root, &here, device))
                .map(|root| root.mountable.clone())
                .collect(),
        );
        for mountable in taken {
            let Some(position) = roots.iter().position(|root| root.mountable == mountable) else { continue };
            let root = roots.remove(position);
            let own = roots.iter().find(|of| says_root_is(&root, of)).map(|of| of.mountable.clone());
            snapshots.push(Snapshot { mountable, of: own.unwrap_or_else(|| main.clone()) });
        }
    }
    take_older_copies(roots, disks, &mut snapshots);
    snapshots
}

/// The root on this device that all the others may be snapshots of.
fn main_root<'r>(here: &[&'r Root], device: &BStr) -> Option<&'r Root> {
    if here.len() < 2 {
        return None;
    }
    let itself = here.iter().find(|root| root.mountable == device);
    let first = || here.iter().find(|root| !is_snapshot(root, here, device));
    itself.or_else(first).or(here.first()).copied()
}

fn is_snapshot(root: &Root, here: &[&Root], device: &BStr) -> bool {
    let Some(path) = subvolume(&root.mountable, device) else { return false };
    let mut others = here.iter().filter(|other| other.mountable != root.mountable);
    lies_in(path, SNAPSHOTS)
        || others.any(|other| {
            says_root_is(root, other) || other.mountable == device && is_same_system(root, other)
        })
}

/// Does the fstab of `root` say that its `/` is `other`?
fn says_root_is(root: &Root, other: &Root) -> bool {
    let own = root.fstab.iter().find(|mount| mount.mountpoint == "/");
    root.mountable != other.mountable && own.is_some_and(|mount| mount.mountable == other.mountable)
}

fn is_same_system(a: &Root, b: &Root) -> bool {
    a.os == b.os
        && a.release.distro == b.release.distro
        && a.release.product_name == b.release.product_name
        && a.release.version == b.release.version
}

/// Takes the roots on snapshots of logical volumes, and adds those snapshots that were not looked at (`unread`): each is one
/// of the root on the farthest volume that it was made of.
fn take_volumes(roots: &mut Vec<Root>, disks: &Disks, unread: Vec<BString>, snapshots: &mut Vec<Snapshot>) {
    let known: Vec<BString> = roots.iter().map(|root| root.mountable.clone()).collect();
    // A snapshot of a snapshot is one of the root that stays.
    let root_of =
        |device: &BString| disks.origins(device.as_bstr()).filter(|of| known.contains(of)).last().cloned();
    roots.retain(|root| {
        let of = root_of(&root.mountable);
        snapshots.extend(of.clone().map(|of| Snapshot { mountable: root.mountable.clone(), of }));
        of.is_none()
    });
    let unread =
        unread.into_iter().filter_map(|mountable| Some(Snapshot { of: root_of(&mountable)?, mountable }));
    snapshots.extend(unread);
}

/// A disk has two copies of a ChromeOS, of which the newer one runs; of equal ones the first.
fn take_older_copies(roots: &mut Vec<Root>, disks: &Disks, snapshots: &mut Vec<Snapshot>) {
    let disk_of = |root: &Root| {
        let mut copies = disks.gpt.iter().filter(|partition| partition.kind == CHROMEOS_ROOT);
        copies.find(|partition| partition.device == root.mountable).map(|partition| partition.disk.clone())
    };
    let mut newest: Vec<(BString, BString, (i32, i32))> = Vec::new();
    for root in roots.iter() {
        let Some(disk) = disk_of(root) else { continue };
        match newest.iter_mut().find(|(of, ..)| *of == disk) {
            Some((_, mountable, version)) if root.version() > *version => {
                (*mountable, *version) = (root.mountable.clone(), root.version());
            }
            Some(_) => {}
            None => newest.push((disk, root.mountable.clone(), root.version())),
        }
    }
    roots.retain(|root| {
        let of = disk_of(root).and_then(|disk| newest.iter().find(|(of, ..)| *of == disk));
        let Some((_, of, _)) = of.filter(|(_, of, _)| *of != root.mountable) else { return true };
        snapshots.push(Snapshot { mountable: root.mountable.clone(), of: of.clone() });
        false
    });
}

/// A hybrid medium is seen as a disk and in its partition: once is enough.
fn different(media: Vec<Root>) -> Vec<Root> {
    let mut kept: Vec<Root> = Vec::new();
    for medium in media {
        let is_part = |of: &Root| {
            let (long, short) = (medium.mountable.len(), of.mountable.len());
            let [whole, part] = if long > short { [of, &medium] } else { [&medium, of] };
            let number = part.mountable.strip_prefix(whole.mountable.as_slice());
            is_same_system(of, &medium) && number.is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
        };
        if !kept.iter().any(is_part) {
            kept.push(medium);
        }
    }
    kept
}

/// Packages depend on all of what is known.
fn set_packages(root: &mut Root) {
    let known =
        root.release.distro.as_ref().and_then(|distro| {
            distro::packaging(distro.as_bstr(), root.release.like.as_ref(), root.database)
        });
    root.package_format = known.map(|family| family.format);
    root.package_management = known.and_then(|family| family.manager(root.release.version, root.has_dnf));
}
