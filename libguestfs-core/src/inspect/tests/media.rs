//! Media to install from, by the files that they have.

use super::memory::{MemGuest, MemTree};
use super::systems::{ELF, mounts, run};
use crate::inspect::Root;

/// A medium with these files; a path that ends in a slash is a directory.
fn medium(files: &[(&str, &str)]) -> MemGuest {
    let tree = files.iter().fold(MemTree::default(), |tree, (path, text)| match path.strip_suffix('/') {
        Some(directory) => tree.directory(directory),
        None => tree.file(path, text),
    });
    MemGuest::new().filesystem("/dev/sda", tree).of_kind("iso9660")
}

/// What a medium is, in a line.
fn facts(root: &Root) -> String {
    let (major, minor) = (root.major_version(), root.minor_version());
    let mut line = format!(
        "{} {} {} {major}.{minor} {} {:?}",
        root.format(),
        root.os_type(),
        root.distro(),
        root.arch(),
        root.product_name().to_string(),
    );
    for (is, word) in
        [(root.is_live(), " live"), (root.is_netinst(), " netinst"), (root.is_multipart(), " multipart")]
    {
        line += if is { word } else { "" };
    }
    line
}

#[test]
fn a_medium_says_what_it_installs() {
    const DEBIAN: &str = "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64";
    let debian = |rest: &str| format!("{DEBIAN} {rest}\n");
    let rhel = "[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[release]\nname = Red Hat Enterprise Linux\n\
        short = RHEL\nversion = 9.3\n\n[general]\narch = x86_64\nfamily = Red Hat Enterprise Linux\n\
        name = Red Hat Enterprise Linux 9.3.0\nversion = 9.3.0\nvariant = BaseOS\n";
    let fedora = "[general]\nfamily = Fedora\ntimestamp = 1698865000\nvariant = Server\nversion = 39\narch = aarch64\n";
    let centos = "[general]\nfamily = CentOS\ntimestamp = 1333034447.11\ntotaldiscs = 1\nversion = 5.8\n\
        discnum = 1\npackagedir = CentOS\narch = i386\n";
    for (files, expected) in [
        (
            vec![
                ("/.disk/info", debian("NETINST with firmware 20240210-11:27").as_str()),
                ("/.disk/cd_type", "not_complete\n"),
            ],
            format!("linux debian 12.5 x86_64 {:?} netinst", debian("NETINST with firmware 20240210-11:27").trim()),
        ),
        (
            vec![("/.disk/info", debian("DVD Binary-1 with firmware").as_str()), ("/.disk/cd_type", "dvd\n")],
            format!("linux debian 12.5 x86_64 {:?} multipart", debian("DVD Binary-1 with firmware").trim()),
        ),
        (
            vec![("/.disk/info", debian("DVD Binary-1").as_str()), ("/.disk/cd_type", "dvd/single\n")],
            format!("linux debian 12.5 x86_64 {:?}", debian("DVD Binary-1").trim()),
        ),
        (
            vec![
                ("/.disk/info", "Official Debian GNU/Linux Live 12.5.0 standard 2024-02-10T11:28\n"),
                ("/live/filesystem.squashfs", "hsqs"),
            ],
            "linux debian 12.5 unknown \"Official Debian GNU/Linux Live 12.5.0 standard 2024-02-10T11:28\" live".into(),
        ),
        (
            vec![
                ("/.disk/info", "Ubuntu-Server 22.04.4 LTS \"Jammy Jellyfish\" - Release amd64 (20240216.1)"),
                ("/.disk/cd_type", "full_cd/single\n"),
                ("/casper/ubuntu-server-minimal.squashfs", "hsqs"),
            ],
            "linux ubuntu 22.4 x86_64 \"Ubuntu-Server 22.04.4 LTS \\\"Jammy Jellyfish\\\" - Release amd64 \
             (20240216.1)\" live"
                .into(),
        ),
        (
            vec![
                ("/.disk/info", "Linux Mint 21.3 \"Virginia\" - Release amd64 20240110\n"),
                ("/casper/filesystem.squashfs", "hsqs"),
            ],
            "linux linuxmint 21.3 x86_64 \"Linux Mint 21.3 \\\"Virginia\\\" - Release amd64 20240110\" live".into(),
        ),
        (
            vec![
                ("/.treeinfo", rhel),
                ("/.discinfo", "1697626487.899427\nRed Hat Enterprise Linux 9.3\nx86_64\nALL\n"),
                ("/BaseOS/", ""),
            ],
            "linux rhel 9.3 x86_64 \"Red Hat Enterprise Linux 9.3.0\"".into(),
        ),
        (
            vec![("/.treeinfo", fedora), ("/images/install.img", "hsqs")],
            "linux fedora 39.0 aarch64 \"Fedora 39\" netinst".into(),
        ),
        (
            vec![
                ("/.treeinfo", centos),
                ("/.discinfo", "1333034447.11\nFinal\ni386\n1\nCentOS/base\nCentOS/RPMS\n"),
                ("/CentOS/", ""),
            ],
            "linux centos 5.8 i386 \"CentOS 5.8\" multipart".into(),
        ),
        (
            vec![
                ("/.treeinfo", centos),
                ("/.discinfo", "1333034447.11\nFinal\ni386\n1,2,3,4,5,6,7\nCentOS/base\n"),
                ("/CentOS/", ""),
            ],
            "linux centos 5.8 i386 \"CentOS 5.8\"".into(),
        ),
        (
            vec![
                ("/LiveOS/squashfs.img", "hsqs"),
                ("/boot/grub2/grub.cfg", "menuentry 'Start Fedora-Workstation-Live 39' --class fedora {\n"),
            ],
            "linux fedora 39.0 unknown \"Fedora-Workstation-Live 39\" live".into(),
        ),
        (
            vec![(
                "/media.1/media",
                "SUSE - openSUSE-Leap-15.6-DVD-x86_64-Build710.3-Media\nopenSUSE-Leap-15.6-DVD-x86_64-Build710.3\n1\n",
            )],
            "linux opensuse 15.6 x86_64 \"openSUSE-Leap-15.6-DVD-x86_64-Build710.3\"".into(),
        ),
        (
            vec![("/media.1/media", "SUSE - x\nopenSUSE-Tumbleweed-NET-x86_64-Snapshot20240301\n1\n")],
            "linux opensuse 0.0 x86_64 \"openSUSE-Tumbleweed-NET-x86_64-Snapshot20240301\" netinst".into(),
        ),
        (
            vec![("/media.1/media", "SUSE - x\nSLE-15-SP5-Full-aarch64-Build146.1\n2\n")],
            "linux sles 15.5 aarch64 \"SLE-15-SP5-Full-aarch64-Build146.1\" multipart".into(),
        ),
        (
            vec![(
                "/content",
                "PRODUCT openSUSE\nVERSION 11.4\nLABEL openSUSE 11.4\nBASEARCHS i586 x86_64\nVENDOR openSUSE\n",
            )],
            "linux opensuse 11.4 i386 \"openSUSE 11.4\"".into(),
        ),
        (
            vec![("/sources/install.wim", "MSWIM"), ("/BOOTMGR", ""), ("/efi/boot/BOOTX64.EFI", "MZ")],
            "windows windows 0.0 x86_64 \"Windows\"".into(),
        ),
        (vec![("/I386/TXTSETUP.SIF", "[SetupData]\n")], "windows windows 0.0 i386 \"Windows\"".into()),
        (
            vec![("/arch/version", "2024.03.01\n"), ("/arch/x86_64/airootfs.sfs", "hsqs")],
            "linux archlinux 0.0 x86_64 \"Arch Linux 2024.03.01\" live".into(),
        ),
        (
            vec![("/.alpine-release", "alpine-standard 3.19.1 240126\n"), ("/apks/x86_64/APKINDEX.tar.gz", "")],
            "linux alpinelinux 3.19 x86_64 \"alpine-standard 3.19.1 240126\" live".into(),
        ),
        (
            vec![
                ("/nix-store.squashfs", "hsqs"),
                ("/EFI/BOOT/grub.cfg", "menuentry 'NixOS 23.11.4030 Installer' --class installer {\n"),
            ],
            "linux nixos 23.11 unknown \"NixOS 23.11.4030 Installer\" live".into(),
        ),
        (
            vec![("/7.5/amd64/bsd.rd", "\u{7f}ELF"), ("/7.5/amd64/base75.tgz", "")],
            "openbsd openbsd 7.5 x86_64 \"OpenBSD 7.5\"".into(),
        ),
        (
            vec![("/ANNOUNCE.15_0", ""), ("/slackware64/a/x.txz", "")],
            "linux slackware 15.0 x86_64 \"Slackware 15.0\"".into(),
        ),
        (vec![("/LiveOS/squashfs.img", "hsqs")], "linux unknown 0.0 unknown \"unknown\" live".into()),
    ] {
        let inspection = run(medium(&files));
        let [root] = &inspection.roots[..] else { panic!("{files:?}: {inspection:?}") };
        assert_eq!(facts(root), format!("installer {expected}"));
        assert_eq!(mounts(root), ["/dev/sda on /"]);
    }
}

#[test]
fn data_on_a_disc_is_no_medium() {
    for files in [
        vec![("/meta-data", "instance-id: x\n"), ("/user-data", "#cloud-config\n")],
        vec![("/photos/1.jpg", "")],
        vec![("/sources/readme.txt", ""), ("/setup.exe", "MZ")],
        vec![("/7.5/readme", ""), ("/ANNOUNCE", "")],
        vec![("/.disk/info", "\n")],
        vec![("/.treeinfo", "[general]\nfamily = \nversion\n")],
        vec![("/content", "LABEL something else\n")],
        vec![("/media.1/media", "\n\n\n")],
    ] {
        assert_eq!(run(medium(&files)).roots, [], "{files:?}");
    }
}

#[test]
fn an_installed_system_goes_before_a_medium() {
    let info = "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST";
    let inspection = run(MemGuest::new()
        .disk("/dev/sdb")
        .filesystem("/dev/sdb", MemTree::default().file("/.disk/info", info))
        .of_kind("iso9660")
        .filesystem("/dev/sda1", MemTree::linux("").file("/etc/debian_version", "12.1\n")));
    assert_eq!(inspection.roots.len(), 1);
    assert_eq!(facts(&inspection.roots[0]), "installed linux debian 12.1 unknown \"12.1\"");
    assert_eq!(
        inspection.notes,
        [format!("/dev/sdb: a medium that installs {info}, passed over for what is installed")]
    );
}

#[test]
fn a_system_that_runs_from_a_disc_is_a_medium() {
    let tree = MemTree::linux("/dev/iso9660/14_0 / cd9660 ro 0 0\n")
        .file("/bin/freebsd-version", "USERLAND_VERSION=\"14.0-RELEASE\"\n")
        .file("/bin/sh", ELF);
    let inspection = run(MemGuest::new().filesystem("/dev/sda", tree).of_kind("iso9660"));
    assert_eq!(
        facts(&inspection.roots[0]),
        "installer freebsd freebsd 14.0 x86_64 \"FreeBSD 14.0-RELEASE\" live"
    );
}

#[test]
fn a_hybrid_medium_is_one() {
    let tree =
        || MemTree::default().file("/.disk/info", "Debian GNU/Linux 12.5.0 - Official amd64 NETINST\n");
    let both =
        MemGuest::new().filesystem("/dev/sda1", tree()).of_kind("iso9660").filesystem("/dev/sda", tree());
    let roots = run(both.of_kind("iso9660")).roots;
    assert_eq!((roots.len(), roots[0].mountable.to_string()), (1, "/dev/sda1".to_owned()));
    let two = MemGuest::new().disk("/dev/sdb").filesystem("/dev/sda", tree()).filesystem("/dev/sdb", tree());
    assert_eq!(run(two).roots.len(), 2, "two discs are two");
}
