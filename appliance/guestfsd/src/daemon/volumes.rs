//! The daemon's side of the calls about volumes.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::*;

use crate::Guestfsd;

impl Volumes for Guestfsd {
    answer! {
        pvcreate(device: &Device) -> ();
        pvremove(device: &Device) -> ();
        pvresize(device: &Device) -> ();
        pvresize_size(device: &Device, size: i64) -> ();
        pvchange_uuid(device: &Device) -> ();
        pvchange_uuid_all() -> ();
        vgcreate(volgroup: &PlainString, physvols: &DeviceList) -> ();
        vgremove(vgname: &PlainString) -> ();
        vgrename(volgroup: &PlainString, newvolgroup: &PlainString) -> ();
        vgscan() -> ();
        vg_activate(activate: bool, volgroups: &StringList) -> ();
        vg_activate_all(activate: bool) -> ();
        vgchange_uuid(vg: &PlainString) -> ();
        vgchange_uuid_all() -> ();
        vgmeta(vgname: &PlainString) -> Vec<u8>;
        lvcreate(logvol: &PlainString, volgroup: &PlainString, mbytes: i32) -> ();
        lvcreate_free(logvol: &PlainString, volgroup: &PlainString, percent: i32) -> ();
        lvremove(device: &Device) -> ();
        lvrename(logvol: &PlainString, newlogvol: &PlainString) -> ();
        lvresize(device: &Device, mbytes: i32) -> ();
        lvresize_free(lv: &Device, percent: i32) -> ();
        lvm_remove_all() -> ();
        lvm_set_filter(devices: &DeviceList) -> ();
        lvm_clear_filter() -> ();

        md_create(name: &PlainString, devices: &DeviceList, opts: &MdCreateOpts) -> ();
        md_stop(md: &Device) -> ();
        md_detail(md: &Device) -> Hashtable;
        md_stat(md: &Device) -> Vec<Mdstat>;

        luks_format(device: &Device, key: &Key, keyslot: i32) -> ();
        luks_format_cipher(device: &Device, key: &Key, keyslot: i32, cipher: &PlainString) -> ();
        luks_open(device: &Device, key: &Key, mapname: &PlainString) -> ();
        luks_open_ro(device: &Device, key: &Key, mapname: &PlainString) -> ();
        luks_close(device: &Device) -> ();
        luks_add_key(device: &Device, key: &Key, newkey: &Key, keyslot: i32) -> ();
        luks_kill_slot(device: &Device, key: &Key, keyslot: i32) -> ();
        luks_uuid(device: &Device) -> BString;
        cryptsetup_open(device: &Device, key: &Key, mapname: &PlainString, opts: &CryptsetupOpenOpts) -> ();
        cryptsetup_close(device: &Device) -> ();
        clevis_luks_unlock(device: &Device, mapname: &PlainString) -> ();

        btrfs_subvolume_create(dest: &Pathname, opts: &BtrfsSubvolumeCreateOpts) -> ();
        btrfs_subvolume_delete(subvolume: &Pathname) -> ();
        btrfs_subvolume_snapshot(source: &Pathname, dest: &Pathname, opts: &BtrfsSubvolumeSnapshotOpts) -> ();
        btrfs_subvolume_set_default(id: i64, fs: &Pathname) -> ();
        btrfs_subvolume_show(subvolume: &Pathname) -> Hashtable;
        btrfs_quota_enable(fs: &MountableOrPath, enable: bool) -> ();
        btrfs_quota_rescan(fs: &MountableOrPath) -> ();
        btrfs_qgroup_create(qgroupid: &PlainString, subvolume: &Pathname) -> ();
        btrfs_qgroup_destroy(qgroupid: &PlainString, subvolume: &Pathname) -> ();
        btrfs_qgroup_limit(subvolume: &Pathname, size: i64) -> ();
        btrfs_qgroup_assign(src: &PlainString, dst: &PlainString, path: &Pathname) -> ();
        btrfs_qgroup_remove(src: &PlainString, dst: &PlainString, path: &Pathname) -> ();
        btrfs_qgroup_show(path: &Pathname) -> Vec<BtrfsQgroup>;

        btrfs_device_add(devices: &DeviceList, fs: &Pathname) -> ();
        btrfs_device_delete(devices: &DeviceList, fs: &Pathname) -> ();
        btrfs_replace(srcdev: &Device, targetdev: &Device, mntpoint: &Pathname) -> ();
        btrfs_filesystem_resize(mountpoint: &Pathname, opts: &BtrfsFilesystemResizeOpts) -> ();
        btrfs_filesystem_sync(fs: &Pathname) -> ();
        btrfs_filesystem_defragment(path: &Pathname, opts: &BtrfsFilesystemDefragmentOpts) -> ();
        btrfs_filesystem_balance(fs: &Pathname) -> ();
        btrfs_balance_pause(path: &Pathname) -> ();
        btrfs_balance_cancel(path: &Pathname) -> ();
        btrfs_balance_resume(path: &Pathname) -> ();
        btrfs_balance_status(path: &Pathname) -> BtrfsBalance;
        btrfs_scrub_start(path: &Pathname) -> ();
        btrfs_scrub_cancel(path: &Pathname) -> ();
        btrfs_scrub_resume(path: &Pathname) -> ();
        btrfs_scrub_status(path: &Pathname) -> BtrfsScrub;
        btrfs_scrub_full(path: &Pathname, opts: &BtrfsScrubFullOpts) -> ();

        btrfs_fsck(device: &Device, opts: &BtrfsFsckOpts) -> ();
        btrfs_set_seeding(device: &Device, seeding: bool) -> ();
        btrfstune_seeding(device: &Device, seeding: bool) -> ();
        btrfstune_enable_extended_inode_refs(device: &Device) -> ();
        btrfstune_enable_skinny_metadata_extent_refs(device: &Device) -> ();
        btrfs_image(source: &DeviceList, image: &Pathname, opts: &BtrfsImageOpts) -> ();
        btrfs_rescue_chunk_recover(device: &Device) -> ();
        btrfs_rescue_super_recover(device: &Device) -> ();

        ldmtool_create_all() -> ();
        ldmtool_remove_all() -> ();
        ldmtool_scan() -> Vec<BString>;
        ldmtool_scan_devices(devices: &DeviceList) -> Vec<BString>;
        ldmtool_diskgroup_name(diskgroup: &PlainString) -> BString;
        ldmtool_diskgroup_volumes(diskgroup: &PlainString) -> Vec<BString>;
        ldmtool_diskgroup_disks(diskgroup: &PlainString) -> Vec<BString>;
        ldmtool_volume_type(diskgroup: &PlainString, volume: &PlainString) -> BString;
        ldmtool_volume_hint(diskgroup: &PlainString, volume: &PlainString) -> BString;
        ldmtool_volume_partitions(diskgroup: &PlainString, volume: &PlainString) -> Vec<BString>;
        list_ldm_volumes() -> Vec<BString>;
        list_ldm_partitions() -> Vec<BString>;
    }
}
