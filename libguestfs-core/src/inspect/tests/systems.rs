//! What inspection makes of whole guests: roots and what belongs to them, device names, hostile trees.

use super::memory::{MemGuest, MemTree, Node};
use crate::inspect::{Array, Inspection, LogicalVolume, Root, Tag, Trouble, Unlocked, Unread, inspect};

/// The start of a program for x86_64.
pub(super) const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0";

pub(super) fn run(mut guest: MemGuest) -> Inspection {
    inspect(&mut guest).unwrap()
}

pub(super) fn only(guest: MemGuest) -> Root {
    let mut inspection = run(guest);
    assert_eq!(inspection.roots.len(), 1, "{inspection:?}");
    inspection.roots.remove(0)
}

/// Mounts as `DEVICE on MOUNTPOINT`.
pub(super) fn mounts(root: &Root) -> Vec<String> {
    root.mountpoints().iter().map(|mount| format!("{} on {}", mount.mountable, mount.mountpoint)).collect()
}

/// What was not read, as sentences.
pub(super) fn unread(inspection: &Inspection) -> Vec<String> {
    inspection.unread.iter().map(ToString::to_string).collect()
}

pub(super) fn names(list: &[bstr::BString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn a_disk_without_a_system_has_no_roots() {
    let data = MemTree::default().file("/photo.jpg", "x").directory("/lost+found");
    let guest = MemGuest::new().filesystem("/dev/sda1", data).kind("/dev/sda2", "swap");
    assert_eq!(run(guest), Inspection::default());
}

#[test]
fn every_form_of_device_name_leads_to_the_device() {
    let fstab = "\
        # /etc/fstab\n\
        /dev/disk/by-uuid/12AB-cd34 / ext4 defaults 0 1\n\
        UUID=12ab-CD34 /a ext4\n\
        LABEL=my\\040data /b ext4\n\
        LABEL=\"my\\040data\" /c ext4\n\
        PARTUUID=0f-01 /d ext4\n\
        PARTLABEL=name /e ext4\n\
        /dev/sda2 /f ext4\n\
        /dev/hda2 /g ext4\n\
        /dev/vda2 /h ext4\n\
        /dev/xvdb /i ext4\n\
        /dev/mapper/vg--one-lv--two /j ext4\n\
        /dev/vg-one/lv-two /k ext4\n\
        /dev/disk/by-id/dm-uuid-LVM-0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ012345 /l ext4\n\
        /dev/disk/by-label/my\\x20data /m ext4\n\
        /dev/root /n ext4\n\
        /dev/md127 /o ext4\n\
        /dev/mapper/crypt /p ext4\n\
        /dev/sda2 /q/ ext4\n\
        /dev/sda2 /r\\040s ext4\n\
        /dev/mapper/byname /s ext4\n\
        /dev/mapper/onvolume /t ext4\n\
        /dev/mapper/luks-own /u ext4\n\
        /dev/mapper/circle /v ext4\n\
        /dev/mapper/luks-aa-bb /w ext4\n\
        /dev/disk/by-id/dm-uuid-CRYPT-LUKS2-aabb-any /x ext4\n\
        /dev/disk/by-id/dm-name-vg--one-lv--two /y ext4\n\
        /dev/disk/by-id/dm-name-circle /z ext4\n\
        /dev/disk/by-id/md-uuid-a1b2:c3d4 /aa ext4\n\
        /dev/disk/by-id/md-name-host:data /bb ext4\n\
        /dev/md/data /cc ext4\n\
        /dev/md/host:data /dd ext4\n\
        /dev/md/other /ee ext4\n\
        /dev/sda3 none swap sw\n";
    let crypttab = "\
        crypt UUID=aa-bb none luks\n\
        byname PARTUUID=0f-01\n\
        onvolume /dev/mapper/vg--one-lv--two\n\
        circle /dev/mapper/circle\n";
    let tree = MemTree::linux(fstab)
        .file("/etc/crypttab", crypttab)
        .file("/etc/mdadm/mdadm.conf", "ARRAY /dev/md127 UUID=a1:b2:c3:d4\n");
    let mut guest = MemGuest::new()
        .disk("/dev/sdb")
        .partition("/dev/sda2")
        .kind("/dev/sda3", "swap")
        .tag(Tag::Uuid, "12ab-cd34", "/dev/sda1")
        .tag(Tag::Label, "my data", "/dev/sdb")
        .tag(Tag::PartUuid, "0f-01", "/dev/sda2")
        .tag(Tag::PartLabel, "name", "/dev/sda2");
    guest.disks.logical_volumes.push(LogicalVolume {
        device: "/dev/vg-one/lv-two".into(),
        group: "vg-one".into(),
        name: "lv-two".into(),
        group_uuid: "012345-6789-abcd-efgh-ijkl-mnop-qrstuv".into(),
        uuid: "ABCDEF-GHIJ-KLMN-OPQR-STUV-WXYZ-012345".into(),
        origin: None,
    });
    guest.disks.arrays.push(Array {
        device: "/dev/md0".into(),
        uuid: "a1b2:c3d4".into(),
        name: "host:data".into(),
    });
    for (device, uuid, encrypted) in [
        ("/dev/mapper/luks-aabb", "AABB", "/dev/sda9"),
        ("/dev/mapper/luks-own", "", "/dev/sda8"),
        ("/dev/mapper/cryptsda2", "", "/dev/sda2"),
        ("/dev/mapper/cryptvolume", "", "/dev/vg-one/lv-two"),
    ] {
        guest.disks.unlocked.push(Unlocked {
            device: device.into(),
            uuid: uuid.into(),
            encrypted: encrypted.into(),
        });
    }
    let root = only(guest.filesystem("/dev/sda1", tree));
    let mut expected = vec![
        "/dev/sda1 on /",
        "/dev/sda1 on /a",
        "/dev/sdb on /b",
        "/dev/sdb on /c",
        "/dev/sda2 on /d",
        "/dev/sda2 on /e",
        "/dev/sda2 on /f",
        "/dev/sda2 on /g",
        "/dev/sda2 on /h",
        "/dev/sdb on /i",
        "/dev/vg-one/lv-two on /j",
        "/dev/vg-one/lv-two on /k",
        "/dev/vg-one/lv-two on /l",
        "/dev/sdb on /m",
        "/dev/sda1 on /n",
        "/dev/md0 on /o",
        "/dev/mapper/luks-aabb on /p",
        "/dev/sda2 on /q",
        "/dev/sda2 on /r s",
        "/dev/mapper/cryptsda2 on /s",
        "/dev/mapper/cryptvolume on /t",
        "/dev/mapper/luks-own on /u",
        "/dev/mapper/circle on /v",
        "/dev/mapper/luks-aabb on /w",
        "/dev/mapper/luks-aabb on /x",
        "/dev/vg-one/lv-two on /y",
        "/dev/disk/by-id/dm-name-circle on /z",
        "/dev/md0 on /aa",
        "/dev/md0 on /bb",
        "/dev/md0 on /cc",
        "/dev/md0 on /dd",
        "/dev/md/other on /ee",
    ];
    expected.reverse();
    assert_eq!(mounts(&root), expected);
    let filesystems = names(&root.filesystems());
    assert_eq!((filesystems.len(), filesystems[0].as_str()), (33, "/dev/sda3"), "swap is among them");
}

#[test]
fn what_cannot_be_found_is_named_as_the_guest_does_and_what_is_no_disk_is_left_out() {
    let fstab = "\
        /dev/sda1 / ext4\n\
        /dev/sda9 /kept/1 ext4\n\
        /dev/sdq1 /kept/2 ext4\n\
        /dev/mapper/none /kept/3 ext4\n\
        /dev/md7 /kept/4 ext4\n\
        /dev/cciss/c0d0p2 /kept/5 ext4\n\
        /dev/disk/by-id/ata-DISK-part1 /kept/6 ext4\n\
        /dev/nvme0n1p1 /kept/7 ext4\n\
        /dev/disk/by-uuid/no /kept/8 ext4\n\
        UUID=no /left/out ext4\n\
        LABEL=no /left/out ext4\n\
        tmpfs /tmp tmpfs\n\
        server:/export /left/out nfs\n\
        //server/share /left/out cifs\n\
        /swapfile none swap sw\n\
        proc /proc proc\n\
        /dev/sda1 /sys/fs x\n\
        /dev/sda1 /media/cdrom x\n\
        /dev/sda1 /dev/shm x\n\
        /dev/sda1 / ext4\n\
        /dev/fd0 /floppy vfat\n\
        /dev/cdrom /cdrom iso9660\n\
        /dev/cd0a /kept/9 x\n";
    let root = only(MemGuest::new().disk("/dev/sdb").filesystem("/dev/sda1", MemTree::linux(fstab)));
    let found = mounts(&root);
    assert_eq!(found.last().unwrap(), "/dev/sda1 on /");
    assert_eq!(
        found.iter().rev().skip(1).map(|mount| mount.split_once(" on ").unwrap().1).collect::<Vec<_>>(),
        (1..=9).map(|n| format!("/kept/{n}")).collect::<Vec<_>>()
    );
    assert!(found.contains(&"/dev/sda9 on /kept/1".to_owned()), "{found:?}");
}

#[test]
fn with_one_disk_names_that_do_not_say_which_are_translated() {
    let fstab = "\
        /dev/nvme0n1p2 /boot ext4\n\
        /dev/mmcblk0p2 /a ext4\n\
        /dev/disk/by-id/ata-DISK-part2 /b ext4\n\
        /dev/disk/by-path/pci-0000-part2 /c ext4\n";
    let guest = MemGuest::new().partition("/dev/sda2").filesystem("/dev/sda1", MemTree::linux(fstab));
    assert!(mounts(&only(guest)).iter().all(|mount| mount.starts_with("/dev/sda2 on ")));
}

#[test]
fn btrfs_options_name_subvolumes() {
    let fstab = "/dev/sda2 / btrfs subvol=root 0 0\n/dev/sda2 /home btrfs rw,subvol=/@/home\n\
        /dev/sda2 /top btrfs ro\n/dev/sda1 /boot ext4 subvol=x\n";
    let root = only(
        MemGuest::new()
            .partition("/dev/sda1")
            .partition("/dev/sda2")
            .filesystem("btrfsvol:/dev/sda2/root", MemTree::linux(fstab)),
    );
    assert_eq!(
        mounts(&root),
        [
            "/dev/sda1 on /boot",
            "/dev/sda2 on /top",
            "btrfsvol:/dev/sda2/@/home on /home",
            "btrfsvol:/dev/sda2/root on /",
        ]
    );
}

#[test]
fn without_fstab_entries_the_root_is_all_there_is() {
    let root = only(MemGuest::new().filesystem("/dev/sda1", MemTree::linux("# nothing\n")));
    assert_eq!(mounts(&root), ["/dev/sda1 on /"]);
    assert_eq!(names(&root.filesystems()), ["/dev/sda1"]);
}

#[test]
fn a_usr_of_its_own_says_what_the_root_cannot() {
    let root_tree = MemTree::default()
        .file("/etc/fstab", "/dev/sda1 / ext4\n/dev/sda2 /usr ext4\n")
        .file("/etc/hostname", "host\n")
        .symlink("/etc/os-release", "../usr/lib/os-release")
        .symlink("/bin", "usr/bin")
        .directory("/usr");
    let usr = MemTree::default()
        .file("/lib/os-release", "ID=fedora\nVERSION_ID=40\nPRETTY_NAME=\"Fedora Linux 40\"\n")
        .file("/bin/bash", ELF)
        .file("/bin/dnf", "x")
        .directory("/local")
        .directory("/share")
        .directory("/src");
    let other_usr = usr.clone().file("/lib/os-release", "ID=debian\nVERSION_ID=1.1\nPRETTY_NAME=x\n");
    let root = only(
        MemGuest::new()
            .filesystem("/dev/sda3", other_usr)
            .filesystem("/dev/sda1", root_tree)
            .filesystem("/dev/sda2", usr),
    );
    assert_eq!(root.mountable, "/dev/sda1");
    assert_eq!(
        (root.distro(), root.major_version(), root.arch(), root.hostname()),
        ("fedora".into(), 40, "x86_64".into(), "host".into())
    );
    assert_eq!((root.package_format(), root.package_management()), ("rpm", "dnf"));
    assert_eq!(mounts(&root), ["/dev/sda2 on /usr", "/dev/sda1 on /"]);
}

#[test]
fn parts_of_a_system_are_no_roots() {
    for part in [
        MemTree::default().file("/grub/menu.lst", "").file("/etc/fstab", "").directory("/bin"),
        MemTree::default().directory("/log").directory("/run").directory("/spool"),
        MemTree::default().directory("/etc").directory("/bin").directory("/share"),
        MemTree::default().directory("/alice").directory("/bob"),
        MemTree::default()
            .directory("/SYSTEM volume information")
            .directory("/DOS")
            .file("/DOS/COMMAND.COM", ""),
        // /etc and /bin alone make no root, nor does a link to some other place.
        MemTree::default().directory("/etc").directory("/bin"),
        MemTree::default().file("/etc/fstab", "").symlink("/bin", "/mnt/bin"),
    ] {
        assert_eq!(run(MemGuest::new().filesystem("/dev/sda1", part.clone())).roots, [], "{part:?}");
    }
}

#[test]
fn two_systems_are_two_roots_in_the_order_of_the_disks() {
    let guest = MemGuest::new()
        .filesystem("/dev/sda5", MemTree::linux("").file("/etc/debian_version", "10.1\n"))
        .filesystem("/dev/sda1", MemTree::linux("").file("/etc/alpine-release", "3.1.4\n"));
    let roots = run(guest).roots;
    assert_eq!(
        names(&roots.iter().map(|root| root.mountable.clone()).collect::<Vec<_>>()),
        ["/dev/sda5", "/dev/sda1"]
    );
    assert_eq!(names(&roots.iter().map(Root::distro).collect::<Vec<_>>()), ["debian", "alpinelinux"]);
}

#[test]
fn other_systems_are_told_by_their_files() {
    let bsd = |fstab: &str| MemTree::linux(fstab).file("/bin/ls", ELF);
    for (tree, facts, devices) in [
        (
            bsd("/dev/ada0p2 / ufs\n/dev/ada0s1a /old ufs\n/dev/ada0s1e /e ufs\n")
                .file("/etc/freebsd-update.conf", "")
                .file("/etc/motd", "FreeBSD 13.2-RELEASE (GENERIC) #0\n\nWelcome\n")
                .file("/etc/rc.conf", "hostname=\"bsd.example\"\nsshd_enable=YES\n"),
            "freebsd freebsd 13.2 bsd.example",
            vec!["/dev/sda8 on /e", "/dev/sda5 on /old", "/dev/sda2 on /"],
        ),
        (
            bsd("/dev/sd0a / ffs\n/dev/ld0e /e ffs\n")
                .file("/netbsd", "")
                .file("/etc/release", "NetBSD 9.3/amd64\n")
                .file("/etc/rc.conf", "hostname=net\n"),
            "netbsd netbsd 9.3 net",
            vec!["/dev/sda7 on /e", "/dev/sda5 on /"],
        ),
        (
            bsd("0123456789abcdef.a / ffs\n0123456789abcdef.e /e ffs\n")
                .file("/bsd", "")
                .file("/etc/motd", "OpenBSD 7.3 (GENERIC.MP)\n")
                .file("/etc/myname", "open.example\n"),
            "openbsd openbsd 7.3 open.example",
            vec!["/dev/sda8 on /e", "/dev/sda5 on /"],
        ),
        (
            MemTree::linux("/dev/hd0s2 / ext2\n")
                .file("/hurd/console", "")
                .file("/hurd/hello", "")
                .file("/hurd/null", "")
                .file("/etc/debian_version", "12.0\n"),
            "hurd debian 12.0 unknown",
            vec!["/dev/sda2 on /"],
        ),
        (
            MemTree::linux("/dev/c0d0p0s0 / mfs\n")
                .file("/service/vm", "")
                .file("/etc/version", "3.3.0\n")
                .file("/etc/hostname.file", "mini\n"),
            "minix unknown 3.3 mini",
            vec!["/dev/sda1 on /"],
        ),
        (MemTree::default().file("/FDos/freedos.bss", ""), "dos freedos 0.0 unknown", vec!["/dev/sda1 on /"]),
        (MemTree::default().file("/dos/Command.com", ""), "dos msdos 0.0 unknown", vec!["/dev/sda1 on /"]),
    ] {
        let mut guest = MemGuest::new();
        for number in 2..=10 {
            guest = guest.partition(&format!("/dev/sda{number}"));
        }
        let root = only(guest.filesystem("/dev/sda1", tree));
        let (major, minor) = (root.major_version(), root.minor_version());
        let found = format!("{} {} {major}.{minor} {}", root.os_type(), root.distro(), root.hostname());
        assert_eq!(
            (found.as_str(), mounts(&root)),
            (facts, devices.iter().map(ToString::to_string).collect())
        );
    }
}

#[test]
fn a_bsd_seen_twice_and_a_snapshot_are_one_root() {
    let bsd = MemTree::linux("").file("/etc/freebsd-update.conf", "");
    let guest = MemGuest::new().filesystem("/dev/sda1", bsd.clone()).filesystem("/dev/sda5", bsd);
    assert_eq!(only(guest).mountable, "/dev/sda5");
    let linux = MemTree::linux("").file("/etc/debian_version", "10.1\n");
    let guest = MemGuest::new()
        .filesystem("/dev/sda2", linux.clone())
        .filesystem("btrfsvol:/dev/sda2/.snapshots/1", linux.clone());
    assert_eq!(only(guest).mountable, "/dev/sda2");
    let newer = linux.clone().file("/etc/debian_version", "11.1\n");
    let guest = MemGuest::new().filesystem("/dev/sda2", linux).filesystem("btrfsvol:/dev/sda2/other", newer);
    assert_eq!(run(guest).roots.len(), 2, "another version is another system");
}

#[test]
fn a_coreos_is_its_root_with_its_newest_usr() {
    let root = || {
        ["/etc", "/root", "/home", "/usr"]
            .iter()
            .fold(MemTree::default(), |tree, path| tree.directory(path))
            .file("/etc/coreos/update.conf", "")
    };
    let usr = |version: &str| {
        ["/bin", "/local", "/share/coreos"]
            .iter()
            .fold(MemTree::default(), |tree, path| tree.directory(path))
            .file(
                "/share/coreos/lsb-release",
                format!(
                    "DISTRIB_ID=CoreOS\nDISTRIB_RELEASE={version}\nDISTRIB_DESCRIPTION=\"CoreOS {version}\"\n"
                ),
            )
    };
    let guest = MemGuest::new()
        .filesystem("/dev/sda3", usr("1185.5"))
        .filesystem("/dev/sda4", usr("1192.2"))
        .filesystem("/dev/sda9", root());
    let found = only(guest.clone());
    assert_eq!(
        (found.mountable.to_string(), found.product_name()),
        ("/dev/sda9".into(), "CoreOS 1192.2".into())
    );
    assert_eq!(mounts(&found), ["/dev/sda4 on /usr", "/dev/sda9 on /"]);
    // Of two, each has its own disk; the original gives up.
    let two =
        run(guest.disk("/dev/sdb").filesystem("/dev/sdb3", usr("1300.1")).filesystem("/dev/sdb9", root()));
    let found: Vec<_> =
        two.roots.iter().map(|root| format!("{} {}", root.mountable, root.product_name())).collect();
    assert_eq!(found, ["/dev/sda9 CoreOS 1192.2", "/dev/sdb9 CoreOS 1300.1"]);
}

#[test]
fn the_name_of_the_machine_is_the_first_line_that_says_something() {
    for (files, name) in [
        (vec![("/etc/hostname", "host.example\n")], "host.example"),
        (vec![("/etc/hostname", "\n# comment\n  host  \nother\n")], "host"),
        (vec![("/etc/HOSTNAME", "suse\n"), ("/etc/hostname", "other\n")], "suse"),
        (vec![("/etc/HOSTNAME", "# nothing\n"), ("/etc/hostname", "other\n")], "other"),
        (vec![("/etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=\"rhel.example\"\n")], "rhel.example"),
        (vec![("/etc/hostname", "a\0b\n")], "unknown"),
        (vec![("/etc/hostname", "caf\u{e9}\n")], "caf\u{e9}"),
        (vec![], "unknown"),
    ] {
        let tree = files.iter().fold(MemTree::linux(""), |tree, (path, text)| tree.file(path, text));
        assert_eq!(only(MemGuest::new().filesystem("/dev/sda1", tree)).hostname(), name, "{files:?}");
    }
}

#[test]
fn the_processor_is_that_of_the_first_program() {
    let tree = MemTree::default()
        .file("/etc/fstab", "")
        .symlink("/bin", "usr/bin")
        .file("/usr/bin/bash", "#!/bin/sh")
        .symlink("/usr/bin/ls", "/bin/busybox")
        .file("/usr/bin/busybox", ELF);
    assert_eq!(only(MemGuest::new().filesystem("/dev/sda1", tree)).arch(), "x86_64");
}

#[test]
fn hostile_trees_do_no_harm() {
    let linux = || MemTree::linux("").file("/etc/debian_version", "10.1\n");
    let long = "/x".repeat(3000);
    let mut chain = linux();
    for link in 0..100 {
        chain = chain.symlink(&format!("/etc/l{link}"), format!("l{}", link + 1));
    }
    for (what, tree) in [
        ("a link to itself", linux().symlink("/etc/os-release", "os-release")),
        (
            "a cycle of links",
            linux().symlink("/etc/os-release", "/etc/a").symlink("/etc/a", "../etc/os-release"),
        ),
        ("a link that doubles", linux().symlink("/etc/os-release", "b/b").symlink("/etc/b", "b/b/b/b")),
        ("a long chain", chain.symlink("/etc/os-release", "l0")),
        ("a long target", linux().symlink("/etc/os-release", long.as_str())),
        (
            "a link out of the guest",
            linux().symlink("/etc/os-release", "../../../../../../host/etc/os-release"),
        ),
        ("a FIFO", linux().node("/etc/os-release", Node::Fifo).node("/etc/hostname", Node::Fifo)),
        (
            "a huge file",
            linux().node("/etc/os-release", Node::Huge(2_146_305)).node("/bin/sh", Node::Huge(u64::MAX)),
        ),
        ("a huge fstab", linux().node("/etc/fstab", Node::Huge(100_001))),
        ("a directory", linux().directory("/etc/os-release").directory("/etc/hostname")),
        ("a file as a directory", linux().symlink("/etc/os-release", "/etc/fstab/os-release")),
        ("garbage", linux().file("/etc/os-release", (0..=255).cycle().take(9999).collect::<Vec<u8>>())),
        ("a NUL", linux().file("/etc/os-release", "ID=x\0y\nVERSION_ID=1.1\0\nPRETTY_NAME=\"\0\"\n")),
    ] {
        let root = only(MemGuest::new().filesystem("/dev/sda1", tree));
        let found =
            (root.distro().to_string(), root.major_version(), root.hostname().to_string(), mounts(&root));
        assert_eq!(found, ("debian".into(), 10, "unknown".into(), vec!["/dev/sda1 on /".into()]), "{what}");
    }
}

#[test]
fn bytes_that_are_no_text_pass_through_unchanged() {
    let name = b"PRETTY_NAME=\"\xff\xfe \x1b[2J \xe2\x82\xac\"\nID=odd\nVERSION_ID=1\n";
    let root =
        only(MemGuest::new().filesystem("/dev/sda1", MemTree::linux("").file("/etc/os-release", name)));
    assert_eq!(root.product_name(), &b"\xff\xfe \x1b[2J \xe2\x82\xac"[..]);
}

#[test]
fn a_link_within_the_guest_is_followed_from_its_root() {
    let tree = MemTree::linux("")
        .symlink("/etc/os-release", "/../a/./b//c/../os-release")
        .symlink("/a", "/very/deep")
        .directory("/very/deep/b/c")
        .file("/very/deep/b/os-release", "ID=deep\nVERSION_ID=2.3\nPRETTY_NAME=Deep\n");
    assert_eq!(only(MemGuest::new().filesystem("/dev/sda1", tree)).distro(), "deep");
}

#[test]
fn an_unread_filesystem_that_could_be_a_root_is_told_of() {
    let debian = |fstab: &str| MemTree::linux(fstab).file("/etc/debian_version", "10.1\n");
    let is_told = |fstab: &str| {
        let guest = MemGuest::new().filesystem("/dev/sda1", debian(fstab)).unsupported("/dev/sda2", "xfs");
        let inspection = run(guest);
        assert_eq!(inspection.roots.len(), 1);
        let unread =
            Unread { what: "/dev/sda2: xfs".into(), why: Trouble::Unsupported("no reader".to_owned()) };
        if inspection.unread.is_empty() {
            assert_eq!(inspection.notes, [unread.to_string()]);
            return false;
        }
        assert_eq!((inspection.unread, inspection.notes.len()), (vec![unread], 0));
        true
    };
    assert!(is_told(""), "it may be another system's");
    assert!(!is_told("/dev/sda1 / ext4\n/dev/sda2 /home xfs\n"), "it is this system's");
    assert!(is_told("/dev/sda1 / ext4\n/dev/sda2 /usr xfs\n"), "it may know more");
}

#[test]
fn a_filesystem_that_nothing_can_mount_is_left_out_and_told_of() {
    let inspection = run(MemGuest::new().kind("/dev/sda1", "ext4").kind("/dev/sda2", "unknown"));
    assert_eq!(unread(&inspection), ["/dev/sda1: ext4: cannot be mounted"]);
    assert!(inspection.notes.is_empty());
}

#[test]
fn a_damaged_place_costs_what_is_in_it() {
    let damaged = Node::Damaged;
    let root = MemTree::linux("/dev/sda1 / ext4\n/dev/sda2 /home ext4\n")
        .file("/etc/debian_version", "10.1\n")
        .node("/etc/hostname", damaged.clone());
    let guest = MemGuest::new()
        .filesystem("/dev/sda1", root)
        .filesystem("/dev/sda2", MemTree::default().node("/etc", damaged.clone()))
        .filesystem("/dev/sda3", MemTree::linux("").file("/etc/debian_version", "11.1\n"))
        .filesystem("/dev/sda4", MemTree::default().node("/etc", damaged));
    let inspection = run(guest);
    let found: Vec<_> = inspection.roots.iter().map(|r| (r.mountable.to_string(), r.hostname())).collect();
    assert_eq!(found, [("/dev/sda1".into(), "unknown".into()), ("/dev/sda3".into(), "unknown".into())]);
    assert_eq!(inspection.notes, ["/dev/sda2: ext4: /etc: damaged"], "it is /home, whatever is in it");
    assert_eq!(
        unread(&inspection),
        ["/dev/sda1: ext4: /etc/hostname: damaged", "/dev/sda4: ext4: /etc: damaged"]
    );
}

#[test]
fn of_two_troubles_the_one_that_can_be_helped_is_told() {
    let [damaged, unsupported] = [Trouble::Damaged("d".to_owned()), Trouble::Unsupported("u".to_owned())];
    let later = Trouble::Damaged("later".to_owned());
    for (first, second, told) in [
        (None, &damaged, &damaged),
        (Some(&damaged), &later, &damaged),
        (Some(&damaged), &unsupported, &unsupported),
        (Some(&unsupported), &damaged, &unsupported),
    ] {
        assert_eq!(second.clone().or_first(first.cloned()), *told);
    }
}

#[test]
fn etc_may_be_a_link() {
    let tree = MemTree::default()
        .symlink("/etc", "real/etc")
        .file("/real/etc/fstab", "")
        .file("/real/etc/debian_version", "12.5\n")
        .directory("/bin");
    assert_eq!(only(MemGuest::new().filesystem("/dev/sda1", tree)).product_name(), "12.5");
}

#[test]
fn a_file_that_is_too_long_is_told_of() {
    let tree =
        MemTree::linux("").node("/etc/fstab", Node::Huge(100_001)).file("/etc/debian_version", "12.5\n");
    let inspection = run(MemGuest::new().filesystem("/dev/sda1", tree));
    assert_eq!(inspection.roots[0].product_name(), "12.5");
    assert_eq!(inspection.notes, ["/dev/sda1: /etc/fstab: too long, and not read"]);
}
