//! Appliances from a small host that is made of this one's shell and mount, and from this one itself.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;
use crate::cpio;
use crate::tree::Node;

const VERSION: &str = "9.9.9-test";

/// A host with a shell, mount(8), their libraries, and modules in each form that there is.
fn small_host() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let this = Host::new("/");
    let mut libraries = Libraries::new(&this).unwrap();
    for name in ["usr/bin", "usr/sbin", "usr/lib/modules", "usr/lib64", "etc"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    let put = |path: &Path, real: &Path| {
        let place = root.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if !place.exists() {
            fs::copy(real, place).unwrap();
        }
    };
    for program in ["/usr/bin/sh", "/usr/bin/mount"] {
        let real = this.file(Path::new(program)).unwrap().unwrap();
        put(Path::new(program), &real);
        for library in libraries.of(&real).unwrap() {
            put(&library.path, &library.real);
        }
    }
    symlink("mount", root.join("usr/bin/umount")).unwrap();
    fs::write(root.join("usr/bin/zgrep"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::write(root.join("usr/sbin/xfs_info"), "#! /usr/bin/no-such -e\n").unwrap();

    let modules = root.join("lib/modules").join(VERSION);
    let file = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(modules.join(name).parent().unwrap()).unwrap();
        fs::write(modules.join(name), bytes).unwrap();
    };
    let compressed = |program: &str| {
        let mut child = std::process::Command::new(program)
            .args(["-q", "-c"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        child.wait_with_output().unwrap().stdout
    };
    file("kernel/fs/xfs/xfs.ko.xz", &compressed("xz"));
    file("kernel/fs/ext4/ext4.ko.gz", &compressed("gzip"));
    file("kernel/fs/jbd2.ko.zst", &compressed("zstd"));
    file("kernel/fs/nfs/nfs.ko", b"");
    file("kernel/lib/crc.ko", b"");
    file("kernel/drivers/virtio/virtio_pci.ko", b"pci");
    file("kernel/drivers/block/virtio_blk.ko", b"blk");
    file("kernel/drivers/virtio/virtio.ko", b"virtio");
    file("kernel/sound/far.ko", b"far");
    file(
        "modules.dep",
        b"kernel/fs/xfs/xfs.ko.xz:\nkernel/fs/ext4/ext4.ko.gz: kernel/fs/jbd2.ko.zst kernel/sound/far.ko\n\
          kernel/fs/jbd2.ko.zst: kernel/sound/far.ko\nkernel/fs/nfs/nfs.ko:\nkernel/lib/crc.ko:\nkernel/sound/far.ko:\n\
          kernel/drivers/virtio/virtio.ko:\nkernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko\n\
          kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko\n",
    );
    file("modules.alias", b"# aliases\nalias fs-xfs xfs\nalias fs-nfs nfs\nalias crc-any crc\n");
    file("modules.softdep", b"softdep xfs pre: crc-any none\nsoftdep crc pre: xfs\n");
    file("modules.builtin", b"kernel/fs/squashfs/squashfs.ko\n");
    file("modules.dep.bin", b"names compressed files");
    directory
}

fn kernel() -> Kernel {
    Kernel {
        path: "/boot/vmlinuz".into(),
        modules: Path::new("/lib/modules").join(VERSION),
        version: VERSION.into(),
    }
}

fn bytes(tree: &Tree, path: &str) -> String {
    let (_, node) = tree.iter().find(|(at, _)| *at == Path::new(path)).unwrap_or_else(|| panic!("{path}"));
    let Node::File { content, .. } = node else { panic!("{path}: {node:?}") };
    let mut all = Vec::new();
    content
        .copy_to(&mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn programs_come_with_what_they_need() {
    let directory = small_host();
    let tree = whole(&Host::new(directory.path()), &kernel(), Path::new("/bin/sh")).unwrap();
    let nodes: BTreeMap<&Path, &Node> = tree.iter().collect();
    let node = |path: &str| nodes.get(Path::new(path)).copied();
    assert!(matches!(node("/init"), Some(Node::File { is_program: true, .. })));
    assert_eq!(node("/bin"), Some(&Node::Link("usr/bin".into())));
    assert_eq!(node("/usr/bin/umount"), Some(&Node::Link("/usr/bin/mount".into())));
    assert!(node("/usr/bin/zgrep").is_some());
    // Its interpreter is not there.
    assert!(node("/usr/sbin/xfs_info").is_none());
    for library in ["libc.so.6", "libmount.so.1", "libblkid.so.1", "ld-linux-x86-64.so.2"] {
        let found = nodes.keys().filter(|path| path.ends_with(library)).count();
        assert!(found > 0 || !cfg!(target_arch = "x86_64"), "{library}");
    }
    let is_link = |path: &Path| path == Path::new("/bin") || path == Path::new("/lib64");
    assert!(nodes.keys().all(|path| !path.ancestors().skip(1).any(is_link)));
    let manifest: serde_json::Value = serde_json::from_str(&bytes(&tree, MANIFEST)).unwrap();
    assert_eq!(manifest["kernel_version"], VERSION);
    assert_eq!(manifest["programs"][0]["program"], "/usr/bin/mount");
    assert!(manifest["missing"].as_array().unwrap().contains(&"lvm".into()));
}

#[test]
fn modules_are_plain_and_their_tables_say_so() {
    let directory = small_host();
    let host = Host::new(directory.path());
    let tree = whole(&host, &kernel(), Path::new("/bin/sh")).unwrap();
    let at = |name: &str| format!("/usr/lib/modules/{VERSION}/{name}");
    for (name, content) in [
        ("kernel/fs/xfs/xfs.ko", "xz"),
        ("kernel/fs/ext4/ext4.ko", "gzip"),
        ("kernel/fs/jbd2.ko", "zstd"),
        ("kernel/sound/far.ko", "far"),
    ] {
        assert_eq!(bytes(&tree, &at(name)), content);
    }
    assert!(!tree.contains(at("kernel/fs/nfs/nfs.ko")) && !tree.contains(at("modules.dep.bin")));
    assert_eq!(
        bytes(&tree, &at("modules.dep")),
        "kernel/lib/crc.ko: kernel/fs/xfs/xfs.ko\nkernel/fs/ext4/ext4.ko: kernel/fs/jbd2.ko kernel/sound/far.ko\n\
         kernel/sound/far.ko:\nkernel/fs/jbd2.ko: kernel/sound/far.ko\nkernel/drivers/virtio/virtio.ko:\n\
         kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko\n\
         kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko\nkernel/fs/xfs/xfs.ko: kernel/lib/crc.ko\n"
    );
    assert_eq!(bytes(&tree, &at("modules.alias")), "alias fs-xfs xfs\nalias crc-any crc\n");
    assert_eq!(
        bytes(&tree, "/etc/guestfs/modules"),
        "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko virtio:2\n"
    );
    assert!(can_mount_rest(&host, &kernel()).unwrap());
}

#[test]
fn in_two_parts_nothing_is_missing() {
    let directory = small_host();
    let host = Host::new(directory.path());
    let daemon = Path::new("/bin/sh");
    let (whole, first, rest) = (
        whole(&host, &kernel(), daemon).unwrap(),
        first(&host, &kernel(), daemon).unwrap(),
        rest(&host, &kernel()).unwrap(),
    );
    for (path, _) in whole.iter() {
        let is_there = if path.starts_with("/usr") { rest.contains(path) } else { first.contains(path) };
        // Directories that are empty are made for links to them only.
        assert!(is_there || path == Path::new("/usr/lib64") || path == Path::new("/usr/sbin"), "{path:?}");
    }
    assert!(rest.iter().all(|(path, _)| path.starts_with("/usr")));
    assert!(
        !first.contains("/usr/bin/mount")
            && !first.contains(format!("/usr/lib/modules/{VERSION}/kernel/fs/xfs/xfs.ko"))
    );
}

#[test]
fn the_same_host_gives_the_same_bytes() {
    let directory = small_host();
    let archive = || {
        let mut out = Vec::new();
        let tree = whole(&Host::new(directory.path()), &kernel(), Path::new("/bin/sh")).unwrap();
        cpio::write(&tree, &mut out, Path::new("x")).unwrap();
        out
    };
    let first = archive();
    // Times are no part of it.
    let later = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    fs::File::options()
        .write(true)
        .open(directory.path().join("usr/bin/zgrep"))
        .unwrap()
        .set_times(later)
        .unwrap();
    assert!(first == archive());
    let mut cpio = std::process::Command::new("cpio")
        .args(["-it", "--quiet"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = cpio.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&first));
    let listed = cpio.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let tree = whole(&Host::new(directory.path()), &kernel(), Path::new("/bin/sh")).unwrap();
    let expected: String =
        tree.iter().map(|(path, _)| format!("{}\n", path.strip_prefix("/").unwrap().display())).collect();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), expected);
}

#[test]
fn libraries_of_this_host_are_those_that_its_loader_finds() {
    let host = Host::new("/");
    let mut libraries = Libraries::new(&host).unwrap();
    for program in ["/usr/bin/mount", "/usr/bin/sh", "/usr/bin/tar", "/usr/sbin/mke2fs", "/usr/sbin/lvm"] {
        let real = host.file(Path::new(program)).unwrap().unwrap();
        let ours: BTreeSet<PathBuf> =
            libraries.of(&real).unwrap().into_iter().map(|library| library.real).collect();
        let output = std::process::Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
        let theirs: BTreeSet<PathBuf> = paths.map(|path| fs::canonicalize(path).unwrap()).collect();
        assert_eq!(ours, theirs, "{program}");
    }
}

#[test]
fn a_library_that_is_missing_is_named() {
    let directory = small_host();
    let host = Host::new(directory.path());
    let tree = whole(&host, &kernel(), Path::new("/bin/sh")).unwrap();
    let library = tree.iter().find(|(path, _)| path.ends_with("libblkid.so.1")).unwrap().0;
    fs::remove_file(directory.path().join(library.strip_prefix("/").unwrap())).unwrap();
    let error = whole(&Host::new(directory.path()), &kernel(), Path::new("/bin/sh")).unwrap_err();
    assert_eq!(error.to_string(), "/usr/bin/mount needs libblkid.so.1, which is not there");
}
