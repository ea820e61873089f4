//! `cargo xtask mutants`: reads damaged copies of small disks with everything that this project has for reading them.
//!
//! Each mutant is a fixture with a few bytes changed, where the readers look (a recording of their reads on the whole
//! fixture says where), and in most of them the checksums made right again. It must end in output or an error, within 2 s of processor time and 256 MB of memory. Mutants
//! follow from fixture and number alone: `--only NUMBER` repeats one.
//!
//! ```text
//! parent: makes fixtures, starts workers, reads "done N", kills what hangs, names the number of what died
//!   └ worker (this program again, under RLIMIT_AS): for each number: mutate, read everything, report
//! ```
//!
//! Needs root, dosfstools, e2fsprogs, erofs-utils, exfatprogs, genisoimage, mtools, qemu-utils, gdisk, fdisk, squashfs-tools, xz-utils,
//! and for unclean filesystems xfsprogs and python3.

mod btrfs;
mod checksums;
mod fixtures;
mod mutate;
mod stack;
mod worker;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

/// Processor time that a mutant may take, in milliseconds.
const CPU_LIMIT_MS: u64 = 2000;
/// Time without a report after which a worker hangs. Longer than the above: the machine may be busy.
const HANG: Duration = Duration::from_secs(30);

/// Options of the task.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Mutants of each fixture.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Number of the first mutant.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this mutant, saying what was changed and what came of it.
    #[arg(long)]
    only: Option<u64>,
    /// Workers at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Runs mutants first..first+count of the one fixture, as a worker does.
    #[arg(long, hide = true)]
    worker: bool,
    /// Fixtures; all if none is named.
    fixtures: Vec<String>,
}

/// What came of the mutants of one fixture.
#[derive(Debug, Default)]
struct Tally {
    outcomes: BTreeMap<String, u64>,
    /// Number of each mutant that died, hung or took too long, and how.
    failures: Vec<(u64, String)>,
    slowest_ms: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let dir = directory()?;
    if options.worker {
        let [name] = options.fixtures.as_slice() else { bail!("a worker works on one fixture") };
        return worker::run(&fixtures::find(name)?, &dir, options.first, options.count);
    }
    let names = &options.fixtures;
    let chosen =
        fixtures::all().into_iter().filter(|f| names.is_empty() || names.iter().any(|n| n == f.name));
    let chosen: Vec<_> = chosen.collect();
    for name in names {
        fixtures::find(name)?;
    }
    for fixture in &chosen {
        fixture.make(&dir).with_context(|| format!("making the fixture {}", fixture.name))?;
        worker::check_repair(fixture, &dir)
            .with_context(|| format!("checksums of the fixture {}", fixture.name))?;
    }
    if let Some(only) = options.only {
        return chosen.iter().try_for_each(|fixture| worker::explain(fixture, &dir, only));
    }
    let mut failures = 0;
    for fixture in &chosen {
        let tally = tally(fixture.name, options)?;
        let outcomes: Vec<_> = tally.outcomes.iter().map(|(what, n)| format!("{n} {what}")).collect();
        println!("{:<16} {}; slowest {} ms", fixture.name, outcomes.join(", "), tally.slowest_ms);
        for (number, how) in &tally.failures {
            println!("    mutant {number}: {how}");
        }
        failures += tally.failures.len();
    }
    ensure!(failures == 0, "{failures} mutants failed");
    Ok(())
}

/// Where fixtures are kept between runs.
fn directory() -> Result<PathBuf> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    let dir = env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from).join("mutants");
    std::fs::create_dir_all(&dir)?;
    Ok(dir.canonicalize()?)
}

/// Runs all mutants of a fixture, in `jobs` parts.
fn tally(name: &str, options: &Options) -> Result<Tally> {
    let jobs = u64::try_from(options.jobs.max(1))?;
    let mut whole = Tally::default();
    let parts: Vec<Result<Tally>> = thread::scope(|scope| {
        let each = options.count.div_ceil(jobs);
        let threads: Vec<_> = (0..jobs)
            .map(|job| {
                let first = options.first + (job * each).min(options.count);
                let end = options.first + ((job + 1) * each).min(options.count);
                scope.spawn(move || part(name, first, end))
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| bail!("a thread died"))).collect()
    });
    for part in parts {
        let part = part?;
        for (what, n) in part.outcomes {
            *whole.outcomes.entry(what).or_default() += n;
        }
        whole.failures.extend(part.failures);
        whole.slowest_ms = whole.slowest_ms.max(part.slowest_ms);
    }
    whole.failures.sort();
    Ok(whole)
}

/// Runs mutants `first..end`, with a new worker after each one that died.
fn part(name: &str, mut first: u64, end: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    while first < end {
        let mut worker = Worker::start(name, first, end)?;
        let how = loop {
            match worker.reports.recv_timeout(HANG) {
                Ok(line) => {
                    let (what, ms) = line.split_once('\t').context("a worker's report")?;
                    let ms: u64 = ms.parse()?;
                    if ms > CPU_LIMIT_MS {
                        tally.failures.push((first, format!("took {ms} ms")));
                    }
                    tally.slowest_ms = tally.slowest_ms.max(ms);
                    *tally.outcomes.entry(what.to_owned()).or_default() += 1;
                    first += 1;
                }
                Err(RecvTimeoutError::Timeout) => {
                    worker.child.kill()?;
                    break Some("hangs".to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        let (status, stderr) = worker.end()?;
        if first < end {
            let died = || match status.signal() {
                Some(signal) => format!("killed by signal {signal}: {stderr}"),
                None => format!("{status}: {stderr}"),
            };
            tally.failures.push((first, how.unwrap_or_else(died)));
            first += 1;
        }
    }
    Ok(tally)
}

/// A worker process and its reports, line by line.
struct Worker {
    child: Child,
    reports: mpsc::Receiver<String>,
    stderr: thread::JoinHandle<String>,
}

impl Worker {
    fn start(name: &str, first: u64, end: u64) -> Result<Self> {
        let (first, count) = (first.to_string(), (end - first).to_string());
        let mut child = Command::new(env::current_exe()?)
            .args(["mutants", "--worker", "--first", &first, "--count", &count, name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the worker's output")?;
        let mut errors = child.stderr.take().context("the worker's errors")?;
        let (send, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is missing from a message, no more.
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).lines().take(3).collect::<Vec<_>>().join(" ")
        });
        Ok(Worker { child, reports, stderr })
    }

    fn end(mut self) -> Result<(std::process::ExitStatus, String)> {
        let status = self.child.wait()?;
        Ok((status, self.stderr.join().unwrap_or_default()))
    }
}
