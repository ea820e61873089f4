//! What the kernel does after it has replayed the log: it finishes intents, frees inodes that have no name any more,
//! and frees blocks that were set aside for changes of shared ones. None of it changes what is read, but how much is
//! free does change.

use std::ops::ControlFlow;

use super::Xfs;
use super::features::ro_compat;
use super::log::Intents;
use crate::bytes::Fields;
use crate::{Error, Result};

/// A record of sharing is of blocks that were set aside, not of shared ones.
const SET_ASIDE: u32 = 1 << 31;

impl Xfs {
    /// Refuses to count what is free if the kernel would free more.
    pub(super) fn need_nothing_to_finish(&self, intents: &Intents) -> Result<()> {
        if !intents.is_empty() {
            return Err(Error::unsupported("dirty log: blocks that are about to be freed"));
        }
        for ag in 0..self.superblock.ag_count {
            if !self.ag_unlinked(ag)?.is_empty() {
                return Err(Error::unsupported("dirty log: deleted files that are about to be freed"));
            }
            if !self.superblock.has_ro_compat(ro_compat::REFLINK) {
                continue;
            }
            let mut aside = false;
            self.records(&self.ag_sharing(ag)?, &mut |record| {
                aside = record.be32(0)? & SET_ASIDE != 0;
                Ok(if aside { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if aside {
                return Err(Error::unsupported("dirty log: blocks set aside that are about to be freed"));
            }
        }
        Ok(())
    }
}
