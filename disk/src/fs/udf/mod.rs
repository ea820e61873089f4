//! UDF (OSTA's Universal Disk Format 1.02 to 2.60, on ECMA-167), as Linux shows it without options: media to install
//! Windows from, DVDs, Blu-rays and disks that were formatted with it.
//!
//! ```text
//! Udf ── volume (anchor, descriptors) ── maps, integrity
//!  │        └─ partition (blocks of the volume -> blocks of the medium) ── tag (descriptors)
//!  ├─ entry (what a file is) ── extents ── file (content)
//!  │     └─ time
//!  ├─ dir ── name
//!  ├─ link ── name
//!  └─ stats
//! ```
//!
//! Every descriptor's tag and CRC are verified, also those of names and of continued extents, where Linux does not look.
//! Partitions are physical, sparable, virtual (with the table that the last block tells of) or of metadata, with its mirror.
//!
//! An inode is the place of its file entry; the number that Linux shows is its block on the medium. Names that are marked
//! as deleted or hidden don't show, nor do streams and attributes, as in Linux. What Linux passes over as damaged is
//! `Corrupt`.
//!
//! Refused are files with a chain of entries (strategy 4096, of media that are written once, which Linux reads), extended
//! descriptors of extents (which it refuses), and extents that end within a block before others.

mod dir;
mod entry;
mod extents;
mod file;
mod integrity;
mod link;
mod maps;
mod name;
mod partition;
mod stats;
mod tag;
mod time;
mod volume;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::BString;

use self::entry::Entry;
use self::partition::Place;
use self::tag::{Crc, FILE_SET};
use self::volume::Volume;
use super::{DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::{Context, Error, ErrorKind, ReadAt, Result, probe};

/// Where a file set says which its root directory is.
const ROOT: usize = 404;
/// What Linux shows as the block of a name that leads nowhere.
const NOWHERE: u32 = u32::MAX;

/// A UDF filesystem.
#[derive(Debug)]
pub struct Udf {
    volume: Volume,
    root: Place,
}

impl Udf {
    /// Does `source` hold a UDF?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        probe::is("udf", source)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        use crate::bytes::Fields;
        let volume = Volume::read(&source)?;
        let file_set = volume.space.descriptor(volume.file_set, Crc::Checked);
        let file_set = file_set.context(|| "reading the file set".to_owned())?;
        if file_set.id != FILE_SET {
            return Err(Error::corrupt(format!("descriptor {} instead of a file set", file_set.id)));
        }
        // Not all volumes have a further one, and Linux never looks.
        let root = Place::read(file_set.bytes.slice(0, file_set.bytes.len())?, ROOT)?;
        let udf = Udf { volume, root };
        if udf.entry(udf.root())?.file_type()? != FileType::Directory {
            return Err(Error::corrupt("the root of a UDF is not a directory"));
        }
        Ok(udf)
    }

    /// The entry of `inode`, which some name has.
    fn entry(&self, inode: InodeId) -> Result<Entry> {
        let place = place(inode)?;
        let entry = Entry::read(&self.volume.space, place)?;
        if entry.links == 0 {
            let what =
                format!("the file in block {} of partition {} has no name", place.block, place.partition);
            return Err(Error::corrupt(what));
        }
        Ok(entry)
    }

    fn directory(&self, inode: InodeId) -> Result<Entry> {
        let entry = self.entry(inode)?;
        if entry.file_type()? != FileType::Directory {
            return Err(Error::new(ErrorKind::NotADirectory, "not a directory"));
        }
        Ok(entry)
    }

    /// The target of a symbolic link, which is empty if it has none.
    fn target(&self, entry: &Entry) -> Result<BString> {
        let what = || format!("a symbolic link of {} bytes", entry.size);
        let mut file = entry.open(&self.volume.space)?;
        if !file.is_whole() {
            return Err(Error::corrupt(what()));
        }
        // Linux reads no more than a block.
        let stored = file.read_all(self.volume.space.medium.block_size)?;
        link::target(&stored.ok_or_else(|| Error::corrupt(what()))?).context(what)
    }
}

/// The inode whose file entry is at `place`.
fn id(place: Place) -> InodeId {
    InodeId::new(u64::from(place.partition) << 32 | u64::from(place.block))
}

fn place(inode: InodeId) -> Result<Place> {
    let partition = u16::try_from(inode.number >> 32);
    let block = u32::try_from(inode.number & u64::from(u32::MAX));
    match (partition, block) {
        (Ok(partition), Ok(block)) => Ok(Place { block, partition }),
        _ => Err(Error::corrupt(format!("inode {}", inode.number))),
    }
}

impl Filesystem for Udf {
    fn kind(&self) -> &'static str {
        "udf"
    }

    fn root(&self) -> InodeId {
        id(self.root)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        let mut found = None;
        dir::names(&self.volume.space, &self.directory(dir)?, &mut |shown, place| {
            if shown == name {
                found = Some(id(place));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        dir::names(&self.volume.space, &self.directory(dir)?, &mut |name, place| {
            let number = self.volume.space.physical(place).unwrap_or(NOWHERE).into();
            each(DirEntry { name, inode: id(place), number, file_type: None })
        })
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let entry = self.entry(inode)?;
        let file_type = entry.file_type()?;
        let block_size = self.volume.space.medium.block_size;
        let is_device = matches!(file_type, FileType::BlockDevice | FileType::CharDevice);
        Ok(Metadata {
            number: self.volume.space.physical(entry.place)?.into(),
            subvolume: 0,
            file_type,
            permissions: entry.shown_permissions(),
            // The name that a directory has in itself is not counted.
            links: u32::from(entry.links).saturating_add(u32::from(file_type == FileType::Directory)),
            uid: entry.uid,
            gid: entry.gid,
            device: if is_device { entry.device()? } else { DeviceNumber::default() },
            size: match file_type {
                FileType::Symlink => u64::try_from(self.target(&entry)?.len()).unwrap_or(u64::MAX),
                _ => entry.size,
            },
            blocks: entry.recorded.wrapping_mul(u64::from(block_size / 512)),
            block_size,
            accessed: entry.accessed,
            modified: entry.modified,
            changed: entry.changed,
            created: None,
        })
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let entry = self.entry(inode)?;
        if entry.file_type()? != FileType::Regular {
            return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(entry.open(&self.volume.space)?))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        let entry = self.entry(inode)?;
        if entry.file_type()? != FileType::Symlink {
            return Err(Error::new(ErrorKind::InvalidInput, "not a symbolic link"));
        }
        let target = self.target(&entry)?;
        if target.is_empty() {
            return Err(Error::corrupt("a symbolic link without a target"));
        }
        Ok(target)
    }

    fn xattrs(&self, _inode: InodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        self.stats()
    }
}
