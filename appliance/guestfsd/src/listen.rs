//! The daemon of a running system, behind a Unix socket: for tests, and for looking into a guest from within.
//!
//! It has a mount namespace of its own, so that its mounts vanish with it, however it ends.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use bstr::BString;
use libguestfs_core::wire::Channel;
use libguestfs_core::{Error, Result, server};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::engine::kernel::{Disk, Kernel};
use crate::error::At;
use crate::{Guestfsd, log};

/// Where a root is made if none is given: a directory that every system has (FHS), covered in our namespace alone.
const ROOT: &str = "/mnt";

/// What the daemon listens to, and what it serves.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Path of the socket.
    pub socket: PathBuf,
    /// The disks, as `/dev/loop0`. If there are none: all disks of the machine.
    pub devices: Vec<PathBuf>,
    /// A directory that holds a guest's tree. Without it, filesystems are mounted in an empty one.
    pub root: Option<PathBuf>,
    /// Log more.
    pub verbose: bool,
}

/// Serves one caller after another, until the process is ended. What a caller mounted is unmounted after it.
///
/// # Errors
/// If the socket can't be made or the disks are not there. What goes wrong with one caller is logged.
pub fn listen(what: &Listen) -> Result<()> {
    log::set_verbose(what.verbose);
    let socket = UnixListener::bind(&what.socket).map_err(|e| named(&what.socket, e))?;
    let disks = disks(&what.devices)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let kernel = match &what.root {
        Some(root) => {
            let root = root.canonicalize().map_err(|e| named(root, e))?;
            // Without privileges the tree can still be read.
            if let Err(e) = enter_namespace() {
                log::line(format_args!("guestfsd: no mount namespace: {e}"));
            }
            Kernel::over_directory(root, disks)
        }
        None => {
            enter_namespace()?;
            mount("guestfsd", ROOT, "tmpfs", MountFlags::NODEV | MountFlags::NOSUID, Some(c"mode=0755"))
                .map_err(|e| named(Path::new(ROOT), e.into()))?;
            Kernel::new(ROOT, disks)
        }
    };
    let mut daemon = Guestfsd::new(Box::new(kernel));
    for stream in socket.incoming() {
        let ended = stream.map_err(|e| named(&what.socket, e)).and_then(|s| serve(s, &mut daemon));
        let unmounted = daemon.engine.umount_all().at("umount_all");
        for error in [ended.err(), unmounted.err()].into_iter().flatten() {
            log::line(format_args!("guestfsd: {error}"));
        }
    }
    Ok(())
}

fn serve(stream: UnixStream, daemon: &mut Guestfsd) -> Result<()> {
    let mut channel = Channel::new(stream.into());
    server::announce(&mut channel)?;
    server::serve(&mut channel, daemon)
}

fn named(path: &Path, error: std::io::Error) -> Error {
    Error::io(path.display().to_string(), error)
}

fn disks(devices: &[PathBuf]) -> Result<Vec<Disk>> {
    let disk = |kernel: BString| Disk { kernel, label: None };
    if devices.is_empty() {
        return Ok(Kernel::disks_of_machine().into_iter().map(disk).collect());
    }
    let by_path = |path: &PathBuf| Kernel::disk_by_path(path).map(disk).at(path.display());
    devices.iter().map(by_path).collect()
}

fn enter_namespace() -> Result<()> {
    let failed = |what: &str, e: std::io::Error| Error::io(what.to_owned(), e);
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| failed("a mount namespace of its own", e.into()))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|e| failed("mounts that are private", e.into()))
}
