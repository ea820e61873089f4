//! The calls that change devices as such.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::{Device, FstrimOpts, Guid, Partitioning, Pathname, PlainString, StringList};
use libguestfs_core::server::Meter;

use super::Guestfsd;

impl Partitioning for Guestfsd {
    answer! {
        part_init(device: &Device, parttype: &PlainString) -> ();
        part_add(device: &Device, prlogex: &PlainString, startsect: i64, endsect: i64) -> ();
        part_del(device: &Device, partnum: i32) -> ();
        part_disk(device: &Device, parttype: &PlainString) -> ();
        part_resize(device: &Device, partnum: i32, endsect: i64) -> ();
        part_set_bootable(device: &Device, partnum: i32, bootable: bool) -> ();
        part_set_mbr_id(device: &Device, partnum: i32, idbyte: i32) -> ();
        part_set_name(device: &Device, partnum: i32, name: &PlainString) -> ();
        part_set_gpt_type(device: &Device, partnum: i32, guid: &Guid) -> ();
        part_set_gpt_guid(device: &Device, partnum: i32, guid: &Guid) -> ();
        part_set_gpt_attributes(device: &Device, partnum: i32, attributes: i64) -> ();
        part_set_disk_guid(device: &Device, guid: &Guid) -> ();
        part_set_disk_guid_random(device: &Device) -> ();
        part_expand_gpt(device: &Device) -> ();
        sfdisk(device: &Device, cyls: i32, heads: i32, sectors: i32, lines: &StringList) -> ();
        sfdiskM(device: &Device, lines: &StringList) -> ();
        sfdisk_N(device: &Device, partnum: i32, cyls: i32, heads: i32, sectors: i32, line: &PlainString) -> ();
        sfdisk_l(device: &Device) -> BString;
        sfdisk_kernel_geometry(device: &Device) -> BString;
        sfdisk_disk_geometry(device: &Device) -> BString;

        blockdev_flushbufs(device: &Device) -> ();
        blockdev_rereadpt(device: &Device) -> ();
        blockdev_setbsz(device: &Device, blocksize: i32) -> ();
        blockdev_setra(device: &Device, sectors: i32) -> ();
        blockdev_setro(device: &Device) -> ();
        blockdev_setrw(device: &Device) -> ();

        zero(device: &Device, meter: &mut Meter<'_>) -> ();
        zero_device(device: &Device, meter: &mut Meter<'_>) -> ();
        zero_free_space(directory: &Pathname, meter: &mut Meter<'_>) -> ();
        zerofree(device: &Device) -> ();
        wipefs(device: &Device) -> ();
        scrub_device(device: &Device) -> ();
        scrub_file(file: &Pathname) -> ();
        scrub_freespace(dir: &Pathname) -> ();
        blkdiscard(device: &Device) -> ();
        blkdiscardzeroes(device: &Device) -> bool;
        fstrim(mountpoint: &Pathname, opts: &FstrimOpts) -> ();
    }
}
