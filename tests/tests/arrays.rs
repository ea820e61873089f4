//! A guest whose `/boot` is on RAID-1 and whose root is on LVM2 on RAID-5, made by our own appliance, and read without one: with
//! all disks, and with any one of them missing.
//!
//! (Has a main function of its own, because the backends start the running program again.)

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use bstr::{BString, ByteSlice};
use guestfs_tests::{launched, must, public_directory, run};
use libguestfs_core::api::MdCreateOpts;

/// Size of each of the disks in bytes.
const DISK: u64 = 96 << 20;
/// Partitions of each: first and last sector of `/boot`, the same of the root.
const PARTITIONS: [(i64, i64); 2] = [(2048, 67_583), (67_584, 194_559)];
const FILES: [(&str, &str); 5] = [
    (
        "/etc/fstab",
        "/dev/mapper/guest-root / ext4 defaults 0 1\n/dev/md0 /boot ext2 defaults 0 2\n/dev/md/data /data ext4\n",
    ),
    ("/etc/hostname", "raided\n"),
    ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
    ("/etc/debian_version", "12.5\n"),
    ("/bin/true", "\u{7f}ELF"),
];

fn make(disks: &[PathBuf]) -> Result<()> {
    let g = launched("uml", disks, false)?;
    for disk in ["/dev/sda", "/dev/sdb", "/dev/sdc"] {
        g.part_init(disk, "gpt")?;
        for (first, last) in PARTITIONS {
            g.part_add(disk, "p", first, last)?;
        }
    }
    let nodes = |number: u32| ["sda", "sdb", "sdc"].map(|disk| format!("/dev/{disk}{number}"));
    let create = |name: &str, number: u32, level: &str| {
        let members = nodes(number);
        let level = MdCreateOpts { level: Some(level.into()), ..MdCreateOpts::default() };
        g.md_create(name, &members.each_ref().map(String::as_str), &level)
    };
    create("array1", 1, "raid1")?;
    create("array5", 2, "raid5")?;
    let arrays = g.list_md_devices()?;
    ensure!(arrays == ["/dev/md126", "/dev/md127"], "arrays: {arrays:?}");
    g.pvcreate("/dev/md126")?;
    g.vgcreate("guest", &["/dev/md126"])?;
    g.lvcreate("root", "guest", 48)?;
    g.mkfs("ext4", "/dev/guest/root", &Default::default())?;
    g.mkfs("ext2", "/dev/md127", &Default::default())?;
    g.mount("/dev/guest/root", "/")?;
    for directory in ["/etc", "/etc/mdadm", "/bin", "/boot", "/data"] {
        g.mkdir(directory)?;
    }
    for (path, text) in FILES {
        g.internal_write(path, text.as_bytes())?;
    }
    let detail = g.md_detail("/dev/md127")?.0;
    let uuid = detail.iter().find(|(key, _)| key == "uuid").map(|(_, uuid)| uuid.to_string());
    let line = format!("ARRAY /dev/md0 metadata=1.2 UUID={}\n", uuid.unwrap_or_default());
    g.internal_write("/etc/mdadm/mdadm.conf", line.as_bytes())?;
    // Larger than a row, so that each disk has a part of it.
    g.internal_write("/etc/long", &long())?;
    g.mount("/dev/md127", "/boot")?;
    g.internal_write("/boot/vmlinuz", b"kernel")?;
    g.umount_all()?;
    // Until the last device of the RAID-5 has its part, no other can be done without.
    g.debug("sh", &["mdadm --wait /dev/md126 /dev/md127 || true"])?;
    g.vg_activate_all(false)?;
    for array in ["/dev/md126", "/dev/md127"] {
        g.md_stop(array)?;
    }
    Ok(g.shutdown()?)
}

fn long() -> Vec<u8> {
    (0..200_000_u32).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}

/// What is on the disks, by the native engine alone.
fn check(disks: &[PathBuf]) -> Result<()> {
    let g = launched("embedded", disks, true)?;
    let roots = g.inspect_os()?;
    ensure!(roots == ["/dev/guest/root"], "roots: {roots:?}");
    let mut mounts = g.inspect_get_mountpoints("/dev/guest/root")?.0;
    mounts.sort();
    let numbered = g.list_md_devices()?;
    ensure!(numbered.len() == 2, "arrays: {numbered:?}");
    let boot = mounts.iter().find(|(at, _)| at == "/boot").map(|(_, device)| device.clone());
    ensure!(boot.is_some_and(|boot| numbered.contains(&boot)), "mounts: {mounts:?}");
    g.shutdown()?;
    let drives = || disks.iter().flat_map(|disk| ["-a".into(), disk.clone().into_os_string()]);
    let with = |words: &[&str]| -> Vec<std::ffi::OsString> {
        let format = ["--format=raw".into()];
        format.into_iter().chain(drives()).chain(words.iter().map(Into::into)).collect()
    };
    for (path, expected) in [
        ("/etc/hostname", b"raided\n".to_vec()),
        ("/boot/vmlinuz", b"kernel".to_vec()),
        ("/etc/long", long()),
    ] {
        let ended = run("virt-cat", with(&[path]))?;
        ensure!(ended.status == Some(0) && ended.stdout == expected, "{path}: {}", ended.stderr);
    }
    let ended = run("virt-inspector", with(&[]))?;
    ensure!(ended.status == Some(0), "virt-inspector: {}", ended.stderr);
    for part in ["<root>/dev/guest/root</root>", "<hostname>raided</hostname>", "<mountpoint dev=\"/dev/md12"]
    {
        ensure!(ended.stdout.contains_str(part), "no {part}: {}", ended.stdout.as_bstr());
    }
    Ok(())
}

fn run_all() -> Result<()> {
    let directory = public_directory()?;
    let at = |name: &str| directory.path().join(name);
    let disks = ["a.img", "b.img", "c.img"].map(at);
    for disk in &disks {
        std::fs::File::create(disk)?.set_len(DISK)?;
    }
    make(&disks)?;
    let before: BString = must("sha256sum", &disks)?.into();
    check(&disks)?;
    for missing in 0..disks.len() {
        let others: Vec<PathBuf> =
            disks.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, disk)| disk.clone()).collect();
        check(&others)?;
    }
    ensure!(must("sha256sum", &disks)?.as_bstr() == before, "a disk was changed by reading it");
    Ok(())
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let (status, said) = match run_all() {
        Ok(()) => (ExitCode::SUCCESS, "arrays: ok".to_owned()),
        Err(e) => (ExitCode::FAILURE, format!("arrays: {e:#}")),
    };
    let _ = writeln!(std::io::stderr(), "{said}");
    status
}
