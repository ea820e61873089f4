//! Unclean ext3 and ext4 filesystems: what we read must be what the kernel shows after it has replayed the journal of
//! a copy, or be refused.
//!
//! Runs as root; needs e2fsprogs, xfsprogs, python3 and loop devices. `CRASH_ROUNDS=n` makes n images of each kind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use disk::ErrorKind;

use kernel::{Mount, chain, differences, now, run};
use listing::Image;

/// How many images are made at the same time. Making one is mostly waiting.
const WORKERS: usize = 4;

/// Size of each image.
const IMAGE_SIZE: &str = "96M";

/// Name, options of mke2fs, options of mount, flags of the shutdown ioctl.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// `journal_async_commit` is not to be had with data=ordered; -J size=1 and size=4 make the smallest journals there are
/// with blocks of 1 and 4 KiB.
const CASES: &[Case] = &[
    ("ext3", "-t ext3 -b 4096", "rw", ""),
    ("ext3, flushed", "-t ext3 -b 4096", "rw", "-f"),
    ("ext3 of 1 KiB blocks, data=journal", "-t ext3 -b 1024", "data=journal", ""),
    ("ext3, data=journal, small journal", "-t ext3 -b 4096 -J size=4", "data=journal", ""),
    ("ext3, data=writeback", "-t ext3 -b 2048", "data=writeback", "-f"),
    ("ext4", "-t ext4 -b 4096", "rw", ""),
    ("ext4, flushed", "-t ext4 -b 4096", "rw", "-f"),
    ("ext4 of 1 KiB blocks, small journal", "-t ext4 -b 1024 -J size=1", "rw", ""),
    ("ext4 of 1 KiB blocks, data=journal", "-t ext4 -b 1024 -J size=2", "data=journal", "-f"),
    ("ext4, small journal", "-t ext4 -b 4096 -J size=4", "rw", "-f"),
    ("ext4, data=journal, small journal", "-t ext4 -b 4096 -J size=4", "data=journal", ""),
    ("ext4, ^metadata_csum", "-t ext4 -b 4096 -O ^metadata_csum", "rw", ""),
    ("ext4, ^64bit", "-t ext4 -b 4096 -O ^64bit", "rw", ""),
    (
        "ext4, ^64bit, ^metadata_csum, data=journal",
        "-t ext4 -b 1024 -O ^64bit,^metadata_csum",
        "data=journal",
        "",
    ),
    ("ext4, journal_checksum v1", "-t ext4 -O ^metadata_csum", "journal_checksum", ""),
    (
        "ext4, journal_checksum v1, data=journal",
        "-t ext4 -O ^metadata_csum",
        "journal_checksum,data=journal",
        "-f",
    ),
    (
        "ext4, async commit, v1",
        "-t ext4 -b 4096 -O ^metadata_csum",
        "journal_async_commit,data=writeback",
        "",
    ),
    ("ext4, async commit, v3", "-t ext4 -b 4096", "journal_async_commit,data=writeback", ""),
    ("ext4, orphan_file", "-t ext4 -b 4096 -O orphan_file", "rw", ""),
    ("ext4, orphan_file, data=journal", "-t ext4 -b 1024 -O orphan_file", "data=journal", "-f"),
    ("ext4, ^extent", "-t ext4 -b 1024 -O ^extent,^64bit", "rw", ""),
    ("ext4, inline_data", "-t ext4 -b 4096 -O inline_data", "rw", "-f"),
    ("ext4, bigalloc", "-t ext4 -b 4096 -O bigalloc", "rw", ""),
    ("ext4, fast_commit", "-t ext4 -b 4096 -O fast_commit -J size=8", "rw", ""),
    ("ext4, fast_commit, flushed", "-t ext4 -b 1024 -O fast_commit -J size=8", "rw", "-f"),
];

/// What came of one image.
enum Outcome {
    /// All of its names are as the kernel shows them.
    Same {
        names: usize,
        replayed: usize,
        touched: usize,
    },
    /// It was refused, for this reason.
    Refused(String),
    Different(Vec<String>),
}

fn crash_image(case: &Case, seed: usize, image: &Path) {
    let (_, mkfs, mount, flags) = case;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/crash_image.sh");
    let commits = (10 + seed % 25).to_string();
    let seed = seed.to_string();
    let mut args =
        vec![image.to_str().unwrap(), IMAGE_SIZE, mount, &seed, &commits, flags, "mke2fs", "-q", "-F"];
    args.extend(mkfs.split(' '));
    run(script, &args);
}

/// How many blocks of 1 KiB the kernel's mount changed.
fn blocks_that_differ(image: &Path, copy: &Path) -> usize {
    let (image, copy) = (fs::read(image).unwrap(), fs::read(copy).unwrap());
    image.chunks(1024).zip(copy.chunks(1024)).filter(|(a, b)| a != b).count()
}

fn compare(case: &Case, seed: usize, dir: &Path) -> Outcome {
    let image = dir.join(format!("{seed}.img"));
    let copy = dir.join(format!("{seed}.copy.img"));
    crash_image(case, seed, &image);
    // Before the kernel is asked: it has been seen to fail on fast commits, which are refused here.
    let ours = disk::fs::open(Image::open(&image).unwrap()).and_then(|fs| listing::of_filesystem(&*fs));
    let ours = match ours {
        Ok(ours) => ours,
        Err(e) if e.kind() == ErrorKind::Unsupported => return Outcome::Refused(chain(&e)),
        Err(e) => return Outcome::Different(vec![chain(&e)]),
    };
    run("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]);
    // The times of the churn must be told from those of the mount.
    thread::sleep(Duration::from_millis(1100));
    let mounted = now();
    let mount = Mount::read_only(&copy, dir.join(format!("{seed}.mnt")));
    let kernels = listing::of_mount(&mount.0).unwrap();
    drop(mount);
    let replayed = blocks_that_differ(&image, &copy);
    let (differences, touched) = differences(&ours, &kernels, mounted);
    if !differences.is_empty() {
        return Outcome::Different(differences);
    }
    fs::remove_file(&image).unwrap();
    fs::remove_file(&copy).unwrap();
    Outcome::Same { names: ours.lines().count(), touched, replayed }
}

#[test]
fn unclean_filesystems_read_as_the_kernel_shows_them_after_replay() {
    let rounds: usize = std::env::var("CRASH_ROUNDS").map_or(1, |n| n.parse().unwrap());
    let dir = std::env::var_os("CRASH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("ext_journal"), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= CASES.len() * rounds {
                        break;
                    }
                    let case = &CASES[n % CASES.len()];
                    let outcome = compare(case, n * 10 + 1, &dir);
                    outcomes.lock().unwrap().push((n, case.0, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let (mut same, mut refused, mut different) = (0, 0, 0);
    for (n, name, outcome) in &outcomes {
        match outcome {
            Outcome::Same { names, touched, replayed } => {
                same += 1;
                println!(
                    "{n} {name}: {names} names the same, {replayed} blocks replayed, {touched} files truncated"
                );
                // Superblock, journal superblock, and something that matters.
                assert!(*replayed > 5, "{name}: there was nothing to replay");
            }
            Outcome::Refused(why) => {
                refused += 1;
                println!("{n} {name}: refused: {why}");
                assert!(name.contains("fast_commit"), "{name}: {why}");
            }
            Outcome::Different(differences) => {
                different += 1;
                println!("{n} {name}: {} differences", differences.len());
                for difference in differences.iter().take(8) {
                    println!("    {difference}");
                }
            }
        }
    }
    println!("{same} the same, {refused} refused, {different} different");
    assert_eq!(same + refused, CASES.len() * rounds);
}
