//! The feature bits of the superblock.
//!
//! Source: "XFS Algorithms & Data Structures", section "Superblocks".

/// `sb_versionnum`.
pub(super) mod version {
    /// The version itself: 4 or 5.
    pub(in super::super) const NUMBER: u16 = 0x000F;
    /// Extents have a bit that says "not written".
    pub(in super::super) const EXTENT_FLAG: u16 = 0x1000;
    /// Directories have the second format.
    pub(in super::super) const DIRECTORY_V2: u16 = 0x2000;
    /// Names in directories are found whatever the case of their ASCII letters.
    pub(in super::super) const ASCII_CI: u16 = 0x4000;
    /// `sb_features2` is there.
    pub(in super::super) const MORE_BITS: u16 = 0x8000;
}

/// `sb_features2`.
pub(super) mod features2 {
    /// The counters of the superblock are brought up to date only when it is unmounted.
    pub(in super::super) const LAZY_COUNT: u32 = 0x2;
    /// Where attributes begin within an inode differs from inode to inode.
    pub(in super::super) const ATTR2: u32 = 0x8;
    /// Project numbers have 32 bits.
    pub(in super::super) const PROJECT32: u32 = 0x80;
    /// Directory entries have the kind of the inode.
    pub(in super::super) const FILE_TYPE: u32 = 0x200;
    /// What version 4 may have.
    pub(in super::super) const KNOWN_V4: u32 = LAZY_COUNT | ATTR2 | PROJECT32 | FILE_TYPE;
}

/// `sb_features_ro_compat`: unknown ones are no hindrance for reading.
pub(super) mod ro_compat {
    /// There is a B-tree of inode chunks with free inodes.
    pub(in super::super) const FREE_INODE_BTREE: u32 = 0x1;
    /// There is a B-tree of the owners of blocks.
    pub(in super::super) const REVERSE_MAP: u32 = 0x2;
    /// Files may share blocks.
    pub(in super::super) const REFLINK: u32 = 0x4;
}

/// `sb_features_incompat`: unknown ones keep from reading.
pub(super) mod incompat {
    /// Directory entries have the kind of the inode.
    pub(in super::super) const FILE_TYPE: u32 = 0x1;
    /// Chunks of inodes may have parts that do not exist.
    pub(in super::super) const SPARSE_INODES: u32 = 0x2;
    /// The UUID in metadata is not that of the filesystem.
    pub(in super::super) const META_UUID: u32 = 0x4;
    /// Times have 64 bits.
    pub(in super::super) const BIG_TIME: u32 = 0x8;
    /// A repair was broken off.
    pub(in super::super) const NEEDS_REPAIR: u32 = 0x10;
    /// Inodes count their extents with more bits.
    pub(in super::super) const LARGE_EXTENT_COUNTS: u32 = 0x20;
    /// Files may exchange ranges: log items, nothing else on disk.
    pub(in super::super) const EXCHANGE_RANGE: u32 = 0x40;
    /// Inodes have attributes, shown to nobody, that name their parents.
    pub(in super::super) const PARENT: u32 = 0x80;
    /// What is read here.
    pub(in super::super) const KNOWN: u32 = FILE_TYPE
        | SPARSE_INODES
        | META_UUID
        | BIG_TIME
        | NEEDS_REPAIR
        | LARGE_EXTENT_COUNTS
        | EXCHANGE_RANGE
        | PARENT;

    /// Names by bit, the known and those that are not read.
    const NAMES: [&str; 11] = [
        "ftype",
        "sparse",
        "meta_uuid",
        "bigtime",
        "needsrepair",
        "nrext64",
        "exchange",
        "parent",
        "metadir",
        "zoned",
        "zone_gaps",
    ];

    /// The names of the bits in `set`.
    pub(in super::super) fn names(set: u32) -> String {
        let name = |bit: u32| {
            let known = usize::try_from(bit).ok().and_then(|bit| NAMES.get(bit));
            known.map_or_else(|| format!("incompat_{bit}"), |name| (*name).to_owned())
        };
        let names: Vec<_> = (0..u32::BITS).filter(|bit| set.wrapping_shr(*bit) & 1 == 1).map(name).collect();
        names.join(", ")
    }
}
