//! Images of which a part is missing or cannot be read: what is still said of them is what is said of the whole image,
//! and all else is a failed read. Nothing is "not found" because it could not be read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bstr::BString;
use disk::cache::Cached;
use disk::volume::lvm2;
use disk::{Error, ErrorKind, MemSource, ReadAt, Result, image, partition, probe};

/// Guests with a GPT, LVM2 and ext4, and with an MBR: of 64 KiB and 4 KiB clusters.
const GUESTS: [&str; 3] = ["debian-mini.qcow2", "dos-partitions.qcow2", "golden/guest.qcow2"];

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)).unwrap()
}

fn open(bytes: &[u8]) -> Result<Arc<dyn ReadAt>> {
    let file: Arc<dyn ReadAt> = Arc::new(MemSource::new(bytes));
    image::open(file, None, &mut image::NoRelated)
}

/// Everything that is found out about a disk before a filesystem is opened.
fn describe(disk: Arc<dyn ReadAt>) -> Result<String> {
    let disk: Arc<dyn ReadAt> = Arc::new(Cached::new(disk, 1 << 20));
    let table = partition::read(&disk)?;
    let mut devices: Vec<(BString, Arc<dyn ReadAt>)> = vec![("disk".into(), Arc::clone(&disk))];
    for part in table.iter().flat_map(|table| &table.partitions) {
        devices.push((part.number.to_string().into(), Arc::new(part.open(Arc::clone(&disk)))));
    }
    let volumes = lvm2::scan(&devices)?;
    for lv in volumes.groups.iter().flat_map(|group| &group.volumes) {
        devices.push((lv.name.clone(), lv.open()?));
    }
    let probes: Result<Vec<_>> = devices.iter().map(|(_, device)| probe::probe(device)).collect();
    Ok(format!("{table:?} {:?} {:?}", probes?, volumes.problems))
}

/// `image` says what the `whole` image says, or that it cannot be read. Which of the two?
fn check(image: &[u8], whole: &str, what: &str) -> bool {
    match open(image).and_then(describe) {
        Ok(said) => {
            assert_eq!(said, whole, "{what}");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Io, "{what}: {error}");
            false
        }
    }
}

#[test]
fn a_truncated_image_says_the_same_or_is_unreadable() {
    let (mut same, mut unreadable) = (0, 0);
    for name in GUESTS {
        let bytes = guest(name);
        let whole = describe(open(&bytes).unwrap()).unwrap();
        let cluster = 1usize << bytes[23];
        // As long as the L1 table is there: without it, opening the image says that it is damaged.
        let l1 = u64::from_be_bytes(bytes[40..48].try_into().unwrap()) as usize;
        for len in (l1 / cluster + 1..bytes.len() / cluster).map(|clusters| clusters * cluster) {
            let told = check(&bytes[..len], &whole, &format!("{name} cut to {len} bytes"));
            *(if told { &mut same } else { &mut unreadable }) += 1;
        }
    }
    assert!(same > 3 && unreadable > 10, "{same} as the whole image, {unreadable} unreadable");
}

/// Each entry of each L2 table in turn leads past the end, or into the midst of a cluster.
#[test]
fn a_bad_l2_entry_is_a_failed_read() {
    let be = |bytes: &[u8], at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let (mut same, mut unreadable) = (0, 0);
    for name in GUESTS {
        let bytes = guest(name);
        let whole = describe(open(&bytes).unwrap()).unwrap();
        let (cluster, l1) = (1usize << bytes[23], be(&bytes, 40) as usize);
        let entries = u32::from_be_bytes(bytes[36..40].try_into().unwrap()) as usize;
        for table in (0..entries).map(|n| be(&bytes, l1 + 8 * n) as usize & 0x00FF_FFFF_FFFF_FE00) {
            for at in (table..table + cluster).step_by(8).filter(|_| table != 0) {
                if be(&bytes, at) == 0 {
                    continue;
                }
                for bad in [1u64 << 50, 512 + cluster as u64 * 2, 1 << 62 | 1 << 45] {
                    let mut mutant = bytes.clone();
                    mutant[at..at + 8].copy_from_slice(&bad.to_be_bytes());
                    let told = check(&mutant, &whole, &format!("{name}, entry at byte {at} is {bad:#x}"));
                    *(if told { &mut same } else { &mut unreadable }) += 1;
                }
            }
        }
    }
    assert!(same > 30 && unreadable > 30, "{same} as the whole image, {unreadable} unreadable");
}

/// A source that remembers which pages are read, or fails to read one of them.
#[derive(Debug)]
struct Watched {
    bytes: Vec<u8>,
    bad: Option<(u64, ErrorKind)>,
    read: Mutex<BTreeSet<u64>>,
}

const PAGE: u64 = 4096;

impl ReadAt for Watched {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let range: Range<u64> = offset..offset + buf.len() as u64;
        self.read.lock().unwrap().extend(range.start / PAGE..range.end.div_ceil(PAGE));
        if let Some((page, kind)) = self.bad
            && (range.start / PAGE..range.end.div_ceil(PAGE)).contains(&page)
        {
            return Err(Error::new(kind, "bad page"));
        }
        buf.copy_from_slice(&self.bytes[range.start as usize..range.end as usize]);
        Ok(())
    }
}

/// Whatever page a prober looks at: if it cannot be read, that is the answer, of whatever kind the failure is.
#[test]
fn a_page_that_cannot_be_read_is_the_answer() {
    let disk = open(&guest("bare-ext4.qcow2")).unwrap();
    let mut bytes = vec![0; usize::try_from(disk.len()).unwrap()];
    disk.read_at(0, &mut bytes).unwrap();
    for bytes in [bytes, vec![0; 4 << 20]] {
        let mut source = Watched { bytes, bad: None, read: Mutex::default() };
        probe::probe(&source).unwrap();
        let pages = std::mem::take(&mut *source.read.lock().unwrap());
        assert!(pages.len() > 5, "{pages:?}");
        for page in pages {
            for (kind, seen) in [
                (ErrorKind::Io, ErrorKind::Io),
                // Damage below the source, not of what it holds.
                (ErrorKind::Corrupt, ErrorKind::Io),
                (ErrorKind::Unsupported, ErrorKind::Unsupported),
            ] {
                source.bad = Some((page, kind));
                let error = probe::probe(&source).unwrap_err();
                let found = (error.kind(), error.to_string());
                assert_eq!(found, (seen, format!("reading byte {}", page * PAGE)), "page {page}");
            }
        }
    }
}
