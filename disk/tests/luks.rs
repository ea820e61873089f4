//! LUKS against the programs that make and read it: headers and keys by cryptsetup, data of version 1 by qemu-img; headers of
//! version 2 with the same data by `cryptsetup convert`. None of this needs a kernel's device-mapper. What the kernel reads is
//! compared in the whole-program test `encrypted`.
//!
//! Needs the programs `cryptsetup` and `qemu-img` (Debian: cryptsetup-bin, qemu-utils).
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use disk::volume::luks::{Luks, Work};
use disk::{ErrorKind, MemSource, ReadAt};

/// The key that devices are made with, and those that are added: bytes of a key file, whatever they are.
const KEY: &[u8] = b"correct horse";
const BINARY_KEY: &[u8] = b"\x00\x01\n\xff\x00 \n";
const LONG_KEY: &[u8] = &[0xa5; 4096];
/// Few rounds: how long a key takes is not what is tested.
const ROUNDS: [&str; 2] = ["--pbkdf-force-iterations", "1000"];
/// Bytes of data on a device; no multiple of a megabyte.
const DATA: usize = (1 << 20) + 3 * 512;

/// A device under construction, as a file, with files for its keys.
struct Maker {
    directory: tempfile::TempDir,
}

impl Maker {
    /// A device of that type, made with [`KEY`].
    fn new(options: &[&str]) -> Maker {
        let maker = Maker { directory: tempfile::tempdir().unwrap() };
        fs::write(maker.path("device"), []).unwrap();
        fs::File::options().write(true).open(maker.path("device")).unwrap().set_len(18 << 20).unwrap();
        let mut words = vec!["luksFormat"];
        words.extend(options);
        words.extend(ROUNDS);
        maker.cryptsetup(&words, KEY, None);
        maker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs cryptsetup on the device with a key; `new` is a further one, of commands that take two.
    fn cryptsetup(&self, words: &[&str], key: &[u8], new: Option<&[u8]>) {
        fs::write(self.path("key"), key).unwrap();
        let mut command = Command::new("cryptsetup");
        command.args(words).arg("--batch-mode").arg("--key-file").arg(self.path("key"));
        command.arg(self.path("device"));
        if let Some(new) = new {
            fs::write(self.path("new"), new).unwrap();
            command.arg(self.path("new"));
        }
        run(&mut command);
    }

    /// Fills a device of version 1, and returns what with. It then has that size.
    fn fill(&self, header: u64) -> Vec<u8> {
        let plain: Vec<u8> = (0..DATA as u32).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
        fs::write(self.path("plain"), &plain).unwrap();
        fs::write(self.path("secret"), KEY).unwrap();
        let file = fs::File::options().write(true).open(self.path("device")).unwrap();
        file.set_len(header + DATA as u64).unwrap();
        let secret = format!("secret,id=key,file={}", self.path("secret").display());
        let target = format!(
            "driver=luks,key-secret=key,file.driver=file,file.filename={}",
            self.path("device").display()
        );
        let words = ["convert", "-n", "-f", "raw", "--object", &secret, "--target-image-opts"];
        run(Command::new("qemu-img").args(words).arg(self.path("plain")).arg(target));
        plain
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path("device")).unwrap()
    }

    fn open(&self) -> Luks {
        open(self.bytes()).unwrap()
    }

    fn uuid(&self) -> String {
        let output = Command::new("cryptsetup").arg("luksUUID").arg(self.path("device")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn open(bytes: Vec<u8>) -> disk::Result<Luks> {
    Luks::open(Arc::new(MemSource::new(bytes)))
}

/// What a key opens; `None` if it fits nothing.
fn unlock(luks: &Luks, key: &[u8]) -> Option<Vec<u8>> {
    let device = luks.unlock(key, Work::default()).unwrap()?;
    let mut all = vec![0; device.len() as usize];
    device.read_at(0, &mut all).unwrap();
    Some(all)
}

/// Where the data of a device of version 1 begins.
const PAYLOAD: u64 = 2 << 20;

#[test]
fn version_1_reads_as_it_was_written_under_all_ciphers_and_hashes() {
    for (cipher, bits, hash) in [
        ("aes-xts-plain64", "256", "sha256"),
        ("aes-xts-plain64", "512", "sha512"),
        ("aes-xts-plain64", "512", "sha1"),
        ("aes-xts-plain", "512", "sha256"),
        ("aes-cbc-essiv:sha256", "128", "sha1"),
        ("aes-cbc-essiv:sha256", "256", "sha512"),
        ("aes-cbc-plain64", "256", "sha256"),
        ("aes-cbc-plain", "256", "ripemd160"),
    ] {
        let what = format!("{cipher} {bits} {hash}");
        let options = [
            "--type",
            "luks1",
            "--cipher",
            cipher,
            "--key-size",
            bits,
            "--hash",
            hash,
            "--align-payload",
            "4096",
        ];
        let maker = Maker::new(&options);
        let plain = maker.fill(PAYLOAD);
        let luks = maker.open();
        assert_eq!((luks.version, luks.uuid.to_string()), (1, maker.uuid()), "{what}");
        assert!(unlock(&luks, KEY).unwrap() == plain, "{what}");
        assert_eq!(unlock(&luks, b"wrong"), None, "{what}");
    }
}

#[test]
fn version_2_reads_as_version_1_before_it() {
    let derivations: [&[&str]; 3] = [
        &["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"],
        &[
            "--pbkdf",
            "argon2i",
            "--pbkdf-force-iterations",
            "4",
            "--pbkdf-memory",
            "100",
            "--pbkdf-parallel",
            "3",
        ],
        &[
            "--pbkdf",
            "argon2id",
            "--pbkdf-force-iterations",
            "5",
            "--pbkdf-memory",
            "512",
            "--pbkdf-parallel",
            "4",
        ],
    ];
    for (derivation, hash) in derivations.into_iter().zip(["sha256", "sha512", "sha1"]) {
        let maker = Maker::new(&["--type", "luks1", "--hash", hash, "--align-payload", "4096"]);
        let plain = maker.fill(PAYLOAD);
        maker.cryptsetup(&["convert", "--type", "luks2"], KEY, None);
        let convert = [&["luksConvertKey"], derivation].concat();
        maker.cryptsetup(&convert, KEY, None);
        let luks = maker.open();
        assert_eq!((luks.version, luks.uuid.to_string()), (2, maker.uuid()));
        assert!(unlock(&luks, KEY).unwrap() == plain, "{derivation:?}");
        assert_eq!(unlock(&luks, b"wrong"), None, "{derivation:?}");
    }
}

#[test]
fn every_key_that_was_added_fits_until_its_slot_is_gone() {
    for kind in ["luks1", "luks2"] {
        let maker = Maker::new(&["--type", kind, "--pbkdf", "pbkdf2"]);
        let first = unlock(&maker.open(), KEY).unwrap();
        for (new, slot) in [(BINARY_KEY, "5"), (LONG_KEY, "3")] {
            let add = [&["luksAddKey", "--pbkdf", "pbkdf2", "--key-slot", slot], &ROUNDS[..]].concat();
            maker.cryptsetup(&add, KEY, Some(new));
        }
        let luks = maker.open();
        for key in [KEY, BINARY_KEY, LONG_KEY] {
            assert!(unlock(&luks, key).unwrap() == first, "{kind} {key:?}");
        }
        // The bytes of a key end nowhere but at their end.
        for key in [&BINARY_KEY[..3], &BINARY_KEY[..6], &LONG_KEY[1..], b""] {
            assert_eq!(unlock(&luks, key), None, "{kind} {key:?}");
        }
        maker.cryptsetup(&["luksRemoveKey"], BINARY_KEY, None);
        let luks = maker.open();
        assert_eq!(unlock(&luks, BINARY_KEY), None, "{kind}");
        assert!(unlock(&luks, KEY).unwrap() == first, "{kind}");
    }
}

#[test]
fn a_slot_is_tried_as_its_priority_says() {
    let maker = Maker::new(&["--type", "luks2", "--pbkdf", "pbkdf2"]);
    assert!(unlock(&maker.open(), KEY).is_some());
    maker.cryptsetup(&["config", "--key-slot", "0", "--priority", "ignore"], KEY, None);
    assert_eq!(unlock(&maker.open(), KEY), None);
    maker.cryptsetup(&["config", "--key-slot", "0", "--priority", "prefer"], KEY, None);
    assert!(unlock(&maker.open(), KEY).is_some());
    // A key of nothing opens nothing.
    let unbound =
        [&["luksAddKey", "--unbound", "--key-size", "256", "--pbkdf", "pbkdf2"], &ROUNDS[..]].concat();
    maker.cryptsetup(&unbound, KEY, Some(BINARY_KEY));
    assert_eq!(unlock(&maker.open(), BINARY_KEY), None);
}

#[test]
fn the_sound_copy_of_a_header_counts_and_of_two_the_newer_one() {
    const SIZE: usize = 0x4000;
    let maker = Maker::new(&["--type", "luks2", "--pbkdf", "pbkdf2"]);
    let before = maker.bytes();
    let plain = unlock(&maker.open(), KEY).unwrap();
    let add = [&["luksAddKey", "--pbkdf", "pbkdf2"], &ROUNDS[..]].concat();
    maker.cryptsetup(&add, KEY, Some(BINARY_KEY));
    let after = maker.bytes();

    // Each byte of the text counts, the mark and the version of a copy as well.
    let damages: [&[usize]; 6] = [&[0], &[7], &[0x100], &[0x1100], &[SIZE], &[SIZE + 0x1100]];
    for bytes in damages {
        let mut damaged = after.clone();
        bytes.iter().for_each(|byte| damaged[*byte] ^= 1);
        let luks = open(damaged).unwrap();
        assert_eq!(luks.uuid.to_string(), maker.uuid());
        assert!(unlock(&luks, BINARY_KEY).unwrap() == plain, "{bytes:?}");
    }
    let mut damaged = after.clone();
    damaged[0x1100] ^= 1;
    damaged[SIZE + 0x1100] ^= 1;
    assert_eq!(open(damaged).unwrap_err().kind(), ErrorKind::Corrupt);

    // A write that broke off after the first copy, and one that lost it: the newer one has the second key.
    for newer in [0..SIZE, SIZE..2 * SIZE] {
        let mut torn = after.clone();
        torn[..2 * SIZE].copy_from_slice(&before[..2 * SIZE]);
        torn[newer.clone()].copy_from_slice(&after[newer]);
        assert!(unlock(&open(torn).unwrap(), BINARY_KEY).unwrap() == plain);
    }
}

#[test]
fn what_is_not_understood_is_unsupported_and_damage_is_corrupt() {
    assert_eq!(open(vec![0; 1 << 20]).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(open(Vec::new()).unwrap_err().kind(), ErrorKind::NotFound);
    let unlocked = |bytes: Vec<u8>| open(bytes).unwrap().unlock(KEY, Work::default()).unwrap_err().kind();

    let maker = Maker::new(&["--type", "luks1"]);
    let good = maker.bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (at, bytes, expected) in [
        (8, &b"xyz\0"[..], ErrorKind::Unsupported),
        (40, b"ecb\0", ErrorKind::Unsupported),
        (72, b"md5\0", ErrorKind::Unsupported),
        // Detached, key length, iterations, stripes.
        (104, &[0; 4], ErrorKind::Unsupported),
        (108, &[0xff; 4], ErrorKind::Unsupported),
        (212, &[0xff; 4], ErrorKind::Unsupported),
        (252, &[0xff; 4], ErrorKind::Unsupported),
        // Data, or the only keyslot, past the end; a keyslot in no state.
        (104, &[0xff; 4], ErrorKind::Corrupt),
        (248, &[0xff; 4], ErrorKind::Corrupt),
        (208, &[1; 4], ErrorKind::Corrupt),
    ] {
        assert_eq!(unlocked(with(at, bytes)), expected, "{at}");
    }
    // Damaged material of a keyslot looks like a wrong key, as it does to cryptsetup.
    let mut damaged = good.clone();
    damaged[4096 + 70_000] ^= 1;
    assert_eq!(unlock(&open(damaged).unwrap(), KEY), None);

    let maker = Maker::new(&["--type", "luks2", "--pbkdf", "pbkdf2"]);
    let mut cut = maker.bytes();
    cut.truncate(1 << 20);
    assert_eq!(unlocked(cut), ErrorKind::Corrupt);
}
