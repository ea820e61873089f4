//! virt-inspector on a guest with 500 packages of rpm: what Debian's prints, and what is left of a damaged database.
//!
//! `data/golden/make-rpm` makes the guest, and `rpm.xml` is the output of Debian's program (guestfs-tools 1.48.2, libguestfs
//! 1.48.6): `virt-inspector -a rpm.qcow2 > rpm.xml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;

use bstr::ByteSlice;
use guestfs_tests::{data, must, run};

#[test]
fn the_report_is_debians() {
    let ours = run("virt-inspector", [OsStr::new("-a"), data("golden/rpm.qcow2").as_os_str()]).unwrap();
    assert_eq!((ours.status, ours.stderr.as_str()), (Some(0), ""));
    let debians = fs::read(data("golden/rpm.xml")).unwrap();
    for (line, (ours, debians)) in ours.stdout.lines().zip(debians.lines()).enumerate() {
        assert_eq!(ours.as_bstr(), debians.as_bstr(), "line {}", line + 1);
    }
    assert!(ours.stdout == debians);
}

#[test]
fn what_is_readable_of_a_damaged_database_is_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let image = scratch.path().join("disk.raw");
    let golden = data("golden/rpm.qcow2");
    let words = ["convert", "-O", "raw"].into_iter().map(OsStr::new);
    must("qemu-img", words.chain([golden.as_os_str(), image.as_os_str()])).unwrap();
    let mut content = fs::read(&image).unwrap();
    // The page of the database in which this package's address is.
    let at = content.find(b"https://example.org/203?").expect("the package is in the image");
    let page = at / 4096 * 4096;
    content[page..page + 4096].fill(0xff);
    fs::write(&image, content).unwrap();

    let report = run("virt-inspector", ["-a", image.to_str().unwrap()]).unwrap();
    let packages = report.stdout.find_iter(b"<application>").count();
    assert!((450..500).contains(&packages), "{packages} packages");
    assert!(report.stdout.find(b"example.org/203?").is_none());
    assert!(report.stderr.contains("/var/lib/rpm/rpmdb.sqlite: page "), "{}", report.stderr);
    assert_eq!(report.status, Some(1));
}
