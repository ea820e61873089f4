//! Calls that look and change nothing, with mounting and inspection among them.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::{
    Application2, BtrfsSubvolume, Hashtable, Host, InternalMountable, LvmLv, LvmPv, LvmVg, Partition, Statns,
    Statvfs, Xattr, Xfsinfo,
};
use crate::Result;

/// Calls that look and change nothing, with mounting and inspection among them.
#[guestfs_api]
pub trait Reading: Host {
    /// Does nothing, and thereby shows that the daemon answers.
    #[call(92)]
    fn ping_daemon(&mut self) -> Result<()>;

    /// Has the daemon write out what it holds back. Nothing to do where nothing is written.
    #[call(2)]
    fn sync(&mut self) -> Result<()>;

    /// Prepares the end: the handle makes this call before it stops a daemon.
    #[call(282)]
    fn internal_autosync(&mut self) -> Result<()>;

    /// Is a group of optional calls there? 0: yes, 1: known but not here, 2: no such group.
    #[call(458)]
    fn internal_feature_available(&mut self, group: &PlainString) -> Result<i32>;

    /// Runs a diagnostic subcommand; `help` lists them.
    #[call(76)]
    fn debug(&mut self, subcmd: &PlainString, extraargs: &StringList) -> Result<BString>;

    // --- Devices

    /// Lists the disks, as `/dev/sda`, in the order in which they were added.
    #[call(7)]
    fn list_devices(&mut self) -> Result<Vec<BString>>;

    /// Lists the partitions of all disks, as `/dev/sda1`.
    #[call(8)]
    fn list_partitions(&mut self) -> Result<Vec<BString>>;

    /// Size of `device` in bytes.
    #[call(63)]
    fn blockdev_getsize64(&mut self, device: &Device) -> Result<i64>;

    /// Size of `device` in units of 512 bytes.
    #[call(62)]
    fn blockdev_getsz(&mut self, device: &Device) -> Result<i64>;

    /// Logical sector size of `device` in bytes.
    #[call(59)]
    fn blockdev_getss(&mut self, device: &Device) -> Result<i32>;

    /// Block size of `device` in bytes, as the kernel would use it.
    #[call(60)]
    fn blockdev_getbsz(&mut self, device: &Device) -> Result<i32>;

    /// Is `device` read-only?
    #[call(58)]
    fn blockdev_getro(&mut self, device: &Device) -> Result<bool>;

    /// Number of disks.
    #[call(336)]
    fn nr_devices(&mut self) -> Result<i32>;

    /// Lists the assembled Linux software RAID devices.
    #[call(300)]
    fn list_md_devices(&mut self) -> Result<Vec<BString>>;

    /// Lists the device-mapper devices that are not logical volumes.
    #[call(287)]
    fn list_dm_devices(&mut self) -> Result<Vec<BString>>;

    /// Labels that drives were added with, each with its device.
    #[call(369)]
    fn list_disk_labels(&mut self) -> Result<Hashtable>;

    // --- Partitions

    /// Lists the partitions of `device` with their bounds in bytes.
    #[call(213)]
    fn part_list(&mut self, device: &Device) -> Result<Vec<Partition>>;

    /// Kind of partition table of `device`: `gpt`, `msdos`…
    #[call(214)]
    fn part_get_parttype(&mut self, device: &Device) -> Result<BString>;

    /// Is partition `partnum` of `device` marked bootable?
    #[call(234)]
    fn part_get_bootable(&mut self, device: &Device, partnum: i32) -> Result<bool>;

    /// Type byte of an MBR partition.
    #[call(235)]
    fn part_get_mbr_id(&mut self, device: &Device, partnum: i32) -> Result<i32>;

    /// Is an MBR partition `primary`, `logical` or `extended`?
    #[call(454)]
    fn part_get_mbr_part_type(&mut self, device: &Device, partnum: i32) -> Result<BString>;

    /// Type GUID of a GPT partition, upper case.
    #[call(393)]
    fn part_get_gpt_type(&mut self, device: &Device, partnum: i32) -> Result<BString>;

    /// Unique GUID of a GPT partition, upper case.
    #[call(447)]
    fn part_get_gpt_guid(&mut self, device: &Device, partnum: i32) -> Result<BString>;

    /// Attribute bits of a GPT partition.
    #[call(504)]
    fn part_get_gpt_attributes(&mut self, device: &Device, partnum: i32) -> Result<i64>;

    /// Name of a GPT partition.
    #[call(416)]
    fn part_get_name(&mut self, device: &Device, partnum: i32) -> Result<BString>;

    /// GUID of the disk `device` with a GPT, upper case.
    #[call(460)]
    fn part_get_disk_guid(&mut self, device: &Device) -> Result<BString>;

    /// The disk that holds `partition`.
    #[call(272)]
    fn part_to_dev(&mut self, partition: &Device) -> Result<BString>;

    /// The number of `partition` on its disk.
    #[call(293)]
    fn part_to_partnum(&mut self, partition: &Device) -> Result<i32>;

    // --- LVM

    /// Lists LVM2 physical volumes by device.
    #[call(9, group = "lvm2")]
    fn pvs(&mut self) -> Result<Vec<BString>>;

    /// Lists LVM2 volume groups by name.
    #[call(10, group = "lvm2")]
    fn vgs(&mut self) -> Result<Vec<BString>>;

    /// Lists LVM2 logical volumes by device, as `/dev/VG/LV`.
    #[call(11, group = "lvm2")]
    fn lvs(&mut self) -> Result<Vec<BString>>;

    /// Lists LVM2 physical volumes with all that is known of them.
    #[call(12, group = "lvm2")]
    fn pvs_full(&mut self) -> Result<Vec<LvmPv>>;

    /// Lists LVM2 volume groups with all that is known of them.
    #[call(13, group = "lvm2")]
    fn vgs_full(&mut self) -> Result<Vec<LvmVg>>;

    /// Lists LVM2 logical volumes with all that is known of them.
    #[call(14, group = "lvm2")]
    fn lvs_full(&mut self) -> Result<Vec<LvmLv>>;

    /// Looks for physical volumes again, and activates what is found if `activate` is set.
    #[call(506, replayed)]
    fn lvm_scan(&mut self, activate: bool) -> Result<()>;

    /// The `/dev/VG/LV` form of another name of a logical volume.
    #[call(277)]
    fn lvm_canonical_lv_name(&mut self, lvname: &PlainString) -> Result<BString>;

    /// Is `mountable` a logical volume?
    #[call(264)]
    fn is_lv(&mut self, mountable: &Mountable) -> Result<bool>;

    /// UUID of a logical volume, without dashes.
    #[call(224)]
    fn lvuuid(&mut self, device: &Device) -> Result<BString>;

    /// UUID of a volume group, without dashes.
    #[call(223)]
    fn vguuid(&mut self, vgname: &PlainString) -> Result<BString>;

    /// UUID of a physical volume, without dashes.
    #[call(222)]
    fn pvuuid(&mut self, device: &Device) -> Result<BString>;

    /// UUIDs of the physical volumes of a volume group.
    #[call(225)]
    fn vgpvuuids(&mut self, vgname: &PlainString) -> Result<Vec<BString>>;

    /// UUIDs of the logical volumes of a volume group.
    #[call(226)]
    fn vglvuuids(&mut self, vgname: &PlainString) -> Result<Vec<BString>>;

    // --- Filesystems

    /// Lists what holds a filesystem, swap or an unknown content: each mountable with its type.
    #[call(476)]
    fn list_filesystems(&mut self) -> Result<Hashtable>;

    /// Type of what `mountable` holds, as `ext4`; empty if it is not known.
    #[call(198)]
    fn vfs_type(&mut self, mountable: &Mountable) -> Result<BString>;

    /// Label of the filesystem on `mountable`, or an empty text.
    #[call(253)]
    fn vfs_label(&mut self, mountable: &Mountable) -> Result<BString>;

    /// UUID of the filesystem on `mountable`, or an empty text.
    #[call(254)]
    fn vfs_uuid(&mut self, mountable: &Mountable) -> Result<BString>;

    /// All that is known of the content of `device`, by blkid's names.
    #[call(303)]
    fn blkid(&mut self, device: &Device) -> Result<Hashtable>;

    /// The device that holds the filesystem with this UUID.
    #[call(265)]
    fn findfs_uuid(&mut self, uuid: &PlainString) -> Result<BString>;

    /// The device that holds the filesystem with this label.
    #[call(266)]
    fn findfs_label(&mut self, label: &PlainString) -> Result<BString>;

    /// The partition with this unique ID.
    #[call(514)]
    fn findfs_partuuid(&mut self, uuid: &PlainString) -> Result<BString>;

    /// The partition with this name.
    #[call(515)]
    fn findfs_partlabel(&mut self, label: &PlainString) -> Result<BString>;

    /// Label of an ext2, ext3 or ext4 filesystem.
    #[call(81)]
    fn get_e2label(&mut self, device: &Device) -> Result<BString>;

    /// UUID of an ext2, ext3 or ext4 filesystem.
    #[call(83)]
    fn get_e2uuid(&mut self, device: &Device) -> Result<BString>;

    /// The superblock of an ext2, ext3 or ext4 filesystem, as `tune2fs -l` prints it.
    #[call(55)]
    fn tune2fs_l(&mut self, device: &Device) -> Result<Hashtable>;

    // --- Mounts

    /// Mounts `mountable` at `mountpoint` for reading and writing.
    #[call(1, replayed)]
    fn mount(&mut self, mountable: &Mountable, mountpoint: &PlainString) -> Result<()>;

    /// Mounts `mountable` at `mountpoint` read-only.
    #[call(73, replayed)]
    fn mount_ro(&mut self, mountable: &Mountable, mountpoint: &PlainString) -> Result<()>;

    /// Mounts with options as `mount -o` takes them.
    #[call(74, replayed)]
    fn mount_options(
        &mut self,
        options: &PlainString,
        mountable: &Mountable,
        mountpoint: &PlainString,
    ) -> Result<()>;

    /// Mounts with options and the filesystem type given.
    #[call(75, replayed)]
    fn mount_vfs(
        &mut self,
        options: &PlainString,
        vfstype: &PlainString,
        mountable: &Mountable,
        mountpoint: &PlainString,
    ) -> Result<()>;

    /// Unmounts a device or mountpoint.
    #[call(45, optional(force: bool, lazyunmount: bool), replayed)]
    fn umount(&mut self, pathordevice: &DevOrPath, opts: &UmountOpts) -> Result<()>;

    /// Unmounts everything.
    #[call(47, replayed)]
    fn umount_all(&mut self) -> Result<()>;

    /// Lists what is mounted, by device.
    #[call(46)]
    fn mounts(&mut self) -> Result<Vec<BString>>;

    /// Lists what is mounted: device, mountpoint.
    #[call(147)]
    fn mountpoints(&mut self) -> Result<Hashtable>;

    /// Makes a directory above the root to mount on, while nothing is mounted there.
    #[call(148, replayed)]
    fn mkmountpoint(&mut self, exemptpath: &PlainString) -> Result<()>;

    /// Removes a directory that `mkmountpoint` made.
    #[call(149, replayed)]
    fn rmmountpoint(&mut self, exemptpath: &PlainString) -> Result<()>;

    /// Takes a mountable apart: kind, device, subvolume.
    #[call(396)]
    fn internal_parse_mountable(&mut self, mountable: &Mountable) -> Result<InternalMountable>;

    // --- Names and what they are

    /// Does `path` exist? Symbolic links are followed.
    #[call(36)]
    fn exists(&mut self, path: &Pathname) -> Result<bool>;

    /// Is `path` a regular file?
    #[call(37, optional(followsymlinks: bool))]
    fn is_file(&mut self, path: &Pathname, opts: &IsFileOpts) -> Result<bool>;

    /// Is `path` a directory?
    #[call(38, optional(followsymlinks: bool))]
    fn is_dir(&mut self, path: &Pathname, opts: &IsDirOpts) -> Result<bool>;

    /// Is `path` a symbolic link?
    #[call(270)]
    fn is_symlink(&mut self, path: &Pathname) -> Result<bool>;

    /// Is `path` a named pipe?
    #[call(269, optional(followsymlinks: bool))]
    fn is_fifo(&mut self, path: &Pathname, opts: &IsFifoOpts) -> Result<bool>;

    /// Is `path` a character device?
    #[call(267, optional(followsymlinks: bool))]
    fn is_chardev(&mut self, path: &Pathname, opts: &IsChardevOpts) -> Result<bool>;

    /// Is `path` a block device?
    #[call(268, optional(followsymlinks: bool))]
    fn is_blockdev(&mut self, path: &Pathname, opts: &IsBlockdevOpts) -> Result<bool>;

    /// Is `path` a Unix socket?
    #[call(271, optional(followsymlinks: bool))]
    fn is_socket(&mut self, path: &Pathname, opts: &IsSocketOpts) -> Result<bool>;

    /// Does the file hold only zeros? An empty one does.
    #[call(283)]
    fn is_zero(&mut self, path: &Pathname) -> Result<bool>;

    /// Does the device hold only zeros?
    #[call(284)]
    fn is_zero_device(&mut self, device: &Device) -> Result<bool>;

    /// Is `device` a whole disk?
    #[call(395)]
    fn is_whole_device(&mut self, device: &Device) -> Result<bool>;

    /// What stat(2) shows of `path`, symbolic links followed.
    #[call(421)]
    fn statns(&mut self, path: &Pathname) -> Result<Statns>;

    /// What lstat(2) shows of `path`.
    #[call(422)]
    fn lstatns(&mut self, path: &Pathname) -> Result<Statns>;

    /// `lstatns` of several names in the directory `path`; `st_ino` is -1 for what can't be read.
    #[call(423)]
    fn internal_lstatnslist(&mut self, path: &Pathname, names: &FilenameList) -> Result<Vec<Statns>>;

    /// Lists the subvolumes of a btrfs filesystem.
    #[call(325, group = "btrfs")]
    fn btrfs_subvolume_list(&mut self, fs: &MountableOrPath) -> Result<Vec<BtrfsSubvolume>>;

    /// Number of the subvolume that is mounted if none is named.
    #[call(425, group = "btrfs")]
    fn btrfs_subvolume_get_default(&mut self, fs: &MountableOrPath) -> Result<i64>;

    /// The devices of the btrfs filesystem on `device`.
    #[call(465, group = "btrfs")]
    fn btrfs_filesystem_show(&mut self, device: &Device) -> Result<Vec<BString>>;

    /// How the XFS filesystem on a device, or mounted at a path, was made.
    #[call(337, group = "xfs")]
    fn xfs_info(&mut self, pathordevice: &DevOrPath) -> Result<Xfsinfo>;

    /// Size and free space of the filesystem that holds `path`.
    #[call(54)]
    fn statvfs(&mut self, path: &Pathname) -> Result<Statvfs>;

    /// Size of a file in bytes.
    #[call(218)]
    fn filesize(&mut self, file: &Pathname) -> Result<i64>;

    /// Space that `path` and everything below takes, in KiB.
    #[call(127, progress)]
    fn du(&mut self, path: &Pathname) -> Result<i64>;

    /// Kind of content of a file, as file(1) names it.
    #[call(49)]
    fn file(&mut self, path: &DevOrPath) -> Result<BString>;

    /// Target of a symbolic link.
    #[call(168)]
    fn readlink(&mut self, path: &Pathname) -> Result<BString>;

    /// `readlink` of several names in the directory `path`; an empty text for what can't be read.
    #[call(206)]
    fn internal_readlinklist(&mut self, path: &Pathname, names: &FilenameList) -> Result<Vec<BString>>;

    /// `path` with symbolic links, `.` and `..` resolved.
    #[call(163)]
    fn realpath(&mut self, path: &Pathname) -> Result<BString>;

    /// `path` as the filesystem spells it, each part looked up without regard to case.
    #[call(197)]
    fn case_sensitive_path(&mut self, path: &Pathname) -> Result<BString>;

    /// Extended attributes of `path`, symbolic links followed.
    #[call(141, group = "linuxxattrs")]
    fn getxattrs(&mut self, path: &Pathname) -> Result<Vec<Xattr>>;

    /// Extended attributes of `path` itself.
    #[call(142, group = "linuxxattrs")]
    fn lgetxattrs(&mut self, path: &Pathname) -> Result<Vec<Xattr>>;

    /// One extended attribute of `path`, symbolic links followed.
    #[call(279, group = "linuxxattrs")]
    fn getxattr(&mut self, path: &Pathname, name: &PlainString) -> Result<Vec<u8>>;

    /// One extended attribute of `path` itself.
    #[call(280, group = "linuxxattrs")]
    fn lgetxattr(&mut self, path: &Pathname, name: &PlainString) -> Result<Vec<u8>>;

    /// `lgetxattrs` of several names in the directory `path`: per name an entry with an empty name whose value is the count, then the attributes.
    #[call(205, group = "linuxxattrs")]
    fn internal_lxattrlist(&mut self, path: &Pathname, names: &FilenameList) -> Result<Vec<Xattr>>;

    // --- Directories

    /// Names in a directory, each ended by a NUL, without `.` and `..`.
    #[call(347)]
    fn ls0(&mut self, dir: &Pathname, filenames: &mut FileOut<'_>) -> Result<()>;

    /// A directory as `ls -la` shows it.
    #[call(5)]
    fn ll(&mut self, directory: &Pathname) -> Result<BString>;

    /// All paths below a directory, relative to it, each ended by a NUL.
    #[call(196, cancellable)]
    fn find0(&mut self, directory: &Pathname, files: &mut FileOut<'_>) -> Result<()>;

    /// Entries of a directory as a stream of [`Dirent`](super::Dirent), `.` and `..` included.
    #[call(511)]
    fn internal_readdir(&mut self, dir: &Pathname, filename: &mut FileOut<'_>) -> Result<()>;

    /// Paths that match a shell pattern.
    #[call(113, optional(directoryslash: bool))]
    fn glob_expand(&mut self, pattern: &Pathname, opts: &GlobExpandOpts) -> Result<Vec<BString>>;

    // --- Archives

    /// Sends what is in `directory` as a tar archive, with names that begin with `./`. What is no directory is sent
    /// as the only entry, under its own name; libguestfs's own daemon refuses that.
    ///
    /// `compress` is `gzip` (others need an appliance). `numericowner` leaves out names of users and groups. `excludes`
    /// are wildcards as of `tar --exclude`. `xattrs`, `selinux` and `acls` add what their names say.
    ///
    /// Something that can't be read does not end the archive: it is left out, a [remark](crate::tar) says so, and the
    /// call fails after the end of the archive.
    #[call(70, cancellable, optional(compress: PlainString, numericowner: bool, excludes: StringList, xattrs: bool, selinux: bool, acls: bool))]
    fn tar_out(
        &mut self,
        directory: &PlainString,
        tarfile: &mut FileOut<'_>,
        opts: &TarOutOpts,
    ) -> Result<()>;

    /// As [`tar_out`](Self::tar_out), compressed with gzip.
    #[call(72, cancellable)]
    fn tgz_out(&mut self, directory: &Pathname, tarball: &mut FileOut<'_>) -> Result<()>;

    /// As [`tar_out`](Self::tar_out), compressed with xz.
    #[call(230, cancellable, group = "xz")]
    fn txz_out(&mut self, directory: &Pathname, tarball: &mut FileOut<'_>) -> Result<()>;

    // --- Content

    /// Sends the content of a file or device.
    #[call(67, cancellable, progress)]
    fn download(&mut self, remotefilename: &DevOrPath, filename: &mut FileOut<'_>) -> Result<()>;

    /// Sends `size` bytes of a file or device from byte `offset` on.
    #[call(274, cancellable, progress)]
    fn download_offset(
        &mut self,
        remotefilename: &DevOrPath,
        filename: &mut FileOut<'_>,
        offset: i64,
        size: i64,
    ) -> Result<()>;

    /// Reads up to `count` bytes of a file from byte `offset` on.
    #[call(207)]
    fn pread(&mut self, path: &Pathname, count: i32, offset: i64) -> Result<Vec<u8>>;

    /// Reads up to `count` bytes of a device from byte `offset` on.
    #[call(276)]
    fn pread_device(&mut self, device: &Device, count: i32, offset: i64) -> Result<Vec<u8>>;

    /// First 10 lines of a file.
    #[call(121)]
    fn head(&mut self, path: &Pathname) -> Result<Vec<BString>>;

    /// First lines of a file; with a negative `nrlines` all but the last ones.
    #[call(122)]
    fn head_n(&mut self, nrlines: i32, path: &Pathname) -> Result<Vec<BString>>;

    /// Last 10 lines of a file.
    #[call(123)]
    fn tail(&mut self, path: &Pathname) -> Result<Vec<BString>>;

    /// Last lines of a file; with a negative `nrlines` all from that line on.
    #[call(124)]
    fn tail_n(&mut self, nrlines: i32, path: &Pathname) -> Result<Vec<BString>>;

    /// Number of lines of a file.
    #[call(118)]
    fn wc_l(&mut self, path: &Pathname) -> Result<i32>;

    /// Number of words of a file.
    #[call(119)]
    fn wc_w(&mut self, path: &Pathname) -> Result<i32>;

    /// Number of bytes of a file.
    #[call(120)]
    fn wc_c(&mut self, path: &Pathname) -> Result<i32>;

    /// Checksum of a file: `crc`, `md5`, `sha1`, `sha224`, `sha256`, `sha384` or `sha512`.
    #[call(68)]
    fn checksum(&mut self, csumtype: &PlainString, path: &Pathname) -> Result<BString>;

    /// Checksum of a device.
    #[call(237)]
    fn checksum_device(&mut self, csumtype: &PlainString, device: &Device) -> Result<BString>;

    /// Checksums of every regular file below a directory, as `sha256sum` prints them.
    #[call(244, cancellable)]
    fn checksums_out(
        &mut self,
        csumtype: &PlainString,
        directory: &Pathname,
        sumsfile: &mut FileOut<'_>,
    ) -> Result<()>;

    /// Do two files hold the same bytes?
    #[call(93)]
    fn equal(&mut self, file1: &Pathname, file2: &Pathname) -> Result<bool>;

    // --- Inspection

    /// Looks for operating systems; returns the mountable of each root. Unmounts everything first.
    #[call(480, replayed)]
    fn inspect_os(&mut self) -> Result<Vec<BString>>;

    /// The roots that `inspect_os` found.
    #[call(481)]
    fn inspect_get_roots(&mut self) -> Result<Vec<BString>>;

    /// Kind of operating system: `linux`, `windows`, …
    #[call(483)]
    fn inspect_get_type(&mut self, root: &Mountable) -> Result<BString>;

    /// Distribution: `debian`, `fedora`, …
    #[call(484)]
    fn inspect_get_distro(&mut self, root: &Mountable) -> Result<BString>;

    /// Package format: `deb`, `rpm`, …
    #[call(485)]
    fn inspect_get_package_format(&mut self, root: &Mountable) -> Result<BString>;

    /// Package manager: `apt`, `dnf`, …
    #[call(486)]
    fn inspect_get_package_management(&mut self, root: &Mountable) -> Result<BString>;

    /// Name of the product, for people.
    #[call(487)]
    fn inspect_get_product_name(&mut self, root: &Mountable) -> Result<BString>;

    /// Variant of the product.
    #[call(488)]
    fn inspect_get_product_variant(&mut self, root: &Mountable) -> Result<BString>;

    /// Major version, or 0.
    #[call(489)]
    fn inspect_get_major_version(&mut self, root: &Mountable) -> Result<i32>;

    /// Minor version, or 0.
    #[call(490)]
    fn inspect_get_minor_version(&mut self, root: &Mountable) -> Result<i32>;

    /// Architecture: `x86_64`, `aarch64`, …
    #[call(491)]
    fn inspect_get_arch(&mut self, root: &Mountable) -> Result<BString>;

    /// Host name.
    #[call(492)]
    fn inspect_get_hostname(&mut self, root: &Mountable) -> Result<BString>;

    /// Build ID.
    #[call(513)]
    fn inspect_get_build_id(&mut self, root: &Mountable) -> Result<BString>;

    /// How the system is there; `installed`.
    #[call(482)]
    fn inspect_get_format(&mut self, root: &Mountable) -> Result<BString>;

    /// Is this a live medium?
    #[call(497)]
    fn inspect_is_live(&mut self, root: &Mountable) -> Result<bool>;

    /// Is this a network installer?
    #[call(498)]
    fn inspect_is_netinst(&mut self, root: &Mountable) -> Result<bool>;

    /// Is this one of several media?
    #[call(499)]
    fn inspect_is_multipart(&mut self, root: &Mountable) -> Result<bool>;

    /// The Windows directory, as `/Windows`.
    #[call(493)]
    fn inspect_get_windows_systemroot(&mut self, root: &Mountable) -> Result<BString>;

    /// The registry's current control set.
    #[call(496)]
    fn inspect_get_windows_current_control_set(&mut self, root: &Mountable) -> Result<BString>;

    /// Path of the software hive.
    #[call(494)]
    fn inspect_get_windows_software_hive(&mut self, root: &Mountable) -> Result<BString>;

    /// Path of the system hive.
    #[call(495)]
    fn inspect_get_windows_system_hive(&mut self, root: &Mountable) -> Result<BString>;

    /// Does the registry hold group policies?
    #[call(521)]
    fn inspect_get_windows_group_policy(&mut self, root: &Mountable) -> Result<bool>;

    /// Where the guest mounts what: mountpoint, mountable.
    #[call(500)]
    fn inspect_get_mountpoints(&mut self, root: &Mountable) -> Result<Hashtable>;

    /// Filesystems that belong to the guest.
    #[call(501)]
    fn inspect_get_filesystems(&mut self, root: &Mountable) -> Result<Vec<BString>>;

    /// Drive letters of a Windows guest: letter, device.
    #[call(502)]
    fn inspect_get_drive_mappings(&mut self, root: &Mountable) -> Result<Hashtable>;

    /// The packages in the rpm database of what is mounted.
    #[call(510)]
    fn internal_list_rpm_applications(&mut self) -> Result<Vec<Application2>>;
}
