//! Applying the changes of a `.reg` file to a hive.

use bstr::{BStr, ByteSlice};

use crate::hive::{Hive, Node};
use crate::reg::Action;
use crate::{Error, ErrorKind, Result};

impl Hive {
    /// Does what a line of a `.reg` file asks for with the key at `path` below the root key (what of the line's path stands
    /// for the hive itself is taken off by the caller). What is to be deleted and is not there is no error.
    ///
    /// # Errors
    /// As for the changes that it makes; the hive is then as it was before, but for keys that were made on the way.
    pub fn apply(&mut self, path: &BStr, action: &Action) -> Result<()> {
        match action {
            Action::Create => self.make_path(path).map(drop),
            Action::Delete => match self.node_get_path(self.root(), path)? {
                Some(node) if node == self.root() => {
                    Err(Error::invalid("the root key of a hive can't be deleted"))
                }
                Some(node) => self.node_delete_child(node),
                None => Ok(()),
            },
            Action::Set { name, kind, data } => {
                let node = self.make_path(path)?;
                self.node_set_value(node, name.as_bstr(), *kind, data)
            }
            Action::Unset(name) => match self.node_get_path(self.root(), path)? {
                Some(node) => match self.node_delete_value(node, name.as_bstr()) {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    result => result,
                },
                None => Ok(()),
            },
        }
    }

    /// The key at `path`, made with all above it if it is missing.
    fn make_path(&mut self, path: &BStr) -> Result<Node> {
        let mut node = self.root();
        for name in path.split(|byte| *byte == b'\\').filter(|name| !name.is_empty()) {
            node = match self.node_get_child(node, name.as_bstr())? {
                Some(child) => child,
                None => self.node_add_child(node, name.as_bstr())?,
            };
        }
        Ok(node)
    }
}
