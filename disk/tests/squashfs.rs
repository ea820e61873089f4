//! SquashFS as the kernel shows it: every name of filesystems of all compressors and sets of options, field by field.
//!
//! Needs root, loop devices, a kernel with all compressors, and Debian's packages squashfs-tools, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::os::unix::fs::MetadataExt;
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
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("squashfs-tree");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        fill(&dir, 800);
        // What every test would have to make and to read: a terabyte of holes, and some megabytes too many. What is left of
        // one is still more than 2,048 blocks.
        std::fs::remove_file(dir.join("far")).unwrap();
        for (name, len) in [("hole", 5_000_001), ("sparse", 9_000_000), ("large", 1_500_000)] {
            std::fs::File::options().write(true).open(dir.join(name)).unwrap().set_len(len).unwrap();
        }
        dir
    })
}

/// An image that `mksquashfs` made.
struct Case {
    dir: TempDir,
    image: PathBuf,
}

impl Case {
    fn new(tree: &Path, options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        let case = Case { dir, image };
        case.add(tree, options);
        case
    }

    /// Adds what is in `tree`: to nothing, or as files that an image gets later.
    fn add(&self, tree: &Path, options: &str) {
        let mut args = vec![tree.to_str().unwrap(), self.image.to_str().unwrap(), "-no-progress", "-quiet"];
        args.extend(options.split_whitespace());
        run("mksquashfs", &args);
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

/// One test for each set of options of `mksquashfs`.
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
    gzip: "-comp gzip -Xcompression-level 1";
    lzo: "-comp lzo -Xalgorithm lzo1x_1";
    lzo_999: "-comp lzo -Xcompression-level 3";
    lz4: "-comp lz4 -Xhc";
    xz: "-comp xz -Xbcj x86";
    xz_filters: "-comp xz -Xbcj arm,powerpc,sparc -Xdict-size 50%";
    zstd: "-comp zstd -Xcompression-level 3";
    zstd_best: "-comp zstd -Xcompression-level 15";
    blocks_of_4k: "-comp lz4 -b 4096";
    blocks_of_1m: "-comp lz4 -b 1M";
    blocks_of_1m_gzip: "-comp gzip -Xcompression-level 1 -b 1M";
    without_fragments: "-comp lz4 -no-fragments";
    fragments_of_all_ends: "-comp lz4 -always-use-fragments";
    without_xattrs: "-comp lz4 -no-xattrs";
    without_export_table: "-comp lz4 -no-exports";
    without_sparse_files: "-comp lz4 -no-sparse";
    nothing_compressed: "-comp gzip -noI -noD -noF -noX -noId";
    data_not_compressed: "-comp lz4 -noD -noF";
    owned_by_root: "-comp lz4 -all-root";
    gzip_options: "-comp gzip -Xcompression-level 1 -Xwindow-size 10 -Xstrategy huffman_only,fixed";
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

/// A directory of several metadata blocks has an index; names of high bytes come last.
#[test]
fn directories_of_every_size() {
    let tree = made_by(
        "
open('f', 'w').close()
for many in 0, 1, 2, 255, 256, 257, 300, 600, 2000, 20000:
    d = 'd%d' % many
    os.mkdir(d)
    for i in range(many): os.link('f', (d + '/%d name ' % (i * i)).encode() + bytes([i % 255 + 1]).replace(b'/', b'-') * (i % 50 + 1))
for i in range(300): os.makedirs('deep/' + 'd/' * i)
",
    );
    for options in ["-comp lz4", "-comp lz4 -noI"] {
        Case::new(tree.path(), options).compare();
    }
}

#[test]
fn owners_of_many_numbers() {
    let tree = made_by(
        "
for i in range(5000):
    open('f%d' % i, 'w').close()
    os.chown('f%d' % i, i * 857_000 + 3, 4_294_967_294 - i)
",
    );
    Case::new(tree.path(), "-comp lz4").compare();
}

/// What is added later has metadata of its own behind the first.
#[test]
fn files_that_were_added_later() {
    let first = made_by("for i in range(500): open('first%d' % i, 'w').write('first' * i)");
    let second = made_by("for i in range(500): open('second%d' % i, 'w').write('second' * i)");
    let case = Case::new(first.path(), "-comp gzip");
    case.add(second.path(), "");
    case.add(tree(), "-root-becomes old");
    case.compare();
}

/// Times have 32 bits without sign.
#[test]
fn times_to_the_end() {
    let tree = made_by(
        "
for at in 0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1:
    open('%d' % at, 'w').close()
    os.utime('%d' % at, (at, at))
",
    );
    let listing = Case::new(tree.path(), "-comp lz4").compare();
    assert!(listing.contains("4294967295.0"), "{listing}");
}

/// Pieces of files in any order, with sizes around those of blocks.
#[test]
fn reads_in_any_order() {
    for options in ["-comp lz4 -b 4096", "-comp zstd", "-comp lz4 -b 1M -no-fragments", "-comp gzip -noD"] {
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

/// A block that is not all there, with the right length or not, is an error and not zeros.
#[test]
fn a_cut_image_is_refused() {
    let case = Case::new(tree(), "-comp lz4");
    let len = std::fs::metadata(&case.image).unwrap().len();
    std::fs::File::options().write(true).open(&case.image).unwrap().set_len(len / 2).unwrap();
    assert_eq!(case.open().unwrap_err().kind(), ErrorKind::Corrupt);
}
