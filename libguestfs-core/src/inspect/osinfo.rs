//! The short IDs of libosinfo (`inspect_get_osinfo`).

use bstr::{BStr, BString, ByteSlice};

/// How the ID of a distribution is composed.
#[derive(Debug)]
enum Id {
    /// The name alone.
    Name,
    /// Name and major version.
    Major,
    /// Name, major version, `.0`.
    MajorZero,
    /// Name, major version, dot, minor version.
    MajorMinor,
    /// The same with two digits in the minor version.
    MajorMinor2,
    /// Name and major version, then `sp` and the minor version unless that is 0.
    ServicePack,
}

/// Distribution, first major version, name in the ID, form. The last row of a distribution that fits counts.
static IDS: &[(&str, i32, &str, Id)] = &[
    ("centos", 6, "centos", Id::MajorMinor),
    ("centos", 7, "centos", Id::MajorZero),
    ("centos", 8, "centos", Id::Major),
    ("circle", 8, "circle", Id::Major),
    ("rocky", 8, "rocky", Id::Major),
    // Not in the original, which does not know the distribution; libosinfo counts it as its relatives.
    ("almalinux", 8, "almalinux", Id::Major),
    ("debian", 4, "debian", Id::Major),
    ("fedora", 0, "fedora", Id::Major),
    ("mageia", 0, "mageia", Id::Major),
    ("sles", 0, "sles", Id::ServicePack),
    ("sles", 15, "sle", Id::ServicePack),
    ("ubuntu", 0, "ubuntu", Id::MajorMinor2),
    ("archlinux", 0, "archlinux", Id::Name),
    ("gentoo", 0, "gentoo", Id::Name),
    ("voidlinux", 0, "voidlinux", Id::Name),
    ("altlinux", 0, "altlinux", Id::MajorMinor),
    ("altlinux", 8, "alt", Id::MajorMinor),
];

/// The ID of a system by what the other calls say of it: `inspect_get_type`, `_distro`, `_major_version`,
/// `_minor_version`. `unknown` if it has none.
///
/// For Windows, see [`osinfo_of_windows`].
pub fn osinfo(os_type: &BStr, distro: &BStr, major: i32, minor: i32) -> BString {
    let unknown = || BString::from("unknown");
    let plain = || BString::from(format!("{distro}{major}.{minor}"));
    if os_type == "freebsd" || os_type == "netbsd" || os_type == "openbsd" {
        return plain();
    }
    if os_type == "dos" && distro == "msdos" {
        return "msdos6.22".into();
    }
    if os_type != "linux" {
        return unknown();
    }
    match IDS.iter().rev().find(|&&(name, first, ..)| distro == name && first <= major) {
        Some((.., name, id)) => match id {
            Id::Name => (*name).into(),
            Id::Major => format!("{name}{major}").into(),
            Id::MajorZero => format!("{name}{major}.0").into(),
            Id::MajorMinor => format!("{name}{major}.{minor}").into(),
            Id::MajorMinor2 => format!("{name}{major}.{minor:02}").into(),
            Id::ServicePack if minor == 0 => format!("{name}{major}").into(),
            Id::ServicePack => format!("{name}{major}sp{minor}").into(),
        },
        None if distro != "unknown" && (major > 0 || minor > 0) => plain(),
        None => unknown(),
    }
}

/// Versions of Windows whose client and server have an ID each: major, minor, client, server.
static WINDOWS: &[(i32, i32, &str, &str)] = &[
    (5, 1, "winxp", "winxp"),
    (6, 0, "winvista", "win2k8"),
    (6, 1, "win7", "win2k8r2"),
    (6, 2, "win8", "win2k12"),
    (6, 3, "win8.1", "win2k12r2"),
];
/// Servers of version 10.0 by the year in their name.
static WINDOWS_SERVERS: &[(&str, &str)] = &[("2025", "win2k25"), ("2022", "win2k22"), ("2019", "win2k19")];
/// The first build of Windows 11, which is version 10.0 too.
const WINDOWS_11: u32 = 22_000;

/// Is a build of version 10.0, of a client, one of Windows 11?
pub(super) fn is_windows_11(build: &BStr) -> bool {
    let build = build.to_str().ok().and_then(|build| build.parse::<u32>().ok());
    build.is_some_and(|build| build >= WINDOWS_11)
}

/// The ID of a Windows by what the other calls say of it: `inspect_get_major_version`, `_minor_version`,
/// `_product_name`, `_product_variant`, `_build_id`.
pub fn osinfo_of_windows(major: i32, minor: i32, product: &BStr, variant: &BStr, build: &BStr) -> BString {
    let is_server = variant.contains_str("Server");
    let id = match (major, minor) {
        (5, 2) if product.contains_str("XP") => "winxp",
        (5, 2) if product.contains_str("R2") => "win2k3r2",
        (5, 2) => "win2k3",
        (10, 0) if is_server => {
            let of_year = WINDOWS_SERVERS.iter().find(|(year, _)| product.contains_str(year));
            of_year.map_or("win2k16", |&(_, id)| id)
        }
        (10, 0) if is_windows_11(build) => "win11",
        (10, 0) => "win10",
        _ => match WINDOWS.iter().find(|version| (version.0, version.1) == (major, minor)) {
            Some((.., server)) if is_server => server,
            Some((.., client, _)) => client,
            None => "unknown",
        },
    };
    id.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_libosinfos() {
        for (os_type, distro, major, minor, id) in [
            ("linux", "debian", 12, 11, "debian12"),
            ("linux", "debian", 3, 1, "debian3.1"),
            ("linux", "centos", 5, 11, "centos5.11"),
            ("linux", "centos", 6, 10, "centos6.10"),
            ("linux", "centos", 7, 9, "centos7.0"),
            ("linux", "centos", 9, 0, "centos9"),
            ("linux", "rhel", 9, 4, "rhel9.4"),
            ("linux", "ubuntu", 22, 4, "ubuntu22.04"),
            ("linux", "ubuntu", 24, 10, "ubuntu24.10"),
            ("linux", "sles", 12, 0, "sles12"),
            ("linux", "sles", 12, 5, "sles12sp5"),
            ("linux", "sles", 15, 0, "sle15"),
            ("linux", "sles", 15, 6, "sle15sp6"),
            ("linux", "altlinux", 10, 1, "alt10.1"),
            ("linux", "altlinux", 7, 0, "altlinux7.0"),
            ("linux", "archlinux", 0, 0, "archlinux"),
            ("linux", "fedora", 41, 0, "fedora41"),
            ("linux", "amzn", 2023, 0, "amzn2023.0"),
            ("linux", "unknown", 1, 0, "unknown"),
            ("linux", "nixos", 0, 0, "unknown"),
            ("freebsd", "freebsd", 13, 2, "freebsd13.2"),
            ("dos", "msdos", 0, 0, "msdos6.22"),
            ("dos", "freedos", 0, 0, "unknown"),
            ("hurd", "debian", 12, 0, "unknown"),
        ] {
            assert_eq!(osinfo(os_type.into(), distro.into(), major, minor), id, "{distro} {major}.{minor}");
        }
    }
    #[test]
    fn a_windows_is_told_by_version_variant_name_and_build() {
        for (major, minor, product, variant, build, id) in [
            (5, 1, "Microsoft Windows XP", "unknown", "2600", "winxp"),
            (5, 2, "Microsoft Windows XP", "unknown", "3790", "winxp"),
            (5, 2, "Windows Server 2003 R2", "unknown", "3790", "win2k3r2"),
            (5, 2, "Windows Server 2003", "unknown", "3790", "win2k3"),
            (6, 0, "Windows Vista", "Client", "6002", "winvista"),
            (6, 0, "Windows Server 2008", "Server", "6002", "win2k8"),
            (6, 1, "Windows 7", "Client", "7601", "win7"),
            (6, 1, "Windows Server 2008 R2", "Server Core", "7601", "win2k8r2"),
            (6, 2, "Windows 8", "Client", "9200", "win8"),
            (6, 2, "Windows Server 2012", "Server", "9200", "win2k12"),
            (6, 3, "Windows 8.1", "Client", "9600", "win8.1"),
            (6, 3, "Windows Server 2012 R2", "Server", "9600", "win2k12r2"),
            (10, 0, "Windows 10 Pro", "Client", "19045", "win10"),
            (10, 0, "Windows 10 Pro", "Client", "22000", "win11"),
            (10, 0, "Windows 10 Pro", "Client", "unknown", "win10"),
            (10, 0, "Windows Server 2016", "Server", "14393", "win2k16"),
            (10, 0, "Windows Server 2019", "Server", "17763", "win2k19"),
            (10, 0, "Windows Server 2022", "Server", "20348", "win2k22"),
            (10, 0, "Windows Server 2025", "Server Core", "26100", "win2k25"),
            (4, 0, "Windows NT", "unknown", "1381", "unknown"),
        ] {
            let found = osinfo_of_windows(major, minor, product.into(), variant.into(), build.into());
            assert_eq!(found, id, "{product} {build}");
        }
    }
}
