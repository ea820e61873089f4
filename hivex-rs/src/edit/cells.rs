//! The allocator: cells are cut out of free ones, joined with their free neighbours when they are freed, and the hive grows
//! by whole bins.

use crate::bins::{ALIGN, BIN_HEADER, CELL_HEADER, MAGIC, PAGE};
use crate::bytes::{Fields, index, len32};
use crate::edit::Editor;
use crate::header;
use crate::hive::{Hive, MAX_BINS};
use crate::{Error, Result};

impl Editor {
    pub(crate) fn add_free(&mut self, offset: u32, len: u32) {
        self.free.insert(offset, len);
        self.by_len.insert((len, offset));
    }

    fn remove_free(&mut self, offset: u32) -> Option<u32> {
        let len = self.free.remove(&offset)?;
        self.by_len.remove(&(len, offset));
        Some(len)
    }

    /// May the cell be freed, and written over?
    pub(crate) fn is_own(&self, offset: u32) -> bool {
        offset.is_multiple_of(ALIGN)
            && self.owned.contains(offset / ALIGN)
            && !self.shared.contains(offset / ALIGN)
    }
}

impl Hive {
    /// The content of the cell at `offset`, to be changed.
    pub(super) fn content_mut(&mut self, offset: u32) -> Result<&mut [u8]> {
        let cell = self.map.cell(self.bins(), offset)?;
        let content = self.bins_mut().get_mut(index(cell.start)..);
        content
            .and_then(|rest| rest.get_mut(..index(cell.len)))
            .ok_or_else(|| Error::corrupt(format!("no cell begins at {offset:#x}")))
    }

    /// A new cell with `content`; what is left of it is zeros.
    pub(super) fn store(&mut self, content: &[u8]) -> Result<u32> {
        let need = len32(content.len())?
            .checked_add(CELL_HEADER)
            .and_then(|len| len.checked_next_multiple_of(ALIGN))
            .filter(|len| *len < MAX_BINS)
            .ok_or_else(full)?;
        let editor = self.editor()?;
        // The smallest that is large enough, the first of these in the file.
        let (len, offset) = match editor.by_len.range((need, 0)..).next() {
            Some(found) => *found,
            None => self.grow(need)?,
        };
        let editor = self.editor()?;
        editor.remove_free(offset);
        editor.owned.insert(offset / ALIGN);
        let rest = len.saturating_sub(need);
        if rest > 0 {
            let after = offset.saturating_add(need);
            editor.add_free(after, rest);
            self.map.starts.insert(after / ALIGN);
            self.set_len(after, rest, false)?;
        }
        self.set_len(offset, need, true)?;
        let room = self.content_mut(offset)?;
        room.fill(0);
        room.put(0, content)?;
        Ok(offset)
    }

    /// Puts `content` in the place of what the cell at `offset` has: there if it may and can, or in a new cell.
    pub(super) fn rewrite(&mut self, offset: u32, content: &[u8]) -> Result<u32> {
        if self.editor()?.is_own(offset) {
            let room = self.content_mut(offset)?;
            if content.len() <= room.len() {
                room.fill(0);
                room.put(0, content)?;
                return Ok(offset);
            }
        }
        let new = self.store(content)?;
        self.release(offset)?;
        Ok(new)
    }

    /// Frees the cell at `offset`, if that is sure to be nobody else's.
    pub(super) fn release(&mut self, offset: u32) -> Result<()> {
        let editor = self.editor.as_deref().filter(|editor| editor.is_own(offset));
        if editor.is_none() {
            return Ok(());
        }
        let cell = self.map.cell(self.bins(), offset)?;
        let (mut start, mut len) = (offset, cell.len.saturating_add(CELL_HEADER));
        let after = start.saturating_add(len);
        let editor = self.editor()?;
        editor.owned.remove(offset / ALIGN);
        let mut absorbed = Vec::new();
        if let Some(more) = editor.remove_free(after) {
            absorbed.push(after);
            len = len.saturating_add(more);
        }
        // A free cell that ends here is in the same bin: between bins there is a header.
        let before = editor.free.range(..start).next_back().map(|(offset, len)| (*offset, *len));
        if let Some((offset, more)) = before.filter(|(offset, len)| offset.checked_add(*len) == Some(start)) {
            editor.remove_free(offset);
            absorbed.push(start);
            start = offset;
            len = len.saturating_add(more);
        }
        editor.add_free(start, len);
        for offset in absorbed {
            self.map.starts.remove(offset / ALIGN);
        }
        self.set_len(start, len, false)
    }

    /// Makes one free cell of those that lie there.
    pub(super) fn join_free(&mut self, offset: u32, len: u32) -> Result<()> {
        let end = offset.saturating_add(len);
        let first = self.map.cell(self.bins(), offset)?;
        let mut at = first.start.saturating_add(first.len);
        if at == end {
            return Ok(());
        }
        while at < end {
            let cell = self.map.cell(self.bins(), at)?;
            self.map.starts.remove(at / ALIGN);
            at = cell.start.saturating_add(cell.len);
        }
        self.set_len(offset, len, false)
    }

    /// Writes a cell's length.
    fn set_len(&mut self, offset: u32, len: u32, used: bool) -> Result<()> {
        let len = i32::try_from(len).map_err(|_| full())?;
        let field = if used { len.wrapping_neg() } else { len };
        self.bins_mut().put(index(offset), &field.to_le_bytes())
    }

    /// Adds a bin with a free cell of at least `need` bytes: its length and offset.
    fn grow(&mut self, need: u32) -> Result<(u32, u32)> {
        let start = self.map.end;
        let len = need
            .checked_add(BIN_HEADER)
            .and_then(|len| len.checked_next_multiple_of(PAGE))
            .filter(|len| start.checked_add(*len).is_some_and(|end| end <= MAX_BINS))
            .ok_or_else(full)?;
        let end = start.saturating_add(len);
        // What follows the bins in the file is padding.
        let file = header::LENGTH.saturating_add(index(end));
        if self.image.len() < file {
            self.image.resize(file, 0);
        }
        let bin = self.bins_mut().get_mut(index(start)..index(end)).ok_or_else(full)?;
        bin.fill(0);
        bin.put(0, MAGIC)?;
        bin.put32(4, start)?;
        bin.put32(8, len)?;
        let (cell, free) = (start.saturating_add(BIN_HEADER), len.saturating_sub(BIN_HEADER));
        self.map.end = end;
        self.map.starts.insert(cell / ALIGN);
        self.set_len(cell, free, false)?;
        self.image.put32(header::BINS, end)?;
        header::seal(&mut self.image)?;
        self.editor()?.add_free(cell, free);
        Ok((free, cell))
    }
}

fn full() -> Error {
    Error::too_large("the hive would be larger than 2 GiB")
}
