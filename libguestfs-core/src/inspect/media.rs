//! Media to install a system from, or to try one: which one, and of what kind.
//!
//! Each family of distributions writes files of its own on its media: Debian's `.disk/info`, Red Hat's `.treeinfo` and
//! `.discinfo`, SUSE's `media.1/media` and `content`, Windows' `sources`. A medium of none of them is told by the title
//! in its boot menu, if it boots something to run.
//!
//! libguestfs told them up to 1.35; since then `inspect_os` finds no system on such a disk, and `inspect_get_format` is
//! always `installed`. Here a medium is a root again, if there is no installed system beside it. Its calls answer as
//! libguestfs documents them: `installer`, live, network installer, one of several.

use bstr::{BStr, BString, ByteSlice};

use super::guest::{Entry, Files, Tree};
use super::release::Release;
use super::root::{Medium, OsType, Root};
use super::text::{Version, first_line, lines, matches, section_value, version};

/// Longest text in bytes that is read of a medium.
const TEXT_MAX: usize = 262_144;
/// Most names that are looked at in a directory.
const NAMES_MAX: usize = 256;
/// Longest name in bytes that is believed.
const NAME_MAX: usize = 256;

/// Distributions by a word in the name of a medium, in lower case. The first that fits counts.
static NAMES: &[(&str, &str)] = &[
    ("ubuntu", "ubuntu"),
    ("mint", "linuxmint"),
    ("kali", "kalilinux"),
    ("devuan", "devuan"),
    ("parrot", "parrot"),
    ("debian", "debian"),
    ("fedora", "fedora"),
    ("centos", "centos"),
    ("almalinux", "almalinux"),
    ("rocky", "rocky"),
    ("oracle", "oraclelinux"),
    ("scientific", "scientificlinux"),
    ("red hat", "rhel"),
    ("rhel", "rhel"),
    ("openeuler", "openeuler"),
    ("opensuse", "opensuse"),
    ("suse", "sles"),
    ("sle-", "sles"),
    ("sle_", "sles"),
    ("sles", "sles"),
    ("sled", "sles"),
    ("mageia", "mageia"),
    ("openmandriva", "openmandriva"),
    ("alpine", "alpinelinux"),
    ("arch linux", "archlinux"),
    ("manjaro", "manjaro"),
    ("gentoo", "gentoo"),
    ("void", "voidlinux"),
    ("nixos", "nixos"),
    ("slackware", "slackware"),
    ("alt ", "altlinux"),
    ("freebsd", "freebsd"),
    ("netbsd", "netbsd"),
    ("openbsd", "openbsd"),
];

/// Processors by the names that media have for them.
static PROCESSORS: &[(&str, &str)] = &[
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("aarch64", "aarch64"),
    ("arm64", "aarch64"),
    ("ppc64le", "ppc64le"),
    ("ppc64el", "ppc64le"),
    ("ppc64", "ppc64"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64"),
    ("loongarch64", "loongarch64"),
    ("ia64", "ia64"),
    ("armhf", "arm"),
    ("armhfp", "arm"),
    ("i386", "i386"),
    ("i486", "i386"),
    ("i586", "i386"),
    ("i686", "i386"),
    ("x86", "i386"),
];

/// Names that lie on a medium whose system runs from it.
static LIVE: &[&str] = &[
    "/live/filesystem.squashfs",
    "/casper/filesystem.squashfs",
    "/casper/minimal.squashfs",
    "/casper/ubuntu-server-minimal.squashfs",
    "/casper/install-sources.yaml",
    "/LiveOS/squashfs.img",
    "/LiveOS/ext3fs.img",
    "/arch/x86_64/airootfs.sfs",
    "/arch/x86_64/airootfs.erofs",
    "/nix-store.squashfs",
    "/image.squashfs",
    "/images/pxeboot/rootfs.img",
    "/manjaro/x86_64/livefs.sfs",
];

/// Boot menus, in which the title of a medium stands.
static MENUS: &[&str] = &[
    "/boot/grub2/grub.cfg",
    "/EFI/BOOT/grub.cfg",
    "/EFI/fedora/grub.cfg",
    "/boot/grub/grub.cfg",
    "/isolinux/isolinux.cfg",
    "/boot/isolinux/isolinux.cfg",
    "/syslinux/syslinux.cfg",
];

/// Directories of packages on Red Hat's media; a medium without any takes them from the network.
static PACKAGES: &[&str] = &[
    "/Packages",
    "/BaseOS",
    "/AppStream",
    "/Server",
    "/Client",
    "/Workstation",
    "/repodata",
    "/Fedora/RPMS",
    "/RedHat/RPMS",
    "/CentOS",
    "/SL",
    "/Minimal",
];

/// What the medium `mountable` installs, if it is one.
pub(super) fn look<T: Tree>(files: &mut Files<T>, mountable: &BStr) -> Result<Option<Root>, T::Error> {
    let mut root = Root::new(mountable);
    let is_live = is_any(files, LIVE)?;
    let found = match debian(files, &mut root)? {
        Some(medium) => Some(medium),
        None => match red_hat(files, &mut root)? {
            Some(medium) => Some(medium),
            None => match suse(files, &mut root)? {
                Some(medium) => Some(medium),
                None => match windows(files, &mut root)? {
                    Some(medium) => Some(medium),
                    None => other(files, &mut root, is_live)?,
                },
            },
        },
    };
    let Some(medium) = found else { return Ok(None) };
    root.os = root.os.or(Some(OsType::Linux));
    root.medium = Some(Medium { live: medium.live || is_live, ..medium });
    Ok(Some(root))
}

/// A root filesystem on a medium: the system runs from it, and may install itself.
pub(super) fn is_medium(kind: &BStr) -> bool {
    kind == "iso9660" || kind == "udf"
}

fn is_any<T: Tree>(files: &mut Files<T>, paths: &[&str]) -> Result<bool, T::Error> {
    for path in paths {
        if files.leads_to_file(path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_any_directory<T: Tree>(files: &mut Files<T>, paths: &[&str]) -> Result<bool, T::Error> {
    for path in paths {
        if files.is_directory(path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Debian and its relatives: `Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27`.
fn debian<T: Tree>(files: &mut Files<T>, root: &mut Root) -> Result<Option<Medium>, T::Error> {
    let Some(text) = files.read("/.disk/info", TEXT_MAX)? else { return Ok(None) };
    let Some(line) = first_line(&text) else { return Ok(None) };
    name(root, line);
    root.arch = processor(line);
    let kind = files.read("/.disk/cd_type", TEXT_MAX)?.unwrap_or_default();
    let kind = first_line(&kind).unwrap_or_default();
    let contains = |word: &str| line.to_ascii_lowercase().contains_str(word);
    let whole = kind.ends_with(b"/single");
    Ok(Some(Medium {
        live: contains(" live"),
        netinst: kind.starts_with(b"not_complete") || contains("netinst") || contains("businesscard"),
        multipart: !whole
            && ["full_cd", "dvd", "bluray", "dlbd"].iter().any(|of| kind.starts_with(of.as_bytes())),
    }))
}

/// Red Hat and its relatives.
fn red_hat<T: Tree>(files: &mut Files<T>, root: &mut Root) -> Result<Option<Medium>, T::Error> {
    let tree = files.read("/.treeinfo", TEXT_MAX)?.unwrap_or_default();
    let disc = files.read("/.discinfo", TEXT_MAX)?.unwrap_or_default();
    // Time of the build, name, processor, numbers of the discs.
    let mut disc = lines(&disc).map(<[u8]>::trim_ascii).skip(1);
    let (title, processor_of_disc, discs) = (disc.next(), disc.next(), disc.next());
    let general = |key: &str| section_value(&tree, "general", key);
    let product = match (general("family"), general("version")) {
        (Some(family), Some(version)) => Some([family, version].join(&b' ')),
        _ => title.filter(|title| !title.is_empty()).map(<[u8]>::to_vec),
    };
    let Some(product) = product else { return Ok(None) };
    name(root, &product);
    root.arch = general("arch").or(processor_of_disc).and_then(processor);
    let netinst = !is_any_directory(files, PACKAGES)?;
    let live = title.is_some_and(|title| title.to_ascii_lowercase().contains_str("live"));
    // A disc that has all that there is says so, or names all numbers of a set that it stands for.
    let multipart = discs.is_some_and(|discs| discs.len() == 1 && matches!(discs, [b'1'..=b'9']));
    Ok(Some(Medium { live, netinst: netinst && !live, multipart }))
}

/// SUSE: `openSUSE-Leap-15.6-DVD-x86_64-Build710.3`, `SLE-15-SP5-Full-x86_64-Build146.1`; older ones have `content`.
fn suse<T: Tree>(files: &mut Files<T>, root: &mut Root) -> Result<Option<Medium>, T::Error> {
    let media = files.read("/media.1/media", TEXT_MAX)?.unwrap_or_default();
    let mut media = lines(&media).map(<[u8]>::trim_ascii);
    let (_vendor, build, count) = (media.next(), media.next(), media.next());
    let content = files.read("/content", TEXT_MAX)?.unwrap_or_default();
    let content_value = |key: &str| -> Option<BString> {
        let mut values = lines(&content).filter_map(|line| line.strip_prefix(key.as_bytes()));
        let value = values.find(|rest| rest.starts_with(b" "))?;
        Some(value.trim_ascii().into())
    };
    let described =
        content_value("LABEL").or_else(|| Some(content_value("DISTRO")?.split_once_str(",")?.1.into()));
    let Some(product) = described.or_else(|| build.map(BString::from)).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    name(root, &product);
    if root.release.distro.is_none() {
        return Ok(None);
    }
    if let Some(service_pack) = matches(&product, "#-SP#").or_else(|| matches(&product, "# SP#")) {
        root.release.version = Some(service_pack);
    }
    let build = build.unwrap_or_default();
    root.arch = processor(build).or_else(|| processor(&content_value("BASEARCHS")?));
    let contains = |word: &str| build.contains_str(word) || product.contains_str(word);
    let netinst = ["-NET-", "-Online-", "-Network-", "-mini-"].iter().any(|word| contains(word));
    let count: Option<u32> = count.and_then(|count| count.to_str().ok()?.parse().ok());
    Ok(Some(Medium { live: contains("-Live"), netinst, multipart: count.is_some_and(|count| count > 1) }))
}

/// Windows, since Vista by its images, before by the files of its text setup.
fn windows<T: Tree>(files: &mut Files<T>, root: &mut Root) -> Result<Option<Medium>, T::Error> {
    let mut is_file = |path: &str| -> Result<bool, T::Error> {
        Ok(matches!(files.entry_nocase(path)?, Some(Entry::File(_))))
    };
    let mut images = false;
    for name in ["install.wim", "install.esd", "install.swm", "boot.wim"] {
        images = images || is_file(&format!("/sources/{name}"))?;
    }
    let text_setup = !images && is_file("/i386/txtsetup.sif")?;
    if !(images && (is_file("/bootmgr")? || is_file("/setup.exe")?) || text_setup) {
        return Ok(None);
    }
    // Where firmware finds the boot loader (UEFI 2.10, 3.5.1.1).
    let arch = if is_file("/efi/boot/bootaa64.efi")? {
        Some("aarch64")
    } else if is_file("/efi/boot/bootx64.efi")? || is_file("/amd64/txtsetup.sif")? {
        Some("x86_64")
    } else if text_setup || is_file("/efi/boot/bootia32.efi")? {
        Some("i386")
    } else {
        None
    };
    root.os = Some(OsType::Windows);
    root.release.distro = Some("windows".into());
    root.release.product_name = Some("Windows".into());
    root.arch = arch.map(BString::from);
    Ok(Some(Medium::default()))
}

/// Everything else: by the files of one distribution, or by the title in the boot menu.
fn other<T: Tree>(files: &mut Files<T>, root: &mut Root, is_live: bool) -> Result<Option<Medium>, T::Error> {
    let live = Medium { live: true, ..Medium::default() };
    // "alpine-standard 3.19.1 240126"
    if let Some(text) = files.read("/.alpine-release", TEXT_MAX)? {
        name(root, first_line(&text).unwrap_or_default());
        root.arch = files.names(b"/apks", NAMES_MAX)?.iter().find_map(|name| processor(name));
        return Ok(Some(live));
    }
    if files.is_directory("/arch/x86_64")? && is_live {
        // The date of the medium.
        let text = files.read("/arch/version", TEXT_MAX)?.unwrap_or_default();
        let release = first_line(&text).map(|line| BString::from([b"Arch Linux ".as_slice(), line].concat()));
        root.release.product_name = Some(release.unwrap_or_else(|| "Arch Linux".into()));
        root.release.distro = Some("archlinux".into());
        root.arch = Some("x86_64".into());
        return Ok(Some(live));
    }
    for entry in files.names(b"/", NAMES_MAX)? {
        // OpenBSD: a directory of the version, in it one of the processor with the kernel that installs.
        if let Some(version) = plain_version(&entry) {
            for arch in files.names(&[b"/", entry.as_slice()].concat(), NAMES_MAX)? {
                let kernel = [b"/", entry.as_slice(), b"/", &arch, b"/bsd.rd"].concat();
                if files.read_start(&kernel, 1)?.is_some() {
                    openbsd(root, &entry, version, &arch);
                    return Ok(Some(Medium::default()));
                }
            }
        }
        // Slackware: ANNOUNCE.15_0
        if let Some(version) = entry.strip_prefix(b"ANNOUNCE.").and_then(|of| matches(of, "#_#")) {
            root.release.distro = Some("slackware".into());
            root.release.version = Some(version);
            root.release.product_name = Some(format!("Slackware {}.{}", version.0, version.1).into());
            root.arch = if files.is_directory("/slackware64")? {
                Some("x86_64".into())
            } else if files.is_directory("/slackware")? {
                Some("i386".into())
            } else {
                None
            };
            return Ok(Some(Medium::default()));
        }
    }
    if !is_live {
        return Ok(None);
    }
    for menu in MENUS {
        let title = files.read(menu, TEXT_MAX)?.and_then(|text| menu_title(&text));
        if let Some(title) = title {
            name(root, &title);
            root.arch = processor(&title);
            return Ok(Some(live));
        }
    }
    Ok(Some(live))
}

fn openbsd(root: &mut Root, directory: &BString, version: Version, arch: &[u8]) {
    root.os = Some(OsType::OpenBsd);
    root.release.distro = Some("openbsd".into());
    root.release.version = Some(version);
    root.release.product_name = Some([b"OpenBSD ".as_slice(), directory].concat().into());
    root.arch = processor(arch);
}

/// `7.5` and nothing else.
fn plain_version(name: &[u8]) -> Option<Version> {
    let is_plain = name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    is_plain.then(|| matches(name, "#.#")).flatten()
}

/// The name of a product in a boot menu: its title, or what the first entry starts or installs.
fn menu_title(text: &[u8]) -> Option<BString> {
    lines(text).map(<[u8]>::trim_ascii).find_map(|line| {
        let title = match line.strip_prefix(b"menu title ").or_else(|| line.strip_prefix(b"MENU TITLE ")) {
            Some(title) => title,
            None => {
                let rest = line.strip_prefix(b"menuentry ")?;
                let (quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'\'' | b'"'))?;
                rest.get(..rest.find_byte(*quote)?)?
            }
        };
        let verbs = ["Start ", "Install ", "Boot ", "Try ", "Run "];
        let title = verbs.iter().find_map(|verb| title.strip_prefix(verb.as_bytes())).unwrap_or(title);
        distro(title).map(|_| title.into())
    })
}

/// Sets what the name of a product says.
fn name(root: &mut Root, product: &[u8]) {
    let product = product.trim_ascii();
    if product.is_empty() || product.len() > NAME_MAX {
        return;
    }
    let distro = distro(product);
    root.os = distro.and_then(|distro| match distro {
        "freebsd" => Some(OsType::FreeBsd),
        "netbsd" => Some(OsType::NetBsd),
        "openbsd" => Some(OsType::OpenBsd),
        _ => None,
    });
    root.release = Release {
        distro: distro.map(BString::from),
        product_name: Some(product.into()),
        version: version_in(product),
        ..Release::default()
    };
}

/// The version in the name of a product: before the processor and the build, which have numbers too.
fn version_in(product: &[u8]) -> Option<Version> {
    let words = PROCESSORS.iter().map(|&(name, _)| name).chain(["-Build"]);
    let end = words.filter_map(|word| product.find(word)).min().unwrap_or(product.len());
    version(product.get(..end)?)
}

fn distro(product: &[u8]) -> Option<&'static str> {
    let product = product.to_ascii_lowercase();
    NAMES.iter().find(|(word, _)| product.contains_str(word)).map(|&(_, distro)| distro)
}

/// The processor that a text names as one of its words.
fn processor(text: &[u8]) -> Option<BString> {
    let mut words = text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
    words.find_map(|word| {
        let found = PROCESSORS.iter().find(|(name, _)| word == name.as_bytes());
        found.map(|&(_, arch)| arch.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_has_the_name_of_what_it_starts() {
        for (text, title) in [
            (
                "set default=\"1\"\nmenuentry 'Start Fedora-Workstation-Live 39' --class fedora {\n",
                "Fedora-Workstation-Live 39",
            ),
            ("timeout 600\nmenu title Fedora 31\n", "Fedora 31"),
            (
                "menuentry \"Troubleshooting\" {\nmenuentry \"NixOS 23.11 Installer\" {",
                "NixOS 23.11 Installer",
            ),
        ] {
            assert_eq!(menu_title(text.as_bytes()).unwrap(), title);
        }
        for none in ["", "menuentry 'Memory test' {", "menuentry 'Fedora", "menuentry ", "menu title "] {
            assert_eq!(menu_title(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_processor_is_a_word_of_its_own() {
        for (text, arch) in [
            ("Official amd64 NETINST", Some("x86_64")),
            ("SLE-15-SP5-Full-aarch64-Build1", Some("aarch64")),
            ("openSUSE-Leap-15.6-DVD-x86_64-Build710.3", Some("x86_64")),
            ("Official Multi-architecture", None),
            ("notx86", None),
        ] {
            assert_eq!(processor(text.as_bytes()), arch.map(BString::from), "{text}");
        }
    }
}
