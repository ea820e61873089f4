//! Prints files of a virtual machine.

mod manual;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use bstr::BStr;
use clap::{ArgMatches, Command, CommandFactory, Parser};
use libguestfs_core::Guestfs;
use virt_common::options::{CommonOptions, finish};
use virt_common::{GuestOptions, GuestPaths, Opened, Result, Session, about_path, go_on_after};

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
    let Opened { handle, operands, mut paths } =
        virt_common::open(&options.guest, &options.common, &options.files, "file", matches, session)?;
    for file in &operands {
        let path = BStr::new(file.as_bytes());
        if let Err(e) = print(&handle, &mut paths, path, session) {
            if session.out.has_failed() {
                return Ok(());
            }
            go_on_after(e, &handle, session)?;
        }
    }
    handle.shutdown()?;
    Ok(())
}

fn print(handle: &Guestfs, paths: &mut GuestPaths, path: &BStr, session: &mut Session) -> Result<()> {
    let found = paths.find(handle, path)?;
    paths.warn(handle, session)?;
    handle.download(&found, &mut session.out).map_err(|e| about_path(handle, &found, e))
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
