//! Running other programs: what they are asked is printed when they fail, and a failure is an error.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `program` with `args` and returns what it wrote to standard output.
pub(crate) fn output<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<String> {
    with_input(program, args, "")
}

/// As [`output`], with `input` on standard input.
pub(crate) fn with_input<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
    input: &str,
) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {program}: is it installed?"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not want its input has closed it already: its exit status tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let out = child.wait_with_output()?;
    if !out.status.success() {
        bail!("{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a line of shell with the positional parameters `args`; stops at the first failing command.
pub(crate) fn shell(script: &str, args: &[&Path]) -> Result<()> {
    let mut all: Vec<&OsStr> = vec!["-ec".as_ref(), script.as_ref(), "sh".as_ref()];
    all.extend(args.iter().map(|path| path.as_os_str()));
    output("sh", all).map(drop)
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}
