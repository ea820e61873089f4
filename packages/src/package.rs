//! What is said of a package, and of all packages of a guest.

use std::fmt;

use bstr::BString;

/// A kind of package database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// dpkg: Debian and its relatives.
    Deb,
    /// rpm: Fedora, RHEL, SUSE and others.
    Rpm,
    /// apk: Alpine.
    Apk,
    /// pacman: Arch.
    Pacman,
    /// Portage: Gentoo.
    Ebuild,
    /// xbps: Void.
    Xbps,
    /// pkg: FreeBSD.
    Pkg,
    /// opkg: OpenWrt, and what is built with Yocto.
    Opkg,
    /// pkgtools: Slackware.
    Pkgtools,
    /// Snaps.
    Snap,
    /// Flatpaks of the whole system.
    Flatpak,
    /// Applications in the registry of a Windows, which is not read by this crate.
    Windows,
}

impl Format {
    /// All formats, in the order in which their databases are read.
    pub const ALL: [Format; 12] = [
        Format::Deb,
        Format::Rpm,
        Format::Apk,
        Format::Pacman,
        Format::Ebuild,
        Format::Xbps,
        Format::Pkg,
        Format::Opkg,
        Format::Pkgtools,
        Format::Snap,
        Format::Flatpak,
        Format::Windows,
    ];

    /// Its name: that of `inspect_get_package_format` where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Format::Deb => "deb",
            Format::Rpm => "rpm",
            Format::Apk => "apk",
            Format::Pacman => "pacman",
            Format::Ebuild => "ebuild",
            Format::Xbps => "xbps",
            Format::Pkg => "pkg",
            Format::Opkg => "opkg",
            Format::Pkgtools => "pkgtools",
            Format::Snap => "snap",
            Format::Flatpak => "flatpak",
            Format::Windows => "windows",
        }
    }

    /// The format of that name.
    pub fn named(name: &[u8]) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name().as_bytes() == name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An installed package. A text that the database does not have is empty. No text has a NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The kind of database that it is in.
    pub format: Format,
    /// Name.
    pub name: BString,
    /// Name for people, if that is another.
    pub display_name: BString,
    /// What goes before the version in a comparison; `None` if none is said, which compares as 0.
    pub epoch: Option<u32>,
    /// Version; without epoch and release in the formats that have these.
    pub version: BString,
    /// What a distribution adds to the version: `2ubuntu1`, `1.fc41`, apk's `r0`.
    pub release: BString,
    /// Architecture as the format names it: `amd64`, `x86_64`, `all`, `noarch`.
    pub arch: BString,
    /// Where it is installed, if that is one place.
    pub install_path: BString,
    /// Who published it (Windows, snaps).
    pub publisher: BString,
    /// Who maintains or packaged it.
    pub maintainer: BString,
    /// Who distributes it.
    pub vendor: BString,
    /// Home page.
    pub url: BString,
    /// The source package that it was built from, if the database names one: by its name, an rpm by its file name.
    pub source_package: BString,
    /// What it is, in a line.
    pub summary: BString,
    /// What it is, at length.
    pub description: BString,
    /// libguestfs's class of the application: empty, or `antivirus` (Windows).
    pub class: BString,
    /// The part of the distribution that it belongs to: dpkg's section, rpm's group, Portage's category.
    pub section: BString,
    /// License as the package states it.
    pub license: BString,
    /// When it was installed, in seconds since 1970.
    pub install_time: Option<u64>,
    /// How far it is installed, in dpkg's words: `installed`, `unpacked`, `half-configured`…
    pub state: BString,
}

/// The state of a package that is wholly there.
pub(crate) const INSTALLED: &str = "installed";

impl Package {
    /// A package of which only the name is known.
    pub fn new(format: Format, name: impl Into<BString>) -> Self {
        let empty = BString::default;
        Package {
            format,
            name: name.into(),
            display_name: empty(),
            epoch: None,
            version: empty(),
            release: empty(),
            arch: empty(),
            install_path: empty(),
            publisher: empty(),
            maintainer: empty(),
            vendor: empty(),
            url: empty(),
            source_package: empty(),
            summary: empty(),
            description: empty(),
            class: empty(),
            section: empty(),
            license: empty(),
            install_time: None,
            state: INSTALLED.into(),
        }
    }

    /// All texts, in the order in which they travel between daemon and library.
    pub fn texts(&self) -> [&BString; 17] {
        [
            &self.name,
            &self.display_name,
            &self.version,
            &self.release,
            &self.arch,
            &self.install_path,
            &self.publisher,
            &self.maintainer,
            &self.vendor,
            &self.url,
            &self.source_package,
            &self.summary,
            &self.description,
            &self.class,
            &self.section,
            &self.license,
            &self.state,
        ]
    }

    /// The same texts, to be set.
    pub fn texts_mut(&mut self) -> [&mut BString; 17] {
        [
            &mut self.name,
            &mut self.display_name,
            &mut self.version,
            &mut self.release,
            &mut self.arch,
            &mut self.install_path,
            &mut self.publisher,
            &mut self.maintainer,
            &mut self.vendor,
            &mut self.url,
            &mut self.source_package,
            &mut self.summary,
            &mut self.description,
            &mut self.class,
            &mut self.section,
            &mut self.license,
            &mut self.state,
        ]
    }

    /// Version and release joined as the format joins them, with the epoch before if there is one.
    pub fn full_version(&self) -> BString {
        let mut text = match self.epoch {
            Some(epoch) => format!("{epoch}:").into_bytes(),
            None => Vec::new(),
        };
        text.extend_from_slice(&self.version);
        if !self.release.is_empty() {
            text.push(b'-');
            text.extend_from_slice(&self.release);
        }
        text.into()
    }
}

/// A database that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its kind.
    pub format: Format,
    /// Its file or directory in the guest.
    pub path: BString,
}

/// Something that is broken or beyond a limit, so that packages or parts of them are missing in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file or directory in the guest.
    pub path: BString,
    /// What was met there, in words.
    pub what: BString,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// The packages of a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// The packages, sorted by their names, and in the order of the database where these are equal.
    pub packages: Vec<Package>,
    /// The databases that were found. None: the guest has no packages, or none of a known kind.
    pub databases: Vec<Database>,
    /// What is missing, and why. Empty if the list is complete.
    pub notes: Vec<Note>,
}
