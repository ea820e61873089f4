//! Our handle drives Debian's own guestfsd over a Unix socket: replies, results, errors and a file from the program that
//! the protocol comes from. It runs on this machine, in a mount namespace with an empty /dev, and is only asked what
//! touches nothing.
//!
//! Needs root, and the program at `target/debian/guestfsd` (tests/scripts/debian-guestfsd fetches it).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libguestfs_core::api::IsFileOpts;
use libguestfs_core::{ErrorKind, Guestfs, Settings};
use nix::errno::Errno;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Daemon {
    process: Child,
    _directory: tempfile::TempDir,
    socket: PathBuf,
}

impl Daemon {
    fn start() -> Daemon {
        let fetched = Command::new(root().join("tests/scripts/debian-guestfsd"))
            .arg(root().join("target/debian"))
            .status();
        assert!(fetched.expect("the script can be run").success(), "Debian's guestfsd can't be had");
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        // Its first act is to look at the disks of the machine: it sees none.
        let script = "mount -t tmpfs tmpfs /dev && mkdir -p /dev/disk/by-path && mknod -m 666 /dev/null c 1 3 && \
                      mknod -m 666 /dev/urandom c 1 9 && exec \"$0\" --listen --channel \"$1\"";
        let process = Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .args([root().join("target/debian/guestfsd"), socket.clone()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "Debian's guestfsd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Daemon { process, _directory: directory, socket }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn debians_daemon_answers_our_handle() {
    let daemon = Daemon::start();
    let backend = format!("unix:{}", daemon.socket.display());
    let g = Guestfs::with_settings(Settings { backend, ..Settings::default() });
    g.launch().unwrap();

    g.ping_daemon().unwrap();
    assert_eq!(g.list_devices().unwrap(), Vec::<bstr::BString>::new());
    assert_eq!(g.nr_devices().unwrap(), 0);
    // Known groups answer 0 or 1, unknown ones 2.
    assert!(g.internal_feature_available("acl").unwrap() < 2);
    assert_eq!(g.internal_feature_available("nosuchgroup").unwrap(), 2);

    // Errors carry text and errno; nothing is mounted in there.
    let e = g.is_file("/etc/passwd", &IsFileOpts { followsymlinks: Some(true) }).unwrap_err();
    assert!(e.message().contains("you must call 'mount' first"), "{e}");
    let e = g.lstatns("relative").unwrap_err();
    assert!(e.message().contains("must start with a / character"), "{e}");
    let mut nothing = Vec::new();
    let e = g.download("/etc/passwd", &mut nothing).unwrap_err();
    assert!(e.kind() == ErrorKind::Daemon && nothing.is_empty(), "{e}");
    let e = g.vfs_type("/dev/sdz").unwrap_err();
    assert_eq!(e.errno(), Some(Errno::ENOENT), "{e}");
    // A call that 1.48.6 does not have yet.
    let e = g.inspect_get_build_id("/dev/sda").unwrap_err();
    assert!(e.message().contains("unknown procedure"), "{e}");
    // A call that sends a file fails before its first byte is wanted.
    let upload = libguestfs_core::client::Upload { content: &mut &[0u8; 100_000][..], size: Some(100_000) };
    let e = g.upload(upload, "/file").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Daemon, "{e}");

    g.ping_daemon().unwrap();
    g.shutdown().unwrap();
    assert!(g.ping_daemon().is_err());
}
