//! One guest: every filesystem that it has, mounted alone and asked how full it is.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Guestfs;
use libguestfs_core::api::Statvfs;
use virt_common::options::CommonOptions;
use virt_common::{Error, NO_APPLIANCE, Result, launch, needs_appliance};

use crate::options::Guest;

/// What the library calls a content that it can't name.
const UNKNOWN: &str = "unknown";

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
}

/// Examines a guest; with `names` also labels and UUIDs of filesystems.
pub(crate) fn examine(guest: &Guest, common: &CommonOptions, names: bool) -> Examined {
    let mut examined = Examined::default();
    let done = launch(&guest.disks, common).and_then(|handle| {
        examined.is_open = true;
        look(&handle, guest, names, &mut examined)
    });
    examined.failures.extend(done.err());
    examined
}

fn look(handle: &Guestfs, guest: &Guest, names: bool, examined: &mut Examined) -> Result<()> {
    let about_guest = |error| about(format_args!("{}", guest.name), error);
    for (mountable, kind) in handle.list_filesystems().map_err(about_guest)?.0 {
        if kind.is_empty() || kind == "swap" {
            continue;
        }
        let target = mountable.as_bstr();
        let space = if kind == UNKNOWN { unknown(handle, target) } else { space(handle, target).map(Some) };
        let gone = space.is_err() && !handle.is_ready();
        let device = handle.canonical_device_name(&mountable).unwrap_or_else(|_| mountable.clone());
        let Some(space) = space.map_err(|e| about(format_args!("{}:{device}", guest.name), e)).transpose()
        else {
            continue;
        };
        examined.filesystems.push(Filesystem {
            device,
            kind,
            label: if names { handle.vfs_label(target).unwrap_or_default() } else { BString::default() },
            uuid: if names { handle.vfs_uuid(target).unwrap_or_default() } else { BString::default() },
            space,
        });
        if gone {
            // Its last words were those of this filesystem.
            return Ok(());
        }
    }
    // Where arrays can't be put together, the list of filesystems lacks what is on them.
    handle.list_md_devices().map_err(about_guest)?;
    Ok(handle.shutdown()?)
}

fn space(handle: &Guestfs, mountable: &BStr) -> libguestfs_core::Result<Statvfs> {
    handle.mount_ro(mountable, "/")?;
    let space = handle.statvfs("/");
    handle.umount_all()?;
    space
}

/// What holds nothing that has a name is passed over, unless the reason is that it can't be read here.
fn unknown(handle: &Guestfs, mountable: &BStr) -> libguestfs_core::Result<Option<Statvfs>> {
    handle.vfs_type(mountable).map(|_| None)
}

fn about(what: std::fmt::Arguments<'_>, error: libguestfs_core::Error) -> Error {
    let hint = needs_appliance(&error);
    let error = Error::new(format!("{what}: {}", Error::from(error)));
    if hint { error.hint(NO_APPLIANCE) } else { error }
}
