//! What keys have besides values and subkeys, in real hives and new ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use bstr::BStr;
use hivex::{FileTime, Hive, Name, Options, ValueType};
use support::{open, real};

const WRITE: Options = Options { strict: true, write: true, time: Some(FileTime(42)) };

#[test]
fn classes_and_security_of_a_real_hive() {
    let hive = open(&real("SYSTEM"));
    let lsa = hive.node_get_path(hive.root(), "ControlSet001\\control\\LSA".into()).unwrap().unwrap();
    // Windows keeps its boot key in the classes of these four, eight hexadecimal digits in each.
    for name in ["JD", "Skew1", "GBG", "Data"] {
        let key = hive.node_get_child(lsa, name.into()).unwrap().unwrap();
        let class = hive.node_class(key).unwrap().unwrap();
        assert!(class.len() == 8 && class.iter().all(u8::is_ascii_hexdigit), "{name}: {class}");
    }
    assert_eq!(hive.node_class(lsa).unwrap(), None);
    // A self-relative descriptor begins with its revision, and has its header of 20 bytes at least.
    let security = hive.node_security(lsa).unwrap().unwrap();
    assert!(security[0] == 1 && security[3] & 0x80 != 0 && security.len() > 20);
    let parent = hive.node_parent(lsa).unwrap().unwrap();
    assert_eq!(hive.node_name(parent).unwrap().to_bstring(), "Control");
    assert_eq!(hive.node_parent(hive.root()).unwrap(), None);
}

#[test]
fn a_new_key_has_its_parents_security_and_the_time_of_the_change() {
    let mut hive = Hive::create(WRITE).unwrap();
    let key = hive.node_add_child(hive.root(), "key".into()).unwrap();
    let below = hive.node_add_child(key, "below".into()).unwrap();
    assert_eq!(hive.node_security(below).unwrap(), hive.node_security(hive.root()).unwrap());
    assert_eq!(hive.node_class(below).unwrap(), None);
    for node in [hive.root(), key, below] {
        assert_eq!(hive.node_timestamp(node).unwrap(), FileTime(42));
    }
    hive.commit().unwrap();
    let header = hive.header().unwrap();
    assert_eq!((header.sequence_1, header.sequence_2, header.written), (2, 2, FileTime(42)));
    assert!(header.sum_is_right && !header.is_dirty());
}

#[test]
fn names_of_any_characters_are_kept_and_found_in_any_case() {
    let mut hive = Hive::create(WRITE).unwrap();
    // Latin-1, the rest of the BMP, beyond it, an unpaired surrogate, a NUL, and what Windows has no upper case for.
    let names: &[(&[u8], &[u8], bool)] = &[
        (b"plain", b"PLAIN", true),
        ("\u{e9}t\u{e9}".as_bytes(), "\u{c9}T\u{c9}".as_bytes(), true),
        ("\u{436}".as_bytes(), "\u{416}".as_bytes(), false),
        ("\u{1F600}".as_bytes(), "\u{1F600}".as_bytes(), false),
        (b"x\xED\xA0\xBD", b"X\xED\xA0\xBD", false),
        (b"a\0b", b"A\0B", true),
        ("\u{df}".as_bytes(), "\u{df}".as_bytes(), true),
    ];
    let root = hive.root();
    for (name, other, narrow) in names {
        let (name, other) = (BStr::new(name), BStr::new(other));
        let node = hive.node_add_child(root, name).unwrap();
        hive.node_set_value(root, name, ValueType::BINARY, name).unwrap();
        hive.commit().unwrap();
        hive = Hive::open(hive.into_image(), WRITE).unwrap();
        assert_eq!(hive.node_name(node).unwrap().to_bstring(), name);
        assert_eq!(matches!(hive.node_name(node).unwrap(), Name::Latin1(_)), *narrow, "{name}");
        assert_eq!(hive.node_get_child(root, other).unwrap(), Some(node));
        let value = hive.node_get_value(root, other).unwrap().unwrap();
        assert_eq!(hive.value_key(value).unwrap().to_bstring(), name);
        assert_eq!(*hive.value_value(value).unwrap(), **name);
    }
    assert_eq!(hive.node_get_child(root, "ss".into()).unwrap(), None);
    assert_eq!(hive.node_nr_children(root).unwrap(), names.len());
}
