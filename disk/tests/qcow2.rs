//! qcow2 images made by qemu-img and qemu-io, read by this crate, against what qemu-img itself reads from them.
//!
//! Needs `qemu-img` and `qemu-io` (Debian: qemu-utils).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk::image::{self, FileId, Format, OpenRelated, Options};
use disk::{Error, ErrorKind, MemSource, ReadAt, Result};
use tempfile::TempDir;

/// A directory of images.
struct Lab(TempDir);

/// An image file.
#[derive(Debug)]
struct FileSource(File, u64);

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.1
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0.read_exact_at(buf, offset).map_err(|error| Error::io("image file", error))
    }
}

/// Opens what images name, relative to one directory; numbers files by their first opening.
struct Dir(PathBuf, Vec<PathBuf>);

impl OpenRelated for Dir {
    fn open_related(&mut self, _from: FileId, name: &[u8]) -> Result<(FileId, Arc<dyn ReadAt>)> {
        let path = self.0.join(std::str::from_utf8(image::local_name(name)?).unwrap());
        let known = self.1.iter().position(|known| *known == path);
        let id = known.unwrap_or_else(|| {
            self.1.push(path.clone());
            self.1.len() - 1
        });
        Ok((FileId(id as u64), source(&path)))
    }
}

fn source(path: &Path) -> Arc<dyn ReadAt> {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    Arc::new(FileSource(file, len))
}

fn run(program: &str, args: &[&str], dir: &Path) {
    let output = Command::new(program).args(args).current_dir(dir).output().expect(program);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}");
}

impl Lab {
    fn new() -> Self {
        Lab(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs qemu-img with the words of `args`.
    fn img(&self, args: &str) {
        run("qemu-img", &args.split_whitespace().collect::<Vec<_>>(), self.0.path());
    }

    /// Runs one qemu-io command after the other on a qcow2 image.
    fn io(&self, name: &str, commands: &[&str]) {
        let mut args = vec!["-f", "qcow2"];
        for command in commands {
            args.extend(["-c", command]);
        }
        args.push(name);
        run("qemu-io", &args, self.0.path());
    }

    /// A raw file with compressible text, noise and holes.
    fn raw(&self, name: &str, len: usize) {
        let mut bytes = vec![0; len];
        let mut random = Random(len as u64);
        let mut at = 0;
        while at < len {
            let end = len.min(at + 1 + random.below(200_000));
            match random.below(3) {
                0 => {}
                1 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.next() as u8),
                _ => bytes[at..end].iter_mut().enumerate().for_each(|(i, byte)| *byte = (i >> 6) as u8),
            }
            at = end;
        }
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn open(&self, name: &str, snapshot: Option<&str>) -> Result<Arc<dyn ReadAt>> {
        let options = Options { format: None, snapshot: snapshot.map(Into::into) };
        let mut dir = Dir(self.0.path().to_owned(), vec![self.path(name)]);
        Ok(image::open_with(source(&self.path(name)), &options, &mut dir)?.disk)
    }

    /// Compares every byte of an image with what qemu-img converts it to, read in several ways.
    fn check(&self, name: &str, snapshot: Option<&str>) {
        let disk = self.open(name, snapshot).unwrap();
        let snapshot = snapshot.map(|name| format!("-l {name}")).unwrap_or_default();
        self.img(&format!("convert {snapshot} -O raw {name} expected"));
        let expected = std::fs::read(self.path("expected")).unwrap();
        assert_eq!(disk.len(), expected.len() as u64, "size of {name}");

        let mut random = Random(1);
        for step in [1 << 20, 4096, 65536 + 512] {
            for at in (0..expected.len()).step_by(step) {
                compare(&disk, &expected, at..expected.len().min(at + step), name);
            }
        }
        for _ in 0..500 {
            let at = random.below(expected.len());
            let end = at + random.below(300_000).min(expected.len() - at);
            compare(&disk, &expected, at..end, name);
        }

        let mut at = 0;
        while let Some(data) = disk.next_data(at).unwrap() {
            assert!(data.start >= at && data.end > data.start && data.end <= disk.len(), "{name}: {data:?}");
            let hole = &expected[at as usize..data.start as usize];
            assert!(hole.iter().all(|byte| *byte == 0), "{name}: no zeros between {at} and {}", data.start);
            at = data.end;
        }
        assert!(expected[at as usize..].iter().all(|byte| *byte == 0), "{name}: no zeros from {at} on");
    }
}

fn compare(disk: &dyn ReadAt, expected: &[u8], range: Range<usize>, name: &str) {
    let mut buf = vec![0xEE; range.len()];
    disk.read_at(range.start as u64, &mut buf).unwrap();
    let wrong = buf.iter().zip(&expected[range.clone()]).position(|(ours, theirs)| ours != theirs);
    assert_eq!(wrong, None, "{name}: the first wrong byte of the read of {range:?}");
}

/// A small deterministic generator (PCG's multiplier; the upper bits are good).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

#[test]
fn versions_cluster_sizes_and_compression() {
    let lab = Lab::new();
    lab.raw("disk.raw", 5 * 1024 * 1024 + 3 * 512);
    for cluster in ["512", "4k", "64k", "2M"] {
        lab.img(&format!("convert -O qcow2 -o cluster_size={cluster},compat=0.10 disk.raw v2.qcow2"));
        lab.check("v2.qcow2", None);
        lab.img(&format!("convert -O qcow2 -o cluster_size={cluster} disk.raw v3.qcow2"));
        lab.check("v3.qcow2", None);
        lab.img(&format!("convert -O qcow2 -c -o cluster_size={cluster},compat=0.10 disk.raw zlib2.qcow2"));
        lab.check("zlib2.qcow2", None);
        lab.img(&format!("convert -O qcow2 -c -o cluster_size={cluster} disk.raw zlib.qcow2"));
        lab.check("zlib.qcow2", None);
        lab.img(&format!(
            "convert -O qcow2 -c -o cluster_size={cluster},compression_type=zstd disk.raw zstd.qcow2"
        ));
        lab.check("zstd.qcow2", None);
    }
}

#[test]
fn preallocation_zero_clusters_and_discards() {
    let lab = Lab::new();
    for preallocation in ["off", "metadata", "falloc", "full"] {
        lab.img(&format!("create -f qcow2 -o preallocation={preallocation} p.qcow2 3146240"));
        lab.check("p.qcow2", None);
        lab.io(
            "p.qcow2",
            &["write -P 1 100k 300k", "write -z 200k 128k", "write -z -u 64k 64k", "write -P 9 3145728 512"],
        );
        lab.check("p.qcow2", None);
        lab.io("p.qcow2", &["discard 320k 64k"]);
        lab.check("p.qcow2", None);
    }
    // Version 2 has no zero clusters: a discarded cluster is unallocated.
    lab.img("create -f qcow2 -o compat=0.10 old.qcow2 1M");
    lab.io("old.qcow2", &["write -P 1 0 1M", "discard 128k 256k"]);
    lab.check("old.qcow2", None);
}

#[test]
fn sizes_that_are_not_whole_clusters_or_sectors() {
    let lab = Lab::new();
    for len in [512, 1000, 65536 + 1, 200_000] {
        lab.raw("odd.raw", len);
        lab.check("odd.raw", None);
        lab.img("convert -f raw -O qcow2 odd.raw odd.qcow2");
        lab.check("odd.qcow2", None);
        lab.img("convert -f raw -O qcow2 -c odd.raw oddc.qcow2");
        lab.check("oddc.qcow2", None);
    }
    lab.img("create -f qcow2 empty.qcow2 0");
    assert_eq!(lab.open("empty.qcow2", None).unwrap().len(), 0);
}

#[test]
fn bitmaps_do_not_matter() {
    let lab = Lab::new();
    lab.img("create -f qcow2 b.qcow2 1M");
    lab.img("bitmap --add b.qcow2 one");
    lab.io("b.qcow2", &["write -P 5 64k 100k"]);
    lab.check("b.qcow2", None);
}

#[test]
fn chains_with_shorter_and_longer_backing_files() {
    let lab = Lab::new();
    lab.raw("base.raw", 1_500_000);
    for (base, mid, top) in [("1500160", "2M", "3M"), ("1500160", "1M", "3M"), ("1500160", "3M", "512k")] {
        lab.img("convert -f raw -O qcow2 -c base.raw base.qcow2");
        lab.img(&format!("resize base.qcow2 --shrink {base}"));
        lab.img(&format!("create -f qcow2 -o cluster_size=4k -b base.qcow2 -F qcow2 mid.qcow2 {mid}"));
        lab.io("mid.qcow2", &["write -P 3 10k 33k", "write -P 4 700k 100k"]);
        lab.img(&format!("create -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2 {top}"));
        lab.io("top.qcow2", &["write -P 5 30k 3k", "write -z 100k 100k"]);
        lab.check("mid.qcow2", None);
        lab.check("top.qcow2", None);
    }
    lab.img("create -f qcow2 -b base.raw -F raw overraw.qcow2 4M");
    lab.io("overraw.qcow2", &["write -P 6 1490000 100k"]);
    lab.check("overraw.qcow2", None);
}

#[test]
fn subclusters_with_and_without_backing() {
    let lab = Lab::new();
    lab.raw("base.raw", 1_000_000);
    for cluster in ["16k", "64k", "2M"] {
        for backing in ["", "-b base.raw -F raw"] {
            lab.img(&format!(
                "create -f qcow2 -o extended_l2=on,cluster_size={cluster} {backing} e.qcow2 5M"
            ));
            lab.io(
                "e.qcow2",
                &[
                    "write -P 1 3k 1k",
                    "write -P 2 70k 5k",
                    "write -z 72k 2k",
                    "write -z 120k 1k",
                    "write -P 3 990k 300k",
                    "write -z -u 1000k 32k",
                    "discard 1100k 64k",
                    "write -P 4 4M 100k",
                ],
            );
            lab.check("e.qcow2", None);
        }
        lab.img(&format!("convert -O qcow2 -c -o extended_l2=on,cluster_size={cluster} base.raw ec.qcow2"));
        lab.check("ec.qcow2", None);
    }
}

#[test]
fn external_data_files() {
    let lab = Lab::new();
    for options in
        ["data_file=d.data", "data_file=d.data,data_file_raw=on", "data_file=d.data,extended_l2=on"]
    {
        lab.img(&format!("create -f qcow2 -o {options} d.qcow2 2M"));
        // The first cluster is at byte 0 of the data file.
        lab.io("d.qcow2", &["write -P 7 0 100k", "write -P 8 1000k 130k", "write -z 32k 64k"]);
        lab.check("d.qcow2", None);
        std::fs::remove_file(lab.path("d.data")).unwrap();
    }
}

#[test]
fn internal_snapshots_by_id_and_by_name() {
    let lab = Lab::new();
    lab.raw("base.raw", 1_000_000);
    for compat in ["0.10", "1.1"] {
        lab.img(&format!("create -f qcow2 -o compat={compat} -b base.raw -F raw s.qcow2 2M"));
        lab.io("s.qcow2", &["write -P 1 0 200k"]);
        lab.img("snapshot -c first s.qcow2");
        lab.io("s.qcow2", &["write -P 2 100k 200k"]);
        lab.img("snapshot -c second s.qcow2");
        lab.io("s.qcow2", &["write -P 3 150k 1M"]);
        for snapshot in [None, Some("first"), Some("2"), Some("second"), Some("1")] {
            lab.check("s.qcow2", snapshot);
        }
        let error = lab.open("s.qcow2", Some("third")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let snapshots = image::snapshots(&source(&lab.path("s.qcow2")), None).unwrap();
    let names: Vec<_> = snapshots.iter().map(|s| (s.id.clone(), s.name.clone())).collect();
    assert_eq!(names, [("1".into(), "first".into()), ("2".into(), "second".into())]);
}

#[test]
fn a_damaged_snapshot_table_hinders_nobody_else() {
    let lab = Lab::new();
    lab.img("create -f qcow2 s.qcow2 1M");
    lab.img("snapshot -c first s.qcow2");
    let mut bytes = std::fs::read(lab.path("s.qcow2")).unwrap();
    // The number of snapshots.
    bytes[60..64].fill(0xFF);
    let file = Arc::new(MemSource::new(bytes));
    assert_eq!(image::snapshots(&file, None).unwrap_err().kind(), ErrorKind::Corrupt);
    let options = Options { format: None, snapshot: Some("first".into()) };
    let error = image::open_with(file.clone(), &options, &mut image::NoRelated).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let disk = image::open(file, None, &mut image::NoRelated).unwrap();
    let mut buf = [1; 512];
    disk.read_at(0, &mut buf).unwrap();
    assert_eq!(buf, [0; 512]);
}

#[test]
fn a_snapshot_has_the_size_that_the_disk_had() {
    let lab = Lab::new();
    lab.img("create -f qcow2 s.qcow2 1M");
    lab.io("s.qcow2", &["write -P 1 0 1M"]);
    lab.img("snapshot -c small s.qcow2");
    lab.img("resize s.qcow2 40M");
    lab.check("s.qcow2", None);
    let disk = lab.open("s.qcow2", Some("small")).unwrap();
    assert_eq!(disk.len(), 1 << 20);
    let mut bytes = vec![0; 1 << 20];
    disk.read_at(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 1));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let lab = Lab::new();
    let refused = |name: &str| {
        let error = lab.open(name, None).unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        (error.kind(), text)
    };
    for (format, name) in [
        ("vmdk", "d.vmdk"),
        ("vdi", "d.vdi"),
        ("vhdx", "d.vhdx"),
        ("vpc", "d.vpc"),
        ("qcow", "d.qcow"),
        ("qed", "d.qed"),
        ("parallels", "d.hds"),
    ] {
        lab.img(&format!("create -f {format} {name} 4M"));
        let (kind, text) = refused(name);
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(text.contains(&format!("format {format} ")), "{text}");
    }
    // qemu-img times its key derivation to make one, and gives up where it can't; the field of the header is enough.
    lab.img("create -f qcow2 l.qcow2 1M");
    let file = File::options().write(true).open(lab.path("l.qcow2")).unwrap();
    file.write_all_at(&2u32.to_be_bytes(), 32).unwrap();
    let (kind, text) = refused("l.qcow2");
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(text.contains("encrypted with LUKS"), "{text}");

    lab.img("create -f qcow2 -u -b nbd:unix:/nowhere -F raw n.qcow2 1M");
    let (kind, text) = refused("n.qcow2");
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(text.contains("nbd:unix:/nowhere"), "{text}");
}

#[test]
fn loops_are_refused() {
    let lab = Lab::new();
    lab.img("create -f qcow2 self.qcow2 1M");
    lab.img("rebase -u -b self.qcow2 -F qcow2 self.qcow2");
    assert_eq!(lab.open("self.qcow2", None).unwrap_err().kind(), ErrorKind::Corrupt);
    lab.img("create -f qcow2 -u -b b.qcow2 -F qcow2 a.qcow2 1M");
    lab.img("create -f qcow2 -u -b a.qcow2 -F qcow2 b.qcow2 1M");
    assert_eq!(lab.open("a.qcow2", None).unwrap_err().kind(), ErrorKind::Corrupt);

    /// Opens the same file under ever new numbers.
    struct Endless(Arc<dyn ReadAt>, u64);
    impl OpenRelated for Endless {
        fn open_related(&mut self, _from: FileId, _name: &[u8]) -> Result<(FileId, Arc<dyn ReadAt>)> {
            self.1 += 1;
            Ok((FileId(self.1), Arc::clone(&self.0)))
        }
    }
    let file = source(&lab.path("self.qcow2"));
    let error = image::open(Arc::clone(&file), None, &mut Endless(file, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_backing_file_without_a_stated_format_names_no_further_file() {
    let lab = Lab::new();
    lab.raw("secret.raw", 65536);
    lab.raw("plain.raw", 300_000);
    lab.img("create -f qcow2 -b secret.raw -F raw trap.img 1M");
    lab.img("create -f qcow2 honest.qcow2 1M");
    lab.io("honest.qcow2", &["write -P 4 5k 100k"]);
    for (backing, good) in [("plain.raw", true), ("honest.qcow2", true), ("trap.img", false)] {
        // qemu-img itself would write down a format, so write the name (without an extension) by hand.
        lab.img("create -f qcow2 u.qcow2 1M");
        let file = File::options().write(true).open(lab.path("u.qcow2")).unwrap();
        file.write_all_at(&1024u64.to_be_bytes(), 8).unwrap();
        file.write_all_at(&(backing.len() as u32).to_be_bytes(), 16).unwrap();
        file.write_all_at(backing.as_bytes(), 1024).unwrap();
        if good {
            lab.check("u.qcow2", None);
        } else {
            let error = lab.open("u.qcow2", None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}

#[test]
fn truncated_images_are_damage_not_zeros() {
    let lab = Lab::new();
    lab.img("create -f qcow2 t.qcow2 1M");
    lab.io("t.qcow2", &["write -P 1 0 1M"]);
    let bytes = std::fs::read(lab.path("t.qcow2")).unwrap();
    let disk = |len: usize| {
        image::open(Arc::new(MemSource::new(&bytes[..len])), Some(Format::Qcow2), &mut image::NoRelated)
            .unwrap()
    };
    let mut buf = [0; 512];
    // The last cluster may be cut; one that is not there at all is missed.
    disk(bytes.len() - 512).read_at((1 << 20) - 512, &mut buf).unwrap();
    assert_eq!(buf, [0; 512]);
    let error = disk(bytes.len() - 65536).read_at((1 << 20) - 512, &mut buf).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// Whatever single byte of an image's metadata or compressed data is changed: bytes or an error, soon, in bounded memory.
#[test]
fn mutants_give_bytes_or_an_error() {
    let lab = Lab::new();
    lab.raw("disk.raw", 300_000);
    let mut seeds = Vec::new();
    for (name, convert) in [
        ("plain", "-o cluster_size=4k"),
        ("zlib", "-c -o cluster_size=4k"),
        ("zstd", "-c -o cluster_size=4k,compression_type=zstd"),
        ("subclusters", "-o extended_l2=on,cluster_size=16k"),
    ] {
        lab.img(&format!("convert -f raw -O qcow2 {convert} disk.raw {name}"));
        lab.img(&format!("snapshot -c snap {name}"));
        seeds.push((name, std::fs::read(lab.path(name)).unwrap()));
    }
    let mut buf = vec![0; 300_000];
    let mut random = Random(7);
    let (mut readable, mut refused) = (0, 0);
    for (name, seed) in &seeds {
        for round in 0..1500 {
            let mut bytes = seed.clone();
            for _ in 0..1 + random.below(3) {
                // A third of the changes hit the header, a third the tables near the start, the rest anything.
                let at = match round % 3 {
                    0 => random.below(112),
                    1 => random.below(bytes.len().min(40_000)),
                    _ => random.below(bytes.len()),
                };
                bytes[at] = match random.below(3) {
                    0 => bytes[at] ^ (1 << random.below(8)),
                    1 => 0xFF,
                    _ => random.next() as u8,
                };
            }
            let snapshot = (round % 5 == 0).then(|| "snap".into());
            let options = Options { format: Some(Format::Qcow2), snapshot };
            let started = std::time::Instant::now();
            let result = image::open_with(Arc::new(MemSource::new(bytes)), &options, &mut image::NoRelated)
                .and_then(|opened| {
                    let disk = opened.disk;
                    let len = usize::try_from(disk.len()).unwrap_or(usize::MAX).min(buf.len());
                    disk.next_data(0)?;
                    disk.next_data(disk.len() / 2)?;
                    disk.read_at(0, &mut buf[..len])?;
                    disk.read_at(disk.len() - len as u64, &mut buf[..len])
                });
            assert!(started.elapsed().as_secs() < 5, "{name}, round {round}");
            match result {
                Ok(()) => readable += 1,
                Err(error) => {
                    assert!(matches!(
                        error.kind(),
                        ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NotFound | ErrorKind::Io
                    ));
                    refused += 1;
                }
            }
        }
    }
    assert!(readable > 100 && refused > 100, "{readable} readable, {refused} refused");
}

/// Tables that point at themselves, at each other, or past the end.
#[test]
fn hostile_tables() {
    const CLUSTER: usize = 512;
    let image = |l1: &[u64], l2: &[u64]| {
        let mut bytes = vec![0u8; 4 * CLUSTER];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"QFI\xFB\0\0\0\x03");
        put(20, &9u32.to_be_bytes());
        put(24, &(64u64 * 512 * l1.len() as u64).to_be_bytes());
        put(36, &(l1.len() as u32).to_be_bytes());
        put(40, &(CLUSTER as u64).to_be_bytes());
        put(100, &104u32.to_be_bytes());
        for (i, entry) in l1.iter().enumerate() {
            put(CLUSTER + 8 * i, &entry.to_be_bytes());
        }
        for (i, entry) in l2.iter().enumerate() {
            put(2 * CLUSTER + 8 * i, &entry.to_be_bytes());
        }
        put(3 * CLUSTER, &[7; CLUSTER]);
        image::open(Arc::new(MemSource::new(bytes)), None, &mut image::NoRelated).unwrap()
    };
    let read = |l1: &[u64], l2: &[u64]| {
        let mut buf = [1; CLUSTER];
        image(l1, l2).read_at(0, &mut buf).map(|()| buf).map_err(|error| error.kind())
    };
    assert_eq!(read(&[1024], &[1536]), Ok([7; CLUSTER]));
    assert_eq!(read(&[1024], &[1]), Ok([0; CLUSTER]));
    let bad: [(&str, u64, u64); 6] = [
        ("L2 past the end", 1 << 40, 0),
        ("L2 at the largest offset", u64::MAX, 0),
        ("data past the end", 1024, 2048),
        ("data at the largest offset", 1024, 0x00FF_FFFF_FFFF_FE00),
        ("compressed data past the end", 1024, 1 << 62 | 2048),
        ("compressed garbage", 1024, 1 << 62 | 1536),
    ];
    for (what, l1, l2) in bad {
        assert_eq!(read(&[l1], &[l2]), Err(ErrorKind::Io), "{what}");
    }
    // The L1 table as its own L2 table: its only entry, an offset, is then a cluster's.
    assert_eq!(read(&[512], &[]).map(|bytes| bytes[..8].to_vec()), Ok(512u64.to_be_bytes().to_vec()));
    // Two disk ranges share one L2 table: odd, but nothing that a reader must mind.
    assert_eq!(image(&[1024, 1024], &[1536]).next_data(512).unwrap(), Some(64 * 512..64 * 512 + 512));
}
