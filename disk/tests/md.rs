//! Software RAID against what Linux and mdadm made of the same members: the fixtures in `data/md`, made by its `make.sh`.
//!
//! Needs the program `xz` (Debian: xz-utils).
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use bstr::BString;
use disk::volume::md::{self, Array, Role};
use disk::{ErrorKind, MemSource, ReadAt, partition};
use serde_json::Value;
use sha2::{Digest, Sha256};

const SECTOR: usize = 512;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/md")
}

/// Arrays by name: `size`, `sha256`, `degraded`, as the kernel had them.
static EXPECTED: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read(data().join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
});

/// Names of arrays, in the order of the partitions that their members lie on.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(data().join("arrays.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
});

/// Devices with their content.
type Images = Vec<(BString, Vec<u8>)>;

/// Members by array.
static MEMBERS: LazyLock<BTreeMap<String, Images>> = LazyLock::new(|| {
    let output = Command::new("xz").arg("-dc").arg(data().join("disks.img.xz")).output().expect("xz runs");
    assert!(output.status.success());
    let mut members: BTreeMap<String, Images> = BTreeMap::new();
    let mut rest = output.stdout.as_slice();
    for (disk, size) in EXPECTED["disks"].as_array().unwrap().iter().enumerate() {
        let (image, later) = rest.split_at(size.as_u64().unwrap() as usize);
        rest = later;
        let table = partition::read(&MemSource::new(image)).unwrap().unwrap();
        for entry in table.partitions {
            let content = image[entry.start as usize..][..entry.len as usize].to_vec();
            let device = format!("/dev/sd{}{}", char::from(b'a' + disk as u8), entry.number);
            members
                .entry(NAMES[entry.number as usize - 1].clone())
                .or_default()
                .push((device.into(), content));
        }
    }
    members
});

fn source(bytes: &[u8]) -> Arc<dyn ReadAt> {
    Arc::new(MemSource::new(bytes))
}

/// The members of an array, but for those at the positions `without`.
fn members(name: &str, without: &[usize]) -> Vec<(BString, Arc<dyn ReadAt>)> {
    let all = MEMBERS[name].iter().enumerate().filter(|(position, _)| !without.contains(position));
    all.map(|(_, (device, content))| (device.clone(), source(content))).collect()
}

/// The one array on some devices.
fn array(devices: &[(BString, Arc<dyn ReadAt>)]) -> Array {
    let mut found = md::scan(devices).unwrap().arrays;
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn content(array: &Array) -> disk::Result<Vec<u8>> {
    let source = array.open()?;
    let mut bytes = vec![0; source.len() as usize];
    // In parts of any size, so that they do not all begin with a chunk.
    for (number, part) in bytes.chunks_mut(100_001).enumerate() {
        source.read_at(number as u64 * 100_001, part)?;
    }
    Ok(bytes)
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks one array without the members at some positions against what the kernel had.
#[track_caller]
fn check(name: &str, without: &[usize]) {
    let bytes = content(&array(&members(name, without))).unwrap();
    let expected = &EXPECTED["arrays"][name];
    assert_eq!(bytes.len() as u64, expected["size"], "{name} without {without:?}");
    assert_eq!(sum(&bytes), expected["sha256"], "{name} without {without:?}");
}

/// Why an array without the members at some positions can't be read.
fn refusal(name: &str, without: &[usize]) -> (ErrorKind, String) {
    let error = array(&members(name, without)).open().unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn all_arrays_read_as_in_the_kernel() {
    let mut compared = 0;
    for name in NAMES.iter().filter(|name| EXPECTED["arrays"][name.as_str()].is_object()) {
        check(name, &[]);
        let array = array(&members(name, &[]));
        assert_eq!(array.complete, EXPECTED["arrays"][name]["degraded"] == 0, "{name}");
        compared += 1;
    }
    assert_eq!(compared, NAMES.len() - OTHERS.len());
}

/// Arrays that were not made (mdadm of the appliance makes no RAID-0 with superblocks of version 0.90), or that have to wait for
/// a kernel.
const OTHERS: [&str; 2] = ["raid0090", "journal5"];

#[test]
fn what_a_kernel_has_to_carry_on_with_is_refused() {
    let why = "array host:journal5: it has a journal of writes".to_owned();
    assert_eq!(refusal("journal5", &[]), (ErrorKind::Unsupported, why));
}

#[test]
fn members_that_are_missing_are_made_up_for() {
    for name in
        ["raid1090", "raid1v0", "raid1v1", "raid1v2", "raid4", "raid5pair", "raid5la", "raid5ra", "raid5ls"]
            .into_iter()
            .chain([
                "raid5rs",
                "raid5pf",
                "raid5pl",
                "raid5v090",
                "raid10n2",
                "raid10f2",
                "raid10o2",
                "raid10v0",
            ])
    {
        for missing in 0..MEMBERS[name].len() {
            check(name, &[missing]);
        }
    }
    // Each column with the next: which of a row are missing differs from row to row.
    for name in NAMES.iter().filter(|name| name.starts_with("raid6")) {
        let count = MEMBERS[name].len();
        for first in 0..count {
            check(name, &[first, (first + 1) % count]);
        }
        check(name, &[0, count / 2]);
    }
    check("raid1v2", &[0, 1]);
    check("raid10n2", &[0, 3]);
    check("raid10n3", &[0, 1]);
    check("raid10f3", &[1, 2]);
    check("raid10o3", &[3, 0]);
}

#[test]
fn arrays_that_lack_too_many_members_say_which() {
    for (name, without, what) in [
        ("linear", [1].as_slice(), "1 of its 3 devices are missing: 1"),
        ("raid0", &[0, 2], "2 of its 3 devices are missing: 0, 2"),
        ("raid5ls", &[0, 1], "2 of its 3 devices are missing: 0, 1"),
        ("raid6ls", &[0, 1, 3], "3 of its 4 devices are missing: 0, 1, 3"),
        ("raid10n2", &[0, 1], "2 of its 4 devices are missing: 0, 1"),
        ("stale5", &[0], "2 of its 4 devices are missing: 0, 1 (/dev/sdb47 missed changes)"),
        ("spare5", &[0, 1], "2 of its 3 devices are missing: 0, 1"),
        ("partial5", &[0], "2 of its 3 devices are missing: 0, 1 (/dev/sdb53 missed changes)"),
    ] {
        assert_eq!(refusal(name, without), (ErrorKind::NotFound, format!("array host:{name}: {what}")));
    }
}

#[test]
fn members_that_missed_changes_are_left_out() {
    for (name, stale) in [
        ("stale1", ["/dev/sdc46"].as_slice()),
        ("stale5", &["/dev/sdb47"]),
        ("stale6", &["/dev/sdb48", "/dev/sdd48"]),
        ("stale10", &["/dev/sda49"]),
        ("rebuilt5", &["/dev/sda51"]),
        ("rebuilt090", &["/dev/sda52"]),
        ("split1", &["/dev/sda55"]),
    ] {
        let found = md::scan(&members(name, &[])).unwrap();
        let out: Vec<_> = found.arrays[0].members.iter().filter(|member| member.role.is_none()).collect();
        let out: Vec<String> = out.into_iter().map(|member| member.device.to_string()).collect();
        assert_eq!(out, stale, "{name}");
        assert_eq!(found.problems.len(), stale.len(), "{name}");
        // Their order does not matter.
        let mut turned = members(name, &[]);
        turned.reverse();
        assert_eq!(sum(&content(&array(&turned)).unwrap()), EXPECTED["arrays"][name]["sha256"], "{name}");
    }
    // With nothing newer, what was left behind is current.
    let old = array(&members("split1", &[1]));
    assert_eq!(old.members[0].role, Some(Role::Active(0)));
    assert_ne!(sum(&content(&old).unwrap()), EXPECTED["arrays"]["split1"]["sha256"]);
    let roles = |name| array(&members(name, &[])).members.into_iter().map(|m| m.role).collect::<Vec<_>>();
    let active = |place| Some(Role::Active(place));
    assert_eq!(roles("spare5"), [active(0), active(1), active(2), Some(Role::Spare)]);
    assert_eq!(roles("rebuilt5"), [None, active(1), active(2), active(0)]);
    assert_eq!(roles("partial5"), [active(0), None, active(2), Some(Role::Recovering(1))]);
}

#[test]
fn blocks_known_to_be_bad_are_not_read() {
    let mut disks = MEMBERS["badblocks"].clone();
    let member = &mut disks[0].1;
    // The kernel wrote down eight sectors before the data, which are of no use to anyone: eight of the data take their place.
    let superblock = &member[v1::AT..];
    let offset = u32::from_le_bytes(superblock[v1::BAD_BLOCKS..][..4].try_into().unwrap()) as usize;
    let list = v1::AT + offset * SECTOR;
    assert_eq!(member[list..][..9], [8, 0x90, 1, 0, 0, 0, 0, 0, 0xff]);
    let at = DATA + 100;
    member[list..][..8].copy_from_slice(&((at as u64) << 10 | 8).to_le_bytes());
    member[at * SECTOR..(at + 8) * SECTOR].fill(0xbd);
    let devices: Vec<_> = disks.iter().map(|(device, bytes)| (device.clone(), source(bytes))).collect();
    let bytes = content(&array(&devices)).unwrap();
    assert_eq!(sum(&bytes), EXPECTED["arrays"]["badblocks"]["sha256"]);
    let alone = array(&devices[..1]).open().unwrap();
    assert!(alone.read_at(0, &mut [0; 100 * SECTOR]).is_ok());
    assert_eq!(alone.read_at(100 * SECTOR as u64, &mut [0; 1]).unwrap_err().kind(), ErrorKind::Io);
}

/// First sector of the data of most members.
const DATA: usize = 128;

#[test]
fn arrays_lie_on_arrays() {
    let mut devices = Vec::new();
    for name in ["inner1", "inner5"] {
        let inner = array(&members(name, &[]));
        devices.push((inner.name.clone(), inner.open().unwrap()));
    }
    let outer = array(&devices);
    assert_eq!(outer.name, "host:outer");
    assert_eq!(sum(&content(&outer).unwrap()), EXPECTED["arrays"]["outer"]["sha256"]);
}

/// Where fields of a superblock of version 1 are, which lies at 4 KiB.
mod v1 {
    pub(super) const AT: usize = 4096;
    pub(super) const FEATURES: usize = 8;
    pub(super) const LAYOUT: usize = 76;
    pub(super) const CHUNK: usize = 88;
    pub(super) const DATA_SIZE: usize = 136;
    pub(super) const BAD_BLOCKS: usize = 188;
    pub(super) const RESYNC: usize = 208;
    pub(super) const CHECKSUM: usize = 216;
    pub(super) const MAX_DEVICES: usize = 220;
}

/// Makes the checksum of a superblock of version 1 right.
fn seal(superblock: &mut [u8]) {
    superblock[v1::CHECKSUM..][..4].fill(0);
    let devices = u32::from_le_bytes(superblock[v1::MAX_DEVICES..][..4].try_into().unwrap()) as usize;
    let words = superblock[..256 + devices * 2].as_chunks::<4>().0;
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    let sum = (sum as u32).wrapping_add((sum >> 32) as u32);
    superblock[v1::CHECKSUM..][..4].copy_from_slice(&sum.to_le_bytes());
}

/// The devices of an array with a field of all superblocks (of version 1.2) changed.
fn changed(name: &str, without: &[usize], field: usize, value: &[u8]) -> Vec<(BString, Arc<dyn ReadAt>)> {
    let all = MEMBERS[name].iter().enumerate().filter(|(position, _)| !without.contains(position));
    all.map(|(_, (device, bytes))| {
        let mut bytes = bytes.clone();
        bytes[v1::AT + field..][..value.len()].copy_from_slice(value);
        seal(&mut bytes[v1::AT..]);
        (device.clone(), source(&bytes))
    })
    .collect()
}

#[test]
fn arrays_that_were_not_stopped_cleanly_are_read_if_nothing_is_missing() {
    let dirty = |name: &str, without: &[usize]| array(&changed(name, without, v1::RESYNC, &[0; 8]));
    for (name, without) in
        [("raid5ls", [].as_slice()), ("raid6ls", &[]), ("raid1v2", &[1]), ("raid10n2", &[0])]
    {
        let bytes = content(&dirty(name, without)).unwrap();
        assert_eq!(sum(&bytes), EXPECTED["arrays"][name]["sha256"], "{name}");
    }
    for (name, without) in [("raid4", [1]), ("raid5ls", [0]), ("raid6ls", [3])] {
        let error = dirty(name, &without).open().unwrap_err();
        let what = format!(
            "array host:{name}: it was not stopped cleanly, and lacks device {} (mdadm --assemble --force starts it all \
             the same)",
            without[0]
        );
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, what));
    }
    let error = dirty("ppl5", &[0]).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn superblocks_that_can_t_be_right_are_refused() {
    let open = |name, field, value: &[u8]| array(&changed(name, &[], field, value)).open().unwrap_err();
    for (name, field, value, kind, what) in [
        ("raid5la", v1::FEATURES, [4_u8, 0].as_slice(), ErrorKind::Unsupported, "a reshape is going on"),
        ("raid5la", v1::FEATURES, &[0, 1], ErrorKind::Unsupported, "several hosts share it"),
        ("raid5la", v1::FEATURES, &[0, 0x80], ErrorKind::Unsupported, "it has features that are not known"),
        ("raid5la", v1::LAYOUT, &[6], ErrorKind::Unsupported, "layout Some(6) of level raid5"),
        ("raid5la", v1::CHUNK, &[7, 0], ErrorKind::Corrupt, "chunks of 3584 bytes"),
        ("raid5la", v1::CHUNK, &[24, 0], ErrorKind::Corrupt, "chunks of 12288 bytes"),
        ("raid6la", v1::LAYOUT, &[7], ErrorKind::Unsupported, "layout Some(7) of level raid6"),
        ("raid10n2", v1::LAYOUT, &[0, 0], ErrorKind::Unsupported, "layout Some(0) of level raid10"),
        ("raid0", v1::CHUNK, &[0, 0], ErrorKind::Corrupt, "chunks of no size"),
        (
            "zones",
            v1::FEATURES,
            &[0, 0],
            ErrorKind::Unsupported,
            "devices of different sizes, and no word on which layout they have",
        ),
    ] {
        let error = open(name, field, value);
        assert_eq!(
            (error.kind(), error.to_string()),
            (kind, format!("array host:{name}: {what}")),
            "{name} {field}"
        );
    }
    // Without its layout, an array of one zone is what it is.
    let bytes = content(&array(&changed("raid0", &[], v1::FEATURES, &[0, 0]))).unwrap();
    assert_eq!(sum(&bytes), EXPECTED["arrays"]["raid0"]["sha256"]);
    let past = md::scan(&changed("raid5la", &[], v1::DATA_SIZE, &[0xff; 3])).unwrap();
    assert_eq!((past.arrays.len(), past.problems.len()), (0, 3));
    // Two devices in one place: a copy of a member, say.
    let mut twice = members("raid5la", &[]);
    twice.push(("/dev/copy".into(), Arc::clone(&twice[1].1)));
    let error = array(&twice).open().unwrap_err();
    let what = "array host:raid5la: /dev/sdb16 and /dev/copy have the same place";
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unsupported, what.to_owned()));
}

/// A byte that is wrong is damage, wherever in a superblock it is: no array comes of it, or the same as before.
#[test]
fn checksums_tell_of_damage() {
    for (name, at) in [("raid5la", v1::AT), ("raid5v090", (640 << 10) - (64 << 10))] {
        let whole = sum(&content(&array(&members(name, &[]))).unwrap());
        for byte in [4, 16, 72, 80, 92, 130, 140, 200, 210, 216, 257] {
            let mut disks = MEMBERS[name].clone();
            disks[0].1[at + byte] ^= 0x10;
            let devices: Vec<_> =
                disks.iter().map(|(device, bytes)| (device.clone(), source(bytes))).collect();
            let found = md::scan(&devices).unwrap();
            assert_eq!(found.arrays.len(), 1);
            assert!(!found.arrays[0].complete, "{name} with byte {byte} changed");
            assert_eq!(sum(&content(&found.arrays[0]).unwrap()), whole, "{name} with byte {byte} changed");
        }
    }
    let mut disk = MEMBERS["raid5v090"][0].1.clone();
    let at = disk.len() - (64 << 10);
    disk[at..at + 4].reverse();
    let found = md::scan(&[("/dev/sda".into(), source(&disk))]).unwrap();
    assert!(found.arrays.is_empty());
    let why = std::error::Error::source(&found.problems[0]).unwrap().to_string();
    assert_eq!(why, "superblock of version 0.90 of a machine with the other order of bytes");
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A device whose superblock is another.
#[derive(Debug)]
struct Patched {
    device: Arc<dyn ReadAt>,
    at: u64,
    superblock: Vec<u8>,
}

impl ReadAt for Patched {
    fn len(&self) -> u64 {
        self.device.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.device.read_at(offset, buf)?;
        for (byte, at) in buf.iter_mut().zip(offset..) {
            let patch = at.checked_sub(self.at).and_then(|at| self.superblock.get(at as usize));
            *byte = patch.copied().unwrap_or(*byte);
        }
        Ok(())
    }
}

/// Makes the checksum of a superblock of version 0.90 right.
fn seal0(superblock: &mut [u8]) {
    superblock[152..156].fill(0);
    let words = superblock.as_chunks::<4>().0;
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    let sum = (sum as u32).wrapping_add((sum >> 32) as u32);
    superblock[152..156].copy_from_slice(&sum.to_le_bytes());
}

/// Whatever is done to superblocks, with checksums that are right in most cases: no panic, no endless loop, and what is opened is
/// no larger than its members and reads the same twice.
#[test]
fn damaged_superblocks_are_errors_and_no_more() {
    const ROUNDS: usize = 10_000;
    let mut random = Random(1);
    let mut opened = 0;
    let arrays = ["raid5la", "raid6nc", "raid10f2", "zones", "raid1v2", "raid5v090"];
    let devices: Vec<_> = arrays.iter().map(|name| members(name, &[])).collect();
    for round in 0..ROUNDS {
        let (name, devices) = (arrays[round % arrays.len()], &devices[round % arrays.len()]);
        let old = name == "raid5v090";
        // The same change everywhere, or another on each device.
        let alike = random.below(3) > 0;
        let mut changes: Vec<(usize, u8)> = Vec::new();
        let mut mutants = Vec::new();
        for (device, source) in devices {
            let at = if old { source.len() - (64 << 10) } else { v1::AT as u64 };
            let mut superblock = vec![0; if old { 4096 } else { 512 }];
            source.read_at(at, &mut superblock).unwrap();
            if !alike || changes.is_empty() {
                let one = |random: &mut Random| {
                    let values = [0, 1, 2, 4, 0x7f, 0x80, 0xff, random.below(256) as u8];
                    let at = if old {
                        [0, 128, 256, 512, 3968][random.below(5)] + random.below(64)
                    } else {
                        random.below(280)
                    };
                    (at, values[random.below(values.len())])
                };
                changes = (0..=random.below(3)).map(|_| one(&mut random)).collect();
            }
            for (at, value) in &changes {
                superblock[*at] = *value;
            }
            if random.below(8) > 0 {
                if old {
                    seal0(&mut superblock);
                } else if u32::from_le_bytes(superblock[v1::MAX_DEVICES..][..4].try_into().unwrap()) <= 128 {
                    seal(&mut superblock);
                }
            }
            let source: Arc<dyn ReadAt> = Arc::new(Patched { device: Arc::clone(source), at, superblock });
            mutants.push((device.clone(), source));
        }
        let held: u64 = mutants.iter().map(|(_, source)| source.len()).sum();
        for array in md::scan(&mutants).unwrap().arrays {
            let Ok(source) = array.open() else { continue };
            assert!(source.len() <= held, "{name}: {} bytes of {held}", source.len());
            let at = source.len().saturating_sub(512);
            let mut bytes = [[0; 512]; 2];
            let count = source.len().min(512) as usize;
            let read = bytes.each_mut().map(|bytes| source.read_at(at, &mut bytes[..count]).is_ok());
            assert_eq!((read[0], bytes[0]), (read[1], bytes[1]), "{name}");
            assert!(source.read_at(source.len(), &mut [0]).is_err());
            opened += 1;
        }
    }
    assert!(opened > ROUNDS / 4, "mutants that can still be read: {opened}");
}
