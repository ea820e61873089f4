//! Damaged ext filesystems: read as if nothing had happened or refused, in bounded time and memory.
//!
//! Needs root, loop devices, and Debian's packages e2fsprogs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod listing;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use disk::fs::Filesystem;
use disk::{MemSource, ReadAt};
use kernel::{Mount, mke2fs, python};
use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

/// How long one mutant may take, in processor time. Without optimisation and on a busy machine they take some 10 ms.
const TIME: Duration = Duration::from_secs(2);
/// How much memory all of them may take, in KiB: the limit for a tool is 256 MiB.
const MEMORY: i64 = 256 << 10;
/// A walk ends after this many names: mutants can contain themselves.
const NAMES: usize = 3000;
/// How much is read of each file, in bytes.
const CONTENT: usize = 1 << 20;

/// Xorshift of Marsaglia, 64 bits: the same mutants every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// An image with some bytes changed.
#[derive(Debug)]
struct Mutant {
    image: MemSource,
    changes: Vec<(u64, u8)>,
}

impl ReadAt for Mutant {
    fn len(&self) -> u64 {
        self.image.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.image.read_at(offset, buf)?;
        for (at, byte) in &self.changes {
            if let Some(target) = at.checked_sub(offset).and_then(|at| buf.get_mut(at as usize)) {
                *target = *byte;
            }
        }
        Ok(())
    }
}

/// Makes a filesystem of `kilobytes` with what `mke2fs` makes of `options`, filled by a Python script.
fn image(kilobytes: u64, options: &str, script: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image");
    mke2fs(&path, kilobytes << 10, options);
    python(script, &Mount::writable(&path, dir.path().join("mount")).0);
    std::fs::read(&path).unwrap()
}

/// Bytes that are worth changing: those in pieces of 64 bytes that are not all zeros.
fn interesting(image: &[u8]) -> Vec<usize> {
    let pieces = image.chunks(64).enumerate().filter(|(_, piece)| piece.iter().any(|b| *b != 0));
    pieces.flat_map(|(nr, piece)| nr * 64..nr * 64 + piece.len()).collect()
}

/// Reads everything there is, whatever fails. Gives the number of names.
fn read_all(fs: &dyn Filesystem) -> usize {
    let _ = fs.stat_fs();
    let mut names = 0;
    let mut todo = vec![fs.root()];
    let mut buf = vec![0; CONTENT / 16];
    while let Some(inode) = todo.pop() {
        let _ = fs.xattrs(inode);
        let _ = fs.read_link(inode);
        if let Ok(mut file) = fs.open(inode) {
            let _ = file.next_data(0);
            for nr in 0..16 {
                let _ = file.read_at(file.len() / 16 * nr, &mut buf);
            }
        }
        let _ = fs.read_dir(inode, &mut |entry| {
            names += 1;
            if names > NAMES {
                return ControlFlow::Break(());
            }
            if names % 8 == 0 {
                let _ = fs.lookup(inode, entry.name);
            }
            if fs.metadata(entry.inode).is_ok() {
                todo.push(entry.inode);
            }
            ControlFlow::Continue(())
        });
        if names > NAMES {
            break;
        }
    }
    names
}

fn processor_time() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    of(used.user_time()) + of(used.system_time())
}

const FULL: &str = "
import os, sys, random
rnd = random.Random(2)
os.chdir(sys.argv[1])
os.mkdir('d')
for i in range(150): open('d/%040d' % i, 'w').close()
with open('pieces', 'wb') as f:
    for i in range(0, 60, 2): os.pwrite(f.fileno(), b'piece' * 100, i * 4096)
    os.pwrite(f.fileno(), b'far', 300 << 20)
open('inline', 'wb').write(b'inline')
open('more', 'wb').write(b'm' * 130)
os.mkdir('i')
for i in range(8): open('i/name%d' % i, 'w').close()
os.symlink('short', 'short')
os.symlink('long/' * 60, 'long')
os.setxattr('pieces', 'user.a', b'value')
os.setxattr('pieces', 'user.b', b'v' * 400)
try: os.setxattr('inline', 'user.c', b'v' * 2500)
except OSError: pass
os.mknod('node', 0o20600, os.makedev(4, 5))
";

fn mutants_are_bounded(options: &str, count: usize) {
    let image = image(4096, options, FULL);
    let places = interesting(&image);
    let source = MemSource::new(image.clone());
    let whole = read_all(&*disk::fs::open(Arc::new(source.clone())).unwrap());
    assert!(whole > 160, "{whole} names");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut opened = 0;
    for nr in 0..count {
        let mut changes = Vec::new();
        for _ in 0..=random.below(3) {
            let at = places[random.below(places.len())];
            let old = image[at];
            let new = match random.below(6) {
                0 => 0,
                1 => 0xFF,
                2 => old.wrapping_add(1),
                3 => old.wrapping_sub(1),
                4 => old ^ (1 << random.below(8)),
                _ => image[places[random.below(places.len())]],
            };
            changes.push((at as u64, new));
        }
        let start = processor_time();
        let mutant = Mutant { image: source.clone(), changes };
        let what = format!("{options}: mutant {nr}: {:x?}", mutant.changes);
        if let Ok(fs) = disk::fs::open(Arc::new(mutant)) {
            read_all(&*fs);
            opened += 1;
        }
        let taken = processor_time() - start;
        assert!(taken < TIME, "{what} took {taken:?}");
    }
    assert!(opened > count / 2, "only {opened} of {count} mutants of {options} could be opened");
    let peak = getrusage(UsageWho::RUSAGE_SELF).unwrap().max_rss();
    assert!(peak < MEMORY, "{options}: {peak} KiB");
}

#[test]
fn mutants_with_extents() {
    mutants_are_bounded("-t ext4 -b 1024 -O ^has_journal,^metadata_csum,^uninit_bg,large_dir", 3000);
}

#[test]
fn mutants_with_indirect_maps() {
    mutants_are_bounded("-t ext2 -b 1024", 3000);
}

#[test]
fn mutants_with_inline_data_and_attribute_inodes() {
    let options = "-t ext4 -b 1024 -O ^has_journal,^metadata_csum,^uninit_bg,inline_data,ea_inode";
    mutants_are_bounded(options, 3000);
}

#[test]
fn mutants_with_checksums() {
    mutants_are_bounded("-t ext4 -b 1024 -O ^has_journal", 1500);
}

/// The second byte of the superblock's `s_feature_ro_compat`, and the bit of `metadata_csum` in it.
const RO_COMPAT: usize = 1024 + 0x65;
const METADATA_CSUM: u8 = 4;

/// Everything in this filesystem is metadata with checksums, so that no changed byte may go unnoticed: what is read is
/// right, or an error.
#[test]
fn no_damage_goes_unnoticed_where_there_are_checksums() {
    let script = "
import os, sys
os.chdir(sys.argv[1])
os.mkdir('d')
for i in range(150): open('d/%040d' % i, 'w').close()
with open('holes', 'wb') as f: f.truncate(1 << 30)
with open('reserved', 'wb') as f:
    for i in range(0, 40, 2): os.posix_fallocate(f.fileno(), i * 4096, 1024)
open('inline', 'wb').write(b'inline' * 15)
os.mkdir('i')
for i in range(8): open('i/name%d' % i, 'w').close()
os.symlink('short', 'short')
os.setxattr('holes', 'user.a', b'value')
os.setxattr('holes', 'user.b', b'v' * 400)
os.setxattr('inline', 'user.c', b'v' * 2500)
os.mknod('node', 0o20600, os.makedev(4, 5))
";
    let options = "-t ext4 -b 1024 -O ^has_journal,inline_data,ea_inode";
    let image = image(4096, options, script);
    let places = interesting(&image);
    let source = MemSource::new(image.clone());
    let list = |source: Arc<dyn ReadAt>| disk::fs::open(source).and_then(|fs| listing::of_filesystem(&*fs));
    let right = list(Arc::new(source.clone())).unwrap();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut same, mut refused) = (0, 0);
    for _ in 0..2500 {
        let at = places[random.below(places.len())];
        let new = image[at] ^ (1 + random.below(255) as u8);
        if at == RO_COMPAT && new & METADATA_CSUM == 0 {
            // It says then that there are no checksums, its own included.
            continue;
        }
        let mutant = Mutant { image: source.clone(), changes: vec![(at as u64, new)] };
        match list(Arc::new(mutant)) {
            Ok(listing) => {
                assert!(listing == right, "byte {at:#x} from {:#x} to {new:#x} goes unnoticed", image[at]);
                same += 1;
            }
            Err(_) => refused += 1,
        }
    }
    // Unused inodes, bitmaps and backups are not read.
    assert!(refused > 500 && same > 100, "{refused} refused, {same} the same");
}

/// Block maps that are made of a few blocks and have 2^30 pieces: each call ends soon.
#[test]
fn maps_of_endless_pieces() {
    const BLOCK: usize = 4096;
    // Blocks from here on are free; a pointer of this value is also an unused directory entry of a whole block.
    const FREE: u32 = 4096;
    // What each pointer of these blocks is, even and odd ones.
    let blocks = [(0, FREE), (FREE + 1, FREE + 1), (0, 0), (FREE + 2, FREE + 2), (FREE + 3, FREE + 3)];
    let names = ["every_other", "itself", "", "", "zeros"];
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image");
    let features = "^extent,^has_journal,^metadata_csum,^64bit,^dir_index,large_dir";
    mke2fs(&path, 32 << 20, &format!("-t ext4 -b {BLOCK} -O {features}"));
    let mut commands = Vec::new();
    for (name, pointer) in names.iter().zip(FREE..).filter(|(name, _)| !name.is_empty()) {
        commands.push(format!("write /dev/null {name}"));
        commands.push(format!("set_inode_field {name} size {}", 1_u64 << 42));
        commands.push(format!("set_inode_field {name} block[TIND] {pointer}"));
    }
    commands.push("mkdir directory".into());
    commands.push(format!("set_inode_field directory size {}", 1_u64 << 42));
    commands.push("set_inode_field directory block[0] 0".into());
    commands.push(format!("set_inode_field directory block[TIND] {FREE}"));
    for command in &commands {
        kernel::run("debugfs", &["-w", "-R", command, path.to_str().unwrap()]);
    }
    let mut image = std::fs::read(&path).unwrap();
    for ((even, odd), block) in blocks.iter().zip(FREE as usize..) {
        let pointers = [even.to_le_bytes(), odd.to_le_bytes()].concat().repeat(BLOCK / 8);
        image[block * BLOCK..][..BLOCK].copy_from_slice(&pointers);
    }

    let fs = disk::fs::open(Arc::new(MemSource::new(image))).unwrap();
    let timed = |what: &str, call: &mut dyn FnMut()| {
        let start = processor_time();
        call();
        let taken = processor_time() - start;
        assert!(taken < TIME, "{what} took {taken:?}");
    };
    for name in names.iter().filter(|name| !name.is_empty()) {
        let mut file = fs.open(fs.lookup(fs.root(), name.as_bytes()).unwrap().unwrap()).unwrap();
        let mut at = 0;
        for _ in 0..20 {
            timed(name, &mut || {
                let range = file
                    .next_data(at)
                    .unwrap()
                    .unwrap_or_else(|| panic!("{name}: a hole of {} bytes", file.len()));
                assert!(range.start >= at && range.end > range.start, "{name}: {range:?} after {at}");
                at = range.end;
            });
        }
    }
    let directory = fs.lookup(fs.root(), b"directory").unwrap().unwrap();
    assert!(fs.metadata(directory).unwrap().size == 1 << 42);
    let unsupported = Some(disk::ErrorKind::Unsupported);
    timed("read_dir", &mut || {
        let read = fs.read_dir(directory, &mut |_| ControlFlow::Continue(()));
        assert_eq!(read.err().map(|e| e.kind()), unsupported);
    });
    timed("lookup", &mut || {
        assert_eq!(fs.lookup(directory, b"name").err().map(|e| e.kind()), unsupported);
    });
}
