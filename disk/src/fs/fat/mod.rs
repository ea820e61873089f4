//! FAT12, FAT16 and FAT32 with long names, as Linux shows them (`vfat`) in a kernel with Debian's configuration and
//! without options: owner root, mode 0755, files that are read-only 0555, local times taken as UTC.
//!
//! ```text
//! Fat ── boot (where things lie) ── dir (entries) ─┬─ name
//!                                                  └─ time
//!  └─ clusters (table, chains, content), which exFAT shares
//! ```
//!
//! An inode is the place of its entry on the disk (byte / 32); the root, which has no entry, is 1. Linux numbers inodes
//! as it meets them, so that nothing else is worth keeping. What Linux refuses is `Corrupt` here: chains that end early
//! or go astray, directories without their first two entries. So is a file with a size and no clusters, which Linux
//! shows as zeros. The numbers of `statvfs` are counted in the table: Linux does not trust FAT32's information sector.
//!
//! Own code rather than a crate: of those that read right, hadris-fat 3.0.0-rc.2 (with six crates of its family) is
//! 13,500 lines, most of them for writing; it takes `&mut self` to read, names as `str`, keeps a node in memory for each
//! file until told to forget it, and ends directories at their first empty entry, where Linux goes on.

mod boot;
mod dir;
mod name;
mod time;

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use bstr::BString;

use self::boot::Boot;
use self::dir::{Entries, Entry};
use super::clusters::{Area, Chain, File, Heap, SLOT, Slots, Table, Width};
use super::{
    DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Timestamp, Xattr,
};
use crate::{Context, Error, ErrorKind, ReadAt, Result, probe};

/// Number of the root.
const ROOT: u64 = 1;
/// Permissions of all, and those that a read-only file does not have.
const PERMISSIONS: u16 = 0o755;
const WRITE: u16 = 0o222;
/// Longest name in bytes: 255 characters, for each of which the kernel reckons with six bytes.
const NAME_MAX: u64 = 255 * 6;

/// A FAT filesystem.
#[derive(Debug)]
pub struct Fat {
    heap: Heap,
    boot: Boot,
    /// How many clusters are free, once someone has asked.
    free: OnceLock<u32>,
}

/// A file or directory.
#[derive(Debug, Clone, Copy)]
enum Inode {
    Root,
    Entry(Entry),
}

impl Fat {
    /// Does `source` hold a FAT, by the rules of `blkid`?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        probe::is("vfat", source)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let boot = Boot::read(&source)?;
        let table = Table::new(Arc::clone(&source), boot.table, boot.width, boot.end);
        let heap = Heap { source, table, start: boot.data, shift: boot.cluster_shift };
        let fat = Fat { heap, boot, free: OnceLock::new() };
        fat.metadata(InodeId::new(ROOT)).context(|| "reading the root directory".to_owned())?;
        Ok(fat)
    }

    fn inode(&self, id: InodeId) -> Result<Inode> {
        if id == InodeId::new(ROOT) {
            return Ok(Inode::Root);
        }
        let none = || Error::corrupt(format!("no entry of a directory in place {}", id.number));
        let at = id.number.checked_mul(u64::try_from(SLOT).unwrap_or(32)).filter(|at| *at >= self.boot.root);
        let mut slot = [0; SLOT];
        self.heap.source.read_at(at.ok_or_else(none)?, &mut slot)?;
        Ok(Inode::Entry(Entry::read(&slot)?.ok_or_else(none)?))
    }

    /// The first cluster of `entry`.
    fn first_cluster(&self, entry: &Entry) -> u32 {
        if self.boot.width == Width::Fat32 { entry.cluster } else { entry.cluster & 0xFFFF }
    }

    /// Where the directory `inode` lies.
    fn area(&self, inode: &Inode) -> Result<Area> {
        let cluster = match inode {
            Inode::Root if self.boot.width != Width::Fat32 => {
                return Ok(Area::Region { start: self.boot.root, len: self.boot.root_len });
            }
            Inode::Root => self.boot.root_cluster,
            Inode::Entry(entry) if entry.is_directory() => {
                let cluster = self.first_cluster(entry);
                if cluster == 0 || (self.boot.width == Width::Fat32 && cluster == self.boot.root_cluster) {
                    return Err(Error::corrupt(format!("a directory that starts in cluster {cluster}")));
                }
                cluster
            }
            Inode::Entry(_) => return Err(Error::new(ErrorKind::NotADirectory, "a file, not a directory")),
        };
        Ok(if cluster == 0 {
            Area::Region { start: 0, len: 0 }
        } else {
            Area::Clusters(Chain::linked(cluster))
        })
    }

    fn entries(&self, inode: &Inode) -> Result<Entries<'_>> {
        Ok(Entries::new(Slots::new(&self.heap, self.area(inode)?)))
    }

    /// Size of the directory `inode` in bytes, and how many directories are in it, "." and ".." included.
    fn measure(&self, inode: &Inode) -> Result<(u64, u32)> {
        let mut slots = Slots::new(&self.heap, self.area(inode)?);
        let (mut size, mut directories) = (0u64, 0u32);
        while let Some(slot) = slots.next()? {
            size = size.saturating_add(u64::try_from(SLOT).unwrap_or(32));
            if Entry::read(&slot.bytes)?.is_some_and(|entry| entry.is_directory()) {
                directories = directories.saturating_add(1);
            }
        }
        Ok((size, directories))
    }
}

impl Filesystem for Fat {
    fn kind(&self) -> &'static str {
        "vfat"
    }

    fn root(&self) -> InodeId {
        InodeId::new(ROOT)
    }

    /// Letters of ASCII are the same in either case, dots at the end don't count, and short names are names, too.
    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        let mut entries = self.entries(&self.inode(dir)?)?;
        let wanted = name::without_dots(name);
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut name = Vec::new();
        while let Some(found) = entries.next()? {
            found.short_name(&mut name);
            if name.is_empty() {
                continue;
            }
            let mut is_it = name.eq_ignore_ascii_case(wanted);
            if !is_it && found.has_long_name() {
                found.name(&mut name);
                is_it = name.eq_ignore_ascii_case(wanted);
            }
            if is_it {
                return Ok(Some(InodeId::new(found.place)));
            }
        }
        Ok(None)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let mut entries = self.entries(&self.inode(dir)?)?;
        let mut name = Vec::new();
        while let Some(found) = entries.next()? {
            if found.entry.is_dots() {
                continue;
            }
            found.name(&mut name);
            if name.is_empty() && !found.has_long_name() {
                continue;
            }
            if matches!(&name[..], b"" | b"." | b"..") || name.contains(&b'/') {
                return Err(Error::corrupt(format!("a directory has the name {:?}", BString::from(name))));
            }
            let file_type = if found.entry.is_directory() { FileType::Directory } else { FileType::Regular };
            let entry = DirEntry {
                name: &name,
                inode: InodeId::new(found.place),
                number: found.place,
                file_type: Some(file_type),
            };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let number = inode.number;
        let inode = self.inode(inode)?;
        let (file_type, size, links) = match &inode {
            Inode::Entry(entry) if !entry.is_directory() => (FileType::Regular, entry.size.into(), 1),
            Inode::Entry(_) => {
                let (size, directories) = self.measure(&inode)?;
                if directories < 2 {
                    return Err(Error::corrupt("a directory without an entry for itself and for its parent"));
                }
                (FileType::Directory, size, directories)
            }
            Inode::Root => {
                let (size, directories) = self.measure(&inode)?;
                (FileType::Directory, size, directories.saturating_add(2))
            }
        };
        let (accessed, modified, created, protected) = match &inode {
            // Nothing is recorded of it.
            Inode::Root => (Timestamp::default(), Timestamp::default(), Timestamp::default(), false),
            Inode::Entry(entry) => {
                (entry.accessed(), entry.modified(), entry.created(), entry.is_read_only())
            }
        };
        let cluster = self.heap.cluster_size();
        let protected = protected && file_type == FileType::Regular;
        Ok(Metadata {
            number,
            subvolume: 0,
            file_type,
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
        let entry = match self.inode(inode)? {
            Inode::Entry(entry) if !entry.is_directory() => entry,
            _ => return Err(Error::new(ErrorKind::InvalidInput, "a directory is not a regular file")),
        };
        let chain = Chain::linked(self.first_cluster(&entry));
        Ok(Box::new(File::new(&self.heap, chain, entry.size.into(), entry.size.into())))
    }

    fn read_link(&self, _inode: InodeId) -> Result<BString> {
        Err(Error::new(ErrorKind::InvalidInput, "FAT has no symbolic links"))
    }

    fn xattrs(&self, _inode: InodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        let free = match self.free.get() {
            Some(free) => *free,
            None => {
                let free = self.heap.table.count_free()?;
                *self.free.get_or_init(|| free)
            }
        };
        let block_size = self.heap.cluster_size();
        Ok(FsStats {
            block_size,
            fragment_size: block_size,
            blocks: self.heap.table.clusters().into(),
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
