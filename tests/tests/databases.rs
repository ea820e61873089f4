//! Databases of packages that are broken in part, each in a guest of its own: what is readable is reported, the rest is
//! named, and the exit status is 1. (`rpm_guest.rs` does the same with a real database of rpm in SQLite.)
//!
//! Needs db-util and sqlite3. The headers of rpm and its form ndb are put together here, of what their descriptions say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bstr::ByteSlice;
use guestfs_tests::{must, run};
use serde_json::Value;

/// A guest: the files of its database, the packages that are readable, and what is said of the rest.
struct Case {
    format: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    readable: &'static [&'static str],
    said: &'static str,
}

fn texts(files: &[(&'static str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect()
}

fn cases() -> Vec<Case> {
    let text = |format, files: &[_], readable, said| Case { format, files: texts(files), readable, said };
    vec![
        text(
            "deb",
            &[(
                "var/lib/dpkg/status",
                "Package: a\nStatus: install ok installed\nVersion: 1-1\n\nPackage: b\nStatus: install ok installed\n\
                 Version: x:2\n\nPackage: c\nStatus: install ok half-configured\nVersion: 3\n",
            )],
            &["a", "c"],
            "/var/lib/dpkg/status: b: the version \"x:2\" is not understood",
        ),
        text(
            "deb",
            &[("var/lib/dpkg/status.d/a", "Package: a\nVersion: 1\n"), ("var/lib/dpkg/status.d/b", "\0\0\0")],
            &["a"],
            "/var/lib/dpkg/status.d/b: ",
        ),
        text(
            "opkg",
            &[(
                "usr/lib/opkg/status",
                "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: ?\nVersion: 1\n",
            )],
            &["a"],
            "/usr/lib/opkg/status: b: the state \"?\" is not understood",
        ),
        text(
            "apk",
            &[("lib/apk/db/installed", "P:a\nV:1-r0\nA:x86_64\n\nP:b\nA:x86_64\n\nP:c\nV:3-r1\n")],
            &["a", "c"],
            "/lib/apk/db/installed: b: a package has no name or no version",
        ),
        text(
            "pacman",
            &[
                ("var/lib/pacman/local/a-1-1/desc", "%NAME%\na\n\n%VERSION%\n1-1\n\n%ARCH%\nany\n"),
                ("var/lib/pacman/local/b-1-1/files", ""),
            ],
            &["a"],
            "/var/lib/pacman/local/b-1-1/desc: is missing",
        ),
        text(
            "ebuild",
            &[("var/db/pkg/sys-apps/a-1/PF", "a-1\n"), ("var/db/pkg/sys-apps/b/PF", "b\n")],
            &["sys-apps/a"],
            "/var/db/pkg/sys-apps/b: the name has no version",
        ),
        text(
            "xbps",
            &[(
                "var/db/xbps/pkgdb-0.38.plist",
                "<plist>\n<dict>\n<key>a</key>\n<dict>\n<key>pkgver</key>\n<string>a-1_1</string>\n</dict>\n<key>b</key>\n<dict>\n",
            )],
            &["a"],
            "/var/db/xbps/pkgdb-0.38.plist: ends within 2 elements",
        ),
        text(
            "pkgtools",
            &[("var/log/packages/a-1-noarch-1", ""), ("var/log/packages/b", "")],
            &["a"],
            "/var/log/packages/b: the name has no version, architecture and build",
        ),
        text(
            "snap",
            &[("var/lib/snapd/snaps/a_12.snap", ""), ("var/lib/snapd/snaps/b.snap", "")],
            &["a"],
            "/var/lib/snapd/snaps: \"b\": the name has no revision",
        ),
        Case {
            format: "rpm",
            files: vec![("usr/lib/sysimage/rpm/Packages.db", ndb())],
            readable: &["a", "c"],
            said: "/usr/lib/sysimage/rpm/Packages.db: package 2 is not where its slot says",
        },
        Case {
            format: "rpm",
            files: vec![("var/lib/rpm/Packages", berkeley())],
            readable: &["a", "c"],
            said: "/var/lib/rpm/Packages: ",
        },
        Case {
            format: "pkg",
            files: vec![("var/db/pkg/local.sqlite", sqlite())],
            readable: &["a", "c"],
            said: "/var/db/pkg/local.sqlite: page ",
        },
    ]
}

/// A package's header with a description of some length.
fn header(name: &str, description: usize) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    let description = "x".repeat(description);
    // Tags of rpm, and its type for a text.
    for (tag, value) in [(1000, name), (1001, "1"), (1002, "1"), (1005, &description), (1022, "noarch")] {
        let at = u32::try_from(data.len()).unwrap();
        entries.extend([tag, 6, at, 1].into_iter().flat_map(u32::to_be_bytes));
        data.extend([value.as_bytes(), b"\0"].concat());
    }
    let lengths = [entries.len() / 16, data.len()].map(|len| u32::try_from(len).unwrap().to_be_bytes());
    [lengths.concat(), entries, data].concat()
}

/// An ndb with three packages, of which the second has lost its beginning.
fn ndb() -> Vec<u8> {
    let words = |words: &[usize]| {
        words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect::<Vec<_>>()
    };
    let mut slots = [&b"RpmP"[..], &words(&[0, 1, 1, 4, 0, 0, 0])].concat();
    let mut blobs = Vec::new();
    for (number, name) in (1..).zip(["a", "b", "c"]) {
        let header = header(name, 10);
        let mut blob = [&b"BlbS"[..], &words(&[number, 1, header.len()]), &header].concat();
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        blob.extend([&words(&[0, header.len()])[..], b"BlbE"].concat());
        slots.extend([&b"Slot"[..], &words(&[number, 256 + blobs.len() / 16, blob.len() / 16])].concat());
        if name == "b" {
            blob[..4].fill(0);
        }
        blobs.extend(blob);
    }
    while slots.len() < 4096 {
        slots.extend([&b"Slot"[..], &words(&[0; 3])].concat());
    }
    [slots, blobs].concat()
}

/// A hash of Berkeley DB with three packages, of which the second goes on on pages that are overwritten.
fn berkeley() -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n".to_owned();
    for (number, name, description) in [(1_u32, "a", 10), (2, "b", 10_000), (3, "c", 10)] {
        dump.push_str(&format!(" {}\n {}\n", hex(&number.to_le_bytes()), hex(&header(name, description))));
    }
    let file = made_by("db5.3_load", &(dump + "DATA=END\n"));
    overwritten(file, b"xxxxxxxxxxxxxxxx")
}

/// A database of FreeBSD with three packages, of which the second goes on on pages that are overwritten.
fn sqlite() -> Vec<u8> {
    let mut script = "PRAGMA page_size=512;\n\
        CREATE TABLE packages (id INTEGER PRIMARY KEY,origin,name,version,comment,desc,arch,maintainer,www,prefix,time);\n\
        CREATE TABLE licenses (id INTEGER PRIMARY KEY,license);\n\
        CREATE TABLE pkg_licenses (package_id,license_id);\n"
        .to_owned();
    for (name, length) in [("a", 250), ("b", 250), ("c", 250)] {
        let text = name.repeat(length);
        script.push_str(&format!(
            "INSERT INTO packages VALUES(NULL,'x/{name}','{name}','1','{text}','','','','','',0);\n"
        ));
    }
    // Two rows do not fit on a page.
    overwritten(made_by("sqlite3", &script), b"bbbbbbbbbbbbbbbb")
}

/// The file that a program makes of its input; its name is the program's argument.
fn made_by(program: &str, input: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("database");
    let mut child = Command::new(program).arg(&file).stdin(Stdio::piped()).spawn().expect(program);
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program}");
    fs::read(file).unwrap()
}

/// The same with the first page that has these bytes overwritten.
fn overwritten(mut file: Vec<u8>, wanted: &[u8]) -> Vec<u8> {
    let size = if file.starts_with(b"SQLite") { 512 } else { 4096 };
    let page = file.chunks_mut(size).find(|page| page.contains_str(wanted)).expect("it is in the file");
    page.fill(0xff);
    file
}

/// An image with these files and a system.
fn guest(directory: &Path, files: &[(&str, Vec<u8>)]) -> String {
    let tree = directory.join("tree");
    let system: [(&str, &[u8]); 2] = [("etc/fstab", b""), ("etc/os-release", b"ID=x\nPRETTY_NAME=X\n")];
    fs::create_dir_all(tree.join("bin")).unwrap();
    for (path, content) in system.into_iter().chain(files.iter().map(|(path, c)| (*path, c.as_slice()))) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let image = directory.join("disk.img");
    let words = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"].map(OsStr::new);
    must("mke2fs", words.into_iter().chain([tree.as_os_str(), image.as_os_str(), OsStr::new("4M")])).unwrap();
    image.to_str().unwrap().to_owned()
}

#[test]
fn what_is_readable_of_each_is_reported_and_the_rest_is_named() {
    for Case { format, files, readable, said } in cases() {
        let directory = tempfile::tempdir().unwrap();
        let image = guest(directory.path(), &files);
        let ended = run("virt-inspector", ["--json", "--fields", "applications", "-a", &image]).unwrap();
        let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
        let packages = report["operating_systems"][0]["applications"].as_array().unwrap();
        let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
        assert_eq!(names, readable, "{said}: {}", ended.stderr);
        assert!(packages.iter().all(|package| package["format"] == format), "{format}: {packages:?}");
        assert!(ended.stderr.contains(&format!("disk.img: {said}")), "{said}: {}", ended.stderr);
        assert!(report["errors"][0].as_str().unwrap().contains(said), "{report}");
        assert_eq!(ended.status, Some(1), "{said}");
    }
}
