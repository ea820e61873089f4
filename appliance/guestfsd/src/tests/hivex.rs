//! Registry hives of a guest: read by both engines, changed in a directory and on NTFS.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bstr::BString;
use libguestfs_core::api::HivexOpenOpts;
use nix::errno::Errno;

use super::{Workshop, b, daemon, over_directory, refusal, run};
use crate::Guestfsd;

const WRITE: HivexOpenOpts = HivexOpenOpts { verbose: None, debug: None, write: Some(true), r#unsafe: None };

/// The real hives, in a new directory, under the names that they have in a guest.
fn hives(workshop: &Workshop) -> PathBuf {
    let directory = workshop.path("tree");
    fs::create_dir(&directory).unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hivex-rs/tests/data/hives.tar.xz");
    run("tar", &["-C", directory.to_str().unwrap(), "-xJf", archive.to_str().unwrap()]);
    for (name, in_guest) in [
        ("transactions_NTUSER.DAT", "Ntuser.Dat"),
        ("transactions_ntuser.dat.log1", "ntuser.dat.LOG1"),
        ("transactions_ntuser.dat.log2", "ntuser.dat.LOG2"),
    ] {
        fs::rename(directory.join(name), directory.join(in_guest)).unwrap();
    }
    directory
}

/// Everything below a key, by the calls.
fn dump(d: &mut Guestfsd, node: i64, depth: usize, out: &mut Vec<String>) {
    out.push(format!("{depth} {node} {}", d.hivex_node_name(node).unwrap()));
    for value in d.hivex_node_values(node).unwrap() {
        let value = value.hivex_value_h;
        let (name, kind) = (d.hivex_value_key(value).unwrap(), d.hivex_value_type(value).unwrap());
        assert!(d.hivex_node_get_value(node, name.as_ref()).unwrap() > 0);
        let string = d.hivex_value_string(value).map_err(|e| e.message().to_owned());
        out.push(format!("{value} {name} {kind} {:?} {string:?}", d.hivex_value_value(value).unwrap()));
    }
    for child in d.hivex_node_children(node).unwrap() {
        let child = child.hivex_node_h;
        assert_eq!(d.hivex_node_parent(child).unwrap(), node);
        let name = d.hivex_node_name(child).unwrap().to_ascii_uppercase();
        assert_eq!(d.hivex_node_get_child(node, name.as_slice().into()).unwrap(), child);
        dump(d, child, depth + 1, out);
    }
}

fn dumped(d: &mut Guestfsd, path: &str) -> Vec<String> {
    d.hivex_open(b(path), &HivexOpenOpts::default()).unwrap();
    let root = d.hivex_root().unwrap();
    let mut out = Vec::new();
    dump(d, root, 0, &mut out);
    out
}

#[test]
fn both_engines_read_alike_with_logs_replayed() {
    let workshop = Workshop::new();
    let tree = hives(&workshop);
    fs::write(tree.join("no-hive"), "text\n".repeat(2000)).unwrap();
    let image = workshop.empty("guest.img", 64);
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree.to_str().unwrap(), &image]);
    let mut native = daemon(&[&image]);
    native.mount_ro(b("/dev/sda"), b("/")).unwrap();
    let mut kernel = over_directory(&tree);
    for path in ["/BCD", "/Ntuser.Dat"] {
        let read = dumped(&mut native, path);
        assert!(read.len() > 100, "{path}: {}", read.len());
        assert_eq!(read, dumped(&mut kernel, path), "{path}");
    }
    // Without its logs it is an older one.
    fs::rename(tree.join("Ntuser.Dat"), tree.join("alone")).unwrap();
    assert_ne!(dumped(&mut native, "/Ntuser.Dat"), dumped(&mut kernel, "/alone"));

    for (path, errno) in
        [("/none", Errno::ENOENT), ("/no-hive", Errno::EINVAL), ("/lost+found", Errno::EISDIR)]
    {
        let error = native.hivex_open(b(path), &HivexOpenOpts::default()).unwrap_err();
        assert_eq!(error.errno(), Some(errno), "{error}");
        assert!(error.message().starts_with(&format!("hivex failed to open {path}: ")), "{error}");
        // The hive that was open is closed all the same.
        assert!(refusal(native.hivex_root()).contains("you must call 'hivex-open' first"));
    }
    assert!(refusal(native.hivex_open(b("/BCD"), &WRITE)).starts_with("needs an appliance: "));
}

#[test]
fn handles_that_are_none_are_refused() {
    let workshop = Workshop::new();
    let mut d = over_directory(&hives(&workshop));
    assert_eq!(
        refusal(d.hivex_close()),
        "do_hivex_close: you must call 'hivex-open' first to initialize the hivex handle"
    );
    d.hivex_open(b("/BCD"), &HivexOpenOpts::default()).unwrap();
    let root = d.hivex_root().unwrap();
    for handle in [0, 1, -1, i64::MIN, i64::MAX, root + 1, 1 << 32] {
        let error = d.hivex_node_name(handle).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{handle}: {error}");
        assert!(error.message().starts_with("failed: Invalid argument: "), "{error}");
        assert_eq!(d.hivex_value_type(handle).unwrap_err().errno(), Some(Errno::EINVAL), "{handle}");
    }
    assert_eq!(d.hivex_value_key(root).unwrap_err().errno(), Some(Errno::EINVAL));
    assert_eq!(d.hivex_node_parent(root).unwrap_err().errno(), Some(Errno::EFAULT));
    assert_eq!(d.hivex_node_get_child(root, b("no such key")).unwrap(), 0);
    assert_eq!(d.hivex_node_get_value(root, b("no such value")).unwrap(), 0);
    // Opened for reading only.
    for error in [
        d.hivex_node_add_child(root, b("new")).unwrap_err(),
        d.hivex_node_set_value(root, b("v"), 1, b"").unwrap_err(),
        d.hivex_commit(None).unwrap_err(),
    ] {
        assert_eq!(error.errno(), Some(Errno::EROFS), "{error}");
    }
    d.hivex_close().unwrap();
}

/// Changes a hive and commits it, and says what it has then.
fn change(d: &mut Guestfsd, path: &str, to: Option<&str>) -> Vec<String> {
    d.hivex_open(b(path), &WRITE).unwrap();
    let root = d.hivex_root().unwrap();
    let gone = d.hivex_node_children(root).unwrap()[0].hivex_node_h;
    d.hivex_node_delete_child(gone).unwrap();
    let new = d.hivex_node_add_child(root, b("Neu ä")).unwrap();
    assert_eq!(d.hivex_node_add_child(root, b("NEU Ä")).unwrap_err().errno(), Some(Errno::EEXIST));
    d.hivex_node_set_value(new, b("text"), 1, b"a\0b\0\0\0").unwrap();
    d.hivex_node_set_value(new, b("odd"), 0xFFFF_FFFF, &[7; 70_000]).unwrap();
    assert_eq!(d.hivex_node_set_value(new, b("odd"), -1, b"").unwrap_err().errno(), Some(Errno::EINVAL));
    d.hivex_commit(to.map(b)).unwrap();
    let read = dumped(d, to.unwrap_or(path));
    assert!(read.iter().any(|line| line.ends_with("Ok(\"ab\")")), "{read:?}");
    read
}

#[test]
fn a_commit_puts_a_whole_file_in_the_place_of_the_old_one() {
    let workshop = Workshop::new();
    let tree = hives(&workshop);
    std::os::unix::fs::symlink("BCD", tree.join("link")).unwrap();
    std::os::unix::fs::chown(tree.join("BCD"), Some(12), Some(34)).unwrap();
    run("chmod", &["640", tree.join("BCD").to_str().unwrap()]);
    let before = fs::metadata(tree.join("BCD")).unwrap();
    let mut d = over_directory(&tree);
    change(&mut d, "/link", None);
    let after = fs::symlink_metadata(tree.join("BCD")).unwrap();
    assert_ne!(before.ino(), after.ino());
    let owner = |m: &fs::Metadata| (m.uid(), m.gid(), m.mode());
    assert_eq!(owner(&before), owner(&after));
    assert!(fs::symlink_metadata(tree.join("link")).unwrap().is_symlink());

    let whole = fs::read(tree.join("SECURITY")).unwrap();
    change(&mut d, "/SECURITY", Some("/new"));
    assert_eq!(fs::read(tree.join("SECURITY")).unwrap(), whole);
    d.hivex_open(b("/BCD"), &WRITE).unwrap();
    assert_eq!(refusal(d.hivex_commit(Some(b("/no/such")))), "failed: /no/such: No such file or directory");
    assert!(refusal(d.hivex_commit(Some(b("relative")))).contains("must start with a /"));

    // A file of two names keeps them both.
    fs::hard_link(tree.join("BCD"), tree.join("also")).unwrap();
    change(&mut d, "/BCD", None);
    assert_eq!(fs::metadata(tree.join("also")).unwrap().nlink(), 2);
    assert_eq!(dumped(&mut d, "/also"), dumped(&mut d, "/BCD"));

    let left: Vec<String> = fs::read_dir(&tree)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".guestfs"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A filesystem of user space, mounted as an appliance mounts it.
struct Ntfs3g(PathBuf);

impl Ntfs3g {
    fn new(image: &str, at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        run("ntfs-3g", &[image, at.to_str().unwrap()]);
        Ntfs3g(at)
    }
}

impl Drop for Ntfs3g {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

#[test]
fn a_file_replaced_on_ntfs_keeps_what_only_ntfs_has() {
    let workshop = Workshop::new();
    let tree = hives(&workshop);
    let image = workshop.empty("ntfs.img", 16);
    run("mkntfs", &["-q", "-F", "-Q", &image]);
    let mount = Ntfs3g::new(&image, workshop.path("mount"));
    let hive = mount.0.join("Boot Configuration");
    fs::copy(tree.join("BCD"), &hive).unwrap();
    // Hidden and system, a security descriptor that is not the default one, a time of creation, a short name.
    let created = 0x01D0_0000_1234_5678_u64.to_le_bytes();
    xattr::set(&hive, "system.ntfs_attrib", &0x26_u32.to_le_bytes()).unwrap();
    xattr::set(&hive, "system.ntfs_crtime", &created).unwrap();
    xattr::set(&hive, "system.ntfs_dos_name", b"BOOTCO~1").unwrap();
    xattr::set(&hive, "user.stream", b"kept").unwrap();
    let acl = xattr::get(&hive, "system.ntfs_acl").unwrap().unwrap();
    let kept = |hive: &Path| {
        ["system.ntfs_attrib", "system.ntfs_crtime", "system.ntfs_dos_name", "system.ntfs_acl", "user.stream"]
            .map(|name| xattr::get(hive, name).unwrap().map(BString::from))
    };
    let before = kept(&hive);
    assert_eq!(before[3].as_deref().map(Vec::as_slice), Some(acl.as_slice()));
    assert_eq!(fs::metadata(&hive).unwrap().nlink(), 2);
    let inode = fs::metadata(&hive).unwrap().ino();
    let mut d = over_directory(&mount.0);
    change(&mut d, "/Boot Configuration", None);
    d.hivex_close().unwrap();
    assert_eq!(kept(&hive), before);
    assert_ne!(fs::metadata(&hive).unwrap().ino(), inode);
    assert_eq!(fs::metadata(&hive).unwrap().nlink(), 2);
}
