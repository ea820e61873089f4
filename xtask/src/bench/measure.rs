//! Running programs for their time and memory, and the table of what was seen.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::{run, sys};

/// How long between two looks at the memory of running processes.
const SAMPLE: Duration = Duration::from_micros(300);
/// The same for what takes longer to be found out.
const SAMPLE_PROPORTIONAL: Duration = Duration::from_millis(20);
/// A program that takes longer is run once.
const LONG: Duration = Duration::from_secs(1);

/// What was measured of one program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) time: Duration,
    /// Of all processors and processes.
    pub(super) cpu: Duration,
    pub(super) memory_kib: u64,
    bytes: u64,
}

/// A program to be measured.
pub(super) struct Row {
    pub(super) name: String,
    command: Vec<String>,
    memory: Memory,
}

/// How memory is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// The most that each process has had resident.
    Resident,
    /// What all have at a time: pages that several have count once. Looking takes some milliseconds.
    Proportional,
}

impl Row {
    /// Counts pages once that several processes have, and measures time in runs of its own, however long they are.
    pub(super) fn proportional(mut self) -> Row {
        self.memory = Memory::Proportional;
        self
    }
}

/// A row of a table.
pub(super) fn row(name: &str, command: &[&str]) -> Row {
    let command = command.iter().map(ToString::to_string).collect();
    Row { name: name.to_owned(), command, memory: Memory::Resident }
}

/// Processor time of all that this process has waited for.
fn used() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let all = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(all.num_microseconds())?))
}

/// Runs the command once; with `memory`, looks at its processes all the while.
fn once(command: &[String], memory: Option<Memory>) -> Result<Measured> {
    let (start, used_before) = (Instant::now(), used()?);
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().context("no pipe")?;
    let (pid, done) = (child.id(), AtomicBool::new(false));
    let (bytes, memory_kib) = scope(|scope| {
        let sampler = memory.map(|memory| {
            let done = &done;
            scope.spawn(move || match memory {
                Memory::Resident => resident(pid, done),
                Memory::Proportional => proportional(pid, done),
            })
        });
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = 0u64;
        loop {
            match out.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => bytes += u64::try_from(count).unwrap_or(0),
            }
        }
        done.store(true, Ordering::Relaxed);
        (bytes, sampler.and_then(|sampler| sampler.join().ok()).unwrap_or(0))
    });
    let out = child.wait_with_output()?;
    let time = start.elapsed();
    ensure!(
        out.status.success(),
        "{}: {}",
        command.join(" "),
        String::from_utf8_lossy(&out.stderr).trim_end()
    );
    Ok(Measured { time, cpu: used()?.saturating_sub(used_before), memory_kib, bytes })
}

/// A process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&member) = family.get(next) {
        next += 1;
        for task in fs::read_dir(format!("/proc/{member}/task")).into_iter().flatten().flatten() {
            let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(list.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    family
}

/// The number after a name in one of the kernel's tables.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The largest sum, at one time, of the proportional sizes of the processes that descend from `pid`: what processes share
/// counts once. Those that share all of their memory are one for this.
fn proportional(pid: u32, done: &AtomicBool) -> u64 {
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        let mut seen: Vec<u32> = Vec::new();
        let mut sum = 0;
        for member in family(pid) {
            if seen.iter().any(|other| sys::share_memory(*other, member)) {
                continue;
            }
            seen.push(member);
            sum += field(&format!("/proc/{member}/smaps_rollup"), "Pss:").unwrap_or(0);
        }
        most = most.max(sum);
        sleep(SAMPLE_PROPORTIONAL);
    }
    most
}

/// The largest sum, over the processes that descend from `pid`, of the most that each has had resident.
fn resident(pid: u32, done: &AtomicBool) -> u64 {
    let mut peaks = BTreeMap::new();
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        let family = family(pid);
        peaks.retain(|member, _| family.contains(member));
        for member in family {
            if let Some(kib) = field(&format!("/proc/{member}/status"), "VmHWM:") {
                peaks.insert(member, kib);
            }
        }
        most = most.max(peaks.values().sum());
        sleep(SAMPLE);
    }
    most
}

/// Measures one program; `None` if it is not installed.
fn measure(row: &Row, runs: usize) -> Result<Option<Measured>> {
    let program = Path::new(&row.command[0]);
    let installed = if program.is_absolute() {
        program.exists()
    } else {
        run::output("sh", ["-c", &format!("command -v {}", row.command[0])]).is_ok()
    };
    if !installed {
        return Ok(None);
    }
    let first = once(&row.command, Some(row.memory))?;
    if first.time > LONG && row.memory == Memory::Resident {
        return Ok(Some(first));
    }
    let mut times = (0..runs).map(|_| once(&row.command, None)).collect::<Result<Vec<_>>>()?;
    times.sort_unstable_by_key(|measured| measured.time);
    Ok(Some(Measured { memory_kib: first.memory_kib, ..times[times.len() / 2] }))
}

/// Measures the rows and prints them; the first is ours, and the others are compared with it.
pub(super) fn table(title: &str, rows: &[Row], runs: usize) -> Result<Vec<(String, Measured)>> {
    let mut all = Vec::new();
    println!("\n{title}");
    let mut ours: Option<Measured> = None;
    for row in rows {
        let measured = match measure(row, runs) {
            Ok(Some(measured)) => measured,
            Ok(None) => {
                println!("  {:34} not installed", row.name);
                continue;
            }
            // A failure of ours ends it; another program's is a result.
            Err(error) if ours.is_none() => return Err(error),
            Err(error) => {
                println!("  {:34} failed: {error}", row.name);
                continue;
            }
        };
        let ratio = ours.map_or(String::new(), |ours| {
            format!("  {:8.2}x our time", measured.time.as_secs_f64() / ours.time.as_secs_f64())
        });
        let rate = if measured.bytes > 100 << 20 {
            format!("  {:5.0} MB/s", measured.bytes as f64 / 1e6 / measured.time.as_secs_f64())
        } else {
            String::new()
        };
        let milliseconds = measured.time.as_secs_f64() * 1e3;
        let memory = measured.memory_kib as f64 / 1024.0;
        println!("  {:34} {milliseconds:10.1} ms {memory:8.1} MiB{rate}{ratio}", row.name);
        ours = ours.or(Some(measured));
        all.push((row.name.clone(), measured));
    }
    Ok(all)
}
