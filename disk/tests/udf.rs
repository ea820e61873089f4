//! UDF as Debian's kernel shows it. `data/udf` has images, and what that kernel showed of them in the appliance of
//! guestfish, recorded by the test `record` (see there): not every kernel that tests run on knows UDF. `make.sh` made the
//! images, with what Linux writes; `make.py` writes more of them, which no program at hand makes.
//!
//! Needs xz-utils and python3.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk::fs::Filesystem;
use disk::{ErrorKind, MemSource};

#[path = "support/appliance.rs"]
mod appliance;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

/// Images by their names.
const IMAGES: &[&str] = &[
    // By mkudffs: with blocks of each size, each revision, all kinds of descriptors of extents, filled by Linux.
    "hd102-2048",
    "hd150-1024",
    "hd200-table",
    "hd201-512",
    "hd201-4096",
    "cdrw201",
    // With a virtual partition, which Linux does not write to.
    "cdr201",
    "bdr250",
    // By genisoimage: an ISO 9660, too.
    "bridge",
];
/// Those of `make.py`, where it says what they are.
const MADE: &[&str] = &["odd", "table", "metadata", "mirror", "half", "virtual150", "virtual201", "sparable"];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/udf")
}

fn image(name: &str) -> Vec<u8> {
    if MADE.contains(&name) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let status = Command::new("python3").arg(data().join("make.py")).arg(name).arg(&path).status();
        assert!(status.unwrap().success(), "{name}");
        return fs::read(path).unwrap();
    }
    let path = data().join(format!("{name}.img.xz"));
    let output = Command::new("xz").arg("-dc").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// All images, as files.
fn unpack() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in IMAGES.iter().chain(MADE) {
        fs::write(dir.path().join(format!("{name}.img")), image(name)).unwrap();
    }
    dir
}

fn open(image: &[u8]) -> disk::Result<Arc<dyn Filesystem>> {
    disk::fs::open(Arc::new(MemSource::new(image)))
}

/// Asks Debian's kernel again: `cargo test -p disk --test udf -- --ignored record`. Needs libguestfs-tools.
#[test]
#[ignore = "writes data/udf, in a minute or two"]
fn record() {
    appliance::record(unpack().path(), &data());
}

#[test]
fn listings_are_the_kernel_s() {
    let dir = unpack();
    for name in IMAGES.iter().chain(MADE) {
        let image = dir.path().join(format!("{name}.img"));
        appliance::compare_but(name, &image, &data(), |line| line);
    }
}

/// The table of this virtual partition stands behind extended attributes, which Linux 6.1 takes for the table: it does not
/// mount the image.
#[test]
fn a_table_behind_attributes_is_found() {
    let fs = open(&image("cdr150")).unwrap();
    let root = fs.metadata(fs.root()).unwrap();
    // Its file entry is in the first block but one of the partition, which begins in block 257.
    assert_eq!((root.number, root.permissions, root.links), (258, 0o755, 2));
}

/// Kinds of descriptors.
const PRIMARY: u16 = 1;
const ANCHOR: u16 = 2;
const PARTITION: u16 = 5;
const LOGICAL: u16 = 6;
const INTEGRITY: u16 = 9;
const FILE_SET: u16 = 256;
const NAME: u16 = 257;

/// The tag of a descriptor made right after a change, in a block of `size` bytes at `at`.
fn retag(image: &mut [u8], at: usize) {
    let len = usize::from(u16::from_le_bytes([image[at + 10], image[at + 11]]));
    let crc = image[at + 16..at + 16 + len].iter().fold(0u16, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 },
        )
    });
    image[at + 8..at + 10].copy_from_slice(&crc.to_le_bytes());
    image[at + 4] = 0;
    image[at + 4] = image[at..at + 16].iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
}

/// The first block of `size` bytes with a descriptor of this kind.
fn descriptor(image: &[u8], id: u16, size: usize) -> usize {
    let is_one = |at: &usize| {
        let tag = &image[*at..*at + 16];
        let sum = (0..16).filter(|at| *at != 4).fold(0u8, |sum, at| sum.wrapping_add(tag[at]));
        tag[..2] == id.to_le_bytes() && tag[4] == sum && [2, 3].contains(&tag[2])
    };
    (0..image.len()).step_by(size).find(is_one).unwrap()
}

#[test]
fn descriptors_that_are_damaged_are_not_believed() {
    let right = image("hd201-512");
    let root = |image: &[u8]| {
        let fs = open(image)?;
        fs.metadata(fs.root())?;
        fs.lookup(fs.root(), b"README.TXT")
    };
    root(&right).unwrap().unwrap();
    let number = open(&right).unwrap().metadata(open(&right).unwrap().root()).unwrap().number;
    for at in [descriptor(&right, FILE_SET, 512), number as usize * 512, descriptor(&right, NAME, 512)] {
        for changed in [at + 16, at + 5] {
            let mut image = right.clone();
            image[changed] ^= 1;
            assert_eq!(root(&image).unwrap_err().kind(), ErrorKind::Corrupt, "{at}: {changed}");
        }
    }
}

#[test]
fn volumes_are_found_by_any_anchor_and_either_sequence() {
    let right = image("hd201-512");
    let lists = |image: &[u8]| listing::of_filesystem(&*open(image)?);
    let listed = lists(&right).unwrap();
    // blkid, and so this crate, asks for the first anchor; the reserve sequence is as good as the main one.
    for id in [PRIMARY, LOGICAL, PARTITION] {
        let mut image = right.clone();
        let at = descriptor(&image, id, 512);
        image[at + 20] ^= 1;
        assert_eq!(lists(&image).unwrap(), listed, "{id}");
        let again = image[at + 512..].to_vec();
        let next = at + 512 + descriptor(&again, id, 512);
        image[next + 20] ^= 1;
        assert_eq!(lists(&image).unwrap_err().kind(), ErrorKind::Corrupt, "{id}");
    }
    // An anchor that leads nowhere: the next one counts.
    let mut image = right.clone();
    let at = descriptor(&image, ANCHOR, 512);
    image[at + 20] ^= 4;
    image[at + 28] ^= 4;
    retag(&mut image, at);
    assert_eq!(lists(&image).unwrap(), listed);
}

#[test]
fn what_is_not_understood_is_refused() {
    let right = image("hd201-512");
    let number = open(&right).unwrap().metadata(open(&right).unwrap().root()).unwrap().number;
    let entry = number as usize * 512;
    let integrity = descriptor(&right, INTEGRITY, 512);
    for (at, field, value, kind) in [
        // A chain of entries, another strategy; descriptors of extents that are extended, or of no form; a type.
        (entry, 20, 4096u16, ErrorKind::Unsupported),
        (entry, 20, 5, ErrorKind::Unsupported),
        (entry, 34, 2, ErrorKind::Unsupported),
        (entry, 34, 7, ErrorKind::Corrupt),
        (entry, 26, 5 << 8, ErrorKind::Corrupt),
        (entry, 48, 0, ErrorKind::Corrupt),
        // The revision that a reader must know.
        (integrity, 80 + 8 + 40, 0x0300, ErrorKind::Unsupported),
    ] {
        let mut image = right.clone();
        image[at + field..at + field + 2].copy_from_slice(&value.to_le_bytes());
        retag(&mut image, at);
        assert_eq!(open(&image).unwrap_err().kind(), kind, "{at}, {field}: {value}");
    }
}
