//! Transaction logs: what was written to them and not yet to the hive, applied to the hive's image in memory.
//!
//! ```text
//! old, Windows 2000 to 8      0 base block   512 "DIRT", a bit for each 512 bytes of bins   the pages of the bits set
//! new, Windows 8.1 and later  0 base block   512 entries, each a multiple of 512 long:
//!     0 "HvLE"        8 flags       16 length of bins     24 hash of all from byte 40    40 pages: offset, length
//!     4 its length   12 sequence    20 number of pages    32 hash of the first 32 bytes     then their bytes
//! ```
//!
//! A log counts if the hive is dirty only. Of the new kind, entries from the hive's second sequence number on are applied,
//! log by log in the order of their numbers, until one does not follow or is damaged. Of the old kind, a complete log
//! whose time is the hive's is applied as a whole. A damaged base block is replaced by that of the latest log.

use std::fmt;

use crate::bytes::{Fields, index};
use crate::header::{self, Header};
use crate::{Error, Result, bins, marvin};

/// Kinds of file that are logs: of the old format as Windows XP and later Windows write it, and of the new format.
const OLD_KINDS: [u32; 2] = [1, 2];
const NEW_KIND: u32 = 6;
/// What an entry begins with, and how long it is up to its list of pages.
const ENTRY_MAGIC: &[u8; 4] = b"HvLE";
const ENTRY_HEADER: usize = 40;
/// How much of the entry's header the second hash covers.
const ENTRY_HASHED: usize = 32;
/// What the bits of an old log begin with.
const DIRTY_MAGIC: &[u8; 4] = b"DIRT";

/// What of the logs was applied when a hive was opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// What was applied, in this order.
    pub applied: Vec<Applied>,
    /// What was not, and why; a log that is not needed any more is not mentioned.
    pub refused: Vec<Refused>,
    /// The log that the base block was taken from, as the hive's was damaged.
    pub base_block_of: Option<usize>,
}

/// An entry of a log that was applied, or a whole log of the old format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Which log, counted from 0 in the order in which they were given.
    pub log: usize,
    /// The entry's sequence number.
    pub sequence: u32,
    /// How many pages it wrote.
    pub pages: u32,
}

/// A log, or the rest of one, that was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Which log, counted from 0 in the order in which they were given.
    pub log: usize,
    /// Why.
    pub why: String,
}

impl fmt::Display for Replay {
    /// One line that says what was done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.applied.first(), self.applied.last()) {
            (Some(first), Some(last)) => {
                let (from, to) = (first.sequence, last.sequence);
                write!(f, "log entries applied: {} (sequence numbers {from} to {to})", self.applied.len())?;
            }
            _ => f.write_str("log entries applied: none")?,
        }
        for refused in &self.refused {
            write!(f, "; log {}: {}", refused.log.saturating_add(1), refused.why)?;
        }
        Ok(())
    }
}

/// A log of the new format.
struct NewLog<'a> {
    number: usize,
    base: &'a [u8],
    entries: Vec<Entry<'a>>,
}

/// A sound entry of a log.
struct Entry<'a> {
    sequence: u32,
    bins: u32,
    /// Where each page goes, relative to the first bin, and its bytes.
    pages: Vec<(usize, &'a [u8])>,
}

/// Applies what is needed of `logs` to the image of a hive.
pub(crate) fn replay(image: &mut Vec<u8>, logs: &[&[u8]]) -> Result<Replay> {
    let mut replay = Replay::default();
    let hive = Header::read(image).ok().filter(|header| header.sum_is_right);
    if hive.as_ref().is_some_and(|header| !header.is_dirty()) {
        return Ok(replay);
    }
    let mut new = Vec::new();
    let mut old = Vec::new();
    for (number, log) in logs.iter().enumerate() {
        // A log that was never used is empty, or has zeros only.
        if log.iter().take(header::SECTOR).all(|byte| *byte == 0) {
            continue;
        }
        match Header::read(log) {
            Ok(base) if !base.sum_is_right => replay.refuse(number, "the sum of its base block is wrong"),
            Ok(base) if base.kind == NEW_KIND => new.push(read_new(number, log, &mut replay)?),
            Ok(base) if OLD_KINDS.contains(&base.kind) => old.push((number, *log, base)),
            Ok(base) => replay.refuse(number, format!("not a log: a file of kind {}", base.kind)),
            Err(_) => replay.refuse(number, "not a log: it does not begin with \"regf\""),
        }
    }
    new.retain(|log| !log.entries.is_empty());
    if new.is_empty() {
        replay_old(image, hive.as_ref(), &old, &mut replay)?;
    } else {
        replay_new(image, hive, new, logs, &mut replay)?;
    }
    Ok(replay)
}

impl Replay {
    fn refuse(&mut self, log: usize, why: impl Into<String>) {
        self.refused.push(Refused { log, why: why.into() });
    }

    /// Did anything change?
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.base_block_of.is_none()
    }
}

/// The sound entries of a log, which follow each other.
fn read_new<'a>(number: usize, log: &'a [u8], replay: &mut Replay) -> Result<NewLog<'a>> {
    let base = log.slice(0, header::SECTOR)?;
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut rest = log.get(header::SECTOR..).unwrap_or_default();
    while rest.starts_with(ENTRY_MAGIC) {
        let (entry, len) = match read_entry(rest) {
            Ok(entry) => entry,
            Err(error) => {
                replay.refuse(number, format!("its entry {} is damaged: {error}", entries.len()));
                break;
            }
        };
        // What follows is left from earlier.
        if entries.last().is_some_and(|last| last.sequence.wrapping_add(1) != entry.sequence) {
            break;
        }
        entries.push(entry);
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(NewLog { number, base, entries })
}

/// The entry that `log` begins with, and its length.
fn read_entry(log: &[u8]) -> Result<(Entry<'_>, usize)> {
    let len = index(log.le32(4)?);
    if !len.is_multiple_of(header::SECTOR) || len < ENTRY_HEADER {
        return Err(Error::corrupt(format!("its length is {len}")));
    }
    let entry = log.slice(0, len)?;
    if entry.le64(32)? != marvin::hash(entry.slice(0, ENTRY_HASHED)?)
        || entry.le64(24)? != marvin::hash(entry.get(ENTRY_HEADER..).unwrap_or_default())
    {
        return Err(Error::corrupt("its hash is wrong"));
    }
    let bins = entry.le32(16)?;
    if bins % bins::PAGE != 0 {
        return Err(Error::corrupt(format!("the length of the bins is {bins}")));
    }
    let count = index(entry.le32(20)?);
    let list = count.checked_mul(8).ok_or_else(|| Error::corrupt("too many pages"))?;
    let (references, _) = entry.slice(ENTRY_HEADER, list)?.as_chunks::<8>();
    let mut data = entry.get(ENTRY_HEADER..).and_then(|rest| rest.get(list..)).unwrap_or_default();
    let mut pages = Vec::with_capacity(count);
    for reference in references {
        let (to, len) = (reference.le32(0)?, reference.le32(4)?);
        if to.checked_add(len).is_none_or(|end| end > bins) {
            return Err(Error::corrupt(format!(
                "{len} bytes at {to:#x} are not within {bins:#x} bytes of bins"
            )));
        }
        let (page, after) =
            data.split_at_checked(index(len)).ok_or_else(|| Error::corrupt("a page is cut off"))?;
        pages.push((index(to), page));
        data = after;
    }
    Ok((Entry { sequence: entry.le32(12)?, bins, pages }, len))
}

fn replay_new(
    image: &mut Vec<u8>,
    hive: Option<Header>,
    mut logs: Vec<NewLog<'_>>,
    all: &[&[u8]],
    replay: &mut Replay,
) -> Result<()> {
    logs.sort_by_key(|log| log.entries.first().map(|entry| entry.sequence));
    let hive = match hive {
        Some(header) => header,
        None => {
            // Only the latest log: what others say is older than the base block.
            let Some(latest) = logs.pop() else { return Ok(()) };
            take_base_block(image, latest.base, latest.number, replay)?;
            logs = vec![latest];
            Header::read(image)?
        }
    };
    // A hive grows by pages that are in the logs.
    let most = all.iter().fold(image.len(), |sum, log| sum.saturating_add(log.len()));
    let mut last: Option<u32> = None;
    'logs: for log in &logs {
        for entry in log.entries.iter().filter(|entry| entry.sequence >= hive.sequence_2) {
            if last.is_some_and(|last| entry.sequence <= last) {
                continue;
            }
            if let Some(last) = last.filter(|last| last.wrapping_add(1) != entry.sequence) {
                let why = format!("its entry {} does not follow {last}", entry.sequence);
                replay.refuse(log.number, why);
                break 'logs;
            }
            let len = header::LENGTH.saturating_add(index(entry.bins));
            if len > most {
                replay.refuse(log.number, format!("its entry {} says {len} bytes of hive", entry.sequence));
                break 'logs;
            }
            if image.len() < len {
                image.resize(len, 0);
            }
            for (at, page) in &entry.pages {
                image.put(header::LENGTH.saturating_add(*at), page)?;
            }
            image.put32(header::BINS, entry.bins)?;
            last = Some(entry.sequence);
            let pages = u32::try_from(entry.pages.len()).unwrap_or(u32::MAX);
            replay.applied.push(Applied { log: log.number, sequence: entry.sequence, pages });
        }
    }
    match last {
        Some(sequence) => settle(image, sequence),
        None => Ok(()),
    }
}

/// The hive has all up to `sequence` now.
fn settle(image: &mut [u8], sequence: u32) -> Result<()> {
    image.put32(header::SEQUENCE_1, sequence)?;
    image.put32(header::SEQUENCE_2, sequence)?;
    header::seal(image)
}

/// Puts a log's copy of the base block where the damaged one is.
fn take_base_block(image: &mut Vec<u8>, base: &[u8], log: usize, replay: &mut Replay) -> Result<()> {
    if image.len() < header::LENGTH {
        image.resize(header::LENGTH, 0);
    }
    image.put(0, base.slice(0, header::SECTOR)?)?;
    image.put32(header::KIND, 0)?;
    header::seal(image)?;
    replay.base_block_of = Some(log);
    Ok(())
}

fn replay_old(
    image: &mut Vec<u8>,
    hive: Option<&Header>,
    logs: &[(usize, &[u8], Header)],
    replay: &mut Replay,
) -> Result<()> {
    // The first bin has a copy of the time.
    let written = match hive {
        Some(header) => header.written.0,
        None => image.le64(header::LENGTH.saturating_add(20)).unwrap_or_default(),
    };
    for (number, log, base) in logs {
        if base.sequence_1 != base.sequence_2 {
            replay.refuse(*number, "it was not written to its end");
        } else if base.written.0 != written {
            replay.refuse(*number, "its time is not the hive's");
        } else {
            match old_pages(log, base) {
                Ok(pages) => {
                    let most = image.len().saturating_add(log.len());
                    let len = header::LENGTH.saturating_add(index(base.bins));
                    if len > most {
                        replay.refuse(*number, format!("it says {len} bytes of hive"));
                        continue;
                    }
                    if hive.is_none() {
                        take_base_block(image, log, *number, replay)?;
                    }
                    if image.len() < len {
                        image.resize(len, 0);
                    }
                    for (at, page) in &pages {
                        image.put(header::LENGTH.saturating_add(*at), page)?;
                    }
                    image.put32(header::BINS, base.bins)?;
                    settle(image, base.sequence_1)?;
                    let pages = u32::try_from(pages.len()).unwrap_or(u32::MAX);
                    replay.applied.push(Applied { log: *number, sequence: base.sequence_1, pages });
                    return Ok(());
                }
                Err(error) => replay.refuse(*number, error.to_string()),
            }
        }
    }
    Ok(())
}

/// The pages of an old log: where each goes, relative to the first bin, and its bytes.
fn old_pages<'a>(log: &'a [u8], base: &Header) -> Result<Vec<(usize, &'a [u8])>> {
    if log.array::<4>(header::SECTOR)? != *DIRTY_MAGIC {
        return Err(Error::corrupt("it has no list of pages"));
    }
    let start = header::SECTOR.saturating_add(DIRTY_MAGIC.len());
    // One bit for 512 bytes.
    let bitmap = log.slice(start, index(base.bins / 4096));
    let bitmap = bitmap.map_err(|_| Error::corrupt("the file ends within its list of pages"))?;
    let data = start.saturating_add(bitmap.len()).next_multiple_of(header::SECTOR);
    let mut rest = log.get(data..).unwrap_or_default();
    let mut pages = Vec::new();
    let bits = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    for (page, _) in bits.enumerate().filter(|(_, dirty)| *dirty) {
        let (bytes, after) = rest
            .split_at_checked(header::SECTOR)
            .ok_or_else(|| Error::corrupt(format!("it is cut off after {} pages", pages.len())))?;
        let to = page.saturating_mul(header::SECTOR);
        // Windows writes whole pages of 4096 bytes, and a bin that begins in one says where it is.
        if bytes.starts_with(bins::MAGIC) && page % 8 == 0 && bytes.le32(4).map(index) != Ok(to) {
            return Err(Error::corrupt(format!("its page for {to:#x} is of another place")));
        }
        pages.push((to, bytes));
        rest = after;
    }
    Ok(pages)
}
