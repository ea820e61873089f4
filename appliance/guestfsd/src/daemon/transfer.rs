//! The calls that move content.

use libguestfs_core::api::Transfer;

use super::Guestfsd;

impl Transfer for Guestfsd {}
