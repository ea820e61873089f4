//! Calls that make and change partitions and filesystems, and look at them with programs.

use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that make and change partitions and filesystems, and look at them with programs.
#[guestfs_api]
pub trait Storage: Host {}
