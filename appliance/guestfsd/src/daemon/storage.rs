//! The calls that make, check, tune and resize filesystems.

use libguestfs_core::Result;
use libguestfs_core::api::{
    DevOrPath, Device, DeviceList, DownloadBlocksOpts, E2fsckOpts, Hashtable, Isoinfo, Mke2fsOpts,
    MkfsBtrfsOpts, MkfsOpts, MksquashfsOpts, MkswapOpts, Mount9pOpts, Mountable, NtfsChmodOpts,
    NtfscloneOutOpts, NtfsfixOpts, NtfsresizeOpts, Pathname, PlainString, RemountOpts, Storage, SyslinuxOpts,
    Tune2fsOpts, XfsAdminOpts, XfsGrowfsOpts, XfsRepairOpts,
};
use libguestfs_core::server::{FileIn, FileOut};

use super::Guestfsd;

impl Storage for Guestfsd {
    answer! {
        mkfs(fstype: &PlainString, device: &Device, opts: &MkfsOpts) -> ();
        mkfs_b(fstype: &PlainString, blocksize: i32, device: &Device) -> ();
        mkfs_btrfs(devices: &DeviceList, opts: &MkfsBtrfsOpts) -> ();
        mke2fs(device: &Device, opts: &Mke2fsOpts) -> ();
        mke2fs_J(fstype: &PlainString, blocksize: i32, device: &Device, journal: &Device) -> ();
        mke2fs_JL(fstype: &PlainString, blocksize: i32, device: &Device, label: &PlainString) -> ();
        mke2fs_JU(fstype: &PlainString, blocksize: i32, device: &Device, uuid: &PlainString) -> ();
        mke2journal(blocksize: i32, device: &Device) -> ();
        mke2journal_L(blocksize: i32, label: &PlainString, device: &Device) -> ();
        mke2journal_U(blocksize: i32, uuid: &PlainString, device: &Device) -> ();
        mksquashfs(path: &Pathname, filename: &mut FileOut<'_>, opts: &MksquashfsOpts) -> ();

        mkswap(device: &Device, opts: &MkswapOpts) -> ();
        mkswap_L(label: &PlainString, device: &Device) -> ();
        mkswap_U(uuid: &PlainString, device: &Device) -> ();
        mkswap_file(path: &Pathname) -> ();
        swapon_device(device: &Device) -> ();
        swapoff_device(device: &Device) -> ();
        swapon_file(file: &Pathname) -> ();
        swapoff_file(file: &Pathname) -> ();
        swapon_label(label: &PlainString) -> ();
        swapoff_label(label: &PlainString) -> ();
        swapon_uuid(uuid: &PlainString) -> ();
        swapoff_uuid(uuid: &PlainString) -> ();

        set_label(mountable: &Mountable, label: &PlainString) -> ();
        set_uuid(device: &Device, uuid: &PlainString) -> ();
        set_uuid_random(device: &Device) -> ();
        set_e2label(device: &Device, label: &PlainString) -> ();
        set_e2uuid(device: &Device, uuid: &PlainString) -> ();

        fsck(fstype: &PlainString, device: &Device) -> i32;
        e2fsck(device: &Device, opts: &E2fsckOpts) -> ();
        e2fsck_f(device: &Device) -> ();
        tune2fs(device: &Device, opts: &Tune2fsOpts) -> ();
        xfs_admin(device: &Device, opts: &XfsAdminOpts) -> ();
        xfs_repair(device: &DevOrPath, opts: &XfsRepairOpts) -> i32;
        xfs_info2(pathordevice: &DevOrPath) -> Hashtable;
        ntfsfix(device: &Device, opts: &NtfsfixOpts) -> ();
        ntfs_3g_probe(rw: bool, device: &Device) -> i32;
        ntfs_chmod(device: &Device, mode: i32, path: &PlainString, opts: &NtfsChmodOpts) -> ();

        vfs_minimum_size(mountable: &Mountable) -> i64;
        resize2fs(device: &Device) -> ();
        resize2fs_M(device: &Device) -> ();
        resize2fs_size(device: &Device, size: i64) -> ();
        xfs_growfs(path: &Pathname, opts: &XfsGrowfsOpts) -> ();
        ntfsresize(device: &Device, opts: &NtfsresizeOpts) -> ();
        ntfsresize_size(device: &Device, size: i64) -> ();
        f2fs_expand(device: &Device) -> ();

        ntfsclone_in(backupfile: &mut FileIn<'_>, device: &Device) -> ();
        ntfsclone_out(device: &Device, backupfile: &mut FileOut<'_>, opts: &NtfscloneOutOpts) -> ();
        ntfscat_i(device: &Mountable, inode: i64, filename: &mut FileOut<'_>) -> ();
        download_inode(device: &Mountable, inode: i64, filename: &mut FileOut<'_>) -> ();
        download_blocks(device: &Mountable, start: i64, stop: i64, filename: &mut FileOut<'_>, opts: &DownloadBlocksOpts) -> ();
        isoinfo(isofile: &Pathname) -> Isoinfo;
        isoinfo_device(device: &Device) -> Isoinfo;

        syslinux(device: &Device, opts: &SyslinuxOpts) -> ();
        extlinux(directory: &Pathname) -> ();
        grub_install(root: &Pathname, device: &Device) -> ();

        mount_loop(file: &Pathname, mountpoint: &Pathname) -> ();
        remount(mountpoint: &Pathname, opts: &RemountOpts) -> ();
        mount_9p(mounttag: &PlainString, mountpoint: &PlainString, opts: &Mount9pOpts) -> ();
    }
}
