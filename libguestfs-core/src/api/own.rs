//! Calls that libguestfs does not have. A daemon of libguestfs answers them with "unknown procedure number"; what uses
//! them goes on without.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// The number of our first own call: far above libguestfs's, which count on from 522.
pub const FIRST_OWN_PROCEDURE: u32 = 1_000_001;

/// Calls that libguestfs does not have.
#[guestfs_api]
pub trait Own: Host {
    /// The packages of what is mounted, with all that is known of them, for the operating system on `root`: those in
    /// databases of one format (as `inspect_get_package_format` names it, or `pkg`, `snap`, `flatpak`), or of all if
    /// `format` is empty. The file has the form that [`packages`](crate::packages) describes.
    #[call(1_000_001)]
    fn internal_list_packages(
        &mut self,
        root: &Mountable,
        format: &PlainString,
        packages: &mut FileOut<'_>,
    ) -> Result<()>;

    /// What `inspect_os` passed over or doubts, and why: a sentence for people each.
    #[call(1_000_010)]
    fn internal_inspect_notes(&mut self) -> Result<Vec<BString>>;

    /// Mountables of the snapshots of a root that `inspect_os` found. They are no roots themselves.
    #[call(1_000_011)]
    fn internal_inspect_snapshots(&mut self, root: &Mountable) -> Result<Vec<BString>>;

    /// The directory of the root filesystem that the system runs as its `/`. It is `/`, but for an ostree deployment.
    #[call(1_000_012)]
    fn internal_inspect_deployment(&mut self, root: &Mountable) -> Result<BString>;
}
