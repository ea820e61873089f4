//! Partition tables made by sfdisk and sgdisk, against what `partx` (libblkid) reads from the same disks.
//!
//! Needs sfdisk and sgdisk (Debian: fdisk, gdisk), partx and losetup (util-linux, mount), and root for the loop
//! devices that have sectors of 4096 bytes.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use disk::partition::{self, Kind, PartitionType, Scheme, Table};
use disk::{ErrorKind, MemSource, ReadAt, Result};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A disk in memory with sectors of a given size.
#[derive(Debug)]
struct Disk {
    bytes: MemSource,
    sector_size: u32,
}

impl ReadAt for Disk {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.bytes.read_at(offset, buf)
    }
    fn sector_size(&self) -> u32 {
        self.sector_size
    }
}

fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// How a table is made.
enum Maker<'a> {
    Sfdisk(&'a str),
    Sgdisk(&'a [&'a str]),
}

/// An image with a table, as a loop device if its sectors are large.
struct Image {
    file: std::path::PathBuf,
    device: String,
    sector_size: u32,
    _directory: TempDir,
}

impl Image {
    fn new(size: u64, sector_size: u32, maker: &Maker<'_>) -> Image {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("disk.img");
        std::fs::File::create(&file).unwrap().set_len(size).unwrap();
        let path = file.to_str().unwrap().to_owned();
        let device = match sector_size {
            512 => path,
            n => run("losetup", &["--find", "--show", "--sector-size", &n.to_string(), &path], "")
                .trim()
                .to_owned(),
        };
        match maker {
            Maker::Sfdisk(script) => run("sfdisk", &["--quiet", "--no-reread", &device], script),
            Maker::Sgdisk(arguments) => {
                let mut all = arguments.to_vec();
                all.push(&device);
                run("sgdisk", &all, "")
            }
        };
        Image { file, device, sector_size, _directory: directory }
    }

    fn partx(&self) -> String {
        let columns = "NR,START,SECTORS,UUID,TYPE,FLAGS,NAME,SCHEME";
        run("partx", &["--pairs", "--bytes", "--output", columns, &self.device], "")
    }

    fn bytes(&self) -> Vec<u8> {
        read(Path::new(&self.device))
    }

    fn disk(&self) -> Disk {
        Disk { bytes: MemSource::new(self.bytes()), sector_size: self.sector_size }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if Path::new(&self.device) != self.file {
            run("losetup", &["--detach", &self.device], "");
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The table in the words of partx.
fn as_partx(table: &Table) -> String {
    let mut text = String::new();
    // partx gives the primaries first.
    let mut partitions: Vec<_> = table.partitions.iter().collect();
    partitions.sort_by_key(|p| p.kind == Kind::Logical);
    for p in partitions {
        let (partition_type, flags) = match p.partition_type {
            PartitionType::Mbr(byte) => (format!("{byte:#x}"), if p.bootable { 0x80 } else { 0 }),
            PartitionType::Gpt(guid) => (guid.to_string(), p.attributes),
        };
        let scheme = if table.scheme == Scheme::Gpt { "gpt" } else { "dos" };
        let escape = |byte: &u8| match byte {
            0x20..0x7f => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02x}"),
        };
        let name: String = p.name.iter().flat_map(|name| name.iter().map(escape)).collect();
        // Partx counts sectors of 512 bytes on any disk.
        text += &format!(
            "NR=\"{}\" START=\"{}\" SECTORS=\"{}\" UUID=\"{}\" TYPE=\"{partition_type}\" FLAGS=\"{flags:#x}\" NAME=\"{}\" SCHEME=\"{scheme}\"\n",
            p.number,
            p.start / 512,
            p.len / 512,
            p.uuid.clone().unwrap_or_default(),
            name,
        );
    }
    text
}

const DOS_LOGICALS: &str = "label: dos\nlabel-id: 0x1b2c3d4e\nsize=4M,type=83,bootable\nsize=30M,type=5\nsize=4M\n\
                            size=5M,type=82\nsize=6M,type=8e\nsize=7M\nsize=1M,type=c\n";

#[test]
fn tables_are_read_as_partx_reads_them() {
    let gpt: &[&str] = &[
        "-n1:2048:+4M",
        "-t1:ef00",
        "-c1:EFI \u{df} \u{1f980}",
        "-A1:set:2",
        "-n5:0:+8M",
        "-t5:8e00",
        "-A5:set:60",
        "-n3:0:0",
    ];
    let gpt_4k: &[&str] = &["-n1:256:+4M", "-n2:0:+8M", "-c2:two", "-n128:0:0"];
    let hybrid: &[&str] = &["-n1:2048:+4M", "-n2:0:+8M", "-n3:0:0", "-h1:2"];
    let small: &[&str] = &["-S4", "-n1:2048:+4M", "-n4:0:0"];
    let many: Vec<String> = (1..=200).map(|n| format!("-n{n}:0:+64K")).collect();
    let mut large: Vec<&str> = vec!["-S256", "-a1"];
    large.extend(many.iter().map(String::as_str));
    let many_logicals = "label: dos\nlabel-id: 0x1\n,,5\n".to_owned() + &"size=1M\n".repeat(25);
    for (name, sector_size, maker) in [
        ("dos", 512, Maker::Sfdisk("label: dos\nlabel-id: 0xa\nsize=4M\nsize=5M,bootable\n")),
        ("dos with logicals", 512, Maker::Sfdisk(DOS_LOGICALS)),
        (
            "dos with an extended of type f first",
            512,
            Maker::Sfdisk("label: dos\nlabel-id: 0xff\nsize=9M,type=f\nsize=4M\nsize=2M\nsize=2M,type=b\n"),
        ),
        (
            "dos with a hole",
            512,
            Maker::Sfdisk("label: dos\nlabel-id: 0xff\ndisk2 : size=9M\ndisk4 : size=4M\n"),
        ),
        ("dos without identifier", 512, Maker::Sfdisk("label: dos\nlabel-id: 0x0\nsize=9M\n")),
        ("dos with 25 logicals", 512, Maker::Sfdisk(&many_logicals)),
        ("dos, 4K sectors", 4096, Maker::Sfdisk(DOS_LOGICALS)),
        ("gpt by sfdisk", 512, Maker::Sfdisk("label: gpt\nsize=4M,name=\"a b\"\nsize=5M,type=U\n")),
        ("gpt", 512, Maker::Sgdisk(gpt)),
        ("gpt, 4K sectors", 4096, Maker::Sgdisk(gpt_4k)),
        ("gpt with hybrid dos", 512, Maker::Sgdisk(hybrid)),
        ("gpt of 4 entries", 512, Maker::Sgdisk(small)),
        ("gpt of 256 entries", 512, Maker::Sgdisk(&large)),
    ] {
        let image = Image::new(64 * MIB, sector_size, &maker);
        let table = partition::read(&image.disk()).unwrap().unwrap_or_else(|| panic!("{name}: no table"));
        let mut wanted: Vec<_> = image.partx().lines().map(str::to_owned).collect();
        let mut found: Vec<_> = as_partx(&table).lines().map(str::to_owned).collect();
        wanted.sort();
        found.sort();
        assert!(!wanted.is_empty(), "{name}");
        assert_eq!(found, wanted, "{name}");
        assert!(!table.from_backup);
    }
}

#[test]
fn kinds_and_the_device_of_an_extended_partition() {
    let image = Image::new(64 * MIB, 512, &Maker::Sfdisk(DOS_LOGICALS));
    let disk = std::sync::Arc::new(image.disk());
    let table = partition::read(&disk).unwrap().unwrap();
    assert_eq!(table.scheme.name(), "msdos");
    assert_eq!(table.uuid.as_deref(), Some("1b2c3d4e"));
    let kinds: Vec<_> = table.partitions.iter().map(|p| (p.number, p.kind.name())).collect();
    let wanted = [
        (1, "primary"),
        (2, "extended"),
        (5, "logical"),
        (6, "logical"),
        (7, "logical"),
        (3, "primary"),
        (4, "primary"),
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(table.partition(2).unwrap().open(disk.clone()).len(), 1024);
    assert_eq!(table.partition(5).unwrap().open(disk.clone()).len(), 6 * MIB);
    assert!(table.partition(1).unwrap().bootable && !table.partition(2).unwrap().bootable);
}

fn gpt_image() -> Vec<u8> {
    let maker = Maker::Sgdisk(&[
        "-a1",
        "-n1:64:+64K",
        "-t1:ef00",
        "-c1:boot",
        "-n2:0:0",
        "-U",
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    ]);
    Image::new(2 * MIB, 512, &maker).bytes()
}

fn table(bytes: Vec<u8>) -> Result<Option<Table>> {
    partition::read(&MemSource::new(bytes))
}

#[test]
fn a_damaged_gpt_is_read_from_its_backup_and_two_damaged_ones_are_corrupt() {
    let good = gpt_image();
    let wanted = table(good.clone()).unwrap().unwrap();
    assert_eq!(wanted.uuid.as_deref(), Some("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"));
    assert!(wanted.partition(1).unwrap().bootable);
    // Header, and entries.
    for at in [512 + 60, 1024 + 40] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let backup = table(bytes.clone()).unwrap().unwrap();
        assert!(backup.from_backup);
        assert_eq!(backup.partitions, wanted.partitions);
        let end = bytes.len();
        bytes[end - 512 + 60] ^= 1;
        assert_eq!(table(bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn without_a_protective_mbr_or_with_other_sectors_there_is_no_gpt() {
    let mut bytes = gpt_image();
    let disk = Disk { bytes: MemSource::new(bytes.clone()), sector_size: 4096 };
    assert_eq!(partition::read(&disk).unwrap_err().kind(), ErrorKind::Corrupt);
    bytes[510] = 0;
    assert_eq!(table(bytes).unwrap(), None);
}

/// A boot record with the given entries (type, first sector, sectors).
fn boot_record(entries: &[(u8, u32, u32)]) -> [u8; 512] {
    let mut sector = [0; 512];
    for (entry, (kind, start, sectors)) in sector[446..510].chunks_mut(16).zip(entries) {
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
    }
    sector[510..].copy_from_slice(b"\x55\xaa");
    sector
}

fn disk_of(sectors: &[(usize, [u8; 512])]) -> Vec<u8> {
    let mut bytes = vec![0; 1024 * 512];
    for (at, sector) in sectors {
        bytes[at * 512..][..512].copy_from_slice(sector);
    }
    bytes
}

fn numbers(bytes: Vec<u8>) -> Vec<(u32, u64, u64)> {
    let table = table(bytes).unwrap().unwrap();
    table.partitions.iter().map(|p| (p.number, p.start / 512, p.len / 512)).collect()
}

#[test]
fn odd_chains_end() {
    let first = boot_record(&[(5, 100, 800)]);
    // A chain that comes back to its start.
    let looped = [
        (0, first),
        (100, boot_record(&[(0x83, 1, 10), (5, 50, 20)])),
        (150, boot_record(&[(0x83, 1, 10), (5, 0, 20)])),
    ];
    assert_eq!(numbers(disk_of(&looped)), [(1, 100, 800), (5, 101, 10), (6, 151, 10)]);
    // One that leads past the end of the disk.
    let lost = [(0, first), (100, boot_record(&[(0x83, 1, 10), (5, u32::MAX, 20)]))];
    assert_eq!(numbers(disk_of(&lost)), [(1, 100, 800), (5, 101, 10)]);
    // Garbage in the third entry does not count, a partition that fits does.
    let garbage =
        [(0, first), (100, boot_record(&[(0x83, 1, 10), (0, 0, 0), (0x83, 5000, 10), (0x83, 30, 10)]))];
    assert_eq!(numbers(disk_of(&garbage)), [(1, 100, 800), (5, 101, 10), (6, 130, 10)]);
    // A partition beyond the disk keeps its number, one across its end is cut.
    let cut = [(0, first), (100, boot_record(&[(0x83, 2000, 10), (0x83, 900, 500)]))];
    assert_eq!(numbers(disk_of(&cut)), [(1, 100, 800), (6, 1000, 24)]);
}

#[test]
fn boot_sectors_of_filesystems_are_no_tables_and_nested_tables_are_refused() {
    // Bytes that are code or text in place of the flag.
    let mut bytes = disk_of(&[(0, boot_record(&[(0x83, 100, 100)]))]);
    bytes[446] = 0x41;
    assert_eq!(table(bytes.clone()).unwrap(), None);
    // The same with what makes it a FAT: reserved sectors, tables, media byte.
    bytes[14] = 1;
    bytes[16] = 2;
    bytes[21] = 0xf8;
    assert_eq!(table(bytes).unwrap(), None);
    for (kind, at, magic) in [
        (0xa5, 512, b"\x57\x45\x56\x82"),
        (0xa6, 512, b"\x57\x45\x56\x82"),
        (0x82, 512 + 12, b"\xee\xde\x0d\x60"),
    ] {
        let mut bytes = disk_of(&[(0, boot_record(&[(kind, 100, 100)]))]);
        assert_eq!(numbers(bytes.clone()), [(1, 100, 100)]);
        bytes[100 * 512 + at..][..4].copy_from_slice(magic);
        assert_eq!(table(bytes).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let dynamic = disk_of(&[(0, boot_record(&[(0x42, 63, 900)]))]);
    let dynamic = table(dynamic).unwrap().unwrap();
    assert!(dynamic.is_dynamic() && dynamic.partitions.len() == 1, "{dynamic:?}");
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

/// A disk of which some bytes have changed.
#[derive(Debug)]
struct Mutant<'a> {
    original: &'a [u8],
    changes: Vec<(usize, u8)>,
}

impl ReadAt for Mutant<'_> {
    fn len(&self) -> u64 {
        self.original.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = offset as usize;
        buf.copy_from_slice(&self.original[start..start + buf.len()]);
        for (at, byte) in &self.changes {
            if (start..start + buf.len()).contains(at) {
                buf[at - start] = *byte;
            }
        }
        Ok(())
    }
}

#[test]
fn damaged_tables_are_errors_and_partitions_lie_on_their_disk() {
    let logicals = Image::new(2 * MIB, 512, &Maker::Sfdisk("label: dos\n1,100\n200,2000,5\n,\n")).bytes();
    let mut random = Random(1);
    for original in [gpt_image(), logicals] {
        let end = original.len();
        let mut tables = 0;
        for round in 0..2000 {
            let changes = (0..=random.below(4)).map(|_| {
                let at = match round % 4 {
                    0 => 440 + random.below(72),
                    1 => 512 + random.below(1024),
                    2 => end - 512 + random.below(512),
                    _ => random.below(34 * 512),
                };
                (at, random.below(256) as u8)
            });
            let mutant = Mutant { original: &original, changes: changes.collect() };
            if let Ok(Some(table)) = partition::read(&mutant) {
                tables += 1;
                assert!(table.partitions.len() <= 255);
                for p in &table.partitions {
                    assert!(p.len > 0 && p.start + p.len <= end as u64, "{p:?}");
                }
            }
        }
        assert!(tables > 500, "mutants that still have a table: {tables}");
    }
}
