//! Changes to a hive, made on its image in memory.
//!
//! Before the first change the whole tree is walked ([`owners`]): which cell belongs to what. Only cells with exactly one
//! owner are ever freed or moved, so that in a damaged hive no change can take away what something else refers to; what
//! is doubtful stays where it is. A hive whose bins are damaged can't be changed at all.
//!
//! A change first stores what is new, which is all that may fail (a hive holds 2 GiB), and then links it.
//!
//! ```text
//! keys      add and delete keys        lists     sorted lists of subkeys     security   reference counts of sk cells
//! values    set and delete values      cells     the allocator               owners     who refers to what
//! ```

mod cells;
mod create;
mod keys;
mod lists;
mod owners;
mod security;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::bytes::{Bits, Fields};
use crate::header::{self, Header};
use crate::hive::{Hive, Node};
use crate::{Error, ErrorKind, FileTime, Result};

pub use values::NewValue;

/// What is known of a hive that is being changed. Sets of cells are in units of 8 bytes.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    /// Free cells that may be used: their length by their offset, and the other way round.
    free: BTreeMap<u32, u32>,
    by_len: BTreeSet<(u32, u32)>,
    /// Cells that something refers to.
    owned: Bits,
    /// Those of them that are never freed: two things refer to them, or they are free already.
    shared: Bits,
    /// Keys in the tree.
    nodes: Bits,
    /// How many keys refer to each `sk` cell.
    security: HashMap<u32, u32>,
    /// Keys whose list of subkeys is known to be sorted, with hashes that are right.
    sorted: HashSet<u32>,
}

impl Hive {
    /// Makes ready for changes.
    fn prepare(&mut self) -> Result<()> {
        if self.editor.is_some() {
            return Ok(());
        }
        if !self.options.write {
            return Err(Error::new(ErrorKind::ReadOnly, "the hive was not opened for writing"));
        }
        let header = self.header()?;
        if !self.map.broken.is_empty() || self.map.end != header.bins {
            return Err(Error::corrupt("the bins of the hive are damaged: it can't be changed safely"));
        }
        let mut editor = owners::editor(self);
        let free = owners::free_cells(self, &editor)?;
        free.iter().for_each(|(offset, len)| editor.add_free(*offset, *len));
        self.editor = Some(Box::new(editor));
        // Not every writer joins free cells.
        free.into_iter().try_for_each(|(offset, len)| self.join_free(offset, len))
    }

    fn editor(&mut self) -> Result<&mut Editor> {
        let editor = self.editor.as_deref_mut();
        editor.ok_or_else(|| Error::new(ErrorKind::ReadOnly, "the hive is not being changed"))
    }

    /// Makes ready for a change of `node`, which must be a key of the tree.
    fn prepare_node(&mut self, node: Node) -> Result<()> {
        self.prepare()?;
        if !self.editor()?.nodes.contains(node.0 / 8) || !node.0.is_multiple_of(8) {
            return Err(Error::invalid(format!("there is no key at {:#x}", node.handle())));
        }
        Ok(())
    }

    /// A key was changed.
    fn touch(&mut self, node: Node) -> Result<()> {
        let FileTime(now) = self.now();
        self.content_mut(node.0)?.put64(crate::key::WRITTEN, now)
    }

    /// Ends the changes made so far: time, sequence numbers and sum of the base block become those of a hive that was
    /// written completely. [`Hive::image`] is then what is to be written.
    ///
    /// A log that lies beside the hive's file holds nothing that this image lacks, if it was opened with it, and is ignored
    /// from then on.
    ///
    /// # Errors
    /// `ReadOnly` if the hive was not opened for writing.
    pub fn commit(&mut self) -> Result<()> {
        self.prepare()?;
        let Header { sequence_1, sequence_2, .. } = self.header()?;
        let sequence = sequence_1.max(sequence_2).wrapping_add(1);
        let FileTime(now) = self.now();
        self.image.put32(header::SEQUENCE_1, sequence)?;
        self.image.put32(header::SEQUENCE_2, sequence)?;
        self.image.put64(header::WRITTEN, now)?;
        // The first bin has a copy of the time.
        self.bins_mut().put64(20, now)?;
        header::seal(&mut self.image)
    }
}
