//! FAT images for tests: filled by mtools, with what no ordinary program writes put in by hand. The same from run to
//! run, times included.
//!
//! Needs dosfstools and mtools.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "in tests only")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// When everything is said to be made: 2026-11-21 13:14:15 UTC.
const NOW: &str = "1795266855";

/// An image: its name, its size in KiB, options of mkfs.fat, and what else is done to it.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    kib: u32,
    options: &'static str,
    /// Also has a directory of many files, and large files.
    full: bool,
    patch: fn(&mut [u8]),
}

const fn recipe(name: &'static str, kib: u32, options: &'static str, full: bool) -> Recipe {
    Recipe { name, kib, options, full, patch: |_| {} }
}

/// The images that Debian's kernel was asked about (`data/fat`).
pub(crate) const RECIPES: &[Recipe] = &[
    recipe("floppy", 1440, "", false),
    recipe("fat12", 4000, "-F 12 -s 8 -r 112", true),
    recipe("fat16", 8_300, "-F 16 -s 1", true),
    recipe("fat16-64k", 280_000, "-F 16 -s 128", false),
    recipe("fat32", 40_000, "-F 32 -s 1", true),
    recipe("fat32-64k", 4_400_000, "-F 32 -s 128 -f 1", false),
    recipe("fat32-sector4096", 280_000, "-F 32 -s 1 -S 4096", false),
    recipe("fat32-disk.4k", 280_000, "-F 32 -s 1 -S 4096", false),
    Recipe {
        name: "dirty",
        kib: 140_000,
        options: "-F 32 -s 4",
        full: false,
        // Marks of an unclean unmount, and wrong numbers of free clusters.
        patch: |image| {
            image[0x41] = 1;
            image[512 + 488..][..8].fill(0x11);
        },
    },
    Recipe { name: "small-sectors.4k", kib: 2000, options: "", full: false, patch: |_| {} },
];

/// Runs a program of dosfstools or mtools.
fn run(program: &str, args: &[&str], dir: &Path) {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("MTOOLSRC", "/dev/null")
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
}

/// Makes the image of `recipe` in `dir`.
pub(crate) fn make(recipe: &Recipe, dir: &Path) -> PathBuf {
    let image = format!("{}.img", recipe.name);
    let path = dir.join(&image);
    fs::File::create(&path).unwrap().set_len(u64::from(recipe.kib) << 10).unwrap();
    let mut args = vec!["--invariant", "-n", "A LABEL"];
    args.extend(recipe.options.split_whitespace());
    args.push(&image);
    run("mkfs.fat", &args, dir);
    fill(&image, dir, recipe.full);
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut start = vec![0; USED.min(usize::try_from(file.metadata().unwrap().len()).unwrap())];
    file.read_exact_at(&mut start, 0).unwrap();
    let place = find(&start, b"ODD     DIR");
    start[place + 11] = 0x10;
    (recipe.patch)(&mut start);
    file.write_all_at(&start, 0).unwrap();
    path
}

/// Bytes of an image that may be other than zeros.
const USED: usize = 16 << 20;

/// Where the entry with the short name `short` starts.
pub(crate) fn find(image: &[u8], short: &[u8; 11]) -> usize {
    image.chunks(32).position(|slot| slot.starts_with(short)).unwrap() * 32
}

fn fill(image: &str, dir: &Path, full: bool) {
    let put = |name: &str, content: &[u8]| {
        fs::write(dir.join("content"), content).unwrap();
        run("mcopy", &["-i", image, "content", &format!("::{name}")], dir);
    };
    let make_dir = |name: &str| run("mmd", &["-i", image, &format!("::{name}")], dir);
    put("README.TXT", b"in capitals\n");
    put("lower.txt", b"in lower case\n");
    put("Mixed.Txt", b"in both\n");
    put("base.TXT", b"");
    put("A long name with spaces.text", &pattern(3000));
    put("täst 日本.txt", "Unicode".as_bytes());
    put("+,;=[].x", b"not for short names");
    // mtools cannot add two clusters to a directory at a time.
    put(&"n".repeat(if image == "fat32.img" { 150 } else { 255 }), b"the longest");
    put(&format!("{}.e", "13 characters".repeat(2)), b"no zero after the last part");
    put("é", b"");
    make_dir("Directory");
    make_dir("Directory/below");
    make_dir("Directory/below/more of them");
    put("Directory/below/more of them/file", &pattern(70_000));
    make_dir("Directory/empty");
    put("gone.txt", b"deleted");
    put("long gone with a long name.txt", b"deleted");
    for (name, attributes) in [("read-only", "+r"), ("hidden", "+h"), ("system", "+s"), ("all", "+rhs")] {
        put(name, name.as_bytes());
        run("mattrib", &["-i", image, attributes, &format!("::{name}")], dir);
    }
    make_dir("closed");
    run("mattrib", &["-i", image, "+r", "::closed"], dir);
    if full {
        make_dir("many");
        for nr in 0..60 {
            put(&format!("many/file number {nr}.text"), &pattern(nr * 37));
        }
        // What was deleted leaves holes for the next file.
        for nr in (0..60).step_by(2) {
            run("mdel", &["-i", image, &format!("::many/file number {nr}.text")], dir);
        }
        put("scattered", &pattern(600_000));
        put("many/also scattered", &pattern(123_457));
    }
    run("mdel", &["-i", image, "::gone.txt", "::long gone with a long name.txt"], dir);
    put("ODD.DIR", &odd_slots());
}

/// Bytes that are not the same in any two blocks.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at >> 9) as u8).collect()
}

/// An entry without clusters.
fn entry(short: &[u8; 11], attributes: u8, case: u8) -> [u8; 32] {
    let mut slot = [0; 32];
    slot[..11].copy_from_slice(short);
    slot[11] = attributes;
    slot[12] = case;
    slot
}

/// Part `number` of a long name.
fn part(number: u8, checksum: u8, text: &[u16]) -> [u8; 32] {
    let mut slot = [0xFF; 32];
    slot[0] = number;
    slot[11] = 0x0F;
    slot[12] = 0;
    slot[13] = checksum;
    slot[26..28].fill(0);
    let mut units: Vec<u16> = text.to_vec();
    units.push(0);
    for (at, unit) in [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].into_iter().zip(units) {
        slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    slot
}

/// A short name without an extension.
fn short(name: &str) -> [u8; 11] {
    format!("{name:<11}").into_bytes().try_into().unwrap()
}

fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0u8, |sum, &c| sum.rotate_right(1).wrapping_add(c))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The slots of a directory with everything that is odd.
fn odd_slots() -> Vec<u8> {
    let mut slots = vec![entry(b".          ", 0x10, 0), entry(b"..         ", 0x10, 0)];
    // Times: none, fields out of range, the ends of the scale, odd seconds.
    for (nr, [created_time, created, accessed, time, date]) in [
        [0u16, 0, 0, 0, 0],
        [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF],
        [0x0001, 0x0021, 0x0021, 0x0001, 0x0021],
        [0xBF7D, 0xFF9F, 0xFF9F, 0xBF7D, 0xFF9F],
        [0xF800, 0x01A0, 0x01E0, 0x07E0, 0x01C5],
        [0x8000, 0x505C, 0x505D, 0x8000, 0x5060],
        [0x8000, 0xF05C, 0xF05D, 0x8000, 0xF061],
        [0x8000, 0xF25C, 0xF27D, 0x8000, 0xF461],
    ]
    .into_iter()
    .enumerate()
    {
        let mut slot = entry(&short(&format!("TIME{nr}")), 0x20, 0);
        slot[13] = [0, 255, 199, 100, 99, 1, 0, 7][nr];
        for (at, value) in [(14, created_time), (16, created), (18, accessed), (22, time), (24, date)] {
            slot[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        slots.push(slot);
    }
    // All characters of the code page, in both cases. 0xE5 in front is written 0x05.
    for start in (0x80..=0xFF).step_by(8) {
        let mut name = *b"        UXX";
        for (place, c) in name.iter_mut().zip(start..start + 8) {
            *place = c as u8;
        }
        name[9] = start as u8 + 7;
        let mut upper = entry(&name, 0, 0);
        name[8] = b'L';
        let mut lower = entry(&name, 0, 0x18);
        for slot in [&mut upper, &mut lower] {
            if slot[0] == 0xE5 {
                slot[0] = 0x05;
            }
        }
        slots.extend([upper, lower]);
    }
    slots.push(entry(b"\x05FIVE      ", 0, 0));
    slots.push(entry(b"\xE5DELETED   ", 0, 0));
    slots.push(entry(b"A LABEL    ", 0x08, 0));
    slots.push(entry(b"DIRLABEL   ", 0x18, 0));
    slots.push(entry(b"        EXT", 0, 0));
    slots.push(entry(b"           ", 0, 0));
    slots.push(entry(b" LEADING   ", 0, 0));
    slots.push(entry(b"IN SIDE X Y", 0, 0));
    slots.push(entry(b"ZERO\0 XYA\0B", 0, 0));
    slots.push(entry(b"lower   txt", 0, 0));
    slots.push(entry(b"DEVICE     ", 0x40, 0));
    slots.push(entry(b"ARCHIVE    ", 0xA7, 0x08));
    // Names whose parts don't belong together. The short names tell what is wrong.
    let named = |name: &str| entry(&short(name), 0, 0);
    let one = |number, name: &str, text: &str| part(number, checksum(&short(name)), &units(text));
    slots.extend([one(0x41, "RIGHT", "right name"), named("RIGHT")]);
    slots.extend([one(0x41, "ANOTHER", "wrong sum"), named("WRONGSUM")]);
    slots.extend([one(0x41, "RESTART", "no entry")]);
    slots.extend([one(0x42, "RESTART", "b"), one(0x41, "RESTART", "a and not b"), named("RESTART")]);
    slots.extend([one(0x42, "MISSING", "b"), named("MISSING")]);
    slots.extend([one(0x43, "GAP", "c"), one(0x01, "GAP", "a"), named("GAP")]);
    slots.extend([one(0x42, "SUMS", "b"), one(0x01, "ANOTHER", "a"), named("SUMS")]);
    slots.extend([one(0x42, "TWO", " part two"), one(0x01, "TWO", "the first 13!"), named("TWO")]);
    slots.extend([
        one(0x42, "LASTLAST", " part two"),
        one(0x41, "LASTLAST", "only this one"),
        named("LASTLAST"),
    ]);
    slots.extend([one(0x01, "NOTLAST", "not the last"), named("NOTLAST")]);
    slots.extend([one(0x40, "NUMZERO", "number zero"), named("NUMZERO")]);
    slots.extend([one(0x55, "NUM21", "number 21"), named("NUM21")]);
    slots.extend([one(0x41, "DELETED", "deleted"), entry(b"\xE5ELETED    ", 0, 0)]);
    slots.extend([one(0x41, "VOLUME", "volume"), entry(&short("VOLUME"), 0x08, 0), named("AFTER1")]);
    slots.extend([one(0x41, "BETWEEN", "empty between"), [0; 32], named("BETWEEN")]);
    slots.extend([one(0xE5, "AFTER2", "a deleted part"), named("AFTER2")]);
    slots.extend([one(0x41, "AFTER3", "x"), one(0xE5, "AFTER3", "a deleted part"), named("AFTER3")]);
    let mut attributes = one(0x41, "AFTER4", "more attributes");
    attributes[11] = 0x3F;
    slots.extend([attributes, named("AFTER4")]);
    // Halves of surrogate pairs, and dots and spaces at the end.
    let texts: [&[u16]; 3] = [&[0x61, 0xDC00, 0x62, 0xD800], &[0xD83D, 0xDE00], &[0x78, 0x2E, 0x20]];
    for (nr, text) in texts.into_iter().enumerate() {
        let name = short(&format!("UNITS~{nr}"));
        slots.extend([part(0x41, checksum(&name), text), entry(&name, 0, 0)]);
    }
    // After an empty slot.
    slots.push([0; 32]);
    slots.push(entry(b"AFTER   END", 0, 0));
    slots.concat()
}
