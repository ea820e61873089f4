//! One guest: every filesystem that it has, mounted alone and asked how full it is.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::api::Statvfs;
use libguestfs_core::{Errno, Guestfs};
use virt_common::{Ask, Error, Guest, Result, decrypt, launch, needs_appliance, with_appliance_hint};

use crate::options::Options;

/// What the library calls a content that it can't name.
const UNKNOWN: &str = "unknown";

/// The hint where a volume is listed but not there.
const INACTIVE: &str = "a disk of its volume group is missing, or it is not meant to be active";

/// What was found of a guest.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    /// Could its disks be opened?
    pub(crate) is_open: bool,
    /// Its filesystems, in the library's order.
    pub(crate) filesystems: Vec<Filesystem>,
    /// What kept it, or the rest of it, from being examined.
    pub(crate) failures: Vec<Error>,
}

/// A filesystem.
#[derive(Debug)]
pub(crate) struct Filesystem {
    /// Canonical name of its device, or another mountable.
    pub(crate) device: BString,
    /// Type, as `vfs_type` has it.
    pub(crate) kind: BString,
    /// Label; only looked for if asked for.
    pub(crate) label: BString,
    /// UUID; only looked for if asked for.
    pub(crate) uuid: BString,
    /// What statvfs(3) shows, or why it can't be had.
    pub(crate) space: Result<Statvfs>,
    /// What of it may be stale.
    pub(crate) warnings: Vec<Error>,
}

/// Examines a guest, with labels and UUIDs of filesystems if those are printed.
pub(crate) fn examine(guest: &Guest, options: &Options) -> Examined {
    let mut examined = Examined::default();
    let done =
        guest.disks().and_then(|disks| launch(disks, &options.common, &options.keys)).and_then(|handle| {
            examined.is_open = true;
            // Nobody is asked: a table without what is encrypted is right too.
            if options.keys.given() {
                decrypt(&handle, &options.keys, Ask::Nobody)?;
            }
            look(&handle, guest, options.json, &mut examined)
        });
    examined.failures.extend(done.err());
    examined
}

fn look(handle: &Guestfs, guest: &Guest, names: bool, examined: &mut Examined) -> Result<()> {
    let about_guest = |error| about(handle, format_args!("{}", guest.name), error);
    for (mountable, kind) in handle.list_filesystems().map_err(about_guest)?.0 {
        if kind.is_empty() || kind == "swap" {
            continue;
        }
        examined.filesystems.extend(filesystem(handle, guest, mountable.as_bstr(), kind, names));
        if !handle.is_ready() {
            // The daemon's last words were those of this filesystem.
            return Ok(());
        }
    }
    // Where arrays can't be put together, the list of filesystems lacks what is on them.
    handle.list_md_devices().map_err(about_guest)?;
    Ok(handle.shutdown()?)
}

/// One entry of the library's list; `None` if it holds nothing that has a name.
fn filesystem(
    handle: &Guestfs,
    guest: &Guest,
    mountable: &BStr,
    kind: BString,
    names: bool,
) -> Option<Filesystem> {
    let mut warnings = Vec::new();
    let space = if kind == UNKNOWN {
        // What can't even be looked at has no name either, and does not go unsaid.
        Err(handle.vfs_type(mountable).err()?)
    } else {
        space(handle, mountable, &mut warnings)
    };
    let warnings =
        warnings.into_iter().map(|text: BString| Error::new(format!("{}:{text}", guest.name))).collect();
    let device = handle.canonical_device_name(mountable).unwrap_or_else(|_| mountable.to_owned());
    let space = space.map_err(|error| {
        let is_unreadable = error.errno().is_some_and(|errno| matches!(errno, Errno::EIO | Errno::EUCLEAN));
        let is_missing = kind == UNKNOWN && !needs_appliance(&error) && !is_unreadable;
        let error = about(handle, format_args!("{}:{device}", guest.name), error);
        if is_missing { error.hint(INACTIVE) } else { error }
    });
    let name = |name: libguestfs_core::Result<BString>| name.unwrap_or_default();
    let (label, uuid) = if names {
        (name(handle.vfs_label(mountable)), name(handle.vfs_uuid(mountable)))
    } else {
        Default::default()
    };
    Some(Filesystem { device, kind, label, uuid, space, warnings })
}

fn space(
    handle: &Guestfs,
    mountable: &BStr,
    warnings: &mut Vec<BString>,
) -> libguestfs_core::Result<Statvfs> {
    handle.mount_ro(mountable, "/")?;
    let space = handle.statvfs("/");
    let stale = handle.mount_warnings();
    handle.umount_all()?;
    warnings.extend(stale?);
    space
}

fn about(handle: &Guestfs, what: std::fmt::Arguments<'_>, error: libguestfs_core::Error) -> Error {
    let hint = needs_appliance(&error);
    let error = Error::new(format!("{what}: {}", Error::from(error)));
    if hint { with_appliance_hint(handle, error) } else { error }
}
