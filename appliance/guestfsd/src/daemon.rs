//! The daemon's side of the API: every call that is answered here, with the function that answers it.

use std::os::fd::OwnedFd;

use bstr::{BStr, BString};
use libguestfs_core::api::*;
use libguestfs_core::inspect::Inspection;
use libguestfs_core::registry::Registry as OpenHive;
use libguestfs_core::server::FileOut;
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::calls::Registry;
use crate::engine::{Engine, Mountable as ParsedMountable};
use crate::error::{At, refused, strerror};
use crate::init;

/// A daemon over an engine. It answers one call at a time.
#[derive(Debug)]
pub struct Guestfsd {
    pub(crate) engine: Box<dyn Engine>,
    /// What `inspect_os` found.
    pub(crate) inspection: Option<Inspection>,
    /// Is what is mounted at `/` a deployment of ostree, and not the filesystem that it is in?
    pub(crate) is_deployment: bool,
    /// Why the last file transfer failed, for `debug last_error`: the protocol has no place for it.
    pub(crate) last_failure: BString,
    /// Which devices LVM may see, as a piece of its configuration; all if there is none.
    pub(crate) lvm_filter: Option<String>,
    /// Changes that are watched for.
    pub(crate) inotify: Option<OwnedFd>,
    /// The registry hive that is open.
    pub(crate) hive: Option<OpenHive>,
    /// What calls about registries leave for later ones.
    pub(crate) registry: Registry,
}

impl Guestfsd {
    /// A daemon that sees the disks and mounts of `engine`.
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Guestfsd {
            engine,
            inspection: None,
            is_deployment: false,
            last_failure: BString::default(),
            lvm_filter: None,
            inotify: None,
            hive: None,
            registry: Registry::default(),
        }
    }

    /// Is anything mounted? Until then no path means anything.
    pub(crate) fn need_root(&self, call: &str) -> Result<()> {
        if !self.engine.has_root() {
            let text = format!("{call}_stub: you must call 'mount' first to mount the root filesystem");
            return Err(refused(text));
        }
        Ok(())
    }

    fn need_device(&self, call: &CallInfo, name: &BStr) -> Result<()> {
        let place = format!("{}_stub: {name}", call.name);
        match self.engine.device(name).at(&place)? {
            Some(_) => Ok(()),
            None => Err(Error::daemon(Errno::ENOENT, format!("{place}: {}", strerror(Errno::ENOENT)))),
        }
    }
}

impl Host for Guestfsd {
    fn note_failure(&mut self, error: &Error) {
        self.last_failure = error.message().into();
    }

    fn between_calls(&mut self) {
        // The embedded daemon has no children, and may not even ask for its own number.
        if self.engine.kernel().is_some() {
            init::reap();
        }
    }

    fn check_argument(&mut self, call: &CallInfo, kind: Kind, value: &BStr) -> Result<()> {
        check_text(call, kind, value)?;
        match kind {
            Kind::Device if call.name == "lvremove" && self.is_volume_group(value) => Ok(()),
            Kind::Device | Kind::DeviceList => self.need_device(call, value),
            Kind::Mountable | Kind::MountableOrPath
                if kind == Kind::Mountable || value.starts_with(b"btrfsvol:") =>
            {
                let is_device = |name: &BStr| matches!(self.engine.device(name), Ok(Some(_)));
                match ParsedMountable::parse(value, is_device) {
                    Some(mountable) => self.need_device(call, mountable.device()),
                    None => self.need_device(call, value),
                }
            }
            Kind::DevOrPath | Kind::MountableOrPath if value.starts_with(b"/dev/") => {
                self.need_device(call, value)
            }
            Kind::Pathname | Kind::PathnameList | Kind::DevOrPath | Kind::MountableOrPath => {
                self.need_root(call.name)
            }
            _ => Ok(()),
        }
    }
}

/// Answers calls with the functions of the same names in `calls`.
macro_rules! answer {
    ($($call:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $call(&mut self, $($argument: $kind),*) -> Result<$result> {
            Guestfsd::$call(self, $($argument),*)
        })*
    };
}

mod hivex;
mod machine;
mod own;
mod searching;
mod transfer;
mod volumes;
mod writing;

mod partitioning;
mod storage;

impl Reading for Guestfsd {
    answer! {
        ping_daemon() -> ();
        sync() -> ();
        internal_autosync() -> ();
        internal_feature_available(group: &PlainString) -> i32;
        debug(subcmd: &PlainString, extraargs: &StringList) -> BString;

        list_devices() -> Vec<BString>;
        nr_devices() -> i32;
        list_md_devices() -> Vec<BString>;
        list_dm_devices() -> Vec<BString>;
        list_disk_labels() -> Hashtable;
        is_whole_device(device: &Device) -> bool;
        blockdev_getsize64(device: &Device) -> i64;
        blockdev_getsz(device: &Device) -> i64;
        blockdev_getss(device: &Device) -> i32;
        blockdev_getbsz(device: &Device) -> i32;
        blockdev_getro(device: &Device) -> bool;

        list_partitions() -> Vec<BString>;
        part_list(device: &Device) -> Vec<Partition>;
        part_get_parttype(device: &Device) -> BString;
        part_get_bootable(device: &Device, partnum: i32) -> bool;
        part_get_mbr_id(device: &Device, partnum: i32) -> i32;
        part_get_mbr_part_type(device: &Device, partnum: i32) -> BString;
        part_get_gpt_type(device: &Device, partnum: i32) -> BString;
        part_get_gpt_guid(device: &Device, partnum: i32) -> BString;
        part_get_gpt_attributes(device: &Device, partnum: i32) -> i64;
        part_get_name(device: &Device, partnum: i32) -> BString;
        part_get_disk_guid(device: &Device) -> BString;
        part_to_dev(partition: &Device) -> BString;
        part_to_partnum(partition: &Device) -> i32;

        pvs() -> Vec<BString>;
        vgs() -> Vec<BString>;
        lvs() -> Vec<BString>;
        pvs_full() -> Vec<LvmPv>;
        vgs_full() -> Vec<LvmVg>;
        lvs_full() -> Vec<LvmLv>;
        lvm_scan(activate: bool) -> ();
        lvm_canonical_lv_name(lvname: &PlainString) -> BString;
        is_lv(mountable: &Mountable) -> bool;
        pvuuid(device: &Device) -> BString;
        vguuid(vgname: &PlainString) -> BString;
        lvuuid(device: &Device) -> BString;
        vgpvuuids(vgname: &PlainString) -> Vec<BString>;
        vglvuuids(vgname: &PlainString) -> Vec<BString>;

        list_filesystems() -> Hashtable;
        blkid(device: &Device) -> Hashtable;
        tune2fs_l(device: &Device) -> Hashtable;
        vfs_type(mountable: &Mountable) -> BString;
        vfs_label(mountable: &Mountable) -> BString;
        vfs_uuid(mountable: &Mountable) -> BString;
        findfs_uuid(uuid: &PlainString) -> BString;
        findfs_label(label: &PlainString) -> BString;
        findfs_partuuid(uuid: &PlainString) -> BString;
        findfs_partlabel(label: &PlainString) -> BString;
        get_e2label(device: &Device) -> BString;
        get_e2uuid(device: &Device) -> BString;

        mount(mountable: &Mountable, mountpoint: &PlainString) -> ();
        mount_ro(mountable: &Mountable, mountpoint: &PlainString) -> ();
        mount_options(options: &PlainString, mountable: &Mountable, mountpoint: &PlainString) -> ();
        mount_vfs(options: &PlainString, kind: &PlainString, mountable: &Mountable, mountpoint: &PlainString) -> ();
        umount(what: &DevOrPath, opts: &UmountOpts) -> ();
        umount_all() -> ();
        mounts() -> Vec<BString>;
        mountpoints() -> Hashtable;
        mkmountpoint(exemptpath: &PlainString) -> ();
        rmmountpoint(exemptpath: &PlainString) -> ();
        internal_parse_mountable(mountable: &Mountable) -> InternalMountable;

        exists(path: &Pathname) -> bool;
        is_file(path: &Pathname, opts: &IsFileOpts) -> bool;
        is_dir(path: &Pathname, opts: &IsDirOpts) -> bool;
        is_symlink(path: &Pathname) -> bool;
        is_fifo(path: &Pathname, opts: &IsFifoOpts) -> bool;
        is_chardev(path: &Pathname, opts: &IsChardevOpts) -> bool;
        is_blockdev(path: &Pathname, opts: &IsBlockdevOpts) -> bool;
        is_socket(path: &Pathname, opts: &IsSocketOpts) -> bool;
        btrfs_subvolume_list(fs: &MountableOrPath) -> Vec<BtrfsSubvolume>;
        btrfs_subvolume_get_default(fs: &MountableOrPath) -> i64;
        btrfs_filesystem_show(device: &Device) -> Vec<BString>;
        xfs_info(pathordevice: &DevOrPath) -> Xfsinfo;

        statns(path: &Pathname) -> Statns;
        lstatns(path: &Pathname) -> Statns;
        internal_lstatnslist(path: &Pathname, names: &FilenameList) -> Vec<Statns>;
        statvfs(path: &Pathname) -> Statvfs;
        filesize(file: &Pathname) -> i64;
        readlink(path: &Pathname) -> BString;
        internal_readlinklist(path: &Pathname, names: &FilenameList) -> Vec<BString>;
        realpath(path: &Pathname) -> BString;
        case_sensitive_path(path: &Pathname) -> BString;
        getxattrs(path: &Pathname) -> Vec<Xattr>;
        lgetxattrs(path: &Pathname) -> Vec<Xattr>;
        getxattr(path: &Pathname, name: &PlainString) -> Vec<u8>;
        lgetxattr(path: &Pathname, name: &PlainString) -> Vec<u8>;
        internal_lxattrlist(path: &Pathname, names: &FilenameList) -> Vec<Xattr>;

        ls0(dir: &Pathname, filenames: &mut FileOut<'_>) -> ();
        ll(directory: &Pathname) -> BString;
        find0(directory: &Pathname, files: &mut FileOut<'_>) -> ();
        internal_readdir(dir: &Pathname, filename: &mut FileOut<'_>) -> ();
        glob_expand(pattern: &Pathname, opts: &GlobExpandOpts) -> Vec<BString>;
        du(path: &Pathname) -> i64;

        tar_out(directory: &PlainString, tarfile: &mut FileOut<'_>, opts: &TarOutOpts) -> ();
        tgz_out(directory: &Pathname, tarball: &mut FileOut<'_>) -> ();
        txz_out(directory: &Pathname, tarball: &mut FileOut<'_>) -> ();

        download(remotefilename: &DevOrPath, filename: &mut FileOut<'_>) -> ();
        download_offset(remotefilename: &DevOrPath, filename: &mut FileOut<'_>, offset: i64, size: i64) -> ();
        pread(path: &Pathname, count: i32, offset: i64) -> Vec<u8>;
        pread_device(device: &Device, count: i32, offset: i64) -> Vec<u8>;
        head(path: &Pathname) -> Vec<BString>;
        head_n(nrlines: i32, path: &Pathname) -> Vec<BString>;
        tail(path: &Pathname) -> Vec<BString>;
        tail_n(nrlines: i32, path: &Pathname) -> Vec<BString>;
        wc_l(path: &Pathname) -> i32;
        wc_w(path: &Pathname) -> i32;
        wc_c(path: &Pathname) -> i32;
        checksum(csumtype: &PlainString, path: &Pathname) -> BString;
        checksum_device(csumtype: &PlainString, device: &Device) -> BString;
        checksums_out(csumtype: &PlainString, directory: &Pathname, sumsfile: &mut FileOut<'_>) -> ();
        equal(file1: &Pathname, file2: &Pathname) -> bool;
        is_zero(path: &Pathname) -> bool;
        is_zero_device(device: &Device) -> bool;
        file(path: &DevOrPath) -> BString;

        inspect_os() -> Vec<BString>;
        inspect_get_roots() -> Vec<BString>;
        inspect_get_type(root: &Mountable) -> BString;
        inspect_get_distro(root: &Mountable) -> BString;
        inspect_get_package_format(root: &Mountable) -> BString;
        inspect_get_package_management(root: &Mountable) -> BString;
        inspect_get_product_name(root: &Mountable) -> BString;
        inspect_get_product_variant(root: &Mountable) -> BString;
        inspect_get_major_version(root: &Mountable) -> i32;
        inspect_get_minor_version(root: &Mountable) -> i32;
        inspect_get_arch(root: &Mountable) -> BString;
        inspect_get_hostname(root: &Mountable) -> BString;
        inspect_get_build_id(root: &Mountable) -> BString;
        inspect_get_format(root: &Mountable) -> BString;
        inspect_is_live(root: &Mountable) -> bool;
        inspect_is_netinst(root: &Mountable) -> bool;
        inspect_is_multipart(root: &Mountable) -> bool;
        inspect_get_windows_systemroot(root: &Mountable) -> BString;
        inspect_get_windows_current_control_set(root: &Mountable) -> BString;
        inspect_get_windows_software_hive(root: &Mountable) -> BString;
        inspect_get_windows_system_hive(root: &Mountable) -> BString;
        inspect_get_windows_group_policy(root: &Mountable) -> bool;
        inspect_get_mountpoints(root: &Mountable) -> Hashtable;
        inspect_get_filesystems(root: &Mountable) -> Vec<BString>;
        inspect_get_drive_mappings(root: &Mountable) -> Hashtable;
        internal_list_rpm_applications() -> Vec<Application2>;
    }
}
