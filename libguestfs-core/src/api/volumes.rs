//! Calls about what lies between disks and filesystems: LVM, software RAID, encryption; and subvolumes of btrfs.

use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls about what lies between disks and filesystems: LVM, software RAID, encryption; and subvolumes of btrfs.
#[guestfs_api]
pub trait Volumes: Host {}
