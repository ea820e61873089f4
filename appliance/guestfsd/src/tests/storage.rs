//! Partitions and filesystems made by the calls, over loop devices, and checked by the standard programs. Needs root.
//!
//! Loop devices here show no partitions, so filesystems are made on whole disks.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

use libguestfs_core::ErrorKind;
use libguestfs_core::api::{
    E2fsckOpts, Mke2fsOpts, MkfsBtrfsOpts, MkfsOpts, MksquashfsOpts, NtfsresizeOpts, RemountOpts,
    Tune2fsOpts, XfsRepairOpts,
};
use nix::errno::Errno;

use super::kernel::Machine;
use super::{Workshop, b, daemon, refusal, run};

const DISK: &str = "/dev/sda";
const UUID: &str = "11111111-2222-3333-4444-555555555555";
const GUID: &str = "01234567-89AB-CDEF-0123-456789ABCDEF";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

fn labelled(label: &str) -> MkfsOpts {
    MkfsOpts { label: Some(label.into()), ..MkfsOpts::default() }
}

/// What a program prints about an image to which everything was written out.
fn printed(program: &str, arguments: &[&str]) -> String {
    nix::unistd::sync();
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn bounds(d: &mut Machine) -> Vec<(i32, i64, i64)> {
    let list = d.part_list(b(DISK)).unwrap();
    list.iter().map(|p| (p.part_num, p.part_start / 512, p.part_end / 512)).collect()
}

#[test]
fn a_gpt_is_made_and_changed() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 64);
    let mut d = Machine::new(&[&image]);
    let disk = b(DISK);
    d.part_init(disk, b("efi")).unwrap();
    d.part_add(disk, b("p"), 2048, 43007).unwrap();
    d.part_add(disk, b("primary"), 43008, -128).unwrap();
    assert_eq!(bounds(&mut d), [(1, 2048, 43007), (2, 43008, 130_944)]);
    d.part_set_name(disk, 1, b(r#"it's a "name" \"#)).unwrap();
    d.part_set_gpt_type(disk, 1, b(ESP)).unwrap();
    d.part_set_gpt_guid(disk, 1, b(&format!("{{{GUID}}}"))).unwrap();
    d.part_set_gpt_attributes(disk, 1, 1 << 63 | 4).unwrap();
    d.part_set_disk_guid(disk, b(GUID)).unwrap();
    assert_eq!(d.part_get_name(disk, 1).unwrap(), r#"it's a "name" \"#);
    assert_eq!(d.part_get_gpt_type(disk, 1).unwrap(), ESP);
    assert_eq!(d.part_get_gpt_guid(disk, 1).unwrap(), GUID);
    assert_eq!(d.part_get_gpt_attributes(disk, 1).unwrap(), 1 << 63 | 4);
    assert_eq!(d.part_get_disk_guid(disk).unwrap(), GUID);
    d.part_set_gpt_attributes(disk, 1, 0).unwrap();
    assert_eq!(d.part_get_gpt_attributes(disk, 1).unwrap(), 0);
    d.part_set_disk_guid_random(disk).unwrap();
    assert_ne!(d.part_get_disk_guid(disk).unwrap(), GUID);
    // A smaller end is a question to parted, a larger one is not.
    d.part_resize(disk, 1, 20_000).unwrap();
    d.part_resize(disk, 1, 30_000).unwrap();
    d.part_del(disk, 2).unwrap();
    assert_eq!(bounds(&mut d), [(1, 2048, 30_000)]);
    assert!(printed("sgdisk", &["-v", &image]).contains("No problems found"));
    let listed = d.sfdisk_l(disk).unwrap().to_string();
    assert!(listed.contains("\n/dev/sda1 ") && !listed.contains("loop"), "{listed}");
}

#[test]
fn an_mbr_is_made_and_changed() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 64);
    let mut d = Machine::new(&[&image]);
    let disk = b(DISK);
    d.part_disk(disk, b("mbr")).unwrap();
    assert_eq!(bounds(&mut d), [(1, 128, 130_944)]);
    d.part_set_mbr_id(disk, 1, 0x7).unwrap();
    d.part_set_bootable(disk, 1, true).unwrap();
    assert_eq!(d.part_get_mbr_id(disk, 1).unwrap(), 7);
    assert!(d.part_get_bootable(disk, 1).unwrap());
    d.sfdiskM(disk, &[",10,83".into(), ",20,82".into()]).unwrap();
    assert_eq!(bounds(&mut d), [(1, 2048, 22_527), (2, 22_528, 63_487)]);
    d.sfdisk_N(disk, 2, 0, 0, 0, b(",10MiB,7")).unwrap();
    assert_eq!(bounds(&mut d), [(1, 2048, 22_527), (2, 22_528, 43_007)]);
    d.sfdisk(disk, 4, 255, 63, &[",5MiB,L".into()]).unwrap();
    assert_eq!(bounds(&mut d), [(1, 2048, 12_287)]);
    assert!(printed("sfdisk", &["-V", &image]).contains("No errors detected"));
    d.zero(disk, &mut ()).unwrap();
    assert!(refusal(d.part_list(disk)).contains("unrecognised disk label"));
}

#[test]
fn what_partition_tables_can_not_be_is_refused() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 64);
    let mut d = Machine::new(&[&image]);
    let disk = b(DISK);
    assert_eq!(
        refusal(d.part_init(disk, b("foo"))),
        r#"unknown partition type: common choices are "gpt" and "msdos""#
    );
    d.part_disk(disk, b("gpt")).unwrap();
    for (answer, text) in [
        (
            d.part_add(disk, b("q"), 1, 2),
            r#"unknown partition type: q: this should be "primary", "logical" or "extended""#,
        ),
        (d.part_add(disk, b("p"), -1, 2), "startsect cannot be negative"),
        (d.part_del(disk, 0), "partition number must be >= 1"),
        (d.part_del(disk, 9), "parted: /dev/sda: Error: Partition doesn't exist."),
        (d.part_set_gpt_attributes(disk, 1, 8), "bits 3..47 are reserved and cannot be set"),
        (d.part_set_mbr_id(disk, 1, 7), "part_set_mbr_id can only be used on MBR Partitions"),
        (d.part_set_mbr_id(disk, 1, 256), "256 is not a byte"),
    ] {
        assert_eq!(refusal(answer), text);
    }
    d.part_disk(disk, b("msdos")).unwrap();
    let only_gpt = |call: &str| format!("{call} can only be used on GUID Partition Tables");
    assert_eq!(refusal(d.part_set_gpt_type(disk, 1, b(ESP))), only_gpt("part_set_gpt_type"));
    assert_eq!(refusal(d.part_set_gpt_guid(disk, 1, b(GUID))), only_gpt("part_set_gpt_guid"));
    assert_eq!(refusal(d.part_set_disk_guid(disk, b(GUID))), only_gpt("part_set_disk_guid"));
    assert_eq!(
        refusal(d.part_set_name(disk, 1, b("x"))),
        "parted: /dev/sda: Error: msdos disk labels do not support partition name."
    );
    assert_eq!(bounds(&mut d), [(1, 128, 130_944)]);
}

#[test]
fn filesystems_are_made_labelled_and_sound() {
    // Type, the label in the form that the filesystem keeps, the program that checks it, and whether UUIDs can be set.
    let kinds: [(&str, &str, &[&str], bool); 7] = [
        ("ext2", "first", &["e2fsck", "-fn"], true),
        ("ext3", "first", &["e2fsck", "-fn"], true),
        ("ext4", "first", &["e2fsck", "-fn"], true),
        ("xfs", "first", &["xfs_repair", "-n"], true),
        ("btrfs", "first", &["btrfs", "check"], true),
        ("vfat", "FIRST", &["fsck.vfat", "-n"], false),
        ("ntfs", "first", &["ntfsfix", "-n"], false),
    ];
    for (kind, label, check, has_uuid) in kinds {
        let workshop = Workshop::new();
        let image = workshop.empty("disk.img", 320);
        let mut d = Machine::new(&[&image]);
        let disk = b(DISK);
        d.mkfs(b(kind), disk, &labelled(label)).unwrap();
        assert_eq!(d.vfs_type(disk).unwrap(), kind);
        assert_eq!(d.vfs_label(disk).unwrap(), label, "{kind}");
        let second = label.to_uppercase().replace("FIRST", "SECOND");
        d.set_label(disk, b(&second)).unwrap();
        assert_eq!(d.vfs_label(disk).unwrap(), second.as_str(), "{kind}");
        if has_uuid {
            d.set_uuid(disk, b(UUID)).unwrap();
            assert_eq!(d.vfs_uuid(disk).unwrap(), UUID, "{kind}");
            d.set_uuid_random(disk).unwrap();
            assert_ne!(d.vfs_uuid(disk).unwrap(), UUID, "{kind}");
        } else {
            let text = format!("don't know how to set the UUID for '{kind}' filesystems");
            let error = d.set_uuid(disk, b(UUID)).unwrap_err();
            assert_eq!((error.message(), error.errno()), (text.as_str(), Some(Errno::ENOTSUP)));
        }
        let (program, options) = check.split_first().unwrap();
        printed(program, &[options, &[&image]].concat());
    }
}

#[test]
fn what_filesystems_can_not_be_is_refused() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 64);
    let mut d = Machine::new(&[&image]);
    let disk = b(DISK);
    let size = |blocksize| MkfsOpts { blocksize: Some(blocksize), ..MkfsOpts::default() };
    for (kind, opts, text) in [
        ("ext4", size(1000), "block size must be > 0 and a power of 2"),
        ("btrfs", size(4096), "blocksize cannot be set on btrfs filesystems, use 'mkfs-btrfs'"),
        (
            "vfat",
            size(1 << 20),
            "unsupported cluster size for vfat filesystem (requested cluster size = 1048576, sector size = 512, \
             trying sectors per cluster = 2048)",
        ),
        (
            "xfs",
            MkfsOpts { inode: Some(256), ..MkfsOpts::default() },
            "inode size (-I) can only be set on ext2/3/4 filesystems",
        ),
        (
            "ext4",
            MkfsOpts { sectorsize: Some(512), ..MkfsOpts::default() },
            "sector size (-S) can only be set on ufs filesystems",
        ),
        ("xfs", labelled("0123456789abc"), "0123456789abc: xfs labels are limited to 12 bytes"),
        ("ext4", labelled("01234567890123456"), "01234567890123456: ext2/3/4 labels are limited to 16 bytes"),
        ("minix", labelled("x"), "don't know how to set the label for 'minix' filesystems"),
        ("../ext4", MkfsOpts::default(), "../ext4: not the name of a filesystem type"),
        (
            "nosuch",
            MkfsOpts::default(),
            "nosuch: /dev/sda: the appliance has no program mkfs.nosuch: install it on the host that builds the \
             appliance",
        ),
    ] {
        assert_eq!(refusal(d.mkfs(b(kind), disk, &opts)), text);
    }
    let profile = MkfsBtrfsOpts { metadata: Some("foo".into()), ..MkfsBtrfsOpts::default() };
    assert_eq!(refusal(d.mkfs_btrfs(&[DISK.into()], &profile)), "metadata not one of the allowed values");
    assert_eq!(refusal(d.mkfs_btrfs(&[], &MkfsBtrfsOpts::default())), "list of devices must be non-empty");
    assert_eq!(
        refusal(d.mke2fs_JL(b("xfs"), 1024, disk, b("x"))),
        "xfs: not a valid extended filesystem type"
    );
    d.mkfs(b("ext4"), disk, &MkfsOpts::default()).unwrap();
    for (answer, text) in [
        (
            d.set_label(disk, b("01234567890123456")),
            "01234567890123456: ext2/3/4 labels are limited to 16 bytes",
        ),
        (d.set_uuid(disk, b("random")), "e2: invalid new UUID"),
        (d.resize2fs_size(disk, 1000), "1000: size must be a round number of kilobytes"),
        (
            d.tune2fs(disk, &Tune2fsOpts { maxmountcount: Some(-1), ..Tune2fsOpts::default() }),
            "maxmountcount cannot be negative",
        ),
        (
            d.e2fsck(disk, &E2fsckOpts { correct: Some(true), forceno: Some(true), forceall: None }),
            "only one of the options 'correct', 'forceall', 'forceno' may be specified",
        ),
        (d.ntfsresize(disk, &NtfsresizeOpts { size: Some(0), force: None }), "size is zero or negative"),
        (d.mount_9p(b("x"), b("/"), &Default::default()), "9p support was removed in libguestfs 1.48"),
    ] {
        assert_eq!(refusal(answer), text);
    }
}

#[test]
fn ext_filesystems_are_tuned_resized_and_have_their_journal_elsewhere() {
    let workshop = Workshop::new();
    let (image, journal) = (workshop.empty("disk.img", 64), workshop.empty("journal.img", 16));
    let mut d = Machine::new(&[&image, &journal]);
    let disk = b(DISK);
    let opts = Mke2fsOpts {
        fstype: Some("ext4".into()),
        blocksize: Some(1024),
        blockscount: Some(40_000),
        resizeinode: Some(false),
        flexbg: Some(true),
        stridesize: Some(16),
        stripewidth: Some(32),
        lazyitableinit: Some(true),
        ..Mke2fsOpts::default()
    };
    d.mke2fs(disk, &opts).unwrap();
    d.tune2fs(disk, &Tune2fsOpts { maxmountcount: Some(5), ..Tune2fsOpts::default() }).unwrap();
    let fields = d.tune2fs_l(disk).unwrap().0;
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, v)| v.to_string()).unwrap();
    for (name, value) in [
        ("Block count", "40000"),
        ("Block size", "1024"),
        ("RAID stride", "16"),
        ("RAID stripe width", "32"),
        ("Maximum mount count", "5"),
        ("Filesystem volume name", ""),
    ] {
        assert_eq!(field(name), value, "{name}");
    }
    let features = field("Filesystem features");
    assert!(features.contains("flex_bg") && !features.contains("resize_inode"), "{features}");
    let smallest = d.vfs_minimum_size(disk).unwrap();
    assert!((1 << 20..40_000 << 10).contains(&smallest), "{smallest}");
    d.resize2fs_size(disk, 30 << 20).unwrap();
    assert!(printed("dumpe2fs", &["-h", &image]).contains("Block count:              30720\n"));
    d.resize2fs(disk).unwrap();
    assert!(printed("dumpe2fs", &["-h", &image]).contains("Block count:              65536\n"));
    d.e2fsck_f(disk).unwrap();
    assert_eq!(d.fsck(b("ext4"), disk).unwrap(), 0);
    d.mke2journal_L(1024, b("log"), b("/dev/sdb")).unwrap();
    d.mke2fs_JL(b("ext4"), 1024, disk, b("log")).unwrap();
    d.mke2journal(1024, b("/dev/sdb")).unwrap();
    d.mke2fs_J(b("ext4"), 1024, disk, b("/dev/sdb")).unwrap();
    assert!(printed("dumpe2fs", &["-h", &image]).contains("Journal UUID:"));
}

#[test]
fn zeros_are_written_where_there_are_none() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 8);
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let mut d = Machine::new(&[&image]);
    let disk = b(DISK);
    d.zero(disk, &mut ()).unwrap();
    d.zero_device(disk, &mut ()).unwrap();
    nix::unistd::sync();
    assert_eq!(file.metadata().unwrap().blocks(), 0, "holes stay");
    drop(d);
    file.write_all_at(&[0xaa; 256 << 10], 0).unwrap();
    file.write_all_at(&[0xbb; 5], (8 << 20) - 5).unwrap();
    let mut d = Machine::new(&[&image]);
    d.zero(disk, &mut ()).unwrap();
    nix::unistd::sync();
    let mut head = vec![0; 256 << 10];
    file.read_exact_at(&mut head, 0).unwrap();
    assert!(head[..128 << 10].iter().all(|byte| *byte == 0));
    assert!(head[128 << 10..].iter().all(|byte| *byte == 0xaa));
    d.zero_device(disk, &mut ()).unwrap();
    assert!(d.is_zero_device(disk).unwrap());
    assert!(!d.blkdiscardzeroes(disk).unwrap());
    d.blockdev_setro(disk).unwrap();
    assert!(d.blockdev_getro(disk).unwrap());
    d.blockdev_setrw(disk).unwrap();
}

#[test]
fn mounted_filesystems_are_filled_packed_and_remounted() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 16);
    run("mke2fs", &["-q", "-t", "ext4", &image]);
    let mut d = Machine::new(&[&image]);
    d.mount(b(DISK), b("/")).unwrap();
    d.mkdir(b("/dir")).unwrap();
    d.internal_write(b("/dir/file"), b"content").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", "/mnt/out").unwrap();
    d.zero_free_space(b("/"), &mut ()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir("/mnt").unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dir", "lost+found", "out"]);
    let squashed = |d: &mut Machine, path: &str, excludes: &[&str]| {
        let mut image = Vec::new();
        let excludes = excludes.iter().map(|&pattern| pattern.into()).collect();
        let opts = MksquashfsOpts { excludes: Some(excludes), compress: None };
        d.mksquashfs(b(path), &mut image, &opts).unwrap();
        let name = workshop.name("packed.img");
        std::fs::write(&name, &image).unwrap();
        printed("unsquashfs", &["-l", "-d", "", &name])
    };
    assert_eq!(squashed(&mut d, "/", &["lost*"]).trim(), "/dir\n/dir/file\n/out");
    assert_eq!(squashed(&mut d, "/dir/file", &[]).trim(), "/file");
    // What leads out of the guest is not there, and what is no file is not opened.
    for path in ["/out", "/nosuch"] {
        assert_eq!(refusal(d.mkswap_file(b(path))), format!("{path}: No such file or directory"));
    }
    assert_eq!(d.mkswap_file(b("/dir")).unwrap_err().errno(), Some(Errno::EINVAL));
    assert_eq!(refusal(d.scrub_freespace(b("/dir"))), "/dir: File exists");
    d.scrub_file(b("/dir/file")).unwrap();
    assert!(!d.exists(b("/dir/file")).unwrap());
    assert_eq!(refusal(d.remount(b("/"), &RemountOpts { rw: None })), "parameter 'rw' must be specified");
    d.remount(b("/"), &RemountOpts { rw: Some(false) }).unwrap();
    assert_eq!(d.mkdir(b("/x")).unwrap_err().errno(), Some(Errno::EROFS));
    d.remount(b("/"), &RemountOpts { rw: Some(true) }).unwrap();
    d.mkdir(b("/x")).unwrap();
    d.umount_all().unwrap();
    printed("e2fsck", &["-fn", &image]);
    assert_eq!(
        d.xfs_repair(b(DISK), &XfsRepairOpts { nomodify: Some(true), ..Default::default() }).unwrap(),
        1
    );
}

#[test]
fn the_reader_without_a_kernel_sends_for_one() {
    let workshop = Workshop::new();
    let image = workshop.empty("disk.img", 1);
    let mut d = daemon(&[&image]);
    let disk = b(DISK);
    for answer in [
        d.part_init(disk, b("gpt")),
        d.mkfs(b("ext4"), disk, &MkfsOpts::default()),
        d.zero(disk, &mut ()),
        d.e2fsck_f(disk),
    ] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NeedsAppliance);
    }
}
