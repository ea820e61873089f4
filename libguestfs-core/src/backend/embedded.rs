//! The embedded backend: the program starts itself again as a daemon without privileges, which reads the images.
//!
//! The handle's side. It opens the images read-only and without locks, and passes descriptors; it parses nothing of
//! them. Names that the daemon finds in image headers come back here and go through [`policy`](super::policy). The
//! daemon's side is in the crate `guestfsd`.

use std::fs::File;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bstr::{BString, ByteSlice};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};

use super::control::{DriveMessage, FromDaemon, OpenedFile, RelatedRequest, ToDaemon, receive, send};
use super::policy::ImageFiles;
use super::{Backend, Process, Running, with_causes};
use crate::handle::{Drive, DriveSource, NULL_DISK_SIZE, Settings, open_image};
use crate::wire::Channel;
use crate::{Error, NEEDS_APPLIANCE, Result};

/// The program's first argument when it is started again as a daemon.
pub const DAEMON_ARGUMENT: &str = "--embedded-guestfsd";

/// Address space of a daemon in bytes, unless set with `memory_limit=MiB`. A job takes about 15 MB; the rest is room
/// for deep image chains and large directories.
const MEMORY_LIMIT: u64 = 512 << 20;
/// What is added to it while a daemon makes a key of a passphrase: Argon2 takes as much memory as the guest's device says, of
/// which the daemon goes along with 1.25 GiB. Nothing is added to a limit that was set.
const KEY_MEMORY: u64 = 1280 << 20;
/// CPU time of a daemon in seconds, unless set with `cpu_limit=SECONDS`: enough to read some 10 TB.
const CPU_LIMIT: u64 = 4 * 3600;
/// Wished size of the daemon's send buffer in bytes.
const SEND_BUFFER: usize = 1 << 20;
/// How long a daemon may take to end after its stream was closed.
const GRACE: Duration = Duration::from_secs(2);

/// Has this program said that it can be started again as a daemon?
static PROGRAM_HAS_DAEMON: AtomicBool = AtomicBool::new(false);

/// For the daemon's crate: this program calls its entry point first thing in `main`. Without that, starting it again
/// would run the program itself a second time, so the backend refuses to.
pub fn program_has_daemon() {
    PROGRAM_HAS_DAEMON.store(true, Ordering::Relaxed);
}

/// Refuses to start this program again if that would run it a second time.
pub(super) fn program_can_start_itself() -> Result<()> {
    if PROGRAM_HAS_DAEMON.load(Ordering::Relaxed) {
        return Ok(());
    }
    Err(Error::launch(
        "this program can't start itself as the embedded daemon: its main function does not call guestfsd::run_if_daemon",
    ))
}

/// For the daemon: ends this process as soon as the other end of the lifeline, a pipe, is closed, that is when the
/// handle's process is gone, in whatever way. (A parent-death signal would come at the end of the *thread* that
/// launched.) The pipe carries nothing; SIGIO, whose default is to end the process, announces its end.
///
/// # Errors
/// If the kernel refuses.
pub fn end_with(lifeline: &OwnedFd) -> Result<()> {
    crate::sys::send_sigio_for(lifeline).map_err(|e| Error::io("watching the lifeline", e.into()))?;
    // It may have closed before.
    let mut fds = [PollFd::new(lifeline.as_fd(), PollFlags::empty())];
    let closed =
        poll(&mut fds, PollTimeout::ZERO).map_err(|e| Error::io("watching the lifeline", e.into()))?;
    if closed > 0 { Err(Error::protocol("the handle is gone")) } else { Ok(()) }
}

/// Starts the program itself as the daemon.
#[derive(Debug)]
pub(super) struct Embedded;

impl Backend for Embedded {
    fn start(&self, drives: &[Drive], settings: &Settings, warn: &dyn Fn(&str)) -> Result<Running> {
        program_can_start_itself()?;
        let sandbox = !settings.backend_flag("no_sandbox");
        if !sandbox {
            warn(
                "the daemon runs without a sandbox (backend setting no_sandbox): use this for trusted images only",
            );
        }
        let limit = |name: &str, default: u64, unit: u64| match settings.backend_setting(name) {
            None => Ok(default),
            Some(v) => v
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(unit))
                .ok_or_else(|| Error::usage(format!("backend setting {name}={v} is not a number"))),
        };
        let memory_limit = limit("memory_limit", MEMORY_LIMIT, 1 << 20)?;
        let memory_ceiling = match settings.backend_setting("memory_limit") {
            None => memory_limit.saturating_add(KEY_MEMORY),
            Some(_) => memory_limit,
        };
        let start = ToDaemon::Start {
            verbose: settings.verbose,
            sandbox,
            memory_limit,
            memory_ceiling,
            cpu_limit: limit("cpu_limit", CPU_LIMIT, 1)?,
            drives: u32::try_from(drives.len()).unwrap_or(u32::MAX),
        };

        let (stream, daemon_stream) = pair(SockType::Stream)?;
        // Room for several of the daemon's writes, so that reading an image and taking its bytes overlap. The kernel
        // gives what its limit (net.core.wmem_max) allows.
        let _ = setsockopt(&daemon_stream, sockopt::SndBuf, &SEND_BUFFER);
        let (control, daemon_control) = pair(SockType::SeqPacket)?;
        let broken = |e| Error::io("making a pipe", e);
        let (log, daemon_log) = std::io::pipe().map_err(broken)?;
        let (daemon_lifeline, lifeline) = std::io::pipe().map_err(broken)?;
        // Neither side waits for the other at the log: a full one loses lines.
        fcntl(&log, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|e| broken(e.into()))?;
        fcntl(&daemon_log, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|e| broken(e.into()))?;

        let child = Command::new("/proc/self/exe")
            .arg0("guestfsd")
            .arg(DAEMON_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(daemon_stream))
            .stdout(Stdio::from(daemon_control))
            .stderr(Stdio::from(daemon_log))
            .spawn()
            .map_err(|e| Error::io("starting the embedded daemon (/proc/self/exe)", e))?;
        // From here on, dropping `process` ends the child.
        let mut process = Embodied { child, log, _lifeline: lifeline.into(), said: Vec::new() };

        let started = introduce(&control, &start, &daemon_lifeline.into(), drives, settings);
        started.map_err(|e| match e {
            // The daemon's own word says more than a closed socket.
            Fault::Ours(e) => e,
            Fault::DaemonIsGone => {
                Error::launch(format!("the embedded daemon did not start: {}", process.obituary()))
            }
        })?;
        Ok(Running { channel: Channel::new(stream), command: String::new(), process: Box::new(process) })
    }
}

pub(super) fn pair(kind: SockType) -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|e| Error::io("making a socket pair", e.into()))
}

enum Fault {
    Ours(Error),
    DaemonIsGone,
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        Fault::Ours(e)
    }
}

/// The control conversation, up to `Ready`.
fn introduce(
    control: &OwnedFd,
    start: &ToDaemon,
    lifeline: &OwnedFd,
    drives: &[Drive],
    settings: &Settings,
) -> Result<(), Fault> {
    // A daemon that died early shows in what is received, not in what is sent.
    let tell =
        |packet: &ToDaemon, fd: Option<&OwnedFd>| send(control, packet, fd).map_err(|_| Fault::DaemonIsGone);
    tell(start, Some(lifeline))?;
    let mut files = Vec::new();
    for drive in drives {
        let (file, message) = describe(drive, settings)?;
        tell(&ToDaemon::Drive(message), file.map(OwnedFd::from).as_ref())?;
        files.push(match &drive.source {
            DriveSource::File(path) => Some(ImageFiles::new(path, settings.backend_values("backing_dir"))?),
            DriveSource::Null => None,
        });
    }
    loop {
        let Some((packet, _)) = receive::<FromDaemon>(control)? else { return Err(Fault::DaemonIsGone) };
        match packet {
            FromDaemon::Ready => return Ok(()),
            FromDaemon::Failed(why) => {
                let why = why.to_str_lossy();
                return Err(match why.strip_prefix(NEEDS_APPLIANCE) {
                    Some(met) => Error::needs_appliance(met),
                    None => Error::launch(why),
                }
                .into());
            }
            FromDaemon::Related(request) => {
                let (answer, file) = match open_related(&mut files, &request) {
                    Ok((number, file)) => (ToDaemon::Opened(OpenedFile { file: number }), Some(file.into())),
                    Err(e) => (ToDaemon::Refused(with_causes(&e)), None),
                };
                tell(&answer, file.as_ref())?;
            }
        }
    }
}

fn open_related(files: &mut [Option<ImageFiles>], request: &RelatedRequest) -> Result<(u32, File)> {
    let drive = usize::try_from(request.drive).ok().and_then(|i| files.get_mut(i)).and_then(Option::as_mut);
    let drive = drive
        .ok_or_else(|| Error::protocol(format!("the daemon asked for a file of drive {}", request.drive)))?;
    drive.open(request.from, request.name.as_bstr())
}

/// Opens the drive's image and says what the daemon has to know of it.
fn describe(drive: &Drive, settings: &Settings) -> Result<(Option<File>, DriveMessage)> {
    let opts = &drive.opts;
    let mut message = DriveMessage {
        format: opts.format.as_deref().map(BString::from),
        file_name: BString::default(),
        readonly: opts.readonly.unwrap_or(false),
        label: opts.label.as_deref().map(BString::from),
        sector_size: opts.blocksize.unwrap_or(512),
        null_size: 0,
        snapshot: settings.backend_setting("snapshot").map(BString::from),
    };
    match &drive.source {
        DriveSource::Null => {
            message.file_name = "/dev/null".into();
            message.null_size = NULL_DISK_SIZE;
            Ok((None, message))
        }
        DriveSource::File(path) => {
            let file = open_image(path)?;
            message.file_name = path.display().to_string().into();
            if opts.blocksize.is_none() {
                message.sector_size = device_sector_size(path, &file)?;
            }
            check_readable(path, &file)?;
            Ok((Some(file), message))
        }
    }
}

/// The logical sector size of a block device, from sysfs; 512 bytes for an image file.
pub(super) fn device_sector_size(path: &Path, file: &File) -> Result<u32> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|e| Error::io(path.display().to_string(), e))?;
    if !metadata.file_type().is_block_device() {
        return Ok(512);
    }
    let (major, minor) = (nix::sys::stat::major(metadata.rdev()), nix::sys::stat::minor(metadata.rdev()));
    let device = format!("/sys/dev/block/{major}:{minor}");
    // A partition has no queue of its own: its disk, one directory up, has.
    let size = ["queue", "../queue"]
        .iter()
        .find_map(|queue| std::fs::read_to_string(format!("{device}/{queue}/logical_block_size")).ok())
        .and_then(|text| text.trim().parse().ok());
    Ok(size.unwrap_or(512))
}

/// An empty file or a failing disk is better named here than by the daemon.
pub(super) fn check_readable(path: &Path, file: &File) -> Result<()> {
    match file.read_at(&mut [0; 512], 0) {
        Ok(0) => Err(Error::usage(format!("{}: is empty, not a disk image", path.display()))),
        Ok(_) => Ok(()),
        Err(e) => Err(Error::io(path.display().to_string(), e)),
    }
}

/// The daemon's process.
#[derive(Debug)]
struct Embodied {
    child: Child,
    log: PipeReader,
    /// Closed with this process, which ends the daemon even in the midst of work.
    _lifeline: OwnedFd,
    said: Vec<u8>,
}

impl Process for Embodied {
    fn log(&mut self) -> Vec<u8> {
        // The pipe does not wait: the read ends with what there is. A daemon can't fill memory: it has a full pipe only.
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = self.log.read(&mut buffer) {
            self.said.extend_from_slice(buffer.get(..n).unwrap_or_default());
            if self.said.len() > 1 << 20 {
                break;
            }
        }
        std::mem::take(&mut self.said)
    }

    fn obituary(&mut self) -> String {
        let how = match self.wait() {
            None => "it does not end".to_string(),
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => match Signal::try_from(signal) {
                    Ok(Signal::SIGSYS) => {
                        "it was stopped by its sandbox (SIGSYS): it tried what it may not do".into()
                    }
                    Ok(Signal::SIGXCPU) => {
                        "it used up its CPU time (SIGXCPU); the backend setting cpu_limit=SECONDS allows more"
                            .into()
                    }
                    Ok(signal) => format!("it was ended by {signal}"),
                    Err(_) => format!("it was ended by signal {signal}"),
                },
                (None, code) => format!("it ended with status {}", code.unwrap_or(-1)),
            },
        };
        let log = self.log();
        match log.lines().rfind(|line| !line.is_empty()) {
            Some(last) => format!("{how}; its last words: {}", last.as_bstr()),
            None => how,
        }
    }
}

impl Embodied {
    /// Waits for the end of the child, for a short while.
    fn wait(&mut self) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + GRACE;
        let mut pause = Duration::from_micros(50);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                _ => return None,
            }
        }
    }
}

impl Drop for Embodied {
    fn drop(&mut self) {
        // Its stream is closed or of no more use: nothing that it could still do matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
