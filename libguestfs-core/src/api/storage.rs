//! Calls that make filesystems, check, tune and resize them, and look at them with programs.
#![expect(non_snake_case, reason = "names are libguestfs's own")]

use libguestfs_macros::guestfs_api;

use super::{Hashtable, Host, Isoinfo};
use crate::Result;

/// Calls that make filesystems, check, tune and resize them, and look at them with programs.
#[guestfs_api]
pub trait Storage: Host {
    // --- Making filesystems

    /// Makes a filesystem of type `fstype` on `device`.
    #[call(
        278, optional(blocksize: i32, features: PlainString, inode: i32, sectorsize: i32, label: PlainString)
    )]
    fn mkfs(&mut self, fstype: &PlainString, device: &Device, opts: &MkfsOpts) -> Result<()>;

    /// Makes a filesystem with blocks of `blocksize` bytes; for VFAT and NTFS, clusters.
    #[call(187)]
    fn mkfs_b(&mut self, fstype: &PlainString, blocksize: i32, device: &Device) -> Result<()>;

    /// Makes a btrfs filesystem over one or more devices.
    #[call(
        317, optional(allocstart: i64, bytecount: i64, datatype: PlainString, leafsize: i32, label: PlainString,
        metadata: PlainString, nodesize: i32, sectorsize: i32), group = "btrfs"
    )]
    fn mkfs_btrfs(&mut self, devices: &DeviceList, opts: &MkfsBtrfsOpts) -> Result<()>;

    /// Makes an ext2, ext3 or ext4 filesystem; the options are those of mke2fs(8).
    #[call(
        368, optional(blockscount: i64, blocksize: i64, fragsize: i64, blockspergroup: i64, numberofgroups: i64,
        bytesperinode: i64, inodesize: i64, journalsize: i64, numberofinodes: i64, stridesize: i64, stripewidth:
        i64, maxonlineresize: i64, reservedblockspercentage: i32, mmpupdateinterval: i32, journaldevice:
        PlainString, label: PlainString, lastmounteddir: PlainString, creatoros: PlainString, fstype:
        PlainString, usagetype: PlainString, uuid: PlainString, forcecreate: bool, writesbandgrouponly: bool,
        lazyitableinit: bool, lazyjournalinit: bool, testfs: bool, discard: bool, quotatype: bool, extent: bool,
        filetype: bool, flexbg: bool, hasjournal: bool, journaldev: bool, largefile: bool, quota: bool,
        resizeinode: bool, sparsesuper: bool, uninitbg: bool)
    )]
    fn mke2fs(&mut self, device: &Device, opts: &Mke2fsOpts) -> Result<()>;

    /// Makes an ext filesystem whose journal is on the device `journal`.
    #[call(191)]
    fn mke2fs_J(
        &mut self,
        fstype: &PlainString,
        blocksize: i32,
        device: &Device,
        journal: &Device,
    ) -> Result<()>;

    /// Makes an ext filesystem whose journal is on the device with that label.
    #[call(192)]
    fn mke2fs_JL(
        &mut self,
        fstype: &PlainString,
        blocksize: i32,
        device: &Device,
        label: &PlainString,
    ) -> Result<()>;

    /// Makes an ext filesystem whose journal is on the device with that UUID.
    #[call(193, group = "linuxfsuuid")]
    fn mke2fs_JU(
        &mut self,
        fstype: &PlainString,
        blocksize: i32,
        device: &Device,
        uuid: &PlainString,
    ) -> Result<()>;

    /// Makes a journal for an ext filesystem on a device of its own.
    #[call(188)]
    fn mke2journal(&mut self, blocksize: i32, device: &Device) -> Result<()>;

    /// Makes an external journal with a label.
    #[call(189)]
    fn mke2journal_L(&mut self, blocksize: i32, label: &PlainString, device: &Device) -> Result<()>;

    /// Makes an external journal with a UUID.
    #[call(190, group = "linuxfsuuid")]
    fn mke2journal_U(&mut self, blocksize: i32, uuid: &PlainString, device: &Device) -> Result<()>;

    /// Sends a squashfs image of all below `path`. `excludes` are patterns of names to leave out.
    #[call(471, optional(compress: PlainString, excludes: StringList), cancellable, group = "squashfs")]
    fn mksquashfs(
        &mut self,
        path: &Pathname,
        filename: &mut FileOut<'_>,
        opts: &MksquashfsOpts,
    ) -> Result<()>;

    // --- Swap

    /// Makes swap space on `device`.
    #[call(130, optional(label: PlainString, uuid: PlainString))]
    fn mkswap(&mut self, device: &Device, opts: &MkswapOpts) -> Result<()>;

    /// Makes swap space with a label.
    #[call(131)]
    fn mkswap_L(&mut self, label: &PlainString, device: &Device) -> Result<()>;

    /// Makes swap space with a UUID.
    #[call(132, group = "linuxfsuuid")]
    fn mkswap_U(&mut self, uuid: &PlainString, device: &Device) -> Result<()>;

    /// Makes swap space of a file.
    #[call(178)]
    fn mkswap_file(&mut self, path: &Pathname) -> Result<()>;

    /// Has the appliance's kernel swap to `device`.
    #[call(170)]
    fn swapon_device(&mut self, device: &Device) -> Result<()>;

    /// Ends swapping to `device`.
    #[call(171)]
    fn swapoff_device(&mut self, device: &Device) -> Result<()>;

    /// Has the appliance's kernel swap to a file.
    #[call(172)]
    fn swapon_file(&mut self, file: &Pathname) -> Result<()>;

    /// Ends swapping to a file.
    #[call(173)]
    fn swapoff_file(&mut self, file: &Pathname) -> Result<()>;

    /// Has the appliance's kernel swap to the device with that label.
    #[call(174)]
    fn swapon_label(&mut self, label: &PlainString) -> Result<()>;

    /// Ends swapping to the device with that label.
    #[call(175)]
    fn swapoff_label(&mut self, label: &PlainString) -> Result<()>;

    /// Has the appliance's kernel swap to the device with that UUID.
    #[call(176, group = "linuxfsuuid")]
    fn swapon_uuid(&mut self, uuid: &PlainString) -> Result<()>;

    /// Ends swapping to the device with that UUID.
    #[call(177, group = "linuxfsuuid")]
    fn swapoff_uuid(&mut self, uuid: &PlainString) -> Result<()>;

    // --- Labels and identities

    /// Sets the label of the filesystem on `mountable`.
    #[call(310)]
    fn set_label(&mut self, mountable: &Mountable, label: &PlainString) -> Result<()>;

    /// Sets the UUID of the filesystem on `device`.
    #[call(403)]
    fn set_uuid(&mut self, device: &Device, uuid: &PlainString) -> Result<()>;

    /// Gives the filesystem on `device` a new random UUID.
    #[call(456)]
    fn set_uuid_random(&mut self, device: &Device) -> Result<()>;

    /// Sets the label of an ext filesystem.
    #[call(80)]
    fn set_e2label(&mut self, device: &Device, label: &PlainString) -> Result<()>;

    /// Sets the UUID of an ext filesystem; tune2fs's words `clear`, `random` and `time` do too.
    #[call(82)]
    fn set_e2uuid(&mut self, device: &Device, uuid: &PlainString) -> Result<()>;

    // --- Checking and tuning

    /// Runs `fsck -a -t fstype`; returns its status.
    #[call(84)]
    fn fsck(&mut self, fstype: &PlainString, device: &Device) -> Result<i32>;

    /// Checks an ext filesystem, even one that looks clean.
    #[call(304, optional(correct: bool, forceall: bool, forceno: bool))]
    fn e2fsck(&mut self, device: &Device, opts: &E2fsckOpts) -> Result<()>;

    /// Checks an ext filesystem and repairs what is safe to repair.
    #[call(108)]
    fn e2fsck_f(&mut self, device: &Device) -> Result<()>;

    /// Changes parameters of an ext filesystem.
    #[call(
        298, optional(force: bool, maxmountcount: i32, mountcount: i32, errorbehavior: PlainString, group: i64,
        intervalbetweenchecks: i32, reservedblockspercentage: i32, lastmounteddirectory: PlainString,
        reservedblockscount: i64, user: i64)
    )]
    fn tune2fs(&mut self, device: &Device, opts: &Tune2fsOpts) -> Result<()>;

    /// Changes parameters of an unmounted XFS filesystem.
    #[call(
        349, optional(extunwritten: bool, imgfile: bool, v2log: bool, projid32bit: bool, lazycounter: bool,
        label: PlainString, uuid: PlainString), group = "xfs"
    )]
    fn xfs_admin(&mut self, device: &Device, opts: &XfsAdminOpts) -> Result<()>;

    /// Repairs the XFS filesystem on a device or in a file; returns the program's status.
    #[call(
        366, optional(forcelogzero: bool, nomodify: bool, noprefetch: bool, forcegeometry: bool, maxmem: i64,
        ihashsize: i64, bhashsize: i64, agstride: i64, logdev: PlainString, rtdev: PlainString), group = "xfs"
    )]
    fn xfs_repair(&mut self, device: &DevOrPath, opts: &XfsRepairOpts) -> Result<i32>;

    /// Parameters of an XFS filesystem, as xfs_info(8) names them: `data.bsize` and so on.
    #[call(522, group = "xfs")]
    fn xfs_info2(&mut self, pathordevice: &DevOrPath) -> Result<Hashtable>;

    /// Repairs common faults of an NTFS filesystem, and has Windows check it at its next start.
    #[call(307, optional(clearbadsectors: bool), group = "ntfs3g")]
    fn ntfsfix(&mut self, device: &Device, opts: &NtfsfixOpts) -> Result<()>;

    /// Can NTFS-3G mount `device`? Returns the status of ntfs-3g.probe(8).
    #[call(110, group = "ntfs3g")]
    fn ntfs_3g_probe(&mut self, rw: bool, device: &Device) -> Result<i32>;

    /// Sets the mode of a file on an unmounted NTFS filesystem, by way of its access rules.
    #[call(520, optional(recursive: bool), group = "ntfs3g")]
    fn ntfs_chmod(
        &mut self,
        device: &Device,
        mode: i32,
        path: &PlainString,
        opts: &NtfsChmodOpts,
    ) -> Result<()>;

    // --- Sizes

    /// Smallest size in bytes to which the filesystem on `mountable` can shrink.
    #[call(457)]
    fn vfs_minimum_size(&mut self, mountable: &Mountable) -> Result<i64>;

    /// Makes an ext filesystem as large as its device.
    #[call(106)]
    fn resize2fs(&mut self, device: &Device) -> Result<()>;

    /// Makes an ext filesystem as small as it can be.
    #[call(281)]
    fn resize2fs_M(&mut self, device: &Device) -> Result<()>;

    /// Makes an ext filesystem `size` bytes large.
    #[call(248)]
    fn resize2fs_size(&mut self, device: &Device, size: i64) -> Result<()>;

    /// Makes the mounted XFS filesystem at `path` larger.
    #[call(
        343, optional(datasec: bool, logsec: bool, rtsec: bool, datasize: i64, logsize: i64, rtsize: i64,
        rtextsize: i64, maxpct: i32), group = "xfs"
    )]
    fn xfs_growfs(&mut self, path: &Pathname, opts: &XfsGrowfsOpts) -> Result<()>;

    /// Makes an NTFS filesystem as large as its device, or `size` bytes.
    #[call(288, optional(size: i64, force: bool), group = "ntfsprogs")]
    fn ntfsresize(&mut self, device: &Device, opts: &NtfsresizeOpts) -> Result<()>;

    /// Makes an NTFS filesystem `size` bytes large.
    #[call(250, group = "ntfsprogs")]
    fn ntfsresize_size(&mut self, device: &Device, size: i64) -> Result<()>;

    /// Makes an F2FS filesystem as large as its device.
    #[call(505, group = "f2fs")]
    fn f2fs_expand(&mut self, device: &Device) -> Result<()>;

    // --- Images and raw content

    /// Restores an NTFS filesystem from an image that `ntfsclone_out` made.
    #[call(309, cancellable, group = "ntfs3g")]
    fn ntfsclone_in(&mut self, backupfile: &mut FileIn<'_>, device: &Device) -> Result<()>;

    /// Sends an NTFS filesystem as an image without its free space.
    #[call(
        308, optional(metadataonly: bool, rescue: bool, ignorefscheck: bool, preservetimestamps: bool, force:
        bool), cancellable, group = "ntfs3g"
    )]
    fn ntfsclone_out(
        &mut self,
        device: &Device,
        backupfile: &mut FileOut<'_>,
        opts: &NtfscloneOutOpts,
    ) -> Result<()>;

    /// Sends the file with that inode number of an unmounted NTFS filesystem.
    #[call(463, cancellable, progress)]
    fn ntfscat_i(&mut self, device: &Mountable, inode: i64, filename: &mut FileOut<'_>) -> Result<()>;

    /// Sends the file with that inode number of an unmounted filesystem.
    #[call(464, cancellable, progress, group = "sleuthkit")]
    fn download_inode(&mut self, device: &Mountable, inode: i64, filename: &mut FileOut<'_>) -> Result<()>;

    /// Sends data units `start` to `stop` of a filesystem; with `unallocated` only those that hold no file.
    #[call(468, optional(unallocated: bool), cancellable, progress, group = "sleuthkit")]
    fn download_blocks(
        &mut self,
        device: &Mountable,
        start: i64,
        stop: i64,
        filename: &mut FileOut<'_>,
        opts: &DownloadBlocksOpts,
    ) -> Result<()>;

    /// The primary volume descriptor of an ISO image in a file.
    #[call(314)]
    fn isoinfo(&mut self, isofile: &Pathname) -> Result<Isoinfo>;

    /// The primary volume descriptor of an ISO image on a device.
    #[call(313)]
    fn isoinfo_device(&mut self, device: &Device) -> Result<Isoinfo>;

    // --- Boot loaders

    /// Installs SYSLINUX on a FAT filesystem, in `directory` if given.
    #[call(399, optional(directory: PlainString), group = "syslinux")]
    fn syslinux(&mut self, device: &Device, opts: &SyslinuxOpts) -> Result<()>;

    /// Installs EXTLINUX on the filesystem that `directory` is on.
    #[call(400, group = "extlinux")]
    fn extlinux(&mut self, directory: &Pathname) -> Result<()>;

    /// Installs the old GRUB of the appliance on `device`, with its files in `root`.
    #[call(86, group = "grub")]
    fn grub_install(&mut self, root: &Pathname, device: &Device) -> Result<()>;

    // --- Mounts that a kernel only can make

    /// Mounts the image in a file.
    #[call(129)]
    fn mount_loop(&mut self, file: &Pathname, mountpoint: &Pathname) -> Result<()>;

    /// Makes a mounted filesystem writable or read-only; `rw` must be given.
    #[call(402, optional(rw: bool))]
    fn remount(&mut self, mountpoint: &Pathname, opts: &RemountOpts) -> Result<()>;

    /// Mounts a virtio-9p share: not supported since libguestfs 1.48.
    #[call(286, optional(options: PlainString))]
    fn mount_9p(
        &mut self,
        mounttag: &PlainString,
        mountpoint: &PlainString,
        opts: &Mount9pOpts,
    ) -> Result<()>;
}
