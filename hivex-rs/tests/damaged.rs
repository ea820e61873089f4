//! Damaged hives: what is read of them, what is said, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs;

use hivex::{ErrorKind, Hive, Node, Options, ValueType};
use support::{dump, real};

const LENIENT: Options = Options { strict: false, write: true, time: None };
const STRICT: Options = Options { strict: true, write: true, time: None };

/// A key "a" with two subkeys and a value, a key "b": the hive, and where the cells of "a" and "b" are.
fn sample() -> (Vec<u8>, Node, Node) {
    let mut hive = Hive::create(STRICT).unwrap();
    let a = hive.node_add_child(hive.root(), "a".into()).unwrap();
    let b = hive.node_add_child(hive.root(), "b".into()).unwrap();
    hive.node_add_child(a, "one".into()).unwrap();
    hive.node_add_child(a, "two".into()).unwrap();
    hive.node_set_value(a, "long".into(), ValueType::BINARY, &[7; 20_000]).unwrap();
    hive.node_set_value(a, "x".into(), ValueType::BINARY, &[7; 100]).unwrap();
    hive.commit().unwrap();
    (hive.into_image(), a, b)
}

fn at(node: Node, field: usize) -> usize {
    usize::try_from(node.handle()).unwrap() + 4 + field
}

fn word(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
}

fn put(image: &mut [u8], at: usize, number: u32) {
    image[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// The file offset of the cell that a field names, with its header.
fn cell(image: &[u8], field: usize) -> usize {
    usize::try_from(word(image, field)).unwrap() + 4100
}

/// How many keys and values are read, and the notes; strict reading has to fail.
fn read(image: &[u8]) -> (usize, usize, Vec<String>) {
    let strict = Hive::open(image.to_vec(), STRICT);
    let walked = strict.and_then(|hive| hive.visit(hive.root(), &mut All(Vec::new())));
    assert_eq!(walked.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
    let hive = Hive::open(image.to_vec(), LENIENT).unwrap();
    let text = dump(&hive);
    let count = |letter| text.lines().filter(|line| line.starts_with(letter)).count();
    (count('N'), count('V'), hive.notes().iter().map(|note| note.what.to_string()).collect())
}

/// Reads all names and data.
struct All(Vec<u8>);

impl hivex::Visitor for All {
    type Error = hivex::Error;

    fn node_start(&mut self, hive: &Hive, node: Node, _: usize) -> hivex::Result<bool> {
        self.0 = hive.node_name(node)?.to_bstring().into();
        Ok(true)
    }

    fn value(&mut self, hive: &Hive, _: Node, value: hivex::Value) -> hivex::Result<()> {
        self.0 = hive.value_value(value)?.into_owned();
        Ok(())
    }
}

#[test]
fn what_is_damaged_is_skipped_and_said() {
    const LIST: usize = 28;
    const VALUES: usize = 40;
    let (image, a, b) = sample();
    let offset = |node: Node| u32::try_from(node.handle()).unwrap() - 4096;
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let table: &[(&str, Damage<'_>, usize, usize, &[&str])] = &[
        (
            "a list of subkeys that has the key above it: a loop",
            &|image| {
                let list = cell(image, at(a, LIST));
                put(image, list + 4, 0x20);
            },
            4,
            2,
            &["a key that is listed twice", "says that its parent is at 0xffffffff, not "],
        ),
        (
            "two keys with one list",
            &|image| {
                let list = word(image, at(a, LIST));
                put(image, at(b, LIST), list);
                put(image, at(b, 20), 2);
            },
            5,
            2,
            &["a list that two keys have"],
        ),
        (
            "a huge number of subkeys",
            &|image| put(image, at(a, 20), 0xFFFF_FFFF),
            5,
            2,
            &["says that it has 4294967295 subkeys, its list has 2"],
        ),
        (
            "a huge list of subkeys",
            &|image| {
                let list = cell(image, at(a, LIST));
                image[list + 2..list + 4].fill(0xFF);
            },
            5,
            2,
            &["a list of 65535 elements in a cell for 2"],
        ),
        (
            "a root over itself",
            &|image| {
                let list = cell(image, at(a, LIST));
                let own = word(image, at(a, LIST));
                image[list..list + 2].copy_from_slice(b"ri");
                put(image, list + 4, own);
                put(image, list + 8, own);
            },
            3,
            2,
            &["refers to the list at 0x2b0 twice", "says that it has 2 subkeys, its list has 0"],
        ),
        (
            "a subkey that is none",
            &|image| {
                let list = cell(image, at(a, LIST));
                let child = usize::try_from(word(image, list + 4)).unwrap() + 4100;
                image[child] = b'x';
            },
            4,
            2,
            &["not a key"],
        ),
        (
            "a subkey within a cell",
            &|image| {
                let list = cell(image, at(a, LIST));
                put(image, list + 4, offset(b) + 8);
            },
            4,
            2,
            &["no cell begins at"],
        ),
        (
            "a huge number of values",
            &|image| put(image, at(a, 36), 0x8000_0000),
            5,
            2,
            &["says that it has 2147483648 values, its list has room for"],
        ),
        (
            "data that is longer than its cell, and data in pieces of which one is missing",
            &|image| {
                let values = cell(image, at(a, VALUES));
                let (long, short) = (cell(image, values), cell(image, values + 4));
                put(image, short + 4, 5000);
                let pieces = cell(image, cell(image, long + 8) + 4);
                put(image, pieces + 4, 0x7FFF_0000);
            },
            5,
            2,
            &[
                "no cell begins at 0x7fff0000",
                "says that its data is 20000 bytes, its pieces are 16344",
                "says that its data is 5000 bytes, there are 100",
            ],
        ),
        (
            "a name that is longer than its cell",
            &|image| image[at(a, 73)] = 0x7F,
            5,
            2,
            &["its name is 32513 bytes long, and there are"],
        ),
    ];
    for (what, damage, keys, values, expected) in table {
        let mut image = image.clone();
        damage(&mut image);
        let (found_keys, found_values, notes) = read(&image);
        assert_eq!((found_keys, found_values), (*keys, *values), "{what}: {notes:?}");
        for note in *expected {
            assert!(
                notes.iter().any(|found| found.starts_with(note)),
                "{what}: {note:?} is not in {notes:?}"
            );
        }
    }
}

#[test]
fn a_damaged_bin_is_lost_alone_and_keeps_the_hive_from_being_changed() {
    let image = fs::read(real("NTUSER.DAT")).unwrap();
    let whole = dump(&Hive::open(image.clone(), LENIENT).unwrap()).lines().count();
    let mut damaged = image.clone();
    // The header of the 100th page of bins, which is one: the cells in it are found by what refers to them.
    let bin = (100..).map(|page| page * 4096).find(|at| &image[*at..at + 4] == b"hbin").unwrap();
    damaged[bin..bin + 4].fill(0);
    let mut hive = Hive::open(damaged.clone(), LENIENT).unwrap();
    assert_eq!(dump(&hive).lines().count(), whole);
    assert_eq!(hive.notes().len(), 1);
    assert_eq!(hive.node_add_child(hive.root(), "x".into()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(hive.image(), damaged);
    // All of it is lost.
    damaged[bin..bin + 4096].fill(0);
    let hive = Hive::open(damaged, LENIENT).unwrap();
    let left = dump(&hive).lines().count();
    assert!(left > whole * 9 / 10 && left < whole, "{left} of {whole}");
    // The file ends early.
    let hive = Hive::open(image[..image.len() / 2].to_vec(), LENIENT).unwrap();
    assert!(dump(&hive).lines().count() > 100);
    assert!(hive.notes()[0].what.contains("no bin begins here") || hive.notes().len() > 1);
}

#[test]
fn a_root_key_that_is_lost_is_found_by_its_flag() {
    let (mut image, _, _) = sample();
    let whole = dump(&Hive::open(image.clone(), LENIENT).unwrap());
    put(&mut image, 36, 0x7000_0000);
    let hive = Hive::open(image, LENIENT).unwrap();
    assert_eq!(dump(&hive), whole);
}

#[test]
fn what_belongs_to_two_keys_is_never_freed() {
    let (mut image, a, b) = sample();
    // "b" has the values of "a".
    let (count, list) = (word(&image, at(a, 36)), word(&image, at(a, 40)));
    put(&mut image, at(b, 36), count);
    put(&mut image, at(b, 40), list);
    let mut hive = Hive::open(image.clone(), LENIENT).unwrap();
    hive.node_set_value(a, "x".into(), ValueType::DWORD, &[1; 4]).unwrap();
    hive.node_delete_value(a, "long".into()).unwrap();
    hive.node_delete_child(a).unwrap();
    hive.node_set_value(hive.root(), "fill".into(), ValueType::BINARY, &[9; 60_000]).unwrap();
    let value = hive.node_get_value(b, "x".into()).unwrap().unwrap();
    assert_eq!(*hive.value_value(value).unwrap(), [7; 100]);
    let value = hive.node_get_value(b, "long".into()).unwrap().unwrap();
    assert_eq!(*hive.value_value(value).unwrap(), [7; 20_000]);

    // "b" is a subkey of "a" as well: neither is deleted.
    let list = cell(&image, at(a, 28));
    put(&mut image, list + 4, u32::try_from(b.handle()).unwrap() - 4096);
    let mut hive = Hive::open(image, LENIENT).unwrap();
    for node in [a, b] {
        assert_eq!(hive.node_delete_child(node).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(hive.node_nr_children(hive.root()).unwrap(), 2);
}

#[test]
fn what_callers_ask_for_wrongly_is_refused() {
    let (image, a, _) = sample();
    let mut read_only = Hive::open(image.clone(), Options::default()).unwrap();
    let refused = |result: hivex::Result<()>| result.unwrap_err().kind();
    assert_eq!(refused(read_only.node_delete_child(a)), ErrorKind::ReadOnly);
    assert_eq!(refused(read_only.commit()), ErrorKind::ReadOnly);
    let mut hive = Hive::open(image.clone(), STRICT).unwrap();
    let root = hive.root();
    for name in ["", "a\\b", &"x".repeat(256)] {
        assert_eq!(refused(hive.node_add_child(a, name.into()).map(drop)), ErrorKind::InvalidInput, "{name}");
    }
    assert_eq!(refused(hive.node_add_child(root, "A".into()).map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(refused(hive.node_delete_child(root)), ErrorKind::InvalidInput);
    assert_eq!(
        refused(hive.node_set_value(a, "x".repeat(16_384).as_str().into(), ValueType::SZ, b"")),
        ErrorKind::InvalidInput
    );
    assert_eq!(refused(hive.node_delete_value(a, "none".into())), ErrorKind::NotFound);
    for handle in [0, 1, 4096, a.handle() + 8, a.handle() + 1, u64::MAX] {
        assert_eq!(refused(hive.node(handle).map(drop)), ErrorKind::InvalidInput, "{handle:#x}");
        assert_eq!(refused(hive.value(handle).map(drop)), ErrorKind::InvalidInput, "{handle:#x}");
    }
    let deleted = hive.node_get_child(a, "one".into()).unwrap().unwrap();
    hive.node_delete_child(deleted).unwrap();
    assert_eq!(refused(hive.node_add_child(deleted, "x".into()).map(drop)), ErrorKind::InvalidInput);
    let table: &[(&[u8], ErrorKind)] = &[
        (b"", ErrorKind::Corrupt),
        (b"regf", ErrorKind::Corrupt),
        (&[0; 8192], ErrorKind::Corrupt),
        (&image[..4096], ErrorKind::Corrupt),
    ];
    for (image, kind) in table {
        assert_eq!(refused(Hive::open(image.to_vec(), LENIENT).map(drop)), *kind, "{} bytes", image.len());
    }
    let mut other = image;
    other[20] = 2;
    assert_eq!(refused(Hive::open(other, LENIENT).map(drop)), ErrorKind::Unsupported);
}
