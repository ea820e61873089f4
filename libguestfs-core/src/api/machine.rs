//! Calls about the machine of the daemon: commands, optional features, kernel modules.

use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls about the machine of the daemon: commands, optional features, kernel modules.
#[guestfs_api]
pub trait Machine: Host {}
