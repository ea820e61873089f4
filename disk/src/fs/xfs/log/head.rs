//! Where the log begins and ends.
//!
//! ```text
//! block  0            head              tail                  last
//!        │ cycle n      │ cycle n - 1     │ cycle n - 1          │
//!        │ …R…R…R…R     │ stale           │ R…R…R…               │   R: records from tail to head are replayed
//! ```
//!
//! *Head* is where the next record would go: found by the cycles, then moved back over records that were not written
//! to their end (up to eight writes may be under way at once, in any order). *Tail* is what the last good record
//! names as the oldest that is needed; records there may be overwritten already if the log was full.
//!
//! The rules are the kernel's (fs/xfs/xfs_log_recover.c as of Linux 6.18) in what they accept and what they refuse.

use crate::bytes::Fields;
use crate::{Error, Result};

use super::record::{Checksums, Record, Walk, block_of_lsn, cycle_of_lsn, failed, walk};
use super::ring::{Ring, cycle_of, starts_record};

/// How many records may be under way at once.
const IN_FLIGHT: u32 = 8;
/// Blocks in the longest record, of version 2 and 1.
const LONGEST: [u32; 2] = [512, 64];
/// An operation's flag: the filesystem was unmounted.
const UNMOUNT: u8 = 0x20;
/// Where in an operation its flags are.
const OPERATION_FLAGS: usize = 9;

/// What of the log counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// Where the next record would go.
    pub(super) head: u32,
    /// The first record to be replayed; `head` if there is none.
    pub(super) tail: u32,
    /// Does it end with the record of an unmount?
    pub(super) clean: bool,
    /// The cycle of the next record.
    pub(super) cycle: u32,
}

impl Ends {
    /// Can metadata have been written with log sequence number `lsn`?
    pub(super) fn has_passed(&self, lsn: u64) -> bool {
        (cycle_of_lsn(lsn), block_of_lsn(lsn)) <= (self.cycle, self.head)
    }
}

/// Finds the ends of the log of the filesystem `uuid`.
pub(super) fn find(ring: &Ring, uuid: &[u8; 16], log_unit: u32) -> Result<Ends> {
    let mut head = find_head(ring, uuid)?;
    if head == 0 && ring.cycle(0)? == 0 {
        // It was never written to.
        return Ok(Ends { head: 0, tail: 0, clean: false, cycle: 1 });
    }
    let (mut last, mut wrapped) =
        previous(ring, head, head, 1)?.ok_or_else(|| Error::corrupt("no record in the XFS log"))?;
    let mut tail = block_of_lsn(last.tail_lsn);
    let unmounted = is_unmount(ring, &last, head)?;
    if !unmounted {
        let found = head;
        (head, tail, last, wrapped) = verify_head(ring, log_unit, head, tail, (last, wrapped))?;
        if head != found && is_unmount(ring, &last, head)? {
            return Ok(clean(head, &last, wrapped));
        }
    } else {
        return Ok(clean(head, &last, wrapped));
    }
    let cycle = next_cycle(&last, wrapped);
    check_distance(ring, head, cycle, last.tail_lsn)?;
    Ok(Ends { head, tail, clean: false, cycle })
}

fn clean(head: u32, last: &Record, wrapped: bool) -> Ends {
    Ends { head, tail: head, clean: true, cycle: next_cycle(last, wrapped) }
}

/// The cycle of what follows the last record.
fn next_cycle(last: &Record, wrapped: bool) -> u32 {
    if wrapped { last.cycle.wrapping_add(1) } else { last.cycle }
}

/// The last of up to `count` records that are met going back from `head`, not further than `tail`, and whether that
/// went past the start of the log. With `head == tail` the whole log may be gone through.
fn previous(ring: &Ring, head: u32, tail: u32, count: u32) -> Result<Option<(Record, bool)>> {
    let mut found = None;
    let mut left = count;
    let lowest = if head > tail { tail } else { 0 };
    let mut end = head;
    let mut wrapped = false;
    while left > 0 {
        let low = if wrapped { tail } else { lowest };
        if let Some(block) = ring.find_back(low, end, starts_record)? {
            found = Some((block, wrapped));
            left = left.saturating_sub(1);
            end = block;
        } else if !wrapped && tail >= head {
            wrapped = true;
            end = ring.blocks;
        } else {
            break;
        }
    }
    found.map(|(block, wrapped)| Ok((Record::parse(block, &ring.block(block)?)?, wrapped))).transpose()
}

/// The block of the last of up to `count` records that are met going on from `tail`, before `head`.
fn following(ring: &Ring, head: u32, tail: u32, count: u32) -> Result<Option<u32>> {
    let mut found = None;
    let mut left = count;
    let mut at = tail;
    let mut wrapped = head > tail;
    // Up to the head, which is looked at, too, if it lies further on.
    let mut end = if head > tail { head.saturating_add(1).min(ring.blocks) } else { ring.blocks };
    while left > 0 {
        if let Some(block) = ring.find(at, end.saturating_sub(at), starts_record)? {
            found = Some(block);
            left = left.saturating_sub(1);
            at = block.saturating_add(1);
        } else if !wrapped {
            wrapped = true;
            at = 0;
            end = head;
        } else {
            break;
        }
    }
    Ok(found)
}

/// Is `last`, which ends at `head`, the record of an unmount?
fn is_unmount(ring: &Ring, last: &Record, head: u32) -> Result<bool> {
    let header = last.header_blocks(ring.v2);
    let blocks = header.checked_add(last.data_blocks()).filter(|blocks| *blocks <= ring.blocks);
    if blocks.is_none_or(|blocks| ring.after(last.block, blocks) != head) || last.operations != 1 {
        return Ok(false);
    }
    let data = ring.block(ring.after(last.block, header))?;
    Ok(data.u8(OPERATION_FLAGS)? & UNMOUNT != 0)
}

/// Moves the head back before records that were not written to their end, and the tail on behind those that were
/// overwritten.
fn verify_head(
    ring: &Ring,
    log_unit: u32,
    head: u32,
    tail: u32,
    last: (Record, bool),
) -> Result<(u32, u32, Record, bool)> {
    let (mut head, mut tail, mut last, mut wrapped) = (head, tail, last.0, last.1);
    let probe = |head, tail| walk(ring, head, tail, Checksums::Probe, log_unit, |_, _| Ok(()));
    if let Some((first, _)) = previous(ring, head, tail, IN_FLIGHT)?
        && let Walk::Bad { block: bad, error } = probe(head, first.block)?
    {
        if bad == 0 {
            return Err(error.context("in the XFS log record at block 0"));
        }
        (last, wrapped) =
            previous(ring, bad, tail, 1)?.ok_or_else(|| Error::corrupt("no good record in the XFS log"))?;
        head = bad;
        tail = block_of_lsn(last.tail_lsn);
        if head == tail {
            // The kernel takes such a log for one without anything to replay, though it may have lost something.
            return Err(Error::unsupported("dirty log, of which nothing but a bad record is left"));
        }
    }
    if head != tail {
        tail = verify_tail(ring, log_unit, head, tail, last.size)?;
    }
    Ok((head, tail, last, wrapped))
}

fn verify_tail(ring: &Ring, log_unit: u32, head: u32, tail: u32, size: u32) -> Result<u32> {
    let missing = || Error::corrupt("no record at the tail of the XFS log");
    let mut tail = following(ring, head, tail, 1)?.ok_or_else(missing)?;
    let reach = IN_FLIGHT.saturating_mul(size.div_ceil(512));
    loop {
        let result = walk(ring, head, tail, Checksums::Probe, log_unit, |_, _| Ok(()))?;
        let Walk::Bad { block: bad, .. } = result else { return Ok(tail) };
        // Only what the head could have run into may be overwritten.
        let distance = if head < bad {
            bad.saturating_sub(head)
        } else {
            bad.saturating_add(ring.blocks.saturating_sub(head))
        };
        if bad == 0 || distance > reach {
            failed(result)?;
        }
        let next = following(ring, head, bad, 2)?.ok_or_else(missing)?;
        if next == tail {
            return Err(missing());
        }
        tail = next;
    }
}

/// Does the head lie behind the tail, at most once around?
fn check_distance(ring: &Ring, head: u32, cycle: u32, tail_lsn: u64) -> Result<()> {
    let (tail_cycle, tail) = (cycle_of_lsn(tail_lsn), block_of_lsn(tail_lsn));
    let right = if cycle == tail_cycle {
        head >= tail && head < ring.blocks
    } else {
        head < tail && tail_cycle.checked_add(1) == Some(cycle)
    };
    if right {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "an XFS log from cycle {tail_cycle}, block {tail} to cycle {cycle}, block {head}"
    )))
}

/// Where the next record would go, by cycles and headers.
fn find_head(ring: &Ring, uuid: &[u8; 16]) -> Result<u32> {
    let longest = if ring.v2 { LONGEST[0] } else { LONGEST[1] };
    let scan = longest.saturating_mul(IN_FLIGHT);
    let last = ring.blocks.saturating_sub(1);
    let (first_cycle, last_cycle) = (ring.cycle(0)?, ring.cycle(last)?);
    if first_cycle == 0 {
        return Ok(0);
    }
    let find_cycle =
        |start: u32, count: u32, cycle: u32| ring.find(start, count, |block| Ok(cycle_of(block)? == cycle));
    if last_cycle == 0 {
        // The first cycle is still under way.
        let mut head = cycle_start(ring, last, 0)?;
        let count = scan.min(head);
        let start = head.saturating_sub(count);
        head = find_cycle(start, count, 0)?.unwrap_or(head);
        return match complete(ring, uuid, start, head, 0)? {
            Some(head) => Ok(head),
            None => Err(no_header()),
        };
    }
    let (mut head, stop) = if first_cycle == last_cycle {
        (ring.blocks, last_cycle.wrapping_sub(1))
    } else {
        (cycle_start(ring, last, last_cycle)?, last_cycle)
    };
    // Blocks in front of it may not have been written yet when later ones were.
    if head >= scan {
        head = find_cycle(head.saturating_sub(scan), scan, stop)?.unwrap_or(head);
    } else {
        let before = scan.saturating_sub(head).min(ring.blocks);
        let at_end = find_cycle(ring.blocks.saturating_sub(before), before, stop.wrapping_sub(1))?;
        head = match at_end {
            Some(found) => found,
            None => find_cycle(0, head, stop)?.unwrap_or(head),
        };
    }
    // It must not lie within a record.
    let start = head.saturating_sub(longest);
    match complete(ring, uuid, start, head, 0)? {
        Some(found) => head = found,
        None if start > 0 => return Err(no_header()),
        None => {
            let before = longest.saturating_sub(head).min(ring.blocks);
            let start = ring.blocks.saturating_sub(before);
            match complete(ring, uuid, start, ring.blocks, head)? {
                Some(found) if found != ring.blocks => head = found,
                Some(_) => {}
                None => return Err(no_header()),
            }
        }
    }
    Ok(if head == ring.blocks { 0 } else { head })
}

fn no_header() -> Error {
    Error::corrupt("no record before the head of the XFS log")
}

/// The first block of cycle `cycle`, looked for by halves: block 0 is of another cycle, block `last` of this one.
fn cycle_start(ring: &Ring, last: u32, cycle: u32) -> Result<u32> {
    let (mut before, mut at) = (0, last);
    while at.saturating_sub(before) > 1 {
        let middle = before.midpoint(at);
        if ring.cycle(middle)? == cycle {
            at = middle;
        } else {
            before = middle;
        }
    }
    Ok(at)
}

/// Looks from `head` back to `start` for the header of the last record: `head` if the record ends there, else where
/// it begins; `None` if there is no header. `further` blocks of the record lie at the start of the ring.
fn complete(ring: &Ring, uuid: &[u8; 16], start: u32, head: u32, further: u32) -> Result<Option<u32>> {
    let Some(block) = ring.find_back(start, head, starts_record)? else { return Ok(None) };
    let record = Record::parse(block, &ring.block(block)?)?;
    // Irix left it empty.
    if record.uuid != [0; 16] && record.uuid != *uuid {
        return Err(Error::corrupt(format!(
            "a record of another filesystem in the XFS log, at block {block}"
        )));
    }
    let there = u64::from(head.saturating_sub(block)).saturating_add(further.into());
    let should = u64::from(record.data_blocks()).saturating_add(record.header_blocks(ring.v2).into());
    Ok(Some(if there == should { head } else { block }))
}
