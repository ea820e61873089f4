//! What the tests of this crate share: the real hives, and dumps of hives as this crate and libhivex read them.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests only")]

pub(crate) mod model;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use hivex::{Hive, Node, Options, Value, Visitor};
use sha1::{Digest, Sha1};

/// Hives as they came from their systems.
pub(crate) const REAL: &[&str] =
    &["BCD", "SECURITY", "NTUSER.DAT", "transactions_NTUSER.DAT", "amcache.hve", "SYSTEM"];

/// A directory for files of a test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The file of that name in `tests/data/hives.tar.xz`, which is unpacked once for all tests.
pub(crate) fn real(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hives.tar.xz");
        let length = fs::metadata(&archive).unwrap().len();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hives-of-{length}"));
        if !directory.exists() {
            let unpacked = scratch("hives");
            run(Command::new("tar").arg("-C").arg(&unpacked).arg("-xJf").arg(archive));
            // Another test may have been faster.
            if fs::rename(&unpacked, &directory).is_err() {
                fs::remove_dir_all(unpacked).unwrap();
            }
        }
        directory
    });
    directory.join(name)
}

/// The output of a program, which must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Debian's Python, which has libhivex.
pub(crate) fn python(script: &str) -> Command {
    let mut python = Command::new("/usr/bin/python3");
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(script));
    python
}

/// What libhivex reads of a hive.
pub(crate) fn libhivex(path: &Path) -> String {
    run(python("dump.py").arg(path))
}

/// What this crate reads of it, in the same form.
pub(crate) fn dump(hive: &Hive) -> String {
    let mut dump = Dump(String::new());
    writeln!(dump.0, "H {} {}", hive.root().handle(), hive.last_modified().unwrap().0).unwrap();
    hive.visit(hive.root(), &mut dump).unwrap();
    dump.0
}

struct Dump(String);

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

impl Visitor for Dump {
    type Error = hivex::Error;

    fn node_start(&mut self, hive: &Hive, node: Node, _: usize) -> hivex::Result<bool> {
        writeln!(
            self.0,
            "N {} {} {} {} {} {} {}",
            node.handle(),
            match hive.node_parent(node) {
                Ok(parent) => parent.map_or(0, Node::handle).to_string(),
                Err(_) => "None".to_owned(),
            },
            hex(&hive.node_name(node)?.to_bstring()),
            hive.node_timestamp(node)?.0,
            hive.node_struct_length(node)?,
            hive.node_nr_children(node).map_or("!".to_owned(), |count| count.to_string()),
            hive.node_nr_values(node).map_or("!".to_owned(), |count| count.to_string()),
        )
        .unwrap();
        Ok(true)
    }

    fn value(&mut self, hive: &Hive, _: Node, value: Value) -> hivex::Result<()> {
        let data = hive.value_value(value).map_or("!".to_owned(), |data| hex(&Sha1::digest(&data)));
        writeln!(
            self.0,
            "V {} {} {} {} {} {data} {} {}",
            value.handle(),
            hex(&hive.value_key(value)?.to_bstring()),
            hive.value_type(value)?.0,
            hive.value_len(value)?,
            hive.value_struct_length(value)?,
            meaning(hive, value),
            match hive.value_data_cell_offset(value) {
                Ok(Some((offset, len))) => format!("{offset} {len}"),
                Ok(None) => "0 0".to_owned(),
                Err(_) => "!".to_owned(),
            },
        )
        .unwrap();
        Ok(())
    }
}

/// What a value means by its type, as `dump.py` prints it.
fn meaning(hive: &Hive, value: Value) -> String {
    let meaning = match hive.value_type(value).unwrap().0 {
        1 | 2 | 6 => hive.value_string(value).map(|text| hex(&text)),
        4 | 5 => hive.value_dword(value).map(|number| number.to_string()),
        7 => hive.value_multiple_strings(value).map(|texts| {
            let texts: Vec<String> = texts.iter().map(|text| hex(text)).collect();
            format!("{}.", texts.join("/"))
        }),
        11 => hive.value_qword(value).map(|number| number.to_string()),
        _ => Ok("-".to_owned()),
    };
    meaning.unwrap_or("!".to_owned())
}

/// Opens a file to be read, whatever is wrong with it.
pub(crate) fn open(path: &Path) -> Hive {
    Hive::open(fs::read(path).unwrap(), Options::default()).unwrap()
}

/// Panics at the first line that differs.
#[track_caller]
pub(crate) fn assert_same(what: &str, ours: &str, theirs: &str) {
    for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "{what}, line {number}");
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}");
}

/// xorshift64* (Vigna 2016): the same sequence everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap() % bound.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
