//! Package URLs (ECMA-427): `pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12`.
//!
//! Written here, since the crate packageurl (0.7.1) leaves characters as they are that have to be escaped: the comma in
//! FreeBSD's versions, parentheses.

use bstr::ByteSlice;
use libguestfs_core::packages::{Format, Package};

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

/// A type of URL, as it is registered.
struct Kind {
    name: &'static str,
    /// Is the distribution its namespace?
    has_vendor: bool,
    /// Are names in small letters?
    is_lower: bool,
}

impl Kind {
    fn of(format: Format) -> Kind {
        let kind = |name, has_vendor, is_lower| Kind { name, has_vendor, is_lower };
        match format {
            Format::Deb => kind("deb", true, true),
            Format::Rpm => kind("rpm", true, false),
            Format::Apk => kind("apk", true, true),
            Format::Pacman => kind("alpm", true, true),
            _ => kind("generic", false, false),
        }
    }
}

/// The URL of a package of this system; `None` if it has a name that no URL can have.
pub(super) fn purl(package: &Package, system: &System) -> Option<String> {
    let kind = Kind::of(package.format);
    let distro = system.text(Field::Distro).to_str().ok()?;
    let vendor = VENDORS.iter().find(|(name, _)| *name == distro).map_or(distro, |(_, vendor)| vendor);
    // Gentoo's names have their category before a slash.
    let full_name = package.name.to_str().ok().filter(|name| !name.is_empty())?;
    let (namespace, name) = match full_name.split_once('/') {
        Some((category, name)) if package.format == Format::Ebuild => (category.to_owned(), name),
        _ if kind.has_vendor => (vendor.to_lowercase(), full_name),
        _ => (String::new(), full_name),
    };
    let name = if kind.is_lower { name.to_lowercase() } else { name.to_owned() };

    let mut url = format!("pkg:{}/", kind.name);
    if !namespace.is_empty() {
        encode(&mut url, &namespace);
        url.push('/');
    }
    encode(&mut url, &name);
    let version = version(package);
    if !version.is_empty() {
        url.push('@');
        encode(&mut url, &version);
    }
    let epoch = package.epoch.filter(|_| package.format == Format::Rpm);
    let upstream = Some(&package.source_package).filter(|source| **source != package.name);
    // In alphabetical order.
    let qualifiers = [
        ("arch", package.arch.to_string()),
        ("distro", if distro.is_empty() { String::new() } else { release(distro, vendor, system) }),
        ("epoch", epoch.map_or(String::new(), |epoch| epoch.to_string())),
        ("upstream", upstream.map_or(String::new(), ToString::to_string)),
    ];
    let mut before = '?';
    for (key, value) in qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
        url.push(before);
        url.push_str(key);
        url.push('=');
        encode(&mut url, value);
        before = '&';
    }
    Some(url)
}

/// Adds a part of a URL: letters, digits, `.-_~` and `:` stand for themselves, everything else is escaped.
fn encode(url: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
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
                package(Format::Apk, "R", None, "4.3.1", "r0", "x86_64"),
                system("alpinelinux", 3, 18),
                "pkg:apk/alpine/r@4.3.1-r0?arch=x86_64&distro=alpine-3.18",
            ),
            (
                package(Format::Rpm, "perl-DBI", Some(0), "1.6~rc^1", "1", "noarch"),
                system("opensuse", 15, 5),
                "pkg:rpm/opensuse/perl-DBI@1.6~rc%5E1-1?arch=noarch&distro=opensuse-15.5&epoch=0",
            ),
            (
                package(Format::Ebuild, "dev-lang/python", None, "3.11.8_p1", "r2", "x86_64"),
                system("gentoo", 0, 0),
                "pkg:generic/dev-lang/python@3.11.8_p1-r2?arch=x86_64&distro=gentoo",
            ),
            (
                package(Format::Pkg, "zsh", None, "5.9_4,1", "", "FreeBSD:14:amd64"),
                system("freebsd", 14, 1),
                "pkg:generic/zsh@5.9_4%2C1?arch=FreeBSD:14:amd64&distro=freebsd-14.1",
            ),
            (
                package(Format::Windows, "{90F6} 7-Zip (x64)/é", None, "", "", ""),
                system("windows", 10, 0),
                "pkg:generic/%7B90F6%7D%207-Zip%20%28x64%29%2F%C3%A9?distro=windows-10",
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
