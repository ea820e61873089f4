//! Volumes put together from partitions and disks: Linux software RAID, LVM2, Windows dynamic disks; and devices that are
//! decrypted: LUKS.

pub mod ldm;
pub mod luks;
pub mod lvm2;
mod map;
pub mod md;
mod redundant;
mod refusal;
