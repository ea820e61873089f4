//! `cargo xtask fuzz`: the fuzz targets, blindly mutated with the ordinary compiler, or guided by coverage.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run;

/// How to fuzz.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Time for each target in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Guided by coverage, with `cargo fuzz` (needs a nightly compiler and `cargo install cargo-fuzz`)
    #[arg(long)]
    guided: bool,
    /// Targets; all if none is named
    targets: Vec<String>,
}

/// The targets of `fuzz/fuzz_targets`.
const TARGETS: &[&str] = &[
    "image",
    "partition",
    "lvm2",
    "ldm",
    "luks",
    "probe",
    "ext",
    "filesystem",
    "ntfs",
    "udf",
    "ext_journal",
    "guest",
    "packages_sqlite",
    "packages_ndb",
    "packages_bdb",
    "packages_text",
    "archive",
    "hive",
    "reg",
    "windows",
    "wire_call",
    "wire_reply",
    "wire_client",
    "wire_server",
];

/// Fuzzes as `options` say.
pub(crate) fn run(options: &Options) -> Result<()> {
    let seconds = options.seconds.to_string();
    if !options.guided {
        let mut words =
            vec!["run", "--release", "--quiet", "--package", "fuzz-targets", "--bin", "mutate", &seconds];
        words.extend(options.targets.iter().map(String::as_str));
        return cargo(&words);
    }
    let all = options.targets.is_empty();
    let wanted = |name: &&&str| all || options.targets.iter().any(|target| target == **name);
    let time = format!("-max_total_time={seconds}");
    let seeds = run::repository().join("fuzz/corpus");
    cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "fuzz-targets",
        "--bin",
        "seeds",
        &seeds.to_string_lossy(),
    ])?;
    for target in TARGETS.iter().filter(wanted) {
        cargo(&["+nightly", "fuzz", "run", target, "--", &time, "-timeout=2", "-rss_limit_mb=512"])?;
    }
    Ok(())
}

fn cargo(words: &[&str]) -> Result<()> {
    // Through rustup's cargo, which knows `+nightly`.
    let status = Command::new("cargo")
        .current_dir(run::repository())
        .args(words)
        .env_remove("RUSTUP_TOOLCHAIN")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo {}: {status}", words.join(" "));
    Ok(())
}
