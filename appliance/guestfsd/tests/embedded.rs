//! The embedded backend whole: a handle in this process, the daemon as its child in the sandbox.
//!
//! This program has a main function of its own, because it is started again as the daemon.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bstr::BString;
use libguestfs_core::{AddDriveOpts, Error, ErrorKind, Event, EventSet, Guestfs, Settings};

/// Makes this program the one that a test kills.
const VICTIM: &str = "--victim";

const TESTS: [(&str, fn()); 12] = [
    ("forbidden_system_calls_end_the_daemon", forbidden_system_calls_end_the_daemon),
    ("more_memory_than_the_limit_is_not_to_be_had", more_memory_than_the_limit_is_not_to_be_had),
    ("without_sandbox_there_is_a_warning_and_no_lock", without_sandbox_there_is_a_warning_and_no_lock),
    ("the_daemon_has_no_privileges", the_daemon_has_no_privileges),
    ("lower_limits_of_the_user_stay", lower_limits_of_the_user_stay),
    (
        "a_handle_goes_through_its_states_and_tells_of_them",
        a_handle_goes_through_its_states_and_tells_of_them,
    ),
    ("drives_are_there_in_their_order", drives_are_there_in_their_order),
    ("a_daemon_that_computes_for_too_long_is_ended", a_daemon_that_computes_for_too_long_is_ended),
    ("a_transfer_is_cancelled_from_another_thread", a_transfer_is_cancelled_from_another_thread),
    ("nothing_is_left_of_a_handle", nothing_is_left_of_a_handle),
    ("a_daemon_ends_with_its_killed_handle", a_daemon_ends_with_its_killed_handle),
    ("what_can_not_be_launched_says_why", what_can_not_be_launched_says_why),
];

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    if std::env::args().nth(1).as_deref() == Some(VICTIM) {
        victim();
        return ExitCode::SUCCESS;
    }
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&wanted)) {
        let ok = catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        if ok {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_only() -> AddDriveOpts {
    AddDriveOpts { readonly: Some(true), format: Some("raw".into()), ..AddDriveOpts::default() }
}

fn with(settings: &[&str]) -> Guestfs {
    let backend_settings = settings.iter().map(ToString::to_string).collect();
    // What the embedded daemon refuses must not go to an appliance here.
    Guestfs::with_settings(Settings { backend: "embedded".into(), backend_settings, ..Settings::default() })
}

/// A launched handle over an empty disk.
fn launched(settings: &[&str]) -> Guestfs {
    let g = with(settings);
    g.add_drive("/dev/null", &read_only()).unwrap();
    g.launch().unwrap();
    g
}

fn attempt(g: &Guestfs, what: &str) -> Result<BString, Error> {
    g.debug("sandbox", &[what])
}

/// Process IDs of the children that this thread started.
fn children() -> Vec<i32> {
    let all = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    all.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn forbidden_system_calls_end_the_daemon() {
    for what in ["open", "create", "socket", "exec", "kill", "ptrace"] {
        let g = launched(&[]);
        let quit = Arc::new(Mutex::new(0));
        let count = Arc::clone(&quit);
        g.set_event_callback(EventSet::SUBPROCESS_QUIT, move |_| *count.lock().unwrap() += 1);
        let e = attempt(&g, what).expect_err(what);
        assert_eq!(e.kind(), ErrorKind::Protocol, "{what}: {e}");
        assert!(e.message().contains("SIGSYS"), "{what}: {e}");
        assert_eq!(*quit.lock().unwrap(), 1, "{what}");
        // The handle knows that there is no daemon any more.
        assert!(!g.is_ready());
        assert_eq!(g.ping_daemon().unwrap_err().kind(), ErrorKind::Usage);
    }
}

fn more_memory_than_the_limit_is_not_to_be_had() {
    let g = launched(&[]);
    assert_ne!(attempt(&g, "memory").unwrap(), "allowed");
    g.ping_daemon().unwrap();
}

fn without_sandbox_there_is_a_warning_and_no_lock() {
    let g = with(&["no_sandbox"]);
    let warnings = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&warnings);
    g.set_event_callback(EventSet::WARNING, move |event| {
        if let Event::Warning(text) = event {
            heard.lock().unwrap().push_str(text);
        }
    });
    g.add_drive("/dev/null", &read_only()).unwrap();
    g.launch().unwrap();
    assert!(warnings.lock().unwrap().contains("without a sandbox"));
    for what in ["open", "create", "socket", "exec", "kill"] {
        assert_eq!(attempt(&g, what).unwrap(), "allowed", "{what}");
    }
}

fn the_daemon_has_no_privileges() {
    let before = children();
    let g = launched(&[]);
    let pid = children().into_iter().find(|pid| !before.contains(pid)).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    if nix::unistd::geteuid().is_root() {
        assert_eq!(field("Uid:"), "65534 65534 65534 65534");
        assert_eq!(field("Gid:"), "65534 65534 65534 65534");
        assert_eq!(field("Groups:"), "");
    }
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("CapPrm:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = |name: &str| {
        let rest = limits.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        rest.split_whitespace().next().unwrap().to_string()
    };
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max file size"), "0");
    assert_eq!(limit("Max address space"), (512 << 20).to_string());
    assert_eq!(limit("Max cpu time"), (4 * 3600).to_string());
    // Other processes of its user can't look into it: what is theirs to look at is root's.
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}/mem")).unwrap());
    assert_eq!(owner, 0);
    drop(g);
}

fn lower_limits_of_the_user_stay() {
    let program = std::env::current_exe().unwrap();
    let limited = Command::new("sh")
        .args(["-c", "ulimit -t 60; ulimit -c 0; exec \"$0\" nothing_is_left"])
        .arg(program)
        .output();
    let limited = limited.unwrap();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
}

fn a_handle_goes_through_its_states_and_tells_of_them() {
    let g = with(&[]);
    g.settings().trace = true;
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    g.set_event_callback(EventSet::ALL, move |event| list.lock().unwrap().push(format!("{event:?}")));
    assert!(g.ping_daemon().unwrap_err().message().contains("launch comes first"));
    assert!(g.launch().unwrap_err().message().contains("no drives"));
    g.add_drive("/dev/null", &read_only()).unwrap();
    g.launch().unwrap();
    assert!(g.launch().is_err() && g.add_drive("/dev/null", &read_only()).is_err());
    assert_eq!(g.nr_devices().unwrap(), 1);
    g.shutdown().unwrap();
    g.shutdown().unwrap();
    assert!(g.ping_daemon().is_err());
    g.close();
    let told = told.lock().unwrap();
    let position =
        |what: &str| told.iter().rposition(|t| t == what).unwrap_or_else(|| panic!("{what} in {told:?}"));
    let order = [
        "LaunchDone",
        "Trace(\"launch = 0\")",
        "Enter(\"nr_devices\")",
        "Trace(\"nr_devices\")",
        "Trace(\"nr_devices = 1\")",
        "Trace(\"shutdown\")",
        "Enter(\"internal_autosync\")",
        "Close",
    ]
    .map(position);
    assert!(order.is_sorted(), "{told:?}");
}

fn drives_are_there_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let image = |name: &str, size: u64| {
        let path = directory.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(name.as_bytes()).unwrap();
        file.set_len(size).unwrap();
        path
    };
    let (a, b) = (image("first", 1 << 20), image("second", 3 << 20));
    let g = with(&[]);
    g.add_drive(&a, &read_only()).unwrap();
    g.add_drive("/dev/null", &read_only()).unwrap();
    let opts = AddDriveOpts { label: Some("second".into()), blocksize: Some(4096), ..read_only() };
    g.add_drive(&b, &opts).unwrap();
    g.launch().unwrap();
    assert_eq!(g.list_devices().unwrap(), ["/dev/sda", "/dev/sdb", "/dev/sdc"]);
    let size = |device: &str| g.blockdev_getsize64(device).unwrap();
    assert_eq!((size("/dev/sda"), size("/dev/sdb"), size("/dev/sdc")), (1 << 20, 4096, 3 << 20));
    assert_eq!((g.blockdev_getss("/dev/sda").unwrap(), g.blockdev_getss("/dev/sdc").unwrap()), (512, 4096));
    assert_eq!(g.pread_device("/dev/disk/guestfs/second", 6, 0).unwrap(), b"second");
    assert_eq!(g.pread_device("/dev/vda", 5, 0).unwrap(), b"first", "another bus's name for it");
}

fn a_daemon_that_computes_for_too_long_is_ended() {
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(1 << 43).unwrap();
    let g = with(&["cpu_limit=1"]);
    g.add_drive(image.path(), &read_only()).unwrap();
    g.launch().unwrap();
    let e = g.checksum_device("sha512", "/dev/sda").unwrap_err();
    assert!(e.message().contains("CPU time"), "{e}");
    assert!(!g.is_ready());
}

fn a_transfer_is_cancelled_from_another_thread() {
    /// Takes everything, slowly enough to be cancelled.
    struct Slow;
    impl Write for Slow {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_micros(50));
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(1 << 40).unwrap();
    let g = Arc::new(with(&[]));
    g.add_drive(image.path(), &read_only()).unwrap();
    g.launch().unwrap();
    let canceller = Arc::clone(&g);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        canceller.user_cancel();
    });
    let e = g.download("/dev/sda", &mut Slow).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
    thread.join().unwrap();
    g.ping_daemon().unwrap();
}

fn nothing_is_left_of_a_handle() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (before, children_before) = (descriptors(), children());
    for shut_down in [true, false] {
        let g = launched(&[]);
        assert!(children().len() > children_before.len());
        if shut_down {
            g.shutdown().unwrap();
        }
        drop(g);
        assert_eq!(children(), children_before);
        assert_eq!(descriptors(), before);
    }
}

/// Launches, tells the daemon's process ID, and waits to be killed while a call goes on.
fn victim() {
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(1 << 43).unwrap();
    let g = with(&[]);
    g.add_drive(image.path(), &read_only()).unwrap();
    // From a thread that ends: the daemon must not end with it.
    let daemon = std::thread::scope(|scope| {
        let launcher = scope.spawn(|| {
            g.launch().unwrap();
            children()
        });
        launcher.join().unwrap()
    });
    println!("{}", daemon.first().unwrap());
    // The daemon is busy for hours, without a word from this process.
    let _ = g.checksum_device("sha512", "/dev/sda");
}

fn a_daemon_ends_with_its_killed_handle() {
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut victim = Command::new(program).arg(VICTIM).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let daemon = PathBuf::from(format!("/proc/{}", line.trim()));
    std::thread::sleep(Duration::from_millis(100));
    let name = std::fs::read_to_string(daemon.join("cmdline")).unwrap();
    assert!(name.starts_with("guestfsd"), "{name}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Its new parent may take a while to bury it; a dead process has no command line.
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::read_to_string(daemon.join("cmdline")).is_ok_and(|c| !c.is_empty()) {
        assert!(Instant::now() < deadline, "the daemon outlives its handle");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn what_can_not_be_launched_says_why() {
    let refused = |settings: Settings, expected: &str| {
        let g = Guestfs::with_settings(settings);
        g.add_drive("/dev/null", &read_only()).unwrap();
        let e = g.launch().unwrap_err();
        assert!(e.message().contains(expected), "{e}");
    };
    for backend in ["libvirt", "libvirt:qemu:///system"] {
        refused(Settings { backend: backend.into(), ..Settings::default() }, "not built in");
    }
    refused(Settings { backend: "nonsense".into(), ..Settings::default() }, "no backend");
    refused(Settings { backend: "unix:/x".into(), ..Settings::default() }, "drives can't be added");
    let setting = |s: &str| Settings { backend_settings: vec![s.into()], ..Settings::default() };
    refused(setting("memory_limit=lots"), "not a number");

    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "QFI\u{fb}").unwrap();
    for (format, expected) in
        [("qcow2", text.path().to_str().unwrap()), ("vmdk", "vmdk"), ("nosuch", "no image format")]
    {
        let g = with(&[]);
        let opts = AddDriveOpts { format: Some(format.into()), ..AddDriveOpts::default() };
        g.add_drive(text.path(), &opts).unwrap();
        let e = g.launch().unwrap_err();
        assert!(e.message().contains(expected), "{e}");
    }
}
