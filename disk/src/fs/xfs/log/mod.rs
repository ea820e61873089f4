//! Replay of the log in memory: what a filesystem holds that was not unmounted, after the kernel has recovered it,
//! without writing a byte.
//!
//! ```text
//! ring         blocks of the log, round and round
//! record       what was written at once, and the walk over records
//! head         which records count: from the tail to the head
//! transaction  items, from the operations of records
//! cancelled    first pass: buffers that the log gives up
//! replay       second pass: buffer, inode, create (new inodes), intents
//! changes      sectors as the replay leaves them, and the source seen through them
//! ```
//!
//! Recovery follows the kernel's as of Linux 6.18 in what it accepts, where it takes the log to end, and when it fails.
//! What the kernel would not mount is `Corrupt` here; what is not known is `Unsupported: dirty log …`. Quotas are left
//! as they are: nothing reads them.
//!
//! Source: "XFS Algorithms & Data Structures", section "Journaling Log".

mod buffer;
mod cancelled;
mod changes;
mod create;
mod head;
mod inode;
mod intents;
mod record;
mod replay;
mod ring;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;

use crate::{Context, Error, ReadAt, Result};

use self::buffer::{Format, flag};
use self::cancelled::Cancelled;
use self::changes::Changes;
use self::create::Inodes;
pub(super) use self::intents::Intents;
use self::record::{Checksums, walk};
use self::replay::Replay;
use self::ring::Ring;
use self::transaction::{Transaction, Transactions, kind};
use super::superblock::Superblock;

/// `sb_features_log_incompat`: attributes are changed by intents.
const KNOWN_LOG_FEATURES: u32 = 1;

/// A filesystem after recovery.
#[derive(Debug)]
pub(super) struct Recovered {
    /// Its source.
    pub(super) source: Arc<dyn ReadAt>,
    /// What the kernel would do next. It changes nothing but which blocks are free.
    pub(super) unfinished: Intents,
}

/// The filesystem on `source` as it is after recovery; `None` if it was unmounted.
///
/// # Errors
/// `Corrupt` if the kernel would not recover (and mount) it, `Unsupported` for what is not known.
pub(super) fn recover(source: &Arc<dyn ReadAt>, superblock: &Superblock) -> Result<Option<Recovered>> {
    recovered(source, superblock).context(|| "recovering the XFS log".to_owned())
}

fn recovered(source: &Arc<dyn ReadAt>, superblock: &Superblock) -> Result<Option<Recovered>> {
    let ring = Ring::new(source, superblock)?;
    let ends = head::find(&ring, &superblock.uuid, superblock.log_unit)?;
    if superblock.v5 && superblock.lsn != u64::MAX && superblock.lsn != 0 && !ends.has_passed(superblock.lsn)
    {
        return Err(Error::corrupt(format!(
            "metadata of log sequence number {:#x}, which is yet to come",
            superblock.lsn
        )));
    }
    if ends.clean {
        return Ok(None);
    }
    if ends.head == ends.tail {
        return Ok(Some(Recovered { source: Arc::clone(source), unfinished: Intents::default() }));
    }
    let unknown = superblock.log_incompat & !KNOWN_LOG_FEATURES;
    if unknown != 0 {
        return Err(Error::unsupported(format!("dirty log with features {unknown:#x}")));
    }
    let checksums = if superblock.v5 { Checksums::Strict } else { Checksums::Ignored };
    let pass = |formats_only, commit: &mut dyn FnMut(&Transaction) -> Result<()>| -> Result<()> {
        let mut transactions = Transactions::new(superblock.uuid, formats_only);
        let end = walk(&ring, ends.head, ends.tail, checksums, superblock.log_unit, |record, data| {
            transactions.take(record, data, commit)
        })?;
        record::failed(end)
    };

    let mut cancelled = Cancelled::default();
    pass(true, &mut |transaction| first_pass(transaction, &mut cancelled))?;
    let mut raw = [0; create::SUPERBLOCK_PART];
    source.read_at(0, &mut raw)?;
    let inodes = Inodes::new(superblock, &raw)?;
    let mut replay = Replay::new(superblock, inodes, cancelled, Changes::new(Arc::clone(source)));
    pass(false, &mut |transaction| replay.transaction(transaction))?;
    replay.stamp()?;
    replay.intents.check()?;
    let overlay = replay.changes.finish();
    let after = Superblock::read(&overlay)?;
    if !same_shape(superblock, &after) {
        return Err(Error::unsupported("dirty log that changes the shape of the filesystem"));
    }
    Ok(Some(Recovered { source: Arc::new(overlay), unfinished: replay.intents }))
}

fn first_pass(transaction: &Transaction, cancelled: &mut Cancelled) -> Result<()> {
    for nr in 0..transaction.len() {
        let Some(item) = transaction.item(nr) else { continue };
        if item.kind()? == kind::BUFFER {
            let format = Format::parse(&item)?;
            if format.flags & flag::CANCEL != 0 {
                cancelled.add((format.block, format.len))?;
            }
        }
    }
    Ok(())
}

/// Is all in its place that was used in the replay?
fn same_shape(before: &Superblock, after: &Superblock) -> bool {
    let shape = |sb: &Superblock| {
        (
            (sb.v5, sb.block_size, sb.blocks, sb.ag_blocks, sb.ag_count, sb.sector_size),
            (sb.inode_size, sb.dir_block_log, sb.log_start, sb.log_blocks, sb.uuid, sb.meta_uuid),
        )
    };
    shape(before) == shape(after)
}
