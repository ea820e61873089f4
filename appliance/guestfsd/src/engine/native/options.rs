//! Mount options: which of them change nothing for a reader, and which say what is mounted.
//!
//! An option is known for the filesystems whose driver has it and only if it cannot change what is read here. All others are
//! for a kernel to judge: what an option means that is not in these tables is not guessed.

use bstr::{BStr, ByteSlice};
use disk::fs::{Filesystem, InodeId, SubvolumeName};
use nix::errno::Errno;

use crate::engine::Result;
use crate::engine::words::{mount_failed, wrong_filesystem};
use crate::error::Failure;

/// Options of mount(8) and of all filesystems.
const GENERAL: &[&str] = &[
    "",
    "ro",
    "rw",
    "defaults",
    "auto",
    "noauto",
    "nofail",
    "_netdev",
    "user",
    "nouser",
    "users",
    "owner",
    "group",
    "async",
    "sync",
    "dirsync",
    "atime",
    "noatime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "diratime",
    "nodiratime",
    "lazytime",
    "nolazytime",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "iversion",
    "noiversion",
    "silent",
    "loud",
];
/// Of ext2, ext3 and ext4: their defaults, and what only matters for writing. `noload` would read less.
const EXT: &[&str] = &[
    "acl",
    "user_xattr",
    "discard",
    "nodiscard",
    "errors=remount-ro",
    "errors=continue",
    "errors=panic",
    "barrier",
    "nobarrier",
    "barrier=0",
    "barrier=1",
    "data=ordered",
    "data=writeback",
    "data=journal",
    "delalloc",
    "nodelalloc",
    "journal_checksum",
    "nojournal_checksum",
    "commit=*",
    "stripe=*",
    "quota",
    "noquota",
    "usrquota",
    "grpquota",
    "usrjquota=*",
    "grpjquota=*",
    "jqfmt=*",
];
/// Of XFS. `norecovery` would read less; `largeio` changes the preferred size of an access; quotas of projects change what a
/// directory shows as free.
const XFS: &[&str] = &[
    "allocsize=*",
    "attr2",
    "noattr2",
    "discard",
    "nodiscard",
    "filestreams",
    "grpid",
    "bsdgroups",
    "nogrpid",
    "sysvgroups",
    "ikeep",
    "noikeep",
    "inode32",
    "inode64",
    "nolargeio",
    "logbufs=*",
    "logbsize=*",
    "noalign",
    "nouuid",
    "swalloc",
    "wsync",
    "quota",
    "noquota",
    "usrquota",
    "uquota",
    "uqnoenforce",
    "qnoenforce",
    "grpquota",
    "gquota",
    "gqnoenforce",
];
/// Of btrfs, beside those that choose a subvolume. All devices that are there are looked at, so that `device` adds none; one
/// that is missing is refused, `degraded` or not. `nologreplay` and `rescue` would read something else.
const BTRFS: &[&str] = &[
    "acl",
    "autodefrag",
    "noautodefrag",
    "barrier",
    "nobarrier",
    "commit=*",
    "compress",
    "compress=*",
    "compress-force",
    "compress-force=*",
    "datacow",
    "nodatacow",
    "datasum",
    "nodatasum",
    "degraded",
    "device=*",
    "discard",
    "nodiscard",
    "discard=sync",
    "discard=async",
    "enospc_debug",
    "noenospc_debug",
    "flushoncommit",
    "noflushoncommit",
    "inode_cache",
    "noinode_cache",
    "max_inline=*",
    "metadata_ratio=*",
    "skip_balance",
    "space_cache",
    "nospace_cache",
    "space_cache=v1",
    "space_cache=v2",
    "ssd",
    "nossd",
    "ssd_spread",
    "nossd_spread",
    "thread_pool=*",
    "treelog",
    "notreelog",
    "user_subvol_rm_allowed",
];
/// Of FAT: what only matters for writing. Who owns the files, their modes and the way of their names are options too, and
/// others than the defaults are not here.
const FAT: &[&str] = &[
    "discard",
    "nodiscard",
    "errors=remount-ro",
    "errors=continue",
    "errors=panic",
    "flush",
    "quiet",
    "uid=0",
    "gid=0",
    "umask=0022",
    "umask=022",
    "fmask=0022",
    "fmask=022",
    "dmask=0022",
    "dmask=022",
];
/// Of NTFS by ntfs-3g: its defaults, and what only matters for writing. What shows other names, streams or owners is not here.
const NTFS: &[&str] = &[
    "allow_other",
    "big_writes",
    "compression",
    "nocompression",
    "gid=0",
    "hide_dot_files",
    "recover",
    "streams_interface=xattr",
    "uid=0",
    "windows_names",
];

/// The table of a filesystem.
fn of_filesystem(kind: &str) -> &'static [&'static str] {
    match kind {
        "ext2" | "ext3" | "ext4" => EXT,
        "xfs" => XFS,
        "btrfs" => BTRFS,
        "vfat" | "exfat" => FAT,
        "ntfs" => NTFS,
        _ => &[],
    }
}

/// What options ask for, once they were checked.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Options<'a> {
    /// Path of the subvolume.
    subvolume: Option<&'a [u8]>,
    /// Number of the subvolume.
    subvolume_id: Option<u64>,
}

impl<'a> Options<'a> {
    /// Reads the options of a mount of a filesystem of that kind. `device` is for the words of a refusal.
    pub(super) fn parse(
        options: &'a BStr,
        kind: &str,
        device: &BStr,
        read_only_drive: bool,
    ) -> Result<Options<'a>> {
        let mut writable = true;
        let mut parsed = Options::default();
        for option in options.split_str(b",") {
            match option {
                b"ro" => writable = false,
                b"rw" => writable = true,
                _ => {}
            }
            if kind == "btrfs" {
                if let Some(path) = option.strip_prefix(b"subvol=") {
                    // Without a path, the kernel takes the default one.
                    parsed.subvolume = Some(path).filter(|path| !path.is_empty());
                    continue;
                }
                if let Some(id) = option.strip_prefix(b"subvolid=") {
                    parsed.subvolume_id = Some(number(id).ok_or_else(|| wrong_filesystem(device))?);
                    continue;
                }
            }
            // Options that begin with `x-` are comments to the kernel, as mount(8) has it.
            let known = |table: &[&str]| table.iter().any(|known| fits(known, option));
            if !known(GENERAL) && !known(of_filesystem(kind)) && !option.starts_with(b"x-") {
                return Err(Failure::NeedsAppliance(format!("mount option {}", option.as_bstr())));
            }
        }
        if writable && !read_only_drive {
            return Err(Failure::NeedsAppliance("mount for writing".into()));
        }
        Ok(parsed)
    }

    /// Takes the subvolume that a mountable names, as the original does: before all other options.
    pub(super) fn within(mut self, volume: &'a [u8]) -> Self {
        self.subvolume.get_or_insert(volume);
        self
    }

    /// The directory that is mounted.
    pub(super) fn root(&self, fs: &dyn Filesystem, device: &BStr) -> Result<InodeId> {
        let find = |name| fs.subvolume_root(name).map_err(|e| Failure::disk(device, e));
        let refused = |failure| match failure {
            Failure::Os(Errno::EINVAL) => wrong_filesystem(device),
            Failure::Os(errno) => mount_failed(errno),
            other => other,
        };
        match (self.subvolume, self.subvolume_id) {
            (None, None) => Ok(fs.root()),
            (Some(path), None) => find(SubvolumeName::Path(path)).map_err(refused),
            (None, Some(id)) => find(SubvolumeName::Id(id)).map_err(refused),
            (Some(path), Some(id)) => {
                let root = find(SubvolumeName::Path(path)).map_err(refused)?;
                if find(SubvolumeName::Id(id)).map_err(refused)? != root {
                    return Err(wrong_filesystem(device));
                }
                Ok(root)
            }
        }
    }
}

/// Is `option` the known one, or begins as that does up to its star?
fn fits(known: &str, option: &[u8]) -> bool {
    match known.strip_suffix('*') {
        Some(start) => option.starts_with(start.as_bytes()),
        None => option == known.as_bytes(),
    }
}

/// A number as the kernel reads one: decimal, hexadecimal after `0x`, octal after `0`.
fn number(text: &[u8]) -> Option<u64> {
    let text = text.to_str().ok()?;
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // from_str_radix would take a sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(options: &'a str, kind: &str) -> Result<Options<'a>> {
        Options::parse(BStr::new(options), kind, BStr::new("/dev/sda1"), false)
    }

    #[test]
    fn harmless_options_are_those_of_the_filesystem() {
        for (options, kind) in [
            ("ro", "squashfs"),
            ("ro,defaults,noatime,x-systemd.requires=/boot,nodev", "iso9660"),
            ("rw,errors=remount-ro,commit=5,ro", "ext3"),
            ("ro,nouuid,inode64,logbsize=32k,uquota", "xfs"),
            ("ro,compress=zstd:1,ssd,space_cache=v2,discard=async", "btrfs"),
            ("ro,umask=0022,flush", "vfat"),
            ("ro,recover,streams_interface=xattr", "ntfs"),
        ] {
            assert_eq!(parse(options, kind).unwrap(), Options::default(), "{options}");
        }
        for (options, kind, what) in [
            ("", "ext4", "mount for writing"),
            ("ro,rw", "ext4", "mount for writing"),
            ("ro,noload", "ext4", "noload"),
            ("ro,nouuid", "ext4", "nouuid"),
            ("ro,norecovery", "xfs", "norecovery"),
            ("ro,largeio", "xfs", "largeio"),
            ("ro,pquota", "xfs", "pquota"),
            ("ro,nologreplay", "btrfs", "nologreplay"),
            ("ro,rescue=all", "btrfs", "rescue=all"),
            ("ro,subvol=x", "xfs", "subvol=x"),
            ("ro,umask=0077", "vfat", "umask=0077"),
            ("ro,context=x", "ext4", "context=x"),
            ("ro,show_sys_files", "ntfs", "show_sys_files"),
        ] {
            match parse(options, kind) {
                Err(Failure::NeedsAppliance(why)) => assert!(why.ends_with(what), "{options}: {why}"),
                other => panic!("{options}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_last_subvolume_counts() {
        for (options, path, id) in [
            ("ro,subvol=a,subvol=/b/c", Some("/b/c"), None),
            ("subvolid=5,ro,subvolid=0x101", None, Some(0x101)),
            ("ro,subvol=,subvolid=010", None, Some(8)),
            ("ro,subvolid=0", None, Some(0)),
        ] {
            let expected = Options { subvolume: path.map(str::as_bytes), subvolume_id: id };
            assert_eq!(parse(options, "btrfs").unwrap(), expected, "{options}");
        }
        for options in ["ro,subvolid=", "ro,subvolid=x", "ro,subvolid=-1", "ro,subvolid=+1", "ro,subvolid=09"]
        {
            assert!(matches!(parse(options, "btrfs"), Err(Failure::Text(..))), "{options}");
        }
    }
}
