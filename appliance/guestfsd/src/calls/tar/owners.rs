//! Names of users and groups, from the guest's own `/etc/passwd` and `/etc/group`.

use std::collections::HashMap;

use bstr::{BStr, BString, ByteSlice};

use crate::calls::acl::Names;
use crate::engine::Tree;

/// Most bytes of a list that are looked at.
const MAX_LIST: usize = 1 << 20;

/// Names by number.
#[derive(Debug, Default)]
pub(in crate::calls) struct Owners {
    users: HashMap<u32, BString>,
    groups: HashMap<u32, BString>,
}

impl Owners {
    /// The names that the guest has; none where there are no lists or they can't be read, since numbers will do.
    pub(in crate::calls) fn of(tree: &dyn Tree) -> Self {
        Owners { users: list(tree, "/etc/passwd".into()), groups: list(tree, "/etc/group".into()) }
    }

    pub(super) fn user(&self, id: u32) -> BString {
        self.users.get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn group(&self, id: u32) -> BString {
        self.groups.get(&id).cloned().unwrap_or_default()
    }
}

impl Names for Owners {
    fn user(&self, name: &str) -> Option<u32> {
        self.users.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }
}

fn list(tree: &dyn Tree, path: &BStr) -> HashMap<u32, BString> {
    let Ok(mut file) = tree.open(path) else { return HashMap::new() };
    let mut text = vec![0; usize::try_from(file.len()).unwrap_or(usize::MAX).min(MAX_LIST)];
    let length = file.read_at(0, &mut text).unwrap_or(0);
    names(text.get(..length).unwrap_or_default())
}

/// `name:password:NUMBER:…`; of two names for a number, the first.
fn names(text: &[u8]) -> HashMap<u32, BString> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split_str(":");
        let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let id = id.to_str().ok().and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|_| !name.is_empty()) {
            names.entry(id).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_is_taken() {
        let names =
            names(b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0\n\n#\n:x:5:\nbad:x:-1\nuser:x:1000\n\xff:x:7:");
        let mut all: Vec<_> = names.into_iter().collect();
        all.sort();
        assert_eq!(all, [(0, "root".into()), (7, BString::from(b"\xff")), (1000, "user".into())]);
    }
}
