//! The journal of an ext filesystem: the fuzzer's bytes take the place of its first blocks.
//!
//! The filesystem around it is made once, without checksums (they would stop every change at the first block) and the
//! same every time; `debugfs` writes the journals that mutation starts from.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::{env, fs, process};

use anyhow::{Context, Result, ensure};
use disk::{MemSource, fs as filesystems};

use crate::filesystem::walk;

/// What makes the filesystem; the journal of 1024 blocks is the smallest there is.
const MKE2FS: &[&str] = &[
    "-q",
    "-F",
    "-t",
    "ext4",
    "-b",
    "1024",
    "-O",
    "^metadata_csum,^64bit",
    "-J",
    "size=1",
    "-U",
    "01234567-89ab-cdef-0123-456789abcdef",
];
/// Its size.
const SIZE: &str = "4M";
/// Where the superblock has its incompatible features, the first byte (kernel.org, "ext4 Data Structures and
/// Algorithms", section "Super Block").
const INCOMPAT: usize = 1024 + 0x60;
/// The filesystem has to be recovered, ibidem.
const RECOVER: u8 = 4;
/// How a journal's superblock begins: magic number and block type 4 (ibidem, section "Journal").
const JOURNAL: [u8; 8] = [0xC0, 0x3B, 0x39, 0x98, 0, 0, 0, 4];
/// Where a journal's superblock says at which block the log begins; 0 if it is empty (ibidem).
const LOG_START: Range<usize> = 0x1C..0x20;
/// Size of a block.
const BLOCK: usize = 1024;
/// How much of the journal the fuzzer's bytes are, at most: mke2fs puts its first blocks in one piece.
const MOST: usize = 64 * BLOCK;
/// What `debugfs` writes to the journal, each a transaction: blocks near the start hold the groups, bitmaps and inodes.
const JOURNALS: &[&[&str]] = &[
    &["jw -b 3,4,5,6,7,8,9,10 blocks"],
    &["jw -b 300,301,302 blocks", "jw -r 301", "jw -b 5,6 blocks"],
    &["jw -b 20,21,22,23,24,25,26,27,28,29 blocks", "jw -b 24 blocks", "jw -r 20,21"],
];

/// A journal of any content: opening is refused or gives the same tree twice, and that has an end.
pub(crate) fn journal(data: &[u8]) {
    static BASE: OnceLock<Option<(Vec<u8>, usize)>> = OnceLock::new();
    // Without mke2fs no seeds can be made either, which says so.
    let Some((base, at)) = BASE.get_or_init(|| base().ok()) else { return };
    let mut image = base.clone();
    image[INCOMPAT] |= RECOVER;
    for (to, byte) in image.iter_mut().skip(*at).take(MOST).zip(data) {
        *to = *byte;
    }
    let source = Arc::new(MemSource::new(image));
    let [one, two] = [0, 1].map(|_| filesystems::open(source.clone()));
    match (one, two) {
        (Ok(one), Ok(two)) => assert_eq!(walk(&*one), walk(&*two), "the same journal, replayed twice"),
        (one, two) => assert_eq!(one.is_ok(), two.is_ok(), "opening twice"),
    }
}

/// Journals of a few transactions.
pub(crate) fn seeds() -> Result<Vec<Vec<u8>>> {
    JOURNALS
        .iter()
        .map(|requests| {
            let image = make(requests)?;
            let at = start(&image)?;
            // debugfs does not fail when a request does.
            ensure!(image[at..][LOG_START] != [0; 4], "debugfs wrote no journal");
            let opened = filesystems::open(Arc::new(MemSource::new(&*image)));
            ensure!(opened.is_ok(), "the journal of a seed cannot be replayed: {:?}", opened.err());
            Ok(image[at..image.len().min(at + MOST)].to_vec())
        })
        .collect()
}

fn base() -> Result<(Vec<u8>, usize)> {
    let image = make(&[])?;
    let at = start(&image)?;
    Ok((image, at))
}

/// Where the journal begins.
fn start(image: &[u8]) -> Result<usize> {
    let block = image.chunks(BLOCK).position(|block| block.starts_with(&JOURNAL));
    Ok(block.context("no journal in the image")? * BLOCK)
}

/// The filesystem, with what `requests` of `debugfs` write to its journal.
fn make(requests: &[&str]) -> Result<Vec<u8>> {
    let scratch = env::temp_dir().join(format!("fuzz-journal-{}", process::id()));
    let result = make_in(&scratch, requests);
    fs::remove_dir_all(&scratch)?;
    result
}

fn make_in(scratch: &Path, requests: &[&str]) -> Result<Vec<u8>> {
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("directory/deeper"))?;
    fs::write(tree.join("directory/file"), vec![7; 4000])?;
    let mut mke2fs = Command::new("mke2fs");
    mke2fs.args(MKE2FS).args(["-E", "hash_seed=01234567-89ab-cdef-0123-456789abcdef"]).arg("-d").arg(&tree);
    run(mke2fs.args(["image", SIZE]), scratch)?;
    if !requests.is_empty() {
        // What is journalled are the filesystem's own first blocks, so that it stays one after recovery.
        let image = fs::read(scratch.join("image"))?;
        fs::write(scratch.join("blocks"), &image[3 * BLOCK..32 * BLOCK])?;
        fs::write(scratch.join("requests"), format!("jo\n{}\njc\n", requests.join("\n")))?;
        run(Command::new("debugfs").args(["-w", "-f", "requests", "image"]), scratch)?;
    }
    Ok(fs::read(scratch.join("image"))?)
}

fn run(command: &mut Command, directory: &Path) -> Result<()> {
    let output = command.current_dir(directory).output().context("is e2fsprogs installed?")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
