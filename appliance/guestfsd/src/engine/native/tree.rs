//! The tree of everything that the native engine has mounted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{DeviceNumber, DirEntry, FileData, FileType, Filesystem, InodeId, Xattr};
use nix::errno::Errno;

use super::dentries::{Dentries, Dentry};
use super::mounts::{Mount, Mounts};
use super::walk::{MAX_NAME, Walk};
use crate::engine::{DirId, Directory, FsStatus, Last, Result, Status, Subvolumes, Tree, names};
use crate::error::Failure;

/// `ST_RDONLY` and `ST_RELATIME` of statvfs(3): how the original daemon's read-only mounts show.
const READ_ONLY_FLAGS: u64 = 1 | 4096;
/// What names of extended attributes begin with (xattr(7)).
const NAMESPACES: [&[u8]; 4] = [b"user.", b"system.", b"security.", b"trusted."];

/// Mounts and what is remembered of names in them.
#[derive(Debug)]
pub(super) struct NativeTree {
    mounts: Mounts,
    dentries: RefCell<Dentries>,
    subvolumes: RefCell<SubvolumeDevices>,
}

/// Numbers of devices that are none: a kernel takes one with major number 0 for each subvolume that it looks at.
#[derive(Debug, Default)]
struct SubvolumeDevices(BTreeMap<(u32, u32, u64), u32>);

impl SubvolumeDevices {
    /// What `st_dev` shows in a subvolume of the filesystem on a device; 0 where there are no subvolumes.
    fn device(&mut self, of: DeviceNumber, subvolume: u64) -> DeviceNumber {
        if subvolume == 0 {
            return of;
        }
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        let minor = *self.0.entry((of.major, of.minor, subvolume)).or_insert(next);
        DeviceNumber { major: 0, minor }
    }
}

impl NativeTree {
    pub(super) fn new(mounts: Mounts) -> Self {
        NativeTree { mounts, dentries: RefCell::default(), subvolumes: RefCell::default() }
    }

    pub(super) fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Changes the mounts, which makes remembered names stale.
    pub(super) fn change_mounts<T>(&mut self, change: impl FnOnce(&mut Mounts) -> T) -> T {
        self.dentries.borrow_mut().clear();
        change(&mut self.mounts)
    }

    /// The root directory: of the mount at `/`, if there is one.
    pub(super) fn root(&self) -> DirId {
        self.mounts.visible(self.mounts.sysroot())
    }

    fn mount(&self, node: DirId) -> Result<&Mount> {
        // Nodes come from this tree's own mounts, and no walk outlives a change of them.
        self.mounts.get(node.mount).ok_or(Failure::Os(Errno::ESTALE))
    }

    /// What `name` in directory `dir` leads to, mounts included.
    pub(super) fn child(&self, dir: DirId, name: &[u8]) -> Result<(DirId, FileType)> {
        let mount = self.mount(dir)?;
        let cached = self.dentries.borrow().get(dir, name);
        let inode = match cached {
            Some(Dentry { inode, file_type: Some(file_type) }) => {
                return Ok(self.across(DirId { mount: dir.mount, inode }, file_type));
            }
            Some(dentry) => dentry.inode,
            None => mount.on(mount.fs.lookup(dir.inode, name))?.ok_or(Errno::ENOENT)?,
        };
        // The kind is the inode's own word; what the directory says of it may be wrong.
        let file_type = mount.on(mount.fs.metadata(inode))?.file_type;
        self.dentries.borrow_mut().insert(dir, name, Dentry { inode, file_type: Some(file_type) });
        Ok(self.across(DirId { mount: dir.mount, inode }, file_type))
    }

    /// The inode of `name` in `dir`, mounts included, when its kind does not matter.
    fn child_inode(&self, dir: DirId, name: &[u8]) -> Result<DirId> {
        if name == b"." {
            return Ok(dir);
        }
        if name == b".." || name.is_empty() || name.contains(&b'/') {
            return Err(Errno::EINVAL.into());
        }
        if name.len() > MAX_NAME {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let cached = self.dentries.borrow().get(dir, name);
        match cached {
            Some(dentry) => Ok(self.mounts.visible(DirId { mount: dir.mount, inode: dentry.inode })),
            None => Ok(self.child(dir, name)?.0),
        }
    }

    fn across(&self, node: DirId, file_type: FileType) -> (DirId, FileType) {
        if file_type == FileType::Directory {
            (self.mounts.visible(node), file_type)
        } else {
            (node, file_type)
        }
    }

    /// The target of the symbolic link `node`.
    pub(super) fn link_target(&self, node: DirId) -> Result<BString> {
        let mount = self.mount(node)?;
        mount.on(mount.fs.read_link(node.inode))
    }

    fn status_of(&self, node: DirId) -> Result<Status> {
        let mount = self.mount(node)?;
        let metadata = mount.on(mount.fs.metadata(node.inode))?;
        let device = self.subvolumes.borrow_mut().device(mount.device_number, metadata.subvolume);
        Ok(Status { device, metadata })
    }

    fn xattrs_of(&self, node: DirId) -> Result<Vec<Xattr>> {
        let mount = self.mount(node)?;
        mount.on(mount.fs.xattrs(node.inode))
    }

    fn open_node(&self, node: DirId, file_type: FileType) -> Result<Box<dyn FileData + '_>> {
        match file_type {
            FileType::Regular => {
                let mount = self.mount(node)?;
                mount.on(mount.fs.open(node.inode))
            }
            FileType::Directory => Err(Errno::EISDIR.into()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn read_dir(&self, dir: DirId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let mount = self.mount(dir)?;
        let mut listing = self.dentries.borrow_mut().start_listing(dir);
        let read = mount.fs.read_dir(dir.inode, &mut |entry| {
            listing.add(entry.name, entry.inode);
            each(entry)
        });
        self.dentries.borrow_mut().end_listing(listing);
        mount.on(read)
    }
}

impl Tree for NativeTree {
    fn status(&self, path: &BStr, last: Last) -> Result<Status> {
        self.status_of(Walk::resolve(self, path, last)?.node())
    }

    fn open(&self, path: &BStr) -> Result<Box<dyn FileData + '_>> {
        let walk = Walk::resolve(self, path, Last::Follow)?;
        self.open_node(walk.node(), walk.file_type())
    }

    fn directory(&self, path: &BStr) -> Result<Box<dyn Directory<'_> + '_>> {
        let walk = Walk::resolve(self, path, Last::Follow)?;
        if walk.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(Box::new(NativeDirectory { tree: self, id: walk.node() }))
    }

    fn read_link(&self, path: &BStr) -> Result<BString> {
        let walk = Walk::resolve(self, path, Last::Itself)?;
        if walk.file_type() != FileType::Symlink {
            return Err(Errno::EINVAL.into());
        }
        self.link_target(walk.node())
    }

    fn xattrs(&self, path: &BStr, last: Last) -> Result<Vec<Xattr>> {
        self.xattrs_of(Walk::resolve(self, path, last)?.node())
    }

    fn xattr(&self, path: &BStr, last: Last, name: &BStr) -> Result<Vec<u8>> {
        let node = Walk::resolve(self, path, last)?.node();
        if !NAMESPACES.iter().any(|namespace| name.starts_with(namespace)) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if let Some(listed) = self.xattrs_of(node)?.into_iter().find(|xattr| xattr.name == name) {
            return Ok(listed.value.into());
        }
        let mount = self.mount(node)?;
        mount.on(mount.fs.hidden_xattr(node.inode, name))?.ok_or_else(|| Errno::ENODATA.into())
    }

    fn stat_fs(&self, path: &BStr) -> Result<FsStatus> {
        let node = Walk::resolve(self, path, Last::Follow)?.node();
        let mount = self.mount(node)?;
        let mut stats = mount.on(mount.fs.stat_fs_at(node.inode))?;
        if stats.id == 0 {
            // Filesystems without an identifier of their own show the number of their device.
            stats.id = names::encoded(mount.device_number);
        }
        Ok(FsStatus { stats, flags: READ_ONLY_FLAGS })
    }

    fn subvolumes(&self, path: &BStr) -> Result<Subvolumes> {
        let node = Walk::resolve(self, path, Last::Follow)?.node();
        let mount = self.mount(node)?;
        subvolumes(mount.fs.as_ref(), node.inode, mount.device())
    }

    fn canonical(&self, path: &BStr) -> Result<BString> {
        Ok(Walk::resolve(self, path, Last::Follow)?.into_path())
    }
}

/// The subvolumes of a filesystem, looked at from `inode`.
pub(super) fn subvolumes(fs: &dyn Filesystem, inode: InodeId, device: &BStr) -> Result<Subvolumes> {
    let default = fs.default_subvolume().ok_or(Errno::ENOTTY)?;
    let list = fs.subvolumes().map_err(|e| Failure::disk(device, e))?;
    Ok(Subvolumes { list, default, here: inode.subvolume })
}

/// An open directory.
#[derive(Clone, Copy)]
struct NativeDirectory<'t> {
    tree: &'t NativeTree,
    id: DirId,
}

impl fmt::Debug for NativeDirectory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeDirectory").field("id", &self.id).finish_non_exhaustive()
    }
}

impl NativeDirectory<'_> {
    fn typed(&self, name: &BStr) -> Result<(DirId, FileType)> {
        let node = self.tree.child_inode(self.id, name)?;
        if node == self.id {
            return Ok((node, FileType::Directory));
        }
        self.tree.child(self.id, name)
    }
}

impl<'t> Directory<'t> for NativeDirectory<'t> {
    fn id(&self) -> DirId {
        self.id
    }

    fn read(&self, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.tree.read_dir(self.id, each)
    }

    fn file_type(&self, name: &BStr) -> Result<FileType> {
        Ok(self.typed(name)?.1)
    }

    fn status(&self, name: &BStr) -> Result<Status> {
        self.tree.status_of(self.tree.child_inode(self.id, name.as_bytes())?)
    }

    fn directory(&self, name: &BStr) -> Result<Box<dyn Directory<'t> + 't>> {
        match self.typed(name)? {
            (id, FileType::Directory) => Ok(Box::new(NativeDirectory { tree: self.tree, id })),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    fn open(&self, name: &BStr) -> Result<Box<dyn FileData + 't>> {
        let (node, file_type) = self.typed(name)?;
        self.tree.open_node(node, file_type)
    }

    fn read_link(&self, name: &BStr) -> Result<BString> {
        match self.typed(name)? {
            (node, FileType::Symlink) => self.tree.link_target(node),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn xattrs(&self, name: &BStr) -> Result<Vec<Xattr>> {
        self.tree.xattrs_of(self.tree.child_inode(self.id, name)?)
    }
}
