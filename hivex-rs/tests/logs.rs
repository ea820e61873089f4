//! Transaction logs: what they add to a dirty hive.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs;
use std::path::Path;

use hivex::{Hive, Options};
use sha1::{Digest, Sha1};
use support::{dump, real};

/// `transactions.sha1` is the SHA-1 of what a program over notatin 1.0.1 prints: for each key of the parser's iterator
/// "N", `file_offset_absolute`, `key_name` in hexadecimal, `last_key_written_date_and_time`; for each of its values "V",
/// `file_offset_absolute`, `value_name` in hexadecimal, `data_type_raw` and the SHA-1 of `value_bytes`; the lines sorted.
#[test]
fn logs_of_the_new_format_give_what_notatin_gives() {
    let [image, first, second] =
        ["transactions_NTUSER.DAT", "transactions_ntuser.dat.log1", "transactions_ntuser.dat.log2"]
            .map(|name| fs::read(real(name)).unwrap());
    let stated = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transactions.sha1");
    let stated = fs::read_to_string(stated).unwrap();
    for logs in [[first.as_slice(), &second], [&second, &first]] {
        let hive = Hive::open_with_logs(image.clone(), &logs, Options { strict: true, ..Options::default() });
        let hive = hive.unwrap();
        assert_eq!(hive.replay().to_string(), "23 log entries applied (sequence numbers 566 to 588)");
        let dump = dump(&hive);
        let digest: String =
            Sha1::digest(in_notatins_form(&dump)).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, stated.trim());
    }
}

fn in_notatins_form(dump: &str) -> String {
    let mut lines: Vec<String> = dump
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["N", handle, _, name, time, ..] => Some(format!("N {handle} {name} {time}\n")),
                ["V", handle, name, kind, _, _, data] => Some(format!("V {handle} {name} {kind} {data}\n")),
                _ => None,
            }
        })
        .collect();
    lines.sort();
    lines.concat()
}
