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

use crate::run;

/// How long between two looks at the memory of running processes.
const SAMPLE: Duration = Duration::from_micros(300);
/// A program that takes longer is run once.
const LONG: Duration = Duration::from_secs(1);

/// What was measured of one program.
#[derive(Debug, Clone, Copy)]
struct Measured {
    time: Duration,
    memory_kib: u64,
    bytes: u64,
}

/// A program to be measured.
pub(super) struct Row {
    pub(super) name: String,
    command: Vec<String>,
}

/// A row of a table.
pub(super) fn row(name: &str, command: &[&str]) -> Row {
    Row { name: name.to_owned(), command: command.iter().map(ToString::to_string).collect() }
}

/// Runs the command once; with `memory`, looks at its processes all the while.
fn once(command: &[String], memory: bool) -> Result<Measured> {
    let start = Instant::now();
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
        let sampler = memory.then(|| scope.spawn(|| sample(pid, &done)));
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
    Ok(Measured { time, memory_kib, bytes })
}

/// The largest sum, over the processes that descend from `pid`, of the most that each has had resident.
fn sample(pid: u32, done: &AtomicBool) -> u64 {
    let mut peaks = BTreeMap::new();
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        let mut family = vec![pid];
        let mut next = 0;
        while let Some(&member) = family.get(next) {
            next += 1;
            for task in fs::read_dir(format!("/proc/{member}/task")).into_iter().flatten().flatten() {
                let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(list.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
            }
        }
        peaks.retain(|member, _| family.contains(member));
        for member in family {
            let status = fs::read_to_string(format!("/proc/{member}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            if let Some(kib) = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()) {
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
    let first = once(&row.command, true)?;
    if first.time > LONG {
        return Ok(Some(first));
    }
    let mut times = (0..runs).map(|_| Ok(once(&row.command, false)?.time)).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(Some(Measured { time: times[times.len() / 2], ..first }))
}

/// Measures the rows and prints them; the first is ours, and the others are compared with it.
pub(super) fn table(title: &str, rows: &[Row], runs: usize) -> Result<()> {
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
    }
    Ok(())
}
