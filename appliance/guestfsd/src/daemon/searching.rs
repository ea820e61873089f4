//! The calls that look for something in files.

use libguestfs_core::api::Searching;

use super::Guestfsd;

impl Searching for Guestfsd {}
