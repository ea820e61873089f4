//! Volumes put together from partitions and disks: LVM2.

pub mod lvm2;
