//! From options to a handle with the guest's filesystems mounted, read-only.

use std::ffi::OsString;

use bstr::{BStr, BString, ByteSlice};
use clap::ArgMatches;
use libguestfs_core::handle::{Decrypted, Locked};
use libguestfs_core::{AddDriveOpts, ErrorKind, Guestfs, NEEDS_APPLIANCE};

use crate::options::{CommonOptions, Disk};
use crate::{
    Ask, Error, GuestOptions, GuestPaths, KeyOptions, Mount, Result, Session, about_locked, decrypt,
    operands, waiting,
};

/// The hint where an appliance is needed and the user has chosen to have none.
const EMBEDDED_ONLY: &str = "LIBGUESTFS_BACKEND=embedded rules an appliance out; without it one takes over";

/// A guest that is open, and the operands that are left for the tool.
#[derive(Debug)]
pub struct Opened {
    /// The handle: launched, with filesystems mounted.
    pub handle: Guestfs,
    /// What the tool works on.
    pub operands: Vec<OsString>,
    /// Finds what the user's paths name.
    pub paths: GuestPaths,
}

/// Opens the guest that the command line names: disks, launch, encrypted devices, then the mounts of `-m`, or those of
/// the one operating system that inspection finds. `what` says what an operand is.
///
/// With `-m`, nothing is decrypted unless keys are given; the name of an encrypted device then stands for what is in it.
///
/// # Errors
/// If there is nothing to work on; with a hint where the user can help.
pub fn open(
    guest: &GuestOptions,
    common: &CommonOptions,
    operands: &[OsString],
    what: &str,
    matches: &ArgMatches,
    session: &mut Session,
) -> Result<Opened> {
    let (disks, operands) = operands::split(Disk::from_matches(matches)?, operands, what, matches)?;
    let handle = launch(&disks, common, &guest.keys)?;
    let paths = if guest.mount.is_empty() {
        let root = the_root(&handle, &guest.keys, session)?;
        mount_system(&handle, &root, |warning| session.warn(&warning))?;
        GuestPaths::of_system(&handle, root.as_bstr())?
    } else {
        let decrypted =
            if guest.keys.given() { decrypt(&handle, &guest.keys, Ask::User)? } else { Decrypted::default() };
        for mount in &guest.mount {
            mount_by_hand(&handle, mount, &decrypted).map_err(|e| with_filesystems(&handle, e))?;
        }
        GuestPaths::by_hand()
    };
    Ok(Opened { handle, operands, paths })
}

/// A launched handle with `disks`, read-only, on which the devices that `keys` are for can be decrypted.
///
/// # Errors
/// If one of them can't be opened, or the launch fails.
pub fn launch(disks: &[Disk], common: &CommonOptions, keys: &KeyOptions) -> Result<Guestfs> {
    launch_with(disks, common, keys, true)
}

/// The same with disks that can be written.
///
/// # Errors
/// As [`launch`], if a disk can't be written, and if it is one of a guest of libvirt that is running.
pub fn launch_writable(disks: &[Disk], common: &CommonOptions, keys: &KeyOptions) -> Result<Guestfs> {
    for disk in disks.iter().filter(|disk| !disk.readonly) {
        if let Some(owner) = disk.owner.as_ref().filter(|owner| owner.is_running) {
            return Err(Error::new(format!("the libvirt guest ‘{}’ is running", owner.name))
                .hint("two systems that write to one disk destroy it: shut the guest down first"));
        }
        let name = || disk.path.display().to_string();
        let opened = std::fs::OpenOptions::new().read(true).write(true).open(&disk.path);
        opened.map_err(|e| Error::because(name(), e).hint("the disk has to be written for this"))?;
    }
    launch_with(disks, common, keys, false)
}

fn launch_with(disks: &[Disk], common: &CommonOptions, keys: &KeyOptions, readonly: bool) -> Result<Guestfs> {
    let handle = Guestfs::new()?;
    {
        // The environment may have turned them on already.
        let mut settings = handle.settings();
        settings.verbose |= common.verbose > 0;
        settings.trace |= common.trace;
        settings.network |= keys.needs_network();
    }
    // Among messages of what goes on, a bar is neither needed nor readable.
    if !common.no_progress && common.verbose == 0 && !common.trace {
        waiting::show(&handle);
    }
    for disk in disks {
        add(&handle, disk, readonly)?;
    }
    handle.launch()?;
    Ok(handle)
}

fn add(handle: &Guestfs, disk: &Disk, readonly: bool) -> Result<()> {
    let opts = AddDriveOpts {
        readonly: Some(readonly || disk.readonly),
        format: disk.format.clone(),
        blocksize: disk.blocksize,
        ..AddDriveOpts::default()
    };
    Ok(handle.add_drive(&disk.path, &opts)?)
}

fn mount_by_hand(handle: &Guestfs, mount: &Mount, decrypted: &Decrypted) -> Result<()> {
    let options = mount.options.as_deref().unwrap_or("ro");
    let (device, mountpoint) = (mount.device.as_bytes().as_bstr(), mount.mountpoint.as_str());
    let opened = decrypted.opened.iter().find(|(encrypted, _)| encrypted.device == device);
    let device = opened.map_or(device, |(_, opened)| opened.as_bstr());
    match &mount.fstype {
        Some(fstype) => handle.mount_vfs(options, fstype, device, mountpoint)?,
        None => handle.mount_options(options, device, mountpoint)?,
    }
    Ok(())
}

/// The operating systems on the disks, and what was not looked at.
#[derive(Debug)]
pub struct Systems {
    /// Their roots, those on encrypted devices included.
    pub roots: Vec<BString>,
    /// Devices that stay locked.
    pub locked: Vec<Locked>,
    /// What can't be read though it may hold a system too, or a part of one: each names its device.
    pub unread: Vec<Error>,
}

impl Systems {
    /// Tells the user, before one system is taken for the only one, what was not looked at.
    pub fn warn(&self, session: &mut Session) {
        for device in &self.locked {
            session.warn(&about_locked(device));
        }
        for error in &self.unread {
            session.warn(error);
        }
    }
}

/// Finds all operating systems on the disks. What can't be read does not keep the others from being found.
///
/// # Errors
/// If a key does not fit, or inspection fails.
pub fn find_systems(handle: &Guestfs, keys: &KeyOptions, ask: Ask) -> Result<Systems> {
    let mut decrypted = decrypt(handle, keys, ask)?;
    let (mut roots, mut refused) = inspect(handle)?;
    if roots.is_empty() && !decrypted.unread.is_empty() {
        // It may be in what only the appliance can look at that inspection has started.
        decrypted = decrypt(handle, keys, ask)?;
        (roots, refused) = inspect(handle)?;
    }
    let unread = handle.inspect_unread()?.into_iter().map(|text| Error::new(text.to_string()));
    Ok(Systems { roots, locked: decrypted.locked, unread: refused.into_iter().chain(unread).collect() })
}

/// The roots, and what only an appliance can look at where none can be had. If that is all there is, it is the error.
fn inspect(handle: &Guestfs) -> Result<(Vec<BString>, Option<Error>)> {
    let refused = match handle.inspect_os() {
        Err(error) if needs_appliance(&error) && handle.is_ready() => error,
        found => return Ok((found?, None)),
    };
    // Whether the embedded daemon found something without it. If it did not even get that far, it has no roots at all.
    let roots = handle.inspect_get_roots().unwrap_or_default();
    if roots.is_empty() {
        return Err(refused.into());
    }
    Ok((roots, Some(with_appliance_hint(handle, refused.into()))))
}

/// The root of the one operating system on the disks.
fn the_root(handle: &Guestfs, keys: &KeyOptions, session: &mut Session) -> Result<BString> {
    let systems = find_systems(handle, keys, Ask::User)?;
    let Systems { roots, locked, .. } = &systems;
    if !roots.is_empty() {
        systems.warn(session);
    }
    match roots.as_slice() {
        [root] => Ok(root.clone()),
        [] => Err(no_system(handle, locked)),
        [first, ..] => {
            let names: Vec<String> = roots.iter().map(|root| described(handle, root.as_bstr())).collect();
            Err(Error::new(format!("there are several operating systems: {}", names.join(", ")))
                .hint(format!("choose one with -m, as in -m {first}")))
        }
    }
}

/// Mounts what the operating system on `root` mounts. What can't be mounted, but for `/`, goes to `warn`.
///
/// # Errors
/// If `/` can't be mounted, or the daemon is gone.
pub fn mount_system(handle: &Guestfs, root: &BString, mut warn: impl FnMut(Error)) -> Result<()> {
    let mut mounts: Vec<(BString, BString)> = handle.inspect_get_mountpoints(root)?.0;
    // A mountpoint comes after the one that it lies in.
    mounts.sort_by_key(|(mountpoint, _)| mountpoint.len());
    if mounts.iter().all(|(mountpoint, _)| mountpoint != "/") {
        mounts.insert(0, ("/".into(), root.clone()));
    }
    let deployment = handle.inspect_deployment(root)?;
    if deployment != "/" {
        handle.internal_mount_deployment(root, &deployment)?;
        mounts.retain(|(mountpoint, _)| mountpoint != "/");
    }
    for (mountpoint, device) in &mounts {
        if let Err(e) = handle.mount_ro(device, mountpoint) {
            // The guest may call its disk by a name that says nothing here.
            if mountpoint == "/" && device != root && handle.is_ready() {
                handle.mount_ro(root, "/")?;
                warn(Error::from(e).hint(format!("{root}, where the system was found, is taken for /")));
                continue;
            }
            if mountpoint == "/" || !handle.is_ready() {
                return Err(e.into());
            }
            warn(Error::from(e).hint(format!("what is below {mountpoint} is left out")));
        }
    }
    Ok(())
}

/// A root as people know it: `/dev/sda2 (Debian GNU/Linux 12)`.
fn described(handle: &Guestfs, root: &BStr) -> String {
    match handle.inspect_get_product_name(root) {
        Ok(name) if name != "unknown" && !name.is_empty() => format!("{root} ({name})"),
        _ => root.to_string(),
    }
}

/// That there is no operating system, with what else there is.
pub fn no_system(handle: &Guestfs, locked: &[Locked]) -> Error {
    match locked.first() {
        Some(device) => about_locked(device).about("no operating system was found"),
        None => with_filesystems(handle, Error::new("no operating system was found on the disk")),
    }
}

/// The error with a hint that says what can be mounted, and what inspection could not read.
fn with_filesystems(handle: &Guestfs, error: Error) -> Error {
    let Ok(filesystems) = handle.list_filesystems() else {
        return error;
    };
    // Without an inspection there are none.
    let unread = handle.inspect_unread().unwrap_or_default();
    let named = filesystems.0.iter().filter(|(_, kind)| kind != "unknown" && kind != "swap");
    let is_unread = |device: &BString| {
        let mut rest = unread.iter().filter_map(|text| text.strip_prefix(device.as_slice()));
        rest.any(|rest| rest.starts_with(b": "))
    };
    let readable: Vec<_> = named.filter(|(device, _)| !is_unread(device)).collect();
    let list = |filesystems: &[&(BString, BString)]| {
        let names: Vec<String> =
            filesystems.iter().map(|(device, kind)| format!("{device} ({kind})")).collect();
        names.join(", ")
    };
    let unread: String = unread.iter().map(|text| format!("; can't be read: {text}")).collect();
    error.hint(if !readable.is_empty() {
        format!("these filesystems can be mounted with -m: {}{unread}", list(&readable))
    } else if unread.is_empty() {
        "the disk has no filesystem that could be mounted; is it the right file, and the right --format?"
            .to_owned()
    } else {
        format!("the disk has no filesystem that could be mounted{unread}")
    })
}

/// Reports a failure after which the tool goes on with what is left; without a daemon there is nothing left to do.
///
/// # Errors
/// The same error, if the daemon is gone.
pub fn go_on_after(error: Error, handle: &Guestfs, session: &mut Session) -> Result<()> {
    if handle.is_ready() {
        session.fail(&error);
        return Ok(());
    }
    Err(error)
}

/// Is this the daemon's word that only an appliance can do the job?
pub fn needs_appliance(error: &libguestfs_core::Error) -> bool {
    error.kind() == ErrorKind::NeedsAppliance || error.message().contains(NEEDS_APPLIANCE)
}

/// An error for whose job an appliance is needed, with what the user can do. Where the handle may fall back to one, the
/// error itself says why it could not.
pub fn with_appliance_hint(handle: &Guestfs, error: Error) -> Error {
    if handle.settings().backend == "embedded" { error.hint(EMBEDDED_ONLY) } else { error }
}

/// An error about a path of the guest, with a hint on which filesystem it was looked for.
pub fn about_path(handle: &Guestfs, path: &[u8], error: libguestfs_core::Error) -> Error {
    if needs_appliance(&error) {
        return with_appliance_hint(handle, Error::from(error));
    }
    let daemons = error.kind() == ErrorKind::Daemon;
    let error = Error::from(error);
    if !daemons {
        return error;
    }
    match mounted_at(handle, path) {
        Some((device, mountpoint)) => {
            error.hint(format!("{} was looked for on {device}, mounted on {mountpoint}", path.as_bstr()))
        }
        None => error,
    }
}

/// The filesystem that `path` is on, links aside: device and mountpoint.
fn mounted_at(handle: &Guestfs, path: &[u8]) -> Option<(BString, BString)> {
    let mounts = handle.mountpoints().ok()?.0;
    mounts.into_iter().filter(|(_, mountpoint)| lies_below(path, mountpoint)).max_by_key(|(_, m)| m.len())
}

fn lies_below(path: &[u8], mountpoint: &[u8]) -> bool {
    let rest = path.strip_prefix(mountpoint.trim_end_with(|c| c == '/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_below_whole_names_only() {
        for (path, mountpoint, expected) in [
            ("/a", "/", true),
            ("/", "/", true),
            ("/var/log", "/var", true),
            ("/var", "/var", true),
            ("/variable", "/var", false),
            ("/usr", "/usr/local", false),
        ] {
            assert_eq!(lies_below(path.as_bytes(), mountpoint.as_bytes()), expected, "{path} {mountpoint}");
        }
    }
}
