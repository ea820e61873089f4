//! The command line of libguestfs-make-fixed-appliance.

use std::path::PathBuf;

use clap::{ArgAction, Command, CommandFactory, Parser};
use virt_common::options::finish;
use virt_common::{Error, Result};

/// The command line of libguestfs-make-fixed-appliance.
#[derive(Debug, Parser)]
#[command(
    name = "libguestfs-make-fixed-appliance",
    version,
    about = "Make an appliance that can be copied to other machines",
    override_usage = "libguestfs-make-fixed-appliance OUTPUTDIR\n       libguestfs-make-fixed-appliance --xz"
)]
pub struct Options {
    /// Make a compressed archive in the current directory
    ///
    /// Its name is appliance-VERSION.tar.xz, with the version of this program, and what is in it is in a directory
    /// "appliance". Compressing, which xz(1) does, can take a minute.
    #[arg(long)]
    xz: bool,

    /// Show this help
    #[arg(long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// List the long options, for shell completion
    #[arg(long, hide = true)]
    long_options: bool,

    /// List the short options, for shell completion
    #[arg(long, hide = true)]
    short_options: bool,

    /// Show the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Directory for the appliance
    #[arg(value_name = "OUTPUTDIR")]
    directory: Option<PathBuf>,
}

/// Where the appliance goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Into this directory.
    Directory(&'a PathBuf),
    /// Into an archive in the current directory.
    Archive,
}

impl Options {
    /// Where the appliance goes.
    ///
    /// # Errors
    /// If that is not said, or said twice.
    pub(crate) fn target(&self) -> Result<Target<'_>> {
        match (&self.directory, self.xz) {
            (Some(directory), false) => Ok(Target::Directory(directory)),
            (None, true) => Ok(Target::Archive),
            (Some(_), true) => Err(Error::bad_options("--xz makes an archive, and takes no OUTPUTDIR")),
            (None, false) => Err(Error::bad_options("name the directory for the appliance, or give --xz")),
        }
    }
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    finish(Options::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use virt_common::options::{long_options, short_options};

    #[test]
    fn the_options_are_those_of_the_original() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(long_options(&command).join(" "), "--help --version --xz");
        assert_eq!(short_options(&command).join(" "), "-V");
    }

    #[test]
    fn an_appliance_goes_to_one_place() {
        let directory = PathBuf::from("d");
        for (arguments, expected) in [
            ("x d", Some(Target::Directory(&directory))),
            ("x --xz", Some(Target::Archive)),
            ("x", None),
            ("x --xz d", None),
        ] {
            let matches = command().try_get_matches_from(arguments.split(' ')).unwrap();
            let options = Options::from_arg_matches(&matches).unwrap();
            assert_eq!(options.target().ok(), expected, "{arguments}");
        }
    }
}
