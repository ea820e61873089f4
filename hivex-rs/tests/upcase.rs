//! The table of upper case, held against the one that NTFS volumes have: Windows compares names in hives with the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs::File;
use std::process::Command;

use support::{run, scratch};

#[test]
fn upper_case_is_what_mkntfs_writes() {
    let directory = scratch("upcase");
    let volume = directory.join("volume");
    File::create(&volume).unwrap().set_len(4 << 20).unwrap();
    run(Command::new("mkntfs").args(["-F", "-q"]).arg(&volume));
    let table = Command::new("ntfscat").arg(&volume).arg("$UpCase").output().unwrap().stdout;
    std::fs::remove_dir_all(directory).unwrap();
    assert_eq!(table.len(), 1 << 17);
    for (unit, upper) in (0..=u16::MAX).zip(table.chunks_exact(2)) {
        assert_eq!(hivex::upcase(unit), u16::from_le_bytes([upper[0], upper[1]]), "{unit:#x}");
    }
}
