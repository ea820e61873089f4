//! One filesystem looked at: what an operating system's root says about itself.

use bstr::{BStr, BString};

use super::classify::Role;
use super::guest::{Disks, Files, Guest, Tree};
use super::release::{self, Release};
use super::root::{Mount, OsType, Root};
use super::text::{first_line, lines, matches, variable, version};
use super::{devices, elf};

/// Longest text in bytes that is read for a name or a version (the original's limit for any small file).
const TEXT_MAX: usize = 2_146_304;
/// Longest name of a machine in bytes that is believed. Linux's own limit is 64, DNS names end at 253.
const HOSTNAME_MAX: usize = 1024;

/// Programs that tell the processor, each of which nearly every system has.
static PROGRAMS: &[&str] = &[
    "/bin/bash",
    "/bin/ls",
    "/bin/echo",
    "/bin/rm",
    "/bin/sh",
    // The original ends here. A container may have no more than a language's interpreter, or the loader of programs.
    "/bin/busybox",
    "/usr/bin/env",
    "/usr/bin/coreutils",
    "/sbin/init",
    "/usr/lib/systemd/systemd",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Files by which a system shows the format of its packages, where its distribution is not known.
static DATABASES: &[(&str, &str)] = &[
    ("/var/lib/dpkg/status", "deb"),
    ("/lib/apk/db/installed", "apk"),
    ("/usr/lib/apk/db/installed", "apk"),
    ("/var/lib/pacman/local/ALPM_DB_VERSION", "pacman"),
    ("/var/lib/rpm/rpmdb.sqlite", "rpm"),
    ("/var/lib/rpm/Packages.db", "rpm"),
    ("/var/lib/rpm/Packages", "rpm"),
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "rpm"),
    ("/usr/lib/sysimage/rpm/Packages.db", "rpm"),
    ("/usr/share/rpm/rpmdb.sqlite", "rpm"),
];

/// Looks at the filesystem `mountable`, of which `role` is known.
pub(super) fn look<G: Guest>(
    guest: &mut G,
    disks: &Disks,
    files: &mut Files<G::Tree>,
    mountable: &BStr,
    role: Role,
) -> Result<Root, G::Error> {
    let mut root = Root::new(mountable);
    let fstab = |spec: &str| vec![Mount { mountable: mountable.into(), mountpoint: spec.into() }];
    match role {
        Role::Root(os) => {
            root.os = Some(os);
            root.release = match os {
                OsType::Linux => release::linux(files)?,
                OsType::Hurd => release::hurd(files)?,
                OsType::FreeBsd => freebsd(files)?,
                OsType::DragonFly => release::dragonfly(files)?,
                OsType::OpenBsd => bsd(os, first_line_of(files, "/etc/motd")?, version),
                OsType::NetBsd => {
                    bsd(os, first_line_of(files, "/etc/release")?, |line| matches(line, "NetBSD #.#"))
                }
                OsType::Minix => minix(first_line_of(files, "/etc/version")?),
                OsType::Dos | OsType::Windows => Release::default(),
            };
            root.hostname = hostname(files, os)?;
            root.arch = arch(files)?;
            root.has_dnf = files.leads_to_file("/usr/bin/dnf")?;
            root.database = packages(files)?;
            if os != OsType::Minix {
                root.fstab = devices::mounts(guest, disks, files, mountable, os)?;
            }
        }
        Role::Usr => {
            root.os = Some(OsType::Linux);
            root.release = release::usr(files)?;
            root.arch = arch(files)?;
            root.has_dnf = files.leads_to_file("/bin/dnf")?;
        }
        Role::CoreOsRoot => {
            root.os = Some(OsType::Linux);
            root.hostname = hostname(files, OsType::Linux)?;
            root.fstab = fstab("/");
        }
        Role::CoreOsUsr => {
            root.os = Some(OsType::Linux);
            root.release = release::coreos_usr(files)?;
            root.arch = arch(files)?;
            root.fstab = fstab("/usr");
        }
        Role::Dos(distro) => {
            root.os = Some(OsType::Dos);
            root.release.distro = Some(distro.into());
            root.arch = Some("i386".into());
        }
        Role::Ostree | Role::Other => {}
    }
    Ok(root)
}

/// The format of the package database that a system has.
fn packages<T: Tree>(files: &mut Files<T>) -> Result<Option<&'static str>, T::Error> {
    for (path, format) in DATABASES {
        if files.leads_to_file(path)? {
            return Ok(Some(format));
        }
    }
    Ok(None)
}

/// The processor for which the system's programs are.
fn arch<T: Tree>(files: &mut Files<T>) -> Result<Option<BString>, T::Error> {
    for program in PROGRAMS {
        let start = files.read_start(program, elf::HEADER_LEN)?;
        if let Some(arch) = start.and_then(|start| elf::arch(&start)) {
            return Ok(Some(arch.into()));
        }
    }
    Ok(None)
}

/// The name of the machine.
fn hostname<T: Tree>(files: &mut Files<T>, os: OsType) -> Result<Option<BString>, T::Error> {
    let (plain, shell): (&[&str], &[(&str, &str)]) = match os {
        OsType::Linux | OsType::Hurd => {
            // Gentoo's is the last one.
            let shell = &[("/etc/sysconfig/network", "HOSTNAME"), ("/etc/conf.d/hostname", "hostname")];
            (&["/etc/HOSTNAME", "/etc/hostname"], shell)
        }
        OsType::OpenBsd => (&["/etc/myname"], &[("/etc/rc.conf", "hostname")]),
        OsType::NetBsd => (&[], &[("/etc/rc.conf", "hostname")]),
        OsType::FreeBsd | OsType::DragonFly => (
            &[],
            &[
                ("/etc/rc.conf", "hostname"),
                ("/etc/rc.conf.local", "hostname"),
                ("/etc/rc.conf.d/hostname", "hostname"),
            ],
        ),
        OsType::Minix => (&["/etc/hostname.file"], &[]),
        OsType::Dos | OsType::Windows => (&[], &[]),
    };
    let is_name = |name: &BString| (1..=HOSTNAME_MAX).contains(&name.len());
    for path in plain {
        let Some(text) = files.read(path, TEXT_MAX)? else { continue };
        let line =
            lines(&text).map(<[u8]>::trim_ascii).find(|line| !line.is_empty() && !line.starts_with(b"#"));
        if let Some(name) = line.map(BString::from).filter(is_name) {
            return Ok(Some(name));
        }
    }
    for (path, key) in shell {
        if let Some(name) = files.read(path, TEXT_MAX)?.and_then(|text| variable(&text, key)).filter(is_name)
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn first_line_of<T: Tree>(files: &mut Files<T>, path: &str) -> Result<Option<BString>, T::Error> {
    Ok(files.read(path, TEXT_MAX)?.as_deref().and_then(first_line).map(BString::from))
}

/// FreeBSD says its version in the message of the day until 13, which then became a template; its version program and
/// os-release have it as well.
fn freebsd<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    let found = bsd(OsType::FreeBsd, first_line_of(files, "/etc/motd")?, version);
    if found.version.is_some() {
        return Ok(found);
    }
    let script = files.read("/bin/freebsd-version", TEXT_MAX)?;
    let userland = script.and_then(|text| variable(&text, "USERLAND_VERSION"));
    let line = userland.map(|version| BString::from([b"FreeBSD ".as_slice(), &version].concat()));
    Ok(bsd(OsType::FreeBsd, line, version).or(found))
}

/// A BSD is its own distribution, and names itself in one line.
fn bsd(os: OsType, line: Option<BString>, find: impl Fn(&[u8]) -> Option<(i32, i32)>) -> Release {
    let version = line.as_deref().and_then(|line| find(line));
    Release { distro: Some(os.name().into()), product_name: line, version, ..Release::default() }
}

/// Minix has no name but a version.
fn minix(line: Option<BString>) -> Release {
    let version = line.as_deref().and_then(|line| matches(line, "#.#"));
    Release { product_name: line, version, ..Release::default() }
}
