//! Volumes put together from partitions and disks: LVM2.
