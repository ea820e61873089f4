//! Guests like a Windows: what the tools say of them, beyond what they have in common with Debian's programs (those cases are
//! in `golden`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use guestfs_tests::{data, ended, run, tool};
use serde_json::{Value, json};

/// What virt-inspector says of a guest's only system.
fn inspected(guests: &[&str]) -> (Value, String) {
    let mut command = Command::new(tool("virt-inspector").unwrap());
    command.args(["--json", "--no-icon"]);
    for guest in guests {
        command.arg("-a").arg(data(&format!("windows/{guest}.qcow2")));
    }
    let out = ended(&mut command).unwrap();
    assert_eq!(out.status, Some(0), "{}", out.stderr);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let systems = report["operating_systems"].as_array().expect("a list of systems").clone();
    let [system] = systems.as_slice() else { panic!("{systems:?}") };
    (system.clone(), out.stderr)
}

#[test]
fn newer_systems_are_told_by_their_builds() {
    for (guests, product, osinfo, build) in [
        (&["win10"][..], "Windows 10 Pro", "win10", "19045"),
        (&["win11"], "Windows 11 Home", "win11", "22631"),
        (&["win2022", "win2022-b"], "Windows Server 2022 Standard", "win2k22", "20348"),
    ] {
        let (system, stderr) = inspected(guests);
        assert_eq!(stderr, "");
        assert_eq!(system["product_name"], product);
        assert_eq!([&system["osinfo"], &system["build_id"]], [osinfo, build], "{product}");
    }
}

#[test]
fn policies_antivirus_and_letters_are_said() {
    let (system, _) = inspected(&["win10"]);
    assert_eq!(system["windows_group_policy"], true);
    let (system, _) = inspected(&["win2022", "win2022-b"]);
    assert_eq!(system.get("windows_group_policy"), None);
    let letters = json!([
        { "name": "C", "device": "/dev/sda3" },
        { "name": "D", "device": "/dev/sdb2" },
        { "name": "e", "device": "/dev/sdb1" },
    ]);
    assert_eq!(system["drive_mappings"], letters);
}

#[test]
fn files_of_a_windows_are_read_by_plain_paths() {
    for (guest, path, content) in [
        ("win10", "/Windows/System32/drivers/etc/hosts", "fileserver"),
        ("win7", "/Users/carol/compressed.log", "nothing happened"),
        ("win7", "/Documents and Settings/carol/compressed.log", "nothing happened"),
        ("winxp", "/boot.ini", "[boot loader]"),
        ("win2003", "/boot.ini", "\\WINSRV"),
        ("win11", "/Windows/notepad.exe", "MZ"),
    ] {
        let image = data(&format!("windows/{guest}.qcow2"));
        let out = run("virt-cat", ["-a".as_ref(), image.as_os_str(), path.as_ref()]).unwrap();
        assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""), "{guest} {path}");
        assert!(String::from_utf8_lossy(&out.stdout).contains(content), "{guest} {path}");
    }
}

/// What a tool prints with a backend, of the guest whose `Documents and Settings` is a junction.
fn with_backend(backend: &str, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool(program).unwrap());
    command.env("LIBGUESTFS_BACKEND", backend).arg("-a").arg(data("windows/win7.qcow2")).args(arguments);
    let out = ended(&mut command).unwrap();
    assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""), "{backend}: {program} {arguments:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn an_appliance_follows_junctions_as_the_embedded_engine_does() {
    let copies = tempfile::tempdir().unwrap();
    let answers = ["embedded", "uml"].map(|backend| {
        let log = with_backend(backend, "virt-cat", &[r"c:\documents and settings\Carol\compressed.log"]);
        assert!(log.starts_with("2011-07-07"), "{backend}");
        let directory = copies.path().join(backend);
        fs::create_dir(&directory).unwrap();
        let target = directory.to_str().unwrap();
        with_backend(
            backend,
            "virt-copy-out",
            &["/Documents and Settings/carol/compressed.log", "/Documents and Settings", target],
        );
        assert_eq!(fs::read_to_string(directory.join("compressed.log")).unwrap(), log, "{backend}");
        let link = fs::read_link(directory.join("Documents and Settings")).unwrap();
        assert_eq!(link.to_str(), Some("/Users"), "{backend}");
        let below = with_backend(backend, "virt-ls", &["-lR", "/Documents and Settings/"]);
        assert!(below.contains("compressed.log"), "{below}");
        [log, below, with_backend(backend, "virt-ls", &["-l", "/"])]
    });
    assert_eq!(answers[0], answers[1]);
}
