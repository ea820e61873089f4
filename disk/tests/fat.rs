//! FAT12, FAT16 and FAT32 as Debian's kernel shows them. `data/fat` has its listings of the images that are made here,
//! recorded in the appliance of guestfish by the test `record` (see there): not every kernel that tests run on knows FAT.
//!
//! Needs dosfstools and mtools.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::fs::{Filesystem, InodeId};
use disk::{ErrorKind, MemSource, fs};

#[path = "support/appliance.rs"]
mod appliance;
#[path = "support/fat_images.rs"]
mod fat_images;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

use appliance::{INODE, is_root, without};
use fat_images::{RECIPES, Recipe, find, make, pattern};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fat")
}

/// Asks Debian's kernel again: `cargo test -p disk --test fat -- --ignored record`. Needs libguestfs-tools.
#[test]
#[ignore = "writes data/fat, in a minute or two"]
fn record() {
    let dir = tempfile::tempdir().unwrap();
    for recipe in RECIPES {
        make(recipe, dir.path());
    }
    appliance::record(dir.path(), &data());
}

#[test]
fn listings_are_the_kernel_s() {
    let dir = tempfile::tempdir().unwrap();
    for recipe in RECIPES {
        let image = make(recipe, dir.path());
        // Linux counts inodes up as it meets them, but for the root.
        appliance::compare_but(recipe.name, &image, &data(), |line| {
            if is_root(&line) { line } else { without(&line, &[INODE]) }
        });
    }
}

/// The recipe of that name, as bytes.
fn image(name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let recipe: &Recipe = RECIPES.iter().find(|recipe| recipe.name == name).unwrap();
    std::fs::read(make(recipe, dir.path())).unwrap()
}

fn open(image: &[u8]) -> disk::Result<Arc<dyn Filesystem>> {
    fs::open(Arc::new(MemSource::new(image)))
}

fn lookup(fs: &dyn Filesystem, path: &[&str]) -> Option<InodeId> {
    path.iter().try_fold(fs.root(), |dir, name| fs.lookup(dir, name.as_bytes()).unwrap())
}

fn content(fs: &dyn Filesystem, path: &[&str]) -> disk::Result<Vec<u8>> {
    let mut file = fs.open(lookup(fs, path).unwrap())?;
    let mut bytes = vec![0; file.len() as usize];
    assert_eq!(file.read_at(0, &mut bytes)?, bytes.len());
    Ok(bytes)
}

#[test]
fn names_are_found_as_the_kernel_finds_them() {
    let fs = open(&image("fat12")).unwrap();
    let same: &[&[&str]] = &[
        &[
            "A long name with spaces.text",
            "a LONG name with SPACES.TEXT",
            "ALONGN~1.TEX",
            "alongn~1.tex",
            "ALONGN~1.TEX..",
        ],
        &["lower.txt", "LOWER.TXT", "lower.txt."],
        &["täst 日本.txt", "TäST 日本.TXT"],
    ];
    for names in same {
        let first = lookup(&*fs, &[names[0]]).unwrap();
        for name in *names {
            assert_eq!(lookup(&*fs, &[name]), Some(first), "{name}");
        }
    }
    for name in
        [".", "..", "...", "", "gone.txt", "A LABEL", "A LABEL.", "TÄST 日本.txt", "lower.txt ", "lower"]
    {
        assert_eq!(lookup(&*fs, &[name]), None, "{name}");
    }
    let file = lookup(&*fs, &["lower.txt"]).unwrap();
    assert_eq!(fs.lookup(file, b"x").unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(fs.read_link(file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs.open(fs.root()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn scattered_files_are_read_at_any_place() {
    for name in ["fat12", "fat16", "fat32"] {
        let fs = open(&image(name)).unwrap();
        let want = pattern(600_000);
        assert!(content(&*fs, &["scattered"]).unwrap() == want, "{name}");
        let mut file = fs.open(lookup(&*fs, &["scattered"]).unwrap()).unwrap();
        let mut random = 7u64;
        for _ in 0..500 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (random >> 33) as usize % (want.len() + 1000);
            let mut buf = vec![0; (random >> 20) as usize % 5000];
            let count = file.read_at(at as u64, &mut buf).unwrap();
            let wanted = want.get(at..).unwrap_or_default();
            assert_eq!(buf[..count], wanted[..wanted.len().min(buf.len())], "{name}: {at}");
        }
    }
}

/// A FAT16 image with one sector a cluster, and where its table starts.
fn fat16() -> (Vec<u8>, usize) {
    let image = image("fat16");
    let table = usize::from(u16::from_le_bytes([image[14], image[15]])) * 512;
    (image, table)
}

#[test]
fn damaged_chains_are_found() {
    let (image, table) = fat16();
    let slot = find(&image, b"SCATTE~1   ");
    let first = usize::from(u16::from_le_bytes([image[slot + 26], image[slot + 27]]));
    let cases: [(u16, &str); 6] = [
        (0, "a free cluster"),
        (1, "a reserved number"),
        (first as u16, "itself"),
        (0xFFF0, "past the end"),
        (0xFFF7, "a bad cluster"),
        (0xFFFF, "the end"),
    ];
    for (next, what) in cases {
        let mut image = image.clone();
        image[table + first * 2..][..2].copy_from_slice(&next.to_le_bytes());
        let fs = open(&image).unwrap();
        let error = content(&*fs, &["scattered"]).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
        // What is there before the damage is read.
        let mut file = fs.open(lookup(&*fs, &["scattered"]).unwrap()).unwrap();
        let mut buf = [0; 512];
        assert_eq!(file.read_at(0, &mut buf).unwrap(), 512, "{what}");
        assert_eq!(buf[..], pattern(512)[..], "{what}");
    }
    // A size without a cluster, which Linux shows as zeros.
    let mut without = image.clone();
    without[slot + 26..slot + 28].fill(0);
    assert_eq!(content(&*open(&without).unwrap(), &["scattered"]).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn damaged_directories_are_found() {
    let (image, _) = fat16();
    let slot = find(&image, b"CLOSED     ");
    let is_itself =
        |bytes: &[u8]| bytes.starts_with(b".          ") && bytes[26..28] == image[slot + 26..slot + 28];
    let mut no_dots = image.clone();
    no_dots[image.chunks(32).position(is_itself).unwrap() * 32] = 0xE5;
    let mut nowhere = image.clone();
    nowhere[slot + 26..slot + 28].fill(0);
    let mut slash = image.clone();
    let name = find(&image, b"README  TXT");
    slash[name] = b'/';
    for (what, image) in [("no entry for itself", no_dots), ("no cluster", nowhere)] {
        let fs = open(&image).unwrap();
        let dir = lookup(&*fs, &["closed"]).unwrap();
        assert_eq!(fs.metadata(dir).unwrap_err().kind(), ErrorKind::Corrupt, "{what}");
    }
    let fs = open(&slash).unwrap();
    let listed = fs.read_dir(fs.root(), &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(open(&image).unwrap().metadata(InodeId::new(77)).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        open(&image).unwrap().metadata(InodeId::new(u64::MAX)).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[test]
fn the_active_table_is_the_first_or_none() {
    let mut image = image("dirty");
    assert_eq!(open(&image).unwrap().kind(), "vfat");
    image[40] = 0x81;
    assert_eq!(open(&image).unwrap_err().kind(), ErrorKind::Unsupported);
    image[40] = 0x01;
    assert!(open(&image).is_ok());
}
