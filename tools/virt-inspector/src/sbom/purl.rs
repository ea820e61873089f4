//! Package URLs (ECMA-427): `pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12`.

use bstr::ByteSlice;
use libguestfs_core::packages::{Format, Package};
use packageurl::PackageUrl;

use crate::field::Field;
use crate::report::System;

/// Names of distributions in package URLs, where libguestfs calls them otherwise. In the URLs, they are vendors.
const VENDORS: &[(&str, &str)] = &[
    ("alpinelinux", "alpine"),
    ("altlinux", "alt"),
    ("archlinux", "arch"),
    ("kalilinux", "kali"),
    ("oraclelinux", "oracle"),
    ("redhat-based", "redhat"),
    ("rhel", "redhat"),
    ("scientificlinux", "scientific"),
    ("sles", "suse"),
    ("suse-based", "suse"),
    ("voidlinux", "void"),
];

/// The URL of a package of this system; `None` if it has a name that no URL can have.
pub(super) fn purl(package: &Package, system: &System) -> Option<String> {
    // Types as they are registered; `generic` where there is none.
    let (kind, has_vendor) = match package.format {
        Format::Deb => ("deb", true),
        Format::Rpm => ("rpm", true),
        Format::Apk => ("apk", true),
        Format::Pacman => ("alpm", true),
        _ => ("generic", false),
    };
    let distro = system.text(Field::Distro).to_str().ok()?;
    let vendor = VENDORS.iter().find(|(name, _)| *name == distro).map_or(distro, |(_, vendor)| vendor);
    let mut url = PackageUrl::new(kind, package.name.to_str().ok()?).ok()?;
    if has_vendor && !vendor.is_empty() {
        url.with_namespace(vendor).ok()?;
    }
    let version = version(package);
    if !version.is_empty() {
        url.with_version(version).ok()?;
    }
    let mut qualifier = |key: &'static str, value: String| -> Option<()> {
        if !value.is_empty() {
            url.add_qualifier(key, value).ok()?;
        }
        Some(())
    };
    qualifier("arch", package.arch.to_string())?;
    if let (Format::Rpm, Some(epoch)) = (package.format, package.epoch) {
        qualifier("epoch", epoch.to_string())?;
    }
    if !distro.is_empty() {
        qualifier("distro", release(distro, vendor, system))?;
    }
    if package.source_package != package.name {
        qualifier("upstream", package.source_package.to_string())?;
    }
    Some(url.to_string())
}

/// The whole version. In rpm's URLs the epoch is a qualifier.
pub(super) fn version(package: &Package) -> String {
    let full = package.full_version().to_str_lossy().into_owned();
    match (package.format, package.epoch) {
        (Format::Rpm, Some(epoch)) => full.strip_prefix(&format!("{epoch}:")).unwrap_or(&full).to_owned(),
        _ => full,
    }
}

/// `debian-12`: the name of the distribution with as much of its version as its releases are told apart by.
fn release(distro: &str, vendor: &str, system: &System) -> String {
    let (major, minor) = (system.number(Field::MajorVersion), system.number(Field::MinorVersion));
    match distro {
        _ if (major, minor) == (0, 0) => vendor.to_owned(),
        "debian" | "fedora" => format!("{vendor}-{major}"),
        "ubuntu" => format!("{vendor}-{major}.{minor:02}"),
        _ if minor == 0 => format!("{vendor}-{major}"),
        _ => format!("{vendor}-{major}.{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Value;

    fn system(distro: &str, major: i32, minor: i32) -> System {
        System {
            values: vec![
                (Field::Distro, Value::Text(distro.into())),
                (Field::MajorVersion, Value::Number(major)),
                (Field::MinorVersion, Value::Number(minor)),
            ],
        }
    }

    #[test]
    fn urls_are_those_of_the_types() {
        let package = |format, name: &str, epoch, version: &str, release: &str, arch: &str| Package {
            epoch,
            version: version.into(),
            release: release.into(),
            arch: arch.into(),
            ..Package::new(format, name)
        };
        for (package, system, expected) in [
            (
                package(Format::Deb, "bash", None, "5.2.15", "2+b13", "amd64"),
                system("debian", 12, 15),
                "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12",
            ),
            (
                package(Format::Deb, "vim", Some(2), "9.0", "1", "amd64"),
                system("ubuntu", 22, 4),
                "pkg:deb/ubuntu/vim@2:9.0-1?arch=amd64&distro=ubuntu-22.04",
            ),
            (
                package(Format::Rpm, "libstdc++", Some(1), "13", "1.fc38", "x86_64"),
                system("fedora", 38, 0),
                "pkg:rpm/fedora/libstdc%2B%2B@13-1.fc38?arch=x86_64&distro=fedora-38&epoch=1",
            ),
            (
                package(Format::Rpm, "tar", None, "1.34", "6.el9", "x86_64"),
                system("rhel", 9, 2),
                "pkg:rpm/redhat/tar@1.34-6.el9?arch=x86_64&distro=redhat-9.2",
            ),
            (
                package(Format::Apk, "musl", None, "1.2.4", "r0", "x86_64"),
                system("alpinelinux", 3, 18),
                "pkg:apk/alpine/musl@1.2.4-r0?arch=x86_64&distro=alpine-3.18",
            ),
            (
                package(Format::Pacman, "glibc", None, "2.39", "1", "x86_64"),
                system("archlinux", 0, 0),
                "pkg:alpm/arch/glibc@2.39-1?arch=x86_64&distro=arch",
            ),
            (
                package(Format::Pkg, "zsh", None, "5.9_4", "", "FreeBSD:14:amd64"),
                system("freebsd", 14, 1),
                "pkg:generic/zsh@5.9_4?arch=FreeBSD:14:amd64&distro=freebsd-14.1",
            ),
        ] {
            assert_eq!(purl(&package, &system).unwrap(), expected);
        }
        let mut from_source = package(Format::Deb, "libc6", None, "2.36", "9", "amd64");
        from_source.source_package = "glibc".into();
        assert!(purl(&from_source, &system("debian", 12, 0)).unwrap().ends_with("&upstream=glibc"));
        assert_eq!(purl(&package(Format::Deb, "", None, "1", "", ""), &system("debian", 12, 0)), None);
    }
}
