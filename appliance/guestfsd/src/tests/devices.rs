//! Devices, partitions, what they hold.

use std::ops::Range;
use std::sync::Arc;

use bstr::BString;
use disk::ReadAt;

use super::{Workshop, b, daemon, refusal, run};
use crate::Guestfsd;
use crate::engine::native::{Drive, Native};

fn pairs(table: libguestfs_core::api::Hashtable) -> Vec<(String, String)> {
    table.0.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.into(), value.into())
}

#[test]
fn a_partitioned_disk_is_listed_as_the_original_does() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&workshop.guest()]);
    assert_eq!(d.list_devices().unwrap(), ["/dev/sda"]);
    assert_eq!(d.nr_devices().unwrap(), 1);
    assert_eq!(d.list_partitions().unwrap(), ["/dev/sda1", "/dev/sda2"]);
    assert_eq!(
        pairs(d.list_filesystems().unwrap()),
        [pair("/dev/sda1", "ext4"), pair("/dev/sda2", "unknown")]
    );
    let parts = d.part_list(b("/dev/sda")).unwrap();
    let bounds: Vec<_> = parts.iter().map(|p| (p.part_num, p.part_start, p.part_end, p.part_size)).collect();
    assert_eq!(bounds, [(1, 1_048_576, 22_020_095, 20_971_520), (2, 22_020_096, 42_991_615, 20_971_520)]);
    assert_eq!(d.part_get_parttype(b("/dev/sda")).unwrap(), "gpt");
    assert_eq!(d.part_get_gpt_type(b("/dev/sda"), 2).unwrap(), "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F");
    assert_eq!(d.part_get_name(b("/dev/sda"), 1).unwrap(), "root");
    assert_eq!(d.part_get_mbr_part_type(b("/dev/sda"), 1).unwrap(), "primary");
    assert!(!d.part_get_bootable(b("/dev/sda"), 1).unwrap());
    assert_eq!(d.part_to_dev(b("/dev/sda2")).unwrap(), "/dev/sda");
    assert_eq!(d.part_to_partnum(b("/dev/sda2")).unwrap(), 2);
    assert_eq!(d.blockdev_getsize64(b("/dev/sda1")).unwrap(), 20_971_520);
    assert_eq!(d.blockdev_getsz(b("/dev/sda1")).unwrap(), 40_960);
    assert_eq!(d.blockdev_getss(b("/dev/sda1")).unwrap(), 512);
    assert_eq!(d.blockdev_getbsz(b("/dev/sda1")).unwrap(), 4096);
    assert!(d.is_whole_device(b("/dev/sda")).unwrap());
    assert!(!d.is_whole_device(b("/dev/sda1")).unwrap());
}

#[test]
fn what_is_not_there_is_refused_in_the_originals_words() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&workshop.guest()]);
    let cases = [
        (refusal(d.part_get_name(b("/dev/sda"), 9)), "partition number 9 not found"),
        (refusal(d.part_get_name(b("/dev/sda"), -1)), "partition number -1 not found"),
        (refusal(d.part_get_parttype(b("/dev/sda1"))), "/dev/sda1: not a partitioned device"),
        (refusal(d.part_to_dev(b("/dev/sda"))), "device name is not a partition"),
        (refusal(d.part_to_partnum(b("/dev/sda"))), "device name is not a partition"),
        (
            refusal(d.part_list(b("/dev/sda2"))),
            "parted exited with status 1: Error: /dev/sda2: unrecognised disk label",
        ),
        (refusal(d.blockdev_getsize64(b("/dev/sdb"))), "/dev/sdb: No such file or directory"),
        (
            refusal(d.findfs_label(b("NOPE"))),
            "findfs exited with status 1: findfs: unable to resolve 'LABEL=NOPE'",
        ),
        (refusal(d.lvm_canonical_lv_name(b("foo"))), "foo: not a device name"),
        (
            refusal(d.lvm_canonical_lv_name(b("/dev/foo/bar"))),
            "stat: /dev/foo/bar: No such file or directory",
        ),
        (
            refusal(d.vguuid(b("foo"))),
            "foo:   Volume group \"foo\" not found\n  Cannot process volume group foo",
        ),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
    assert_eq!(d.part_list(b("/dev/sda1")).unwrap().len(), 1);
}

#[test]
fn every_name_of_a_device_leads_to_it() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&workshop.guest()]);
    let uuid = d.vfs_uuid(b("/dev/sda1")).unwrap();
    let guid = d.part_get_gpt_guid(b("/dev/sda"), 1).unwrap();
    assert_eq!(uuid.len(), 36);
    assert_eq!(d.findfs_uuid(uuid.as_ref()).unwrap(), "/dev/sda1");
    assert_eq!(d.findfs_label(b("ROOT")).unwrap(), "/dev/sda1");
    assert_eq!(d.findfs_partuuid(guid.as_ref()).unwrap(), "/dev/sda1");
    assert_eq!(d.findfs_partlabel(b("root")).unwrap(), "/dev/sda1");
    let partuuid = guid.to_string().to_lowercase();
    for name in [
        "/dev/vda1",
        "/dev/hda1",
        "/dev/disk/by-label/ROOT",
        "/dev/disk/by-partlabel/root",
        &format!("/dev/disk/by-uuid/{uuid}"),
        &format!("/dev/disk/by-partuuid/{partuuid}"),
    ] {
        assert_eq!(d.device(b(name)).unwrap(), BString::from("/dev/sda1"), "{name}");
    }
    for name in
        ["/dev/sda3", "/dev/sda0", "/dev/sdb1", "/dev/sd", "/dev/", "/dev/disk/by-label/", "/dev/disk/by-x/y"]
    {
        assert!(d.device(b(name)).is_err(), "{name}");
    }
}

#[test]
fn logical_volumes_are_devices_too() {
    let workshop = Workshop::new();
    // A disk with LVM2 is left to the tests of the disk crate; here, that bare disks are no volumes.
    let plain = workshop.empty("plain.img", 4);
    let ext = workshop.empty("ext.img", 8);
    run("mke2fs", &["-q", "-t", "ext2", &ext]);
    let mut d = daemon(&[&plain, &ext]);
    assert!(d.pvs().unwrap().is_empty() && d.vgs().unwrap().is_empty() && d.lvs().unwrap().is_empty());
    assert!(!d.is_lv(b("/dev/sda")).unwrap());
    assert_eq!(pairs(d.list_filesystems().unwrap()), [pair("/dev/sda", "unknown"), pair("/dev/sdb", "ext2")]);
    assert_eq!(d.vfs_type(b("/dev/sda")).unwrap(), "");
    assert_eq!(d.vfs_label(b("/dev/sda")).unwrap(), "");
}

#[test]
fn a_damaged_table_hides_the_partitions_of_its_disk_only() {
    let workshop = Workshop::new();
    let guest = workshop.guest();
    let broken = workshop.name("broken.img");
    std::fs::copy(&guest, &broken).unwrap();
    let len = std::fs::metadata(&broken).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&broken).unwrap();
    for header in [512 + 20, len - 512 + 20] {
        std::os::unix::fs::FileExt::write_all_at(&file, b"XXXX", header).unwrap();
    }
    let mut d = daemon(&[&broken, &guest]);
    assert_eq!(d.list_partitions().unwrap(), ["/dev/sdb1", "/dev/sdb2"]);
    assert!(refusal(d.part_list(b("/dev/sda"))).starts_with("/dev/sda: GPT: "), "the reason is given");
}

/// A disk of which a part cannot be read.
#[derive(Debug)]
struct Fenced(Arc<dyn ReadAt>, Range<u64>);

impl ReadAt for Fenced {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        let end = offset + u64::try_from(buf.len()).unwrap();
        if offset < self.1.end && end > self.1.start {
            return Err(disk::Error::io("behind the fence", std::io::Error::other("a test")));
        }
        self.0.read_at(offset, buf)
    }
}

/// A part of an array is no filesystem, and a btrfs that can't be read is listed without its subvolumes; what is asked of
/// them is refused. The rest of the disk, and what can be said of the device itself, needs neither.
#[test]
fn what_only_a_kernel_puts_together_does_not_hinder_the_rest() {
    let md = |bytes: &mut [u8]| {
        for (at, field) in [
            (0, b"\xfc\x4e\x2b\xa9\x01".as_slice()),
            (16, b"\x10\x32\x54\x76\x98\xba\xdc\xfe\x01\x23\x45\x67\x89\xab\xcd\xef"),
            (32, b"host:array"),
            (144, b"\x08"),
        ] {
            bytes[4096 + at..4096 + at + field.len()].copy_from_slice(field);
        }
    };
    let btrfs = |bytes: &mut [u8]| {
        bytes[0x10020..0x10030].copy_from_slice(b"btrfs identifier");
        bytes[0x10040..0x10048].copy_from_slice(b"_BHRfS_M");
        // Of a kind of checksum that is not verified.
        bytes[0x100c4] = 1;
        bytes[0x1012b..0x10131].copy_from_slice(b"subvol");
    };
    type Change<'a> = &'a dyn Fn(&mut [u8]);
    let cases: [(Change<'_>, &str, &str, &str); 2] = [
        (&md, "linux_raid_member", "host:array", "10325476-98ba-dcfe-0123-456789abcdef"),
        (&btrfs, "btrfs", "subvol", "62747266-7320-6964-656e-746966696572"),
    ];
    for (change, kind, label, uuid) in cases {
        let workshop = Workshop::new();
        let guest = workshop.guest();
        let mut bytes = std::fs::read(&guest).unwrap();
        // The second partition.
        change(&mut bytes[22_020_096..]);
        std::fs::write(&guest, bytes).unwrap();
        let fenced = Fenced(super::drive(&guest).source, 22_020_096..42_991_616);
        let drive = Drive { source: Arc::new(fenced), ..super::drive(&guest) };
        let mut d = Guestfsd::new(Box::new(Native::new(vec![drive])));
        d.mount_ro(b("/dev/sda1"), b("/")).unwrap();
        assert!(d.exists(b("/hello")).unwrap());

        let mut d = daemon(&[&guest]);
        let list = pairs(d.list_filesystems().unwrap());
        let arrays = d.list_md_devices();
        if kind == "btrfs" {
            assert_eq!(list, [pair("/dev/sda1", "ext4"), pair("/dev/sda2", "btrfs")]);
            assert!(d.mount_ro(b("/dev/sda2"), b("/")).is_err());
            assert!(arrays.unwrap().is_empty());
        } else {
            assert_eq!(list, [pair("/dev/sda1", "ext4")]);
            assert_eq!(refusal(arrays), "needs an appliance: /dev/sda2: part of a RAID array");
            let inspection = refusal(d.inspect_os());
            assert_eq!(inspection, "needs an appliance: /dev/sda2: linux_raid_member: part of a RAID array");
        }
        assert_eq!(d.vfs_type(b("/dev/sda2")).unwrap(), kind);
        assert_eq!(d.vfs_label(b("/dev/sda2")).unwrap(), label);
        assert_eq!(d.vfs_uuid(b("/dev/sda2")).unwrap(), uuid);
        assert_eq!(d.vfs_type(b("/dev/sda1")).unwrap(), "ext4");
    }
}
