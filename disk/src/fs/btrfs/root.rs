//! Root items: where each tree begins, and for subvolumes what is known of them as a whole.
//!
//! Source: btrfs documentation, "On-disk Format", `btrfs_root_item`.

use super::key::{Key, kind, object};
use super::superblock::{MAX_LEVELS, Uuid};
use super::tree::{Root, Trees};
use crate::bytes::Fields;
use crate::{Context, Error, Result};

/// Size in bytes of a root item before it had UUIDs.
const OLD_SIZE: usize = 239;
/// Flag: a read-only subvolume.
const READ_ONLY: u64 = 1;
/// Flag: a subvolume that was deleted and is not yet gone.
const DEAD: u64 = 1 << 48;

/// What the root tree says of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct RootItem {
    pub(super) root: Root,
    /// The transaction that last changed the tree.
    pub(super) generation: u64,
    /// Bytes that its blocks take.
    pub(super) bytes_used: u64,
    flags: u64,
    /// How many directories name it; 0 if it was deleted.
    pub(super) references: u32,
    /// UUIDs of its own and of what it is a snapshot of, if they are recorded.
    pub(super) uuid: Option<Uuid>,
    pub(super) parent_uuid: Option<Uuid>,
}

impl RootItem {
    /// The root item of tree `id`.
    pub(super) fn parse(id: u64, bytes: &[u8]) -> Result<Self> {
        let root =
            Root { id, address: bytes.le64(176)?, level: bytes.u8(238)?, generation: bytes.le64(160)? };
        if root.level >= MAX_LEVELS || bytes.len() < OLD_SIZE {
            return Err(Error::corrupt(format!("the root item of tree {id}")));
        }
        // Kernels that don't know the newer fields leave them as they were: they count if these two agree.
        let is_new = bytes.len() > OLD_SIZE && bytes.le64(239)? == root.generation;
        let uuid = |at: usize| -> Result<Option<Uuid>> {
            if !is_new {
                return Ok(None);
            }
            Ok(Some(bytes.array(at)?).filter(|uuid| *uuid != Uuid::default()))
        };
        Ok(RootItem {
            root,
            generation: root.generation,
            bytes_used: bytes.le64(192)?,
            flags: bytes.le64(208)?,
            references: bytes.le32(216)?,
            uuid: uuid(247)?,
            parent_uuid: uuid(263)?,
        })
    }

    /// Is the subvolume read-only?
    pub(super) fn is_read_only(&self) -> bool {
        self.flags & READ_ONLY != 0
    }

    /// Was the subvolume deleted?
    pub(super) fn is_deleted(&self) -> bool {
        self.references == 0 || self.flags & DEAD != 0
    }
}

impl Trees {
    /// The root item of tree `id` in the root tree `roots`, if there is such a tree: the last of them, as the kernel takes
    /// it.
    pub(super) fn root_item(&self, roots: Root, id: u64) -> Result<Option<RootItem>> {
        let mut items = self.search_back(roots, Key::new(id, kind::ROOT_ITEM, u64::MAX))?;
        match items.next()? {
            Some((key, data)) if key.is(id, kind::ROOT_ITEM) => {
                RootItem::parse(id, data).map(Some).context(|| "in the root tree".to_owned())
            }
            _ => Ok(None),
        }
    }

    /// The tree `id`, which every filesystem has.
    pub(super) fn system_root(&self, roots: Root, id: u64) -> Result<Root> {
        let item = self.root_item(roots, id)?;
        item.map(|item| item.root).ok_or_else(|| Error::corrupt(format!("there is no tree {id}")))
    }

    /// The default subvolume: what the root tree's directory has under the name "default".
    pub(super) fn default_subvolume(&self, roots: Root) -> Result<u64> {
        let hash = super::dir::hash(b"default");
        let key = Key::new(object::ROOT_TREE_DIR, kind::DIR_ITEM, hash);
        let found = self.get(roots, key, |data| super::dir::find_in_item(data, b"default"))?.flatten();
        // Filesystems can do without.
        Ok(found.map_or(object::FS_TREE, |target| target.object))
    }
}
