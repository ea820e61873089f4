//! Deployments of ostree, mounted as the system sees them: by both engines alike.

use std::ops::ControlFlow;
use std::os::unix::fs::symlink;

use bstr::ByteSlice;
use disk::fs::DirEntry;

use super::kernel::Machine;
use super::{Workshop, b, daemon, refusal, run};
use crate::Guestfsd;

/// The deployment in these tests.
const DEPLOYMENT: &str = "/ostree/deploy/os/deploy/0.0";

/// An image of an ostree whose `/var` is `var`: a directory, or a link to that.
fn ostree(workshop: &Workshop, var: Option<&str>) -> String {
    let root = workshop.path("root");
    for (name, content) in [
        ("ostree/repo/config", "[core]\n"),
        ("ostree/deploy/os/deploy/0.0/etc/hostname", "inside\n"),
        ("ostree/deploy/os/deploy/0.0/sysroot/x", ""),
        ("ostree/deploy/os/deploy/0.0/var/own", "covered\n"),
        ("ostree/deploy/os/deploy/0.0/boot/x", ""),
        ("boot/loader/entries/x", ""),
        ("etc/hostname", "outside\n"),
    ] {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    match var {
        Some(target) => symlink(target, root.join("ostree/deploy/os/var")).unwrap(),
        None => {
            std::fs::create_dir(root.join("ostree/deploy/os/var")).unwrap();
            std::fs::write(root.join("ostree/deploy/os/var/log"), "shared\n").unwrap();
        }
    }
    let image = workshop.empty("ostree.img", 16);
    run("mke2fs", &["-q", "-t", "ext4", "-d", root.to_str().unwrap(), &image]);
    image
}

/// What a daemon shows of it.
fn shown(daemon: &mut Guestfsd) -> Vec<String> {
    daemon.internal_mount_deployment(b("/dev/sda"), b(DEPLOYMENT)).unwrap();
    let mut found: Vec<String> = ["/", "/var", "/boot", "/sysroot", "/sysroot/boot"]
        .iter()
        .map(|path| format!("{path}: {}", names(daemon, path).join(" ")))
        .collect();
    let mounts = daemon.mountpoints().unwrap().0;
    found.extend(mounts.iter().map(|(device, path)| format!("{device} {path}")));
    found.push(daemon.exists(b("/../sysroot/../etc/hostname")).unwrap().to_string());
    found.push(daemon.mkdir(b("/made")).is_err().to_string());
    found
}

/// Names in a directory, sorted.
fn names(daemon: &Guestfsd, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let each = &mut |entry: DirEntry<'_>| {
        names.push(entry.name.as_bstr().to_string());
        ControlFlow::Continue(())
    };
    daemon.tree().directory(b(path)).unwrap().read(each).unwrap();
    names.sort();
    names
}

#[test]
fn both_engines_show_a_deployment_as_it_boots() {
    let workshop = Workshop::new();
    let image = ostree(&workshop, None);
    let native = shown(&mut daemon(&[&image]));
    assert_eq!(
        native,
        [
            "/: boot etc sysroot var",
            "/var: log",
            "/boot: loader",
            "/sysroot: boot etc lost+found ostree",
            "/sysroot/boot: loader",
            "/dev/sda /",
            "/dev/sda /sysroot",
            "/dev/sda /var",
            "/dev/sda /boot",
            "true",
            "true",
        ]
    );
    assert_eq!(native, shown(&mut Machine::new(&[&image])));
}

#[test]
fn what_is_no_directory_is_not_shown() {
    let workshop = Workshop::new();
    // ostree makes no such link, and nothing of the host is at its end.
    let image = ostree(&workshop, Some("/etc"));
    let (mut native, mut kernel) = (daemon(&[&image]), Machine::new(&[&image]));
    for daemon in [&mut native, &mut *kernel] {
        assert_eq!(shown(daemon)[1], "/var: own");
        let mounted = daemon.internal_mount_deployment(b("/dev/sda"), b(DEPLOYMENT));
        assert_eq!(refusal(mounted), "internal_mount_deployment: something is mounted already");
        daemon.umount_all().unwrap();
        let mounted = daemon.internal_mount_deployment(b("/dev/sda"), b("/etc/hostname"));
        assert_eq!(refusal(mounted), "internal_mount_deployment: /etc/hostname: Not a directory");
        assert!(daemon.mounts().unwrap().is_empty(), "nothing stays mounted");
    }
}
