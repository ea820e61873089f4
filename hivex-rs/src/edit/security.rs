//! Security descriptors: cells that keys share, with a count of the keys, in a ring.
//!
//! ```text
//!  0 "sk"    4 next in the ring    8 the one before    12 number of keys    16 length    20 descriptor
//! ```

use crate::bytes::{Fields, len32};
use crate::hive::Hive;
use crate::{Error, Result};

const NEXT: usize = 4;
const BEFORE: usize = 8;
const COUNT: usize = 12;

/// The content of a cell for a descriptor that `count` keys have; it has to be put into the ring.
pub(super) fn content(descriptor: &[u8], count: u32) -> Result<Vec<u8>> {
    let mut content = b"sk\0\0".to_vec();
    for number in [0, 0, count, len32(descriptor.len())?] {
        content.extend_from_slice(&number.to_le_bytes());
    }
    content.extend_from_slice(descriptor);
    Ok(content)
}

impl Hive {
    fn is_security(&self, offset: u32) -> bool {
        self.content(offset).is_ok_and(|cell| cell.starts_with(b"sk"))
    }

    /// One more key has this descriptor.
    pub(super) fn add_security_reference(&mut self, offset: u32) -> Result<()> {
        if !self.is_security(offset) {
            return Err(Error::corrupt(format!("there is no security descriptor at {offset:#x}")));
        }
        let known = self.editor()?.security.entry(offset).or_default();
        *known = known.saturating_add(1);
        let known = *known;
        let cell = self.content_mut(offset)?;
        let count = cell.le32(COUNT)?.saturating_add(1).max(known);
        cell.put32(COUNT, count)
    }

    /// A key that had this descriptor is gone; so is the descriptor if it was the last.
    pub(super) fn drop_security_reference(&mut self, offset: u32) -> Result<()> {
        if !self.is_security(offset) {
            return Ok(());
        }
        let Some(known) = self.editor()?.security.get_mut(&offset) else { return Ok(()) };
        *known = known.saturating_sub(1);
        let known = *known;
        let cell = self.content_mut(offset)?;
        let count = cell.le32(COUNT)?.saturating_sub(1).max(known);
        cell.put32(COUNT, count)?;
        if known == 0 && count == 0 { self.remove_security(offset) } else { Ok(()) }
    }

    /// Takes a descriptor out of the ring and frees it; if the ring is not whole, it stays.
    fn remove_security(&mut self, offset: u32) -> Result<()> {
        let cell = self.content(offset)?;
        let (next, before) = (cell.le32(NEXT)?, cell.le32(BEFORE)?);
        let whole = self.is_security(next)
            && self.is_security(before)
            && self.content(next)?.le32(BEFORE)? == offset
            && self.content(before)?.le32(NEXT)? == offset;
        if !whole || !self.editor()?.is_own(offset) {
            return Ok(());
        }
        self.content_mut(before)?.put32(NEXT, next)?;
        self.content_mut(next)?.put32(BEFORE, before)?;
        self.editor()?.security.remove(&offset);
        self.release(offset)
    }
}
