//! ISO 9660 with Rock Ridge or Joliet, as Linux shows it without options (on a device that is no CD drive: the first
//! session counts).
//!
//! ```text
//! Iso9660 ── volume (descriptors) ── record (directories) ─┬─ rock (Rock Ridge)
//!         └─ file ── zisofs (compressed files)             └─ name (plain names, Joliet)
//! ```
//!
//! Rock Ridge goes before Joliet, and Joliet before plain names. An inode is the byte where its record stands; that of a
//! directory is its own first record, as in Linux, where an inode's number is that divided by 32. A directory that was
//! moved because it lay too deep shows in its old place.
//!
//! Refused are interleaved files, which Linux shows as empty, the High Sierra format, and
//! volumes that are also UDF: those `mount` takes for UDF, and so does this crate. What Linux hides because its entries are damaged is `Corrupt`.

mod file;
mod name;
mod record;
mod rock;
mod volume;
mod zisofs;

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::{BString, ByteSlice};

use self::file::{File, Section};
use self::record::Record;
use self::rock::{Attributes, Name, Presence, Protocol};
use self::volume::Volume;
use self::zisofs::Zisofs;
use super::{DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::{Context, Error, ErrorKind, ReadAt, Result, probe};

/// Permissions where nothing says them.
const PERMISSIONS: u32 = 0o555;
/// Type and permissions in a mode of POSIX.
const TYPE: u32 = 0o170_000;
const ALL_PERMISSIONS: u32 = 0o7777;
/// Longest name in bytes.
const NAME_MAX: u64 = 255;

/// An ISO 9660 filesystem.
#[derive(Debug)]
pub struct Iso9660 {
    source: Arc<dyn ReadAt>,
    volume: Volume,
    rock: Protocol,
    /// Block where the root directory starts.
    root: u32,
    /// Are names Joliet's?
    joliet: bool,
}

/// A record and what it says.
#[derive(Debug)]
struct Inode {
    record: Record,
    attributes: Attributes,
    file_type: FileType,
    /// Bytes, in all sections; those that a compressed file has when it is not.
    size: u64,
    /// Bytes on the disk.
    stored: u64,
}

impl Iso9660 {
    /// Does `source` hold an ISO 9660, and no UDF?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        Ok(probe::is("iso9660", source)? && !probe::is("udf", source)?)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let volume = Volume::read(&source)?;
        let rock = Protocol { presence: Presence::Maybe, skip: None };
        let mut iso = Iso9660 { root: volume.root, source, volume, rock, joliet: false };
        iso.choose_names().context(|| "reading the root directory".to_owned())?;
        if iso.inode(iso.root())?.file_type != FileType::Directory {
            return Err(Error::corrupt("the root of an ISO 9660 is not a directory"));
        }
        Ok(iso)
    }

    /// Finds out whether there is Rock Ridge, and takes Joliet if not.
    fn choose_names(&mut self) -> Result<()> {
        let record = self.record(self.block_at(self.volume.root))?;
        let attributes = self.rock_attributes(&record)?;
        self.rock.skip = attributes.skip;
        if attributes.says_so {
            self.rock.presence = Presence::Yes;
        }
        let Some(root) = self.volume.joliet_root else { return Ok(()) };
        if self.rock.presence == Presence::Yes && !self.is_empty(&record)? {
            return Ok(());
        }
        self.rock.presence = Presence::No;
        self.root = root;
        self.joliet = true;
        Ok(())
    }

    /// Has the root directory, whose first record is given, nothing but itself?
    fn is_empty(&self, record: &Record) -> Result<bool> {
        let mut records = 0u32;
        let size = self.volume.block_size.min(record.size()?);
        self.records(record.at, size.into(), &mut |_| {
            records = records.saturating_add(1);
            Ok(if records > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(records <= 2)
    }

    /// Byte of the source where `block` starts.
    fn block_at(&self, block: u32) -> u64 {
        u64::from(block).saturating_mul(self.volume.block_size.into())
    }

    /// The inode that a directory's record names.
    fn id(&self, record: &Record) -> Result<InodeId> {
        let at = if record.is_directory() { self.block_at(record.block()?) } else { record.at };
        Ok(InodeId::new(at))
    }

    fn inode(&self, id: InodeId) -> Result<Inode> {
        self.read_inode(id.number, true)
    }

    /// Reads the inode whose record is at byte `at`. With `follow`, that of a moved directory is the directory's.
    fn read_inode(&self, at: u64, follow: bool) -> Result<Inode> {
        let record = self.record(at)?;
        let attributes = self.rock_attributes(&record)?;
        if let Some(block) = attributes.relocated {
            let target = self.block_at(block);
            if !follow || target == at {
                return Err(Error::corrupt("a directory that was moved more than once"));
            }
            return self.read_inode(target, false).context(|| "where a directory was moved to".to_owned());
        }
        if record.is_interleaved() {
            return Err(Error::unsupported("an interleaved file"));
        }
        let file_type = match attributes.posix {
            Some(posix) => file_type(posix.mode)?,
            None if record.is_directory() => FileType::Directory,
            None => FileType::Regular,
        };
        let mut stored = record.size()?.into();
        if record.has_more() {
            if file_type != FileType::Regular {
                return Err(Error::unsupported("a directory of more than one section"));
            }
            stored = 0u64;
            for section in self.sections(record.clone())? {
                stored = stored.saturating_add(section.size()?.into());
            }
        }
        let size = match (&attributes.link, &attributes.compressed) {
            (Some(link), _) => link.len,
            (None, Some(form)) => form.size.into(),
            (None, None) => stored,
        };
        Ok(Inode { record, attributes, file_type, size, stored })
    }

    /// Calls `each` for the records of directory `inode` that are shown, with their names. A file of several sections is
    /// shown by its first record and the name of its last.
    fn shown(&self, inode: &Inode, each: &mut dyn FnMut(InodeId, &[u8]) -> ControlFlow<()>) -> Result<()> {
        if inode.file_type != FileType::Directory {
            return Err(Error::new(ErrorKind::NotADirectory, "not a directory"));
        }
        let start = self.block_at(inode.record.block()?);
        let mut first = None;
        self.records(start, inode.size, &mut |record| {
            let id = match first.take() {
                Some(id) => id,
                None => self.id(&record)?,
            };
            if record.has_more() {
                first = Some(id);
                return Ok(ControlFlow::Continue(()));
            }
            if record.is_dots() || record.is_associated() {
                return Ok(ControlFlow::Continue(()));
            }
            let name = match self.rock_name(&record)? {
                Name::Hidden => return Ok(ControlFlow::Continue(())),
                Name::Some(name) => name,
                Name::None if self.joliet => name::joliet(record.name()),
                Name::None => name::plain(record.name()),
            };
            Ok(if name.is_empty() { ControlFlow::Continue(()) } else { each(id, &name) })
        })
    }
}

/// The kind that a mode of POSIX says.
fn file_type(mode: u32) -> Result<FileType> {
    Ok(match mode & TYPE {
        0o010_000 => FileType::Fifo,
        0o020_000 => FileType::CharDevice,
        0o040_000 => FileType::Directory,
        0o060_000 => FileType::BlockDevice,
        0o100_000 => FileType::Regular,
        0o120_000 => FileType::Symlink,
        0o140_000 => FileType::Socket,
        _ => return Err(Error::corrupt(format!("a file of mode {mode:#o}"))),
    })
}

impl Filesystem for Iso9660 {
    fn kind(&self) -> &'static str {
        "iso9660"
    }

    fn root(&self) -> InodeId {
        InodeId::new(self.block_at(self.root))
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        let mut found = None;
        self.shown(&self.inode(dir)?, &mut |id, shown| {
            let same = if self.joliet { name::same_in_joliet(name, shown) } else { name == shown };
            if same {
                found = Some(id);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let mut bad = None;
        self.shown(&self.inode(dir)?, &mut |id, name| {
            if matches!(name, b"." | b"..") || name.contains(&b'/') {
                bad = Some(Error::corrupt(format!("a directory has the name {:?}", name.as_bstr())));
                return ControlFlow::Break(());
            }
            each(DirEntry { name, inode: id, number: id.number / 32, file_type: None })
        })?;
        bad.map_or(Ok(()), Err)
    }

    fn metadata(&self, id: InodeId) -> Result<Metadata> {
        let inode = self.inode(id)?;
        let all = &inode.attributes;
        let recorded = inode.record.time()?;
        let (mode, links, uid, gid) =
            all.posix.map_or((PERMISSIONS, 1, 0, 0), |posix| (posix.mode, posix.links, posix.uid, posix.gid));
        let is_device = matches!(inode.file_type, FileType::BlockDevice | FileType::CharDevice);
        Ok(Metadata {
            number: id.number / 32,
            subvolume: 0,
            file_type: inode.file_type,
            permissions: u16::try_from(mode & ALL_PERMISSIONS).unwrap_or(0),
            links,
            uid,
            gid,
            device: if is_device { all.device } else { DeviceNumber::default() },
            size: inode.size,
            blocks: inode.stored.div_ceil(512),
            block_size: self.volume.block_size,
            accessed: all.accessed.unwrap_or(recorded),
            modified: all.modified.unwrap_or(recorded),
            changed: all.changed.or(all.created).unwrap_or(recorded),
            created: None,
        })
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let inode = self.inode(inode)?;
        if inode.file_type != FileType::Regular {
            return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut sections: Vec<Section> = Vec::new();
        for record in self.sections(inode.record)? {
            let start = sections.last().map_or(0, |last| last.range.end);
            if !start.is_multiple_of(self.volume.block_size.into()) || record.is_interleaved() {
                return Err(Error::unsupported(
                    "a file whose sections don't end with a block, or are interleaved",
                ));
            }
            let end = start.saturating_add(record.size()?.into());
            sections.push(Section { range: start..end, at: self.block_at(record.block()?) });
        }
        let file = File::new(&self.source, sections);
        Ok(match inode.attributes.compressed {
            Some(form) => Box::new(Zisofs::new(file, form)?),
            None => Box::new(file),
        })
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        let inode = self.inode(inode)?;
        if inode.file_type != FileType::Symlink {
            return Err(Error::new(ErrorKind::InvalidInput, "not a symbolic link"));
        }
        match inode.attributes.link {
            Some(link) if !link.damaged && !link.target.is_empty() && !link.target.contains(&0) => {
                Ok(link.target)
            }
            _ => Err(Error::corrupt("a symbolic link without a target")),
        }
    }

    fn xattrs(&self, _inode: InodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        Ok(FsStats {
            block_size: self.volume.block_size.into(),
            fragment_size: self.volume.block_size.into(),
            blocks: self.volume.blocks.into(),
            blocks_free: 0,
            blocks_available: 0,
            files: 0,
            files_free: 0,
            // The kernel's is the number of the device.
            id: 0,
            name_max: NAME_MAX,
        })
    }
}
