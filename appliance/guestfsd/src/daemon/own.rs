//! The daemon's side of the calls that libguestfs does not have.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::*;

use crate::Guestfsd;

impl Own for Guestfsd {
    answer! {
        internal_inspect_notes() -> Vec<BString>;
        internal_inspect_snapshots(root: &Mountable) -> Vec<BString>;
        internal_inspect_deployment(root: &Mountable) -> BString;
    }
}
