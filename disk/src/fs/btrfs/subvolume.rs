//! Subvolumes and snapshots: trees of their own, each with the names of its own, which lie in one another's directories.
//!
//! A subvolume's tree is named by a root item. Where it lies is recorded twice in the root tree, from above
//! (`ROOT_REF`, by the subvolume around it) and from below (`ROOT_BACKREF`): the directory's inode and the name.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_root_ref`, `btrfs_inode_ref`; "Subvolumes".

use std::sync::PoisonError;

use bstr::BString;

use super::Btrfs;
use super::inode::Inode;
use super::key::{Key, kind, object};
use super::root::RootItem;
use crate::bytes::Fields;
use crate::fs::{Filesystem, InodeId, Subvolume, SubvolumeName};
use crate::{Context, Error, ErrorKind, Result};

/// How many root items are kept.
pub(super) const KEPT_ROOTS: usize = 256;
/// Most subvolumes that are listed: snapshots every five minutes for a year make 100,000.
const MAX_SUBVOLUMES: usize = 1 << 18;
/// Most bytes that all their paths have.
const MAX_PATHS: usize = 64 << 20;
/// Longest path of a subvolume in bytes, and most directories in it: what the kernel takes as a path.
const MAX_PATH: usize = 4096;
/// Size of a reference to a root without its name, in bytes; of one to an inode.
const ROOT_REF: usize = 18;
const INODE_REF: usize = 10;

/// Where a subvolume lies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The subvolume around it.
    parent: u64,
    /// The directory in that.
    directory: u64,
    name: BString,
}

impl Place {
    fn parse(parent: u64, bytes: &[u8]) -> Result<Self> {
        let name = bytes.slice(ROOT_REF, bytes.le16(16)?.into())?;
        Ok(Place { parent, directory: bytes.le64(0)?, name: name.into() })
    }
}

impl Btrfs {
    /// The root directory of a subvolume.
    pub(super) fn top_of(subvolume: u64) -> InodeId {
        InodeId { subvolume, number: object::FIRST_FREE }
    }

    /// The root item of subvolume `id`, which was not deleted.
    pub(super) fn subvolume(&self, id: u64) -> Result<RootItem> {
        let kept = || self.kept_roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(item) = kept().get(&id) {
            return Ok(*item);
        }
        let item = if object::is_subvolume(id) { self.trees.root_item(self.roots, id)? } else { None };
        let item = item.filter(|item| item.references != 0);
        let item =
            item.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no subvolume {id}")))?;
        kept().insert(id, item, 1);
        Ok(item)
    }

    /// Is `name` in directory `dir` really the place of subvolume `id`, and is that there?
    pub(super) fn is_named(&self, id: u64, dir: &Inode, name: &[u8]) -> Result<bool> {
        let key = Key::new(dir.root.id, kind::ROOT_REF, id);
        let place = self.trees.get(self.roots, key, |data| Place::parse(dir.root.id, data))?;
        if place.is_none_or(|place| place.directory != dir.number || place.name != name) {
            return Ok(false);
        }
        match self.subvolume(id) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where subvolume `id` lies, if anywhere.
    fn place(&self, id: u64) -> Result<Option<Place>> {
        let mut items = self.trees.search(self.roots, Key::new(id, kind::ROOT_BACKREF, 0))?;
        match items.next()? {
            Some((key, data)) if key.is(id, kind::ROOT_BACKREF) => Place::parse(key.offset, data).map(Some),
            _ => Ok(None),
        }
    }

    /// The directory around directory `inode` of subvolume `subvolume`, and its name there.
    fn parent(&self, subvolume: u64, inode: u64) -> Result<(u64, BString)> {
        let root = self.subvolume(subvolume)?.root;
        let mut items = self.trees.search(root, Key::new(inode, kind::INODE_REF, 0))?;
        match items.next()? {
            Some((key, data)) if key.is(inode, kind::INODE_REF) => {
                Ok((key.offset, data.slice(INODE_REF, data.le16(8)?.into())?.into()))
            }
            _ => Err(Error::corrupt(format!("directory {inode} of subvolume {subvolume} lies nowhere"))),
        }
    }

    /// The path of subvolume `id` from the top of the filesystem, and the subvolume around it; `None` if it lies nowhere.
    fn path(&self, id: u64) -> Result<Option<(BString, u64)>> {
        let Some(first) = self.place(id)? else { return Ok(None) };
        let around = first.parent;
        // Names from the end on.
        let mut names = vec![first.name];
        let (mut subvolume, mut directory) = (around, first.directory);
        let mut len = 0_usize;
        loop {
            len = names.last().map_or(len, |name| len.saturating_add(name.len()).saturating_add(1));
            if len > MAX_PATH {
                return Err(Error::unsupported(format!("the path of subvolume {id} is too long")));
            }
            if directory != object::FIRST_FREE {
                let (above, name) = self.parent(subvolume, directory)?;
                directory = above;
                names.push(name);
            } else if subvolume == object::FS_TREE {
                break;
            } else {
                let Some(place) = self.place(subvolume)? else { return Ok(None) };
                (subvolume, directory) = (place.parent, place.directory);
                names.push(place.name);
            }
        }
        names.reverse();
        Ok(Some((bstr::join("/", &names).into(), around)))
    }

    /// What `subvolumes` of the trait does.
    pub(super) fn all_subvolumes(&self) -> Result<Vec<Subvolume>> {
        let mut items = self.trees.search(self.roots, Key::new(object::FIRST_FREE, kind::ROOT_ITEM, 0))?;
        let mut roots = Vec::<RootItem>::new();
        while let Some((key, data)) = items.next()? {
            if key.object > object::LAST_FREE {
                break;
            }
            if key.kind != kind::ROOT_ITEM {
                continue;
            }
            let item = RootItem::parse(key.object, data)?;
            if roots.len() >= MAX_SUBVOLUMES {
                return Err(Error::unsupported(format!("over {MAX_SUBVOLUMES} subvolumes")));
            }
            if !item.is_deleted() {
                // Of several items for one tree the last counts.
                roots.pop_if(|last| last.root.id == item.root.id);
                roots.push(item);
            }
        }
        let text = |uuid| crate::guid::uuid(&uuid);
        let mut list = Vec::new();
        let mut left = MAX_PATHS;
        for item in roots {
            let id = item.root.id;
            let place = self.path(id).context(|| format!("where subvolume {id} lies"))?;
            let Some((path, parent)) = place else { continue };
            let too_long = || Error::unsupported("subvolumes whose paths are this long");
            left = left.checked_sub(path.len()).ok_or_else(too_long)?;
            list.push(Subvolume {
                id,
                path,
                parent,
                generation: item.generation,
                uuid: item.uuid.map(text),
                parent_uuid: item.parent_uuid.map(text),
                read_only: item.is_read_only(),
            });
        }
        Ok(list)
    }

    /// What `subvolume_root` of the trait does.
    pub(super) fn find_subvolume(&self, name: SubvolumeName<'_>) -> Result<InodeId> {
        let path = match name {
            // As the kernel's option has it.
            SubvolumeName::Id(0) => return Ok(Btrfs::top_of(object::FS_TREE)),
            SubvolumeName::Id(id) => return self.subvolume(id).map(|_| Btrfs::top_of(id)),
            SubvolumeName::Path(path) => path,
        };
        let none = || {
            let what = format!("there is no subvolume {}", bstr::BStr::new(path));
            Error::new(ErrorKind::NotFound, what)
        };
        let mut at = Btrfs::top_of(object::FS_TREE);
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            at = self.lookup(at, name)?.ok_or_else(none)?;
        }
        if at.number != object::FIRST_FREE {
            let what = format!("{} is no subvolume", bstr::BStr::new(path));
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(at)
    }
}
