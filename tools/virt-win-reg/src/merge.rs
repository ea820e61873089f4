//! Changes of `.reg` files made in the registry of a guest, or in a hive file.
//!
//! ```text
//! text of the files ──> daemon: parsed, applied in memory ──> new hives, in files without a name
//!                                                               │ all of them are there
//! the guest's disks <── appliance: one hive after the other  <──┘
//! ```
//!
//! Nothing is written before every new hive has come and was found sound by the daemon that made it. Each hive is then
//! replaced in one step, so that a failure leaves the old one or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use bstr::{BString, ByteSlice};
use libguestfs_core::Guestfs;
use libguestfs_core::client::Upload;
use virt_common::options::Disk;
use virt_common::{Error, Result, Session, needs_appliance, with_appliance_hint};

use crate::open::{self, Windows};
use crate::options::Options;
use crate::replace::Replacement;
use crate::show::{plain, warn_of_notes};

/// Bytes of a file that are sent at a time: a message of the protocol holds 4 MiB.
const PIECE: usize = 1 << 20;
/// What the user can do about a volume that is not to be written.
const REMEDY: &str = "start Windows and shut it down with \"shutdown /s /t 0\", which is complete, also where fast startup \
                      is on; \"chkdsk /f\" mends a volume that is marked";
/// What he can do about a hive in the midst of being written, in a guest and as a file.
const FINISH: &str = "start Windows, which completes the hive or takes another one, and shut it down with \"shutdown /s /t 0\"";
const FINISH_FILE: &str = "put the logs that were beside it in its guest (.LOG, .LOG1, .LOG2) beside it again, all of the \
                           same time, or take it from a guest that was shut down";

/// Merges into a guest.
///
/// # Errors
/// If anything fails. The message says which hives are written then: none, but for failures while the second one or a later
/// one is written.
pub(crate) fn guest(
    disks: &[Disk],
    files: &[OsString],
    options: &Options,
    session: &mut Session,
) -> Result<()> {
    let Windows { handle, root, systemroot } = open::guest(disks, options, session)?;
    // All that is mounted will be mounted to be written.
    if let Some(obstacle) = handle.mount_warnings()?.first() {
        return Err(Error::new(format!("the guest can't be written safely: {obstacle}")).hint(REMEDY));
    }
    send_changes(&handle, files, options)?;
    let hives = handle.internal_registry_hives(&systemroot).map_err(plain)?;
    let mut images = Vec::new();
    for hive in &hives {
        images.push(merged(&handle, hive, session)?);
    }
    mount_writable(&handle, &root)?;
    let mut written: Vec<String> = Vec::new();
    for (hive, mut image) in hives.iter().zip(images) {
        let size = image.metadata().map_err(|e| Error::because("a temporary file", e))?.len();
        let upload = Upload { content: &mut image, size: Some(size) };
        let replaced = handle.internal_registry_replace(hive, upload, options.backup());
        replaced.map_err(|e| about_hives(&handle, e, &written))?;
        written.push(hive.to_string());
    }
    handle.umount_all()?;
    handle.shutdown()?;
    Ok(())
}

/// Merges into a hive file.
///
/// # Errors
/// If anything fails: the file is then as it was.
pub(crate) fn file(path: &Path, files: &[OsString], options: &Options, session: &mut Session) -> Result<()> {
    // A symbolic link stays one.
    let path = path.canonicalize().map_err(|e| Error::because(path.display().to_string(), e))?;
    let (handle, place) = open::file(&path, b"\\".as_bstr(), options)?;
    send_changes(&handle, files, options)?;
    let mut new = Replacement::begin(&path)?;
    let merged = handle.internal_registry_merge(&place.hive, &place.logs, &place.prefix, new.file());
    warn_of_notes(&handle, &place.shown, session)?;
    merged.map_err(|e| {
        let (needs_prefix, is_unfinished) =
            (e.message().contains(NEEDS_PREFIX), e.message().contains(UNFINISHED));
        let error = place.named(plain(e));
        match () {
            () if needs_prefix => error.hint("say it with --prefix, as in --prefix 'HKLM\\SOFTWARE'"),
            () if is_unfinished => error.hint(FINISH_FILE),
            () => error,
        }
    })?;
    handle.shutdown()?;
    new.finish(options.backup())
}

/// What the daemon says of a hive that is in the midst of being written.
const UNFINISHED: &str = "its logs don't complete it";
/// What the daemon says when something fails after a hive was replaced.
const IN_PLACE: &str = "is in its place, but then: ";
/// What the daemon says of a key that begins with the name of a root of the registry.
const NEEDS_PREFIX: &str = "what its keys begin with has to be given";

/// Sends the files to the daemon, which parses them.
fn send_changes(handle: &Guestfs, files: &[OsString], options: &Options) -> Result<()> {
    let stdin = [OsString::from("-")];
    let files = if files.is_empty() { &stdin } else { files };
    for file in files {
        let is_stdin = file == OsStr::new("-");
        let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
        let mut source: Box<dyn Read> = if is_stdin {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(file).map_err(|e| Error::because(&name, e))?)
        };
        loop {
            let mut piece = Vec::new();
            let limit = u64::try_from(PIECE).unwrap_or(u64::MAX);
            let count = source.by_ref().take(limit).read_to_end(&mut piece);
            let ends = count.map_err(|e| Error::because(&name, e))? < PIECE;
            handle.internal_registry_change(&name, options.encoding(), &piece, ends).map_err(plain)?;
            if ends {
                break;
            }
        }
    }
    Ok(())
}

/// A hive with its changes, in a file without a name, at whose beginning it stands.
fn merged(handle: &Guestfs, hive: &BString, session: &mut Session) -> Result<File> {
    let temporary = |e| Error::because("a temporary file", e);
    let mut image = tempfile::tempfile().map_err(temporary)?;
    let merged = handle.internal_registry_merge(hive, &[] as &[BString], "", &mut image);
    warn_of_notes(handle, &hive.to_string(), session)?;
    merged.map_err(|e| {
        let is_unfinished = e.message().contains(UNFINISHED);
        let error = plain(e);
        if is_unfinished { error.hint(FINISH) } else { error }
    })?;
    image.rewind().map_err(temporary)?;
    Ok(image)
}

/// Mounts what the system mounts anew, to be written.
fn mount_writable(handle: &Guestfs, root: &BString) -> Result<()> {
    handle.umount_all()?;
    let mut mounts: Vec<(BString, BString)> = handle.inspect_get_mountpoints(root)?.0;
    mounts.sort_by_key(|(mountpoint, _)| mountpoint.len());
    for (mountpoint, device) in &mounts {
        handle.mount_options("rw", device, mountpoint).map_err(|e| {
            if needs_appliance(&e) { with_appliance_hint(handle, e.into()) } else { e.into() }
        })?;
    }
    Ok(())
}

/// The error with the hives that were written before.
fn about_hives(handle: &Guestfs, error: libguestfs_core::Error, written: &[String]) -> Error {
    if needs_appliance(&error) {
        return with_appliance_hint(handle, plain(error));
    }
    // That hive is the new one, or the old one if its disk fails.
    let is_in_place = error.message().contains(IN_PLACE);
    let error = plain(error);
    match written {
        _ if is_in_place => error,
        [] => error.about("nothing was written"),
        written => error.about(format!("only {} was written", written.join(", "))),
    }
}
