//! A guest of layers (a mirrored volume, an array, an encrypted device) of which only a kernel puts together one (a thin volume), made by
//! our own appliance, checked by the standard tools, and read by the backend that chooses for itself.
//!
//! (Has a main function of its own, because the backends start the running program again.)

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bstr::{BString, ByteSlice};
use guestfs_tests::{launched, must};
use libguestfs_core::api::{CryptsetupOpenOpts, MdCreateOpts};

/// Size of each of the disks in bytes.
const DISK: u64 = 256 << 20;
/// The backend that makes the guest.
const MAKER: &str = "uml";
/// What opens the encrypted device.
const KEY: &str = "correct horse";
/// Devices with a filesystem, and the word that a file of it holds.
const FILESYSTEMS: [(&str, &str); 4] = [
    ("/dev/layers/thin", "thin"),
    ("/dev/layers/mirror", "mirror"),
    ("/dev/md127", "array"),
    ("/dev/mapper/opened", "secret"),
];

/// What makes the thin volume the root of a system that mounts all others, by the names that guests have for them.
const ROOT: [(&str, &str); 3] = [
    (
        "/etc/fstab",
        "/dev/mapper/layers-thin / ext4 defaults 0 1\n/dev/disk/by-id/dm-name-layers-mirror /mirror ext4\n\
         /dev/md/array /array ext4\n/dev/mapper/secret /secret ext4\n",
    ),
    ("/etc/crypttab", "secret /dev/sda3 none luks\n"),
    ("/etc/debian_version", "12.5\n"),
];
/// Its mounts here.
const MOUNTS: [(&str, &str); 4] = [
    ("/", "/dev/layers/thin"),
    ("/array", "/dev/md127"),
    ("/mirror", "/dev/layers/mirror"),
    ("/secret", "/dev/mapper/opened"),
];

/// Two disks with three partitions each: physical volumes, members of an array, and on the first disk a LUKS device.
fn make(disks: &[PathBuf]) -> Result<()> {
    let g = launched(MAKER, disks, false)?;
    for disk in ["/dev/sda", "/dev/sdb"] {
        g.part_init(disk, "gpt")?;
        for (first, last) in [(2048, 264_191), (264_192, 395_263), (395_264, 491_519)] {
            g.part_add(disk, "p", first, last)?;
        }
    }
    g.pvcreate("/dev/sda1")?;
    g.pvcreate("/dev/sdb1")?;
    g.vgcreate("layers", &["/dev/sda1", "/dev/sdb1"])?;
    // The protocol makes linear volumes only.
    for command in [
        "lvm lvcreate -y --type raid1 -m 1 -L 32M -n mirror layers",
        "lvm lvcreate -y --type thin-pool -L 48M -n pool layers",
        "lvm lvcreate -y -V 64M -T layers/pool -n thin",
    ] {
        g.debug("sh", &[command])?;
    }
    let level = Some(BString::from("raid1"));
    g.md_create("array", &["/dev/sda2", "/dev/sdb2"], &MdCreateOpts { level, ..MdCreateOpts::default() })?;
    g.luks_format("/dev/sda3", KEY, 0)?;
    g.cryptsetup_open("/dev/sda3", KEY, "opened", &CryptsetupOpenOpts::default())?;
    for (device, word) in FILESYSTEMS {
        g.mkfs("ext4", device, &Default::default())?;
        g.mount(device, "/")?;
        g.internal_write("/word", word.as_bytes())?;
        g.umount_all()?;
    }
    g.mount("/dev/layers/thin", "/")?;
    g.mkdir("/etc")?;
    g.mkdir("/bin")?;
    for (path, text) in ROOT {
        g.internal_write(path, text.as_bytes())?;
    }
    g.umount_all()?;
    g.cryptsetup_close("/dev/mapper/opened")?;
    Ok(g.shutdown()?)
}

/// A partition of an image as a file of its own, for the tools of the host.
fn partition(image: &Path, first: u64, last: u64, to: &Path) -> Result<PathBuf> {
    let (from, count) = (format!("if={}", image.display()), format!("count={}", last - first + 1));
    must("dd", [from, format!("of={}", to.display()), format!("skip={first}"), count, "status=none".into()])?;
    Ok(to.to_owned())
}

fn check_with_tools(disks: &[PathBuf], directory: &Path) -> Result<()> {
    let [first, ..] = disks else { return Ok(()) };
    let volumes = partition(first, 2048, 264_191, &directory.join("pv"))?;
    let metadata =
        must("lvm", ["pvck".as_ref(), "--dump".as_ref(), "metadata".as_ref(), volumes.as_os_str()])?;
    for kind in ["type = \"raid1\"", "type = \"thin-pool\"", "type = \"thin\""] {
        ensure!(metadata.contains_str(kind), "LVM's metadata has no {kind}");
    }
    let member = partition(first, 264_192, 395_263, &directory.join("member"))?;
    let said = must("mdadm", ["--examine".as_ref(), member.as_os_str()])?;
    ensure!(said.contains_str("raid1") && said.contains_str("Raid Devices : 2"), "{}", said.as_bstr());
    let encrypted = partition(first, 395_264, 491_519, &directory.join("encrypted"))?;
    let words = ["open", "--test-passphrase", "--key-file", "-"].map(AsRef::as_ref);
    let mut child = std::process::Command::new("cryptsetup")
        .args::<_, &std::ffi::OsStr>(words)
        .arg(&encrypted)
        .stdin(std::process::Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no pipe")?.write_all(KEY.as_bytes())?;
    ensure!(child.wait()?.success(), "the key does not open the device");
    Ok(())
}

/// The backend `auto` finds and reads all of it, and leaves the disks alone.
fn check_with_auto(disks: &[PathBuf]) -> Result<()> {
    let before = must("sha256sum", disks)?;
    let g = launched("auto", disks, true)?;
    ensure!(g.list_md_devices()? == ["/dev/md127"], "the array is not there");
    g.cryptsetup_open("/dev/sda3", KEY, "opened", &CryptsetupOpenOpts::default())?;
    for (device, word) in FILESYSTEMS {
        g.mount_ro(device, "/")?;
        let mut content = Vec::new();
        g.download("/word", &mut content)?;
        ensure!(content == word.as_bytes(), "{device}: {}", content.as_bstr());
        g.umount_all()?;
    }
    let roots = g.inspect_os()?;
    ensure!(roots == ["/dev/layers/thin"], "roots: {roots:?}");
    let mut mounts = g.inspect_get_mountpoints("/dev/layers/thin")?.0;
    mounts.sort();
    let expected = MOUNTS.map(|(at, device)| (BString::from(at), BString::from(device)));
    ensure!(mounts == expected, "mounts: {mounts:?}");
    g.shutdown()?;
    ensure!(must("sha256sum", disks)? == before, "a disk was changed by reading it");
    Ok(())
}

fn run() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let disks = ["a.img", "b.img"].map(|name| directory.path().join(name));
    for disk in &disks {
        std::fs::File::create(disk)?.set_len(DISK)?;
    }
    make(&disks).context("making the guest")?;
    check_with_tools(&disks, directory.path()).context("the standard tools")?;
    check_with_auto(&disks).context("reading the guest")
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let (status, said) = match run() {
        Ok(()) => (ExitCode::SUCCESS, "layers: ok".to_owned()),
        Err(e) => (ExitCode::FAILURE, format!("layers: {e:#}")),
    };
    let _ = writeln!(std::io::stderr(), "{said}");
    status
}
