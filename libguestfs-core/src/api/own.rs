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

    /// What `inspect_os` could not read and no other engine could either, and why: a device or other mountable and a
    /// sentence for people each. It may hold a system, or a part of one that was found: the result may lack something. If
    /// `inspect_os` answered that it needs an appliance for the rest, what it found without is there nevertheless.
    #[call(1_000_013)]
    fn internal_inspect_unread(&mut self) -> Result<Vec<BString>>;

    /// Mountables of the snapshots of a root that `inspect_os` found. They are no roots themselves.
    #[call(1_000_011)]
    fn internal_inspect_snapshots(&mut self, root: &Mountable) -> Result<Vec<BString>>;

    /// The directory of the root filesystem that the system runs as its `/`. It is `/`, but for an ostree deployment.
    #[call(1_000_012)]
    fn internal_inspect_deployment(&mut self, root: &Mountable) -> Result<BString>;

    /// Mounts, read-only, what a system sees that ostree runs from the directory `deployment` of the filesystem on `root`: that
    /// directory as `/`, the `/var` of its stateroot, and the whole filesystem at `/sysroot`. Nothing may be mounted
    /// yet; what the system mounts besides can be mounted afterwards.
    #[call(1_000_014, replayed)]
    fn internal_mount_deployment(&mut self, root: &Mountable, deployment: &PlainString) -> Result<()>;

    /// A key of a registry hive and all below it, as `form` says: `reg`, a `.reg` file's text as hivexregedit writes it,
    /// without its first line; `reg-printable`, the same with strings as text; or `json`, objects with commas between
    /// them. With `value`, only that value is sent (the default value if it is empty): in JSON, or `plain`, as hivexget prints it.
    /// `prefix` stands before the path of each key, and at most `maxdepth` levels of keys are sent. The hive is a file
    /// of the guest, whose logs are found beside it, or a device that holds nothing else, with its logs on `logs`.
    #[call(1_000_020, optional(form: PlainString, prefix: PlainString, maxdepth: i32, value: PlainString), cancellable)]
    fn internal_registry_export(
        &mut self,
        hive: &DevOrPath,
        logs: &DeviceList,
        key: &PlainString,
        content: &mut FileOut<'_>,
        opts: &InternalRegistryExportOpts,
    ) -> Result<()>;

    /// What the last call met in the registry hive that it read: what of its logs was applied, then what is damaged, a
    /// sentence for people each.
    #[call(1_000_021)]
    fn internal_registry_notes(&mut self) -> Result<Vec<BString>>;

    /// Where the key of a Windows registry is, such as `HKLM\SOFTWARE\Microsoft`: the hive's path in the guest, what the
    /// paths of its keys begin with, and the key's path in the hive. `systemroot` is the directory that Windows is in.
    #[call(1_000_022)]
    fn internal_registry_locate(&mut self, systemroot: &Pathname, key: &PlainString) -> Result<Vec<BString>>;

    /// A piece of a `.reg` file, the last one if `ends`: its changes come after those of earlier files. `file` is its name
    /// for messages, and `encoding`, `UTF-16LE` or `ASCII`, how its strings are stored.
    #[call(1_000_023, replayed)]
    fn internal_registry_change(
        &mut self,
        file: &PlainString,
        encoding: &PlainString,
        text: &Buffer,
        ends: bool,
    ) -> Result<()>;

    /// The hives in the guest that these changes are for, as `internal_registry_locate` finds them.
    #[call(1_000_024, replayed)]
    fn internal_registry_hives(&mut self, systemroot: &Pathname) -> Result<Vec<BString>>;

    /// A hive as it is with its changes, sound by the strictest reading. Nothing is written. The hive is given as to
    /// `internal_registry_export`; all changes are for a hive on a device, and `prefix` is what their keys begin with.
    #[call(1_000_025, cancellable)]
    fn internal_registry_merge(
        &mut self,
        hive: &DevOrPath,
        logs: &DeviceList,
        prefix: &PlainString,
        image: &mut FileOut<'_>,
    ) -> Result<()>;

    /// Puts a new hive in the place of an old one, and empties its logs. Whatever happens, there is the one or the other. The
    /// old hive and its logs are kept as copies whose names have `backup` after that of the hive, unless it is empty.
    #[call(1_000_026, cancellable)]
    fn internal_registry_replace(
        &mut self,
        path: &Pathname,
        image: &mut FileIn<'_>,
        backup: &PlainString,
    ) -> Result<()>;

    /// What may be stale in what is mounted, because its filesystem was not left clean and is read as it is: its device and
    /// a sentence for people each.
    #[call(1_000_030)]
    fn internal_mount_warnings(&mut self) -> Result<Vec<BString>>;
}
