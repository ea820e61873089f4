//! virt-win-reg beyond what the goldens compare: hive files with their logs, JSON, and merges, of which libhivex reads what came
//! out. Whatever only reads changes no byte; a merge that fails or is killed leaves the old hive or the new one.
//!
//! Needs root, loop devices, FUSE, and the packages libwin-hivex-perl, ntfs-3g, python3-hivex, qemu-utils, user-mode-linux.
//! `MERGE_KILLS=100 cargo test -p guestfs-tests --test win_reg killed` kills as often as it says, and `MERGES=1000` makes so
//! many merges in a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guestfs_tests::{Ended, clean, data, ended, must, public_directory, repository, run, tool};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// The appliance that merges are made in.
const WRITER: &str = "uml";
/// Kills and merges unless told otherwise.
const KILLS: u32 = 4;
const MERGES: u32 = 25;
/// How long what a killed tool started may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

const CHANGES: &str = "Windows Registry Editor Version 5.00\r
\r
[HKEY_LOCAL_MACHINE\\SOFTWARE\\Example\\New]\r
\"Text\"=\"h\u{e9}llo \\\\ \u{1f60a}\"\r
\"Number\"=dword:00000007\r
\r
[HKEY_USERS\\alice\\Software\\Example\\Viewer]\r
\"Zoom\"=-\r
\r
[-HKEY_USERS\\alice\\Environment]\r
";

/// A number from the environment.
fn told(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Real hives, in a directory of their own. The logs of NTUSER.DAT are beside it.
fn hives() -> TempDir {
    let directory = public_directory().unwrap();
    let archive = repository().join("hivex-rs/tests/data/hives.tar.xz");
    must("tar", ["-C", text(directory.path()), "-xJf", text(&archive)]).unwrap();
    let file = |name: &str| directory.path().join(name);
    fs::rename(file("transactions_NTUSER.DAT"), file("NTUSER.DAT")).unwrap();
    fs::rename(file("transactions_ntuser.dat.log1"), file("ntuser.dat.LOG1")).unwrap();
    fs::rename(file("transactions_ntuser.dat.log2"), file("Ntuser.dat.log2")).unwrap();
    directory
}

fn win_reg(arguments: &[&str]) -> Ended {
    run("virt-win-reg", arguments).unwrap()
}

/// Merges by the tool, with an appliance.
fn merge(arguments: &[&str]) -> Ended {
    let mut command = Command::new(tool("virt-win-reg").unwrap());
    ended(command.arg("--merge").args(arguments).env("LIBGUESTFS_BACKEND", "auto")).unwrap()
}

/// The standard output of a run that succeeds and says nothing.
fn silent(ended: Ended) -> String {
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    String::from_utf8(ended.stdout).unwrap()
}

/// Checksums of all files in a directory.
fn sums(directory: &Path) -> String {
    let out = must("sh", ["-c", "cd \"$1\"; sha256sum *", "sh", text(directory)]).unwrap();
    String::from_utf8(out).unwrap()
}

/// What libhivex reads of a hive, which it has to be able to open and to walk.
fn libhivex(path: &Path) -> String {
    let script = repository().join("hivex-rs/tests/scripts/dump.py");
    String::from_utf8(must("/usr/bin/python3", [text(&script), text(path)]).unwrap()).unwrap()
}

fn guest(directory: &TempDir) -> PathBuf {
    let copy = directory.path().join("win10.qcow2");
    fs::copy(data("windows/win10.qcow2"), &copy).unwrap();
    copy
}

/// A file of a guest, written to the host.
fn copied_out(guest: &Path, file: &str, to: &Path) {
    fs::write(to, silent_bytes(run("virt-cat", ["-a", text(guest), file]).unwrap())).unwrap();
}

fn silent_bytes(ended: Ended) -> Vec<u8> {
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

#[test]
fn hive_files_are_read_as_hivexregedit_reads_them_and_stay_as_they_are() {
    let directory = hives();
    let before = sums(directory.path());
    for (hive, key) in [("SYSTEM", "\\ControlSet001\\Control"), ("BCD", "\\")] {
        let path = directory.path().join(hive);
        let expected = must("hivexregedit", ["--export", "--prefix", "HKLM\\X", text(&path), key]).unwrap();
        let ours = silent_bytes(win_reg(&["--hive", text(&path), "--prefix", "HKLM\\X", key]));
        let header = b"Windows Registry Editor Version 5.00\n\n";
        assert!(expected.strip_prefix(header) == Some(&ours), "{hive} {key}");
    }
    let path = directory.path().join("SYSTEM");
    assert_eq!(silent(win_reg(&["--hive", text(&path), "select", "CURRENT"])), "1\n");
    for (arguments, message) in [
        (&["Nothing"][..], "virt-win-reg: Nothing: there is no such key in the hive\n"),
        (&["Select", "x"], "virt-win-reg: Select: there is no value x\n"),
    ] {
        let failed = win_reg(&[&["--hive", text(&path)], arguments].concat());
        assert_eq!((failed.status, failed.stdout.len(), failed.stderr.as_str()), (Some(1), 0, message));
    }
    assert_eq!(sums(directory.path()), before);
}

#[test]
fn what_is_in_logs_only_is_read_and_said() {
    let directory = hives();
    let before = sums(directory.path());
    let path = directory.path().join("NTUSER.DAT");
    let with_logs = win_reg(&["--hive", text(&path)]);
    assert_eq!(
        with_logs.stderr,
        format!(
            "virt-win-reg: warning: {}: the hive was not closed by its system; log entries applied: 23 (sequence \
             numbers 566 to 588)\n",
            path.display()
        )
    );
    assert_eq!(with_logs.status, Some(0));
    assert_eq!(sums(directory.path()), before);
    for log in ["ntuser.dat.LOG1", "Ntuser.dat.log2"] {
        fs::remove_file(directory.path().join(log)).unwrap();
    }
    let without = win_reg(&["--hive", text(&path)]);
    assert_ne!(without.stdout, with_logs.stdout);
    assert!(without.stderr.contains("writing it was not completed"), "{}", without.stderr);
    // It would lose what its logs had.
    let reg = directory.path().join("changes.reg");
    fs::write(&reg, "[Console]\n").unwrap();
    let before = sums(directory.path());
    let refused = merge(&["--hive", text(&path), text(&reg)]);
    let why = "its system did not finish writing it, and its logs don't complete it: there are none\nhint: put the logs";
    assert!(refused.status == Some(1) && refused.stderr.contains(why), "{}", refused.stderr);
    assert_eq!(sums(directory.path()), before);
}

#[test]
fn json_is_one_document() {
    let guest = data("windows/win10.qcow2");
    let before = fs::read(&guest).unwrap();
    let out = silent(win_reg(&["-a", text(&guest), "--json", "HKU\\alice\\software"]));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["schema"], &document["version"]), (&"virt-win-reg".into(), &1.into()));
    let keys = document["keys"].as_array().unwrap();
    let paths: Vec<&str> = keys.iter().map(|key| key["key"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["", "\\Example", "\\Example\\Viewer"].map(|end| format!("HKEY_USERS\\alice\\Software{end}"))
    );
    let values = keys[2]["values"].as_array().unwrap();
    let value = |name: &str| values.iter().find(|value| value["name"] == name).unwrap();
    assert_eq!((&value("Zoom")["type"], &value("Zoom")["value"]), (&"REG_DWORD".into(), &150.into()));
    assert_eq!(value("Recent")["value"], serde_json::json!(["one", "two"]));
    assert_eq!(value("Window")["data_base64"], "AQIDBA==");

    let one =
        silent(win_reg(&["-a", text(&guest), "--json", "HKU\\alice\\Software\\Example\\Viewer", "zoom"]));
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["keys"][0]["values"], serde_json::json!([value("Zoom")]));
    assert_eq!(fs::read(&guest).unwrap(), before);
}

#[test]
fn a_hive_file_is_merged_into_and_keeps_what_it_is() {
    let directory = hives();
    let path = directory.path().join("NTUSER.DAT");
    let link = directory.path().join("link");
    symlink("NTUSER.DAT", &link).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
    must("chown", ["7:8", text(&path)]).unwrap();
    let old = fs::read(&path).unwrap();
    let reg = directory.path().join("changes.reg");
    let wide: Vec<u8> = "\u{feff}Windows Registry Editor Version 5.00\r\n\r\n[HKU\\x\\New\\Key]\r\n@=\"\u{e9}\"\r\n\r\n[-HKU\\x\\Console]\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&reg, wide).unwrap();

    let refused = merge(&["--hive", text(&link), text(&reg)]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("line 3: HKU\\x\\New\\Key: ") && refused.stderr.contains("--prefix"));
    assert_eq!(fs::read(&path).unwrap(), old);

    let merged = merge(&["--hive", text(&link), "--prefix", "HKU\\x", "--backup=.old", text(&reg)]);
    assert_eq!((merged.status, merged.stdout.len()), (Some(0), 0), "{}", merged.stderr);
    assert!(merged.stderr.contains("log entries applied: 23"), "{}", merged.stderr);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let stat = must("stat", ["-c", "%a %u %g", text(&path)]).unwrap();
    assert_eq!(stat, b"604 7 8\n");
    for log in ["ntuser.dat.LOG1", "Ntuser.dat.log2"] {
        assert_eq!(fs::metadata(directory.path().join(log)).unwrap().len(), 0);
    }
    libhivex(&path);
    let value = must("hivexget", [text(&path), "\\New\\Key", "@"]).unwrap();
    assert_eq!(value, "\u{e9}\n".as_bytes());
    assert_eq!(win_reg(&["--hive", text(&path), "Console"]).status, Some(1));
    // The copy and its logs are what was there.
    let kept = win_reg(&["--hive", &format!("{}.old", path.display()), "Console"]);
    assert!(kept.status == Some(0) && kept.stderr.contains("log entries applied: 23"), "{}", kept.stderr);
    assert_eq!(fs::read(format!("{}.old", path.display())).unwrap(), old);
}

/// Numbers by chance, the same in each run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = self.0;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (random ^ (random >> 31)) % limit
    }
}

#[test]
fn libhivex_opens_what_many_merges_leave() {
    let directory = hives();
    let path = directory.path().join("BCD");
    let reg = directory.path().join("changes.reg");
    let mut random = Random(20);
    for round in 0..told("MERGES", MERGES) {
        let mut changes = "REGEDIT4\n".to_owned();
        for _ in 0..random.below(30) {
            let key = format!("Policy\\k{}\\k{}", random.below(5), random.below(40));
            match random.below(6) {
                0 => writeln!(changes, "\n[-{key}]").unwrap(),
                1 => writeln!(changes, "\n[{key}]\n\"v{}\"=-", random.below(9)).unwrap(),
                2 => writeln!(changes, "\n[{key}]\n\"v{}\"=dword:{:08x}", random.below(9), random.below(99))
                    .unwrap(),
                _ => {
                    let length = [3, 40, 5000, 60_000][usize::try_from(random.below(4)).unwrap()];
                    let bytes = vec![format!("{:02x}", round % 256); length].join(",");
                    writeln!(changes, "\n[{key}]\n\"v{}\"=hex:{bytes}", random.below(9)).unwrap();
                }
            }
        }
        fs::write(&reg, &changes).unwrap();
        silent(merge(&["--hive", text(&path), text(&reg)]));
        libhivex(&path);
    }
}

#[test]
fn two_hives_of_a_guest_are_merged_into() {
    let directory = tempfile::tempdir().unwrap();
    let guest = guest(&directory);
    let reg = directory.path().join("changes.reg");
    let wide: Vec<u8> = ["\u{feff}", CHANGES].concat().encode_utf16().flat_map(u16::to_be_bytes).collect();
    fs::write(&reg, wide).unwrap();
    silent(merge(&["--backup", text(&guest), text(&reg)]));

    must("qemu-img", ["check", "-q", text(&guest)]).unwrap();
    let arguments = |key: &'static str| ["-a", text(&guest), key];
    let new = silent(win_reg(&arguments("HKLM\\SOFTWARE\\Example\\New")));
    assert_eq!(
        new,
        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Example\\New]\n\"Number\"=dword:00000007\n\"Text\"=hex(1):68,00,e9,00,6c,00,\
         6c,00,6f,00,20,00,5c,00,20,00,3d,d8,0a,de,00,00\n\n"
    );
    assert!(!silent(win_reg(&arguments("HKU\\alice\\Software\\Example\\Viewer"))).contains("Zoom"));
    assert_eq!(win_reg(&arguments("HKU\\alice\\Environment")).status, Some(1));
    for (hive, original) in [
        ("/Windows/System32/config/SOFTWARE", true),
        ("/Users/alice/NTUSER.DAT", true),
        ("/Windows/System32/config/SYSTEM", false),
    ] {
        let file = directory.path().join("hive");
        copied_out(&guest, hive, &file);
        libhivex(&file);
        let before = silent_bytes(run("virt-cat", ["-a", text(&data("windows/win10.qcow2")), hive]).unwrap());
        assert_eq!(fs::read(&file).unwrap() == before, !original, "{hive}");
        if original {
            copied_out(&guest, &format!("{hive}.bak"), &file);
            assert_eq!(fs::read(&file).unwrap(), before, "the copy of {hive}");
        }
    }
    // A second merge finds the volume clean; a copy that is there already is not touched.
    silent(merge(&[text(&guest), text(&reg)]));
    let again = merge(&["--backup", text(&guest), text(&reg)]);
    assert!(
        again.status == Some(1)
            && again.stderr.contains("nothing was written")
            && again.stderr.contains("SOFTWARE.bak: File exists"),
        "{}",
        again.stderr
    );
}

#[test]
fn what_can_not_be_merged_changes_nothing() {
    let directory = public_directory().unwrap();
    let guest = guest(&directory);
    let before = fs::read(&guest).unwrap();
    let reg = directory.path().join("changes.reg");
    for (changes, message) in [
        (format!("{CHANGES}\r\n[HKEY_LOCAL_MACHINE\\SYSTEM]\r\nnonsense\r\n"), "changes.reg: line 13: "),
        (
            format!("{CHANGES}\r\n[HKEY_CURRENT_USER\\A]\r\n"),
            "changes.reg: line 12: HKEY_CURRENT_USER\\A: no key",
        ),
        (format!("{CHANGES}\r\n[HKU\\nobody\\A]\r\n"), "nobody: there is no user of this name"),
        (format!("{CHANGES}\r\n[-HKLM\\SYSTEM]\r\n"), "the root key of a hive can't be deleted"),
    ] {
        fs::write(&reg, changes).unwrap();
        let failed = merge(&[text(&guest), text(&reg)]);
        assert!(failed.status == Some(1) && failed.stderr.contains(message), "{message}: {}", failed.stderr);
    }
    fs::write(&reg, CHANGES).unwrap();
    // The embedded daemon writes nothing.
    let embedded = win_reg(&["--merge", text(&guest), text(&reg)]);
    assert!(
        embedded.status == Some(1) && embedded.stderr.contains("LIBGUESTFS_BACKEND=embedded rules"),
        "{}",
        embedded.stderr
    );
    // A disk that the user may only read.
    fs::set_permissions(&guest, Permissions::from_mode(0o444)).unwrap();
    let program = tool("virt-win-reg").unwrap();
    // Where the programs are built, other users need not get to.
    let copy = directory.path().join("virt-win-reg");
    fs::copy(program, &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups"]).arg(&copy).args(["--merge", text(&guest), text(&reg)]);
    let failed = ended(&mut command).unwrap();
    assert!(failed.status == Some(1) && failed.stderr.contains("Permission denied"), "{}", failed.stderr);
    assert_eq!(fs::read(&guest).unwrap(), before);
}

#[test]
fn a_hibernated_windows_is_read_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (guest, raw) = (guest(&directory), directory.path().join("raw"));
    must("qemu-img", ["convert", "-O", "raw", text(&guest), text(&raw)]).unwrap();
    let script = r#"
        set -e
        start=$(sfdisk -J "$1" | sed -n 's/.*"start": *\([0-9]*\).*/\1/p' | head -1)
        loop=$(losetup --find --show --offset $((start * 512)) "$1")
        trap 'losetup --detach "$loop"' EXIT
        mkdir "$1.mounted"
        ntfs-3g "$loop" "$1.mounted"
        printf 'hibr%04092d' 0 > "$1.mounted/hiberfil.sys"
        umount "$1.mounted"
    "#;
    must("bash", ["-c", script, "bash", text(&raw)]).unwrap();
    let before = fs::read(&raw).unwrap();
    let reg = directory.path().join("changes.reg");
    fs::write(&reg, CHANGES).unwrap();
    let arguments = ["--format=raw", text(&raw)];
    let failed = merge(&[&arguments[..], &[text(&reg)]].concat());
    assert!(
        failed.status == Some(1)
            && failed.stderr.contains("Windows is hibernated")
            && failed.stderr.contains("hint: start Windows and shut it down"),
        "{}",
        failed.stderr
    );
    let read = win_reg(&[&arguments[..], &["HKLM\\SYSTEM\\Select"]].concat());
    assert!(read.status == Some(0) && read.stderr.contains("Windows is hibernated"), "{}", read.stderr);
    assert_eq!(fs::read(&raw).unwrap(), before);
}

/// Is there a process with `name` among its arguments?
fn is_named(name: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(name))
    })
}

#[test]
fn a_merge_that_is_killed_or_interrupted_leaves_the_old_hive_or_the_new_one() {
    let key = "HKLM\\SOFTWARE\\Example\\New";
    let directory = tempfile::tempdir().unwrap();
    let reg = directory.path().join("changes.reg");
    fs::write(&reg, CHANGES).unwrap();
    let started = Instant::now();
    let whole = guest(&directory);
    silent(merge(&[text(&whole), text(&reg)]));
    let duration = started.elapsed();
    let new = silent(win_reg(&[text(&whole), key]));

    let kills = told("MERGE_KILLS", KILLS);
    let mut seen = [0, 0];
    for number in 0..kills {
        let directory = tempfile::tempdir().unwrap();
        let guest = guest(&directory);
        let mut command = Command::new(tool("virt-win-reg").unwrap());
        command.args(["--merge", "--backup", text(&guest), text(&reg)]).env("LIBGUESTFS_BACKEND", WRITER);
        let mut child =
            clean(&mut command).process_group(0).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The second half of a merge is where something is written.
        std::thread::sleep(duration / 2 + duration * number / (2 * kills));
        if number % 2 == 0 {
            child.kill().unwrap();
        } else {
            // As Ctrl-C on a terminal: all that the tool started has it too. It may have ended just now.
            let _ = killpg(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT);
        }
        child.wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while is_named(text(&guest)) {
            assert!(Instant::now() < deadline, "something goes on after the tool was killed");
            std::thread::sleep(Duration::from_millis(20));
        }
        let now = win_reg(&[text(&guest), key]);
        let is_new = now.status == Some(0);
        assert!(
            if is_new { now.stdout == new.as_bytes() } else { now.stderr.contains("no such key") },
            "{}",
            now.stderr
        );
        seen[usize::from(is_new)] += 1;
        for hive in ["/Windows/System32/config/SOFTWARE", "/Users/alice/NTUSER.DAT"] {
            let file = directory.path().join("hive");
            copied_out(&guest, hive, &file);
            libhivex(&file);
        }
    }
    assert_eq!(seen[0] + seen[1], kills, "{seen:?}");
}
