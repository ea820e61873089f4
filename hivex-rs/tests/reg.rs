//! `.reg` files: exports equal to hivexregedit's, and merges.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use bstr::{BStr, ByteSlice};
use hivex::reg::{Export, HEADER, Strings, export, parse};
use hivex::{Hive, Node, Options, ValueType};
use support::{assert_same, dump, open, real, run, scratch};

const WRITE: Options = Options { strict: true, write: true, time: None };

fn ours(hive: &Hive, node: Node, how: &Export) -> Vec<u8> {
    let mut text = HEADER.as_bytes().to_vec();
    export(hive, node, how, &mut text).unwrap();
    text
}

/// What hivexregedit prints; its text is UTF-8, but for names and strings that are Latin-1.
fn theirs(hive: &Path, key: &str, options: &[&str]) -> Vec<u8> {
    let out = Command::new("hivexregedit").arg("--export").args(options).arg(hive).arg(key).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// Letters that are Latin-1, as this crate has them always and hivexregedit sometimes.
fn in_utf8(text: &[u8]) -> Vec<u8> {
    text.utf8_chunks().fold(Vec::new(), |mut all, chunk| {
        all.extend_from_slice(chunk.valid().as_bytes());
        all.extend(chunk.invalid().iter().flat_map(|byte| char::from(*byte).to_string().into_bytes()));
        all
    })
}

fn compare(path: &Path, key: &str, options: &[&str], how: &Export) {
    let hive = open(path);
    let node = hive.node_get_path(hive.root(), key.into()).unwrap().unwrap();
    let (ours, theirs) = (ours(&hive, node, how), in_utf8(&theirs(path, key, options)));
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours.as_bstr(), theirs.as_bstr(), "{} {key} {options:?} line {number}", path.display());
    }
    assert_eq!(ours.len(), theirs.len(), "{} {key} {options:?}", path.display());
}

#[test]
fn exports_are_what_hivexregedit_prints() {
    let plain = Export::default();
    compare(&real("BCD"), "\\", &[], &plain);
    compare(&real("NTUSER.DAT"), "\\", &[], &plain);
    let prefix = Export { prefix: "HKEY_LOCAL_MACHINE\\SECURITY".into(), ..Export::default() };
    compare(&real("SECURITY"), "\\policy\\", &["--prefix", "HKEY_LOCAL_MACHINE\\SECURITY"], &prefix);
    let printable = Export { printable_strings: true, ..prefix.clone() };
    let options = ["--prefix", "HKEY_LOCAL_MACHINE\\SECURITY", "--unsafe-printable-strings"];
    compare(&real("amcache.hve"), "\\Root", &options, &printable);
    for depth in [0, 1, 2] {
        let how = Export { max_depth: Some(depth), ..Export::default() };
        compare(&real("BCD"), "\\Objects", &["--max-depth", &depth.to_string()], &how);
    }
}

#[test]
fn odd_names_and_strings_are_exported_as_hivexregedit_does() {
    let mut hive = Hive::create(WRITE).unwrap();
    let key = hive.node_add_child(hive.root(), "A \"key\" [of] ;all".into()).unwrap();
    for name in ["b", "_", "Z", "a", "\u{e9}\u{20ac}"] {
        hive.node_add_child(key, name.into()).unwrap();
    }
    let values: &[(&str, u32, &[u8])] = &[
        ("", 1, b"d\0\0\0"),
        ("q\"\\", 1, b"\"\0\\\0\n\0\0\0"),
        ("two", 2, b"a\0\0\0b\0\0\0"),
        ("ends", 1, b"a\0\0\0\0\0"),
        ("odd", 1, b"abc"),
        ("surrogate", 1, b"\x3d\xd8a\0\0\0"),
        ("empty", 1, b""),
        ("short", 4, b"abc"),
        ("number", 4, b"\x01\x02\x03\x04"),
        ("big", 5, b"\x01\x02\x03\x04"),
        ("list", 7, b"a\0\0\0\0\0"),
        ("unknown", 0x0001_2345, b"\x01"),
        ("\u{20ac}", 11, b"12345678"),
    ];
    for (name, kind, data) in values {
        hive.node_set_value(key, BStr::new(name), ValueType(*kind), data).unwrap();
    }
    hive.commit().unwrap();
    let directory = scratch("export");
    let path = directory.join("hive");
    fs::write(&path, hive.image()).unwrap();
    compare(&path, "\\A \"key\" [of] ;all", &[], &Export::default());
    let how = Export { printable_strings: true, ..Export::default() };
    compare(&path, "\\", &["--unsafe-printable-strings"], &how);
    fs::remove_dir_all(directory).unwrap();
}

/// Applies a file to a hive.
fn merge(hive: &mut Hive, text: &[u8]) {
    for change in parse(text, Strings::Utf16).unwrap() {
        hive.apply(change.path.as_ref(), &change.action).unwrap();
    }
    hive.commit().unwrap();
}

#[test]
fn a_merge_makes_what_hivexregedit_makes() {
    let text = "Windows Registry Editor Version 5.00\n\n[\\New]\n\n[\\New\\Key]\n@=\"default\"\n\"a\"=dword:0000000a\n\
        \"b\"=hex:01,02,\\\n  03\n\"c\"=str(2):\"%P%\"\n\"d\"=hex(7):61,00,00,00,00,00\n\"q\\\"\\\\\"=\"\\\\\"\n\n\
        [\\Objects]\n\"only\"=\"x\"\n\n[-\\Description]\n\n[\\New\\Key]\n\"a\"=-\n\"c\"=hex(b):01,02,03,04,05,06,07,08\n";
    let directory = scratch("merge");
    let (path, file) = (directory.join("hive"), directory.join("file.reg"));
    fs::copy(real("BCD"), &path).unwrap();
    fs::write(&file, text).unwrap();
    run(Command::new("hivexregedit").arg("--merge").arg(&path).arg(&file));
    let mut hive = Hive::open(fs::read(real("BCD")).unwrap(), WRITE).unwrap();
    merge(&mut hive, text.as_bytes());
    let root = hive.root();
    let expected = in_utf8(&theirs(&path, "\\", &[]));
    let made = ours(&hive, root, &Export::default());
    assert_same("merged", &String::from_utf8_lossy(&made), &String::from_utf8_lossy(&expected));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn an_export_merged_into_a_new_hive_is_exported_the_same() {
    for name in ["BCD", "NTUSER.DAT", "amcache.hve"] {
        let from = open(&real(name));
        let text = ours(&from, from.root(), &Export::default());
        let mut hive = Hive::create(WRITE).unwrap();
        merge(&mut hive, &text);
        let root = hive.root();
        let again = ours(&hive, root, &Export::default());
        assert_same(name, &String::from_utf8_lossy(&again), &String::from_utf8_lossy(&text));
        assert_eq!(dump(&from).lines().count(), dump(&hive).lines().count(), "{name}");
    }
}
