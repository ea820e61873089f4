//! Mounting, unmounting, and what that shows.

use libguestfs_core::api::UmountOpts;

use super::{Workshop, b, daemon, drive, refusal, run};
use crate::Guestfsd;
use crate::engine::native::{Drive, Native};

fn mount_points(d: &mut Guestfsd) -> Vec<(String, String)> {
    d.mountpoints().unwrap().0.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn at(device: &str, path: &str) -> (String, String) {
    (device.into(), path.into())
}

#[test]
fn mounts_cover_and_uncover_directories() {
    let workshop = Workshop::new();
    let guest = workshop.guest();
    let other = workshop.empty("other.img", 8);
    run("mke2fs", &["-q", "-t", "ext2", &other]);
    let mut d = daemon(&[&guest, &other]);
    d.mount_ro(b("/dev/sda1"), b("/")).unwrap();
    let umount = |d: &mut Guestfsd, what: &str| d.umount(b(what), &UmountOpts::default());
    d.mount_options(b("ro,noatime,x-test"), b("/dev/sdb"), b("/abs/../dir/sub")).unwrap();
    assert_eq!(mount_points(&mut d), [at("/dev/sda1", "/"), at("/dev/sdb", "/dir/sub")]);
    assert_eq!(d.mounts().unwrap(), ["/dev/sda1", "/dev/sdb"]);
    // What was there is covered, and `..` from the root of a mount leads out of it.
    assert!(!d.exists(b("/dir/sub/deep")).unwrap());
    assert!(d.exists(b("/dir/sub/lost+found")).unwrap());
    assert_eq!(d.realpath(b("/dir/sub/../self/sub/lost+found")).unwrap(), "/dir/sub/lost+found");
    assert_ne!(d.statns(b("/dir")).unwrap().st_dev, d.statns(b("/dir/sub")).unwrap().st_dev);
    assert_eq!(
        d.internal_lstatnslist(b("/dir"), &["sub".into()]).unwrap(),
        [d.lstatns(b("/dir/sub")).unwrap()]
    );
    let mut found = Vec::new();
    d.find0(b("/dir"), &mut found).unwrap();
    assert!(found.windows(15).any(|w| w == b"sub/lost+found\0"));
    assert_eq!(refusal(umount(&mut d, "/")), "/: umount: /sysroot/: target is busy.");
    assert_eq!(refusal(umount(&mut d, "/etc")), "/etc: umount: /sysroot/etc: not mounted.");
    assert_eq!(
        refusal(umount(&mut d, "/nosuch")),
        "/nosuch: umount: /sysroot/nosuch: no mount point specified."
    );
    assert_eq!(refusal(umount(&mut d, "/dev/sda2")), "/dev/sda2: umount: /dev/sda2: not mounted.");
    umount(&mut d, "/dir/sub").unwrap();
    assert!(d.exists(b("/dir/sub/deep")).unwrap());
    d.mount_ro(b("/dev/sda1"), b("/dir/sub")).unwrap();
    assert_eq!(d.checksum(b("crc"), b("/dir/sub/hello")).unwrap(), "3015617425");
    umount(&mut d, "/dev/sda1").unwrap();
    assert_eq!(mount_points(&mut d), [at("/dev/sda1", "/")]);
    d.umount_all().unwrap();
    assert!(mount_points(&mut d).is_empty());
    assert!(!d.exists(b("/hello")).unwrap());
}

#[test]
fn mount_points_above_the_root_can_be_made() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&workshop.guest()]);
    assert_eq!(refusal(d.mkmountpoint(b("x"))), "do_mkmountpoint: path must start with a / character");
    assert_eq!(refusal(d.mkmountpoint(b("/"))), "/: File exists");
    d.mkmountpoint(b("/mp")).unwrap();
    d.mkmountpoint(b("/mp/deeper")).unwrap();
    assert_eq!(refusal(d.mkmountpoint(b("/mp"))), "/mp: File exists");
    assert_eq!(refusal(d.mkmountpoint(b("/no/such"))), "/no/such: No such file or directory");
    assert_eq!(refusal(d.rmmountpoint(b("/mp"))), "/mp: Directory not empty");
    d.rmmountpoint(b("/mp/deeper")).unwrap();
    d.mount_ro(b("/dev/sda1"), b("/mp")).unwrap();
    assert_eq!(mount_points(&mut d), [at("/dev/sda1", "/mp")]);
    assert_eq!(d.filesize(b("/mp/hello")).unwrap(), 6);
    // Links of the guest are relative to the whole tree.
    assert_eq!(refusal(d.realpath(b("/mp/abs"))), "realpath: /mp/abs: No such file or directory");
    assert_eq!(refusal(d.rmmountpoint(b("/mp"))), "/mp: Device or resource busy");
    d.umount_all().unwrap();
    d.rmmountpoint(b("/mp")).unwrap();
    assert_eq!(refusal(d.rmmountpoint(b("/mp"))), "/mp: No such file or directory");
    d.mount_ro(b("/dev/sda1"), b("/")).unwrap();
    assert_eq!(refusal(d.mkmountpoint(b("/mp"))), "/mp: Read-only file system");
}

#[test]
fn what_can_t_be_mounted_says_why() {
    let workshop = Workshop::new();
    let guest = workshop.guest();
    let writable = Drive { read_only: false, ..drive(&guest) };
    let mut d = Guestfsd::new(Box::new(Native::new(vec![drive(&guest), writable])));
    let wrong = |device: &str| {
        format!(
            "mount exited with status 32: mount: /sysroot: wrong fs type, bad option, bad superblock on {device}, \
             missing codepage or helper program, or other error.\n       \
             dmesg(1) may have more information after failed mount system call."
        )
    };
    assert_eq!(refusal(d.mount_ro(b("/dev/sdz1"), b("/"))), "/dev/sdz1: No such file or directory");
    assert_eq!(refusal(d.mount_ro(b("/dev/sda2"), b("/"))), wrong("/dev/sda2"));
    assert_eq!(refusal(d.mount_ro(b("/dev/sda1"), b("/foo"))), "mount: /foo: mount point is not a directory");
    assert_eq!(refusal(d.mount_ro(b("/dev/sda1"), b("rel"))), "mount: rel: mount point is not a directory");
    assert_eq!(refusal(d.mount_vfs(b("ro"), b("ext3"), b("/dev/sda1"), b("/"))), wrong("/dev/sda1"));
    assert_eq!(refusal(d.mount_ro(b("btrfsvol:/dev/sda1/x"), b("/"))), wrong("/dev/sda1"));
    for needs in [
        refusal(d.mount(b("/dev/sdb1"), b("/"))),
        refusal(d.mount_options(b("ro,rw"), b("/dev/sdb1"), b("/"))),
        refusal(d.mount_options(b("ro,noload"), b("/dev/sda1"), b("/"))),
    ] {
        assert!(needs.starts_with("needs an appliance: "), "{needs}");
    }
    d.mount_vfs(b("ro"), b("ext4"), b("/dev/sda1"), b("/")).unwrap();
    assert_eq!(
        refusal(d.mount_ro(b("/dev/sda1"), b("/hello"))),
        "mount: /hello: mount point is not a directory"
    );
    let first = d.statvfs(b("/etc")).unwrap();
    assert_eq!((first.bsize, first.frsize, first.namemax, first.flag), (1024, 1024, 255, 4097));
    // A drive that was added read-only can be mounted without saying so.
    d.umount_all().unwrap();
    d.mount(b("/dev/sda1"), b("/")).unwrap();
}

#[test]
fn the_number_of_mounts_is_bounded() {
    let workshop = Workshop::new();
    let mut d = daemon(&[&workshop.guest()]);
    // Each in a directory of the last one: nothing is mounted twice at one place.
    let path = |depth: usize| format!("/{}", "dir/".repeat(depth));
    let made = (0..2000).take_while(|&depth| d.mount_ro(b("/dev/sda1"), b(&path(depth))).is_ok()).count();
    assert_eq!(made, 1000);
}
