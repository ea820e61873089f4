//! Prints files of a virtual machine.

mod manual;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use bstr::{BStr, BString, ByteSlice};
use clap::{ArgMatches, Command, CommandFactory, Parser};
use libguestfs_core::Guestfs;
use virt_common::options::{CommonOptions, finish};
use virt_common::{Error, GuestOptions, Opened, Result, Session, about_path, go_on_after};

pub use manual::MANUAL;

/// The command line of virt-cat.
#[derive(Debug, Parser)]
#[command(
    name = "virt-cat",
    version,
    about = "Print files of a virtual machine",
    override_usage = "virt-cat [OPTIONS] -a DISK [-a DISK]... FILE..."
)]
pub struct Options {
    #[command(flatten)]
    guest: GuestOptions,

    #[command(flatten)]
    common: CommonOptions,

    /// Files of the guest, with their full paths
    #[arg(value_name = "FILE", hide = true)]
    files: Vec<OsString>,
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    finish(Options::command())
}

/// Prints the files. One that cannot be read does not keep the others from being printed.
///
/// # Errors
/// If the guest cannot be opened, or standard output cannot be written.
pub fn run(options: &Options, matches: &ArgMatches, session: &mut Session) -> Result<()> {
    let Opened { handle, operands } =
        virt_common::open(&options.guest, &options.common, &options.files, "file", matches, session)?;
    let windows = if options.guest.mount.is_empty() { windows_root(&handle)? } else { None };
    for file in &operands {
        let path = BStr::new(file.as_bytes());
        if let Err(e) = print(&handle, path, windows.as_ref(), session) {
            if session.out.has_failed() {
                return Ok(());
            }
            go_on_after(e, &handle, session)?;
        }
    }
    handle.shutdown()?;
    Ok(())
}

/// The root, if the guest is a Windows: paths can then begin with a drive letter.
fn windows_root(handle: &Guestfs) -> Result<Option<BString>> {
    for root in handle.inspect_get_roots()? {
        if handle.inspect_get_type(&root)? == "windows" {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

fn print(handle: &Guestfs, path: &BStr, windows: Option<&BString>, session: &mut Session) -> Result<()> {
    let found = match windows {
        Some(root) => windows_path(handle, root, path)?,
        None => path.to_owned(),
    };
    if !found.starts_with(b"/") {
        return Err(Error::new(format!("{path}: the path does not begin with a slash")));
    }
    handle.download(&found, &mut session.out).map_err(|e| about_path(handle, &found, e))
}

/// The path in the mounted guest of `C:\Dir\File`, whatever the case of its letters: the drive is mounted on / for it.
fn windows_path(handle: &Guestfs, root: &BString, path: &BStr) -> Result<BString> {
    let (letter, rest) = match path.as_bytes() {
        [letter, b':', rest @ ..] if letter.is_ascii_alphabetic() => (Some(letter), rest),
        whole => (None, whole),
    };
    if let Some(letter) = letter {
        let drives = handle.inspect_get_drive_mappings(root)?.0;
        let drive = drives.iter().find(|(name, _)| name.eq_ignore_ascii_case(&[*letter]));
        let Some((_, device)) = drive else {
            return Err(Error::new(format!("{path}: the guest has no drive {}:", char::from(*letter))));
        };
        handle.umount_all()?;
        handle.mount_ro(device, "/")?;
    }
    let slashes = rest.replace("\\", "/");
    if !slashes.starts_with(b"/") {
        return Err(Error::new(format!("{path}: the path does not begin with a slash")));
    }
    handle.case_sensitive_path(&slashes).map_err(|e| about_path(handle, &slashes, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_common::options::{long_options, short_options};

    #[test]
    fn the_options_are_those_of_the_original() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --connect --domain --echo-keys --format --help --key --keys-from-stdin --mount --verbose --version"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -m -v -V -x");
    }
}
