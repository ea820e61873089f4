//! NTFS as ntfs-3g shows it, mounted on this machine.
//!
//! Needs ntfs-3g, FUSE and root.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use disk::fs::ntfs::Ntfs;

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

use kernel::{Mount, run};

const MIB: u64 = 1 << 20;
/// What makes names and compression as Windows has them.
const WRITABLE: &str = "rw,streams_interface=xattr,compression,noatime";
const READ_ONLY: &str = "ro,streams_interface=xattr";
/// Fields of a line of a listing.
const SIZE: usize = 8;
const CREATED: usize = 14;
const CONTENT: usize = 15;
const RANGES: usize = 16;

/// Makes `image` with what mkntfs makes of `options`, fills it, and lists it as ntfs-3g shows it.
fn make(image: &Path, size: u64, options: &str, names: u32) -> String {
    kernel::empty_image(image, size);
    let mut args = vec!["-q", "-F", "-Q", "-p", "0", "-H", "255", "-S", "63", "-L", "test"];
    args.extend(options.split_whitespace());
    args.push(image.to_str().unwrap());
    run("mkntfs", &args);
    let dir = image.with_extension("mount");
    let mount = Mount::new(WRITABLE, image, dir.clone());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fill_ntfs.py");
    print!("{}", run("python3", &[script, dir.to_str().unwrap(), &names.to_string()]));
    drop(mount);
    let _mount = Mount::new(READ_ONLY, image, dir.clone());
    listing::of_mount(&dir).unwrap().lines().map(|line| comparable(line, &dir)).collect()
}

/// FUSE knows neither when a file was made nor where it has data; and links lead below the place of the mount.
fn comparable(line: &str, mount: &Path) -> String {
    let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
    if fields.len() > RANGES {
        fields[CREATED].clear();
        fields[RANGES].clear();
        let prefix = mount.to_str().unwrap();
        if let Some(target) = fields[CONTENT].strip_prefix(prefix).map(str::to_owned) {
            fields[CONTENT] = target;
            fields[SIZE] = (fields[SIZE].parse::<usize>().unwrap() - prefix.len()).to_string();
        }
    }
    fields.join("\t") + "\n"
}

fn open(image: &Path) -> disk::Result<Ntfs> {
    Ntfs::open(listing::Image::open(image).unwrap())
}

fn compare(image: PathBuf, shown: &str) {
    let start = Instant::now();
    let fs = open(&image).unwrap_or_else(|e| panic!("{}", kernel::chain(&e)));
    let ours = listing::of_filesystem(&fs).unwrap_or_else(|e| panic!("{}", kernel::chain(&e)));
    let ours: String = ours.lines().map(|line| comparable(line, Path::new("?"))).collect();
    println!("{}: {} lines in {:?}", image.display(), ours.lines().count(), start.elapsed());
    let (different, _) = kernel::differences(&ours, shown, u64::MAX);
    let count = different.len();
    assert!(
        different.is_empty(),
        "{count} lines: {}",
        different.into_iter().take(40).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn listings_are_those_of_ntfs_3g() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size, options) in [
        ("cluster4k", 100 * MIB, "-c 4096"),
        ("cluster512", 60 * MIB, "-c 512"),
        ("cluster64k", 200 * MIB, "-c 65536"),
        ("cluster256k", 1200 * MIB, "-c 262144"),
        ("sector4k", 100 * MIB, "-s 4096"),
    ] {
        let image = dir.path().join(name);
        let shown = make(&image, size, options, 300);
        compare(image, &shown);
    }
}
