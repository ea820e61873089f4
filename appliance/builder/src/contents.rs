//! What belongs in an appliance, put together from the tables.
//!
//! ```text
//! /init                          the daemon, with its libraries
//! /usr/{bin,sbin,lib…}           programs, libraries, data; /bin, /sbin, /lib… are links to them
//! /usr/lib/modules/VERSION       modules; /etc/guestfs/modules lists those to load first, in
//!                                order, some only if there is such a device
//! /etc                           settings; /etc/guestfs/manifest.json: what all of it was made from
//! ```
//!
//! That is one initramfs ([`whole`]), or a small one ([`first`]) and a disk with all of `/usr` ([`rest`]), which tools share:
//! of the disk, only what is used is ever read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::{DATA, Data, OPENED_LATER, OWN, SETTINGS};
use crate::elf;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::kernel::Kernel;
use crate::libraries::{Libraries, Library};
use crate::modules::Modules;
use crate::programs::{DIRECTORIES, PROGRAMS, Program};
use crate::tree::{Content, MERGED, Tree, merged};

/// Directories that are there from the start, to be mounted on.
const MOUNT_POINTS: &[&str] = &["/dev", "/proc", "/run", "/sys", "/sysroot", "/tmp", "/var"];
/// The standard streams of the first process, before there is a devtmpfs: Documentation/admin-guide/devices.txt.
const CONSOLE: (u32, u32) = (5, 1);
/// Scripts run by scripts run by …
const INTERPRETER_DEPTH_MAX: usize = 4;
/// The filesystem of the disk with the rest.
pub(crate) const REST_FILESYSTEM: &str = "squashfs";
/// What the module of that filesystem calls if it was built for LZ4.
const LZ4_FUNCTION: &str = "LZ4_decompress_safe";
/// What an appliance was made from; it is known below `/etc` too.
const MANIFEST: &str = "/usr/lib/guestfs/manifest.json";
const MANIFEST_LINK: &str = "/etc/guestfs/manifest.json";
/// Which packages are installed, where the host is of Debian's family.
const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// What an appliance was made from.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    /// Version of this file's form.
    format: u32,
    /// Version of what made it.
    builder: &'a str,
    kernel: &'a Path,
    kernel_version: &'a str,
    programs: Vec<Included<'a>>,
    /// Programs that the host does not have.
    missing: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct Included<'a> {
    program: PathBuf,
    package: &'a str,
    /// Of the package, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// Puts files of the host into a tree, with what they need.
struct Gatherer<'a> {
    host: &'a Host,
    libraries: Libraries<'a>,
    tree: Tree,
    /// Where the C library is, on the host.
    system: PathBuf,
}

/// All of an appliance with this kernel, whose daemon is the program `daemon`.
pub(crate) fn whole(host: &Host, kernel: &Kernel, daemon: &Path) -> Result<Tree> {
    let modules = Modules::read(host, &kernel.modules)?;
    let mut gatherer = Gatherer::new(host, daemon)?;
    gatherer.skeleton()?;
    gatherer.daemon(daemon)?;
    gatherer.boot_list(&modules)?;
    gatherer.modules(&modules, &modules.all(), kernel, true)?;
    gatherer.programs(kernel)?;
    Ok(gatherer.tree)
}

/// What an appliance needs until it has mounted the rest, which is [`rest`], at `/usr`.
pub(crate) fn first(host: &Host, kernel: &Kernel, daemon: &Path) -> Result<Tree> {
    let modules = Modules::read(host, &kernel.modules)?;
    let mut gatherer = Gatherer::new(host, daemon)?;
    gatherer.skeleton()?;
    gatherer.daemon(daemon)?;
    gatherer.boot_list(&modules)?;
    gatherer.modules(&modules, &modules.to_mount_the_rest(), kernel, false)?;
    Ok(gatherer.tree)
}

/// Programs, libraries and modules: all is below `/usr`.
pub(crate) fn rest(host: &Host, kernel: &Kernel) -> Result<Tree> {
    let modules = Modules::read(host, &kernel.modules)?;
    let mut gatherer = Gatherer::new(host, &some_program(host)?)?;
    gatherer.modules(&modules, &modules.all(), kernel, true)?;
    gatherer.programs(kernel)?;
    Ok(gatherer.tree)
}

/// Can the kernel mount the image of [`rest`]?
pub(crate) fn can_mount_rest(host: &Host, kernel: &Kernel) -> Result<bool> {
    Modules::read(host, &kernel.modules)?.has(REST_FILESYSTEM)
}

/// Does the kernel read an image of [`rest`] that is compressed by LZ4?
pub(crate) fn knows_lz4(host: &Host, kernel: &Kernel) -> Result<bool> {
    Modules::read(host, &kernel.modules)?.names(REST_FILESYSTEM, LZ4_FUNCTION)
}

/// A program for this machine.
fn some_program(host: &Host) -> Result<PathBuf> {
    for name in PROGRAMS.iter().map(|program| program.name) {
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(name);
            if let Some(bytes) = host.read(&path)?
                && elf::is_elf(&bytes)
            {
                return Ok(path);
            }
        }
    }
    Err(Error::unusable("the host has none of the programs that an appliance needs"))
}

impl<'a> Gatherer<'a> {
    /// `daemon` is a program whose C library is the one of the whole appliance.
    fn new(host: &'a Host, daemon: &Path) -> Result<Self> {
        let mut libraries = Libraries::new(host)?;
        let real = existing(host, daemon)?;
        let machine = libraries.parse(&real)?.machine;
        let libc = libraries.named("libc.so.6", machine)?;
        let system =
            libc.as_ref().and_then(|libc| libc.path.parent()).unwrap_or(Path::new("/usr/lib")).to_owned();
        let mut gatherer = Gatherer { host, libraries, tree: Tree::default(), system };
        for name in OPENED_LATER {
            if let Some(library) = gatherer.libraries.named(name, machine)? {
                gatherer.linked(&library.real.clone())?;
                gatherer.library(&library)?;
            }
        }
        Ok(gatherer)
    }

    fn skeleton(&mut self) -> Result<()> {
        for name in MERGED {
            // 32-bit directories only where the host has them.
            if matches!(*name, "lib32" | "libx32") {
                continue;
            }
            let target = Path::new("usr").join(name);
            self.tree.directory(Path::new("/").join(&target))?;
            self.tree.link(Path::new("/").join(name), target)?;
        }
        for path in MOUNT_POINTS {
            self.tree.directory(path)?;
        }
        self.tree.link("/etc/mtab", "../proc/self/mounts")?;
        self.tree.device("/dev/console", CONSOLE.0, CONSOLE.1)?;
        self.tree.link(MANIFEST_LINK, MANIFEST)?;
        for (path, text) in OWN {
            self.tree.text(path, *text)?;
        }
        self.data(SETTINGS)
    }

    fn daemon(&mut self, daemon: &Path) -> Result<()> {
        let real = existing(self.host, daemon)?;
        self.linked(&real)?;
        let whole = self.host.read(&real)?;
        let whole = whole.ok_or_else(|| Error::io(daemon, std::io::ErrorKind::NotFound.into()))?;
        self.tree.file("/init", Content::Bytes(elf::without_sections(whole)), true)
    }

    fn boot_list(&mut self, modules: &Modules<'_>) -> Result<()> {
        self.tree.text("/etc/guestfs/modules", modules.boot())
    }

    fn modules(
        &mut self,
        modules: &Modules<'_>,
        names: &[String],
        kernel: &Kernel,
        has_kmod: bool,
    ) -> Result<()> {
        let target = Path::new("/usr/lib/modules").join(&kernel.version);
        modules.put(names, &target, has_kmod, &mut self.tree)
    }

    fn programs(&mut self, kernel: &Kernel) -> Result<()> {
        let versions = installed_packages(self.host)?;
        let mut manifest = Manifest {
            format: 1,
            builder: env!("CARGO_PKG_VERSION"),
            kernel: &kernel.path,
            kernel_version: &kernel.version,
            programs: Vec::new(),
            missing: Vec::new(),
        };
        for Program { name, package, .. } in PROGRAMS {
            match self.program(name)? {
                Some(program) => {
                    let version = versions.get(*package).cloned();
                    manifest.programs.push(Included { program, package, version });
                }
                None => manifest.missing.push(name),
            }
        }
        let mut text = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| Error::unusable(format!("the manifest can't be written: {e}")))?;
        text.push(b'\n');
        self.tree.text(MANIFEST, text)?;
        self.data(DATA)
    }

    /// Adds the program of that name, if the host has it.
    fn program(&mut self, name: &str) -> Result<Option<PathBuf>> {
        for directory in DIRECTORIES {
            let path = Path::new(directory).join(name);
            if let Some(real) = self.host.file(&path)? {
                self.executable(&path, &real, 0)?;
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Adds a program or script, its interpreter and libraries.
    fn executable(&mut self, path: &Path, real: &Path, depth: usize) -> Result<()> {
        let bytes = self.host.read(real)?.unwrap_or_default();
        if elf::is_elf(&bytes) {
            self.linked(real)?;
        } else if let Some(interpreter) = interpreter(&bytes) {
            match self.host.file(&interpreter)? {
                Some(its) if depth < INTERPRETER_DEPTH_MAX => {
                    self.executable(&interpreter, &its, depth + 1)?;
                }
                // A script that can't run here can't run there.
                _ => return Ok(()),
            }
        }
        self.copy(path, real, true)
    }

    /// Adds what an ELF file needs.
    fn linked(&mut self, real: &Path) -> Result<()> {
        for library in self.libraries.of(real)? {
            self.library(&library)?;
        }
        Ok(())
    }

    fn library(&mut self, library: &Library) -> Result<()> {
        self.copy(&library.path, &library.real, true)?;
        if library.is_configured
            && let Some(name) = library.path.file_name()
        {
            // The appliance has no ld.so.conf: its loader only knows its own directories.
            let own = merged(&self.system).join(name);
            if !self.tree.contains(&own) {
                self.tree.link(own, merged(&library.real))?;
            }
        }
        Ok(())
    }

    /// Adds the file `real`, and a link to it if it is known by another name.
    fn copy(&mut self, path: &Path, real: &Path, is_program: bool) -> Result<()> {
        let (link, place) = (merged(&self.in_real_directory(path)?), merged(real));
        let content = self.host.content(real)?;
        self.tree.file(&place, content, is_program)?;
        if link != place { self.tree.link(link, place) } else { Ok(()) }
    }

    /// A path whose directory is the real one: links between directories are not made anew.
    fn in_real_directory(&self, path: &Path) -> Result<PathBuf> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.into()) };
        let at_root = directory.components().count() <= 2;
        match self.host.resolve(directory)? {
            // /lib64 is there in any case.
            Some((real, _)) if !at_root => Ok(real.join(name)),
            _ => Ok(path.into()),
        }
    }

    fn data(&mut self, table: &[Data]) -> Result<()> {
        for data in table {
            let path = match data.path.strip_prefix("MULTIARCH/") {
                Some(rest) => self.system.join(rest),
                None => data.path.into(),
            };
            if let Some(real) = self.host.file(&path)? {
                self.copy(&path, &real, false)?;
                continue;
            }
            for name in self.host.list(&path)? {
                if !name.to_string_lossy().starts_with(data.prefix) {
                    continue;
                }
                let path = path.join(name);
                if let Some(real) = self.host.file(&path)? {
                    let content = self.host.content(&real)?;
                    self.tree.file(merged(&path), content, false)?;
                }
            }
        }
        Ok(())
    }
}

fn existing(host: &Host, path: &Path) -> Result<PathBuf> {
    host.file(path)?
        .ok_or_else(|| Error::unusable(format!("{}: the program's own file is gone", path.display())))
}

/// The program that the first line of a script names.
fn interpreter(script: &[u8]) -> Option<PathBuf> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().map(PathBuf::from)
}

/// Versions of the packages that dpkg knows as installed.
fn installed_packages(host: &Host) -> Result<BTreeMap<String, String>> {
    let text = host.read(Path::new(DPKG_STATUS))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let wanted: BTreeSet<&str> = PROGRAMS.iter().map(|program| program.package).collect();
    let mut versions = BTreeMap::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(package), Some(version)) = (field("Package: "), field("Version: "))
            && wanted.contains(package)
            && field("Status: ").is_some_and(|status| status.ends_with(" installed"))
        {
            versions.insert(package.to_owned(), version.to_owned());
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests;
