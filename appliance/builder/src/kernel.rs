//! Which kernel an appliance runs, and which modules belong to it.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::elf;
use crate::error::{About, Error, ErrorKind, Result};
use crate::host::Host;

/// Where distributions install kernels under the name `vmlinuz-VERSION`.
const BOOT: &str = "/boot";
/// Where a directory for each version has the modules, and often the kernel as `vmlinuz`.
const MODULES: &[&str] = &["/lib/modules", "/usr/lib/modules"];
/// Where Debian has the modules of User-Mode Linux.
const UML_MODULES: &[&str] = &["/usr/lib/uml/modules", "/lib/modules", "/usr/lib/modules"];
/// What User-Mode Linux is called.
const UML_NAMES: &[&str] = &["linux.uml", "linux"];
/// What the configuration of a kernel says that unpacks an initramfs of LZ4.
const RD_LZ4: &[u8] = b"CONFIG_RD_LZ4=y";
/// A section that only kernels of User-Mode Linux have.
const UML_SECTION: &str = ".uml.setup.init";
/// What comes before the version in every kernel.
const BANNER: &[u8] = b"Linux version ";
/// Longest version that Linux allows (__NEW_UTS_LEN).
const VERSION_MAX: usize = 64;

/// A kernel and its modules, by their paths on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) path: PathBuf,
    pub(crate) modules: PathBuf,
    pub(crate) version: String,
}

/// The kernel that the caller names, with modules or those that its name leads to.
pub(crate) fn given(host: &Host, path: &Path, modules: Option<&Path>) -> Result<Kernel> {
    let real = host.file(path)?.ok_or_else(|| {
        Error::new(ErrorKind::NoKernel, format!("{}: there is no such kernel", path.display()))
    })?;
    if let Some(refusal) = unreadable(host, &real)? {
        return Err(refusal);
    }
    if let Some(modules) = modules {
        let version = modules.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        return Ok(Kernel { path: path.to_owned(), modules: modules.to_owned(), version });
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let version = match name.split_once('-') {
        Some((_, version)) => version,
        None => path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default(),
    };
    match modules_of(host, version, MODULES)? {
        Some(modules) => Ok(Kernel { path: path.to_owned(), modules, version: version.to_owned() }),
        None => Err(Error::new(
            ErrorKind::NoKernel,
            format!("{}: no modules are known for this kernel", path.display()),
        )
        .with_hint("name their directory in SUPERMIN_MODULES")),
    }
}

/// The newest kernel of the host that can be read and has modules.
pub(crate) fn newest(host: &Host) -> Result<Kernel> {
    let mut kernels = Vec::new();
    for name in host.list(Path::new(BOOT))? {
        let version = name.to_str().and_then(|n| n.strip_prefix("vmlinuz-").or(n.strip_prefix("vmlinux-")));
        if let Some(version) = version {
            kernels.push((version.to_owned(), Path::new(BOOT).join(&name)));
        }
    }
    for directory in MODULES.iter().map(Path::new) {
        for name in host.list(directory)? {
            if let Some(version) = name.to_str() {
                kernels.push((version.to_owned(), directory.join(version).join("vmlinuz")));
            }
        }
    }
    // The same version twice: the one in /boot comes first.
    kernels.sort_by(|(a, _), (b, _)| by_version(b, a));
    let mut refused = None;
    for (version, path) in kernels {
        let Some(real) = host.file(&path)? else { continue };
        let Some(modules) = modules_of(host, &version, MODULES)? else { continue };
        match unreadable(host, &real)? {
            None => return Ok(Kernel { path, modules, version }),
            Some(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        Error::new(ErrorKind::NoKernel, "no kernel is installed: none in /boot or /lib/modules that has its modules")
            .with_hint("install the distribution's kernel (Debian: linux-image-amd64), or User-Mode Linux (user-mode-linux)")
    }))
}

/// Does the kernel unpack an initramfs that is compressed by LZ4? Its configuration says so, which distributions install
/// beside it or its modules; User-Mode Linux has it within.
pub(crate) fn unpacks_lz4(host: &Host, kernel: &Kernel) -> Result<bool> {
    let beside = Path::new(BOOT).join(format!("config-{}", kernel.version));
    for path in [&beside, &kernel.modules.join("config"), &kernel.path] {
        let text = host.read(path)?.unwrap_or_default();
        if text.windows(RD_LZ4.len()).any(|window| window == RD_LZ4) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The User-Mode Linux in one of `directories`, those of PATH.
pub(crate) fn user_mode(host: &Host, directories: &[PathBuf], modules: Option<&Path>) -> Result<Kernel> {
    for name in UML_NAMES {
        for directory in directories {
            let path = directory.join(name);
            let Some(real) = host.file(&path)? else { continue };
            let place = host.place(&real);
            let Ok(bytes) = std::fs::read(&place) else { continue };
            if !elf::is_elf(&bytes) || !elf::has_section(&bytes, UML_SECTION) {
                continue;
            }
            let version = version_in(&bytes).unwrap_or_default();
            let modules = match modules {
                Some(modules) => Some(modules.to_owned()),
                None => modules_of(host, &version, UML_MODULES)?,
            };
            let Some(modules) = modules else {
                return Err(Error::new(
                    ErrorKind::NoKernel,
                    format!("{}: there are no modules for its version {version}", path.display()),
                ));
            };
            return Ok(Kernel { path, modules, version });
        }
    }
    Err(Error::new(
        ErrorKind::NoKernel,
        "User-Mode Linux is not installed: neither linux.uml nor linux is in PATH",
    )
    .with_hint("install it (Debian: user-mode-linux)"))
}

/// The directory with the modules of a version, if there is one.
fn modules_of(host: &Host, version: &str, directories: &[&str]) -> Result<Option<PathBuf>> {
    if version.is_empty() {
        return Ok(None);
    }
    for directory in directories {
        let path = Path::new(directory).join(version);
        if host.file(&path.join("modules.dep"))?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Why a kernel can't be used, if it can't be read.
fn unreadable(host: &Host, real: &Path) -> Result<Option<Error>> {
    let place = host.place(real);
    match File::open(&place) {
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(Some(
            Error::new(
                ErrorKind::NoKernel,
                format!("{}: this user may not read the kernel", place.display()),
            )
            .with_hint(format!("sudo dpkg-statoverride --update --add root root 0644 {}", place.display())),
        )),
        Err(e) => Err(e).about(&place),
    }
}

/// The version in a kernel that is not compressed.
fn version_in(bytes: &[u8]) -> Option<String> {
    let at = bytes.windows(BANNER.len()).position(|window| window == BANNER)?;
    let version = bytes.get(at.checked_add(BANNER.len())?..)?;
    let version = version.split(|byte| *byte == b' ' || *byte == 0).next()?;
    (version.len() <= VERSION_MAX).then(|| String::from_utf8_lossy(version).into_owned())
}

/// Orders versions as people do: numbers by value, `6.1.9` before `6.1.10`.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (first_a, rest_a) = token(a);
        let (first_b, rest_b) = token(b);
        if first_a.is_empty() || first_b.is_empty() {
            return first_a.len().cmp(&first_b.len());
        }
        let order = match (number(first_a), number(first_b)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            // A number is more than a word: 6.1.1 is newer than 6.1-rc1.
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => first_a.as_bytes().cmp(first_b.as_bytes()),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The digits of a number without leading zeros.
fn number(token: &str) -> Option<&str> {
    token.starts_with(|c: char| c.is_ascii_digit()).then(|| token.trim_start_matches('0'))
}

/// The first run of digits or of letters, and what comes after.
fn token(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != is_number);
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A host with files; those of the form `modules VERSION` are directories of modules.
    fn host(files: &[&str]) -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = match file.strip_prefix("modules ") {
                Some(version) => directory.path().join("lib/modules").join(version).join("modules.dep"),
                None => directory.path().join(file.trim_start_matches('/')),
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let host = Host::new(directory.path());
        (directory, host)
    }

    #[test]
    fn versions_are_ordered_as_people_do() {
        let ordered =
            ["5.10.0", "6.1-rc1", "6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-56-amd64", "6.10.1", "6.10.1-1"];
        for pair in ordered.windows(2) {
            assert_eq!(by_version(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(by_version(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(by_version("6.1", "6.1"), Ordering::Equal);
        assert_eq!(by_version("6.01", "6.1"), Ordering::Equal);
    }

    #[test]
    fn the_newest_kernel_with_modules_is_taken() {
        for (files, expected) in [
            (
                &["/boot/vmlinuz-6.1.0-9", "/boot/vmlinuz-6.1.0-10", "modules 6.1.0-9", "modules 6.1.0-10"][..],
                Some("/boot/vmlinuz-6.1.0-10"),
            ),
            (
                &["/boot/vmlinuz-6.1.0-9", "/boot/vmlinuz-6.1.0-10", "modules 6.1.0-9"],
                Some("/boot/vmlinuz-6.1.0-9"),
            ),
            (
                &["/lib/modules/6.9/vmlinuz", "modules 6.9", "/boot/vmlinuz-6.8", "modules 6.8"],
                Some("/lib/modules/6.9/vmlinuz"),
            ),
            (&["/lib/modules/6.9/vmlinuz", "modules 6.9", "/boot/vmlinuz-6.9"], Some("/boot/vmlinuz-6.9")),
            (&["/boot/vmlinuz-6.1", "/boot/initrd.img-6.1"], None),
            (&[], None),
        ] {
            let (_directory, host) = host(files);
            let found = newest(&host);
            assert_eq!(found.as_ref().ok().map(|k| k.path.to_str().unwrap()), expected, "{files:?}");
            if let Err(error) = found {
                assert!(error.kind() == ErrorKind::NoKernel && error.hint().is_some());
            }
        }
    }

    #[test]
    fn an_unreadable_kernel_says_what_to_do_unless_another_can_be_read() {
        let (directory, host) =
            host(&["/boot/vmlinuz-6.2", "modules 6.2", "/boot/vmlinuz-6.1", "modules 6.1"]);
        let lock = |version: &str| {
            let path = directory.path().join(format!("boot/vmlinuz-{version}"));
            fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
        };
        for path in [directory.path().to_owned(), directory.path().join("boot"), directory.path().join("lib")]
        {
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        lock("6.2");
        // Root may read anything: ask as somebody who may not.
        let newest = || as_nobody(|| newest(&host));
        assert_eq!(newest().unwrap().version, "6.1");
        lock("6.1");
        let error = newest().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoKernel);
        let path = directory.path().join("boot/vmlinuz-6.2");
        let expected = format!("sudo dpkg-statoverride --update --add root root 0644 {}", path.display());
        assert_eq!(error.hint(), Some(expected.as_str()));
    }

    /// Runs `question` in a thread without the privilege to pass over permissions.
    fn as_nobody<T: Send>(question: impl FnOnce() -> T) -> T {
        use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
        let old: CapabilitySets = capabilities(None).unwrap();
        let lost = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let effective = old.effective.difference(lost);
        set_capabilities(None, CapabilitySets { effective, ..old }).unwrap();
        let answer = question();
        set_capabilities(None, old).unwrap();
        answer
    }

    #[test]
    fn a_kernel_that_is_named_is_taken() {
        let (_directory, host) = host(&["/k/vmlinuz-7", "modules 7", "/k/bzImage", "/m/7-x/modules.dep"]);
        let given = |path: &str, modules: Option<&str>| {
            given(&host, Path::new(path), modules.map(Path::new))
                .map(|k| (k.modules.display().to_string(), k.version))
        };
        assert_eq!(given("/k/vmlinuz-7", None).unwrap(), ("/lib/modules/7".to_owned(), "7".to_owned()));
        assert_eq!(given("/k/bzImage", Some("/m/7-x")).unwrap(), ("/m/7-x".to_owned(), "7-x".to_owned()));
        assert_eq!(
            given("/k/bzImage", None).unwrap_err().hint(),
            Some("name their directory in SUPERMIN_MODULES")
        );
        assert_eq!(given("/k/none", None).unwrap_err().kind(), ErrorKind::NoKernel);
    }

    #[test]
    fn user_mode_linux_is_known_by_what_is_in_it() {
        // A program of that name that is something else, as a wrapper or a game might be, is passed over.
        let (directory, host) = host(&["/a/linux", "/b/none"]);
        let test = fs::read(std::env::current_exe().unwrap()).unwrap();
        fs::write(directory.path().join("a/linux.uml"), test).unwrap();
        let directories: Vec<PathBuf> = ["/a", "/b", "/c"].map(PathBuf::from).into();
        let error = user_mode(&host, &directories, None).unwrap_err();
        assert!(error.kind() == ErrorKind::NoKernel && error.hint().is_some());
        assert_eq!(version_in(b"..Linux version 6.1.176 (x) ").as_deref(), Some("6.1.176"));
        assert_eq!(version_in(b"Linux versio"), None);
    }
}
