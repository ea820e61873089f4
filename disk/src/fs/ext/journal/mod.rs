//! Replay of jbd and jbd2 journals in memory: what an unclean filesystem holds after the kernel has recovered it,
//! without writing a byte.
//!
//! ```text
//! file      where the journal's blocks lie (the journal is an inode)
//! format    superblock, descriptor, commit and revoke blocks
//! recovery  three passes over the log: which block of the filesystem is replaced with which block of the journal
//! overlay   the filesystem's source seen through these replacements
//! ```
//!
//! Recovery follows the kernel's, fs/jbd2/recovery.c as of Linux 6.18, in what it accepts, where it takes the log to
//! end, and when it fails. What the kernel would fail to mount is `Corrupt` here; fast commits are `Unsupported`.

mod checksum;
mod file;
mod format;
mod overlay;
mod recovery;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{Context, ReadAt, Result};

pub(super) use file::{JournalFile, Run};

/// A filesystem after recovery.
#[derive(Debug)]
pub(super) struct Replayed {
    /// The filesystem's source as it is after recovery.
    pub source: Arc<dyn ReadAt>,
    /// The journal was aborted because of an error: the kernel takes the filesystem for damaged.
    pub aborted: bool,
}

/// Replays the journal in `file`, whose filesystem says that it needs recovery.
///
/// # Errors
/// `Corrupt` if the kernel would not recover (and mount) it, `Unsupported` for fast commits and unknown features.
pub(super) fn replay(file: &JournalFile) -> Result<Replayed> {
    recovered(file).context(|| "replaying the journal".to_owned())
}

fn recovered(file: &JournalFile) -> Result<Replayed> {
    let mut block = Vec::new();
    file.read(0, &mut block)?;
    let superblock = format::Superblock::parse(&block, file.blocks())?;
    let source = Arc::clone(file.source());
    let aborted = superblock.errno != 0;
    if superblock.start == 0 {
        return Ok(Replayed { source, aborted });
    }
    let fs_blocks = source.len().checked_div(u64::from(file.block_size())).unwrap_or_default();
    let replacements = recovery::recover(file, &superblock, fs_blocks)?;
    Ok(Replayed { source: Arc::new(overlay::Overlay::new(source, file.block_size(), replacements)), aborted })
}
