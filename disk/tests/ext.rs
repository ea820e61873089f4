//! ext2, ext3 and ext4 as the kernel shows them: every name of filesystems in all sets of features, field by field.
//!
//! Needs root, loop devices, and Debian's packages e2fsprogs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use disk::ErrorKind;
use disk::fs::{Filesystem, InodeId};
use kernel::{Mount, empty_image, fill, mke2fs, python, run};
use tempfile::TempDir;

/// A filesystem to be made and filled.
struct Case {
    dir: TempDir,
    image: PathBuf,
}

impl Case {
    /// An image of `megabytes` with what `mke2fs` makes of `options`.
    fn new(megabytes: u64, options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        mke2fs(&image, megabytes << 20, options);
        Case { dir, image }
    }

    /// The image as text.
    fn path(&self) -> &str {
        self.image.to_str().unwrap()
    }

    /// Mounts the image so that it can be filled.
    fn mount(&self) -> Mount {
        Mount::writable(&self.image, self.dir.path().join("mount"))
    }

    /// Runs a program with `options` on the image.
    fn tool(&self, program: &str, options: &[&str]) -> String {
        run(program, &[options, &[self.path()]].concat())
    }

    fn debugfs(&self, commands: &[&str]) {
        for command in commands {
            run("debugfs", &["-w", "-R", command, self.path()]);
        }
    }

    /// What debugfs shows of the index of `directory`.
    fn htree(&self, directory: &str) -> String {
        let command = format!("htree_dump {directory}");
        run("env", &["DEBUGFS_PAGER=__none__", "debugfs", "-R", &command, self.path()])
    }

    fn open(&self) -> disk::Result<std::sync::Arc<dyn Filesystem>> {
        disk::fs::open(listing::Image::open(&self.image).unwrap())
    }

    /// Is the image listed here as the kernel lists it? Gives the listing.
    fn compare(&self) -> String {
        let theirs = {
            let mount = Mount::read_only(&self.image, self.dir.path().join("mount"));
            listing::of_mount(&mount.0).unwrap()
        };
        let ours = listing::of_filesystem(&*self.open().unwrap()).unwrap();
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
        ours
    }
}

fn names_in(fs: &dyn Filesystem, dir: InodeId) -> disk::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    fs.read_dir(dir, &mut |entry| {
        names.push(entry.name.to_vec());
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(names)
}

fn child(fs: &dyn Filesystem, dir: InodeId, name: &str) -> InodeId {
    fs.lookup(dir, name.as_bytes()).unwrap().unwrap_or_else(|| panic!("no {name}"))
}

/// One test for each set of features: name, size in megabytes, names in the largest directory, options of `mke2fs`.
macro_rules! feature_sets {
    ($($(#[$attribute:meta])* $name:ident: $megabytes:literal, $names:literal, $options:literal;)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                let case = Case::new($megabytes, $options);
                fill(&case.mount().0, $names);
                case.compare();
            }
        )*
    };
}

feature_sets! {
    ext2_revision_0: 100, 600, "-t ext2 -r 0 -O none";
    ext2: 100, 600, "-t ext2";
    ext2_1k: 100, 600, "-t ext2 -b 1024";
    ext3: 150, 600, "-t ext3";
    ext4: 150, 5000, "-t ext4";
    ext4_1k: 100, 600, "-t ext4 -b 1024";
    ext4_2k: 100, 600, "-t ext4 -b 2048";
    inodes_of_128_bytes: 100, 600, "-t ext4 -I 128";
    inodes_of_1k: 100, 600, "-t ext4 -I 1024 -O inline_data,ea_inode";
    meta_bg_1k: 150, 600, "-t ext4 -b 1024 -O meta_bg,^resize_inode";
    meta_bg_small_groups: 150, 600, "-t ext4 -O meta_bg,^resize_inode,^flex_bg -g 1024";
    bigalloc: 200, 600, "-t ext4 -O bigalloc -C 65536";
    bigalloc_1k: 200, 600, "-t ext4 -b 1024 -O bigalloc -C 16384";
    inline_data: 100, 600, "-t ext4 -O inline_data";
    inline_data_1k: 100, 600, "-t ext4 -O inline_data -I 512 -b 1024";
    ea_inode: 150, 600, "-t ext4 -O ea_inode";
    indirect_maps: 150, 600, "-t ext4 -O ^extent,^64bit";
    without_64bit: 100, 600, "-t ext4 -O ^64bit";
    uninit_bg: 100, 600, "-t ext4 -O ^metadata_csum,uninit_bg,^64bit";
    uninit_bg_64bit: 100, 600, "-t ext4 -O ^metadata_csum,uninit_bg,64bit";
    without_checksums: 100, 600, "-t ext4 -O ^metadata_csum,^uninit_bg";
    without_large_file: 100, 600, "-t ext4 -O ^huge_file,^dir_nlink,^extra_isize";
    without_filetype: 100, 600, "-t ext2 -O ^filetype";
    without_dir_index: 100, 600, "-t ext4 -O ^dir_index";
    mmp: 100, 600, "-t ext4 -O mmp";
    orphan_file: 100, 600, "-t ext4 -O orphan_file";
    fast_commit: 100, 600, "-t ext4 -O fast_commit";
    without_journal: 100, 600, "-t ext4 -O ^has_journal";
    sparse_super2: 150, 600, "-t ext4 -b 1024 -O sparse_super2 -E num_backup_sb=2";
    without_sparse_super: 150, 600, "-t ext4 -b 1024 -O ^sparse_super,^resize_inode";
    stored_checksum_seed: 100, 600, "-t ext4 -O metadata_csum_seed";
    encrypt_verity_stable_inodes: 100, 600, "-t ext4 -O encrypt,verity,stable_inodes";
    reserved_for_root: 100, 600, "-t ext4 -m 20";
}

/// Flags of the superblock: directory hashes take characters as signed or unsigned.
const SIGNED: &str = "1";
const UNSIGNED: &str = "2";

/// A superblock that does not say it is of old: Linux before 6.2 took them as signed on x86.
#[test]
fn directory_hashes() {
    for algorithm in ["legacy", "half_md4", "tea"] {
        for sign in [SIGNED, UNSIGNED] {
            let case = Case::new(64, "-t ext4 -b 1024 -N 8000");
            case.tool("tune2fs", &["-E", &format!("hash_alg={algorithm}")]);
            case.debugfs(&[&format!("set_super_value flags {sign}")]);
            fill(&case.mount().0, 2000);
            case.debugfs(&[&format!("set_super_value flags {sign}")]);
            let listing = case.compare();
            if sign == SIGNED {
                case.debugfs(&["set_super_value flags 0"]);
                assert_eq!(listing::of_filesystem(&*case.open().unwrap()).unwrap(), listing);
            }
        }
    }
}

/// Names of 250 characters that end in these have the same hash in characters without sign and with a seed of 0x11 16
/// times: the whole hash of the legacy algorithm, the larger half of that of half MD4. Found by trying.
const SAME_HASH: [(&str, &str); 2] = [
    ("legacy", "01037608 0171a1dc 0428fc4e 04f64ade 0e3a4a02 1bee0ce2 2b0b84d9 3953633b"),
    ("half_md4", "016bec6c 05aca9b2 08a046f7 0a047524 1dc1fe1f 2a7859b4 2cf6f0d8"),
];

/// Blocks of 1 KiB have three such names each: the others go on in further blocks.
#[test]
fn names_of_one_hash() {
    for (algorithm, endings) in SAME_HASH {
        let seed = "11111111-1111-1111-1111-111111111111";
        let case = Case::new(64, &format!("-t ext4 -b 1024 -E hash_seed={seed}"));
        case.tool("tune2fs", &["-E", &format!("hash_alg={algorithm}")]);
        case.debugfs(&[&format!("set_super_value flags {UNSIGNED}")]);
        let script = format!(
            "import os, sys\nos.chdir(sys.argv[1])\nopen('f', 'w').close()\nends = '{endings}'.split()\n\
            for many in 0, 3, 100, 1000:\n  for order in ends, ends[::-1]:\n    d = '%d_%s' % (many, order[0])\n\
            \x20   os.mkdir(d)\n    for i in range(many): os.link('f', d + '/%0250d' % i)\n\
            \x20   for end in order: os.link('f', d + '/' + 'n' * 242 + end)\n\
            \x20   os.mkdir('few_' + d)\n    for end in order[:3]: os.link('f', 'few_' + d + '/' + 'n' * 242 + end)"
        );
        python(&script, &case.mount().0);
        let first = endings.split(' ').next().unwrap();
        let dump = case.htree(&format!("0_{first}"));
        assert_eq!(dump.matches("(**)").count(), 2, "{dump}");
        case.compare();
    }
}

/// Directories from nothing to many blocks, some of whose names went away again.
#[test]
fn directories_of_every_size() {
    let script = "
import os, sys
os.chdir(sys.argv[1])
open('f', 'w').close()
for many in 0, 1, 2, 3, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560:
    d = 'd%d' % many
    os.mkdir(d)
    for i in range(many): os.link('f', d + '/name %d' % (i * i))
    os.mkdir(d + '-')
    for i in range(many): os.link('f', d + '-/name %d' % i)
    for i in range(0, many, 3): os.unlink(d + '-/name %d' % i)
    for i in range(0, many, 7): os.link('f', d + '-/new %d' % i)
";
    for options in [
        "-t ext2 -b 1024",
        "-t ext2 -b 1024 -O ^dir_index",
        "-t ext3 -b 1024",
        "-t ext3 -b 4096 -O ^dir_index",
        "-t ext4 -b 1024 -O inline_data",
        "-t ext4 -b 1024 -I 1024 -O inline_data",
        "-t ext4 -b 4096 -I 1024 -O inline_data,^dir_index",
        "-t ext4 -b 4096",
    ] {
        let case = Case::new(64, options);
        python(script, &case.mount().0);
        case.compare();
    }
}

/// The kernel goes through all blocks of a directory then, as they are stored.
#[test]
fn indexes_that_cannot_be_used() {
    // Bytes from that of the hash version on: version, length, levels, flags; limit (124), count.
    for change in [
        &[7][..],
        &[3],
        &[1, 16],
        &[1, 8, 2],
        &[1, 8, 0, 1],
        &[1, 8, 0, 0, 123],
        &[1, 8, 0, 0, 124, 0, 0],
        &[1, 8, 0, 0, 124, 0, 125],
    ] {
        let case = Case::new(16, "-t ext4 -b 1024 -O ^metadata_csum,^has_journal");
        python(
            "import os, sys\nos.chdir(sys.argv[1])\nos.mkdir('d')\nfor i in range(200): os.mkdir('d/%d' % i)",
            &case.mount().0,
        );
        let listed = case.compare();
        let root: u64 = case.tool("debugfs", &["-R", "bmap d 0"]).parse().unwrap();
        let image = std::fs::File::options().write(true).open(&case.image).unwrap();
        image.write_all_at(change, root * 1024 + 28).unwrap();
        assert_ne!(case.compare(), listed, "{change:?}");
    }
}

/// 60,000 names of 250 bytes in blocks of 1 KiB need an index of three levels.
#[test]
fn an_index_of_three_levels() {
    let case = Case::new(200, "-t ext4 -b 1024 -O large_dir");
    {
        let mount = case.mount();
        let script = "import os, sys\nos.chdir(sys.argv[1])\nos.mkdir('d')\nopen('f', 'w').close()\n\
            for i in range(60000): os.link('f', 'd/%0250d' % i)";
        python(script, &mount.0);
    }
    let dump = case.htree("d");
    assert!(dump.contains("Indirect levels: 2"), "{}", dump.lines().take(20).collect::<Vec<_>>().join("\n"));
    case.compare();
}

/// The features quota and project only matter to the kernel's writers: this kernel need not know quotas.
#[test]
fn quota_and_project() {
    let case = Case::new(100, "-t ext4 -I 512");
    fill(&case.mount().0, 300);
    case.tool("tune2fs", &["-O", "quota,project"]);
    case.compare();
    // The inode that keeps quotas is not an ordinary one.
    let fs = case.open().unwrap();
    assert_eq!(fs.metadata(InodeId::new(3)).unwrap_err().kind(), ErrorKind::Corrupt);
}

/// The kernel shows all 30 bits that the disk has; since 6.13 it makes seconds of those of the inode's own change, which
/// is not done here.
#[test]
fn nanoseconds_of_more_than_a_second() {
    let case = Case::new(16, "-t ext4");
    case.debugfs(&[
        "write /dev/null f",
        "set_inode_field f mtime_extra 0xffffffff",
        "set_inode_field f atime_extra 0xee6b27fc",
    ]);
    case.compare();
    case.debugfs(&["set_inode_field f ctime_extra 0xee6b2800"]);
    let fs = case.open().unwrap();
    let metadata = fs.metadata(child(&*fs, fs.root(), "f")).unwrap();
    let times = [metadata.modified, metadata.changed, metadata.accessed];
    assert_eq!(times.map(|time| time.nanoseconds), [(1 << 30) - 1, 1_000_000_000, 999_999_999]);
}

/// A directory has 1 link if it has more than 65,000 subdirectories.
#[test]
fn more_subdirectories_than_links() {
    let case = Case::new(400, "-t ext4 -N 70000");
    {
        let mount = case.mount();
        let script = "import os, sys\nos.chdir(sys.argv[1])\nfor i in range(65100): os.mkdir(str(i))";
        python(script, &mount.0);
    }
    let listing = case.compare();
    let root: Vec<_> = listing.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!((root[0], root[4]), ("/", "1"));
}

/// Blocks larger than memory pages, which few kernels can mount.
#[test]
fn blocks_of_64k() {
    let case = Case::new(200, "-F -t ext4 -b 65536");
    let source = case.dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    for i in 0..700 {
        std::fs::write(source.join(format!("{i:0200}")), i.to_string()).unwrap();
    }
    mke2fs(&case.image, 200 << 20, &format!("-F -t ext4 -b 65536 -d {}", source.to_str().unwrap()));
    case.tool("e2fsck", &["-fyD"]);
    let fs = case.open().unwrap();
    assert_eq!(names_in(&*fs, fs.root()).unwrap().len(), 701);
    for i in 0..700 {
        let inode = child(&*fs, fs.root(), &format!("{i:0200}"));
        let mut content = [0; 8];
        let count = fs.open(inode).unwrap().read_at(0, &mut content).unwrap();
        assert_eq!(&content[..count], i.to_string().as_bytes());
    }
}

#[test]
fn names_in_directories_that_ignore_case() {
    let case = Case::new(32, "-t ext4 -O casefold -E encoding=utf8");
    case.debugfs(&[
        "mkdir d",
        "mkdir d/Upper",
        "mkdir d/lower",
        "mkdir e",
        "mkdir e/Stra\u{df}e",
        "set_inode_field d flags 0x40080000",
        "set_inode_field e flags 0x40080000",
    ]);
    let fs = case.open().unwrap();
    let (d, e) = (child(&*fs, fs.root(), "d"), child(&*fs, fs.root(), "e"));
    for (name, found) in [("UPPER", "Upper"), ("upper", "Upper"), ("LOWER", "lower"), ("lower", "lower")] {
        assert_eq!(child(&*fs, d, name), child(&*fs, d, found), "{name}");
    }
    assert_eq!(fs.lookup(d, b"other").unwrap(), None);
    assert_eq!(fs.lookup(fs.root(), b"D").unwrap(), None);
    // Exact names need no folding; others hang on what folds into what.
    assert!(fs.lookup(e, "Stra\u{df}e".as_bytes()).unwrap().is_some());
    for name in ["STRASSE", "stra\u{df}e", "other"] {
        assert_eq!(fs.lookup(e, name.as_bytes()).unwrap_err().kind(), ErrorKind::Unsupported, "{name}");
    }
}

#[test]
fn encrypted_names_and_contents_are_refused_and_the_rest_is_read() {
    let case = Case::new(32, "-t ext4 -O encrypt");
    case.debugfs(&[
        "mkdir secret",
        "mkdir secret/name",
        "mkdir open",
        "symlink link target",
        "set_inode_field secret flags 0x80800",
        "set_inode_field link flags 0x800",
    ]);
    let fs = case.open().unwrap();
    assert_eq!(names_in(&*fs, fs.root()).unwrap().len(), 4);
    let secret = child(&*fs, fs.root(), "secret");
    fs.metadata(secret).unwrap();
    assert_eq!(names_in(&*fs, secret).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fs.lookup(secret, b"name").unwrap_err().kind(), ErrorKind::Unsupported);
    let link = child(&*fs, fs.root(), "link");
    assert_eq!(fs.read_link(link).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fs.metadata(link).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let unknown = |path: &Path| {
        let fs = disk::fs::open(listing::Image::open(path).unwrap());
        let error = fs.map(|_| ()).unwrap_err();
        (error.kind(), error.to_string())
    };
    let case = Case::new(32, "-t ext4 -O ^metadata_csum");
    case.debugfs(&["set_super_value feature_incompat 0x800012c2"]);
    let (kind, what) = unknown(&case.image);
    assert_eq!((kind, what.as_str()), (ErrorKind::Unsupported, "ext features dirdata, FEATURE_I31"));

    let journal = Case::new(32, "-O journal_dev");
    let (kind, what) = unknown(&journal.image);
    assert_eq!(
        (kind, what.as_str()),
        (ErrorKind::Unsupported, "an external ext journal device, not a filesystem")
    );

    let swap = Case::new(32, "-t ext2");
    empty_image(&swap.image, 1 << 20);
    assert_eq!(unknown(&swap.image).0, ErrorKind::NotFound);
    swap.tool("mkswap", &["-q"]);
    assert_eq!(unknown(&swap.image), (ErrorKind::Unsupported, "a filesystem of type swap".to_owned()));
}
