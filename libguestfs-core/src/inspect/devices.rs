//! From the names by which a guest calls its devices to the names that they have here.
//!
//! What cannot be found out is returned as the guest writes it, as the original does: the mount then fails by name.

use bstr::{BStr, BString, ByteSlice};

use super::fstab::{Entry, crypttab, fstab, mdadm};
use super::guest::{Disks, Files, Guest, Tag};
use super::root::{Mount, OsType};
use super::{discover, units};

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

/// The mounts of `/etc/fstab` in its order, then those of systemd's units, with the devices as they are called here.
/// If neither names any, those that systemd finds by the types of partitions.
///
/// Entries whose device is nothing on these disks (network, memory, a UUID that nothing bears) are left out.
pub(super) fn mounts<G: Guest>(
    guest: &mut G,
    disks: &Disks,
    files: &mut Files<G::Tree>,
    root: &BStr,
    os: OsType,
) -> Result<Vec<Mount>, G::Error> {
    let text = files.read("/etc/fstab", CONFIG_MAX)?.unwrap_or_default();
    let units = if os == OsType::Linux { units::mounts(files)? } else { Vec::new() };
    let discovered = if os == OsType::Linux { discover::mounts(disks, files, root)? } else { Vec::new() };
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
    let in_fstab = fstab(&text).map(|entry| (entry, false));
    for (entry, is_unit) in in_fstab.chain(units.into_iter().map(|entry| (entry, true))) {
        let mountpoint = without_final_slashes(entry.file.as_bstr());
        // The first root counts, and fstab counts more than a unit.
        let only_once = is_unit || mountpoint == "/";
        let is_second = only_once && mounts.iter().any(|mount| mount.mountpoint == mountpoint);
        if is_second || is_ignored(entry.spec.as_bstr(), mountpoint) {
            continue;
        }
        if let Some(device) = names.spec(entry.spec.as_bstr())? {
            let mountable = names.mountable(device, &entry)?;
            mounts.push(Mount { mountable, mountpoint: mountpoint.into() });
        }
    }
    Ok(if mounts.is_empty() { discovered } else { mounts })
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
    /// The device itself, or the subvolume of it that the options name.
    fn mountable(&mut self, device: BString, entry: &Entry) -> Result<BString, G::Error> {
        if entry.kind != "btrfs" || device.starts_with(b"btrfsvol:") {
            return Ok(device);
        }
        let id = || decimal(entry.option("subvolid")?).map(u64::from);
        let path = match (entry.option("subvol"), id()) {
            (Some(subvolume), _) => Some(BString::from(subvolume.trim_start_with(|c| c == '/'))),
            (None, Some(id)) => self.guest.subvolume(device.as_bstr(), id)?.filter(|path| !path.is_empty()),
            (None, None) => None,
        };
        Ok(match path {
            Some(path) => BString::from([b"btrfsvol:", device.as_slice(), b"/", &path].concat()),
            None => device,
        })
    }

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
            return self.mapped(name, mapped);
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
        if let Some(id) = name.strip_prefix(b"/dev/disk/by-id/") {
            return self.by_id(id);
        }
        if let Some(path) = name.strip_prefix(b"/dev/disk/by-path/") {
            return Ok(self.partition_of_only_disk(after_last(path, b"-part")));
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

    /// `/dev/mapper/NAME`: an encrypted device that is open, under the name that crypttab gives it or its own, else a
    /// logical volume.
    fn mapped(&mut self, path: &BStr, name: &[u8]) -> Result<Option<BString>, G::Error> {
        let source =
            crypttab(&self.crypttab).find(|&(mapped, _)| mapped == name).map(|(_, source)| source.to_vec());
        if let Some(source) = source {
            return self.opened_from(&source);
        }
        if self.disks.unlocked.iter().any(|unlocked| unlocked.device == path) {
            return Ok(Some(path.into()));
        }
        // What crypttab does not name may be named after its UUID, as systemd and dracut do.
        if let Some(unlocked) = name.strip_prefix(b"luks-").and_then(|uuid| self.unlocked(uuid)) {
            return Ok(Some(unlocked));
        }
        let volumes = &self.disks.logical_volumes;
        let volume = volumes.iter().find(|volume| dm_name(&volume.group, &volume.name) == name);
        Ok(volume.map(|volume| volume.device.clone()))
    }

    /// What is open of the encrypted device that crypttab calls `source`: by its UUID, or by any name that a filesystem
    /// could have in fstab.
    fn opened_from(&mut self, source: &[u8]) -> Result<Option<BString>, G::Error> {
        if let Some(uuid) = source.strip_prefix(b"UUID=") {
            return Ok(self.unlocked(unquoted(uuid)));
        }
        // A name in /dev/mapper is that of a logical volume: crypttab's own lines must not lead in a circle.
        let encrypted = match source.strip_prefix(b"/dev/mapper/") {
            Some(name) => {
                let volumes = &self.disks.logical_volumes;
                volumes.iter().find(|lv| dm_name(&lv.group, &lv.name) == name).map(|lv| lv.device.clone())
            }
            None if source.starts_with(b"/dev/disk/by-id/dm-name-") => None,
            None => self.spec(source.as_bstr())?,
        };
        let opened = self.disks.unlocked.iter().find(|open| Some(&open.encrypted) == encrypted.as_ref());
        Ok(opened.map(|open| open.device.clone()))
    }

    /// The open device whose encrypted one has this UUID.
    fn unlocked(&self, uuid: &[u8]) -> Option<BString> {
        let mut open = self.disks.unlocked.iter();
        open.find(|open| same_uuid(&open.uuid, uuid)).map(|open| open.device.clone())
    }

    /// `/dev/disk/by-id/ID`: by what udev makes such names of.
    fn by_id(&mut self, id: &[u8]) -> Result<Option<BString>, G::Error> {
        if let Some(uuids) = id.strip_prefix(b"dm-uuid-LVM-") {
            return Ok(self.volume_by_uuids(uuids));
        }
        if let Some(mapped) = id.strip_prefix(b"dm-name-") {
            let name = udev_unescape(mapped);
            let path = BString::from([b"/dev/mapper/", name.as_slice()].concat());
            return self.mapped(path.as_bstr(), &name);
        }
        if let Some(container) = id.strip_prefix(b"dm-uuid-CRYPT-") {
            // LUKS1-UUID-NAME, the UUID without dashes.
            let uuid = container.split(|&byte| byte == b'-').nth(1);
            return Ok(uuid.and_then(|uuid| self.unlocked(uuid)));
        }
        if let Some(uuid) = id.strip_prefix(b"md-uuid-") {
            return Ok(self.array_by_uuid(uuid));
        }
        if let Some(name) = id.strip_prefix(b"md-name-") {
            let name = udev_unescape(name);
            let mut arrays = self.disks.arrays.iter();
            return Ok(arrays.find(|array| array.name == name).map(|array| array.device.clone()));
        }
        Ok(self.partition_of_only_disk(after_last(id, b"-part")))
    }

    /// Two UUIDs of 32 characters each: of the volume group, of the volume.
    fn volume_by_uuids(&self, uuids: &[u8]) -> Option<BString> {
        let (group, volume) = uuids.split_at_checked(32)?;
        let same = |uuid: &BString, plain: &[u8]| uuid.iter().filter(|&&byte| byte != b'-').eq(plain);
        let mut volumes = self.disks.logical_volumes.iter();
        volumes.find(|lv| same(&lv.group_uuid, group) && same(&lv.uuid, volume)).map(|lv| lv.device.clone())
    }

    /// `/dev/mdN` or `/dev/md/NAME` by what mdadm.conf says of it, `/dev/md/NAME` also by the name that the array has.
    fn array(&self, name: &BStr) -> Option<BString> {
        if let Some((_, uuid)) = mdadm(&self.mdadm).find(|&(device, _)| device == name.as_bytes()) {
            return self.array_by_uuid(uuid);
        }
        let name = name.strip_prefix(b"/dev/md/").filter(|name| !name.is_empty())?;
        let is_named = |full: &BString| full == name || after_last(full, b":") == Some(name);
        self.disks.arrays.iter().find(|array| is_named(&array.name)).map(|array| array.device.clone())
    }

    fn array_by_uuid(&self, uuid: &[u8]) -> Option<BString> {
        let mut arrays = self.disks.arrays.iter();
        arrays.find(|array| same_uuid(&array.uuid, uuid)).map(|array| array.device.clone())
    }

    /// `/dev/sdXN`, `hd`, `vd`, `xvd`: by the order of the disks. With one disk, also names that do not say which of
    /// several it is: NVMe, MMC, and the arrays of old Smart Array controllers.
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
        if ["nvme", "mmcblk", "cciss/", "ida/"].iter().any(|kind| name.starts_with(kind.as_bytes())) {
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

/// Are these the same UUID, however they are punctuated?
fn same_uuid(a: &[u8], b: &[u8]) -> bool {
    let digits = |uuid: &[u8]| -> Vec<u8> {
        uuid.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
    };
    digits(a) == digits(b)
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
