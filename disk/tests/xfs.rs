//! XFS as the kernel shows it: every name of filesystems in all sets of features, field by field.
//!
//! Needs root, loop devices, and Debian's packages xfsprogs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use disk::ErrorKind;
use disk::fs::{DeviceNumber, FileType, Filesystem, InodeId};
use kernel::{Mount, empty_image, fill, python, run};
use tempfile::TempDir;

/// A filesystem to be made and filled.
struct Case {
    dir: TempDir,
    image: PathBuf,
}

impl Case {
    /// An image of `megabytes` with what `mkfs.xfs` makes of `options`.
    fn new(megabytes: u64, options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("image");
        empty_image(&image, megabytes << 20);
        let mut args: Vec<_> = options.split_whitespace().collect();
        args.extend(["-q", image.to_str().unwrap()]);
        run("mkfs.xfs", &args);
        Case { dir, image }
    }

    /// Mounts the image so that it can be filled.
    fn mount(&self) -> Mount {
        Mount::writable(&self.image, self.dir.path().join("mount"))
    }

    /// Runs commands of `xfs_db` on the image.
    fn xfs_db(&self, commands: &[&str]) -> String {
        let mut args = vec!["-x"];
        args.extend(commands.iter().flat_map(|command| ["-c", command]));
        args.push(self.image.to_str().unwrap());
        run("xfs_db", &args)
    }

    /// Writes `bytes` at byte `at` of the superblock, and makes its checksum right.
    fn change_superblock(&self, at: usize, bytes: &[u8]) {
        const CRC: usize = 224;
        let image = fs::File::options().read(true).write(true).open(&self.image).unwrap();
        let mut sector = vec![0; 512];
        image.read_exact_at(&mut sector, 0).unwrap();
        sector[at..][..bytes.len()].copy_from_slice(bytes);
        sector[CRC..][..4].fill(0);
        let sum = crc32c::crc32c(&sector);
        sector[CRC..][..4].copy_from_slice(&sum.to_le_bytes());
        image.write_all_at(&sector, 0).unwrap();
    }

    fn refusal(&self) -> (ErrorKind, String) {
        let error = self.open().map(|_| ()).unwrap_err();
        (error.kind(), error.to_string())
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
            assert_eq!(without_id(ours), without_id(theirs));
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
        ours
    }
}

/// A line of a listing without the filesystem's ID, which is the number of the loop device.
fn without_id(line: &str) -> Vec<&str> {
    const ID: usize = 8;
    let fields = line.split(' ').enumerate();
    fields.filter(|(nr, _)| *nr != ID || !line.starts_with("statvfs")).map(|(_, field)| field).collect()
}

/// One test for each set of features: name, size in megabytes, names in the largest directory, options of `mkfs.xfs`.
macro_rules! feature_sets {
    ($($name:ident: $megabytes:literal, $names:literal, $options:literal;)*) => {
        $(
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
    defaults: 300, 5000, "";
    without_reflink: 300, 600, "-m reflink=0";
    reverse_map: 300, 600, "-m rmapbt=1";
    without_free_inode_btree: 300, 600, "-m finobt=0,inobtcount=0 -i sparse=0";
    without_newer_btrees: 300, 600, "-m finobt=0,inobtcount=0,reflink=0,rmapbt=0";
    without_big_times: 300, 600, "-m bigtime=0";
    large_extent_counts: 300, 600, "-i nrext64=1";
    inodes_of_1k: 300, 600, "-i size=1024";
    inodes_of_2k: 300, 600, "-i size=2048";
    blocks_of_1k: 300, 5000, "-b size=1024";
    blocks_of_2k: 300, 600, "-b size=2048";
    blocks_of_16k: 400, 5000, "-b size=16384";
    blocks_of_64k: 600, 2000, "-b size=65536";
    directory_blocks_of_8k: 300, 5000, "-n size=8192";
    directory_blocks_of_64k: 300, 5000, "-n size=65536";
    directory_blocks_of_64k_in_1k: 300, 5000, "-b size=1024 -n size=65536";
    sectors_of_4k: 300, 600, "-s size=4096";
    many_groups: 2600, 600, "-d agcount=32";
    two_groups: 300, 600, "-d agcount=2";
    all_space_for_inodes: 300, 600, "-i maxpct=0";
    little_space_for_inodes: 300, 600, "-i maxpct=1";
    striped: 600, 600, "-d su=64k,sw=4";
    another_uuid: 300, 600, "-m uuid=01234567-89ab-cdef-0123-456789abcdef";
}

/// Files, directories and attributes so fragmented that their extents need trees.
#[test]
fn trees_of_extents() {
    let script = r#"
import os, sys
os.chdir(sys.argv[1])
# Files take turns in getting blocks, so that no two blocks of one lie together.
files = [os.open(f'piece{i}', os.O_CREAT | os.O_WRONLY) for i in range(3)]
for nr in range(1200):
    for f in files:
        os.pwrite(f, b'%d %d|' % (f, nr) * 40, (nr + 100) * 4096 * 2)
    if nr % 50 == 0:
        for f in files: os.fsync(f)
for f in files: os.close(f)
# What is left free is in pieces: every other file is removed.
os.mkdir('fill')
for i in range(5000):
    with open(f'fill/{i}', 'wb') as f: f.write(b'f' * 1024)
os.sync()
for i in range(0, 5000, 2): os.unlink(f'fill/{i}')
os.sync()
os.mkdir('d')
for i in range(4000): open(f'd/{"n" * 100}{i}', 'w').close()
open('a', 'w').close()
for i in range(700): os.setxattr('a', f'user.attribute{i}', b'v' * 900)
for i in range(0, 700, 3): os.removexattr('a', f'user.attribute{i}')
"#;
    for (options, megabytes) in [("-b size=1024 -m reflink=0", 300), ("-b size=4096 -i nrext64=1", 300)] {
        let case = Case::new(megabytes, options);
        python(script, &case.mount().0);
        for (path, fork) in [("/piece0", "core.format"), ("/d", "core.format"), ("/a", "core.aformat")] {
            let format = case.xfs_db(&[&format!("path {path}"), &format!("print {fork}")]);
            assert_eq!(format, format!("{fork} = 3 (btree)"), "{options}: {path}");
        }
        case.compare();
    }
}

/// Where `sb_features_incompat` lies.
const INCOMPATIBLE: usize = 216;

/// Features that `mkfs.xfs` does not know yet: each file has an attribute, not shown, that names its parent.
#[test]
fn exchange_and_parent() {
    let case = Case::new(300, "");
    // ftype, sparse, bigtime, exchange, parent.
    case.change_superblock(INCOMPATIBLE, &0xCB_u32.to_be_bytes());
    fill(&case.mount().0, 600);
    case.compare();
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    use ErrorKind::{Corrupt, Unsupported};
    let case = Case::new(300, "");
    case.open().unwrap();
    for (incompatible, kind, what) in [
        (0x8000_010B, Unsupported, "XFS features metadir, incompat_31"),
        (0x1B, Corrupt, "an XFS filesystem that a broken-off repair left behind"),
    ] {
        case.change_superblock(INCOMPATIBLE, &u32::to_be_bytes(incompatible));
        assert_eq!(case.refusal(), (kind, what.to_owned()));
    }
    // Unknown features that matter for writing only.
    case.change_superblock(INCOMPATIBLE, &0xB_u32.to_be_bytes());
    case.change_superblock(INCOMPATIBLE - 4, &0x8000_000D_u32.to_be_bytes());
    case.open().unwrap();
    fs::File::options().write(true).open(&case.image).unwrap().write_all_at(&[1], 300).unwrap();
    assert_eq!(case.refusal().0, Corrupt);

    let case = Case::new(300, "-m crc=0 -n version=ci");
    assert_eq!(case.refusal(), (Unsupported, "an XFS filesystem whose names ignore case".to_owned()));
    let dir = TempDir::new().unwrap();
    let other = dir.path().join("other");
    empty_image(&other, 100 << 20);
    let case = Case::new(300, &format!("-l logdev={},size=64m", other.display()));
    assert_eq!(case.refusal(), (Unsupported, "an XFS filesystem with its log on another device".to_owned()));
    let case = Case::new(300, &format!("-r rtdev={}", other.display()));
    assert_eq!(case.refusal(), (Unsupported, "an XFS filesystem with a realtime device".to_owned()));
}

/// Kernels of today do not mount version 4: `mkfs.xfs` fills it, and says what it should hold.
#[test]
fn version_4() {
    let dir = TempDir::new().unwrap();
    let (text, prototype) = (dir.path().join("text"), dir.path().join("prototype"));
    let content: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(&text, &content).unwrap();
    // Directories in the inode, of one block, with one leaf, and with a tree of them.
    let counts = [("short", 3), ("block", 50), ("leaf", 300), ("node", 3000)];
    let name = |i: u32| format!("{}{i}", "n".repeat(i as usize % 40));
    let mut lines = "none\n0 0\nd--755 1 2\n".to_owned();
    for (directory, count) in counts {
        lines += &format!("{directory} d--750 3 4\n");
        lines.extend((0..count).map(|i| format!("{} p--600 5 6\n", name(i))));
        lines += "$\n";
    }
    lines += &format!("text -u-640 7 8 {}\nnode_b b--600 0 0 300 70000\n", text.display());
    lines += &format!("short_link l--777 0 0 target\nlong_link l--777 0 0 {}\n$\n", "t".repeat(900));
    fs::write(&prototype, lines).unwrap();
    for options in
        ["", "-n ftype=0 -i size=512", "-b size=512 -l lazy-count=0", "-b size=1024 -n size=8192 -i attr=1"]
    {
        let case = Case::new(300, &format!("-m crc=0,finobt=0 {options} -p {}", prototype.display()));
        let fs = case.open().unwrap();
        let child = |dir: InodeId, name: &str| fs.lookup(dir, name.as_bytes()).unwrap().unwrap();
        for (directory, count) in counts {
            let dir = child(fs.root(), directory);
            let mut names = Vec::new();
            fs.read_dir(dir, &mut |entry| {
                let file_type = (!options.contains("ftype=0")).then_some(FileType::Fifo);
                assert_eq!(entry.file_type, file_type);
                names.push((entry.name.to_vec(), entry.inode));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(names.len(), count as usize, "{options}: {directory}");
            for i in 0..count {
                let inode = child(dir, &name(i));
                assert!(names.contains(&(name(i).into_bytes(), inode)), "{options}: {directory}/{i}");
                let metadata = fs.metadata(inode).unwrap();
                let seen =
                    (metadata.file_type, metadata.permissions, metadata.uid, metadata.gid, metadata.links);
                assert_eq!(seen, (FileType::Fifo, 0o600, 5, 6, 1));
            }
            assert_eq!(fs.lookup(dir, b"nothing").unwrap(), None);
        }
        let text = child(fs.root(), "text");
        let mut read = vec![0; content.len() + 1];
        assert_eq!(fs.open(text).unwrap().read_at(0, &mut read).unwrap(), content.len());
        assert!(read[..content.len()] == content, "{options}");
        let metadata = fs.metadata(text).unwrap();
        assert_eq!((metadata.permissions, metadata.size, metadata.created), (0o4640, 100_000, None));
        let device = fs.metadata(child(fs.root(), "node_b")).unwrap().device;
        assert_eq!(device, DeviceNumber { major: 300, minor: 70000 });
        assert_eq!(fs.read_link(child(fs.root(), "short_link")).unwrap(), "target");
        assert_eq!(fs.read_link(child(fs.root(), "long_link")).unwrap(), "t".repeat(900));
        let stats = fs.stat_fs().unwrap();
        let used = 3 + 50 + 300 + 3000 + 4 + 4 + 3;
        assert_eq!(stats.files - stats.files_free, used, "{options}");
    }
}
