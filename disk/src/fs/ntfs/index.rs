//! Directories: B-trees of names.
//!
//! ```text
//! $INDEX_ROOT (in the record): header | entry, entry, …, last
//! $INDEX_ALLOCATION: blocks "INDX" | fixups | header | entry, …, last      $BITMAP: which blocks are in use
//! entry: file record, length | $FILE_NAME | block with the names before it, if there are any
//! ```
//!
//! A list of names goes through the root and then through the blocks in their order, as in ntfs-3g; a lookup goes down the
//! tree.
//!
//! Indexes of other things (`$ObjId`) are the same but for their entries: offset and length of data, length, length of the key.
//!
//! Source: the Linux-NTFS project's "NTFS Documentation", sections `$INDEX_ROOT`, `$INDEX_ALLOCATION` and "Directory".

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::Ntfs;
use super::boot::is_index_block;
use super::fixup::{self, STRIDE};
use super::inode::Inode;
use super::record::{Reference, kind, units};
use super::stream::Stream;
use super::text::MAX_UNITS;
use crate::bytes::{Fields, index};
use crate::{Context, Error, ErrorKind, Result};

/// Name of the attributes of a directory: `$I30`.
pub(super) const NAME: &[u16] = &[0x24, 0x49, 0x33, 0x30];
/// What a block starts with.
const MAGIC: &[u8; 4] = b"INDX";
/// Type of the attribute that is indexed.
const FILE_NAME: u32 = 0x30;
/// In its place: the index has keys and data of its own.
const NOTHING: u32 = 0;
/// Where the header is in the root and in a block.
const ROOT_HEADER: usize = 16;
const BLOCK_HEADER: usize = 24;
/// Shortest entry.
const MIN_ENTRY: usize = 16;
/// Flags of an entry: there is a block before it; it is the last, without a name.
const HAS_BLOCK: u16 = 1;
const LAST: u16 = 2;
/// A name that is only there for DOS.
const DOS: u8 = 2;
/// Attribute of a name: it is a directory's.
const IS_DIRECTORY: u32 = 0x1000_0000;
const IS_REPARSE_POINT: u32 = 0x400;
const IS_SYSTEM: u32 = 0x4;
/// Most bytes of a root, which lies in a record, and of a bitmap: that of 2^25 blocks.
const MAX_ROOT: u64 = 64 << 10;
const MAX_BITMAP: u64 = 4 << 20;
/// Deepest tree.
const MAX_DEPTH: usize = 32;

/// What is called with an entry and its name in UTF-16.
pub(super) type Each<'a> = dyn FnMut(&Entry<'_>, &[u16]) -> Result<ControlFlow<()>> + 'a;

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) file: Reference,
    bytes: &'a [u8],
    flags: u16,
}

impl Entry<'_> {
    fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// The name, in UTF-16.
    fn name(&self) -> Result<Vec<u16>> {
        let len = usize::from(self.bytes.u8(MIN_ENTRY.saturating_add(64))?);
        if len == 0 || len > MAX_UNITS {
            return Err(Error::corrupt("a directory has an empty name"));
        }
        Ok(units(self.bytes.slice(MIN_ENTRY.saturating_add(66), len.saturating_mul(2))?))
    }

    /// Is it a name for DOS, beside another?
    pub(super) fn is_dos(&self) -> Result<bool> {
        Ok(self.bytes.u8(MIN_ENTRY.saturating_add(65))? == DOS)
    }

    /// Is it sure to be a directory, or (`false`) a file? What may be something else is neither.
    pub(super) fn is_directory(&self) -> Result<Option<bool>> {
        let attributes = self.bytes.le32(MIN_ENTRY.saturating_add(56))?;
        if attributes & (IS_REPARSE_POINT | IS_SYSTEM) != 0 {
            return Ok(None);
        }
        Ok(Some(attributes & IS_DIRECTORY != 0))
    }

    /// Number of the block with the names before this one.
    fn block(&self) -> Result<Option<u64>> {
        if self.flags & HAS_BLOCK == 0 {
            return Ok(None);
        }
        self.bytes.le64(self.bytes.len().saturating_sub(8)).map(Some)
    }
}

/// The entries of a root or block, whose header is at `header`.
#[derive(Debug)]
struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    fn new(node: &'a [u8], header: usize) -> Result<Self> {
        let at = index(node.le32(header)?);
        let used = index(node.le32(header.saturating_add(4))?);
        Ok(Entries { bytes: node.slice(header, used)?, at })
    }

    /// The next entry; the one that is the last has no name.
    fn next(&mut self) -> Result<Entry<'a>> {
        let len = usize::from(self.bytes.le16(self.at.saturating_add(8))?);
        let bytes = self.bytes.slice(self.at, len)?;
        if len < MIN_ENTRY {
            return Err(Error::corrupt(format!("an entry of {len} bytes in a directory")));
        }
        self.at = self.at.saturating_add(len);
        Ok(Entry { file: Reference(bytes.le64(0)?), bytes, flags: bytes.le16(12)? })
    }
}

/// The tree of a directory.
#[derive(Debug)]
struct Tree {
    root: Vec<u8>,
    blocks: Option<Stream>,
    block_size: usize,
    /// Size in bytes of what blocks are numbered by.
    unit: u64,
}

impl Tree {
    /// The index `name` of attributes of the kind `wanted`.
    fn open(ntfs: &Ntfs, inode: &Inode, name: &[u16], wanted: u32) -> Result<Self> {
        let root = ntfs.value(inode, kind::INDEX_ROOT, name, MAX_ROOT)?;
        let root = root.ok_or_else(|| Error::corrupt("an index without a root"))?;
        let (indexed, block_size) = (root.le32(0)?, root.le32(8)?);
        if indexed != wanted || !is_index_block(block_size.into()) {
            return Err(Error::corrupt(format!("an index of {indexed:#x} in blocks of {block_size} bytes")));
        }
        let cluster = ntfs.volume.cluster_size();
        // Blocks smaller than a cluster are numbered by strides.
        let stride = u64::try_from(STRIDE).unwrap_or(u64::MAX);
        let unit = if cluster <= u64::from(block_size) { cluster } else { stride };
        let blocks = ntfs.stream(inode, kind::INDEX_ALLOCATION, name)?;
        Ok(Tree { root, blocks, block_size: index(block_size), unit })
    }

    /// Reads the block at byte `at`.
    fn block(&self, ntfs: &Ntfs, at: u64) -> Result<Vec<u8>> {
        let blocks = self.blocks.as_ref().ok_or_else(|| Error::corrupt("a directory without blocks"))?;
        let mut block = vec![0; self.block_size];
        blocks.read_plain(&ntfs.volume, at, &mut block)?;
        fixup::fix(&mut block, MAGIC)?;
        let number = block.le64(16)?;
        if number.checked_mul(self.unit) != Some(at) {
            return Err(Error::corrupt(format!("it is block {number}")));
        }
        Ok(block)
    }
}

impl Ntfs {
    fn tree(&self, inode: &Inode) -> Result<Tree> {
        if !inode.record.is_directory {
            return Err(Error::new(ErrorKind::NotADirectory, "a file, not a directory"));
        }
        Tree::open(self, inode, NAME, FILE_NAME)
            .context(|| format!("in directory {}", inode.reference.number()))
    }

    /// Calls `each` for all names of directory `inode`, in UTF-16, until it says that this is enough.
    pub(super) fn each_name(&self, inode: &Inode, each: &mut Each<'_>) -> Result<()> {
        let tree = self.tree(inode)?;
        let at = |place: String| format!("in {place} of directory {}", inode.reference.number());
        let flow = each_of(&tree.root, ROOT_HEADER, each).context(|| at("the root".to_owned()))?;
        let Some(blocks) = tree.blocks.as_ref().filter(|_| flow.is_continue()) else { return Ok(()) };
        let bitmap = self.value(inode, kind::BITMAP, NAME, MAX_BITMAP)?.unwrap_or_default();
        let size = u64::try_from(tree.block_size).unwrap_or(u64::MAX);
        let mut start = 0u64;
        for byte in bitmap {
            for bit in 0..8u32 {
                if start.saturating_add(size) > blocks.len() {
                    return Ok(());
                }
                if byte & 1u8.wrapping_shl(bit) != 0 {
                    let place = || at(format!("the block at byte {start}"));
                    let block = tree.block(self, start).context(place)?;
                    if each_of(&block, BLOCK_HEADER, each).context(place)?.is_break() {
                        return Ok(());
                    }
                }
                start = start.saturating_add(size);
            }
        }
        Ok(())
    }

    /// The file of directory `inode` whose name has the order `Equal` with the one that is looked for.
    pub(super) fn find(
        &self,
        inode: &Inode,
        order: &dyn Fn(&[u16]) -> Ordering,
    ) -> Result<Option<(Reference, Vec<u16>)>> {
        let tree = self.tree(inode)?;
        let at = || format!("looking for a name in directory {}", inode.reference.number());
        let (mut node, mut header) = (tree.root.clone(), ROOT_HEADER);
        for _ in 0..MAX_DEPTH {
            let next = match search(&node, header, order).context(at)? {
                Step::Found(file, name) => return Ok(Some((file, name))),
                Step::Nothing => return Ok(None),
                Step::Down(block) => block,
            };
            node = tree.block(self, next.saturating_mul(tree.unit)).context(at)?;
            header = BLOCK_HEADER;
        }
        Err(Error::corrupt(format!("a tree of more than {MAX_DEPTH} levels")).context(at()))
    }
}

impl Ntfs {
    /// What the index `name` of `inode`, which is of no attribute, has for `key`. All entries are looked through: there are
    /// as many orders as indexes.
    pub(super) fn view_data(&self, inode: &Inode, name: &[u16], key: &[u8]) -> Result<Option<Vec<u8>>> {
        let tree = Tree::open(self, inode, name, NOTHING)?;
        if let Some(data) = data_of(&tree.root, ROOT_HEADER, key)? {
            return Ok(Some(data));
        }
        let Some(blocks) = &tree.blocks else { return Ok(None) };
        let size = u64::try_from(tree.block_size).unwrap_or(u64::MAX);
        let mut start = 0u64;
        while start.saturating_add(size) <= blocks.len() {
            // A block that is not in use need not be one.
            if let Ok(block) = tree.block(self, start)
                && let Some(data) = data_of(&block, BLOCK_HEADER, key)?
            {
                return Ok(Some(data));
            }
            start = start.saturating_add(size);
        }
        Ok(None)
    }
}

/// The data of `key` in a node of an index of no attribute.
fn data_of(node: &[u8], header: usize, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut entries = Entries::new(node, header)?;
    loop {
        let entry = entries.next()?;
        if entry.is_last() {
            return Ok(None);
        }
        let bytes = entry.bytes;
        if bytes.slice(MIN_ENTRY, bytes.le16(10)?.into())? == key {
            return Ok(Some(bytes.slice(bytes.le16(0)?.into(), bytes.le16(2)?.into())?.to_vec()));
        }
    }
}

/// What a node says about a name.
enum Step {
    Found(Reference, Vec<u16>),
    Down(u64),
    Nothing,
}

fn search(node: &[u8], header: usize, order: &dyn Fn(&[u16]) -> Ordering) -> Result<Step> {
    let mut entries = Entries::new(node, header)?;
    loop {
        let entry = entries.next()?;
        if !entry.is_last() {
            let name = entry.name()?;
            match order(&name) {
                Ordering::Less => continue,
                Ordering::Equal => return Ok(Step::Found(entry.file, name)),
                Ordering::Greater => {}
            }
        }
        return Ok(entry.block()?.map_or(Step::Nothing, Step::Down));
    }
}

fn each_of(node: &[u8], header: usize, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
    let mut entries = Entries::new(node, header)?;
    loop {
        let entry = entries.next()?;
        if entry.is_last() {
            return Ok(ControlFlow::Continue(()));
        }
        if each(&entry, &entry.name()?)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}
