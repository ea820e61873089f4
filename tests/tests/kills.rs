//! Programs are killed at any moment: the tool, its supervisor, the kernel, the storage daemon, the hypervisor. Nobody hangs,
//! no process and no file is left, and a read-only image is unchanged. A session that is not disturbed leaves a sound
//! filesystem.
//!
//! A few rounds run with the other tests; `cargo test -p guestfs-tests --test kills -- 200` runs as many as it says.
#![expect(clippy::print_stderr, reason = "a long test says which rounds it has behind it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use guestfs_tests::{data, must};
use libguestfs_core::client::Upload;
use libguestfs_core::{AddDriveOpts, Guestfs, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Rounds unless told otherwise: each victim once.
const ROUNDS: u64 = 6;
/// How long everything may take to end after a kill; a victim that was gone already leaves a whole session to wait for.
const PATIENCE: Duration = Duration::from_secs(240);
/// A session is killed within this time. A launch takes a quarter to half of it on an idle machine.
const LONGEST_UML: Duration = Duration::from_secs(2);
const LONGEST_DIRECT: Duration = Duration::from_secs(6);
/// The argument by which this program is the session that is disturbed.
const SESSION: &str = "--session";

/// Writes to one disk and reads from another, until it is told to stop by the file `stop`.
fn session(backend: &str, dir: &Path) -> Result<()> {
    let settings = Settings {
        backend: backend.into(),
        backend_settings: vec!["force_tcg".into()],
        tmpdir: dir.join("tmp"),
        ..Settings::default()
    };
    let g = Guestfs::with_settings(settings);
    g.add_drive(
        dir.join("written.raw"),
        &AddDriveOpts { format: Some("raw".into()), ..AddDriveOpts::default() },
    )?;
    g.add_drive(dir.join("guest.qcow2"), &AddDriveOpts { readonly: Some(true), ..AddDriveOpts::default() })?;
    g.launch()?;
    g.mount("/dev/sda", "/")?;
    g.mkmountpoint("/guest").or_else(|_| g.mkdir("/guest"))?;
    g.mount("/dev/sdb2", "/guest")?;
    let content = vec![7; 1 << 20];
    while !dir.join("stop").exists() {
        g.upload(file(&mut content.as_slice()), "/file")?;
        g.upload(file(&mut content.as_slice()), "/guest/file")?;
        let mut back = Vec::new();
        g.download("/guest/file", &mut back)?;
        ensure!(back == content, "the file came back changed");
    }
    Ok(g.shutdown()?)
}

/// All processes below `root`: their numbers, and the names of their programs.
fn family(root: u32) -> BTreeMap<u32, String> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let Some(parent) = rest.split_whitespace().nth(1).and_then(|word| word.parse::<u32>().ok()) else {
            continue;
        };
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let name =
            String::from_utf8_lossy(arguments.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        parents.insert(pid, (parent, name));
    }
    let mut found = BTreeMap::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        if let Some((_, name)) = parents.get(&pid) {
            found.insert(pid, name.clone());
        }
        next.extend(parents.iter().filter(|(_, (parent, _))| *parent == pid).map(|(pid, _)| *pid));
    }
    found
}

/// Does a process live whose standing says that it belongs to a session in `dir`? Its arguments or open files name it.
fn belonging_to(dir: &Path) -> Vec<String> {
    let name = dir.to_string_lossy();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err())
            || path.file_name().is_some_and(|pid| *pid.to_string_lossy() == std::process::id().to_string())
        {
            continue;
        }
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        let files = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        let has_file = files
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|target| target.to_string_lossy().starts_with(&*name));
        if has_file || String::from_utf8_lossy(&arguments).contains(&*name) {
            found.push(String::from_utf8_lossy(&arguments).replace('\0', " "));
        }
    }
    found
}

fn start(backend: &str, dir: &Path) -> Result<Child> {
    let log = fs::File::create(dir.join("log"))?;
    let child = Command::new(std::env::current_exe()?)
        .args([SESSION, backend])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(child)
}

/// Waits for the end of the session.
fn end(child: &mut Child) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > deadline {
            let family = family(child.id());
            child.kill()?;
            bail!("it hangs: {family:?}");
        }
        sleep(Duration::from_millis(20));
    }
}

fn file<'a>(content: &'a mut &[u8]) -> Upload<'a> {
    let size = u64::try_from(content.len()).ok();
    Upload { content, size }
}

fn prepare(dir: &Path) -> Result<()> {
    fs::create_dir(dir.join("tmp"))?;
    let written = dir.join("written.raw");
    fs::File::create(&written)?.set_len(64 << 20)?;
    must("mkfs.ext4", ["-q", "-F", &written.to_string_lossy()])?;
    fs::copy(data("debian-mini.qcow2"), dir.join("guest.qcow2"))?;
    Ok(())
}

fn nothing_is_left(dir: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = belonging_to(dir);
        if processes.is_empty() {
            break;
        }
        ensure!(Instant::now() < deadline, "left behind: {processes:#?}");
        sleep(Duration::from_millis(20));
    }
    let files: Vec<_> = fs::read_dir(dir.join("tmp"))?.flatten().map(|entry| entry.path()).collect();
    ensure!(files.is_empty(), "left behind: {files:?}");
    let guest = fs::read(dir.join("guest.qcow2"))?;
    ensure!(guest == fs::read(data("debian-mini.qcow2"))?, "a read-only image was changed");
    Ok(())
}

/// Kills a process of a session, number `victim` of those that there are, after `delay`.
fn disturbed(backend: &str, victim: usize, delay: Duration) -> Result<String> {
    let dir = tempfile::tempdir()?;
    prepare(dir.path())?;
    let mut child = start(backend, dir.path())?;
    sleep(delay);
    let family: Vec<(u32, String)> = family(child.id()).into_iter().collect();
    let (pid, name) = family.get(victim % family.len().max(1)).cloned().context("the session is gone")?;
    // It may have ended by itself in the meantime.
    let _ = kill(Pid::from_raw(pid.try_into()?), Signal::SIGKILL);
    fs::write(dir.path().join("stop"), "")?;
    end(&mut child).with_context(|| format!("after {name} was killed"))?;
    nothing_is_left(dir.path()).with_context(|| format!("after {name} was killed"))?;
    Ok(name)
}

fn undisturbed(backend: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    prepare(dir.path())?;
    fs::write(dir.path().join("stop"), "")?;
    let mut child = start(backend, dir.path())?;
    let ended_well = end(&mut child)?;
    ensure!(ended_well, "{backend}: {}", fs::read_to_string(dir.path().join("log"))?);
    nothing_is_left(dir.path())?;
    must("e2fsck", ["-f", "-n", &dir.path().join("written.raw").to_string_lossy()])?;
    Ok(())
}

fn main() -> Result<ExitCode> {
    if let Some(status) = guestfsd::run_if_daemon() {
        return Ok(status);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, backend, dir] = arguments.as_slice()
        && first == SESSION
    {
        session(backend, Path::new(dir))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rounds = arguments.iter().find_map(|word| word.parse().ok());
    undisturbed("uml")?;
    let seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos());
    let mut state = seed;
    for round in 0..rounds.unwrap_or(ROUNDS) {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = state;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random ^= random >> 27;
        // Booting a virtual machine takes long: those are for the long test.
        let is_direct = rounds.is_some() && round % 4 == 3;
        let (backend, longest) = if is_direct { ("direct", LONGEST_DIRECT) } else { ("uml", LONGEST_UML) };
        let delay = Duration::from_millis(random % u64::try_from(longest.as_millis())?);
        let victim = usize::try_from(round)?;
        let name = disturbed(backend, victim, delay).with_context(|| {
            format!("round {round} of seed {seed}: {backend}, victim {victim}, after {delay:?}")
        })?;
        eprintln!("round {round}: {backend}: {name} killed after {delay:?}");
    }
    Ok(ExitCode::SUCCESS)
}
