//! What is mounted, as [`libguestfs_core::inspect`] and [`libguestfs_core::registry`] read it.

use std::ops::ControlFlow;

use bstr::{BStr, BString};
use disk::ErrorKind;
use disk::fs::FileType;
use libguestfs_core::inspect::{Entry, Tree, Trouble};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::engine::{self, Last};
use crate::error::Failure;

/// What a kernel says of a place that is damaged, on a disk that fails, or encrypted without its key.
const DAMAGE: [Errno; 5] = [Errno::EIO, Errno::EUCLEAN, Errno::EBADMSG, Errno::ENOKEY, Errno::EREMOTEIO];

/// The files of the guest. `Err` is for what keeps them from being read but damage: see [`Self::trouble`](Tree::trouble).
pub(crate) struct GuestTree<'t> {
    tree: &'t dyn engine::Tree,
    trouble: Option<Trouble>,
}

impl<'t> GuestTree<'t> {
    pub(crate) fn new(tree: &'t dyn engine::Tree) -> Self {
        GuestTree { tree, trouble: None }
    }

    /// `None` for what is not there or damaged.
    fn look<T>(
        &mut self,
        path: &BStr,
        look: impl FnOnce(&dyn engine::Tree) -> engine::Result<T>,
    ) -> Result<Option<T>> {
        let failure = match look(self.tree) {
            Ok(found) => return Ok(Some(found)),
            Err(failure) => failure,
        };
        let is_damage = match &failure {
            Failure::Os(errno) | Failure::Text(errno, _) if !DAMAGE.contains(errno) => return Ok(None),
            Failure::Os(_) | Failure::Text(..) => true,
            Failure::Disk { error, .. } => error.kind() == ErrorKind::Corrupt,
            Failure::NeedsAppliance(_) => false,
        };
        let trouble = failure.trouble();
        let trouble = match trouble {
            Trouble::Damaged(why) => Trouble::Damaged(format!("{path}: {why}")),
            Trouble::Unsupported(why) => Trouble::Unsupported(format!("{path}: {why}")),
        };
        self.trouble = Some(trouble.or_first(self.trouble.take()));
        if is_damage { Ok(None) } else { Err(failure.at(path)) }
    }
}

impl Tree for GuestTree<'_> {
    type Error = Error;

    fn entry(&mut self, path: &BStr) -> Result<Option<Entry>> {
        let status = self.look(path, |tree| tree.status(path, Last::Itself))?;
        Ok(status.map(|status| match status.metadata.file_type {
            FileType::Regular => Entry::File(status.metadata.size),
            FileType::Directory => Entry::Directory,
            FileType::Symlink => Entry::Symlink,
            _ => Entry::Special,
        }))
    }

    fn read_link(&mut self, path: &BStr) -> Result<Option<BString>> {
        self.look(path, |tree| tree.read_link(path))
    }

    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>> {
        self.look(path, |tree| {
            let mut file = tree.open(path)?;
            let len = usize::try_from(file.len()).unwrap_or(max).min(max);
            let mut content = vec![0; len];
            let mut filled = 0;
            while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                let offset = u64::try_from(filled).unwrap_or(u64::MAX);
                let read = file.read_at(offset, rest).map_err(|e| Failure::disk(BStr::new(""), e))?;
                if read == 0 {
                    break;
                }
                filled = filled.saturating_add(read);
            }
            content.truncate(filled);
            Ok(content)
        })
    }

    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>> {
        let found = self.look(path, |tree| {
            let mut found = None;
            tree.directory(path)?.read(&mut |entry| {
                if entry.name.eq_ignore_ascii_case(name) {
                    found = Some(BString::from(entry.name));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            Ok(found)
        })?;
        Ok(found.flatten())
    }

    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>> {
        self.look(path, |tree| {
            let mut names = Vec::new();
            tree.directory(path)?.read(&mut |entry| {
                if names.len() == max {
                    return ControlFlow::Break(());
                }
                if !matches!(entry.name, b"." | b"..") {
                    names.push(BString::from(entry.name));
                }
                ControlFlow::Continue(())
            })?;
            names.sort_unstable();
            Ok(names)
        })
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.clone()
    }
}
