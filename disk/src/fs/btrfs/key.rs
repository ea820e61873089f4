//! Keys of items. Source: btrfs documentation, "On-disk Format", `btrfs_disk_key`; "Btree items".

use crate::Result;
use crate::bytes::Fields;

/// Size of a key on disk in bytes.
pub(super) const SIZE: usize = 17;

/// Key of an item: what the trees are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) object: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

impl Key {
    /// The key of these three numbers.
    pub(super) const fn new(object: u64, kind: u8, offset: u64) -> Self {
        Key { object, kind, offset }
    }

    /// The first key that can be.
    pub(super) const FIRST: Key = Key::new(0, 0, 0);

    /// The key at `at` of `bytes`.
    pub(super) fn read(bytes: &[u8], at: usize) -> Result<Self> {
        let field: [u8; SIZE] = bytes.array(at)?;
        let field: &[u8] = &field;
        Ok(Key { object: field.le64(0)?, kind: field.u8(8)?, offset: field.le64(9)? })
    }

    /// The key after this one, if there can be one.
    pub(super) fn after(self) -> Option<Self> {
        let Key { object, kind, offset } = self;
        if let Some(offset) = offset.checked_add(1) {
            return Some(Key { offset, ..self });
        }
        if let Some(kind) = kind.checked_add(1) {
            return Some(Key::new(object, kind, 0));
        }
        object.checked_add(1).map(|object| Key::new(object, 0, 0))
    }

    /// The key before this one, if there can be one.
    pub(super) fn before(self) -> Option<Self> {
        let Key { object, kind, offset } = self;
        if let Some(offset) = offset.checked_sub(1) {
            return Some(Key { offset, ..self });
        }
        if let Some(kind) = kind.checked_sub(1) {
            return Some(Key::new(object, kind, u64::MAX));
        }
        object.checked_sub(1).map(|object| Key::new(object, u8::MAX, u64::MAX))
    }

    /// Is this a key of that object and kind?
    pub(super) fn is(&self, object: u64, kind: u8) -> bool {
        self.object == object && self.kind == kind
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} {} {})", self.object, self.kind, self.offset)
    }
}

/// Kinds of items.
pub(super) mod kind {
    pub(in super::super) const INODE_ITEM: u8 = 1;
    pub(in super::super) const INODE_REF: u8 = 12;
    pub(in super::super) const INODE_EXTREF: u8 = 13;
    pub(in super::super) const XATTR_ITEM: u8 = 24;
    pub(in super::super) const DIR_LOG_INDEX: u8 = 72;
    pub(in super::super) const DIR_ITEM: u8 = 84;
    pub(in super::super) const DIR_INDEX: u8 = 96;
    pub(in super::super) const EXTENT_DATA: u8 = 108;
    pub(in super::super) const EXTENT_CSUM: u8 = 128;
    pub(in super::super) const ROOT_ITEM: u8 = 132;
    pub(in super::super) const ROOT_BACKREF: u8 = 144;
    pub(in super::super) const ROOT_REF: u8 = 156;
    pub(in super::super) const BLOCK_GROUP_ITEM: u8 = 192;
    pub(in super::super) const DEV_ITEM: u8 = 216;
    pub(in super::super) const CHUNK_ITEM: u8 = 228;
}

/// Object numbers: of trees, and of what lies in them.
pub(super) mod object {
    /// The tree of trees.
    pub(in super::super) const ROOT_TREE: u64 = 1;
    /// Which extents are used.
    pub(in super::super) const EXTENT_TREE: u64 = 2;
    /// Where logical addresses lie on devices.
    pub(in super::super) const CHUNK_TREE: u64 = 3;
    /// The top subvolume.
    pub(in super::super) const FS_TREE: u64 = 5;
    /// Names the default subvolume, in the root tree.
    pub(in super::super) const ROOT_TREE_DIR: u64 = 6;
    /// Checksums of data.
    pub(in super::super) const CSUM_TREE: u64 = 7;
    /// Free space, if it is not in inodes of the root tree.
    pub(in super::super) const FREE_SPACE_TREE: u64 = 10;
    /// Block groups, if they have a tree of their own.
    pub(in super::super) const BLOCK_GROUP_TREE: u64 = 11;
    /// Log trees (a negative number).
    pub(in super::super) const TREE_LOG: u64 = 6_u64.wrapping_neg();
    /// All checksums of data.
    pub(in super::super) const EXTENT_CSUM: u64 = 10_u64.wrapping_neg();
    /// All devices, in the chunk tree.
    pub(in super::super) const DEV_ITEMS: u64 = 1;
    /// All chunks, in the chunk tree.
    pub(in super::super) const FIRST_CHUNK_TREE: u64 = 256;
    /// The first number for subvolumes, and the root directory of each.
    pub(in super::super) const FIRST_FREE: u64 = 256;
    /// The last number for subvolumes and inodes.
    pub(in super::super) const LAST_FREE: u64 = 256_u64.wrapping_neg();

    /// Is that the number of a subvolume's tree?
    pub(in super::super) fn is_subvolume(number: u64) -> bool {
        number == FS_TREE || (FIRST_FREE..=LAST_FREE).contains(&number)
    }
}
