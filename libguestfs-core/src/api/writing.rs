//! Calls that change files, directories and their attributes.

use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that change files, directories and their attributes.
#[guestfs_api]
pub trait Writing: Host {}
