//! What a mount does to a filesystem that was not unmounted: replays its journal, then finishes its orphans. Here
//! nothing is written; the filesystem is read as it would be afterwards.

use std::sync::Arc;

use super::Ext;
use super::features::{compat, incompat};
use super::inode::{Inode, flags};
use super::journal::{self, JournalFile};
use super::map::{Map, Place, Segment};
use super::orphans::Orphans;
use crate::fs::FileType;
use crate::{Error, Result};

/// `s_state`: the kernel found errors. It leaves orphans alone then.
const STATE_ERRORS: u16 = 2;
/// More runs of blocks, or holes, than a journal may lie in. mke2fs makes a handful.
const MAX_JOURNAL_RUNS: usize = 1 << 16;

impl Ext {
    /// The filesystem as the kernel would show it: `self` is what lies on the disk.
    pub(super) fn recovered(self) -> Result<Ext> {
        let had_errors = self.superblock.state & STATE_ERRORS != 0;
        let mut aborted = false;
        let mut ext = self;
        if ext.superblock.has_incompat(incompat::RECOVER) {
            let replayed = journal::replay(&ext.journal()?)?;
            aborted = replayed.aborted;
            let after = Ext::as_written(replayed.source)?;
            // The kernel keeps some of what it read before the replay: nobody knows what it would show.
            if !after.superblock.same_shape(&ext.superblock) {
                return Err(Error::unsupported("a journal that changes the shape of the filesystem"));
            }
            ext = after;
        }
        if !ext.has_orphans() || had_errors || aborted {
            return Ok(ext);
        }
        if ext.superblock.state & STATE_ERRORS != 0 {
            return Err(Error::unsupported("orphans in a filesystem whose journal says that it has errors"));
        }
        let orphans: Orphans = ext.find_orphans()?;
        ext.orphans = orphans;
        Ok(ext)
    }

    /// Where the journal lies.
    fn journal(&self) -> Result<JournalFile> {
        let sb = &self.superblock;
        if !sb.has_compat(compat::HAS_JOURNAL) {
            return Err(Error::unsupported("a filesystem that needs recovery, without a journal"));
        }
        if sb.journal_inode == 0 || sb.journal_device != 0 {
            return Err(Error::unsupported(
                "a filesystem whose journal, on another device, must be replayed",
            ));
        }
        let inode = self.any_inode(sb.journal_inode)?;
        if inode.file_type != FileType::Regular || inode.has(flags::INLINE_DATA | flags::ENCRYPT) {
            return Err(Error::corrupt("the journal is not a regular file"));
        }
        let blocks = inode.size.checked_div(sb.block_size.into()).and_then(|n| u32::try_from(n).ok());
        let blocks = blocks.ok_or_else(|| Error::corrupt(format!("a journal of {} bytes", inode.size)))?;
        let runs = self.journal_runs(&inode, blocks)?;
        Ok(JournalFile::new(Arc::clone(self.blocks.source()), sb.block_size, blocks, runs))
    }

    fn journal_runs(&self, inode: &Inode, blocks: u32) -> Result<Vec<journal::Run>> {
        let map = Map::new(self, inode);
        let mut cached = Segment::new(0);
        let mut runs = Vec::new();
        let mut next = 0u32;
        for _ in 0..MAX_JOURNAL_RUNS {
            if next >= blocks {
                return Ok(runs);
            }
            let run = map.run(next.into(), &mut cached)?;
            let end = u32::try_from(run.blocks.end).unwrap_or(u32::MAX).min(blocks);
            if let Place::Data(physical) = run.place {
                runs.push(journal::Run { logical: next, physical, count: end.saturating_sub(next) });
            }
            next = end;
        }
        Err(Error::unsupported(format!("a journal in {MAX_JOURNAL_RUNS} pieces or more")))
    }
}
