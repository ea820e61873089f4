//! virt-df over many guests at a time: in order, however many threads there are, and past those that fail.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};
use guestfs_tests::{data, public_directory, run};

/// More guests than any machine that runs this has processors, so that they wait for each other.
const GUESTS: usize = 24;

/// The guests' names in the lines of a table, each once where several lines follow each other.
fn names(table: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(table);
    let mut names: Vec<String> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect();
    names.dedup();
    names
}

#[test]
fn many_guests_are_shown_in_order_past_those_that_fail() -> Result<()> {
    let directory = public_directory()?;
    let mut arguments: Vec<OsString> = vec!["--separate".into()];
    let mut expected = Vec::new();
    for number in 0..GUESTS {
        let name = format!("guest-{number:03}.qcow2");
        let path = directory.path().join(&name);
        // Guests that take long stand before short ones, and each tenth can't be opened.
        let source = match number % 10 {
            3 => None,
            0 => Some("debian-mini.qcow2"),
            _ => Some("not-a-guest.qcow2"),
        };
        if let Some(source) = source {
            std::os::unix::fs::symlink(data(source), &path)?;
            expected.push(name);
        }
        arguments.extend(["-a".into(), path.into()]);
    }
    let mut tables = Vec::new();
    for threads in ["1", "0", "200"] {
        let mut arguments = arguments.clone();
        arguments.extend(["-P".into(), threads.into()]);
        let ended = run("virt-df", &arguments)?;
        ensure!(ended.status == Some(1), "-P {threads}: {:?}: {}", ended.status, ended.stderr);
        assert_eq!(names(&ended.stdout), expected, "-P {threads}");
        let failures: Vec<&str> = ended.stderr.lines().collect();
        let missing = (3..GUESTS).step_by(10);
        assert_eq!(failures.len(), missing.clone().count(), "{}", ended.stderr);
        for (failure, number) in failures.iter().zip(missing) {
            let name = format!("guest-{number:03}.qcow2: No such file or directory");
            ensure!(failure.ends_with(&name), "{failure} is not about {name}");
        }
        tables.push(ended.stdout);
    }
    ensure!(tables.iter().all(|table| Some(table) == tables.first()), "threads change what is printed");
    Ok(())
}

#[test]
fn json_has_each_guest_with_what_was_found_or_why_not() -> Result<()> {
    let disks = [data("golden/df.qcow2"), data("no-such-guest.qcow2"), data("rhel-xfs.qcow2")];
    let arguments = disks.iter().flat_map(|disk| ["-a".into(), disk.as_os_str().to_owned()]);
    let ended = run("virt-df", ["--json".into(), "--separate".into()].into_iter().chain(arguments))?;
    assert_eq!(ended.status, Some(1));
    let json: serde_json::Value = serde_json::from_slice(&ended.stdout)?;
    let guests = json["guests"].as_array().context("guests")?;
    let names: Vec<_> = guests.iter().map(|guest| guest["guest"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["df.qcow2", "no-such-guest.qcow2", "rhel-xfs.qcow2"]);
    let list = |guest: usize| guests[guest]["filesystems"].as_array().cloned().unwrap_or_default();
    let why: Vec<_> = list(0).iter().map(|fs| fs["error"].is_string()).collect();
    assert_eq!(why, [false, false, false, false, false, false, true, true, false, false]);
    assert_eq!((list(1).len(), guests[1]["errors"].as_array().map(Vec::len)), (0, Some(1)));
    let rows: Vec<_> = list(2)
        .iter()
        .map(|fs| {
            [&fs["device"], &fs["type"], &fs["label"]].map(|v| v.as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(
        rows,
        [["/dev/sda1", "vfat", "EFI-SYSTEM"], ["/dev/sda2", "xfs", ""], ["/dev/rhel/root", "xfs", "root"],]
    );
    Ok(())
}

/// An array that can't be put together is told, and what else there is is shown.
#[test]
fn arrays_are_reported() -> Result<()> {
    let directory = public_directory()?;
    let member = directory.path().join("member.img");
    let mut bytes = vec![0; 4 << 20];
    // The superblock of a part of an array, version 1.2: magic number and version, identifier, size of the array.
    for (at, field) in [
        (4096, b"\xfc\x4e\x2b\xa9\x01".as_slice()),
        (4096 + 16, b"\x10\x32\x54\x76\x98\xba\xdc\xfe\x01\x23\x45\x67\x89\xab\xcd\xef"),
        (4096 + 144, b"\x08"),
    ] {
        bytes[at..at + field.len()].copy_from_slice(field);
    }
    std::fs::write(&member, bytes)?;
    let arguments: [OsString; 5] =
        ["-a".into(), data("bare-ext4.qcow2").into(), "--format=raw".into(), "-a".into(), member.into()];
    let ended = run("virt-df", arguments)?;
    assert_eq!(ended.status, Some(1));
    assert_eq!(
        ended.stderr,
        "virt-df: bare-ext4.qcow2+: list_md_devices: needs an appliance: /dev/sdb: part of a RAID array\n\
         hint: LIBGUESTFS_BACKEND=embedded rules an appliance out; without it one takes over\n"
    );
    assert_eq!(names(&ended.stdout), ["bare-ext4.qcow2+"]);
    Ok(())
}
