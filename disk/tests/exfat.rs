//! exFAT as Debian's kernel shows it. `data/exfat` has its listings of the images that are made here, recorded in the
//! appliance of guestfish by the test `record` (see there): not every kernel that tests run on knows exFAT.
//!
//! Needs exfatprogs.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk::fs::{Filesystem, InodeId};
use disk::{ErrorKind, fs};

#[path = "support/appliance.rs"]
mod appliance;
#[path = "support/exfat_images.rs"]
mod exfat_images;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

use appliance::{INODE, is_root, without};
use exfat_images::{EMPTY, IMAGES, Layout, Stream, TIMES, Writer, make, pattern, set};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/exfat")
}

/// Asks Debian's kernel again: `cargo test -p disk --test exfat -- --ignored record`. Needs libguestfs-tools.
#[test]
#[ignore = "writes data/exfat, in a minute or two"]
fn record() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ..) in IMAGES {
        make(name, dir.path());
    }
    appliance::record(dir.path(), &data());
}

/// Linux counts inodes up as it meets them, but for the root. Nothing is recorded of the root's times; the kernel shows
/// when it mounted.
fn comparable(line: String) -> String {
    without(&line, if is_root(&line) { &appliance::TIMES } else { &[INODE] })
}

#[test]
fn listings_are_the_kernel_s() {
    let dir = tempfile::tempdir().unwrap();
    for (name, ..) in IMAGES {
        let image = make(name, dir.path());
        appliance::compare_but(name, &image, &data(), comparable);
    }
}

#[test]
fn the_images_are_right() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cluster512", "cluster4k", "cluster1m"] {
        let image = make(name, dir.path());
        let output = Command::new("fsck.exfat").arg("-n").arg(&image).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn open(path: &Path) -> disk::Result<Arc<dyn Filesystem>> {
    fs::open(listing::Image::open(path).unwrap())
}

/// A filesystem with what `fill` makes in its root.
fn filled(fill: impl FnOnce(&mut Writer) -> Vec<Vec<u8>>) -> disk::Result<Arc<dyn Filesystem>> {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), "image", 20_000, "-c 4096");
    let sets = fill(&mut writer);
    writer.finish(&sets);
    open(&writer.path)
}

fn lookup(fs: &dyn Filesystem, name: &str) -> InodeId {
    fs.lookup(fs.root(), name.as_bytes()).unwrap().unwrap()
}

#[test]
fn names_are_found_as_the_kernel_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let fs = open(&make("cluster512", dir.path())).unwrap();
    let same: &[&[&str]] = &[
        &["README.TXT", "readme.txt", "ReadMe.txt..."],
        &["täst 日本 😀.txt", "TÄST 日本 😀.TXT"],
        &["fifteen letters", "FIFTEEN LETTERS"],
    ];
    for names in same {
        for name in *names {
            assert_eq!(lookup(&*fs, name), lookup(&*fs, names[0]), "{name}");
        }
    }
    for name in [&b"."[..], b"..", b"", b"readme.txt ", b"readme", b"fifteen letters!", b"\xFF"] {
        assert_eq!(fs.lookup(fs.root(), name).unwrap(), None, "{name:?}");
    }
    let file = lookup(&*fs, "empty");
    assert_eq!(fs.lookup(file, b"x").unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(fs.read_link(file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs.open(fs.root()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_was_never_written_is_zeros() {
    let fs = filled(|writer| {
        let stream = writer.content(&pattern(5000), 20_000, Layout::Together);
        let none = Stream { valid: 0, ..writer.content(b"not shown", 9, Layout::Chained) };
        vec![set("part", 0, TIMES, stream), set("none", 0, TIMES, none)]
    })
    .unwrap();
    let mut file = fs.open(lookup(&*fs, "part")).unwrap();
    let mut bytes = vec![1; 30_000];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), 20_000);
    let mut want = pattern(5000);
    want.resize(20_000, 0);
    assert!(bytes[..20_000] == want[..]);
    assert_eq!(file.read_at(4_990, &mut bytes[..20]).unwrap(), 20);
    assert_eq!(bytes[..20], want[4_990..5_010]);
    let mut file = fs.open(lookup(&*fs, "none")).unwrap();
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), 9);
    assert_eq!(bytes[..9], [0; 9]);
}

#[test]
fn files_of_more_than_four_gigabytes_are_read() {
    const SIZE: u64 = (4 << 30) + 12_345;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), "large", 6 << 20, "-c 1M");
    let together = Stream { size: SIZE, valid: SIZE, ..writer.content(b"start", SIZE, Layout::Together) };
    writer.patch(writer.place(together.first) + SIZE - 3, b"end");
    let chained =
        Stream { size: SIZE / 4, valid: SIZE / 4, ..writer.content(b"start", SIZE / 4, Layout::Chained) };
    writer.patch(writer.place(chained.first) + SIZE / 4 - 3, b"end");
    writer.finish(&[set("together", 0, TIMES, together), set("chained", 0, TIMES, chained)]);
    let fs = open(&writer.path).unwrap();
    for (name, size) in [("together", SIZE), ("chained", SIZE / 4)] {
        assert_eq!(fs.metadata(lookup(&*fs, name)).unwrap().size, size);
        let mut file = fs.open(lookup(&*fs, name)).unwrap();
        let mut bytes = [0; 100];
        assert_eq!(file.read_at(size - 5, &mut bytes).unwrap(), 5);
        assert_eq!(bytes[..5], *b"\0\0end", "{name}");
        assert_eq!(file.read_at(0, &mut bytes).unwrap(), 100);
        assert_eq!(bytes[..6], *b"start\0", "{name}");
    }
}

#[test]
fn damage_is_found() {
    type Make = fn(&mut Writer) -> Vec<u8>;
    let cases: [(&str, Make); 8] = [
        ("a wrong checksum", |writer| {
            let mut set = writer.put("file", b"content", Layout::Together);
            set[8] ^= 1;
            set
        }),
        ("a chain that ends early", |writer| {
            let stream = writer.content(b"content", 7, Layout::Chained);
            set("file", 0, TIMES, Stream { size: 5000, valid: 5000, ..stream })
        }),
        ("a free cluster in a chain", |writer| {
            let stream = writer.content(&pattern(9000), 9000, Layout::Chained);
            writer.link(stream.first, 0);
            set("file", 0, TIMES, stream)
        }),
        ("a cycle", |writer| {
            let stream = writer.content(&pattern(9000), 9000, Layout::Chained);
            writer.link(stream.first, stream.first);
            set("file", 0, TIMES, stream)
        }),
        ("clusters past the end", |writer| {
            let stream = writer.content(b"content", 7, Layout::Together);
            set("file", 0, TIMES, Stream { size: 1 << 30, valid: 1 << 30, ..stream })
        }),
        ("a size without a cluster", |_| set("file", 0, TIMES, Stream { size: 7, valid: 7, ..EMPTY })),
        ("clusters that cannot be", |_| {
            set("file", 0, TIMES, Stream { size: 7, valid: 7, flags: 0, first: 9 })
        }),
        ("more written than there is", |writer| {
            let stream = writer.content(b"content", 7, Layout::Together);
            set("file", 0, TIMES, Stream { valid: 8, ..stream })
        }),
    ];
    for (what, make) in cases {
        let fs = filled(|writer| vec![make(writer)]).unwrap();
        let inode = lookup(&*fs, "file");
        let read = fs.open(inode).and_then(|mut file| {
            let mut bytes = vec![0; 9000];
            file.read_at(file.len().saturating_sub(9000), &mut bytes)
        });
        assert_eq!(read.expect_err(what).kind(), ErrorKind::Corrupt, "{what}");
    }
}

fn names(fs: &dyn Filesystem) -> disk::Result<Vec<String>> {
    let mut names = Vec::new();
    fs.read_dir(fs.root(), &mut |entry| {
        names.push(String::from_utf8_lossy(entry.name).into_owned());
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

/// Linux ends its listing at such a set without a word.
#[test]
fn sets_that_are_not_whole_are_damage() {
    let plain = |name| set(name, 0, TIMES, EMPTY);
    let mut without = plain("no stream");
    without.drain(32..64);
    let mut cut = plain("cut off by another set");
    cut.truncate(96);
    let mut second = plain("two streams");
    second[64] = 0xC0;
    let mut unused = plain("an entry not in use");
    unused[64] = 0x41;
    let mut single = plain("single");
    single[1] = 0;
    for broken in [without, cut, second, unused, single] {
        let fs = filled(|_| vec![plain("before"), broken, plain("after")]).unwrap();
        assert_eq!(names(&*fs).unwrap_err().kind(), ErrorKind::Corrupt);
        for name in ["before", "after"] {
            assert_eq!(fs.metadata(lookup(&*fs, name)).unwrap().size, 0);
        }
    }
    // Further entries are none.
    let mut more = plain("vendor extension");
    more[1] += 1;
    more.push(0xE0);
    more.resize(more.len() + 31, 7);
    let fs = filled(|_| vec![exfat_images::summed(more), plain("after")]).unwrap();
    assert_eq!(names(&*fs).unwrap(), ["vendor extension", "after"]);
    assert_eq!(fs.metadata(lookup(&*fs, "Vendor Extension")).unwrap().size, 0);
}

#[test]
fn boot_sectors_are_checked() {
    let cases: [(&str, u64, u8, Option<ErrorKind>); 6] = [
        ("dirty", 106, 2, None),
        ("two tables, the second in use", 110, 2, Some(ErrorKind::Unsupported)),
        ("three tables", 110, 3, Some(ErrorKind::Corrupt)),
        ("something in place of zeros", 20, 1, Some(ErrorKind::Corrupt)),
        ("sectors of 256 bytes", 108, 8, Some(ErrorKind::Corrupt)),
        ("clusters of 64 MiB", 109, 17, Some(ErrorKind::Corrupt)),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (what, at, value, kind) in cases {
        let writer = Writer::new(dir.path(), "image", 20_000, "--boundary-align=1M");
        writer.patch(at, &[value]);
        if at == 110 {
            writer.patch(106, &[1]);
        }
        writer.sum_boot(512);
        assert_eq!(open(&writer.path).err().map(|e| e.kind()), kind, "{what}");
        writer.patch(600, &[9]);
        let kind = kind.or(Some(ErrorKind::Corrupt));
        assert_eq!(open(&writer.path).err().map(|e| e.kind()), kind, "{what}, and a wrong checksum");
    }
}

#[test]
fn without_an_up_case_table_only_ascii_is_sure() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), "image", 20_000, "-c 4096");
    let sets = [writer.put("Plain", b"", Layout::Together), writer.put("täst", b"", Layout::Together)];
    writer.finish(&sets);
    // The third entry of the root, and its checksum.
    writer.patch(writer.place(writer.root) + 2 * 32 + 4, &[0; 4]);
    let fs = open(&writer.path).unwrap();
    assert_eq!(lookup(&*fs, "pLAIN"), lookup(&*fs, "Plain"));
    assert!(fs.lookup(fs.root(), "täst".as_bytes()).unwrap().is_some());
    let unsure = fs.lookup(fs.root(), "TÄST".as_bytes());
    assert_eq!(unsure.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fs.lookup(fs.root(), b"other").unwrap(), None);
}
