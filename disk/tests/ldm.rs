//! Dynamic disks against what ldmtool said of the same ones: the fixtures in `data/ldm`, made by its `make.py`.
//!
//! Needs the program `xz` (Debian: xz-utils).
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use bstr::{BStr, BString};
use disk::volume::ldm::{self, DiskGroup, DynamicDisks};
use disk::{ErrorKind, MemSource, ReadAt, fs};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes of each disk.
const DISK: usize = 8 << 20;
/// Sectors of an MBR disk: where its data begin, and its database.
const DATA: usize = 63;
const DATABASE: usize = DISK / SECTOR - 2048;
const SECTOR: usize = 512;
/// Where in a database its VMDB lies (sectors).
const VMDB: usize = 17;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ldm")
}

static EXPECTED: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read(data().join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
});

static IMAGES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let output = Command::new("xz").arg("-dc").arg(data().join("disks.img.xz")).output().expect("xz runs");
    assert!(output.status.success());
    output.stdout
});

fn image(name: &str) -> Vec<u8> {
    let names = EXPECTED["disks"].as_array().unwrap();
    let position = names.iter().position(|known| known == name).unwrap();
    IMAGES[position * DISK..][..DISK].to_vec()
}

fn source(name: &str, image: Vec<u8>) -> (BString, Arc<dyn ReadAt>) {
    (name.into(), Arc::new(MemSource::new(image)))
}

fn scan(names: &[&str]) -> DynamicDisks {
    let disks: Vec<_> = names.iter().map(|name| source(name, image(name))).collect();
    ldm::scan(&disks)
}

const OLD: [&str; 4] = ["mbr-1", "mbr-2", "mbr-3", "mbr-4"];
const NEW: [&str; 3] = ["gpt-1", "gpt-2", "gpt-3"];

/// A group as ldmtool shows it, sizes in sectors.
fn shown(group: &DiskGroup) -> Value {
    let sectors = |bytes: u64| bytes / 512;
    let volumes: Vec<Value> = group
        .volumes
        .iter()
        .map(|volume| {
            let parts: Vec<String> =
                volume.partitions.iter().map(|index| group.partitions[*index].name.to_string()).collect();
            let mut shown = json!({
                "name": volume.name.to_string(), "guid": volume.guid.to_string(), "type": volume.kind.name(),
                "size": sectors(volume.len), "chunk-size": sectors(volume.chunk), "partitions": parts,
            });
            if let Some(hint) = &volume.hint {
                shown["hint"] = hint.to_string().into();
            }
            shown
        })
        .collect();
    let disks: Vec<Value> = group.disks.iter().map(|disk| json!({
        "name": disk.name.to_string(), "guid": disk.guid.to_string(), "present": disk.device.is_some(),
        "device": disk.device.as_ref().map(ToString::to_string),
        "data-start": sectors(disk.data_start), "data-size": sectors(disk.data_len),
        "metadata-start": sectors(disk.metadata_start), "metadata-size": sectors(disk.metadata_len),
    })).collect();
    let partitions: Vec<Value> = group
        .volumes
        .iter()
        .flat_map(|volume| &volume.partitions)
        .map(|index| {
            let part = &group.partitions[*index];
            json!({
                "name": part.name.to_string(), "start": sectors(part.start), "size": sectors(part.len),
                "disk": group.disks[part.disk].name.to_string(),
            })
        })
        .collect();
    json!({
        "name": group.name.to_string(), "guid": group.guid.to_string(),
        "volumes": volumes, "disks": disks, "partitions": partitions,
    })
}

/// The SHA-256 of all volumes, by group and name; what refuses to open has its error there.
fn contents(disks: &DynamicDisks) -> Vec<(String, Result<String, String>)> {
    let volumes = disks.groups.iter().flat_map(|group| group.volumes.iter().map(move |v| (group, v)));
    volumes
        .map(|(group, volume)| {
            let content = volume.open().map(|source| {
                let mut bytes = vec![0; source.len() as usize];
                source.read_at(0, &mut bytes).unwrap();
                hex(&Sha256::digest(&bytes))
            });
            (format!("{}/{}", group.name, volume.name), content.map_err(|e| format!("{:?}: {e}", e.kind())))
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The right content of a volume.
fn right(name: &str) -> Result<String, String> {
    Ok(EXPECTED["sha256"][name].as_str().unwrap().to_owned())
}

#[test]
fn groups_are_as_ldmtool_shows_them_and_volumes_hold_what_was_laid_out() {
    let all = [OLD.as_slice(), NEW.as_slice()].concat();
    let disks = scan(&all);
    assert!(disks.problems.is_empty(), "{:?}", disks.problems);
    let groups: Vec<Value> = disks.groups.iter().map(shown).collect();
    assert_eq!(Value::from(groups), EXPECTED["groups"]);
    let contents = contents(&disks);
    assert_eq!(contents.len(), 8);
    for (name, content) in contents {
        assert_eq!(content, right(&name), "{name}");
    }
    let with_device = |group: &DiskGroup| {
        let parts = group.partitions.iter().filter(|part| part.has_device);
        let mut names: Vec<String> = parts.map(|part| part.name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(with_device(&disks.groups[0]), ["Disk2-03", "Disk3-02", "Disk3-03", "Disk4-02", "Disk4-03"]);
}

#[test]
fn filesystems_of_volumes_open() {
    let disks = scan(&OLD);
    for volume in &disks.groups[0].volumes {
        let fs = fs::open(volume.open().unwrap()).unwrap();
        let inode = fs.lookup(fs.root(), b"name.txt").unwrap().unwrap();
        let mut file = fs.open(inode).unwrap();
        let mut text = vec![0; file.len() as usize];
        file.read_at(0, &mut text).unwrap();
        let kind = volume.kind.name().to_lowercase();
        assert_eq!(BStr::new(&text), format!("{}: {kind}\n", volume.name).as_str());
    }
}

#[test]
fn the_order_of_disks_does_not_matter() {
    let disks = scan(&["mbr-4", "gpt-3", "mbr-2", "gpt-1", "mbr-3", "mbr-1", "gpt-2"]);
    assert_eq!(disks.groups[0].name, "Old-Dg0");
    assert!(contents(&disks).iter().all(|(name, content)| *content == right(name)));
}

#[test]
fn what_can_do_without_a_disk_does_and_the_rest_names_it() {
    // Volume1 is on disk 1, Volume2 on 1 and 2, Stripe1 on 2 to 4, Volume3 mirrored on 3 and 4, Raid1 on 4, 2 and 3.
    let lost =
        |name: &str| EXPECTED["groups"][0]["disks"].as_array().unwrap().iter().all(|d| d["device"] != name);
    assert!(!lost("mbr-1"));
    let needed: [(&str, &[&str]); 5] = [
        ("Volume1", &["mbr-1"]),
        ("Volume2", &["mbr-1", "mbr-2"]),
        ("Stripe1", &["mbr-2", "mbr-3", "mbr-4"]),
        ("Volume3", &["mbr-3", "mbr-4"]),
        ("Raid1", &["mbr-4", "mbr-2", "mbr-3"]),
    ];
    for present in 1..16u32 {
        let names: Vec<&str> =
            OLD.into_iter().enumerate().filter(|(n, _)| present >> n & 1 == 1).map(|(_, d)| d).collect();
        for (name, content) in contents(&scan(&names)) {
            let (volume, on) = needed.iter().find(|(volume, _)| name.ends_with(volume)).unwrap();
            let missing: Vec<&str> = on.iter().copied().filter(|disk| !names.contains(disk)).collect();
            let spare = match *volume {
                "Volume3" | "Raid1" => 1,
                _ => 0,
            };
            if missing.len() <= spare {
                assert_eq!(content, right(&name), "{name} with {names:?}");
            } else {
                let error = content.unwrap_err();
                assert!(error.starts_with("NotFound: ") && error.contains(" is missing"), "{error}");
                // A mirror names the disk of its first copy.
                let named = if *volume == "Volume3" { &missing[..1] } else { &missing };
                for disk in named {
                    let disk = disk.replace("mbr-", "Disk");
                    assert!(error.contains(&format!("{disk} of disk group Old-Dg0 is missing")), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_disk_that_missed_changes_is_passed_over_where_that_is_possible() {
    for names in [["mbr-1", "mbr-2", "mbr-3", "mbr-4-stale"], ["mbr-4-stale", "mbr-3", "mbr-2", "mbr-1"]] {
        let disks = scan(&names);
        assert_eq!(disks.groups[0].sequence, 1133);
        let [problem] = disks.problems.as_slice() else { panic!("{:?}", disks.problems) };
        assert!(problem.to_string().starts_with("mbr-4-stale missed changes"), "{problem}");
        for (name, content) in contents(&disks) {
            // Its stripes are all that there is.
            assert_eq!(content == right(&name), name != "Old-Dg0/Stripe1", "{name}");
            assert!(content.is_ok());
        }
    }
    // With another column missing, RAID-5 has no way around it; the mirror has its older copy alone.
    let contents = contents(&scan(&["mbr-1", "mbr-3", "mbr-4-stale"]));
    assert!(contents[3].1 == right("Old-Dg0/Volume3"), "{contents:?}");
    let error = contents[4].1.as_ref().unwrap_err();
    assert!(error.starts_with("NotFound") || error.starts_with("Unsupported"), "{error}");
}

#[test]
fn two_devices_that_are_the_same_disk_are_not_chosen_from() {
    let disks = scan(&["mbr-1", "mbr-2", "mbr-3", "mbr-4", "mbr-4"]);
    assert!(disks.problems[0].to_string().contains("are both disk Disk4"), "{:?}", disks.problems);
    for (name, content) in contents(&disks) {
        match name.as_str() {
            "Old-Dg0/Stripe1" => assert!(content.unwrap_err().starts_with("Unsupported"), "{name}"),
            _ => assert_eq!(content, right(&name), "{name}"),
        }
    }
}

/// The image of a disk whose database's VMDB and used VBLKs are changed.
fn changed(name: &str, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = image(name);
    change(&mut bytes[(DATABASE + VMDB) * SECTOR..]);
    bytes
}

#[test]
fn a_change_that_was_cut_off_counts_once_its_old_records_are_deleted() {
    // The disk's record of volume 1 once more, with another name: the new one or the old one, by state of database and record.
    let with = |phase: u8, state: u8| {
        let image = changed("mbr-1", |database| {
            database[0x11] = phase;
            let blocks = SECTOR..SECTOR + 40 * 128;
            let volume = blocks.clone().step_by(128).find(|at| database[at + 19] == 0x51).unwrap();
            let free = blocks.step_by(128).find(|at| database[at + 8..][..4] == [0; 4]).unwrap();
            let mut copy = database[volume..volume + 128].to_vec();
            let at = copy.windows(7).position(|name| name == b"Volume1").unwrap();
            copy[at..at + 7].copy_from_slice(b"Renamed");
            copy[8..12].copy_from_slice(&200u32.to_be_bytes());
            copy[17] = state;
            database[free + 8..free + 128].copy_from_slice(&copy[8..]);
            database[volume + 17] = 3 - state;
        });
        let disks = ldm::scan(&[source("disk", image)]);
        assert!(disks.problems.is_empty(), "{:?}", disks.problems);
        disks.groups[0].volumes.iter().map(|volume| volume.name.to_string()).collect::<Vec<_>>()
    };
    for (phase, state, renamed) in [(2, 1, false), (3, 1, true), (2, 2, true), (3, 2, false), (1, 1, false)] {
        let names = with(phase, state);
        assert_eq!((names.len(), names.contains(&"Renamed".to_owned())), (5, renamed), "{phase} {state}");
    }
}

#[test]
fn damage_is_noted_and_copies_stand_in() {
    type Change = fn(&mut Vec<u8>);
    let sector = |bytes: &mut Vec<u8>, sector: usize| bytes[sector * SECTOR..][..SECTOR].fill(0);
    let all: [(&str, Change); 5] = [
        ("a PRIVHEAD is left", |b| b[6 * SECTOR] = 0),
        ("no TOCBLOCK at the start", |b| b[(DATABASE + 1) * SECTOR..(DATABASE + 3) * SECTOR].fill(0)),
        ("the last sector", |b| b[DISK - SECTOR..].fill(0)),
        ("garbage where nothing is", |b| b[(DATABASE + 1700) * SECTOR] = 9),
        ("data only", |b| b[DATA * SECTOR] = 9),
    ];
    for (what, change) in all {
        let mut bytes = image("mbr-1");
        change(&mut bytes);
        let disks = ldm::scan(&[source("disk", bytes)]);
        assert!(disks.problems.is_empty() && disks.groups.len() == 1, "{what}: {:?}", disks.problems);
    }
    let damaged: [(&str, Change); 6] = [
        ("no VMDB", |b| b[(DATABASE + VMDB) * SECTOR] = 0),
        ("another version", |b| b[(DATABASE + VMDB) * SECTOR + 0x13] = 5),
        ("another group", |b| b[(DATABASE + VMDB) * SECTOR + 0x35] ^= 1),
        ("one volume too many", |b| b[(DATABASE + VMDB) * SECTOR + 0x88] += 1),
        ("a VBLK without a mark", |b| b[(DATABASE + VMDB + 1) * SECTOR] = 0),
        ("a record of an unknown kind", |b| b[(DATABASE + VMDB + 1) * SECTOR + 19] = 0x37),
    ];
    for (what, change) in damaged {
        let mut bytes = image("mbr-1");
        change(&mut bytes);
        let alone = ldm::scan(&[source("disk", bytes.clone())]);
        assert!(alone.groups.is_empty() && alone.problems.len() == 2, "{what}: {:?}", alone.problems);
        assert_eq!(ldm::partitions(&alone_disk(bytes.clone())).unwrap(), None, "{what}");
        // The other disks know the group; this one has its data all the same.
        let mut disks = vec![source("disk", bytes)];
        disks.extend(OLD[1..].iter().map(|name| source(name, image(name))));
        let together = ldm::scan(&disks);
        assert_eq!(together.problems.len(), 1, "{what}");
        assert!(contents(&together).iter().all(|(name, content)| *content == right(name)), "{what}");
    }
    let mut lost = image("mbr-1");
    for at in [6, DATABASE + 1856, DATABASE + 2047] {
        sector(&mut lost, at);
    }
    let disks = ldm::scan(&[source("disk", lost)]);
    assert!(disks.groups.is_empty());
    assert_eq!(disks.problems[0].kind(), ErrorKind::Corrupt);
}

fn alone_disk(bytes: Vec<u8>) -> MemSource {
    MemSource::new(bytes)
}

#[test]
fn an_image_that_was_cut_off_is_refused_and_other_disks_are_none() {
    let mut bytes = image("mbr-1");
    bytes.truncate(DISK / 2);
    let disks = ldm::scan(&[source("disk", bytes)]);
    assert!(disks.groups.is_empty() && disks.problems.len() == 1, "{:?}", disks.problems);
    for bytes in [vec![], vec![0; 512], vec![0; 1 << 20]] {
        let disks = ldm::scan(&[source("disk", bytes.clone())]);
        assert!(disks.groups.is_empty() && disks.problems.is_empty());
        assert_eq!(ldm::partitions(&alone_disk(bytes)).unwrap(), None);
    }
}

/// What Linux shows of such disks (CONFIG_LDM_PARTITION): those with an MBR have their LDM partitions, by start.
#[test]
fn partitions_are_numbered_by_their_starts() {
    let of = |name: &str| {
        let list = ldm::partitions(&alone_disk(image(name))).unwrap();
        list.map(|list| list.into_iter().map(|(start, len)| (start / 512, len / 512)).collect::<Vec<_>>())
    };
    assert_eq!(of("mbr-1"), Some(vec![(63, 2560), (63 + 2560, 2000), (63 + 4560, 500)]));
    assert_eq!(of("gpt-3"), Some(vec![(63, 1500), (63 + 1500, 2560)]));
    assert_eq!(of("gpt-1"), None);
}

#[test]
fn identifiers_are_as_windows_has_them_when_swapped() {
    let disks = scan(&["gpt-1"]);
    let guid = disks.groups[0].volumes[0].guid;
    let shown: String = guid.to_string().replace('-', "");
    let swapped = hex(&guid.swapped());
    assert_eq!(swapped[..8], [&shown[6..8], &shown[4..6], &shown[2..4], &shown[..2]].concat());
    assert_eq!(swapped[16..], shown[16..]);
}
