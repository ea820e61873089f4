//! The content of files of btrfs, in every form that it is stored in, as the kernel shows it; and what damage does.
//!
//! Needs root, loop devices, and Debian's packages btrfs-progs, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::ErrorKind;
use disk::fs::Filesystem;
use kernel::{Mount, chain, empty_image, python, run};
use tempfile::TempDir;

/// A filesystem on one image.
struct Case {
    dir: TempDir,
    image: PathBuf,
}

impl Case {
    /// An image of `megabytes` with what `mkfs.btrfs` makes of `options`.
    fn new(megabytes: u64, options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        empty_image(&image, megabytes << 20);
        let mut args: Vec<_> = options.split_whitespace().chain(["-q", "-f"]).collect();
        args.push(image.to_str().unwrap());
        run("mkfs.btrfs", &args);
        Case { dir, image }
    }

    fn mount(&self, options: &str) -> Mount {
        Mount::new(options, &self.image, self.dir.path().join("mount"))
    }

    fn open(&self) -> Arc<dyn Filesystem> {
        let image = listing::Image::open(&self.image).unwrap();
        disk::fs::open(image).unwrap_or_else(|e| panic!("{}", chain(&e)))
    }

    /// Is the filesystem listed here as the kernel lists it? Gives the listing.
    fn compare(&self) -> String {
        let theirs = listing::of_mount(&self.mount("ro").0).unwrap();
        let ours = listing::of_filesystem(&*self.open()).unwrap_or_else(|e| panic!("{}", chain(&e)));
        // Without the first line, statistics, which are compared elsewhere.
        for (ours, theirs) in ours.lines().zip(theirs.lines()).skip(1) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
        ours
    }
}

/// Writes over one byte in every place where an image holds `pattern`, up to so many, and says in how many it did.
fn damage(image: &Path, pattern: &[u8], most: usize) -> usize {
    let bytes = fs::read(image).unwrap();
    let image = fs::OpenOptions::new().write(true).open(image).unwrap();
    // Most of an image is nothing but zeros. No pattern crosses from one sector into the next.
    let sectors = bytes.chunks(4096).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
    let mut places = Vec::new();
    for (nr, sector) in sectors {
        let found = sector.windows(pattern.len()).enumerate().filter(|(_, window)| *window == pattern);
        places.extend(found.map(|(at, _)| (nr * 4096 + at) as u64));
    }
    places.truncate(most);
    for at in &places {
        image.write_all_at(&[!pattern[0]], *at).unwrap();
    }
    places.len()
}

/// Reads all of a file in pieces of `piece` bytes.
fn read(fs: &dyn Filesystem, name: &str, piece: usize) -> disk::Result<Vec<u8>> {
    let inode = fs.lookup(fs.root(), name.as_bytes())?.unwrap();
    let mut file = fs.open(inode)?;
    let mut bytes = Vec::new();
    let mut buf = vec![0; piece];
    loop {
        let count = file.read_at(bytes.len() as u64, &mut buf)?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&buf[..count]);
    }
}

/// One test for each way of storing data: name, options of `mkfs.btrfs`, options of `mount`.
macro_rules! ways {
    ($($name:ident: $mkfs:literal, $mount:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let case = Case::new(300, $mkfs);
                let mount = case.mount($mount);
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/btrfs_content.py");
                run("python3", &[script, mount.0.to_str().unwrap()]);
                drop(mount);
                case.compare();
            }
        )*
    };
}

ways! {
    plain: "", "rw";
    with_explicit_holes: "-O ^no-holes", "rw";
    zlib: "--csum xxhash", "compress=zlib";
    zlib_of_all: "-O ^no-holes", "compress-force=zlib:9";
    lzo: "--csum sha256", "compress=lzo";
    lzo_of_all: "-O ^no-holes", "compress-force=lzo";
    zstd: "--csum blake2 -O ^no-holes", "compress=zstd";
    zstd_of_all: "", "compress-force=zstd:15,max_inline=4095";
    without_inline: "-n 4096 --mixed", "max_inline=0,compress=zstd";
    without_checksums: "-O ^no-holes", "nodatasum";
    written_in_place: "-n 65536", "nodatacow,max_inline=4095";
}

/// A file is read in pieces of any size, from any offset.
#[test]
fn pieces() {
    let case = Case::new(200, "");
    let mount = case.mount("compress=lzo");
    let script = "import sys, os, random\n\
        os.chdir(sys.argv[1]); r = random.Random(3)\n\
        content = b''.join(r.choice([r.randbytes(9000), b'text ' * 9000]) for _ in range(40)) + b'end'\n\
        open('mixed', 'wb').write(content)\n\
        open('random', 'wb').write(r.randbytes(700001))\n\
        open('small', 'wb').write(r.randbytes(1001))\n";
    python(script, &mount.0);
    let contents = ["mixed", "random", "small"].map(|name| (name, fs::read(mount.0.join(name)).unwrap()));
    drop(mount);
    let fs = case.open();
    for (name, content) in &contents {
        for piece in [1000, 4095, 4096, 4097, 65536, 100_000, 262_144, 300_001, 1 << 20] {
            assert!(read(&*fs, name, piece).unwrap() == *content, "{name} in pieces of {piece}");
        }
        let mut file = fs.open(fs.lookup(fs.root(), name.as_bytes()).unwrap().unwrap()).unwrap();
        let mut random = 1_usize;
        for _ in 0..500 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) % content.len();
            let len = (random >> 20) % 20_000;
            let mut buf = vec![0xEE; len];
            let count = file.read_at(at as u64, &mut buf).unwrap();
            assert_eq!(count, len.min(content.len() - at));
            assert!(buf[..count] == content[at..at + count], "{count} bytes of {name} at {at}");
        }
    }
}

const PATTERN: &[u8] = b"A pattern that is nowhere else. ";

/// What is wrong in one copy comes from the other; what is wrong in all is never shown.
#[test]
fn damaged_copies() {
    for (options, copies) in [("-d dup", 2), ("-d single", 1), ("-d dup --csum blake2", 2)] {
        let case = Case::new(300, options);
        let mount = case.mount("rw");
        let whole = vec![b'w'; 500_000];
        let mut content = vec![b'x'; 1_000_000];
        content[600_000..][..PATTERN.len()].copy_from_slice(PATTERN);
        fs::write(mount.0.join("damaged"), &content).unwrap();
        fs::write(mount.0.join("whole"), &whole).unwrap();
        drop(mount);
        if copies == 2 {
            assert_eq!(damage(&case.image, PATTERN, 1), 1);
            assert!(read(&*case.open(), "damaged", 1 << 20).unwrap() == content);
        }
        assert_eq!(damage(&case.image, PATTERN, 2), 1, "{options}: the last good copy");
        let fs = case.open();
        let error = read(&*fs, "damaged", 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{options}");
        assert!(chain(&error).contains("reading 1000000 bytes at byte 0 of inode 257"), "{}", chain(&error));
        // What lies before it can be read, as in the kernel.
        let mut file = fs.open(fs.lookup(fs.root(), b"damaged").unwrap().unwrap()).unwrap();
        let mut buf = vec![0; 598_000];
        assert_eq!(file.read_at(0, &mut buf).unwrap(), buf.len());
        assert!(buf == content[..buf.len()]);
        assert!(read(&*fs, "whole", 1 << 20).unwrap() == whole);
    }
}

/// What is wrong on one device of two comes from the other, for each part of a file.
#[test]
fn damaged_devices() {
    let dir = TempDir::new().unwrap();
    let images = ["a", "b"].map(|name| dir.path().join(name));
    let loops = images.each_ref().map(|image| {
        empty_image(image, 300 << 20);
        run("losetup", &["--find", "--show", image.to_str().unwrap()])
    });
    run("mkfs.btrfs", &["-q", "-f", "-d", "raid1", "-m", "raid1", &loops[0], &loops[1]]);
    run("btrfs", &["device", "scan", &loops[0]]);
    run("btrfs", &["device", "scan", &loops[1]]);
    let mount = dir.path().join("mount");
    fs::create_dir(&mount).unwrap();
    run("mount", &["-t", "btrfs", &loops[0], mount.to_str().unwrap()]);
    // A different pattern every 40,000 bytes.
    let pattern = |nr: usize| format!("Pattern {nr:08} that is nowhere else. ").into_bytes();
    let mut content = vec![b'x'; 1_000_000];
    for nr in 0..25 {
        content[nr * 40_000 + 100..][..pattern(nr).len()].copy_from_slice(&pattern(nr));
    }
    fs::write(mount.join("damaged"), &content).unwrap();
    run("umount", &[mount.to_str().unwrap()]);
    for device in &loops {
        run("btrfs", &["device", "scan", "--forget", device]);
        run("losetup", &["--detach", device]);
    }
    let sources =
        || images.each_ref().map(|image| -> Arc<dyn disk::ReadAt> { listing::Image::open(image).unwrap() });
    let open = || disk::fs::open_with(Arc::clone(&sources()[0]), &sources()).unwrap();
    // Every other piece is wrong on the one device, the rest on the other.
    for nr in 0..25 {
        assert_eq!(damage(&images[nr % 2], &pattern(nr), 2), 1);
    }
    assert!(read(&*open(), "damaged", 1 << 20).unwrap() == content);
    assert_eq!(damage(&images[1], &pattern(24), 2), 1);
    let error = read(&*open(), "damaged", 1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", chain(&error));
}

/// Data without checksums is shown as it is, as the kernel does.
#[test]
fn damage_without_checksums() {
    let case = Case::new(300, "-d dup");
    let mount = case.mount("nodatasum");
    fs::write(mount.0.join("damaged"), PATTERN.repeat(1000)).unwrap();
    drop(mount);
    assert_eq!(damage(&case.image, PATTERN, 1), 1);
    assert_eq!(damage(&case.image, PATTERN, 5000), 1999);
    case.compare();
}

/// Compressed data that is damaged is caught by its checksum before it is decompressed.
#[test]
fn damage_of_compressed_data() {
    let case = Case::new(200, "-d single");
    let mount = case.mount("compress-force=lzo");
    let mut content = vec![0; 100_000];
    content[50_000..][..PATTERN.len()].copy_from_slice(PATTERN);
    fs::write(mount.0.join("damaged"), &content).unwrap();
    drop(mount);
    assert_eq!(damage(&case.image, &PATTERN[..12], 1), 1);
    let error = read(&*case.open(), "damaged", 1 << 20).unwrap_err();
    assert!(chain(&error).contains("the checksum of the data"), "{}", chain(&error));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// A file in 40,000 pieces is read in time that grows with its size alone.
#[test]
fn many_extents() {
    let case = Case::new(600, "");
    let mount = case.mount("rw");
    let script = "import sys, os\n\
        f = os.open(sys.argv[1] + '/pieces', os.O_CREAT | os.O_RDWR)\n\
        for start in (0, 1):\n\
        \x20   for i in range(start, 40000, 2): os.pwrite(f, b'%08d' % i * 512, i * 4096)\n\
        \x20   os.fsync(f)\n";
    python(script, &mount.0);
    drop(mount);
    let wanted: Vec<u8> = (0..40_000).flat_map(|nr| format!("{nr:08}").repeat(512).into_bytes()).collect();
    let fs = case.open();
    let start = Instant::now();
    let found = read(&*fs, "pieces", 1 << 20).unwrap();
    let taken = start.elapsed();
    assert!(found == wanted);
    println!("{:.0} MB/s", 163.84 / taken.as_secs_f64());
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}
