//! Calls that move content, over a plain directory as the guest.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use libguestfs_core::api::{CompressOutOpts, CopyFileToFileOpts, CpioOutOpts, TarInOpts, TarOutOpts};
use libguestfs_core::tar::{self, END, Entry, Kind};
use tempfile::TempDir;

use super::{Workshop, b, mounted, over_directory, refusal};
use crate::Guestfsd;

/// Size of the pieces in which files come from a caller.
const CHUNK: usize = 8192;

struct Guest(TempDir);

impl Guest {
    fn new() -> Self {
        let guest = Guest(TempDir::new().unwrap());
        fs::create_dir_all(guest.path("dir")).unwrap();
        fs::write(guest.path("hello"), "hello\n").unwrap();
        fs::create_dir(guest.0.path().join("outside")).unwrap();
        symlink("../outside", guest.path("up")).unwrap();
        guest
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("guest").join(name)
    }

    fn daemon(&self) -> Guestfsd {
        over_directory(&self.path(""))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(fs::read_dir(self.0.path().join("outside")).unwrap().count(), 0);
            assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 2);
        }
    }
}

#[test]
fn what_is_uploaded_is_in_the_file() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    d.upload(&mut content.chunks(CHUNK), b("/large")).unwrap();
    assert!(fs::read(guest.path("large")).unwrap() == content);
    d.upload(&mut b"hi".chunks(1), b("/large")).unwrap();
    assert_eq!(guest.read("large"), "hi");
    d.upload_offset(&mut b"p me".chunks(3), b("/large"), 2).unwrap();
    d.upload_offset(&mut b"y".chunks(3), b("/hole"), 3).unwrap();
    assert_eq!((guest.read("large"), guest.read("hole")), ("hip me".into(), "\0\0\0y".into()));
    for (path, offset, why) in [
        ("/nosuch/x", 0, "/nosuch/x: No such file or directory"),
        ("/dir", 0, "/dir: Is a directory"),
        ("/hello", -1, "/hello: offset in file is negative"),
        ("/dev/sda", 0, "/dev/sda: No such file or directory"),
    ] {
        assert_eq!(refusal(d.upload_offset(&mut b"x".chunks(1), b(path), offset)), why);
    }
}

#[test]
fn base64_goes_both_ways() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    // More than is read at a time, and no whole number of lines.
    let content: Vec<u8> = (0..200_001u32).flat_map(u32::to_le_bytes).collect();
    fs::write(guest.path("content"), &content).unwrap();
    let mut out = Vec::new();
    d.base64_out(b("/content"), &mut out).unwrap();
    let expected = Command::new("base64").arg(guest.path("content")).output().unwrap().stdout;
    assert!(out == expected);
    d.base64_in(&mut out.chunks(CHUNK), b("/again")).unwrap();
    assert!(fs::read(guest.path("again")).unwrap() == content);
    assert_eq!(refusal(d.base64_out(b("/nosuch"), &mut out)), "stat: /nosuch: No such file or directory");
    assert_eq!(refusal(d.base64_out(b("/dir"), &mut out)), "/dir: is a directory");
    assert_eq!(refusal(d.base64_in(&mut b"not!".chunks(1), b("/x"))), "/x: what was sent is not base64");
}

#[test]
fn what_is_sent_compressed_is_what_was_there() {
    let guest = Guest::new();
    let content: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(guest.path("content"), &content).unwrap();
    let mut d = guest.daemon();
    let mut compressed = |ctype: &str, level: Option<i32>| {
        let mut out = Vec::new();
        d.compress_out(b(ctype), b("/content"), &mut out, &CompressOutOpts { level }).map(|()| out)
    };
    for (ctype, program) in [("gzip", "gzip"), ("xz", "xz"), ("bzip2", "bzip2")] {
        for level in [None, Some(-1), Some(1), Some(9)] {
            fs::write(guest.path("z"), compressed(ctype, level).unwrap()).unwrap();
            let file = fs::File::open(guest.path("z")).unwrap();
            let back = Command::new(program).arg("-dc").stdin(file).output().unwrap();
            assert!(back.stdout == content, "{ctype} {level:?}");
        }
    }
    assert_eq!(refusal(compressed("zip", None)), "unknown compression type");
    assert_eq!(refusal(compressed("gzip", Some(10))), "gzip: incorrect value for level parameter");
    assert_eq!(refusal(compressed("bzip2", Some(0))), "bzip2: incorrect value for level parameter");
    assert_eq!(refusal(compressed("compress", Some(1))), "compress: cannot use optional level parameter");
    let none = CompressOutOpts::default();
    assert_eq!(
        refusal(d.compress_out(b("gzip"), b("/nosuch"), &mut Vec::new(), &none)),
        "/nosuch: No such file or directory"
    );
}

#[test]
fn files_are_copied_in_part() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    let plain = CopyFileToFileOpts::default;
    let table = [
        (plain(), "hello\n"),
        (CopyFileToFileOpts { append: Some(true), ..plain() }, "hello\nhello\n"),
        (CopyFileToFileOpts { append: Some(true), destoffset: Some(1), ..plain() }, "hello\nhello\nhello\n"),
        (CopyFileToFileOpts { destoffset: Some(2), ..plain() }, "\0\0hello\n"),
        (CopyFileToFileOpts { srcoffset: Some(1), size: Some(3), ..plain() }, "ell"),
        (CopyFileToFileOpts { size: Some(0), ..plain() }, ""),
        (CopyFileToFileOpts { srcoffset: Some(100), ..plain() }, ""),
        (CopyFileToFileOpts { sparse: Some(true), ..plain() }, "hello\n"),
    ];
    for (opts, expected) in table {
        d.copy_file_to_file(b("/hello"), b("/copy"), &mut (), &opts).unwrap();
        assert_eq!(guest.read("copy"), expected, "{opts:?}");
    }
    for (source, target, opts, why) in [
        ("/nosuch", "/x", plain(), "/nosuch: No such file or directory"),
        ("/dir", "/x", plain(), "/dir: Is a directory"),
        ("/hello", "/dir", plain(), "/dir: Is a directory"),
        ("/hello", "/nosuch/x", plain(), "/nosuch/x: No such file or directory"),
        ("/hello", "/x", CopyFileToFileOpts { size: Some(100), ..plain() }, "/hello: input too short"),
        ("/hello", "/x", CopyFileToFileOpts { size: Some(-2), ..plain() }, "size is negative"),
        ("/hello", "/x", CopyFileToFileOpts { srcoffset: Some(-1), ..plain() }, "srcoffset is negative"),
        ("/hello", "/x", CopyFileToFileOpts { destoffset: Some(-1), ..plain() }, "destoffset is negative"),
    ] {
        assert_eq!(refusal(d.copy_file_to_file(b(source), b(target), &mut (), &opts)), why);
    }
    d.copy_size(b("/hello"), b("/sized"), 3, &mut ()).unwrap();
    assert_eq!(guest.read("sized"), "hel");
    assert_eq!(refusal(d.copy_size(b("/hello"), b("/sized"), 100, &mut ())), "/hello: input file too short");
    d.dd(b("/hello"), b("/copy")).unwrap();
    assert_eq!(guest.read("copy"), "hello\n");
}

#[test]
fn holes_stay_holes_in_copies() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    let file = fs::File::create(guest.path("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 40 << 20).unwrap();
    d.copy_file_to_file(b("/sparse"), b("/kept"), &mut (), &CopyFileToFileOpts::default()).unwrap();
    let mut zeros = vec![0; 1 << 20];
    zeros[500_000] = 1;
    fs::write(guest.path("zeros"), &zeros).unwrap();
    let sparse = CopyFileToFileOpts { sparse: Some(true), ..CopyFileToFileOpts::default() };
    d.copy_file_to_file(b("/zeros"), b("/punched"), &mut (), &sparse).unwrap();
    assert!(fs::read(guest.path("sparse")).unwrap() == fs::read(guest.path("kept")).unwrap());
    assert!(fs::read(guest.path("punched")).unwrap() == zeros);
    for name in ["kept", "punched"] {
        assert!(guest.path(name).metadata().unwrap().blocks() < 256, "{name}");
    }
}

/// Packs a tree with GNU tar.
fn packed(directory: &Path, options: &[&str]) -> Vec<u8> {
    let output =
        Command::new("tar").args(options).arg("-cf-").arg("-C").arg(directory).arg(".").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn an_archive_becomes_the_tree_that_it_was_made_of() {
    let guest = Guest::new();
    let tree = guest.path("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/file"), vec![7; 100_000]).unwrap();
    fs::hard_link(tree.join("a/file"), tree.join("a/b/other")).unwrap();
    symlink("file", tree.join("a/inside")).unwrap();
    symlink("/etc/passwd", tree.join("a/absolute")).unwrap();
    symlink("../../..", tree.join("a/b/upwards")).unwrap();
    fs::hard_link(tree.join("a/absolute"), tree.join("a/second")).unwrap();
    nix::unistd::mkfifo(&tree.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o640)).unwrap();
    fs::write(tree.join("suid"), "x").unwrap();
    std::os::unix::fs::lchown(tree.join("suid"), Some(5), Some(6)).unwrap();
    fs::set_permissions(tree.join("suid"), fs::Permissions::from_mode(0o4711)).unwrap();
    std::os::unix::fs::lchown(tree.join("a/absolute"), Some(7), Some(8)).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 4 << 20).unwrap();
    xattr::set(tree.join("suid"), "user.a", b"b").unwrap();
    super::run("setfacl", &["-m", "u:5:r", tree.join("a/file").to_str().unwrap()]);
    super::run("touch", &["-d", "2001-02-03 04:05:06.789", tree.join("suid").to_str().unwrap()]);
    super::run("touch", &["-d", "1960-01-01", tree.join("a/b").to_str().unwrap()]);

    // GNU tar writes the host's names of users into ACLs.
    fs::create_dir(guest.path("etc")).unwrap();
    fs::copy("/etc/passwd", guest.path("etc/passwd")).unwrap();
    let mut d = guest.daemon();
    let all = ["--format=pax", "--xattrs", "--acls", "--sparse"];
    for (compress, option) in [
        (None, "--numeric-owner"),
        (Some("gzip"), "--gzip"),
        (Some("xz"), "--xz"),
        (Some("bzip2"), "--bzip2"),
        (Some("lzma"), "--use-compress-program=xz --format=lzma"),
        (Some("zstd"), "--zstd"),
    ] {
        let name = compress.unwrap_or("plain");
        fs::create_dir(guest.path(name)).unwrap();
        let archive = packed(&tree, &[&all[..], &[option]].concat());
        let opts = TarInOpts {
            compress: compress.map(Into::into),
            xattrs: Some(true),
            acls: Some(true),
            ..TarInOpts::default()
        };
        d.tar_in(&mut archive.chunks(CHUNK), b(&format!("/{name}")), &opts).unwrap();
        same_trees(&tree, &guest.path(name));
    }
    let without = guest.path("without");
    fs::create_dir(&without).unwrap();
    d.tar_in(&mut packed(&tree, &all).chunks(CHUNK), b("/without"), &TarInOpts::default()).unwrap();
    assert_eq!(xattr::list(without.join("suid")).unwrap().count(), 0);
    assert_eq!(xattr::list(without.join("a/file")).unwrap().count(), 0);
}

/// Compares what find(1) and getfattr(1) show of two trees, and their contents.
fn same_trees(one: &Path, other: &Path) {
    let shown = |directory: &Path| {
        let script = "find . -mindepth 1 -printf '%p %y %m %U %G %n %T@ %l\\n' | sort; find . -type f -printf '%p %s\\n' | sort; \
                      getfattr -R -h -d -m - . | sort; find . -type f | sort | xargs sha256sum";
        let output = Command::new("sh").arg("-c").arg(script).current_dir(directory).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(shown(one), shown(other));
}

/// An archive of entries, each with content.
fn archive(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (entry, content) in entries {
        let entry = Entry { size: content.len() as u64, permissions: 0o644, ..entry.clone() };
        tar::encode(&entry, &mut out).unwrap();
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(tar::BLOCK), 0);
    }
    out.extend_from_slice(&END);
    out
}

fn link(path: &str, kind: Kind, target: &str) -> Entry {
    Entry { link: target.into(), ..Entry::new(path, kind) }
}

#[test]
fn an_archive_does_not_reach_out_of_the_directory() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    symlink("/", guest.path("dir/root")).unwrap();
    let file = |path: &str| Entry::new(path, Kind::Regular);
    let outside = guest.0.path().join("outside");
    let absolute = outside.to_str().unwrap();
    let hostile = [
        (file("../x"), &b"x"[..]),
        (file("a/../../x"), b"x"),
        (link("l", Kind::Symlink, absolute), b""),
        (file("l/x"), b"x"),
        (link("u", Kind::Symlink, "../.."), b""),
        (file("u/x"), b"x"),
        (link("ok", Kind::Symlink, "real"), b""),
        (Entry::new("real", Kind::Directory), b""),
        (file("ok/x"), b"fine"),
        (link("h", Kind::HardLink, "../hello"), b""),
        (link("h", Kind::HardLink, "u/hello"), b""),
        (file("/absolute"), b"below"),
        (file("root/in-the-guest"), b"x"),
        (Entry::new("real", Kind::Symlink), b""),
        (file("last"), b"last"),
    ];
    let why = refusal(d.tar_in(&mut archive(&hostile).chunks(CHUNK), b("/dir"), &TarInOpts::default()));
    assert_eq!(why, "tar subcommand failed on directory: /dir: ../x: this name leads out of the directory");
    // The rest was made, as far as it can be.
    let mut names: Vec<_> = fs::read_dir(guest.path("dir"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["absolute", "l", "last", "ok", "real", "root", "u"]);
    assert_eq!((guest.read("dir/real/x"), guest.read("dir/last")), ("fine".into(), "last".into()));
    assert_eq!(fs::read_link(guest.path("dir/l")).unwrap().to_str(), Some(absolute));
    assert_eq!(fs::read_link(guest.path("dir/u")).unwrap().to_str(), Some("../.."));
    // A link that the guest had is followed, within it.
    assert_eq!(guest.read("in-the-guest"), "x");
}

#[test]
fn what_is_in_the_way_is_replaced() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    for (name, target) in [("dir/file", "../hello"), ("dir/keep", "../dir2"), ("dir/go", "../dir2")] {
        symlink(target, guest.path(name)).unwrap();
    }
    fs::create_dir(guest.path("dir2")).unwrap();
    fs::create_dir(guest.path("dir/full")).unwrap();
    fs::write(guest.path("dir/full/x"), "x").unwrap();
    let mut unpack = |entries: &[(Entry, &[u8])], keepdirlink: bool| {
        let opts = TarInOpts { keepdirlink: Some(keepdirlink), ..TarInOpts::default() };
        d.tar_in(&mut archive(entries).chunks(CHUNK), b("/dir"), &opts)
    };
    unpack(&[(Entry::new("file", Kind::Regular), b"new")], false).unwrap();
    unpack(&[(Entry::new("keep/", Kind::Directory), b""), (Entry::new("keep/f", Kind::Regular), b"k")], true)
        .unwrap();
    unpack(&[(Entry::new("go/", Kind::Directory), b""), (Entry::new("go/f", Kind::Regular), b"g")], false)
        .unwrap();
    assert_eq!(
        refusal(unpack(&[(Entry::new("full", Kind::Regular), b"g")], false)),
        "tar subcommand failed on directory: /dir: full: Directory not empty"
    );
    assert_eq!((guest.read("hello"), guest.read("dir/file")), ("hello\n".into(), "new".into()));
    assert!(guest.path("dir/keep").is_symlink() && !guest.path("dir/go").is_symlink());
    assert_eq!((guest.read("dir2/f"), guest.read("dir/go/f")), ("k".into(), "g".into()));
}

#[test]
fn what_is_no_archive_is_refused() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    let cut = packed(&guest.path(""), &[])[..700].to_vec();
    for (directory, compress, bytes, why) in [
        ("/nosuch", None, &b"x"[..], "/nosuch: No such file or directory"),
        ("/hello", None, b"x", "/hello: Not a directory"),
        ("/dir", Some("foo"), b"x", "unknown compression type: foo"),
        ("/dir", None, b"x", "tar subcommand failed on directory: /dir: the archive ends in its midst"),
        ("/dir", None, b"", "tar subcommand failed on directory: /dir: this is not a tar archive"),
        (
            "/dir",
            None,
            &[b'x'; 1024],
            "tar subcommand failed on directory: /dir: the archive is not understood: a header's checksum is wrong",
        ),
        ("/dir", None, &cut, "tar subcommand failed on directory: /dir: the archive ends in its midst"),
    ] {
        let opts = TarInOpts { compress: compress.map(Into::into), ..TarInOpts::default() };
        assert_eq!(refusal(d.tar_in(&mut bytes.chunks(CHUNK), b(directory), &opts)), why);
    }
    for compress in ["gzip", "xz", "zstd", "lzma", "bzip2"] {
        let opts = TarInOpts { compress: Some(compress.into()), ..TarInOpts::default() };
        let noise = [0x55; 3000];
        assert!(d.tar_in(&mut noise.chunks(CHUNK), b("/dir"), &opts).is_err(), "{compress}");
    }
    assert_eq!(fs::read_dir(guest.path("dir")).unwrap().count(), 0);
}

#[test]
fn programs_compress_archives() {
    let guest = Guest::new();
    let mut d = guest.daemon();
    for (compress, program) in [("xz", "xz"), ("bzip2", "bzip2"), ("zstd", "zstd"), ("lzma", "xz")] {
        let mut out = Vec::new();
        let opts = TarOutOpts { compress: Some(compress.into()), ..TarOutOpts::default() };
        d.tar_out(b("/"), &mut out, &opts).unwrap();
        let opts = TarInOpts { compress: Some(compress.into()), ..TarInOpts::default() };
        let to = guest.path(&format!("dir/{compress}"));
        fs::create_dir(&to).unwrap();
        d.tar_in(&mut out.chunks(CHUNK), b(&format!("/dir/{compress}")), &opts).unwrap();
        assert_eq!(fs::read(to.join("hello")).unwrap(), b"hello\n", "{program}");
        fs::remove_dir_all(to).unwrap();
    }
    let opts = TarOutOpts { compress: Some("xz".into()), ..TarOutOpts::default() };
    assert_eq!(
        refusal(d.tar_out(b("/nosuch"), &mut Vec::new(), &opts)),
        "/nosuch: No such file or directory"
    );
}

#[test]
fn cpio_unpacks_what_is_sent() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for format in [None, Some("crc")] {
        let mut out = Vec::new();
        d.cpio_out(b("/"), &mut out, &CpioOutOpts { format: format.map(Into::into) }).unwrap();
        let to = workshop.path("unpacked");
        fs::create_dir(&to).unwrap();
        fs::write(workshop.path("archive"), &out).unwrap();
        let said = Command::new("cpio")
            .args(["-idm", "--quiet", "--no-absolute-filenames"])
            .stdin(fs::File::open(workshop.path("archive")).unwrap())
            .current_dir(&to)
            .output()
            .unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
        for name in ["hello", "dir/sub/deep", "sparse", "new\nline", "etc/passwd"] {
            assert!(
                fs::read(to.join(name)).unwrap() == fs::read(workshop.path("tree").join(name)).unwrap(),
                "{name}"
            );
        }
        assert_eq!(fs::read_link(to.join("esc")).unwrap().to_str(), Some("../../../etc/passwd"));
        assert!(to.join("fifo").metadata().unwrap().file_type().is_fifo());
        fs::remove_dir_all(to).unwrap();
    }
    let mut out = Vec::new();
    let mut refused = |path: &str, format: Option<&str>| {
        refusal(d.cpio_out(b(path), &mut out, &CpioOutOpts { format: format.map(Into::into) }))
    };
    assert_eq!(refused("/nosuch", None), "stat: /nosuch: No such file or directory");
    assert_eq!(refused("/hello", None), "/hello: not a directory");
    assert_eq!(refused("/etc", Some("foo")), "foo: format must be 'newc' or 'crc'");
    assert!(out.is_empty());
}

#[test]
fn names_of_one_file_have_its_content_once() {
    let guest = Guest::new();
    fs::write(guest.path("dir/one"), vec![1; 5000]).unwrap();
    for name in ["dir/two", "dir/three", "beyond"] {
        fs::hard_link(guest.path("dir/one"), guest.path(name)).unwrap();
    }
    let mut d = guest.daemon();
    let mut out = Vec::new();
    d.cpio_out(b("/dir"), &mut out, &CpioOutOpts::default()).unwrap();
    assert!(out.len() < 7000);
    fs::write(guest.path("archive"), &out).unwrap();
    fs::create_dir(guest.path("to")).unwrap();
    let said = Command::new("cpio")
        .args(["-idm", "--quiet"])
        .stdin(fs::File::open(guest.path("archive")).unwrap())
        .current_dir(guest.path("to"))
        .output()
        .unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    let status = guest.path("to/two").metadata().unwrap();
    assert_eq!((status.len(), status.nlink()), (5000, 3));
}
