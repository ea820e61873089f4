//! Feature bits of the superblock. Source: btrfs documentation, "On-disk Format", and `linux/btrfs.h` of the kernel's
//! user interface.
//!
//! A set bit that this code does not know makes the filesystem `Unsupported` if it is an incompatible feature. Of the
//! read-only compatible ones the kernel refuses unknown ones only if there is a log to be replayed; so does this.

/// Incompatible features.
pub(super) mod incompat {
    /// Holes of files have no items.
    pub(in super::super) const NO_HOLES: u64 = 1 << 9;
    /// Blocks of metadata bear `metadata_uuid` and not the UUID that the filesystem shows.
    pub(in super::super) const METADATA_UUID: u64 = 1 << 10;

    /// What this code understands, with the names of `/sys/fs/btrfs/features`.
    const KNOWN: [(u64, &str); 13] = [
        (1 << 0, "mixed_backref"),
        (1 << 1, "default_subvol"),
        (1 << 2, "mixed_groups"),
        (1 << 3, "compress_lzo"),
        (1 << 4, "compress_zstd"),
        (1 << 5, "big_metadata"),
        (1 << 6, "extended_iref"),
        (1 << 7, "raid56"),
        (1 << 8, "skinny_metadata"),
        (NO_HOLES, "no_holes"),
        (METADATA_UUID, "metadata_uuid"),
        (1 << 11, "raid1c34"),
        (1 << 16, "simple_quota"),
    ];

    /// Bits that no code here handles, but which have names.
    const FOREIGN: [(u64, &str); 4] = [
        (1 << 12, "zoned"),
        (1 << 13, "extent_tree_v2"),
        (1 << 14, "raid_stripe_tree"),
        (1 << 17, "remap_tree"),
    ];

    /// The bits of `features` that this code does not understand.
    pub(in super::super) fn unknown(features: u64) -> u64 {
        KNOWN.iter().fold(features, |rest, (bit, _)| rest & !bit)
    }

    /// `features` for a message: names where there are any, else numbers.
    pub(in super::super) fn names(features: u64) -> String {
        let mut names = Vec::new();
        for shift in 0..u64::BITS {
            let bit = 1_u64.rotate_left(shift);
            if features & bit != 0 {
                let known = KNOWN.iter().chain(&FOREIGN).find(|(known, _)| *known == bit);
                names.push(known.map_or_else(|| format!("bit {shift}"), |(_, name)| (*name).to_owned()));
            }
        }
        names.join(", ")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn unknown_bits_are_named() {
            assert_eq!(unknown(0x371), 0);
            assert_eq!(unknown(1 << 12 | 1 << 40 | 1), 1 << 12 | 1 << 40);
            assert_eq!(names(1 << 12 | 1 << 40), "zoned, bit 40");
        }
    }
}

/// Features that only writers must know.
pub(super) mod compat_ro {
    /// Free space tree, that it is valid, fs-verity, block group tree.
    pub(in super::super) const KNOWN: u64 = 0xf;
    /// Free space is recorded in a tree.
    pub(in super::super) const FREE_SPACE_TREE: u64 = 1 << 0;
    /// Block groups have a tree of their own.
    pub(in super::super) const BLOCK_GROUP_TREE: u64 = 1 << 3;
}

/// Flags of the superblock.
pub(super) mod flags {
    /// Written (as all tree blocks have it), moved, damaged: these do not matter here.
    pub(in super::super) const HARMLESS: u64 = 0x1 | 0x2 | 0x4;
    /// Others are made from this filesystem, which is read-only.
    pub(in super::super) const SEEDING: u64 = 1 << 32;
    /// Restored from an image without data (both versions).
    pub(in super::super) const METADUMP: u64 = 1 << 33 | 1 << 34;
}
