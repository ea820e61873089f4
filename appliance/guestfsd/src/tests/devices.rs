//! Devices, partitions, what they hold.

use bstr::BString;

use super::{Workshop, b, daemon, refusal, run};

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
    assert!(refusal(d.part_list(b("/dev/sda"))).starts_with("/dev/sda: /dev/sda: "), "the reason is given");
}
