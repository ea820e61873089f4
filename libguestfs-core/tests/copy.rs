//! Copies from a daemon that lies: nothing is made outside the target, and nothing wrong stays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use bstr::BStr;
use libguestfs_core::api::{
    Hivex, Host, Machine, Own, Partitioning, Reading, Searching, Storage, TarOutOpts, Transfer, Volumes,
    Writing,
};
use libguestfs_core::copy::{Archiver, Copier, CopyOptions, Outcome};
use libguestfs_core::server::{self, FileOut};
use libguestfs_core::tar::{self, BLOCK, END, Entry, Kind, Remark, RemarkKind, padding};
use libguestfs_core::wire::Channel;
use libguestfs_core::{Guestfs, Result, Settings};

/// Sends whatever bytes it was made with.
#[derive(Clone)]
struct Liar(Vec<u8>);

impl Host for Liar {}

impl Writing for Liar {}
impl Partitioning for Liar {}
impl Storage for Liar {}
impl Volumes for Liar {}
impl Hivex for Liar {}
impl Machine for Liar {}
impl Own for Liar {}
impl Searching for Liar {}
impl Transfer for Liar {}

impl Reading for Liar {
    fn internal_autosync(&mut self) -> Result<()> {
        Ok(())
    }
    fn tar_out(&mut self, _: &BStr, file: &mut FileOut<'_>, _: &TarOutOpts) -> Result<()> {
        file.write_all(&self.0)
    }
}

/// A handle on a daemon that answers with `archive`.
fn handle(scratch: &Path, archive: Vec<u8>) -> Guestfs {
    let socket = scratch.join("socket");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut channel = Channel::new(stream.into());
        server::announce(&mut channel).unwrap();
        let _ = server::serve(&mut channel, &mut Liar(archive));
    });
    let backend = format!("unix:{}", socket.display());
    let handle = Guestfs::with_settings(Settings { backend, ..Settings::default() });
    handle.launch().unwrap();
    handle
}

/// Adds an entry with content.
fn add(archive: &mut Vec<u8>, entry: Entry, content: &[u8]) {
    let size = if entry.kind == Kind::Regular { content.len() as u64 } else { 0 };
    tar::encode(&Entry { size, permissions: 0o755, ..entry }, archive).unwrap();
    archive.extend_from_slice(content);
    archive.resize(archive.len() + padding(content.len() as u64), 0);
}

fn file(path: &str) -> Entry {
    Entry::new(path, Kind::Regular)
}

fn link(path: &str, target: &str, kind: Kind) -> Entry {
    Entry { link: target.into(), ..Entry::new(path, kind) }
}

fn top() -> Vec<u8> {
    let mut archive = Vec::new();
    add(&mut archive, Entry::new("./", Kind::Directory), b"");
    archive
}

/// Copies `/src` from a daemon that sends `archive` into a new directory `target`, beside a directory `outside`.
fn copied(scratch: &Path, archive: Vec<u8>) -> (Result<()>, Outcome) {
    for directory in ["target", "outside"] {
        let _ = fs::remove_dir_all(scratch.join(directory));
        fs::create_dir(scratch.join(directory)).unwrap();
    }
    fs::write(scratch.join("outside/file"), "untouched").unwrap();
    let handle = handle(scratch, archive);
    let mut copier = Copier::new(&handle, &scratch.join("target"), CopyOptions::default()).unwrap();
    let copied = copier.copy("/src");
    (copied, copier.finish())
}

#[test]
fn nothing_leads_outside() {
    let scratch = tempfile::tempdir().unwrap();
    let outside = scratch.path().join("outside");
    let absolute = outside.to_str().unwrap().to_owned();
    let mut archive = top();
    for path in [
        "../escaped",
        "./../escaped",
        "./a/../../escaped",
        "/escaped",
        &format!("{absolute}/escaped"),
        "./a//b",
        ".//x",
        "./..",
        "./x/.",
    ] {
        add(&mut archive, file(path), b"escaped");
        add(&mut archive, Entry::new(path, Kind::Directory), b"");
        add(&mut archive, link(path, "x", Kind::Symlink), b"");
    }
    // A link, then what would lie behind it.
    for (name, target) in [("abs", absolute.as_str()), ("rel", "../../outside")] {
        add(&mut archive, link(&format!("./{name}"), target, Kind::Symlink), b"");
        add(&mut archive, Entry::new(format!("./{name}/"), Kind::Directory), b"");
        add(&mut archive, file(&format!("./{name}/escaped")), b"escaped");
        add(&mut archive, file(&format!("./{name}/deep/escaped")), b"escaped");
        add(&mut archive, file(&format!("./{name}")), b"escaped");
    }
    add(&mut archive, link("./file", &format!("{absolute}/file"), Kind::Symlink), b"");
    add(&mut archive, file("./file"), &[b'x'; 300_000]);
    // Other names of files outside.
    for target in [
        format!("{absolute}/file"),
        "../../outside/file".into(),
        "./abs/file".into(),
        "..".into(),
        "./".into(),
    ] {
        add(&mut archive, link("./hard", &target, Kind::HardLink), b"");
    }
    add(&mut archive, file("./good"), b"good");
    archive.extend(END);
    let (result, outcome) = copied(scratch.path(), archive);
    result.unwrap();
    assert!(outcome.failures.len() >= 27 + 4, "{outcome:#?}");
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(scratch.path()), ["outside", "socket", "target"]);
    assert_eq!(names(&outside), ["file"]);
    assert_eq!(names(&scratch.path().join("target")), ["src"]);
    assert_eq!(names(&scratch.path().join("target/src")), ["abs", "file", "good", "rel"]);
    let metadata = fs::metadata(outside.join("file")).unwrap();
    assert_eq!(
        (metadata.nlink(), fs::read(outside.join("file")).unwrap().as_slice()),
        (1, &b"untouched"[..])
    );
    assert_eq!(fs::read(scratch.path().join("target/src/good")).unwrap(), b"good");
}

#[test]
fn of_several_entries_with_one_name_one_stays_whole_and_the_others_are_told() {
    let scratch = tempfile::tempdir().unwrap();
    let mut archive = top();
    for content in [&b"first"[..], b"second", &[b'x'; 300_000]] {
        add(&mut archive, file("./twice"), content);
    }
    add(&mut archive, Entry::new("./dir/", Kind::Directory), b"");
    add(&mut archive, file("./dir"), b"file");
    add(&mut archive, link("./dir", "x", Kind::Symlink), b"");
    archive.extend(END);
    let (result, outcome) = copied(scratch.path(), archive);
    result.unwrap();
    assert_eq!(outcome.failures.len(), 4, "{outcome:#?}");
    assert!(outcome.failures.iter().all(|failure| failure.contains("copied already")));
    let size = fs::metadata(scratch.path().join("target/src/twice")).unwrap().len();
    assert!([5, 6, 300_000].contains(&size), "{size}");
    assert_eq!(fs::read_dir(scratch.path().join("target/src")).unwrap().count(), 2);
}

#[test]
fn what_is_spoilt_or_cut_off_does_not_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let spoilt = |path: &str, archive: &mut Vec<u8>| {
        let remark =
            Remark { kind: RemarkKind::Spoilt, path: path.into(), text: format!("{path}: bad").into() };
        tar::encode_remark(&remark, archive);
    };
    let mut archive = top();
    add(&mut archive, file("./small"), b"good");
    add(&mut archive, file("./bad"), b"bad");
    spoilt("./bad", &mut archive);
    add(&mut archive, file("./large"), &[1; 1 << 20]);
    spoilt("./large", &mut archive);
    add(&mut archive, file("./after"), b"good");
    let mut whole = archive.clone();
    whole.extend(END);
    let (result, outcome) = copied(scratch.path(), whole);
    result.unwrap();
    assert_eq!(outcome.failures, ["./bad: bad", "./large: bad"]);
    let names = || fs::read_dir(scratch.path().join("target/src")).unwrap().count();
    assert_eq!(names(), 2);
    // Cut off in the midst of a file, of either size, and of a header.
    for (size, cut) in [(1000, 100), (1 << 20, BLOCK * 9), (10, BLOCK + 5)] {
        let mut archive = archive.clone();
        add(&mut archive, file("./cut"), &vec![2; size]);
        archive.truncate(archive.len() - cut);
        let (result, _) = copied(scratch.path(), archive);
        assert!(result.is_err());
        assert!(!scratch.path().join("target/src/cut").exists());
        assert!(names() <= 3);
    }
    // What is no archive.
    let (result, _) = copied(scratch.path(), vec![b'x'; 2000]);
    assert!(result.unwrap_err().to_string().contains("archive"));
}

#[test]
fn an_archive_of_several_sources_is_one() {
    let scratch = tempfile::tempdir().unwrap();
    let mut archive = top();
    let identity = Some(libguestfs_core::tar::Identity { device: 1, inode: 2 });
    add(&mut archive, Entry { identity, ..file("./one") }, b"content");
    add(&mut archive, file("../escaped"), b"escaped");
    add(&mut archive, link("./two", "./one", Kind::HardLink), b"");
    archive.extend(END);
    let handle = handle(scratch.path(), archive);
    let mut out = Vec::new();
    let mut archiver = Archiver::new(&handle, &mut out, CopyOptions::default());
    archiver.add("/a/first").unwrap();
    archiver.add("/b/second/").unwrap();
    let outcome = archiver.finish().unwrap();
    assert_eq!(outcome.failures.len(), 2);
    fs::write(scratch.path().join("out.tar"), out).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-xf", "out.tar"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    // All four names are one file, over both sources.
    let metadata = fs::metadata(scratch.path().join("first/one")).unwrap();
    assert_eq!((metadata.nlink(), metadata.len()), (4, 7));
    assert!(!scratch.path().join("escaped").exists());
}
