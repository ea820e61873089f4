//! Volumes put together from partitions and disks: LVM2, and Windows dynamic disks.

pub mod ldm;
pub mod lvm2;
mod map;
mod refusal;
