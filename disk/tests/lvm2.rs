//! LVM2 against what lvm and the kernel said of the same disks: the fixtures in `data/lvm`, made by its `make.sh`.
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
use std::sync::Arc;

use bstr::BString;
use disk::volume::lvm2::{self, Volumes};
use disk::{ErrorKind, MemSource, ReadAt};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The disks as the appliance named them when it reported on them.
const DISKS: [(&str, &str); 8] = [
    ("/dev/sda", "plain1"),
    ("/dev/sdb", "plain2"),
    ("/dev/sdc", "plain3"),
    ("/dev/sdd", "ring"),
    ("/dev/sde", "fancy1"),
    ("/dev/sdf", "fancy2"),
    ("/dev/sdg", "fancy3"),
    // sdh is the appliance's own.
    ("/dev/sdi", "fancy4"),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lvm")
}

fn image(name: &str) -> Vec<u8> {
    let file = data().join(format!("{name}.img.xz"));
    let output = Command::new("xz").arg("-dc").arg(&file).output().expect("xz runs");
    assert!(output.status.success(), "xz -dc {}", file.display());
    output.stdout
}

fn devices(names: &[&str]) -> Vec<(BString, Arc<dyn ReadAt>)> {
    let named = DISKS.iter().filter(|(_, disk)| names.iter().any(|n| disk.starts_with(n)));
    named.map(|(device, disk)| (BString::from(*device), Arc::new(MemSource::new(image(disk))) as _)).collect()
}

/// Images beside those of [`DISKS`].
fn named(names: &[&str]) -> Vec<(BString, Arc<dyn ReadAt>)> {
    names.iter().map(|name| (BString::from(*name), Arc::new(MemSource::new(image(name))) as _)).collect()
}

fn scan(names: &[&str]) -> Volumes {
    lvm2::scan(&devices(names)).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(data().join("expected.json")).unwrap()).unwrap()
}

/// A row of a report: column to value.
type Row = BTreeMap<&'static str, String>;

/// Compares rows with those of the report `kind`, column by column, for the columns that the rows have.
fn compare(kind: &str, key: &str, rows: Vec<Row>) {
    let expected = expected();
    let expected = expected[kind].as_array().unwrap();
    let of = |group: &str, name: &str| {
        expected.iter().find(|row| row[key] == name && (key != "lv_name" || row["vg_name"] == group)).unwrap()
    };
    let mut wrong = Vec::new();
    assert_eq!(rows.len(), expected.len(), "{kind}");
    for row in rows {
        let wanted = of(&row["vg_name"], &row[key]);
        for (column, value) in &row {
            if wanted[column] != value.as_str() {
                wrong.push(format!("{} {column}: {value:?} instead of {}", row[key], wanted[column]));
            }
        }
    }
    assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
}

fn optional(number: Option<u64>) -> String {
    number.map_or("-1".to_owned(), |n| n.to_string())
}

#[test]
fn physical_volumes_are_reported_as_pvs_does() {
    let volumes = scan(&[""]);
    assert!(volumes.problems.is_empty(), "{:?}", volumes.problems);
    let rows = volumes.physical_volumes.iter().map(|pv| {
        Row::from([
            ("pv_name", pv.device.clone().unwrap().to_string()),
            ("vg_name", pv.group.map_or(String::new(), |group| volumes.groups[group].name.to_string())),
            ("pv_uuid", pv.uuid.to_string()),
            ("pv_fmt", "lvm2".to_owned()),
            ("pv_size", pv.size.to_string()),
            ("dev_size", pv.device_size.to_string()),
            ("pv_free", pv.free.to_string()),
            ("pv_used", pv.used.to_string()),
            ("pv_attr", pv.attributes.clone()),
            ("pv_pe_count", pv.extents.to_string()),
            ("pv_pe_alloc_count", pv.allocated.to_string()),
            ("pv_tags", pv.tags.to_string()),
            ("pe_start", pv.start.to_string()),
            ("pv_mda_count", pv.metadata_areas.to_string()),
            ("pv_mda_free", pv.metadata_free.to_string()),
        ])
    });
    compare("pvs", "pv_name", rows.collect());
}

#[test]
fn volume_groups_are_reported_as_vgs_does() {
    let rows = scan(&[""]).groups.into_iter().map(|vg| {
        Row::from([
            ("vg_name", vg.name.to_string()),
            ("vg_uuid", vg.uuid.to_string()),
            ("vg_fmt", "lvm2".to_owned()),
            ("vg_attr", vg.attributes.clone()),
            ("vg_size", vg.size.to_string()),
            ("vg_free", vg.free.to_string()),
            ("vg_sysid", vg.system_id.to_string()),
            ("vg_extent_size", vg.extent_size.to_string()),
            ("vg_extent_count", vg.extents.to_string()),
            ("vg_free_count", vg.free_extents.to_string()),
            ("max_lv", vg.max_lv.to_string()),
            ("max_pv", vg.max_pv.to_string()),
            ("pv_count", vg.pv_count.to_string()),
            ("lv_count", vg.lv_count.to_string()),
            ("snap_count", vg.snap_count.to_string()),
            ("vg_seqno", vg.seqno.to_string()),
            ("vg_tags", vg.tags.to_string()),
            ("vg_mda_count", vg.metadata_areas.to_string()),
            ("vg_mda_free", vg.metadata_free.to_string()),
        ])
    });
    compare("vgs", "vg_name", rows.collect());
}

#[test]
fn logical_volumes_are_reported_as_lvs_does() {
    let volumes = scan(&[""]);
    let all = volumes.groups.iter().flat_map(|vg| vg.volumes.iter().map(move |lv| (vg, lv)));
    let rows = all.filter(|(_, lv)| lv.visible).map(|(vg, lv)| {
        let mut row = Row::from([
            ("vg_name", vg.name.to_string()),
            ("lv_name", lv.name.to_string()),
            ("lv_uuid", lv.uuid.to_string()),
            ("lv_attr", lv.attributes.clone()),
            ("lv_major", optional(lv.major)),
            ("lv_minor", optional(lv.minor)),
            ("lv_size", lv.size.to_string()),
            ("seg_count", lv.segments.to_string()),
            ("origin", lv.origin.to_string()),
            ("lv_tags", lv.tags.to_string()),
            ("mirror_log", lv.mirror_log.to_string()),
            ("lv_modules", lv.modules.to_string()),
            (
                "lv_skip_activation",
                if lv.skip_activation { "skip activation".to_owned() } else { String::new() },
            ),
            ("lv_active", if lv.active { "active".to_owned() } else { String::new() }),
        ]);
        if lv.complete && lv.active && vg.volumes.iter().all(|lv| lv.complete) {
            row.insert("lv_kernel_minor", optional(lv.kernel_minor));
        }
        if lv.complete {
            row.extend([
                ("snap_percent", String::new()),
                ("copy_percent", String::new()),
                ("move_pv", String::new()),
            ]);
        }
        row
    });
    compare("lvs", "lv_name", rows.collect());
}

/// The call `lvs` of libguestfs lists what is public and not to be skipped, in the order of names.
#[test]
fn public_volumes_are_those_that_libguestfs_lists() {
    let volumes = scan(&[""]);
    let all = volumes.groups.iter().flat_map(|vg| vg.volumes.iter().map(move |lv| (vg, lv)));
    let mut listed: Vec<String> = all
        .filter(|(_, lv)| lv.public && !lv.skip_activation)
        .map(|(vg, lv)| format!("/dev/{}/{}", vg.name, lv.name))
        .collect();
    listed.sort();
    assert_eq!(Value::from(listed), expected()["lvs_call"]);
}

fn sha256(source: &dyn ReadAt) -> String {
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes).unwrap();
    // Pieces of odd sizes give the same bytes.
    let mut pieces = vec![0; bytes.len()];
    for (number, piece) in pieces.chunks_mut(7_001).enumerate() {
        source.read_at(number as u64 * 7_001, piece).unwrap();
    }
    assert!(pieces == bytes, "pieces differ");
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Volumes that are refused, with a word of the reason. All others are read, and hold what the kernel read.
const REFUSED: &[(&str, &str)] = &[
    ("fancy/cached", "type cache"),
    ("fancy/errors", "type error"),
    ("fancy/pool", "type thin-pool"),
    ("fancy/snap", "snapshot"),
    ("fancy/snap2", "snapshot"),
    ("fancy/thin", "type thin"),
    ("fancy/thinholes", "type thin"),
    ("fancy/thinskip", "type thin"),
    ("fancy/thinsnap", "type thin"),
];

#[test]
fn contents_are_those_that_the_kernel_reads_or_refused_by_type() {
    let volumes = scan(&[""]);
    let expected = expected();
    let mut read = 0;
    for vg in &volumes.groups {
        for lv in vg.volumes.iter().filter(|lv| lv.visible) {
            let name = format!("{}/{}", vg.name, lv.name);
            let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
            match (lv.open(), refused) {
                (Ok(source), None) => {
                    assert_eq!(source.len(), lv.size, "{name}");
                    // The kernel's checksums are of active volumes.
                    if let Some(sum) = expected["sha256"].get(&name) {
                        assert_eq!(sha256(&source), sum.as_str().unwrap(), "{name}");
                        read += 1;
                    }
                }
                (Err(error), Some((_, why))) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
                    assert!(error.to_string().contains(why), "{name}: {error}");
                }
                (Ok(_), Some(_)) => panic!("{name} was not refused"),
                (Err(error), None) => panic!("{name}: {error}"),
            }
        }
    }
    let sums = expected["sha256"].as_object().unwrap();
    assert_eq!(read, sums.keys().filter(|name| !REFUSED.iter().any(|(refused, _)| refused == name)).count());
}

#[test]
fn without_one_of_its_disks_a_group_gives_what_the_others_hold() {
    let volumes = scan(&["plain1", "plain2"]);
    let group = &volumes.groups[0];
    assert!(group.partial);
    assert_eq!(group.attributes, "wz-pn-");
    let lv = |name: &str| volumes.logical_volume(b"plain", name.as_bytes()).unwrap();
    assert_eq!(sha256(&lv("other").open().unwrap()), expected()["sha256"]["plain/other"].as_str().unwrap());
    assert_eq!(
        sha256(&lv("stripe2").open().unwrap()),
        expected()["sha256"]["plain/stripe2"].as_str().unwrap()
    );
    for name in ["linear", "stripe3"] {
        let error = lv(name).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("is missing"), "{error}");
        assert!(!lv(name).active);
        assert_eq!(&lv(name).attributes[8..9], "p");
    }
    let missing = volumes.physical_volumes.last().unwrap();
    assert_eq!((missing.device.as_ref(), missing.attributes.as_str()), (None, "a-m"));
}

/// The disk without a metadata area alone is a physical volume of no group.
#[test]
fn a_physical_volume_without_metadata_is_of_no_group() {
    let volumes = scan(&["plain3"]);
    assert!(volumes.groups.is_empty());
    assert_eq!(volumes.physical_volumes[0].attributes, "---");
}

#[test]
fn two_disks_with_one_identifier_are_not_read() {
    let mut devices = devices(&["plain1", "plain2", "plain3"]);
    let copy = devices[0].1.clone();
    devices.push(("/dev/copy".into(), copy));
    let volumes = lvm2::scan(&devices).unwrap();
    assert_eq!(volumes.problems.len(), 1);
    let error = volumes.logical_volume(b"plain", b"other").unwrap().open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("several devices"), "{error}");
    // The group's volumes on other disks alone stay readable, but here all have a part on the first.
    assert_eq!(volumes.groups.len(), 1);
}

/// Metadata on each disk is of the same age but one, which has an older version: the newest counts.
#[test]
fn a_damaged_metadata_area_is_noted_and_another_one_used() {
    let mut devices = devices(&["plain1", "plain2", "plain3"]);
    let mut bytes = image("plain2");
    // The header of the metadata area.
    bytes[4096 + 60] ^= 1;
    devices[1].1 = Arc::new(MemSource::new(bytes));
    let volumes = lvm2::scan(&devices).unwrap();
    assert_eq!(volumes.problems.len(), 1);
    assert_eq!(volumes.problems[0].kind(), ErrorKind::Corrupt);
    let lv = volumes.logical_volume(b"plain", b"stripe2").unwrap();
    assert_eq!(sha256(&lv.open().unwrap()), expected()["sha256"]["plain/stripe2"].as_str().unwrap());
}

#[test]
fn names_are_looked_up() {
    let volumes = scan(&["ring"]);
    assert!(volumes.logical_volume(b"ring", b"data").is_ok());
    for (group, name) in [("ring", "none"), ("none", "data")] {
        let error = volumes.logical_volume(group.as_bytes(), name.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
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

/// LVM2's checksum: CRC-32 that starts from a value of its own and is not inverted.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc: u32, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// Whatever is done to label, header and metadata, with checksums that are right nevertheless: no panic, no endless
/// loop, and what is opened can be read within its size.
#[test]
fn damaged_structures_are_errors_and_no_more() {
    let original = image("ring")[..3 << 19].to_vec();
    let area = 4096;
    let field = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let (text_at, text_len) = (field(&original, area + 40), field(&original, area + 48));
    let size = field(&original, area + 32);
    let mut random = Random(1);
    let mut opened = 0;
    for round in 0..3000 {
        let mut bytes = original.clone();
        for _ in 0..=random.below(3) {
            let new = if random.below(2) == 0 {
                b"0\"{}[]=,#9-"[random.below(11)]
            } else {
                random.below(256) as u8
            };
            match round % 3 {
                0 => bytes[512 + random.below(512)] = new,
                1 => bytes[area + random.below(512)] = new,
                _ => bytes[area + 512 + (text_at - 512 + random.below(text_len)) % (size - 512)] = new,
            }
        }
        if round % 2 == 0 {
            let size = field(&bytes, area + 32).min(bytes.len() - area);
            let (text_at, text_len) = (field(&bytes, area + 40), field(&bytes, area + 48));
            if text_at < size && text_len < size {
                let to_end = text_len.min(size - text_at);
                let mut text = bytes[area + text_at..area + text_at + to_end].to_vec();
                text.extend_from_slice(&bytes[area + 512..area + 512 + text_len - to_end]);
                bytes[area + 56..area + 60].copy_from_slice(&crc(&text).to_le_bytes());
            }
            let sum = crc(&bytes[area + 4..area + 512]);
            bytes[area..area + 4].copy_from_slice(&sum.to_le_bytes());
            let sum = crc(&bytes[512 + 20..1024]);
            bytes[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
        }
        let device: Arc<dyn ReadAt> = Arc::new(MemSource::new(bytes));
        let volumes = lvm2::scan(&[("/dev/sda".into(), device)]).unwrap();
        for lv in volumes.groups.iter().flat_map(|group| &group.volumes) {
            if let Ok(source) = lv.open() {
                let mut last = [0];
                source.read_at(source.len() - 1, &mut last).unwrap();
                opened += 1;
            }
        }
    }
    assert!(opened > 500, "mutants that can still be read: {opened}");
}

/// Made by `data/lvm/make-wrapped.sh`; `lvs` said the same of it.
#[test]
fn metadata_that_runs_over_the_end_of_its_area_is_read() {
    let device: Arc<dyn ReadAt> = Arc::new(MemSource::new(image("wrapped")));
    let volumes = lvm2::scan(&[("/dev/sda".into(), device)]).unwrap();
    assert!(volumes.problems.is_empty(), "{:?}", volumes.problems);
    let group = &volumes.groups[0];
    assert_eq!(group.seqno, 22);
    assert_eq!((volumes.physical_volumes[0].metadata_free, group.metadata_free), (13_824, 13_824));
    let mut tags: Vec<String> = (1..=20).map(|n| format!("tag{n}")).collect();
    tags.sort();
    let lv = volumes.logical_volume(b"wrapped", b"data").unwrap();
    assert_eq!(lv.tags, tags.join(","));
    assert_eq!(lv.open().unwrap().len(), 196_608);
}

/// What lvm says is free in the second area (bytes).
const IGNORED2_FREE: u64 = 30_720;

/// Made by `data/lvm/make-areas.sh`, which shows these numbers.
#[test]
fn metadata_areas_out_of_use_do_not_count() {
    let volumes = lvm2::scan(&named(&["ignored1", "ignored2"])).unwrap();
    assert!(volumes.problems.is_empty(), "{:?}", volumes.problems);
    let areas = volumes.physical_volumes.iter().map(|pv| (pv.metadata_areas, pv.metadata_free));
    assert_eq!(areas.collect::<Vec<_>>(), [(1, 0), (1, IGNORED2_FREE)]);
    assert_eq!((volumes.groups[0].metadata_areas, volumes.groups[0].metadata_free), (2, IGNORED2_FREE));
}

#[test]
fn a_group_of_another_host_is_hidden_with_its_volumes() {
    let volumes = lvm2::scan(&named(&["foreign", "ignored1", "ignored2"])).unwrap();
    assert_eq!(volumes.problems[0].to_string(), "volume group foreign belongs to the host another-host");
    assert_eq!(volumes.groups.iter().map(|group| &group.name).collect::<Vec<_>>(), ["ignored"]);
    assert_eq!(volumes.physical_volumes.len(), 2);
}

/// A device that cannot be read is passed over, as in a kernel: with its volumes, and with a word.
#[test]
fn a_device_that_cannot_be_read_is_noted() {
    #[derive(Debug)]
    struct Bad(Vec<u8>, u64);
    impl ReadAt for Bad {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
            let end = offset + buf.len() as u64;
            if (offset..end).contains(&self.1) {
                return Err(disk::Error::io("bad byte", std::io::Error::other("test")));
            }
            buf.copy_from_slice(&self.0[offset as usize..end as usize]);
            Ok(())
        }
    }
    let field = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let bytes = image("wrapped");
    // A label, the header of the metadata area, the text.
    for bad in [0, 512, 4096, 4096 + field(&bytes, 4096 + 40)] {
        let device: Arc<dyn ReadAt> = Arc::new(Bad(bytes.clone(), bad));
        let found = lvm2::scan(&[("/dev/sda".into(), device)]).unwrap();
        let problems: Vec<_> = found.problems.iter().map(|e| (e.kind(), e.to_string())).collect();
        assert_eq!(problems, [(ErrorKind::Io, "/dev/sda: can't be read".to_owned())], "byte {bad}");
        assert!(found.physical_volumes.is_empty() && found.groups.is_empty(), "byte {bad}");
    }
}
