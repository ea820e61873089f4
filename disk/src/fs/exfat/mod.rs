//! exFAT, as Linux shows it without options: owner root, mode 0755, files that are read-only 0555, names in UTF-8.
//!
//! ```text
//! Exfat ── boot (where things lie) ── dir (sets of entries) ── time
//!  │ └─ upcase
//!  └─ clusters (table, chains, content), which FAT shares
//! ```
//!
//! An inode is the place of the first entry of its set on the disk (byte / 32), doubled, and one more if the set lies in
//! a directory whose clusters are not chained; the root is 1. Linux numbers inodes as it meets them, so that nothing else
//! is worth keeping. What Linux refuses is `Corrupt` here, and so is what it does not look at: a file whose entries have
//! a wrong checksum (its name is listed and no more), and a list of names with a set that is not whole, where Linux 6.1
//! ends without a word.
//!
//! Sizes are those of the specification and of Linux since 6.8: what was never written of a file reads as zeros. Linux
//! 6.1 shows such a file cut off there. The times of the root, of which nothing is recorded, are 0; Linux shows when it
//! was mounted.

mod boot;
mod dir;
mod time;
mod upcase;

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use bstr::BString;

use self::boot::Boot;
use self::dir::{BITMAP, Content, Found, Set, Sets, UP_CASE, starts_directory};
use self::upcase::UpCase;
use super::clusters::{Area, Chain, FIRST, File, Heap, SLOT, Slot, Slots, Table, Width, Window, push_utf8};
use super::{
    DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Timestamp, Xattr,
};
use crate::bytes::Fields;
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// Number of the root.
const ROOT: u64 = 1;
/// Size of an entry, as a number on the disk.
const ENTRY: u64 = 32;
/// Permissions of all, and those that a read-only file does not have.
const PERMISSIONS: u16 = 0o755;
const WRITE: u16 = 0o222;
/// Longest name in bytes: 255 UTF-16 units, for each of which the kernel reckons with six bytes.
const NAME_MAX: u64 = 255 * 6;
/// How much of the bitmap is read at a time (bytes).
const COUNTED: usize = 64 << 10;

/// An exFAT filesystem.
#[derive(Debug)]
pub struct Exfat {
    heap: Heap,
    root: u32,
    bitmap: Content,
    /// The stored up-case table, and its checksum.
    up_case_at: Option<(Content, u32)>,
    up_case: OnceLock<UpCase>,
    /// How many clusters are in use, once someone has asked.
    used: OnceLock<u32>,
}

/// A file or directory.
#[derive(Debug)]
enum Inode {
    Root,
    Set(Set),
}

impl Exfat {
    /// Does `source` hold an exFAT?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut bytes = [0; 512];
        if source.len() < 512 {
            return Ok(false);
        }
        source.read_at(0, &mut bytes)?;
        Boot::is_marked(&bytes)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let boot = Boot::read(&source)?;
        let table = Table::new(Arc::clone(&source), boot.table, Width::ExFat, boot.end);
        let heap = Heap { source, table, start: boot.heap, shift: boot.cluster_shift };
        let tables = tables(&heap, boot.root).context(|| "reading the root directory".to_owned())?;
        let bitmap =
            tables.bitmap.ok_or_else(|| Error::corrupt("an exFAT without a bitmap of its clusters"))?;
        if bitmap.size < u64::from(heap.table.clusters()).div_ceil(8) {
            return Err(Error::corrupt(format!("a bitmap of {} bytes for all clusters", bitmap.size)));
        }
        Ok(Exfat {
            heap,
            root: boot.root,
            bitmap,
            up_case_at: tables.up_case,
            up_case: OnceLock::new(),
            used: OnceLock::new(),
        })
    }

    /// The inode `id`, whose set has the right checksum.
    fn inode(&self, id: InodeId) -> Result<Inode> {
        if id == InodeId::new(ROOT) {
            return Ok(Inode::Root);
        }
        let none = || Error::corrupt(format!("no set of entries in place {}", id.number / 2));
        let at = (id.number / 2)
            .checked_mul(ENTRY)
            .and_then(|at| at.checked_sub(self.heap.start))
            .ok_or_else(none)?;
        let nr = at.checked_div(self.heap.cluster_size()).unwrap_or(0);
        let mut within = at.saturating_sub(nr.saturating_mul(self.heap.cluster_size()));
        let mut cluster = u32::try_from(nr.saturating_add(FIRST.into())).unwrap_or(u32::MAX);
        let slot = |cluster, within| -> Result<Slot> {
            let at = self.heap.offset(cluster)?.saturating_add(within);
            let mut bytes = [0; SLOT];
            self.heap.source.read_at(at, &mut bytes)?;
            Ok(Slot { bytes, place: at / ENTRY })
        };
        let mut set = Set::begin(&slot(cluster, within)?).ok_or_else(none)?;
        while !set.is_whole() {
            within = within.saturating_add(ENTRY);
            if within >= self.heap.cluster_size() {
                within = 0;
                let next = if id.number.is_multiple_of(2) {
                    self.heap.table.next(cluster, &mut Window::default())?
                } else {
                    cluster.checked_add(1)
                };
                cluster = next.ok_or_else(none)?;
            }
            if !set.add(slot(cluster, within)?.bytes) {
                return Err(none());
            }
        }
        set.check()?;
        Ok(Inode::Set(set))
    }

    /// The chain of `content`.
    fn chain(&self, content: &Content) -> Chain {
        chain(&self.heap, content)
    }

    /// The directory `inode`, and one if its clusters are not chained.
    fn slots(&self, inode: &Inode) -> Result<(Slots<'_>, u64)> {
        let content = match inode {
            Inode::Root => return Ok((Slots::new(&self.heap, Area::Clusters(Chain::linked(self.root))), 0)),
            Inode::Set(set) if set.is_directory()? => set.content()?,
            Inode::Set(_) => return Err(Error::new(ErrorKind::NotADirectory, "a file, not a directory")),
        };
        self.heap.table.check(content.first).context(|| "where a directory starts".to_owned())?;
        Ok((Slots::new(&self.heap, Area::Clusters(self.chain(&content))), u64::from(!content.chained)))
    }

    /// How many directories are in the directory `inode`.
    fn count_directories(&self, inode: &Inode) -> Result<u32> {
        let (mut slots, _) = self.slots(inode)?;
        let mut count = 0u32;
        while let Some(slot) = slots.next()? {
            if slot.bytes.first() == Some(&0) {
                break;
            }
            count = count.saturating_add(u32::from(starts_directory(&slot.bytes)));
        }
        Ok(count)
    }

    /// Bytes of the root directory, which nothing records.
    fn root_size(&self) -> Result<u64> {
        let mut chain = Chain::linked(self.root);
        let mut clusters = 0u64;
        while let Some(run) = chain.run(&self.heap, clusters, u64::MAX)? {
            clusters = clusters.saturating_add(run.count);
        }
        Ok(clusters.saturating_mul(self.heap.cluster_size()))
    }

    fn up_case(&self) -> Result<&UpCase> {
        if let Some(table) = self.up_case.get() {
            return Ok(table);
        }
        let table = match &self.up_case_at {
            Some((content, sum)) => {
                let mut bytes = vec![0; usize::try_from(content.size).unwrap_or(0)];
                read(&self.heap, content, 0, &mut bytes)
                    .context(|| "reading the up-case table".to_owned())?;
                UpCase::new(&bytes, *sum)
            }
            None => UpCase::Ascii,
        };
        Ok(self.up_case.get_or_init(|| table))
    }

    fn count_used(&self) -> Result<u32> {
        let mut left = self.heap.table.clusters();
        let mut at = 0u64;
        let mut used = 0u32;
        let mut bytes = vec![0; COUNTED];
        while left > 0 {
            let len = usize::try_from(left.div_ceil(8)).unwrap_or(COUNTED).min(COUNTED);
            let piece = bytes.get_mut(..len).unwrap_or_default();
            read(&self.heap, &self.bitmap, at, piece)
                .context(|| "reading the bitmap of clusters".to_owned())?;
            for byte in piece {
                // Bits past the last cluster mean nothing.
                let meant = u8::MAX.checked_shr(8u32.saturating_sub(left.min(8))).unwrap_or(0);
                used = used.saturating_add((*byte & meant).count_ones());
                left = left.saturating_sub(8);
            }
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
        Ok(used)
    }
}

fn chain(heap: &Heap, content: &Content) -> Chain {
    if content.chained {
        Chain::linked(content.first)
    } else {
        Chain::Neighbours { first: content.first, count: heap.clusters_of(content.size) }
    }
}

/// Fills `buf` from byte `at` of `content`, which must have them.
fn read(heap: &Heap, content: &Content, at: u64, buf: &mut [u8]) -> Result<()> {
    let mut file = File::new(heap, chain(heap, content), content.size, content.valid);
    if file.read_at(at, buf)? < buf.len() {
        return Err(Error::corrupt(format!("a table of {} bytes is too short", content.size)));
    }
    Ok(())
}

/// What the root directory says of the filesystem's own tables.
#[derive(Debug, Default)]
struct Tables {
    bitmap: Option<Content>,
    /// With its checksum.
    up_case: Option<(Content, u32)>,
}

/// Looks for the tables in the root directory, which starts in cluster `root`.
fn tables(heap: &Heap, root: u32) -> Result<Tables> {
    let mut slots = Slots::new(heap, Area::Clusters(Chain::linked(root)));
    let mut tables = Tables::default();
    while let Some(slot) = slots.next()? {
        let slot = &slot.bytes[..];
        match slot.u8(0)? {
            0 => break,
            // The second bitmap of a TexFAT has a flag.
            BITMAP if tables.bitmap.is_none() && slot.u8(1)? == 0 => {
                tables.bitmap = Some(Content::of_table(slot)?);
            }
            UP_CASE if tables.up_case.is_none() => {
                let content = Content::of_table(slot)?;
                if content.size <= upcase::MAX_BYTES {
                    tables.up_case = Some((content, slot.le32(4)?));
                }
            }
            _ => {}
        }
    }
    Ok(tables)
}

impl Filesystem for Exfat {
    fn kind(&self) -> &'static str {
        "exfat"
    }

    fn root(&self) -> InodeId {
        InodeId::new(ROOT)
    }

    /// Case does not count, by the filesystem's own table, and neither do dots at the end.
    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        let inode = self.inode(dir)?;
        let (slots, unchained) = self.slots(&inode)?;
        let mut sets = Sets::new(slots);
        let len = name.iter().rposition(|&c| c != b'.').map_or(0, |last| last.saturating_add(1));
        let Ok(name) = std::str::from_utf8(name.get(..len).unwrap_or_default()) else { return Ok(None) };
        let wanted: Vec<u16> = name.encode_utf16().collect();
        if wanted.is_empty() || wanted.len() > dir::MAX_UNITS {
            return Ok(None);
        }
        let table = self.up_case()?;
        let upper: Option<Vec<u16>> = wanted.iter().map(|unit| table.of(*unit)).collect();
        let hash = upper.as_ref().map(|upper| {
            let bytes = upper.iter().flat_map(|unit| unit.to_le_bytes());
            bytes.fold(0u16, |hash, byte| hash.rotate_right(1).wrapping_add(byte.into()))
        });
        let mut unsure = upper.is_none();
        let mut units = Vec::new();
        while let Some(found) = sets.next()? {
            let Found::Whole(set) = found else { continue };
            if hash.is_some_and(|hash| set.hash().is_ok_and(|stored| stored != hash)) {
                continue;
            }
            set.name(&mut units);
            let is_it = units == wanted
                || upper.as_ref().is_some_and(|upper| {
                    units.len() == upper.len()
                        && units.iter().zip(upper).all(|(unit, upper)| table.of(*unit) == Some(*upper))
                });
            if is_it {
                return Ok(Some(InodeId::new(set.place.saturating_mul(2).saturating_add(unchained))));
            }
            unsure |= units.len() == wanted.len() && units.iter().any(|unit| table.of(*unit).is_none());
        }
        if unsure {
            return Err(Error::unsupported("a name outside ASCII in an exFAT without a right up-case table"));
        }
        Ok(None)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let inode = self.inode(dir)?;
        let (slots, unchained) = self.slots(&inode)?;
        let mut sets = Sets::new(slots);
        let (mut units, mut name) = (Vec::new(), Vec::new());
        while let Some(found) = sets.next()? {
            let set = match found {
                Found::Whole(set) => set,
                Found::Broken { place } => {
                    return Err(Error::corrupt(format!("the set of entries in place {place} is not whole")));
                }
            };
            set.name(&mut units);
            name.clear();
            push_utf8(&units, &mut name);
            if matches!(&name[..], b"" | b"." | b"..") || name.contains(&b'/') {
                return Err(Error::corrupt(format!("a directory has the name {:?}", BString::from(name))));
            }
            let entry = DirEntry {
                name: &name,
                inode: InodeId::new(set.place.saturating_mul(2).saturating_add(unchained)),
                number: set.place,
                file_type: Some(if set.is_directory()? { FileType::Directory } else { FileType::Regular }),
            };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let inode = self.inode(inode)?;
        let (is_directory, size) = match &inode {
            Inode::Root => (true, self.root_size()?),
            Inode::Set(set) => (set.is_directory()?, set.content()?.size),
        };
        let links = if is_directory { self.count_directories(&inode)?.saturating_add(2) } else { 1 };
        let (number, accessed, modified, created, protected) = match &inode {
            Inode::Root => (ROOT, Timestamp::default(), Timestamp::default(), Timestamp::default(), false),
            Inode::Set(set) => (
                set.place,
                set.accessed()?,
                set.modified()?,
                set.created()?,
                !is_directory && set.is_read_only()?,
            ),
        };
        let cluster = self.heap.cluster_size();
        Ok(Metadata {
            number,
            subvolume: 0,
            file_type: if is_directory { FileType::Directory } else { FileType::Regular },
            permissions: if protected { PERMISSIONS & !WRITE } else { PERMISSIONS },
            links,
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            size,
            blocks: self.heap.clusters_of(size).saturating_mul(cluster / 512),
            block_size: u32::try_from(cluster).unwrap_or(u32::MAX),
            accessed,
            modified,
            changed: modified,
            created: Some(created),
        })
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let content = match self.inode(inode)? {
            Inode::Set(set) if !set.is_directory()? => set.content()?,
            _ => return Err(Error::new(ErrorKind::InvalidInput, "a directory is not a regular file")),
        };
        Ok(Box::new(File::new(&self.heap, self.chain(&content), content.size, content.valid)))
    }

    fn read_link(&self, _inode: InodeId) -> Result<BString> {
        Err(Error::new(ErrorKind::InvalidInput, "exFAT has no symbolic links"))
    }

    fn xattrs(&self, _inode: InodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        let used = match self.used.get() {
            Some(used) => *used,
            None => {
                let used = self.count_used()?;
                *self.used.get_or_init(|| used)
            }
        };
        let block_size = self.heap.cluster_size();
        let blocks = self.heap.table.clusters();
        let free = blocks.saturating_sub(used);
        Ok(FsStats {
            block_size,
            fragment_size: block_size,
            blocks: blocks.into(),
            blocks_free: free.into(),
            blocks_available: free.into(),
            files: 0,
            files_free: 0,
            // The kernel's is the number of the device.
            id: 0,
            name_max: NAME_MAX,
        })
    }
}
