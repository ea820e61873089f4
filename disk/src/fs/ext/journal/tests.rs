//! Recovery of journals made by hand: each test writes a log block by block and says what the filesystem then holds.

use std::sync::Arc;

use super::checksum::crc32_be;
use super::{JournalFile, Run, replay};
use crate::crc::crc32c;
use crate::{ErrorKind, MemSource, ReadAt, Result};

const BLOCK: usize = 1024;
/// Blocks of the journal and of its filesystem; the journal lies at the filesystem's end.
const JOURNAL: u32 = 1024 + 300;
const BEFORE: u32 = 100;
const UUID: [u8; 16] = *b"journal's uuid..";
const MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];

/// A checksum format and width of block numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    V1Superblock,
    Plain,
    Wide,
    Crc32,
    Csum2,
    Csum2Wide,
    Csum3,
}
use Kind::*;

const KINDS: [Kind; 7] = [V1Superblock, Plain, Wide, Crc32, Csum2, Csum2Wide, Csum3];

/// A journal in the making. The log is written block after block from `next` on, and wraps.
struct Maker {
    kind: Kind,
    blocks: Vec<[u8; BLOCK]>,
    next: u32,
    start: u32,
    sequence: u32,
    first_sequence: u32,
    crc: u32,
    time: u64,
    incompat: u32,
    fast_blocks: u32,
}

/// What a transaction does with one block: gives it a content, which starts with the given bytes.
type Write<'a> = (u64, &'a [u8]);

impl Maker {
    fn new(kind: Kind, start: u32, sequence: u32) -> Self {
        let incompat = match kind {
            V1Superblock | Plain | Crc32 => 0x1,
            Wide => 0x3,
            Csum2 => 0x9,
            Csum2Wide => 0xB,
            Csum3 => 0x13,
        };
        let blocks = vec![[0; BLOCK]; JOURNAL as usize];
        let (first_sequence, crc) = (sequence, !0);
        let (time, fast_blocks, next) = (1000, 0, start);
        Maker { kind, blocks, next, start, sequence, first_sequence, crc, time, incompat, fast_blocks }
    }

    fn seed(&self) -> Option<u32> {
        matches!(self.kind, Csum2 | Csum2Wide | Csum3).then(|| crc32c(!0, &UUID))
    }

    fn wide(&self) -> bool {
        self.incompat & 2 != 0
    }

    fn put(&mut self, block: [u8; BLOCK]) -> usize {
        let at = self.next;
        self.blocks[at as usize] = block;
        self.next = if at + 1 == JOURNAL - self.fast_blocks { 1 } else { at + 1 };
        at as usize
    }

    fn header(&self, kind: u32) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(&MAGIC);
        block[4..8].copy_from_slice(&kind.to_be_bytes());
        block[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        block
    }

    fn with_tail(&self, mut block: [u8; BLOCK]) -> [u8; BLOCK] {
        if let Some(seed) = self.seed() {
            let crc = crc32c(seed, &block);
            block[BLOCK - 4..].copy_from_slice(&crc.to_be_bytes());
        }
        block
    }

    /// A descriptor and its data; returns where the descriptor lies.
    fn write(&mut self, writes: &[Write<'_>]) -> usize {
        let mut descriptor = self.header(1);
        let mut at = 12;
        let mut datas = Vec::new();
        for (i, (number, start)) in writes.iter().enumerate() {
            let mut data = [0x55; BLOCK];
            data[..start.len()].copy_from_slice(start);
            let escaped = data[..4] == MAGIC;
            if escaped {
                data[..4].fill(0);
            }
            // The first tag of a block carries the UUID, the others say "the same".
            let flags =
                u16::from(escaped) | if i > 0 { 2 } else { 0 } | if i + 1 == writes.len() { 8 } else { 0 };
            let crc = self.seed().map(|seed| crc32c(crc32c(seed, &self.sequence.to_be_bytes()), &data));
            let mut tag = (*number as u32).to_be_bytes().to_vec();
            match self.kind {
                Csum3 => tag.extend(u32::from(flags).to_be_bytes()),
                _ => {
                    tag.extend((crc.unwrap_or(0) as u16).to_be_bytes());
                    tag.extend(flags.to_be_bytes());
                }
            }
            if self.wide() || self.kind == Csum3 {
                tag.extend(((number >> 32) as u32).to_be_bytes());
            }
            match self.kind {
                Csum3 => tag.extend(crc.unwrap_or(0).to_be_bytes()),
                Csum2 | Csum2Wide => tag.extend([0; 2]),
                _ => {}
            }
            if i == 0 {
                tag.extend(UUID);
            }
            descriptor[at..at + tag.len()].copy_from_slice(&tag);
            at += tag.len();
            datas.push(data);
        }
        let descriptor = self.with_tail(descriptor);
        self.crc = crc32_be(self.crc, &descriptor);
        let place = self.put(descriptor);
        for data in datas {
            self.crc = crc32_be(self.crc, &data);
            self.put(data);
        }
        place
    }

    fn revoke(&mut self, numbers: &[u64]) {
        let mut block = self.header(5);
        let mut at = 16;
        for number in numbers {
            let bytes = number.to_be_bytes();
            let bytes = if self.wide() { &bytes[..] } else { &bytes[4..] };
            block[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        }
        block[12..16].copy_from_slice(&(at as u32).to_be_bytes());
        let block = self.with_tail(block);
        self.put(block);
    }

    /// A commit block; returns where it lies.
    fn commit(&mut self) -> usize {
        let mut block = self.header(2);
        self.time += 5;
        block[48..56].copy_from_slice(&self.time.to_be_bytes());
        if self.kind == Crc32 {
            block[12..14].copy_from_slice(&[1, 4]);
            block[16..20].copy_from_slice(&self.crc.to_be_bytes());
        }
        if let Some(seed) = self.seed() {
            let crc = crc32c(seed, &block);
            block[16..20].copy_from_slice(&crc.to_be_bytes());
        }
        self.crc = !0;
        self.sequence = self.sequence.wrapping_add(1);
        self.put(block)
    }

    fn superblock(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, n: u32| block[at..at + 4].copy_from_slice(&n.to_be_bytes());
        let kind = if self.kind == V1Superblock { 3 } else { 4 };
        for (i, n) in
            [kind, 0, BLOCK as u32, JOURNAL, 1, self.first_sequence, self.start].into_iter().enumerate()
        {
            put(4 + 4 * i, n);
        }
        if self.kind != V1Superblock {
            put(36, u32::from(self.kind == Crc32));
            put(40, self.incompat);
            put(84, self.fast_blocks);
        }
        block[..4].copy_from_slice(&MAGIC);
        block[48..64].copy_from_slice(&UUID);
        if self.seed().is_some() {
            block[80] = 4;
            let crc = crc32c(!0, &block);
            block[252..256].copy_from_slice(&crc.to_be_bytes());
        }
        block
    }

    /// The filesystem after recovery.
    fn recover(mut self) -> Result<Arc<dyn ReadAt>> {
        self.blocks[0] = self.superblock();
        let mut bytes: Vec<u8> = (0..BEFORE).flat_map(|n| [n as u8; BLOCK]).collect();
        // The journal's second half lies before its first.
        let half = JOURNAL / 2;
        for n in (half..JOURNAL).chain(0..half) {
            bytes.extend(self.blocks[n as usize]);
        }
        let runs = vec![
            Run { logical: 0, physical: u64::from(BEFORE + JOURNAL - half), count: half },
            Run { logical: half, physical: u64::from(BEFORE), count: JOURNAL - half },
        ];
        let file = JournalFile::new(Arc::new(MemSource::new(bytes)), BLOCK as u32, JOURNAL, runs);
        Ok(replay(&file)?.source)
    }
}

/// The first bytes of block `n`.
fn block(fs: &Arc<dyn ReadAt>, n: u64) -> [u8; 5] {
    let mut buf = [0; 5];
    fs.read_at(n * BLOCK as u64, &mut buf).unwrap();
    buf
}

fn untouched(n: u8) -> [u8; 5] {
    [n; 5]
}

fn fails(maker: Maker) -> ErrorKind {
    maker.recover().unwrap_err().kind()
}

#[test]
fn every_format_gives_back_what_its_complete_transactions_wrote() {
    for kind in KINDS {
        // In the middle of the ring; and wrapping around its end, with sequence numbers that wrap too.
        for (start, sequence) in [(5, 7), (JOURNAL - 3, u32::MAX - 1)] {
            let mut log = Maker::new(kind, start, sequence);
            log.write(&[(10, b"old10"), (11, b"old11"), (12, &MAGIC)]);
            log.write(&[(13, b"old13")]);
            log.commit();
            log.write(&[(10, b"new10")]);
            log.commit();
            log.write(&[(14, b"new14")]);
            log.commit();
            log.write(&[(15, b"never")]);
            let fs = log.recover().unwrap_or_else(|e| panic!("{kind:?} {start}: {e}"));
            let found = [10, 11, 12, 13, 14, 15].map(|n| block(&fs, n));
            let escaped = [0xC0, 0x3B, 0x39, 0x98, 0x55];
            let expected = [*b"new10", *b"old11", escaped, *b"old13", *b"new14", untouched(15)];
            assert_eq!(found, expected, "{kind:?} from block {start}, transaction {sequence}");
        }
    }
}

#[test]
fn a_revoked_block_is_replayed_only_from_later_transactions() {
    for kind in KINDS {
        for sequence in [7, u32::MAX - 1] {
            let mut log = Maker::new(kind, 5, sequence);
            log.write(&[(10, b"ten.1"), (11, b"elev1"), (12, b"twel1"), (13, b"thir1")]);
            log.commit();
            log.write(&[(11, b"elev2")]);
            log.revoke(&[10, 11, 12]);
            log.commit();
            log.write(&[(12, b"twel3")]);
            log.commit();
            let fs = log.recover().unwrap();
            let found = [10, 11, 12, 13].map(|n| block(&fs, n));
            assert_eq!(found, [untouched(10), untouched(11), *b"twel3", *b"thir1"], "{kind:?} {sequence}");
        }
    }
}

#[test]
fn a_revoke_of_an_interrupted_transaction_does_not_count() {
    for kind in KINDS {
        let mut log = Maker::new(kind, 5, 7);
        log.write(&[(10, b"ten.1")]);
        log.commit();
        log.revoke(&[10]);
        assert_eq!(block(&log.recover().unwrap(), 10), *b"ten.1", "{kind:?}");
    }
}

#[test]
fn an_empty_log_changes_nothing_and_an_older_log_in_the_ring_is_not_seen() {
    for kind in KINDS {
        let mut log = Maker::new(kind, 5, 7);
        log.write(&[(10, b"never")]);
        log.commit();
        let mut empty = Maker::new(kind, 0, 7);
        empty.blocks = log.blocks.clone();
        assert_eq!(block(&empty.recover().unwrap(), 10), untouched(10), "{kind:?}");
        log.first_sequence = 8;
        assert_eq!(block(&log.recover().unwrap(), 10), untouched(10), "{kind:?}");
    }
}

#[test]
fn wrong_checksums_fail_as_in_the_kernel() {
    // Which byte of which block is damaged; in which formats that is noticed.
    let crc32c: &[Kind] = &[Csum2, Csum2Wide, Csum3];
    let all: &[Kind] = &[Crc32, Csum2, Csum2Wide, Csum3];
    for (what, byte, noticed) in [
        ("descriptor", 500, all),
        ("data", 1500, all),
        ("revoke", 2 * 1024 + 500, crc32c),
        ("commit", 3 * 1024 + 16, all),
    ] {
        for kind in KINDS {
            let mut log = Maker::new(kind, 5, 7);
            let at = log.write(&[(10, b"ten.1")]);
            log.revoke(&[90]);
            log.commit();
            log.blocks[at + byte / BLOCK][byte % BLOCK] ^= 4;
            match log.recover() {
                Err(e) if noticed.contains(&kind) => assert_eq!(e.kind(), ErrorKind::Corrupt),
                Ok(_) if !noticed.contains(&kind) => {}
                other => panic!("{what} damaged in {kind:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_remains_of_an_older_journal_end_the_log() {
    for kind in [Csum2, Csum2Wide, Csum3] {
        let mut log = Maker::new(kind, 5, 7);
        log.write(&[(10, b"ten.1")]);
        log.commit();
        let old = log.write(&[(11, b"never")]);
        log.time = 0;
        log.commit();
        log.blocks[old][BLOCK - 1] ^= 1;
        let fs = log.recover().unwrap();
        assert_eq!([block(&fs, 10), block(&fs, 11)], [*b"ten.1", untouched(11)], "{kind:?}");
    }
}

#[test]
fn an_asynchronous_commit_with_a_wrong_checksum_ends_the_log_if_it_is_the_last() {
    for (followed, kind) in [(false, Crc32), (true, Crc32), (false, Csum3), (true, Csum3)] {
        let mut log = Maker::new(kind, 5, 7);
        log.incompat |= 0x4;
        log.write(&[(10, b"ten.1")]);
        log.commit();
        log.write(&[(11, b"never")]);
        let commit = log.commit();
        log.blocks[commit][17] ^= 1;
        if followed {
            log.write(&[(12, b"never")]);
            log.commit();
        }
        match log.recover() {
            // With version 1 checksums a later commit shows that this one was complete, and is damaged.
            Err(e) => assert_eq!((e.kind(), followed, kind), (ErrorKind::Corrupt, true, Crc32)),
            Ok(fs) => {
                assert!(!followed || kind == Csum3);
                assert_eq!([10, 11, 12].map(|n| block(&fs, n)), [*b"ten.1", untouched(11), untouched(12)]);
            }
        }
    }
}

#[test]
fn a_version_1_commit_may_leave_its_checksum_out() {
    let mut log = Maker::new(Crc32, 5, 7);
    log.write(&[(10, b"ten.1")]);
    let commit = log.commit();
    log.blocks[commit][12..20].fill(0);
    log.write(&[(11, b"never")]);
    let fs = log.recover().unwrap();
    assert_eq!(block(&fs, 10), *b"ten.1");
}

#[test]
fn fast_commits_of_the_next_transaction_are_refused_and_others_ignored() {
    let head = |len: u16, sequence: u32| {
        let mut block = [0; BLOCK];
        block[..2].copy_from_slice(&9u16.to_le_bytes());
        block[2..4].copy_from_slice(&len.to_le_bytes());
        block[8..12].copy_from_slice(&sequence.to_le_bytes());
        block
    };
    for (fast, expected) in [
        ([0; BLOCK], Ok(*b"ten.1")),
        (head(8, 7), Ok(*b"ten.1")),
        (head(8, 8), Err(ErrorKind::Unsupported)),
        (head(9, 7), Err(ErrorKind::Unsupported)),
    ] {
        let mut log = Maker::new(Csum3, 5, 7);
        log.incompat |= 0x20;
        log.fast_blocks = 256;
        log.blocks[(JOURNAL - 255) as usize] = fast;
        // The log wraps before the fast commit area.
        log.next = JOURNAL - 256 - 2;
        log.start = log.next;
        log.write(&[(11, b"elev1"), (10, b"ten.1")]);
        log.commit();
        assert_eq!(log.recover().map(|fs| block(&fs, 10)).map_err(|e| e.kind()), expected);
    }
}

#[test]
fn damaged_logs_end_in_errors() {
    // A log that fills the whole ring with descriptors of one transaction never ends.
    let mut endless = Maker::new(Plain, 1, 7);
    for _ in 1..JOURNAL {
        endless.write(&[]);
    }
    assert_eq!(fails(endless), ErrorKind::Corrupt);
    // Blocks outside of the filesystem, and of the journal itself.
    for target in [u64::from(BEFORE), u64::from(BEFORE + JOURNAL), u64::from(BEFORE + JOURNAL) - 1] {
        let mut log = Maker::new(Plain, 5, 7);
        log.write(&[(target, b"")]);
        log.commit();
        assert_eq!(fails(log), ErrorKind::Corrupt, "block {target}");
    }
    // More revoke records than fit.
    let mut log = Maker::new(Plain, 5, 7);
    log.revoke(&[1]);
    log.blocks[5][12..16].copy_from_slice(&1025u32.to_be_bytes());
    assert_eq!(fails(log), ErrorKind::Corrupt);
}

#[test]
fn superblocks_that_the_kernel_refuses_are_refused() {
    use ErrorKind::{Corrupt, Unsupported};
    let cases: [(&str, Kind, usize, u32, ErrorKind); 12] = [
        ("magic", Plain, 0, 0, Corrupt),
        ("type", Plain, 4, 5, Corrupt),
        ("block size", Plain, 12, 2048, Corrupt),
        ("longer than its file", Plain, 16, JOURNAL + 1, Corrupt),
        ("too short", Plain, 16, 1023, Corrupt),
        ("first block 0", Plain, 20, 0, Corrupt),
        ("ring too short", Plain, 20, 302, Corrupt),
        ("start", Plain, 28, JOURNAL, Corrupt),
        ("unknown feature", Plain, 40, 0x41, Unsupported),
        ("two checksum formats", Plain, 40, 0x18, Corrupt),
        ("checksum type", Csum3, 80, 0x0100_0000, Corrupt),
        ("checksum", Csum3, 252, 1, Corrupt),
    ];
    for (what, kind, at, value, expected) in cases {
        let mut block = Maker::new(kind, 5, 7).superblock();
        assert!(super::format::Superblock::parse(&block, JOURNAL).is_ok());
        block[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let error = super::format::Superblock::parse(&block, JOURNAL).unwrap_err();
        assert_eq!(error.kind(), expected, "{what}");
    }
}
