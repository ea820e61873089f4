//! Intents: what a chain of transactions was going to do, and that it is done. Both name the intent at byte 8 of their
//! format; an intent that the log does not show as done is finished by the kernel after the replay.

use std::collections::HashMap;

use crate::bytes::{Fields, index};
use crate::{Error, Result};

use super::transaction::{Item, kind};

/// Where the number of an intent is.
const NUMBER: usize = 8;
/// Where the extents of an intent to free some begin; each is a start (8 bytes) and a length.
const EXTENTS: usize = 16;
/// Size of such an extent, and of one without padding.
const EXTENT: usize = 16;
/// See [`EXTENT`].
const EXTENT_32: usize = 12;
/// The most intents that are open at once. The kernel keeps them few, since each pins the log.
const MAX_OPEN: usize = 1 << 16;
/// The most bytes that they have together.
const MAX_BYTES: usize = 16 << 20;

/// Intents that are not done.
#[derive(Debug, Default)]
pub(in crate::fs::xfs) struct Intents {
    open: HashMap<(u16, u64), Vec<u8>>,
    /// Bytes of them.
    bytes: usize,
}

impl Intents {
    /// Takes an item that is an intent, or says that one is done.
    pub(super) fn take(&mut self, item: &Item<'_>) -> Result<()> {
        let (kind, format) = (item.kind()?, item.format()?);
        let number = format.le64(NUMBER)?;
        // The item that says "done" has the next number.
        if kind & 1 == kind::FREE_DONE & 1 {
            let done = self.open.remove(&(kind.saturating_sub(1), number));
            self.bytes = self.bytes.saturating_sub(done.map_or(0, |format| format.len()));
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(format.len());
        if self.open.len() >= MAX_OPEN || self.bytes > MAX_BYTES {
            return Err(Error::unsupported(format!(
                "dirty log: more than {MAX_OPEN} intents that are not done"
            )));
        }
        if self.open.insert((kind, number), format.to_vec()).is_some() {
            return Err(Error::unsupported("dirty log: two intents of one number"));
        }
        Ok(())
    }

    /// The extents that are to be freed: fsblock and length. Owners of blocks are of no interest here.
    pub(in crate::fs::xfs) fn to_free(&self) -> Result<Vec<(u64, u64)>> {
        let mut extents = Vec::new();
        for ((kind, _), format) in &self.open {
            match *kind {
                kind::FREE_INTENT => {}
                kind::OWNER_INTENT => continue,
                _ => {
                    return Err(Error::unsupported(
                        "dirty log: a change to shared blocks that is not finished",
                    ));
                }
            }
            let count = index(format.le32(4)?);
            let list = format.get(EXTENTS..).unwrap_or_default();
            // 16 bytes each, but 12 from old 32-bit machines.
            let size = if list.len() == count.saturating_mul(EXTENT) { EXTENT } else { EXTENT_32 };
            if list.len() != count.saturating_mul(size) {
                return Err(Error::corrupt(format!(
                    "an intent to free {count} extents in {} bytes",
                    format.len()
                )));
            }
            for extent in list.chunks_exact(size) {
                extents.push((extent.le64(0)?, extent.le32(8)?.into()));
            }
        }
        Ok(extents)
    }

    /// Refuses intents that change what is read when they are finished.
    pub(super) fn check(&self) -> Result<()> {
        for (kind, _) in self.open.keys() {
            let what = match *kind {
                kind::MAP_INTENT => "blocks of a file",
                kind::ATTRIBUTE_INTENT => "an attribute",
                kind::EXCHANGE_INTENT => "an exchange of blocks",
                _ => continue,
            };
            return Err(Error::unsupported(format!("dirty log: a change to {what} that is not finished")));
        }
        Ok(())
    }
}
