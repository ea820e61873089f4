//! Mounting with mount(2), as mount(8) would with the same options.
//!
//! Places are descriptors within the guest's root, which `/proc/self/fd/N` names for the kernel: no path of a guest is
//! resolved outside of it. Device nodes of a guest's filesystem are not usable (`nodev`), unless the caller asks for it.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice};
use disk::probe::Usage;
use disk::{ErrorKind, ReadAt};
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, move_mount, open_tree, unmount,
};

use super::mountinfo::{self, Mount};
use super::sysroot::descriptor_path;
use super::{Kernel, options};
use crate::engine::{Engine, Last, MountPoint, MountRequest, Mountable, Result, Tree, UmountHow, words};
use crate::error::Failure;
use crate::program::Program;
use crate::{log, modules};

/// Where ext's superblock is and how long, in bytes, and what it says of an external journal (linux/fs/ext4/ext4.h, struct
/// ext4_super_block: s_journal_uuid, s_journal_dev).
const EXT_SUPERBLOCK_AT: u64 = 1024;
const EXT_SUPERBLOCK: usize = 1024;
const EXT_JOURNAL_UUID: std::ops::Range<usize> = 0xd0..0xe0;
const EXT_JOURNAL_DEVICE: std::ops::Range<usize> = 0xe4..0xe8;

impl Kernel {
    /// What is mounted for the guest, with the guest path of each, in the order in which it was mounted.
    fn guest_mounts(&self) -> Result<Vec<(Mount, BString)>> {
        let within = |mount: Mount| {
            let path = self.below(mount.at.as_bstr())?.to_owned();
            // The root itself, and what calls put below it for programs, are no devices.
            mount.source.starts_with(b"/dev/").then_some((mount, path))
        };
        Ok(mountinfo::read()?.into_iter().filter_map(within).collect())
    }

    /// The mount that an open file is on.
    pub(super) fn mount_of(&self, id: u64) -> Result<Mount> {
        mountinfo::read()?.into_iter().find(|mount| mount.id == id).ok_or(Failure::Os(Errno::ESTALE))
    }

    /// The device that is mounted, by the name that callers know.
    pub(super) fn mounted_device(&self, mount: &Mount) -> BString {
        let device = self.canonical(mount.source.as_bstr());
        if mount.kind != "btrfs" {
            return device;
        }
        // The kernel names any of several devices.
        let first = self.devices_of_filesystem(device.as_bstr()).ok().and_then(|all| all.into_iter().next());
        first.unwrap_or(device)
    }

    pub(super) fn list_mounts(&self) -> Result<Vec<MountPoint>> {
        let shown = |(mount, path)| MountPoint { mountable: self.mounted_device(&mount), path };
        Ok(self.guest_mounts()?.into_iter().map(shown).collect())
    }

    /// See [`Engine::mount`].
    pub(super) fn mount_filesystem(&self, request: MountRequest<'_>) -> Result<()> {
        let device = self.device(request.mountable.device())?.ok_or(Errno::ENOENT)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let target = match self.sysroot().open(request.at, flags, Mode::empty()) {
            Ok(target) => target,
            Err(Failure::Os(_)) => return Err(words::no_directory(request.at)),
            Err(other) => return Err(other),
        };
        let kind = if request.kind.is_empty() || request.kind == "auto" {
            self.filesystem_kind(device.as_bstr())?
        } else {
            request.kind.to_owned()
        };
        let mut options = options::parse(request.options);
        if let Mountable::BtrfsVolume { volume, .. } = request.mountable {
            options.prepend(format!("subvol={volume}").as_bytes());
        }
        if kind == "btrfs" {
            // Nothing tells the kernel which other devices there are (udev would).
            for member in self.btrfs_companions(device.as_bstr())? {
                let node = self.node(member.as_bstr())?;
                options.prepend(format!("device={}", node.display()).as_bytes());
            }
        }
        if (kind == "ext3" || kind == "ext4")
            && let Some(journal) = self.journal_of(device.as_bstr())?
        {
            let node = self.node(journal.as_bstr())?;
            options.prepend(format!("journal_path={}", node.display()).as_bytes());
        }
        let node = self.node(device.as_bstr())?;
        let helper = format!("mount.{kind}");
        if Program::exists(&helper) {
            return self.mount_by_program(&helper, &node, &target, &request);
        }
        if let Err(e) = modules::for_filesystem(&kind) {
            log::debug(format_args!("guestfsd: {e}"));
        }
        let target = descriptor_path(&target);
        let attempt = |flags: MountFlags, data: &[u8]| {
            let data = CString::new(data).map_err(|_| Errno::EINVAL)?;
            mount(&node, &target, OsStr::from_bytes(&kind), flags, Some(data.as_c_str()))
                .map_err(|e| Errno::from_raw(e.raw_os_error()))
        };
        let mut flags = MountFlags::NODEV;
        options.apply(&mut flags);
        let mut result = Err(Errno::EINVAL);
        for data in options.variants(kind.as_bstr()) {
            result = match attempt(flags, &data) {
                // As mount(8): what can't be written is mounted read-only.
                Err(Errno::EROFS | Errno::EACCES) if !flags.contains(MountFlags::RDONLY) => {
                    attempt(flags | MountFlags::RDONLY, &data)
                }
                other => other,
            };
            if result != Err(Errno::EINVAL) {
                break;
            }
        }
        self.forget_numbers();
        result.map_err(|errno| match errno {
            Errno::EINVAL | Errno::ENODEV => words::wrong_filesystem(device.as_bstr()),
            Errno::EBUSY => words::busy(device.as_bstr()),
            errno => words::mount_failed(errno),
        })
    }

    /// The devices that a btrfs filesystem may need besides `device`: its other members, and those whose superblock only
    /// the kernel understands, such as seeds, which have an identity of their own.
    fn btrfs_companions(&self, device: &BStr) -> Result<Vec<BString>> {
        let not_understood = |failure: &Failure| matches!(failure, Failure::Disk { error, .. } if error.kind() == ErrorKind::Unsupported);
        let mut companions = match self.btrfs_info(device) {
            Ok(Some(own)) if own.num_devices > 1 => self.devices_of_filesystem(device)?,
            Ok(_) => return Ok(Vec::new()),
            Err(failure) if not_understood(&failure) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let unknown = |other: &BString| self.btrfs_info(other.as_bstr()).is_err_and(|e| not_understood(&e));
        companions.extend(self.all().into_iter().filter(unknown));
        companions.retain(|companion| companion != device);
        Ok(companions)
    }

    /// The device that an ext filesystem has its journal on, if that is another one and is there. The filesystem notes its
    /// number too, as it was on another machine: the kernel has to be told.
    fn journal_of(&self, device: &BStr) -> Result<Option<BString>> {
        let mut superblock = [0; EXT_SUPERBLOCK];
        let source = self.open_fresh(device)?;
        source.read_at(EXT_SUPERBLOCK_AT, &mut superblock).map_err(|e| Failure::disk(device, e))?;
        let journal_device = superblock.get(EXT_JOURNAL_DEVICE).unwrap_or_default();
        let Some(uuid) = superblock.get(EXT_JOURNAL_UUID).filter(|_| journal_device.iter().any(|b| *b != 0))
        else {
            return Ok(None);
        };
        let wanted: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_it = |other: &BString| {
            // One that can't be read is not it: the kernel says that the journal is missing.
            let probe = self.probe(other.as_bstr()).ok().flatten().filter(|probe| probe.kind == "jbd");
            probe.and_then(|probe| probe.uuid.clone()).is_some_and(|uuid| uuid.replace('-', "") == wanted)
        };
        Ok(self.all().into_iter().find(is_it))
    }

    /// What blkid calls the filesystem on a device.
    fn filesystem_kind(&self, device: &BStr) -> Result<BString> {
        let probe = self.probe(device)?.filter(|probe| probe.usage == Usage::Filesystem);
        Ok(probe.ok_or_else(|| words::wrong_filesystem(device))?.kind.into())
    }

    /// Filesystems that a program serves (ntfs-3g) have a program to mount them, as mount(8) calls it.
    fn mount_by_program(
        &self,
        helper: &str,
        node: &Path,
        target: &OwnedFd,
        request: &MountRequest<'_>,
    ) -> Result<()> {
        // The program's own descriptors are others; it replaces the link by the path that it leads to.
        let target = format!("/proc/{}/fd/{}", std::process::id(), target.as_raw_fd());
        let asked = if request.options.is_empty() { BStr::new("rw") } else { request.options };
        let program = Program::new(helper).arg(node.as_os_str().as_bytes()).arg(&target).arg("-o").arg(asked);
        program.run(helper).map_err(|e| {
            Failure::Text(
                e.errno().unwrap_or(Errno::EIO),
                format!("mount exited with status 32: {}", e.message()),
            )
        })?;
        self.sysroot().served_at(request.at, &target)
    }

    /// See [`Engine::mount_directories`]. Each directory becomes a mount without a place, which outlives the unmounting
    /// (open_tree(2), move_mount(2)).
    pub(super) fn bind_directories(&self, directories: &[(BString, BString)]) -> Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut mounts = Vec::new();
        for (from, at) in directories {
            let directory = self.sysroot().open(from.as_bstr(), flags, Mode::empty())?;
            let clone = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            mounts.push((open_tree(&directory, c"", clone)?, at));
        }
        self.umount_everything()?;
        for (mount, at) in &mounts {
            let target = self.sysroot().open(at.as_bstr(), flags, Mode::empty())?;
            let by_descriptors =
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            move_mount(mount, c"", &target, c"", by_descriptors)?;
        }
        self.forget_numbers();
        Ok(())
    }

    fn canonical_path(&self, path: &BStr) -> Result<BString> {
        Tree::canonical(self, path)
    }

    /// See [`Engine::umount`].
    pub(super) fn umount_what(&self, what: &BStr, how: UmountHow) -> Result<()> {
        let mounts = self.guest_mounts()?;
        let path = if what.starts_with(b"/dev/") {
            let named = self.device(what)?.ok_or(Errno::ENOENT)?;
            let mounted = mounts.iter().rev().find(|(mount, _)| {
                let device = self.canonical(mount.source.as_bstr());
                device == named || self.mounted_device(mount) == named
            });
            mounted.ok_or_else(|| words::not_mounted(&named))?.1.clone()
        } else {
            // A dead filesystem (`EIO`) can still be unmounted by its own path.
            let path = match Tree::status(self, what, Last::Follow).and_then(|_| self.canonical_path(what)) {
                Ok(path) => path,
                Err(_) if mounts.iter().any(|(_, mounted)| mounted == what) => what.to_owned(),
                Err(_) => return Err(words::no_mount_point(what)),
            };
            if !mounts.iter().any(|(_, mounted)| *mounted == path) {
                return Err(words::not_mounted(format_args!("/sysroot{what}")));
            }
            path
        };
        self.umount_path(path.as_bstr(), how).map_err(|errno| words::umount_failed(path.as_bstr(), errno))
    }

    /// Unmounts what is mounted at a path without links. The directory that holds it is open meanwhile, never the mount
    /// itself: that would keep it busy.
    fn umount_path(&self, path: &BStr, how: UmountHow) -> std::result::Result<(), Errno> {
        let mut flags = UnmountFlags::NOFOLLOW;
        flags.set(UnmountFlags::FORCE, how.force);
        flags.set(UnmountFlags::DETACH, how.lazy);
        self.forget_numbers();
        let result = if path == "/" {
            unmount(self.sysroot().path(), flags)
        } else {
            let (parent, name) = self.sysroot().parent(path).map_err(|failure| failure.errno())?;
            let place: PathBuf = descriptor_path(&parent).join(name);
            unmount(place, flags)
        };
        result.map_err(|e| Errno::from_raw(e.raw_os_error()))
    }

    /// See [`Engine::umount_all`].
    pub(super) fn umount_everything(&self) -> Result<()> {
        let mut failed = Ok(());
        for (_, path) in self.guest_mounts()?.iter().rev() {
            if let Err(errno) = self.umount_path(path.as_bstr(), UmountHow::default()) {
                failed = Err(words::umount_failed(path.as_bstr(), errno));
            }
        }
        failed
    }

    /// See [`Engine::make_mount_point`].
    pub(super) fn make_directory(&self, path: &BStr) -> Result<()> {
        let (parent, name) = self.sysroot().parent(path).map_err(already_there)?;
        Ok(rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777))?)
    }

    /// See [`Engine::remove_mount_point`].
    pub(super) fn remove_directory(&self, path: &BStr) -> Result<()> {
        let (parent, name) = self.sysroot().parent(path).map_err(already_there)?;
        Ok(rustix::fs::unlinkat(&parent, name, rustix::fs::AtFlags::REMOVEDIR)?)
    }
}

/// `/`, `.` and `..` are there, whatever the way.
fn already_there(failure: Failure) -> Failure {
    match failure {
        Failure::Os(Errno::EINVAL) => Failure::Os(Errno::EEXIST),
        other => other,
    }
}
