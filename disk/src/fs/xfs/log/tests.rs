//! Logs made for the purpose: where they begin and end, and what transactions come out of them.

use std::sync::Arc;

use super::head::{self, Ends};
use super::record::{Checksums, Walk, walk};
use super::ring::{BLOCK, RECORD_MAGIC, Ring};
use super::transaction::{Transaction, Transactions, kind, order};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{MemSource, Result};

const UUID: [u8; 16] = *b"this filesystem.";
const COMMIT: u8 = 2;
const START: u8 = 1;
const UNMOUNT: u8 = 0x20;
/// Blocks in a log: more than eight records of the longest kind.
const BLOCKS: usize = 6000;

/// A log that is being written.
struct Log {
    blocks: Vec<[u8; BLOCK]>,
    at: usize,
    cycle: u32,
    /// Of the next records.
    tail: u64,
    /// Longest record, as it says itself.
    size: u32,
}

impl Log {
    /// A log that was never written to, or gone round once if `cycle` is not 1.
    fn new(at: usize, cycle: u32) -> Self {
        let old = cycle.wrapping_sub(1);
        let mut blocks = vec![[0; BLOCK]; BLOCKS];
        for (nr, block) in blocks.iter_mut().enumerate() {
            let cycle = if nr < at { cycle } else { old };
            block[..4].copy_from_slice(&cycle.to_be_bytes());
        }
        let tail = u64::from(cycle) << 32 | at as u64;
        Log { blocks, at, cycle, tail, size: 32 << 10 }
    }

    fn operation(number: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
        let mut operation = number.to_be_bytes().to_vec();
        operation.extend((bytes.len() as u32).to_be_bytes());
        operation.extend([0x69, flags, 0, 0]);
        operation.extend(bytes);
        operation
    }

    /// Writes a record of `operations`; gives where.
    fn record(&mut self, operations: &[Vec<u8>]) -> usize {
        let start = self.at;
        let mut data = operations.concat();
        data.resize(data.len().next_multiple_of(BLOCK), 0);
        let headers = self.size.div_ceil(32 << 10) as usize;
        let mut header = vec![0; headers * BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &RECORD_MAGIC.to_be_bytes());
        put(4, &self.cycle.to_be_bytes());
        put(8, &2_u32.to_be_bytes());
        put(12, &(data.len() as u32).to_be_bytes());
        put(16, &(u64::from(self.cycle) << 32 | start as u64).to_be_bytes());
        put(24, &self.tail.to_be_bytes());
        put(40, &(operations.len() as u32).to_be_bytes());
        put(300, &1_u32.to_be_bytes());
        put(304, &UUID);
        put(320, &self.size.to_be_bytes());
        let cycle_at = |nr: usize| if start + nr < BLOCKS { self.cycle } else { self.cycle + 1 };
        for nr in 1..headers {
            put(nr * BLOCK, &cycle_at(nr).to_be_bytes());
        }
        for (nr, block) in data.chunks_mut(BLOCK).enumerate() {
            let word = if nr < 64 { 44 + nr * 4 } else { nr / 64 * BLOCK + 4 + nr % 64 * 4 };
            put(word, &block[..4]);
            block[..4].copy_from_slice(&cycle_at(headers + nr).to_be_bytes());
        }
        let mut crc = crc32c(!0, &header[..328]);
        for block in header.chunks(BLOCK).take(data.len().div_ceil(32 << 10)).skip(1) {
            crc = crc32c(crc, &block[..260]);
        }
        let crc = !crc32c(crc, &data);
        header[32..36].copy_from_slice(&crc.to_le_bytes());
        header.extend(data);
        for block in header.chunks(BLOCK) {
            self.blocks[self.at].copy_from_slice(block);
            self.at += 1;
            if self.at == BLOCKS {
                self.at = 0;
                self.cycle += 1;
            }
        }
        start
    }

    /// A record of `blocks` blocks of data: nothing but a transaction that is never done.
    fn filler(&mut self, blocks: usize) -> usize {
        self.record(&[Log::operation(7, START, &[]), Log::operation(7, 0, &vec![0; blocks * BLOCK - 100])])
    }

    fn unmount(&mut self) -> usize {
        self.record(&[Log::operation(9, UNMOUNT, b"Un\0\0\0\0\0\0")])
    }

    fn ring(&self) -> Ring {
        Ring::of(Arc::new(MemSource::new(self.blocks.concat())))
    }

    fn ends(&self) -> Result<Ends> {
        head::find(&self.ring(), &UUID, 0)
    }

    /// Head and tail, and whether it was unmounted; or what is wrong.
    fn found(&self) -> std::result::Result<(usize, usize, bool), String> {
        let chain = |e: crate::Error| {
            std::iter::successors(Some(&e as &dyn std::error::Error), |e| e.source())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ")
        };
        self.ends().map(|ends| (ends.head as usize, ends.tail as usize, ends.clean)).map_err(chain)
    }

    /// Makes block `nr` look as if it had not been written in this cycle.
    fn unwrite(&mut self, nr: usize, cycle: u32) {
        self.blocks[nr] = [0xEE; BLOCK];
        self.blocks[nr][..4].copy_from_slice(&cycle.to_be_bytes());
    }
}

#[test]
fn a_log_that_ends_with_an_unmount_is_clean() {
    for (at, cycle) in [(0, 1), (100, 3), (5000, 3), (BLOCKS - 2, 3), (BLOCKS - 1, 3)] {
        let mut log = Log::new(at, cycle);
        if at > 0 {
            log.at -= 10;
            log.filler(9);
        }
        log.unmount();
        assert_eq!(log.found(), Ok((log.at, log.at, true)), "from block {at} on");
        log.filler(3);
        assert!(!log.found().unwrap().2, "from block {at} on");
    }
}

#[test]
fn records_are_found_wherever_they_are() {
    // The last of them lies across the end of the ring, in its data and in its header.
    for size in [32 << 10, 256 << 10] {
        let headers = size as usize >> 15;
        for at in
            [0, 1, 500, 1000, BLOCKS - 60, BLOCKS - 41 - 3 * headers, BLOCKS - 40 - 3 * headers, BLOCKS - 32]
        {
            for cycle in [1, 2, 7] {
                if cycle == 1 && at != 0 {
                    continue;
                }
                let mut log = Log::new(at, cycle);
                log.size = size;
                let start = at;
                let blocks = [5, 12, 20, 1, 30];
                for count in blocks {
                    log.filler(count);
                }
                assert_eq!(log.found(), Ok((log.at, start, false)), "from block {at} of cycle {cycle} on");
                let mut seen = Vec::new();
                let ends = log.ends().unwrap();
                let end = walk(&log.ring(), ends.head, ends.tail, Checksums::Strict, 0, |record, data| {
                    assert_eq!((data.len() / BLOCK, record.operations), (record.len as usize / BLOCK, 2));
                    seen.push(data.len() / BLOCK);
                    // What the cycles replaced is back in its place.
                    let mut rest = data.chunks(BLOCK).skip(1);
                    assert!(rest.all(|block| block[..4] == [0; 4]));
                    Ok(())
                });
                assert!(matches!(end.unwrap(), Walk::Done));
                assert_eq!(seen, blocks);
            }
        }
    }
}

#[test]
fn a_log_of_zeros_has_nothing() {
    let mut log = Log::new(0, 1);
    log.blocks = vec![[0; BLOCK]; BLOCKS];
    assert_eq!(log.found(), Ok((0, 0, false)));
}

#[test]
fn records_that_were_not_written_to_their_end_do_not_count() {
    for (at, cycle) in [(0, 1), (300, 4), (BLOCKS - 90, 4), (BLOCKS - 30, 4)] {
        let mut log = Log::new(at, cycle);
        let good = log.filler(20);
        let last = log.filler(30);
        let cycle_of = |nr: usize| if nr < at { cycle } else { cycle - 1 };
        let block = |by: usize| (last + by) % BLOCKS;
        // Neither its last blocks, nor one in the midst of it, nor its start.
        for missing in [30, 15, 1, 0] {
            let mut torn = Log { blocks: log.blocks.clone(), ..log };
            torn.unwrite(block(missing), cycle_of(block(missing)));
            assert_eq!(torn.found(), Ok((last, good, false)), "without block {missing}, from {at} on");
        }
        // All is written, but something else.
        let mut torn = Log { blocks: log.blocks.clone(), ..log };
        torn.blocks[block(15)][77] ^= 1;
        assert_eq!(torn.found(), Ok((last, good, false)), "from {at} on");
    }
}

#[test]
fn damage_further_back_than_writes_are_under_way_is_damage() {
    for (behind, right) in [(8, true), (9, false)] {
        let mut log = Log::new(300, 4);
        let mut starts = Vec::new();
        for _ in 0..20 {
            // Long enough that the tail is out of reach.
            starts.push(log.filler(60));
        }
        let bad = starts[starts.len() - behind];
        log.blocks[bad + 5][100] ^= 1;
        let found = log.found();
        if right {
            assert_eq!(found, Ok((bad, 300, false)));
        } else {
            let error = found.unwrap_err();
            assert!(error.contains("checksum"), "{error}");
        }
    }
}

#[test]
fn a_tail_that_was_overwritten_moves_on() {
    // Nearly full: the next records are already written over the tail, then lost again.
    let mut log = Log::new(70, 4);
    let mut starts = Vec::new();
    while log.at + 70 < BLOCKS {
        starts.push(log.filler(60));
    }
    log.blocks[starts[0] + 7][9] ^= 1;
    assert_eq!(log.found(), Ok((log.at, starts[1], false)));
    // Too far from the head to have been overwritten.
    let far = starts[starts.len() / 2];
    log.blocks[far + 7][9] ^= 1;
    assert!(log.found().unwrap_err().contains("checksum"));
}

#[test]
fn a_log_of_another_filesystem_is_refused() {
    let mut log = Log::new(300, 4);
    let start = log.filler(20);
    log.blocks[start][304] ^= 1;
    assert!(log.found().unwrap_err().contains("another filesystem"));
}

#[test]
fn a_tail_beyond_the_head_is_refused() {
    let mut log = Log::new(300, 4);
    log.tail = 4 << 32 | 5000;
    log.filler(20);
    assert!(log.found().is_err());
}

/// An item of `kind` with its regions; the first gets kind and number of regions in front.
fn item(kind: u16, regions: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut regions: Vec<_> = regions.iter().map(|region| region.to_vec()).collect();
    let mut first = kind.to_le_bytes().to_vec();
    first.extend((regions.len() as u16).to_le_bytes());
    first.append(&mut regions[0]);
    regions[0] = first;
    regions
}

const HEADER: &[u8] = b"NART\0\0\0\0\0\0\0\0\0\0\0\0";

/// The transactions of records, each an item for each line: its regions, printed.
fn transactions(records: &[Vec<Vec<u8>>], formats_only: bool) -> Result<Vec<(u64, Vec<String>)>> {
    let mut log = Log::new(300, 4);
    for operations in records {
        log.record(operations);
    }
    let ends = log.ends()?;
    let mut found = Vec::new();
    let mut open = Transactions::new(UUID, formats_only);
    let print = |transaction: &Transaction| -> Result<Vec<String>> {
        order(transaction)?
            .iter()
            .map(|item| {
                let regions = (0..item.len()).map(|nr| Ok(item.region(nr)?.escape_ascii().to_string()));
                Ok(regions.collect::<Result<Vec<_>>>()?.join(" "))
            })
            .collect()
    };
    let end = walk(&log.ring(), ends.head, ends.tail, Checksums::Strict, 0, |record, data| {
        open.take(record, data, &mut |transaction| {
            found.push((transaction.lsn & 0xFFFF_FFFF, print(transaction)?));
            Ok(())
        })
    })?;
    super::record::failed(end)?;
    Ok(found)
}

#[test]
fn transactions_are_put_together_from_their_pieces() {
    const CONTINUE: u8 = 4;
    const WAS_CONTINUED: u8 = 8;
    const END: u8 = 0x10;
    let op = Log::operation;
    let [format, data]: [Vec<u8>; 2] = item(kind::INODE, &[b"format", b"data"]).try_into().unwrap();
    let [other]: [Vec<u8>; 1] = item(kind::DQUOT, &[b"quota"]).try_into().unwrap();
    let first = vec![
        // The rest of one that started before the tail.
        op(3, WAS_CONTINUED | END, b"rest"),
        op(3, COMMIT, b""),
        op(1, START, b""),
        op(1, 0, HEADER),
        op(1, CONTINUE, &format[..4]),
        op(2, START, b""),
        op(2, CONTINUE, &HEADER[..8]),
    ];
    let second = vec![
        op(1, WAS_CONTINUED | CONTINUE, &format[4..6]),
        op(2, WAS_CONTINUED | END, &HEADER[8..]),
        op(2, 0, &other),
    ];
    let third = vec![
        op(1, WAS_CONTINUED | END, &format[6..]),
        op(1, 0, &data),
        op(2, COMMIT, b""),
        op(1, 0, &other),
        op(1, COMMIT, b""),
        // Never done.
        op(2, START, b""),
        op(2, 0, HEADER),
        op(2, 0, &other),
    ];
    let records = [first, second, third];
    let quota = "=\\x12\\x01\\x00quota".to_owned();
    let inode = ";\\x12\\x02\\x00format data".to_owned();
    let want = vec![(300, vec![quota.clone()]), (300, vec![inode, quota.clone()])];
    assert_eq!(transactions(&records, false).unwrap(), want);
    let formats = vec![(300, vec![quota.clone()]), (300, vec![";\\x12\\x02\\x00format ".to_owned(), quota])];
    assert_eq!(transactions(&records, true).unwrap(), formats);
}

#[test]
fn cancellations_come_last_and_inode_buffers_before_them() {
    let op = Log::operation;
    let buffer = |flags: u8, name: &[u8]| item(kind::BUFFER, &[&[&[flags, 0][..], name].concat()]).remove(0);
    let mut operations = vec![op(1, START, b""), op(1, 0, HEADER)];
    let items = [
        buffer(2, b"cancel1"),
        item(kind::INODE, &[b"inode1"]).remove(0),
        buffer(1, b"inodes1"),
        buffer(0, b"buffer1"),
        buffer(2, b"cancel2"),
        buffer(1, b"inodes2"),
        item(kind::FREE_INTENT, &[b"intent"]).remove(0),
        item(kind::INODE_CREATE, &[b"create"]).remove(0),
        buffer(0, b"buffer2"),
    ];
    operations.extend(items.iter().map(|item| op(1, 0, item)));
    operations.push(op(1, COMMIT, b""));
    let found = transactions(&[operations], false).unwrap();
    let names: Vec<_> = found[0].1.iter().map(|item| &item[item.len() - 6..]).collect();
    assert_eq!(
        names,
        ["uffer1", "create", "uffer2", "inode1", "intent", "nodes2", "nodes1", "ancel2", "ancel1"]
    );
}

#[test]
fn operations_that_make_no_sense_are_refused() {
    let op = Log::operation;
    let start = || vec![op(1, START, b""), op(1, 0, HEADER)];
    let with = |further: Vec<u8>| {
        let mut operations = start();
        operations.push(further);
        transactions(&[operations], false).unwrap_err().to_string()
    };
    let mut client = op(1, 0, b"xxxx");
    client[8] = 1;
    let mut long = op(1, 0, b"xxxx");
    long[4..8].copy_from_slice(&100_000_u32.to_be_bytes());
    let unknown =
        vec![op(1, START, b""), op(1, 0, HEADER), op(1, 0, &item(0x9999, &[b""])[0]), op(1, COMMIT, b"")];
    for (what, error) in [
        ("client", with(client)),
        ("outside", with(long)),
        ("flags", with(op(1, START, b""))),
        ("regions", with(op(1, 0, &[0x3B, 0x12, 0, 0]))),
        ("regions", with(op(1, 0, &[0x3B, 0x12, 2, 1]))),
        ("nothing", with(op(1, 8, b"rest"))),
        (
            "header",
            transactions(&[vec![op(1, START, b""), op(1, 0, b"TRAN")]], false).unwrap_err().to_string(),
        ),
        ("kind 0x9999", transactions(&[unknown], false).unwrap_err().to_string()),
    ] {
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn cycles_are_read_from_headers_too() {
    let mut log = Log::new(300, 4);
    log.filler(3);
    assert_eq!(log.blocks[300].be32(0).unwrap(), RECORD_MAGIC);
    assert_eq!((log.ring().cycle(300).unwrap(), log.ring().cycle(301).unwrap()), (4, 4));
}
