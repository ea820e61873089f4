//! Btrfs over several devices, and what is refused.
//!
//! Needs root, loop devices, and Debian's packages btrfs-progs, acl, mount and python3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
mod listing;
#[path = "support/btrfs.rs"]
mod support;

use std::fs;
use std::sync::Arc;

use disk::fs::btrfs::device_info;
use disk::{ErrorKind, MemSource};
use kernel::{chain, fill, python};
use support::Case;

/// Destroys all of a device but its superblocks.
fn wipe(image: &mut [u8]) {
    const SUPERBLOCKS: [usize; 2] = [64 << 10, 64 << 20];
    // Nothing is allocated in the first megabyte.
    for at in ((1 << 20)..image.len()).step_by(4096).filter(|at| !SUPERBLOCKS.contains(at)) {
        image[at..at + 4096].fill(0x5a);
    }
}

/// Whatever is wrong on one device is read from another.
#[test]
fn damaged_copies_do_not_matter() {
    for (options, devices) in
        [("-d raid1 -m raid1", 2), ("-d raid10 -m raid10", 4), ("-d raid1c3 -m raid1c3 --csum blake2", 3)]
    {
        let case = Case::new(&vec![200; devices], options);
        fill(&case.mount("rw").0, 100);
        let before = case.compare();
        for nr in 0..devices {
            let whole = fs::read(&case.images[nr]).unwrap();
            case.change(nr, |bytes| wipe(bytes));
            assert!(case.listing() == before, "{options}: {nr}");
            case.change(nr, |bytes| *bytes = whole);
        }
    }
}

/// What parity would give is not computed, and nothing wrong is given in its place.
#[test]
fn parity_is_refused() {
    let case = Case::new(&[200, 200, 200], "-d raid5 -m raid1");
    fill(&case.mount("rw").0, 100);
    case.change(1, |bytes| wipe(bytes));
    let error = listing::of_filesystem(&*case.open().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", chain(&error));
}

/// A device that was away for a while has blocks that are whole but old.
#[test]
fn stale_copies_are_not_used() {
    let case = Case::new(&[200, 200], "-d raid1 -m raid1");
    let write = |text: &str| {
        let script = format!(
            "import os, sys\nos.chdir(sys.argv[1])\nfor i in range(500): open('f%d' % i, 'w').write('{text}' * i)"
        );
        python(&script, &case.mount("rw").0);
    };
    write("old");
    let stale = fs::read(&case.images[0]).unwrap();
    write("newer");
    let before = case.compare();
    case.change(0, |bytes| *bytes = stale);
    assert!(case.listing() == before);
}

#[test]
fn missing_devices_are_named() {
    for options in ["-d raid1 -m raid1", "-d single -m raid0"] {
        let case = Case::new(&[200, 200, 200], options);
        let sources = case.sources();
        for missing in 0..3 {
            let mut members = sources.clone();
            let devid = device_info(&members.remove(missing)).unwrap().unwrap().devid;
            let error = disk::fs::open_with(Arc::clone(&members[0]), &members).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", chain(&error));
            let what = error.to_string();
            assert!(
                what.starts_with(&format!("device {devid} (UUID ")) && what.contains("is missing"),
                "{what}"
            );
            // In any order, among others.
            members.insert(0, Arc::clone(&sources[missing]));
            members.push(Arc::new(MemSource::new(vec![0; 1 << 20])));
            disk::fs::open_with(Arc::clone(&sources[1]), &members).unwrap();
        }
        assert_eq!(device_info(&sources[0]).unwrap().unwrap().num_devices, 3);
    }
}

/// Two copies of one device, of which one was written to since: either may be the right one.
#[test]
fn devices_that_contradict_each_other_are_refused() {
    let case = Case::new(&[200, 200], "-d raid1 -m raid1");
    let old = MemSource::new(fs::read(&case.images[1]).unwrap());
    fill(&case.mount("rw").0, 10);
    let mut members = case.sources();
    members.push(Arc::clone(&members[1]));
    disk::fs::open_with(Arc::clone(&members[0]), &members).unwrap();
    members.push(Arc::new(old));
    let error = disk::fs::open_with(Arc::clone(&members[0]), &members).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "two different devices are device 2 of one btrfs filesystem");
}

#[test]
fn what_stands_on_a_seed_is_refused() {
    let mut case = Case::new(&[200], "-m single");
    case.tool("btrfstune", &["-f", "-S", "1"]);
    case.add_device(200);
    let mounted = case.mount("ro");
    mounted.btrfs(&format!("device add -f {} .", case.loops[1]));
    drop(mounted);
    let sources = case.sources();
    let error = disk::fs::open_with(Arc::clone(&sources[1]), &sources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "device 1 of the btrfs filesystem is a seed");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let case = Case::new(&[120], "");
    for (at, value, what) in [
        (0xbc, 1_u64 << 12 | 1 << 50, "btrfs features: zoned, bit 50"),
        (0x38, 1 << 32, "a btrfs filesystem that is a seed of others"),
        (0x38, 1 << 33, "a btrfs image without data (metadump)"),
        (0x38, 1 << 36, "btrfs superblock flags 0x1000000000"),
    ] {
        let mut bytes = fs::read(&case.images[0]).unwrap();
        let superblock = &mut bytes[65536..69632];
        superblock[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let sum = crc32c::crc32c(&superblock[32..]);
        superblock[..4].copy_from_slice(&sum.to_le_bytes());
        let error = disk::fs::open(Arc::new(MemSource::new(bytes))).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unsupported, what));
    }
}

/// An image that was cut off is refused like by the kernel, not read in part.
#[test]
fn a_short_device_is_refused() {
    let case = Case::new(&[120], "");
    let mut bytes = fs::read(&case.images[0]).unwrap();
    bytes.truncate(bytes.len() - 4096);
    let error = disk::fs::open(Arc::new(MemSource::new(bytes))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
