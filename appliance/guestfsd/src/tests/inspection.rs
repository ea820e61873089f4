//! Inspection over real disks.

use std::os::unix::fs::symlink;

use libguestfs_core::ErrorKind;

use super::{Workshop, b, daemon, refusal, run};

/// A disk with the root of a Linux on partition 1, a filesystem on 2 and swap on 3.
fn linux(workshop: &Workshop, fstab: &str) -> String {
    let root = workshop.path("root");
    for (name, content) in [
        ("etc/fstab", fstab),
        ("etc/hostname", "host.example\n"),
        ("etc/debian_version", "12.11\n"),
        (
            "usr/lib/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
        ),
        ("usr/bin/ls", "\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{3}\0\u{3e}\0"),
    ] {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    let image = workshop.empty("linux.img", 64);
    run("sgdisk", &["-n", "1:2048:+20M", "-n", "2:0:+20M", "-n", "3:0:+10M", &image]);
    let mke2fs = |offset: &str, options: &[&str]| {
        let offset = format!("offset={offset}");
        run("mke2fs", &[&["-q", "-t", "ext4", "-E", &offset], options, &[&image, "20M"]].concat());
    };
    mke2fs("1048576", &["-d", root.to_str().unwrap()]);
    mke2fs("22020096", &["-U", "0a1b2c3d-0000-4000-8000-00000000000f", "-L", "my data"]);
    image
}

#[test]
fn a_linux_says_what_it_is_and_what_it_mounts() {
    let workshop = Workshop::new();
    let image = linux(
        &workshop,
        "/dev/vda1 / ext4 defaults 0 1\nUUID=0a1b2c3d-0000-4000-8000-00000000000f /var ext4\n\
         LABEL=my\\040data /srv/my\\040data ext4\nUUID=00000000-0000-4000-8000-000000000000 /none ext4\n",
    );
    let mut daemon = daemon(&[&image]);
    let root = b("/dev/sda1");
    assert_eq!(daemon.inspect_os().unwrap(), ["/dev/sda1"]);
    assert_eq!(daemon.inspect_get_roots().unwrap(), ["/dev/sda1"]);
    assert_eq!(daemon.inspect_get_type(root).unwrap(), "linux");
    assert_eq!(daemon.inspect_get_distro(b("/dev/vda1")).unwrap(), "debian", "by another name");
    assert_eq!(daemon.inspect_get_product_name(root).unwrap(), "12.11");
    assert_eq!(daemon.inspect_get_major_version(root).unwrap(), 12);
    assert_eq!(daemon.inspect_get_minor_version(root).unwrap(), 11);
    assert_eq!(daemon.inspect_get_arch(root).unwrap(), "x86_64");
    assert_eq!(daemon.inspect_get_hostname(root).unwrap(), "host.example");
    assert_eq!(daemon.inspect_get_package_format(root).unwrap(), "deb");
    let mounts = daemon.inspect_get_mountpoints(root).unwrap().0;
    let mounts: Vec<_> = mounts.iter().map(|(at, what)| format!("{at} {what}")).collect();
    assert_eq!(mounts, ["/srv/my data /dev/sda2", "/var /dev/sda2", "/ /dev/sda1"]);
    assert_eq!(daemon.mounts().unwrap(), Vec::<bstr::BString>::new(), "nothing stays mounted");
}

#[test]
fn what_is_not_there_is_refused_in_the_words_of_libguestfs() {
    let workshop = Workshop::new();
    let mut daemon = daemon(&[&linux(&workshop, "")]);
    assert_eq!(refusal(daemon.inspect_get_roots()), "no inspection data: call guestfs_inspect_os first");
    daemon.inspect_os().unwrap();
    assert_eq!(
        refusal(daemon.inspect_get_type(b("/dev/sda2"))),
        "/dev/sda2: root device not found: \
         only call this function with a root device previously returned by guestfs_inspect_os"
    );
    assert_eq!(
        refusal(daemon.inspect_get_windows_systemroot(b("/dev/sda1"))),
        "not a Windows guest, or systemroot could not be determined"
    );
}

/// A disk with an ext4 of a feature that nobody knows.
fn from_the_future(workshop: &Workshop) -> String {
    let data = workshop.empty("data.img", 8);
    run("mke2fs", &["-q", "-t", "ext4", &data]);
    // The highest bit of s_feature_incompat.
    let file = std::fs::OpenOptions::new().write(true).open(&data).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0x80], 0x463).unwrap();
    data
}

#[test]
fn a_filesystem_that_is_not_read_here_needs_an_appliance_unless_the_guest_mounts_it() {
    let workshop = Workshop::new();
    for (fstab, found) in [("/dev/sda1 / ext4\n/dev/sdb /data ext4\n", true), ("/dev/sda1 / ext4\n", false)] {
        let workshop_of_root = Workshop::new();
        let image = linux(&workshop_of_root, fstab);
        let result = daemon(&[&image, &from_the_future(&workshop)]).inspect_os();
        match result {
            Ok(roots) => assert!(found && roots == ["/dev/sda1"], "{fstab}"),
            Err(e) => assert!(!found && e.kind() == ErrorKind::NeedsAppliance, "{fstab} {e}"),
        }
    }
}

#[test]
fn a_disk_without_a_system_has_no_roots() {
    let workshop = Workshop::new();
    let guest = workshop.guest();
    assert!(daemon(&[&guest]).inspect_os().unwrap().is_empty());
}

#[test]
fn what_was_passed_over_is_said() {
    let workshop = Workshop::new();
    let fstab = "/dev/sda1 / ext4\n/dev/sdb /data ext4\n";
    let mut daemon = daemon(&[&linux(&workshop, fstab), &from_the_future(&workshop)]);
    assert_eq!(refusal(daemon.internal_inspect_notes()), "no inspection data: call guestfs_inspect_os first");
    daemon.inspect_os().unwrap();
    let notes = daemon.internal_inspect_notes().unwrap();
    assert!(matches!(notes.as_slice(), [note] if note.starts_with(b"/dev/sdb: ext4: ")), "{notes:?}");
    let root = b("/dev/sda1");
    assert!(daemon.internal_inspect_snapshots(root).unwrap().is_empty());
    assert_eq!(daemon.internal_inspect_deployment(root).unwrap(), "/");
}
