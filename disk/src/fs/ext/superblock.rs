//! The superblock: what kind of filesystem this is and where its parts lie.
//!
//! [`Superblock::read`] accepts only what the kernel would mount: every number that other code divides by, shifts by or
//! multiplies with has been checked here. Source of all offsets: kernel.org, "ext4 Data Structures and Algorithms",
//! section "Super Block".

use super::features::{compat, incompat, ro_compat};
use crate::bytes::Fields;
use crate::crc::crc32c;
use crate::{Error, ReadAt, Result};

/// Where the superblock lies, in bytes from the start.
pub(super) const OFFSET: u64 = 1024;
/// Its size in bytes.
pub(super) const SIZE: usize = 1024;
/// `s_magic`, at byte 56.
pub(super) const MAGIC: u16 = 0xEF53;
/// Where `s_magic` lies within the superblock.
pub(super) const MAGIC_OFFSET: usize = 56;

/// Where `s_checksum` lies; it covers what comes before it.
const CHECKSUM_OFFSET: usize = 0x3FC;
/// `s_log_block_size` of the largest block size, 64 KiB.
const MAX_LOG_BLOCK_SIZE: u32 = 6;
/// `s_log_cluster_size` of the largest cluster that the kernel takes, 1 GiB.
const MAX_LOG_CLUSTER_SIZE: u32 = 20;
/// The smallest inode, and the only one of revision 0, in bytes.
pub(super) const GOOD_OLD_INODE_SIZE: u16 = 128;
/// First inode number of ordinary files in revision 0.
const GOOD_OLD_FIRST_INODE: u32 = 11;
/// Size of a group descriptor without the `64bit` feature, in bytes.
const DESCRIPTOR_SIZE: u16 = 32;
/// The smallest group descriptor with the `64bit` feature, in bytes.
const DESCRIPTOR_SIZE_64BIT: u16 = 64;
/// The largest group descriptor that the kernel takes, in bytes.
const MAX_DESCRIPTOR_SIZE: u16 = 1024;
/// `s_checksum_type` of CRC-32C, the only one there is.
const CHECKSUM_CRC32C: u8 = 1;
/// `s_creator_os` of Linux: only then are inode checksums kept.
const CREATOR_LINUX: u32 = 0;

/// `s_flags`: directory hashes take characters as signed.
const FLAG_SIGNED_HASH: u32 = 0x1;
/// `s_flags`: directory hashes take characters as unsigned.
const FLAG_UNSIGNED_HASH: u32 = 0x2;
/// `s_default_mount_opts`: owners have 16 bits.
const DEFAULT_MOUNT_UID16: u32 = 0x10;

/// The fields of the superblock that a reader needs, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub(super) inodes: u32,
    pub(super) blocks: u64,
    /// Blocks that only root may take.
    pub(super) reserved_blocks: u64,
    pub(super) first_data_block: u32,
    /// Bytes in a block: a power of two from 1 KiB to 64 KiB.
    pub(super) block_size: u32,
    /// Blocks in a cluster (1 without `bigalloc`), a power of two.
    pub(super) cluster_blocks: u32,
    pub(super) blocks_per_group: u32,
    pub(super) inodes_per_group: u32,
    /// Groups, at least 1.
    pub(super) groups: u64,
    /// `s_rev_level`: 0 has neither features nor inode sizes.
    pub(super) inode_size: u16,
    pub(super) first_inode: u32,
    pub(super) descriptor_size: u16,
    pub(super) first_meta_group: u32,
    /// Blocks kept after the group descriptors so that they can grow.
    pub(super) reserved_gdt_blocks: u16,
    /// Groups with a backup of the superblock under `sparse_super2`.
    pub(super) backup_groups: [u32; 2],
    pub(super) compat: u32,
    pub(super) incompat: u32,
    pub(super) ro_compat: u32,
    pub(super) uuid: [u8; 16],
    pub(super) journal_inode: u32,
    pub(super) journal_device: u32,
    /// Head of the list of orphaned inodes, 0 if it is empty.
    pub(super) last_orphan: u32,
    /// Inodes that only the filesystem itself uses: quotas of users, groups and projects, the orphan file.
    pub(super) private_inodes: [u32; 4],
    pub(super) orphan_file_inode: u32,
    /// `s_state`.
    pub(super) state: u16,
    pub(super) hash_seed: [u32; 4],
    /// How names are hashed in directories that do not say it themselves.
    pub(super) hash_version: u8,
    /// Are characters signed in directory hashes? `None` if the superblock does not say.
    pub(super) hash_signed: Option<bool>,
    /// Clusters taken by metadata, as mke2fs or the kernel left it; 0 if not known.
    pub(super) overhead_clusters: u32,
    /// What the checksums of `metadata_csum` start from.
    pub(super) checksum_seed: u32,
    /// Are inode checksums kept?
    pub(super) inode_checksums: bool,
    /// Have owners only 16 bits?
    pub(super) uid16: bool,
    /// `s_mount_opts`: mount options that are always on, as text.
    mount_options: [u8; 64],
}

impl Superblock {
    /// Reads and checks the superblock of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut bytes = [0; SIZE];
        source.read_at(OFFSET, &mut bytes).map_err(|e| e.context("reading the ext superblock"))?;
        Superblock::parse(&bytes, source.len())
    }

    fn parse(bytes: &[u8; SIZE], device_len: u64) -> Result<Self> {
        let sb: &[u8] = bytes;
        let magic = sb.le16(MAGIC_OFFSET)?;
        if magic != MAGIC {
            return Err(Error::corrupt(format!(
                "no ext superblock: magic number {magic:#06x}, not {MAGIC:#06x}"
            )));
        }
        let revision = sb.le32(0x4C)?;
        let rev0 = match revision {
            0 => true,
            1 => false,
            _ => return Err(Error::unsupported(format!("ext revision level {revision}"))),
        };
        // Revision 0 has none of the fields from byte 84 on.
        if rev0 && sb.slice(0x5C, 12)?.iter().any(|b| *b != 0) {
            return Err(Error::unsupported("ext revision 0 with feature bits"));
        }
        let dynamic = |offset| if rev0 { Ok(0) } else { sb.le32(offset) };
        let (compat, incompat, ro_compat) = (dynamic(0x5C)?, dynamic(0x60)?, dynamic(0x64)?);
        let unknown = incompat::unknown(incompat);
        if unknown != 0 {
            return Err(Error::unsupported(format!("ext features {}", incompat::names(unknown))));
        }
        if incompat & incompat::JOURNAL_DEV != 0 {
            return Err(Error::unsupported("an external ext journal device, not a filesystem"));
        }

        let metadata_csum = ro_compat & ro_compat::METADATA_CSUM != 0;
        if metadata_csum {
            let kind = sb.u8(0x175)?;
            if kind != CHECKSUM_CRC32C {
                return Err(Error::unsupported(format!("ext metadata checksums of type {kind}")));
            }
            let (have, want) = (sb.le32(CHECKSUM_OFFSET)?, crc32c(!0, sb.slice(0, CHECKSUM_OFFSET)?));
            if have != want {
                return Err(Error::corrupt(format!(
                    "ext superblock checksum {have:#010x}, not {want:#010x}"
                )));
            }
        }

        let log_block_size = sb.le32(0x18)?;
        if log_block_size > MAX_LOG_BLOCK_SIZE {
            return Err(Error::corrupt(format!("ext block size 2^(10+{log_block_size})")));
        }
        let block_size = 1024_u32.wrapping_shl(log_block_size);

        let (inode_size, first_inode) =
            if rev0 { (GOOD_OLD_INODE_SIZE, GOOD_OLD_FIRST_INODE) } else { (sb.le16(0x58)?, sb.le32(0x54)?) };
        if inode_size < GOOD_OLD_INODE_SIZE
            || !inode_size.is_power_of_two()
            || u32::from(inode_size) > block_size
        {
            return Err(Error::corrupt(format!("ext inode size {inode_size}")));
        }
        if first_inode < GOOD_OLD_FIRST_INODE {
            return Err(Error::corrupt(format!("ext first ordinary inode {first_inode}")));
        }

        let bit64 = incompat & incompat::BIT64 != 0;
        let descriptor_size = if bit64 { sb.le16(0xFE)? } else { DESCRIPTOR_SIZE };
        if bit64
            && (!(DESCRIPTOR_SIZE_64BIT..=MAX_DESCRIPTOR_SIZE).contains(&descriptor_size)
                || !descriptor_size.is_power_of_two())
        {
            return Err(Error::corrupt(format!("ext group descriptor size {descriptor_size}")));
        }

        let bigalloc = ro_compat & ro_compat::BIGALLOC != 0;
        let cluster_blocks = match sb.le32(0x1C)?.checked_sub(log_block_size) {
            _ if !bigalloc => 1,
            Some(shift) if shift.saturating_add(log_block_size) <= MAX_LOG_CLUSTER_SIZE => {
                1_u32.wrapping_shl(shift)
            }
            _ => return Err(Error::corrupt("ext cluster size out of range")),
        };

        let high = |offset| if bit64 { dynamic(offset) } else { Ok(0) };
        let wide = |low, high: u32| u64::from(low) | u64::from(high) << 32;
        let blocks = wide(sb.le32(0x4)?, high(0x150)?);
        let reserved_blocks = wide(sb.le32(0x8)?, high(0x154)?);
        let first_data_block = sb.le32(0x14)?;
        let blocks_per_group = sb.le32(0x20)?;
        let clusters_per_group = sb.le32(0x24)?;
        let inodes_per_group = sb.le32(0x28)?;
        let inodes = sb.le32(0x0)?;

        // A bitmap of one block covers a group.
        let bitmap_bits = block_size.saturating_mul(8);
        let right_groups = if bigalloc {
            clusters_per_group != 0
                && clusters_per_group <= bitmap_bits
                && clusters_per_group.checked_mul(cluster_blocks) == Some(blocks_per_group)
        } else {
            blocks_per_group != 0 && blocks_per_group <= bitmap_bits
        };
        if !right_groups {
            return Err(Error::corrupt(format!("ext groups of {blocks_per_group} blocks")));
        }
        let inodes_per_block = block_size.checked_div(u32::from(inode_size)).unwrap_or_default();
        if inodes_per_group < inodes_per_block || inodes_per_group > bitmap_bits {
            return Err(Error::corrupt(format!("ext groups of {inodes_per_group} inodes")));
        }
        let in_groups = blocks.saturating_sub(first_data_block.into());
        if in_groups == 0 {
            return Err(Error::corrupt(format!("ext data starts at block {first_data_block} of {blocks}")));
        }
        if blocks > device_len.checked_div(block_size.into()).unwrap_or_default() {
            return Err(Error::corrupt(format!(
                "an ext filesystem of {blocks} blocks of {block_size} bytes on {device_len} bytes"
            )));
        }
        let groups = in_groups.div_ceil(blocks_per_group.into());
        if groups.checked_mul(inodes_per_group.into()) != Some(inodes.into()) {
            return Err(Error::corrupt(format!(
                "{inodes} ext inodes in {groups} groups of {inodes_per_group}"
            )));
        }

        let uuid: [u8; 16] = sb.array(0x68)?;
        let checksum_seed =
            if incompat & incompat::CSUM_SEED != 0 { sb.le32(0x270)? } else { crc32c(!0, &uuid) };
        let flags = dynamic(0x160)?;
        let orphan_file_inode = if compat & compat::ORPHAN_FILE != 0 { dynamic(0x280)? } else { 0 };
        let superblock = Superblock {
            inodes,
            blocks,
            reserved_blocks,
            first_data_block,
            block_size,
            cluster_blocks,
            blocks_per_group,
            inodes_per_group,
            groups,
            inode_size,
            first_inode,
            descriptor_size,
            first_meta_group: dynamic(0x104)?,
            reserved_gdt_blocks: if rev0 { 0 } else { sb.le16(0xCE)? },
            backup_groups: [dynamic(0x24C)?, dynamic(0x250)?],
            compat,
            incompat,
            ro_compat,
            uuid,
            journal_inode: dynamic(0xE0)?,
            journal_device: dynamic(0xE4)?,
            last_orphan: dynamic(0xE8)?,
            private_inodes: [dynamic(0x240)?, dynamic(0x244)?, dynamic(0x26C)?, orphan_file_inode],
            orphan_file_inode,
            state: sb.le16(0x3A)?,
            hash_seed: [dynamic(0xEC)?, dynamic(0xF0)?, dynamic(0xF4)?, dynamic(0xF8)?],
            hash_version: if rev0 { 0 } else { sb.u8(0xFC)? },
            hash_signed: match (flags & FLAG_SIGNED_HASH != 0, flags & FLAG_UNSIGNED_HASH != 0) {
                (_, true) => Some(false),
                (true, false) => Some(true),
                (false, false) => None,
            },
            overhead_clusters: dynamic(0x248)?,
            checksum_seed,
            inode_checksums: metadata_csum && sb.le32(0x48)? == CREATOR_LINUX,
            uid16: dynamic(0x100)? & DEFAULT_MOUNT_UID16 != 0,
            mount_options: if rev0 { [0; 64] } else { sb.array(0x200)? },
        };
        Ok(superblock)
    }

    /// Is any bit of `feature` set among the compatible features?
    pub(super) fn has_compat(&self, feature: u32) -> bool {
        self.compat & feature != 0
    }

    /// Is any bit of `feature` set among the incompatible features?
    pub(super) fn has_incompat(&self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// Is any bit of `feature` set among the read-only compatible features?
    pub(super) fn has_ro_compat(&self, feature: u32) -> bool {
        self.ro_compat & feature != 0
    }

    /// Does all metadata have CRC-32C checksums?
    pub(super) fn metadata_csum(&self) -> bool {
        self.has_ro_compat(ro_compat::METADATA_CSUM)
    }

    /// Is everything as in `other` that says where the parts of the filesystem lie?
    pub(super) fn same_shape(&self, other: &Superblock) -> bool {
        let shape = |sb: &Superblock| {
            let sizes = [sb.block_size, sb.cluster_blocks, sb.inode_size.into(), sb.descriptor_size.into()];
            let places = [sb.first_data_block, sb.first_meta_group, sb.blocks_per_group, sb.inodes_per_group];
            (sb.blocks, sb.inodes, sizes, places, sb.checksum_seed, sb.metadata_csum(), sb.inode_checksums)
        };
        shape(self) == shape(other)
    }

    /// Is mount option `name` always on?
    pub(super) fn mounts_with(&self, name: &str) -> bool {
        self.mount_options
            .split(|b| *b == 0)
            .next()
            .is_some_and(|text| text.split(|b| *b == b',').any(|option| option == name.as_bytes()))
    }

    /// The type that `blkid` names: with a journal it is no longer ext2, with features that only ext4 has no longer
    /// ext3.
    pub(super) fn kind(&self) -> &'static str {
        // Source: ext3's own feature masks (kernel.org, "ext4 Data Structures", feature tables; e2fsprogs ext2_fs.h).
        const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
        const EXT3_INCOMPAT: u32 = incompat::FILETYPE | incompat::RECOVER | incompat::META_BG;
        if self.ro_compat & !EXT3_RO_COMPAT != 0 || self.incompat & !EXT3_INCOMPAT != 0 {
            "ext4"
        } else if self.has_compat(compat::HAS_JOURNAL) {
            "ext3"
        } else {
            "ext2"
        }
    }
}
