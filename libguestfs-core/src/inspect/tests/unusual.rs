//! Guests whose root is not simply a filesystem: deployments, snapshots, copies, images of /usr, containers; and what
//! they mount without fstab.

use super::memory::{MemGuest, MemTree, Node};
use super::systems::{ELF, mounts, names, only, run, unread};
use crate::inspect::{LogicalVolume, Root};

/// The root of a Debian of this version, with this fstab.
fn debian(version: &str, fstab: &str) -> MemTree {
    MemTree::linux(fstab).file("/etc/debian_version", format!("{version}\n"))
}

/// Roots and snapshots, the latter as `SNAPSHOT of ROOT`.
fn found(guest: MemGuest) -> (Vec<String>, Vec<String>) {
    let inspection = run(guest);
    let roots = names(&inspection.roots.iter().map(|root| root.mountable.clone()).collect::<Vec<_>>());
    let snapshots = inspection.snapshots.iter().map(|s| format!("{} of {}", s.mountable, s.of)).collect();
    for root in &inspection.roots {
        let own = inspection.snapshots.iter().filter(|snapshot| snapshot.of == root.mountable).count();
        assert_eq!(inspection.snapshots_of(root).count(), own);
    }
    (roots, snapshots)
}

#[test]
fn snapper_keeps_the_running_system_in_a_snapshot() {
    // openSUSE: the device mounts its default subvolume, @/.snapshots/1/snapshot, and fstab names no subvolume.
    let fstab = "/dev/sda2 / btrfs defaults 0 0\n/dev/sda2 /home btrfs subvol=/@/home 0 0\n";
    let suse = |version: &str| {
        let release =
            format!("ID=opensuse-leap\nVERSION_ID={version}\nPRETTY_NAME=\"openSUSE Leap {version}\"\n");
        MemTree::linux(fstab).file("/etc/os-release", release)
    };
    let mut guest = MemGuest::new()
        .filesystem("/dev/sda2", suse("15.6"))
        .filesystem("btrfsvol:/dev/sda2/@", MemTree::default().directory("/.snapshots"))
        .filesystem("btrfsvol:/dev/sda2/@/home", MemTree::default().directory("/alice"));
    for number in 2..40 {
        let name = format!("btrfsvol:/dev/sda2/@/.snapshots/{number}/snapshot");
        guest = guest.filesystem(&name, suse(if number < 20 { "15.5" } else { "15.6" }));
    }
    let (roots, snapshots) = found(guest);
    assert_eq!((roots, snapshots.len()), (vec!["/dev/sda2".to_owned()], 38));
    assert_eq!(snapshots[0], "btrfsvol:/dev/sda2/@/.snapshots/2/snapshot of /dev/sda2");
}

#[test]
fn a_snapshot_says_itself_that_the_root_is_elsewhere() {
    let fstab = "/dev/sda2 / btrfs subvol=@ 0 1\n";
    let guest = MemGuest::new()
        .filesystem("/dev/sda2", MemTree::default().directory("/timeshift-btrfs"))
        .filesystem("btrfsvol:/dev/sda2/@before-upgrade", debian("11.9", fstab))
        .filesystem("btrfsvol:/dev/sda2/@", debian("12.5", fstab))
        .filesystem("btrfsvol:/dev/sda2/timeshift-btrfs/snapshots/2024-01-01_10-00-01/@", debian("10.1", ""))
        // Another system on the same filesystem, with a snapshot of its own.
        .filesystem("btrfsvol:/dev/sda2/other", debian("9.1", "/dev/sda2 / btrfs subvol=other\n"))
        .filesystem("btrfsvol:/dev/sda2/other-old", debian("8.1", "/dev/sda2 / btrfs subvol=/other\n"));
    let (roots, snapshots) = found(guest);
    assert_eq!(roots, ["btrfsvol:/dev/sda2/@", "btrfsvol:/dev/sda2/other"]);
    assert_eq!(
        snapshots,
        [
            "btrfsvol:/dev/sda2/@before-upgrade of btrfsvol:/dev/sda2/@",
            "btrfsvol:/dev/sda2/timeshift-btrfs/snapshots/2024-01-01_10-00-01/@ of btrfsvol:/dev/sda2/@",
            "btrfsvol:/dev/sda2/other-old of btrfsvol:/dev/sda2/other",
        ]
    );
}

#[test]
fn of_systems_that_all_look_like_snapshots_one_stays() {
    let circle = MemGuest::new()
        .filesystem("/dev/sda2", MemTree::default().directory("/x"))
        .filesystem("btrfsvol:/dev/sda2/a", debian("11.1", "/dev/sda2 / btrfs subvol=b\n"))
        .filesystem("btrfsvol:/dev/sda2/b", debian("12.1", "/dev/sda2 / btrfs subvol=a\n"));
    let (roots, snapshots) = found(circle);
    assert_eq!(roots, ["btrfsvol:/dev/sda2/a"]);
    assert_eq!(snapshots, ["btrfsvol:/dev/sda2/b of btrfsvol:/dev/sda2/a"]);
    let lonely = MemGuest::new()
        .filesystem("/dev/sda2", MemTree::default().directory("/x"))
        .filesystem("btrfsvol:/dev/sda2/.snapshots/1/snapshot", debian("11.1", ""));
    assert_eq!(found(lonely).0, ["btrfsvol:/dev/sda2/.snapshots/1/snapshot"]);
}

#[test]
fn snapshots_of_volumes_are_put_apart() {
    let volume = |name: &str, origin: Option<&str>| LogicalVolume {
        device: format!("/dev/vg/{name}").into(),
        group: "vg".into(),
        name: name.into(),
        group_uuid: "".into(),
        uuid: "".into(),
        origin: origin.map(|origin| format!("/dev/vg/{origin}").into()),
    };
    let mut guest = MemGuest::new();
    guest.disks.logical_volumes = vec![
        volume("before", Some("root")),
        volume("closed", Some("root")),
        volume("data", None),
        volume("data-old", Some("data")),
        volume("older", Some("before")),
        volume("root", None),
        // Damaged: no circle is followed for ever.
        volume("x", Some("y")),
        volume("y", Some("x")),
    ];
    let guest = guest
        .filesystem("/dev/vg/before", debian("11.9", ""))
        .unsupported("/dev/vg/closed", "unknown")
        .filesystem("/dev/vg/data", MemTree::default().directory("/photos"))
        .unsupported("/dev/vg/data-old", "unknown")
        .filesystem("/dev/vg/older", debian("10.1", ""))
        .filesystem("/dev/vg/root", debian("12.5", ""))
        .unsupported("/dev/vg/x", "unknown");
    assert!(run(guest.clone()).unread.is_empty(), "what a snapshot is of says enough");
    let (roots, snapshots) = found(guest);
    assert_eq!(roots, ["/dev/vg/root"]);
    let expected = ["before", "older", "closed"].map(|name| format!("/dev/vg/{name} of /dev/vg/root"));
    assert_eq!(snapshots, expected);
}

#[test]
fn of_very_many_subvolumes_the_root_is_found() {
    let mut guest = MemGuest::new().filesystem("/dev/sda2", MemTree::default().directory("/x"));
    for number in 0..1005 {
        let snapshot = format!("btrfsvol:/dev/sda2/.snapshots/{number}/snapshot");
        let layer = format!("btrfsvol:/dev/sda2/@/var/lib/docker/btrfs/subvolumes/{number:0>64}");
        guest = guest.filesystem(&snapshot, debian("12.0", "")).filesystem(&layer, debian("11.0", ""));
    }
    // Made anew by the last rollback.
    let guest = guest.filesystem("btrfsvol:/dev/sda2/@", debian("12.1", "/dev/sda2 / btrfs subvol=@\n"));
    let inspection = run(guest);
    let roots: Vec<_> = inspection.roots.iter().map(|root| root.mountable.to_string()).collect();
    assert_eq!((roots, inspection.snapshots.len()), (vec!["btrfsvol:/dev/sda2/@".to_owned()], 1000));
    assert!(inspection.snapshots.iter().all(|snapshot| snapshot.of == "btrfsvol:/dev/sda2/@"));
    assert_eq!(
        inspection.notes[..2],
        [
            "btrfs: 5 snapshots after the first 1000 are not looked at",
            "btrfs: 905 subvolumes of containers after the first 100 are not looked at"
        ]
    );
}

#[test]
fn containers_on_a_system_are_no_systems_of_their_own() {
    let alpine =
        || MemTree::default().directory("/bin").file("/etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n");
    let host = MemGuest::new()
        .filesystem("/dev/sda2", debian("12.1", ""))
        .filesystem("btrfsvol:/dev/sda2/var/lib/docker/btrfs/subvolumes/0123abcd", alpine())
        .filesystem("btrfsvol:/dev/sda2/var/lib/machines/web", debian("11.2", ""))
        .filesystem("btrfsvol:/dev/sda2/var/lib/lxd/containers/db/rootfs", debian("10.2", ""));
    let inspection = run(host);
    assert_eq!((inspection.roots.len(), inspection.snapshots.len()), (1, 0));
    assert_eq!(
        inspection.notes,
        [
            "btrfsvol:/dev/sda2/var/lib/docker/btrfs/subvolumes/0123abcd: the first of 3 filesystems of containers, \
          passed over"
        ]
    );
    // A disk with a container alone is what was asked about. It has neither kernel nor fstab.
    let root = only(MemGuest::new().filesystem("/dev/sda", alpine().file("/bin/busybox", ELF)));
    assert_eq!(
        (root.distro(), root.arch(), root.package_format()),
        ("alpinelinux".into(), "x86_64".into(), "apk")
    );
    assert_eq!(mounts(&root), ["/dev/sda on /"]);
}

/// A checksum of ostree that begins like this.
fn checksum(start: &str) -> String {
    format!("{start:0<64}")
}

/// An ostree with deployments `a…` (version 39) and `b…` (40), which the links 0 and 1 lead to.
fn ostree() -> MemTree {
    let mut tree = MemTree::default().directory("/ostree/repo").directory("/boot").file("/.aleph", "");
    for (start, version, serial) in [("a", "39.20231101.3.0", 1), ("b", "40.20240519.3.0", 0)] {
        let name = format!("{}.{serial}", checksum(start));
        let top = format!("/ostree/deploy/fedora-coreos/deploy/{name}");
        let major = &version[..2];
        tree = tree
            .file(&format!("{top}.origin"), "[origin]\n")
            .file(
                &format!("{top}/usr/lib/os-release"),
                format!(
                    "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID={major}\nOSTREE_VERSION='{version}'\n\
                     PRETTY_NAME=\"Fedora CoreOS {version}\"\n"
                ),
            )
            .symlink(&format!("{top}/etc/os-release"), "../usr/lib/os-release")
            .symlink(&format!("{top}/bin"), "usr/bin")
            // An absolute link stays within the deployment, and so do too many steps upwards.
            .symlink(&format!("{top}/usr/bin/bash"), "/usr/libexec/bash")
            .file(&format!("{top}/usr/libexec/bash"), ELF)
            .symlink(&format!("{top}/etc/hostname"), "../../../../../../../../usr/lib/hostname")
            .file(&format!("{top}/usr/lib/hostname"), format!("host-{start}\n"))
            .symlink(
                &format!("/ostree/boot.1.1/fedora-coreos/{}/{serial}", checksum("f")),
                format!("../../../deploy/fedora-coreos/deploy/{name}"),
            );
    }
    tree.symlink("/ostree/boot.1", "boot.1.1").directory("/ostree/deploy/fedora-coreos/var")
}

/// A boot entry for the deployment of this serial.
fn entry(version: u32, serial: u32) -> String {
    let link = format!("/ostree/boot.1/fedora-coreos/{}/{serial}", checksum("f"));
    format!("title Fedora CoreOS\nversion {version}\noptions rw ostree={link} root=UUID=x\n")
}

#[test]
fn an_ostree_is_the_deployment_that_boots() {
    let deployment = |start: &str, serial: u32| {
        format!("/ostree/deploy/fedora-coreos/deploy/{}.{serial}", checksum(start))
    };
    let facts =
        |root: &Root| (root.deployment().to_string(), root.hostname().to_string(), root.major_version());
    // Without boot entries, the newer one.
    let root = only(MemGuest::new().filesystem("/dev/sda4", ostree()));
    assert_eq!(facts(&root), (deployment("b", 0), "host-b".into(), 40));
    assert_eq!((root.distro(), root.arch()), ("fedora".into(), "x86_64".into()));
    assert_eq!(mounts(&root), ["/dev/sda4 on /"]);
    // The entry of the highest version, in a filesystem of its own, or in the root.
    let names = ["loader/entries/ostree-1.conf", "loader/entries/ostree-2.conf", "loader/entries/other.conf"];
    let add = |mut tree: MemTree, directory: &str| {
        for (name, text) in names.iter().zip([entry(2, 1), entry(1, 0), entry(9, 0)]) {
            tree = tree.file(&format!("{directory}/{name}"), text);
        }
        tree
    };
    let boot = add(MemTree::default(), "").file("/grub2/grub.cfg", "");
    let apart = MemGuest::new().filesystem("/dev/sda3", boot.clone()).filesystem("/dev/sda4", ostree());
    let inspection = run(apart);
    assert_eq!(facts(&inspection.roots[0]), (deployment("a", 1), "host-a".into(), 39));
    assert_eq!(mounts(&inspection.roots[0]), ["/dev/sda3 on /boot", "/dev/sda4 on /"]);
    // It may come after it, and other roots stay where they are.
    let later = MemGuest::new()
        .filesystem("/dev/sda1", ostree())
        .filesystem("/dev/sda2", debian("12.5", ""))
        .filesystem("/dev/sda3", boot);
    let inspection_of_later = run(later);
    let found: Vec<_> = inspection_of_later.roots.iter().map(|root| root.mountable.to_string()).collect();
    assert_eq!(found, ["/dev/sda1", "/dev/sda2"]);
    assert_eq!(facts(&inspection_of_later.roots[0]), (deployment("a", 1), "host-a".into(), 39));
    let note = format!("/dev/sda4: 2 deployments of ostree, of which {} is looked at", deployment("a", 1));
    assert_eq!(inspection.notes, [note]);
    let inside = only(MemGuest::new().filesystem("/dev/sda4", add(ostree(), "/boot")));
    assert_eq!(facts(&inside), (deployment("a", 1), "host-a".into(), 39));
}

#[test]
fn an_ostree_of_hostile_links_is_read_within_bounds() {
    let empty = MemTree::default().directory("/ostree/repo").directory("/ostree/deploy");
    let inspection = run(MemGuest::new().filesystem("/dev/sda4", empty.clone()));
    assert_eq!(
        (inspection.roots.len(), &inspection.notes[..]),
        (0, &["/dev/sda4: ostree without a deployment".into()][..])
    );
    let name = format!("{}.0", checksum("a"));
    let mut tree = empty
        .symlink("/ostree/deploy/up", "..")
        .symlink("/ostree/deploy/os/deploy", "..")
        .symlink(&format!("/ostree/deploy/os/{name}"), "/ostree/deploy/os/deploy/deploy/deploy");
    for number in 0..1000 {
        tree = tree.directory(&format!("/ostree/deploy/x{number}/deploy/{name}"));
    }
    tree = tree
        .node("/loader/entries/ostree-1.conf", Node::Huge(u64::MAX))
        .node("/loader/entries/ostree-2.conf", Node::Fifo);
    // The directories are no systems, but this must end; what is found is one of those that are there.
    let inspection = run(MemGuest::new().filesystem("/dev/sda4", tree));
    assert_eq!(inspection.roots.len(), 1);
    assert_eq!(inspection.roots[0].distro(), "unknown");
}

#[test]
fn a_flatcar_that_was_never_booted_has_an_empty_root() {
    let usr = |version: &str| {
        MemTree::default()
            .directory("/bin")
            .file(
                "/lib/os-release",
                format!(
                    "ID=flatcar\nID_LIKE=coreos\nVERSION_ID={version}\nPRETTY_NAME=\"Flatcar {version}\"\n"
                ),
            )
            .directory("/share/flatcar")
    };
    let guest = MemGuest::new()
        .filesystem("/dev/sda3", usr("3815.2.0"))
        .filesystem("/dev/sda9", MemTree::default().directory("/usr"))
        .tag(crate::inspect::Tag::PartLabel, "ROOT", "/dev/sda9");
    let root = only(guest);
    assert_eq!((root.mountable.to_string(), root.distro()), ("/dev/sda9".into(), "flatcar".into()));
    assert_eq!(mounts(&root), ["/dev/sda3 on /usr", "/dev/sda9 on /"]);
}

#[test]
fn the_older_copy_of_a_chromeos_is_put_apart() {
    const ROOT: &str = "3CB8E202-3B7E-47DD-8A3C-7FF2A13CFCEC";
    let chromeos = |version: &str| {
        let release =
            format!("ID=chromeos\nVERSION_ID={version}\nNAME=\"Chrome OS\"\nPRETTY_NAME=\"Chrome OS\"\n");
        MemTree::linux("").file("/etc/os-release", release)
    };
    for (a, b, newer, older) in
        [("119", "120", "/dev/sda5", "/dev/sda3"), ("120", "120", "/dev/sda3", "/dev/sda5")]
    {
        let guest = MemGuest::new()
            .filesystem("/dev/sda3", chromeos(a))
            .filesystem("/dev/sda5", chromeos(b))
            .gpt("/dev/sda3", ROOT)
            .gpt("/dev/sda5", ROOT);
        assert_eq!(found(guest), (vec![newer.to_owned()], vec![format!("{older} of {newer}")]));
    }
}

#[test]
fn units_of_systemd_mount_what_fstab_does_not() {
    const WANTS: &str = "/etc/systemd/system/local-fs.target.wants";
    let unit = |what: &str, at: &str| format!("[Mount]\nWhat={what}\nWhere={at}\nType=ext4\n");
    let tree = MemTree::linux("/dev/sda1 / ext4\n/dev/sda2 /home ext4\n")
        .symlink(&format!("{WANTS}/srv.mount"), "../srv.mount")
        .file("/etc/systemd/system/srv.mount", unit("/dev/disk/by-label/srv", "/srv"))
        .file("/etc/systemd/system/local-fs.target.requires/data.mount", unit("/dev/sda3", "/data"))
        .file(&format!("{WANTS}/home.mount"), unit("/dev/sda3", "/home"))
        .file(&format!("{WANTS}/tmp.mount"), unit("tmpfs", "/tmp"))
        .file(&format!("{WANTS}/x.service"), unit("/dev/sda3", "/x"))
        .symlink(&format!("{WANTS}/loop.mount"), "loop.mount")
        .node(&format!("{WANTS}/huge.mount"), Node::Huge(65_537))
        // Not enabled.
        .file("/etc/systemd/system/opt.mount", unit("/dev/sda3", "/opt"));
    let guest = MemGuest::new()
        .partition("/dev/sda2")
        .partition("/dev/sda3")
        .tag(crate::inspect::Tag::Label, "srv", "/dev/sda3")
        .filesystem("/dev/sda1", tree);
    assert_eq!(
        mounts(&only(guest)),
        ["/dev/sda3 on /srv", "/dev/sda3 on /data", "/dev/sda2 on /home", "/dev/sda1 on /"]
    );
}

#[test]
fn without_fstab_systemd_mounts_by_the_types_of_partitions() {
    let tree = |fstab: &str, systemd: bool| {
        let tree = MemTree::linux(fstab).directory("/home").directory("/efi").directory("/boot");
        if systemd { tree.file("/usr/lib/systemd/systemd", ELF) } else { tree }
    };
    let guest = |tree: MemTree| {
        MemGuest::new()
            .gpt("/dev/sda1", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
            .gpt("/dev/sda2", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709")
            .gpt("/dev/sda3", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915")
            .gpt("/dev/sda4", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915")
            .gpt("/dev/sda5", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F")
            // There is no /srv to mount it on.
            .gpt("/dev/sda6", "3B8F8425-20E0-4F3B-907F-1A25A76F98E8")
            .filesystem("/dev/sda2", tree)
    };
    let root = only(guest(tree("# nothing\n", true)));
    assert_eq!(mounts(&root), ["/dev/sda3 on /home", "/dev/sda1 on /efi", "/dev/sda2 on /"]);
    assert_eq!(names(&root.filesystems()), ["/dev/sda5", "/dev/sda3", "/dev/sda1", "/dev/sda2"]);
    assert_eq!(mounts(&only(guest(tree("", false)))), ["/dev/sda2 on /"], "not without systemd");
    assert_eq!(
        mounts(&only(guest(tree("/dev/sda2 / ext4\n", true)))),
        ["/dev/sda2 on /"],
        "fstab has the last word"
    );
}

#[test]
fn a_subvolume_may_be_named_by_its_number() {
    let fstab = "/dev/sda2 / btrfs subvolid=256\n/dev/sda2 /top btrfs subvolid=5\n/dev/sda2 /no btrfs subvolid=999\n\
        /dev/sda2 /both btrfs subvolid=256,subvol=/home\n";
    let guest = MemGuest::new()
        .subvolume_id(256, "@")
        .subvolume_id(5, "")
        .filesystem("/dev/sda2", MemTree::default().directory("/x"))
        .filesystem("btrfsvol:/dev/sda2/@", debian("12.1", fstab));
    assert_eq!(
        mounts(&only(guest)),
        [
            "btrfsvol:/dev/sda2/home on /both",
            "/dev/sda2 on /no",
            "/dev/sda2 on /top",
            "btrfsvol:/dev/sda2/@ on /",
        ]
    );
}

#[test]
fn what_cannot_be_read_elsewhere_hides_no_root() {
    let guest = MemGuest::new()
        .kind("/dev/sda1", "unknown")
        .filesystem("/dev/sda2", debian("12.1", ""))
        .kind("/dev/sda3", "zfs_member");
    let inspection = run(guest);
    assert_eq!(inspection.roots.len(), 1);
    assert_eq!(unread(&inspection), ["/dev/sda3: zfs_member: cannot be mounted"]);
}

#[test]
fn one_bsd_is_told_from_another() {
    let bsd = |fstab: &str| MemTree::linux(fstab).file("/bin/sh", ELF);
    for (tree, facts) in [
        // Since 13 the message of the day is made when the system starts.
        (
            bsd("/dev/ada0p2 / ufs\n")
                .file("/etc/freebsd-update.conf", "")
                .symlink("/etc/motd", "/var/run/motd")
                .file("/bin/freebsd-version", "#!/bin/sh\nUSERLAND_VERSION=\"14.0-RELEASE-p6\"\n")
                .file("/etc/rc.conf.d/hostname", "hostname=\"f\"\n"),
            "freebsd freebsd 14.0 FreeBSD 14.0-RELEASE-p6 f",
        ),
        (
            bsd("/dev/ada0p2 / ufs\n").file("/bin/freebsd-version", "USERLAND_VERSION='15.0-CURRENT'\n"),
            "freebsd freebsd 15.0 FreeBSD 15.0-CURRENT unknown",
        ),
        (
            bsd("/dev/serno/x.s1a / ufs\n")
                .file("/sbin/hammer2", ELF)
                .file("/etc/motd", "DragonFly v6.4.0-RELEASE (X86_64_GENERIC) #1\n")
                .file("/etc/rc.conf", "hostname=\"fly\"\n"),
            "dragonfly dragonfly 6.4 DragonFly v6.4.0-RELEASE (X86_64_GENERIC) #1 fly",
        ),
        (
            bsd("/dev/serno/x.s1a / ufs\n").file("/sbin/hammer2", ELF).file(
                "/etc/os-release",
                "NAME=DragonFly\nVERSION_ID=6.4\nID=dragonfly\nPRETTY_NAME=\"DragonFlyBSD 6.4-SYNTH\"\n",
            ),
            "dragonfly dragonfly 6.4 DragonFlyBSD 6.4-SYNTH unknown",
        ),
    ] {
        let root = only(MemGuest::new().filesystem("/dev/sda1", tree));
        let (major, minor) = (root.major_version(), root.minor_version());
        let found = format!(
            "{} {} {major}.{minor} {} {}",
            root.os_type(),
            root.distro(),
            root.product_name(),
            root.hostname()
        );
        assert_eq!(found, facts);
        assert_eq!(root.arch(), "x86_64");
    }
}
