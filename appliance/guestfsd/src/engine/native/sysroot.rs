//! The empty directory under which everything is mounted, with the directories that `mkmountpoint` makes in it.
//!
//! The original daemon has a small tmpfs there; this is the same seen from the outside: directories only, in memory.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bstr::{BString, ByteSlice};
use disk::fs::{
    DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Timestamp, Xattr,
};
use disk::{Error, ErrorKind, Result};
use nix::errno::Errno;

/// Number of the root directory.
const ROOT: InodeId = InodeId::new(1);

/// Most directories that can be made: nobody mounts more than a few filesystems.
const MAX_DIRECTORIES: usize = 4096;

/// Size of a page: what tmpfs reports as its block size.
const PAGE: u32 = 4096;

/// Directories in memory.
#[derive(Debug, Clone)]
pub(super) struct Sysroot {
    directories: BTreeMap<InodeId, BTreeMap<BString, InodeId>>,
    next: u64,
}

impl Sysroot {
    pub(super) fn new() -> Self {
        Sysroot { directories: BTreeMap::from([(ROOT, BTreeMap::new())]), next: ROOT.number + 1 }
    }

    /// Makes directory `name` in `parent`.
    pub(super) fn make(&mut self, parent: InodeId, name: &[u8]) -> Result<(), Errno> {
        if self.directories.len() >= MAX_DIRECTORIES {
            return Err(Errno::ENOSPC);
        }
        let names = self.directories.get_mut(&parent).ok_or(Errno::ENOENT)?;
        if names.contains_key(name.as_bstr()) {
            return Err(Errno::EEXIST);
        }
        let inode = InodeId::new(self.next);
        self.next += 1;
        names.insert(name.into(), inode);
        self.directories.insert(inode, BTreeMap::new());
        Ok(())
    }

    /// Removes the empty directory `name` of `parent`.
    pub(super) fn remove(&mut self, parent: InodeId, name: &[u8]) -> Result<(), Errno> {
        let inode =
            *self.directories.get(&parent).and_then(|n| n.get(name.as_bstr())).ok_or(Errno::ENOENT)?;
        if self.directories.get(&inode).is_some_and(|names| !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.directories.remove(&inode);
        if let Some(names) = self.directories.get_mut(&parent) {
            names.remove(name.as_bstr());
        }
        Ok(())
    }

    fn names(&self, dir: InodeId) -> Result<&BTreeMap<BString, InodeId>> {
        self.directories.get(&dir).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such directory"))
    }
}

impl Filesystem for Sysroot {
    fn kind(&self) -> &'static str {
        "tmpfs"
    }

    fn root(&self) -> InodeId {
        ROOT
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        Ok(self.names(dir)?.get(name.as_bstr()).copied())
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        for (name, &inode) in self.names(dir)? {
            if each(DirEntry { name, inode, number: inode.number, file_type: Some(FileType::Directory) })
                .is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let children = u32::try_from(self.names(inode)?.len()).unwrap_or(u32::MAX);
        Ok(Metadata {
            number: inode.number,
            subvolume: 0,
            file_type: FileType::Directory,
            permissions: 0o755,
            links: children.saturating_add(2),
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            size: 40,
            blocks: 0,
            block_size: PAGE,
            accessed: Timestamp::default(),
            modified: Timestamp::default(),
            changed: Timestamp::default(),
            created: None,
        })
    }

    fn open(&self, _inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        Err(Error::new(ErrorKind::InvalidInput, "only directories are here"))
    }

    fn read_link(&self, _inode: InodeId) -> Result<BString> {
        Err(Error::new(ErrorKind::InvalidInput, "only directories are here"))
    }

    fn xattrs(&self, _inode: InodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        Ok(FsStats {
            block_size: u64::from(PAGE),
            fragment_size: u64::from(PAGE),
            blocks: 0,
            blocks_free: 0,
            blocks_available: 0,
            files: 0,
            files_free: 0,
            id: 0,
            name_max: 255,
        })
    }
}
