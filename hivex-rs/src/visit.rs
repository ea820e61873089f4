//! Walking all keys and values below one.

use crate::bytes::Bits;
use crate::hive::{Hive, Node, Value};
use crate::{Error, Result};

/// How deep keys are followed; Windows has 512 levels at most ("Registry element size limits").
pub(crate) const MAX_DEPTH: usize = 512;

/// What [`Hive::visit`] calls. A function that is not given does nothing.
pub trait Visitor {
    /// What may go wrong, in the hive or in the visitor.
    type Error: From<Error>;

    /// A key begins, `depth` levels below the first one. Are its values and subkeys wanted?
    ///
    /// # Errors
    /// What is returned ends the walk; the same goes for what follows.
    fn node_start(&mut self, hive: &Hive, node: Node, depth: usize) -> Result<bool, Self::Error> {
        let _ = (hive, node, depth);
        Ok(true)
    }

    /// The values and subkeys of the key that began last, to be put in another order, or to be left out.
    ///
    /// # Errors
    /// As `node_start`.
    fn arrange(
        &mut self,
        hive: &Hive,
        values: &mut Vec<Value>,
        children: &mut Vec<Node>,
    ) -> Result<(), Self::Error> {
        let _ = (hive, values, children);
        Ok(())
    }

    /// A value of the key that began last.
    ///
    /// # Errors
    /// As `node_start`.
    fn value(&mut self, hive: &Hive, node: Node, value: Value) -> Result<(), Self::Error> {
        let _ = (hive, node, value);
        Ok(())
    }

    /// A key whose values and subkeys were wanted ends.
    ///
    /// # Errors
    /// As `node_start`.
    fn node_end(&mut self, hive: &Hive, node: Node) -> Result<(), Self::Error> {
        let _ = (hive, node);
        Ok(())
    }
}

impl Hive {
    /// Walks `node` and all below it: each key, then its values, then its subkeys.
    ///
    /// Each cell is visited once: a key or list that is met again (a loop, in a damaged hive) is noted and left out, so
    /// that no walk is longer than the hive.
    ///
    /// # Errors
    /// What the visitor returned, or, under [`crate::Options::strict`], what is damaged.
    pub fn visit<V: Visitor>(&self, node: Node, visitor: &mut V) -> Result<(), V::Error> {
        self.key(node)?;
        let mut met = Bits::new(crate::bytes::index(self.map.end / 8));
        met.insert(node.0 / 8);
        // For each key that began, its subkeys that have not; in reverse.
        let mut open: Vec<(Node, Vec<Node>)> = Vec::new();
        let mut next = Some(node);
        loop {
            if let Some(node) = next.take()
                && visitor.node_start(self, node, open.len())?
            {
                let (mut values, mut children) = self.visible(node, &mut met)?;
                visitor.arrange(self, &mut values, &mut children)?;
                for value in values {
                    visitor.value(self, node, value)?;
                }
                if open.len() >= MAX_DEPTH && !children.is_empty() {
                    self.damaged(node.0, "subkeys lie too deep")?;
                    children.clear();
                }
                children.reverse();
                open.push((node, children));
            }
            let Some((node, children)) = open.last_mut() else { return Ok(()) };
            match children.pop() {
                Some(child) if met.insert(child.0 / 8) => next = Some(child),
                Some(child) => self.damaged(child.0, "a key that is listed twice")?,
                None => {
                    visitor.node_end(self, *node)?;
                    open.pop();
                }
            }
        }
    }

    /// The values and subkeys of a key, but for lists that were met before.
    fn visible(&self, node: Node, met: &mut Bits) -> Result<(Vec<Value>, Vec<Node>)> {
        let key = self.key(node)?;
        let mut is_new = |list: u32, count: u32| {
            // What is wrong with a missing list, or one outside of the hive, is noted where it is read.
            if count == 0 || list >= self.map.end {
                return Ok(true);
            }
            let new = met.insert(list / 8);
            if !new {
                self.damaged(list, "a list that two keys have")?;
            }
            Ok::<_, Error>(new)
        };
        let values = if is_new(key.value_list, key.values)? {
            self.or_note(node.0, self.node_values(node))?.unwrap_or_default()
        } else {
            Vec::new()
        };
        let children = if is_new(key.subkey_list, key.subkeys)? {
            self.or_note(node.0, self.node_children(node))?.unwrap_or_default()
        } else {
            Vec::new()
        };
        for child in &children {
            let parent = self.key(*child)?.parent;
            if parent != node.0 {
                self.damaged(child.0, format!("says that its parent is at {parent:#x}, not {:#x}", node.0))?;
            }
        }
        Ok((values, children))
    }
}
