//! The programs that calls need: one table. What the host has of it goes into the appliance, with libraries; a call whose
//! program is missing says so when it is made.

/// A program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// Its name in one of [`DIRECTORIES`].
    pub(crate) name: &'static str,
    /// The package that has it, by Debian's name.
    pub(crate) package: &'static str,
    /// The calls that run it, or what else does.
    #[cfg_attr(not(test), expect(dead_code, reason = "says why the program is in the table"))]
    pub(crate) calls: &'static str,
}

/// Where programs are, first hit first: the daemon's own path.
pub(crate) const DIRECTORIES: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const fn p(name: &'static str, package: &'static str, calls: &'static str) -> Program {
    Program { name, package, calls }
}

/// All programs.
#[rustfmt::skip]
pub(crate) const PROGRAMS: &[Program] = &[
    // --- partitions
    p("parted", "parted", "part_add, part_del, part_disk, part_init, part_set_bootable, part_set_name"),
    p("sfdisk", "fdisk", "part_set_mbr_id, part_set_gpt_type, part_set_gpt_guid, part_resize"),
    p("sgdisk", "gdisk", "part_expand_gpt, part_set_disk_guid, part_set_gpt_attributes"),
    p("blockdev", "util-linux", "blockdev_*"),
    p("partx", "util-linux", "partitions read anew"),
    p("wipefs", "util-linux", "wipefs"),
    p("blkid", "util-linux", "blkid, vfs_*, findfs_*"),
    p("blkdiscard", "util-linux", "blkdiscard, blkdiscardzeroes"),
    p("losetup", "mount", "mount_loop"),

    // --- mounts and what runs for them
    p("mount", "mount", "mount_loop, mounts with helpers"),
    p("umount", "mount", "umount with helpers"),
    p("mount.ntfs", "ntfs-3g", "mounts of ntfs"),
    p("mount.ntfs-3g", "ntfs-3g", "mounts of ntfs"),
    p("mount.lowntfs-3g", "ntfs-3g", "mounts of ntfs"),
    p("fusermount", "fuse", "unmounts of FUSE filesystems"),
    p("fusermount3", "fuse3", "unmounts of FUSE filesystems"),
    p("fstrim", "util-linux", "fstrim"),
    p("kmod", "kmod", "modprobe"),
    p("modprobe", "kmod", "modprobe, modules that the kernel asks for"),

    // --- ext2, ext3, ext4
    p("mke2fs", "e2fsprogs", "mke2fs*, mke2journal*"),
    p("mkfs.ext2", "e2fsprogs", "mkfs"),
    p("mkfs.ext3", "e2fsprogs", "mkfs"),
    p("mkfs.ext4", "e2fsprogs", "mkfs"),
    p("e2fsck", "e2fsprogs", "e2fsck*, resize2fs*"),
    p("fsck.ext2", "e2fsprogs", "fsck"),
    p("fsck.ext3", "e2fsprogs", "fsck"),
    p("fsck.ext4", "e2fsprogs", "fsck"),
    p("tune2fs", "e2fsprogs", "tune2fs*, set_e2uuid, set_e2generation"),
    p("e2label", "e2fsprogs", "set_e2label"),
    p("resize2fs", "e2fsprogs", "resize2fs*"),
    p("dumpe2fs", "e2fsprogs", "get_e2generation"),
    p("e2image", "e2fsprogs", "minimising copies"),
    p("debugfs", "e2fsprogs", "get_e2generation"),
    p("chattr", "e2fsprogs", "set_e2attrs"),
    p("lsattr", "e2fsprogs", "get_e2attrs"),
    p("zerofree", "zerofree", "zerofree"),

    // --- xfs
    p("mkfs.xfs", "xfsprogs", "mkfs"),
    p("fsck.xfs", "xfsprogs", "fsck"),
    p("xfs_admin", "xfsprogs", "xfs_admin, set_label, set_uuid"),
    p("xfs_db", "xfsprogs", "xfs_admin, xfs_info"),
    p("xfs_growfs", "xfsprogs", "xfs_growfs"),
    p("xfs_info", "xfsprogs", "xfs_info"),
    p("xfs_io", "xfsprogs", "xfs_admin -O"),
    p("xfs_repair", "xfsprogs", "xfs_repair"),
    p("xfs_spaceman", "xfsprogs", "xfs_info"),

    // --- btrfs
    p("btrfs", "btrfs-progs", "btrfs_*"),
    p("btrfs-image", "btrfs-progs", "btrfs_image"),
    p("btrfstune", "btrfs-progs", "btrfstune_*, set_uuid_random"),
    p("fsck.btrfs", "btrfs-progs", "fsck"),
    p("mkfs.btrfs", "btrfs-progs", "mkfs, mkfs_btrfs"),

    // --- fat, exfat, ntfs
    p("mkfs.fat", "dosfstools", "mkfs"),
    p("mkfs.vfat", "dosfstools", "mkfs"),
    p("mkfs.msdos", "dosfstools", "mkfs"),
    p("fsck.fat", "dosfstools", "fsck"),
    p("fsck.vfat", "dosfstools", "fsck"),
    p("fatlabel", "dosfstools", "set_label, vfs_label"),
    p("mtools", "mtools", "syslinux"),
    p("mlabel", "mtools", "set_uuid of fat"),
    p("mattrib", "mtools", "syslinux"),
    p("mcopy", "mtools", "syslinux"),
    p("mmove", "mtools", "syslinux"),
    p("mkfs.exfat", "exfatprogs", "mkfs"),
    p("fsck.exfat", "exfatprogs", "fsck"),
    p("exfatlabel", "exfatprogs", "set_label"),
    p("tune.exfat", "exfatprogs", "set_label, set_uuid"),
    p("mkntfs", "ntfs-3g", "mkfs"),
    p("mkfs.ntfs", "ntfs-3g", "mkfs"),
    p("ntfs-3g", "ntfs-3g", "mounts of ntfs"),
    p("ntfs-3g.probe", "ntfs-3g", "ntfs_3g_probe"),
    p("ntfscat", "ntfs-3g", "ntfscat_i"),
    p("ntfsclone", "ntfs-3g", "ntfsclone_in, ntfsclone_out"),
    p("ntfsfix", "ntfs-3g", "ntfsfix"),
    p("ntfsinfo", "ntfs-3g", "vfs_minimum_size"),
    p("ntfslabel", "ntfs-3g", "set_label, set_uuid"),
    p("ntfsresize", "ntfs-3g", "ntfsresize*, vfs_minimum_size"),

    // --- other filesystems, swap
    p("mkfs.f2fs", "f2fs-tools", "mkfs"),
    p("fsck.f2fs", "f2fs-tools", "fsck"),
    p("resize.f2fs", "f2fs-tools", "f2fs_expand"),
    p("mkfs.minix", "util-linux", "mkfs"),
    p("fsck.minix", "util-linux", "fsck"),
    p("mkfs.nilfs2", "nilfs-tools", "mkfs"),
    p("nilfs-tune", "nilfs-tools", "set_label, set_uuid"),
    p("mkfs.jfs", "jfsutils", "mkfs"),
    p("fsck.jfs", "jfsutils", "fsck"),
    p("mkfs.reiserfs", "reiserfsprogs", "mkfs"),
    p("reiserfstune", "reiserfsprogs", "set_label, set_uuid"),
    p("mkfs", "util-linux", "mkfs"),
    p("fsck", "util-linux", "fsck"),
    p("mkswap", "util-linux", "mkswap*"),
    p("swapon", "mount", "swapon_*"),
    p("swapoff", "mount", "swapoff_*"),
    p("swaplabel", "util-linux", "set_label, set_uuid"),
    p("mksquashfs", "squashfs-tools", "mksquashfs"),

    // --- volumes
    p("lvm", "lvm2", "lvm_*, pv*, vg*, lv*"),
    p("dmsetup", "dmsetup", "list_dm_devices, lvm_remove_all"),
    p("pdata_tools", "thin-provisioning-tools", "thin and cached volumes"),
    p("thin_check", "thin-provisioning-tools", "thin volumes"),
    p("thin_dump", "thin-provisioning-tools", "thin volumes"),
    p("thin_repair", "thin-provisioning-tools", "thin volumes"),
    p("cache_check", "thin-provisioning-tools", "cached volumes"),
    p("mdadm", "mdadm", "md_*"),
    p("cryptsetup", "cryptsetup-bin", "luks_*, cryptsetup_*"),
    p("ldmtool", "ldmtool", "ldmtool_*"),

    // --- files and archives
    p("file", "file", "file"),
    p("tar", "tar", "tar_in, tar_out, tgz_*, txz_*"),
    p("cpio", "cpio", "cpio_out"),
    p("gzip", "gzip", "compress_*, tgz_*, zgrep"),
    p("bzip2", "bzip2", "compress_*, tar_* with compress"),
    p("xz", "xz-utils", "compress_*, txz_*"),
    p("zstd", "zstd", "compress_*, tar_* with compress"),
    p("lzop", "lzop", "compress_*, tar_* with compress"),
    p("rsync", "rsync", "rsync*"),
    p("scrub", "scrub", "scrub_*"),
    p("hexdump", "bsdextrautils", "hexdump"),
    p("grep", "grep", "grep*, egrep*, fgrep*, zgrep*"),
    p("egrep", "grep", "egrep*"),
    p("fgrep", "grep", "fgrep*"),
    p("zgrep", "gzip", "zgrep*, zegrep*, zfgrep*"),
    p("find", "findutils", "debug"),
    p("sed", "sed", "scripts of xfsprogs, zgrep"),
    p("augtool", "augeas-tools", "aug_*"),
    p("setfiles", "policycoreutils", "selinux_relabel, setfiles"),
    p("getcap", "libcap2-bin", "cap_get_file"),
    p("setcap", "libcap2-bin", "cap_set_file"),

    // --- boot loaders
    p("syslinux", "syslinux", "syslinux"),
    p("extlinux", "extlinux", "extlinux"),

    // --- the rest of a small system
    p("sh", "dash", "scripts, debug sh"),
    p("basename", "coreutils", "scripts"),
    p("cat", "coreutils", "scripts, debug sh"),
    p("chmod", "coreutils", "debug sh"),
    p("cp", "coreutils", "cp, cp_a, cp_r, mv between filesystems"),
    p("cut", "coreutils", "scripts"),
    p("dd", "coreutils", "debug sh"),
    p("df", "coreutils", "df, df_h"),
    p("dirname", "coreutils", "scripts"),
    p("du", "coreutils", "du"),
    p("echo", "coreutils", "scripts"),
    p("env", "coreutils", "debug env"),
    p("head", "coreutils", "debug sh"),
    p("ls", "coreutils", "ll, llz, debug ls"),
    p("mkdir", "coreutils", "debug sh"),
    p("mktemp", "coreutils", "scripts"),
    p("mv", "coreutils", "mv"),
    p("od", "coreutils", "debug sh"),
    p("readlink", "coreutils", "scripts"),
    p("rm", "coreutils", "rm_rf"),
    p("sleep", "coreutils", "debug sh"),
    p("sort", "coreutils", "scripts"),
    p("stat", "coreutils", "debug sh"),
    p("sync", "coreutils", "debug sh"),
    p("tail", "coreutils", "debug sh"),
    p("tr", "coreutils", "scripts"),
    p("uname", "coreutils", "debug sh"),
    p("wc", "coreutils", "debug sh"),
    p("ip", "iproute2", "network of the appliance"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_program_is_in_the_table_once_and_says_what_for() {
        let mut names = BTreeSet::new();
        for program in PROGRAMS {
            assert!(names.insert(program.name), "{} is there twice", program.name);
            assert!(!program.package.is_empty() && !program.calls.is_empty(), "{}", program.name);
            assert!(!program.name.contains('/'), "{}", program.name);
        }
    }
}
