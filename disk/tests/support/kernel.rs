//! The kernel as the oracle: mounts of images, and what is different there.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests only")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Runs a program, gives what it printed, and shows what it complained about if it fails.
pub(crate) fn run(program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref().display();
    let output =
        Command::new(program.to_string()).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A mounted image, until it is dropped.
pub(crate) struct Mount(pub(crate) PathBuf);

impl Mount {
    /// Mounts `image` read-only. The loop device below is writable: the kernel recovers the filesystem before it shows it.
    pub(crate) fn read_only(image: &Path, dir: PathBuf) -> Self {
        Mount::new("ro", image, dir)
    }

    /// Mounts `image` writable.
    pub(crate) fn writable(image: &Path, dir: PathBuf) -> Self {
        Mount::new("rw", image, dir)
    }

    /// Mounts `image` with `options`.
    pub(crate) fn new(options: &str, image: &Path, dir: PathBuf) -> Self {
        fs::create_dir_all(&dir).unwrap();
        let device = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
        // What the loop device's last user left in the kernel's cache must not be seen.
        run("blockdev", &["--flushbufs", &device]);
        run("mount", &["-o", options, &device, dir.to_str().unwrap()]);
        // The device goes when it is unmounted.
        run("losetup", &["--detach", &device]);
        Mount(dir)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A program that another thread just started may hold it for a moment.
        let unmounted = (0..50).any(|_| {
            let status = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status().unwrap();
            if !status.success() {
                thread::sleep(Duration::from_millis(100));
            }
            status.success()
        });
        assert!(unmounted || thread::panicking(), "cannot unmount {}", self.0.display());
    }
}

/// Makes an image of `size` bytes, nothing but a hole.
pub(crate) fn empty_image(path: &Path, size: u64) {
    fs::File::create(path).unwrap().set_len(size).unwrap();
}

/// Makes an image at `path` of `size` bytes, with what mke2fs makes of `options`.
pub(crate) fn mke2fs(path: &Path, size: u64, options: &str) {
    empty_image(path, size);
    let mut args = vec!["-q", "-F"];
    args.extend(options.split_whitespace());
    args.push(path.to_str().unwrap());
    run("mke2fs", &args);
}

/// Fills the filesystem mounted at `dir` with one of everything, `names` names in the largest directory.
pub(crate) fn fill(dir: &Path, names: u32) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fill.py");
    run("python3", &[script, dir.to_str().unwrap(), &names.to_string()]);
}

/// Runs a Python script with `dir` as its argument.
pub(crate) fn python(script: &str, dir: &Path) {
    run("python3", &["-c", script, dir.to_str().unwrap()]);
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// The lines that differ. A truncation that the mount finished gives a file the time of the mount: such times, from
/// `mounted` (seconds since 1970) on, are passed over, and the lines that have them counted.
pub(crate) fn differences(ours: &str, kernels: &str, mounted: u64) -> (Vec<String>, usize) {
    const CONTENT_TIME: usize = 12;
    const INODE_TIME: usize = 13;
    let (mut different, mut touched) = (Vec::new(), 0);
    let mut kernels_lines = kernels.lines();
    for ours in ours.lines() {
        let kernels = kernels_lines.next().unwrap_or("nothing");
        let mut our_fields: Vec<_> = ours.split('\t').collect();
        let mut kernels_fields: Vec<_> = kernels.split('\t').collect();
        let by_mount = kernels_fields
            .get(INODE_TIME)
            .and_then(|time| time.split('.').next()?.parse::<u64>().ok())
            .is_some_and(|time| time >= mounted);
        if by_mount && our_fields.len() > INODE_TIME {
            touched += 1;
            for field in [CONTENT_TIME, INODE_TIME] {
                (our_fields[field], kernels_fields[field]) = ("", "");
            }
        }
        if our_fields != kernels_fields {
            different.push(format!("ours   {ours}\n        kernel {kernels}"));
        }
    }
    different.extend(kernels_lines.map(|line| format!("ours   nothing\n        kernel {line}")));
    (different, touched)
}
