//! Real hives: every key and value as libhivex reads it.

mod support;

use support::{REAL, assert_same, dump, libhivex, open, real};

#[test]
fn every_key_and_value_is_what_libhivex_reads() {
    for name in REAL {
        let path = real(name);
        assert_same(name, &dump(&open(&path)), &libhivex(&path));
    }
}

#[test]
fn what_is_not_clean_in_real_hives_is_noted() {
    let table = [
        ("BCD", vec![]),
        ("SYSTEM", vec![]),
        ("SECURITY", vec!["at byte 0x0: writing it was not completed (sequence numbers 107 and 106)"]),
    ];
    for (name, expected) in table {
        let hive = open(&real(name));
        dump(&hive);
        let notes: Vec<String> = hive.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes, expected, "{name}");
    }
}
