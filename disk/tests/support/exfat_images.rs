//! exFAT images for tests, filled by a small writer from Microsoft's specification: no program does that without a
//! kernel. The same from run to run.
//!
//! Needs exfatprogs.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "in tests only")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Attributes.
pub(crate) const READ_ONLY: u16 = 0x01;
pub(crate) const HIDDEN: u16 = 0x02;
pub(crate) const SYSTEM: u16 = 0x04;
pub(crate) const DIRECTORY: u16 = 0x10;
/// End of a chain.
const END: u32 = 0xFFFF_FFFF;
/// 2026-11-21 13:14:16 as the specification's timestamp.
pub(crate) const NOW: u32 = 46 << 25 | 11 << 21 | 21 << 16 | 13 << 11 | 14 << 5 | 8;
/// Offset of UTC, known.
pub(crate) const UTC: u8 = 0x80;

/// How the clusters of a file lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Together; the table says nothing of them.
    Together,
    /// Chained, in order.
    Chained,
    /// Chained, every other cluster of those that are free, from the last to the first.
    Scattered,
}

/// The times of a file: three timestamps (creation, modification, access), hundredths (creation, modification), offsets
/// (creation, modification, access).
pub(crate) type Times = ([u32; 3], [u8; 2], [u8; 3]);

pub(crate) const TIMES: Times = ([NOW; 3], [0, 0], [UTC; 3]);

/// A set of entries.
pub(crate) fn set(name: &str, attributes: u16, times: Times, stream: Stream) -> Vec<u8> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let names = units.len().div_ceil(15);
    let mut set = vec![0; 32 * (2 + names)];
    set[0] = 0x85;
    set[1] = (1 + names) as u8;
    set[4..6].copy_from_slice(&attributes.to_le_bytes());
    for (nr, time) in times.0.into_iter().enumerate() {
        set[8 + 4 * nr..][..4].copy_from_slice(&time.to_le_bytes());
    }
    set[20..22].copy_from_slice(&times.1);
    set[22..25].copy_from_slice(&times.2);
    set[32] = 0xC0;
    set[33] = stream.flags;
    set[35] = units.len() as u8;
    set[36..38].copy_from_slice(&hash(&units).to_le_bytes());
    set[40..48].copy_from_slice(&stream.valid.to_le_bytes());
    set[52..56].copy_from_slice(&stream.first.to_le_bytes());
    set[56..64].copy_from_slice(&stream.size.to_le_bytes());
    for (nr, part) in units.chunks(15).enumerate() {
        let at = 64 + 32 * nr;
        set[at] = 0xC1;
        for (place, unit) in set[at + 2..at + 32].chunks_mut(2).zip(part) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
    }
    summed(set)
}

/// The set with its checksum made right.
pub(crate) fn summed(mut set: Vec<u8>) -> Vec<u8> {
    let bytes = set.iter().enumerate().filter(|(at, _)| !matches!(at, 2 | 3));
    let sum = bytes.fold(0u16, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u16::from(*byte)));
    set[2..4].copy_from_slice(&sum.to_le_bytes());
    set
}

/// The hash of a name. What tests use of the up-case table is what Rust says, but for surrogates.
fn hash(units: &[u16]) -> u16 {
    let upper = units.iter().map(|unit| {
        let c = char::from_u32(u32::from(*unit)).and_then(|c| c.to_uppercase().next());
        c.map_or(*unit, |c| u16::try_from(u32::from(c)).unwrap())
    });
    upper.flat_map(u16::to_le_bytes).fold(0u16, |hash, byte| hash.rotate_right(1).wrapping_add(byte.into()))
}

/// Where content lies, as a set says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) flags: u8,
    pub(crate) first: u32,
    pub(crate) size: u64,
    pub(crate) valid: u64,
}

/// Of a file without clusters.
pub(crate) const EMPTY: Stream = Stream { flags: 1, first: 0, size: 0, valid: 0 };

/// An image that is being written.
pub(crate) struct Writer {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    table: u64,
    heap: u64,
    pub(crate) cluster: u64,
    clusters: u32,
    pub(crate) root: u32,
    bitmap: u64,
    next: u32,
}

impl Writer {
    /// A new image of `kib` KiB, made by mkfs.exfat.
    pub(crate) fn new(dir: &Path, name: &str, kib: u64, options: &str) -> Self {
        let path = dir.join(format!("{name}.img"));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(kib << 10).unwrap();
        let output = Command::new("mkfs.exfat").args(options.split_whitespace()).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let number = |at: u64| {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, at).unwrap();
            u32::from_le_bytes(bytes)
        };
        let mut shifts = [0; 2];
        file.read_exact_at(&mut shifts, 108).unwrap();
        let sector = 1u64 << shifts[0];
        let cluster = sector << shifts[1];
        let (table, heap) = (u64::from(number(80)) * sector, u64::from(number(88)) * sector);
        let (clusters, root) = (number(92), number(96));
        let mut writer =
            Writer { table, heap, cluster, clusters, root, bitmap: 0, next: root + 1, file, path };
        let slots = writer.slots(root);
        let bitmap = slots.chunks(32).find(|slot| slot[0] == 0x81).unwrap();
        writer.bitmap = writer.place(u32::from_le_bytes(bitmap[20..24].try_into().unwrap()));
        writer
    }

    pub(crate) fn place(&self, cluster: u32) -> u64 {
        self.heap + u64::from(cluster - 2) * self.cluster
    }

    fn slots(&self, cluster: u32) -> Vec<u8> {
        let mut bytes = vec![0; self.cluster as usize];
        self.file.read_exact_at(&mut bytes, self.place(cluster)).unwrap();
        bytes
    }

    pub(crate) fn link(&self, cluster: u32, next: u32) {
        self.file.write_all_at(&next.to_le_bytes(), self.table + 4 * u64::from(cluster)).unwrap();
    }

    fn take(&mut self, cluster: u32) -> u32 {
        assert!(cluster < self.clusters + 2, "the image is full");
        let at = self.bitmap + u64::from((cluster - 2) / 8);
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, at).unwrap();
        byte[0] |= 1 << ((cluster - 2) % 8);
        self.file.write_all_at(&byte, at).unwrap();
        self.next = self.next.max(cluster + 1);
        cluster
    }

    /// Takes clusters for `size` bytes, and links them.
    pub(crate) fn take_for(&mut self, size: u64, layout: Layout) -> Vec<u32> {
        let count = u32::try_from(size.div_ceil(self.cluster)).unwrap();
        let first = self.next;
        let mut clusters: Vec<u32> = match layout {
            Layout::Together | Layout::Chained => (first..first + count).collect(),
            Layout::Scattered => (0..count).map(|nr| first + 2 * nr).rev().collect(),
        };
        clusters = clusters.into_iter().map(|cluster| self.take(cluster)).collect();
        if layout != Layout::Together {
            for pair in clusters.windows(2) {
                self.link(pair[0], pair[1]);
            }
            if let Some(last) = clusters.last() {
                self.link(*last, END);
            }
        }
        clusters
    }

    /// Writes content, of which only `valid` bytes count.
    pub(crate) fn content(&mut self, bytes: &[u8], size: u64, layout: Layout) -> Stream {
        if size == 0 {
            return EMPTY;
        }
        let clusters = self.take_for(size, layout);
        for (piece, cluster) in bytes.chunks(self.cluster as usize).zip(&clusters) {
            self.file.write_all_at(piece, self.place(*cluster)).unwrap();
        }
        let flags = if layout == Layout::Together { 3 } else { 1 };
        Stream { flags, first: clusters[0], size, valid: bytes.len() as u64 }
    }

    /// A file's set, its content written.
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8], layout: Layout) -> Vec<u8> {
        let stream = self.content(bytes, bytes.len() as u64, layout);
        set(name, 0x20, TIMES, stream)
    }

    /// A directory's set, its content written: `sets`, and zeros up to the end of a cluster.
    pub(crate) fn directory(&mut self, name: &str, sets: &[Vec<u8>], layout: Layout) -> Vec<u8> {
        let mut bytes = sets.concat();
        bytes.resize(bytes.len().max(1).next_multiple_of(self.cluster as usize), 0);
        let stream = self.content(&bytes, bytes.len() as u64, layout);
        set(name, DIRECTORY, TIMES, stream)
    }

    /// Puts sets into the root directory, which gets more clusters if it must.
    pub(crate) fn finish(&mut self, sets: &[Vec<u8>]) {
        let mut bytes = self.slots(self.root);
        let used = bytes.chunks(32).position(|slot| slot[0] == 0).unwrap() * 32;
        bytes.truncate(used);
        bytes.extend(sets.concat());
        bytes.resize(bytes.len().next_multiple_of(self.cluster as usize), 0);
        let mut clusters = vec![self.root];
        clusters.extend(self.take_for(bytes.len() as u64 - self.cluster, Layout::Scattered));
        self.link(self.root, clusters.get(1).copied().unwrap_or(END));
        for (piece, cluster) in bytes.chunks(self.cluster as usize).zip(clusters) {
            self.file.write_all_at(piece, self.place(cluster)).unwrap();
        }
    }

    /// Writes at a byte of the image.
    pub(crate) fn patch(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).unwrap();
    }

    /// Makes the checksum of the boot region right.
    pub(crate) fn sum_boot(&self, sector: usize) {
        let mut region = vec![0; 11 * sector];
        self.file.read_exact_at(&mut region, 0).unwrap();
        let summed = region.iter().enumerate().filter(|(at, _)| !matches!(at, 106 | 107 | 112));
        let sum = summed.fold(0u32, |sum, (_, byte)| sum.rotate_right(1).wrapping_add(u32::from(*byte)));
        self.file.write_all_at(&sum.to_le_bytes().repeat(sector / 4), 11 * sector as u64).unwrap();
    }
}

/// Bytes that are not the same in any two blocks.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at >> 9) as u8).collect()
}

/// The images that Debian's kernel was asked about (`data/exfat`): name, KiB, options of mkfs.exfat.
pub(crate) const IMAGES: &[(&str, u64, &str)] = &[
    ("cluster512", 8_000, "-c 512"),
    ("cluster4k", 64_000, ""),
    ("cluster1m", 200_000, "-c 1M -L label"),
    ("odd", 20_000, "-c 2048"),
    ("small-sectors.4k", 20_000, ""),
];

/// Makes one of [`IMAGES`].
pub(crate) fn make(name: &str, dir: &Path) -> PathBuf {
    let (_, kib, options) = IMAGES.iter().find(|image| image.0 == name).unwrap();
    let mut writer = Writer::new(dir, name, *kib, options);
    let sets = ordinary(&mut writer);
    if name == "odd" {
        let odd = odd_sets();
        let odd = writer.directory("odd", &odd, Layout::Chained);
        let sets = [sets, vec![odd]].concat();
        writer.finish(&sets);
        // Marks of an unclean unmount and of bad media; percentage of use unknown.
        writer.patch(106, &[6, 0]);
        writer.patch(112, &[0xFF]);
    } else {
        writer.finish(&sets);
    }
    writer.path
}

/// What ordinary programs write.
fn ordinary(writer: &mut Writer) -> Vec<Vec<u8>> {
    let mut sets = vec![
        writer.put("README.TXT", b"in capitals\n", Layout::Together),
        writer.put("empty", b"", Layout::Together),
        writer.put(
            "A long name with spaces and more than fifteen characters.text",
            &pattern(3000),
            Layout::Together,
        ),
        writer.put("täst 日本 😀.txt", b"Unicode", Layout::Chained),
        writer.put(&"n".repeat(255), b"the longest", Layout::Together),
        writer.put("fifteen letters", b"no room behind", Layout::Together),
        writer.put("together", &pattern(300_000), Layout::Together),
        writer.put("chained", &pattern(200_000), Layout::Chained),
        writer.put("scattered", &pattern(100_000), Layout::Scattered),
    ];
    for (name, attributes) in
        [("read-only", READ_ONLY), ("hidden", HIDDEN), ("all", READ_ONLY | HIDDEN | SYSTEM)]
    {
        let stream = writer.content(name.as_bytes(), name.len() as u64, Layout::Together);
        sets.push(set(name, attributes, TIMES, stream));
    }
    let file = writer.put("file", &pattern(70_000), Layout::Together);
    let more = writer.directory("more of them", &[file], Layout::Together);
    let below = writer.directory("below", &[more], Layout::Chained);
    let empty = writer.directory("empty", &[], Layout::Together);
    sets.push(writer.directory("Directory", &[below, empty], Layout::Together));
    let many: Vec<_> = (0..40)
        .map(|nr| writer.put(&format!("file number {nr}"), &pattern(nr * 37), Layout::Together))
        .collect();
    sets.push(writer.directory("many", &many, Layout::Together));
    let many: Vec<_> =
        (0..40).map(|nr| set(&format!("empty file number {nr}"), 0x20, TIMES, EMPTY)).collect();
    sets.push(writer.directory("many in a chain", &many, Layout::Scattered));
    let mut closed = writer.directory("closed", &[], Layout::Together);
    closed[4] |= READ_ONLY as u8;
    sets.push(summed(closed));
    // Times: the ends of the scale, odd seconds, offsets from UTC.
    for (nr, times) in [
        ([1 << 21 | 1 << 16; 3], [0, 0], [UTC; 3]),
        ([0xFF9F_BF7D; 3], [199, 99], [UTC; 3]),
        ([NOW, NOW + 1, NOW + 2], [100, 1], [0xFC, 0x84, 0xB8]),
        ([NOW, NOW + 1, NOW + 2], [7, 150], [0xD0, 0x04, 0x7C]),
    ]
    .into_iter()
    .enumerate()
    {
        sets.push(set(&format!("time {nr}"), 0x20, times, EMPTY));
    }
    sets
}

/// What is odd, and no damage to Linux: times out of range, entries that are not in use.
fn odd_sets() -> Vec<Vec<u8>> {
    let plain = |name: &str| set(name, 0, TIMES, EMPTY);
    let mut sets = vec![
        set("month 0", 0, ([NOW & !(15 << 21); 3], [0, 0], [UTC; 3]), EMPTY),
        set("month 15", 0, ([NOW | 15 << 21; 3], [255, 200], [UTC; 3]), EMPTY),
        set("day 0", 0, ([NOW & !(31 << 16); 3], [0, 0], [UTC; 3]), EMPTY),
        set("hour 31", 0, ([NOW | 31 << 11 | 63 << 5 | 31; 3], [0, 0], [UTC; 3]), EMPTY),
        set("no time", 0, ([0; 3], [0, 0], [0; 3]), EMPTY),
    ];
    // Not in use.
    let mut deleted = plain("deleted");
    for slot in deleted.chunks_mut(32) {
        slot[0] &= 0x7F;
    }
    sets.push(deleted);
    // An entry of no file.
    let mut alone = vec![0; 32];
    alone[0] = 0xA0;
    sets.extend([alone, plain("😀 x ")]);
    sets.push(vec![0; 32]);
    sets.push(plain("after the end"));
    sets
}
