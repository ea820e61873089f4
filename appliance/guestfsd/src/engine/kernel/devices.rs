//! Which block devices the kernel has, under which names callers know them, and where their nodes are.
//!
//! ```text
//! canonical name        kernel (sysfs)           node
//! /dev/sda              vda, sdb, ubda, loop3…   /dev/vda       the disks of the guest, in the order added
//! /dev/sda1             vda1, loop3p1…           /dev/vda1
//! /dev/md127            md127                    /dev/md127
//! /dev/VG/LV            dm-0 (uuid LVM-…)        /dev/dm-0
//! /dev/mapper/NAME      dm-1                     /dev/dm-1
//! ```
//!
//! Which disks belong to the guest is settled at the start. Everything else is looked up in sysfs each time: it costs
//! some microseconds, and programs change it.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice};
use disk::fs::DeviceNumber;
use libguestfs_core::inspect::Unlocked;
use nix::errno::Errno;

use crate::calls::DEVICE_MAPPER_MAJOR;
use crate::engine::{PartitionDevice, Result, names};
use crate::error::Failure;

/// What the serial numbers of the guest's disks begin with, where our backends number them.
const SERIAL: &[u8] = b"guestfs";

/// A disk of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Name in the kernel: `vda`.
    pub kernel: BString,
    /// The name under `/dev/disk/guestfs` that the caller gave it.
    pub label: Option<BString>,
}

/// The block devices of a machine.
#[derive(Debug)]
pub(super) struct Devices {
    disks: Vec<Disk>,
    /// `/sys`.
    sys: PathBuf,
    /// `/dev`.
    dev: PathBuf,
}

/// A device mapper's device.
#[derive(Debug, PartialEq, Eq)]
struct Mapped {
    /// `dm-0`.
    kernel: BString,
    /// `VG-LV`.
    name: BString,
    is_volume: bool,
}

impl Mapped {
    fn canonical(&self) -> BString {
        let volume = if self.is_volume { split_volume(self.name.as_bstr()) } else { None };
        match volume {
            Some((group, volume)) => names::volume(&group, &volume),
            None => BString::from([b"/dev/mapper/", self.name.as_slice()].concat()),
        }
    }
}

impl Devices {
    pub(super) fn new(disks: Vec<Disk>) -> Self {
        Devices { disks, sys: "/sys".into(), dev: "/dev".into() }
    }

    pub(super) fn disks(&self) -> Vec<BString> {
        (0..self.disks.len()).map(names::disk).collect()
    }

    /// Names in a directory of sysfs; none if there is no such directory.
    fn list(&self, directory: &str) -> Vec<BString> {
        let Ok(entries) = std::fs::read_dir(self.sys.join(directory)) else { return Vec::new() };
        entries.filter_map(|e| Some(BString::from(e.ok()?.file_name().into_vec()))).collect()
    }

    /// A value in sysfs without its line end.
    fn value(&self, kernel: &[u8], name: &str) -> Option<BString> {
        // Within names in sysfs, `!` stands for `/`.
        let directory = kernel.replace("/", "!");
        let path = self.sys.join("class/block").join(OsStr::from_bytes(&directory)).join(name);
        Some(std::fs::read(path).ok()?.trim_ascii_end().into())
    }

    fn number_value<T: std::str::FromStr>(&self, kernel: &[u8], name: &str) -> Option<T> {
        self.value(kernel, name)?.to_str().ok()?.parse().ok()
    }

    fn exists(&self, kernel: &[u8]) -> bool {
        self.value(kernel, "dev").is_some()
    }

    /// The numbers of a device's partitions with their names in the kernel, in order.
    fn children(&self, kernel: &BStr) -> Vec<(u32, BString)> {
        let Ok(name) = kernel.to_str() else { return Vec::new() };
        let numbered = |child: BString| {
            let number = child.starts_with(kernel).then(|| self.number_value(&child, "partition"));
            Some((number.flatten()?, child))
        };
        let mut children: Vec<_> =
            self.list(&format!("class/block/{name}")).into_iter().filter_map(numbered).collect();
        children.sort_unstable();
        children
    }

    pub(super) fn partitions(&self) -> Vec<PartitionDevice> {
        let disks = self.disks.iter().zip(self.disks()).map(|(disk, name)| (disk.kernel.clone(), name));
        let arrays = self.arrays().into_iter().map(|name| (kernel_name(&name), name));
        let mut partitions = Vec::new();
        for (kernel, parent) in disks.chain(arrays) {
            partitions.extend(self.children(kernel.as_bstr()).into_iter().map(|(number, child)| {
                let name = self.name_of_partition(&parent, number, &child);
                PartitionDevice { name, parent: parent.clone(), number }
            }));
        }
        partitions
    }

    /// Partitions of arrays keep the kernel's names.
    fn name_of_partition(&self, parent: &BString, number: u32, child: &BString) -> BString {
        if parent.starts_with(b"/dev/md") { path_of(child) } else { names::partition(parent, number) }
    }

    /// Arrays, in the order of their numbers: `/dev/md0`.
    pub(super) fn arrays(&self) -> Vec<BString> {
        let mut arrays: Vec<BString> = self.list("block").into_iter().filter(|n| is_array(n)).collect();
        arrays.sort_by_key(|name| (name.len(), name.clone()));
        // One that was stopped, or never started, has no size.
        arrays.retain(|name| self.number_value::<u64>(name, "size").is_some_and(|size| size > 0));
        arrays.iter().map(path_of).collect()
    }

    fn mapped(&self) -> Vec<Mapped> {
        let mut found: Vec<BString> =
            self.list("block").into_iter().filter(|name| name.starts_with(b"dm-")).collect();
        found.sort_by_key(|name| (name.len(), name.clone()));
        let describe = |kernel: BString| {
            let name = self.value(&kernel, "dm/name")?;
            let is_volume = self.value(&kernel, "dm/uuid").is_some_and(|uuid| uuid.starts_with(b"LVM-"));
            Some(Mapped { kernel, name, is_volume })
        };
        found.into_iter().filter_map(describe).collect()
    }

    /// The device mapper's devices that are no logical volumes: `/dev/mapper/NAME`.
    pub(super) fn mappings(&self) -> Vec<BString> {
        self.mapped().iter().filter(|mapped| !mapped.is_volume).map(Mapped::canonical).collect()
    }

    /// Encrypted devices that are open. Device-mapper's UUID of one has that of the encrypted device in it:
    /// `CRYPT-LUKS2-0c1d…-NAME` (cryptsetup, `dm_prepare_uuid`).
    pub(super) fn unlocked(&self) -> Vec<Unlocked> {
        let describe = |mapped: &Mapped| {
            let uuid = self.value(&mapped.kernel, "dm/uuid")?;
            let uuid = uuid.strip_prefix(b"CRYPT-")?.splitn_str(3, "-").nth(1)?;
            let below = self.list(&format!("class/block/{}/slaves", mapped.kernel)).into_iter().next()?;
            let encrypted = self.canonical_of(below.as_bstr())?;
            Some(Unlocked { device: mapped.canonical(), uuid: uuid.into(), encrypted })
        };
        self.mapped().iter().filter_map(describe).collect()
    }

    /// Logical volumes that have a device.
    pub(super) fn active_volumes(&self) -> Vec<BString> {
        self.mapped().iter().filter(|mapped| mapped.is_volume).map(Mapped::canonical).collect()
    }

    pub(super) fn labels(&self) -> Vec<(BString, BString)> {
        let mut labels = Vec::new();
        for (disk, name) in self.disks.iter().zip(self.disks()) {
            let Some(label) = &disk.label else { continue };
            labels.push((label.clone(), name.clone()));
            for (number, _) in self.children(disk.kernel.as_bstr()) {
                labels.push((format!("{label}{number}").into(), names::partition(&name, number)));
            }
        }
        labels
    }

    /// The kernel's name of the device that a name denotes, links under `/dev/disk` aside.
    pub(super) fn kernel_of(&self, name: &BStr) -> Option<BString> {
        if let Some((index, number)) = names::parse(name) {
            let disk = &self.disks.get(index)?.kernel;
            return match number {
                None => Some(disk.clone()),
                Some(wanted) => {
                    let children = self.children(disk.as_bstr());
                    children.into_iter().find(|(number, _)| *number == wanted).map(|(_, child)| child)
                }
            };
        }
        let rest = name.strip_prefix(b"/dev/")?;
        if let Some(array) = rest.strip_prefix(b"md/") {
            return self.named_array(array.as_bstr());
        }
        if is_array(rest) || rest.starts_with(b"dm-") {
            let plain = rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
            return (plain && self.exists(rest)).then(|| rest.into());
        }
        if !rest.contains(&b'/') || rest.starts_with(b"disk/") {
            return None;
        }
        let wanted_mapping = rest.strip_prefix(b"mapper/");
        let is_it = |mapped: &Mapped| match wanted_mapping {
            Some(mapping) => mapped.name == mapping,
            None => mapped.is_volume && mapped.canonical() == name,
        };
        self.mapped().into_iter().find(is_it).map(|mapped| mapped.kernel)
    }

    /// mdadm's links: `/dev/md/NAME`.
    fn named_array(&self, name: &BStr) -> Option<BString> {
        if name.contains(&b'/') || name == "." || name == ".." {
            return None;
        }
        let target = std::fs::read_link(self.dev.join("md").join(OsStr::from_bytes(name))).ok()?;
        let kernel: BString = target.file_name()?.as_bytes().into();
        (is_array(&kernel) && self.exists(&kernel)).then_some(kernel)
    }

    /// The name by which callers know a device of the kernel; `None` for those that are not the guest's.
    pub(super) fn canonical_of(&self, kernel: &BStr) -> Option<BString> {
        if let Some(index) = self.disks.iter().position(|disk| disk.kernel == kernel) {
            return Some(names::disk(index));
        }
        if kernel.starts_with(b"dm-") {
            return self.mapped().iter().find(|mapped| mapped.kernel == kernel).map(Mapped::canonical);
        }
        if is_array(kernel) {
            return self.exists(kernel).then(|| path_of(&kernel.to_owned()));
        }
        let number = self.number_value(kernel, "partition")?;
        let index = self.disks.iter().position(|disk| {
            kernel.starts_with(&disk.kernel)
                && self.children(disk.kernel.as_bstr()).iter().any(|c| c.1 == kernel)
        })?;
        Some(names::partition(&names::disk(index), number))
    }

    /// The name by which callers know what a program calls `/dev/vda1` or `/dev/mapper/VG-LV`.
    pub(super) fn canonical_of_node(&self, node: &BStr) -> Option<BString> {
        let rest = node.strip_prefix(b"/dev/")?;
        if rest.starts_with(b"mapper/") || rest.starts_with(b"md/") {
            return self.canonical_of(self.kernel_of(node)?.as_bstr());
        }
        if let Some(known) = self.canonical_of(rest.as_bstr()) {
            return Some(known);
        }
        // `/dev/VG/LV` is what lvm prints.
        let by_group = rest.contains(&b'/').then(|| self.kernel_of(node)).flatten()?;
        self.canonical_of(by_group.as_bstr())
    }

    /// The device node of a device of the kernel.
    pub(super) fn node_of(&self, kernel: &BStr) -> PathBuf {
        self.dev.join(OsStr::from_bytes(kernel))
    }

    pub(super) fn is_read_only(&self, kernel: &BStr) -> bool {
        self.value(kernel, "ro").is_some_and(|ro| ro == "1")
    }

    /// Bytes in a sector of the disk that a device is on.
    pub(super) fn sector_size(&self, kernel: &BStr) -> u32 {
        const USUAL: u32 = 512;
        let size = "queue/logical_block_size";
        // A partition's queue is its disk's.
        let own = self.number_value(kernel, size);
        own.or_else(|| self.number_value(kernel, "../queue/logical_block_size")).unwrap_or(USUAL)
    }

    /// Where the kernel has a device's partitions: number, start and length in bytes.
    pub(super) fn seen_partitions(&self, kernel: &BStr) -> Vec<(u32, u64, u64)> {
        /// Unit of these numbers in sysfs, whatever the disk's sectors are (Documentation/ABI/stable/sysfs-block).
        const SECTOR: u64 = 512;
        let bytes = |child: &[u8], name| Some(self.number_value::<u64>(child, name)?.saturating_mul(SECTOR));
        let one =
            |(number, child): (u32, BString)| Some((number, bytes(&child, "start")?, bytes(&child, "size")?));
        self.children(kernel).into_iter().filter_map(one).collect()
    }

    /// The kernel's device of that number.
    fn kernel_of_number(&self, number: DeviceNumber) -> Option<BString> {
        let link = self.sys.join(format!("dev/block/{}:{}", number.major, number.minor));
        Some(std::fs::read_link(link).ok()?.file_name()?.as_bytes().into())
    }

    /// The number that a device has where the disks are SCSI disks, as in the original's appliance. Others are as they are.
    pub(super) fn shown_number(&self, number: DeviceNumber) -> DeviceNumber {
        if number.major == 0 {
            return number;
        }
        let Some(kernel) = self.kernel_of_number(number) else { return number };
        if kernel.starts_with(b"dm-") {
            return DeviceNumber { major: DEVICE_MAPPER_MAJOR, minor: number.minor };
        }
        match self.canonical_of(kernel.as_bstr()).and_then(|name| names::parse(&name)) {
            Some((index, partition)) => names::number(index, partition.unwrap_or(0)),
            None => number,
        }
    }

    /// The whole disks of this machine that are neither put together from others nor the kernel's own (loop, ram),
    /// in the order in which they were plugged in.
    pub(super) fn plugged_in() -> Vec<BString> {
        let this = Devices::new(Vec::new());
        let mut disks: Vec<BString> = this.list("block").into_iter().filter(|name| is_disk(name)).collect();
        disks.retain(|name| this.value(name, "hidden").is_none_or(|hidden| hidden != "1"));
        disks.sort_by_cached_key(|name| (this.position(name.as_bstr()), name.len(), name.clone()));
        disks
    }

    /// Where a disk was plugged in: kernels name disks in the order in which they are found, which may be another. Our
    /// backends number them by serial numbers (`guestfs0`); SCSI disks have addresses (host:channel:target:lun).
    fn position(&self, kernel: &BStr) -> Vec<u32> {
        if let Some(number) =
            self.serial(kernel).and_then(|serial| names::decimal(serial.strip_prefix(SERIAL)?))
        {
            return vec![number];
        }
        let directory = self.sys.join("class/block").join(OsStr::from_bytes(kernel));
        let address = std::fs::read_link(directory.join("device")).ok();
        let address = address.as_deref().and_then(Path::file_name).map(OsStr::as_bytes).unwrap_or_default();
        let parts: Option<Vec<u32>> = address.split_str(":").map(names::decimal).collect();
        parts.unwrap_or_default()
    }

    /// A disk's serial number: of a virtio disk, or in the SCSI page of serial numbers.
    pub(super) fn serial(&self, kernel: &BStr) -> Option<BString> {
        /// Bytes before the text (SPC, unit serial number page).
        const PAGE_HEADER: usize = 4;
        let text = match self.value(kernel, "serial") {
            Some(text) => text,
            None => self.value(kernel, "device/vpd_pg80")?.get(PAGE_HEADER..)?.into(),
        };
        let text = text.trim_with(|c| c == '\0' || c.is_ascii_whitespace());
        (!text.is_empty()).then(|| text.into())
    }
}

/// The kernel's name of a device whose node has the same name.
fn kernel_name(canonical: &BString) -> BString {
    canonical.strip_prefix(b"/dev/").unwrap_or_default().into()
}

fn path_of(kernel: &BString) -> BString {
    BString::from([b"/dev/", kernel.as_slice()].concat())
}

/// `md0`, `md127p1`, `md_d0`.
fn is_array(kernel: &[u8]) -> bool {
    kernel
        .strip_prefix(b"md")
        .is_some_and(|rest| rest.first().is_some_and(|b| b.is_ascii_digit() || *b == b'_'))
}

/// Drivers of whole disks: virtio, SCSI and SATA, IDE, NVMe, Xen, User-Mode Linux, memory cards.
fn is_disk(kernel: &[u8]) -> bool {
    const DRIVERS: [&[u8]; 7] = [b"vd", b"sd", b"hd", b"nvme", b"xvd", b"ubd", b"mmcblk"];
    DRIVERS.iter().any(|driver| kernel.starts_with(driver))
}

/// Takes the device mapper's name of a logical volume apart: one hyphen stands between group and volume, two are one in a
/// name. Anything after a second single hyphen is a part of a volume (`_tmeta`), which is no volume of its own.
fn split_volume(name: &BStr) -> Option<(BString, BString)> {
    let mut parts = vec![BString::default()];
    let mut rest = name.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'-' {
            if after.first() != Some(&b'-') {
                parts.push(BString::default());
                continue;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        parts.last_mut()?.push(byte);
    }
    match <[BString; 2]>::try_from(parts) {
        Ok([group, volume]) if !group.is_empty() && !volume.is_empty() => Some((group, volume)),
        _ => None,
    }
}

impl Failure {
    /// The failure of a call of the standard library.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        Failure::Os(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }
}

/// The node of a device that is given by its path, as an option of the program: `/dev/loop0` is `loop0`.
pub(super) fn by_path(path: &Path) -> Result<BString> {
    let real = path.canonicalize().map_err(|e| Failure::from_io(&e))?;
    let name = real.strip_prefix("/dev").map_err(|_| Failure::Os(Errno::ENOTBLK))?;
    let kernel = BString::from(name.as_os_str().as_bytes());
    if Devices::new(Vec::new()).exists(&kernel) { Ok(kernel) } else { Err(Errno::ENOTBLK.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A machine with two virtio disks, an array, a logical volume and an unlocked LUKS device.
    fn machine(dir: &Path) -> Devices {
        let sys = dir.join("sys");
        let device = |path: &str, files: &[(&str, &str)]| {
            let at = sys.join("devices").join(path);
            for (name, text) in files {
                fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
                fs::write(at.join(name), format!("{text}\n")).unwrap();
            }
            let name = at.file_name().unwrap().to_owned();
            for class in ["class/block", "block", "dev/block"] {
                fs::create_dir_all(sys.join(class)).unwrap();
            }
            std::os::unix::fs::symlink(&at, sys.join("class/block").join(&name)).unwrap();
            if !files.iter().any(|(name, _)| *name == "partition") {
                std::os::unix::fs::symlink(&at, sys.join("block").join(&name)).unwrap();
            }
            let number = files.iter().find(|(name, _)| *name == "dev").unwrap().1;
            std::os::unix::fs::symlink(&at, sys.join("dev/block").join(number)).unwrap();
        };
        device("vda", &[("dev", "252:0"), ("ro", "1"), ("queue/logical_block_size", "4096")]);
        device("vdb", &[("dev", "252:16")]);
        let partition =
            [("dev", "252:18"), ("partition", "2"), ("start", "2048"), ("size", "4096"), ("ro", "0")];
        device("vdb/vdb2", &partition);
        device("md127", &[("dev", "9:127"), ("size", "1000")]);
        device("md5", &[("dev", "9:5"), ("size", "0")]);
        device("dm-0", &[("dev", "253:0"), ("dm/name", "v--g-l--v"), ("dm/uuid", "LVM-x")]);
        device("dm-1", &[("dev", "253:1"), ("dm/name", "v--g-pool-tpool"), ("dm/uuid", "LVM-y-tpool")]);
        let luks = [("dm/name", "luks-x"), ("dm/uuid", "CRYPT-LUKS2-0c1d-luks-x"), ("slaves/vdb2", "")];
        device("dm-2", &[[("dev", "253:2")].as_slice(), &luks].concat());
        device("vdc", &[("dev", "252:32")]);
        let disk =
            |kernel: &str, label: Option<&str>| Disk { kernel: kernel.into(), label: label.map(Into::into) };
        Devices { disks: vec![disk("vda", None), disk("vdb", Some("data"))], sys, dev: dir.join("dev") }
    }

    #[test]
    fn names_lead_to_devices_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let devices = machine(dir.path());
        for (name, kernel, canonical) in [
            ("/dev/sda", "vda", "/dev/sda"),
            ("/dev/vda", "vda", "/dev/sda"),
            ("/dev/hdb2", "vdb2", "/dev/sdb2"),
            ("/dev/md127", "md127", "/dev/md127"),
            ("/dev/v-g/l-v", "dm-0", "/dev/v-g/l-v"),
            ("/dev/mapper/v--g-l--v", "dm-0", "/dev/v-g/l-v"),
            ("/dev/dm-2", "dm-2", "/dev/mapper/luks-x"),
            ("/dev/mapper/luks-x", "dm-2", "/dev/mapper/luks-x"),
        ] {
            let found = devices.kernel_of(BStr::new(name));
            assert_eq!(found, Some(kernel.into()), "{name}");
            assert_eq!(devices.canonical_of(BStr::new(kernel)), Some(canonical.into()), "{name}");
        }
        for name in [
            "/dev/sdc",
            "/dev/sda1",
            "/dev/sdb1",
            "/dev/md1",
            "/dev/luks-x",
            "/dev/v-g/x",
            "/dev/md/x",
            "sda",
        ] {
            assert_eq!(devices.kernel_of(BStr::new(name)), None, "{name}");
        }
        for (node, canonical) in [
            ("/dev/vdb2", Some("/dev/sdb2")),
            ("/dev/mapper/v--g-l--v", Some("/dev/v-g/l-v")),
            ("/dev/v-g/l-v", Some("/dev/v-g/l-v")),
            ("/dev/vdc", None),
            ("/dev/sda", None),
        ] {
            assert_eq!(devices.canonical_of_node(BStr::new(node)), canonical.map(Into::into), "{node}");
        }
    }

    #[test]
    fn what_there_is_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let devices = machine(dir.path());
        assert_eq!(devices.disks(), ["/dev/sda", "/dev/sdb"]);
        let partition = PartitionDevice { name: "/dev/sdb2".into(), parent: "/dev/sdb".into(), number: 2 };
        assert_eq!(devices.partitions(), [partition]);
        assert_eq!(devices.seen_partitions(BStr::new("vdb")), [(2, 1 << 20, 2 << 20)]);
        assert_eq!(devices.arrays(), ["/dev/md127"]);
        assert_eq!(devices.mappings(), ["/dev/mapper/luks-x"]);
        let unlocked = Unlocked {
            device: "/dev/mapper/luks-x".into(),
            uuid: "0c1d".into(),
            encrypted: "/dev/sdb2".into(),
        };
        assert_eq!(devices.unlocked(), [unlocked]);
        let label = |label: &str, device: &str| (BString::from(label), BString::from(device));
        assert_eq!(devices.labels(), [label("data", "/dev/sdb"), label("data2", "/dev/sdb2")]);
        assert!(devices.is_read_only(BStr::new("vda")) && !devices.is_read_only(BStr::new("vdb2")));
        assert_eq!(devices.sector_size(BStr::new("vda")), 4096);
        let number = |major, minor| DeviceNumber { major, minor };
        for (kernel, shown) in [
            ((252, 18), (8, 18)),
            ((252, 0), (8, 0)),
            ((253, 2), (253, 2)),
            ((9, 127), (9, 127)),
            ((0, 5), (0, 5)),
        ] {
            assert_eq!(
                devices.shown_number(number(kernel.0, kernel.1)),
                number(shown.0, shown.1),
                "{kernel:?}"
            );
        }
    }

    #[test]
    fn names_of_volumes_are_taken_apart() {
        for (name, parts) in [
            ("vg-lv", Some(("vg", "lv"))),
            ("v--g-l----v", Some(("v-g", "l--v"))),
            ("vg-lv-real", None),
            ("vg", None),
            ("vg-", None),
        ] {
            let parts = parts.map(|(group, volume)| (BString::from(group), BString::from(volume)));
            assert_eq!(split_volume(BStr::new(name)), parts, "{name}");
        }
    }
}
