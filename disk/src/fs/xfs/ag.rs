//! Headers of allocation groups: how much of each is free.
//!
//! ```text
//! sector 0 superblock (or its copy) | 1 AGF: space | 2 AGI: inodes | 3 AGFL: blocks kept for the AGF
//! ```
//!
//! Source: "XFS Algorithms & Data Structures", section "Allocation Groups".

use super::Xfs;
use super::checksum;
use super::features::{incompat, ro_compat};
use super::short_tree::{self, Tree};
use crate::bytes::{Fields, index};
use crate::{Context, Error, Result};

/// What the header of space starts with, the sector where it lies, and where its checksum and UUID do.
const SPACE: Header = Header { magic: *b"XAGF", sector: 1, crc: 216, uuid: 64 };
/// The same of inodes.
const INODES: Header = Header { magic: *b"XAGI", sector: 2, crc: 312, uuid: 296 };
/// The version of both.
const VERSION: u32 = 1;

/// Where the header of inodes has the lists of those without a name, and how many there are.
const UNLINKED: usize = 40;
/// See [`UNLINKED`].
const UNLINKED_LISTS: usize = 64;
/// The end of such a list.
const NO_INODE: u32 = u32::MAX;

struct Header {
    magic: [u8; 4],
    sector: u64,
    crc: usize,
    uuid: usize,
}

/// Free space of an allocation group, in blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    /// In the B-trees of free space.
    pub(super) free: u64,
    /// Kept for these trees.
    pub(super) kept: u64,
    /// Blocks of B-trees other than roots.
    pub(super) btree_blocks: u64,
    /// Blocks of the B-tree of owners, its root included; 0 without one.
    pub(super) owner_btree_blocks: u64,
}

/// Inodes of an allocation group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inodes {
    pub(super) allocated: u64,
    pub(super) free: u64,
}

/// The B-trees of an allocation group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trees {
    /// Free space.
    pub(super) by_place: Tree,
    /// The same.
    pub(super) by_size: Tree,
    /// Blocks that are shared; only where there is such a feature.
    pub(super) sharing: Tree,
    /// Chunks of inodes.
    pub(super) inodes: Tree,
    /// Those of them that have free ones.
    pub(super) free_inodes: Option<Tree>,
    /// Owners of blocks.
    pub(super) owners: Option<Tree>,
    /// Blocks that are kept for the trees of free space.
    pub(super) kept: u32,
    /// May chunks of inodes have holes?
    pub(super) sparse: bool,
}

impl Xfs {
    /// Free space of allocation group `ag`.
    pub(super) fn ag_space(&self, ag: u32) -> Result<Space> {
        let agf = self.ag_header(ag, &SPACE)?;
        let len = u64::from(self.superblock.ag_len(ag));
        let count = |at| -> Result<u64> {
            let count = u64::from(agf.be32(at)?);
            if count > len {
                return Err(Error::corrupt(format!(
                    "group {ag} of {len} blocks counts {count} at byte {at}"
                )));
            }
            Ok(count)
        };
        let has_owners = self.superblock.has_ro_compat(ro_compat::REVERSE_MAP);
        Ok(Space {
            free: count(52)?,
            kept: count(48)?,
            btree_blocks: count(60)?,
            owner_btree_blocks: if has_owners { count(80)? } else { 0 },
        })
    }

    /// Inodes of allocation group `ag`.
    pub(super) fn ag_inodes(&self, ag: u32) -> Result<Inodes> {
        let agi = self.ag_header(ag, &INODES)?;
        let (allocated, free) = (agi.be32(16)?, agi.be32(28)?);
        if free > allocated {
            return Err(Error::corrupt(format!("group {ag} has {free} free inodes of {allocated}")));
        }
        Ok(Inodes { allocated: allocated.into(), free: free.into() })
    }

    /// The first inodes (numbers within the group) of the lists of those that have no name any more.
    pub(super) fn ag_unlinked(&self, ag: u32) -> Result<Vec<u32>> {
        let agi = self.ag_header(ag, &INODES)?;
        let lists = agi.slice(UNLINKED, UNLINKED_LISTS.saturating_mul(4))?;
        let heads = lists.as_chunks().0.iter().map(|head| u32::from_be_bytes(*head));
        Ok(heads.filter(|head| *head != NO_INODE).collect())
    }

    /// The B-trees of allocation group `ag`.
    pub(super) fn ag_trees(&self, ag: u32) -> Result<Trees> {
        let (agf, agi) = (self.ag_header(ag, &SPACE)?, self.ag_header(ag, &INODES)?);
        let sb = &self.superblock;
        let tree = |kind, header: &[u8], root, levels| -> Result<Tree> {
            Ok(Tree { kind, ag, root: header.be32(root)?, levels: header.be32(levels)? })
        };
        let free_inodes = if sb.has_ro_compat(ro_compat::FREE_INODE_BTREE) {
            Some(tree(short_tree::FREE_INODES, &agi, 328, 332)?)
        } else {
            None
        };
        let owners = if sb.has_ro_compat(ro_compat::REVERSE_MAP) {
            Some(tree(short_tree::OWNERS, &agf, 24, 36)?)
        } else {
            None
        };
        Ok(Trees {
            by_place: tree(short_tree::BY_PLACE, &agf, 16, 28)?,
            by_size: tree(short_tree::BY_SIZE, &agf, 20, 32)?,
            sharing: tree(short_tree::SHARING, &agf, 88, 92)?,
            inodes: tree(short_tree::INODES, &agi, 20, 24)?,
            free_inodes,
            owners,
            kept: agf.be32(48)?,
            sparse: sb.has_incompat(incompat::SPARSE_INODES),
        })
    }

    fn ag_header(&self, ag: u32, header: &Header) -> Result<Vec<u8>> {
        let sb = &self.superblock;
        let start = u64::from(ag).wrapping_shl(sb.ag_block_log.into());
        let within = header.sector.saturating_mul(sb.sector_size.into());
        let offset = sb.offset(start, 1)?.saturating_add(within);
        let bytes = self.blocks.read(offset, index(sb.sector_size))?;
        let check = || -> Result<()> {
            let (magic, version, nr) = (bytes.array::<4>(0)?, bytes.be32(4)?, bytes.be32(8)?);
            if magic != header.magic || version != VERSION || nr != ag {
                return Err(Error::corrupt(format!(
                    "it starts with {magic:02x?}, version {version}, group {nr}"
                )));
            }
            if sb.v5 {
                checksum::verify(&bytes, header.crc, "allocation group header")?;
                if bytes.array::<16>(header.uuid)? != sb.meta_uuid {
                    return Err(Error::corrupt("it belongs to another filesystem"));
                }
            }
            Ok(())
        };
        check().context(|| format!("in a header of XFS allocation group {ag}"))?;
        Ok(bytes)
    }
}
