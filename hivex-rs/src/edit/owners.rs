//! Who refers to which cell.
//!
//! The tree is walked from its root, through each cell once. A cell that is met again is shared, and so is what it lists.

use crate::Result;
use crate::bins::{ALIGN, BIN_HEADER, CELL_HEADER, PAGE};
use crate::bytes::{Bits, Fields, index};
use crate::edit::Editor;
use crate::hive::{Hive, Node, Value};
use crate::key::{Key, NONE, VOLATILE_LIST};
use crate::subkeys::List;
use crate::values::Stored;

/// Who refers to what in a hive.
pub(super) fn editor(hive: &Hive) -> Editor {
    let mut walk = Walk { hive, editor: Editor::default(), nodes: Vec::new(), security: Bits::default() };
    walk.claim_node(hive.root().0);
    while let Some(node) = walk.nodes.pop() {
        if let Ok(key) = hive.key(node) {
            walk.node(node, &key);
        }
    }
    walk.editor
}

/// Free cells that nothing refers to, each with those that follow it: their offsets and lengths.
pub(super) fn free_cells(hive: &Hive, editor: &Editor) -> Result<Vec<(u32, u32)>> {
    let bins = hive.bins();
    let mut found: Vec<(u32, u32)> = Vec::new();
    let mut at = 0;
    let mut bin_end = 0;
    while at < hive.map.end {
        if at >= bin_end {
            bin_end = at.saturating_add(bins.le32(index(at.saturating_add(8)))?.max(PAGE));
            at = at.saturating_add(BIN_HEADER);
            continue;
        }
        let cell = hive.map.cell(bins, at)?;
        let len = cell.len.saturating_add(CELL_HEADER);
        if !cell.used && !editor.owned.contains(at / ALIGN) {
            match found.last_mut() {
                Some((before, sum)) if before.saturating_add(*sum) == at => *sum = sum.saturating_add(len),
                _ => found.push((at, len)),
            }
        }
        at = at.saturating_add(len);
    }
    Ok(found)
}

struct Walk<'a> {
    hive: &'a Hive,
    editor: Editor,
    nodes: Vec<Node>,
    security: Bits,
}

/// What a reference to a cell was.
#[derive(PartialEq, Eq)]
enum Claim {
    /// The first one.
    First,
    /// The second one: what the cell lists is shared from now on.
    Second,
    /// A further one, or to no cell at all.
    Other,
}

impl Walk<'_> {
    fn claim(&mut self, offset: u32) -> Claim {
        let Ok(cell) = self.hive.map.cell(self.hive.bins(), offset) else { return Claim::Other };
        let first = self.editor.owned.insert(offset / ALIGN);
        if !first || !cell.used {
            let new = self.editor.shared.insert(offset / ALIGN);
            return match (first, new) {
                (true, _) => Claim::First,
                (false, true) => Claim::Second,
                (false, false) => Claim::Other,
            };
        }
        Claim::First
    }

    fn claim_node(&mut self, offset: u32) {
        if self.claim(offset) == Claim::First && self.hive.key(Node(offset)).is_ok() {
            self.editor.nodes.insert(offset / ALIGN);
            self.nodes.push(Node(offset));
        }
    }

    fn node(&mut self, node: Node, key: &Key) {
        if key.class != NONE {
            self.claim(key.class);
        }
        self.claim_security(key.security);
        self.claim_subkeys(key.subkey_list, 0);
        // In a file there are no volatile keys; if this refers to a cell, the cell is left alone.
        let volatile = self.hive.content(node.0).and_then(|cell| cell.le32(VOLATILE_LIST));
        if let Ok(list) = volatile
            && list != NONE
        {
            self.claim(list);
        }
        if key.value_list == NONE || key.values == 0 {
            return;
        }
        let claim = self.claim(key.value_list);
        if claim == Claim::Other {
            return;
        }
        let Ok(values) = self.hive.value_offsets(node) else { return };
        match claim {
            Claim::First => values.into_iter().for_each(|value| self.claim_value(value)),
            Claim::Second => values.into_iter().for_each(|value| self.share(value)),
            Claim::Other => {}
        }
    }

    /// Something else that two things refer to lists this.
    fn share(&mut self, offset: u32) {
        if offset.is_multiple_of(ALIGN) && offset < self.hive.map.end {
            self.editor.shared.insert(offset / ALIGN);
        }
    }

    fn claim_security(&mut self, offset: u32) {
        let is_security = self.hive.content(offset).is_ok_and(|cell| cell.starts_with(b"sk"));
        if !is_security {
            self.claim(offset);
            return;
        }
        if self.security.insert(offset / ALIGN) {
            self.claim(offset);
        }
        let count = self.editor.security.entry(offset).or_default();
        *count = count.saturating_add(1);
    }

    fn claim_subkeys(&mut self, offset: u32, level: usize) {
        if offset == NONE || level > 8 {
            return;
        }
        let claim = self.claim(offset);
        if claim == Claim::Other {
            return;
        }
        let Ok(list) = self.hive.list(offset) else { return };
        match (claim, list) {
            (Claim::First, List::Leaf { entries, .. }) => {
                entries.iter().for_each(|entry| self.claim_node(entry.node));
            }
            (Claim::First, List::Root(lists)) => {
                lists.iter().for_each(|list| self.claim_subkeys(*list, level.saturating_add(1)));
            }
            (Claim::Second, List::Leaf { entries, .. }) => {
                entries.iter().for_each(|entry| self.share(entry.node));
            }
            (Claim::Second, List::Root(lists)) => {
                lists.iter().for_each(|list| self.claim_subkeys(*list, level.saturating_add(1)));
            }
            (Claim::Other, _) => {}
        }
    }

    fn claim_value(&mut self, offset: u32) {
        if self.claim(offset) != Claim::First {
            return;
        }
        let Ok(record) = self.hive.record(Value(offset)) else { return };
        match self.hive.stored(&record) {
            Ok(Stored::Cell) => {
                self.claim(record.data);
            }
            Ok(Stored::Pieces { list, pieces }) => {
                let first = self.claim(record.data) == Claim::First;
                match self.claim(list) {
                    Claim::First if first => {
                        for piece in pieces {
                            self.claim(piece);
                        }
                    }
                    Claim::Other => {}
                    _ => pieces.into_iter().for_each(|piece| self.share(piece)),
                }
            }
            Ok(Stored::Inline) | Err(_) => {}
        }
    }
}
