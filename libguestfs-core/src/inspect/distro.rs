//! What is known of each distribution, as data: its name in the API, its IDs in release files, how it is packaged.
//!
//! An ID that is not here is no failure: it is reported as it stands, and its family is found through `ID_LIKE`.
//! IDs are those that the distributions write into os-release(5) (the collection at
//! github.com/which-distro/os-release shows them), names and package values are libguestfs's.

use bstr::{BStr, BString, ByteSlice};

use super::text::Version;

/// How the packages of a distribution are kept and installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Format of the packages.
    pub(super) format: &'static str,
    /// What installs them, from which major version on. Before the first entry nothing that is known does.
    managers: &'static [(i32, Manager)],
}

/// Which program installs packages.
#[derive(Debug, PartialEq, Eq)]
enum Manager {
    /// This one.
    Is(&'static str),
    /// `dnf` if it is installed, else `yum`.
    DnfIfInstalled,
    /// `dnf` if it is installed, else none that is known.
    DnfOrNone,
}

use Manager::{DnfIfInstalled, DnfOrNone, Is};

/// Short for a literal.
const fn family_of(format: &'static str, managers: &'static [(i32, Manager)]) -> Family {
    Family { format, managers }
}

const DEBIAN: Family = family_of("deb", &[(0, Is("apt"))]);
const RED_HAT: Family = family_of("rpm", &[(2, Is("up2date")), (5, Is("yum")), (8, Is("dnf"))]);
const FEDORA: Family = family_of("rpm", &[(1, Is("yum")), (22, DnfIfInstalled)]);
/// Red Hat's relatives with version numbers of their own.
const LIKE_RED_HAT: Family = family_of("rpm", &[(0, DnfIfInstalled)]);
/// Amazon Linux counted 1 and 2, then years; dnf came with 2022.
const AMAZON: Family = family_of("rpm", &[(0, Is("yum")), (2022, Is("dnf"))]);
/// What has a database of RPM and says nothing else.
const RPM: Family = family_of("rpm", &[(0, DnfOrNone)]);
const DNF: Family = family_of("rpm", &[(0, Is("dnf"))]);
const YUM: Family = family_of("rpm", &[(0, Is("yum"))]);
const SUSE: Family = family_of("rpm", &[(0, Is("zypper"))]);
const MANDRIVA: Family = family_of("rpm", &[(0, Is("urpmi"))]);
const ALT: Family = family_of("rpm", &[(0, Is("apt"))]);
const ARCH: Family = family_of("pacman", &[(0, Is("pacman"))]);
const GENTOO: Family = family_of("ebuild", &[(0, Is("portage"))]);
const ALPINE: Family = family_of("apk", &[(0, Is("apk"))]);
const VOID: Family = family_of("xbps", &[(0, Is("xbps"))]);
const PARDUS: Family = family_of("pisi", &[(0, Is("pisi"))]);

/// A distribution.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distro {
    /// Name in the API.
    pub(super) name: &'static str,
    /// `ID` in os-release; one that ends in `*` is a prefix.
    ids: &'static [&'static str],
    /// `DISTRIB_ID` in lsb-release.
    lsb_id: Option<&'static str>,
    /// How it is packaged, if one of the known ways.
    family: Option<&'static Family>,
    /// How far its os-release can be trusted.
    pub(super) os_release: OsRelease,
    /// It comes in editions with other packages: the database that is there tells.
    editions: bool,
}

/// What the os-release of a distribution is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OsRelease {
    /// Name and version are there.
    Complete,
    /// There are no versions: it is released continuously.
    Rolling,
    /// A version without a minor number was cut short: the distribution's own release file has all of it.
    MajorOnly,
    /// The distribution's own release file, where there is one, is what the original reports.
    Second,
}

/// A row of [`DISTROS`] whose os-release is complete.
const fn row(name: &'static str, ids: &'static [&'static str], family: &'static Family) -> Distro {
    Distro { name, ids, lsb_id: None, family: Some(family), os_release: OsRelease::Complete, editions: false }
}

/// A row of [`DISTROS`] without one of the known ways of packaging.
const fn bare(name: &'static str, ids: &'static [&'static str]) -> Distro {
    Distro { name, ids, lsb_id: None, family: None, os_release: OsRelease::Complete, editions: false }
}

impl Distro {
    const fn os_release(self, os_release: OsRelease) -> Distro {
        Distro { os_release, ..self }
    }

    const fn editions(self) -> Distro {
        Distro { editions: true, ..self }
    }

    const fn lsb(self, id: &'static str) -> Distro {
        Distro { lsb_id: Some(id), ..self }
    }
}

/// The table, by name.
static DISTROS: &[Distro] = &[
    row("alpinelinux", &["alpine"], &ALPINE),
    row("altlinux", &["altlinux"], &ALT),
    row("amzn", &["amzn"], &AMAZON),
    row("anolis", &["anolis"], &LIKE_RED_HAT),
    row("archlinux", &["arch"], &ARCH).os_release(OsRelease::Rolling),
    // Arch on other processors goes by a name of its own.
    row("archarm", &["archarm"], &ARCH).os_release(OsRelease::Rolling),
    // tdnf, which these two start with, takes dnf's commands and repositories.
    row("azurelinux", &["azurelinux", "mariner"], &DNF),
    row("photon", &["photon"], &DNF),
    bare("buildroot", &["buildroot"]).os_release(OsRelease::Second),
    row("centos", &["centos"], &RED_HAT).os_release(OsRelease::MajorOnly),
    row("chimera", &["chimera"], &ALPINE).os_release(OsRelease::Rolling),
    row("circle", &["circle"], &RED_HAT).os_release(OsRelease::MajorOnly),
    bare("cirros", &["cirros"]).os_release(OsRelease::Second),
    bare("coreos", &["coreos"]).lsb("CoreOS"),
    row("deepin", &["deepin", "Deepin"], &DEBIAN),
    row("debian", &["debian"], &DEBIAN).os_release(OsRelease::MajorOnly),
    row("fedora", &["fedora"], &FEDORA),
    bare("frugalware", &["frugalware"]),
    row("gentoo", &["gentoo"], &GENTOO).os_release(OsRelease::Rolling),
    row("kalilinux", &["kali"], &DEBIAN),
    // The server is built of rpm packages, the desktop of Debian's.
    row("kylin", &["kylin"], &RED_HAT).editions(),
    row("linuxmint", &["linuxmint"], &DEBIAN).lsb("LinuxMint").os_release(OsRelease::Second),
    row("mageia", &["mageia"], &MANDRIVA).lsb("Mageia"),
    row("mandriva", &[], &MANDRIVA),
    row("meego", &["meego"], &YUM),
    row("neokylin", &["neokylin"], &DNF),
    row("opencloudos", &["opencloudos"], &DNF),
    row("openeuler", &["openEuler"], &DNF),
    row("openmandriva", &["openmandriva"], &DNF),
    row("opensuse", &["opensuse", "opensuse-*"], &SUSE),
    row("oraclelinux", &["ol"], &RED_HAT).os_release(OsRelease::Second),
    row("pardus", &["pardus"], &PARDUS),
    bare("pldlinux", &["pld"]),
    row("redhat-based", &[], &RED_HAT),
    row("rhel", &["rhel"], &RED_HAT),
    row("rocky", &["rocky"], &RED_HAT).os_release(OsRelease::MajorOnly),
    row("scientificlinux", &["scientific"], &RED_HAT).os_release(OsRelease::Second),
    bare("slackware", &["slackware"]).os_release(OsRelease::Second),
    row("sles", &["sles", "sled"], &SUSE),
    row("suse-based", &[], &SUSE),
    row("tencentos", &["tencentos"], &DNF),
    bare("ttylinux", &[]),
    row("ubuntu", &["ubuntu"], &DEBIAN).lsb("Ubuntu"),
    row("uos", &["uos", "UOS"], &DEBIAN).editions(),
    row("voidlinux", &["void"], &VOID).os_release(OsRelease::Rolling),
    row("wolfi", &["wolfi"], &ALPINE),
];

/// Families by the IDs that other distributions name in `ID_LIKE`, where that is more, or means more, than the
/// distribution of that ID itself: a relative counts its versions in its own way.
static LIKE: &[(&str, &Family)] = &[
    ("rhel", &LIKE_RED_HAT),
    ("centos", &LIKE_RED_HAT),
    ("fedora", &LIKE_RED_HAT),
    ("rocky", &LIKE_RED_HAT),
    ("suse", &SUSE),
    ("mandriva", &MANDRIVA),
];

/// Families by the database that they keep.
static DATABASES: &[(&str, &Family)] =
    &[("deb", &DEBIAN), ("rpm", &RPM), ("apk", &ALPINE), ("pacman", &ARCH)];

/// The distribution with this `ID` in os-release.
pub(super) fn by_id(id: &BStr) -> Option<&'static Distro> {
    DISTROS.iter().find(|distro| {
        distro.ids.iter().any(|&known| match known.strip_suffix('*') {
            Some(prefix) => id.starts_with(prefix.as_bytes()),
            None => id == known,
        })
    })
}

/// The distribution with this `DISTRIB_ID` in lsb-release.
pub(super) fn by_lsb_id(id: &BStr) -> Option<&'static Distro> {
    DISTROS.iter().find(|distro| distro.lsb_id.is_some_and(|known| id == known))
}

/// How a distribution is packaged: by its name; else as the IDs of `like` are (`ID_LIKE`, nearest relative first); else
/// by the format of its database.
pub(super) fn packaging(
    name: &BStr,
    like: Option<&BString>,
    database: Option<&str>,
) -> Option<&'static Family> {
    let by_database =
        || DATABASES.iter().find(|(format, _)| database == Some(format)).map(|&(_, family)| family);
    if let Some(distro) = DISTROS.iter().find(|distro| name == distro.name) {
        let other = by_database().filter(|family| {
            distro.editions && distro.family.is_some_and(|usual| usual.format != family.format)
        });
        return other.or(distro.family);
    }
    let relatives = like.map(|like| like.split(u8::is_ascii_whitespace)).into_iter().flatten();
    let by_relative = |id: &[u8]| {
        let relative = LIKE.iter().find(|(known, _)| id == known.as_bytes()).map(|&(_, family)| family);
        relative.or_else(|| by_id(id.as_bstr())?.family)
    };
    relatives.filter(|id| !id.is_empty()).find_map(by_relative).or_else(by_database)
}

impl Family {
    /// The program that installs packages in this version of the distribution; `has_dnf`: is `/usr/bin/dnf` there?
    pub(super) fn manager(&self, version: Option<Version>, has_dnf: bool) -> Option<&'static str> {
        let (major, _) = version.unwrap_or_default();
        let (_, manager) = self.managers.iter().rev().find(|&&(first, _)| first <= major)?;
        Some(match manager {
            Is(name) => name,
            DnfIfInstalled if has_dnf => "dnf",
            DnfIfInstalled => "yum",
            DnfOrNone if has_dnf => "dnf",
            DnfOrNone => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_stand_in_the_table_once() {
        let ids: Vec<_> = DISTROS.iter().flat_map(|distro| distro.ids).collect();
        let names: Vec<_> = DISTROS.iter().map(|distro| distro.name).collect();
        for list in [ids.iter().map(|id| **id).collect::<Vec<_>>(), names] {
            let mut unique = list.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), list.len());
        }
    }

    #[test]
    fn the_package_manager_depends_on_the_version() {
        for (name, major, has_dnf, manager) in [
            ("rhel", 1, false, None),
            ("rhel", 2, false, Some("up2date")),
            ("centos", 4, false, Some("up2date")),
            ("rhel", 5, false, Some("yum")),
            ("rocky", 8, false, Some("dnf")),
            ("oraclelinux", 10, false, Some("dnf")),
            ("fedora", 0, true, None),
            ("fedora", 21, true, Some("yum")),
            ("fedora", 22, true, Some("dnf")),
            ("fedora", 22, false, Some("yum")),
            ("amzn", 2, false, Some("yum")),
            ("amzn", 2018, false, Some("yum")),
            ("amzn", 2023, false, Some("dnf")),
            ("altlinux", 10, false, Some("apt")),
            ("meego", 0, false, Some("yum")),
        ] {
            let family = packaging(name.into(), None, None).unwrap();
            assert_eq!(family.manager(Some((major, 0)), has_dnf), manager, "{name} {major}");
        }
    }

    #[test]
    fn relatives_are_found_through_id_like() {
        for (name, like, format) in [
            ("raspbian", "debian", Some("deb")),
            ("pop", "ubuntu debian", Some("deb")),
            ("almalinux", "rhel centos fedora", Some("rpm")),
            ("eurolinux", "unheardof rhel", Some("rpm")),
            ("sle-micro", "suse", Some("rpm")),
            ("endeavouros", "arch", Some("pacman")),
            ("nixos", "", None),
            ("slackware", "debian", None),
        ] {
            let found = packaging(name.into(), Some(&like.into()), None);
            assert_eq!(found.map(|family| family.format), format, "{name}");
        }
    }
}
