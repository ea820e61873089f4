//! The mount table, and what can be mounted.
//!
//! ```text
//! sysroot (mount 0, directories in memory)
//!   └─ "/"      ── covered by ──> root of /dev/sda2 (mount 1)
//!                                    └─ "/boot" ── covered by ──> root of /dev/sda1 (mount 2)
//! ```
//!
//! A mount covers one directory of another. Mounts may be stacked; the last one is seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::{DeviceNumber, FileType, Filesystem, InodeId};
use nix::errno::Errno;

use super::devices::Devices;
use super::options::Options;
use super::sysroot::Sysroot;
use super::tree::NativeTree;
use super::walk::Walk;
use crate::engine::words::{self, wrong_filesystem};
use crate::engine::{DirId, Last, MountPoint, MountRequest, Mountable, Result};
use crate::error::Failure;

/// Number of the mount that holds all others.
const SYSROOT: u32 = 0;
/// Most mounts at a time. Guests have a few; a caller that loops must not fill memory.
const MAX_MOUNTS: usize = 1000;

/// One mounted filesystem.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) fs: Arc<dyn Filesystem>,
    /// The directory that is seen as its root.
    root: InodeId,
    pub(super) device_number: DeviceNumber,
    /// The device, by its canonical name: the first one of several.
    mountable: BString,
    /// Where it is.
    path: BString,
    /// The directory that it covers.
    at: DirId,
}

impl Mount {
    /// What is mounted.
    pub(super) fn device(&self) -> &BStr {
        self.mountable.as_bstr()
    }

    /// Says on which device an error was met.
    pub(super) fn on<T>(&self, result: disk::Result<T>) -> Result<T> {
        result.map_err(|e| Failure::disk(self.mountable.as_bstr(), e))
    }
}

/// All mounts.
#[derive(Debug)]
pub(super) struct Mounts {
    mounts: BTreeMap<u32, Mount>,
    covered: HashMap<DirId, u32>,
    sysroot: Sysroot,
    next: u32,
}

impl Mounts {
    pub(super) fn new() -> Self {
        let mut mounts = Mounts {
            mounts: BTreeMap::new(),
            covered: HashMap::new(),
            sysroot: Sysroot::new(),
            next: SYSROOT + 1,
        };
        mounts.show_sysroot();
        mounts
    }

    /// Puts the present state of the sysroot's directories at the bottom.
    fn show_sysroot(&mut self) {
        let fs: Arc<dyn Filesystem> = Arc::new(self.sysroot.clone());
        let root = fs.root();
        let at = DirId { mount: SYSROOT, inode: root };
        let mount = Mount {
            fs,
            root,
            device_number: DeviceNumber::default(),
            mountable: "sysroot".into(),
            path: "/".into(),
            at,
        };
        self.mounts.insert(SYSROOT, mount);
    }

    /// The directory under which everything is mounted.
    pub(super) fn sysroot(&self) -> DirId {
        DirId { mount: SYSROOT, inode: self.sysroot.root() }
    }

    pub(super) fn get(&self, mount: u32) -> Option<&Mount> {
        self.mounts.get(&mount)
    }

    /// What is seen at `node`: the root of what is mounted there last, or the node itself.
    pub(super) fn visible(&self, node: DirId) -> DirId {
        let mut node = node;
        while let Some(mount) = self.covered.get(&node) {
            let Some(over) = self.mounts.get(mount) else { break };
            node = DirId { mount: *mount, inode: over.root };
        }
        node
    }

    /// Mounts, in the order in which they were made.
    pub(super) fn list(&self) -> Vec<MountPoint> {
        self.user_mounts()
            .map(|(_, m)| MountPoint { mountable: m.mountable.clone(), path: m.path.clone() })
            .collect()
    }

    fn user_mounts(&self) -> impl DoubleEndedIterator<Item = (u32, &Mount)> {
        self.mounts.iter().filter(|(id, _)| **id != SYSROOT).map(|(id, mount)| (*id, mount))
    }

    /// Undoes everything but the directories of the sysroot.
    pub(super) fn clear(&mut self) {
        self.mounts.retain(|id, _| *id == SYSROOT);
        self.covered.clear();
    }

    fn add(&mut self, mount: Mount) -> Result<()> {
        if self.mounts.len() > MAX_MOUNTS {
            return Err(Errno::ENOSPC.into());
        }
        let id = self.next;
        self.next = id.checked_add(1).ok_or(Errno::ENOSPC)?;
        self.covered.insert(mount.at, id);
        self.mounts.insert(id, mount);
        Ok(())
    }

    fn remove(&mut self, id: u32) -> std::result::Result<(), Errno> {
        if self.user_mounts().any(|(_, other)| other.at.mount == id) {
            return Err(Errno::EBUSY);
        }
        let mount = self.mounts.remove(&id).ok_or(Errno::EINVAL)?;
        self.covered.remove(&mount.at);
        Ok(())
    }
}

#[cfg(test)]
impl Mounts {
    pub(super) fn add_root(&mut self, fs: Arc<dyn Filesystem>) {
        let at = self.sysroot();
        let device_number = DeviceNumber::default();
        let root = fs.root();
        self.add(Mount { fs, root, device_number, mountable: "/dev/test".into(), path: "/".into(), at })
            .unwrap();
    }
}

/// See [`Engine::mount`](crate::engine::Engine::mount).
pub(super) fn mount(devices: &mut Devices, tree: &mut NativeTree, request: MountRequest<'_>) -> Result<()> {
    let name = request.mountable.device();
    let device = devices.canonical(name)?.ok_or(Errno::ENOENT)?;
    let at = match Walk::resolve(tree, request.at, Last::Follow) {
        Ok(walk) if walk.file_type() == FileType::Directory => walk,
        // The original looks with stat, so every reason is worded alike.
        Ok(_) | Err(Failure::Os(_)) => {
            return Err(words::no_directory(request.at));
        }
        Err(other) => return Err(other),
    };
    let fs = devices.filesystem(device.as_bstr())?;
    if request.kind == "msdos" && fs.kind() == "vfat" {
        return Err(Failure::NeedsAppliance("a filesystem of type vfat with short names only".into()));
    }
    if !kind_fits(request.kind, fs.kind()) {
        return Err(wrong_filesystem(device.as_bstr()));
    }
    let read_only_drive = devices.is_read_only(device.as_bstr());
    let mut options = Options::parse(request.options, fs.kind(), device.as_bstr(), read_only_drive)?;
    if let Mountable::BtrfsVolume { volume, .. } = request.mountable {
        if fs.default_subvolume().is_none() {
            return Err(wrong_filesystem(device.as_bstr()));
        }
        options = options.within(volume);
    }
    let root = options.root(fs.as_ref(), device.as_bstr())?;
    let main = devices.main_device(device.as_bstr())?;
    // A kernel refuses this alone; others may be stacked.
    let there = at.node();
    let same = |mount: &Mount| mount.mountable == main && mount.root == there.inode;
    if there.mount != SYSROOT && tree.mounts().get(there.mount).is_some_and(same) {
        return Err(words::busy(device.as_bstr()));
    }
    let device_number = devices.number(main.as_bstr());
    let mount = Mount { fs, root, device_number, mountable: main, at: there, path: at.into_path() };
    tree.change_mounts(|mounts| mounts.add(mount))
}

/// See [`Engine::mount_directories`](crate::engine::Engine::mount_directories).
pub(super) fn mount_directories(tree: &mut NativeTree, directories: &[(BString, BString)]) -> Result<()> {
    let mut found = Vec::new();
    for (from, at) in directories {
        let node = directory(tree, from.as_bstr())?.node();
        let mount = tree.mounts().get(node.mount).filter(|_| node.mount != SYSROOT).ok_or(Errno::EINVAL)?;
        found.push((Arc::clone(&mount.fs), node.inode, mount.device_number, mount.mountable.clone(), at));
    }
    tree.change_mounts(Mounts::clear);
    for (fs, root, device_number, mountable, at) in found {
        let walk = directory(tree, at.as_bstr())?;
        let mount = Mount { fs, root, device_number, mountable, at: walk.node(), path: walk.into_path() };
        tree.change_mounts(|mounts| mounts.add(mount))?;
    }
    Ok(())
}

/// The directory that a path leads to.
fn directory(tree: &NativeTree, path: &BStr) -> Result<Walk> {
    let walk = Walk::resolve(tree, path, Last::Follow)?;
    if walk.file_type() == FileType::Directory { Ok(walk) } else { Err(Errno::ENOTDIR.into()) }
}

/// May a filesystem that is `found` be mounted as `asked`? The ext4 driver mounts its forerunners too.
fn kind_fits(asked: &BStr, found: &str) -> bool {
    asked.is_empty()
        || asked == "auto"
        || asked == found
        || (asked == "ext4" && ["ext2", "ext3"].contains(&found))
}

/// See [`Engine::umount`](crate::engine::Engine::umount).
pub(super) fn umount(devices: &Devices, tree: &mut NativeTree, what: &BStr) -> Result<()> {
    let found = if what.starts_with(b"/dev/") {
        let named = devices.canonical(what)?.ok_or(Errno::ENOENT)?;
        let device = devices.main_device(named.as_bstr())?;
        let last = tree.mounts().user_mounts().rev().find(|(_, m)| m.mountable == device).map(|(id, _)| id);
        last.ok_or_else(|| words::not_mounted(&device))?
    } else {
        let Ok(walk) = Walk::resolve(tree, what, Last::Follow) else {
            return Err(words::no_mount_point(what));
        };
        let node = walk.node();
        match tree.mounts().get(node.mount) {
            Some(mount) if node.mount != SYSROOT && mount.root == node.inode => node.mount,
            _ => return Err(words::not_mounted(format_args!("/sysroot{what}"))),
        }
    };
    tree.change_mounts(|mounts| mounts.remove(found)).map_err(|errno| words::umount_failed(what, errno))
}

/// See [`Engine::make_mount_point`](crate::engine::Engine::make_mount_point).
pub(super) fn make_mount_point(tree: &mut NativeTree, path: &BStr) -> Result<()> {
    let (parent, name) = sysroot_parent(tree, path)?;
    if tree.child(parent, &name).is_ok() {
        return Err(Errno::EEXIST.into());
    }
    tree.change_mounts(|mounts| {
        mounts.sysroot.make(parent.inode, &name)?;
        mounts.show_sysroot();
        Ok(())
    })
}

/// See [`Engine::remove_mount_point`](crate::engine::Engine::remove_mount_point).
pub(super) fn remove_mount_point(tree: &mut NativeTree, path: &BStr) -> Result<()> {
    let (parent, name) = sysroot_parent(tree, path)?;
    let (node, file_type) = tree.child(parent, &name)?;
    if node.mount != SYSROOT {
        return Err(Errno::EBUSY.into());
    }
    if file_type != FileType::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    tree.change_mounts(|mounts| {
        mounts.sysroot.remove(parent.inode, &name)?;
        mounts.show_sysroot();
        Ok(())
    })
}

/// The directory of the sysroot that holds `path`, and the name in it.
fn sysroot_parent(tree: &NativeTree, path: &BStr) -> Result<(DirId, BString)> {
    let path = path.trim_end_with(|c| c == '/');
    let slash = path.rfind_byte(b'/').ok_or(Errno::EEXIST)?;
    let (parent, name) = path.split_at(slash + 1);
    if name == b"." || name == b".." {
        return Err(Errno::EEXIST.into());
    }
    let walk = Walk::resolve(tree, parent.as_bstr(), Last::Follow)?;
    if walk.node().mount != SYSROOT {
        return Err(Errno::EROFS.into());
    }
    if walk.file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    Ok((walk.node(), name.into()))
}
