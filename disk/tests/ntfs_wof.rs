//! Files compressed by WOF, with chunks that wimlib made: see `support/wof_ntfs.py`.
#![allow(
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use disk::fs::Filesystem;
use sha2::{Digest, Sha256};

#[path = "support/ntfs.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod support;

use support::{image, read, walk};

/// Bytes that are read at a time: no part of a chunk.
const PIECE: usize = 3001;

/// Every size of chunks, and files from less than one to some of them.
#[test]
fn chunks_made_by_wimlib_are_read() {
    let fs = image("wof");
    let sums = String::from_utf8(read(&fs, walk(&fs, "sums")).unwrap()).unwrap();
    assert_eq!(sums.lines().count(), 4 * 12);
    for line in sums.lines() {
        let [sum, size, path] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let inode = walk(&fs, path);
        assert_eq!(fs.metadata(inode).unwrap().size.to_string(), size, "{path}");
        let whole = read(&fs, inode).unwrap();
        assert_eq!(format!("{:x}", Sha256::digest(&whole)), sum, "{path}");
        // In pieces that begin and end within chunks, forwards and backwards.
        let forwards: Vec<usize> = (0..whole.len()).step_by(PIECE).collect();
        let backwards = forwards.iter().rev().copied().collect();
        for offsets in [forwards, backwards] {
            let mut again = vec![0; whole.len()];
            let mut file = fs.open(inode).unwrap();
            for at in offsets {
                let end = whole.len().min(at + PIECE);
                assert_eq!(file.read_at(at as u64, &mut again[at..end]).unwrap(), end - at, "{path}");
            }
            assert!(again == whole, "{path}");
        }
    }
}
