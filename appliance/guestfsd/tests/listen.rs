//! `guestfsd --listen`: the program, and a handle that attaches to it.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bstr::BStr;
use libguestfs_core::{Guestfs, Settings};
use nix::errno::Errno;

/// A running daemon, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the daemon over a tree, and waits for its socket.
fn start(socket: &Path, root: &Path) -> std::io::Result<Running> {
    let program = env!("CARGO_BIN_EXE_guestfsd");
    let arguments = ["--listen".as_ref(), socket.as_os_str(), "--sysroot".as_ref(), root.as_os_str()];
    let running = Running(Command::new(program).args(arguments).spawn()?);
    let start = Instant::now();
    while !socket.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "no socket");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(running)
}

#[test]
fn a_directory_is_served_to_one_handle_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, root) = (dir.path().join("socket"), dir.path().join("root"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("/../socket", root.join("out")).unwrap();
    let _running = start(&socket, &root).unwrap();
    for _ in 0..2 {
        let settings = Settings { backend: format!("unix:{}", socket.display()), ..Settings::default() };
        let g = Guestfs::with_settings(settings);
        g.launch().unwrap();
        assert_eq!(g.pread(BStr::new("/file"), 100, 3).unwrap(), b"tent");
        let refused = g.pread(BStr::new("/out"), 1, 0).unwrap_err();
        assert_eq!(refused.errno(), Some(Errno::ENOENT), "{refused}");
        g.shutdown().unwrap();
    }
}
