//! EROFS as the kernel shows it: every name of filesystems of all layouts, field by field.
//!
//! Needs root, loop devices, and Debian's packages erofs-utils, xz-utils, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use disk::ErrorKind;
use disk::fs::Filesystem;
use kernel::{Mount, fill, python, run};
use tempfile::TempDir;

/// A tree with one of everything, made once.
fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("erofs-tree");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        fill(&dir, 800);
        // What every test would have to make and to read: a terabyte of holes, and some megabytes too many. What is left of
        // one is still more than 2,048 blocks.
        std::fs::remove_file(dir.join("far")).unwrap();
        for (name, len) in [("hole", 5_000_001), ("sparse", 9_000_000), ("large", 1_500_000)] {
            std::fs::File::options().write(true).open(dir.join(name)).unwrap().set_len(len).unwrap();
        }
        // mkfs.erofs 1.5 fails on names of 255 bytes.
        std::fs::rename(dir.join("L".repeat(255)), dir.join("L".repeat(250))).unwrap();
        dir
    })
}

/// An image that `mkfs.erofs` made.
struct Case {
    dir: TempDir,
    image: PathBuf,
}

impl Case {
    fn new(tree: &Path, options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        let mut args: Vec<_> = options.split_whitespace().collect();
        args.extend(["--quiet", image.to_str().unwrap(), tree.to_str().unwrap()]);
        run("mkfs.erofs", &args);
        Case { dir, image }
    }

    /// An image of `tests/data/erofs`, whose `make.sh` says how it was made.
    fn stored(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        let data = format!("{}/tests/data/erofs/{name}.img.xz", env!("CARGO_MANIFEST_DIR"));
        run("sh", &["-c", "xz -dc \"$0\" >\"$1\"", &data, image.to_str().unwrap()]);
        Case { dir, image }
    }

    fn open(&self) -> disk::Result<std::sync::Arc<dyn Filesystem>> {
        disk::fs::open(listing::Image::open(&self.image).unwrap())
    }

    /// Is the image listed here as the kernel lists it? Gives the listing.
    fn compare(&self) -> String {
        let theirs = {
            let mount = Mount::read_only(&self.image, self.dir.path().join("mount"));
            // The kernel makes the filesystem's ID of the device's number, which none has here.
            let device = std::fs::metadata(&mount.0).unwrap().dev();
            listing::of_mount(&mount.0).unwrap().replacen(&format!(" {device:#x} "), " 0x0 ", 1)
        };
        let ours = listing::of_filesystem(&*self.open().unwrap()).unwrap();
        let (different, _) = kernel::differences(&ours, &theirs, u64::MAX);
        assert!(
            different.is_empty(),
            "{} lines differ:\n{}",
            different.len(),
            different[..different.len().min(5)].join("\n")
        );
        ours
    }
}

/// One test for each set of options of `mkfs.erofs`.
macro_rules! option_sets {
    ($($name:ident: $options:literal;)*) => {
        $(
            #[test]
            fn $name() {
                Case::new(tree(), $options).compare();
            }
        )*
    };
}

option_sets! {
    plain: "";
    plain_without_inline_ends: "-Enoinline_data";
    compact_inodes: "-Eforce-inode-compact -T1700000000 --all-root";
    extended_inodes: "-Eforce-inode-extended";
    without_xattrs: "-x-1";
    shared_xattrs: "-x1";
    no_shared_xattrs: "-x1000";
    chunks_of_4k: "--chunksize=4096";
    chunks_of_64k: "--chunksize=65536";
    chunk_indexes: "--chunksize=4096 -Eforce-chunk-indexes";
    chunk_map: "--chunksize=8192 -Eforce-chunk-4b";
    lz4: "-zlz4";
    lz4_without_padding: "-zlz4 -Elegacy-compress";
    clusters_of_16k: "-zlz4 -C16384";
    clusters_of_64k: "-zlz4hc,9 -C65536";
    clusters_of_1m: "-zlz4 -C1048576";
    small_extents: "-zlz4 -C16384 --max-extent-bytes=20000";
    inline_ends: "-zlz4 -Eztailpacking";
    inline_ends_in_clusters_of_64k: "-zlz4 -C65536 -Eztailpacking";
}

/// What only newer programs can make, but this kernel can read.
#[test]
fn images_of_newer_programs() {
    for name in [
        "deflate",
        "zstd",
        "lzma",
        "two-compressors",
        "fragments",
        "all-fragments",
        "dedupe",
        "dedupe-fragments",
        "prefixes",
        "prefixes-plain",
        "blocks-of-512",
        "chunk-dedupe",
    ] {
        let listing = Case::stored(name).compare();
        let text = listing.lines().find(|line| line.starts_with("/text\t")).unwrap();
        let xattrs = text.split('\t').next_back().unwrap();
        assert!(xattrs.starts_with("user.prefixed.one=1,user.prefixed.two=222"), "{name}: {xattrs}");
    }
}

/// A tree made by a Python script.
fn made_by(script: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    python(&format!("import os, sys\nos.chdir(sys.argv[1])\n{script}"), dir.path());
    dir
}

#[test]
fn an_empty_filesystem() {
    Case::new(made_by("").path(), "").compare();
}

/// Names are sorted by their bytes, through all blocks of a directory.
#[test]
fn directories_of_every_size() {
    let tree = made_by(
        "
open('f', 'w').close()
for many in 0, 1, 2, 100, 200, 300, 2000, 8000:
    d = 'd%d' % many
    os.mkdir(d)
    for i in range(many): os.link('f', (d + '/%d name ' % (i * i)).encode() + bytes([i % 255 + 1]).replace(b'/', b'-') * (i % 50 + 1))
for i in range(50): os.makedirs('deep/' + 'd/' * i)
",
    );
    for options in ["", "-Enoinline_data"] {
        Case::new(tree.path(), options).compare();
    }
}

/// Content that compresses well, badly and not at all, with sizes around those of blocks and clusters.
#[test]
fn sizes_around_those_of_clusters() {
    let tree = made_by(
        "
import random
random.seed(1)
for size in 0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 5_000_000:
    open('zeros%d' % size, 'wb').write(bytes(size))
    open('text%d' % size, 'wb').write((b'A line of text. ' * (size // 16 + 1))[:size])
    open('random%d' % size, 'wb').write(random.randbytes(size))
    open('mixed%d' % size, 'wb').write(b''.join(
        random.choice([random.randbytes(random.randrange(9000)), b'x' * random.randrange(90000)]) for i in range(size // 40000 + 1))[:size])
",
    );
    for options in [
        "-zlz4",
        "-zlz4 -Elegacy-compress",
        "-zlz4 -C8192",
        "-zlz4 -C65536 -Eztailpacking",
        "-zlz4hc -C1048576",
    ] {
        Case::new(tree.path(), options).compare();
    }
}

/// Pieces of files in any order.
#[test]
fn reads_in_any_order() {
    for options in ["", "--chunksize=4096", "-zlz4", "-zlz4 -C65536 -Eztailpacking"] {
        let case = Case::new(tree(), options);
        let fs = case.open().unwrap();
        let mut random = 1_u64;
        let mut below = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        for name in ["large", "sparse", "hole", "reserved", "every_other", "size65537", "size1"] {
            let content = std::fs::read(tree().join(name)).unwrap();
            let mut file = fs.open(fs.lookup(fs.root(), name.as_bytes()).unwrap().unwrap()).unwrap();
            let len = content.len() as u64;
            assert_eq!(file.len(), len);
            for _ in 0..60 {
                let at = below(len + 10);
                let wanted = [1, 4096, 131_072, 1_048_576, 300_000][below(5) as usize] + below(3) as usize;
                let mut buf = vec![0xEE; wanted];
                let count = file.read_at(at, &mut buf).unwrap();
                let expected = content.get(at as usize..).unwrap_or_default();
                let expected = &expected[..wanted.min(expected.len())];
                assert!(buf[..count] == *expected, "{options}: {wanted} bytes at {at} of {name}");
            }
        }
    }
}

/// A further device has the content of files, which must not be looked for on the first.
#[test]
fn several_devices_are_refused() {
    let dir = TempDir::new().unwrap();
    let device = dir.path().join("device");
    let case = Case::new(tree(), &format!("--chunksize=4096 --blobdev={}", device.to_str().unwrap()));
    assert_eq!(case.open().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_changed_superblock_is_noticed() {
    let case = Case::new(made_by("").path(), "");
    let image = std::fs::File::options().write(true).open(&case.image).unwrap();
    image.write_all_at(b"x", 1024 + 64).unwrap();
    assert_eq!(case.open().unwrap_err().kind(), ErrorKind::Corrupt);
}
