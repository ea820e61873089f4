//! NTFS, as ntfs-3g shows it without a mapping of users: owner root, mode 0777, names in UTF-8 with their case, alternate
//! streams as extended attributes.
//!
//! ```text
//! Ntfs ── boot ── record (fixup) ── inode (list of attributes) ─┬─ stream (runs, LZNT1) ── file ── wof
//!                                                               ├─ index, text (names) ── tree
//!                                                               └─ link (reparse points, special files)
//!         system (attributes that ntfs-3g hides)
//!         stats (free space)         state (was it left clean?)
//! ```
//!
//! An inode is a reference to its file record: number and sequence number, so that a stale one is `Corrupt`. The files of the
//! filesystem itself (`$MFT`, `$Extend`…) are not listed but can be looked up.
//!
//! The journal is not replayed: like ntfs-3g this reads what is there, and [`Ntfs::state`] says if it may be stale. Encrypted
//! files are `Unsupported`.

mod boot;
mod file;
mod fixup;
mod index;
mod inode;
mod link;
mod record;
mod runs;
mod state;
mod stats;
mod stream;
mod system;
mod text;
mod wof;

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use bstr::BString;

use self::boot::Boot;
use self::file::File;
use self::inode::Inode;
use self::link::Kind;
use self::record::{Record, Reference, kind};
pub use self::state::State;
use self::stream::{Stream, Volume};
use self::text::UpCase;
use super::{DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Xattr};
use crate::{Context, Error, ErrorKind, ReadAt, Result};

/// Records of the filesystem's own files. Those below [`FIRST_USER`] are not listed.
const MFT: u64 = 0;
const VOLUME: u64 = 3;
const ROOT: u64 = 5;
const BITMAP: u64 = 6;
const UP_CASE: u64 = 10;
const FIRST_USER: u64 = 16;
/// Permissions of all, but for the special files of Linux' subsystem: ntfs-3g gives those none.
const PERMISSIONS: u16 = 0o777;
/// Largest block that FUSE knows: a page, in bytes.
const PAGE: u32 = 4096;
/// Longest extended attribute that Linux lets a filesystem show (bytes), and most of one file together.
const MAX_XATTR: u64 = 64 << 10;
const MAX_XATTRS: u64 = 16 << 20;

/// An NTFS filesystem.
#[derive(Debug)]
pub struct Ntfs {
    volume: Volume,
    record_size: usize,
    /// The table of files.
    mft: Stream,
    up_case: OnceLock<UpCase>,
}

impl Ntfs {
    /// Does `source` hold an NTFS?
    ///
    /// # Errors
    /// `Io` if the source cannot be read.
    pub fn is_on(source: &dyn ReadAt) -> Result<bool> {
        let mut name = [0; boot::NAME.len()];
        if source.len() < boot::NAME_OFFSET.saturating_add(u64::try_from(name.len()).unwrap_or(u64::MAX)) {
            return Ok(false);
        }
        source.read_at(boot::NAME_OFFSET, &mut name)?;
        Ok(name == *boot::NAME)
    }

    /// Opens the filesystem on `source`.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` as everywhere.
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self> {
        let boot = Boot::read(&source)?;
        let volume = Volume { source, cluster_shift: boot.cluster_shift, clusters: boot.clusters };
        let ntfs =
            Ntfs::with_table(volume, &boot).context(|| "reading the table of files of an NTFS".to_owned())?;
        let root = ntfs.inode(ntfs.root())?;
        if !root.record.is_directory {
            return Err(Error::corrupt("the root of an NTFS is not a directory"));
        }
        Ok(ntfs)
    }

    /// Finds the table of files, whose first record says where it lies; or other records do, which lie in what is known
    /// of it up to there.
    fn with_table(volume: Volume, boot: &Boot) -> Result<Self> {
        let mut bytes = vec![0; boot.record_size];
        volume.source.read_at(volume.bytes(boot.mft), &mut bytes)?;
        let record = Record::parse(bytes, Reference(MFT))?;
        let mut first = None;
        for raw in record.attributes()? {
            let raw = raw?;
            if raw.kind == kind::DATA && raw.name()?.is_empty() {
                first = Some(Stream::new(&raw, &volume)?);
                break;
            }
        }
        let mft = first.ok_or_else(|| Error::corrupt("the table of files has no data"))?;
        let record_size = boot.record_size;
        let mut ntfs = Ntfs { volume, record_size, mft, up_case: OnceLock::new() };
        let mut inode = Inode::base(Reference(MFT), record);
        ntfs.read_list(&mut inode)?;
        for reference in ntfs.continued(&inode) {
            let record = ntfs.record(reference)?;
            for raw in record.attributes()? {
                let raw = raw?;
                if raw.kind == kind::DATA && raw.name()?.is_empty() && raw.first()? != 0 {
                    ntfs.mft.add(&raw, &ntfs.volume)?;
                }
            }
        }
        Ok(ntfs)
    }

    /// The file record that `reference` names.
    fn record(&self, reference: Reference) -> Result<Record> {
        let size = u64::try_from(self.record_size).unwrap_or(u64::MAX);
        let mut bytes = vec![0; self.record_size];
        self.mft.read_plain(&self.volume, reference.number().saturating_mul(size), &mut bytes)?;
        Record::parse(bytes, reference)
    }

    /// The table of upper case.
    fn up_case(&self) -> Result<&UpCase> {
        if let Some(table) = self.up_case.get() {
            return Ok(table);
        }
        let bytes = self.own_data(UP_CASE, text::TABLE).context(|| "reading the up-case table".to_owned())?;
        Ok(self.up_case.get_or_init(|| UpCase::new(&bytes)))
    }

    /// All data of one of the filesystem's own files.
    fn own_data(&self, number: u64, most: u64) -> Result<Vec<u8>> {
        let inode = self.inode(InodeId::new(number))?;
        self.value(&inode, kind::DATA, &[], most)?
            .ok_or_else(|| Error::corrupt(format!("file record {number} has no data")))
    }

    /// The inode that `name` names in directory `dir` if case does not count, as in Windows, and that name as it is
    /// stored; of several, one that has the case of `name`, else any.
    ///
    /// # Errors
    /// As for [`lookup`](Filesystem::lookup).
    pub fn lookup_ignoring_case(&self, dir: InodeId, name: &[u8]) -> Result<Option<(InodeId, BString)>> {
        let inode = self.inode(dir)?;
        let Some(wanted) = text::units_of(name) else { return Ok(None) };
        let table = self.up_case()?;
        let mut found = self.find(&inode, &|name| table.collate(name, &wanted))?;
        if found.is_none() {
            found = self.find(&inode, &|name| table.compare(name, &wanted))?;
        }
        Ok(found.map(|(file, name)| {
            let mut stored = Vec::new();
            text::push_text(&name, &mut stored);
            (InodeId::new(file.0), BString::from(stored))
        }))
    }

    /// Was the volume left clean, and what may be stale if not?
    ///
    /// # Errors
    /// As everywhere.
    pub fn state(&self) -> Result<State> {
        self.read_state().context(|| "reading the state of an NTFS".to_owned())
    }

    /// Opens the stream of `inode` that has this name, as Windows' `file:stream` and ntfs-3g's `streams_interface=windows`
    /// do; `None` if there is none. [`xattrs`](Filesystem::xattrs) has the names, and the values as far as they fit.
    ///
    /// # Errors
    /// As for [`open`](Filesystem::open), but directories have streams, too.
    pub fn open_stream(&self, inode: InodeId, name: &[u8]) -> Result<Option<Box<dyn FileData + '_>>> {
        let inode = self.inode(inode)?;
        let Some(name) = text::units_of(name) else { return Ok(None) };
        match self.stream(&inode, kind::DATA, &name)? {
            Some(stream) => Ok(Some(Box::new(File::of_stream(self, &inode, stream)?))),
            None => Ok(None),
        }
    }

    /// The raw reparse point of `inode`, as the attribute `system.ntfs_reparse_data` of ntfs-3g has it.
    ///
    /// # Errors
    /// As everywhere.
    pub fn reparse_data(&self, inode: InodeId) -> Result<Option<Vec<u8>>> {
        let inode = self.inode(inode)?;
        self.raw_reparse_point(&inode)
    }
}

impl Filesystem for Ntfs {
    fn kind(&self) -> &'static str {
        "ntfs"
    }

    fn root(&self) -> InodeId {
        InodeId::new(ROOT)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        let inode = self.inode(dir)?;
        let Some(wanted) = text::units_of(name) else { return Ok(None) };
        let table = self.up_case()?;
        let found = self.find(&inode, &|name| table.collate(name, &wanted))?;
        Ok(found.map(|(file, _)| InodeId::new(file.0)))
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let inode = self.inode(dir)?;
        let mut name = Vec::new();
        self.each_name(&inode, &mut |entry, units| {
            let number = entry.file.number();
            if entry.is_dos()? || number < FIRST_USER {
                return Ok(ControlFlow::Continue(()));
            }
            name.clear();
            text::push_text(units, &mut name);
            if matches!(&name[..], b"." | b"..") || name.iter().any(|byte| b"/\0".contains(byte)) {
                return Err(Error::corrupt(format!(
                    "a directory has the name {:?}",
                    BString::from(&name[..])
                )));
            }
            let file_type = match entry.is_directory()? {
                Some(true) => Some(FileType::Directory),
                Some(false) => Some(FileType::Regular),
                // One that is damaged has a name all the same.
                None => self
                    .inode(InodeId::new(entry.file.0))
                    .and_then(|inode| self.kind_of(&inode))
                    .map(|kind| kind.file_type())
                    .ok(),
            };
            Ok(each(DirEntry { name: &name, inode: InodeId::new(entry.file.0), number, file_type }))
        })
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let inode = self.inode(inode)?;
        let kind = self.kind_of(&inode)?;
        let sizes = self.shown_sizes(&inode, &kind)?;
        let standard = &inode.standard;
        Ok(Metadata {
            number: inode.reference.number(),
            subvolume: 0,
            file_type: kind.file_type(),
            permissions: if kind.is_special() && standard.is_reparse_point() { 0 } else { PERMISSIONS },
            // Names of directories are not counted, so that no one takes them for those of directories in them.
            links: if matches!(kind, Kind::Directory) { 1 } else { inode.record.links.into() },
            uid: 0,
            gid: 0,
            device: kind.device(),
            size: sizes.data,
            blocks: sizes.allocated.div_ceil(512),
            block_size: u32::try_from(self.volume.cluster_size()).unwrap_or(PAGE).min(PAGE),
            accessed: standard.accessed,
            modified: standard.modified,
            changed: standard.changed,
            created: Some(standard.created),
        })
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        let inode = self.inode(inode)?;
        let refused = |what| Err(Error::new(ErrorKind::InvalidInput, format!("{what}, not a regular file")));
        match self.kind_of(&inode)? {
            Kind::Regular => {}
            Kind::Directory => return refused("a directory"),
            _ => return refused("a special file"),
        }
        Ok(Box::new(File::new(self, &inode)?))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        let inode = self.inode(inode)?;
        match self.kind_of(&inode)? {
            Kind::Symlink(target) => Ok(target),
            _ => Err(Error::new(ErrorKind::InvalidInput, "not a symbolic link")),
        }
    }

    /// Named streams, as ntfs-3g has them with `streams_interface=xattr`.
    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        let inode = self.inode(inode)?;
        let mut xattrs = Vec::new();
        let mut sum = 0u64;
        let packed = matches!(self.kind_of(&inode)?, Kind::Regular) && inode.standard.is_reparse_point();
        let hidden = packed.then(wof::stream_name);
        for name in self.stream_names(&inode)? {
            if hidden.as_ref() == Some(&name) {
                continue;
            }
            let value = self.value(&inode, kind::DATA, &name, MAX_XATTR)?.unwrap_or_default();
            sum = sum.saturating_add(u64::try_from(value.len()).unwrap_or(u64::MAX));
            if sum > MAX_XATTRS {
                return Err(Error::unsupported(format!("named streams of more than {MAX_XATTRS} bytes")));
            }
            let mut full = b"user.".to_vec();
            text::push_text(&name, &mut full);
            xattrs.push(Xattr { name: full.into(), value: value.into() });
        }
        Ok(xattrs)
    }

    fn hidden_xattr(&self, inode: InodeId, name: &[u8]) -> Result<Option<Vec<u8>>> {
        self.system_attribute(&self.inode(inode)?, name)
    }

    fn stat_fs(&self) -> Result<FsStats> {
        self.stats()
    }
}
