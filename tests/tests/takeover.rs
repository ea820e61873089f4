//! Filesystems at the border between the embedded daemon and an appliance: an xfs whose log has to be replayed, an ext4 with
//! such a journal on another disk, a btrfs that grew out of a seed. Whichever of the two reads them, the bytes are right and
//! the disks stay as they are.
//!
//! (Has a main function of its own, because the backends start the running program again.)

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bstr::ByteSlice;
use guestfs_tests::{launched, must};

/// Size of each disk in bytes: xfs wants 300 MB at least.
const DISK: u64 = 320 << 20;
/// The backend that makes filesystems which the host can't.
const MAKER: &str = "uml";
/// What is in the file that is read.
const WORD: &[u8] = b"from the log\n";

fn disks(directory: &Path, count: usize) -> Result<Vec<PathBuf>> {
    let disks: Vec<PathBuf> = (0..count).map(|number| directory.join(format!("{number}.img"))).collect();
    for disk in &disks {
        File::create(disk)?.set_len(DISK)?;
    }
    Ok(disks)
}

/// All names and the word, as a backend sees them.
fn seen(backend: &str, disks: &[PathBuf], device: &str) -> Result<(Vec<String>, Vec<u8>)> {
    let g = launched(backend, disks, true)?;
    g.mount_ro(device, "/")?;
    let mut word = Vec::new();
    g.download("/word", &mut word)?;
    let names = g.find("/")?.iter().map(ToString::to_string).collect();
    g.shutdown()?;
    Ok((names, word))
}

/// The backend that chooses for itself sees what an appliance sees; does the embedded daemon do so alone?
fn check(disks: &[PathBuf], device: &str, embedded_reads: bool) -> Result<()> {
    let before = must("sha256sum", disks)?;
    let auto = seen("auto", disks, device).context("auto")?;
    ensure!(auto.1 == WORD, "auto: {}", auto.1.as_bstr());
    ensure!(auto == seen(MAKER, disks, device).context(MAKER)?, "auto sees other names than an appliance");
    match seen("embedded", disks, device) {
        Ok(alone) => ensure!(
            embedded_reads && alone == auto,
            "the embedded daemon reads what it should refuse, or other bytes"
        ),
        Err(e) => {
            let why = format!("{e:#}");
            ensure!(!embedded_reads && why.contains("needs an appliance: "), "embedded: {why}");
        }
    }
    ensure!(must("sha256sum", disks)? == before, "a disk was changed by reading it");
    Ok(())
}

/// Mounts a filesystem, and has the machine stop in the midst of work: the word is in the log and nowhere else.
fn crash(what: &[&OsStr], mounted: &Path) -> Result<()> {
    fs::create_dir(mounted)?;
    must("mount", what.iter().copied().chain([mounted.as_os_str()]))?;
    let worked = || -> Result<()> {
        for number in 0..40 {
            fs::create_dir(mounted.join(format!("directory{number}")))?;
        }
        fs::remove_dir(mounted.join("directory7"))?;
        let mut word = File::create(mounted.join("word"))?;
        word.write_all(WORD)?;
        word.sync_all()?;
        // The log is written out, and nothing else from then on.
        must("xfs_io", ["-x", "-c", "shutdown -f", &mounted.to_string_lossy()]).map(drop)
    };
    let worked = worked();
    must("umount", [mounted])?;
    worked
}

fn xfs_with_a_log() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let disks = disks(directory.path(), 1)?;
    let disk = disks[0].as_os_str();
    must("mkfs.xfs", ["-q".as_ref(), disk])?;
    crash(&["-o".as_ref(), "loop".as_ref(), disk], &directory.path().join("mounted"))?;
    let log = must("xfs_logprint", ["-t".as_ref(), disk])?;
    ensure!(log.contains_str("<DIRTY>"), "the log is clean: {}", log.as_bstr());
    check(&disks, "/dev/sda", true)
}

/// A file as a disk of the host; given back when dropped.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Result<Loop> {
        let device = must("losetup", ["--find".as_ref(), "--show".as_ref(), file.as_os_str()])?;
        Ok(Loop(String::from_utf8(device)?.trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(e) = must("losetup", ["-d", &self.0]) {
            let _ = writeln!(std::io::stderr(), "{e:#}");
        }
    }
}

/// As with xfs; and the filesystem knows its journal by a number that no appliance has.
fn ext4_with_a_journal_elsewhere() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let disks = disks(directory.path(), 2)?;
    let mounted = directory.path().join("mounted");
    {
        let (system, journal) = (Loop::new(&disks[0])?, Loop::new(&disks[1])?);
        must("mke2fs", ["-q", "-O", "journal_dev", "-b", "4096", &journal.0])?;
        must("mkfs.ext4", ["-q", "-b", "4096", "-J", &format!("device={}", journal.0), &system.0])?;
        crash(&[system.0.as_ref()], &mounted)?;
    }
    let superblock = must("dumpe2fs", ["-h".as_ref(), disks[0].as_os_str()])?;
    ensure!(superblock.contains_str("needs_recovery"), "nothing to replay: {}", superblock.as_bstr());
    check(&disks, "/dev/sda", false)
}

fn btrfs_with_a_seed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let disks = disks(directory.path(), 2)?;
    let g = launched(MAKER, &disks, false)?;
    g.mkfs_btrfs(&["/dev/sda"], &Default::default())?;
    g.mount("/dev/sda", "/")?;
    g.internal_write("/seed", b"from the seed\n")?;
    g.umount_all()?;
    g.btrfstune_seeding("/dev/sda", true)?;
    g.mount("/dev/sda", "/")?;
    g.btrfs_device_add(&["/dev/sdb"], "/")?;
    g.umount_all()?;
    g.mount("/dev/sdb", "/")?;
    g.internal_write("/word", WORD)?;
    g.umount_all()?;
    g.shutdown()?;
    check(&disks, "/dev/sdb", false)
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut status = ExitCode::SUCCESS;
    for (name, check) in [
        ("xfs", xfs_with_a_log as fn() -> Result<()>),
        ("ext4", ext4_with_a_journal_elsewhere),
        ("btrfs", btrfs_with_a_seed),
    ] {
        if !wanted.is_empty() && !wanted.iter().any(|word| word == name) {
            continue;
        }
        let said = match check() {
            Ok(()) => format!("{name}: ok"),
            Err(e) => {
                status = ExitCode::FAILURE;
                format!("{name}: {e:#}")
            }
        };
        let _ = writeln!(std::io::stderr(), "{said}");
    }
    status
}
