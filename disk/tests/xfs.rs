//! XFS as the kernel shows it: every name of filesystems in all sets of features, field by field.
//!
//! Needs root, loop devices, and Debian's packages xfsprogs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::path::PathBuf;

use disk::fs::Filesystem;
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
for nr in range(3000):
    for f in files:
        os.pwrite(f, b'%d %d|' % (f, nr) * 40, (nr + 100) * 4096 * 2)
    if nr % 50 == 0:
        for f in files: os.fsync(f)
for f in files: os.close(f)
# What is left free is in pieces: every other file is removed.
os.mkdir('fill')
for i in range(9000):
    with open(f'fill/{i}', 'wb') as f: f.write(b'f' * 1024)
os.sync()
for i in range(0, 9000, 2): os.unlink(f'fill/{i}')
os.sync()
os.mkdir('d')
for i in range(6000): open(f'd/{"n" * 100}{i}', 'w').close()
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
