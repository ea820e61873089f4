//! A Windows with two drives, of which one is hibernated: paths with drive letters, and what may be stale in it.
//!
//! Made from the guest `windows/win10.qcow2` and a second disk, which its registry calls D:. Needs ntfs-3g, FUSE, loop devices
//! and root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use guestfs_tests::{Ended, data, ended, must, tool};
use hivex::{Hive, Options, ValueType};

/// Where the partition of the data disk begins, in bytes, and its size; and the disk's identifier in its MBR.
const PARTITION: u64 = 1 << 20;
const PARTITION_SIZE: u64 = 6 << 20;
const IDENTIFIER: u32 = 0x1234_5678;
/// What a user is told of the drive that is hibernated.
const WARNING: &str = "/dev/sda1: Windows is hibernated or was shut down by its fast startup: files that it keeps in memory \
                       may be newer than what is read here";

struct Guest {
    directory: tempfile::TempDir,
}

/// A partition of a disk image, mounted by ntfs-3g; unmounted when dropped.
struct Mounted {
    node: String,
    at: PathBuf,
}

impl Mounted {
    fn new(image: &Path, offset: u64, at: PathBuf) -> Result<Self> {
        fs::create_dir_all(&at)?;
        let offset = offset.to_string();
        let arguments =
            [OsStr::new("--offset"), offset.as_ref(), "-f".as_ref(), "--show".as_ref(), image.as_ref()];
        let node = String::from_utf8(must("losetup", arguments)?)?.trim_end().to_owned();
        let mounted = Mounted { node, at };
        must("ntfs-3g", [OsStr::new(&mounted.node), mounted.at.as_ref()])?;
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
        let _ = Command::new("losetup").args(["-d", &self.node]).status();
    }
}

impl Guest {
    fn new() -> Result<Guest> {
        let guest = Guest { directory: tempfile::tempdir()? };
        let (system, data_disk) = (guest.path("c.img"), guest.path("d.img"));
        let source = data("windows/win10.qcow2");
        must(
            "qemu-img",
            [OsStr::new("convert"), "-O".as_ref(), "raw".as_ref(), source.as_ref(), system.as_ref()],
        )?;

        // A partition table with one NTFS.
        let mut table = [0; 512];
        table[440..444].copy_from_slice(&IDENTIFIER.to_le_bytes());
        table[446 + 4] = 7;
        table[446 + 8..446 + 12].copy_from_slice(&u32::try_from(PARTITION / 512)?.to_le_bytes());
        table[446 + 12..446 + 16].copy_from_slice(&u32::try_from(PARTITION_SIZE / 512)?.to_le_bytes());
        table[510..].copy_from_slice(&[0x55, 0xAA]);
        let filesystem = guest.path("ntfs");
        fs::File::create(&filesystem)?.set_len(PARTITION_SIZE)?;
        must("mkntfs", [OsStr::new("-q"), "-F".as_ref(), "-Q".as_ref(), filesystem.as_ref()])?;
        let disk = fs::File::create(&data_disk)?;
        disk.write_all_at(&table, 0)?;
        disk.write_all_at(&fs::read(&filesystem)?, PARTITION)?;
        {
            let mount = Mounted::new(&data_disk, PARTITION, guest.path("mount"))?;
            fs::create_dir_all(mount.at.join("Öl Straße/Tief"))?;
            fs::write(mount.at.join("Öl Straße/Tief/Datei.txt"), "on the second drive\n")?;
        }
        let mut first = [0; 512];
        fs::File::open(&system)?.read_exact_at(&mut first, 0)?;
        let start = u64::from(u32::from_le_bytes(first[454..458].try_into()?)) * 512;
        let mount = Mounted::new(&system, start, guest.path("mount"))?;
        let file = mount.at.join("Windows/System32/config/SYSTEM");
        let mut hive = Hive::open(fs::read(&file)?, Options { write: true, ..Options::default() })?;
        let key = hive.node_get_child(hive.root(), "MountedDevices".into())?.context("MountedDevices")?;
        let place = [&IDENTIFIER.to_le_bytes()[..], &PARTITION.to_le_bytes()].concat();
        hive.node_set_value(key, r"\DosDevices\D:".into(), ValueType::BINARY, &place)?;
        hive.commit()?;
        fs::write(&file, hive.image())?;
        fs::write(mount.at.join("hiberfil.sys"), b"hibr of a system that sleeps".repeat(1000))?;
        drop(mount);
        Ok(guest)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Ended> {
        let mut command = Command::new(tool(program)?);
        command.env("LIBGUESTFS_BACKEND", "embedded").current_dir(self.directory.path());
        ended(command.args(["-a", "c.img", "-a", "d.img"]).args(arguments))
    }
}

#[test]
fn paths_lead_to_every_drive_in_any_case_and_what_may_be_stale_is_said_once() -> Result<()> {
    let guest = Guest::new()?;
    let ini = "; for 16-bit app support\r\n";
    let wanted = [r"d:/öl straße\TIEF/datei.TXT", r"\windows\WIN.ini", r"C:\Windows\win.ini"];
    let out = guest.run("virt-cat", &wanted)?;
    let text = String::from_utf8(out.stdout)?;
    assert!(text.starts_with("on the second drive\n"), "{text}");
    assert_eq!(text.matches(ini.trim_end()).count(), 2, "{text}");
    assert_eq!((out.stderr, out.status), (format!("virt-cat: warning: {WARNING}\n"), Some(0)));

    // What is only read from the other drive is not warned of.
    let out = guest.run("virt-ls", &["-lR", r"D:\Öl Straße"])?;
    assert_eq!(String::from_utf8(out.stdout)?.lines().count(), 3);
    assert_eq!((out.stderr.as_str(), out.status), ("", Some(0)));

    let out = guest.run("virt-ls", &["--json", r"C:\USERS", "/users/alice", r"d:\"])?;
    assert_eq!((out.stderr.as_str(), out.status), ("", Some(0)));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    assert_eq!(json["warnings"], serde_json::json!([WARNING]));
    assert_eq!(json["directories"][2]["directory"], r"d:\");
    assert_eq!(json["directories"][2]["entries"], serde_json::json!([{"name": "Öl Straße"}]));

    fs::create_dir(guest.path("out"))?;
    let out = guest.run(
        "virt-copy-out",
        &[
            "--verify",
            r"d:\öL STRAßE",
            r"c:\users\alice\nTUSER.D[a-b]?",
            r"D:\öL*\no*",
            "/windows/win.INI",
            "out",
        ],
    );
    let out = out?;
    assert_eq!(out.status, Some(1), "{}", out.stderr);
    // A wildcard is for a last name, in any case.
    assert!(out.stderr.contains("/öL*/no* was looked for"), "{}", out.stderr);
    assert!(fs::read(guest.path("out/NTUSER.DAT"))?.starts_with(b"regf"));
    assert_eq!(out.stderr.matches(WARNING).count(), 1, "{}", out.stderr);
    assert_eq!(fs::read(guest.path("out/Öl Straße/Tief/Datei.txt"))?, b"on the second drive\n");
    assert!(fs::read_to_string(guest.path("out/win.ini"))?.starts_with(ini));

    let out = guest.run("virt-df", &[])?;
    assert_eq!(out.stderr.matches("may be newer").count(), 1, "{}", out.stderr);
    let out = guest.run("virt-df", &["--json"])?;
    let json: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let filesystems = &json["guests"][0]["filesystems"];
    assert!(filesystems[0]["warnings"][0].as_str().unwrap().contains("may be newer"), "{json}");
    assert!(filesystems[1].get("warnings").is_none());
    assert_eq!(out.stderr, "");
    Ok(())
}

#[test]
fn a_path_that_has_no_drive_is_told_why() -> Result<()> {
    let guest = Guest::new()?;
    for (path, message) in [
        (
            "E:\\x",
            "virt-cat: E:\\x: the guest has no drive E:\nhint: its drives are C: (/dev/sda1), D: (/dev/sdb1)\n",
        ),
        ("D:x", "virt-cat: D:x: the path does not begin with a slash\n"),
        ("C:", "virt-cat: C:: the path does not begin with a slash\n"),
    ] {
        let out = guest.run("virt-cat", &[path])?;
        assert_eq!((out.stderr.as_str(), out.status), (message, Some(1)));
    }
    let by_hand = guest.run("virt-cat", &["-m", "/dev/sdb1", r"D:\x"])?;
    assert!(by_hand.stderr.contains("what is mounted with -m has no drive letters"), "{}", by_hand.stderr);
    let mut linux = Command::new(tool("virt-cat")?);
    let linux = ended(linux.arg("-a").arg(data("debian-mini.qcow2")).arg(r"C:\etc\hostname"))?;
    assert!(linux.stderr.contains("drive letters are for Windows; this guest is debian"), "{}", linux.stderr);
    Ok(())
}
