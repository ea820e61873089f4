//! NTFS that was not left as it should be, or is of a kind that ntfs-3g does not make: changed by hand.
//!
//! Needs ntfs-3g, FUSE and root: what may be stale is that which ntfs-3g does not write to.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use disk::ErrorKind;
use disk::fs::ntfs::Ntfs;
use disk::fs::{Filesystem, InodeId, Timestamp};

#[path = "support/ntfs_edit.rs"]
mod edit;
#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/ntfs.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod support;

use edit::{DATA, Image, STANDARD_INFORMATION, VOLUME_INFORMATION, attribute, restart_page};
use support::{bytes, open, read, walk};

/// Records of the filesystem's own files.
const LOG: u64 = 2;
const VOLUME: u64 = 3;
/// A place within the first attribute of all records: the time when the file was made.
const CREATED: usize = 0x50;

const HIBERNATED: &str = "Windows is hibernated or was shut down by its fast startup: files that it keeps in memory may be newer than what is read here";
const CACHED: &str =
    "Windows did not release the NTFS volume: changes that it has in its cache are missing here";
const UNFINISHED: &str =
    "the NTFS journal was not closed: names, sizes and times that changed last may be stale";
const DIRTY: &str = "the NTFS volume is marked to be checked by chkdsk";
const MIRROR: &str =
    "the first records of the NTFS volume differ from their copy: it should be checked by chkdsk";

/// What ntfs-3g does with a volume that it is to write to.
#[derive(Debug, PartialEq, Eq)]
enum Mounted {
    Writable,
    /// After it has mended what it can.
    Mended,
    ReadOnly,
    Refused,
}

fn mount(image: &Path, dir: &Path) -> Mounted {
    let ntfs_3g = Command::new("ntfs-3g").arg(image).arg(dir).output().unwrap();
    if !ntfs_3g.status.success() {
        return Mounted::Refused;
    }
    let name = dir.to_str().unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let options = mounts.lines().find(|line| line.contains(name)).unwrap().split(' ').nth(3).unwrap();
    let read_only = options.split(',').any(|option| option == "ro");
    kernel::run("umount", &[name]);
    match (read_only, String::from_utf8_lossy(&ntfs_3g.stderr).contains("Fixing")) {
        (true, _) => Mounted::ReadOnly,
        (false, true) => Mounted::Mended,
        (false, false) => Mounted::Writable,
    }
}

fn warnings(image: &[u8]) -> Vec<&'static str> {
    open(image.to_vec()).unwrap().state().unwrap().warnings().collect()
}

#[test]
fn what_ntfs_3g_does_not_write_to_may_be_stale() {
    let dir = tempfile::tempdir().unwrap();
    let point = dir.path().join("mount");
    fs::create_dir(&point).unwrap();
    let path = dir.path().join("image");
    let check = |name: &str, image: Image, want: &[&str], mounted: Mounted| {
        assert_eq!(warnings(&image.0), want, "{name}");
        fs::write(&path, &image.0).unwrap();
        assert_eq!(mount(&path, &point), mounted, "{name}");
    };
    let small = bytes("small");
    check("clean", Image(small.clone()), &[], Mounted::Writable);

    // The page that was written last is in force; versions from 2.0 on are those of a Windows that has not let go.
    type Page = ((u16, u16), bool, u16);
    let (free, clean, open): (Page, Page, Page) = (((1, 1), false, 0), ((1, 1), true, 2), ((1, 1), true, 0));
    let (new_free, new_open) = (((2, 0), false, 0), ((2, 0), true, 0));
    for (name, first, second, want, mounted) in [
        ("no client", free, free, &[][..], Mounted::Writable),
        ("clean", clean, clean, &[], Mounted::Writable),
        ("open", open, open, &[UNFINISHED], Mounted::Mended),
        ("closed last", open, free, &[], Mounted::Writable),
        ("opened last", free, open, &[UNFINISHED], Mounted::Mended),
        ("in Windows' cache", new_free, new_free, &[CACHED], Mounted::ReadOnly),
        ("in Windows' cache and open", new_open, new_open, &[CACHED, UNFINISHED], Mounted::ReadOnly),
    ] {
        let mut image = Image(small.clone());
        let (at, size) = image.data(LOG);
        let pages: Vec<u8> = [(10, first), (20, second)]
            .into_iter()
            .flat_map(|(last, (version, in_use, flags))| restart_page(size, last, version, in_use, flags))
            .collect();
        image.0[at..at + pages.len()].copy_from_slice(&pages);
        check(name, image, want, mounted);
    }
    let mut image = Image(small.clone());
    let (at, _) = image.data(LOG);
    image.0[at..at + 4].copy_from_slice(b"what");
    assert_eq!(warnings(&image.0), [UNFINISHED], "no restart page");

    let mut image = Image(small.clone());
    image.edit(VOLUME, |record| {
        let information = attribute(record, VOLUME_INFORMATION).start + 24;
        record[information + 10] |= 1;
    });
    let mirror = image.mirror() + VOLUME as usize * 1024;
    let record = image.record(VOLUME);
    image.0.copy_within(record, mirror);
    check("dirty", image, &[DIRTY], Mounted::Writable);

    for nr in 0..4 {
        let mut image = Image(small.clone());
        let at = image.mirror() + nr * 1024 + CREATED;
        image.0[at] ^= 1;
        check("a copy that differs", image, &[MIRROR], Mounted::Refused);
    }
    let mut image = Image(small);
    let at = image.mirror();
    image.0[at..at + 4].copy_from_slice(b"BAAD");
    check("no copy", image, &[MIRROR], Mounted::Refused);
}

#[test]
fn a_hibernated_windows_is_known_by_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let point = dir.path().join("mount");
    fs::create_dir(&point).unwrap();
    let path = dir.path().join("image");
    // On a volume that Windows did not start from the file is shorter than its header.
    for (start, size, is) in [
        (&b"hibr"[..], 5000, true),
        (b"HIBR", 4096, true),
        (b"wake", 4096, false),
        (b"RSTR", 5000, false),
        (b"\0\0\0\0", 4096, false),
        (b"\0\0\0\0", 4095, true),
        (b"", 0, true),
    ] {
        fs::write(&path, bytes("small")).unwrap();
        kernel::run("ntfs-3g", &[path.to_str().unwrap(), point.to_str().unwrap()]);
        let mut content = start.to_vec();
        content.resize(size, 0);
        fs::write(point.join("HiberFil.sys"), content).unwrap();
        kernel::run("umount", &[point.to_str().unwrap()]);
        let want: &[&str] = if is { &[HIBERNATED] } else { &[] };
        assert_eq!(warnings(&fs::read(&path).unwrap()), want, "{start:?} {size}");
    }
}

fn chain(error: &disk::Error) -> String {
    kernel::chain(error)
}

fn names(fs: &Ntfs, dir: InodeId) -> Vec<String> {
    let mut names = Vec::new();
    fs.read_dir(dir, &mut |entry| {
        names.push(String::from_utf8_lossy(entry.name).into_owned());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    names
}

#[test]
fn encrypted_files_are_listed_and_not_read() {
    const ENCRYPTED: u16 = 0x4000;
    let mut image = Image(bytes("small"));
    let before = open(image.0.clone()).unwrap();
    let plain = walk(&before, "plain");
    let metadata = before.metadata(plain).unwrap();
    image.edit(metadata.number, |record| {
        let standard = attribute(record, STANDARD_INFORMATION).start + 24;
        record[standard + 33] |= (ENCRYPTED >> 8) as u8;
        let data = attribute(record, DATA).start;
        record[data + 13] |= (ENCRYPTED >> 8) as u8;
    });
    let fs = open(image.0).unwrap();
    assert_eq!(names(&fs, fs.root()), names(&before, before.root()));
    assert_eq!(fs.metadata(plain).unwrap(), metadata);
    // The stream beside it is not encrypted.
    assert_eq!(fs.xattrs(plain).unwrap(), before.xattrs(plain).unwrap());
    let error = fs.open(plain).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let number = metadata.number;
    assert_eq!(chain(&error), format!("opening NTFS file {number}: a file encrypted by Windows (EFS)"));
}

#[test]
fn a_torn_record_is_the_only_one_that_is_not_read() {
    let mut image = Image(bytes("small"));
    let whole = open(image.0.clone()).unwrap();
    let note = walk(&whole, "Users/Ann/note.txt");
    let number = whole.metadata(note).unwrap().number;
    let range = image.record(number);
    image.0[range.end - 1] ^= 0x55;
    let fs = open(image.0).unwrap();
    assert_eq!(names(&fs, walk(&fs, "Users/Ann")), ["note.txt"]);
    assert_eq!(walk(&fs, "Users/Ann/note.txt"), note);
    let error = fs.metadata(note).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        chain(&error),
        format!("in NTFS file record {number}: its part 1 was not written with the others")
    );
    assert_eq!(fs.open(note).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(&fs, walk(&fs, "plain")).unwrap(), read(&whole, walk(&whole, "plain")).unwrap());
}

/// Windows NT 4 has version 1.2 and 48 bytes of standard information, as ntfs-3g; later ones have 72, with security ids.
#[test]
fn volumes_of_all_versions_are_read() {
    const ADDED: u8 = 24;
    let mut image = Image(bytes("small"));
    let before = open(image.0.clone()).unwrap();
    let paths = ["plain", "Users", "Users/Ann/note.txt", "many"];
    let metadata: Vec<_> = paths.iter().map(|path| before.metadata(walk(&before, path)).unwrap()).collect();
    image.edit(VOLUME, |record| {
        let information = attribute(record, VOLUME_INFORMATION).start + 24;
        assert_eq!(record[information + 8..information + 10], [3, 1]);
        record[information + 8..information + 10].copy_from_slice(&[1, 2]);
    });
    let mut later = Image(image.0.clone());
    for file in &metadata {
        later.edit(file.number, |record| {
            let range = attribute(record, STANDARD_INFORMATION);
            assert_eq!(range.len(), 24 + 48);
            record.splice(range.end..range.end, vec![0xEE; ADDED.into()]);
            record.truncate(record.len() - usize::from(ADDED));
            record[range.start + 4] += ADDED;
            record[range.start + 16] += ADDED;
            let used = edit::number::<4>(record, 24) as u32 + u32::from(ADDED);
            record[24..28].copy_from_slice(&used.to_le_bytes());
        });
    }
    for image in [image, later] {
        let fs = open(image.0).unwrap();
        for (path, metadata) in paths.iter().zip(&metadata) {
            assert_eq!(fs.metadata(walk(&fs, path)).unwrap(), *metadata, "{path}");
        }
        assert_eq!(read(&fs, walk(&fs, "plain")).unwrap(), read(&before, walk(&before, "plain")).unwrap());
    }
}

/// Times of 100 ns, the last that there are, and those before 1970.
#[test]
fn times_are_read_as_they_are_stored() {
    let mut image = Image(bytes("small"));
    let fs = open(image.0.clone()).unwrap();
    let plain = walk(&fs, "plain");
    image.edit(fs.metadata(plain).unwrap().number, |record| {
        let standard = attribute(record, STANDARD_INFORMATION).start + 24;
        for (nr, time) in
            [133_000_000_012_345_678, 0, u64::MAX >> 1, 116_444_736_000_000_001].iter().enumerate()
        {
            record[standard + 8 * nr..standard + 8 * nr + 8].copy_from_slice(&u64::to_le_bytes(*time));
        }
    });
    let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
    let metadata = open(image.0).unwrap().metadata(plain).unwrap();
    assert_eq!(metadata.created, Some(time(1_655_526_401, 234_567_800)));
    assert_eq!(metadata.modified, time(-11_644_473_600, 0));
    assert_eq!(metadata.changed, time(910_692_730_085, 477_580_700));
    assert_eq!(metadata.accessed, time(0, 100));
}
