//! What the calls of a handle answer for guests as installers make them, against what Debian's guestfish prints.
//!
//! `data/golden/guestfish` has a file for each guest: commands of guestfish, and below each what Debian's prints for it. To
//! record them again (minutes for each, with the package libguestfs-tools):
//!
//! ```sh
//! RECORD_GOLDENS=1 cargo test -p guestfs-tests --test golden_guestfish
//! ```
//!
//! (Has a main function of its own, because the backend starts the running program again as the daemon.)

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use guestfs_tests::{data, repository, session};
use libguestfs_core::{AddDriveOpts, Guestfs};

/// Guests in `data`, and their roots.
const GUESTS: [(&str, &str); 3] = [
    ("fedora-btrfs", "btrfsvol:/dev/sda3/root"),
    ("rhel-xfs", "/dev/rhel/root"),
    ("suse-btrfs", "/dev/sda2"),
];

/// What is asked about each guest; `ROOT` stands for its root.
const COMMANDS: &[&str] = &[
    "list-devices",
    "list-partitions",
    "lvs",
    "list-filesystems",
    "inspect-os",
    "inspect-get-type ROOT",
    "inspect-get-distro ROOT",
    "inspect-get-major-version ROOT",
    "inspect-get-minor-version ROOT",
    "inspect-get-product-name ROOT",
    "inspect-get-hostname ROOT",
    "inspect-get-arch ROOT",
    "inspect-get-package-format ROOT",
    "inspect-get-package-management ROOT",
    "inspect-get-mountpoints ROOT",
    "inspect-get-filesystems ROOT",
    "vfs-type ROOT",
    "vfs-label ROOT",
    "vfs-uuid ROOT",
    "mountable-device ROOT",
    "mount-ro ROOT /",
    "mounts",
    "mountpoints",
    "ls /",
    "cat /etc/fstab",
    "stat /usr/lib/large",
    "statvfs /",
    "find /var",
    "umount-all",
    "vfs-type /dev/sda1",
    "vfs-label /dev/sda1",
    "vfs-uuid /dev/sda1",
    "mount-ro /dev/sda1 /",
    "find /",
    "statvfs /",
    "umount-all",
];

/// What is asked about btrfs besides.
const BTRFS: &[&str] = &[
    "btrfs-subvolume-get-default ROOT",
    "btrfs-subvolume-list ROOT",
    "mount-ro ROOT /",
    "btrfs-subvolume-list /",
    "umount-all",
];

fn commands(name: &str, root: &str) -> Vec<String> {
    let more = if name.ends_with("btrfs") { BTRFS } else { &[] };
    COMMANDS.iter().chain(more).map(|command| command.replace("ROOT", root)).collect()
}

fn golden(name: &str) -> PathBuf {
    repository().join("tests/data/golden/guestfish").join(format!("{name}.txt"))
}

fn image(name: &str) -> PathBuf {
    data(&format!("{name}.qcow2"))
}

/// Asks Debian's guestfish.
fn record(name: &str, root: &str) -> Result<()> {
    let mut script = String::from("run\n");
    for command in commands(name, root) {
        writeln!(script, "echo \"> {command}\"\n-{command}")?;
    }
    let mut guestfish = Command::new("guestfish");
    guestfish.args(["--ro", "--format=qcow2", "-a"]).arg(image(name));
    let mut child = guestfish.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("guestfish")?;
    child.stdin.take().context("no standard input")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "guestfish ended with {}", output.status);
    let path = golden(name);
    fs::create_dir_all(path.parent().context("a path with directories")?)?;
    Ok(fs::write(path, output.stdout)?)
}

/// Asks a handle of ours, and prints as guestfish does.
fn ask(name: &str, root: &str) -> Result<String> {
    let handle = Guestfs::new()?;
    let options = AddDriveOpts { readonly: Some(true), ..AddDriveOpts::default() };
    handle.add_drive(image(name), &options)?;
    handle.launch()?;
    let mut text = String::new();
    for command in commands(name, root) {
        let answer = session::answer(&handle, &command).with_context(|| command.clone())?;
        write!(text, "> {command}\n{answer}")?;
    }
    handle.shutdown()?;
    Ok(text)
}

/// Takes out what differs between two runs of Debian's own appliance, which numbers its disks in no fixed order: its own may
/// come first. (Names of whole devices are translated for the user there; those within mountables and numbers are not.)
fn normalized(text: &str) -> String {
    let text = text.replace("/dev/sdb", "/dev/sda").replace("\nfsid: 2065\n", "\nfsid: 2049\n");
    // Where fstab has subvol=/@/home, Debian's names have two slashes, unlike those of the list of filesystems.
    let text = text.replace("/dev/sda2//", "/dev/sda2/");
    let without =
        |line: &str| if line.starts_with("dev: ") { "dev: (not compared)\n".into() } else { line.to_owned() };
    text.split_inclusive('\n').map(without).collect()
}

fn recorded(name: &str) -> Result<String> {
    fs::read_to_string(golden(name)).context("not recorded")
}

fn compare(name: &str, root: &str) -> Result<()> {
    let (ours, debians) = (normalized(&ask(name, root)?), normalized(&recorded(name)?));
    if ours != debians {
        let kept = env::temp_dir().join(format!("guestfish-{name}.txt"));
        fs::write(&kept, &ours)?;
        bail!("{name}: {} differs from {}", kept.display(), golden(name).display());
    }
    Ok(())
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let wanted = env::var("RECORD_GOLDENS").ok();
    let mut status = ExitCode::SUCCESS;
    for (name, root) in GUESTS {
        let result = if wanted.is_some() { record(name, root) } else { compare(name, root) };
        if let Err(e) = result {
            let _ = writeln!(std::io::stderr(), "{name}: {e:#}");
            status = ExitCode::FAILURE;
        }
    }
    status
}
