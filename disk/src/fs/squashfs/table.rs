//! Tables of fixed-size records: owners, fragment blocks, sets of extended attributes.
//!
//! A table is a list of the places of metadata blocks, each of which holds as many records as fit into 8 KiB.

use super::Squashfs;
use super::blocks::{METADATA_SIZE, Stored};
use crate::bytes::Fields;
use crate::{Context, Error, Result};

/// Bytes of a place in the list.
const PLACE: u64 = 8;

impl Squashfs {
    /// Record `index` of the table whose list starts at byte `list`. `N` divides the size of a metadata block.
    fn record<const N: usize>(&self, list: u64, index: u32) -> Result<[u8; N]> {
        let in_block = METADATA_SIZE.checked_div(N).unwrap_or(1);
        let index = crate::bytes::index(index);
        let block = u64::try_from(index.checked_div(in_block).unwrap_or_default()).unwrap_or(u64::MAX);
        let mut place = [0; 8];
        self.blocks.raw(list.saturating_add(block.saturating_mul(PLACE)), &mut place)?;
        let offset = index.checked_rem(in_block).unwrap_or_default().saturating_mul(N);
        self.blocks.cursor(u64::from_le_bytes(place), offset).array()
    }

    /// All owners and groups.
    pub(super) fn read_ids(&self) -> Result<Vec<u32>> {
        let sb = &self.superblock;
        (0..sb.ids.into())
            .map(|index| Ok(u32::from_le_bytes(self.record(sb.id_table, index)?)))
            .collect::<Result<_>>()
            .context(|| "reading squashfs's table of owners".to_owned())
    }

    /// The owner or group with number `index` in an inode.
    pub(super) fn id(&self, index: u16) -> Result<u32> {
        let id = self.ids.get(usize::from(index)).copied();
        id.ok_or_else(|| Error::corrupt(format!("owner {index} of {}", self.ids.len())))
    }

    /// Where fragment block `index` lies.
    pub(super) fn fragment_block(&self, index: u32) -> Result<Stored> {
        let sb = &self.superblock;
        let Some(table) = sb.fragment_table.filter(|_| index < sb.fragments) else {
            return Err(Error::corrupt(format!("fragment block {index} of {}", sb.fragments)));
        };
        let record = self.record::<16>(table, index)?;
        let record: &[u8] = &record;
        Stored::new(record.le64(0)?, record.le32(8)?)
    }

    /// Where the attributes of set `index` lie, how many there are, and how many bytes they take as the kernel counts.
    pub(super) fn xattr_set(&self, index: u32) -> Result<XattrSet> {
        let Some(table) = &self.xattrs else { return Err(Error::corrupt("squashfs without attributes")) };
        if index >= table.sets {
            return Err(Error::corrupt(format!("set {index} of {} of extended attributes", table.sets)));
        }
        let record = self.record::<16>(table.list, index)?;
        let record: &[u8] = &record;
        Ok(XattrSet { reference: record.le64(0)?, count: record.le32(8)?, bytes: record.le32(12)? })
    }

    /// The head of the table of sets of extended attributes, if there is one.
    pub(super) fn read_xattr_table(&self) -> Result<Option<XattrTable>> {
        let Some(at) = self.superblock.xattr_table else { return Ok(None) };
        let mut head = [0; XattrTable::HEAD];
        self.blocks.raw(at, &mut head).context(|| "reading squashfs's table of attributes".to_owned())?;
        let list = at.saturating_add(16);
        let head: &[u8] = &head;
        Ok(Some(XattrTable { start: head.le64(0)?, sets: head.le32(8)?, list }))
    }
}

/// The table of sets of extended attributes.
#[derive(Debug)]
pub(super) struct XattrTable {
    /// First metadata block of names and values.
    pub(super) start: u64,
    /// How many sets there are.
    sets: u32,
    /// Where the list of the table's blocks starts.
    list: u64,
}

impl XattrTable {
    /// Size of its head in bytes.
    const HEAD: usize = 16;
}

/// The attributes of an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct XattrSet {
    /// Where the first one is, relative to [`XattrTable::start`].
    pub(super) reference: u64,
    pub(super) count: u32,
    pub(super) bytes: u32,
}
