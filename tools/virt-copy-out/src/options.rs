//! The command line of virt-copy-out.

use std::ffi::OsString;

use clap::{ArgAction, Command, CommandFactory, Parser};
use virt_common::GuestOptions;
use virt_common::options::{CommonOptions, finish};

/// The command line of virt-copy-out.
#[derive(Debug, Parser)]
#[command(
    name = "virt-copy-out",
    version,
    about = "Copy files and directories out of a virtual machine",
    override_usage = "virt-copy-out [OPTIONS] -a DISK [-a DISK]... FILE|DIR... LOCALDIR"
)]
pub struct Options {
    #[command(flatten)]
    pub(crate) guest: GuestOptions,

    #[command(flatten)]
    pub(crate) common: CommonOptions,

    /// Leave out what fits a wildcard
    ///
    /// As of tar --exclude: PATTERN fits a path from any of its components on, and its wildcards match slashes too. What
    /// is below a directory that is left out is left out.
    #[arg(long, value_name = "PATTERN", action = ArgAction::Append)]
    pub(crate) exclude: Vec<OsString>,

    /// Report what became of the copy as JSON, on standard output
    ///
    /// See JSON below for what is in it.
    #[arg(long)]
    pub(crate) json: bool,

    /// Keep owners and groups, though not root
    ///
    /// For root that is the default. Without owners, what is copied belongs to the caller, and set-user-ID and
    /// set-group-ID bits are not kept.
    #[arg(long, overrides_with = "no_owner")]
    pub(crate) owner: bool,

    /// Do not keep owners and groups, though root
    #[arg(long, overrides_with = "owner")]
    pub(crate) no_owner: bool,

    /// Compare the copy with the guest, after it was made
    ///
    /// All that was copied is read a second time, from the guest and from the copy, and compared: kinds, modes, owners,
    /// times of modification, targets of links and every byte.
    #[arg(long)]
    pub(crate) verify: bool,

    /// Keep extended attributes and ACLs
    ///
    /// An ordinary user can keep those of the user, not those that begin with "security." and "trusted.".
    #[arg(long)]
    pub(crate) xattrs: bool,

    /// Inspect the guest, which is always done without -m (as of guestfish)
    #[arg(short, long, hide = true)]
    inspector: bool,

    /// Only read the guest, which is always done (as of guestfish)
    #[arg(short, long, hide = true)]
    ro: bool,

    /// Do not show progress
    #[arg(long)]
    pub(crate) no_progress_bars: bool,

    /// Show progress, which is always done on a terminal (as of guestfish)
    #[arg(long, hide = true, overrides_with = "no_progress_bars")]
    progress_bars: bool,

    /// Files and directories of the guest, then a local directory
    #[arg(value_name = "FILE|DIR", hide = true)]
    pub(crate) operands: Vec<OsString>,
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    finish(Options::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_common::options::{long_options, short_options};

    #[test]
    fn the_options_are_those_of_the_original_and_ours() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --connect --domain --echo-keys --exclude --format --help --json --key --keys-from-stdin --mount \
             --no-owner --no-progress-bars --owner --verbose --verify --version --xattrs"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -i -m -r -v -V -x");
    }
}
