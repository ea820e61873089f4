//! `tar_out`, unpacked by GNU tar.

use std::path::Path;
use std::process::{Command, Stdio};

use libguestfs_core::api::TarOutOpts;

use super::{Workshop, b, mounted, refusal};

/// Unpacks an archive and returns the directory.
fn unpack(archive: &[u8], options: &[&str]) -> tempfile::TempDir {
    use std::io::Write;
    let directory = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar")
        .args(["-xpf", "-", "-C"])
        .arg(directory.path())
        .args(options)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(archive).unwrap();
    let output = tar.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    directory
}

/// Lists what is below a directory, as find(1) does.
fn listing(directory: &Path) -> Vec<String> {
    let output = Command::new("find")
        .args([".", "-mindepth", "1", "!", "-type", "s", "-printf", "%y %m %U %G %s %Ts %p %l\\0"])
        .current_dir(directory)
        .output()
        .unwrap();
    let mut lines: Vec<String> = output
        .stdout
        .split(|byte| *byte == 0)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    // Directories have other sizes on other filesystems.
    for line in lines.iter_mut().filter(|line| line.starts_with("d ")) {
        let fields: Vec<_> =
            line.split(' ').enumerate().filter(|(n, _)| *n != 4).map(|(_, field)| field).collect();
        *line = fields.join(" ");
    }
    lines.retain(|line| !line.contains("lost+found"));
    lines.sort();
    lines
}

#[test]
fn gnu_tar_makes_the_same_tree_of_it() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for compress in [None, Some("gzip".into())] {
        let mut out = Vec::new();
        let opts = TarOutOpts { compress: compress.clone(), ..TarOutOpts::default() };
        d.tar_out(b("/"), &mut out, &opts).unwrap();
        let unpacked = unpack(&out, if compress.is_some() { &["-z"] } else { &[] });
        assert_eq!(listing(unpacked.path()), listing(&workshop.path("tree")));
        for name in ["sparse", "dir/sub/deep", "zero", "new\nline"] {
            let read = |directory: &Path| std::fs::read(directory.join(name)).unwrap();
            assert!(read(unpacked.path()) == read(&workshop.path("tree")), "{name}");
        }
    }
    let (mut compressed, mut again) = (Vec::new(), Vec::new());
    d.tgz_out(b("/dir"), &mut compressed).unwrap();
    d.tar_out(b("/dir/"), &mut again, &TarOutOpts { compress: Some("gzip".into()), ..TarOutOpts::default() })
        .unwrap();
    assert_eq!(compressed, again);
}

#[test]
fn one_file_is_an_archive_of_it() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    for (path, name, kind) in [
        ("/hello", "hello", 'f'),
        ("/etc/passwd", "passwd", 'f'),
        ("/abs", "abs", 'l'),
        ("/fifo", "fifo", 'p'),
    ] {
        let mut out = Vec::new();
        d.tar_out(b(path), &mut out, &TarOutOpts::default()).unwrap();
        let unpacked = unpack(&out, &[]);
        let listing: Vec<String> =
            listing(unpacked.path()).into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(listing.len(), 1);
        assert!(listing[0].starts_with(kind) && listing[0].contains(&format!(" ./{name} ")), "{listing:?}");
    }
    // A link with a slash after it is the directory.
    let mut out = Vec::new();
    d.tar_out(b("/abs/"), &mut out, &TarOutOpts::default()).unwrap();
    assert!(unpack(&out, &[]).path().join("passwd").exists());
}

#[test]
fn excludes_leave_out() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let mut out = Vec::new();
    let excludes = ["etc", "s*", "*/deep"].map(Into::into).to_vec();
    d.tar_out(b("/"), &mut out, &TarOutOpts { excludes: Some(excludes), ..TarOutOpts::default() }).unwrap();
    let unpacked = unpack(&out, &[]);
    let path = |name: &str| unpacked.path().join(name);
    assert!(path("hello").exists() && path("dir/up").is_symlink());
    assert!(!path("etc").exists() && !path("sparse").exists() && !path("dir/sub").exists());
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let workshop = Workshop::new();
    let mut d = mounted(&workshop);
    let mut out = Vec::new();
    let mut refused = |path: &str, compress: Option<&str>| {
        let opts = TarOutOpts { compress: compress.map(Into::into), ..TarOutOpts::default() };
        refusal(d.tar_out(b(path), &mut out, &opts))
    };
    assert_eq!(refused("/none", None), "/none: No such file or directory");
    assert_eq!(refused("/hello/", None), "/hello/: Not a directory");
    assert_eq!(refused("etc", None), "tar_out: path must start with a / character");
    assert_eq!(refused("/etc", Some("xz")), "needs an appliance: /etc: compression with xz");
    assert_eq!(refused("/etc", Some("zip")), "unknown compression type: zip");
    assert!(out.is_empty());
}
