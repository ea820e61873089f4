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
        assert_eq!(hive.replay().to_string(), "log entries applied: 23 (sequence numbers 566 to 588)");
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
                ["V", handle, name, kind, _, _, data, ..] => {
                    Some(format!("V {handle} {name} {kind} {data}\n"))
                }
                _ => None,
            }
        })
        .collect();
    lines.sort();
    lines.concat()
}

const WRITE: Options =
    Options { strict: true, write: true, time: Some(hivex::FileTime(0x01DC_0000_0000_0000)) };

fn word(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
}

fn put(image: &mut [u8], at: usize, number: u32) {
    image[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// Sets the sum of a base block.
fn seal(image: &mut [u8]) {
    let sum = (0..508).step_by(4).fold(0, |sum, at| sum ^ word(image, at));
    put(image, 508, sum);
}

/// A hive whose last change was not written, and what it is with that change.
fn before_and_after() -> (Vec<u8>, Vec<u8>) {
    let mut hive = Hive::create(WRITE).unwrap();
    let key = hive.node_add_child(hive.root(), "key".into()).unwrap();
    hive.node_set_value(key, "value".into(), hivex::ValueType::BINARY, &[1; 9000]).unwrap();
    hive.commit().unwrap();
    let mut before = hive.image().to_vec();
    hive.node_set_value(key, "value".into(), hivex::ValueType::BINARY, &[2; 20_000]).unwrap();
    hive.node_add_child(key, "later".into()).unwrap();
    hive.commit().unwrap();
    let sequence = word(&before, 4) + 1;
    put(&mut before, 4, sequence);
    seal(&mut before);
    (before, hive.into_image())
}

/// A log of the old format that makes `after` of `before`: the pages that differ.
fn old_log(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut log = after[..512].to_vec();
    put(&mut log, 28, 1);
    seal(&mut log);
    log.extend(b"DIRT");
    let (bitmap, mut pages) = (log.len(), Vec::<u8>::new());
    log.resize(bitmap + (after.len() - 4096) / 4096, 0);
    for (page, bytes) in after[4096..].chunks(512).enumerate() {
        // Windows marks whole pages of 4096 bytes.
        let whole = 4096 + page / 8 * 4096..4096 + (page / 8 + 1) * 4096;
        if before.get(whole.clone()) != Some(&after[whole]) {
            log[bitmap + page / 8] |= 1 << (page % 8);
            pages.extend(bytes);
        }
    }
    log.resize(log.len().next_multiple_of(512), 0xFF);
    log.extend(pages);
    log
}

#[test]
fn a_log_of_the_old_format_makes_the_hive_what_it_was_to_become() {
    let (before, after) = before_and_after();
    let log = old_log(&before, &after);
    assert!(log.len() < after.len(), "not all pages are in the log");
    let hive = Hive::open_with_logs(before.clone(), &[&[], &[0; 1024], &log], WRITE).unwrap();
    assert_eq!(hive.replay().to_string(), "log entries applied: 1 (sequence numbers 3 to 3)");
    assert_eq!(hive.image(), after);

    // The base block is damaged too: it is taken from the log.
    let mut damaged = before.clone();
    damaged[100..200].fill(7);
    let hive = Hive::open_with_logs(damaged, &[&log], WRITE).unwrap();
    assert_eq!(hive.replay().base_block_of, Some(0));
    assert_eq!(dump(&hive), dump(&Hive::open(after, WRITE).unwrap()));
}

#[test]
fn a_log_that_is_not_needed_or_not_right_is_not_applied() {
    let (before, after) = before_and_after();
    let log = old_log(&before, &after);
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut log = log.clone();
        change(&mut log);
        seal(&mut log);
        log
    };
    let table: &[(Vec<u8>, &str)] = &[
        (change(&|log| log.truncate(2000)), "; log 1: it is cut off after 1 pages"),
        (change(&|log| put(log, 4, 9)), "; log 1: it was not written to its end"),
        (change(&|log| put(log, 12, 9)), "; log 1: its time is not the hive's"),
        (change(&|log| log[512] = b'd'), "; log 1: it has no list of pages"),
        (change(&|log| put(log, 40, 0x7000_0000)), "; log 1: the file ends within its list of pages"),
        (change(&|log| put(log, 28, 5)), "; log 1: not a log: a file of kind 5"),
        (b"other".repeat(200), "; log 1: not a log: it does not begin with \"regf\""),
        ([&log[..500], &[1; 600]].concat(), "; log 1: the sum of its base block is wrong"),
    ];
    for (log, why) in table {
        let hive = Hive::open_with_logs(before.clone(), &[log], Options::default()).unwrap();
        assert_eq!(hive.replay().to_string(), format!("log entries applied: none{why}"));
        assert_eq!(hive.image(), before, "{why}");
        assert!(hive.header().unwrap().is_dirty());
    }
    // A hive that was written to its end needs none.
    let hive = Hive::open_with_logs(after.clone(), &[&log], WRITE).unwrap();
    assert!(hive.replay().is_empty() && hive.image() == after);
}

#[test]
fn entries_up_to_the_first_damaged_one_are_applied() {
    let [image, mut log] =
        ["transactions_NTUSER.DAT", "transactions_ntuser.dat.log1"].map(|name| fs::read(real(name)).unwrap());
    // Within the pages of the third entry.
    log[0x60_000] ^= 1;
    let hive = Hive::open_with_logs(image.clone(), &[&log], Options::default()).unwrap();
    assert_eq!(
        hive.replay().to_string(),
        "log entries applied: 2 (sequence numbers 566 to 567); log 1: its entry 2 is damaged: its hash is wrong"
    );
    let header = hive.header().unwrap();
    assert_eq!((header.sequence_1, header.sequence_2, header.bins), (567, 567, 782_336));
    // So it is with a hive whose base block is damaged.
    let mut damaged = image;
    damaged[0..4].fill(0);
    let hive = Hive::open_with_logs(damaged, &[&log], Options::default()).unwrap();
    assert_eq!(hive.replay().base_block_of, Some(0));
    assert_eq!(hive.replay().applied.len(), 2);
}
