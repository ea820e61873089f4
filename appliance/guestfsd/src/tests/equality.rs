//! The native engine and the kernel answer alike: every call that reads, over the same filesystems, errors included. Needs
//! root.

use std::path::Path;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::*;

use super::kernel::Machine;
use super::{Workshop, b, daemon, run};
use crate::Guestfsd;

/// Two daemons over one disk, and what they answered differently.
struct Pair {
    native: Guestfsd,
    kernel: Machine,
    differences: Vec<String>,
    answers: usize,
}

impl Pair {
    fn new(image: &str) -> Self {
        Pair { native: daemon(&[image]), kernel: Machine::new(&[image]), differences: Vec::new(), answers: 0 }
    }

    /// Makes a call on both.
    fn ask<T: std::fmt::Debug>(
        &mut self,
        what: &str,
        call: impl Fn(&mut Guestfsd) -> Result<T>,
    ) -> Option<T> {
        self.answers += 1;
        // The text of an error counts as much as its number.
        let shown = |result: &Result<T>| match result {
            Ok(value) => format!("{value:?}"),
            Err(e) => format!("{:?}: {}", e.errno(), e.message()),
        };
        let native = call(&mut self.native);
        let kernel = call(&mut self.kernel);
        if shown(&native) != shown(&kernel) {
            self.differences.push(format!(
                "{what}:\n  native {}\n  kernel {}",
                shown(&native),
                shown(&kernel)
            ));
        }
        kernel.ok()
    }

    #[track_caller]
    fn finish(self, least: usize) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        assert!(self.answers >= least, "only {} answers", self.answers);
    }
}

/// What a call sends as a file.
fn sent(call: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<BString> {
    let mut out = Vec::new();
    call(&mut out)?;
    Ok(out.into())
}

/// A filesystem without a number of its own for `st_dev` (btrfs) has one that is not the same twice.
fn device_aside(mut stat: Statns) -> Statns {
    if stat.st_dev >> 8 & 0xfff == 0 {
        stat.st_dev = 0;
    }
    stat
}

/// The same for archives: without the records that number files with several names.
fn inodes_aside(archive: BString) -> BString {
    let text = archive.replace("\0", "");
    let kept: Vec<&[u8]> = text.split_str("\n").filter(|line| !line.contains_str("guestfs-inode:")).collect();
    kept.join(&b'\n').into()
}

/// Calls about the device.
fn ask_of_device(pair: &mut Pair) {
    pair.ask("list_devices", Guestfsd::list_devices);
    pair.ask("list_partitions", Guestfsd::list_partitions);
    pair.ask("list_filesystems", Guestfsd::list_filesystems);
    pair.ask("pvs", Guestfsd::pvs);
    pair.ask("lvs", Guestfsd::lvs);
    pair.ask("list_md_devices", Guestfsd::list_md_devices);
    pair.ask("list_dm_devices", Guestfsd::list_dm_devices);
    for device in
        ["/dev/sda", "/dev/vda", "/dev/sda1", "/dev/sdb", "/dev/vg/lv", "/dev/mapper/x", "/dev/md0", "/x"]
    {
        let name = b(device);
        pair.ask(&format!("vfs_type {device}"), |d| d.vfs_type(name));
        pair.ask(&format!("vfs_label {device}"), |d| d.vfs_label(name));
        pair.ask(&format!("vfs_uuid {device}"), |d| d.vfs_uuid(name));
        pair.ask(&format!("is_whole_device {device}"), |d| d.is_whole_device(name));
        pair.ask(&format!("blockdev_getsize64 {device}"), |d| d.blockdev_getsize64(name));
        pair.ask(&format!("blockdev_getsz {device}"), |d| d.blockdev_getsz(name));
        pair.ask(&format!("blockdev_getss {device}"), |d| d.blockdev_getss(name));
        pair.ask(&format!("part_list {device}"), |d| d.part_list(name));
        pair.ask(&format!("part_get_parttype {device}"), |d| d.part_get_parttype(name));
        pair.ask(&format!("part_to_dev {device}"), |d| d.part_to_dev(name));
        pair.ask(&format!("pread_device {device}"), |d| d.pread_device(name, 512, 1024));
        pair.ask(&format!("checksum_device {device}"), |d| d.checksum_device(b("md5"), name));
        pair.ask(&format!("mount_ro {device}"), |d| d.mount_ro(name, b("/no/such")));
        pair.ask(&format!("internal_parse_mountable {device}"), |d| d.internal_parse_mountable(name));
    }
    pair.ask("findfs_label", |d| d.findfs_label(b("equal")));
    pair.ask("findfs_label of none", |d| d.findfs_label(b("none")));
    pair.ask("findfs_uuid of none", |d| d.findfs_uuid(b("none")));
}

/// Calls about one path, whatever is there.
fn ask_of_path(pair: &mut Pair, path: &BStr) {
    let mut ask = |what: &str, call: &dyn Fn(&mut Guestfsd) -> Result<String>| {
        pair.ask(&format!("{what} {path}"), call);
    };
    fn text<T: std::fmt::Debug>(result: Result<T>) -> Result<String> {
        result.map(|value| format!("{value:?}"))
    }
    ask("statns", &|d| text(d.statns(path).map(device_aside)));
    ask("lstatns", &|d| text(d.lstatns(path).map(device_aside)));
    ask("exists", &|d| text(d.exists(path)));
    for follow in [None, Some(true)] {
        ask("is_file", &|d| text(d.is_file(path, &IsFileOpts { followsymlinks: follow })));
        ask("is_dir", &|d| text(d.is_dir(path, &IsDirOpts { followsymlinks: follow })));
        ask("is_fifo", &|d| text(d.is_fifo(path, &IsFifoOpts { followsymlinks: follow })));
        ask("is_chardev", &|d| text(d.is_chardev(path, &IsChardevOpts { followsymlinks: follow })));
        ask("is_blockdev", &|d| text(d.is_blockdev(path, &IsBlockdevOpts { followsymlinks: follow })));
        ask("is_socket", &|d| text(d.is_socket(path, &IsSocketOpts { followsymlinks: follow })));
    }
    ask("is_symlink", &|d| text(d.is_symlink(path)));
    ask("filesize", &|d| text(d.filesize(path)));
    ask("readlink", &|d| text(d.readlink(path)));
    ask("realpath", &|d| text(d.realpath(path)));
    ask("case_sensitive_path", &|d| text(d.case_sensitive_path(path)));
    ask("getxattrs", &|d| text(d.getxattrs(path)));
    ask("lgetxattrs", &|d| text(d.lgetxattrs(path)));
    ask("getxattr", &|d| text(d.getxattr(path, b("user.test"))));
    ask("lgetxattr", &|d| text(d.lgetxattr(path, b("user.none"))));
    ask("ls0", &|d| text(sent(|out| d.ls0(path, out))));
    ask("ll", &|d| text(d.ll(path)));
    ask("find0", &|d| text(sent(|out| d.find0(path, out))));
    ask("internal_readdir", &|d| text(sent(|out| d.internal_readdir(path, out))));
    ask("du", &|d| text(d.du(path)));
    ask("checksum", &|d| text(d.checksum(b("sha256"), path)));
    ask("checksums_out", &|d| text(sent(|out| d.checksums_out(b("crc"), path, out))));
    ask("download", &|d| text(sent(|out| d.download(path, out)).map(|content| content.len())));
    ask("download_offset", &|d| text(sent(|out| d.download_offset(path, out, 3, 5))));
    ask("pread", &|d| text(d.pread(path, 100, 2)));
    ask("head", &|d| text(d.head(path)));
    ask("tail_n", &|d| text(d.tail_n(2, path)));
    ask("wc_l", &|d| text(d.wc_l(path)));
    ask("wc_w", &|d| text(d.wc_w(path)));
    ask("wc_c", &|d| text(d.wc_c(path)));
    ask("is_zero", &|d| text(d.is_zero(path)));
    ask("equal", &|d| text(d.equal(path, b("/hello"))));
    ask("tar_out", &|d| text(sent(|out| d.tar_out(path, out, &tar_options())).map(inodes_aside)));
    ask("glob_expand", &|d| {
        let pattern = [path.as_bytes(), b"*"].concat();
        text(d.glob_expand(pattern.as_bstr(), &GlobExpandOpts::default()))
    });
    let names: Vec<BString> = [".", "hello", "lnk", "none"].map(BString::from).to_vec();
    ask("internal_lstatnslist", &|d| {
        let stats = d.internal_lstatnslist(path, &names)?;
        text(Ok(stats.into_iter().map(device_aside).collect::<Vec<_>>()))
    });
    ask("internal_readlinklist", &|d| text(d.internal_readlinklist(path, &names)));
    ask("internal_lxattrlist", &|d| text(d.internal_lxattrlist(path, &names)));
}

fn tar_options() -> TarOutOpts {
    TarOutOpts { xattrs: Some(true), acls: Some(true), numericowner: Some(true), ..TarOutOpts::default() }
}

/// The tree of the other tests, and what `mke2fs -d` could not take: nodes, attributes, names in number, a second name.
fn fill(root: &Path, tree: &Path) {
    run("cp", &["-a", &format!("{}/.", tree.display()), root.to_str().unwrap()]);
    let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
    run("mknod", &[&at("null"), "c", "1", "3"]);
    run("mknod", &[&at("disk"), "b", "8", "0"]);
    run("ln", &[&at("hello"), &at("second")]);
    run("chmod", &["7640", &at("etc/passwd")]);
    run("chown", &["12345:54321", &at("etc/passwd")]);
    run("touch", &["-d", "1931-03-04 05:06:07.89", &at("nonl")]);
    xattr::set(at("hello"), "user.test", b"value\0x").unwrap();
    xattr::set(at("hello"), "user.empty", b"").unwrap();
    xattr::set(at("dir"), "trusted.t", &[7; 300]).unwrap();
    run("setfacl", &["-m", "u:7:rw", &at("hello")]);
    let many = root.join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..300 {
        std::fs::write(many.join(format!("name-{number}-{}", "x".repeat(number % 50))), "").unwrap();
    }
}

/// Compares over an image whose filesystem is filled.
fn compare(image: &str) {
    let mut pair = Pair::new(image);
    ask_of_device(&mut pair);
    pair.ask("mount_ro", |d| d.mount_ro(b("/dev/sda"), b("/"))).unwrap();
    pair.ask("mounts", Guestfsd::mounts);
    pair.ask("mountpoints", Guestfsd::mountpoints);
    pair.ask("statvfs", |d| d.statvfs(b("/")));
    pair.ask("statvfs of a file", |d| d.statvfs(b("/hello")));
    pair.ask("statvfs of none", |d| d.statvfs(b("/none")));
    pair.ask("blockdev_getbsz", |d| d.blockdev_getbsz(b("/dev/sda")));
    pair.ask("xfs_info", |d| d.xfs_info(b("/")));
    pair.ask("btrfs_subvolume_get_default", |d| d.btrfs_subvolume_get_default(b("/dir")));
    let found = pair.ask("find0", |d| sent(|out| d.find0(b("/"), out))).unwrap();
    let paths = found.split_str("\0").map(|name| BString::from([b"/", name].concat()));
    // Of many alike, a few.
    let few = paths.filter(|path| !path.starts_with(b"/many/") || path.starts_with(b"/many/name-10-"));
    for path in few {
        ask_of_path(&mut pair, path.as_bstr());
    }
    let long = format!("/{}", "n".repeat(257));
    let longer = format!("/{}", "n/".repeat(2100));
    for path in [
        "/none",
        "/none/x",
        "/hello/x",
        "/hello/",
        "/lnk/",
        "/dang/x",
        "/loop/x",
        "/dir/up/hello",
        "/dir/self/../hello",
        "/fifo/x",
        "/../../hello",
        "//dir//sub/.",
        &long,
        &longer,
    ] {
        ask_of_path(&mut pair, b(path));
    }
    let how = UmountOpts::default();
    for what in ["/none", "/dir", "/hello", "/dev/sdb", "/dev/sda", "/dev/sda", "/"] {
        pair.ask(&format!("umount {what}"), |d| d.umount(b(what), &how));
    }
    for path in ["/", "/mp", "/mp", "/mp/deep", "/x/y", "/mp/.", "mp", "/.."] {
        pair.ask(&format!("mkmountpoint {path}"), |d| d.mkmountpoint(b(path)));
    }
    pair.ask("mount_ro at a mountpoint", |d| d.mount_ro(b("/dev/sda"), b("/mp/deep")));
    pair.ask("mount_ro there again", |d| d.mount_ro(b("/dev/sda"), b("/mp/deep")));
    pair.ask("mount_ro elsewhere", |d| d.mount_ro(b("/dev/sda"), b("/mp/deep/dir")));
    pair.ask("mount_ro on a file", |d| d.mount_ro(b("/dev/sda"), b("/mp/deep/hello")));
    pair.ask("mountpoints", Guestfsd::mountpoints);
    pair.ask("umount a busy one", |d| d.umount(b("/mp/deep"), &how));
    for path in ["/mp", "/mp/deep", "/none", "/"] {
        pair.ask(&format!("rmmountpoint {path}"), |d| d.rmmountpoint(b(path)));
    }
    pair.ask("umount_all", Guestfsd::umount_all);
    pair.ask("mountpoints", Guestfsd::mountpoints);
    for (options, kind) in
        [("ro,nosuch", ""), ("ro", "xfs"), ("ro", "ext4"), ("ro", "nosuch"), ("ro,noatime", "")]
    {
        // What the native engine leaves to a kernel has no equal.
        let native = pair.native.mount_vfs(b(options), b(kind), b("/dev/sda"), b("/"));
        if native.as_ref().is_err_and(|e| e.kind() == libguestfs_core::ErrorKind::NeedsAppliance) {
            continue;
        }
        let kernel = pair.kernel.mount_vfs(b(options), b(kind), b("/dev/sda"), b("/"));
        let shown = |result: Result<()>| result.map_err(|e| (e.errno(), e.message().to_owned()));
        assert_eq!(shown(native), shown(kernel), "mount_vfs {options} {kind}");
        pair.ask("umount_all", Guestfsd::umount_all);
    }
    pair.finish(2000);
}

/// Fills a filesystem on a new image, which `make` makes.
fn filled(workshop: &Workshop, mib: u64, program: &str, arguments: &[&str]) -> String {
    let image = workshop.empty("image", mib);
    run(program, &[arguments, &[image.as_str()]].concat());
    let mut machine = Machine::new(&[&image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    fill(Path::new("/mnt"), &workshop.tree());
    machine.umount_all().unwrap();
    image
}

#[test]
fn ext4_reads_alike() {
    let workshop = Workshop::new();
    compare(&filled(&workshop, 64, "mke2fs", &["-q", "-t", "ext4", "-L", "equal"]));
}

#[test]
fn xfs_reads_alike() {
    let workshop = Workshop::new();
    compare(&filled(&workshop, 320, "mkfs.xfs", &["-q", "-L", "equal"]));
}

#[test]
fn btrfs_reads_alike() {
    let workshop = Workshop::new();
    compare(&filled(&workshop, 256, "mkfs.btrfs", &["-q", "-L", "equal"]));
}

#[test]
fn squashfs_reads_alike() {
    let workshop = Workshop::new();
    let image = workshop.name("image");
    let source = workshop.path("source");
    std::fs::create_dir(&source).unwrap();
    fill(&source, &workshop.tree());
    run("mksquashfs", &[source.to_str().unwrap(), &image, "-quiet", "-no-progress"]);
    compare(&image);
}

/// Makes a reparse point of Windows: a junction if there are no flags, else a symbolic link ([MS-FSCC] 2.1.2).
fn link_of_windows(path: &Path, target: &str, flags: Option<u32>) {
    let name: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let len = u16::try_from(name.len()).unwrap();
    let mut data = Vec::new();
    // Where the name to follow is, and the name to show; a junction's have NULs.
    let end = if flags.is_none() { 2 } else { 0 };
    for number in [0, len, len + end, 0] {
        data.extend(number.to_le_bytes());
    }
    data.extend(flags.into_iter().flat_map(u32::to_le_bytes));
    data.extend(name);
    data.extend([0; 4].iter().take(2 * usize::from(end)));
    let tag: u32 = if flags.is_none() { 0xA000_0003 } else { 0xA000_000C };
    let point = [&tag.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &data].concat();
    xattr::set(path, "system.ntfs_reparse_data", &point).unwrap();
}

/// ntfs-3g puts its mountpoint before absolute targets; the guest's are without.
#[test]
fn links_of_ntfs_lead_alike() {
    let workshop = Workshop::new();
    let image = workshop.empty("image", 6);
    run("mkntfs", &["-q", "-F", "-Q", &image]);
    let mut machine = Machine::new(&[&image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    let root = Path::new("/mnt");
    std::fs::create_dir_all(root.join("Users/alice")).unwrap();
    std::fs::write(root.join("Users/alice/file"), "content\n").unwrap();
    std::fs::write(root.join("hello"), "hello\n").unwrap();
    let (absolute, relative) = (Some(0), Some(1));
    for (name, target, flags) in [
        ("Documents and Settings", r"\??\C:\users", None),
        ("Users/alice/up", r"\??\C:\Documents and Settings\alice", None),
        ("elsewhere", r"\??\D:\x y", None),
        ("volume", r"\??\Volume{01234567-0123-0123-0123-0123456789ab}\", None),
        ("lnk", r"\??\C:\Users\Alice\FILE", absolute),
        ("rooted", r"\Users\alice\file", relative),
        ("near", r"Users\alice\file", relative),
        ("dangling", r"\??\C:\none", absolute),
    ] {
        let path = root.join(name);
        if flags.is_none() {
            std::fs::create_dir(&path).unwrap();
        } else {
            std::fs::write(&path, "").unwrap();
        }
        link_of_windows(&path, target, flags);
    }
    std::os::unix::fs::symlink("/Users/alice", root.join("interix")).unwrap();
    machine.umount_all().unwrap();
    drop(machine);

    let mut pair = Pair::new(&image);
    pair.ask("mount_ro", |d| d.mount_ro(b("/dev/sda"), b("/"))).unwrap();
    let target = pair.ask("readlink", |d| d.readlink(b("/Documents and Settings")));
    assert_eq!(target.unwrap(), "/Users");
    let content = pair.ask("cat", |d| sent(|out| d.download(b("/Documents and Settings/alice/file"), out)));
    assert_eq!(content.unwrap(), "content\n");
    let found = pair.ask("find0", |d| sent(|out| d.find0(b("/"), out))).unwrap();
    let mut paths: Vec<BString> =
        found.split_str("\0").map(|name| BString::from([b"/", name].concat())).collect();
    assert!(paths.len() > 12, "{paths:?}");
    for path in [
        "/Documents and Settings/",
        "/documents AND settings/ALICE/file",
        "/Documents and Settings/alice/up/up/file",
        "/Users/alice/up/../../hello",
        "/interix/up/file",
        "/lnk/",
        "/rooted/x",
        "/elsewhere/x",
    ] {
        paths.push(path.into());
    }
    for path in paths {
        ask_of_path(&mut pair, path.as_bstr());
    }
    pair.finish(500);

    // What is copied keeps its target.
    let mut machine = Machine::new(&[&image]);
    machine.mount(b("/dev/sda"), b("/")).unwrap();
    machine.cp_a(b("/Documents and Settings"), b("/copy")).unwrap();
    assert_eq!(machine.readlink(b("/copy")).unwrap(), "/Users");
}
