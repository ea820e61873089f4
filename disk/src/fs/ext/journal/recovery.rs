//! Recovery as the kernel does it, in three passes over the log: *scan* finds its end, *revoke* collects the blocks
//! that must not be replayed, *replay* notes what each remaining block is replaced with.
//!
//! ```text
//!  s_start ┐                                     ┌ first block of another sequence: the end
//!  …│ D d d d R C │ D d d C │ D d d d d D d C │ D d (interrupted)
//!     sequence n      n + 1        n + 2           n + 3
//!  D descriptor, d data, R revoke, C commit; the ring wraps from its last block to its first
//! ```
//!
//! Where the kernel fails the mount, this fails too: half a replay is never shown.

use std::collections::HashMap;

use crate::bytes::Fields;
use crate::{Error, Result};

use super::checksum::crc32_be;
use super::file::JournalFile;
use super::format::{BlockKind, Checksums, Commit, Superblock, header};
use super::overlay::Replacement;

/// Most blocks that a journal may replace: a full journal of 2 GiB with blocks of 4 KiB, and 12 MiB of memory.
const MAX_REPLACEMENTS: usize = 1 << 19;
/// Most blocks that a journal may revoke.
const MAX_REVOKES: usize = 1 << 19;
/// Bytes of the start of a fast commit block that are looked at: a tag (2), its length (2), its value (8).
const FAST_COMMIT_HEAD: u16 = 9;
const FAST_COMMIT_HEAD_LEN: u16 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Scan,
    Revoke,
    Replay,
}

/// Is sequence number `a` later than `b`? Sequence numbers wrap around.
fn later(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// Recovers the log of `journal`, whose superblock says that it is not empty, and gives the replaced blocks in no
/// order. `fs_blocks` is the number of blocks in the source.
pub(super) fn recover(
    journal: &JournalFile,
    superblock: &Superblock,
    fs_blocks: u64,
) -> Result<Vec<Replacement>> {
    let mut log = Log {
        journal,
        superblock,
        fs_blocks,
        end: None,
        revoked: HashMap::new(),
        replaced: HashMap::new(),
        data: Vec::new(),
    };
    log.pass(Pass::Scan)?;
    log.refuse_fast_commits()?;
    log.pass(Pass::Revoke)?;
    log.pass(Pass::Replay)?;
    Ok(log.replaced.into_values().collect())
}

struct Log<'a> {
    journal: &'a JournalFile,
    superblock: &'a Superblock,
    fs_blocks: u64,
    /// The first sequence number that is not replayed, once the scan knows it. The kernel keeps 0 for "not known",
    /// so that a log is never cut before transaction 0.
    end: Option<u32>,
    /// Last sequence number in which each block was revoked.
    revoked: HashMap<u64, u32>,
    replaced: HashMap<u64, Replacement>,
    /// A data block of the log, kept for its memory.
    data: Vec<u8>,
}

/// Where in the log a pass is.
struct Position<'a> {
    superblock: &'a Superblock,
    /// Next block of the log.
    next: u32,
    /// Blocks passed so far.
    passed: u32,
}

impl Position<'_> {
    /// Passes one block and says which.
    fn take(&mut self) -> Result<u32> {
        let taken = self.next;
        if taken >= self.superblock.total {
            return Err(Error::corrupt(format!(
                "the log goes on in journal block {taken} of {}",
                self.superblock.total
            )));
        }
        self.skip(1)?;
        Ok(taken)
    }

    /// Passes `count` blocks. A log that is longer than its ring (and the block that ends it) runs over itself: the
    /// kernel would read nonsense or not stop at all.
    fn skip(&mut self, count: u32) -> Result<()> {
        let ring = self.superblock.end.saturating_sub(self.superblock.first);
        self.passed = self.passed.saturating_add(count);
        if self.passed > ring.saturating_add(1) {
            return Err(Error::corrupt("the journal's log is longer than its ring"));
        }
        self.next = self.next.saturating_add(count);
        if self.next >= self.superblock.end {
            self.next = self.next.saturating_sub(ring);
        }
        Ok(())
    }
}

/// What the scan remembers between blocks to tell the end of the log from damage.
struct Scan {
    /// Version 1 checksum of the transaction so far.
    crc: u32,
    /// A descriptor or revoke block of the transaction had a wrong checksum.
    suspect: bool,
    /// Time of the last good commit.
    last_commit: u64,
}

/// What follows a block of the log.
#[derive(PartialEq, Eq)]
enum Next {
    Block,
    Transaction,
    Done,
}

impl Log<'_> {
    fn pass(&mut self, pass: Pass) -> Result<()> {
        let mut sequence = self.superblock.sequence;
        let mut position = Position { superblock: self.superblock, next: self.superblock.start, passed: 0 };
        let mut scan = Scan { crc: !0, suspect: false, last_commit: 0 };
        let mut block = Vec::new();
        loop {
            if let (Pass::Revoke | Pass::Replay, Some(end)) = (pass, self.end)
                && sequence.wrapping_sub(end) < 1 << 31
            {
                break;
            }
            self.journal.read(position.take()?, &mut block)?;
            let Some((kind, found)) = header(&block)? else { break };
            if found != sequence {
                break;
            }
            let next = match (kind, pass) {
                (BlockKind::Descriptor, _) => {
                    self.descriptor(pass, sequence, &block, &mut position, &mut scan)?
                }
                (BlockKind::Commit, Pass::Scan) => self.commit(sequence, &block, &mut scan)?,
                (BlockKind::Commit, _) => Next::Transaction,
                (BlockKind::Revoke, Pass::Scan) => {
                    scan.suspect |= !self.superblock.tail_is_right(&block)?;
                    // The kernel fails on a bad length already here.
                    drop(self.superblock.revoked(&block)?);
                    Next::Block
                }
                (BlockKind::Revoke, Pass::Revoke) => {
                    self.revoke(sequence, &block)?;
                    Next::Block
                }
                (BlockKind::Revoke, Pass::Replay) => Next::Block,
                (BlockKind::Other, _) => Next::Done,
            };
            match next {
                Next::Block => {}
                Next::Transaction => sequence = sequence.wrapping_add(1),
                Next::Done => break,
            }
        }
        match (pass, self.end) {
            (Pass::Scan, None) => self.end = Some(sequence),
            (Pass::Scan, Some(_)) => {}
            (_, end) if end == Some(sequence) => {}
            (_, end) => {
                return Err(Error::corrupt(format!(
                    "the journal's log ends at transaction {sequence}, before {}",
                    end.unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    fn descriptor(
        &mut self,
        pass: Pass,
        sequence: u32,
        block: &[u8],
        position: &mut Position<'_>,
        scan: &mut Scan,
    ) -> Result<Next> {
        if !self.superblock.tail_is_right(block)? {
            if pass != Pass::Scan {
                return Err(Error::corrupt(format!(
                    "wrong checksum of a descriptor of transaction {sequence}"
                )));
            }
            // It may be left from an earlier use of the disk: the commit block will tell.
            scan.suspect = true;
        }
        let checksummed =
            pass == Pass::Scan && self.superblock.checksums == Checksums::V1 && self.end.is_none();
        if pass == Pass::Replay {
            self.replay(sequence, block, position)?;
        } else if checksummed {
            scan.crc = crc32_be(scan.crc, block);
            for tag in self.superblock.tags(block) {
                tag?;
                self.journal.read(position.take()?, &mut self.data)?;
                scan.crc = crc32_be(scan.crc, &self.data);
            }
        } else {
            for tag in self.superblock.tags(block) {
                tag?;
                position.skip(1)?;
            }
        }
        Ok(Next::Block)
    }

    /// A commit block seen by the scan: is its transaction complete, the end of the log, or damaged?
    fn commit(&mut self, sequence: u32, block: &[u8], scan: &mut Scan) -> Result<Next> {
        let commit = Commit::parse(block)?;
        if scan.suspect {
            // Blocks of an older log carry older times; a newer time means that this very log is damaged.
            if commit.time >= scan.last_commit {
                return Err(Error::corrupt(format!(
                    "wrong checksum in transaction {sequence} of the journal"
                )));
            }
            return Ok(Next::Done);
        }
        let right = match self.superblock.checksums {
            Checksums::V1 => {
                if let Some(end) = self.end {
                    // A transaction follows the one with a wrong checksum, so that one was complete once.
                    return Err(Error::corrupt(format!(
                        "wrong checksum in transaction {end} of the journal"
                    )));
                }
                let right = commit.v1_is_right(scan.crc);
                if right {
                    scan.crc = !0;
                }
                right
            }
            _ => self.superblock.commit_is_right(block)?,
        };
        if !right {
            if commit.time < scan.last_commit {
                return Ok(Next::Done);
            }
            if !self.superblock.async_commit {
                return Err(Error::corrupt(format!(
                    "wrong checksum of transaction {sequence} of the journal"
                )));
            }
            // The commit block overtook what it commits: an interrupted commit, unless another one follows.
            self.end = Some(sequence).filter(|end| *end != 0);
        }
        scan.last_commit = commit.time;
        Ok(Next::Transaction)
    }

    fn revoke(&mut self, sequence: u32, block: &[u8]) -> Result<()> {
        for revoked in self.superblock.revoked(block)? {
            let last = self.revoked.entry(revoked).or_insert(sequence);
            if later(sequence, *last) {
                *last = sequence;
            }
            if self.revoked.len() > MAX_REVOKES {
                return Err(Error::unsupported(format!(
                    "a journal that revokes more than {MAX_REVOKES} blocks"
                )));
            }
        }
        Ok(())
    }

    fn replay(&mut self, sequence: u32, block: &[u8], position: &mut Position<'_>) -> Result<()> {
        for tag in self.superblock.tags(block) {
            let tag = tag?;
            let n = position.take()?;
            if self.revoked.get(&tag.block).is_some_and(|last| !later(sequence, *last)) {
                continue;
            }
            if matches!(self.superblock.checksums, Checksums::V2 { .. } | Checksums::V3 { .. }) {
                self.journal.read(n, &mut self.data)?;
                if !self.superblock.data_is_right(&tag, sequence, &self.data) {
                    return Err(Error::corrupt(format!(
                        "wrong checksum of block {} in transaction {sequence} of the journal",
                        tag.block
                    )));
                }
            }
            if tag.block >= self.fs_blocks || self.journal.contains_physical(tag.block) {
                return Err(Error::corrupt(format!("the journal replaces block {}", tag.block)));
            }
            let from = self.journal.physical(n)?;
            self.replaced.insert(tag.block, Replacement { block: tag.block, from, escaped: tag.escaped });
            if self.replaced.len() > MAX_REPLACEMENTS {
                return Err(Error::unsupported(format!(
                    "a journal with more than {MAX_REPLACEMENTS} blocks"
                )));
            }
        }
        Ok(())
    }

    /// Refuses a log that fast commits follow. A fast commit area whose first block does not start with a head of
    /// the transaction after the log holds nothing (or old fast commits only), and the kernel ignores it.
    fn refuse_fast_commits(&mut self) -> Result<()> {
        let Some(first) = self.superblock.fast_commits else { return Ok(()) };
        if first >= self.superblock.total {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.data);
        self.journal.read(first, &mut block)?;
        let (tag, len) = (block.le16(0)?, block.le16(2)?);
        let (features, sequence) = (block.le32(4)?, block.le32(8)?);
        self.data = block;
        if tag != FAST_COMMIT_HEAD {
            return Ok(());
        }
        if len == FAST_COMMIT_HEAD_LEN && features == 0 && self.end != Some(sequence) {
            return Ok(());
        }
        Err(Error::unsupported("journal with fast commits"))
    }
}
