//! The daemon's side of the calls that libguestfs does not have.

use bstr::BString;
use libguestfs_core::Result;
use libguestfs_core::api::*;
use libguestfs_core::server::{FileIn, FileOut};

use crate::Guestfsd;

impl Own for Guestfsd {
    answer! {
        internal_list_packages(root: &Mountable, format: &PlainString, packages: &mut FileOut<'_>) -> ();
        internal_inspect_notes() -> Vec<BString>;
        internal_inspect_unread() -> Vec<BString>;
        internal_inspect_snapshots(root: &Mountable) -> Vec<BString>;
        internal_inspect_deployment(root: &Mountable) -> BString;
        internal_mount_deployment(root: &Mountable, deployment: &PlainString) -> ();
        internal_registry_export(hive: &DevOrPath, logs: &DeviceList, key: &PlainString, content: &mut FileOut<'_>, opts: &InternalRegistryExportOpts) -> ();
        internal_registry_notes() -> Vec<BString>;
        internal_mount_warnings() -> Vec<BString>;
        internal_registry_locate(systemroot: &Pathname, key: &PlainString) -> Vec<BString>;
        internal_registry_change(file: &PlainString, encoding: &PlainString, text: &Buffer, ends: bool) -> ();
        internal_registry_hives(systemroot: &Pathname) -> Vec<BString>;
        internal_registry_merge(hive: &DevOrPath, logs: &DeviceList, prefix: &PlainString, image: &mut FileOut<'_>) -> ();
        internal_registry_replace(path: &Pathname, image: &mut FileIn<'_>, backup: &PlainString) -> ();
    }
}
