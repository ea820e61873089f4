//! From the names by which a guest calls its devices to the names that they have here.
//!
//! What cannot be found out is returned as the guest writes it, as the original does: the mount then fails by name.

use bstr::{BStr, BString, ByteSlice};

use super::fstab::{Entry, crypttab, fstab, mdadm};
use super::guest::{Disks, Files, Guest, Identified, Tag};
use super::root::{Mount, OsType};

/// Longest configuration file in bytes that is parsed (the original's limit).
const CONFIG_MAX: usize = 100_000;

/// Devices that hold no part of the system: floppy and compact disks. `*` at the end stands for anything.
static IGNORED_SPECS: &[&str] = &["/dev/floppy", "/dev/cdrom", "/dev/iso9660/*"];
/// The same with a number at the end, which may be missing.
static IGNORED_NUMBERED: &[&str] = &["/dev/fd", "/dev/cd"];
/// Mount points of what is not on a disk, or changes.
static IGNORED_MOUNTPOINTS: &[&str] =
    &["/dev", "/dev/*", "/media/*", "/proc", "/proc/*", "/selinux", "/selinux/*", "/sys", "/sys/*"];

/// Disks by one letter, as FreeBSD's `ada0` to `ada25`.
const LETTERS: u32 = 26;

/// One installation, for which names are translated.
struct Names<'a, G> {
    guest: &'a mut G,
    disks: &'a Disks,
    root: &'a BStr,
    os: OsType,
    crypttab: Vec<u8>,
    mdadm: Vec<u8>,
}

/// The mounts of `/etc/fstab` in its order, with the devices as they are called here.
///
/// Entries whose device is nothing on these disks (network, memory, a UUID that nothing bears) are left out.
pub(super) fn mounts<G: Guest>(
    guest: &mut G,
    disks: &Disks,
    files: &mut Files<G::Tree>,
    root: &BStr,
    os: OsType,
) -> Result<Vec<Mount>, G::Error> {
    let Some(text) = files.read("/etc/fstab", CONFIG_MAX)? else { return Ok(Vec::new()) };
    let mut config = |paths: &[&str]| -> Result<Vec<u8>, G::Error> {
        for path in paths {
            if let Some(text) = files.read(path, CONFIG_MAX)? {
                return Ok(text);
            }
        }
        Ok(Vec::new())
    };
    let crypttab = config(&["/etc/crypttab"])?;
    let mdadm = config(&["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"])?;
    let mut names = Names { guest, disks, root, os, crypttab, mdadm };
    let mut mounts: Vec<Mount> = Vec::new();
    for entry in fstab(&text) {
        let mountpoint = without_final_slashes(entry.file.as_bstr());
        let second_root = mountpoint == "/" && mounts.iter().any(|mount| mount.mountpoint == "/");
        if second_root || is_ignored(entry.spec.as_bstr(), mountpoint) {
            continue;
        }
        if let Some(device) = names.spec(entry.spec.as_bstr())? {
            mounts.push(Mount { mountable: mountable(device, &entry), mountpoint: mountpoint.into() });
        }
    }
    Ok(mounts)
}

/// The device itself, or the subvolume of it that the options name.
fn mountable(device: BString, entry: &Entry) -> BString {
    match entry.option("subvol") {
        Some(subvolume) if entry.kind == "btrfs" && !device.starts_with(b"btrfsvol:") => {
            let subvolume = subvolume.trim_start_with(|c| c == '/');
            BString::from([b"btrfsvol:", device.as_slice(), b"/", subvolume].concat())
        }
        _ => device,
    }
}

fn without_final_slashes(path: &BStr) -> &BStr {
    let trimmed = path.trim_end_with(|c| c == '/').as_bstr();
    if trimmed.is_empty() { path.get(..1).unwrap_or_default().as_bstr() } else { trimmed }
}

fn is_ignored(spec: &BStr, mountpoint: &BStr) -> bool {
    let any = |patterns: &[&str], text: &BStr| {
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix.as_bytes()),
            None => text == pattern,
        })
    };
    let numbered = |prefix: &&str| {
        spec.strip_prefix(prefix.as_bytes()).is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
    };
    any(IGNORED_SPECS, spec) || IGNORED_NUMBERED.iter().any(numbered) || any(IGNORED_MOUNTPOINTS, mountpoint)
}

impl<G: Guest> Names<'_, G> {
    /// The device that a first field of fstab names, or `None` if that is nothing on these disks.
    fn spec(&mut self, spec: &BStr) -> Result<Option<BString>, G::Error> {
        for (start, tag) in [
            ("UUID=", Tag::Uuid),
            ("LABEL=", Tag::Label),
            ("PARTUUID=", Tag::PartUuid),
            ("PARTLABEL=", Tag::PartLabel),
        ] {
            if let Some(value) = spec.strip_prefix(start.as_bytes()) {
                return self.guest.find(tag, unquoted(value));
            }
        }
        let bsd = matches!(self.os, OsType::FreeBsd | OsType::NetBsd | OsType::OpenBsd);
        if spec == "/dev/root" || (bsd && spec == "/") {
            return Ok(Some(self.root.into()));
        }
        if spec.starts_with(b"/dev/") {
            return Ok(Some(self.device(spec)?.unwrap_or_else(|| spec.into())));
        }
        if let (OsType::OpenBsd, Some(letter)) = (self.os, disklabel_letter(spec)) {
            let name = BString::from([b"/dev/sd0".as_slice(), &[letter]].concat());
            return Ok(Some(self.device(name.as_bstr())?.unwrap_or(name)));
        }
        Ok(None)
    }

    /// The device here that the guest calls `name`, if that can be found out.
    fn device(&mut self, name: &BStr) -> Result<Option<BString>, G::Error> {
        if let Some(mapped) = name.strip_prefix(b"/dev/mapper/") {
            return Ok(self.mapped(mapped));
        }
        for (start, tag) in [
            ("/dev/disk/by-uuid/", Tag::Uuid),
            ("/dev/disk/by-label/", Tag::Label),
            ("/dev/disk/by-partuuid/", Tag::PartUuid),
            ("/dev/disk/by-partlabel/", Tag::PartLabel),
        ] {
            if let Some(value) = name.strip_prefix(start.as_bytes()) {
                return self.guest.find(tag, udev_unescape(value).as_bstr());
            }
        }
        if let Some(uuids) = name.strip_prefix(b"/dev/disk/by-id/dm-uuid-LVM-") {
            return Ok(self.volume_by_uuids(uuids));
        }
        if let Some(id) =
            name.strip_prefix(b"/dev/disk/by-id/").or_else(|| name.strip_prefix(b"/dev/disk/by-path/"))
        {
            return Ok(self.partition_of_only_disk(after_last(id, b"-part")));
        }
        if let Some(array) = self.array(name) {
            return Ok(Some(array));
        }
        Ok(match self.os {
            OsType::FreeBsd => self.freebsd(name),
            OsType::NetBsd => self.disklabel(name, &["ld", "sd"], b'd', 2),
            OsType::OpenBsd => self.disklabel(name, &["sd", "wd"], b'c', 1),
            OsType::Hurd => self.hurd(name),
            _ => None,
        }
        .or_else(|| self.linux(name)))
    }

    /// `/dev/mapper/NAME`: an opened LUKS container, else a logical volume.
    fn mapped(&self, name: &[u8]) -> Option<BString> {
        if let Some((_, device)) = crypttab(&self.crypttab).find(|&(mapped, _)| mapped == name) {
            return identified(&self.disks.unlocked, unquoted(device.strip_prefix(b"UUID=")?));
        }
        let volumes = &self.disks.logical_volumes;
        volumes
            .iter()
            .find(|volume| dm_name(&volume.group, &volume.name) == name)
            .map(|volume| volume.device.clone())
    }

    /// Two UUIDs of 32 characters each: of the volume group, of the volume.
    fn volume_by_uuids(&self, uuids: &[u8]) -> Option<BString> {
        let (group, volume) = uuids.split_at_checked(32)?;
        let same = |uuid: &BString, plain: &[u8]| uuid.iter().filter(|&&byte| byte != b'-').eq(plain);
        let mut volumes = self.disks.logical_volumes.iter();
        volumes.find(|lv| same(&lv.group_uuid, group) && same(&lv.uuid, volume)).map(|lv| lv.device.clone())
    }

    /// `/dev/mdN` or `/dev/md/NAME` by what mdadm.conf says of it.
    fn array(&self, name: &BStr) -> Option<BString> {
        let (_, uuid) = mdadm(&self.mdadm).find(|&(device, _)| device == name.as_bytes())?;
        identified(&self.disks.arrays, uuid)
    }

    /// `/dev/sdXN`, `hd`, `vd`, `xvd`: by the order of the disks. With one disk, also names that do not say which of
    /// several it is: NVMe and MMC.
    fn linux(&self, name: &BStr) -> Option<BString> {
        let name = name.strip_prefix(b"/dev/")?;
        for kind in ["sd", "hd", "vd", "xvd"] {
            let Some(rest) = name.strip_prefix(kind.as_bytes()) else { continue };
            let letters = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            let (letters, number) = rest.split_at_checked(letters)?;
            let disk = self.disks.devices.get(disk_index(letters)?)?;
            return if number.is_empty() {
                Some(disk.clone())
            } else {
                self.partition(disk, decimal(number)?)
            };
        }
        if name.starts_with(b"nvme") || name.starts_with(b"mmcblk") {
            return self.partition_of_only_disk(after_last(name, b"p"));
        }
        None
    }

    /// `/dev/ada0p2` (GPT), `/dev/ada0s1a` (the slice of an MBR, with a disk label in it).
    fn freebsd(&self, name: &BStr) -> Option<BString> {
        let name = name.strip_prefix(b"/dev/")?;
        let rest = ["ada", "ad", "da", "vtbd"].iter().find_map(|kind| name.strip_prefix(kind.as_bytes()))?;
        let (disk, rest) = number(rest)?;
        let disk = self.disks.devices.get(usize::try_from(disk).ok().filter(|_| disk < LETTERS)?)?;
        if let Some(partition) = rest.strip_prefix(b"p") {
            return self.partition(disk, decimal(partition)?);
        }
        match number(rest.strip_prefix(b"s")?)? {
            (1, &[letter]) => self.labelled(disk, letter, b'c', 1),
            _ => None,
        }
    }

    /// `/dev/sd0a`: a partition of a BSD disk label. From the letter that stands for the whole disk (`whole`) on,
    /// letters are `skipped` further than the partitions that Linux counts.
    fn disklabel(&self, name: &BStr, kinds: &[&str], whole: u8, skipped: u8) -> Option<BString> {
        let name = name.strip_prefix(b"/dev/")?;
        let &[disk @ b'0'..=b'9', letter] =
            kinds.iter().find_map(|kind| name.strip_prefix(kind.as_bytes()))?
        else {
            return None;
        };
        let disk = self.disks.devices.get(usize::from(disk - b'0'))?;
        self.labelled(disk, letter, whole, skipped)
    }

    /// Linux numbers the partitions of a disk label from 5 on.
    fn labelled(&self, disk: &BString, letter: u8, whole: u8, skipped: u8) -> Option<BString> {
        let shift = if letter > whole { skipped } else { 0 };
        let position = letter.checked_sub(b'a').filter(|&position| position < 26)?.checked_sub(shift)?;
        self.partition(disk, u32::from(position) + 5)
    }

    /// `/dev/hd0s1`, `/dev/sd0s1`.
    fn hurd(&self, name: &BStr) -> Option<BString> {
        let name = name.strip_prefix(b"/dev/")?;
        let rest = ["hd", "sd", "wd"].iter().find_map(|kind| name.strip_prefix(kind.as_bytes()))?;
        let (disk, rest) = number(rest)?;
        let disk = self.disks.devices.get(usize::try_from(disk).ok()?)?;
        if rest.is_empty() {
            return Some(disk.clone());
        }
        self.partition(disk, decimal(rest.strip_prefix(b"s")?)?)
    }

    /// Partition `number` of `disk`, if there is one.
    fn partition(&self, disk: &BString, number: u32) -> Option<BString> {
        // A name that ends in a digit takes a p before the number, as the kernel makes it.
        let separator = if disk.last().is_some_and(u8::is_ascii_digit) { "p" } else { "" };
        let name = BString::from(format!("{disk}{separator}{number}"));
        self.disks.partitions.contains(&name).then_some(name)
    }

    /// A partition of a disk about which nothing else is said.
    fn partition_of_only_disk(&self, number: Option<&[u8]>) -> Option<BString> {
        let [disk] = self.disks.devices.as_slice() else { return None };
        self.partition(disk, decimal(number?)?)
    }
}

/// The device with this UUID, however that is punctuated.
fn identified(devices: &[Identified], uuid: &[u8]) -> Option<BString> {
    let digits = |uuid: &[u8]| -> Vec<u8> {
        uuid.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
    };
    let wanted = digits(uuid);
    devices.iter().find(|device| digits(&device.uuid) == wanted).map(|device| device.device.clone())
}

/// The name of a logical volume under `/dev/mapper`: dashes in the two names are doubled.
fn dm_name(group: &BString, name: &BString) -> Vec<u8> {
    [group.replace("-", "--"), name.replace("-", "--")].join(&b'-')
}

/// Letters as the kernel counts disks: a, b … z, aa, ab …
fn disk_index(letters: &[u8]) -> Option<usize> {
    let mut index: usize = 0;
    for letter in letters {
        index = index.checked_mul(26)?.checked_add(usize::from(letter.checked_sub(b'a')?) + 1)?;
    }
    index.checked_sub(1)
}

/// A text that is a decimal number.
fn decimal(text: &[u8]) -> Option<u32> {
    match number(text)? {
        (number, []) => Some(number),
        _ => None,
    }
}

/// The decimal number at the start of a text, and what follows.
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    Some((digits.to_str().ok()?.parse().ok()?, rest))
}

/// What follows the last `mark` in a text.
fn after_last<'t>(text: &'t [u8], mark: &[u8]) -> Option<&'t [u8]> {
    text.get(text.rfind(mark)? + mark.len()..)
}

/// The value of a tag without the quotes that it may have.
fn unquoted(value: &[u8]) -> &BStr {
    let inner = [b"\"", b"'"].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(value).as_bstr()
}

/// The letter of an OpenBSD disk label UID, 16 hexadecimal digits, a dot and a letter (fstab(5) there).
fn disklabel_letter(spec: &[u8]) -> Option<u8> {
    let (uid, rest) = spec.split_at_checked(16)?;
    let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match rest {
        &[b'.', letter @ b'a'..=b'z'] if uid.iter().all(hexadecimal) => Some(letter),
        _ => None,
    }
}

/// A name under `/dev/disk` as it was before udev wrote bytes as `\xNN`.
pub fn udev_unescape(name: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        let code = rest.strip_prefix(b"\\x").and_then(|rest| rest.get(..2)?.to_str().ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}
