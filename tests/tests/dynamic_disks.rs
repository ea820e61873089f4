//! Windows dynamic disks, read by the tools as users read them: the fixtures of the disk crate, `disk/tests/data/ldm`.

use std::ffi::OsString;
use std::fs;

use anyhow::{Result, ensure};
use guestfs_tests::{Ended, must, public_directory, repository, run};

/// Bytes of a disk.
const DISK: usize = 8 << 20;
/// The disks in the fixture, in their order, and which of them form groups.
const NAMES: [&str; 8] = ["mbr-1", "mbr-2", "mbr-3", "mbr-4", "mbr-4-stale", "gpt-1", "gpt-2", "gpt-3"];
const OLD: &[&str] = &["mbr-1", "mbr-2", "mbr-3", "mbr-4"];
const NEW: &[&str] = &["gpt-1", "gpt-2", "gpt-3"];

/// All disks, as files `NAME.img`.
fn disks() -> Result<tempfile::TempDir> {
    let directory = public_directory()?;
    let packed = repository().join("disk/tests/data/ldm/disks.img.xz");
    let all = must("xz", [OsString::from("-dc"), packed.into()])?;
    ensure!(all.len() == NAMES.len() * DISK, "{} bytes of disks", all.len());
    for (name, bytes) in NAMES.iter().zip(all.chunks_exact(DISK)) {
        fs::write(directory.path().join(format!("{name}.img")), bytes)?;
    }
    Ok(directory)
}

fn tool(directory: &tempfile::TempDir, name: &str, names: &[&str], words: &[&str]) -> Result<Ended> {
    let mut arguments = Vec::new();
    for name in names {
        arguments.extend([OsString::from("-a"), directory.path().join(format!("{name}.img")).into()]);
    }
    arguments.extend(words.iter().map(OsString::from));
    run(name, arguments)
}

#[test]
fn files_of_each_kind_of_volume_are_printed() -> Result<()> {
    let directory = disks()?;
    let volumes = [
        (OLD, r"Old-Dg0_Volume1", "Volume1: simple\n"),
        (OLD, r"Old-Dg0_Volume2", "Volume2: spanned\n"),
        (OLD, r"Old-Dg0_Stripe1", "Stripe1: striped\n"),
        (OLD, r"Old-Dg0_Volume3", "Volume3: mirrored\n"),
        (OLD, r"Old-Dg0_Raid1", "Raid1: raid5\n"),
        // Names of devices have no byte that libdevmapper would not write.
        (NEW, r"New\x20Gr\xc3\xb6\xc3\x9fe_Daten\x201", "Daten 1: spanned\n"),
        // Without one of its three disks.
        (&NEW[1..], r"New\x20Gr\xc3\xb6\xc3\x9fe_Raid1", "Raid1: raid5\n"),
    ];
    for (names, volume, content) in volumes {
        let device = format!("/dev/mapper/ldm_vol_{volume}");
        let ended = tool(&directory, "virt-cat", names, &["-m", &device, "/name.txt"])?;
        let expected = Ended { status: Some(0), stdout: content.into(), stderr: String::new() };
        ensure!(ended == expected, "{volume}: {ended:?}");
    }
    Ok(())
}

#[test]
fn a_volume_that_lacks_a_disk_says_which() -> Result<()> {
    let directory = disks()?;
    let device = "/dev/mapper/ldm_vol_Old-Dg0_Volume2";
    let ended = tool(&directory, "virt-cat", &["mbr-2"], &["-m", device, "/name.txt"])?;
    let what = "spanned volume Volume2: Disk1 of disk group Old-Dg0 is missing";
    ensure!(ended.status == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    ensure!(ended.stderr.contains(what), "{}", ended.stderr);
    Ok(())
}

#[test]
fn free_space_is_that_of_volumes_and_of_halves_of_mirrors() -> Result<()> {
    let directory = disks()?;
    let ended = tool(&directory, "virt-df", OLD, &["--csv"])?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let table = String::from_utf8(ended.stdout)?;
    let devices: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .filter_map(|d| d.strip_prefix("/dev/mapper/ldm_"))
        .collect();
    let expected = [
        "vol_Old-Dg0_Raid1",
        "vol_Old-Dg0_Stripe1",
        "vol_Old-Dg0_Volume1",
        "vol_Old-Dg0_Volume2",
        "vol_Old-Dg0_Volume3",
        "part_Old-Dg0_Disk3-02",
        "part_Old-Dg0_Disk4-02",
    ];
    ensure!(devices == expected, "{table}");
    Ok(())
}
