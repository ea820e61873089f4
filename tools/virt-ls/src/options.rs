//! The command line of virt-ls, and which of its options fit together.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory, Parser};
use virt_common::options::{CommonOptions, finish};
use virt_common::{Error, GuestOptions, Result};

/// Types of checksums that the library computes.
const CHECKSUMS: [&str; 7] = ["crc", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

/// The command line of virt-ls.
#[derive(Debug, Parser)]
#[command(
    name = "virt-ls",
    version,
    about = "List directories of a virtual machine",
    override_usage = "virt-ls [OPTIONS] -a DISK [-a DISK]... DIR..."
)]
pub struct Options {
    #[command(flatten)]
    pub(crate) guest: GuestOptions,

    #[command(flatten)]
    pub(crate) common: CommonOptions,

    /// Show a checksum of each regular file's content (with -lR)
    ///
    /// Without a value the checksum is MD5. "crc" is the CRC of cksum(1).
    #[arg(long, alias = "checksums", value_name = "TYPE", num_args = 0..=1, require_equals = true,
          default_missing_value = "md5", value_parser = PossibleValuesParser::new(CHECKSUMS))]
    pub(crate) checksum: Option<String>,

    /// Print comma-separated values (with -lR)
    ///
    /// A name with a space, comma, double quote or line break in it is quoted. Names may hold line breaks, so read
    /// the output with a CSV parser, not line by line.
    #[arg(long)]
    pub(crate) csv: bool,

    /// Show device, inode number, number of links, number of a special file, and blocks (with -lR)
    ///
    /// Blocks have 512 bytes. The device is a number of this program, not of the guest.
    #[arg(long, alias = "extra-stat")]
    pub(crate) extra_stats: bool,

    /// Show sizes with a unit, as in 1.5K (with -lR)
    ///
    /// Units are powers of 1024.
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,

    /// Print JSON, in every mode
    ///
    /// See JSON below for what is in it. Options that choose columns have no effect: all is there but checksums, which
    /// need --checksum.
    #[arg(long, conflicts_with_all = ["csv", "human_readable"])]
    pub(crate) json: bool,

    /// Long listing, as of ls -la; with -R, one record an entry
    #[arg(short, long)]
    pub(crate) long: bool,

    /// List what is in the directories below, too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,

    /// Show times of last access, last modification and last change of status (with -lR)
    ///
    /// Times are local ones, as the variable TZ or the system's setting has it.
    #[arg(long, alias = "time")]
    pub(crate) times: bool,

    /// Show times as whole days before now (with -lR)
    ///
    /// Implies --times. 0 is less than a day ago; times in the future are negative.
    #[arg(long, overrides_with_all = ["time_relative", "time_t"])]
    pub(crate) time_days: bool,

    /// Show times as seconds before now (with -lR)
    ///
    /// Implies --times. Times in the future are negative.
    #[arg(long, overrides_with_all = ["time_days", "time_t"])]
    pub(crate) time_relative: bool,

    /// Show times as seconds since 1970 (with -lR)
    ///
    /// Implies --times.
    #[arg(long, overrides_with_all = ["time_days", "time_relative"])]
    pub(crate) time_t: bool,

    /// Show numeric owners and groups (with -lR)
    #[arg(long, alias = "uid")]
    pub(crate) uids: bool,

    /// Directories of the guest, with their full paths
    #[arg(value_name = "DIR", hide = true)]
    pub(crate) directories: Vec<OsString>,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Names.
    Names,
    /// `-l`.
    Long,
    /// `-R`.
    Recursive,
    /// `-lR`.
    Records,
}

impl Options {
    /// The mode that -l and -R choose.
    ///
    /// # Errors
    /// If another option does not fit it.
    pub(crate) fn mode(&self) -> Result<Mode> {
        let mode = match (self.long, self.recursive) {
            (false, false) => Mode::Names,
            (true, false) => Mode::Long,
            (false, true) => Mode::Recursive,
            (true, true) => Mode::Records,
        };
        let of_records = [
            (self.csv, "--csv"),
            (self.human_readable, "-h"),
            (self.uids, "--uids"),
            (self.times, "--times"),
            (self.time_t, "--time-t"),
            (self.time_relative, "--time-relative"),
            (self.time_days, "--time-days"),
            (self.extra_stats, "--extra-stats"),
            (self.checksum.is_some(), "--checksum"),
        ];
        if let Some((_, option)) = of_records.iter().find(|(given, _)| *given && mode != Mode::Records) {
            return Err(Error::bad_options(format!("{option} needs -lR")));
        }
        if self.human_readable && self.csv {
            return Err(Error::bad_options("-h and --csv do not go together"));
        }
        Ok(mode)
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

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        let matches = command().try_get_matches_from(arguments.split(' '))?;
        Options::from_arg_matches(&matches)
    }

    #[test]
    fn the_options_are_those_of_the_original_and_json() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --checksum --checksums --connect --csv --domain --echo-keys --extra-stat --extra-stats \
             --format --help --human-readable --json --key --keys-from-stdin --long --mount --recursive --time --times \
             --time-days --time-relative --time-t --uid --uids --verbose --version"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -h -l -m -R -v -V -x");
    }

    #[test]
    fn l_and_r_choose_the_mode() {
        for (arguments, mode) in [
            ("virt-ls /", Mode::Names),
            ("virt-ls -l /", Mode::Long),
            ("virt-ls -R /", Mode::Recursive),
            ("virt-ls -lR /", Mode::Records),
            ("virt-ls --long / --recursive", Mode::Records),
            ("virt-ls --rec / -l -l", Mode::Records),
            ("virt-ls -lRh --time --uid --extra-stat --checksums /", Mode::Records),
            ("virt-ls -lR --json --uids --times /", Mode::Records),
        ] {
            assert_eq!(parse(arguments).unwrap().mode().unwrap(), mode, "{arguments}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for arguments in [
            "--csv",
            "-l -h",
            "-R --uids",
            "--times",
            "--time-t",
            "-l --extra-stats",
            "-R --checksum",
            "-lR -h --csv",
        ] {
            let options = parse(&format!("virt-ls {arguments} /")).unwrap();
            assert_eq!(options.mode().unwrap_err().status(), 2, "{arguments}");
        }
        for arguments in ["--json --csv", "--json -h", "--checksum=sha3", "--times=3", "--ti"] {
            assert!(parse(&format!("virt-ls -lR {arguments} /")).is_err(), "{arguments}");
        }
    }

    #[test]
    fn the_last_form_of_time_counts() {
        let options = parse("virt-ls -lR --time-t --time-days --time-relative /").unwrap();
        assert!(options.time_relative && !options.time_t && !options.time_days);
    }
}
