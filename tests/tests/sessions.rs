//! Whole sessions that write, on every kind of daemon, against what Debian's guestfish prints for them with Debian's daemon.
//!
//! `data/sessions/NAME.txt` has the commands, `NAME.debian` what Debian's prints. To record them again (minutes for each, with
//! the package libguestfs-tools):
//!
//! ```sh
//! RECORD_GOLDENS=1 cargo test -p guestfs-tests --test sessions
//! ```
//!
//! Two more ways to play them need Debian's programs, so they are played on request only: Debian's guestfish on our daemon (in
//! our fixed appliance), and our handle on Debian's daemon (in a fixed appliance that Debian's libguestfs-make-fixed-appliance
//! made).
//!
//! ```sh
//! cargo test -p guestfs-tests --test sessions -- guestfish
//! DEBIAN_APPLIANCE=DIR cargo test -p guestfs-tests --test sessions -- debian
//! ```
//!
//! (Has a main function of its own, because the backends start the running program again.)

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use guestfs_tests::{data, ended, public_directory, run, session};
use hivex::{Hive, reg};
use libguestfs_core::{AddDriveOpts, Guestfs, Settings};

/// The sessions, by the names of their files.
const SESSIONS: [&str; 3] = ["write", "volumes", "hives"];
/// Sizes in bytes of the empty disks that each begins with.
const DISKS: [u64; 2] = [512 << 20, 400 << 20];
/// The backends that play them, with their settings.
const BACKENDS: [(&str, &[&str]); 2] = [("uml", &[]), ("direct", &["force_tcg"])];

/// What Debian's daemon can answer in place of another error. That call takes names as the daemon's kernel has them, which calls
/// disks in the order in which it found them, and the appliance's root is a disk on the same bus: it may be `sda`.
const BY_KERNEL_NAME: [&str; 2] = [
    "error: lvm_canonical_lv_name: stat: /dev/sda1: No such file or directory\n",
    "error: lvm_canonical_lv_name: /dev/sda1: not a logical volume\n",
];

fn file(name: &str, end: &str) -> PathBuf {
    data("sessions").join(format!("{name}.{end}"))
}

/// What a session finds on the host: empty disks, and files to send.
struct Stage {
    directory: tempfile::TempDir,
    disks: Vec<PathBuf>,
}

impl Stage {
    fn new() -> Result<Stage> {
        let directory = tempfile::tempdir()?;
        let disks = ["a.img", "b.img"].map(|name| directory.path().join(name)).to_vec();
        for (path, size) in disks.iter().zip(DISKS) {
            fs::File::create(path)?.set_len(size)?;
        }
        fs::write(directory.path().join("small"), "some text\n")?;
        // Not compressible to nothing, and not a multiple of any block.
        let large: Vec<u8> =
            (0u32..750_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        fs::write(directory.path().join("large"), &large[..large.len() - 3])?;
        let hives = data("../../hivex-rs/tests/data/hives.tar.xz");
        let of_hives =
            ["-C".as_ref(), directory.path().as_os_str(), "-xJf".as_ref(), hives.as_os_str(), "BCD".as_ref()];
        ended(Command::new("tar").args(of_hives))?;
        Ok(Stage { directory, disks })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn commands(&self, name: &str) -> Result<Vec<String>> {
        let text = fs::read_to_string(file(name, "txt"))?;
        Ok(session::commands(&text, self.path()))
    }

    /// The transcript without what no two runs have in common: the directory's name, times, and where a changed hive has
    /// something new. What a hive has that came back is added to it.
    fn normalized(&self, transcript: &str) -> Result<String> {
        let mut text = transcript.replace(&self.path().display().to_string(), "$T");
        if let Ok(image) = fs::read(self.path().join("changed-hive")) {
            let hive = Hive::open(image, hivex::Options { strict: true, ..Default::default() })?;
            let mut export = Vec::new();
            reg::export(&hive, hive.root(), &reg::Export::default(), &mut export)?;
            text.push_str(&String::from_utf8(export)?);
        }
        let mut is_new = false;
        let lines = text.lines().map(|line| match line.split_once(": ") {
            Some((name @ ("atime" | "mtime" | "ctime" | "dev" | "ino"), _)) => format!("{name}: …\n"),
            _ if line.starts_with("> ") => {
                is_new = line.starts_with("> hivex-node-add-child");
                format!("{line}\n")
            }
            _ if is_new && line.parse::<u64>().is_ok() => "…\n".to_owned(),
            _ => format!("{line}\n"),
        });
        Ok(lines.collect())
    }

    /// What adds the disks, for guestfish.
    fn arguments(&self) -> Vec<OsString> {
        let disks = self.disks.iter().flat_map(|disk| ["-a".into(), disk.into()]);
        ["--format=raw".into()].into_iter().chain(disks).collect()
    }

    /// Holds a transcript against the recorded one.
    fn compare(&self, name: &str, played: &str, transcript: &str) -> Result<()> {
        self.check_transfers()?;
        let transcript = self.normalized(transcript)?;
        if transcript == fs::read_to_string(file(name, "debian"))? {
            return Ok(());
        }
        let kept = env::temp_dir().join(format!("session-{name}-{played}.txt"));
        fs::write(&kept, &transcript)?;
        let recorded = file(name, "debian");
        let difference = ended(Command::new("diff").args([&recorded, &kept]))?.stdout;
        bail!("it differs from Debian's:\n{}", String::from_utf8_lossy(&difference))
    }

    /// What came back is what was sent.
    fn check_transfers(&self) -> Result<()> {
        let read = |name: &str| fs::read(self.path().join(name)).with_context(|| name.to_owned());
        if let Ok(back) = read("back")
            && back != read("large")?
        {
            bail!("the file that came back is not the one that was sent");
        }
        Ok(())
    }
}

fn record(name: &str) -> Result<()> {
    let stage = Stage::new()?;
    let arguments = stage.arguments();
    let backend: [(&str, &OsStr); 2] =
        [("LIBGUESTFS_BACKEND", "direct".as_ref()), ("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg".as_ref())];
    let transcript = session::guestfish(arguments, &backend, &stage.commands(name)?)?;
    stage.check_transfers()?;
    Ok(fs::write(file(name, "debian"), stage.normalized(&transcript)?)?)
}

/// Debian's guestfish, our daemon.
fn guestfish(name: &str) -> Result<()> {
    let appliance = public_directory()?;
    let made = run("libguestfs-make-fixed-appliance", [appliance.path()])?;
    ensure!(made.status == Some(0), "making the appliance: {}", made.stderr);
    let stage = Stage::new()?;
    let backend: [(&str, &OsStr); 3] = [
        ("LIBGUESTFS_BACKEND", "direct".as_ref()),
        ("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg".as_ref()),
        ("LIBGUESTFS_PATH", appliance.path().as_os_str()),
    ];
    let transcript = session::guestfish(stage.arguments(), &backend, &stage.commands(name)?)?;
    stage.compare(name, "guestfish", &transcript)
}

fn play(name: &str, backend: &str, settings: &[&str], appliance: Option<OsString>) -> Result<()> {
    let stage = Stage::new()?;
    let handle = Guestfs::with_settings(Settings {
        backend: backend.into(),
        path: appliance,
        backend_settings: settings.iter().map(ToString::to_string).collect(),
        verbose: env::var_os("LIBGUESTFS_DEBUG").is_some(),
        trace: env::var_os("LIBGUESTFS_TRACE").is_some(),
        ..Settings::default()
    });
    for disk in &stage.disks {
        handle.add_drive(disk, &AddDriveOpts { format: Some("raw".into()), ..AddDriveOpts::default() })?;
    }
    handle.launch()?;
    let is_debians = handle.settings().path.is_some();
    let mut transcript = session::play(&handle, &stage.commands(name)?)?;
    if is_debians {
        let [other, usual] = BY_KERNEL_NAME;
        transcript = transcript.replace(other, usual);
    }
    handle.shutdown()?;
    stage.compare(name, backend, &transcript)
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let recording = env::var_os("RECORD_GOLDENS").is_some();
    // `cargo test --test sessions -- write uml`: those with all of these words in their names.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| words.iter().all(|word| name.contains(word.as_str()));
    let mut status = ExitCode::SUCCESS;
    let mut told = |what: String, result: Result<()>| {
        let _ = match result {
            Ok(()) => writeln!(std::io::stderr(), "{what}: ok"),
            Err(e) => {
                status = ExitCode::FAILURE;
                writeln!(std::io::stderr(), "{what}: {e:#}")
            }
        };
    };
    for name in SESSIONS {
        if recording {
            if is_wanted(name) {
                told(name.to_owned(), record(name));
            }
            continue;
        }
        for (backend, settings) in BACKENDS {
            let what = format!("{name} on {backend}");
            if is_wanted(&what) {
                let result = play(name, backend, settings, None);
                told(what, result);
            }
        }
        if words.iter().any(|word| word == "guestfish") {
            told(format!("{name} by guestfish"), guestfish(name));
        }
        if words.iter().any(|word| word == "debian") {
            let appliance = env::var_os("DEBIAN_APPLIANCE");
            told(format!("{name} on Debian's daemon"), play(name, "direct", &["force_tcg"], appliance));
        }
    }
    status
}
