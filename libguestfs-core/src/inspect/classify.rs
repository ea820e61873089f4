//! What a filesystem is to a guest, by the names in it: data, tested in order.

use super::guest::{Entry, Files, Tree};
use super::root::OsType;
use super::windows;

/// What a filesystem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The root of an operating system.
    Root(OsType),
    /// `/usr` of a Linux.
    Usr,
    /// Root of a CoreOS, which has no programs.
    CoreOsRoot,
    /// `/usr` of a CoreOS; a disk has two, of which the one with the higher version runs.
    CoreOsUsr,
    /// The root of a DOS, with the name of its distribution.
    Dos(&'static str),
    /// A filesystem with deployments of ostree.
    Ostree,
    /// Anything else.
    Other,
}

/// Something that must or must not be there.
enum Name {
    /// A regular file.
    File(&'static str),
    /// A directory.
    Directory(&'static str),
    /// A directory, or a symbolic link to another one of the same root, by this name.
    DirectoryOrLink(&'static str, &'static str),
    /// A path that leads to a directory.
    LeadsToDirectory(&'static str),
    /// A path that leads to a regular file: some systems keep their configuration elsewhere and link to it.
    LeadsToFile(&'static str),
    /// A regular file, by a name without regard to case.
    FileNoCase(&'static str),
    /// A directory, by a name without regard to case.
    DirectoryNoCase(&'static str),
    /// The directory of a Windows.
    Systemroot,
}

use Name::{
    Directory, DirectoryNoCase, DirectoryOrLink, File, FileNoCase, LeadsToDirectory, LeadsToFile, Systemroot,
};

/// A filesystem is of this role if all of `all` are there, any of `any` (or that is empty), and none of `none`.
struct Rule {
    role: Role,
    all: &'static [Name],
    any: &'static [Name],
    none: &'static [Name],
}

const fn all(role: Role, all: &'static [Name]) -> Rule {
    Rule { role, all, any: &[], none: &[] }
}

/// The rules; the first that holds counts. Those of FreeBSD without its update program, DragonFly, ostree, containers,
/// Flatcar and small images of /usr are additions: to the original such filesystems are `other`, or a Linux.
static RULES: &[Rule] = &[
    // GRUB's /boot.
    Rule {
        role: Role::Other,
        all: &[],
        any: &[File("/grub/menu.lst"), File("/grub/grub.conf"), File("/grub2/grub.cfg")],
        none: &[],
    },
    all(
        Role::Root(OsType::FreeBsd),
        &[Directory("/etc"), Directory("/bin"), File("/etc/freebsd-update.conf"), File("/etc/fstab")],
    ),
    all(
        Role::Root(OsType::NetBsd),
        &[Directory("/etc"), Directory("/bin"), File("/netbsd"), File("/etc/fstab"), File("/etc/release")],
    ),
    all(
        Role::Root(OsType::OpenBsd),
        &[Directory("/etc"), Directory("/bin"), File("/bsd"), File("/etc/fstab"), File("/etc/motd")],
    ),
    all(Role::Root(OsType::Hurd), &[File("/hurd/console"), File("/hurd/hello"), File("/hurd/null")]),
    all(
        Role::Root(OsType::Minix),
        &[
            Directory("/etc"),
            Directory("/bin"),
            File("/service/vm"),
            File("/etc/fstab"),
            File("/etc/version"),
        ],
    ),
    // Like FreeBSD, but with its packages in the base system, or without its update program.
    all(
        Role::Root(OsType::FreeBsd),
        &[Directory("/etc"), Directory("/bin"), File("/bin/freebsd-version"), File("/etc/fstab")],
    ),
    all(
        Role::Root(OsType::DragonFly),
        &[Directory("/etc"), Directory("/bin"), File("/sbin/hammer2"), File("/etc/fstab")],
    ),
    all(Role::Ostree, &[Directory("/ostree/repo"), Directory("/ostree/deploy")]),
    Rule {
        role: Role::Root(OsType::Linux),
        all: &[LeadsToDirectory("/etc"), DirectoryOrLink("/bin", "usr/bin")],
        any: &[LeadsToFile("/etc/fstab"), LeadsToFile("/etc/hosts")],
        none: &[],
    },
    // A container's root has neither, nor has what boots with an image of /usr; each says what it is.
    Rule {
        role: Role::Root(OsType::Linux),
        all: &[LeadsToDirectory("/etc"), DirectoryOrLink("/bin", "usr/bin")],
        any: &[LeadsToFile("/etc/os-release"), LeadsToFile("/usr/lib/os-release")],
        none: &[],
    },
    all(
        Role::CoreOsRoot,
        &[
            Directory("/etc"),
            Directory("/root"),
            Directory("/home"),
            Directory("/usr"),
            File("/etc/coreos/update.conf"),
        ],
    ),
    all(
        Role::CoreOsRoot,
        &[
            Directory("/etc"),
            Directory("/root"),
            Directory("/home"),
            Directory("/usr"),
            File("/etc/flatcar/update.conf"),
        ],
    ),
    // /usr/local.
    Rule {
        role: Role::Other,
        all: &[Directory("/etc"), Directory("/bin"), Directory("/share")],
        any: &[],
        none: &[Directory("/local"), File("/etc/fstab")],
    },
    Rule {
        role: Role::Usr,
        all: &[Directory("/bin"), Directory("/local"), Directory("/share"), Directory("/src")],
        any: &[],
        none: &[File("/etc/fstab")],
    },
    all(
        Role::CoreOsUsr,
        &[Directory("/bin"), Directory("/share"), Directory("/local"), Directory("/share/coreos")],
    ),
    all(Role::CoreOsUsr, &[Directory("/bin"), Directory("/share"), Directory("/share/flatcar")]),
    // An image of /usr without the sources and local programs that the rule above wants.
    Rule {
        role: Role::Usr,
        all: &[Directory("/bin"), Directory("/lib"), Directory("/share"), LeadsToFile("/lib/os-release")],
        any: &[],
        none: &[Directory("/etc"), File("/etc/fstab")],
    },
    // /var.
    all(Role::Other, &[Directory("/log"), Directory("/run"), Directory("/spool")]),
    all(Role::Root(OsType::Windows), &[Systemroot]),
    // Another volume of a Windows.
    all(Role::Other, &[DirectoryNoCase("/System Volume Information")]),
    all(Role::Dos("freedos"), &[DirectoryNoCase("/FDOS"), FileNoCase("/FDOS/FREEDOS.BSS")]),
    all(Role::Dos("msdos"), &[DirectoryNoCase("/DOS"), FileNoCase("/DOS/COMMAND.COM")]),
];

/// The role of a filesystem.
pub(super) fn role<T: Tree>(files: &mut Files<T>) -> Result<Role, T::Error> {
    for rule in RULES {
        if rule.holds(files)? {
            return Ok(rule.role);
        }
    }
    Ok(Role::Other)
}

impl Rule {
    fn holds<T: Tree>(&self, files: &mut Files<T>) -> Result<bool, T::Error> {
        for name in self.all {
            if !name.is_there(files)? {
                return Ok(false);
            }
        }
        for name in self.none {
            if name.is_there(files)? {
                return Ok(false);
            }
        }
        for name in self.any {
            if name.is_there(files)? {
                return Ok(true);
            }
        }
        Ok(self.any.is_empty())
    }
}

impl Name {
    fn is_there<T: Tree>(&self, files: &mut Files<T>) -> Result<bool, T::Error> {
        match self {
            File(path) => files.is_file(path),
            Directory(path) => files.is_directory(path),
            DirectoryOrLink(path, target) => {
                if files.is_directory(path)? {
                    return Ok(true);
                }
                let link = files.link(path)?;
                Ok(link.is_some_and(|link| link.strip_prefix(b"/").unwrap_or(&link) == target.as_bytes()))
            }
            LeadsToFile(path) => files.leads_to_file(path),
            LeadsToDirectory(path) => Ok(files.directory(path.as_bytes())?.is_some()),
            FileNoCase(path) => Ok(matches!(files.entry_nocase(path)?, Some(Entry::File(_)))),
            Systemroot => Ok(windows::systemroot(files)?.is_some()),
            DirectoryNoCase(path) => Ok(files.entry_nocase(path)? == Some(Entry::Directory)),
        }
    }
}
