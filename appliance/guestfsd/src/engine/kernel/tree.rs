//! The guest's tree as the kernel shows it, through open descriptors that don't leave the guest's root.
//!
//! Whatever is not a regular file or a directory is looked at through `O_PATH` alone: a FIFO would wait for its other
//! end, and a device node could be any device of the appliance.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::mem::MaybeUninit;
use std::ops::{ControlFlow, Range};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{DeviceNumber, DirEntry, FileData, FileType, FsStats, InodeId, Metadata, Timestamp, Xattr};
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, Mode, OFlags, RawDir, SeekFrom, Statx, StatxFlags, fstatvfs, getxattr, listxattr,
    listxattr_query, open, openat, seek, statx,
};

use super::Kernel;
use super::sysroot::descriptor_path;
use crate::engine::{DirId, Directory, FsStatus, Last, Result, Status, Subvolumes, Tree, names};
use crate::error::Failure;

/// Bytes of directory entries read at a time: as much as the C library takes, since in some filesystems the order of
/// names depends on it.
const DIRECTORY_BUFFER: usize = 32 << 10;
/// Longest list of names of attributes, and longest value, in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 << 10;
/// Flag of statfs(2) that says that there are flags (`ST_VALID`); the C library takes it away.
const STATFS_VALID: u64 = 0x20;
/// `ST_NODEV`: every mount here has it, which the original's have not.
const NO_DEVICES: u64 = 4;

/// Looks at a file without opening it.
const LOOK: OFlags = OFlags::PATH;

impl Kernel {
    fn look(&self, path: &BStr, last: Last) -> Result<OwnedFd> {
        let flags = match last {
            Last::Follow => LOOK,
            Last::Itself => LOOK | OFlags::NOFOLLOW,
        };
        self.sysroot().open(path, flags, Mode::empty())
    }

    /// `open` opens what `statx` is about, if that has to be looked at again.
    fn status_of(&self, statx: &Statx, open: impl FnOnce() -> Result<OwnedFd>) -> Result<Status> {
        let device = DeviceNumber { major: statx.stx_dev_major, minor: statx.stx_dev_minor };
        let mut metadata = metadata(statx)?;
        if let Some(len) = self.sysroot().link_len(statx, open)? {
            metadata.size = len;
        }
        Ok(Status { device: self.shown_number(device), metadata })
    }

    fn target_of(&self, looked: &OwnedFd) -> Result<BString> {
        if file_type(status(looked)?.stx_mode)? != FileType::Symlink {
            return Err(Errno::EINVAL.into());
        }
        self.sysroot().link_target(looked)
    }
}

/// What statx(2) shows of an open file.
fn status(fd: &OwnedFd) -> Result<Statx> {
    Ok(statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?)
}

fn file_type(mode: u16) -> Result<FileType> {
    known_type(rustix::fs::FileType::from_raw_mode(mode.into())).ok_or(Failure::Os(Errno::EINVAL))
}

fn known_type(found: rustix::fs::FileType) -> Option<FileType> {
    use rustix::fs::FileType as Found;
    Some(match found {
        Found::RegularFile => FileType::Regular,
        Found::Directory => FileType::Directory,
        Found::Symlink => FileType::Symlink,
        Found::Fifo => FileType::Fifo,
        Found::Socket => FileType::Socket,
        Found::CharacterDevice => FileType::CharDevice,
        Found::BlockDevice => FileType::BlockDevice,
        Found::Unknown => return None,
    })
}

fn metadata(statx: &Statx) -> Result<Metadata> {
    /// The bits of a mode below its type.
    const PERMISSIONS: u16 = 0o7777;
    let time = |t: rustix::fs::StatxTimestamp| Timestamp { seconds: t.tv_sec, nanoseconds: t.tv_nsec };
    Ok(Metadata {
        number: statx.stx_ino,
        // `st_dev` tells subvolumes apart here.
        subvolume: 0,
        file_type: file_type(statx.stx_mode)?,
        permissions: statx.stx_mode & PERMISSIONS,
        links: statx.stx_nlink,
        uid: statx.stx_uid,
        gid: statx.stx_gid,
        device: DeviceNumber { major: statx.stx_rdev_major, minor: statx.stx_rdev_minor },
        size: statx.stx_size,
        blocks: statx.stx_blocks,
        block_size: statx.stx_blksize,
        accessed: time(statx.stx_atime),
        modified: time(statx.stx_mtime),
        changed: time(statx.stx_ctime),
        created: (statx.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| time(statx.stx_btime)),
    })
}

/// Opens for reading what was looked at, if it is a regular file.
fn open_file(looked: &OwnedFd) -> Result<Box<dyn FileData>> {
    let statx = status(looked)?;
    match file_type(statx.stx_mode)? {
        FileType::Regular => {}
        FileType::Directory => return Err(Errno::EISDIR.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    // The link leads to the very file that was looked at.
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = open(descriptor_path(looked), flags, Mode::empty())?;
    Ok(Box::new(OpenFile { file: File::from(fd), len: statx.stx_size }))
}

fn xattrs_of(looked: &OwnedFd) -> Result<Vec<Xattr>> {
    // Of what is open by `O_PATH` there is no other way to the attributes; the link is not followed further.
    let path = descriptor_path(looked);
    let names = match attribute_names(&path) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut value = vec![0; XATTR_MAX];
    let mut found = Vec::new();
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        match getxattr(&path, OsStr::from_bytes(name), &mut value) {
            Ok(length) => {
                let value = value.get(..length).unwrap_or_default();
                found.push(Xattr { name: name.into(), value: value.into() });
            }
            // It went meanwhile, or is one that is listed and not given.
            Err(rustix::io::Errno::NODATA) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(found)
}

/// Names of attributes, each with a NUL after it. The buffer is of the right size, as everybody's is: XFS lists in another
/// order where there is more room.
fn attribute_names(path: &Path) -> rustix::io::Result<Vec<u8>> {
    loop {
        let length = listxattr_query(path)?;
        let mut names = vec![0; length.min(XATTR_MAX)];
        if names.is_empty() {
            return Ok(names);
        }
        match listxattr(path, names.as_mut_slice()) {
            Ok(length) => {
                names.truncate(length);
                return Ok(names);
            }
            // Attributes were added meanwhile.
            Err(rustix::io::Errno::RANGE) if length <= XATTR_MAX => {}
            Err(e) => return Err(e),
        }
    }
}

impl Tree for Kernel {
    fn status(&self, path: &BStr, last: Last) -> Result<Status> {
        let looked = self.look(path, last)?;
        self.status_of(&status(&looked)?, || Ok(looked))
    }

    fn open(&self, path: &BStr) -> Result<Box<dyn FileData + '_>> {
        open_file(&self.look(path, Last::Follow)?).map(|file| file as Box<dyn FileData + '_>)
    }

    fn directory(&self, path: &BStr) -> Result<Box<dyn Directory<'_> + '_>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        OpenDirectory::over(self, self.sysroot().open(path, flags, Mode::empty())?)
    }

    fn read_link(&self, path: &BStr) -> Result<BString> {
        self.target_of(&self.look(path, Last::Itself)?)
    }

    fn xattrs(&self, path: &BStr, last: Last) -> Result<Vec<Xattr>> {
        xattrs_of(&self.look(path, last)?)
    }

    fn xattr(&self, path: &BStr, last: Last, name: &BStr) -> Result<Vec<u8>> {
        let looked = self.look(path, last)?;
        let mut value = vec![0; XATTR_MAX];
        let length = getxattr(descriptor_path(&looked), OsStr::from_bytes(name), &mut value)?;
        value.truncate(length);
        Ok(value)
    }

    fn stat_fs(&self, path: &BStr) -> Result<FsStatus> {
        let looked = self.look(path, Last::Follow)?;
        let found = fstatvfs(&looked)?;
        let statx = status(&looked)?;
        let device = DeviceNumber { major: statx.stx_dev_major, minor: statx.stx_dev_minor };
        // Filesystems without an identifier of their own show the number of their device.
        let id = if found.f_fsid == names::encoded(device) {
            names::encoded(self.shown_number(device))
        } else {
            found.f_fsid
        };
        let stats = FsStats {
            block_size: found.f_bsize,
            fragment_size: found.f_frsize,
            blocks: found.f_blocks,
            blocks_free: found.f_bfree,
            blocks_available: found.f_bavail,
            files: found.f_files,
            files_free: found.f_ffree,
            id,
            name_max: found.f_namemax,
        };
        Ok(FsStatus { stats, flags: found.f_flag.bits() & !(STATFS_VALID | NO_DEVICES) })
    }

    fn subvolumes(&self, path: &BStr) -> Result<Subvolumes> {
        self.subvolumes_at(&self.look(path, Last::Follow)?)
    }

    fn canonical(&self, path: &BStr) -> Result<BString> {
        self.path_of(&self.look(path, Last::Follow)?)
    }
}

impl Kernel {
    /// The guest path of an open file.
    pub(super) fn path_of(&self, fd: &OwnedFd) -> Result<BString> {
        let path = std::fs::read_link(descriptor_path(fd)).map_err(|e| Failure::from_io(&e))?;
        let path = BString::from(PathBuf::into_os_string(path).into_vec());
        // A file that is gone, or that was mounted over, has no path within the root.
        Ok(self.below(path.as_bstr()).ok_or(Errno::ENOENT)?.into())
    }
}

/// A regular file that is open.
#[derive(Debug)]
struct OpenFile {
    file: File,
    len: u64,
}

impl FileData for OpenFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> disk::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(disk::Error::io(format!("reading at byte {at} of the file"), e)),
            }
        }
        Ok(done)
    }

    fn next_data(&mut self, offset: u64) -> disk::Result<Option<Range<u64>>> {
        if offset >= self.len {
            return Ok(None);
        }
        let start = match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            // Filesystems that know of no holes.
            Err(rustix::io::Errno::INVAL) => return Ok(Some(offset..self.len)),
            Err(e) => return Err(disk::Error::io("looking for data in the file", e.into())),
        };
        let end = seek(&self.file, SeekFrom::Hole(start)).unwrap_or(self.len);
        Ok(Some(start..end.clamp(start, self.len)).filter(|range| !range.is_empty()))
    }
}

/// A directory that is open.
struct OpenDirectory<'k> {
    kernel: &'k Kernel,
    fd: OwnedFd,
    id: DirId,
}

impl fmt::Debug for OpenDirectory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDirectory").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl<'k> OpenDirectory<'k> {
    fn over<'d>(kernel: &'k Kernel, fd: OwnedFd) -> Result<Box<dyn Directory<'d> + 'd>>
    where
        'k: 'd,
    {
        let statx = status(&fd)?;
        // Directories are equal if device and number are. Mounts of the same filesystem show the same directories.
        let device = DeviceNumber { major: statx.stx_dev_major, minor: statx.stx_dev_minor };
        let id =
            DirId { mount: 0, inode: InodeId { subvolume: names::encoded(device), number: statx.stx_ino } };
        Ok(Box::new(OpenDirectory { kernel, fd, id }))
    }

    /// A name must be one: a path could lead anywhere.
    fn name<'n>(&self, name: &'n BStr) -> Result<&'n OsStr> {
        if name.is_empty() || name == ".." || name.contains(&b'/') {
            return Err(Errno::EINVAL.into());
        }
        Ok(OsStr::from_bytes(name))
    }

    fn look(&self, name: &BStr) -> Result<OwnedFd> {
        let flags = LOOK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.fd, self.name(name)?, flags, Mode::empty())?)
    }

    fn statx(&self, name: &BStr) -> Result<Statx> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Ok(statx(&self.fd, self.name(name)?, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?)
    }
}

impl<'t> Directory<'t> for OpenDirectory<'t> {
    fn id(&self) -> DirId {
        self.id
    }

    fn read(&self, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        // A descriptor of its own, with a position of its own.
        let fd = openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = vec![MaybeUninit::uninit(); DIRECTORY_BUFFER];
        let mut entries = RawDir::new(fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let inode = InodeId { subvolume: self.id.inode.subvolume, number: entry.ino() };
            let file_type = known_type(entry.file_type());
            if each(DirEntry { name, inode, number: entry.ino(), file_type }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn file_type(&self, name: &BStr) -> Result<FileType> {
        file_type(self.statx(name)?.stx_mode)
    }

    fn status(&self, name: &BStr) -> Result<Status> {
        self.kernel.status_of(&self.statx(name)?, || self.look(name))
    }

    fn directory(&self, name: &BStr) -> Result<Box<dyn Directory<'t> + 't>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        OpenDirectory::over(self.kernel, openat(&self.fd, self.name(name)?, flags, Mode::empty())?)
    }

    fn open(&self, name: &BStr) -> Result<Box<dyn FileData + 't>> {
        open_file(&self.look(name)?).map(|file| file as Box<dyn FileData + 't>)
    }

    fn read_link(&self, name: &BStr) -> Result<BString> {
        self.kernel.target_of(&self.look(name)?)
    }

    fn xattrs(&self, name: &BStr) -> Result<Vec<Xattr>> {
        xattrs_of(&self.look(name)?)
    }
}
