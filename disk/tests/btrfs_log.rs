//! Unclean btrfs filesystems, with logs of what was fsynced: what we read must be what the kernel shows after it has
//! replayed the log of a copy, or be refused.
//!
//! The images are snapshots of a filesystem at work: its image lies on an xfs, which clones files as of one moment. What
//! was written until then is in the clone, what was not is not: just as in the snapshot of a running guest's disk.
//!
//! Runs as root; needs btrfs-progs, xfsprogs, python3 and loop devices. `CRASH_ROUNDS=n` makes n times as many images.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use disk::ErrorKind;

use kernel::{Mount, chain, differences, empty_image, now, run};
use listing::Image;

/// How many filesystems are at work at the same time.
const WORKERS: usize = 2;
/// Snapshots that are taken of each filesystem.
const SNAPSHOTS: usize = 4;

/// Options of mkfs.btrfs, options of mount.
type Case = (&'static str, &'static str);

/// The trees are written every 300 seconds and by `sync` only: all that is fsynced goes into the log.
const CASES: &[Case] = &[
    ("", "rw"),
    ("-O ^no-holes", "compress=zstd"),
    ("--csum xxhash", "compress-force=lzo"),
    ("-O ^no-holes -n 4096 --mixed", "rw"),
    ("--csum blake2 -n 65536", "max_inline=4095"),
    ("-O ^no-holes", "nodatacow"),
    ("-R ^free-space-tree", "compress=zlib,nodatasum"),
];

/// What came of one image.
enum Outcome {
    /// There was no log to be replayed, and all names are as the kernel shows them.
    Clean,
    /// All names are as the kernel shows them after the replay.
    Same {
        names: usize,
        touched: usize,
    },
    /// It was refused, for this reason.
    Refused(String),
    Different(Vec<String>),
}

/// A loop device, until it is dropped; btrfs forgets it then.
struct Loop(String);

impl Loop {
    fn new(image: &Path) -> Self {
        Loop(run("losetup", &["--find", "--show", image.to_str().unwrap()]))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        for _ in 0..20 {
            let _ = Command::new("btrfs").args(["device", "scan", "--forget", &self.0]).output();
            if Command::new("losetup").args(["--detach", &self.0]).status().unwrap().success() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Mounts a device.
fn mount(device: &Loop, options: &str, dir: PathBuf) -> Mount {
    fs::create_dir_all(&dir).unwrap();
    run("mount", &["-t", "btrfs", "-o", options, &device.0, dir.to_str().unwrap()]);
    Mount(dir)
}

/// A program at work on a filesystem.
struct Churn {
    child: Child,
    fsyncs: ChildStdout,
}

impl Churn {
    fn start(dir: &Path, seed: usize) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/btrfs_churn.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(dir).arg(seed.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let fsyncs = child.stdout.take().unwrap();
        Churn { child, fsyncs }
    }

    /// Waits until so many more calls of fsync were made.
    fn wait(&mut self, fsyncs: usize) {
        let mut dots = vec![0; fsyncs];
        // It goes on until it is killed.
        self.fsyncs.read_exact(&mut dots).unwrap();
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a filesystem, works on it and takes snapshots of it meanwhile, by the names of their files.
fn snapshots(case: &Case, seed: usize, store: &Path) -> Vec<PathBuf> {
    let (mkfs, options) = case;
    let image = store.join(format!("{seed}.img"));
    empty_image(&image, 600 << 20);
    let mut args: Vec<_> = mkfs.split_whitespace().chain(["-q", "-f"]).collect();
    args.push(image.to_str().unwrap());
    run("mkfs.btrfs", &args);
    let device = Loop::new(&image);
    let mounted = mount(&device, &format!("commit=300,{options}"), store.join(format!("{seed}.mnt")));
    // Two subvolumes, one of them a snapshot of the other, have logs of their own.
    let [sub, snapshot] = ["sub", "snapshot"].map(|name| mounted.0.join(name));
    run("btrfs", &["-q", "subvolume", "create", sub.to_str().unwrap()]);
    fs::write(sub.join("shared"), vec![b's'; 300_000]).unwrap();
    run("btrfs", &["-q", "subvolume", "snapshot", sub.to_str().unwrap(), snapshot.to_str().unwrap()]);
    let mut churn = Churn::start(&mounted.0, seed);
    let others = [Churn::start(&sub, seed + 1000), Churn::start(&snapshot, seed + 2000)];
    let mut taken = Vec::new();
    for nr in 0..SNAPSHOTS {
        churn.wait(7 + (seed * 7 + nr * 13) % 31);
        let snapshot = store.join(format!("{seed}.{nr}.img"));
        run("cp", &["--reflink=always", image.to_str().unwrap(), snapshot.to_str().unwrap()]);
        taken.push(snapshot);
    }
    drop((churn, others));
    drop(mounted);
    drop(device);
    fs::remove_file(&image).unwrap();
    taken
}

/// Where the superblock says whether there is a log. (btrfs documentation, "On-disk Format".)
const LOG_ROOT: u64 = 0x1_0060;

fn has_log(image: &Path) -> bool {
    use std::os::unix::fs::FileExt;
    let mut field = [0; 8];
    fs::File::open(image).unwrap().read_exact_at(&mut field, LOG_ROOT).unwrap();
    field != [0; 8]
}

/// Where a line of a listing has the time of the content.
const CONTENT_TIME: usize = 12;

/// All but the statistics: the replay takes space, by rules of the allocator.
fn without_statistics(listing: &str) -> &str {
    listing.split_once('\n').unwrap().1
}

fn compare(image: &Path) -> Outcome {
    let has_log = has_log(image);
    let ours = disk::fs::open(Image::open(image).unwrap()).and_then(|fs| listing::of_filesystem(&*fs));
    let ours = match ours {
        Ok(ours) => ours,
        Err(e) if e.kind() == ErrorKind::Unsupported => return Outcome::Refused(chain(&e)),
        Err(e) => return Outcome::Different(vec![chain(&e)]),
    };
    // The times of the churn must be told from those of the mount.
    thread::sleep(Duration::from_millis(1100));
    let mounted = now();
    let device = Loop::new(image);
    let mount = mount(&device, "ro", image.with_extension("mnt"));
    let kernels = listing::of_mount(&mount.0).unwrap();
    drop(mount);
    drop(device);
    let (ours, kernels) = (without_statistics(&ours), without_statistics(&kernels));
    let (mut differences, touched) = differences(ours, kernels, mounted);
    // Only the times of inodes are those of the mount: contents keep theirs.
    let content_times = |listing: &str| -> Vec<String> {
        listing.lines().filter_map(|line| line.split('\t').nth(CONTENT_TIME).map(str::to_owned)).collect()
    };
    if content_times(ours) != content_times(kernels) {
        differences.push("times of contents".to_owned());
    }
    if !differences.is_empty() {
        return Outcome::Different(differences);
    }
    fs::remove_file(image).unwrap();
    if !has_log {
        return Outcome::Clean;
    }
    Outcome::Same { names: ours.lines().count(), touched }
}

#[test]
fn snapshots_of_filesystems_at_work_read_as_the_kernel_shows_them_after_replay() {
    let rounds: usize = std::env::var("CRASH_ROUNDS").map_or(1, |n| n.parse().unwrap());
    let seed: usize = std::env::var("CRASH_SEED").map_or(1, |n| n.parse().unwrap());
    let dir = std::env::var_os("CRASH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("btrfs_log"), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    let store_image = dir.join("store.img");
    empty_image(&store_image, 20 << 30);
    run("mkfs.xfs", &["-q", "-f", store_image.to_str().unwrap()]);
    let store = Mount::writable(&store_image, dir.join("store"));

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
                    for image in snapshots(case, seed + n, &store.0) {
                        let outcome = compare(&image);
                        outcomes.lock().unwrap().push((image, case, outcome));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let (mut clean, mut same, mut refused, mut different) = (0, 0, 0, 0);
    for (image, case, outcome) in &outcomes {
        let image = image.file_name().unwrap().display();
        match outcome {
            Outcome::Clean => clean += 1,
            Outcome::Same { names, touched } => {
                same += 1;
                println!("{image} {case:?}: {names} names the same, {touched} touched by the mount");
            }
            Outcome::Refused(why) => {
                refused += 1;
                println!("{image} {case:?}: refused: {why}");
            }
            Outcome::Different(differences) => {
                different += 1;
                println!("{image} {case:?}: {} differences", differences.len());
                for difference in differences.iter().take(8) {
                    println!("    {difference}");
                }
                fs::copy(store.0.join(image.to_string()), dir.join(image.to_string())).unwrap();
            }
        }
    }
    drop(store);
    fs::remove_file(&store_image).unwrap();
    println!("{same} the same, {clean} without a log, {refused} refused, {different} different");
    assert_eq!(different, 0);
    assert_eq!(refused, 0, "the replay does all that this churn makes");
    assert!(same >= outcomes.len() / 3, "there was little to replay");
}
