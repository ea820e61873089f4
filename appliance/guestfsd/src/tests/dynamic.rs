//! Windows dynamic disks, those of the disk crate's tests: the devices that libguestfs shows of them, and what ldmtool says.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bstr::BString;
use disk::MemSource;

use super::{b, refusal};
use crate::Guestfsd;
use crate::engine::native::{Drive, Native};

/// Bytes of a disk, and the positions in the file of the disks with GPTs and of the one that is in their group with an MBR.
const DISK: usize = 8 << 20;
const GROUP: std::ops::Range<usize> = 5..8;

fn daemon() -> Guestfsd {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../disk/tests/data/ldm/disks.img.xz");
    let output = Command::new("xz").arg("-dc").arg(packed).output().unwrap();
    assert!(output.status.success());
    let disks = output.stdout.chunks_exact(DISK).skip(GROUP.start).take(GROUP.len());
    let drive = |disk: &[u8]| Drive { source: Arc::new(MemSource::new(disk)), read_only: true, label: None };
    Guestfsd::new(Box::new(Native::new(disks.map(drive).collect())))
}

fn texts(list: &[BString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn devices_are_those_of_the_original() {
    let mut d = daemon();
    let named = |kind: &str, name: &str| format!(r"/dev/mapper/ldm_{kind}_New\x20Gr\xc3\xb6\xc3\x9fe_{name}");
    let volumes = [r"Daten\x201", "Raid1", "Volume1"].map(|name| named("vol", name));
    let parts = ["Disk1-01", "Disk1-02", "Disk2-01", "Disk2-03", "Disk3-02"].map(|name| named("part", name));
    assert_eq!(
        d.list_partitions().unwrap(),
        ["/dev/sda1", "/dev/sda2", "/dev/sdb1", "/dev/sdb2", "/dev/sdc1", "/dev/sdc2"]
    );
    assert_eq!(texts(&d.list_ldm_volumes().unwrap()), volumes);
    assert_eq!(texts(&d.list_ldm_partitions().unwrap()), parts);
    assert_eq!(texts(&d.list_dm_devices().unwrap()), [parts.as_slice(), &volumes].concat());
    let listed: Vec<String> =
        d.list_filesystems().unwrap().0.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(listed, [volumes.as_slice(), &parts].concat());
    let [data, raid, mirror] = volumes.each_ref().map(|name| b(name));
    assert_eq!(d.blockdev_getsize64(mirror).unwrap(), 3000 * 512);
    assert_eq!(d.vfs_label(data).unwrap(), "Daten 1");
    // parted knows nothing of the database: one partition.
    assert_eq!(d.part_list(b("/dev/sdc")).unwrap().len(), 1);
    // The spanned volume, three columns and RAID-5, two halves and the mirror: in the order in which ldmtool makes them.
    for (volume, minor) in [(data, 0), (raid, 4), (mirror, 7)] {
        d.mount_ro(volume, b("/")).unwrap();
        assert_eq!(d.internal_lstatnslist(b("/"), &["name.txt".into()]).unwrap()[0].st_dev, 253 << 8 | minor);
        d.umount_all().unwrap();
    }
    assert!(d.ldmtool_create_all().is_ok());
    assert!(d.inspect_os().unwrap().is_empty());
}

#[test]
fn groups_are_described_as_ldmtool_does() {
    let mut d = daemon();
    let guids = d.ldmtool_scan().unwrap();
    assert_eq!(d.ldmtool_scan_devices(&["/dev/sdb".into()]).unwrap(), guids);
    let [guid] = guids.as_slice() else { panic!("{guids:?}") };
    let guid = guid.as_ref();
    assert_eq!(d.ldmtool_diskgroup_name(guid).unwrap(), "New Größe");
    assert_eq!(d.ldmtool_diskgroup_volumes(guid).unwrap(), ["Daten 1", "Raid1", "Volume1"]);
    assert_eq!(d.ldmtool_diskgroup_disks(guid).unwrap(), ["Disk1", "Disk2", "Disk3"]);
    for (volume, kind, hint, parts) in [
        ("Volume1", "mirrored", "C:", &["Disk1-01", "Disk2-01"] as &[&str]),
        ("Daten 1", "spanned", "", &["Disk3-01", "Disk2-02"]),
        ("Raid1", "RAID5", "R:", &["Disk1-02", "Disk2-03", "Disk3-02"]),
    ] {
        assert_eq!(d.ldmtool_volume_type(guid, b(volume)).unwrap(), kind);
        assert_eq!(d.ldmtool_volume_hint(guid, b(volume)).unwrap(), hint);
        assert_eq!(d.ldmtool_volume_partitions(guid, b(volume)).unwrap(), parts);
    }
    assert_eq!(refusal(d.ldmtool_diskgroup_name(b("nope"))), "No such disk group: nope");
    assert_eq!(refusal(d.ldmtool_volume_type(guid, b("nope"))), "disk group New Größe has no volume nope");
}
