//! What is written comes back, whatever the sizes of the pieces in which it comes, and what makes no sense is refused.

use std::io::{self, Write};

use super::*;

/// An entry and its data: the offset of each piece, and its bytes.
type Received = (Entry, Vec<(u64, Vec<u8>)>);

/// Notes what it is told.
#[derive(Debug, Default, PartialEq)]
struct Told {
    entries: Vec<Received>,
    remarks: Vec<Remark>,
    ended: usize,
}

impl Receive for Told {
    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        self.entries.push((entry, Vec::new()));
        Ok(())
    }
    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let pieces = &mut self.entries.last_mut().unwrap().1;
        match pieces.last_mut() {
            Some((start, data)) if *start + data.len() as u64 == offset => data.extend_from_slice(bytes),
            _ => pieces.push((offset, bytes.to_vec())),
        }
        Ok(())
    }
    fn end(&mut self) -> io::Result<()> {
        self.ended += 1;
        Ok(())
    }
    fn remark(&mut self, remark: Remark) -> io::Result<()> {
        self.remarks.push(remark);
        Ok(())
    }
}

fn archive(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (entry, data) in entries {
        assert_eq!(entry.data_len(), data.len() as u64);
        encode(entry, &mut out).unwrap();
        out.extend_from_slice(data);
        out.resize(out.len() + padding(data.len() as u64), 0);
        assert_eq!(out.len() % BLOCK, 0);
    }
    out
}

fn parse(bytes: &[u8], piece: usize) -> io::Result<Told> {
    let mut parser = Parser::new(Told::default());
    for piece in bytes.chunks(piece) {
        parser.write_all(piece)?;
    }
    if !parser.is_complete() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(parser.into_receiver())
}

fn strange_entries() -> Vec<(Entry, Vec<u8>)> {
    let long = "d/".repeat(400) + "name";
    let time = Time { seconds: -2, nanoseconds: 250_000_000 };
    vec![
        (Entry { permissions: 0o1777, ..Entry::new("./", Kind::Directory) }, vec![]),
        (
            Entry { size: 5, modified: time, accessed: Some(time), ..Entry::new("./plain", Kind::Regular) },
            b"hello".into(),
        ),
        (
            Entry {
                size: 512,
                uid: u32::MAX,
                gid: 3_000_000,
                ..Entry::new(b"\xff\nodd".as_slice(), Kind::Regular)
            },
            vec![7; 512],
        ),
        (Entry { link: long.clone().into(), ..Entry::new(long.clone(), Kind::Symlink) }, vec![]),
        (
            Entry {
                link: "./plain".into(),
                identity: Some(Identity { device: 2049, inode: 12 }),
                ..Entry::new("./b", Kind::HardLink)
            },
            vec![],
        ),
        (Entry { device: (4095, 1_048_575), ..Entry::new("./dev", Kind::BlockDevice) }, vec![]),
        (
            Entry {
                size: 1 << 40,
                pieces: Some(vec![4096..4100, 1 << 39..(1 << 39) + 3]),
                ..Entry::new("sparse", Kind::Regular)
            },
            b"datapie".to_vec(),
        ),
        (Entry { size: 1 << 20, pieces: Some(vec![]), ..Entry::new(long, Kind::Regular) }, vec![]),
        (
            Entry {
                user: "u".repeat(40).into(),
                group: "wheel".into(),
                xattrs: vec![
                    ("user.a=b".into(), vec![0, 10, 255]),
                    ("security.selinux".into(), b"x\0".to_vec()),
                ],
                records: vec![("SCHILY.acl.access".into(), b"user::rw-".to_vec())],
                ..Entry::new("attributes", Kind::Fifo)
            },
            vec![],
        ),
    ]
}

#[test]
fn entries_come_back_whatever_the_sizes_of_what_is_read() {
    let entries = strange_entries();
    let mut bytes = archive(&entries);
    bytes.extend(END);
    bytes.extend([1; 700]);
    for piece in [1, 7, 511, 512, 513, 8192, usize::MAX] {
        let told = parse(&bytes, piece).unwrap();
        assert_eq!(told.ended, entries.len());
        for ((entry, data), (expected, content)) in told.entries.iter().zip(&entries) {
            assert_eq!(entry, expected);
            let flat: Vec<u8> = data.iter().flat_map(|(_, data)| data.clone()).collect();
            assert_eq!(&flat, content);
        }
        assert_eq!(told.entries[6].1, [(4096, b"data".to_vec()), (1 << 39, b"pie".to_vec())]);
    }
}

#[test]
fn gnu_tar_reads_what_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let mut bytes =
        archive(&[(Entry { size: 5, ..Entry::new("./plain", Kind::Regular) }, b"hello".to_vec())]);
    let sparse = Entry {
        size: 1 << 20,
        pieces: Some(std::iter::once(65_536..65_540).collect()),
        ..Entry::new("dir/sparse", Kind::Regular)
    };
    bytes.extend(archive(&[(sparse, b"data".to_vec())]));
    encode_remark(&Remark { kind: RemarkKind::Missing, path: "x".into(), text: "why".into() }, &mut bytes);
    bytes.extend(END);
    std::fs::write(scratch.path().join("a.tar"), bytes).unwrap();
    let out = std::process::Command::new("tar")
        .args(["-xf", "a.tar"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let read = std::fs::read(scratch.path().join("dir/sparse")).unwrap();
    assert_eq!((read.len(), &read[65_536..65_540]), (1 << 20, &b"data"[..]));
    assert!(read.iter().filter(|byte| **byte != 0).count() == 4);
    assert_eq!(std::fs::read(scratch.path().join("plain")).unwrap(), b"hello");
}

#[test]
fn archives_of_gnu_tar_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let long = "n".repeat(200);
    std::fs::write(scratch.path().join(&long), "content").unwrap();
    std::os::unix::fs::symlink(&long, scratch.path().join("link")).unwrap();
    for format in ["gnu", "posix", "ustar"] {
        let mut tar = std::process::Command::new("tar");
        tar.args(["--format", format, "-cf", "-", "--sort=name", "./link"]).current_dir(scratch.path());
        if format != "ustar" {
            tar.arg(&long);
        }
        let told = parse(&tar.output().unwrap().stdout, 8192).unwrap();
        assert!(format == "ustar" || told.entries[0].0.link == long, "{format}");
        if format != "ustar" {
            assert_eq!(
                (told.entries[1].0.path.to_string(), &told.entries[1].1[0].1[..]),
                (long.clone(), &b"content"[..])
            );
        }
    }
}

#[test]
fn remarks_come_back_and_other_comments_do_not() {
    let mut bytes = Vec::new();
    let all: Vec<Remark> = RemarkKind::NAMES
        .iter()
        .map(|(kind, _)| Remark { kind: *kind, path: "a:b\n".into(), text: "it is gone: really".into() })
        .collect();
    for remark in &all {
        encode_remark(remark, &mut bytes);
    }
    bytes.extend(END);
    assert_eq!(parse(&bytes, 100).unwrap().remarks, all);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let whole = |mut bytes: Vec<u8>| {
        bytes.extend(END);
        parse(&bytes, 4096).map(|told| told.entries.len())
    };
    let entry =
        |path: &str| archive(&[(Entry { size: 3, ..Entry::new(path, Kind::Regular) }, b"abc".to_vec())]);
    assert_eq!(whole(entry("a")).unwrap(), 1);
    let mut flipped = entry("a");
    flipped[0] ^= 1;
    assert!(whole(flipped).is_err());
    // The end is missing.
    assert!(parse(&entry("a"), 4096).is_err());
    // Extended headers, numbers and maps that would take memory or lead astray.
    let with_header = |change: &dyn Fn(&mut tar::Header)| {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[0] = b'x';
        for set in [tar::Header::set_uid, tar::Header::set_gid, tar::Header::set_mtime, tar::Header::set_size]
        {
            set(&mut header, 0);
        }
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        change(&mut header);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    assert_eq!(whole(with_header(&|_| {})).unwrap(), 1);
    for change in [
        &(|h: &mut tar::Header| {
            h.set_entry_type(tar::EntryType::XHeader);
            h.set_size(u64::MAX);
        }) as &dyn Fn(&mut tar::Header),
        &|h| h.set_entry_type(tar::EntryType::GNUSparse),
        &|h| h.set_entry_type(tar::EntryType::new(b'V')),
        &|h| h.set_uid(u64::MAX),
        &|h| {
            h.set_entry_type(tar::EntryType::Directory);
            h.set_size(10);
        },
    ] {
        assert!(whole(with_header(change)).is_err());
    }
    // A name that the calls for files would end early.
    for name in ["a\0b".repeat(50), "\0".repeat(150)] {
        let link = Entry { link: name.into(), ..Entry::new("a", Kind::Symlink) };
        assert!(whole(archive(&[(link, Vec::new())])).is_err());
    }
    let sparse = |size: u64, pieces: &[(u64, u64)], data: &[u8], extra: &str| {
        let mut bytes = Vec::new();
        let pieces = pieces.iter().map(|(start, end)| *start..*end).collect();
        let mut entry = Entry { size, pieces: Some(pieces), ..Entry::new("s", Kind::Regular) };
        if !extra.is_empty() {
            entry.records.push((extra.into(), b"1".to_vec()));
        }
        encode(&entry, &mut bytes).unwrap();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        whole(bytes)
    };
    assert!(sparse(10, &[(0, 3)], b"abc", "").is_ok());
    assert!(sparse(2, &[(0, 3)], b"abc", "").is_err());
    assert!(sparse(10, &[(2, 4), (3, 5)], b"abcd", "").is_err());
    assert!(sparse(10, &[(0, 3)], b"abc", "GNU.sparse.numblocks").is_err());
    assert!(
        sparse(1 << 40, &(0..=MAX_PIECES as u64 + 1).map(|n| (n * 10, n * 10)).collect::<Vec<_>>(), b"", "")
            .is_err()
    );
    // A map whose count promises more than follows.
    let mut bytes = Vec::new();
    encode(
        &Entry { size: 10, pieces: Some(std::iter::once(0..1).collect()), ..Entry::new("s", Kind::Regular) },
        &mut bytes,
    )
    .unwrap();
    let at = bytes.len() - BLOCK;
    bytes[at] = b'9';
    bytes.extend([b'a'; BLOCK]);
    assert!(whole(bytes).is_err());
}
