//! XFS filesystems that were not unmounted: what we read must be what the kernel shows after it has replayed the log of
//! a copy, or be refused.
//!
//! Runs as root; needs xfsprogs, python3 and loop devices. `CRASH_ROUNDS=n` makes n images of each kind, and the images
//! that take long, too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use disk::ErrorKind;

use kernel::{Mount, chain, differences, now, run};
use listing::Image;

/// How many images are made at the same time. Making one is mostly waiting.
const WORKERS: usize = 3;

/// How many fsyncs there are before the end; each writes to the log. With the number of an image they vary.
const LEAST_COMMITS: usize = 20;

struct Case {
    name: &'static str,
    /// Size of the image. mkfs.xfs makes logs of about 10 MiB in small ones.
    size: &'static str,
    mkfs: &'static str,
    mount: &'static str,
    /// Flags of the shutdown.
    flags: &'static str,
    /// Takes long.
    long: bool,
}

const fn case(name: &'static str, size: &'static str, mkfs: &'static str, flags: &'static str) -> Case {
    Case { name, size, mkfs, mount: "rw", flags, long: false }
}

const fn long(case: Case) -> Case {
    Case { long: true, ..case }
}

const CASES: &[Case] = &[
    case("plain", "128M", "-m reflink=0", ""),
    long(case("plain, flushed", "128M", "-m reflink=0", "-f")),
    case("reflink", "128M", "-m reflink=1", ""),
    case("reflink, flushed", "128M", "-m reflink=1", "-f"),
    case("owners", "128M", "-m rmapbt=1,reflink=1", "-f"),
    case("blocks of 1 KiB", "128M", "-b size=1024 -m rmapbt=1", "-f"),
    case("log unit of 64 KiB", "128M", "-l su=65536", "-f"),
    Case { mount: "logbsize=256k", ..case("records of 256 KiB", "128M", "", "-f") },
    case("small log", "64M", "-d agcount=2 -l size=1368b", "-f"),
    long(case("no free inode B-tree", "128M", "-m finobt=0,reflink=0", "-f")),
    long(case("old times", "128M", "-m bigtime=0", "-f")),
    long(case("many extents", "128M", "-i nrext64=1", "-f")),
    long(case("large inodes", "128M", "-i size=2048", "-f")),
    long(case("no sparse inodes", "128M", "-i sparse=0", "-f")),
    long(case("directory blocks of 16 KiB", "128M", "-n size=16384", "-f")),
    long(case("blocks of 64 KiB", "700M", "-b size=65536", "-f")),
    long(case("blocks of 2 KiB, counts of inode blocks", "128M", "-b size=2048 -m inobtcount=1", "")),
    long(case("sectors of 4 KiB", "128M", "-s size=4096", "-f")),
    long(case("log unit of 256 KiB", "160M", "-l su=262144", "-f")),
    long(case("log unit of 4 KiB, not flushed", "128M", "-l su=4096", "")),
    long(case("smallest log", "64M", "-d agcount=1 -m finobt=0,reflink=0 -l size=864b", "")),
    long(case("one group", "128M", "-d agcount=1 -m rmapbt=1,reflink=1", "-f")),
    long(case("many groups", "300M", "-d agcount=16", "-f")),
    long(case("large", "700M", "-m rmapbt=1,reflink=1", "-f")),
    long(Case { mount: "logbsize=16k,logbufs=2", ..case("records of 16 KiB", "128M", "", "-f") }),
    long(Case { mount: "wsync", ..case("synchronous", "128M", "", "") }),
    long(Case { mount: "ikeep", ..case("inodes are kept", "128M", "", "-f") }),
    long(Case { mount: "swalloc,largeio,inode32", ..case("all inodes below", "128M", "-m reflink=1", "-f") }),
];

/// What came of one image.
enum Outcome {
    /// All of its names are as the kernel shows them.
    Same {
        names: usize,
        replayed: usize,
        /// `statvfs` was refused.
        stats_refused: bool,
    },
    /// It was refused, for this reason.
    Refused(String),
    Different(Vec<String>),
}

fn crash_image(case: &Case, seed: usize, image: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/crash_image.sh");
    let commits = (LEAST_COMMITS + seed % 60).to_string();
    let seed = seed.to_string();
    let image = image.to_str().unwrap();
    let mut command = Command::new(script);
    command.args([image, case.size, case.mount, &seed, &commits, case.flags, "mkfs.xfs", "-q", "-f"]);
    // So small a filesystem is for tests only.
    command.arg("--unsupported");
    command.args(case.mkfs.split_whitespace());
    command.env("CHURN", "churn_xfs.py");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {stderr}", output.status);
}

/// How many blocks of 512 bytes the kernel's mount changed.
fn blocks_that_differ(image: &Path, copy: &Path) -> usize {
    let (image, copy) = (fs::read(image).unwrap(), fs::read(copy).unwrap());
    image.chunks(512).zip(copy.chunks(512)).filter(|(a, b)| a != b).count()
}

/// Mounts need a UUID each: that of a copy is the same.
fn mount_copy(copy: &Path, dir: PathBuf) -> Mount {
    Mount::new("ro,nouuid", copy, dir)
}

fn compare(case: &Case, seed: usize, dir: &Path) -> Outcome {
    let image = dir.join(format!("{seed}.img"));
    let copy = dir.join(format!("{seed}.copy.img"));
    crash_image(case, seed, &image);
    let ours = disk::fs::open(Image::open(&image).unwrap()).and_then(|fs| listing::of_filesystem(&*fs));
    let ours = match ours {
        Ok(ours) => ours,
        Err(e) if e.kind() == ErrorKind::Unsupported => return Outcome::Refused(chain(&e)),
        Err(e) => return Outcome::Different(vec![chain(&e)]),
    };
    run("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]);
    thread::sleep(Duration::from_millis(1100));
    let mounted = now();
    let mount = mount_copy(&copy, dir.join(format!("{seed}.mnt")));
    let kernels = listing::of_mount(&mount.0).unwrap();
    drop(mount);
    let replayed = blocks_that_differ(&image, &copy);
    let stats_refused = ours.starts_with("statvfs refused");
    let (ours, kernels) = (comparable(&ours, stats_refused), comparable(&kernels, stats_refused));
    let (differences, _) = differences(&ours, &kernels, mounted);
    if !differences.is_empty() {
        return Outcome::Different(differences);
    }
    fs::remove_file(&image).unwrap();
    fs::remove_file(&copy).unwrap();
    Outcome::Same { names: ours.lines().count(), replayed, stats_refused }
}

/// A listing without the number of the filesystem, which the kernel makes of that of the device, and without any
/// number of `statvfs` if they are not known.
fn comparable(listing: &str, stats_refused: bool) -> String {
    let (first, rest) = listing.split_once('\n').unwrap();
    let fields: Vec<_> = first.split(' ').collect();
    let kept = if stats_refused { String::new() } else { fields[..fields.len() - 2].join(" ") };
    format!("{kept}\n{rest}")
}

#[test]
fn unclean_filesystems_read_as_the_kernel_shows_them_after_replay() {
    let rounds = std::env::var("CRASH_ROUNDS").ok().map(|n| n.parse::<usize>().unwrap());
    let dir = std::env::var_os("CRASH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("xfs_log"), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    let cases: Vec<_> = CASES.iter().filter(|case| rounds.is_some() || !case.long).collect();
    let count = cases.len() * rounds.unwrap_or(1);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let case = &cases[n % cases.len()];
                    let outcome = compare(case, n * 10 + 1, &dir);
                    outcomes.lock().unwrap().push((n, case.name, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let (mut same, mut no_stats, mut refused, mut different) = (0, 0, 0, 0);
    for (n, name, outcome) in &outcomes {
        match outcome {
            Outcome::Same { names, replayed, stats_refused } => {
                same += 1;
                no_stats += usize::from(*stats_refused);
                let stats = if *stats_refused { ", but for statvfs" } else { "" };
                println!("{n} {name}: {names} names the same{stats}, {replayed} blocks replayed");
                assert!(*replayed > 20, "{name}: there was nothing to replay");
            }
            Outcome::Refused(why) => {
                refused += 1;
                println!("{n} {name}: refused: {why}");
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
    println!("{same} the same ({no_stats} but for statvfs), {refused} refused, {different} different");
    assert_eq!(different, 0);
    // Changes of shared blocks may be cut off in the middle, but seldom are.
    assert!(refused * 4 <= count, "{refused} of {count} refused");
}
