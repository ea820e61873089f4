//! Tests of the calls over real disks: made by sgdisk and mke2fs, read by the native engine, in this process.
//!
//! Expected texts are what Debian's libguestfs 1.48.6 prints for the same disk.

use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bstr::BStr;
use disk::ReadAt;
use libguestfs_core::api::Daemon;
use libguestfs_core::wire::Channel;
use libguestfs_core::{Error, Result};
use tempfile::TempDir;

use crate::Guestfsd;
use crate::engine::kernel::Kernel;
use crate::engine::native::{Drive, Native};

mod arrays;
mod btrfs;
mod content;
mod deployment;
mod devices;
mod dynamic;
mod equality;
mod hivex;
mod hostile;
mod inspection;
mod kernel;
mod mounts;
mod names;
mod packages;
mod replace;
mod searching;
mod storage;
mod tar;
mod transfer;
mod wire;
mod writing;
mod xfs;

/// An image file.
#[derive(Debug)]
struct Image(File);

impl ReadAt for Image {
    fn len(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.0.read_exact_at(buf, offset).map_err(|e| disk::Error::io("reading the image", e))
    }
}

/// Runs a program that makes a part of a disk.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory in which a test builds its disks.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Workshop(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// An empty image of `mib` MiB.
    fn empty(&self, name: &str, mib: u64) -> String {
        File::create(self.path(name)).unwrap().set_len(mib << 20).unwrap();
        self.name(name)
    }

    /// A directory with files, links and special files, for `mke2fs -d`; or what a test put in its place.
    fn tree(&self) -> PathBuf {
        let root = self.path("tree");
        if root.exists() {
            return root;
        }
        let make = |name: &str, content: &[u8]| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        make("hello", b"hello\n");
        make("nonl", b"a\nb\nc");
        make("empty", b"");
        make("etc/passwd", b"passwd\n");
        make("etc/Case/File", b"x");
        make("dir/sub/deep", b"deep");
        make("new\nline", b"x");
        make("zero", &[0; 20_480]);
        let mut sparse = vec![0; 1 << 20];
        sparse[700_000] = 1;
        make("sparse", &sparse);
        for (name, target) in [
            ("lnk", "hello"),
            ("abs", "/etc"),
            ("esc", "../../../etc/passwd"),
            ("loop", "loop"),
            ("dang", "nosuch"),
            ("dir/up", "../.."),
            ("dir/self", "."),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("sock")).unwrap();
        root
    }

    /// A disk with an ext4 filesystem of the tree on partition 1 (label ROOT), and an empty partition 2.
    fn guest(&self) -> String {
        let image = self.empty("guest.img", 64);
        run("sgdisk", &["-n", "1:2048:+20M", "-n", "2:0:+20M", "-t", "2:8200", "-c", "1:root", &image]);
        let tree = self.tree();
        let tree = tree.to_str().unwrap();
        run("mke2fs", &["-q", "-t", "ext4", "-L", "ROOT", "-d", tree, "-E", "offset=1048576", &image, "20M"]);
        image
    }
}

fn drive(image: &str) -> Drive {
    Drive { source: Arc::new(Image(File::open(Path::new(image)).unwrap())), read_only: true, label: None }
}

fn daemon(images: &[&str]) -> Guestfsd {
    Guestfsd::new(Box::new(Native::new(images.iter().map(|image| drive(image)).collect())))
}

/// A daemon with the guest of [`Workshop::guest`] mounted.
fn mounted(workshop: &Workshop) -> Guestfsd {
    let mut daemon = daemon(&[&workshop.guest()]);
    daemon.mount_ro(b("/dev/sda1"), b("/")).unwrap();
    daemon
}

fn b(text: &str) -> &BStr {
    BStr::new(text)
}

/// The text of an error.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.map_err(|e: Error| e.message().to_owned()).unwrap_err()
}

/// Starts the real server over `daemon` and gives the other end of its stream.
fn serve(
    mut daemon: impl Daemon + Send + 'static,
) -> (std::os::unix::net::UnixStream, std::thread::JoinHandle<()>) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut channel = Channel::new(theirs.into());
        libguestfs_core::server::serve(&mut channel, &mut daemon).unwrap();
    });
    (ours, thread)
}

/// A daemon in a running system, whose guest is a plain directory.
fn over_directory(directory: &Path) -> Guestfsd {
    Guestfsd::new(Box::new(Kernel::over_directory(directory, Vec::new())))
}
