//! The structures that calls return, with their fields in wire order. Field names are libguestfs's own.

use bstr::BString;

use super::Trace;
use super::{Char, Uuid};
use crate::wire::xdr::{Decode, DecodeError, Encode, Reader};

/// A structure's names, for the list of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructureInfo {
    /// Name of the Rust type.
    pub rust_name: &'static str,
    /// Name in libguestfs.
    pub name: &'static str,
    /// Fields in wire order: name and Rust type.
    pub fields: &'static [(&'static str, &'static str)],
}

macro_rules! structures {
    ($($(#[$docs:meta])* struct $rust:ident = $name:literal { $($field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$docs])*
            #[derive(Debug, Clone, PartialEq, Default)]
            #[expect(missing_docs, reason = "fields are those of the system structure or program output of that name")]
            pub struct $rust { $(pub $field: $ty,)* }

            impl Encode for $rust {
                fn encode(&self, out: &mut Vec<u8>) {
                    $(self.$field.encode(out);)*
                }
            }

            impl<'a> Decode<'a> for $rust {
                fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
                    Ok($rust { $($field: input.value()?,)* })
                }
            }

            impl Trace for $rust {
                fn trace(&self, line: &mut String) {
                    line.push_str(concat!("<struct guestfs_", $name, " = "));
                    let mut separator = "";
                    $(
                        line.push_str(separator);
                        separator = ", ";
                        line.push_str(concat!(stringify!($field), ": "));
                        self.$field.trace(line);
                    )*
                    let _ = separator;
                    line.push('>');
                }
            }
        )*

        /// Every structure of the API.
        pub static STRUCTURES: &[StructureInfo] = &[$(StructureInfo {
            rust_name: stringify!($rust),
            name: $name,
            fields: &[$((stringify!($field), stringify!($ty))),*],
        }),*];
    };
}

structures! {
    /// An LVM2 physical volume, as `pvs` shows it. Sizes in bytes.
    struct LvmPv = "lvm_pv" {
        pv_name: BString,
        pv_uuid: Uuid,
        pv_fmt: BString,
        pv_size: i64,
        dev_size: i64,
        pv_free: i64,
        pv_used: i64,
        pv_attr: BString,
        pv_pe_count: i64,
        pv_pe_alloc_count: i64,
        pv_tags: BString,
        pe_start: i64,
        pv_mda_count: i64,
        pv_mda_free: i64,
    }
    /// An LVM2 volume group, as `vgs` shows it. Sizes in bytes.
    struct LvmVg = "lvm_vg" {
        vg_name: BString,
        vg_uuid: Uuid,
        vg_fmt: BString,
        vg_attr: BString,
        vg_size: i64,
        vg_free: i64,
        vg_sysid: BString,
        vg_extent_size: i64,
        vg_extent_count: i64,
        vg_free_count: i64,
        max_lv: i64,
        max_pv: i64,
        pv_count: i64,
        lv_count: i64,
        snap_count: i64,
        vg_seqno: i64,
        vg_tags: BString,
        vg_mda_count: i64,
        vg_mda_free: i64,
    }
    /// An LVM2 logical volume, as `lvs` shows it. Sizes in bytes; percentages -1 if they do not apply.
    struct LvmLv = "lvm_lv" {
        lv_name: BString,
        lv_uuid: Uuid,
        lv_attr: BString,
        lv_major: i64,
        lv_minor: i64,
        lv_kernel_major: i64,
        lv_kernel_minor: i64,
        lv_size: i64,
        seg_count: i64,
        origin: BString,
        snap_percent: f32,
        copy_percent: f32,
        move_pv: BString,
        lv_tags: BString,
        mirror_log: BString,
        modules: BString,
    }
    /// What stat(2) shows, with times in seconds.
    struct Stat = "stat" {
        dev: i64,
        ino: i64,
        mode: i64,
        nlink: i64,
        uid: i64,
        gid: i64,
        rdev: i64,
        size: i64,
        blksize: i64,
        blocks: i64,
        atime: i64,
        mtime: i64,
        ctime: i64,
    }
    /// What stat(2) shows, with times in seconds and nanoseconds. Sizes in bytes, `st_blocks` in units of 512 bytes.
    struct Statns = "statns" {
        st_dev: i64,
        st_ino: i64,
        st_mode: i64,
        st_nlink: i64,
        st_uid: i64,
        st_gid: i64,
        st_rdev: i64,
        st_size: i64,
        st_blksize: i64,
        st_blocks: i64,
        st_atime_sec: i64,
        st_atime_nsec: i64,
        st_mtime_sec: i64,
        st_mtime_nsec: i64,
        st_ctime_sec: i64,
        st_ctime_nsec: i64,
        st_spare1: i64,
        st_spare2: i64,
        st_spare3: i64,
        st_spare4: i64,
        st_spare5: i64,
        st_spare6: i64,
    }
    /// What statvfs(3) shows. Counts in units of `frsize` bytes.
    struct Statvfs = "statvfs" {
        bsize: i64,
        frsize: i64,
        blocks: i64,
        bfree: i64,
        bavail: i64,
        files: i64,
        ffree: i64,
        favail: i64,
        fsid: i64,
        flag: i64,
        namemax: i64,
    }
    /// A name of a directory; `ftyp` is one of `b c d f l s r u ?`.
    struct Dirent = "dirent" {
        ino: i64,
        ftyp: Char,
        name: BString,
    }
    /// An extended attribute.
    struct Xattr = "xattr" {
        attrname: BString,
        attrval: Vec<u8>,
    }
    /// A partition: number, and bounds in bytes (the end is its last byte).
    struct Partition = "partition" {
        part_num: i32,
        part_start: i64,
        part_end: i64,
        part_size: i64,
    }
    /// A mountable taken apart.
    struct InternalMountable = "internal_mountable" {
        im_type: i32,
        im_device: BString,
        im_volume: BString,
    }
    /// A btrfs subvolume: its number, that of the subvolume that it lies in, and its path.
    struct BtrfsSubvolume = "btrfssubvolume" {
        btrfssubvolume_id: u64,
        btrfssubvolume_top_level_id: u64,
        btrfssubvolume_path: BString,
    }

    /// The primary volume descriptor of an ISO 9660 image (ECMA-119, 8.4). Texts are without their padding, times in
    /// seconds since 1970, -1 where there is none.
    struct Isoinfo = "isoinfo" {
        iso_system_id: BString,
        iso_volume_id: BString,
        iso_volume_space_size: u32,
        iso_volume_set_size: u32,
        iso_volume_sequence_number: u32,
        iso_logical_block_size: u32,
        iso_volume_set_id: BString,
        iso_publisher_id: BString,
        iso_data_preparer_id: BString,
        iso_application_id: BString,
        iso_copyright_file_id: BString,
        iso_abstract_file_id: BString,
        iso_bibliographic_file_id: BString,
        iso_volume_creation_t: i64,
        iso_volume_modification_t: i64,
        iso_volume_expiration_t: i64,
        iso_volume_effective_t: i64,
    }

    /// What xfs_info(8) shows. Sizes in bytes, counts and stripes in blocks.
    struct Xfsinfo = "xfsinfo" {
        xfs_mntpoint: BString,
        xfs_inodesize: u32,
        xfs_agcount: u32,
        xfs_agsize: u32,
        xfs_sectsize: u32,
        xfs_attr: u32,
        xfs_blocksize: u32,
        xfs_datablocks: u64,
        xfs_imaxpct: u32,
        xfs_sunit: u32,
        xfs_swidth: u32,
        xfs_dirversion: u32,
        xfs_dirblocksize: u32,
        xfs_cimode: u32,
        xfs_logname: BString,
        xfs_logblocksize: u32,
        xfs_logblocks: u32,
        xfs_logversion: u32,
        xfs_logsectsize: u32,
        xfs_logsunit: u32,
        xfs_lazycount: u32,
        xfs_rtname: BString,
        xfs_rtextsize: u32,
        xfs_rtblocks: u64,
        xfs_rtextents: u64,
    }
    /// A btrfs quota group: its number, the bytes it refers to and those that only it refers to.
    struct BtrfsQgroup = "btrfsqgroup" {
        btrfsqgroup_id: BString,
        btrfsqgroup_rfer: u64,
        btrfsqgroup_excl: u64,
    }
    /// How far a balance of btrfs is: counts of block groups, `left` in percent.
    struct BtrfsBalance = "btrfsbalance" {
        btrfsbalance_status: BString,
        btrfsbalance_total: u64,
        btrfsbalance_balanced: u64,
        btrfsbalance_considered: u64,
        btrfsbalance_left: u64,
    }
    /// What a scrub of btrfs found.
    struct BtrfsScrub = "btrfsscrub" {
        btrfsscrub_data_extents_scrubbed: u64,
        btrfsscrub_tree_extents_scrubbed: u64,
        btrfsscrub_data_bytes_scrubbed: u64,
        btrfsscrub_tree_bytes_scrubbed: u64,
        btrfsscrub_read_errors: u64,
        btrfsscrub_csum_errors: u64,
        btrfsscrub_verify_errors: u64,
        btrfsscrub_no_csum: u64,
        btrfsscrub_csum_discards: u64,
        btrfsscrub_super_errors: u64,
        btrfsscrub_malloc_errors: u64,
        btrfsscrub_uncorrectable_errors: u64,
        btrfsscrub_unverified_errors: u64,
        btrfsscrub_corrected_errors: u64,
        btrfsscrub_last_physical: u64,
    }
    /// A device of an active MD array: its place among them, and its flags.
    struct Mdstat = "mdstat" {
        mdstat_device: BString,
        mdstat_index: i32,
        mdstat_flags: BString,
    }
    /// What uname(2) shows.
    struct Utsname = "utsname" {
        uts_sysname: BString,
        uts_release: BString,
        uts_version: BString,
        uts_machine: BString,
    }
    /// An event of inotify(7).
    struct InotifyEvent = "inotify_event" {
        in_wd: i64,
        in_mask: u32,
        in_cookie: u32,
        in_name: BString,
    }
    /// An installed application, as `inspect_list_applications` shows it.
    struct Application = "application" {
        app_name: BString,
        app_display_name: BString,
        app_epoch: i32,
        app_version: BString,
        app_release: BString,
        app_install_path: BString,
        app_trans_path: BString,
        app_publisher: BString,
        app_url: BString,
        app_source_package: BString,
        app_summary: BString,
        app_description: BString,
    }
    /// An installed application, as `inspect_list_applications2` shows it.
    struct Application2 = "application2" {
        app2_name: BString,
        app2_display_name: BString,
        app2_epoch: i32,
        app2_version: BString,
        app2_release: BString,
        app2_arch: BString,
        app2_install_path: BString,
        app2_trans_path: BString,
        app2_publisher: BString,
        app2_url: BString,
        app2_source_package: BString,
        app2_summary: BString,
        app2_description: BString,
        app2_class: BString,
        app2_spare2: BString,
        app2_spare3: BString,
        app2_spare4: BString,
    }
    /// A key of the registry hive that is open.
    struct HivexNode = "hivex_node" {
        hivex_node_h: i64,
    }
    /// A value of the registry hive that is open.
    struct HivexValue = "hivex_value" {
        hivex_value_h: i64,
    }
    /// Version of the library.
    struct Version = "version" {
        major: i64,
        minor: i64,
        release: i64,
        extra: BString,
    }
}
