//! What inspection finds out: the roots of operating systems, and each value as the API's calls return it.

use std::fmt;

use bstr::{BStr, BString};

use super::guest::Trouble;
use super::release::Release;
use super::text::Version;
use super::windows::Windows;

/// What stands where nothing is known.
const UNKNOWN: &str = "unknown";

/// The result of an inspection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// The roots in the order of `list_filesystems`.
    pub roots: Vec<Root>,
    /// Snapshots of the roots: systems that would run if they were rolled back to.
    pub snapshots: Vec<Snapshot>,
    /// What was passed over and why, for whoever wonders about the result.
    pub notes: Vec<String>,
    /// What could not be read and may hold a system, or a part of one that was found: the result may lack something.
    pub unread: Vec<Unread>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What: a mountable with its type, as in `/dev/sda1: ext4`. Empty if `why` says it.
    pub what: BString,
    /// Why.
    pub why: Trouble,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what.is_empty() {
            true => self.why.fmt(f),
            false => write!(f, "{}: {}", self.what, self.why),
        }
    }
}

/// A snapshot of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The snapshot.
    pub mountable: BString,
    /// The root that it is one of.
    pub of: BString,
}

impl Inspection {
    /// The root on this mountable.
    pub fn root(&self, mountable: &BStr) -> Option<&Root> {
        self.roots.iter().find(|root| root.mountable == mountable)
    }

    /// The snapshots of a root.
    pub fn snapshots_of(&self, root: &Root) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.iter().filter(|snapshot| snapshot.of == root.mountable)
    }
}

/// Kind of operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OsType {
    /// MS-DOS, FreeDOS.
    Dos,
    /// DragonFly BSD, for which the original has no word.
    DragonFly,
    /// FreeBSD.
    FreeBsd,
    /// GNU/Hurd.
    Hurd,
    /// Linux.
    Linux,
    /// Minix.
    Minix,
    /// NetBSD.
    NetBsd,
    /// OpenBSD.
    OpenBsd,
    /// Windows, ReactOS.
    Windows,
}

impl OsType {
    /// The API's word for it.
    pub fn name(self) -> &'static str {
        match self {
            OsType::Dos => "dos",
            OsType::DragonFly => "dragonfly",
            OsType::FreeBsd => "freebsd",
            OsType::Hurd => "hurd",
            OsType::Linux => "linux",
            OsType::Minix => "minix",
            OsType::NetBsd => "netbsd",
            OsType::OpenBsd => "openbsd",
            OsType::Windows => "windows",
        }
    }
}

/// A filesystem that the guest mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted: a device, or `btrfsvol:DEVICE/SUBVOLUME`. A device that inspection could not find stands here
    /// as the guest writes it.
    pub mountable: BString,
    /// Where: a path, or for swap any word.
    pub mountpoint: BString,
}

/// An operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its root filesystem.
    pub mountable: BString,
    pub(super) os: Option<OsType>,
    pub(super) release: Release,
    pub(super) arch: Option<BString>,
    pub(super) hostname: Option<BString>,
    pub(super) package_format: Option<&'static str>,
    pub(super) package_management: Option<&'static str>,
    pub(super) has_dnf: bool,
    /// Format of the package database that is there.
    pub(super) database: Option<&'static str>,
    /// In the order of the file.
    pub(super) fstab: Vec<Mount>,
    /// Directory of the filesystem that the system runs as its `/`, where that is not the top.
    pub(super) deployment: Option<BString>,
    /// If it is no installed system but a medium to install or try one.
    pub(super) medium: Option<Medium>,
    /// What only a Windows has.
    pub(super) windows: Option<Windows>,
}

/// What kind of medium to install a system from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Medium {
    /// The system can run from it.
    pub(super) live: bool,
    /// It takes the packages from the network.
    pub(super) netinst: bool,
    /// It is one of several.
    pub(super) multipart: bool,
}

impl Root {
    pub(super) fn new(mountable: &BStr) -> Root {
        Root {
            mountable: mountable.into(),
            os: None,
            release: Release::default(),
            arch: None,
            hostname: None,
            package_format: None,
            package_management: None,
            has_dnf: false,
            database: None,
            fstab: Vec::new(),
            deployment: None,
            medium: None,
            windows: None,
        }
    }

    /// Kind of operating system (`inspect_get_type`).
    pub fn os_type(&self) -> &'static str {
        self.os.map_or(UNKNOWN, OsType::name)
    }

    /// Name of the distribution (`inspect_get_distro`).
    pub fn distro(&self) -> BString {
        or_unknown(self.release.distro.as_ref())
    }

    /// Major version, 0 if not known (`inspect_get_major_version`).
    pub fn major_version(&self) -> i32 {
        self.version().0
    }

    /// Minor version, 0 if not known (`inspect_get_minor_version`).
    pub fn minor_version(&self) -> i32 {
        self.version().1
    }

    pub(super) fn version(&self) -> Version {
        self.release.version.unwrap_or_default()
    }

    /// Name and version for people (`inspect_get_product_name`).
    pub fn product_name(&self) -> BString {
        or_unknown(self.release.product_name.as_ref())
    }

    /// Windows' installation type (`inspect_get_product_variant`); no other system has one.
    pub fn product_variant(&self) -> BString {
        or_unknown(self.windows.as_ref().and_then(|windows| windows.variant.as_ref()))
    }

    /// What only a Windows has (`inspect_get_windows_*`).
    pub fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// Processor (`inspect_get_arch`).
    pub fn arch(&self) -> BString {
        or_unknown(self.arch.as_ref())
    }

    /// Name of the machine (`inspect_get_hostname`).
    pub fn hostname(&self) -> BString {
        or_unknown(self.hostname.as_ref())
    }

    /// Number of the build (`inspect_get_build_id`).
    pub fn build_id(&self) -> BString {
        or_unknown(self.release.build_id.as_ref())
    }

    /// Format of packages (`inspect_get_package_format`).
    pub fn package_format(&self) -> &'static str {
        self.package_format.unwrap_or(UNKNOWN)
    }

    /// Program that installs packages (`inspect_get_package_management`).
    pub fn package_management(&self) -> &'static str {
        self.package_management.unwrap_or(UNKNOWN)
    }

    /// The directory of the filesystem that the system runs as its `/`: another one than `/` for an ostree deployment.
    pub fn deployment(&self) -> BString {
        self.deployment.clone().unwrap_or_else(|| "/".into())
    }

    /// What the guest mounts where (`inspect_get_mountpoints`): the last line of fstab first, as the original returns
    /// it; the root alone if there is no fstab.
    pub fn mountpoints(&self) -> Vec<Mount> {
        if self.fstab.is_empty() {
            return vec![Mount { mountable: self.mountable.clone(), mountpoint: "/".into() }];
        }
        self.fstab.iter().rev().filter(|mount| mount.mountpoint.starts_with(b"/")).cloned().collect()
    }

    /// The mountables of the guest, swap with them (`inspect_get_filesystems`), in the order of
    /// [`mountpoints`](Self::mountpoints).
    pub fn filesystems(&self) -> Vec<BString> {
        if self.fstab.is_empty() {
            return vec![self.mountable.clone()];
        }
        self.fstab.iter().rev().map(|mount| mount.mountable.clone()).collect()
    }

    /// Windows' drive letters (`inspect_get_drive_mappings`); no other system has any.
    pub fn drive_mappings(&self) -> Vec<(BString, BString)> {
        self.windows.as_ref().map(|windows| windows.drive_mappings.clone()).unwrap_or_default()
    }

    /// `installer` for a medium from which a system is installed or tried, else `installed` (`inspect_get_format`).
    pub fn format(&self) -> &'static str {
        if self.medium.is_some() { "installer" } else { "installed" }
    }

    /// Can the system run from this medium (`inspect_is_live`)?
    pub fn is_live(&self) -> bool {
        self.medium.is_some_and(|medium| medium.live)
    }

    /// Does this medium take packages from the network (`inspect_is_netinst`)?
    pub fn is_netinst(&self) -> bool {
        self.medium.is_some_and(|medium| medium.netinst)
    }

    /// Is this medium one of several (`inspect_is_multipart`)?
    pub fn is_multipart(&self) -> bool {
        self.medium.is_some_and(|medium| medium.multipart)
    }
}

fn or_unknown(value: Option<&BString>) -> BString {
    value.cloned().unwrap_or_else(|| UNKNOWN.into())
}
