//! A program of the guest, run in the guest's tree.
//!
//! Running it takes two more processes of this very program, so that nothing of it outlives the call:
//!
//! ```text
//! daemon -> outer: leaves the mount, process and (unless it is allowed) network namespaces
//!             -> inner: first process of the new namespaces; mounts /dev /proc /sys on the guest's, chroot
//!                  -> the program
//! ```
//!
//! When the program has ended so does the inner process, and with it the kernel ends whatever the program left running
//! and takes the mounts away: the guest's filesystems can be unmounted.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use bstr::BStr;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};
use rustix::process::{chdir, chroot};

use crate::engine::kernel::{Sysroot, descriptor_path};
use crate::error::strerror;
use crate::program::Program;

/// First argument of the outer process.
const OUTER: &str = "--guest-program";
/// First argument of the inner one.
const INNER: &str = "--guest-program-inside";
/// This program.
const SELF: &str = "/proc/self/exe";
/// Second argument: may it use the network?
const NETWORK: &str = "network";
const NO_NETWORK: &str = "no-network";
/// Where interfaces of the network are listed. If there is none but the loopback, nothing needs to be cut off.
const INTERFACES: &str = "/sys/class/net";
const LOOPBACK: &str = "lo";
/// Names are resolved as here, if the guest has the file at all.
const RESOLVER: &str = "/etc/resolv.conf";
/// What a program of the guest sees of the environment.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/sbin:/usr/sbin:/bin:/usr/bin"),
    ("LC_ALL", "C"),
    ("HOME", "/"),
    ("SHELL", "/bin/sh"),
    ("TERM", "dumb"),
];
/// Exit statuses as shells have them: the program could not be run, is not there, was ended by signal n (128 + n).
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNALLED: i32 = 128;

/// The program that runs `words` of the guest in `root`.
pub(crate) fn within<T: AsRef<[u8]>>(
    root: &Path,
    network: bool,
    words: impl IntoIterator<Item = T>,
) -> Program {
    let network = if network { NETWORK } else { NO_NETWORK };
    Program::new(SELF).arg(OUTER).arg(network).arg(root.as_os_str().as_bytes()).args(words)
}

/// If this process was started to run a program of the guest, does so and returns the status to exit with.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let stage = arguments.next()?;
    let stage = if stage == OUTER {
        outer
    } else if stage == INNER {
        inner
    } else {
        return None;
    };
    let (network, root) = (arguments.next()? == NETWORK, arguments.next()?);
    let words: Vec<OsString> = arguments.collect();
    let status = stage(network, Path::new(&root), &words).unwrap_or_else(|complaint| {
        // It becomes the text of the call's error. Nobody is there to be told that it can't be written.
        let _ = std::io::stderr().write_all(complaint.text.as_bytes());
        complaint.status
    });
    Some(ExitCode::from(status))
}

/// Why the program did not run.
#[derive(Debug)]
struct Complaint {
    text: String,
    status: u8,
}

impl Complaint {
    fn new(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Complaint { text: format!("{what}: {why}"), status: CANNOT_RUN }
    }
}

fn outer(network: bool, root: &Path, words: &[OsString]) -> Result<u8, Complaint> {
    let mut leave = CloneFlags::CLONE_NEWNS;
    if !network && has_network() {
        leave |= CloneFlags::CLONE_NEWNET;
    }
    unshare(leave).map_err(|e| Complaint::new("unshare", strerror(e)))?;
    // A kernel without process namespaces runs the program all the same.
    match unshare(CloneFlags::CLONE_NEWPID) {
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(e) => return Err(Complaint::new("unshare", strerror(e))),
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|e| Complaint::new("/", e))?;
    let network = if network { NETWORK } else { NO_NETWORK };
    wait(Command::new(SELF).arg(INNER).arg(network).arg(root).args(words), OsStr::new(SELF))
}

/// Is there anything that leads to a network?
fn has_network() -> bool {
    std::fs::read_dir(INTERFACES).is_ok_and(|list| list.flatten().any(|entry| entry.file_name() != LOOPBACK))
}

fn inner(network: bool, root: &Path, words: &[OsString]) -> Result<u8, Complaint> {
    let (program, arguments) = words.split_first().ok_or_else(|| Complaint::new("command", "no program"))?;
    let sysroot = Sysroot::new(root);
    furnish(&sysroot, "/dev", |target| mount_bind_recursive("/dev", target))?;
    furnish(&sysroot, "/sys", |target| mount_bind_recursive("/sys", target))?;
    furnish(&sysroot, "/proc", |target| {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", target, "proc", flags, None)
    })?;
    if network {
        furnish(&sysroot, RESOLVER, |target| mount_bind(RESOLVER, target))?;
    }
    chroot(root).map_err(|e| Complaint::new(root.display(), e))?;
    chdir("/").map_err(|e| Complaint::new("/", e))?;
    wait(Command::new(program).args(arguments).env_clear().envs(ENVIRONMENT), program)
}

/// Mounts something on what the guest has at `path`: in the guest's tree, wherever links lead. A guest without that path
/// does without it.
fn furnish(
    sysroot: &Sysroot,
    path: &str,
    mount: impl FnOnce(&Path) -> rustix::io::Result<()>,
) -> Result<(), Complaint> {
    let Ok(target) = sysroot.open(BStr::new(path), OFlags::PATH, Mode::empty()) else { return Ok(()) };
    // A mount point that is open by its path alone stays what it is.
    let kind = rustix::fs::fstat(target.as_fd()).map_err(|e| Complaint::new(path, e))?.st_mode;
    let is_file = rustix::fs::FileType::from_raw_mode(kind).is_file();
    if is_file != (path == RESOLVER) || (is_file && !Path::new(path).is_file()) {
        return Ok(());
    }
    mount(&descriptor_path(&target)).map_err(|e| Complaint::new(path, e))
}

/// Runs a command to its end, and gives the status as a shell would.
fn wait(command: &mut Command, name: &OsStr) -> Result<u8, Complaint> {
    let status = command.status().map_err(|e| {
        let text = e.raw_os_error().map_or_else(|| e.to_string(), |number| strerror(Errno::from_raw(number)));
        let missing = e.kind() == std::io::ErrorKind::NotFound;
        Complaint {
            text: format!("{}: {text}", name.display()),
            status: if missing { NOT_FOUND } else { CANNOT_RUN },
        }
    })?;
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED.saturating_add(signal)));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
