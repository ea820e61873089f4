//! The tools on guests whose system is not simply in the root of a disk: several systems, snapshots, deployments, media,
//! containers, damaged neighbours. They choose, or say how to.
//!
//! `data/golden/systems` has what Debian's `virt-inspector --no-applications --no-icon` (1.48.6) prints of some of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bstr::ByteSlice;
use guestfs_tests::{data, must, run};
use tempfile::TempDir;

/// Size of a filesystem in these tests (bytes).
const SIZE: u64 = 24 << 20;

/// A directory that images are made in.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Result<Workshop> {
        Ok(Workshop(tempfile::tempdir()?))
    }

    /// A directory with these files; `PATH -> TARGET` is a link, `PATH/` a directory.
    fn tree(&self, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
        let root = self.0.path().join(name);
        for (path, content) in files {
            let (path, target) = path.split_once(" -> ").map_or((*path, None), |(p, t)| (p, Some(t)));
            let file = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
            match target {
                Some(target) => symlink(target, &file)?,
                None if path.ends_with('/') => fs::create_dir_all(&file)?,
                None => fs::write(&file, content)?,
            }
        }
        Ok(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An ext4 that fills a disk, with these files.
    fn ext4(&self, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
        let tree = self.tree(&format!("{name}.tree"), files)?;
        let image = self.path(name);
        fs::File::create(&image)?.set_len(SIZE)?;
        must(
            "mke2fs",
            [
                "-q".as_ref(),
                "-t".as_ref(),
                "ext4".as_ref(),
                "-d".as_ref(),
                tree.as_os_str(),
                image.as_os_str(),
            ],
        )?;
        Ok(image)
    }
}

/// The files of a Debian of this version.
fn debian(version: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("/etc/fstab", "# nothing\n"),
        ("/etc/debian_version", version),
        ("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n"),
        ("/usr/bin/", ""),
        ("/bin -> usr/bin", ""),
    ]
}

/// Runs a tool on disks and returns its standard output; it has to succeed and say nothing else.
fn prints(tool: &str, disks: &[&Path], operands: &[&str]) -> Result<String> {
    let out = run(tool, arguments(disks, operands))?;
    ensure!(out.status == Some(0) && out.stderr.is_empty(), "{tool} {operands:?}: {}", out.stderr);
    Ok(out.stdout.as_bstr().to_string())
}

/// Runs a tool on disks; it has to fail with this message.
fn refuses(tool: &str, disks: &[&Path], operands: &[&str], message: &str) -> Result<()> {
    let out = run(tool, arguments(disks, operands))?;
    assert_eq!((out.status, out.stderr.as_str()), (Some(1), message), "{tool} {operands:?}");
    Ok(())
}

fn arguments<'a>(disks: &[&'a Path], operands: &'a [&'a str]) -> Vec<&'a std::ffi::OsStr> {
    let disks = disks.iter().flat_map(|disk| ["-a".as_ref(), disk.as_os_str()]);
    disks.chain(operands.iter().map(AsRef::as_ref)).collect()
}

#[test]
fn of_several_systems_the_user_chooses() -> Result<()> {
    let shop = Workshop::new()?;
    let first = shop.ext4("first", &debian("12.5\n"))?;
    let second = shop.ext4("second", &debian("11.9\n"))?;
    let disks = [first.as_path(), second.as_path()];
    refuses(
        "virt-cat",
        &disks,
        &["/etc/debian_version"],
        "virt-cat: there are several operating systems: /dev/sda (12.5), /dev/sdb (11.9)\n\
         hint: choose one with -m, as in -m /dev/sda\n",
    )?;
    ensure!(prints("virt-cat", &disks, &["-m", "/dev/sdb", "/etc/debian_version"])? == "11.9\n");
    Ok(())
}

#[test]
fn a_medium_beside_a_system_does_not_get_in_its_way() -> Result<()> {
    let shop = Workshop::new()?;
    let info = "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST\n";
    let tree = shop.tree("medium", &[("/.disk/info", info), ("/pool/x.deb", "deb")])?;
    let iso = shop.path("medium.iso");
    must(
        "genisoimage",
        ["-quiet".as_ref(), "-R".as_ref(), "-o".as_ref(), iso.as_os_str(), tree.as_os_str()],
    )?;
    ensure!(prints("virt-cat", &[&iso], &["/.disk/info"])? == info, "alone, it is what is asked about");
    let system = shop.ext4("system", &debian("12.5\n"))?;
    ensure!(prints("virt-cat", &[&system, &iso], &["/etc/debian_version"])? == "12.5\n");
    Ok(())
}

/// As Microsoft makes them: UDF with all files, and an ISO 9660 that has only a note.
#[test]
fn a_medium_of_windows_is_read_without_an_appliance() -> Result<()> {
    let shop = Workshop::new()?;
    let note =
        "This disc contains a \"UDF\" file system and requires an operating system that supports it.\n";
    let files = [
        ("/README.TXT", note),
        ("/bootmgr", "boot manager"),
        ("/efi/boot/bootx64.efi", "MZ"),
        ("/sources/install.wim", "MSWIM"),
        ("/support/a name that ISO 9660 could not have.txt", "text\n"),
    ];
    let tree = shop.tree("windows", &files)?;
    let iso = shop.path("windows.iso");
    let (image, tree) = (iso.to_string_lossy(), tree.to_string_lossy());
    let hidden = ["bootmgr", "efi", "sources", "support"].iter().flat_map(|name| ["-hide", *name]);
    let options = ["-quiet", "-udf", "-V", "CCCOMA_X64FRE", "-o", &*image].into_iter();
    must("genisoimage", options.chain(hidden).chain([&*tree]))?;
    ensure!(prints("virt-cat", &[&iso], &["/support/a name that ISO 9660 could not have.txt"])? == "text\n");
    let listed = prints("virt-ls", &[&iso], &["/"])?;
    ensure!(listed == "README.TXT\nbootmgr\nefi\nsources\nsupport\n", "{listed}");
    let report = prints("virt-inspector", &[&iso], &[])?;
    let facts =
        ["<name>windows</name>", "<arch>x86_64</arch>", "<type>udf</type>", "<label>CCCOMA_X64FRE</label>"];
    for fact in facts {
        ensure!(report.contains(fact), "{fact}: {report}");
    }
    Ok(())
}

#[test]
fn a_container_on_a_disk_is_a_system() -> Result<()> {
    let shop = Workshop::new()?;
    let release = "ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n";
    let image = shop.ext4("container", &[("/etc/os-release", release), ("/bin/busybox", "x")])?;
    ensure!(prints("virt-cat", &[&image], &["/etc/os-release"])? == release);
    let listed = prints("virt-ls", &[&image], &["/bin"])?;
    ensure!(listed == "busybox\n", "{listed}");
    Ok(())
}

/// A deployment of ostree by the start of its checksum and its serial number.
fn deployment(start: &str, serial: u32) -> String {
    format!("/ostree/deploy/fedora-coreos/deploy/{start:0<64}.{serial}")
}

/// A Fedora CoreOS as its images are laid out: /boot on the first partition, and two deployments on the second, of which the
/// newer one is booted.
fn coreos(shop: &Workshop) -> Result<PathBuf> {
    let mut root = vec![
        ("/ostree/repo/config".to_owned(), "[core]\n".to_owned()),
        ("/ostree/boot.1 -> boot.1.1".into(), String::new()),
        ("/ostree/deploy/fedora-coreos/var/home/core/note".into(), "hello\n".into()),
        ("/boot/".into(), String::new()),
    ];
    let mut boot =
        vec![("/loader -> loader.1".to_owned(), String::new()), ("/grub2/grub.cfg".into(), String::new())];
    for (start, serial, version) in [("a", 1, "39.20231101.3.0"), ("b", 0, "40.20240519.3.0")] {
        let top = deployment(start, serial);
        let link = format!("/ostree/boot.1.1/fedora-coreos/{:0<64}/{serial}", "f");
        let release = format!(
            "ID=fedora\nVERSION_ID={}\nOSTREE_VERSION='{version}'\nPRETTY_NAME=\"Fedora CoreOS {version}\"\n",
            &version[..2]
        );
        for (path, text) in [
            ("/usr/lib/os-release", release.as_str()),
            ("/usr/bin/", ""),
            ("/bin -> usr/bin", ""),
            ("/home -> var/home", ""),
            ("/ostree -> sysroot/ostree", ""),
            ("/etc/os-release -> ../usr/lib/os-release", ""),
            ("/etc/hostname", &format!("host-{start}\n")),
            // Of a deployment's own /var nothing is seen.
            ("/var/not-seen", ""),
            ("/sysroot/", ""),
            ("/boot/", ""),
        ] {
            root.push((format!("{top}{path}"), text.to_owned()));
        }
        root.push((format!("{link} -> ../../..{}", top.trim_start_matches("/ostree")), String::new()));
        let entry =
            format!("title x\nversion {}\noptions rw ostree=/ostree/boot.1{}\n", 2 - serial, &link[16..]);
        boot.push((format!("/loader.1/entries/ostree-{}.conf", 2 - serial), entry));
    }
    let image = shop.path("coreos");
    fs::File::create(&image)?.set_len(34 << 20)?;
    let name = image.to_string_lossy();
    must("sgdisk", ["-n", "1:2048:+8M", "-n", "2:0:+20M", &name])?;
    for (what, files, start, size) in [("boot", boot, 1, "8M"), ("root", root, 9, "20M")] {
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let tree = shop.tree(what, &files)?;
        let (tree, offset) = (tree.to_string_lossy(), format!("offset={}", u64::from(start as u8) << 20));
        must("mke2fs", ["-q", "-t", "ext4", "-d", &tree, "-E", &offset, &name, size])?;
    }
    Ok(image)
}

#[test]
fn an_ostree_is_seen_as_the_system_that_boots_sees_it() -> Result<()> {
    let shop = Workshop::new()?;
    let image = coreos(&shop)?;
    let release = "ID=fedora\nVERSION_ID=40\nOSTREE_VERSION='40.20240519.3.0'\n\
        PRETTY_NAME=\"Fedora CoreOS 40.20240519.3.0\"\n";
    for (path, text) in [
        ("/etc/os-release", release),
        ("/usr/lib/os-release", release),
        ("/etc/hostname", "host-b\n"),
        ("/var/home/core/note", "hello\n"),
        ("/home/core/note", "hello\n"),
        ("/sysroot/ostree/repo/config", "[core]\n"),
        ("/ostree/repo/config", "[core]\n"),
        ("/../../etc/hostname", "host-b\n"),
        (&format!("{}/etc/hostname", deployment("a", 1)), "host-a\n"),
    ] {
        assert_eq!(prints("virt-cat", &[&image], &[path])?, text, "{path}");
    }
    let top = prints("virt-ls", &[&image], &["/", "/var", "/boot"])?;
    assert_eq!(
        top,
        "bin\nboot\netc\nhome\nostree\nsysroot\nusr\nvar\nhome\ngrub2\nloader\nloader.1\nlost+found\n"
    );
    let copies = shop.path("copies");
    fs::create_dir(&copies)?;
    prints("virt-copy-out", &[&image], &["/etc", "/var", &copies.to_string_lossy()])?;
    assert_eq!(fs::read_to_string(copies.join("etc/hostname"))?, "host-b\n");
    assert_eq!(fs::read_to_string(copies.join("var/home/core/note"))?, "hello\n");
    let df = prints("virt-df", &[&image], &[])?;
    ensure!(df.contains("coreos:/dev/sda1 ") && df.contains("coreos:/dev/sda2 "), "{df}");
    refuses(
        "virt-cat",
        &[&image],
        &["/var/not-seen"],
        "virt-cat: download: /var/not-seen: No such file or directory\n\
         hint: /var/not-seen was looked for on /dev/sda2, mounted on /var\n",
    )?;
    // By hand, the disk is as it is.
    let path = format!("{}/etc/hostname", deployment("a", 1));
    ensure!(prints("virt-cat", &[&image], &["-m", "/dev/sda2", &path])? == "host-a\n");
    let out = run("virt-inspector", ["--no-icon".as_ref(), "--no-applications".as_ref(), image.as_os_str()])?;
    let xml = out.stdout.as_bstr().to_string();
    ensure!(
        out.status == Some(0) && xml.contains("<mountpoint dev=\"/dev/sda1\">/boot</mountpoint>"),
        "{xml}"
    );
    ensure!(xml.contains(&format!("<deployment>{}</deployment>", deployment("b", 0))), "{xml}");
    Ok(())
}

#[test]
fn snapshots_do_not_make_a_guest_ambiguous() -> Result<()> {
    let shop = Workshop::new()?;
    let image = shop.path("btrfs");
    fs::File::create(&image)?.set_len(160 << 20)?;
    must("mkfs.btrfs", ["-q".as_ref(), image.as_os_str()])?;
    let at = shop.path("mounted");
    fs::create_dir(&at)?;
    must("mount", ["-o".as_ref(), "loop".as_ref(), image.as_os_str(), at.as_os_str()])?;
    let filled = fill_btrfs(&shop, &at);
    must("umount", [&at])?;
    filled?;
    ensure!(
        prints("virt-cat", &[&image], &["/etc/debian_version"])? == "12.5\n",
        "the root that fstab names"
    );
    ensure!(prints("virt-cat", &[&image], &["/home/alice/note"])? == "hello\n", "and its /home");
    // A snapshot is there for whoever wants it.
    let old = ["-m", "btrfsvol:/dev/sda/@/.snapshots/2/snapshot", "/etc/debian_version"];
    ensure!(prints("virt-cat", &[&image], &old)? == "11.9\n");
    let df = prints("virt-df", &[&image], &[])?;
    let volumes: Vec<&str> = df
        .lines()
        .filter(|line| line.starts_with("btrfs:"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected =
        ["", "/@", "/@/.snapshots/1/snapshot", "/@/.snapshots/2/snapshot", "/@home"].map(|subvolume| {
            let prefix = if subvolume.is_empty() { "" } else { "btrfsvol:" };
            format!("btrfs:{prefix}/dev/sda{subvolume}")
        });
    let mut sorted = volumes.clone();
    sorted.sort_unstable();
    let mut wanted: Vec<&str> = expected.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    ensure!(sorted == wanted, "{df}");
    Ok(())
}

/// Makes `@` with a Debian 12.5, snapshots of it from before an upgrade, and `@home`.
fn fill_btrfs(shop: &Workshop, at: &Path) -> Result<()> {
    let subvolume = |arguments: &[&str]| -> Result<()> {
        let words = arguments.iter().map(|word| match word.strip_prefix('/') {
            Some(below) => at.join(below).into_os_string(),
            None => word.into(),
        });
        must("btrfs", ["-q".into(), "subvolume".into()].into_iter().chain(words)).map(drop)
    };
    subvolume(&["create", "/@"])?;
    subvolume(&["create", "/@home"])?;
    let mut files = debian("11.9\n");
    files[0].1 = "/dev/sda / btrfs subvol=@ 0 1\n/dev/sda /home btrfs subvol=/@home 0 2\n";
    files.extend([("/.snapshots/1/", ""), ("/.snapshots/2/", ""), ("/home/", "")]);
    let tree = shop.tree("debian", &files)?;
    must("cp", ["-a".into(), format!("{}/.", tree.display()), at.join("@").display().to_string()])?;
    for number in ["1", "2"] {
        subvolume(&["snapshot", "/@", &format!("/@/.snapshots/{number}/snapshot")])?;
    }
    fs::write(at.join("@/etc/debian_version"), "12.5\n")?;
    fs::create_dir(at.join("@home/alice"))?;
    Ok(fs::write(at.join("@home/alice/note"), "hello\n")?)
}

/// A snapshot of the volume `root` as LVM2's metadata has it, whose changes are in the volume `before`.
const SNAPSHOT: &str = r#"
    snapshot0 {
        id = "SXrwrM-Evmc-qcAV-pkTm-xNYo-sWof-pCgtK8"
        status = ["READ", "WRITE", "VISIBLE"]
        flags = []
        segment_count = 1
        segment1 {
            start_extent = 0
            extent_count = 16
            type = "snapshot"
            chunk_size = 8
            origin = "root"
            cow_store = "before"
        }
    }
"#;

/// A disk that is the physical volume of a group with `root` and a snapshot of it. No kernel takes part: of a snapshot that is
/// never active, the metadata tells.
fn volume_group(shop: &Workshop) -> Result<PathBuf> {
    let image = shop.path("volumes");
    fs::File::create(&image)?.set_len(28 << 20)?;
    let attached = must("losetup", ["-f".as_ref(), "--show".as_ref(), image.as_os_str()])?;
    let device = attached.trim_ascii().to_str_lossy().into_owned();
    let made = fill_group(shop, &device);
    must("losetup", ["-d", &device])?;
    made?;
    let mut files: Vec<(&str, &str)> = debian("12.5\n");
    let uuid = "0a1b2c3d-0000-4000-8000-00000000000f";
    let fstab = format!("UUID={uuid} / ext4 defaults 0 1\n");
    files[0].1 = &fstab;
    let tree = shop.tree("volumes.tree", &files)?;
    let (tree, name) = (tree.to_string_lossy(), image.to_string_lossy());
    must("mke2fs", ["-q", "-t", "ext4", "-U", uuid, "-d", &tree, "-E", "offset=1048576", &name, "16M"])?;
    Ok(image)
}

fn fill_group(shop: &Workshop, device: &str) -> Result<()> {
    let config = format!(
        "devices {{ filter=[\"a|^{device}$|\", \"r|.*|\"] use_devicesfile=0 }} backup {{ backup=0 archive=0 }} \
         activation {{ udev_sync=0 udev_rules=0 }}"
    );
    let lvm = |words: &[&str]| {
        let (command, rest) = words.split_first().context("a command")?;
        must("lvm", [&[command, "--config", &config, "--driverloaded", "n"], rest].concat()).map(drop)
    };
    lvm(&["pvcreate", "-q", "--metadatasize", "256k", device])?;
    lvm(&["vgcreate", "-q", "-s", "1m", "vg", device])?;
    for (name, size) in [("root", "16m"), ("before", "8m")] {
        lvm(&["lvcreate", "-q", "-an", "-Zn", "-Wn", "-L", size, "-n", name, "vg"])?;
    }
    let path = shop.path("metadata");
    let file = path.to_string_lossy();
    lvm(&["vgcfgbackup", "-f", &file, "vg"])?;
    let text = fs::read_to_string(&path)?;
    // The last brace but one closes the list of volumes.
    let volumes = text.trim_end().strip_suffix('}').and_then(|text| text.trim_end().strip_suffix('}'));
    fs::write(&path, format!("{}{SNAPSHOT}}}}}\n", volumes.context("two closing braces")?))?;
    lvm(&["vgcfgrestore", "-f", &file, "vg"])
}

#[test]
fn a_snapshot_of_a_volume_is_no_second_system() -> Result<()> {
    let shop = Workshop::new()?;
    let image = volume_group(&shop)?;
    ensure!(prints("virt-cat", &[&image], &["/etc/debian_version"])? == "12.5\n");
    let xml = prints("virt-inspector", &[&image], &["--no-applications", "--no-icon"])?;
    ensure!(roots(&xml) == ["/dev/vg/root"], "{xml}");
    ensure!(xml.contains("<mountpoint dev=\"/dev/vg/root\">/</mountpoint>"), "{xml}");
    ensure!(xml.contains("<snapshot>/dev/vg/before</snapshot>"), "{xml}");
    Ok(())
}

#[test]
fn a_damaged_neighbour_hides_nothing_and_is_named() -> Result<()> {
    let shop = Workshop::new()?;
    let system = shop.ext4("system", &debian("12.5\n"))?;
    let photos = shop.ext4("photos", &[("/1.jpg", "photo")])?;
    let damaged = shop.ext4("damaged", &[("/2.jpg", "photo")])?;
    // The first block group's descriptor, in the block after the superblock's, points nowhere.
    let file = fs::OpenOptions::new().write(true).open(&damaged)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 64], 4096)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 64], 2048)?;
    let out = run("virt-cat", arguments(&[&system, &damaged], &["/etc/debian_version"]))?;
    assert_eq!((out.status, out.stdout.as_slice()), (Some(0), b"12.5\n".as_slice()), "{}", out.stderr);
    ensure!(out.stderr.starts_with("virt-cat: warning: /dev/sdb: ext4: "), "{}", out.stderr);
    let out = run("virt-ls", arguments(&[&photos, &damaged], &["/"]))?;
    let message = "virt-ls: no operating system was found on the disk\n\
         hint: these filesystems can be mounted with -m: /dev/sda (ext4); can't be read: /dev/sdb: ext4: ";
    ensure!(out.status == Some(1) && out.stderr.starts_with(message), "{}", out.stderr);
    Ok(())
}

/// Where the partitions of [`three_systems`] begin, in bytes, and how long they are.
const STARTS: [u64; 3] = [1 << 20, 9 << 20, 17 << 20];
const LENGTH: u64 = 8 << 20;

/// Three systems on the partitions of one disk, with blocks of 1024 bytes: Debian 10.5, 11.5 and 12.5.
fn three_systems(shop: &Workshop) -> Result<PathBuf> {
    let image = shop.path("three");
    fs::File::create(&image)?.set_len(26 << 20)?;
    let name = image.to_string_lossy();
    must("sgdisk", ["-n", "1:2048:+8M", "-n", "2:0:+8M", "-n", "3:0:+8M", &name])?;
    for (start, version) in STARTS.iter().zip(["10.5\n", "11.5\n", "12.5\n"]) {
        let tree = shop.tree(&format!("tree{start}"), &debian(version))?;
        let (tree, offset) = (tree.to_string_lossy(), format!("offset={start}"));
        must("mke2fs", ["-q", "-t", "ext4", "-b", "1024", "-d", &tree, "-E", &offset, &name, "8M"])?;
    }
    Ok(image)
}

/// The block of the root directory in the second filesystem of [`three_systems`].
fn root_directory(shop: &Workshop, image: &Path) -> Result<u64> {
    let part = shop.path("second-partition");
    let (start, end) = (usize::try_from(STARTS[1])?, usize::try_from(STARTS[1] + LENGTH)?);
    fs::write(&part, fs::read(image)?.get(start..end).context("the partition is on the disk")?)?;
    let blocks = must("debugfs", ["-R".as_ref(), "blocks <2>".as_ref(), part.as_os_str()])?;
    let blocks = blocks.to_str_lossy();
    Ok(blocks.split_whitespace().next().context("a root directory has a block")?.parse()?)
}

#[test]
fn one_filesystem_that_cannot_be_read_does_not_end_the_inspection_of_the_others() -> Result<()> {
    let shop = Workshop::new()?;
    let good = three_systems(&shop)?;
    let directory = root_directory(&shop, &good)?;
    let second = STARTS[1];
    for (name, at, bytes, why) in [
        ("superblock", second + 1024 + 4, &[0xff; 8][..], "/dev/sda2: ext4: ext superblock checksum"),
        (
            "descriptors",
            second + 2048,
            &[0xff; 64],
            "/dev/sda2: ext4: in inode 2: in the descriptor of block group 0",
        ),
        ("directory", second + directory * 1024, &[0xff; 1024], "/dev/sda2: ext4: /loader: in directory 2: "),
        // The highest bit of s_feature_incompat.
        (
            "feature",
            second + 0x463,
            &[0x80],
            "inspect_os: needs an appliance: /dev/sda2: ext4: ext features FEATURE_I31",
        ),
    ] {
        let image = shop.path(name);
        fs::copy(&good, &image)?;
        let file = fs::OpenOptions::new().write(true).open(&image)?;
        std::os::unix::fs::FileExt::write_all_at(&file, bytes, at)?;
        let (xml, message) = inspected(&image)?;
        ensure!(message.starts_with(&format!("virt-inspector: {name}: {why}")), "{message}");
        ensure!(roots(&xml) == ["/dev/sda1", "/dev/sda3"], "{name}: {xml}");
    }
    Ok(())
}

/// What virt-inspector prints of an image, in part: its output, and why its exit status is 1.
fn inspected(image: &Path) -> Result<(String, String)> {
    let out = run("virt-inspector", ["--no-applications".as_ref(), "--no-icon".as_ref(), image.as_os_str()])?;
    ensure!(out.status == Some(1), "{:?} {}", out.status, out.stderr);
    Ok((out.stdout.as_bstr().to_string(), out.stderr))
}

/// The roots in the XML of virt-inspector.
fn roots(xml: &str) -> Vec<&str> {
    let lines = xml.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix("<root>")?.strip_suffix("</root>")).collect()
}

#[test]
fn of_a_disk_that_is_cut_off_what_is_there_is_inspected() -> Result<()> {
    let shop = Workshop::new()?;
    let good = three_systems(&shop)?;
    let image = shop.path("cut.qcow2");
    must("qemu-img", ["convert".as_ref(), "-Oqcow2".as_ref(), good.as_os_str(), image.as_os_str()])?;
    // The clusters are in the order of the disk: the last filesystem loses its own.
    let file = fs::OpenOptions::new().write(true).open(&image)?;
    file.set_len(file.metadata()?.len() * 2 / 3)?;
    let (xml, message) = inspected(&image)?;
    ensure!(roots(&xml).first() == Some(&"/dev/sda1"), "{xml}");
    ensure!(!roots(&xml).contains(&"/dev/sda3"), "{xml}");
    let about = |line: &str| line.starts_with("virt-inspector: cut.qcow2: /dev/sda3: ");
    ensure!(message.lines().any(about) && message.contains("past the end of the file"), "{message}");
    // Of a raw disk, the table of partitions says how much there should be. A kernel does not use such a table either.
    fs::OpenOptions::new().write(true).open(&good)?.set_len(12 << 20)?;
    let (xml, message) = inspected(&good)?;
    ensure!(roots(&xml).is_empty(), "{xml}");
    ensure!(
        message.starts_with("virt-inspector: three: /dev/sda: GPT: primary and backup are damaged: "),
        "{message}"
    );
    Ok(())
}

/// The files of a FreeBSD, but for the filesystem that they are in: nothing here makes UFS.
const FREEBSD: &[(&str, &str)] = &[
    ("/etc/fstab", "/dev/ada0p2\t/\tufs\trw\t1\t1\n/dev/ada0p3\tnone\tswap\tsw\t0\t0\n"),
    ("/etc/freebsd-update.conf", ""),
    ("/etc/motd", "FreeBSD 13.2-RELEASE (GENERIC) releng/13.2-n254617-525ecfdad597\n\nWelcome to FreeBSD!\n"),
    ("/etc/rc.conf", "hostname=\"bsd.example\"\n"),
    // The start of a program for x86-64.
    ("/bin/ls", "\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{3}\0\u{3e}\0"),
];

/// A FreeBSD on the second partition of a disk.
fn freebsd(shop: &Workshop) -> Result<PathBuf> {
    let tree = shop.tree("freebsd.tree", FREEBSD)?;
    let image = shop.path("freebsd");
    fs::File::create(&image)?.set_len(32 << 20)?;
    let name = image.to_string_lossy();
    must("sgdisk", ["-n", "1:2048:+1M", "-n", "2:4096:+20M", "-n", "3:0:+2M", &name])?;
    let tree = tree.to_string_lossy();
    let uuid = "152e94fe-a8c1-459d-94a7-596fbad3ebf2";
    must("mke2fs", ["-q", "-t", "ext4", "-U", uuid, "-d", &tree, "-E", "offset=2097152", &name, "20M"])?;
    Ok(image)
}

#[test]
fn the_xml_of_a_system_is_debians() -> Result<()> {
    let shop = Workshop::new()?;
    for (name, image) in [
        ("two-roots", data("two-roots.qcow2")),
        ("split-usr", data("split-usr.qcow2")),
        ("freebsd", freebsd(&shop)?),
    ] {
        let debians = fs::read_to_string(data(&format!("golden/systems/{name}.xml")))?;
        let ours = prints("virt-inspector", &[&image], &["--no-applications", "--no-icon"])?;
        assert_eq!(ours, debians, "{name}");
    }
    Ok(())
}

#[test]
fn the_xml_of_a_medium_says_more_than_debians() -> Result<()> {
    let shop = Workshop::new()?;
    let info = "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240210-11:27\n";
    let tree = shop.tree("medium", &[("/.disk/info", info), ("/.disk/cd_type", "not_complete\n")])?;
    let iso = shop.path("medium.iso");
    must(
        "genisoimage",
        ["-quiet".as_ref(), "-R".as_ref(), "-o".as_ref(), iso.as_os_str(), tree.as_os_str()],
    )?;
    let debians = fs::read_to_string(data("golden/systems/medium.xml"))?;
    ensure!(debians == "<?xml version=\"1.0\"?>\n<operatingsystems/>\n", "{debians}");
    let ours = prints("virt-inspector", &[&iso], &["--no-applications", "--no-icon"])?;
    for line in [
        "<root>/dev/sda</root>",
        "<name>linux</name>",
        "<arch>x86_64</arch>",
        "<distro>debian</distro>",
        "<product_name>Debian GNU/Linux 12.5.0 &quot;Bookworm&quot; - Official amd64 NETINST with firmware",
        "<major_version>12</major_version>",
        "<minor_version>5</minor_version>",
    ] {
        ensure!(ours.contains(line), "{line} is not in: {ours}");
    }
    Ok(())
}
