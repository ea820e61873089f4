//! NTFS as ntfs-3g shows it, mounted on this machine.
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
use std::path::Path;

use bstr::ByteSlice;
use disk::ErrorKind;
use disk::fs::ntfs::{Ntfs, State};
use disk::fs::{FileType, Filesystem};

#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/listing.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod listing;

#[path = "support/ntfs.rs"]
mod support;

use kernel::{Mount, run};
use support::{image, read, walk};

const MIB: u64 = 1 << 20;
/// What makes names and compression as Windows has them.
const WRITABLE: &str = "rw,streams_interface=xattr,compression,noatime";
const READ_ONLY: &str = "ro,streams_interface=xattr";
/// Fields of a line of a listing.
const SIZE: usize = 8;
const CREATED: usize = 14;
const CONTENT: usize = 15;
const RANGES: usize = 16;

/// Makes `image` with what mkntfs makes of `options`.
fn mkntfs(image: &Path, size: u64, options: &str) {
    kernel::empty_image(image, size);
    let mut args = vec!["-q", "-F", "-Q", "-p", "0", "-H", "255", "-S", "63", "-L", "test"];
    args.extend(options.split_whitespace());
    args.push(image.to_str().unwrap());
    run("mkntfs", &args);
}

/// Fills `image`, mounted with further `options`, by a script, and lists it as ntfs-3g shows it.
fn fill(image: &Path, options: &str, script: &str, names: &str) -> String {
    let dir = image.with_extension("mount");
    let mount = Mount::new(&format!("{WRITABLE}{options}"), image, dir.clone());
    let script = format!("{}/tests/support/{script}", env!("CARGO_MANIFEST_DIR"));
    run("python3", &[&script, dir.to_str().unwrap(), names]);
    drop(mount);
    let _mount = Mount::new(READ_ONLY, image, dir.clone());
    listing::of_mount(&dir).unwrap().lines().map(|line| comparable(line, &dir)).collect()
}

/// FUSE knows neither when a file was made nor where it has data; and links lead below the place of the mount.
fn comparable(line: &str, mount: &Path) -> String {
    let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
    if fields.len() > RANGES {
        fields[CREATED].clear();
        fields[RANGES].clear();
        let prefix = mount.to_str().unwrap();
        if let Some(target) = fields[CONTENT].strip_prefix(prefix).map(str::to_owned) {
            fields[CONTENT] = target;
            fields[SIZE] = (fields[SIZE].parse::<usize>().unwrap() - prefix.len()).to_string();
        }
    }
    fields.join("\t") + "\n"
}

fn open(image: &Path) -> disk::Result<Ntfs> {
    Ntfs::open(listing::Image::open(image).unwrap())
}

fn compare(image: &Path, shown: &str) {
    let fs = open(image).unwrap_or_else(|e| panic!("{}", kernel::chain(&e)));
    let ours = listing::of_filesystem(&fs).unwrap_or_else(|e| panic!("{}", kernel::chain(&e)));
    let ours: String = ours.lines().map(|line| comparable(line, Path::new("?"))).collect();
    let (different, _) = kernel::differences(&ours, shown, u64::MAX);
    let count = different.len();
    assert!(
        different.is_empty(),
        "{count} lines: {}",
        different.into_iter().take(40).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn listings_are_those_of_ntfs_3g() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size, options, mount, names) in [
        ("cluster4k", 100 * MIB, "-c 4096", "", "300"),
        // Special files are those of Linux' subsystem, else of Interix.
        ("cluster512", 60 * MIB, "-c 512", ",special_files=wsl", "100"),
        ("cluster64k", 200 * MIB, "-c 65536", "", "100"),
        ("cluster2m", 4000 * MIB, "-c 2097152", "", "8"),
        ("sector4k", 100 * MIB, "-s 4096", "", "100"),
    ] {
        let image = dir.path().join(name);
        mkntfs(&image, size, options);
        let shown = fill(&image, mount, "fill_ntfs.py", names);
        compare(&image, &shown);
    }
}

#[test]
fn a_table_of_files_in_many_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("crowded");
    mkntfs(&image, 8 * MIB, "-c 1024");
    let shown = fill(&image, "", "crowd_ntfs.py", "");
    let table = run("ntfsinfo", &["-v", "-i", "0", image.to_str().unwrap()]);
    assert!(table.contains("$ATTRIBUTE_LIST"), "{table}");
    compare(&image, &shown);
}

#[test]
fn case_counts_unless_it_is_not_to() {
    let fs = image("small");
    let users = walk(&fs, "Users");
    assert_eq!(fs.lookup(fs.root(), b"USERS").unwrap(), None);
    for (name, stored) in [("users", "Users"), ("USERS", "Users"), ("Users", "Users")] {
        let (inode, name) = fs.lookup_ignoring_case(fs.root(), name.as_bytes()).unwrap().unwrap();
        assert_eq!((inode, name.as_bstr()), (users, stored.into()));
    }
    for name in ["user", "users ", "", "usersa"] {
        assert_eq!(fs.lookup_ignoring_case(fs.root(), name.as_bytes()).unwrap(), None, "{name}");
    }
    let file = walk(&fs, "plain");
    assert_eq!(fs.lookup(file, b"x").unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(fs.read_link(file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(fs.open(users).unwrap_err().kind(), ErrorKind::InvalidInput);
    let point = fs.reparse_data(walk(&fs, "other")).unwrap().unwrap();
    assert_eq!(point, b"\x34\x12\0\x80\x04\0\0\0abcd");
    assert_eq!(fs.reparse_data(file).unwrap(), None);
}

/// Attributes of the system that ntfs-3g hides. It gives `efsinfo` only if it is mounted for that.
const SYSTEM: [&str; 13] = [
    "attrib",
    "attrib_be",
    "times",
    "times_be",
    "crtime",
    "crtime_be",
    "acl",
    "object_id",
    "dos_name",
    "reparse_data",
    "ea",
    "efsinfo",
    "none",
];

fn descriptor(rights: u32) -> Vec<u8> {
    let everyone = [&[1, 1, 0, 0, 0, 0, 0, 1][..], &[0; 4]].concat();
    let owner = [&[1, 1, 0, 0, 0, 0, 0, 5][..], &18u32.to_le_bytes()].concat();
    let entry = [&[0, 3, 20, 0][..], &rights.to_le_bytes(), &everyone].concat();
    let list = [&[2, 0, 28, 0, 1, 0, 0, 0][..], &entry].concat();
    let places = [20u32, 32, 0, 44].map(u32::to_le_bytes).concat();
    [&[1, 0, 4, 0x80][..], &places, &owner, &owner, &list].concat()
}

#[test]
fn attributes_of_the_system_are_those_of_ntfs_3g() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    mkntfs(&image, 20 * MIB, "");
    let root = dir.path().join("mount");
    let mount = Mount::new(WRITABLE, &image, root.clone());
    let set = |name: &str, attribute: &str, value: &[u8]| {
        xattr::set(root.join(name), format!("system.ntfs_{attribute}"), value).unwrap();
    };
    fs::create_dir(root.join("Directory")).unwrap();
    for name in ["A.TXT", "Directory/a long name.text", "ä", "many names"] {
        fs::write(root.join(name), "x").unwrap();
    }
    // Enough of them for an index of many blocks, and for the second piece of descriptors.
    for number in 0..4000u32 {
        let name = format!("Directory/{number}");
        fs::write(root.join(&name), "").unwrap();
        set(&name, "acl", &descriptor(0x1F_0000 + number));
        if number % 16 == 0 {
            let id: Vec<u8> = (0..16)
                .map(|n| n * 16 + number.wrapping_mul(2_654_435_761).to_le_bytes()[n % 4] as usize)
                .map(|n| n as u8)
                .collect();
            set(&name, "object_id", &[&id[..], &[number as u8; 48]].concat());
        }
    }
    set("A.TXT", "dos_name", b"A.TXT");
    set("Directory/a long name.text", "dos_name", b"ALONGN~1.TEX");
    set("A.TXT", "object_id", &[7; 16]);
    set("A.TXT", "attrib", &0u32.to_le_bytes());
    set("ä", "attrib", &0x2107u32.to_le_bytes());
    set("ä", "crtime", &[1, 2, 3, 4, 5, 6, 7, 1]);
    for number in 0..60 {
        fs::hard_link(root.join("many names"), root.join(format!("one of many long names {number}")))
            .unwrap();
    }
    std::os::unix::fs::symlink("A.TXT", root.join("link")).unwrap();
    set("many names", "acl", &descriptor(1));
    drop(mount);

    let _mount = Mount::new(READ_ONLY, &image, root.clone());
    let ntfs = open(&image).unwrap();
    let names = ["Directory", "A.TXT", "Directory/a long name.text", "ä", "many names", "link"];
    let numbered = (0..4000).step_by(16).chain([1, 3999]).map(|n| format!("Directory/{n}"));
    let mut found = 0;
    for name in names.iter().map(ToString::to_string).chain(numbered) {
        let inode = walk(&ntfs, &name);
        for attribute in SYSTEM {
            let attribute = format!("system.ntfs_{attribute}");
            let shown = xattr::get(root.join(&name), &attribute).ok().flatten();
            let ours = ntfs.hidden_xattr(inode, attribute.as_bytes()).unwrap();
            assert_eq!(ours, shown, "{name}: {attribute}");
            found += usize::from(ours.is_some());
        }
    }
    assert!(found > 2000, "{found}");
    // mkntfs gives the root a descriptor that ntfs-3g refuses.
    assert!(xattr::get(&root, "system.ntfs_acl").is_err());
    assert_eq!(ntfs.hidden_xattr(ntfs.root(), b"system.ntfs_acl").unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn what_may_be_stale_is_said() {
    assert_eq!(image("small").state().unwrap(), State::default());
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    mkntfs(&image, 4 * MIB, "");
    let mount = Mount::new(WRITABLE, &image, dir.path().join("mount"));
    fs::write(mount.0.join("hiberfil.sys"), [b"hibr".to_vec(), vec![0; 5000]].concat()).unwrap();
    drop(mount);
    let state = open(&image).unwrap().state().unwrap();
    assert_eq!(state, State { hibernated: true, ..State::default() });
    assert_eq!(state.warnings().count(), 1);
    // It leaves the volume to be checked by Windows.
    let mount = Mount::new("rw,remove_hiberfile", &image, dir.path().join("mount"));
    drop(mount);
    run("ntfsfix", &[image.to_str().unwrap()]);
    assert_eq!(open(&image).unwrap().state().unwrap(), State { dirty: true, ..State::default() });
}

/// A chunk of `size` bytes of "abc", as [MS-XCA], section 3.2, compresses 300 of them.
fn xpress(size: u16) -> Vec<u8> {
    let mut packed = vec![0; 256];
    for (at, lengths) in [(48, 0x30), (49, 0x23), (128, 0x02), (143, 0x20)] {
        packed[at] = lengths;
    }
    packed.extend([0xA8, 0xDC, 0, 0, 0xFF]);
    packed.extend((size - 3 - 3).to_le_bytes());
    packed
}

/// 32 KiB of "a": a literal and 191 matches with the distance before, in one block.
const LZX: &str = "00300000000000002120da077d9f40fc00000000000088000888ff9fffff00d00000000000004400fb20beef00c5000000000000000000000000000000000000000000000000000000000000ff01ffffffffffffffffffffffffffff00fe";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A file's name, its method, its chunks, and what they stand for.
type Packed = (&'static str, u32, Vec<Vec<u8>>, Vec<u8>);

/// There is no Windows that could make such files: they are made by the description of the format.
#[test]
fn files_compressed_by_wof_are_read() {
    let repeated = |size: usize| b"abc".iter().copied().cycle().take(size).collect::<Vec<_>>();
    let cases: [Packed; 5] = [
        (
            "xpress4k",
            0,
            vec![xpress(4096), vec![b'x'; 4096], xpress(4096), b"end".to_vec()],
            [repeated(4096), vec![b'x'; 4096], repeated(4096), b"end".to_vec()].concat(),
        ),
        ("xpress8k", 2, vec![xpress(8192), xpress(1000)], [repeated(8192), repeated(1000)].concat()),
        ("xpress16k", 3, vec![xpress(16384)], repeated(16384)),
        (
            "lzx32k",
            1,
            vec![unhex(LZX), unhex(LZX), b"end".to_vec()],
            [vec![b'a'; 65536], b"end".to_vec()].concat(),
        ),
        ("empty", 1, vec![], vec![]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    mkntfs(&image, 4 * MIB, "");
    let mount = Mount::new(WRITABLE, &image, dir.path().join("mount"));
    for (name, method, chunks, content) in &cases {
        let path = mount.0.join(name);
        fs::File::create(&path).unwrap().set_len(content.len() as u64).unwrap();
        let mut stream = Vec::new();
        let mut at = 0u32;
        for chunk in chunks.iter().take(chunks.len().saturating_sub(1)) {
            at += u32::try_from(chunk.len()).unwrap();
            stream.extend(at.to_le_bytes());
        }
        stream.extend(chunks.concat());
        xattr::set(&path, "user.WofCompressedData", &stream).unwrap();
        let mut point: Vec<u8> = [0x8000_0017u32, 16, 1, 2, 1].iter().flat_map(|n| n.to_le_bytes()).collect();
        point.extend(method.to_le_bytes());
        xattr::set(&path, "system.ntfs_reparse_data", &point).unwrap();
    }
    drop(mount);
    let fs = open(&image).unwrap();
    for (name, _, _, content) in &cases {
        let inode = walk(&fs, name);
        let metadata = fs.metadata(inode).unwrap();
        assert_eq!((metadata.file_type, metadata.size), (FileType::Regular, content.len() as u64), "{name}");
        assert!(read(&fs, inode).unwrap() == *content, "{name}");
        assert_eq!(fs.xattrs(inode).unwrap(), [], "{name}");
    }
    let mut file = fs.open(walk(&fs, "xpress4k")).unwrap();
    let mut piece = [0; 6];
    assert_eq!(file.read_at(8190, &mut piece).unwrap(), 6);
    assert_eq!(&piece, b"xxabca");
    assert_eq!(file.read_at(4096 * 3 + 1, &mut piece).unwrap(), 2);
}
