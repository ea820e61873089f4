//! Streams, the filesystem's own files, and sizes that no listing could read: NTFS as ntfs-3g shows it.
//!
//! Needs ntfs-3g, FUSE and root.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use disk::MemSource;
use disk::fs::Filesystem;
use disk::fs::ntfs::Ntfs;

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/ntfs.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod support;

use kernel::Mount;
use support::{bytes, open, read, walk};

/// An image with what `small` has, in a file.
fn small(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("image");
    fs::write(&path, bytes("small")).unwrap();
    path
}

#[test]
fn streams_are_opened_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let image = small(dir.path());
    let long: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    let cases: [(&str, &str, &[u8]); 5] = [
        ("plain", "long", &long),
        ("plain", "é 日本", b"name"),
        ("plain", "empty", b""),
        ("Users", "of a directory", b"content"),
        ("comp/text", "beside what is compressed", b"plain"),
    ];
    let mount = Mount::new("rw,streams_interface=windows", &image, dir.path().join("mount"));
    for (file, stream, content) in cases {
        fs::write(mount.0.join(format!("{file}:{stream}")), content).unwrap();
    }
    drop(mount);
    let fs = open(fs::read(&image).unwrap()).unwrap();
    for (file, name, content) in cases {
        let mut stream = fs.open_stream(walk(&fs, file), name.as_bytes()).unwrap().unwrap();
        let mut found = vec![0; content.len() + 1];
        assert_eq!(stream.len(), content.len() as u64, "{name}");
        assert_eq!(stream.read_at(0, &mut found).unwrap(), content.len(), "{name}");
        assert!(found[..content.len()] == *content, "{name}");
    }
    let plain = walk(&fs, "plain");
    for name in ["no such stream", "LONG", ""] {
        assert!(fs.open_stream(plain, name.as_bytes()).unwrap().is_none(), "{name}");
    }
}

/// What has no name in a listing can be looked up, and is what ntfs-3g shows with `show_sys_files`.
#[test]
fn the_filesystems_own_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let image = small(dir.path());
    let ours = open(fs::read(&image).unwrap()).unwrap();
    let mount = Mount::new("ro,show_sys_files", &image, dir.path().join("mount"));
    let mut own = 0;
    for below in ["", "$Extend/"] {
        for entry in fs::read_dir(mount.0.join(below)).unwrap() {
            let path = format!("{below}{}", entry.unwrap().file_name().into_string().unwrap());
            if !path.starts_with('$') {
                continue;
            }
            own += 1;
            let shown = fs::symlink_metadata(mount.0.join(&path)).unwrap();
            let inode = walk(&ours, &path);
            let metadata = ours.metadata(inode).unwrap();
            assert_eq!((metadata.number, metadata.size), (shown.ino(), shown.size()), "{path}");
            // Those of `$Extend` are indexes, which ntfs-3g does not open.
            if shown.is_file() && below.is_empty() {
                let content = fs::read(mount.0.join(&path)).unwrap();
                assert!(read(&ours, inode).unwrap() == content, "{path}");
            }
        }
    }
    assert_eq!(own, 10 + 3, "in the root, and below");
}

/// Eight tebibytes, nearly all of them a hole.
#[test]
fn huge_sparse_files_are_read_where_they_have_data() {
    const SIZE: u64 = 8 << 40;
    const MIDDLE: u64 = (3 << 40) + 12_345;
    let dir = tempfile::tempdir().unwrap();
    let image = small(dir.path());
    let mount = Mount::new("rw", &image, dir.path().join("mount"));
    let mut file = fs::File::create(mount.0.join("huge")).unwrap();
    file.write_all(b"start").unwrap();
    file.write_all_at(b"middle", MIDDLE).unwrap();
    file.write_all_at(b"end", SIZE - 3).unwrap();
    drop(file);
    let blocks = fs::metadata(mount.0.join("huge")).unwrap().blocks();
    drop(mount);
    let fs = Ntfs::open(std::sync::Arc::new(MemSource::new(fs::read(&image).unwrap()))).unwrap();
    let inode = walk(&fs, "huge");
    let metadata = fs.metadata(inode).unwrap();
    assert_eq!((metadata.size, metadata.blocks), (SIZE, blocks));
    let mut file = fs.open(inode).unwrap();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(range) = file.next_data(at).unwrap() {
        at = range.end;
        ranges.push(range);
    }
    let has = |offset| ranges.iter().any(|range| range.contains(&offset));
    assert!(has(0) && has(MIDDLE) && has(SIZE - 1), "{ranges:?}");
    assert!(ranges.iter().map(|range| range.end - range.start).sum::<u64>() < 1 << 20, "{ranges:?}");
    for (offset, want) in
        [(0, &b"start\0"[..]), (MIDDLE - 1, b"\0middle\0"), (SIZE - 4, b"\0end"), (SIZE, b"")]
    {
        let mut found = vec![1; want.len()];
        assert_eq!(file.read_at(offset, &mut found).unwrap(), want.len());
        assert_eq!(found, want);
    }
    assert_eq!(file.read_at(SIZE - 3, &mut [0; 10]).unwrap(), 3);
}
