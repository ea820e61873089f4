//! Mounting, and what is mounted.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use disk::fs::ntfs::Ntfs;
use libguestfs_core::Result;
use libguestfs_core::api::{Hashtable, InternalMountable, MOUNTABLE_BTRFSVOL, MOUNTABLE_DEVICE, UmountOpts};

use crate::Guestfsd;
use crate::engine::{Last, MountRequest, Mountable, UmountHow};
use crate::error::{At, Failure, refused};

impl Guestfsd {
    fn mount_as(&mut self, options: &BStr, kind: &BStr, mountable: &BStr, at: &BStr) -> Result<()> {
        let parsed = self.mountable(mountable)?;
        self.engine.mount(MountRequest { options, kind, mountable: &parsed, at }).map_err(|failure| {
            match failure {
                // The words of mount(8) stand for themselves.
                Failure::Text(errno, text) => libguestfs_core::Error::daemon(errno, text),
                other => other.at(mountable),
            }
        })
    }

    pub(crate) fn mount(&mut self, mountable: &BStr, mountpoint: &BStr) -> Result<()> {
        self.mount_as("".into(), "".into(), mountable, mountpoint)
    }

    pub(crate) fn mount_ro(&mut self, mountable: &BStr, mountpoint: &BStr) -> Result<()> {
        self.mount_as("ro".into(), "".into(), mountable, mountpoint)
    }

    pub(crate) fn mount_options(
        &mut self,
        options: &BStr,
        mountable: &BStr,
        mountpoint: &BStr,
    ) -> Result<()> {
        self.mount_as(options, "".into(), mountable, mountpoint)
    }

    pub(crate) fn mount_vfs(
        &mut self,
        options: &BStr,
        vfstype: &BStr,
        mountable: &BStr,
        at: &BStr,
    ) -> Result<()> {
        self.mount_as(options, vfstype, mountable, at)
    }

    pub(crate) fn internal_mount_deployment(&mut self, root: &BStr, deployment: &BStr) -> Result<()> {
        let at = "internal_mount_deployment";
        if !self.engine.mount_points().is_empty() {
            return Err(refused(format!("{at}: something is mounted already")));
        }
        self.mount_ro(root, "/".into())?;
        let directories = self.directories_of(deployment);
        let mounted = self.engine.mount_directories(&directories).at(format_args!("{at}: {deployment}"));
        if mounted.is_err() {
            self.umount_all()?;
        }
        self.is_deployment = mounted.is_ok();
        mounted
    }

    /// What a system sees where that ostree runs from `deployment`, in the root filesystem as it is mounted
    /// (ostree-prepare-root(1); ostree's manual, "Anatomy of an OSTree repository" and "Deployments").
    fn directories_of(&self, deployment: &BStr) -> Vec<(BString, BString)> {
        let within = |path: &str| BString::from([deployment.as_bytes(), path.as_bytes()].concat());
        let kind = |path: &BString| {
            let status = self.tree().status(path.as_bstr(), Last::Itself);
            status.ok().map(|status| status.metadata.file_type)
        };
        let is_directory = |path: &BString| kind(path) == Some(FileType::Directory);
        let mut directories = vec![(deployment.to_owned(), BString::from("/"))];
        let mut show = |from: BString, at: &str| {
            if is_directory(&from) && is_directory(&within(at)) {
                directories.push((from, at.into()));
            }
        };
        show("/".into(), "/sysroot");
        show(within("/../../var"), "/var");
        // Only if the boot loader's entries are in this filesystem; else another one is mounted there.
        if kind(&"/boot/loader".into()).is_some() {
            show("/boot".into(), "/boot");
        }
        directories
    }

    pub(crate) fn umount(&mut self, what: &BStr, opts: &UmountOpts) -> Result<()> {
        let how = UmountHow { force: opts.force.unwrap_or(false), lazy: opts.lazyunmount.unwrap_or(false) };
        self.engine.umount(what, how).at(what)
    }

    pub(crate) fn umount_all(&mut self) -> Result<()> {
        self.is_deployment = false;
        self.engine.umount_all().at("umount_all")
    }

    pub(crate) fn mounts(&mut self) -> Result<Vec<BString>> {
        Ok(self.engine.mount_points().into_iter().map(|m| m.mountable).collect())
    }

    pub(crate) fn mountpoints(&mut self) -> Result<Hashtable> {
        Ok(Hashtable(self.engine.mount_points().into_iter().map(|m| (m.mountable, m.path)).collect()))
    }

    pub(crate) fn mkmountpoint(&mut self, path: &BStr) -> Result<()> {
        if !path.starts_with(b"/") {
            return Err(refused("do_mkmountpoint: path must start with a / character"));
        }
        self.engine.make_mount_point(path).at(path)
    }

    pub(crate) fn rmmountpoint(&mut self, path: &BStr) -> Result<()> {
        if !path.starts_with(b"/") {
            return Err(refused("do_rmmountpoint: path must start with a / character"));
        }
        self.engine.remove_mount_point(path).at(path)
    }

    /// NTFS is the filesystem whose journal nobody replays but Windows.
    pub(crate) fn internal_mount_warnings(&mut self) -> Result<Vec<BString>> {
        let mut warnings = Vec::new();
        for mount in self.engine.mount_points() {
            let mountable = self.mountable(mount.mountable.as_bstr())?;
            let device = mountable.device();
            let source = self.engine.open_block(device).at(device)?;
            let is_ntfs = Ntfs::is_on(source.as_ref()).map_err(|e| Failure::disk(device, e)).at(device)?;
            if !is_ntfs {
                continue;
            }
            match Ntfs::open(source).and_then(|ntfs| ntfs.state()) {
                Ok(state) => warnings.extend(state.warnings().map(|text| format!("{device}: {text}").into())),
                Err(e) => {
                    warnings.push(format!("{device}: whether it was left clean can't be read: {e}").into());
                }
            }
        }
        Ok(warnings)
    }

    pub(crate) fn internal_parse_mountable(&mut self, mountable: &BStr) -> Result<InternalMountable> {
        Ok(match self.mountable(mountable)? {
            Mountable::Device(device) => InternalMountable {
                im_type: MOUNTABLE_DEVICE,
                im_device: device,
                im_volume: BString::default(),
            },
            Mountable::BtrfsVolume { device, volume } => {
                InternalMountable { im_type: MOUNTABLE_BTRFSVOL, im_device: device, im_volume: volume }
            }
        })
    }
}
