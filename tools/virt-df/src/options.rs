//! The command line of virt-df, and which guests it names.

use std::ffi::OsString;

use clap::{ArgMatches, Command, CommandFactory, Parser};
use virt_common::options::{CommonOptions, Disk, finish};
use virt_common::{DiskOptions, Error, Guest, KeyOptions, Result, domains, operands};

/// The command line of virt-df.
#[derive(Debug, Parser)]
#[command(
    name = "virt-df",
    version,
    about = "Show how full the filesystems of virtual machines are",
    override_usage = "virt-df [OPTIONS] -a DISK [-a DISK]..."
)]
pub struct Options {
    #[command(flatten)]
    pub(crate) disks: DiskOptions,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,

    #[command(flatten)]
    pub(crate) common: CommonOptions,

    /// Print comma-separated values
    ///
    /// A name with a space, comma, double quote or line break in it is quoted. Names may hold line breaks, so read
    /// the output with a CSV parser, not line by line.
    #[arg(long)]
    pub(crate) csv: bool,

    /// Show sizes with a unit, as in 1.5G
    ///
    /// Units are powers of 1024.
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,

    /// Show inodes, not blocks
    #[arg(short, long)]
    pub(crate) inodes: bool,

    /// Print JSON
    ///
    /// See JSON below for what is in it: bytes and inodes, with and without -i.
    #[arg(long, conflicts_with_all = ["csv", "human_readable"])]
    pub(crate) json: bool,

    /// Does nothing, for scripts that have it
    ///
    /// Each guest is always read by a process of its own.
    #[arg(long)]
    one_per_guest: bool,

    /// How many guests are examined at a time, at most
    ///
    /// 0, which is also the default, is the number of processors. With one guest it has no effect.
    #[arg(short = 'P', value_name = "NR_THREADS", default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: u32,

    /// Take each disk for a guest of its own
    ///
    /// Without this option, all disks of the command line belong to one guest. With it, each is examined alone, several
    /// at a time (see -P), and shown in the order of the command line. The disks of a libvirt guest stay together.
    #[arg(long)]
    separate: bool,

    /// Show UUIDs instead of names, of libvirt guests
    ///
    /// As in the original, that is so where all guests of libvirt are examined, because none is named.
    #[arg(long)]
    uuid: bool,

    /// Disk images, in the old style
    #[arg(value_name = "DISK", hide = true)]
    operands: Vec<OsString>,
}

impl Options {
    /// The guests that the command line names.
    ///
    /// # Errors
    /// If it makes no sense, and what libvirt says against a guest.
    pub(crate) fn guests(&self, matches: &ArgMatches) -> Result<Vec<Guest>> {
        if self.human_readable && self.csv {
            return Err(Error::bad_options("-h and --csv do not go together"));
        }
        if self.separate && self.keys.keys_from_stdin {
            return Err(Error::bad_options(
                "--separate and --keys-from-stdin do not go together: guests are examined in no order",
            ));
        }
        let added = Disk::from_matches(matches)?;
        if added.is_empty() && self.operands.is_empty() {
            return domains::all(matches, self.uuid);
        }
        let disks = operands::disks(added, &self.operands, matches)?;
        Ok(if self.separate { Guest::each(&disks) } else { vec![Guest::new(disks)] })
    }
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    finish(Options::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::BString;
    use clap::FromArgMatches;
    use virt_common::options::{long_options, short_options};

    fn guests(arguments: &str) -> Result<Vec<Guest>> {
        let matches = command().try_get_matches_from(arguments.split(' ')).unwrap();
        Options::from_arg_matches(&matches).unwrap().guests(&matches)
    }

    #[test]
    fn the_options_are_those_of_the_original_and_json_keys_and_separate() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --connect --csv --domain --echo-keys --format --help --human-readable --inodes --json --key \
             --keys-from-stdin --one-per-guest --separate --uuid --verbose --version"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -h -i -P -v -V -x");
    }

    #[test]
    fn disks_are_one_guest_or_each_its_own() {
        for (arguments, expected) in [
            ("virt-df -a one.img", vec!["one.img"]),
            ("virt-df -a /a/one.img -a two.img --add file:///b/three.img", vec!["one.img++"]),
            ("virt-df ./one.img ./two.img", vec!["one.img+"]),
            ("virt-df --separate -a /a/one.img -a two.img", vec!["one.img", "two.img"]),
            ("virt-df --separate ./one.img /b/one.img", vec!["one.img", "one.img"]),
            ("virt-df -a ..", vec![".."]),
        ] {
            let names: Vec<BString> = guests(arguments).unwrap().into_iter().map(|g| g.name).collect();
            assert_eq!(names, expected, "{arguments}");
        }
        assert_eq!(guests("virt-df -h --csv -a one.img").unwrap_err().status(), 2);
    }
}
