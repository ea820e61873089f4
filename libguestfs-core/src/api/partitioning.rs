//! Calls that change devices as such: their partition tables, their settings, and what they hold as a whole.
#![expect(non_snake_case, reason = "names are libguestfs's own")]

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that change devices as such: their partition tables, their settings, and what they hold as a whole.
#[guestfs_api]
pub trait Partitioning: Host {
    // --- Partition tables

    /// Writes an empty partition table of kind `parttype` (`gpt`, `msdos`…) to `device`.
    #[call(208)]
    fn part_init(&mut self, device: &Device, parttype: &PlainString) -> Result<()>;

    /// Adds a partition from sector `startsect` to sector `endsect`, which counts from the end if negative. `prlogex`
    /// is `primary`, `logical` or `extended`, or the first letter of that; GPT has none of these.
    #[call(209)]
    fn part_add(
        &mut self,
        device: &Device,
        prlogex: &PlainString,
        startsect: i64,
        endsect: i64,
    ) -> Result<()>;

    /// Removes partition `partnum` from the table of `device`.
    #[call(233)]
    fn part_del(&mut self, device: &Device, partnum: i32) -> Result<()>;

    /// Gives `device` a new table with one partition over all of it.
    #[call(210)]
    fn part_disk(&mut self, device: &Device, parttype: &PlainString) -> Result<()>;

    /// Moves the end of partition `partnum` to sector `endsect`. What the partition holds stays as it is.
    #[call(477)]
    fn part_resize(&mut self, device: &Device, partnum: i32, endsect: i64) -> Result<()>;

    /// Sets or clears the boot mark of partition `partnum`.
    #[call(211)]
    fn part_set_bootable(&mut self, device: &Device, partnum: i32, bootable: bool) -> Result<()>;

    /// Sets the type byte of an MBR partition.
    #[call(236)]
    fn part_set_mbr_id(&mut self, device: &Device, partnum: i32, idbyte: i32) -> Result<()>;

    /// Names a GPT partition.
    #[call(212)]
    fn part_set_name(&mut self, device: &Device, partnum: i32, name: &PlainString) -> Result<()>;

    /// Sets the type GUID of a GPT partition.
    #[call(392)]
    fn part_set_gpt_type(&mut self, device: &Device, partnum: i32, guid: &Guid) -> Result<()>;

    /// Sets the unique GUID of a GPT partition.
    #[call(446)]
    fn part_set_gpt_guid(&mut self, device: &Device, partnum: i32, guid: &Guid) -> Result<()>;

    /// Sets the attribute bits of a GPT partition. Bits 3 to 47 are reserved.
    #[call(503)]
    fn part_set_gpt_attributes(&mut self, device: &Device, partnum: i32, attributes: i64) -> Result<()>;

    /// Sets the GUID of a disk with a GPT.
    #[call(459)]
    fn part_set_disk_guid(&mut self, device: &Device, guid: &Guid) -> Result<()>;

    /// Gives a disk with a GPT a new random GUID.
    #[call(461)]
    fn part_set_disk_guid_random(&mut self, device: &Device) -> Result<()>;

    /// Moves the backup of a GPT to the end of the disk, after an image has grown.
    #[call(462, group = "gdisk")]
    fn part_expand_gpt(&mut self, device: &Device) -> Result<()>;

    /// Has sfdisk partition `device` by lines of its script language; geometry 0 is the device's own.
    #[call(43)]
    fn sfdisk(
        &mut self,
        device: &Device,
        cyls: i32,
        heads: i32,
        sectors: i32,
        lines: &StringList,
    ) -> Result<()>;

    /// Has sfdisk partition `device` by lines whose sizes are in MiB.
    #[call(139)]
    fn sfdiskM(&mut self, device: &Device, lines: &StringList) -> Result<()>;

    /// Has sfdisk change partition `partnum` by one line.
    #[call(99)]
    fn sfdisk_N(
        &mut self,
        device: &Device,
        partnum: i32,
        cyls: i32,
        heads: i32,
        sectors: i32,
        line: &PlainString,
    ) -> Result<()>;

    /// The partition table of `device`, as `sfdisk -l` prints it.
    #[call(100)]
    fn sfdisk_l(&mut self, device: &Device) -> Result<BString>;

    /// The geometry that the kernel gives `device`, as `sfdisk -g` prints it.
    #[call(101)]
    fn sfdisk_kernel_geometry(&mut self, device: &Device) -> Result<BString>;

    /// The geometry that the table of `device` implies, as `sfdisk -G` prints it.
    #[call(102)]
    fn sfdisk_disk_geometry(&mut self, device: &Device) -> Result<BString>;

    // --- Settings of block devices

    /// Writes out what the kernel holds back for `device`, and forgets what it has read.
    #[call(64)]
    fn blockdev_flushbufs(&mut self, device: &Device) -> Result<()>;

    /// Has the kernel read the partition table of `device` again.
    #[call(65)]
    fn blockdev_rereadpt(&mut self, device: &Device) -> Result<()>;

    /// Does nothing: the size was never kept. There for old programs.
    #[call(61)]
    fn blockdev_setbsz(&mut self, device: &Device, blocksize: i32) -> Result<()>;

    /// Sets how far the kernel reads ahead on `device`, in sectors of 512 bytes.
    #[call(424)]
    fn blockdev_setra(&mut self, device: &Device, sectors: i32) -> Result<()>;

    /// Makes `device` read-only.
    #[call(56)]
    fn blockdev_setro(&mut self, device: &Device) -> Result<()>;

    /// Makes `device` writable.
    #[call(57)]
    fn blockdev_setrw(&mut self, device: &Device) -> Result<()>;

    // --- Clearing

    /// Zeroes the first 128 KiB of `device`: partition tables, superblocks. Blocks that are zero are not written.
    #[call(85, progress)]
    fn zero(&mut self, device: &Device, meter: &mut Meter<'_>) -> Result<()>;

    /// Zeroes all of `device`. Blocks that are zero are not written.
    #[call(228, progress)]
    fn zero_device(&mut self, device: &Device, meter: &mut Meter<'_>) -> Result<()>;

    /// Fills the free space of the filesystem at `directory` with zeros.
    #[call(311, progress)]
    fn zero_free_space(&mut self, directory: &Pathname, meter: &mut Meter<'_>) -> Result<()>;

    /// Zeroes the free blocks of an unmounted ext2 or ext3 filesystem on `device`.
    #[call(97, group = "zerofree")]
    fn zerofree(&mut self, device: &Device) -> Result<()>;

    /// Erases the signatures of filesystems, RAID and partition tables on `device`.
    #[call(306, group = "wipefs")]
    fn wipefs(&mut self, device: &Device) -> Result<()>;

    /// Writes patterns over `device`, so that what it held can't be recovered.
    #[call(114, group = "scrub")]
    fn scrub_device(&mut self, device: &Device) -> Result<()>;

    /// Writes patterns over a file and removes it.
    #[call(115, group = "scrub")]
    fn scrub_file(&mut self, file: &Pathname) -> Result<()>;

    /// Writes patterns over the free space of the filesystem that `dir` is made on.
    #[call(116, group = "scrub")]
    fn scrub_freespace(&mut self, dir: &Pathname) -> Result<()>;

    /// Discards all blocks of `device`.
    #[call(417, group = "blkdiscard")]
    fn blkdiscard(&mut self, device: &Device) -> Result<()>;

    /// Do discarded blocks of `device` read as zeros?
    #[call(418, group = "blkdiscardzeroes")]
    fn blkdiscardzeroes(&mut self, device: &Device) -> Result<bool>;

    /// Discards the free space of the filesystem at `mountpoint`: all, or in the given range of bytes.
    #[call(334, optional(offset: i64, length: i64, minimumfreeextent: i64), group = "fstrim")]
    fn fstrim(&mut self, mountpoint: &Pathname, opts: &FstrimOpts) -> Result<()>;
}
