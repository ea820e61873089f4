//! Tools as processes: they end when their reader or their user has had enough, leave nothing behind, and stream.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use guestfs_tests::{children, clean, data, peak_memory, tool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A file of 3 GiB, nearly all of it a hole.
const LARGE: &str = "/srv/samples/sparse.bin";
/// Its size in bytes.
const LARGE_SIZE: u64 = 3 << 30;
/// All processes of a tool together may take this much resident memory, in KiB.
const MEMORY: u64 = 40 << 10;
/// Ample time for a process to go.
const SOON: Duration = Duration::from_secs(10);

/// Starts virt-cat on the large file; temporary files would be in `scratch`.
fn start(scratch: &Path) -> Result<Child> {
    let mut command = Command::new(tool("virt-cat")?);
    spawn(command.arg("-a").arg(data("debian-mini.qcow2")).arg(LARGE), scratch)
}

/// Starts virt-inspector on many guests, more than a pipe holds the report of.
fn start_many(scratch: &Path) -> Result<Child> {
    let mut command = Command::new(tool("virt-inspector")?);
    spawn(command.arg("--json").args(vec![data("golden/rpm.qcow2"); 100]), scratch)
}

fn spawn(command: &mut Command, scratch: &Path) -> Result<Child> {
    for name in ["TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"] {
        command.env(name, scratch);
    }
    clean(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot run {command:?}"))
}

/// Waits until the process ends, at most [`SOON`], and returns its status.
fn wait(child: &mut Child) -> Result<std::process::ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > SOON {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("it did not end within {SOON:?}");
        }
        sleep(Duration::from_millis(10));
    }
}

fn gone(pid: u32) -> bool {
    let start = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        if start.elapsed() > SOON {
            return false;
        }
        sleep(Duration::from_millis(10));
    }
    true
}

fn is_empty(directory: &Path) -> Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut child = start(scratch.path())?;
    let mut out = child.stdout.take().context("no pipe")?;
    let mut head = [0; 5];
    out.read_exact(&mut head)?;
    assert_eq!(&head, b"first");
    let daemons = children(child.id());
    drop(out);
    let status = wait(&mut child)?;
    let mut said = String::new();
    child.stderr.take().context("no pipe")?.read_to_string(&mut said)?;
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    ensure!(daemons.into_iter().all(gone), "a daemon is left");
    ensure!(is_empty(scratch.path())?, "a temporary file is left");
    Ok(())
}

#[test]
fn a_reader_may_leave_in_the_middle_of_many_guests() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut child = start_many(scratch.path())?;
    child.stdout.take().context("no pipe")?.read_exact(&mut [0; 5])?;
    let daemons = children(child.id());
    let status = wait(&mut child)?;
    let mut said = String::new();
    child.stderr.take().context("no pipe")?.read_to_string(&mut said)?;
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
    ensure!(daemons.into_iter().all(gone), "a daemon is left");
    Ok(())
}

#[test]
fn a_signal_ends_the_tool_and_its_daemon_and_leaves_nothing() -> Result<()> {
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL].map(|signal| (signal, false));
    for (signal, many) in signals.into_iter().chain([(Signal::SIGINT, true)]) {
        let scratch = tempfile::tempdir()?;
        let mut child = if many { start_many(scratch.path()) } else { start(scratch.path()) }?;
        // The first bytes are there, so the daemon is at work; then the pipe fills up and the tool stands.
        child.stdout.as_mut().context("no pipe")?.read_exact(&mut [0; 5])?;
        let daemons = children(child.id());
        // While nobody reads, many guests wait for their turn without one.
        ensure!(many || !daemons.is_empty(), "the tool has no daemon");
        kill(Pid::from_raw(child.id().try_into()?), signal)?;
        let status = wait(&mut child)?;
        let by_signal = status.signal() == Some(signal as i32) || status.code() == Some(128 + signal as i32);
        ensure!(by_signal, "{signal}: ended with {status}");
        ensure!(daemons.into_iter().all(gone), "{signal}: a daemon is left");
        ensure!(is_empty(scratch.path())?, "{signal}: a temporary file is left");
    }
    Ok(())
}

#[test]
fn a_large_file_is_streamed_in_little_memory() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut child = start(scratch.path())?;
    let mut out = child.stdout.take().context("no pipe")?;
    let (mut size, mut data, mut peak) = (0u64, Vec::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    let mut since = 0;
    loop {
        let count = out.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        if let Some(at) = buffer[..count].iter().position(|byte| *byte != 0) {
            data.push((size + at as u64, buffer[at]));
        }
        size += count as u64;
        since += count;
        if since > 64 << 20 {
            since = 0;
            let all: u64 = children(child.id()).into_iter().map(peak_memory).sum();
            peak = peak.max(all + peak_memory(child.id()));
        }
    }
    assert_eq!(child.wait()?.code(), Some(0));
    assert_eq!(size, LARGE_SIZE);
    assert_eq!((data.first(), data.last()), (Some(&(0, b'f')), Some(&(2_500_000_000, b'f'))));
    ensure!(peak > 0 && peak < MEMORY, "{peak} KiB");
    Ok(())
}
