//! Btrfs: subvolumes as mountables, in lists and as options; filesystems of several devices.
//!
//! Needs root and loop devices: only a kernel makes subvolumes. Expected values are what Debian's libguestfs 1.48.6 answers
//! for the same filesystems.

use std::path::PathBuf;
use std::process::Command;

use libguestfs_core::api::{BtrfsSubvolume, Statns};

use super::{Workshop, b, daemon, refusal, run};
use crate::Guestfsd;

/// Smallest device that mkfs.btrfs takes for RAID1, and then some (MiB).
const MEMBER_MIB: u64 = 160;

/// What is mounted by the kernel, and its loop devices; undone when dropped.
struct Mounted {
    point: PathBuf,
    loops: Vec<String>,
}

impl Mounted {
    fn new(workshop: &Workshop, images: &[&str]) -> Mounted {
        let point = workshop.path("mnt");
        let _ = std::fs::create_dir(&point);
        let mut mounted = Mounted { point, loops: Vec::new() };
        for image in images {
            let output = Command::new("losetup").args(["--find", "--show", image]).output().unwrap();
            assert!(output.status.success(), "losetup: {}", String::from_utf8_lossy(&output.stderr));
            mounted.loops.push(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        }
        for device in &mounted.loops {
            run("btrfs", &["device", "scan", device]);
        }
        let point = mounted.point.to_str().unwrap();
        run("mount", &["-t", "btrfs", "-o", "subvolid=5", &mounted.loops[0], point]);
        mounted
    }

    fn path(&self, path: &str) -> String {
        self.point.join(path).to_str().unwrap().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.point.to_str().unwrap()]);
        for device in &self.loops {
            // The kernel remembers the devices of a filesystem of several until it is told to forget them.
            let _ = Command::new("btrfs").args(["device", "scan", "--forget", device]).output();
            run("losetup", &["--detach", device]);
        }
    }
}

/// Subvolumes root (256, the default), home (257), root/var/lib/machines (258), .snapshots/1 (259), a snapshot of root, and
/// one with an odd name (260).
fn subvolumes(workshop: &Workshop) -> String {
    let image = workshop.empty("btrfs.img", 128);
    run("mkfs.btrfs", &["-q", "-L", "one", &image]);
    let mounted = Mounted::new(workshop, &[&image]);
    let create = |path: &str| run("btrfs", &["subvolume", "create", &mounted.path(path)]);
    create("root");
    create("home");
    std::fs::create_dir_all(mounted.path("root/var/lib")).unwrap();
    create("root/var/lib/machines");
    std::fs::create_dir(mounted.path(".snapshots")).unwrap();
    run("btrfs", &["subvolume", "snapshot", "-r", &mounted.path("root"), &mounted.path(".snapshots/1")]);
    create("odd, name");
    for (file, content) in
        [("root/file", "hi"), ("topfile", "top"), ("home/h", "x"), ("root/var/lib/machines/m", "m")]
    {
        std::fs::write(mounted.path(file), content).unwrap();
    }
    run("btrfs", &["subvolume", "set-default", "256", &mounted.path("")]);
    drop(mounted);
    image
}

fn names(d: &mut Guestfsd) -> Vec<String> {
    let mut names = Vec::new();
    d.ls0(b("/"), &mut names).unwrap();
    let names = String::from_utf8(names).unwrap();
    let mut names: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    names.sort();
    names
}

fn listed(subvolumes: Vec<BtrfsSubvolume>) -> Vec<(u64, u64, String)> {
    let row = |s: BtrfsSubvolume| {
        (s.btrfssubvolume_id, s.btrfssubvolume_top_level_id, s.btrfssubvolume_path.to_string())
    };
    subvolumes.into_iter().map(row).collect()
}

fn row(id: u64, top: u64, path: &str) -> (u64, u64, String) {
    (id, top, path.into())
}

#[test]
fn subvolumes_are_listed_and_mounted() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&subvolumes(&workshop)]);
    let list = d.list_filesystems().unwrap().0;
    assert!(list.iter().all(|(_, kind)| kind == "btrfs"));
    let mountables: Vec<_> = list.into_iter().map(|(mountable, _)| mountable).collect();
    // The original has "/dev/sda/var/lib/machines" here, which can't be mounted.
    let expected = [
        "/dev/sda",
        "btrfsvol:/dev/sda/home",
        "btrfsvol:/dev/sda/root/var/lib/machines",
        "btrfsvol:/dev/sda/.snapshots/1",
        "btrfsvol:/dev/sda/odd, name",
    ];
    assert_eq!(mountables, expected);
    for (mountable, content) in mountables.iter().zip([&["file", "var"][..], &["h"], &["m"], &["var"], &[]]) {
        d.mount_ro(mountable.as_ref(), b("/")).unwrap();
        assert_eq!(names(&mut d), content, "{mountable}");
        assert_eq!(d.mounts().unwrap(), ["/dev/sda"]);
        d.umount_all().unwrap();
    }
    let volume = b("btrfsvol:/dev/sda/home");
    assert_eq!((d.vfs_type(volume).unwrap(), d.vfs_label(volume).unwrap()), ("btrfs".into(), "one".into()));
}

#[test]
fn paths_of_subvolumes_begin_at_the_one_that_is_looked_at() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&subvolumes(&workshop)]);
    let from_root = [
        row(256, 5, "root"),
        row(257, 5, "home"),
        row(258, 256, "var/lib/machines"),
        row(259, 5, ".snapshots/1"),
        row(260, 5, "odd, name"),
    ];
    let from_top =
        from_root.clone().map(|r| if r.0 == 258 { row(258, 256, "root/var/lib/machines") } else { r });
    assert_eq!(listed(d.btrfs_subvolume_list(b("/dev/sda")).unwrap()), from_root);
    assert_eq!(listed(d.btrfs_subvolume_list(b("btrfsvol:/dev/sda/home")).unwrap()), from_top);
    d.mount_ro(b("/dev/sda"), b("/")).unwrap();
    assert_eq!(listed(d.btrfs_subvolume_list(b("/var")).unwrap()), from_root);
    for fs in ["/", "/dev/sda", "btrfsvol:/dev/sda/home"] {
        assert_eq!(d.btrfs_subvolume_get_default(b(fs)).unwrap(), 256, "{fs}");
    }
    assert_eq!(d.btrfs_filesystem_show(b("/dev/sda")).unwrap(), ["/dev/sda"]);
}

#[test]
fn options_choose_a_subvolume() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&subvolumes(&workshop)]);
    let top = &[".snapshots", "home", "odd, name", "root", "topfile"][..];
    for (options, mountable, content) in [
        ("ro,subvolid=5", "/dev/sda", top),
        ("subvolid=0,ro", "/dev/sda", top),
        ("ro,subvol=/", "/dev/sda", top),
        ("ro,subvol=", "/dev/sda", &["file", "var"]),
        ("ro,subvolid=257,subvol=home", "/dev/sda", &["h"]),
        ("ro,subvolid=0x101", "/dev/sda", &["h"]),
        ("ro,subvol=home", "btrfsvol:/dev/sda/root", &["h"]),
        ("ro,subvol=/root,subvol=home", "/dev/sda", &["h"]),
        ("ro,compress=zstd:1", "btrfsvol:/dev/sda/root/var/lib/machines", &["m"]),
    ] {
        d.mount_options(b(options), b(mountable), b("/")).unwrap();
        assert_eq!(names(&mut d), content, "{options} {mountable}");
        d.umount_all().unwrap();
    }
    let wrong = "mount exited with status 32: mount: /sysroot: wrong fs type, bad option, bad superblock on /dev/sda, \
                 missing codepage or helper program, or other error.\n       \
                 dmesg(1) may have more information after failed mount system call.";
    let missing = "mount exited with status 32: mount: /sysroot: mount(2) system call failed: No such file or \
                   directory.\n       dmesg(1) may have more information after failed mount system call.";
    for (options, mountable, text) in [
        ("ro", "btrfsvol:/dev/sda/nothing", missing),
        ("ro", "btrfsvol:/dev/sda/var/lib/machines", missing),
        ("ro,subvolid=999", "/dev/sda", missing),
        ("ro", "btrfsvol:/dev/sda/.snapshots", wrong),
        ("ro,subvolid=256,subvol=home", "/dev/sda", wrong),
    ] {
        assert_eq!(refusal(d.mount_options(b(options), b(mountable), b("/"))), text, "{options} {mountable}");
    }
}

#[test]
fn each_subvolume_is_a_device_of_its_own() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&subvolumes(&workshop)]);
    d.mount_ro(b("btrfsvol:/dev/sda/root"), b("/")).unwrap();
    let seen = |s: Statns| (s.st_dev >> 8, s.st_ino);
    let status = |d: &mut Guestfsd, path: &str| d.lstatns(b(path)).unwrap();
    let (root, machines) = (status(&mut d, "/"), status(&mut d, "/var/lib/machines"));
    assert_ne!(root.st_dev, machines.st_dev);
    assert_eq!(status(&mut d, "/file").st_dev, root.st_dev);
    // No block device: major number 0. Both are the first inode of a subvolume.
    assert_eq!((seen(root), seen(machines)), ((0, 256), (0, 256)));
    assert_ne!(d.statvfs(b("/")).unwrap().fsid, d.statvfs(b("/var/lib/machines")).unwrap().fsid);
    d.mount_ro(b("btrfsvol:/dev/sda/root/var/lib/machines"), b("/var")).unwrap();
    assert_eq!(status(&mut d, "/var/m").st_dev, status(&mut d, "/var").st_dev);
}

#[test]
fn a_filesystem_of_several_devices_is_found_by_any_of_them() {
    let workshop = Workshop::new();
    let (one, two) = (workshop.empty("one.img", MEMBER_MIB), workshop.empty("two.img", MEMBER_MIB));
    run("mkfs.btrfs", &["-q", "-d", "raid0", "-m", "raid1", &one, &two]);
    let mounted = Mounted::new(&workshop, &[&one, &two]);
    run("btrfs", &["subvolume", "create", &mounted.path("data")]);
    let content: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(mounted.path("data/f"), &content).unwrap();
    drop(mounted);
    let plain = workshop.empty("plain.img", 1);
    // The second device comes first.
    let mut d = daemon(&[&two, &plain, &one]);
    let list: Vec<_> = d.list_filesystems().unwrap().0.into_iter().map(|(mountable, _)| mountable).collect();
    let expected = ["/dev/sda", "btrfsvol:/dev/sda/data", "/dev/sdb", "/dev/sdc", "btrfsvol:/dev/sdc/data"];
    assert_eq!(list, expected);
    for device in ["/dev/sda", "/dev/sdc"] {
        assert_eq!(d.btrfs_filesystem_show(b(device)).unwrap(), ["/dev/sdc", "/dev/sda"]);
        d.mount_ro(b(&format!("btrfsvol:{device}/data")), b("/")).unwrap();
        let mut read = Vec::new();
        d.download(b("/f"), &mut read).unwrap();
        assert!(read == content, "{device}");
        d.umount_all().unwrap();
    }
    let mut d = daemon(&[&two]);
    let why = refusal(d.mount_ro(b("/dev/sda"), b("/")));
    assert!(why.starts_with("needs an appliance: ") && why.contains("device"), "{why}");
    let list: Vec<_> = d.list_filesystems().unwrap().0.into_iter().map(|(mountable, _)| mountable).collect();
    assert_eq!(list, ["/dev/sda"]);
}
