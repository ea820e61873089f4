//! The stream to the handle: a virtio-serial port, or a terminal line in raw mode (User-Mode Linux).

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bstr::{BStr, ByteSlice};
use libguestfs_core::wire::{Channel, Way, Window};
use libguestfs_core::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};

/// Name of the port (protocol.md; also in qemu's options that the backends write).
const PORT: &str = "org.libguestfs.channel.0";
/// Where User-Mode Linux has its first serial line.
const UML_LINE: &str = "/dev/ttyS0";
/// How long the port may take to come up after its driver was loaded.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Opens the stream, of which the command line may say where it is.
pub(super) fn open(asked: Option<&Path>) -> Result<File> {
    let deadline = Instant::now() + PATIENCE;
    let place = match asked {
        Some(path) => path.to_owned(),
        None if is_user_mode() => UML_LINE.into(),
        None => wait(deadline, || port(PORT))?,
    };
    open_at(&place, deadline)
}

fn open_at(place: &Path, deadline: Instant) -> Result<File> {
    let file = wait(deadline, || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC);
        found(options.open(place), place)
    })?;
    if isatty(&file) {
        let mut modes = tcgetattr(&file).map_err(|e| failed(place, e.into()))?;
        modes.make_raw();
        tcsetattr(&file, OptionalActions::Now, &modes).map_err(|e| failed(place, e.into()))?;
    } else {
        // Until the port's driver knows of its other end, reading says that the stream has ended.
        wait(deadline, || connected(&file).map(|yes| yes.then_some(())))?;
    }
    Ok(file)
}

/// Has what is sent go through memory, where the stream itself is slow. The line is a terminal's, or has the name of a virtio
/// port: then the memory is a disk, and leads to here only.
pub(super) fn open_windows(channel: &mut Channel, memory: &Path, line: &BStr) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let line = line.to_path().map_err(|e| Error::launch(format!("guestfs_window=: {e}")))?;
    let is_port = !line.is_absolute();
    let place = if is_port { wait(deadline, || port(line))? } else { line.to_owned() };
    let acks = open_at(&place, deadline)?;
    let file = wait(deadline, || {
        let mut options = OpenOptions::new();
        options.read(true);
        // Past the cache, which knows nothing of what the other end does.
        if is_port {
            options.custom_flags(nix::libc::O_DIRECT);
        } else {
            options.write(true);
        }
        found(options.open(memory), memory)
    })?;
    if !is_port {
        let copies = (copy(&file, memory)?, copy(&acks, &place)?);
        channel.send_through(Window::new(copies.0, Way::FromDaemon, copies.1));
    }
    channel.receive_through(Window::new(file, Way::ToDaemon, acks));
    Ok(())
}

fn copy(file: &File, place: &Path) -> Result<File> {
    file.try_clone().map_err(|e| failed(place, e))
}

/// A file, or none if it is not there yet.
fn found(opened: std::io::Result<File>, place: &Path) -> Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(place, e)),
    }
}

fn connected(file: &File) -> Result<bool> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) => {
            Ok(fds.iter().all(|fd| !fd.revents().unwrap_or(PollFlags::empty()).contains(PollFlags::POLLHUP)))
        }
        Err(nix::errno::Errno::EINTR) => Ok(false),
        Err(e) => Err(Error::io("waiting for the handle", e.into())),
    }
}

/// The port of that name, if there is one yet.
fn port(wanted: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    const PORTS: &str = "/sys/class/virtio-ports";
    let ports = match std::fs::read_dir(PORTS) {
        Ok(ports) => ports,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(Path::new(PORTS), e)),
    };
    for entry in ports {
        let entry = entry.map_err(|e| failed(Path::new(PORTS), e))?;
        let name = std::fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if Path::new(name.trim_end()) == wanted.as_ref() {
            return Ok(Some(Path::new("/dev").join(entry.file_name())));
        }
    }
    Ok(None)
}

/// Looks again and again until there is something.
fn wait<T>(deadline: Instant, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(Error::launch(format!("the channel {PORT} did not come up")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Is the kernel a program of another system? (arch/um/kernel/um_arch.c)
pub(super) fn is_user_mode() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("User Mode Linux"))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::io(path.display().to_string(), error)
}
