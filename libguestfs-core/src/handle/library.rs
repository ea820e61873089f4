//! Calls that the library makes out of the daemon's, as in libguestfs: whole files in memory, lists split into
//! messages, names decoded from streams.

use bstr::{BString, ByteSlice};

use crate::api::{Dirent, MOUNTABLE_BTRFSVOL, Stat, Statns, Xattr};
use crate::wire::xdr::Reader;
use crate::{Error, ErrorKind, Guestfs, Result, inspect};

/// Most names that one call carries (lib/file.c).
const NAMES_PER_CALL: usize = 1000;

impl Guestfs {
    /// The content of a file.
    ///
    /// # Errors
    /// As [`download`](Guestfs::download).
    pub fn read_file(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.download(path, &mut content)?;
        Ok(content)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// As [`download`](Guestfs::download).
    pub fn cat(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        self.read_file(path)
    }

    /// The lines of a file, without their ends (LF or CR LF).
    ///
    /// # Errors
    /// As [`download`](Guestfs::download).
    pub fn read_lines(&self, path: impl AsRef<[u8]>) -> Result<Vec<BString>> {
        Ok(self.read_file(path)?.lines().map(BString::from).collect())
    }

    /// The names in a directory, sorted by their bytes, without `.` and `..`.
    ///
    /// # Errors
    /// As [`ls0`](Guestfs::ls0).
    pub fn ls(&self, directory: impl AsRef<[u8]>) -> Result<Vec<BString>> {
        let mut stream = Vec::new();
        self.ls0(directory, &mut stream)?;
        Ok(sorted_names(&stream))
    }

    /// All paths below a directory, relative to it, sorted by their bytes.
    ///
    /// # Errors
    /// As [`find0`](Guestfs::find0).
    pub fn find(&self, directory: impl AsRef<[u8]>) -> Result<Vec<BString>> {
        let mut stream = Vec::new();
        self.find0(directory, &mut stream)?;
        Ok(sorted_names(&stream))
    }

    /// The entries of a directory, `.` and `..` included, in the filesystem's order.
    ///
    /// # Errors
    /// As [`internal_readdir`](Guestfs::internal_readdir).
    pub fn readdir(&self, directory: impl AsRef<[u8]>) -> Result<Vec<Dirent>> {
        let mut stream = Vec::new();
        self.internal_readdir(directory, &mut stream)?;
        let mut input = Reader::new(&stream);
        let mut entries = Vec::new();
        while input.remaining() > 0 {
            entries.push(input.value().map_err(|e| Error::protocol(format!("readdir: {e}")))?);
        }
        Ok(entries)
    }

    /// What stat(2) shows, with times in seconds.
    ///
    /// # Errors
    /// As [`statns`](Guestfs::statns).
    pub fn stat(&self, path: impl AsRef<[u8]>) -> Result<Stat> {
        self.statns(path).map(seconds_only)
    }

    /// What lstat(2) shows, with times in seconds.
    ///
    /// # Errors
    /// As [`lstatns`](Guestfs::lstatns).
    pub fn lstat(&self, path: impl AsRef<[u8]>) -> Result<Stat> {
        self.lstatns(path).map(seconds_only)
    }

    /// `lstatns` of many names in one directory, in their order; `st_ino` is -1 for what can't be read.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn lstatnslist(
        &self,
        directory: impl AsRef<[u8]>,
        names: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Statns>> {
        let directory = directory.as_ref();
        let mut all = Vec::new();
        for part in names.chunks(NAMES_PER_CALL) {
            all.extend(self.internal_lstatnslist(directory, part)?);
        }
        Ok(all)
    }

    /// `readlink` of many names in one directory, in their order; empty for what is not a symbolic link.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn readlinklist(
        &self,
        directory: impl AsRef<[u8]>,
        names: &[impl AsRef<[u8]>],
    ) -> Result<Vec<BString>> {
        let directory = directory.as_ref();
        let mut all = Vec::new();
        for part in names.chunks(NAMES_PER_CALL) {
            all.extend(self.internal_readlinklist(directory, part)?);
        }
        Ok(all)
    }

    /// Extended attributes of many names in one directory, in the form of
    /// [`internal_lxattrlist`](Guestfs::internal_lxattrlist).
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn lxattrlist(&self, directory: impl AsRef<[u8]>, names: &[impl AsRef<[u8]>]) -> Result<Vec<Xattr>> {
        let directory = directory.as_ref();
        let mut all = Vec::new();
        for part in names.chunks(NAMES_PER_CALL) {
            all.extend(self.internal_lxattrlist(directory, part)?);
        }
        Ok(all)
    }

    /// The ID by which libosinfo knows the operating system on `root`, or `unknown`.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type).
    pub fn inspect_get_osinfo(&self, root: impl AsRef<[u8]>) -> Result<BString> {
        let root = root.as_ref();
        let os_type = self.inspect_get_type(root)?;
        let distro = self.inspect_get_distro(root)?;
        let (major, minor) = (self.inspect_get_major_version(root)?, self.inspect_get_minor_version(root)?);
        if os_type == "windows" {
            let product = self.inspect_get_product_name(root)?;
            let variant = self.inspect_get_product_variant(root)?;
            let build = self.inspect_get_build_id(root)?;
            let [product, variant, build] = [&product, &variant, &build].map(|text| text.as_bstr());
            return Ok(inspect::osinfo_of_windows(major, minor, product, variant, build));
        }
        Ok(inspect::osinfo(os_type.as_bstr(), distro.as_bstr(), major, minor))
    }

    /// What inspection passed over or doubts, and why; nothing if the daemon is one of libguestfs, which does not say.
    ///
    /// # Errors
    /// If inspection was not made, or the daemon fails.
    pub fn inspect_notes(&self) -> Result<Vec<BString>> {
        own(self.internal_inspect_notes(), Vec::new)
    }

    /// What inspection could not read though it may hold a system or a part of one, and why, a sentence each that begins with
    /// the device; nothing if the daemon is one of libguestfs, which does not say.
    ///
    /// # Errors
    /// If inspection was not made, or the daemon fails.
    pub fn inspect_unread(&self) -> Result<Vec<BString>> {
        own(self.internal_inspect_unread(), Vec::new)
    }

    /// What may be stale in what is mounted, because its filesystem was not left clean, a sentence each; nothing if the
    /// daemon is one of libguestfs, which does not say.
    ///
    /// # Errors
    /// If the daemon fails.
    pub fn mount_warnings(&self) -> Result<Vec<BString>> {
        own(self.internal_mount_warnings(), Vec::new)
    }

    /// Mountables of the snapshots of `root`; none if the daemon is one of libguestfs, which has them among the roots.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type).
    pub fn inspect_snapshots(&self, root: impl AsRef<[u8]>) -> Result<Vec<BString>> {
        own(self.internal_inspect_snapshots(root), Vec::new)
    }

    /// The directory of its filesystem that the system on `root` runs as its `/`: `/` itself, but for ostree.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type).
    pub fn inspect_deployment(&self, root: impl AsRef<[u8]>) -> Result<BString> {
        own(self.internal_inspect_deployment(root), || "/".into())
    }

    /// The device of a mountable.
    ///
    /// # Errors
    /// As [`internal_parse_mountable`](Guestfs::internal_parse_mountable).
    pub fn mountable_device(&self, mountable: impl AsRef<[u8]>) -> Result<BString> {
        Ok(self.internal_parse_mountable(mountable)?.im_device)
    }

    /// The path of the subvolume that a mountable names.
    ///
    /// # Errors
    /// `EINVAL` if it names none, and as [`internal_parse_mountable`](Guestfs::internal_parse_mountable).
    pub fn mountable_subvolume(&self, mountable: impl AsRef<[u8]>) -> Result<BString> {
        let parsed = self.internal_parse_mountable(mountable)?;
        if parsed.im_type != MOUNTABLE_BTRFSVOL {
            return Err(Error::usage("not a btrfs subvolume identifier"));
        }
        Ok(parsed.im_volume)
    }

    /// The name that users know a device by: `/dev/sda1` for `/dev/vda1`, `/dev/VG/LV` for `/dev/mapper/VG-LV`.
    ///
    /// # Errors
    /// Never so far: an unknown name is returned as it is.
    pub fn canonical_device_name(&self, device: impl AsRef<[u8]>) -> Result<BString> {
        let device = device.as_ref();
        if device.starts_with(b"/dev/mapper/") || device.starts_with(b"/dev/dm-") {
            return Ok(self.lvm_canonical_lv_name(device).unwrap_or_else(|_| device.into()));
        }
        Ok(disk_name(device).map_or_else(|| device.into(), |rest| [b"/dev/sd", rest].concat().into()))
    }
}

/// What follows `d` in `/dev/hdX`, `/dev/vdX`, `/dev/xvdX`…
fn disk_name(device: &[u8]) -> Option<&[u8]> {
    let name = device.strip_prefix(b"/dev/")?;
    let d = name.find_byte(b'd')?;
    let (letters, rest) = (name.get(..d)?, name.get(d.checked_add(1)?..)?);
    let plain = (1..=2).contains(&letters.len())
        && letters.iter().all(u8::is_ascii_lowercase)
        && !letters.starts_with(b"m");
    (plain && !rest.is_empty() && !rest.contains(&b'/')).then_some(rest)
}

fn sorted_names(stream: &[u8]) -> Vec<BString> {
    let mut names: Vec<BString> =
        stream.split(|&b| b == 0).filter(|n| !n.is_empty()).map(BString::from).collect();
    names.sort_unstable();
    names
}

fn seconds_only(s: Statns) -> Stat {
    Stat {
        dev: s.st_dev,
        ino: s.st_ino,
        mode: s.st_mode,
        nlink: s.st_nlink,
        uid: s.st_uid,
        gid: s.st_gid,
        rdev: s.st_rdev,
        size: s.st_size,
        blksize: s.st_blksize,
        blocks: s.st_blocks,
        atime: s.st_atime_sec,
        mtime: s.st_mtime_sec,
        ctime: s.st_ctime_sec,
    }
}

/// The answer to a call of our own, or `without` where a daemon of libguestfs does not know it.
fn own<T>(answer: Result<T>, without: impl FnOnce() -> T) -> Result<T> {
    match answer {
        Err(e) if e.kind() == ErrorKind::Daemon && e.message().contains("unknown procedure number") => {
            Ok(without())
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_other_buses_get_the_name_of_sd() {
        for (device, rest) in [
            ("/dev/vda1", Some("a1")),
            ("/dev/xvdb", Some("b")),
            ("/dev/sda", Some("a")),
            ("/dev/md0", None),
            ("/dev/mapper/x", None),
            ("/dev/vg/lv", None),
        ] {
            assert_eq!(disk_name(device.as_bytes()), rest.map(str::as_bytes), "{device}");
        }
    }

    #[test]
    fn names_are_split_at_nul_and_sorted_by_bytes() {
        assert_eq!(
            sorted_names(b"b\0A\0a\nc\0\xff\0"),
            ["A".into(), "a\nc".into(), "b".into(), BString::from(b"\xff")]
        );
        assert!(sorted_names(b"").is_empty());
    }
}
