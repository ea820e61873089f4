//! What virt-cat, virt-ls, virt-df, virt-inspector and virt-win-reg print, against what Debian's programs print on the same guest.
//!
//! `tests/data/golden` holds the guests (`make-guest`, `make-df` and `make-inspect` make them) and `cases.txt`, the commands. `debian/NAME.out` is the
//! standard output of Debian's program, byte for byte, and `debian/status.txt` has each exit status. Messages differ in
//! words: `errors.txt` has ours, `debian/errors.txt` is there to compare. To record Debian's again (two hours, with
//! the package guestfs-tools), all or those of the cases whose names begin so, or ours after a message changed:
//!
//! ```sh
//! RECORD_GOLDENS=1 cargo test -p guestfs-tests --test golden_tools
//! RECORD_GOLDENS=df- cargo test -p guestfs-tests --test golden_tools
//! UPDATE_ERRORS=1 cargo test -p guestfs-tests --test golden_tools
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "recording says how far it is")]

use std::collections::{BTreeMap, BTreeSet};
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
    let packages = ["virt-cat", "virt-copy-out", "virt-df", "virt-inspector", "virt-ls", "virt-win-reg"]
        .into_iter()
        .flat_map(|tool| ["--package", tool]);
    let arguments = ["build", "--quiet", "--profile", profile].into_iter().chain(packages);
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
        // What the embedded daemon answers: an appliance would hide that it refused.
        shell.env("PATH", path).env("LIBGUESTFS_BACKEND", "embedded");
        // A host that is the same everywhere.
        shell.env("LIBVIRT_DEFAULT_URI", "test:///default");
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

/// The sections of two texts of [`messages`] that are not the same in both.
fn differing_sections(kept: &str, new: &str) -> String {
    let sections =
        |text: &str| -> BTreeSet<String> { text.split("== ").map(|s| s.trim_end().to_owned()).collect() };
    let (kept, new) = (sections(kept), sections(new));
    let gone = kept.difference(&new).map(|section| format!("kept: {section}\n"));
    gone.chain(new.difference(&kept).map(|section| format!("now:  {section}\n"))).collect()
}

/// Records what Debian's programs print in the cases whose names begin with `prefix`, and keeps the rest.
fn record(prefix: &str) {
    let debian = golden().join("debian");
    fs::create_dir_all(&debian).unwrap();
    let cases = cases();
    let mut outcomes = recorded(&debian);
    outcomes.retain(|name, _| cases.iter().any(|case| case.name == *name));
    for case in cases.iter().filter(|case| case.name.starts_with(prefix)) {
        println!("{}", case.name);
        outcomes.insert(case.name.clone(), run(case, None));
    }
    fs::remove_dir_all(&debian).unwrap();
    fs::create_dir(&debian).unwrap();
    for (name, outcome) in outcomes.iter().filter(|(_, outcome)| !outcome.stdout.is_empty()) {
        fs::write(debian.join(format!("{name}.out")), &outcome.stdout).unwrap();
    }
    let statuses: String =
        outcomes.iter().map(|(name, outcome)| format!("{name} {}\n", outcome.status)).collect();
    fs::write(debian.join("status.txt"), statuses).unwrap();
    fs::write(debian.join("errors.txt"), messages(&outcomes)).unwrap();
}

/// What was recorded of Debian's programs.
fn recorded(debian: &Path) -> BTreeMap<String, Outcome> {
    let text = |name: &str| fs::read_to_string(debian.join(name)).unwrap_or_default();
    let (statuses, errors) = (text("status.txt"), text("errors.txt"));
    let mut outcomes: BTreeMap<String, Outcome> = statuses
        .lines()
        .map(|line| {
            let (name, status) = line.split_once(' ').unwrap();
            let stdout = fs::read(debian.join(format!("{name}.out"))).unwrap_or_default();
            let outcome = Outcome { stdout, stderr: String::new(), status: status.parse().unwrap() };
            (name.to_owned(), outcome)
        })
        .collect();
    let mut name = "";
    for line in errors.split_inclusive('\n') {
        match line.strip_prefix("== ") {
            Some(head) => name = head.split(' ').next().unwrap(),
            None => outcomes.get_mut(name).unwrap().stderr.push_str(line),
        }
    }
    outcomes
}

/// Takes out what differs between two runs of Debian's own programs, or shows their appliance and not the guest.
fn normalized(name: &str, output: &[u8]) -> Vec<u8> {
    // The appliance numbers its disks in no fixed order.
    let output = output.replace(" 8:16 ", " 8:0 ").replace(",8:16,", ",8:0,");
    // So it does within the names of subvolumes.
    let output = output.replace("btrfsvol:/dev/sdb", "btrfsvol:/dev/sda");
    // Debian's names of subvolumes keep the slash of fstab's subvol=/@.
    let output = output.replace("btrfsvol:/dev/sda2//", "btrfsvol:/dev/sda2/");
    // Debian's appliance has the guest below /sysroot, which ntfs-3g puts before absolute targets. They lead nowhere there.
    let output = output
        .replace("14 /Documents and Settings -> /sysroot/Users", " 6 /Documents and Settings -> /Users");
    // What Debian's virt-win-reg prints beyond ASCII is in Latin-1, with a byte for a character.
    let output = if name.starts_with("win-") && output.to_str().is_err() {
        output.iter().copied().map(char::from).collect::<String>().into_bytes()
    } else {
        output
    };
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
fn stale_messages_are_told_by_section() {
    let kept = "== a (status 1)\nx\n== b (status 1)\ny\n";
    assert_eq!(differing_sections(kept, kept), "");
    let new = "== a (status 1)\nx\n== b (status 2)\ny\n== c (status 1)\nz\n";
    let told = "kept: b (status 1)\ny\nnow:  b (status 2)\ny\nnow:  c (status 1)\nz\n";
    assert_eq!(differing_sections(kept, new), told);
}

#[test]
fn our_programs_print_what_debians_print() {
    if let Ok(prefix) = env::var("RECORD_GOLDENS") {
        record(if prefix == "1" { "" } else { &prefix });
        return;
    }
    let programs = programs();
    let debians = recorded(&golden().join("debian"));

    let mut outcomes = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases() {
        let outcome = run(&case, Some(&programs));
        let name = case.name.as_str();
        let debian = debians.get(name).unwrap_or_else(|| panic!("{name} is not recorded"));
        if COUNTED_FROM_NOW.contains(&name) {
            assert_counted(name, &outcome.stdout, &debian.stdout);
        } else if normalized(name, &outcome.stdout) != normalized(name, &debian.stdout) {
            let kept = env::temp_dir().join(format!("golden-{name}.out"));
            fs::write(&kept, &outcome.stdout).unwrap();
            wrong.push(format!(
                "{name}: output differs from debian/{name}.out: see {}\n{}",
                kept.display(),
                outcome.stderr
            ));
        }
        // Debian's programs have one status for all failures; ours have another for command lines that make no sense.
        let bad_use = name.starts_with("use-") && debian.status != 0 && outcome.status == 2;
        // Its virt-win-reg ends with whatever errno there was last.
        let no_key = name.starts_with("win-") && debian.status != 0 && outcome.status == 1;
        // Debian's virt-df leaves out what it cannot read and calls that success.
        let left_out = name.starts_with("df-left-out-") && (debian.status, outcome.status) == (0, 1);
        if outcome.status != debian.status && !bad_use && !left_out && !no_key {
            let status = debian.status;
            wrong.push(format!("{name}: status {}, Debian's {status}\n{}", outcome.status, outcome.stderr));
        }
        outcomes.insert(case.name, outcome);
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));

    let errors = golden().join("errors.txt");
    if env::var_os("UPDATE_ERRORS").is_some() {
        fs::write(&errors, messages(&outcomes)).unwrap();
    }
    let kept = fs::read_to_string(&errors).unwrap_or_default();
    let stale = differing_sections(&kept, &messages(&outcomes));
    assert!(stale.is_empty(), "errors.txt is stale, see the top of this file:\n{stale}");
}
