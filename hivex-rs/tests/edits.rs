//! Random changes: libhivex reads exactly the tree that is meant, and the hive keeps the rules of its format.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::fs;
use std::path::PathBuf;

use hivex::{Hive, Options};
use support::model::{Key, changes};
use support::{Random, assert_same, python, real, run, scratch};

const WRITE: Options = Options { strict: true, write: true, time: None };
/// How many hives a check is of: each is a file until then.
const BATCH: usize = 200;

/// `count` sequences of changes, by the seeds `seed`, `seed + 1`…; each begins where `make` begins.
fn sequences(name: &str, strict: bool, seed: u64, count: usize, make: impl Fn() -> Hive) {
    let directory = scratch(name);
    let mut batch: Vec<(PathBuf, String)> = Vec::new();
    for number in 0..count {
        let mut random = Random((seed + u64::try_from(number).unwrap()) << 1 | 1);
        let mut hive = make();
        let mut model = Key::read(&hive, hive.root());
        for _ in 0..=random.below(2) {
            let count = random.below(50) + 1;
            changes(&mut hive, &mut model, &mut random, count);
            hive.commit().unwrap();
            // Half of the changes are made to a hive that was opened anew.
            hive = Hive::open(hive.into_image(), WRITE).unwrap();
            let read = Key::read(&hive, hive.root());
            assert_same(&format!("{name} {number}, read by hivex-rs"), &read.dump(), &model.dump());
            assert_eq!(hive.notes(), [], "{name} {number}");
        }
        let path = directory.join(format!("{number}"));
        fs::write(&path, hive.image()).unwrap();
        batch.push((path, model.dump()));
        if batch.len() == BATCH || number + 1 == count {
            let mut trees = python("trees.py");
            trees.args(strict.then_some("--strict")).args(batch.iter().map(|(path, _)| path));
            let theirs = run(&mut trees);
            let expected: String = batch.iter().map(|(_, tree)| format!("==\n{tree}")).collect();
            assert_same(&format!("{name} up to {number}, read by libhivex"), &expected, &theirs);
            batch.drain(..).for_each(|(path, _)| fs::remove_file(path).unwrap());
        }
    }
    fs::remove_dir_all(directory).unwrap();
}

fn from_new(seed: u64, count: usize) {
    sequences("new", true, seed, count, || Hive::create(WRITE).unwrap());
}

fn from_real(name: &str, seed: u64, count: usize) {
    let image = fs::read(real(name)).unwrap();
    sequences(name, false, seed, count, || Hive::open(image.clone(), WRITE).unwrap());
}

#[test]
fn a_new_hive_is_what_was_put_into_it() {
    from_new(1, 150);
}

#[test]
fn a_real_hive_of_minor_version_3_is_what_it_was_changed_to() {
    from_real("BCD", 1, 100);
}

/// Its keys share 22 security descriptors, whose counts have to be right after keys were deleted.
#[test]
fn a_real_hive_with_many_descriptors_is_what_it_was_changed_to() {
    from_real("NTUSER.DAT", 1, 10);
}

#[test]
#[ignore = "ten minutes: 10,000 sequences, for changes to the writer"]
fn ten_thousand_sequences() {
    from_new(1_000_000, 7000);
    from_real("BCD", 2_000_000, 2900);
    from_real("NTUSER.DAT", 3_000_000, 100);
}

/// Nearly all of its 30,000 keys are deleted, one below the root at a time.
#[test]
fn a_large_real_hive_is_what_it_was_changed_to() {
    from_real("SYSTEM", 1, 1);
}

/// Hives that libhivex changes: what it makes is read, is changed further, and is read by libhivex again.
#[test]
fn what_libhivex_writes_is_read_and_changed_further() {
    let directory = scratch("theirs");
    let bcd = fs::read(real("BCD")).unwrap();
    for seed in 0..24u64 {
        let path = directory.join("hive");
        let start = if seed % 2 == 0 { Hive::create(WRITE).unwrap().into_image() } else { bcd.clone() };
        fs::write(&path, start).unwrap();
        let meant = run(python("edit.py").args([seed.to_string(), "150".to_owned()]).arg(&path));
        let mut hive = Hive::open(fs::read(&path).unwrap(), WRITE).unwrap();
        let mut model = Key::read(&hive, hive.root());
        assert_same(&format!("hive {seed} of libhivex"), &model.dump(), &meant);
        let mut random = Random(seed << 1 | 1);
        changes(&mut hive, &mut model, &mut random, 40);
        hive.commit().unwrap();
        fs::write(&path, hive.image()).unwrap();
        assert_eq!(Hive::open(hive.into_image(), WRITE).unwrap().notes(), []);
        let theirs = run(python("trees.py").arg(&path));
        assert_same(&format!("hive {seed}, changed further"), &format!("==\n{}", model.dump()), &theirs);
    }
    fs::remove_dir_all(directory).unwrap();
}
