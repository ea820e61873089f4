//! Mount options, as mount(8) takes them apart: flags of mount(2), and text for the filesystem's driver.

use bstr::{BStr, ByteSlice};
use rustix::mount::MountFlags;

/// Options that set or clear a flag.
const FLAGS: &[(&str, bool, MountFlags)] = &[
    ("ro", true, MountFlags::RDONLY),
    ("rw", false, MountFlags::RDONLY),
    ("nosuid", true, MountFlags::NOSUID),
    ("suid", false, MountFlags::NOSUID),
    ("nodev", true, MountFlags::NODEV),
    ("dev", false, MountFlags::NODEV),
    ("noexec", true, MountFlags::NOEXEC),
    ("exec", false, MountFlags::NOEXEC),
    ("sync", true, MountFlags::SYNCHRONOUS),
    ("async", false, MountFlags::SYNCHRONOUS),
    ("dirsync", true, MountFlags::DIRSYNC),
    ("noatime", true, MountFlags::NOATIME),
    ("atime", false, MountFlags::NOATIME),
    ("nodiratime", true, MountFlags::NODIRATIME),
    ("diratime", false, MountFlags::NODIRATIME),
    ("relatime", true, MountFlags::RELATIME),
    ("norelatime", false, MountFlags::RELATIME),
    ("strictatime", true, MountFlags::STRICTATIME),
    ("nostrictatime", false, MountFlags::STRICTATIME),
    ("lazytime", true, MountFlags::LAZYTIME),
    ("nolazytime", false, MountFlags::LAZYTIME),
    ("silent", true, MountFlags::SILENT),
    ("loud", false, MountFlags::SILENT),
];
/// Options that are for mount(8) itself, or for fstab(5).
const IGNORED: &[&str] = &[
    "", "defaults", "auto", "noauto", "nofail", "_netdev", "nouser", "nousers", "noowner", "nogroup",
    "remount", "mand", "nomand",
];
/// Options that set some flags as well.
const UNTRUSTED: &[&str] = &["user", "users", "owner", "group"];

/// Options that were taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    set: MountFlags,
    clear: MountFlags,
    /// What the driver gets.
    pub(super) data: Vec<u8>,
}

impl Options {
    /// Changes flags as the options ask.
    pub(super) fn apply(&self, flags: &mut MountFlags) {
        flags.remove(self.clear);
        flags.insert(self.set);
    }

    /// Puts an option for the driver before all others.
    pub(super) fn prepend(&mut self, option: &[u8]) {
        let rest = std::mem::take(&mut self.data);
        self.data = option.to_vec();
        if !rest.is_empty() {
            self.data.push(b',');
            self.data.extend(rest);
        }
    }

    /// What the driver is to be given, one after the other while it answers `EINVAL`. That of UFS has to be told which of
    /// its variants it is: FreeBSD's, then that of NetBSD, OpenBSD and old FreeBSD (the kernel's `admin-guide/ufs`).
    pub(super) fn variants(&self, kind: &BStr) -> Vec<Vec<u8>> {
        if kind != "ufs" || self.data.contains_str("ufstype=") {
            return vec![self.data.clone()];
        }
        let variant = |option: &str| match self.data.as_slice() {
            [] => option.into(),
            data => [option.as_bytes(), b",", data].concat(),
        };
        vec![variant("ufstype=ufs2"), variant("ufstype=44bsd")]
    }

    fn flag(&mut self, set: bool, flag: MountFlags) {
        self.set.set(flag, set);
        self.clear.set(flag, !set);
    }
}

/// Takes comma-separated options apart; the last of several that contradict each other counts.
pub(super) fn parse(text: &BStr) -> Options {
    let mut options = Options { set: MountFlags::empty(), clear: MountFlags::empty(), data: Vec::new() };
    for option in split(text) {
        if let Some((_, set, flag)) = FLAGS.iter().find(|(name, _, _)| option == name.as_bytes()) {
            options.flag(*set, *flag);
        } else if UNTRUSTED.iter().any(|name| option == name.as_bytes()) {
            options.flag(true, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC);
        } else if !ignored(option) {
            if !options.data.is_empty() {
                options.data.push(b',');
            }
            options.data.extend_from_slice(option);
        }
    }
    options
}

/// Commas within quotes do not separate (`context="a,b"`).
fn split(text: &BStr) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    text.as_bytes().split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    })
}

fn ignored(option: &[u8]) -> bool {
    IGNORED.iter().any(|name| option == name.as_bytes())
        || [&b"x-"[..], b"X-", b"comment=", b"loop", b"user=", b"offset=", b"sizelimit="]
            .iter()
            .any(|start| option.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_for_the_kernel_and_the_rest_for_the_driver() {
        for (text, flags, data) in [
            ("", MountFlags::NODEV, ""),
            ("ro", MountFlags::NODEV | MountFlags::RDONLY, ""),
            ("ro,rw,defaults,x-systemd.automount,loop=/dev/loop1", MountFlags::NODEV, ""),
            (
                "dev,noatime,commit=5,sync,data=ordered",
                MountFlags::NOATIME | MountFlags::SYNCHRONOUS,
                "commit=5,data=ordered",
            ),
            ("user,exec,dev", MountFlags::NOSUID, ""),
            (r#"context="a,b",ro"#, MountFlags::NODEV | MountFlags::RDONLY, r#"context="a,b""#),
        ] {
            let options = parse(BStr::new(text));
            let mut applied = MountFlags::NODEV;
            options.apply(&mut applied);
            assert_eq!((applied, options.data.as_bstr()), (flags, BStr::new(data)), "{text}");
        }
        let mut options = parse(BStr::new("compress"));
        options.prepend(b"subvol=x");
        assert_eq!(options.data.as_bstr(), "subvol=x,compress");
    }

    #[test]
    fn only_ufs_is_tried_in_variants() {
        for (given, kind, expected) in [
            ("compress", "btrfs", &["compress"][..]),
            ("ro", "ufs", &["ufstype=ufs2", "ufstype=44bsd"]),
            ("onerror=panic", "ufs", &["ufstype=ufs2,onerror=panic", "ufstype=44bsd,onerror=panic"]),
            ("ro,ufstype=sun", "ufs", &["ufstype=sun"]),
        ] {
            let variants = parse(BStr::new(given)).variants(BStr::new(kind));
            assert_eq!(
                variants.iter().map(|data| data.as_bstr()).collect::<Vec<_>>(),
                expected,
                "{given} {kind}"
            );
        }
    }
}
