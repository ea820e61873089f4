//! ISO 9660 as Debian's kernel shows it. `data/iso9660` has its listings of the images that are made here, recorded in the
//! appliance of guestfish by the test `record` (see there): not every kernel that tests run on knows ISO 9660.
//!
//! Needs root, genisoimage, xorriso and xz-utils.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk::fs::{Filesystem, InodeId};
use disk::{ErrorKind, MemSource};

#[path = "support/appliance.rs"]
mod appliance;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

use appliance::{TIMES, without};

/// An image of [`tree`]: its name, the program and its options, and what is changed by hand.
struct Recipe {
    name: &'static str,
    program: &'static str,
    options: &'static str,
    patch: fn(&mut [u8]),
}

/// xorriso gives all files the times that it is told.
const XORRISO: &str =
    "xorriso -as mkisofs --set_all_file_dates 2026112113141500 --modification-date=2026112113141500";
/// genisoimage records times of access and change that no one can set.
const GENISOIMAGE: &str = "genisoimage";

const fn recipe(name: &'static str, program: &'static str, options: &'static str) -> Recipe {
    Recipe { name, program, options, patch: |_| {} }
}

const RECIPES: &[Recipe] = &[
    recipe("rock", XORRISO, "-R"),
    recipe("rock-joliet", XORRISO, "-R -J -joliet-long"),
    recipe("joliet", GENISOIMAGE, "-J -joliet-long -D"),
    recipe("moved", GENISOIMAGE, "-R -J -joliet-long"),
    recipe("moved-and-hidden", GENISOIMAGE, "-R -hide-rr-moved"),
    recipe("plain-long", GENISOIMAGE, "-l -allow-lowercase -allow-multidot -relaxed-filenames -D"),
    Recipe {
        name: "plain",
        program: GENISOIMAGE,
        options: "-iso-level 1 -D",
        patch: |image| {
            // One file of two sections; a version that shows; flags.
            let first = record(image, b"PART1.BIN;1");
            image[first + 25] |= 0x80;
            let second = record(image, b"PART2.BIN;1");
            image[second + 33 + 4] = b'1';
            let version = record(image, b"VERSION.TXT;1".get(..11).unwrap());
            let end = version + 33 + usize::from(image[version + 32]);
            image[end - 1] = b'2';
            let hidden = record(image, b"HIDDEN.TXT;1");
            image[hidden + 25] |= 0x01;
            let associated = record(image, b"ASSOC.TXT;1");
            image[associated + 25] |= 0x04;
        },
    },
    recipe("rock-disk.4k", XORRISO, "-R"),
];

/// Images of compressed files, which lie in `data/iso9660` (`make.sh` made them): zisofs of its first version with blocks of
/// 32, 64 and 128 KiB, and of its second, which Linux shows as it is stored.
const COMPRESSED: &[&str] = &["mkzftree", "zisofs-64k", "zisofs-128k", "zisofs-2"];

/// An image of those, unpacked.
fn unpack(name: &str) -> Vec<u8> {
    let output = Command::new("xz").arg("-dc").arg(data().join(format!("{name}.img.xz"))).output().unwrap();
    assert!(output.status.success(), "{name}");
    output.stdout
}

/// Where the record of that name starts.
fn record(image: &[u8], name: &[u8]) -> usize {
    image.windows(name.len()).position(|bytes| bytes == name).unwrap() - 33
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/iso9660")
}

fn shell(script: &str, dir: &Path) {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes that are not the same in any two blocks.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at >> 9) as u8).collect()
}

/// What the images hold: one of everything.
fn tree(dir: &Path) {
    let at = |name: &str| dir.join(name);
    fs::create_dir_all(at("a/b/c/d/e/f/g/h/i/j")).unwrap();
    fs::create_dir_all(at("a/b/c/d/e/f/g/other/below")).unwrap();
    fs::create_dir_all(at("empty directory")).unwrap();
    fs::create_dir_all(at("many")).unwrap();
    fs::write(at("a/b/c/d/e/f/g/h/i/j/deep"), "deep").unwrap();
    fs::write(at("a/b/c/d/e/f/g/other/below/deep too"), "deep").unwrap();
    for nr in 0..60 {
        fs::write(at(&format!("many/file number {nr}.text")), pattern(nr * 37)).unwrap();
    }
    fs::write(at("README.TXT"), "in capitals\n").unwrap();
    fs::write(at("lower.txt"), "in lower case\n").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("no extension"), "none").unwrap();
    fs::write(at("two.dots.txt"), "dots").unwrap();
    fs::write(at("ends with dot."), "dot").unwrap();
    fs::write(at("semi;colon"), "colon").unwrap();
    fs::write(at("täst 日本.txt"), "Unicode").unwrap();
    fs::write(at(&"n".repeat(64)), "64").unwrap();
    fs::write(at(&"m".repeat(200)), "200").unwrap();
    fs::write(at("part1.bin"), pattern(4096)).unwrap();
    fs::write(at("part2.bin"), pattern(3000)).unwrap();
    fs::write(at("version.txt"), "version").unwrap();
    fs::write(at("hidden.txt"), "hidden").unwrap();
    fs::write(at("assoc.txt"), "associated").unwrap();
    fs::write(at("large"), pattern(300_000)).unwrap();
    let long = "l".repeat(255);
    for (name, target) in [
        ("to a file", "README.TXT"),
        ("absolute", "/etc/passwd"),
        ("root", "/"),
        ("up and down", "../a/./b/../c"),
        ("slashes", "a//b/"),
        ("long", &"component/".repeat(24)),
        ("long component", long.as_str()),
        ("dangling", "täst"),
    ] {
        symlink(target, at(name)).unwrap();
    }
    shell(
        "mknod pipe p; mknod null c 1 3; mknod large-minor b 8 300; mknod large-major c 500 2
         ln README.TXT 'another name'
         chmod 4711 lower.txt; chmod 1777 'empty directory'; chmod 0 empty; chown 1000:100 part1.bin a/b
         chown -h 7:8 dangling
         find . -depth -exec touch -h -d '2001-02-03 04:05:06 UTC' {} +
         touch -d '1970-01-01 UTC' empty; touch -d '1969-12-31 12:00 UTC' large; touch -d '2036-02-29 UTC' part1.bin",
        dir,
    );
}

/// Makes the image of `recipe` from the tree `tree` in `dir`.
fn make(recipe: &Recipe, tree: &Path, dir: &Path) -> PathBuf {
    let path = dir.join(format!("{}.img", recipe.name));
    let script = format!(
        "export LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH=1795266855; {} -quiet {} -V LABEL -o {} {}",
        recipe.program,
        recipe.options,
        path.display(),
        tree.display()
    );
    shell(&script, dir);
    let mut bytes = fs::read(&path).unwrap();
    (recipe.patch)(&mut bytes);
    fs::write(&path, bytes).unwrap();
    path
}

/// genisoimage writes symbolic links of more than 255 bytes wrong.
#[test]
fn damaged_links_have_a_length() {
    let (images, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink("component/".repeat(60), source.path().join("long")).unwrap();
    let image = make(&recipe("links", GENISOIMAGE, "-R"), source.path(), images.path());
    let fs = open(&fs::read(image).unwrap()).unwrap();
    let link = lookup(&*fs, "long").unwrap();
    // As the kernel shows it, too.
    assert_eq!(fs.metadata(link).unwrap().size, 130);
    assert_eq!(fs.read_link(link).unwrap_err().kind(), ErrorKind::Corrupt);
    let image = make(&recipe("right", XORRISO, "-R"), source.path(), images.path());
    let fs = open(&fs::read(image).unwrap()).unwrap();
    let link = lookup(&*fs, "long").unwrap();
    assert_eq!(fs.read_link(link).unwrap(), "component/".repeat(60).trim_end_matches('/'));
}

/// All images, in a directory of their own, and the tree.
fn make_all() -> (tempfile::TempDir, tempfile::TempDir) {
    let (images, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(source.path());
    for recipe in RECIPES {
        make(recipe, source.path(), images.path());
    }
    for name in COMPRESSED {
        fs::write(images.path().join(format!("{name}.img")), unpack(name)).unwrap();
    }
    (images, source)
}

/// Asks Debian's kernel again: `cargo test -p disk --test iso9660 -- --ignored`. Needs libguestfs-tools.
#[test]
#[ignore = "writes data/iso9660, in a minute or two"]
fn record_listings() {
    let (images, _source) = make_all();
    appliance::record(images.path(), &data());
}

#[test]
fn listings_are_the_kernel_s() {
    let (images, _source) = make_all();
    for recipe in RECIPES {
        let image = images.path().join(format!("{}.img", recipe.name));
        appliance::compare_but(recipe.name, &image, &data(), |line| {
            if recipe.program != GENISOIMAGE {
                return line;
            }
            let [accessed, modified, changed, _] = TIMES;
            // rr_moved is made when the image is.
            let all = line.starts_with("/rr_moved") || line.starts_with("/.rr_moved");
            if all {
                without(&line, &[accessed, modified, changed])
            } else {
                without(&line, &[accessed, changed])
            }
        });
    }
    for name in COMPRESSED {
        let image = images.path().join(format!("{name}.img"));
        appliance::compare_but(name, &image, &data(), |line| line);
    }
}

fn image(name: &str) -> Vec<u8> {
    let (images, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(source.path());
    let recipe = RECIPES.iter().find(|recipe| recipe.name == name).unwrap();
    fs::read(make(recipe, source.path(), images.path())).unwrap()
}

fn open(image: &[u8]) -> disk::Result<Arc<dyn Filesystem>> {
    disk::fs::open(Arc::new(MemSource::new(image)))
}

fn lookup(fs: &dyn Filesystem, name: &str) -> Option<InodeId> {
    fs.lookup(fs.root(), name.as_bytes()).unwrap()
}

#[test]
fn names_are_found_as_the_kernel_finds_them() {
    let cases: [(&str, &[&str], &[&str]); 3] = [
        (
            "rock",
            &["README.TXT", "ends with dot."],
            &["readme.txt", "README.TXT;1", "ends with dot", ".", "..", ""],
        ),
        (
            "joliet",
            &["README.TXT", "readme.txt", "README.txt..", "ends with dot", "TäST 日本.TXT"],
            &["TÄST 日本.txt", "."],
        ),
        (
            "plain",
            &["readme.txt", "version.txt.2", "hidden.txt"],
            &["README.TXT", "readme.txt;1", "assoc.txt", "."],
        ),
    ];
    for (name, there, not_there) in cases {
        let fs = open(&image(name)).unwrap();
        for wanted in there {
            assert!(lookup(&*fs, wanted).is_some(), "{name}: {wanted}");
        }
        for wanted in not_there {
            assert_eq!(lookup(&*fs, wanted), None, "{name}: {wanted}");
        }
    }
}

#[test]
fn files_of_several_sections_are_read_at_any_place() {
    let fs = open(&image("plain")).unwrap();
    let mut want = pattern(4096);
    want.extend(pattern(3000));
    let mut file = fs.open(lookup(&*fs, "part1.bin").unwrap()).unwrap();
    assert_eq!(file.len(), 7096);
    for (at, len) in [(0, 8000), (4095, 2), (4096, 100), (7000, 1000), (7096, 1), (9000, 1)] {
        let mut buf = vec![0xEE; len];
        let count = file.read_at(at as u64, &mut buf).unwrap();
        let wanted = want.get(at..).unwrap_or_default();
        assert_eq!(buf[..count], wanted[..wanted.len().min(len)], "{at}");
    }
}

#[test]
fn what_linux_shows_otherwise_is_refused() {
    let plain = image("plain");
    let at = record(&plain, b"README.TXT;1");
    let mut interleaved = plain.clone();
    interleaved[at + 26] = 1;
    let fs = open(&interleaved).unwrap();
    let inode = lookup(&*fs, "readme.txt").unwrap();
    assert_eq!(fs.metadata(inode).unwrap_err().kind(), ErrorKind::Unsupported);
    // A section that does not end with a block.
    let mut sections = plain.clone();
    let first = record(&plain, b"PART1.BIN;1");
    sections[first + 10] = 1;
    let fs = open(&sections).unwrap();
    let inode = lookup(&*fs, "part1.bin").unwrap();
    assert_eq!(fs.open(inode).unwrap_err().kind(), ErrorKind::Unsupported);
    // A record that is shorter than its name.
    let mut short = plain;
    short[at] = 40;
    let fs = open(&short).unwrap();
    let listed = fs.read_dir(fs.root(), &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn bridges_are_udf() {
    let (images, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(source.path().join("file"), pattern(100_000)).unwrap();
    let bridge = make(&recipe("udf", GENISOIMAGE, "-udf -R"), source.path(), images.path());
    assert_eq!(open(&fs::read(bridge).unwrap()).unwrap().kind(), "udf");
}

#[test]
fn compressed_files_are_read_at_any_place() {
    let fs = open(&unpack("zisofs-64k")).unwrap();
    let want: Vec<u8> = (0..400_000).map(|at| (at % 251) as u8 ^ (at >> 9) as u8).collect();
    let mut file = fs.open(lookup(&*fs, "pattern").unwrap()).unwrap();
    for (at, len) in
        [(0, 500_000), (65_535, 2), (65_536, 65_536), (131_000, 80_000), (399_999, 5), (400_000, 1)]
    {
        let mut buf = vec![0xEE; len];
        let count = file.read_at(at as u64, &mut buf).unwrap();
        assert!(buf[..count] == want[at..want.len().min(at + len)], "{len} bytes at {at}");
    }
}

#[test]
fn damaged_blocks_are_noticed() {
    let right = unpack("zisofs-64k");
    // The streams of the largest file: each begins with the same two bytes and ends with a checksum.
    let start =
        right.windows(8).position(|bytes| bytes == [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07]).unwrap();
    let read = |image: &[u8]| -> disk::Result<()> {
        let fs = open(image)?;
        for name in ["zeros", "pattern", "blocks", "holes", "one more"] {
            let mut file = fs.open(fs.lookup(fs.root(), name.as_bytes())?.unwrap())?;
            file.read_at(0, &mut vec![0; 500_000])?;
        }
        Ok(())
    };
    read(&right).unwrap();
    // An entry of the first table; a byte of a stream.
    for at in [start + 17, start + 19, start + 60] {
        let mut image = right.clone();
        image[at] ^= 0x55;
        assert_eq!(read(&image).unwrap_err().kind(), ErrorKind::Corrupt, "{at}");
    }
}
