//! The list of what is installed, over a real disk.

use libguestfs_core::packages::{Decoder, Installed};

use super::{Workshop, b, daemon, refusal, run};
use crate::Guestfsd;

/// A disk without partitions with the root of a Debian that has these packages.
fn debian(workshop: &Workshop, status: &str) -> String {
    let root = workshop.path("root");
    for (name, content) in [
        ("etc/debian_version", "12.11\n"),
        ("etc/fstab", "/dev/sda / ext4 defaults 0 1\n"),
        ("bin/ls", "x"),
        ("var/lib/dpkg/status", status),
        ("boot/x", ""),
        ("dev/x", ""),
        ("proc/x", ""),
    ] {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let image = workshop.empty("debian.img", 20);
    run("mke2fs", &["-q", "-t", "ext4", "-d", root.to_str().unwrap(), &image]);
    image
}

fn list(daemon: &mut Guestfsd, format: &str) -> libguestfs_core::Result<Installed> {
    let mut stream = Vec::new();
    daemon.internal_list_packages(b("/dev/sda"), b(format), &mut stream)?;
    let mut decoder = Decoder::default();
    std::io::Write::write_all(&mut decoder, &stream).unwrap();
    Ok(decoder.finish().unwrap())
}

#[test]
fn packages_of_a_root_are_listed_with_what_is_broken() {
    let workshop = Workshop::new();
    let package = |name: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1:2-3\n\n");
    let status = (0..3000).map(|n| package(&format!("p{n:04}"))).collect::<String>() + "Package: broken\n";
    let mut daemon = daemon(&[&debian(&workshop, &status)]);
    daemon.inspect_os().unwrap();
    assert_eq!(
        refusal(list(&mut daemon, "")),
        "internal_list_packages_stub: you must call 'mount' first to mount the root filesystem"
    );
    daemon.mount_ro(b("/dev/sda"), b("/")).unwrap();
    let found = list(&mut daemon, "").unwrap();
    assert_eq!(found.packages.len(), 3000);
    assert_eq!(found.packages[2999].name, "p2999");
    assert_eq!(found.packages[2999].full_version(), "1:2-3");
    assert_eq!(found.databases[0].path, "/var/lib/dpkg/status");
    assert_eq!(found.notes[0].to_string(), "/var/lib/dpkg/status: broken: the state \"\" is not understood");
    assert_eq!(list(&mut daemon, "rpm").unwrap(), Installed::default());
    assert_eq!(refusal(list(&mut daemon, "msi")), "internal_list_packages: msi: no such package format");
    assert_eq!(daemon.internal_list_rpm_applications().unwrap(), []);
}

#[test]
fn packages_of_an_ostree_are_those_of_its_deployment() {
    let workshop = Workshop::new();
    let root = workshop.path("ostree");
    let checksum = "a".repeat(64);
    let deployment = format!("ostree/deploy/debian/deploy/{checksum}.0");
    let package = |name: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1\n\n");
    for (name, content) in [
        ("var/lib/dpkg/status".to_owned(), package("outside")),
        ("ostree/repo/config".to_owned(), String::new()),
        (format!("{deployment}/etc/os-release"), "ID=debian\nVERSION_ID=12\n".to_owned()),
        (format!("{deployment}/usr/bin/ls"), String::new()),
        (format!("{deployment}/var/lib/dpkg/status"), package("inside")),
    ] {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let link = root.join(format!("ostree/boot.1.1/debian/{}/0", "f".repeat(64)));
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(format!("../../../deploy/debian/deploy/{checksum}.0"), link).unwrap();
    std::os::unix::fs::symlink("boot.1.1", root.join("ostree/boot.1")).unwrap();
    let image = workshop.empty("ostree.img", 20);
    run("mke2fs", &["-q", "-t", "ext4", "-d", root.to_str().unwrap(), &image]);

    let mut daemon = daemon(&[&image]);
    assert_eq!(daemon.inspect_os().unwrap(), ["/dev/sda"]);
    daemon.mount_ro(b("/dev/sda"), b("/")).unwrap();
    let found = list(&mut daemon, "").unwrap();
    assert_eq!(found.packages.iter().map(|package| package.name.clone()).collect::<Vec<_>>(), ["inside"]);
    // And so they are if that is what is mounted.
    daemon.umount_all().unwrap();
    daemon.internal_mount_deployment(b("/dev/sda"), b(&format!("/{deployment}"))).unwrap();
    assert_eq!(list(&mut daemon, "").unwrap(), found);
}
