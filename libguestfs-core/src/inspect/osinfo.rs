//! The short IDs of libosinfo (`inspect_get_osinfo`).

use bstr::{BStr, BString};

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
/// Windows is not known here yet: its IDs depend on its variant, product name and build.
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
}
