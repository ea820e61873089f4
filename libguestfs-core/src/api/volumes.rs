//! Calls about what lies between disks and filesystems: LVM, software RAID, encryption; and subvolumes of btrfs.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::{BtrfsBalance, BtrfsQgroup, BtrfsScrub, Hashtable, Host, Mdstat};
use crate::Result;

/// Calls about what lies between disks and filesystems: LVM, software RAID, encryption; and subvolumes of btrfs.
#[guestfs_api]
pub trait Volumes: Host {
    // --- LVM

    /// Makes `device` an LVM2 physical volume; what it holds is lost.
    #[call(39, group = "lvm2")]
    fn pvcreate(&mut self, device: &Device) -> Result<()>;

    /// Takes the label of a physical volume from `device`, in use or not.
    #[call(79, group = "lvm2")]
    fn pvremove(&mut self, device: &Device) -> Result<()>;

    /// Sizes a physical volume as its device is now.
    #[call(98, group = "lvm2")]
    fn pvresize(&mut self, device: &Device) -> Result<()>;

    /// Sizes a physical volume to `size` bytes.
    #[call(249, group = "lvm2")]
    fn pvresize_size(&mut self, device: &Device, size: i64) -> Result<()>;

    /// Gives a physical volume a new random UUID.
    #[call(338, group = "lvm2")]
    fn pvchange_uuid(&mut self, device: &Device) -> Result<()>;

    /// Gives every physical volume a new random UUID.
    #[call(339, group = "lvm2")]
    fn pvchange_uuid_all(&mut self) -> Result<()>;

    /// Makes a volume group of physical volumes.
    #[call(40, group = "lvm2")]
    fn vgcreate(&mut self, volgroup: &PlainString, physvols: &DeviceList) -> Result<()>;

    /// Removes a volume group with all its logical volumes.
    #[call(78, group = "lvm2")]
    fn vgremove(&mut self, vgname: &PlainString) -> Result<()>;

    /// Renames a volume group.
    #[call(220)]
    fn vgrename(&mut self, volgroup: &PlainString, newvolgroup: &PlainString) -> Result<()>;

    /// Looks for volume groups again.
    #[call(232)]
    fn vgscan(&mut self) -> Result<()>;

    /// Makes the logical volumes of some volume groups usable, or no longer so; no names means all groups.
    #[call(104, group = "lvm2")]
    fn vg_activate(&mut self, activate: bool, volgroups: &StringList) -> Result<()>;

    /// Makes all logical volumes usable, or no longer so.
    #[call(103, group = "lvm2")]
    fn vg_activate_all(&mut self, activate: bool) -> Result<()>;

    /// Gives a volume group a new random UUID.
    #[call(340, group = "lvm2")]
    fn vgchange_uuid(&mut self, vg: &PlainString) -> Result<()>;

    /// Gives every volume group a new random UUID.
    #[call(341, group = "lvm2")]
    fn vgchange_uuid_all(&mut self) -> Result<()>;

    /// The metadata of a volume group in the text form of LVM2.
    #[call(315, group = "lvm2")]
    fn vgmeta(&mut self, vgname: &PlainString) -> Result<Vec<u8>>;

    /// Makes a logical volume of `mbytes` MiB.
    #[call(41, group = "lvm2")]
    fn lvcreate(&mut self, logvol: &PlainString, volgroup: &PlainString, mbytes: i32) -> Result<()>;

    /// Makes a logical volume of `percent` percent of what is free in its group.
    #[call(312, group = "lvm2")]
    fn lvcreate_free(&mut self, logvol: &PlainString, volgroup: &PlainString, percent: i32) -> Result<()>;

    /// Removes a logical volume; given a volume group's directory, all of its volumes.
    #[call(77, group = "lvm2")]
    fn lvremove(&mut self, device: &Device) -> Result<()>;

    /// Renames a logical volume.
    #[call(219)]
    fn lvrename(&mut self, logvol: &PlainString, newlogvol: &PlainString) -> Result<()>;

    /// Sizes a logical volume to `mbytes` MiB. Making it smaller loses what lies at its end.
    #[call(105, group = "lvm2")]
    fn lvresize(&mut self, device: &Device, mbytes: i32) -> Result<()>;

    /// Adds `percent` percent of what is free in the group to a logical volume.
    #[call(238, group = "lvm2")]
    fn lvresize_free(&mut self, lv: &Device, percent: i32) -> Result<()>;

    /// Removes all logical volumes, volume groups and physical volumes.
    #[call(48, group = "lvm2")]
    fn lvm_remove_all(&mut self) -> Result<()>;

    /// Has LVM see these devices (and what is on them) only.
    #[call(255, group = "lvm2")]
    fn lvm_set_filter(&mut self, devices: &DeviceList) -> Result<()>;

    /// Has LVM see all devices again.
    #[call(256)]
    fn lvm_clear_filter(&mut self) -> Result<()>;

    // --- Linux software RAID

    /// Makes an array `name` of devices: `level` is `raid1` unless given, `chunk` is in bytes, each set bit of `missingbitmap` is a place without a device.
    #[call(299, optional(missingbitmap: i64, nrdevices: i32, spare: i32, chunk: i64, level: PlainString), group = "mdadm")]
    fn md_create(&mut self, name: &PlainString, devices: &DeviceList, opts: &MdCreateOpts) -> Result<()>;

    /// Stops an array.
    #[call(302, group = "mdadm")]
    fn md_stop(&mut self, md: &Device) -> Result<()>;

    /// What `mdadm --detail --export` tells of an array, with names in lower case and without `MD_`.
    #[call(301, group = "mdadm")]
    fn md_detail(&mut self, md: &Device) -> Result<Hashtable>;

    /// The devices of an active array with their numbers and flags (`F` failed, `S` spare, `W` mostly read elsewhere), from /proc/mdstat.
    #[call(316, group = "mdadm")]
    fn md_stat(&mut self, md: &Device) -> Result<Vec<Mdstat>>;

    // --- Encryption

    /// Makes `device` a LUKS device that `key` in slot `keyslot` unlocks; what it holds is lost.
    #[call(260, group = "luks")]
    fn luks_format(&mut self, device: &Device, key: &Key, keyslot: i32) -> Result<()>;

    /// As `luks_format`, with the cipher named.
    #[call(261, group = "luks")]
    fn luks_format_cipher(
        &mut self,
        device: &Device,
        key: &Key,
        keyslot: i32,
        cipher: &PlainString,
    ) -> Result<()>;

    /// Unlocks a LUKS device as `/dev/mapper/MAPNAME` and looks for LVM there.
    #[call(257, replayed, group = "luks")]
    fn luks_open(&mut self, device: &Device, key: &Key, mapname: &PlainString) -> Result<()>;

    /// As `luks_open`, for reading only.
    #[call(258, replayed, group = "luks")]
    fn luks_open_ro(&mut self, device: &Device, key: &Key, mapname: &PlainString) -> Result<()>;

    /// Takes away what `luks_open` made; nothing of it may be in use.
    #[call(259, replayed, group = "luks")]
    fn luks_close(&mut self, device: &Device) -> Result<()>;

    /// Lets `newkey` in slot `keyslot` unlock the device as well; `key` is one that does.
    #[call(262, group = "luks")]
    fn luks_add_key(&mut self, device: &Device, key: &Key, newkey: &Key, keyslot: i32) -> Result<()>;

    /// Empties slot `keyslot`; `key` is that of another slot.
    #[call(263, group = "luks")]
    fn luks_kill_slot(&mut self, device: &Device, key: &Key, keyslot: i32) -> Result<()>;

    /// UUID of a LUKS device.
    #[call(507, group = "luks")]
    fn luks_uuid(&mut self, device: &Device) -> Result<BString>;

    /// Unlocks a LUKS or BitLocker device as `/dev/mapper/MAPNAME`. The type is found out unless `crypttype` names it.
    #[call(508, optional(readonly: bool, crypttype: PlainString, cipher: PlainString), replayed, group = "luks")]
    fn cryptsetup_open(
        &mut self,
        device: &Device,
        key: &Key,
        mapname: &PlainString,
        opts: &CryptsetupOpenOpts,
    ) -> Result<()>;

    /// Takes away what `cryptsetup_open` made; nothing of it may be in use.
    #[call(509, replayed, group = "luks")]
    fn cryptsetup_close(&mut self, device: &Device) -> Result<()>;

    /// Unlocks a LUKS device by the policy (a network server, a TPM) that it is bound to with Clevis.
    #[call(512, group = "clevisluks")]
    fn clevis_luks_unlock(&mut self, device: &Device, mapname: &PlainString) -> Result<()>;

    // --- Btrfs: subvolumes and quotas

    /// Makes a subvolume, a member of quota group `qgroupid` if that is given.
    #[call(324, optional(qgroupid: PlainString), group = "btrfs")]
    fn btrfs_subvolume_create(&mut self, dest: &Pathname, opts: &BtrfsSubvolumeCreateOpts) -> Result<()>;

    /// Deletes a subvolume or snapshot.
    #[call(323, group = "btrfs")]
    fn btrfs_subvolume_delete(&mut self, subvolume: &Pathname) -> Result<()>;

    /// Makes `dest` a snapshot of the subvolume `source`, read-only with `ro`.
    #[call(322, optional(ro: bool, qgroupid: PlainString), group = "btrfs")]
    fn btrfs_subvolume_snapshot(
        &mut self,
        source: &Pathname,
        dest: &Pathname,
        opts: &BtrfsSubvolumeSnapshotOpts,
    ) -> Result<()>;

    /// Has the subvolume of number `id` mounted if none is named.
    #[call(326, group = "btrfs")]
    fn btrfs_subvolume_set_default(&mut self, id: i64, fs: &Pathname) -> Result<()>;

    /// What `btrfs subvolume show` tells of a subvolume.
    #[call(426, group = "btrfs")]
    fn btrfs_subvolume_show(&mut self, subvolume: &Pathname) -> Result<Hashtable>;

    /// Turns quotas on or off.
    #[call(427, group = "btrfs")]
    fn btrfs_quota_enable(&mut self, fs: &MountableOrPath, enable: bool) -> Result<()>;

    /// Counts again what quota groups use, and waits for it.
    #[call(428, group = "btrfs")]
    fn btrfs_quota_rescan(&mut self, fs: &MountableOrPath) -> Result<()>;

    /// Makes the quota group `qgroupid`, as `0/5`.
    #[call(430, group = "btrfs")]
    fn btrfs_qgroup_create(&mut self, qgroupid: &PlainString, subvolume: &Pathname) -> Result<()>;

    /// Removes a quota group.
    #[call(431, group = "btrfs")]
    fn btrfs_qgroup_destroy(&mut self, qgroupid: &PlainString, subvolume: &Pathname) -> Result<()>;

    /// Limits a subvolume's own quota group to `size` bytes.
    #[call(429, group = "btrfs")]
    fn btrfs_qgroup_limit(&mut self, subvolume: &Pathname, size: i64) -> Result<()>;

    /// Makes quota group `src` a member of `dst`.
    #[call(433, group = "btrfs")]
    fn btrfs_qgroup_assign(&mut self, src: &PlainString, dst: &PlainString, path: &Pathname) -> Result<()>;

    /// Takes quota group `src` out of `dst`.
    #[call(434, group = "btrfs")]
    fn btrfs_qgroup_remove(&mut self, src: &PlainString, dst: &PlainString, path: &Pathname) -> Result<()>;

    /// All quota groups with the bytes they refer to and those only they refer to.
    #[call(432, group = "btrfs")]
    fn btrfs_qgroup_show(&mut self, path: &Pathname) -> Result<Vec<BtrfsQgroup>>;

    // --- Btrfs: devices and space

    /// Adds devices to a mounted filesystem.
    #[call(329, group = "btrfs")]
    fn btrfs_device_add(&mut self, devices: &DeviceList, fs: &Pathname) -> Result<()>;

    /// Moves everything off devices of a mounted filesystem and takes them out of it.
    #[call(330, group = "btrfs")]
    fn btrfs_device_delete(&mut self, devices: &DeviceList, fs: &Pathname) -> Result<()>;

    /// Has `targetdev` take the place of `srcdev` in a mounted filesystem, and waits for it.
    #[call(455, group = "btrfs")]
    fn btrfs_replace(&mut self, srcdev: &Device, targetdev: &Device, mntpoint: &Pathname) -> Result<()>;

    /// Sizes a mounted filesystem to `size` bytes, or to its device.
    #[call(289, optional(size: i64), group = "btrfs")]
    fn btrfs_filesystem_resize(
        &mut self,
        mountpoint: &Pathname,
        opts: &BtrfsFilesystemResizeOpts,
    ) -> Result<()>;

    /// Writes out what a filesystem holds back.
    #[call(327, group = "btrfs")]
    fn btrfs_filesystem_sync(&mut self, fs: &Pathname) -> Result<()>;

    /// Lays out a file or directory's metadata in one piece, compressed by `zlib` or `lzo` if `compress` says so.
    #[call(443, optional(flush: bool, compress: PlainString), group = "btrfs")]
    fn btrfs_filesystem_defragment(
        &mut self,
        path: &Pathname,
        opts: &BtrfsFilesystemDefragmentOpts,
    ) -> Result<()>;

    /// Spreads all block groups of a filesystem over its devices anew.
    #[call(328, group = "btrfs")]
    fn btrfs_filesystem_balance(&mut self, fs: &Pathname) -> Result<()>;

    /// Pauses a running balance.
    #[call(438, group = "btrfs")]
    fn btrfs_balance_pause(&mut self, path: &Pathname) -> Result<()>;

    /// Ends a running or paused balance.
    #[call(439, group = "btrfs")]
    fn btrfs_balance_cancel(&mut self, path: &Pathname) -> Result<()>;

    /// Goes on with a paused balance.
    #[call(440, group = "btrfs")]
    fn btrfs_balance_resume(&mut self, path: &Pathname) -> Result<()>;

    /// How far a balance is, in block groups; all 0 and an empty status if there is none.
    #[call(448, group = "btrfs")]
    fn btrfs_balance_status(&mut self, path: &Pathname) -> Result<BtrfsBalance>;

    /// Begins to read everything and to repair it from copies, in the background.
    #[call(435, group = "btrfs")]
    fn btrfs_scrub_start(&mut self, path: &Pathname) -> Result<()>;

    /// Ends a running scrub.
    #[call(436, group = "btrfs")]
    fn btrfs_scrub_cancel(&mut self, path: &Pathname) -> Result<()>;

    /// Goes on with a cancelled scrub.
    #[call(437, group = "btrfs")]
    fn btrfs_scrub_resume(&mut self, path: &Pathname) -> Result<()>;

    /// What the running or last scrub found.
    #[call(449, group = "btrfs")]
    fn btrfs_scrub_status(&mut self, path: &Pathname) -> Result<BtrfsScrub>;

    /// Scrubs and waits for the end; what can't be repaired is an error.
    #[call(518, optional(readonly: bool), group = "btrfs")]
    fn btrfs_scrub_full(&mut self, path: &Pathname, opts: &BtrfsScrubFullOpts) -> Result<()>;

    // --- Btrfs: filesystems that are not mounted

    /// Checks a filesystem, and repairs it if told so.
    #[call(332, optional(superblock: i64, repair: bool), group = "btrfs")]
    fn btrfs_fsck(&mut self, device: &Device, opts: &BtrfsFsckOpts) -> Result<()>;

    /// Marks a filesystem as the read-only base of others, or no longer so.
    #[call(331, group = "btrfs")]
    fn btrfs_set_seeding(&mut self, device: &Device, seeding: bool) -> Result<()>;

    /// Marks a filesystem as the read-only base of others, or no longer so.
    #[call(450, group = "btrfs")]
    fn btrfstune_seeding(&mut self, device: &Device, seeding: bool) -> Result<()>;

    /// Turns on that a file may have very many links in one directory.
    #[call(451, group = "btrfs")]
    fn btrfstune_enable_extended_inode_refs(&mut self, device: &Device) -> Result<()>;

    /// Turns on the shorter references to metadata.
    #[call(452, group = "btrfs")]
    fn btrfstune_enable_skinny_metadata_extent_refs(&mut self, device: &Device) -> Result<()>;

    /// Writes the metadata of the filesystem on the first device to the file `image`.
    #[call(453, optional(compresslevel: i32), group = "btrfs")]
    fn btrfs_image(&mut self, source: &DeviceList, image: &Pathname, opts: &BtrfsImageOpts) -> Result<()>;

    /// Rebuilds the chunk tree by reading the devices.
    #[call(444, group = "btrfs")]
    fn btrfs_rescue_chunk_recover(&mut self, device: &Device) -> Result<()>;

    /// Repairs superblocks from good copies.
    #[call(445, group = "btrfs")]
    fn btrfs_rescue_super_recover(&mut self, device: &Device) -> Result<()>;

    // --- Windows dynamic disks

    /// Makes device-mapper devices of all volumes of Windows dynamic disks.
    #[call(382, group = "ldm")]
    fn ldmtool_create_all(&mut self) -> Result<()>;

    /// Takes away what `ldmtool_create_all` made.
    #[call(383, group = "ldm")]
    fn ldmtool_remove_all(&mut self) -> Result<()>;

    /// GUIDs of the disk groups on all devices.
    #[call(384, group = "ldm")]
    fn ldmtool_scan(&mut self) -> Result<Vec<BString>>;

    /// GUIDs of the disk groups on these devices; no devices means all.
    #[call(385, group = "ldm")]
    fn ldmtool_scan_devices(&mut self, devices: &DeviceList) -> Result<Vec<BString>>;

    /// Name of a disk group.
    #[call(386, group = "ldm")]
    fn ldmtool_diskgroup_name(&mut self, diskgroup: &PlainString) -> Result<BString>;

    /// Names of the volumes of a disk group.
    #[call(387, group = "ldm")]
    fn ldmtool_diskgroup_volumes(&mut self, diskgroup: &PlainString) -> Result<Vec<BString>>;

    /// GUIDs of the disks of a disk group.
    #[call(388, group = "ldm")]
    fn ldmtool_diskgroup_disks(&mut self, diskgroup: &PlainString) -> Result<Vec<BString>>;

    /// Kind of a volume: `simple`, `spanned`, `striped`, `mirrored` or `raid5`.
    #[call(389, group = "ldm")]
    fn ldmtool_volume_type(&mut self, diskgroup: &PlainString, volume: &PlainString) -> Result<BString>;

    /// Drive letter or the like that Windows kept for a volume, if any.
    #[call(390, group = "ldm")]
    fn ldmtool_volume_hint(&mut self, diskgroup: &PlainString, volume: &PlainString) -> Result<BString>;

    /// Names of the partitions that a volume lies on.
    #[call(391, group = "ldm")]
    fn ldmtool_volume_partitions(
        &mut self,
        diskgroup: &PlainString,
        volume: &PlainString,
    ) -> Result<Vec<BString>>;

    /// The devices that `ldmtool_create_all` made of volumes.
    #[call(380, group = "ldm")]
    fn list_ldm_volumes(&mut self) -> Result<Vec<BString>>;

    /// The devices that `ldmtool_create_all` made of partitions.
    #[call(381, group = "ldm")]
    fn list_ldm_partitions(&mut self) -> Result<Vec<BString>>;
}
