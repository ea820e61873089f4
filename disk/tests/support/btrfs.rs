//! Btrfs filesystems on loop devices, and the kernel as the oracle of what is on them.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use disk::ReadAt;
use disk::fs::Filesystem;
use tempfile::TempDir;

use crate::kernel::{chain, empty_image, run};
use crate::listing;

/// A filesystem on one or several images, each on a loop device.
pub(crate) struct Case {
    pub(crate) dir: TempDir,
    pub(crate) images: Vec<PathBuf>,
    pub(crate) loops: Vec<String>,
}

/// A mounted filesystem, until it is dropped.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Mounted {
    /// `btrfs` with the arguments in `command`, where `.` stands for the filesystem.
    pub(crate) fn btrfs(&self, command: &str) -> String {
        let place = self.0.to_str().unwrap();
        let there = |arg: &str| match arg.strip_prefix('.') {
            Some(rest) => format!("{place}{rest}"),
            None => arg.to_owned(),
        };
        let args: Vec<_> = command.split(' ').map(there).collect();
        run("btrfs", &args.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = (0..50).any(|_| {
            let status = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status().unwrap();
            if !status.success() {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            status.success()
        });
        assert!(unmounted || std::thread::panicking(), "cannot unmount {}", self.0.display());
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        for device in &self.loops {
            let _ = Command::new("btrfs").args(["device", "scan", "--forget", device]).output();
            let _ = Command::new("losetup").args(["--detach", device]).output();
        }
    }
}

impl Case {
    /// Images of so many megabytes each, with what `mkfs.btrfs` makes of `options`.
    pub(crate) fn new(megabytes: &[u64], options: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let mut case = Case { dir, images: Vec::new(), loops: Vec::new() };
        for size in megabytes {
            case.add_device(*size);
        }
        let mut args: Vec<_> = options.split_whitespace().chain(["-q", "-f"]).collect();
        args.extend(case.loops.iter().map(String::as_str));
        run("mkfs.btrfs", &args);
        case
    }

    /// Another image of so many megabytes.
    pub(crate) fn add_device(&mut self, megabytes: u64) {
        let image = self.dir.path().join(format!("image{}", self.images.len()));
        empty_image(&image, megabytes << 20);
        self.loops.push(run("losetup", &["--find", "--show", image.to_str().unwrap()]));
        self.images.push(image);
    }

    /// Runs a program with `options` on the first device.
    pub(crate) fn tool(&self, program: &str, options: &[&str]) -> String {
        run(program, &[options, &[&self.loops[0]]].concat())
    }

    /// Changes bytes of an image behind the kernel's back.
    pub(crate) fn change(&self, nr: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(&self.images[nr]).unwrap();
        change(&mut bytes);
        fs::write(&self.images[nr], bytes).unwrap();
        run("blockdev", &["--flushbufs", &self.loops[nr]]);
    }

    /// Mounts the filesystem.
    pub(crate) fn mount(&self, options: &str) -> Mounted {
        let dir = self.dir.path().join("mount");
        fs::create_dir_all(&dir).unwrap();
        for device in &self.loops {
            // One that was removed is none.
            let _ = Command::new("btrfs").args(["device", "scan", device]).output();
        }
        run("mount", &["-t", "btrfs", "-o", options, &self.loops[0], dir.to_str().unwrap()]);
        Mounted(dir)
    }

    pub(crate) fn sources(&self) -> Vec<Arc<dyn ReadAt>> {
        let open = |image: &PathBuf| -> Arc<dyn ReadAt> { listing::Image::open(image).unwrap() };
        self.images.iter().map(open).collect()
    }

    pub(crate) fn open(&self) -> disk::Result<Arc<dyn Filesystem>> {
        let sources = self.sources();
        disk::fs::open_with(Arc::clone(&sources[0]), &sources)
    }

    /// What this crate lists.
    pub(crate) fn listing(&self) -> String {
        let listing = self.open().and_then(|fs| listing::of_filesystem(&*fs));
        listing.unwrap_or_else(|e| panic!("{}", chain(&e)))
    }

    /// What the kernel lists.
    pub(crate) fn kernels_listing(&self) -> String {
        listing::of_mount(&self.mount("ro").0).unwrap()
    }

    /// Is the filesystem listed here as the kernel lists it? Gives the listing.
    pub(crate) fn compare(&self) -> String {
        let (theirs, ours) = (self.kernels_listing(), self.listing());
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
        ours
    }
}
