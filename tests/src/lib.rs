//! Whole-program tests: what a user of the tools notices. Here is what they share.
//!
//! The tests are in `tests/`, one file for each kind of promise: content, errors, isolation, chains. They run the built
//! tools on the guests in `data/`, and compare with the kernel's mounts of the same images, so they need root, loop
//! devices, and the packages that `.ci/run` installs; one that misses something fails and says what.

pub mod session;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use libguestfs_core::{AddDriveOpts, Guestfs, Settings};

/// The built tool of that name. The first call builds the tools as they are in the source.
pub fn tool(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    match built {
        Ok(directory) => Ok(directory.join(name)),
        Err(why) => bail!("cannot build the tools: {why}"),
    }
}

/// Builds in the profile of this test, and returns where the programs are.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/PROFILE/deps/TEST
    let directory = test.ancestors().nth(2).context("a test lies in target/PROFILE/deps")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet"]);
    cargo.args(
        [
            "virt-cat",
            "virt-copy-out",
            "virt-df",
            "virt-inspector",
            "virt-ls",
            "virt-win-reg",
            "libguestfs-make-fixed-appliance",
        ]
        .iter()
        .flat_map(|tool| ["--package", tool]),
    );
    cargo.arg("--manifest-path").arg(repository().join("Cargo.toml"));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let out = cargo.output().context("cannot run cargo")?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(directory.to_owned())
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A file in `tests/data`.
pub fn data(name: &str) -> PathBuf {
    repository().join("tests/data").join(name)
}

/// How a program ended: exit status, standard output and standard error.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

/// Runs a program to its end, without input and without the caller's `LIBGUESTFS_*` variables. The tools may use the
/// embedded daemon only, unless the command says otherwise: a test of what that answers must not pass by an appliance.
pub fn ended(command: &mut Command) -> Result<Ended> {
    let Output { status, stdout, stderr } =
        clean(command).stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    Ok(Ended { status: status.code(), stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Takes the variables that change what the tools do out of the environment.
pub fn clean(command: &mut Command) -> &mut Command {
    let given: Vec<OsString> =
        command.get_envs().filter(|(_, value)| value.is_some()).map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"LIBGUESTFS_") && !given.contains(&name) {
            command.env_remove(name);
        }
    }
    if !command.get_envs().any(|(name, value)| name == "LIBGUESTFS_BACKEND" && value.is_some()) {
        command.env("LIBGUESTFS_BACKEND", "embedded");
    }
    command
}

/// Runs a tool.
pub fn run<S: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Result<Ended> {
    ended(Command::new(tool(name)?).args(args))
}

/// A launched handle on raw images, with the backend of that name.
pub fn launched<P: AsRef<Path>>(backend: &str, disks: &[P], readonly: bool) -> Result<Guestfs> {
    let handle = Guestfs::with_settings(Settings { backend: backend.into(), ..Settings::default() });
    for disk in disks {
        let format = Some("raw".into());
        let options = AddDriveOpts { format, readonly: Some(readonly), ..AddDriveOpts::default() };
        handle.add_drive(disk.as_ref(), &options)?;
    }
    handle.launch()?;
    Ok(handle)
}

/// Runs another program and returns its standard output; it has to succeed.
pub fn must<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    let out = ended(command.args(args))?;
    ensure!(out.status == Some(0), "{command:?} ended with {:?}: {}", out.status, out.stderr);
    Ok(out.stdout)
}

/// A directory that every user can read, removed when dropped.
pub fn public_directory() -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    must("chmod", [OsStr::new("755"), directory.path().as_os_str()])?;
    Ok(directory)
}

/// A filesystem in a raw image, mounted read-only by the kernel; unmounted when dropped.
#[derive(Debug)]
pub struct Mount(tempfile::TempDir);

impl Mount {
    /// Mounts the `len` bytes from byte `offset` on.
    pub fn new(image: &Path, offset: u64, len: u64) -> Result<Mount> {
        let directory = tempfile::tempdir()?;
        let options = format!("ro,loop,offset={offset},sizelimit={len}");
        let args = [OsStr::new("-o"), options.as_ref(), image.as_os_str(), directory.path().as_os_str()];
        must("mount", args).context("mounting needs root and loop devices")?;
        Ok(Mount(directory))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if must("umount", [self.0.path()]).is_err() {
            self.0.disable_cleanup(true);
        }
    }
}

/// The processes that process `pid` has started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The most memory that process `pid` has had resident so far, in KiB; 0 once it is gone.
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
