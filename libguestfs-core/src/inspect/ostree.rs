//! ostree deployments: systems whose root is a directory in the depth of a filesystem (ostree's manual, "Deployments").
//!
//! ```text
//! /ostree/deploy/STATEROOT/deploy/CHECKSUM.SERIAL/   a whole tree: what the system runs as its /
//! /ostree/deploy/STATEROOT/var/                      its /var
//! /ostree/boot.N/STATEROOT/BOOTCHECKSUM/SERIAL       link to a deployment; the kernel is told this one: ostree=…
//! /boot/loader/entries/ostree-*.conf                 what there is to boot, perhaps in a filesystem of its own
//! ```
//!
//! Which of several deployments runs is what the first boot entry says; without any, the one of the highest version.

use bstr::{BStr, BString, ByteSlice};

use super::guest::{Files, Tree};
use super::release;
use super::text::lines;

/// Where deployments are.
const DEPLOYMENTS: &str = "/ostree/deploy";
/// Most names that are looked at in one directory. A system keeps two or three deployments.
const NAMES_MAX: usize = 64;
/// Longest boot entry in bytes that is read.
const ENTRY_MAX: usize = 65_536;
/// Where boot entries are: in a filesystem for /boot, and in one with /boot as a directory.
const ENTRIES: [(&str, bool); 2] = [("/loader/entries", true), ("/boot/loader/entries", false)];

/// A boot entry of ostree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootLink {
    /// The link to the deployment.
    path: BString,
    /// The highest is booted.
    version: u64,
    /// The filesystem with the entry, if that is a system's `/boot`.
    boot: Option<BString>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    /// Its directory, without links.
    pub(super) path: BString,
    /// How many there are.
    pub(super) count: usize,
    /// What is its `/boot`, if that is a filesystem of its own.
    pub(super) boot: Option<BString>,
}

/// The boot entries of ostree on the filesystem `mountable`.
pub(super) fn boot_links<T: Tree>(files: &mut Files<T>, mountable: &BStr) -> Result<Vec<BootLink>, T::Error> {
    let mut entries = Vec::new();
    for (directory, is_boot) in ENTRIES {
        for name in files.names(directory.as_bytes(), NAMES_MAX)? {
            if !name.starts_with(b"ostree-") || !name.ends_with(b".conf") {
                continue;
            }
            let path = [directory.as_bytes(), b"/", &name].concat();
            let Some((version, path)) = files.read(&path, ENTRY_MAX)?.and_then(|text| entry(&text)) else {
                continue;
            };
            entries.push(BootLink { path, version, boot: is_boot.then(|| mountable.into()) });
        }
    }
    Ok(entries)
}

/// The version of a boot entry, and the link to the deployment.
fn entry(text: &[u8]) -> Option<(u64, BString)> {
    let mut version = 0;
    let mut link = None;
    for line in lines(text) {
        let Some((key, value)) = line.split_once_str(" ") else { continue };
        match key {
            b"version" => {
                version = value.trim_ascii().to_str().ok().and_then(|v| v.parse().ok()).unwrap_or(0);
            }
            b"options" => {
                let mut words = value.split(u8::is_ascii_whitespace);
                link = words.find_map(|word| word.strip_prefix(b"ostree=")).map(BString::from);
            }
            _ => {}
        }
    }
    Some((version, link?))
}

/// The deployment that the system on this filesystem runs.
pub(super) fn deployment<T: Tree>(
    files: &mut Files<T>,
    boot_links: &[BootLink],
) -> Result<Option<Deployment>, T::Error> {
    let mut found = Vec::new();
    for stateroot in files.names(DEPLOYMENTS.as_bytes(), NAMES_MAX)? {
        let directory = [DEPLOYMENTS.as_bytes(), b"/", &stateroot, b"/deploy"].concat();
        for name in files.names(&directory, NAMES_MAX)? {
            let path = [directory.as_slice(), b"/", &name].concat();
            // Beside each deployment lies a file CHECKSUM.SERIAL.origin.
            if is_deployment(&name)
                && let Some(path) = files.directory(&path)?
            {
                found.push(path);
            }
        }
    }
    found.truncate(NAMES_MAX);
    let count = found.len();
    let mut links: Vec<&BootLink> = boot_links.iter().collect();
    // The specification of boot loaders: the highest version comes first.
    links.sort_by_key(|link| std::cmp::Reverse(link.version));
    for link in links {
        let Some(path) = files.directory(&link.path)? else { continue };
        if found.contains(&path) {
            return Ok(Some(Deployment { path, count, boot: link.boot.clone() }));
        }
    }
    let mut newest = None;
    for path in found {
        let version = release::of_deployment(files, &path)?;
        if newest.as_ref().is_none_or(|(highest, _)| version >= *highest) {
            newest = Some((version, path));
        }
    }
    Ok(newest.map(|(_, path)| Deployment { path, count, boot: None }))
}

/// Is this `CHECKSUM.SERIAL`?
fn is_deployment(name: &[u8]) -> bool {
    name.split_once_str(".").is_some_and(|(checksum, serial)| {
        let hexadecimal = checksum.len() == 64 && checksum.iter().all(u8::is_ascii_hexdigit);
        hexadecimal && !serial.is_empty() && serial.iter().all(u8::is_ascii_digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_entry_names_the_link() {
        let text =
            b"title Fedora CoreOS\nversion 2\noptions mitigations=auto ostree=/ostree/boot.1/f/abc/0 rw\n";
        assert_eq!(entry(text), Some((2, "/ostree/boot.1/f/abc/0".into())));
        assert_eq!(entry(b"title Fedora\nversion 2\noptions root=UUID=x\n"), None);
        assert_eq!(entry(b"options ostree=/a\nversion 99999999999999999999\n"), Some((0, "/a".into())));
    }

    #[test]
    fn a_deployment_is_a_checksum_and_a_serial() {
        let checksum = "0123456789abcdef".repeat(4);
        for (name, is) in [
            (format!("{checksum}.0"), true),
            (format!("{checksum}.12"), true),
            (format!("{checksum}.0.origin"), false),
            (format!("{checksum}."), false),
            (checksum.clone(), false),
            ("backing.0".to_owned(), false),
        ] {
            assert_eq!(is_deployment(name.as_bytes()), is, "{name}");
        }
    }
}
