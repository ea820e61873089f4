//! What virt-cat and virt-ls print, against what Debian's programs print on the same guest.
//!
//! `tests/data/golden` holds the guest (`make-guest` makes it) and `cases.txt`, the commands. `debian/NAME.out` is the
//! standard output of Debian's program, byte for byte, and `debian/status.txt` has each exit status. Messages differ in
//! words: `errors.txt` has ours, `debian/errors.txt` is there to compare. To record Debian's again (an hour, with the
//! package guestfs-tools), or ours after a message changed:
//!
//! ```sh
//! RECORD_GOLDENS=1 cargo test -p guestfs-tests --test golden_tools
//! UPDATE_ERRORS=1 cargo test -p guestfs-tests --test golden_tools
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use bstr::ByteSlice;

/// Cases whose columns 4 to 6 count from the time of the run.
const COUNTED_FROM_NOW: [&str; 2] = ["long-time-relative", "long-time-days"];

struct Case {
    name: String,
    command: String,
}

#[derive(Default)]
struct Outcome {
    stdout: Vec<u8>,
    stderr: String,
    status: i32,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden")
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(golden().join("cases.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, command) = line.split_once(": ").expect("a line of cases.txt is NAME: COMMAND");
            Case { name: name.into(), command: command.into() }
        })
        .collect()
}

/// Builds our programs, and returns the directory that they are in.
fn programs() -> PathBuf {
    let test = env::current_exe().unwrap();
    let directory = test.ancestors().nth(2).unwrap();
    let profile = match directory.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let arguments =
        ["build", "--quiet", "--profile", profile, "--package", "virt-cat", "--package", "virt-ls"];
    assert!(Command::new(env!("CARGO")).args(arguments).status().unwrap().success());
    directory.to_owned()
}

fn run(case: &Case, programs: Option<&Path>) -> Outcome {
    let temporary = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &case.command]).current_dir(golden()).stdin(Stdio::null()).env("T", temporary.path());
    shell.env(
        "AS_USER",
        if nix::unistd::geteuid().is_root() { "setpriv --reuid=65534 --clear-groups" } else { "" },
    );
    if let Some(programs) = programs {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([programs.to_owned()].into_iter().chain(env::split_paths(&path))).unwrap();
        shell.env("PATH", path);
    }
    let output = shell.output().unwrap();
    Outcome {
        stdout: output.stdout,
        stderr: output.stderr.to_str_lossy().replace(temporary.path().to_str().unwrap(), "$T"),
        status: output.status.code().unwrap_or(-1),
    }
}

/// Sections of messages by case.
fn messages(outcomes: &BTreeMap<String, Outcome>) -> String {
    let mut text = String::new();
    for (name, outcome) in outcomes.iter().filter(|(_, outcome)| !outcome.stderr.is_empty()) {
        writeln!(text, "== {name} (status {})\n{}", outcome.status, outcome.stderr.trim_end()).unwrap();
    }
    text
}

fn record() {
    let debian = golden().join("debian");
    let _ = fs::remove_dir_all(&debian);
    fs::create_dir_all(&debian).unwrap();
    let mut outcomes = BTreeMap::new();
    for case in cases() {
        let outcome = run(&case, None);
        if !outcome.stdout.is_empty() {
            fs::write(debian.join(format!("{}.out", case.name)), &outcome.stdout).unwrap();
        }
        outcomes.insert(case.name, outcome);
    }
    let statuses: String =
        outcomes.iter().map(|(name, outcome)| format!("{name} {}\n", outcome.status)).collect();
    fs::write(debian.join("status.txt"), statuses).unwrap();
    fs::write(debian.join("errors.txt"), messages(&outcomes)).unwrap();
}

/// Takes out what differs between two runs of Debian's own programs, or shows their appliance and not the guest.
fn normalized(name: &str, output: &[u8]) -> Vec<u8> {
    // The appliance numbers its disks in no fixed order.
    let output = output.replace(" 8:16 ", " 8:0 ").replace(",8:16,", ",8:0,");
    if name != "ll-several" {
        return output;
    }
    // The parent of the guest's root directory is a directory of the appliance.
    let mut lines: Vec<&[u8]> = output.split_inclusive(|&b| b == b'\n').collect();
    if let Some(parent) = lines.iter().position(|line| line.ends_with(b" ..\n")) {
        lines.remove(parent);
    }
    lines.concat()
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&b| b == b' ').filter(|field| !field.is_empty()).collect()
}

/// Compares lines whose columns 4 to 6 count from different nows: all of them must be apart by the same number, give or
/// take the `slack` that rounding to days makes.
fn assert_counted(name: &str, ours: &[u8], debians: &[u8]) {
    let slack = i64::from(name.ends_with("days"));
    let mut apart = None;
    let (ours, debians): (Vec<_>, Vec<_>) = (ours.lines().collect(), debians.lines().collect());
    assert_eq!(ours.len(), debians.len(), "{name}");
    for (ours, debians) in ours.iter().zip(debians) {
        let (a, b): (Vec<_>, Vec<_>) = (fields(ours), fields(debians));
        assert_eq!((a.len(), a[..3].to_vec(), a[6]), (b.len(), b[..3].to_vec(), b[6]), "{name}");
        for column in 3..6 {
            let number = |field: &[u8]| field.to_str().unwrap().parse::<i64>().unwrap();
            let difference = number(a[column]) - number(b[column]);
            let first = *apart.get_or_insert(difference);
            assert!((difference - first).abs() <= slack, "{name}: {}\n{}", ours.as_bstr(), debians.as_bstr());
        }
    }
}

#[test]
fn our_programs_print_what_debians_print() {
    if env::var_os("RECORD_GOLDENS").is_some() {
        record();
        return;
    }
    let programs = programs();
    let debian = golden().join("debian");
    let statuses = fs::read_to_string(debian.join("status.txt")).unwrap();
    let statuses: BTreeMap<&str, i32> = statuses
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(n, s)| (n, s.parse().unwrap()))
        .collect();

    let mut outcomes = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases() {
        let outcome = run(&case, Some(&programs));
        let name = case.name.as_str();
        let expected = fs::read(debian.join(format!("{name}.out"))).unwrap_or_default();
        if COUNTED_FROM_NOW.contains(&name) {
            assert_counted(name, &outcome.stdout, &expected);
        } else if normalized(name, &outcome.stdout) != normalized(name, &expected) {
            let kept = env::temp_dir().join(format!("golden-{name}.out"));
            fs::write(&kept, &outcome.stdout).unwrap();
            wrong.push(format!(
                "{name}: output differs from debian/{name}.out: see {}\n{}",
                kept.display(),
                outcome.stderr
            ));
        }
        let debians = *statuses.get(name).unwrap_or_else(|| panic!("{name} is not recorded"));
        // Debian's programs have one status for all failures; ours have another for command lines that make no sense.
        let bad_use = name.starts_with("use-") && debians == 1 && outcome.status == 2;
        if outcome.status != debians && !bad_use {
            wrong.push(format!("{name}: status {}, Debian's {debians}\n{}", outcome.status, outcome.stderr));
        }
        outcomes.insert(case.name, outcome);
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));

    let errors = golden().join("errors.txt");
    if env::var_os("UPDATE_ERRORS").is_some() {
        fs::write(&errors, messages(&outcomes)).unwrap();
    }
    let kept = fs::read_to_string(&errors).unwrap_or_default();
    assert_eq!(messages(&outcomes), kept, "errors.txt is stale: see the top of this file");
}
