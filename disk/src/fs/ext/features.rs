//! Feature bits of the superblock. Source: kernel.org, "ext4 Data Structures and Algorithms", section "Super Block".
//!
//! A set bit that this code does not know makes the filesystem `Unsupported` if it is an incompatible feature; unknown
//! compatible and read-only compatible ones do not matter to a reader.

/// Incompatible features (`s_feature_incompat`).
pub(super) mod incompat {
    /// Directory entries record the file type.
    pub(in super::super) const FILETYPE: u32 = 0x2;
    /// The journal must be replayed.
    pub(in super::super) const RECOVER: u32 = 0x4;
    /// This is an external journal device and not a filesystem.
    pub(in super::super) const JOURNAL_DEV: u32 = 0x8;
    /// Group descriptors lie in the groups that they describe.
    pub(in super::super) const META_BG: u32 = 0x10;
    /// Files may be mapped by extents.
    pub(in super::super) const EXTENTS: u32 = 0x40;
    /// Block numbers have more than 32 bits.
    pub(in super::super) const BIT64: u32 = 0x80;
    /// Multiple mount protection: matters to writers only.
    pub(in super::super) const MMP: u32 = 0x100;
    /// Bitmaps and inode tables of several groups lie together: descriptors say where.
    pub(in super::super) const FLEX_BG: u32 = 0x200;
    /// Large extended attribute values have inodes of their own.
    pub(in super::super) const EA_INODE: u32 = 0x400;
    /// The seed of checksums is stored and not computed from the UUID.
    pub(in super::super) const CSUM_SEED: u32 = 0x2000;
    /// Directories of more than 2 GiB or with an index of three levels.
    pub(in super::super) const LARGEDIR: u32 = 0x4000;
    /// Small files and directories lie in their inodes.
    pub(in super::super) const INLINE_DATA: u32 = 0x8000;
    /// Some inodes may be encrypted.
    pub(in super::super) const ENCRYPT: u32 = 0x1_0000;
    /// Some directories may ignore case.
    pub(in super::super) const CASEFOLD: u32 = 0x2_0000;

    /// What this code understands, with the name that `mke2fs -O` knows it by.
    const KNOWN: [(u32, &str); 14] = [
        (FILETYPE, "filetype"),
        (RECOVER, "needs_recovery"),
        (JOURNAL_DEV, "journal_dev"),
        (META_BG, "meta_bg"),
        (EXTENTS, "extents"),
        (BIT64, "64bit"),
        (MMP, "mmp"),
        (FLEX_BG, "flex_bg"),
        (EA_INODE, "ea_inode"),
        (CSUM_SEED, "metadata_csum_seed"),
        (LARGEDIR, "large_dir"),
        (INLINE_DATA, "inline_data"),
        (ENCRYPT, "encrypt"),
        (CASEFOLD, "casefold"),
    ];

    /// Bits that no code here handles, but which have names.
    const FOREIGN: [(u32, &str); 2] = [(0x1, "compression"), (0x1000, "dirdata")];

    /// The bits of `features` that this code does not understand.
    pub(in super::super) fn unknown(features: u32) -> u32 {
        KNOWN.iter().fold(features, |rest, (bit, _)| rest & !bit)
    }

    /// `features` for a message: names where there are any, else numbers.
    pub(in super::super) fn names(features: u32) -> String {
        let mut names = Vec::new();
        for shift in 0..u32::BITS {
            let bit = 1_u32.rotate_left(shift);
            if features & bit != 0 {
                let known = KNOWN.iter().chain(&FOREIGN).find(|(known, _)| *known == bit);
                names.push(known.map_or_else(|| format!("FEATURE_I{shift}"), |(_, name)| (*name).to_owned()));
            }
        }
        names.join(", ")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn unknown_bits_are_named() {
            assert_eq!(unknown(FILETYPE | EXTENTS | CASEFOLD), 0);
            assert_eq!(unknown(0x1 | FILETYPE | 0x8000_0000), 0x8000_0001);
            assert_eq!(names(0x8000_0001), "compression, FEATURE_I31");
            assert_eq!(names(JOURNAL_DEV), "journal_dev");
        }
    }
}

/// Compatible features (`s_feature_compat`).
pub(super) mod compat {
    /// There is a journal.
    pub(in super::super) const HAS_JOURNAL: u32 = 0x4;
    /// Directories may have hash indexes.
    pub(in super::super) const DIR_INDEX: u32 = 0x20;
    /// Two groups, named in the superblock, hold its backups.
    pub(in super::super) const SPARSE_SUPER2: u32 = 0x200;
    /// There may be a file that lists orphaned inodes.
    pub(in super::super) const ORPHAN_FILE: u32 = 0x1000;
}

/// Features that only writers must know (`s_feature_ro_compat`).
pub(super) mod ro_compat {
    /// Only some groups hold backups of the superblock.
    pub(in super::super) const SPARSE_SUPER: u32 = 0x1;
    /// `i_blocks` has 48 bits and may count filesystem blocks.
    pub(in super::super) const HUGE_FILE: u32 = 0x8;
    /// Group descriptors have CRC-16 checksums (`uninit_bg`).
    pub(in super::super) const GDT_CSUM: u32 = 0x10;
    /// Space is allocated in clusters of several blocks.
    pub(in super::super) const BIGALLOC: u32 = 0x200;
    /// All metadata has CRC-32C checksums.
    pub(in super::super) const METADATA_CSUM: u32 = 0x400;
    /// The orphan file may list inodes.
    pub(in super::super) const ORPHAN_PRESENT: u32 = 0x1_0000;
}
